package server

import "testing"

// TestLogOfAnotherServer: a server does not touch the log that another one writes, at its start or later, also when that one
// has just begun new files. When it has ended the log is anybody's.
func TestLogOfAnotherServer(t *testing.T) {
	dir := t.TempDir()
	options := []string{"--dir", dir, "--appendonly", "yes", "--save", ""}
	first := startServer(t, options...)
	c := first.dial()
	other := startServer(t, "--dir", dir, "--save", "")
	o := other.dial()
	for round := range 3 {
		c.want("incr n", round+1)
		failsToStart(t, options...)
		for _, request := range []string{"config set appendonly yes", "bgrewriteaof"} {
			if got := o.do(request); !isError(got, "ERR ") {
				t.Errorf("%s beside the log of another server: %v", request, got)
			}
		}
		rewriteLog(t, c)
	}
	want := digest(c)
	first.stop()
	again := startServer(t, options...)
	if got := digest(again.dial()); got != want {
		t.Error("the data differs")
	}
	again.stop()
	o.want("config set appendonly yes", "OK")
	eventually(t, "the log of the other server", func() bool { return o.number("persistence", "aof_rewrite_in_progress") == 0 })
	failsToStart(t, options...)
}
