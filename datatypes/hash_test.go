package datatypes

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"larder/datatypes/invariant"
)

// hashModel is a hash as it should be.
type hashModel struct {
	fields   map[string]modelField
	encoding string
}

type modelField struct {
	value string
	at_ms int64
}

func newHash(w *world) (*Hash, *testHolder) {
	x := new(Hash)
	h := w.holder(TypeHash, func(h Holder) checked {
		x.Bind(w.env, h)
		return x
	})
	return x, h
}

// same compares the hash with the model by everything that reads.
func (m *hashModel) same(t *testing.T, x *Hash, now_ms int64) {
	t.Helper()
	if err := x.Check(); err != nil {
		t.Fatal(err)
	}
	if x.Len() != len(m.fields) {
		t.Fatalf("Len %d, want %d", x.Len(), len(m.fields))
	}
	if len(m.fields) > 0 && x.Encoding() != m.encoding {
		t.Fatalf("encoding %s, want %s", x.Encoding(), m.encoding)
	}
	for _, now := range []int64{0, now_ms} {
		seen := map[string]modelField{}
		x.Each(now, func(name, value []byte, at_ms int64) bool {
			if _, twice := seen[string(name)]; twice {
				t.Fatalf("field %q twice", name)
			}
			seen[string(name)] = modelField{string(value), at_ms}
			return true
		})
		scanned := map[string]modelField{}
		for cursor, calls := uint64(0), 0; cursor != 0 || calls == 0; calls++ {
			cursor = x.Scan(cursor, 5, now, func(name, value []byte, at_ms int64) {
				scanned[string(name)] = modelField{string(value), at_ms}
			})
		}
		alive := 0
		for name, f := range m.fields {
			if expired(f.at_ms, now) {
				continue
			}
			alive++
			if seen[name] != f || scanned[name] != f {
				t.Fatalf("field %.40q: %v by Each, %v by Scan, want %v", name, seen[name], scanned[name], f)
			}
		}
		if len(seen) != alive || len(scanned) != alive {
			t.Fatalf("%d fields by Each, %d by Scan, want %d", len(seen), len(scanned), alive)
		}
	}
}

// wrote keeps the model's encoding as Redis would have it after a write of one field.
func (m *hashModel) wrote(w *world, name, value string, at_ms int64) {
	if m.encoding == "hashtable" {
		return
	}
	if at_ms != 0 {
		m.encoding = "listpackex"
	}
	if len(name) > w.limits.HashMaxListpackValue || len(value) > w.limits.HashMaxListpackValue ||
		len(m.fields) > w.limits.HashMaxListpackEntries {
		m.encoding = "hashtable"
	}
}

func TestHashModel(t *testing.T) {
	forLimits(t, func(t *testing.T, w *world) {
		rounds, steps := 12, 250
		if w.limits.HashMaxListpackEntries > 100 {
			rounds, steps = 4, 1500
		}
		for range rounds {
			x, h := newHash(w)
			m := &hashModel{fields: map[string]modelField{}, encoding: "listpack"}
			now_ms := int64(1_700_000_000_000)
			ttls := w.r.IntN(3) > 0
			for step := range steps {
				if ttls {
					now_ms += w.r.Int64N(20)
				}
				m.step(t, w, x, now_ms, ttls)
				if len(m.fields) == 0 {
					m.encoding = "listpack"
					w.free(h)
				}
				if step%(1+steps/60) == 0 {
					m.same(t, x, now_ms)
				}
			}
			m.same(t, x, now_ms)
			w.defrag(func(h *testHolder, cursor uint64) uint64 {
				var each Hash
				each.Bind(w.env, h)
				return each.Defrag(cursor, 1+w.r.IntN(200))
			})
			m.same(t, x, now_ms)
			m.copies(t, w, x, now_ms)
			m.packs(t, w, x, now_ms)
		}
	})
}

