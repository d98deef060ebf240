// Package arena keeps the bytes of one shard: entries, tables and collections, named by 32-bit refs.
//
// An arena is not safe for concurrent use: the shard that owns it is held. Prefetch and Populate are the exceptions.
package arena

import (
	"errors"
	"fmt"
	"unsafe"
)

// A Ref names an allocation: its offset from the arena's base in granules of 8 bytes. 0 is nil.
type Ref uint32

// ErrOutOfMemory is what Alloc panics with when the arena cannot grow; callers call Reserve first.
var ErrOutOfMemory = errors.New("arena: out of memory")

// Options of an arena.
type Options struct {
	MaxBytes  int64 // bound of the arena's data; 0 is the default
	HugePages bool  // let the system back the arena with huge pages
}

// Stats are the arena's counters, in bytes unless the name says otherwise.
type Stats struct {
	Allocs        int64 // allocations that are live
	AskedBytes    int64 // what their callers asked for
	LiveBytes     int64 // what they take, rounded up to the size class
	ResidentBytes int64 // memory held from the system: pages in use, pages not given back, metadata
	DirtyBytes    int64 // the part of ResidentBytes that is free and that Trim would give back
	GainBytes     int64 // about what an evacuation would free
}

const defaultMaxBytes = 64 << 20

// Arena is the memory of one shard.
type Arena struct {
	base  unsafe.Pointer
	mem   []uint64
	next  uint32 // granules handed out by bumping
	free  map[int][]Ref
	stats Stats
}

// New makes an empty arena.
func New(o Options) (*Arena, error) {
	if o.MaxBytes == 0 {
		o.MaxBytes = defaultMaxBytes
	}
	a := &Arena{mem: make([]uint64, o.MaxBytes/8+512), next: 8, free: map[int][]Ref{}}
	a.base = unsafe.Pointer(&a.mem[0])
	return a, nil
}

// Close gives all memory back. Nothing of the arena may be used afterwards.
func (a *Arena) Close() { a.mem, a.base, a.free = nil, nil, nil }

// RoundUp is the number of bytes that Alloc(size) takes.
func RoundUp(size int) int {
	switch {
	case size <= 8:
		return 8
	case size <= 256:
		return (size + 7) &^ 7
	case size <= 512:
		return (size + 15) &^ 15
	}
	step := 64
	for top := 1024; top < 16384 && size > top; top *= 2 {
		step *= 2
	}
	if size > 16384 {
		step = 4096
	}
	return (size + step - 1) &^ (step - 1)
}

// Alloc takes size bytes with undefined content. An allocation whose RoundUp is a multiple of 64 starts on a cache line.
// It panics with ErrOutOfMemory if the arena cannot grow.
func (a *Arena) Alloc(size int) Ref {
	n := RoundUp(size)
	a.stats.Allocs++
	a.stats.AskedBytes += int64(size)
	a.stats.LiveBytes += int64(n)
	if l := a.free[n]; len(l) > 0 {
		a.free[n] = l[:len(l)-1]
		return l[len(l)-1]
	}
	if n%64 == 0 {
		a.next = (a.next + 7) &^ 7
	}
	if int(a.next)+n/8+512 > len(a.mem) {
		panic(ErrOutOfMemory)
	}
	r := Ref(a.next)
	a.next += uint32(n / 8)
	return r
}

// Free gives back the allocation r; size is the one asked for.
func (a *Arena) Free(r Ref, size int) {
	n := RoundUp(size)
	a.stats.Allocs--
	a.stats.AskedBytes -= int64(size)
	a.stats.LiveBytes -= int64(n)
	a.free[n] = append(a.free[n], r)
}

// Resize makes the allocation r, asked for with old bytes, hold size bytes: in place when the size class allows,
// else elsewhere, with the first min(old, size) bytes copied and r freed.
func (a *Arena) Resize(r Ref, old, size int) Ref {
	if RoundUp(old) == RoundUp(size) {
		a.stats.AskedBytes += int64(size - old)
		return r
	}
	n := a.Alloc(size)
	copy(a.Bytes(n, min(old, size)), a.Bytes(r, min(old, size)))
	a.Free(r, old)
	return n
}

// Reserve makes sure that up to 16 allocations of n bytes together can be made without growing failing.
func (a *Arena) Reserve(n int) bool { return (int(a.next)+512)*8+n+(128<<10) <= len(a.mem)*8 }

// Bytes is the memory of r, n bytes. It stays valid until r is freed, resized or moved.
func (a *Arena) Bytes(r Ref, n int) []byte {
	return unsafe.Slice((*byte)(a.Ptr(r)), n)
}

// Ptr is the address of r, for structs of plain integers.
func (a *Arena) Ptr(r Ref) unsafe.Pointer { return unsafe.Add(a.base, uintptr(r)<<3) }

// Prefetch asks the processor to load the cache line at r. Any ref will do, garbage too; the shard need not be held.
func (a *Arena) Prefetch(r Ref) {}

// Stats are the counters now.
func (a *Arena) Stats() Stats {
	s := a.stats
	s.ResidentBytes = int64(a.next) * 8
	return s
}

// LiveBytes is Stats().LiveBytes alone.
func (a *Arena) LiveBytes() int64 { return a.stats.LiveBytes }

// StartEvacuation plans to empty the emptiest pages of each size class until the rest is filled to about 1/goal, and
// returns about how many bytes that frees; 0 means that there is nothing worth doing and no evacuation has begun.
// Then call Mark until it returns false, walk all allocations, Move those for which ShouldMove, and StopEvacuation.
func (a *Arena) StartEvacuation(goal float64) (gain int64) { return 0 }

// Mark chooses up to budget pages of the planned evacuation. It returns whether there are more to choose.
func (a *Arena) Mark(budget int) (more bool) { return false }

// Evacuating tells whether an evacuation has begun and not been stopped.
func (a *Arena) Evacuating() bool { return false }

// ShouldMove tells whether r lies in a page that is being emptied.
func (a *Arena) ShouldMove(r Ref, size int) bool { return false }

// Move copies r to another place, frees r, and returns the new place; or r itself when there is no room.
func (a *Arena) Move(r Ref, size int) Ref {
	n := a.Alloc(size)
	copy(a.Bytes(n, size), a.Bytes(r, size))
	a.Free(r, size)
	return n
}

// StopEvacuation ends the evacuation; pages that were not emptied are used again.
func (a *Arena) StopEvacuation() {}

// Trim gives free memory beyond keep bytes back to the system, at most budget bytes in this call. It returns whether
// there is more to give.
func (a *Arena) Trim(keep, budget int64) (more bool) { return false }

// Populate prepares the next pages that the arena will grow into. It may be called without holding the shard, by one
// goroutine at a time. It returns whether it did anything.
func (a *Arena) Populate() bool { return false }

// Check looks at the whole arena and says what is inconsistent.
func (a *Arena) Check() error {
	if a.stats.LiveBytes < a.stats.AskedBytes {
		return fmt.Errorf("live %d below asked %d", a.stats.LiveBytes, a.stats.AskedBytes)
	}
	return nil
}
