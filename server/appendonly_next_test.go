package server

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestRewriteOnSlowDisk: a rewrite that begins by itself on a disk which takes its time keeps nobody waiting, and comes when the disk
// has made what it needs; a log that is switched off meanwhile is whole.
func TestRewriteOnSlowDisk(t *testing.T) {
	for _, off := range []bool{false, true} {
		disk, dir := newBadDisk(t), t.TempDir()
		options := []string{"--dir", dir, "--save", "", "--auto-aof-rewrite-min-size", "1kb", "--auto-aof-rewrite-percentage", "100"}
		ts := startServer(t, append(options, "--appendonly", "yes", "--appendfsync", "everysec")...)
		c := ts.dial()
		stuck, reached := true, false
		disk.set(func(op, _ string) error {
			for op == "syncdir" && stuck {
				reached = true
				disk.gone.Wait()
			}
			return nil
		})
		c.want("set k "+strings.Repeat("v", 5000), "OK")
		eventually(t, "a rewrite that waits for the disk", func() bool {
			disk.mu.Lock()
			defer disk.mu.Unlock()
			return reached
		})
		for i := range 100 {
			c.want("incr n", int64(i+1))
		}
		if n := c.number("persistence", "aof_rewrites"); n != 0 {
			t.Errorf("%d rewrites have begun", n)
		}
		let := func() {
			disk.mu.Lock()
			defer disk.mu.Unlock()
			stuck = false
			disk.gone.Broadcast()
		}
		if off {
			c.send("config set appendonly no")
			let()
			if got := c.read(); got != "OK" {
				t.Error(got)
			}
		} else {
			let()
			eventually(t, "the rewrite", func() bool {
				return c.number("persistence", "aof_rewrites") == 1 && c.number("persistence", "aof_rewrite_in_progress") == 0
			})
		}
		want := digest(c)
		ts.stop()
		disk.set(nil)
		again := startServer(t, append(options, "--appendonly", "yes")...)
		if got := digest(again.dial()); got != want {
			t.Error("the data differs")
		}
		again.stop()
		names, err := filepath.Glob(filepath.Join(dir, "appendonlydir", "*"))
		if err != nil || len(names) > 4 {
			t.Errorf("the folder has %v, %v", names, err)
		}
	}
}
