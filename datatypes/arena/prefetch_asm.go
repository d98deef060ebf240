//go:build (amd64 || arm64) && (linux || darwin) && !race && !heaparena

package arena

const canPrefetch = true

// prefetch loads the cache line at p, or does nothing if there is no memory.
//
//go:noescape
func prefetch(p uintptr)

// prefetchTwo does the same with the line at p and that of the byte 56 further on.
//
//go:noescape
func prefetchTwo(p uintptr)
