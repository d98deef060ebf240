//go:build (amd64 || arm64) && (linux || darwin) && !race && !heaparena

package arena

const canPrefetch = true

// prefetch loads the cache line at p, or does nothing if there is no memory.
//
//go:noescape
func prefetch(p uintptr)
