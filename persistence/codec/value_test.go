package codec

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"testing/iotest"

	"larder/datatypes"
	"larder/datatypes/arena"
)

// newEnv is a shard's worth of memory with small limits, so that both sides of each are near.
func newEnv(tb testing.TB) *datatypes.Env {
	a, err := arena.New(arena.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(a.Close)
	limits := datatypes.DefaultLimits()
	limits.HashMaxListpackEntries, limits.SetMaxListpackEntries, limits.ZSetMaxListpackEntries = 8, 8, 8
	limits.SetMaxIntsetEntries, limits.ListMaxListpackSize = 8, 8
	limits.StreamNodeMaxEntries = 5
	seed := maphash.MakeSeed()
	return &datatypes.Env{
		Arena: a, Limits: &limits, Rand: rand.NewPCG(1, 2),
		Hash: func(b []byte) uint64 { return maphash.Bytes(seed, b) },
	}
}

// A value is one value in memory of its own, with a text of its whole content that equal values share.
type value struct {
	env *datatypes.Env
	t   datatypes.Type
	h   datatypes.MemHolder
}

func (v *value) hash() *datatypes.Hash {
	x := new(datatypes.Hash)
	x.Bind(v.env, &v.h)
	return x
}

func (v *value) set() *datatypes.Set {
	x := new(datatypes.Set)
	x.Bind(v.env, &v.h)
	return x
}

func (v *value) list() *datatypes.List {
	x := new(datatypes.List)
	x.Bind(v.env, &v.h)
	return x
}

func (v *value) zset() *datatypes.ZSet {
	x := new(datatypes.ZSet)
	x.Bind(v.env, &v.h)
	return x
}

func (v *value) stream() *datatypes.Stream {
	x := new(datatypes.Stream)
	x.Bind(v.env, &v.h)
	return x
}

// encoding is what OBJECT ENCODING would say, and check the structure's own opinion of itself.
func (v *value) encoding() string {
	switch v.t {
	case datatypes.TypeHash:
		return v.hash().Encoding()
	case datatypes.TypeSet:
		return v.set().Encoding()
	case datatypes.TypeList:
		return v.list().Encoding()
	case datatypes.TypeZSet:
		return v.zset().Encoding()
	}
	return ""
}

func (v *value) check() error {
	if err := v.env.Arena.Check(); err != nil {
		return err
	}
	switch v.t {
	case datatypes.TypeHash:
		return v.hash().Check()
	case datatypes.TypeSet:
		return v.set().Check()
	case datatypes.TypeList:
		return v.list().Check()
	case datatypes.TypeZSet:
		return v.zset().Check()
	case datatypes.TypeStream:
		return v.stream().Check()
	}
	return nil
}

// content lists what is in the value. Where order means nothing it is sorted.
func (v *value) content() (lines []string) {
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	switch v.t {
	case datatypes.TypeString:
		add("%q", v.h.Bytes())
	case datatypes.TypeHash:
		v.hash().Each(0, func(name, val []byte, at int64) bool { add("%q %q %d", name, val, at); return true })
		slices.Sort(lines)
	case datatypes.TypeSet:
		v.set().Each(func(m []byte) bool { add("%q", m); return true })
		slices.Sort(lines)
	case datatypes.TypeList:
		for it := v.list().Iter(0, math.MaxInt, false); it.Next(); {
			add("%q", it.Bytes())
		}
	case datatypes.TypeZSet:
		v.zset().Each(func(m []byte, score float64) bool { add("%q %v", m, score); return true })
	case datatypes.TypeStream:
		s := v.stream()
		for it := s.Iter(datatypes.StreamID{}, datatypes.MaxStreamID, false); it.Next(); {
			line := it.ID().String()
			for it.Field() {
				line += fmt.Sprintf(" %q %q", it.Name(), it.Value())
			}
			add("%s", line)
		}
		add("%d %v %v %v %d", s.Len(), s.LastID(), s.FirstID(), s.MaxDeletedID(), s.EntriesAdded())
		for i := range s.GroupCount() {
			g := s.GroupAt(i)
			add("%q %v %d", g.Name(), g.LastID(), g.EntriesRead())
			for k := range g.ConsumerCount() {
				c := g.ConsumerAt(k)
				add("- %q %d %d", c.Name(), c.SeenTime(), c.ActiveTime())
				for it := c.PendingIter(datatypes.StreamID{}, datatypes.MaxStreamID); it.Next(); {
					e := it.Entry()
					add("-- %v %d %d", e.ID, e.DeliveredAt, e.Deliveries)
				}
			}
		}
	}
	return lines
}

// read makes a value of what a reader gives.
func read(r *Reader, env *datatypes.Env) (*value, error) {
	typ := r.Byte()
	t, ok := KindOf(typ)
	if !ok {
		return nil, fmt.Errorf("type %d", typ)
	}
	v := &value{env: env, t: t}
	return v, r.Value(typ, env, &v.h)
}

// free gives back what the value has in the arena.
func (v *value) free() {
	if v.h.Enc() == datatypes.EncRoot {
		root := arena.Ref(uint32(v.h.Bytes()[0]) | uint32(v.h.Bytes()[1])<<8 | uint32(v.h.Bytes()[2])<<16 | uint32(v.h.Bytes()[3])<<24)
		for !datatypes.FreeStep(v.env, v.t, root, 1<<20) {
		}
	}
}

// text is a string of one of the kinds that forms distinguish.
func text(r *rand.Rand) []byte {
	switch r.IntN(12) {
	case 0:
		return []byte{}
	case 1, 2, 3:
		edges := []int64{0, 12, 13, 127, 128, -128, -129, 4095, 4096, 32767, -32768, 32768, 1<<23 - 1, 1 << 23, 1<<31 - 1, 1 << 31, -1 << 31, math.MaxInt64, math.MinInt64}
		n := edges[r.IntN(len(edges))]
		if r.IntN(2) == 0 && n > math.MinInt64+100 && n < math.MaxInt64-100 {
			n += int64(r.IntN(200) - 100)
		}
		return strconv.AppendInt(nil, n, 10)
	case 4:
		return []byte([]string{"00", "-0", "1.5", "+1", " 1", "1e3", "99999999999999999999", "-", "\x00", "2147483648"}[r.IntN(10)])
	case 5:
		return bytes.Repeat([]byte{byte(r.Uint32())}, r.IntN(100))
	case 6:
		n := []int{20, 21, 63, 64, 65, 100, 4000, 17000}[r.IntN(8)]
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.IntN(3 + r.IntN(2)*200))
		}
		return b
	}
	b := make([]byte, r.IntN(30))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

