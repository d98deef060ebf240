//go:build !race && !heaparena

package arena

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestLimitedChild is the child process of TestUnderResourceLimits; by itself it does nothing.
func TestLimitedChild(t *testing.T) {
	var limit int
	switch name, mib, _ := strings.Cut(os.Getenv("LARDER_TEST_LIMIT"), "="); name {
	case "as":
		limit = unix.RLIMIT_AS
		setLimit(t, limit, "VmSize", mib)
	case "data":
		limit = unix.RLIMIT_DATA
		setLimit(t, limit, "VmData", mib)
	default:
		return
	}
	a, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for ; a.Reserve(40_000) && n < 1<<20; n++ {
		clear(a.Bytes(a.Alloc(40_000), 40_000))
	}
	if err := a.Check(); err != nil {
		t.Fatal(err)
	}
	if a.mem.chunked { // somebody who did not reserve is served, and nobody else until there is room
		var taken [lastMemory / 2 / 4000]Ref
		for i := range taken {
			taken[i] = a.Alloc(4000)
			clear(a.Bytes(taken[i], 4000))
		}
		if a.Reserve(0) {
			t.Fatal("the last memory was taken, and Reserve knows nothing of it")
		}
		for _, r := range taken {
			a.Free(r, 4000)
		}
		if !a.Reserve(40_000) {
			t.Fatal("there is room again, and Reserve refuses")
		}
	}
	if more, err := New(Options{}); err == nil { // or there is not enough for another one
		more.Peek(0)
		more.Close()
	}
	s := a.Stats()
	fmt.Printf("filled %d MiB chunked %v reserved %d MiB\n", s.LiveBytes>>20, a.mem.chunked, s.MaxBytes>>20)
}

// setLimit allows so many MiB more than what the process has now.
func setLimit(t *testing.T, limit int, field, mib string) {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), field+":")
	var kib, more uint64
	if _, err := fmt.Sscan(rest, &kib); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(mib, &more); err != nil {
		t.Fatal(err)
	}
	bytes := kib<<10 + more<<20
	if err := unix.Setrlimit(limit, &unix.Rlimit{Cur: bytes, Max: bytes}); err != nil {
		t.Fatal(err)
	}
}

// Where the system grants little address space or little writable memory, an arena is smaller and says so; nothing crashes.
func TestUnderResourceLimits(t *testing.T) {
	for _, c := range []struct {
		limit       string
		least, most int  // MiB that are to be filled
		chunked     bool // whether memory has to be asked for piece by piece
	}{
		{"as=700", 200, 444, false},
		{"data=300", 200, 270, true},
	} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestLimitedChild$", "-test.v")
		cmd.Env = append(os.Environ(), "LARDER_TEST_LIMIT="+c.limit)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", c.limit, err, out)
		}
		_, line, _ := strings.Cut(string(out), "filled ")
		var filled, reserved int
		var chunked bool
		if _, err := fmt.Sscanf(line, "%d MiB chunked %t reserved %d MiB", &filled, &chunked, &reserved); err != nil {
			t.Fatalf("%s: %v\n%s", c.limit, err, out)
		}
		t.Logf("%s MiB: %d MiB filled, chunked %v, %d MiB reserved", c.limit, filled, chunked, reserved)
		if filled < c.least || filled > c.most || chunked != c.chunked {
			t.Errorf("%s: filled %d MiB, chunked %v", c.limit, filled, chunked)
		}
	}
}