// step does one random operation on both and compares what they answer.
func (m *hashModel) step(t *testing.T, w *world, x *Hash, now_ms int64, ttls bool) {
	name, value := w.text(), w.text()
	if w.r.IntN(3) > 0 {
		name += strconv.Itoa(w.r.IntN(1 << w.r.IntN(10)))
	}
	if w.r.IntN(200) == 0 {
		value = strings.Repeat("v", w.r.IntN(3*farValue))
	}
	f, there := m.fields[name]
	alive := there && !expired(f.at_ms, now_ms)
	at_ms := now_ms + 1 + w.r.Int64N(2000)
	n, v := []byte(name), []byte(value)
	op := w.r.IntN(20)
	if !ttls && op >= 14 {
		op -= 14
	}
	switch {
	case op < 6:
		if created := x.Set(n, v, now_ms); created == alive {
			t.Fatalf("Set %q created: %v", name, created)
		}
		m.fields[name] = modelField{value, 0}
		m.wrote(w, name, value, 0)
	case op < 7:
		if set := x.SetNX(n, v, now_ms); set == alive {
			t.Fatalf("SetNX %q: %v", name, set)
		}
		if !alive {
			m.fields[name] = modelField{value, 0}
			m.wrote(w, name, value, 0)
		}
	case op < 8:
		if created := x.SetKeepTTL(n, v, now_ms); created == alive {
			t.Fatalf("SetKeepTTL %q created: %v", name, created)
		}
		if !alive {
			f.at_ms = 0
		}
		m.fields[name] = modelField{value, f.at_ms}
		m.wrote(w, name, value, 0)
	case op < 11:
		if gone := x.Del(n, now_ms); gone != alive {
			t.Fatalf("Del %q: %v", name, gone)
		}
		if alive {
			delete(m.fields, name)
		}
	case op < 14:
		got, at, ok := x.GetWithExpire(n, now_ms)
		if ok != alive || ok && (string(got) != f.value || at != f.at_ms) {
			t.Fatalf("Get %q: %.40q %d %v, want %.40q %d %v", name, got, at, ok, f.value, f.at_ms, alive)
		}
		if x.Exists(n, now_ms) != alive {
			t.Fatalf("Exists %q", name)
		}
		if size := x.StrLen(n, now_ms); alive && size != len(f.value) || !alive && size != 0 {
			t.Fatalf("StrLen %q: %d", name, size)
		}
		got, _, ok = x.Random(now_ms)
		if f := m.fields[string(got)]; ok && expired(f.at_ms, now_ms) || !ok && m.alive(now_ms) > 0 {
			t.Fatalf("Random gives %q: %v", got, ok)
		}
	case op < 15:
		if created := x.SetWithExpire(n, v, at_ms, now_ms); created == alive {
			t.Fatalf("SetWithExpire %q created: %v", name, created)
		}
		m.fields[name] = modelField{value, at_ms}
		m.wrote(w, name, value, at_ms)
	case op < 17:
		if w.r.IntN(8) == 0 {
			at_ms = now_ms - 1
		}
		if ok := x.SetExpire(n, at_ms, now_ms); ok != alive {
			t.Fatalf("SetExpire %q: %v", name, ok)
		}
		if alive {
			m.fields[name] = modelField{f.value, at_ms}
			if m.encoding == "listpack" {
				m.encoding = "listpackex"
			}
		}
	case op < 18:
		if ok := x.Persist(n, now_ms); ok != (alive && f.at_ms != 0) {
			t.Fatalf("Persist %q: %v", name, ok)
		}
		if alive {
			m.fields[name] = modelField{f.value, 0}
		}
	default:
		least := int64(0)
		for _, f := range m.fields {
			if f.at_ms != 0 && (least == 0 || f.at_ms < least) {
				least = f.at_ms
			}
		}
		if got := x.MinExpire(); least == 0 && got != 0 && x.Encoding() != "hashtable" || least != 0 && (got > least || got == 0) {
			t.Fatalf("MinExpire %d, want %d", got, least)
		}
		budget := w.r.IntN(5) + 1
		was := m.alive(now_ms)
		for more := true; more; {
			var n int
			count := 0
			n, more = x.DeleteExpired(now_ms, budget, func(name []byte) {
				if f, ok := m.fields[string(name)]; !ok || !expired(f.at_ms, now_ms) {
					t.Fatalf("%q expires: %v", name, f)
				}
				delete(m.fields, string(name))
				count++
			})
			if n != count {
				t.Fatalf("DeleteExpired says %d of %d", n, count)
			}
		}
		if was != len(m.fields) {
			t.Fatalf("%d fields left by DeleteExpired, %d are alive", len(m.fields), was)
		}
	}
}

