package persistence

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// unreadable is a file of which one read fails.
type unreadable struct {
	io.ReaderAt
	left int // reads before that, counted down
}

func (u *unreadable) ReadAt(p []byte, at int64) (int, error) {
	if u.left--; u.left == -1 {
		return 0, syscall.EIO
	}
	return u.ReaderAt.ReadAt(p, at)
}

// TestScanUnreadable has each of the reads of a scan fail in turn: what the disk does not give is neither a torn end, which would be
// cut off, nor damage, before which somebody may want to keep what is whole.
func TestScanUnreadable(t *testing.T) {
	texts := map[string][]byte{}
	plain, _ := someLog(t, nil, 300)
	sealed, _ := someLog(t, testKey, 300)
	w := roomWorld(t, LogOptions{})
	for i := range 50 {
		w.put("SET", "k", strings.Repeat("x", 40*i))
	}
	for kind, text := range map[string][]byte{"plain": plain, "sealed": sealed, "in batches": w.bytes("1")} {
		add := func(what string, b []byte) { texts[kind+", "+what] = b }
		used := len(bytes.TrimRight(text, "#\n"))
		add("whole", text)
		add("cut", text[:used-5])
		add("zeros", append(slices.Clone(text[:used-5]), make([]byte, 700)...))
		for i := range 3 {
			bad := slices.Clone(text)
			copy(bad[(i+1)*used/5:], []byte{0, '*', 0x80, '$'})
			add(fmt.Sprint("damaged ", i), bad)
			bad = slices.Clone(text)
			copy(bad[(i+1)*used/5:], make([]byte, 600))
			add(fmt.Sprint("a hole ", i), bad)
			if kind == "sealed" {
				for at := range 4 {
					bad = slices.Clone(text)
					bad[sealedFrame(text, 2*i)+at] ^= 1
					add(fmt.Sprint("length ", at, " of frame ", 2*i), bad)
				}
			}
		}
	}
	for what, text := range texts {
		for n := 0; ; n++ {
			f := &unreadable{bytes.NewReader(text), n}
			res, err := scanAll(f, int64(len(text)), ScanOptions{Keys: keysOf(testKey)})
			if f.left >= 0 { // so many were not needed
				if n == 0 {
					t.Fatalf("%s: %d reads", what, n)
				}
				break
			}
			if !errors.Is(err, syscall.EIO) {
				t.Errorf("%s: read %d fails, and the scan says %v, %v", what, n, res.Torn, err)
			}
		}
	}
}

// sealedFrame is where a frame of a sealed log stands.
func sealedFrame(text []byte, n int) int {
	at := len(sealMagic) + 2 + len(testKey.ID) + saltBytes
	for range n {
		at += 4 + int(text[at]&0x7f)<<24 + int(text[at+1])<<16 + int(text[at+2])<<8 + int(text[at+3]) + tagBytes
	}
	return at
}

// TestUnreadableNames has a disk that opens files and says nothing of them: who wants to lock one, or to write one under a temporary
// name, hears of it instead of trying for ever.
func TestUnreadableNames(t *testing.T) {
	dir := t.TempDir()
	m, h, disk := &Manifest{}, Hold{}, newFaultyDisk()
	m.NewBase("a.aof", true)
	if err := m.Write(disk, dir, "a.aof", &h); err != nil {
		t.Fatal(err)
	}
	h.Release()
	disk.set(func(op, _ string) error {
		if op == "stat" {
			return syscall.EIO
		}
		return nil
	})
	if err := h.Take(disk, dir, "a.aof"); !errors.Is(err, syscall.EIO) {
		t.Errorf("taking the log: %v", err)
	}
	if _, err := CreateFile(disk, filepath.Join(dir, "temp"), false); !errors.Is(err, syscall.EIO) {
		t.Errorf("making a file: %v", err)
	}
	if RemoveLeftover(disk, filepath.Join(dir, "temp")) {
		t.Error("a file is removed of which nobody knows whether it is that one")
	}
	disk.set(nil)
	if err := h.Take(disk, dir, "a.aof"); err != nil {
		t.Error(err)
	}
	h.Release()
}