var sizes = []int{1, 2, 7, 8, 9, 10, 30, 300}

// random makes a value of type t.
func random(env *datatypes.Env, t datatypes.Type, r *rand.Rand) *value {
	v := &value{env: env, t: t}
	n := sizes[r.IntN(len(sizes))]
	elem := func() []byte { return text(r) }
	if r.IntN(3) == 0 { // integers alone
		elem = func() []byte { return strconv.AppendInt(nil, r.Int64()>>r.IntN(64), 10) }
	} else if r.IntN(2) == 0 { // short ones alone
		elem = func() []byte { return fmt.Appendf(nil, "member%d", r.IntN(1000)) }
	}
	switch t {
	case datatypes.TypeString:
		b := elem()
		copy(v.h.Resize(len(b)), b)
	case datatypes.TypeHash:
		x := v.hash()
		expires := r.IntN(3)
		for range n {
			if expires > 0 && r.IntN(3) < expires {
				x.SetWithExpire(elem(), elem(), 1+r.Int64N(1<<40), 0)
			} else {
				x.Set(elem(), elem(), 0)
			}
		}
		if expires > 0 && r.IntN(4) == 0 {
			var names [][]byte
			x.Each(0, func(name, _ []byte, _ int64) bool { names = append(names, bytes.Clone(name)); return true })
			for _, name := range names {
				x.Persist(name, 0)
			}
		}
	case datatypes.TypeSet:
		for range n {
			v.set().Add(elem())
		}
	case datatypes.TypeList:
		x := v.list()
		for range n {
			if r.IntN(2) == 0 {
				x.PushTail(elem())
			} else {
				x.PushHead(elem())
			}
		}
	case datatypes.TypeZSet:
		scores := []float64{0, 1, -1, 1.5, 1e300, -1e-300, math.Inf(1), math.Inf(-1), 1 << 53, 1<<62 - 1, 3.14}
		for range n {
			v.zset().Add(scores[r.IntN(len(scores))]*float64(1+r.IntN(3)), elem(), 0)
		}
	case datatypes.TypeStream:
		randomStream(v.stream(), n, elem, r)
	}
	return v
}