func (m *hashModel) alive(now_ms int64) int {
	n := 0
	for _, f := range m.fields {
		if !expired(f.at_ms, now_ms) {
			n++
		}
	}
	return n
}

// copies compares a copy in another shard.
func (m *hashModel) copies(t *testing.T, w *world, x *Hash, now_ms int64) {
	other := newWorld(t, 99, w.limits)
	y, _ := newHash(other)
	copySteps(t, TypeHash, w.env, x.h, other.env, y.h)
	m.same(t, y, now_ms)
	m.same(t, x, now_ms)
	if a, b := x.Bytes(0), y.Bytes(0); a < b/2 || b < a/2 {
		t.Fatalf("%d bytes, the copy %d", a, b)
	}
}

// packs sends a compact hash through the form that files carry.
func (m *hashModel) packs(t *testing.T, w *world, x *Hash, now_ms int64) {
	if x.Encoding() == "hashtable" {
		return
	}
	full := x.AppendCompact(nil)
	y, h := newHash(w)
	if err := y.LoadListpack(full, x.Encoding() == "listpackex"); err != nil {
		t.Fatal(err)
	}
	m.same(t, y, now_ms)
	w.free(h)
	if len(m.fields) < 2 {
		return
	}
	limit := w.limits.HashMaxListpackEntries
	w.limits.HashMaxListpackEntries = 1
	defer func() { w.limits.HashMaxListpackEntries = limit }()
	if err := y.LoadListpack(full, x.Encoding() == "listpackex"); err != nil || y.Encoding() != "hashtable" {
		t.Fatalf("loaded beyond the limit: %v, %s", err, y.Encoding())
	}
	(&hashModel{fields: m.fields, encoding: "hashtable"}).same(t, y, now_ms)
}

func TestHashLoadRefuses(t *testing.T) {
	w := newWorld(t, 1, DefaultLimits())
	x, _ := newHash(w)
	for name, c := range map[string]struct {
		full    []byte
		triples bool
	}{
		"odd":               {packed("a"), false},
		"twice":             {packed("a", "1", "a", "2"), false},
		"5 and 5":           {packed("5", "1", "5", "2"), false},
		"pairs as triples":  {packed("a", "1", "b", "2"), true},
		"expiry a string":   {packed("a", "1", "x"), true},
		"expiry negative":   {packed("a", "1", "-5"), true},
		"expiry too late":   {packed("a", "1", "281474976710656"), true},
		"order":             {packed("a", "1", "6", "b", "2", "5"), true},
		"none before some":  {packed("a", "1", "0", "b", "2", "5"), true},
		"not even listpack": {[]byte("hello, world"), false},
	} {
		if err := x.LoadListpack(c.full, c.triples); err == nil {
			t.Errorf("%s passes", name)
		}
		if x.Len() != 0 {
			t.Errorf("%s leaves something", name)
		}
	}
	if err := x.LoadListpack(packed("a", "1", "5", "b", "2", "5", "c", "3", "6", "d", "4", "0", "e", "5", "0"), true); err != nil {
		t.Error(err)
	}
}

