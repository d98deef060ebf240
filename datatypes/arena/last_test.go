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

// ReserveParts finds room in many places where Reserve does not find it in one, and no more than there is.
func TestReservePartsIsKept(t *testing.T) {
	for seed := range uint64(20) {
		m := newModel(t, 8<<20, seed)
		for m.a.Reserve(100_000) {
			m.alloc(20_000 + m.rnd.IntN(200_000))
		}
		for range len(m.live) / 2 {
			m.free(m.rnd.IntN(len(m.live)))
		}
		free := 8<<20 - int(m.a.LiveBytes()) - 8<<20/lastShare
		parts := 0
		for step := free / 20; m.a.ReserveParts(20_000, parts+step); parts += step {
		}
		if parts > free {
			t.Fatalf("%d bytes in parts where %d are free", parts, free)
		}
		if parts < free/2 {
			t.Errorf("only %d bytes in parts where %d are free", parts, free)
		}
		if m.a.alloc(20_000) == 0 {
			t.Fatal("there is no room in one piece")
		}
		for parts > 0 {
			size := 1 + m.rnd.IntN([]int{100, 1000, maxSmall}[seed%3])
			if parts -= PartBytes(size); parts >= 0 && m.a.alloc(size) == 0 {
				t.Fatalf("there is no room for %d bytes, and %d more were reserved", size, parts)
			}
		}
	}
}
