package main

import (
	"bufio"
	"strings"
	"syscall"
	"testing"
)

// A terminal that was closed and a reader of the log that went away do not take a group's third voter along.
func TestWitnessOutlivesItsTerminal(t *testing.T) {
	cmd := program(t, "larder", "witness", "--group", "main", "--listen", "127.0.0.1:0", "--peers", "127.0.0.1:1,127.0.0.1:2")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	in := bufio.NewScanner(out)
	for in.Scan() && !strings.Contains(in.Text(), "is ready") {
	}
	out.Close()
	for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGTERM} { // at the latter it says once more that it ends
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the witness ended with %v", err)
	}
}
