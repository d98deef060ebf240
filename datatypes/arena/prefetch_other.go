//go:build !((amd64 || arm64) && (linux || darwin)) || race || heaparena

package arena

const canPrefetch = false

func prefetch(uintptr) {}

func prefetchTwo(uintptr) {}
