package keyspace

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"larder/datatypes"
	"larder/datatypes/listpack"
)

// moment is all keys with their content, as a walk or somebody else saw them.
type moment struct {
	t    *testing.T
	keys map[string]string // "db key" -> type, expiry, content

	began, ended int // values that came in pieces
}

// pieces are the elements of a value that comes so.
type pieces struct {
	m          *moment
	name, head string
	lines      []string

	typ  datatypes.Type
	enc  datatypes.Enc
	text []byte // of a string
}

// Begin makes a moment a PiecesSaver.
func (m *moment) Begin(db int, e *Entry) Pieces {
	m.began++
	p := &pieces{m: m, name: fmt.Sprintf("%d %s", db, e.Key()), head: fmt.Sprintf("%v %d ", e.Type(), e.Expire_ms()), typ: e.Type(), enc: e.Holder().Enc()}
	if _, twice := m.keys[p.name]; twice {
		m.t.Fatalf("%s is shown twice", p.name)
	}
	m.keys[p.name] = "not ended"
	return p
}

func (p *pieces) Field(name, value []byte, at int64) {
	p.lines = append(p.lines, fmt.Sprintf("%q %q %d", name, value, at))
}
func (p *pieces) Block(b []byte) {
	if p.typ == datatypes.TypeString {
		p.text = append(p.text, b...)
		return
	}
	for at := listpack.First(b); at < len(b); at = listpack.Next(b, at) {
		p.lines = append(p.lines, string(listpack.Get(b, at).Append(nil)))
	}
}
func (p *pieces) Node(master datatypes.StreamID, b []byte) {
	p.lines = append(p.lines, fmt.Sprintf("%v %x", master, b))
}
func (p *pieces) Member(member []byte) { p.lines = append(p.lines, fmt.Sprintf("%q", member)) }
func (p *pieces) Scored(member []byte, score float64) {
	p.lines = append(p.lines, fmt.Sprintf("%q %v", member, score))
}

func (p *pieces) End() {
	p.m.ended++
	switch p.typ {
	case datatypes.TypeString:
		p.lines = append(p.lines, fmt.Sprintf("%d %q", p.enc, p.text))
	case datatypes.TypeList:
		p.lines = []string{strings.Join(p.lines, "|")}
	}
	slices.Sort(p.lines)
	p.m.keys[p.name] = p.head + strings.Join(p.lines, ",")
}

// Save makes it a Saver.
func (m *moment) Save(db int, e *Entry) {
	name := fmt.Sprintf("%d %s", db, e.Key())
	if _, twice := m.keys[name]; twice {
		m.t.Fatalf("%s is shown twice", name)
	}
	var lines []string
	switch e.Type() {
	case datatypes.TypeString:
		lines = append(lines, fmt.Sprintf("%d %q", e.Holder().Enc(), e.Holder().Bytes()))
	case datatypes.TypeHash:
		var x datatypes.Hash
		x.Bind(e.Env(), e.Holder())
		x.Each(0, func(name, value []byte, at int64) bool {
			lines = append(lines, fmt.Sprintf("%q %q %d", name, value, at))
			return true
		})
	case datatypes.TypeSet:
		var x datatypes.Set
		x.Bind(e.Env(), e.Holder())
		x.Each(func(member []byte) bool {
			lines = append(lines, fmt.Sprintf("%q", member))
			return true
		})
	}
	if e.Type() == datatypes.TypeList {
		var x datatypes.List
		x.Bind(e.Env(), e.Holder())
		x.Each(func(item listpack.Elem) bool {
			lines = append(lines, string(item.Append(nil)))
			return true
		})
		lines = []string{strings.Join(lines, "|")}
	}
	if e.Type() == datatypes.TypeStream {
		var x datatypes.Stream
		x.Bind(e.Env(), e.Holder())
		x.EachNode(func(master datatypes.StreamID, b []byte) bool {
			lines = append(lines, fmt.Sprintf("%v %x", master, b))
			return true
		})
	}
	if e.Type() == datatypes.TypeZSet {
		var x datatypes.ZSet
		x.Bind(e.Env(), e.Holder())
		x.Each(func(member []byte, score float64) bool {
			lines = append(lines, fmt.Sprintf("%q %v", member, score))
			return true
		})
	}
	slices.Sort(lines)
	m.keys[name] = fmt.Sprintf("%v %d %s", e.Type(), e.Expire_ms(), strings.Join(lines, ","))
}

