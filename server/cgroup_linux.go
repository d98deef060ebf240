package server

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// groupMemory is the least limit of memory that the process's control group or one above it has, of version 2 or 1; 0 if there
// is none. root is where the file system begins.
//
// The group's path is what the process sees of it. In a container that may be a path of the world outside: then what is
// mounted is the container's own group, or above it.
func groupMemory(root string) int64 {
	text, err := os.ReadFile(filepath.Join(root, "proc/self/cgroup"))
	if err != nil {
		return 0
	}
	least := int64(math.MaxInt64)
	for line := range strings.Lines(string(text)) { // 0::/path, or 4:memory:/path
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) < 3 {
			continue
		}
		mount, file := "", ""
		switch {
		case f[0] == "0" && f[1] == "":
			mount, file = "sys/fs/cgroup", "memory.max"
		case slices.Contains(strings.Split(f[1], ","), "memory"):
			mount, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		default:
			continue
		}
		for path := filepath.Clean("/" + f[2]); ; path = filepath.Dir(path) {
			least = min(least, readLimit(filepath.Join(root, mount, path, file)))
			if path == "/" {
				break
			}
		}
	}
	if least > noLimit {
		return 0
	}
	return least
}

// noLimit is what no machine has: version 1 says a number like that when there is no limit.
const noLimit = 1 << 60

// readLimit is the number in a file, the highest one if it says "max", or is not there.
func readLimit(path string) int64 {
	text, err := os.ReadFile(path)
	if err != nil {
		return math.MaxInt64
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil || n <= 0 {
		return math.MaxInt64
	}
	return n
}
