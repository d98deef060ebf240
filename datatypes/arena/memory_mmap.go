//go:build (linux || darwin) && !race && !heaparena

package arena

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	defaultMaxBytes = 32 << 30
	smallestReserve = 16 << 20 // less address space than this is no arena, unless less was asked for
	hugePage        = 2 << 20

	// An arena never takes the last that the system grants: the Go runtime does not survive being refused.
	addressHeadroom = 256 << 20 // address space that must be left after a reservation
	memoryHeadroom  = 32 << 20  // writable memory that must be left after committing
	lastMemory      = 32 << 20  // and as much again, unless an allocation would fail otherwise
)

// lastTaken is set when an arena was given of the last memory, which is there once for all arenas of the process.
var lastTaken atomic.Bool

// granted tells whether the system would grant so much more.
func granted(bytes uintptr, prot int) bool {
	p, err := unix.MmapPtr(-1, 0, nil, bytes, prot, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err == nil {
		unix.MunmapPtr(p, bytes)
	}
	return err == nil
}

// memory is the address space of one arena, as the system gave it.
type memory struct {
	pages, recs       unsafe.Pointer // page 0, its record
	mapped            unsafe.Pointer // start of the mapping that pages lies in, for close
	mappedLen, recLen uintptr
	count             uint32 // pages; there is one more after the last, to be read only
	chunked           bool   // pages are without access until committed
	huge              bool
	committed         uint32 // if chunked: pages that have access
	recCommitted      uintptr
}

// How to reserve. Tests ask for the second way, which otherwise only strict systems need.
type reserveMode int

const (
	reserveAuto reserveMode = iota
	reserveChunked
)

// reserve gets address space for maxBytes of pages, or for as many as the system grants.
func reserve(maxBytes int64, huge bool, mode reserveMode) (memory, error) {
	least := min(maxBytes, smallestReserve)
	for {
		m := memory{count: uint32((maxBytes + pageBytes - 1) >> pageShift), huge: huge}
		var err error
		if mode == reserveAuto && !strictOvercommit() {
			if err = m.mmap(unix.PROT_READ | unix.PROT_WRITE); err == nil {
				return m, nil
			}
		}
		m.chunked = true
		if err = m.mmap(unix.PROT_NONE); err == nil {
			return m, nil
		}
		if maxBytes /= 2; maxBytes < least {
			return memory{}, fmt.Errorf("arena: reserving address space, of which there may be a limit (ulimit -v): %w", err)
		}
	}
}

func (m *memory) mmap(prot int) error {
	const flags = unix.MAP_ANON | unix.MAP_PRIVATE | unix.MAP_NORESERVE
	bytes := (uint64(m.count) + 1) << pageShift
	recs := (uint64(m.count+1)*uint64(unsafe.Sizeof(page{})) + pageBytes - 1) &^ (pageBytes - 1)
	if m.huge {
		bytes += hugePage
	}
	if uint64(uintptr(bytes)) != bytes {
		return unix.ENOMEM
	}
	p, err := unix.MmapPtr(-1, 0, nil, uintptr(bytes), prot, flags)
	if err != nil {
		return err
	}
	r, err := unix.MmapPtr(-1, 0, nil, uintptr(recs), prot, flags)
	if err != nil {
		unix.MunmapPtr(p, uintptr(bytes))
		return err
	}
	m.mapped, m.mappedLen, m.pages = p, uintptr(bytes), p
	m.recs, m.recLen = r, uintptr(recs)
	if !granted(addressHeadroom, unix.PROT_NONE) {
		m.unmap()
		return unix.ENOMEM
	}
	if m.huge {
		m.pages = unsafe.Add(p, -uintptr(p)&(hugePage-1))
	}
	adviseHuge(unsafe.Slice((*byte)(p), bytes), m.huge)
	adviseHuge(unsafe.Slice((*byte)(r), recs), false)
	return nil
}

func (m *memory) unmap() {
	unix.MunmapPtr(m.mapped, m.mappedLen)
	unix.MunmapPtr(m.recs, m.recLen)
}

func (m *memory) close() {
	if m.mapped != nil {
		m.unmap()
		*m = memory{}
	}
}

func (m *memory) base() unsafe.Pointer    { return m.pages }
func (m *memory) records() unsafe.Pointer { return m.recs }
func (m *memory) pageCount() uint32       { return m.count }

func (m *memory) slice(first, n uint32) []byte {
	return unsafe.Slice((*byte)(unsafe.Add(m.pages, uintptr(first)<<pageShift)), uintptr(n)<<pageShift)
}

// commit gives access to the pages below n and their records, and to some more if the system lets us. It returns below
// which page there is access now. last says that the last memory may be taken.
func (m *memory) commit(n uint32, last bool) uint32 {
	if !m.chunked {
		return m.count + 1
	}
	more, left := min(max(n/8, 64<<10>>pageShift), 16<<20>>pageShift), uintptr(memoryHeadroom+lastMemory)
	if last {
		more, left = 0, memoryHeadroom
	}
	for _, target := range [2]uint32{min(n+more, m.count+1), n} {
		recs := (uintptr(target)*unsafe.Sizeof(page{}) + pageBytes - 1) &^ (pageBytes - 1)
		if recs > m.recCommitted {
			b := unsafe.Slice((*byte)(unsafe.Add(m.recs, m.recCommitted)), recs-m.recCommitted)
			if unix.Mprotect(b, unix.PROT_READ|unix.PROT_WRITE) != nil {
				continue
			}
			m.recCommitted = recs
		}
		if target > m.committed {
			bytes := uintptr(target-m.committed) << pageShift
			if !granted(bytes+left, unix.PROT_READ|unix.PROT_WRITE) ||
				unix.Mprotect(m.slice(m.committed, target-m.committed), unix.PROT_READ|unix.PROT_WRITE) != nil {
				continue
			}
			m.committed = target
			if last {
				lastTaken.Store(true)
			}
		}
		break
	}
	return m.committed
}

// spent tells whether the last memory was touched.
func (m *memory) spent() bool { return m.chunked && lastTaken.Load() }

// regain tells whether the system would give the last memory again, and if so all arenas may go on.
func (m *memory) regain() bool {
	if !granted(memoryHeadroom+lastMemory, unix.PROT_READ|unix.PROT_WRITE) {
		return false
	}
	lastTaken.Store(false)
	return true
}

// release gives the memory of n pages from first on back to the system. They can still be touched, with undefined content.
func (m *memory) release(first, n uint32) {
	if m.huge {
		// What is given back shall stay away: no huge page grows over the hole again.
		const mask = hugePage>>pageShift - 1
		from := first &^ mask
		adviseHuge(m.slice(from, min((first+n+mask)&^mask, m.count)-from), false)
	}
	release(m.slice(first, n))
}