func randomStream(s *datatypes.Stream, n int, elem func() []byte, r *rand.Rand) {
	s.Create()
	id := datatypes.StreamID{Ms: r.Uint64N(1 << 42), Seq: 1}
	var ids []datatypes.StreamID
	for range n {
		pairs := [][]byte{[]byte("a"), elem(), []byte("b"), elem()}
		if r.IntN(3) == 0 {
			pairs = [][]byte{elem(), elem()}
		}
		s.Add(id, pairs)
		ids = append(ids, id)
		if r.IntN(2) == 0 {
			id.Seq++
		} else {
			id.Ms += r.Uint64N(1000) + 1
		}
	}
	for range r.IntN(n + 1) {
		s.Delete(ids[r.IntN(len(ids))])
	}
	for i := range r.IntN(3) {
		read := int64(datatypes.EntriesReadUnknown)
		if r.IntN(2) == 0 {
			read = int64(r.IntN(n))
		}
		g, _ := s.CreateGroup(fmt.Appendf(nil, "group%d", i), ids[r.IntN(len(ids))], read)
		for k := range r.IntN(3) {
			c, _ := g.CreateConsumer(append(elem(), byte(k)), r.Int64N(1<<40))
			for range r.IntN(len(ids) + 1) {
				id := ids[r.IntN(len(ids))]
				c.Claim(id, r.Int64N(1<<40), r.Int64N(70))
			}
			c.SetActiveTime(r.Int64N(1<<40) - 1)
		}
	}
}

// withoutActive leaves out what the forms of version 10 do: the active time of consumers.
func withoutActive(lines []string) (out []string) {
	for _, l := range lines {
		var name string
		var seen, active int64
		if n, _ := fmt.Sscanf(l, "- %q %d %d", &name, &seen, &active); n == 3 {
			l = fmt.Sprintf("- %q %d %d", name, seen, seen)
		}
		out = append(out, l)
	}
	return out
}

var allTypes = []datatypes.Type{
	datatypes.TypeString, datatypes.TypeList, datatypes.TypeSet, datatypes.TypeZSet, datatypes.TypeHash, datatypes.TypeStream,
}

// Every value comes back as it was, through memory and through a source that gives a few bytes at a time, in every
// version, compressed or not.
func TestRoundTrip(t *testing.T) {
	rounds := 120
	if testing.Short() {
		rounds = 30
	}
	env := newEnv(t)
	for _, typ := range allTypes {
		t.Run(typ.String(), func(t *testing.T) {
			for seed := range rounds {
				r := rand.New(rand.NewPCG(uint64(seed), uint64(typ)))
				v := random(env, typ, r)
				o := Options{Version: Version70 + r.IntN(3), Compress: r.IntN(2) == 0}
				var file bytes.Buffer
				w := NewWriter(&chunks{t: t, w: &file}, o)
				w.Value(typ, env, &v.h)
				if err := w.Flush(); err != nil || w.Written() != int64(file.Len()) {
					t.Fatalf("seed %d: %v, %d bytes of %d", seed, err, w.Written(), file.Len())
				}
				payload := NewWriter(nil, o).Dump(typ, env, &v.h)
				if !bytes.Equal(payload[:len(payload)-footerBytes], file.Bytes()) {
					t.Fatalf("seed %d: DUMP and file differ", seed)
				}
				var fromMemory Reader
				if _, err := fromMemory.OpenDump(payload, false); err != nil {
					t.Fatal(err)
				}
				fromMemory.ReadBytes(file.Bytes())
				for i, from := range []*Reader{
					&fromMemory,
					NewReader(iotest.HalfReader(bytes.NewReader(file.Bytes())), int64(file.Len())),
					NewReader(iotest.OneByteReader(bytes.NewReader(file.Bytes())), -1),
				} {
					got, err := read(from, env)
					if err != nil {
						t.Fatalf("seed %d, source %d: %v", seed, i, err)
					}
					compare(t, fmt.Sprintf("seed %d, source %d", seed, i), v, got, o)
					if from.Pos() != int64(file.Len()) {
						t.Fatalf("seed %d, source %d: %d bytes of %d read", seed, i, from.Pos(), file.Len())
					}
					if i > 0 && from.Sum() != CRC64(0, file.Bytes()) {
						t.Fatalf("seed %d, source %d: checksum", seed, i)
					}
					got.free()
				}
				v.free()
			}
			if n := env.Arena.Stats().LiveBytes; n != 0 {
				t.Errorf("%d bytes are left over", n)
			}
		})
	}
}

