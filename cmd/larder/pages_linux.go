package main

import (
	"os"
	"strconv"
	"strings"
	"syscall"
)

// dropStartPages gives back the pages of the program's file that the start has touched: code and tables that mostly nobody
// needs again. What is needed comes back from the system's cache of the file when it is next touched. It takes 10 MiB off
// an empty server.
//
// Only mappings of the program's own file that cannot be written are given back, so that nothing can be lost.
func dropStartPages() {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return
	}
	for line := range strings.Lines(string(maps)) {
		if from, to, ok := fileMapping(line, program); ok {
			// The error says that the system does not do it: then the pages stay.
			_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, from, to-from, syscall.MADV_DONTNEED)
		}
	}
}

// fileMapping is the range of addresses that a line of /proc/self/maps is about, if it maps the file read-only:
//
//	00400000-013f1000 r-xp 00000000 08:01 1835081                            /usr/bin/larder
func fileMapping(line, file string) (from, to uintptr, ok bool) {
	f := strings.Fields(line)
	if len(f) != 6 || f[5] != file || len(f[1]) != 4 || f[1][0] != 'r' || f[1][1] != '-' {
		return 0, 0, false
	}
	low, high, _ := strings.Cut(f[0], "-")
	a, err := strconv.ParseUint(low, 16, 64)
	if err != nil {
		return 0, 0, false
	}
	b, err := strconv.ParseUint(high, 16, 64)
	if err != nil || b <= a {
		return 0, 0, false
	}
	return uintptr(a), uintptr(b), true
}
