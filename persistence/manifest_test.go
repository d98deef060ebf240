package persistence

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
)

func TestManifest(t *testing.T) {
	m := &Manifest{}
	if b := m.NewBase("appendonly.aof", true); b.Name != "appendonly.aof.1.base.rdb" || b.Seq != 1 {
		t.Errorf("%+v", b)
	}
	m.NewIncr("appendonly.aof")
	m.NewIncr("appendonly.aof")
	m.NewBase("appendonly.aof", false)
	m.Retire(2)
	const want = "file appendonly.aof.2.base.aof seq 2 type b\n" +
		"file appendonly.aof.1.incr.aof seq 1 type h\n" +
		"file appendonly.aof.1.base.rdb seq 1 type h\n" +
		"file appendonly.aof.2.incr.aof seq 2 type i\n"
	if got := string(m.Format()); got != want {
		t.Errorf("%s", got)
	}
	got, err := ParseManifest([]byte(want))
	if err != nil || !reflect.DeepEqual(got, m) {
		t.Errorf("%+v, %v, want %+v", got, err, m)
	}
	c := m.Clone()
	c.NewIncr("x")
	c.Base.Name = "other"
	if string(m.Format()) != want {
		t.Error("a change of the copy changes the manifest")
	}
}

func TestManifestForms(t *testing.T) {
	for text, want := range map[string]LogName{
		"file a.aof seq 1 type b\n":                            {"a.aof", 1},
		"# a comment\nfile a.aof seq 1 type b\n":               {"a.aof", 1},
		"FILE a.aof  TYPE b\tSEQ 2\r\n":                        {"a.aof", 2},
		"file a.aof seq 3 type b newkey newvalue\n":            {"a.aof", 3},
		`file "a b\x00\n\".aof" seq 4 type b` + "\n":           {"a b\x00\n\".aof", 4},
		`file 'it\'s' seq 5 type b` + "\n":                     {"it's", 5},
		"file " + strings.Repeat("n", 900) + " seq 6 type b\n": {strings.Repeat("n", 900), 6},
	} {
		m, err := ParseManifest([]byte(text))
		if err != nil || m.Base == nil || *m.Base != want {
			t.Errorf("%q: %+v, %v", text, m, err)
			continue
		}
		if again, err := ParseManifest(m.Format()); err != nil || !reflect.DeepEqual(again, m) {
			t.Errorf("%q, written as %q: %+v, %v", text, m.Format(), again, err)
		}
	}
	for text, reason := range map[string]string{
		"":   "Found an empty AOF manifest",
		"\n": "Invalid AOF manifest file format",
		"file a seq 1 type b\n\nfile b seq 1 type i\n": "Invalid AOF manifest file format",
		"file a seq 1\n":                                        "Invalid AOF manifest file format",
		"file a seq 1 type b more\n":                            "Invalid AOF manifest file format",
		"file a seq x type b\n":                                 "Invalid AOF manifest file format",
		"file \"a seq 1 type b\n":                               "Invalid AOF manifest file format",
		"file \"a\"b seq 1 type b\n":                            "Invalid AOF manifest file format",
		"file a seq 1 type b":                                   "The AOF manifest file contains too long line",
		"file " + strings.Repeat("n", 1024) + " seq 6 type b\n": "The AOF manifest file contains too long line",
		"file a/b seq 1 type b\n":                               "File can't be a path, just a filename",
		"file a seq 1 type b\nfile b seq 2 type b\n":            "Found duplicate base file information",
		"file a seq 2 type i\nfile b seq 2 type i\n":            "Found a non-monotonic sequence number",
		"file a seq 1 type x\n":                                 "Unknown AOF file type",
	} {
		var bad *ManifestError
		if _, err := ParseManifest([]byte(text)); !errors.As(err, &bad) || bad.Reason != reason {
			t.Errorf("%q: %v, want %s", text, err, reason)
		}
	}
}

// TestManifestWrite: whatever fails, the folder has the old manifest or the new one.
func TestManifestWrite(t *testing.T) {
	disk, dir := newFaultyDisk(), t.TempDir()
	var hold Hold
	defer hold.Release()
	old := &Manifest{}
	old.NewBase("a", true)
	if err := old.Write(disk, dir, "a", &hold); err != nil {
		t.Fatal(err)
	}
	next := old.Clone()
	next.NewIncr("a")
	for _, bad := range []string{"open", "write", "sync", "rename", "syncdir"} {
		disk.set(func(op, _ string) error {
			if op == bad {
				return syscall.EIO
			}
			return nil
		})
		if err := next.Write(disk, dir, "a", &hold); !errors.Is(err, syscall.EIO) {
			t.Errorf("%s fails: %v", bad, err)
		}
		got, err := ReadManifest(dir, "a")
		if err != nil || !bytes.Equal(got.Format(), old.Format()) && bad != "syncdir" {
			t.Errorf("%s fails: %+v, %v", bad, got, err)
		}
	}
	disk.set(nil)
	if m, err := ReadManifest(dir, "none"); err != nil || !m.Empty() {
		t.Errorf("%+v, %v", m, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "temp-a.manifest")); err == nil {
		t.Error("a temporary file is left")
	}
}

// TestManifestSum: a byte of the file that is another tells itself, unless it is one of a comment; what redis-server or a hand
// has written has no checksum and is taken as it is.
func TestManifestSum(t *testing.T) {
	dir, m := t.TempDir(), &Manifest{}
	m.NewBase("appendonly.aof", true)
	m.NewIncr("appendonly.aof")
	m.NewIncr("appendonly.aof")
	if err := m.Write(OS, dir, "appendonly.aof", &Hold{}); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(filepath.Join(dir, "appendonly.aof.manifest"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseManifest(whole)
	if err != nil || !got.Summed || !bytes.Equal(got.Format(), m.Format()) {
		t.Fatalf("%q: %+v, %v", whole, got, err)
	}
	for i := range whole {
		for bit := range 8 {
			bad := bytes.Clone(whole)
			bad[i] ^= 1 << bit
			if got, err := ParseManifest(bad); err == nil && (got.Summed || !bytes.Equal(got.Format(), m.Format())) {
				t.Errorf("byte %d is changed and nobody notices: %q", i, bad)
			}
		}
		if got, err := ParseManifest(whole[:i]); err == nil && got.Summed {
			t.Errorf("%q is taken for whole", whole[:i])
		}
	}
	if got, err := ParseManifest(append(bytes.Clone(whole), "\nfile x seq 9 type i\n"...)); err == nil {
		t.Errorf("lines behind the checksum are taken: %+v", got)
	}
	if got, err := ParseManifest(m.Format()); err != nil || got.Summed {
		t.Errorf("without a checksum: %+v, %v", got, err)
	}
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte("file a seq 1 type b\nfile \"b\\x20\" seq 2 type i\nfile c seq 3 type h\n"))
	f.Add([]byte("file 'a' seq 1 type b\r\n#\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := ParseManifest(text)
		if err != nil {
			return
		}
		again, err := ParseManifest(m.Format())
		if len(m.Format()) == 0 { // nothing but comments
			return
		}
		if err != nil || !bytes.Equal(m.Format(), again.Format()) {
			t.Fatalf("%q is written as %q: %v", text, m.Format(), err)
		}
	})
}
