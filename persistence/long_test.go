package persistence

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
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

// A command of the log may have as many arguments as a client may send, and takes no room for those that do not come.
func TestManyArguments(t *testing.T) {
	var err error
	head := "*2147483647\r\n$3\r\nDEL\r\n"
	n := allocated(func() { _, err = NewLogReader(strings.NewReader(head), 0, int64(len(head))).Next() })
	if err != errTorn || n > 1<<20 {
		t.Errorf("%v, with %d bytes", err, n)
	}
	if _, err := NewLogReader(strings.NewReader("*2147483648\r\n"), 0, -1).Next(); err != errFormat {
		t.Error(err)
	}
}

// poisoned is memory that is spoiled when it is given back, and has to be given back as it was given.
type poisoned struct {
	mu   sync.Mutex
	out  map[*byte]int
	gets int
	none bool // there is no memory
}

func (b *poisoned) Get(n int) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.none {
		return nil
	}
	p := make([]byte, n)
	b.out[&p[0]] = n
	b.gets++
	return p[:0]
}

func (b *poisoned) Put(p []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p = p[:cap(p)]
	if b.out[&p[0]] != len(p) {
		panic("what was not given comes back")
	}
	delete(b.out, &p[0])
	for i := range p {
		p[i] = 0xdd
	}
}

// TestLongUnitsElsewhere: long units are in other memory until the file has them, on a disk that fails now and then, and none of
// it is kept.
func TestLongUnitsElsewhere(t *testing.T) {
	for _, key := range []*Key{nil, testKey} {
		for _, policy := range []SyncPolicy{SyncNo, SyncAlways} {
			mem := &poisoned{out: map[*byte]int{}}
			w := newLogWorld(t, LogOptions{Policy: policy, Big: mem}, key)
			writes := 0
			w.disk.short = true
			w.disk.set(func(op, _ string) error {
				if writes++; writes%3 == 0 && writes < 60 && (op == "write" || op == "sync") {
					return errors.New("disk on strike")
				}
				return nil
			})
			var want []string
			for i := range 12 {
				words := []string{"SET", fmt.Sprint(i), strings.Repeat(string(rune('a'+i)), []int{10, chunkMax + i, 3 * chunkMax}[i%3])}
				want = append(want, strings.Join(words, " "))
				mem.mu.Lock()
				mem.none = i == 7
				mem.mu.Unlock()
				w.log.Append(unit(words...))
				w.log.Kick()
			}
			for w.log.Flush() != nil { // it has tried
			}
			w.disk.set(nil)
			if err := w.log.Flush(); err != nil {
				t.Fatal(err)
			}
			if list, _ := w.read("1"); strings.Join(list, "\n") != strings.Join(want, "\n") {
				t.Errorf("sealed %v, policy %v: the file has %d units, not what was appended", key != nil, policy, len(list))
			}
			w.log.Close()
			if mem.gets != 7 || len(mem.out) > 0 {
				t.Errorf("sealed %v, policy %v: %d buffers were taken, %d are not given back", key != nil, policy, mem.gets, len(mem.out))
			}
		}
	}
}

// TestLongUnitsOfAnEnd: a log that ends although the disk does not take what is left gives all memory back.
func TestLongUnitsOfAnEnd(t *testing.T) {
	mem := &poisoned{out: map[*byte]int{}}
	w := newLogWorld(t, LogOptions{Big: mem}, nil)
	w.disk.set(func(op, _ string) error {
		if op == "write" {
			return errors.New("disk full")
		}
		return nil
	})
	w.log.Append(unit("SET", "k", strings.Repeat("v", chunkMax)))
	w.log.Append(unit("SET", "l", strings.Repeat("w", chunkMax)))
	w.log.Close()
	if mem.gets != 2 || len(mem.out) > 0 {
		t.Errorf("%d buffers were taken, %d are not given back", mem.gets, len(mem.out))
	}
}
