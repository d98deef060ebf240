package log

import (
	"fmt"
	"log/syslog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
)

// systemLogger is a system's logger that a test reads.
func systemLogger(t *testing.T, path string) *net.UnixConn {
	t.Helper()
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func receive(t *testing.T, c *net.UnixConn) string {
	t.Helper()
	b := make([]byte, 4096)
	if err := c.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	n, err := c.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(string(b[:n]), "\n")
}

func TestSyslog(t *testing.T) {
	dir := t.TempDir()
	system := systemLogger(t, filepath.Join(dir, "system"))
	for _, json := range []bool{false, true} {
		file := filepath.Join(dir, fmt.Sprintf("log-%v", json))
		logger, control := open(t, Options{Path: file, JSON: json, Level: Verbose, Clock: newClock(),
			Syslog: &Syslog{Ident: "cache", Facility: syslog.LOG_LOCAL3, network: "unixgram", address: filepath.Join(dir, "system")}})
		logger.Log(DebugLevel, "not wanted")
		logger.Debug("verbose")
		logger.With(zap.Int("db", 3)).Info("notice")
		control.SetLevel(Warning)
		logger.Info("not wanted any more")
		logger.Warn("warning", zap.Int("port", 7))
		for _, want := range []struct {
			severity syslog.Priority
			text     string
		}{{syslog.LOG_INFO, "verbose"}, {syslog.LOG_NOTICE, `notice {"db": 3}`}, {syslog.LOG_WARNING, `warning {"port": 7}`}} {
			pattern := fmt.Sprintf(`^<%d>.* cache\[%d\]: %s$`, syslog.LOG_LOCAL3|want.severity, os.Getpid(), regexp.QuoteMeta(want.text))
			if got := receive(t, system); !regexp.MustCompile(pattern).MatchString(got) {
				t.Errorf("%q does not match %s", got, pattern)
			}
		}
		if got := read(t, file); strings.Count(got, "\n") != 3 || !strings.Contains(got, "warning") {
			t.Errorf("the log's own file holds %q", got)
		}
	}
}

// TestSyslogComesBack has the system's logger away at the start, then there, then gone for a while.
func TestSyslogComesBack(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	path, file := filepath.Join(dir, "system"), filepath.Join(dir, "log")
	logger, _ := open(t, Options{Path: file, Level: Notice, Clock: c,
		Syslog: &Syslog{Ident: "cache", Facility: syslog.LOG_USER, network: "unixgram", address: path}})
	if got := read(t, file); !strings.Contains(got, "cannot be reached") || !strings.Contains(got, path) {
		t.Errorf("the log does not say what is missing: %q", got)
	}
	for round := range 2 {
		logger.Info("lost")
		logger.Info("lost, too: it was tried a moment ago")
		system := systemLogger(t, path)
		c.t = c.t.Add(dialEvery)
		logger.Info("found", zap.Int("round", round))
		if got, want := receive(t, system), fmt.Sprintf(`found {"round": %d}`, round); !strings.HasSuffix(got, want) {
			t.Errorf("%q, not ... %s", got, want)
		}
		system.Close()
		if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		c.t = c.t.Add(dialEvery)
	}
	if got := read(t, file); strings.Count(got, "lost") != 4 || strings.Count(got, "found") != 2 {
		t.Errorf("the log's own file has not all lines: %q", got)
	}
}
