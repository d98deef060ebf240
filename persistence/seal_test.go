package persistence

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
)

func sealed(t *testing.T, k *Key, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := NewSealWriter(&b, k)
	if err != nil {
		t.Fatal(err)
	}
	for len(content) > 0 {
		n := min(len(content), 10_000)
		if _, err := w.Write(content[:n]); err != nil {
			t.Fatal(err)
		}
		content = content[n:]
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func opened(file []byte, keys Keys) ([]byte, error) {
	o, err := OpenSealed(bytes.NewReader(file), keys)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(o)
}

func TestSeal(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, 1000, frameBytes - 1, frameBytes, frameBytes + 1, 5*frameBytes + 77} {
		content := make([]byte, n)
		for i := range content {
			content[i] = byte(rnd.Uint32())
		}
		file := sealed(t, testKey, content)
		got, err := opened(file, Keys{{ID: "other"}, testKey})
		if err != nil || !bytes.Equal(got, content) {
			t.Fatalf("%d bytes: %v", n, err)
		}
		if n > 100 && bytes.Contains(file, content[:32]) {
			t.Error("the content stands in the file")
		}
		if again := sealed(t, testKey, content); bytes.Equal(again, file) {
			t.Error("sealed twice, the same bytes")
		}
		for cut := 0; cut < len(file); cut += 1 + cut/3 {
			if got, err := opened(file[:cut], Keys{testKey}); err == nil && cut >= len(sealMagic) {
				t.Fatalf("%d bytes, cut at %d of %d: %d bytes and no error", n, cut, len(file), len(got))
			}
		}
		for at := len(sealMagic); at < len(file); at += 1 + at/50 {
			bad := slices.Clone(file)
			bad[at] ^= 0x10
			if _, err := opened(bad, Keys{testKey}); err == nil {
				t.Fatalf("%d bytes, byte %d changed: no error", n, at)
			}
		}
	}
	plain, err := opened([]byte("REDIS0010"), nil)
	if err != nil || string(plain) != "REDIS0010" {
		t.Errorf("%q, %v", plain, err)
	}
}

func TestSealErrors(t *testing.T) {
	file := sealed(t, testKey, []byte("secret"))
	for _, c := range []struct {
		keys Keys
		want error
	}{
		{nil, ErrSealed},
		{Keys{{ID: "other"}}, ErrNoKey},
		{Keys{{ID: "k"}}, ErrWrongKey},
	} {
		if _, err := OpenSealed(bytes.NewReader(file), c.keys); !errors.Is(err, c.want) {
			t.Errorf("%v, want %v", err, c.want)
		}
	}
	a := sealed(t, testKey, bytes.Repeat([]byte("a"), 3*frameBytes))
	head := len(a) - (2*(4+frameBytes+tagBytes) + 4 + frameBytes + tagBytes)
	frame := 4 + frameBytes + tagBytes
	swapped := slices.Concat(a[:head], a[head+frame:head+2*frame], a[head:head+frame], a[head+2*frame:])
	if _, err := opened(swapped, Keys{testKey}); !errors.Is(err, ErrTampered) {
		t.Errorf("two frames exchanged: %v", err)
	}
	if _, err := opened(a[:head+2*frame], Keys{testKey}); !errors.Is(err, ErrSealedEnd) {
		t.Errorf("the last frame cut off: %v", err)
	}
}

func TestParseKeys(t *testing.T) {
	one, two := bytes.Repeat([]byte{0xab}, 32), bytes.Repeat([]byte{0x17}, 32)
	keys, err := ParseKeys([]byte("# keys\n2026 " + hex.EncodeToString(one) + "\n\n2025\t" + base64.StdEncoding.EncodeToString(two) + "\r\n"))
	if err != nil || len(keys) != 2 || keys.Current().ID != "2026" || keys[0].secret != [32]byte(one) || keys[1].secret != [32]byte(two) {
		t.Errorf("%v, %v", keys, err)
	}
	if keys, err := ParseKeys(one); err != nil || keys[0].secret != [32]byte(one) {
		t.Errorf("32 bytes: %v", err)
	}
	if keys, err := ParseKeys([]byte(hex.EncodeToString(one) + "\n")); err != nil || keys[0].secret != [32]byte(one) {
		t.Errorf("a key alone: %v", err)
	}
	for _, bad := range []string{"", "# none\n", "a " + hex.EncodeToString(one[:31]), "a b c", "a " + strings.Repeat("x", 64),
		"a " + hex.EncodeToString(one) + "\na " + hex.EncodeToString(two), strings.Repeat("n", 256) + " " + hex.EncodeToString(one)} {
		if keys, err := ParseKeys([]byte(bad)); err == nil {
			t.Errorf("%q: %d keys", bad, len(keys))
		}
	}
}

func FuzzOpenSealed(f *testing.F) {
	var b bytes.Buffer
	w, _ := NewSealWriter(&b, testKey)
	w.Write([]byte("content"))
	w.Close()
	f.Add(b.Bytes(), uint16(0), byte(0))
	f.Add(b.Bytes(), uint16(60), byte(1))
	f.Fuzz(func(t *testing.T, file []byte, at uint16, flip byte) {
		file = slices.Clone(file)
		if int(at) < len(file) {
			file[at] ^= flip
		}
		got, err := opened(file, Keys{testKey})
		if err == nil && bytes.HasPrefix(file, []byte(sealMagic)) && file[8] == sealedSnapshot && string(got) != "content" {
			t.Fatalf("%q without an error", got)
		}
	})
}

// TestSealHeadUnread: a head that cannot be read, or is not all there, is not taken for one that another key has written.
func TestSealHeadUnread(t *testing.T) {
	file := sealed(t, testKey, nil)
	head := len(file) - (4 + tagBytes) // behind it stands the last frame
	for n := len(sealMagic); n < head; n++ {
		if _, err := OpenSealed(io.MultiReader(bytes.NewReader(file[:n]), iotest.ErrReader(syscall.EIO)), Keys{testKey}); !errors.Is(err, syscall.EIO) {
			t.Errorf("a disk that fails at byte %d: %v", n, err)
		}
		if _, err := OpenSealed(bytes.NewReader(file[:n]), Keys{testKey}); !errors.Is(err, ErrSealedEnd) {
			t.Errorf("cut at byte %d: %v", n, err)
		}
	}
}
