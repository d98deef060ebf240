package arena

import "testing"

// Where nobody reserved, or not enough, the last pages serve; then nothing is reserved until they are free again.
func TestLastPages(t *testing.T) {
	for _, size := range []int{100, 4000, 50_000} {
		m := newModel(t, 16<<20, 1)
		const last = 16 << 20 / lastShare
		for m.a.Reserve(size) {
			m.alloc(size)
		}
		full := len(m.live)
		for took := RoundUp(size); took <= last*9/10; took += RoundUp(size) {
			m.alloc(size)
		}
		m.check()
		for m.a.Reserve(0) {
			if m.alloc(size); len(m.live) > 2*full {
				t.Fatal("Reserve never refused")
			}
		}
		freed := 0
		for ; !m.a.Reserve(size); freed += RoundUp(size) {
			if m.free(len(m.live) - 1); len(m.live) < full/2 {
				t.Fatal("the arena has not recovered when half of it was free")
			}
		}
		if freed < last/2 {
			t.Errorf("after %d bytes of %d were taken of the last pages %d had to be freed", last*9/10, last, freed)
		}
		for took := RoundUp(size); took <= last*8/10; took += RoundUp(size) { // and is there again
			m.alloc(size)
		}
		m.check()
	}
}

// What moves allocations about leaves the last pages alone.
func TestMoveLeavesTheLastPages(t *testing.T) {
	m := newModel(t, 4<<20, 1)
	for m.a.Reserve(50_000) {
		m.alloc(50_000)
	}
	for m.a.alloc(16<<10) != 0 {
	}
	b := m.live[0]
	if r := m.a.Move(b.ref, b.size); r != b.ref {
		t.Error("an allocation was moved into the last pages")
	}
	if m.a.Alloc(50_000) == 0 {
		t.Error("the last pages are not there")
	}
}