func compare(t *testing.T, what string, v, got *value, o Options) {
	t.Helper()
	want, have := v.content(), got.content()
	if v.t == datatypes.TypeStream && o.Version < Version72 {
		want = withoutActive(want)
	}
	if !slices.Equal(want, have) {
		t.Fatalf("%s:\n%q\nbecame\n%q", what, want, have)
	}
	if err := got.check(); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// chunks passes on what is written and holds the writer to the size of its chunks.
type chunks struct {
	t *testing.T
	w io.Writer
}

func (c *chunks) Write(p []byte) (int, error) {
	if len(p) > ChunkBytes || len(p) == 0 {
		c.t.Errorf("a chunk of %d bytes", len(p))
	}
	return c.w.Write(p)
}

// A value of a compact form keeps that form.
func TestEncodingStays(t *testing.T) {
	env := newEnv(t)
	for _, typ := range allTypes[1:5] {
		for seed := range 200 {
			r := rand.New(rand.NewPCG(uint64(seed), 77))
			v := random(env, typ, r)
			var rd Reader
			rd.ReadBytes(NewWriter(nil, Options{Version: Version74, Compress: true}).Dump(typ, env, &v.h))
			got, err := read(&rd, env)
			if err != nil {
				t.Fatal(err)
			}
			was, is := v.encoding(), got.encoding()
			// A table whose elements would be few and short enough comes back compact, in Redis too.
			if was != is && was != "hashtable" && was != "skiplist" && !(was == "listpackex" && is == "listpack") {
				t.Fatalf("%v %d: %s became %s", typ, seed, was, is)
			}
		}
	}
}

// Strings of all lengths near what the form distinguishes, and long ones past every buffer.
func TestStrings(t *testing.T) {
	env := newEnv(t)
	r := rand.New(rand.NewPCG(5, 5))
	for _, n := range []int{0, 1, 63, 64, 16383, 16384, ChunkBytes - 1, ChunkBytes, ChunkBytes + 1, lzfBlock * 3, 2*ChunkBytes + 5, 1<<20 + 3, 5 << 20} {
		for _, letters := range []int{2, 256} {
			b := make([]byte, n)
			for i := range b {
				b[i] = byte(r.IntN(letters))
			}
			for _, compress := range []bool{false, true} {
				v := &value{env: env, t: datatypes.TypeString}
				copy(v.h.Resize(n), b)
				var file bytes.Buffer
				w := NewWriter(&chunks{t: t, w: &file}, Options{Version: Version70, Compress: compress})
				w.Value(v.t, env, &v.h)
				if w.Flush() != nil {
					t.Fatal("flush")
				}
				if compress && letters == 2 && n > 100 && file.Len() > n*3/4 {
					t.Errorf("%d bytes became %d", n, file.Len())
				}
				for _, size := range []int64{int64(file.Len()), -1} {
					rd := NewReader(bytes.NewReader(file.Bytes()), size)
					got, err := read(rd, env)
					if err != nil || !bytes.Equal(got.h.Bytes(), b) {
						t.Fatalf("%d bytes of %d letters: %v", n, letters, err)
					}
					rd = NewReader(bytes.NewReader(file.Bytes()), size)
					rd.Byte()
					var long []byte
					if !rd.Long(func(n int) []byte { long = make([]byte, n); return long }) {
						if n >= longString && size >= 0 {
							t.Fatalf("%d bytes are not long", n)
						}
						long = rd.String()
					}
					if rd.Err() != nil || !bytes.Equal(long, b) || rd.Sum() != CRC64(0, file.Bytes()) {
						t.Fatalf("%d bytes of %d letters, at once: %v", n, letters, rd.Err())
					}
				}
			}
		}
	}
}

// A list's item that is longer than anything else.
func TestLongItems(t *testing.T) {
	env := newEnv(t)
	v := &value{env: env, t: datatypes.TypeList}
	l := v.list()
	long := bytes.Repeat([]byte("0123456789abcdef!"), 20000)
	l.PushTail([]byte("a"), long, []byte("b"))
	for range 20 {
		l.PushTail([]byte("x"))
	}
	for _, compress := range []bool{false, true} {
		o := Options{Version: Version70, Compress: compress}
		var rd Reader
		rd.ReadBytes(NewWriter(nil, o).Dump(v.t, env, &v.h))
		got, err := read(&rd, env)
		if err != nil {
			t.Fatal(err)
		}
		compare(t, "list", v, got, o)
	}
}

// What no value can be is refused, and so are values cut short at every byte.
func TestRefused(t *testing.T) {
	env := newEnv(t)
	for _, b := range [][]byte{
		{}, {typeModule}, {typeModulePreGA}, {8}, {27}, {200},
		{typeString, 0xC4}, {typeString, 0x83, 1, 1}, {typeString, strLZF, 1, 0x80, 0xFF, 0xFF, 0xFF, 0xFF, 0},
		{typeString, len64, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1},
		{typeSet, 2, 1, 'a', 1, 'a'}, {typeSet, 2, strInt8, 5, 1, '5'}, {typeHash, 2, 1, 'a', 1, 'b', 1, 'a', 1, 'c'},
		{typeZSet, 1, 1, 'a', 253}, {typeZSet, 2, 1, 'a', 1, '1', 1, 'a', 1, '2'}, {typeZSet, 1, 1, 'a', 1, 'x'},
		{typeZSet2, 1, 1, 'a', 1, 0, 0, 0, 0, 0, 0xF8, 0x7F},
		{typeListQuicklist2, 1, 3, 1, 'a'}, {typeListQuicklist2, 1, 1, 0},
		{typeSetListpack, 3, 1, 2, 3}, {typeSetIntset, 8, 3, 0, 0, 0, 0, 0, 0, 0},
		{typeHashTTL, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 'a', 1, 'b'},
	} {
		var rd Reader
		rd.ReadBytes(b)
		if v, err := read(&rd, env); err == nil {
			t.Errorf("% x is %q", b, v.content())
		}
	}
	for _, b := range [][]byte{{typeList, 0}, {typeSet, 0}, {typeZSet2, 0}, {typeHash, 0}, {typeListQuicklist2, 0}, {typeHashListpack, 7, 7, 0, 0, 0, 0, 0, 0xFF}} {
		var rd Reader
		rd.ReadBytes(b)
		if _, err := read(&rd, env); !errors.Is(err, ErrEmpty) {
			t.Errorf("% x: %v", b, err)
		}
	}
	for _, typ := range allTypes {
		for seed := range 5 {
			v := random(env, typ, rand.New(rand.NewPCG(uint64(seed), 3)))
			payload := NewWriter(nil, Options{Version: Version74, Compress: seed%2 == 0}).Dump(typ, env, &v.h)
			body := payload[:len(payload)-footerBytes]
			for n := 0; n < len(body); n += 1 + n/100 {
				for i, size := range []int64{int64(n), -1} {
					if i > 0 && n%16 != 0 {
						continue
					}
					rd := NewReader(bytes.NewReader(body[:n]), size)
					if got, err := read(rd, env); err == nil {
						t.Fatalf("%v, %d of %d bytes pass as %q", typ, n, len(body), got.content())
					} else if got != nil && rd.Err() == nil {
						t.Fatalf("%v: %v is not the reader's error", typ, err)
					}
				}
			}
		}
	}
}

// A short payload does not make the reader take much memory.
func TestMemoryIsBounded(t *testing.T) {
	env := newEnv(t)
	for _, b := range [][]byte{
		{typeString, len32, 0xEF, 0, 0, 0, 1, 2, 3},
		{typeString, strLZF, len32, 0xEF, 0, 0, 0, len32, 0xEF, 0, 0, 0, 1},
		{typeString, strLZF, 10, len32, 0xEF, 0, 0, 0, 1},
		{typeHash, len32, 0xEF, 0, 0, 0, 1, 'a', 1, 'b'},
		{typeSet, len64, 0, 0, 0, 1, 0, 0, 0, 0, 1, 'a'},
		{typeStream3, len32, 0xEF, 0, 0, 0, 16},
	} {
		for _, size := range []int64{int64(len(b)), -1} {
			rd := NewReader(bytes.NewReader(b), size)
			if _, err := read(rd, env); err == nil {
				t.Errorf("% x passes", b)
			}
			if n := cap(rd.big) + cap(rd.plain) + cap(rd.held); n > 4<<20 {
				t.Errorf("% x takes %d bytes", b, n)
			}
			if n := env.Arena.Stats().LiveBytes; n > 1<<20 {
				t.Errorf("% x takes %d bytes of the arena", b, n)
			}
		}
	}
}

func TestDumpFooter(t *testing.T) {
	env := newEnv(t)
	v := &value{env: env, t: datatypes.TypeString}
	copy(v.h.Resize(3), "bar")
	payload := NewWriter(nil, Options{Version: Version70}).Dump(v.t, env, &v.h)
	// As redis-server 7.0.15 replies it.
	if want := "\x00\x03bar\n\x00\xe6\xbeI`\xeef\xfd\x17"; string(payload) != want {
		t.Errorf("%q, not %q", payload, want)
	}
	var rd Reader
	for i := range payload {
		bad := bytes.Clone(payload)
		bad[i] ^= 0x10
		if _, err := rd.OpenDump(bad, false); !errors.Is(err, ErrPayload) {
			t.Errorf("byte %d changed: %v", i, err)
		}
		if _, err := rd.OpenDump(payload[:i], false); err == nil {
			t.Errorf("%d bytes pass", i)
		}
	}
	bad := bytes.Clone(payload)
	bad[len(bad)-1] ^= 1
	if typ, err := rd.OpenDump(bad, true); err != nil || typ != typeString || string(rd.String()) != "bar" {
		t.Errorf("unchecked: %v", err)
	}
	hash := &value{env: env, t: datatypes.TypeHash}
	hash.hash().SetWithExpire([]byte("f"), []byte("v"), 1<<40, 0)
	payload = NewWriter(nil, Options{Version: Version70}).Dump(hash.t, env, &hash.h)
	if payload[len(payload)-footerBytes] != Version74 {
		t.Error("fields that expire are given to versions that do not know them")
	}
}

// A record is measured exactly, and never when a byte of it is missing.
func TestRecordSize(t *testing.T) {
	env := newEnv(t)
	measured := 0
	for _, typ := range allTypes {
		for seed := range 60 {
			r := rand.New(rand.NewPCG(uint64(seed), 11))
			v := random(env, typ, r)
			w := NewWriter(nil, Options{Version: Version70 + seed%3, Compress: seed%2 == 0})
			w.Entry(text(r), typ, env, &v.h)
			record := w.Bytes()[1:]
			n := recordSize(append(bytes.Clone(record), 0, 0, 0), w.Bytes()[0])
			if n == recordOther {
				continue
			}
			measured++
			if n != len(record) {
				t.Fatalf("%v %d: %d of %d bytes", typ, seed, n, len(record))
			}
			for i := 0; i < len(record); i += 1 + i/100 {
				if n := recordSize(record[:i], w.Bytes()[0]); n != recordShort {
					t.Fatalf("%v %d: %d of %d bytes are %d", typ, seed, i, len(record), n)
				}
			}
			rd := NewReader(iotest.HalfReader(bytes.NewReader(w.Bytes())), int64(len(w.Bytes())))
			rd.Byte()
			if raw, ok := rd.Record(w.Bytes()[0]); ok != (len(record) < 2*ChunkBytes) || ok && !bytes.Equal(raw, record) {
				t.Fatalf("%v %d: %d bytes are not read as one", typ, seed, len(record))
			}
			v.free()
		}
	}
	if measured < 250 {
		t.Errorf("only %d records were measured", measured)
	}
}
