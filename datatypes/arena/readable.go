package arena

import "sync/atomic"

// Readable tells whether the memory at r, and 64 bytes on, may be read. Any ref will do, and the shard need not be held:
// what stands there may be anything and may change while it is read, but it does not fault. It is false for all refs where
// Prefetch does nothing, so that nobody reads there what another goroutine writes.
func (a *Arena) Readable(r Ref) bool {
	return canPrefetch && uint32(r)/pageGran < a.frontier.Load()
}

// Peek reads the 8 bytes at r, which another goroutine may be writing, as a little-endian number; 0 where Readable is
// false.
func (a *Arena) Peek(r Ref) uint64 {
	if !a.Readable(r) {
		return 0
	}
	return atomic.LoadUint64((*uint64)(a.Ptr(r)))
}