// TestHashExample holds the documentation to its word.
func TestHashExample(t *testing.T) {
	w := newWorld(t, 1, DefaultLimits())
	x, h := newHash(w)
	x.Set([]byte("name"), []byte("ada"), 0)
	x.Set([]byte("n"), []byte("7"), 0)
	if got := fmt.Sprintf("% X", h.b); got != "04 00 84 6E 61 6D 65 05 83 61 64 61 04 81 6E 02 07 01" {
		t.Error(got)
	}
	x.SetExpire([]byte("n"), 5000, 0)
	if got := fmt.Sprintf("% X", h.b); got != "06 00 81 6E 02 07 01 F1 88 13 03 84 6E 61 6D 65 05 83 61 64 61 04 00 01" {
		t.Error(got)
	}
	e := newField(w.env.Arena, []byte("n"), []byte("700000"), 1700000000000)
	f := openField(w.env.Arena, e)
	if got := fmt.Sprintf("% X", w.env.Arena.Bytes(e, f.size)); got != "01 6E E2 60 AE 0A 00 68 E5 CF 8B 01 00 00" {
		t.Error(got)
	}
	freeField(w.env.Arena, e)
}

// TestFieldEntries takes an entry through every pair of kinds of values, with and without expiry.
func TestFieldEntries(t *testing.T) {
	w := newWorld(t, 1, DefaultLimits())
	a := w.env.Arena
	values := []string{"", "x", "7", "-128", "-1000", "700000", "-9223372036854775808", "1700000000000", "0123456", "9223372036854775808"}
	for _, n := range []int{95, 96, 255, 256, farValue, farValue + 1, farValue + 100, 3 * farValue} {
		values = append(values, strings.Repeat("v", n))
	}
	kinds := map[byte]bool{}
	var scratch [20]byte
	for _, size := range []int{0, 1, 4, 8, 127, 128, 300, 20000} {
		name := bytes.Repeat([]byte("f"), size)
		for _, from := range values {
			for _, to := range values {
				for _, at := range [][2]int64{{0, 0}, {0, 5}, {5, 0}, {5, 1 << 40}} {
					e := newField(a, name, []byte(from), at[0])
					check := func(value string, at_ms int64) {
						t.Helper()
						f := openField(a, e)
						kinds[f.kind] = true
						if !bytes.Equal(f.text, name) || string(f.content(a, &scratch)) != value || f.expire != at_ms {
							t.Fatalf("field of %d: %.30q %d, want %.30q %d", size, f.content(a, &scratch), f.expire, value, at_ms)
						}
						if f.size < memberSize(size)+1 || !bytes.Equal(memberLayout{}.Key(a, e), name) {
							t.Fatalf("field of %d takes %d bytes", size, f.size)
						}
					}
					check(from, at[0])
					e = setField(a, e, []byte(to), at[1])
					check(to, at[1])
					e = setFieldExpire(a, e, at[0])
					check(to, at[0])
					freeField(a, e)
				}
			}
		}
	}
	for _, kind := range []byte{0, 1, fieldShortMax, fieldInt + 2, fieldInt + 3, fieldInt + 8, fieldLong, fieldFar} {
		if !kinds[kind] {
			t.Errorf("kind %d was never stored", kind)
		}
	}
}

func TestHashHint(t *testing.T) {
	w := newWorld(t, 1, DefaultLimits())
	for n, want := range map[int]string{512: "listpack", 513: "hashtable"} {
		x, _ := newHash(w)
		x.Hint(n)
		x.Set([]byte("a"), []byte("b"), 0)
		if x.Encoding() != want {
			t.Errorf("Hint %d: %s", n, x.Encoding())
		}
	}
}

// TestHashLimits stands on both sides of the limits of entries and sizes.
func TestHashLimits(t *testing.T) {
	w := newWorld(t, 1, DefaultLimits())
	fill := func(n int) *Hash {
		x, _ := newHash(w)
		for i := range n {
			x.Set(strconv.AppendInt(nil, int64(i), 10), []byte("v"), 0)
		}
		return x
	}
	at, long, longer := fill(512), bytes.Repeat([]byte("x"), 64), bytes.Repeat([]byte("x"), 65)
	at.Set([]byte("0"), []byte("again"), 0)
	if at.Encoding() != "listpack" || fill(513).Encoding() != "hashtable" {
		t.Errorf("512 fields: %s", at.Encoding())
	}
	x := fill(2)
	x.Set(long, long, 0)
	if x.Encoding() != "listpack" {
		t.Error("64 bytes:", x.Encoding())
	}
	y := fill(2)
	y.Set(longer, nil, 0)
	x.Set(long, longer, 0)
	if x.Encoding() != "hashtable" || y.Encoding() != "hashtable" {
		t.Error("65 bytes:", x.Encoding(), y.Encoding())
	}
}

