// Package arena keeps the bytes of one shard outside the garbage collector's sight: entries, tables, collections.
// Whoever allocates gets a 32-bit ref, not a pointer, and the arena may be up to 32 GiB large.
//
// # Layout
//
// The arena is one stretch of reserved address space, cut into pages of 4 KiB. Page 0 is never used, so that ref 0 can
// mean nil; pages from 1 up to the frontier have been used at some time; pages beyond it have never been touched.
// Consecutive pages form runs, and each run is one of
//
//	slab    1-16 pages of equal slots of one size class (8 to 16384 bytes)
//	large   one allocation of more than 16384 bytes
//	dirty   free, and its memory still ours
//	clean   free, and its memory given back to the system
//
// Apart from the pages stands an array with 16 bytes about each page (struct page), in memory of its own. In a slab
// the first page's record has the slab's state and the others say how far away that is.
//
// A ref counts 8-byte granules from the base, so ref>>9 is the page and (ref&511)*8 the place in it. For example, let
// a slab of the 200-byte class stand on pages 5 to 7 (3 pages hold 61 slots of 25 granules):
//
//	ref 0x0a32   page 5, granule 0x32 = 50: the third slot, at byte 400 of the slab
//	ref 0x0c0d   page 6, granule 0x0d = 13: page 6's record says "1 page back", so granule 525, the 22nd slot
//
//	page 5: kind 19 level 02 free 0032 bump 0258 used 0016  next 0000002c prev 00000000
//	page 6: kind 7f                              used 0001
//	page 7: kind 7f                              used 0002
//
// says: class 25; 0x16 slots live, which is between 2/8 and 3/8 of 61; the next slot to hand out is ref 0x0a32, and its
// first two bytes name the free slot after it (ffff: none); slots from granule 0x258 on, the 25th, have never been
// used, so their memory has not been touched. The next slab of this class that is about as full starts at page 0x2c.
//
// # Finding room
//
// Each class allocates from one current slab, from its free slots first, then from its untouched ones. When it is full
// the fullest other slab becomes current, so that sparse slabs get the chance to become empty: slabs stand in eight lists
// by level, used*8/slots. Only when there is none, a new slab is cut from a dirty run, else a clean one, else at
// the frontier. A slab that becomes empty turns into a dirty run and grows together with dirty neighbours. Neither
// Alloc nor Free makes a system call, unless address space runs out or has to be committed (see below): giving memory
// back is the work of Trim. Pages beyond the frontier are provided by the system as they are touched: preparing them ahead
// on another goroutine was tried and dropped, because without it no turn of a server that grew to 12M keys took 0.7 ms.
//
// A class that has no slab yet puts its first allocations into slots of the next class that is a multiple of 64, or if it
// is one itself into those of 512 bytes, so that an arena with a few keys of all sizes touches a handful of pages and not one
// per size.
//
// # Memory that the system does not give
//
// Address space is reserved readable and writable where the system overcommits; pages appear when they are touched.
// Where the system counts every writable page (vm.overcommit_memory=2, RLIMIT_DATA) it is reserved without access
// and made writable chunk by chunk ahead of the frontier. When the system refuses, Reserve returns false; it does so a
// little early, because the Go runtime needs some memory, too, and dies when it is refused.
//
// Reserve refuses earlier still: it leaves the last pages alone, 1/32 of the arena, and the last 32 MiB where the system
// counts. They are for allocations that nobody reserved for, or not enough. Alloc takes them when there is nothing else, so that
// the command in progress can end; from then on Reserve refuses everything until as much is free again.
//
// Builds with -race or the tag heaparena, and systems without mmap, keep all of it in one Go slice of 64 MiB, where the race
// detector and checkptr can look at it. Builds with the tag invariant fill what is freed with 0xdb, notice when it
// is written to or freed twice, and know the size that each allocation was asked for.
package arena

import (
	"errors"
	"sync/atomic"
	"unsafe"

	"larder/datatypes/invariant"
)

// A Ref names an allocation: its offset from the arena's base in granules of 8 bytes. 0 is nil.
type Ref uint32

// ErrOutOfMemory is what Alloc panics with when the arena cannot grow; callers call Reserve first.
var ErrOutOfMemory = errors.New("arena: out of memory")

var errNoMemory = errors.New("arena: the system gives no memory to begin with")

// Options of an arena.
type Options struct {
	// MaxBytes bounds the pages of the arena. 0 is the default, which is also the largest possible: 32 GiB, or 64 MiB
	// in builds that keep arenas on the Go heap.
	MaxBytes int64

	// HugePages lets the system back the arena with pages of 2 MiB: reads are faster, but memory grows coarsely.
	HugePages bool
}

