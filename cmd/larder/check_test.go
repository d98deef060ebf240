package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"larder/persistence"
)

// TestCheckAOFBase: a base whose name promises a snapshot has one, or its log is not whole: the server does not start with it.
func TestCheckAOFBase(t *testing.T) {
	dir := t.TempDir()
	const snapshot = "REDIS0009\xff\x00\x00\x00\x00\x00\x00\x00\x00"
	for name, c := range map[string]struct {
		text string
		code int
	}{
		"1.base.rdb": {snapshot, 0},
		"5.base.rdb": {"VALKEY080" + snapshot[len("REDIS0009"):], 0},
		"2.base.rdb": {"", 1},
		"3.base.rdb": {"*1\r\n$4\r\nPING\r\n", 1},
		"4.base.aof": {"", 0},
	} {
		manifest := filepath.Join(dir, name+".manifest")
		os.WriteFile(filepath.Join(dir, name), []byte(c.text), 0o644)
		os.WriteFile(filepath.Join(dir, name+".incr"), nil, 0o644)
		os.WriteFile(manifest, fmt.Appendf(nil, "file %s seq 1 type b\nfile %s.incr seq 1 type i\n", name, name), 0o644)
		out, errOut, code := once(t, program(t, "larder", "check", "aof", manifest))
		if code != c.code || strings.Contains(out, "All files") != (c.code == 0) {
			t.Errorf("%s: code %d\n%s%s", name, code, out, errOut)
		}
	}
}

