//go:build !race && !heaparena

package arena

import (
	"os"

	"golang.org/x/sys/unix"
)

// strictOvercommit tells whether the system counts every writable page, used or not.
func strictOvercommit() bool {
	b, err := os.ReadFile("/proc/sys/vm/overcommit_memory")
	return err == nil && len(b) > 0 && b[0] == '2'
}

// adviseHuge says whether b may be backed by huge pages. Systems that have none refuse, which is as good.
func adviseHuge(b []byte, huge bool) {
	if huge {
		unix.Madvise(b, unix.MADV_HUGEPAGE)
	} else {
		unix.Madvise(b, unix.MADV_NOHUGEPAGE)
	}
}

func release(b []byte) { unix.Madvise(b, unix.MADV_DONTNEED) }