// Arena is the memory of one shard. It is not safe for concurrent use: the shard that owns it is held. Prefetch says for
// itself when it may be called.
type Arena struct {
	base  unsafe.Pointer // of page 0
	pages unsafe.Pointer // of page 0's record
	mem   memory

	classes [classCount]class
	dirty   runs
	clean   runs

	asked int64 // bytes that callers asked for
	live  int64 // bytes that their allocations take
	large int64 // live large allocations

	maxPages  uint32        // page numbers are below it
	lastPages uint32        // so many of them are not for Reserve
	committed uint32        // pages below it can be touched, the one page after it too
	frontier  atomic.Uint32 // Readable reads it without the shard being held
	tight     bool          // address space is short: cut slabs as short as possible
	last      bool          // an allocation takes what it can get, the last pages too
	evac      evacuation
	squeezes  uint32             // calls of Squeeze
	stuck     [classCount]uint32 // the call that could not empty a slab of the class
	debug     debug
}

// page is what the arena knows about one page. Its kind says how the rest is to be read.
type page struct {
	kind  uint8  // 0: never used; class, with or without shortBit: first page of a slab; else one of the kinds below
	level uint8  // slab: which list it is on
	free  uint16 // slab: granule of the first free slot, noSlot if none
	bump  uint16 // slab: granule of the first slot that was never used; free and large: pages of the run, low 16 bits
	used  uint16 // slab: live slots; inner: pages back to the first; free and large: pages of the run, high 16 bits
	next  uint32 // slab, free: the list that it is on; 0 ends it
	prev  uint32
}

// Kinds of pages that are not slabs. The first and the last page of a free run both carry kind and length; the last
// page of a large allocation is an inner page, those between carry nothing.
const (
	kindOther = 120 // all kinds from here on are not slabs
	kindClean = 124
	kindDirty = 125
	kindLarge = 126
	kindInner = 127
)

const noSlot = 0xffff

// class is the state of one size class.
type class struct {
	current uint32 // first page of the slab that allocations come from; page 0 stands for none
	limit   uint16 // granule where its slots end
	gran    uint16 // granules of a slot
	size    uint16 // bytes of a slot
	hosted  uint16 // allocations that another class took in
	mask    uint8  // bit l: level l has slabs
	heads   [levelFull]uint32
	slabs   uint32 // all slabs of the class,
	slots   uint32 // their slots
	used    uint32 // and those of them that are live
	_       [4]byte
}

// New reserves an arena. The error is the system's, when it refuses even a small one.
func New(o Options) (*Arena, error) {
	if o.MaxBytes <= 0 || o.MaxBytes > defaultMaxBytes {
		o.MaxBytes = defaultMaxBytes
	}
	mem, err := reserve(o.MaxBytes, o.HugePages, reserveAuto)
	if err != nil {
		return nil, err
	}
	a := newArena(mem)
	if a == nil {
		mem.close()
		return nil, errNoMemory
	}
	return a, nil
}

// newArena is nil if the system gives no memory even for the first pages: those that look at an arena without holding its
// shard read them, whatever it has.
func newArena(mem memory) *Arena {
	a := &Arena{mem: mem, base: mem.base(), pages: mem.records(), maxPages: mem.pageCount()}
	a.lastPages = a.maxPages / lastShare
	if !a.commit(1) {
		return nil
	}
	*a.page(0) = page{kind: kindInner, free: noSlot, bump: noSlot}
	a.frontier.Store(1)
	for c := 1; c < classCount; c++ {
		a.classes[c].size = classSize[c]
		a.classes[c].gran = classSize[c] / granule
	}
	a.debug.init()
	return a
}

// Close gives all memory back. Nothing of the arena may be used afterwards.
func (a *Arena) Close() {
	a.mem.close()
	*a = Arena{}
}

func (a *Arena) page(n uint32) *page {
	return (*page)(unsafe.Add(a.pages, uintptr(n)*unsafe.Sizeof(page{})))
}

// link is the place in a free slot where the granule of the next one stands.
func (a *Arena) link(first uint32, slot uint16) *uint16 {
	return (*uint16)(unsafe.Add(a.base, uintptr(first)<<pageShift+uintptr(slot)*granule))
}

// Alloc takes size bytes with undefined content, O(1). When RoundUp(size) is a multiple of 64 they start on a cache
// line. Up to 4096 bytes after the end can be read (not written) without a fault.
// After a successful Reserve the arena can grow. Without, it panics with ErrOutOfMemory when even the last pages are used up.
func (a *Arena) Alloc(size int) Ref {
	r := a.alloc(size)
	if r == 0 {
		r = a.allocLast(size)
	}
	return r
}

