//go:build invariant

package arena

import (
	"fmt"

	"larder/datatypes/invariant"
)

const (
	poisonFreed = 0xdb
	poisonFresh = 0xa5
	poisonMost  = 64 << 10 // of a large allocation only so much is filled
)

// debug remembers what each live allocation was asked for.
type debug struct{ sizes map[Ref]int }

func (d *debug) init() { d.sizes = map[Ref]int{} }

func (d *debug) allocated(a *Arena, r Ref, size int) {
	_, twice := d.sizes[r]
	invariant.Check(!twice, "arena: ref %#x handed out twice", r)
	invariant.Check(RoundUp(size)%64 != 0 || uintptr(a.Ptr(r))%64 == 0, "arena: ref %#x for %d bytes is not on a cache line", r, size)
	d.sizes[r] = size
	fill(a.Bytes(r, min(size, poisonMost)), poisonFresh)
}

func (d *debug) freed(a *Arena, r Ref, size int) {
	had, ok := d.sizes[r]
	invariant.Check(ok, "arena: ref %#x freed, but it is not allocated", r)
	invariant.Check(had == size, "arena: ref %#x freed as %d bytes, but %d were asked for", r, size, had)
	delete(d.sizes, r)
}

func (d *debug) resized(r Ref, old, size int) {
	had, ok := d.sizes[r]
	invariant.Check(ok && had == old, "arena: ref %#x resized from %d bytes, but %d were asked for", r, old, had)
	d.sizes[r] = size
}

// check says which live allocation does not stand in a live slot. live says whether a ref does.
func (d *debug) check(a *Arena, live func(r Ref) bool) error {
	asked := int64(0)
	for r, size := range d.sizes {
		if !live(r) {
			return fmt.Errorf("ref %#x of %d bytes does not stand in a live slot", r, size)
		}
		asked += int64(size)
	}
	if asked != a.asked {
		return fmt.Errorf("asked bytes are %d, counted %d", asked, a.asked)
	}
	return nil
}

// poison fills n bytes that are being freed.
func (a *Arena) poison(r Ref, n int) { fill(a.Bytes(r, min(n, poisonMost)), poisonFreed) }

// checkPoison sees to it that nobody wrote to a free slot that is about to be handed out.
func (a *Arena) checkPoison(first uint32, slot uint16, n int) {
	r := Ref(first*pageGran + uint32(slot))
	for i, b := range a.Bytes(r, n)[2:] {
		invariant.Check(b == poisonFreed, "arena: ref %#x was written to after it was freed, at byte %d", r, i+2)
	}
}

func fill(b []byte, v byte) {
	for i := range b {
		b[i] = v
	}
}
