package persistence

import (
	"bytes"
	"io"
	"runtime"
	"strings"
	"testing"
)

// allocated is how many bytes fn allocates, what others do meanwhile included.
func allocated(fn func()) int64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	fn()
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc - before.TotalAlloc)
}

// TestLongUnit: a long value takes its own size once on its way to the disk, and once more if it is sealed; and once when it is
// read.
func TestLongUnit(t *testing.T) {
	const size, slack = 16 << 20, 2 << 20
	long := unit("SET", "k", strings.Repeat("v", size))
	for _, key := range []*Key{nil, testKey} {
		most := int64(size + slack)
		if key != nil {
			most += size
		}
		w := newLogWorld(t, LogOptions{}, key)
		if n := allocated(func() {
			w.log.Append(long)
			if err := w.log.Flush(); err != nil {
				t.Fatal(err)
			}
		}); n > most {
			t.Errorf("%d bytes to write %d, sealed: %v", n, size, key != nil)
		}
	}
	r := NewLogReader(bytes.NewReader(long), 0, int64(len(long)))
	if n := allocated(func() {
		if it, err := r.Next(); err != nil || len(it.Argv[2]) != size {
			t.Fatal(err)
		}
	}); n > size+slack {
		t.Errorf("%d bytes to read %d", n, size)
	}
	if _, err := r.Next(); err != io.EOF {
		t.Fatal(err)
	}
}
