package persistence

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// someLog is a log of many units with checksum lines, and where each unit ends.
func someLog(t *testing.T, key *Key, units int) (text []byte, ends []int64) {
	w := newLogWorld(t, LogOptions{}, key)
	rnd := rand.New(rand.NewPCG(1, 9))
	at := int64(0)
	for i := range units {
		u := unit("SET", fmt.Sprint("key:", i), strings.Repeat("v", rnd.IntN(200)))
		if i%5 == 0 {
			u = unit("SET", fmt.Sprint("key:", i), "1", ";", "DEL", "x", ";", "INCR", "y")
		}
		w.log.Append(u)
		at += int64(len(u))
		ends = append(ends, at)
		if i%40 == 39 {
			if err := w.log.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.log.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(w.path("1"))
	if err != nil {
		t.Fatal(err)
	}
	return text, ends
}

// keysOf are the keys of a file that key seals, none for nil.
func keysOf(key *Key) Keys {
	if key == nil {
		return nil
	}
	return Keys{key}
}

func scanBytes(t *testing.T, text []byte, keys Keys) (ScanResult, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
	return Scan(path, ScanOptions{Keys: keys})
}

// TestScanTorn cuts a log everywhere, and fills what was cut with zeros: it ends with the last whole unit, and what
// stands there can be scanned again.
func TestScanTorn(t *testing.T) {
	for _, key := range []*Key{nil, testKey} {
		keys := keysOf(key)
		text, _ := someLog(t, key, 300)
		whole, err := scanBytes(t, text, keys)
		if err != nil || whole.Torn != NotTorn || whole.End != int64(len(text)) || whole.Units != 300 || key == nil && whole.Sums < 2 {
			t.Fatalf("%+v, %v", whole, err)
		}
		first := 0
		if key != nil {
			first = len(sealMagic) + 2 + len(key.ID) + saltBytes + 4 + tagBytes
		}
		last := int64(-1)
		for cut := first; cut < len(text); cut += 1 + cut%391 {
			res, err := scanBytes(t, text[:cut], keys)
			if err != nil || res.End > int64(cut) || res.End < last || (res.End < int64(cut)) != (res.Torn != NotTorn) {
				t.Fatalf("cut at %d: %+v, %v", cut, res, err)
			}
			last = res.End
			again, err := scanBytes(t, text[:res.End], keys)
			if err != nil || again.Torn != NotTorn || again.Units != res.Units {
				t.Fatalf("cut at %d, then at %d: %+v, %v", cut, res.End, again, err)
			}
			if key == nil && again.Tail != res.Tail {
				t.Fatalf("cut at %d: %+v, then %+v", cut, res.Tail, again.Tail)
			}
			for _, n := range []int{1, 700, 5000} {
				zeros, err := scanBytes(t, append(text[:cut:cut], make([]byte, n)...), keys)
				if err != nil || zeros.End != res.End || zeros.Torn == NotTorn {
					t.Fatalf("cut at %d and %d zeros: %+v, %v, want the end %d", cut, n, zeros, err, res.End)
				}
			}
		}
	}
}

// TestScanDamaged changes bytes before the last checksum line: the file is refused, and the place is told.
func TestScanDamaged(t *testing.T) {
	for _, key := range []*Key{nil, testKey} {
		keys := keysOf(key)
		text, _ := someLog(t, key, 300)
		for at := 0; at < len(text); at += 1 + at%97 {
			bad := slices.Clone(text)
			bad[at] ^= 1 << (at % 8)
			res, err := scanBytes(t, bad, keys)
			var damage *DamageError
			if key != nil && err != nil && !errors.As(err, &damage) {
				continue // the head: it is not the key's file any more
			}
			if err == nil && at >= bytes.LastIndex(text, []byte("#SUM:")) {
				continue // of the last line: it may be an annotation of another kind now, or know less of the disk
			}
			if err == nil && bytes.Equal(regexpSynced.ReplaceAll(bad, []byte("${1}")), regexpSynced.ReplaceAll(text, []byte("${1}"))) {
				continue // what the disk is known to have
			}
			if !errors.As(err, &damage) {
				t.Fatalf("byte %d changed: %+v, %v", at, res, err)
			}
			if res.End > int64(at) {
				t.Fatalf("byte %d changed: whole until %d, damaged from %d", at, res.End, damage.Offset)
			}
		}
	}
	for _, c := range []struct {
		text, want string
		end        int64
	}{
		{string(unit("SET", "a", "1")) + "!!!\r\n", "no command", 27},
		{string(unit("SET", "a", "1")) + "*1\r\n!4\r\nPING\r\n", "no command", 27},
		{string(unit("SET", "a", "1")) + "*x\r\n", "no command", 27},
		{string(unit("SET", "a", "1")) + "#SUM:12\r\n", "cannot be read", 27},
		{string(unit("SET", "a", "1")) + "#SUM:12:00000000:0\r\n", "which is about 12", 0},
	} {
		if res, err := scanBytes(t, []byte(c.text), nil); err == nil || !strings.Contains(err.Error(), c.want) || res.End != c.end {
			t.Errorf("%q: %+v, %v", c.text, res, err)
		}
	}
}

// TestScanSealedLengths changes every bit of the lengths in a sealed log: one that points behind the end of the file, or into the
// zeros there, is no torn end, however few frames follow.
func TestScanSealedLengths(t *testing.T) {
	text, _ := someLog(t, testKey, 300)
	frames := 0
	for at := len(sealMagic) + 2 + len(testKey.ID) + saltBytes + 4 + tagBytes; at < len(text); frames++ {
		for _, tail := range []int{0, 4096} {
			for bit := range 32 {
				bad := append(slices.Clone(text), make([]byte, tail)...)
				bad[at+bit/8] ^= 1 << (bit % 8)
				var damage *DamageError
				if res, err := scanBytes(t, bad, keysOf(testKey)); !errors.As(err, &damage) || damage.Offset != int64(at) {
					t.Fatalf("bit %d of the length at byte %d changed, %d zeros at the end: %+v, %v", bit, at, tail, res, err)
				}
			}
		}
		at += 4 + int(binary.BigEndian.Uint32(text[at:])) + tagBytes
	}
	if frames < 5 {
		t.Errorf("%d frames", frames)
	}
}

// TestScanHole has zeros where the disk is not known to have anything, with later bytes behind: that is no damage, but
// what losing the power leaves. Where the disk had everything it is damage.
func TestScanHole(t *testing.T) {
	text, _ := someLog(t, nil, 3000)
	lines := bytes.Count(text, []byte("#SUM:"))
	if lines < 10 {
		t.Fatalf("%d checksum lines", lines)
	}
	res, err := scanBytes(t, append(append(slices.Clone(text[:20000]), make([]byte, 4096)...), text[24096:]...), nil)
	var damage *DamageError
	if !errors.As(err, &damage) || damage.Offset > 20000 {
		t.Errorf("a hole in what the disk had: %+v, %v", res, err)
	}
	never := regexpSynced.ReplaceAll(text, []byte("${1}:0\r\n"))
	sums := 0
	for at := range bytes.Lines(never) { // the lines are shorter now, and none of them is part of a sum
		if bytes.HasPrefix(at, []byte("#SUM:")) {
			sums++
		}
	}
	if _, err := scanBytes(t, never, nil); err != nil || sums != lines {
		t.Fatal(err)
	}
	res, err = scanBytes(t, append(append(slices.Clone(never[:20000]), make([]byte, 4096)...), never[24096:]...), nil)
	if err != nil || res.Torn != TornZeros || res.End > 20000 {
		t.Errorf("a hole in what the disk never had: %+v, %v", res, err)
	}
}

// TestScanShort cuts a file while it is looked through, between two units and within one: nobody takes that for its end.
func TestScanShort(t *testing.T) {
	for _, key := range []*Key{nil, testKey} {
		keys := keysOf(key)
		text, _ := someLog(t, key, 20_000)
		path := filepath.Join(t.TempDir(), "log")
		whole := func() {
			if err := os.WriteFile(path, text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		whole()
		var ends []int64
		Scan(path, ScanOptions{Keys: keys, Visit: func(it *Item) error {
			ends = append(ends, it.End())
			return nil
		}})
		between := ends[len(ends)/2]
		for _, cut := range []int64{between, between - 1, int64(len(text)) - 1} {
			whole()
			res, err := Scan(path, ScanOptions{Keys: keys, Visit: func(it *Item) error {
				if it.At > 0 {
					return nil
				}
				return os.Truncate(path, cut)
			}})
			if err != ErrShort {
				t.Errorf("%d of %d bytes: %+v, %v", cut, len(text), res, err)
			}
		}
	}
	w := &Whole{In: strings.NewReader("abc"), Left: 4}
	if p, err := io.ReadAll(w); string(p) != "abc" || err != ErrShort {
		t.Errorf("%q, %v", p, err)
	}
	if p, err := io.ReadAll(&Whole{In: strings.NewReader("abc"), Left: -1}); len(p) > 0 || err != ErrShort {
		t.Errorf("%q, %v", p, err)
	}
	w = &Whole{In: strings.NewReader("abc"), Left: 2}
	if p, err := io.ReadAll(w); string(p) != "ab" || err != nil {
		t.Errorf("%q, %v", p, err)
	}
}

// TestOpenLogFile goes on writing where a scan has ended.
func TestOpenLogFile(t *testing.T) {
	text, _ := someLog(t, nil, 200)
	for _, cut := range []int{0, 500, 5000, len(text)} {
		w := newLogWorld(t, LogOptions{}, nil)
		path := w.path("old")
		os.WriteFile(path, text[:cut], 0o644)
		res, err := Scan(path, ScanOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := CutFile(w.disk, path, res.End); err != nil {
			t.Fatal(err)
		}
		f, err := OpenLogFile(w.disk, path, res.Tail)
		if err != nil {
			t.Fatal(err)
		}
		w.log.Switch(f)
		for range 1000 {
			w.log.Append(unit("SET", "later", "a value"))
		}
		if err := w.log.Close(); err != nil {
			t.Fatal(err)
		}
		if _, again := w.read("old"); again.Units != res.Units+1000 || again.Sums <= res.Sums || again.Torn != NotTorn || again.Since != 0 {
			t.Errorf("cut at %d: %+v", cut, again)
		}
	}
}

func FuzzScan(f *testing.F) {
	f.Add([]byte("*1\r\n$4\r\nPING\r\n#TS:17\r\n"))
	f.Add(append(unit("SET", "a", "1", ";", "SET", "b", "2"), "#SUM:86:00000000:0\r\n"...))
	f.Add([]byte("*1\r\n$4\r\nPI"))
	f.Add([]byte("#SUM:0:00000000:0+\r\n*1\r\n$4\r\nPING\r\n" + strings.Repeat("#", 600) + "\n"))
	f.Add([]byte("*99999999\r\n$99999999999\r\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		res, err := scanBytes(t, text, nil)
		if res.End < 0 || res.End > int64(len(text)) {
			t.Fatalf("%+v", res)
		}
		if err == nil && (res.Torn == NotTorn) != (res.End+res.Room == int64(len(text))) {
			t.Fatalf("%+v of %d bytes", res, len(text))
		}
		again, e := scanBytes(t, text[:res.End], nil)
		if e != nil || again.Torn != NotTorn || again.Commands > res.Commands || again.Units > res.Units || err == nil && again.Units != res.Units {
			t.Fatalf("%+v, then %+v, %v", res, again, e)
		}
	})
}

func TestLogReaderLongCommand(t *testing.T) {
	long := strings.Repeat("x", 3*logWindow)
	text := append(unit("SET", "a", long), unit("GET", "b")...)
	r := NewLogReader(iotestOneByOne{bytes.NewReader(text)}, 100, 100+int64(len(text)))
	it, err := r.Next()
	if err != nil || string(it.Argv[2]) != long || it.At != 100 {
		t.Fatalf("%v", err)
	}
	if it, err = r.Next(); err != nil || string(it.Argv[1]) != "b" || it.End() != 100+int64(len(text)) {
		t.Fatalf("%+v, %v", it, err)
	}
	if _, err = r.Next(); err != io.EOF {
		t.Fatal(err)
	}
}

// TestLongAnnotations: what somebody notes in a log may be as long as redis-server takes, and no longer.
func TestLongAnnotations(t *testing.T) {
	for _, c := range []struct {
		size  int
		whole bool
	}{{200, true}, {1023, true}, {1024, false}} {
		note := "#" + strings.Repeat("x", c.size-3) + "\r\n"
		text := append([]byte(note), unit("SET", "a", "1")...)
		if res, err := scanBytes(t, text, nil); (err == nil && res.Units == 1 && res.Torn == NotTorn) != c.whole {
			t.Errorf("%d bytes: %+v, %v", c.size, res, err)
		}
	}
}

// iotestOneByOne gives few bytes at a time.
type iotestOneByOne struct{ io.Reader }

func (r iotestOneByOne) Read(p []byte) (int, error) { return r.Reader.Read(p[:min(len(p), 1000)]) }

var regexpSynced = regexp.MustCompile(`(#SUM:\d+:[0-9a-f]+):\d+\r\n`)
