package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestTitle reads what ps shows, with titles shorter and longer than the words that the program was started with.
func TestTitle(t *testing.T) {
	cmd := program(t, "redis-server", "redis.conf", "--requirepass", "secret")
	if err := os.WriteFile(filepath.Join(cmd.Dir, "redis.conf"), []byte("save ''\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd.Env = append(cmd.Env, "OF_THE_ENVIRONMENT=stays")
	r := start(t, cmd)
	r.await("Ready to accept connections")
	proc := fmt.Sprintf("/proc/%d/", cmd.Process.Pid)
	title := func() string {
		text, err := os.ReadFile(proc + "cmdline")
		if err != nil {
			t.Fatal(err)
		}
		return string(bytes.TrimRight(text, "\x00"))
	}
	if want := "redis-server unixsocket:" + r.sock; title() != want {
		t.Errorf("the title is %q, not %q", title(), want)
	}
	nc, err := net.Dial("unix", r.sock)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(patience))
	in := bufio.NewReader(nc)
	do := func(request string) string {
		io.WriteString(nc, request+"\r\n")
		line, err := in.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(line)
	}
	if got := do("AUTH secret"); got != "+OK" {
		t.Fatalf("AUTH answers %s", got)
	}
	for template, want := range map[string]string{
		"x":                             "x",
		"{{{title}} {port}/{tls-port} ": "{redis-server} 0/0",
		"{config-file} " + strings.Repeat("long ", 30) + "{server-mode}end": filepath.Join(cmd.Dir, "redis.conf") + " " + strings.Repeat("long ", 30) + "end",
		strings.Repeat("y", 2000): strings.Repeat("y", 2000),
	} {
		if got := do("CONFIG SET proc-title-template \"" + template + "\""); got != "+OK" {
			t.Fatalf("CONFIG SET answers %s", got)
		}
		if got := title(); got != want && !(len(want) > 1000 && strings.HasPrefix(want, got) && len(got) > 200) { // the room has an end
			t.Errorf("the title is %q, not %q", got, want)
		}
	}
	if got := do("CONFIG SET proc-title-template {what}"); !strings.Contains(got, "template format is invalid") {
		t.Errorf("a bad template is answered by %s", got)
	}
	r.stop(syscall.SIGTERM)
}

// What the program reads of its surroundings is what it was given, whatever its title is.
func TestTitleLeavesTheEnvironment(t *testing.T) {
	cmd := program(t, "larder", "serve", "--dir", ".", "--proc-title-template", strings.Repeat("z", 1000), "--logfile", "named.log")
	r := start(t, cmd)
	awaitFile(t, filepath.Join(cmd.Dir, "named.log"), "Ready to accept connections")
	if err := os.Rename(filepath.Join(cmd.Dir, "named.log"), filepath.Join(cmd.Dir, "old.log")); err != nil {
		t.Fatal(err)
	}
	cmd.Process.Signal(syscall.SIGHUP) // opens the file by its name again
	awaitFile(t, filepath.Join(cmd.Dir, "named.log"), "")
	if err := ping(r.sock); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(cmd.Dir, "sock")); err != nil {
		t.Error(err)
	}
	cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(cmd.Dir, "sock")); err == nil {
		t.Error("the socket is still there: its name was forgotten")
	}
}
