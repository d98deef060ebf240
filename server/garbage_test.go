package server

import (
	"io"
	"runtime/debug"
	"strings"
	"testing"
)

// TestGarbageIsDue goes through the life of a heap, in megabytes.
func TestGarbageIsDue(t *testing.T) {
	const mb = 1 << 20
	g := garbage{start: 10 * mb}
	at := 0
	looks := func(due bool, held ...int64) {
		t.Helper()
		for i, h := range held {
			at++
			if got := g.due(h*mb, 0); got != (due && i == len(held)-1) {
				t.Errorf("look %d, %d MB: due is %v", at, h, got)
			}
		}
	}
	looks(false, 10, 10, 10, 10, 10, 10, 10, 10)
	looks(false, 70, 70, 70, 70, 70, 70, 70, 70) // not worth it
	looks(true, 200, 400, 600, 600, 610, 610)    // grows, and grows no more
	looks(false, 610, 610, 610, 610, 610)        // it is not done yet
	g.swept.Store(600 * mb)                      // it was no garbage, or not yet
	looks(true, 600, 600, 600, 600, 600)
	g.swept.Store(600 * mb) // again
	looks(true, 600, 600, 600, 600, 600, 600, 600, 600, 600, 600)
	g.swept.Store(300 * mb) // half of it was
	looks(true, 300, 300, 300, 300, 300)
	g.swept.Store(300 * mb)
	looks(true, 520, 520, 520, 520) // more than half of it came, and some
	g.swept.Store(20 * mb)
	looks(false, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20)
	for range 20 {
		for !g.due(500*mb, 0) {
		}
		g.swept.Store(500 * mb)
	}
	if g.due(500*mb, 0); g.patience != garbageLatest {
		t.Errorf("at last it is tried every %d looks", g.patience)
	}
}

// TestGarbageThatComesBack: where it is made all the time, giving it back to the system is done less and less often.
func TestGarbageThatComesBack(t *testing.T) {
	const mb = 1 << 20
	g := garbage{start: 10 * mb}
	swept := 0
	for range 10 * garbageLatest {
		held := int64(136 * mb)
		if g.waited < 4 && g.left != 0 {
			held = 70 * mb
		}
		if g.due(held, 0) {
			g.swept.Store(70 * mb)
			swept++
		}
	}
	if swept > 20 || g.patience != garbageLatest {
		t.Errorf("it was given back %d times, at last every %d looks", swept, g.patience)
	}
	for !g.due(136*mb, 0) {
	}
	g.swept.Store(70 * mb)
	for range garbageSoon + garbageLatest { // nothing comes for a while, then there is a lot for another reason
		g.due(70*mb, 0)
	}
	for !g.due(160*mb, 0) {
	}
	g.swept.Store(70 * mb)
	if g.due(70*mb, 0); g.patience != garbageSoonest {
		t.Errorf("the next try comes after %d looks", g.patience)
	}
}

// TestGarbageOfScripts: what the collector takes by itself every now and then is left to it as long as more of it is made.
func TestGarbageOfScripts(t *testing.T) {
	const mb = 1 << 20
	g := garbage{start: 10 * mb}
	made := int64(0)
	for look := range 1000 {
		if made += 3 * mb; g.due(80*mb, made) {
			t.Fatalf("look %d: it is due", look)
		}
	}
	if !g.due(80*mb, made+mb) {
		t.Error("it is not due when that is over")
	}
	g = garbage{start: 10 * mb}
	due := false
	for range 10 {
		made += 3 * mb
		due = due || g.due(300*mb, made)
	}
	if !due {
		t.Error("it is not due where far more lies around than the collector leaves")
	}
}

// TestLongValuesLeaveNothingBehind: the buffers that a long value has passed through on its way to the log do not stay.
func TestLongValuesLeaveNothingBehind(t *testing.T) {
	if testing.Short() {
		t.Skip("needs an arena with room for it, which the race detector's has not")
	}
	debug.FreeOSMemory() // what other tests have left
	before := goHeapHeld()
	ts := startServer(t, "--appendonly", "yes", "--appendfsync", "no")
	c := ts.dial()
	const size = 100 << 20
	write := func(s string) {
		if _, err := io.WriteString(c.nc, s); err != nil {
			t.Fatal(err)
		}
	}
	write("*3\r\n$3\r\nset\r\n$3\r\nkey\r\n$" + itoa(size) + "\r\n")
	piece := strings.Repeat("x", 1<<20)
	for range size / len(piece) {
		write(piece)
	}
	write("\r\n")
	ok := make([]byte, 5)
	if _, err := io.ReadFull(c.nc, ok); err != nil || string(ok) != "+OK\r\n" {
		t.Fatalf("reply %q, %v", ok, err)
	}
	eventually(t, "the end of the buffers", func() bool { return goHeapHeld() < before+size })
}
