package server

import (
	"bytes"
	"os"
	"strconv"
	"sync"
	"syscall"
)

const multiplexing = "epoll"

// residentMemory is the bytes of the process that are in memory.
func residentMemory() int64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := bytes.Fields(text)
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(string(fields[1]), 10, 64)
	return pages * int64(os.Getpagesize())
}

// systemMemory is the bytes of memory that the machine has.
var systemMemory = sync.OnceValue(func() int64 {
	var info syscall.Sysinfo_t
	if syscall.Sysinfo(&info) != nil {
		return 0
	}
	return int64(uint64(info.Totalram) * uint64(info.Unit))
})

// systemName is the operating system with its version and the machine's kind.
var systemName = sync.OnceValue(func() string {
	var u syscall.Utsname
	if syscall.Uname(&u) != nil {
		return "Linux"
	}
	return utsText(u.Sysname[:]) + " " + utsText(u.Release[:]) + " " + utsText(u.Machine[:])
})

// utsText reads a field of uname, whose characters have a sign on some machines and none on others.
func utsText[T int8 | uint8](field []T) string {
	var b []byte
	for _, c := range field {
		if c == 0 {
			break
		}
		b = append(b, byte(c))
	}
	return string(b)
}