func TestHashRandomIsFair(t *testing.T) {
	for _, c := range []struct {
		fields, expired int
		encoding        string
	}{{20, 0, "listpack"}, {30, 10, "listpackex"}, {600, 0, "hashtable"}, {700, 200, "hashtable"}, {600, 590, "hashtable"}} {
		t.Run(fmt.Sprintf("%s-%d-%d", c.encoding, c.fields, c.expired), func(t *testing.T) {
			w := newWorld(t, 5, DefaultLimits())
			x, _ := newHash(w)
			for i := range c.fields {
				at_ms := int64(0)
				if i < c.expired {
					at_ms = 50
				}
				name := fmt.Appendf(nil, "f%d", i)
				x.Set(name, name, 0)
				x.SetExpire(name, at_ms, 0)
			}
			if x.Encoding() != c.encoding {
				t.Fatal(x.Encoding())
			}
			kinds := c.fields - c.expired
			one, many, few, most := map[string]int{}, map[string]int{}, map[string]int{}, map[string]int{}
			for range 50 * kinds {
				name, value, ok := x.Random(100)
				if !ok || !bytes.Equal(name, value) {
					t.Fatalf("%q %q %v", name, value, ok)
				}
				one[string(name)]++
			}
			x.RandomN(50*kinds, false, 100, func(name, _ []byte) { many[string(name)]++ })
			draw := func(n int, counts map[string]int) {
				seen := map[string]bool{}
				x.RandomN(n, true, 100, func(name, value []byte) {
					if seen[string(name)] || !bytes.Equal(name, value) {
						t.Fatalf("%q twice, or value %q", name, value)
					}
					seen[string(name)] = true
					counts[string(name)]++
				})
				if len(seen) != min(n, kinds) {
					t.Fatalf("%d of %d drawn, want %d", len(seen), kinds, n)
				}
			}
			for range 400 {
				draw(max(1, kinds/5), few)
				draw(max(1, kinds*3/4), most)
			}
			draw(kinds+5, map[string]int{})
			fair(t, "Random", one, kinds)
			fair(t, "RandomN", many, kinds)
			fair(t, "RandomN few distinct", few, kinds)
			fair(t, "RandomN most distinct", most, kinds)
		})
	}
}

// TestHashNoGarbage: reads and writes allocate nothing on the Go heap. (The checks of the invariant build do.)
func TestHashNoGarbage(t *testing.T) {
	if invariant.Enabled {
		return
	}
	for _, n := range []int{10, 2000} {
		w := newWorld(t, 1, DefaultLimits())
		x := new(Hash)
		var m MemHolder
		x.Bind(w.env, &m)
		names := make([][]byte, n)
		for i := range names {
			names[i] = fmt.Appendf(nil, "field:%d", i)
			x.Set(names[i], names[i], 0)
			x.SetWithExpire(names[i], []byte("12345"), 100, 0)
		}
		i, sum := 0, 0
		sums := func(name, value []byte, at_ms int64) bool {
			sum += len(name) + len(value)
			return true
		}
		if got := testing.AllocsPerRun(200, func() {
			i++
			name := names[i%n]
			x.Get(name, 0)
			x.Set(name, names[i*7%n], 0)
			x.SetExpire(name, int64(100+i), 0)
			x.SetKeepTTL(name, []byte("70000"), 0)
			x.Random(0)
			x.Each(0, sums)
		}); got != 0 {
			t.Errorf("%d fields: %v allocations", n, got)
		}
		if m.Enc() == EncRoot {
			for !FreeStep(w.env, TypeHash, rootRef(&m), 1000) {
			}
		}
	}
}
