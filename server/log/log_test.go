package log

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
)

// clock is a time that tests move.
type clock struct{ t time.Time }

func (c *clock) Now() time.Time                         { return c.t }
func (c *clock) NewTicker(d time.Duration) *time.Ticker { return time.NewTicker(d) }

func newClock() *clock {
	return &clock{time.Date(2026, 11, 2, 9, 4, 11, 123456789, time.Local)}
}

func open(t *testing.T, o Options) (*zap.Logger, *Control) {
	t.Helper()
	logger, control, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { control.Close() })
	return logger, control
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestLinesAsRedis(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	logger, control := open(t, Options{Path: path, Level: Debug, Clock: newClock()})
	logger.Log(DebugLevel, "one")
	logger.Debug("two")
	logger.Info("three")
	control.SetRole('S')
	logger.Warn("four", zap.Int("port", 7), zap.Error(errors.New("no")), zap.Duration("after", 2*time.Second))
	logger.Error("five")
	control.Raw("  banner\n")
	pid := os.Getpid()
	want := fmt.Sprintf("%[1]d:M 02 Nov 2026 09:04:11.123 . one\n%[1]d:M 02 Nov 2026 09:04:11.123 - two\n%[1]d:M 02 Nov 2026 09:04:11.123 * three\n"+
		"%[1]d:S 02 Nov 2026 09:04:11.123 # four {\"port\": 7, \"error\": \"no\", \"after\": \"2s\"}\n%[1]d:S 02 Nov 2026 09:04:11.123 # five\n  banner\n", pid)
	if got := read(t, path); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestLevels(t *testing.T) {
	for level, want := range map[Level]string{Debug: ".-*#=", Verbose: "-*#=", Notice: "*#=", Warning: "#", Nothing: ""} {
		path := filepath.Join(t.TempDir(), "log")
		logger, control := open(t, Options{Path: path})
		control.SetLevel(level)
		logger.Log(DebugLevel, "x")
		logger.Debug("x")
		logger.Info("x")
		logger.Warn("x")
		control.Raw("0 0 0 0 0 = x\n")
		got := ""
		for _, line := range regexp.MustCompile(` (\S) x\n`).FindAllStringSubmatch(read(t, path), -1) {
			got += line[1]
		}
		if got != want {
			t.Errorf("level %d writes %q, want %q", level, got, want)
		}
	}
}

func TestJSON(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	logger, control := open(t, Options{Path: path, JSON: true, Level: Notice, Clock: newClock()})
	logger.With(zap.String("room", "x")).Info("hello", zap.Int("n", 1))
	control.SetRole('S')
	logger.Warn("bye")
	logger.Debug("not written")
	control.Raw("banner\n")
	lines := strings.Split(strings.TrimSuffix(read(t, path), "\n"), "\n")
	if len(lines) != 2 {
		t.Fatalf("%d lines: %q", len(lines), lines)
	}
	for i, want := range []map[string]any{
		{"level": "notice", "msg": "hello", "room": "x", "n": 1.0, "role": "primary", "pid": float64(os.Getpid())},
		{"level": "warning", "msg": "bye", "role": "replica"},
	} {
		var got map[string]any
		if err := json.Unmarshal([]byte(lines[i]), &got); err != nil {
			t.Fatal(err)
		}
		for k, v := range want {
			if got[k] != v {
				t.Errorf("line %d: %s is %v, want %v", i, k, got[k], v)
			}
		}
		if at, err := time.Parse(time.RFC3339, got["time"].(string)); err != nil || at.UnixMilli() != newClock().t.UnixMilli() {
			t.Errorf("time %v: %v", got["time"], err)
		}
	}
}

func TestFileIsFollowed(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log")
	c := newClock()
	logger, control := open(t, Options{Path: path, Level: Notice, Clock: c})
	logger.Info("first")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Rename(path, path+".1"))
	logger.Info("still the old one")
	c.t = c.t.Add(checkEvery)
	logger.Info("second")
	must(os.Rename(path, path+".2"))
	must(control.Reopen())
	logger.Info("third")
	for name, want := range map[string]string{"log.1": "first still the old one", "log.2": "second", "log": "third"} {
		var got []string
		for line := range strings.Lines(read(t, filepath.Join(dir, name))) {
			got = append(got, strings.TrimSpace(line[strings.Index(line, "*")+2:]))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s has %q, want %q", name, got, want)
		}
	}
	// Where the file cannot be opened again, lines go on into the old one.
	must(os.Rename(path, path+".3"))
	must(os.Mkdir(path, 0o755))
	c.t = c.t.Add(checkEvery)
	logger.Info("fourth")
	if got := read(t, path+".3"); !strings.Contains(got, "fourth") {
		t.Errorf("the line is lost: %q", got)
	}
}

func TestCannotOpen(t *testing.T) {
	if _, _, err := New(Options{Path: filepath.Join(t.TempDir(), "no", "log")}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("opened nothing: %v", err)
	}
}

func TestStandardOutput(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout := os.Stdout
	os.Stdout = w
	logger, control, err := New(Options{Level: Notice})
	os.Stdout = stdout
	if err != nil {
		t.Fatal(err)
	}
	logger.Info("hello")
	if err := errors.Join(control.Reopen(), control.Close(), logger.Sync(), w.Close()); err != nil {
		t.Error(err)
	}
	buf := make([]byte, 200)
	n, _ := r.Read(buf)
	if !strings.HasSuffix(string(buf[:n]), "* hello\n") {
		t.Errorf("on standard output: %q", buf[:n])
	}
}
