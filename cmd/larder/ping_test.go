package main

import (
	"strings"
	"syscall"
	"testing"
)

func TestPing(t *testing.T) {
	r := start(t, program(t, "larder", "serve", "--requirepass", "open sesame"))
	r.await("Ready to accept connections")
	for _, c := range []struct {
		password, user string
		code           int
		stdout, stderr string
	}{
		{"open sesame", "", 0, "PONG\n", ""},
		{"open sesame", "default", 0, "PONG\n", ""},
		{"", "", 1, "", "larder: the server answers -NOAUTH"},
		{"wrong", "", 1, "", "larder: the server answers -WRONGPASS"},
	} {
		cmd := program(t, "larder", "ping", "--addr", r.sock, "--user", c.user, "--timeout", patience.String())
		cmd.Env = append(cmd.Env, "LARDER_PASSWORD="+c.password)
		stdout, stderr, code := once(t, cmd)
		if code != c.code || stdout != c.stdout || !strings.HasPrefix(stderr, c.stderr) {
			t.Errorf("with %q as %q: %d, %q, %q", c.password, c.user, code, stdout, stderr)
		}
	}
	r.stop(syscall.SIGTERM)
	if _, stderr, code := once(t, program(t, "larder", "ping", "--addr", r.sock)); code != 1 || stderr == "" {
		t.Errorf("without a server: %d, %q", code, stderr)
	}
}