// now is what is there at this moment.
func (m *moment) now(ks *Keyspace) map[string]string {
	all := &moment{t: m.t, keys: map[string]string{}}
	for i := range ks.Shards() {
		for db := range ks.Databases() {
			ks.Shard(i).Entries(db, func(e *Entry) bool {
				all.Save(db, e)
				return true
			})
		}
	}
	return all.keys
}

// A walk shows what was there when it began, whatever is done to the keys meanwhile.
func TestWalk(t *testing.T) {
	rounds := 30
	if testing.Short() {
		rounds = 5
	}
	copied, began := 0, 0
	for seed := range rounds {
		r := rand.New(rand.NewPCG(uint64(seed), 0))
		hashSeed := maphash.MakeSeed()
		ks, err := New(Options{Shards: 1 << r.IntN(3), Databases: 4, Seed: 1, Hash: func(b []byte) uint64 { return maphash.Bytes(hashSeed, b) }})
		if err != nil {
			t.Fatal(err)
		}
		ks.CopyLeast, ks.CopyStep = 1, 1+r.IntN(200)
		ks.WalkLeast = []int{1, 10, 100, 1000}[r.IntN(4)]
		ks.Limits.ListMaxListpackSize = []int{-2, 5}[r.IntN(2)]
		ks.Limits.HashMaxListpackEntries, ks.Limits.SetMaxListpackEntries, ks.Limits.ZSetMaxListpackEntries = 20, 20, 20
		v := NewView(ks)
		v.Now = 1000
		space := []int{1, 5, 40, 300, 5000}[r.IntN(5)]
		w := &changer{v: v, r: r, space: space}
		v.Take(ks.All())
		for range space * 3 {
			w.change()
		}
		for range 2 { // walks, one after the other
			m := &moment{t: t, keys: map[string]string{}}
			want := m.now(ks)
			id := ks.BeginWalk(func(int) Saver { return m })
			stop := r.IntN(10) == 0 // somebody gives up in the middle
			for steps := 0; ; steps++ {
				more := false
				for i := range ks.Shards() {
					more = ks.Shard(i).WalkStep(id, 1+r.IntN(50)) || more
				}
				if !more || stop && steps > 3 {
					break
				}
				for range r.IntN(20) {
					w.change()
				}
			}
			for i := range ks.Shards() {
				ks.Shard(i).EndWalk(id - 1) // is over: nothing happens
				ks.Shard(i).EndWalk(id)
			}
			began += m.began
			if !stop {
				if m.began != m.ended {
					t.Fatalf("seed %d: %d values have come in pieces, %d of them whole", seed, m.began, m.ended)
				}
				for k, x := range want {
					if m.keys[k] != x {
						t.Fatalf("seed %d: %s is %.200q, not %.200q", seed, k, m.keys[k], x)
					}
				}
				if len(m.keys) != len(want) {
					t.Fatalf("seed %d: %d keys of %d", seed, len(m.keys), len(want))
				}
			}
			for range 200 {
				w.change()
			}
		}
		copied += w.copied
		for _, c := range w.copies {
			v.DropCopy(c)
		}
		v.Release()
		for i := range ks.Shards() {
			for ks.Shard(i).Bury(1 << 20) {
			}
			if n := ks.Shard(i).Buried(); n != 0 {
				t.Errorf("%d values are not freed", n)
			}
		}
		if err := ks.Check(); err != nil {
			t.Error(err)
		}
		ks.Close()
	}
	if copied == 0 {
		t.Error("no copy was made ahead")
	}
	if began == 0 {
		t.Error("no value has come in pieces")
	}
}

// changer does all kinds of things to random keys.
type changer struct {
	v     *View
	r     *rand.Rand
	space int
	n     int

	copies []*Copying
	to     [][]byte
	copied int // copies that were made ahead
}

func (w *changer) key() []byte { return fmt.Appendf(nil, "key%d", w.r.IntN(w.space)) }

