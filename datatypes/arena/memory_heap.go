//go:build !(linux || darwin) || race || heaparena

package arena

import "unsafe"

const defaultMaxBytes = 64 << 20

// memory is the memory of one arena: Go slices, so that the race detector, checkptr and bounds know it.
type memory struct {
	pages []uint64
	recs  []page
}

type reserveMode int

const (
	reserveAuto reserveMode = iota
	reserveChunked
)

func reserve(maxBytes int64, _ bool, _ reserveMode) (memory, error) {
	count := (maxBytes + pageBytes - 1) >> pageShift
	const words = pageBytes / 8
	// Go aligns large slices to its own pages of 8 KiB, and ours are never small enough to be anything else.
	return memory{pages: make([]uint64, max((count+1)*words, 16*words)), recs: make([]page, count+1)}, nil
}

func (m *memory) close()                     { *m = memory{} }
func (m *memory) base() unsafe.Pointer       { return unsafe.Pointer(&m.pages[0]) }
func (m *memory) records() unsafe.Pointer    { return unsafe.Pointer(&m.recs[0]) }
func (m *memory) pageCount() uint32          { return uint32(len(m.recs) - 1) }
func (m *memory) commit(uint32, bool) uint32 { return uint32(len(m.recs)) }
func (m *memory) spent() bool                { return false }
func (m *memory) regain() bool               { return true }
func (m *memory) release(uint32, uint32)     {}
