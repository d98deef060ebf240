//go:build !race && !heaparena

package arena

import (
	"fmt"
	"os"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mincore counts the pages of the arena that are in memory, those of its records included.
func mincore(t testing.TB, a *Arena) (bytes int64) {
	for _, area := range []struct {
		p unsafe.Pointer
		n uintptr
	}{{a.base, uintptr(a.mem.count) << pageShift}, {a.pages, a.mem.recLen}} {
		const step = 1 << 30
		vec := make([]byte, step>>pageShift)
		for off := uintptr(0); off < area.n; off += step {
			n := min(step, area.n-off)
			_, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(area.p)+off, n, uintptr(unsafe.Pointer(&vec[0])))
			if errno != 0 {
				t.Fatal(errno)
			}
			for _, v := range vec[:n>>pageShift] {
				bytes += int64(v&1) << pageShift
			}
		}
	}
	return bytes
}

func rss(t testing.TB) (bytes int64) {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	var total, resident int64
	if _, err := fmt.Sscan(string(b), &total, &resident); err != nil {
		t.Fatal(err)
	}
	return resident * int64(os.Getpagesize())
}

// ResidentBytes is what the system really holds, and what Trim gives back is really gone.
func TestResidentBytesAreReal(t *testing.T) {
	m := newModel(t, 4<<30, 1)
	within := func(when string) {
		t.Helper()
		// A slab that was not touched to its end is counted in full: less than 100 KiB per class, here for a few classes.
		real, told := mincore(t, m.a), m.a.Stats().ResidentBytes
		t.Logf("%s: %d KiB resident, %d KiB told", when, real>>10, told>>10)
		if real > told || real < told-told/50-400<<10 {
			t.Errorf("%s: %d bytes are resident, told %d", when, real, told)
		}
	}
	within("empty")
	for i := range 400_000 {
		m.alloc(30 + i%200)
	}
	m.alloc(10 << 20)
	within("full")
	before := rss(t)
	for i := len(m.live) - 1; i >= 0; i-- {
		if i%16 != 0 {
			m.free(i)
		}
	}
	within("freed")
	for m.a.StartEvacuation(1.1); m.a.Mark(100); {
	}
	for i := range m.live {
		if b := &m.live[i]; m.a.ShouldMove(b.ref, b.size) {
			b.ref = m.a.Move(b.ref, b.size)
		}
	}
	m.a.StopEvacuation()
	for m.a.Trim(0, 1<<20) {
	}
	within("trimmed")
	s := m.a.Stats()
	if s.DirtyBytes != 0 || float64(s.ResidentBytes) > 1.2*float64(s.LiveBytes) {
		t.Errorf("after evacuation and Trim: %+v", s)
	}
	if gone := before - rss(t); gone < 35<<20 {
		t.Errorf("the process shrank by %d MiB only", gone>>20)
	}
	m.check()
}

func TestTrimKeepsWhatItIsToldTo(t *testing.T) {
	m := newModel(t, 0, 1)
	for range 1000 {
		m.alloc(20_000)
	}
	for i := len(m.live) - 1; i >= 0; i -= 2 {
		m.free(i)
	}
	dirty := m.a.Stats().DirtyBytes
	if m.a.Trim(dirty, 1<<30) || m.a.Stats().DirtyBytes != dirty {
		t.Error("Trim gave back what it should keep")
	}
	if !m.a.Trim(1<<20, 1<<20) || dirty-m.a.Stats().DirtyBytes < 1<<20 || dirty-m.a.Stats().DirtyBytes > 2<<20 {
		t.Errorf("Trim with a budget of 1 MiB gave %d bytes back", dirty-m.a.Stats().DirtyBytes)
	}
	for m.a.Trim(1<<20, 1<<20) {
	}
	if d := m.a.Stats().DirtyBytes; d > 1<<20 || d < 1<<20-32<<10 {
		t.Errorf("Trim to 1 MiB kept %d bytes", d)
	}
	m.check()
}