// allocLast is Alloc where nothing is left but the last pages.
func (a *Arena) allocLast(size int) Ref {
	a.last = true
	r := a.alloc(size)
	a.last = false
	if r == 0 {
		panic(ErrOutOfMemory)
	}
	return r
}

// alloc is Alloc, but returns 0 if the arena cannot grow without its last pages.
func (a *Arena) alloc(size int) Ref {
	if uint(size) > maxSmall {
		return a.allocLarge(size)
	}
	cl := &a.classes[classOf[(uint(size)+granule-1)/granule]]
	p := a.page(cl.current)
	if p.free == noSlot && p.bump >= cl.limit {
		if cl = a.refill(cl); cl == nil {
			return 0
		}
		p = a.page(cl.current)
	}
	slot := p.free
	if slot != noSlot {
		p.free = *a.link(cl.current, slot)
		if invariant.Enabled {
			a.checkPoison(cl.current, slot, int(cl.size))
		}
	} else {
		slot = p.bump
		p.bump += cl.gran
	}
	p.used++
	cl.used++
	a.live += int64(cl.size)
	a.asked += int64(size)
	r := Ref(cl.current*pageGran + uint32(slot))
	if invariant.Enabled {
		a.debug.allocated(a, r, size)
	}
	return r
}

// Free gives back the allocation r, O(1). size is the one asked for.
func (a *Arena) Free(r Ref, size int) {
	if invariant.Enabled {
		a.debug.freed(a, r, size)
	}
	first := uint32(r) / pageGran
	p := a.page(first)
	if p.kind&^shortBit >= kindOther {
		if p.kind == kindLarge {
			a.freeLarge(first, size)
			return
		}
		first -= uint32(p.used)
		p = a.page(first)
	}
	if invariant.Enabled {
		a.poison(r, int(classSize[p.kind]))
	}
	slot := uint16(uint32(r) - first*pageGran)
	*a.link(first, slot) = p.free
	p.free = slot
	p.used--
	a.classes[p.kind&^shortBit].used--
	a.live -= int64(classSize[p.kind])
	a.asked -= int64(size)
	if p.used == 0 || (p.level <= levelFull && uint8(uint32(p.used)*slabRecip[p.kind]>>16) != p.level) {
		a.settle(first, p)
	}
}

// slotBytes is what the allocation r takes.
func (a *Arena) slotBytes(r Ref) int {
	p := a.page(uint32(r) / pageGran)
	if p.kind == kindInner {
		p = a.page(uint32(r)/pageGran - uint32(p.used))
	}
	if p.kind == kindLarge {
		return int(p.length()) << pageShift
	}
	return int(classSize[p.kind])
}

// Resize makes the allocation r, asked for with old bytes, hold size bytes. It stays in place when the size class
// allows; else it moves, with the first min(old, size) bytes copied and r freed. It panics as Alloc does.
func (a *Arena) Resize(r Ref, old, size int) Ref {
	if have, want := a.slotBytes(r), RoundUp(size); want == have ||
		want < have && have != RoundUp(old) && have == hostBytes(want) || // r is hosted, and may stay so
		have > maxSmall && want > maxSmall && a.resizeLarge(uint32(r)/pageGran, uint32(want>>pageShift)) {
		a.asked += int64(size - old)
		if invariant.Enabled {
			a.debug.resized(r, old, size)
		}
		return r
	}
	n := a.Alloc(size)
	copy(a.Bytes(n, min(old, size)), a.Bytes(r, min(old, size)))
	a.Free(r, old)
	return n
}

// Bytes is the memory of r, n bytes long and no longer in capacity. It stays valid until r is freed, resized or moved;
// defragmentation moves, but never inside a command.
func (a *Arena) Bytes(r Ref, n int) []byte {
	return unsafe.Slice((*byte)(a.Ptr(r)), n)
}

// Ptr is the address of r, for structs of plain integers.
func (a *Arena) Ptr(r Ref) unsafe.Pointer { return unsafe.Add(a.base, uintptr(r)*granule) }

// Prefetch asks the processor to load the cache line at r and returns at once. Any ref will do, garbage too, and the shard
// need not be held. It does nothing where the arena is on the Go heap or the processor has no such instruction.
func (a *Arena) Prefetch(r Ref) {
	if canPrefetch {
		prefetch(uintptr(a.base) + uintptr(r)*granule)
	}
}

// PrefetchEntry is Prefetch for an allocation of up to 64 bytes or so, which seldom stands in one cache line alone.
func (a *Arena) PrefetchEntry(r Ref) {
	if canPrefetch {
		prefetchTwo(uintptr(a.base) + uintptr(r)*granule)
	}
}
