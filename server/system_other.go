//go:build !linux

package server

import (
	"runtime"
	"syscall"
)

const multiplexing = "goroutines"

// residentMemory is the most memory that the process ever had: what this system tells without asking the kernel for
// more than its usage counters.
func residentMemory() int64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	if runtime.GOOS == "darwin" {
		return int64(u.Maxrss)
	}
	return int64(u.Maxrss) << 10
}

// systemMemory is not known here.
func systemMemory() int64 { return 0 }

// groupMemory is not known here.
func groupMemory(string) int64 { return 0 }

func systemName() string { return runtime.GOOS + " " + runtime.GOARCH }
