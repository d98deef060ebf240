package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"

	"larder/tests/internal/peer"
)

// machine says what figures are measured on: servers, processors, and whether anything else was running. On a busy
// machine throughput and tails are luck; only processor time per request and memory mean something.
func machine(peers []peer.Program) string {
	var b strings.Builder
	for i, p := range peers {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(p.Name)
		if v := version(p); v != "" {
			b.WriteString(" " + v)
		}
	}
	fmt.Fprintf(&b, "; %s/%s, %d processors", runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	if load, ok := loadAverage(); ok {
		fmt.Fprintf(&b, ", load average %.1f before the start", load)
		if load > 0.5 {
			b.WriteString(" (**busy: other programs were running**)")
		}
	}
	return b.String()
}

// version is the first word with digits and dots in what the server says of itself.
func version(p peer.Program) string {
	flag := "--version"
	if p.Speak == peer.Memcached {
		flag = "-V"
	}
	out, err := exec.Command(p.Path, flag).Output()
	if err != nil {
		return ""
	}
	for _, word := range strings.Fields(string(out)) {
		word = strings.TrimPrefix(strings.TrimPrefix(word, "v="), "v")
		if major, _, dotted := strings.Cut(word, "."); dotted {
			if _, err := strconv.Atoi(major); err == nil {
				return strings.TrimRight(word, ",")
			}
		}
	}
	return ""
}

func loadAverage() (float64, bool) {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0, false
	}
	first, _, _ := strings.Cut(string(b), " ")
	v, err := strconv.ParseFloat(first, 64)
	return v, err == nil
}
