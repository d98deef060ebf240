//go:build !race && !heaparena

package arena

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

func strictOvercommit() bool { return false }

// adviseHuge has nothing to say to this system.
func adviseHuge([]byte, bool) {}

// release maps fresh pages over the old ones, because this system keeps what it is advised to drop.
func release(b []byte) {
	const flags = unix.MAP_ANON | unix.MAP_PRIVATE | unix.MAP_NORESERVE | unix.MAP_FIXED
	unix.MmapPtr(-1, 0, unsafe.Pointer(unsafe.SliceData(b)), uintptr(len(b)), unix.PROT_READ|unix.PROT_WRITE, flags)
}
