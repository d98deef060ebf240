package netloop

import (
	"golang.org/x/sys/unix"

	"larder/server/resp"
)

// bigBuffers takes buffers of more than a megabyte from the system. Unlike on the Go heap they grow without being
// copied, and are gone when they are given back, not at some later collection.
type bigBuffers struct{}

// NewBig makes what loops take their large buffers from. Any goroutine may use it.
func NewBig() resp.Big { return bigBuffers{} }

func (bigBuffers) Get(n int) []byte {
	b, err := unix.Mmap(-1, 0, bigSize(n), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil
	}
	return b[:0]
}

func (bigBuffers) Grow(b []byte, n int) []byte {
	n = bigSize(n)
	if n <= cap(b) {
		return b
	}
	g, err := unix.Mremap(b[:cap(b)], n, unix.MREMAP_MAYMOVE)
	if err != nil {
		return nil
	}
	return g[:len(b)]
}

func (bigBuffers) Put(b []byte) {
	b = b[:cap(b)]
	if len(b) < bigSlow {
		unix.Munmap(b) // fails for a buffer that came from the heap because Get had no memory: nothing to do then
		return
	}
	go unix.Munmap(b)
}

// bigSlow is the size from which unmapping takes milliseconds, which no loop should wait for.
const bigSlow = 16 << 20

func bigSize(n int) int {
	const unit = 64 << 10
	return (n + unit - 1) &^ (unit - 1)
}