func (w *changer) change() {
	v, r := w.v, w.r
	w.n++
	v.Now++
	v.DB = r.IntN(3)
	key := w.key()
	text := fmt.Appendf(nil, "%d", r.IntN(1<<r.IntN(40)))
	switch r.IntN(19) {
	case 18:
		s, st := v.EditStream(key)
		if st == WrongType {
			break
		}
		id, _ := s.NextID(v.Now)
		for range r.IntN(200) {
			s.Add(id, [][]byte{text, text})
			id, _ = id.Next()
		}
		switch r.IntN(4) {
		case 0:
			s.TrimMaxLen(r.IntN(100), false, 0)
		case 1:
			s.Delete(s.FirstID())
		case 2:
			g, _ := s.CreateGroup(key, s.LastID(), 0)
			g.CreateConsumer(text, v.Now)
		}
	case 16, 17:
		l, st := v.EditList(key)
		if st == WrongType {
			break
		}
		switch r.IntN(6) {
		case 0:
			l.DropHead(r.IntN(l.Len() + 1))
		case 1:
			l.DropTail(r.IntN(l.Len() + 1))
		case 2:
			l.Set(r.IntN(l.Len()+1), text)
		case 3:
			l.InsertBefore(text[:1], text)
		default:
			for range r.IntN(300) {
				l.PushHead(text)
				l.PushTail(bytes.Repeat(text, r.IntN(20)))
			}
		}
	case 14, 15:
		z, st := v.EditZSet(key)
		if st == WrongType {
			break
		}
		for range r.IntN(200) {
			z.Add(float64(r.IntN(50)), fmt.Appendf(nil, "m%d", r.IntN(1000)), 0)
		}
		for range r.IntN(100) {
			z.Remove(fmt.Appendf(nil, "m%d", r.IntN(1000)))
		}
		if n := z.Len(); n > 0 && r.IntN(3) == 0 {
			from := r.IntN(n)
			z.RemoveRanks(from, r.IntN(n-from+1))
		}
	case 0, 1:
		v.SetString(key, text, 0)
	case 2:
		v.SetString(key, slices.Repeat(text, r.IntN(8000)), v.Now+r.Int64N(200))
	case 3:
		v.SetInteger(key, r.Int64())
	case 4:
		if h, st := v.EditBytes(key); st != WrongType {
			b := h.Extend(1 + r.IntN(100))
			b[r.IntN(len(b))]++
		}
	case 5, 6:
		if h, st := v.EditHash(key); st != WrongType {
			for range r.IntN(30) {
				h.Set(fmt.Appendf(nil, "f%d", r.IntN(700)), text, v.Now)
			}
			if r.IntN(2) == 0 {
				h.SetWithExpire([]byte("x"), text, v.Now+r.Int64N(100), v.Now)
			}
			h.Del(fmt.Appendf(nil, "f%d", r.IntN(30)), v.Now)
		}
	case 7:
		if s, st := v.EditSet(key); st != WrongType {
			for range r.IntN(200) {
				s.Add(fmt.Appendf(nil, "%d", r.IntN(1000)))
			}
			for range r.IntN(200) {
				s.Remove(fmt.Appendf(nil, "%d", r.IntN(1000)))
			}
			for range r.IntN(4) * r.IntN(100) {
				s.Pop(nil)
			}
		}
	case 8, 9:
		v.Delete(key)
	case 10:
		v.SetExpire(key, r.Int64N(2)*(v.Now+r.Int64N(100)))
	case 11:
		if to := w.key(); v.Has(key) && string(to) != string(key) {
			switch r.IntN(3) {
			case 0:
				if c := v.BeginCopy(key, to, v.DB, true); c != nil {
					w.copies = append(w.copies, c)
					w.to = append(w.to, to)
				}
			case 1:
				v.Rename(key, to)
			default:
				v.Copy(key, to, r.IntN(4))
			}
		}
	case 12:
		v.Sweep(r.IntN(v.ks.Shards()), 20)
		v.ks.Shard(0).Tend(5)
		v.ks.Shard(r.IntN(v.ks.Shards())).Bury(64)
	case 13:
		switch r.IntN(40) {
		case 0:
			v.Flush(v.DB)
		case 1:
			v.Swap(v.DB, r.IntN(4))
		default:
			if v.Has(key) {
				v.Move(key, 3)
			}
		}
	}
	v.Settle()
	if len(w.copies) > 0 {
		w.goOnCopying()
	}
	v.ResetEvents()
}

// goOnCopying takes a step of a copy that is made ahead, and takes it when it is complete.
func (w *changer) goOnCopying() {
	i := w.r.IntN(len(w.copies))
	c, v := w.copies[i], w.v
	if v.CopyStep(c) {
		return
	}
	if c.Ready() {
		v.DB = c.db
		v.Copies = []*Copying{c}
		v.Copy(c.key, w.to[i], c.db)
		v.Copies = nil
		w.copied++
	}
	v.DropCopy(c)
	w.copies, w.to = slices.Delete(w.copies, i, i+1), slices.Delete(w.to, i, i+1)
}
