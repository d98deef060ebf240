package arena

// Readable tells whether the memory at r, and 64 bytes on, may be read. Any ref will do, and the shard need not be held:
// what stands there may be anything and may change while it is read, but it does not fault. It is false for all refs where
// Prefetch does nothing, so that nobody reads there what another goroutine writes.
func (a *Arena) Readable(r Ref) bool {
	return canPrefetch && uint32(r)/pageGran < a.frontier.Load()
}