// TestCheckOfNothing: what was not looked at is not called whole, nor damaged.
func TestCheckOfNothing(t *testing.T) {
	keys, err := persistence.ParseKeys([]byte(strings.Repeat("ab", 32)))
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	w, err := persistence.NewSealWriter(&text, keys[0])
	if err == nil {
		fmt.Fprint(w, "REDIS0009\xff\x00\x00\x00\x00\x00\x00\x00\x00")
		err = w.Close()
	}
	sealed := filepath.Join(t.TempDir(), "dump.rdb")
	if err == nil {
		err = os.WriteFile(sealed, text.Bytes(), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]string{
		"check":                       "larder: check what?",
		"check dump.rdb":              `larder: unknown command "dump.rdb" for "larder check"`,
		"check rdb /nowhere/dump.rdb": "larder: /nowhere/dump.rdb: open /nowhere/dump.rdb: no such file or directory",
		"check aof /nowhere/log":      "larder: open /nowhere/log: no such file or directory",
		"check rdb --fix /":           "larder: /: read /: is a directory",
		"check rdb --fix " + sealed:   "larder: " + sealed + ": the file is encrypted, and no key was given",
	} {
		out, errOut, code := once(t, program(t, "larder", strings.Fields(args)...))
		if code != 1 || out != "" || !strings.HasPrefix(errOut, want) {
			t.Errorf("%s: code %d\n%s%s", args, code, out, errOut)
		}
	}
}

// TestCheckAOFMoment: what is no moment cuts nothing, and says so.
func TestCheckAOFMoment(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	text := "#TS:100\r\n*1\r\n$4\r\nPING\r\n#TS:200\r\n*1\r\n$4\r\nPING\r\n"
	os.WriteFile(path, []byte(text), 0o644)
	for _, c := range []struct {
		moment string
		code   int
		size   int
	}{
		{"-5", 1, len(text)},
		{"0", 1, len(text)},
		{"200", 0, len(text)},
		{"150", 0, len(text) / 2},
	} {
		_, errOut, code := once(t, program(t, "larder", "check", "aof", "--truncate-to-timestamp", c.moment, path))
		if left, _ := os.ReadFile(path); code != c.code || len(left) != c.size {
			t.Errorf("%s: code %d, %d bytes\n%s", c.moment, code, len(left), errOut)
		}
	}
}

// TestCheckAOFInTheMidst: a damaged file that others build upon is not cut, for the server would load those over the gap; the
// last one is, and one behind which there is nothing. A manifest is one whatever its name.
func TestCheckAOFInTheMidst(t *testing.T) {
	const whole = "*1\r\n$4\r\nPING\r\n"
	const torn = whole + "*1\r\n$4\r\nPI"
	for _, c := range []struct {
		first, last string
		code        int
		says        string
		left        [2]string
	}{
		{torn, whole, 1, "so it is not cut", [2]string{torn, whole}},
		{whole, torn, 0, "was cut at byte 14", [2]string{whole, whole}},
		{torn, "", 0, "was cut at byte 14", [2]string{whole, ""}},
	} {
		dir := t.TempDir()
		for name, text := range map[string]string{
			"1.incr": c.first, "2.incr": c.last, "list": "file 1.incr seq 1 type i\nfile 2.incr seq 2 type i\n",
		} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		out, errOut, code := once(t, program(t, "larder", "check", "aof", "--fix", filepath.Join(dir, "list")))
		if code != c.code || !strings.Contains(out, c.says) {
			t.Errorf("code %d\n%s%s", code, out, errOut)
		}
		for i, want := range c.left {
			if got, _ := os.ReadFile(filepath.Join(dir, fmt.Sprint(i+1, ".incr"))); string(got) != want {
				t.Errorf("file %d is left with %d bytes, not %d", i+1, len(got), len(want))
			}
		}
	}
}

// TestCheckAOFMissingFile: a file that is not there is named, whatever is wrong with those behind it.
func TestCheckAOFMissingFile(t *testing.T) {
	dir := t.TempDir()
	manifest := filepath.Join(dir, "log.manifest")
	os.WriteFile(manifest, []byte("file 1.base.rdb seq 1 type b\nfile 1.incr seq 1 type i\n"), 0o644)
	os.WriteFile(filepath.Join(dir, "1.incr"), []byte("*1\r\n$4\r\nPI"), 0o644)
	out, errOut, code := once(t, program(t, "larder", "check", "aof", manifest))
	if code != 1 || !strings.Contains(out, "1.base.rdb: no such file or directory") || !strings.Contains(out, "1.incr is not complete") {
		t.Errorf("code %d\n%s%s", code, out, errOut)
	}
}

// TestCheckRDBPromises: the repair of a snapshot is offered where there is one, and says of which version its file is.
func TestCheckRDBPromises(t *testing.T) {
	for text, want := range map[string][2]string{
		"":                        {"", "cannot be repaired"},
		"XEDIS0009\xff":           {"", "cannot be repaired"},
		"REDIS0009\x00":           {"With --fix", "of RDB version 10 now: version 9 is read here"},
		"VALKEY080\x00\x01a\x01b": {"With --fix", "of RDB version 10 now: version 80 is read here"},
		"REDIS0011\x00\x01a\x01b": {"With --fix", "has the 1 keys before the damage now"},
	} {
		path := filepath.Join(t.TempDir(), "dump.rdb")
		os.WriteFile(path, []byte(text), 0o644)
		out, errOut, code := once(t, program(t, "larder", "check", "rdb", path))
		if code != 1 || strings.Contains(out, "With --fix") != (want[0] != "") {
			t.Errorf("%q: code %d\n%s%s", text, code, out, errOut)
		}
		out, errOut, _ = once(t, program(t, "larder", "check", "rdb", "--fix", path))
		if !strings.Contains(out+errOut, want[1]) {
			t.Errorf("%q:\n%s%s", text, out, errOut)
		}
	}
}

// TestCheckShowsWhatItReads: what a file says of itself is shown as that, and says nothing of the check.
func TestCheckShowsWhatItReads(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dump.rdb")
	os.WriteFile(path, []byte("REDIS0011\xfa\x01a\x0d\x1b[2J\nis whole\xfa\x03ver\x038.0\xff\x00\x00\x00\x00\x00\x00\x00\x00"), 0o644)
	out, errOut, code := once(t, program(t, "larder", "check", "rdb", path))
	if code != 0 || strings.Contains(out, "\x1b") || !strings.Contains(out, `a: "\x1b[2J\nis whole"`) || !strings.Contains(out, "  ver: 8.0\n") {
		t.Errorf("code %d\n%s%s", code, out, errOut)
	}
}
