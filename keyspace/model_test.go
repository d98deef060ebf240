package keyspace

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"testing"

	"larder/datatypes"
)

// Everything that a View does, at random, next to plain maps.
func TestAgainstModel(t *testing.T) {
	steps := 6000
	if testing.Short() {
		steps = 2500
	}
	for _, shards := range []int{1, 4, 64} {
		t.Run(strconv.Itoa(shards), func(t *testing.T) {
			w := newWorld(t, shards, uint64(shards))
			w.ks.Limits.HashMaxListpackEntries = 8
			w.ks.Limits.SetMaxListpackEntries = 8
			w.ks.Limits.SetMaxIntsetEntries = 8
			w.ks.Limits.ZSetMaxListpackEntries = 8
			w.ks.Limits.ListMaxListpackSize = 8
			w.ks.StrayLeast = 100
			w.ks.CopyLeast, w.ks.CopyStep = 1, 3
			defer w.dropCopies()
			for n := range steps {
				w.step()
				w.goOnCopying()
				if n%100 == 99 {
					w.compare()
				}
			}
			if w.copied == 0 || w.spoiled == 0 {
				t.Errorf("%d copies were made ahead, %d became stale", w.copied, w.spoiled)
			}
			if w.strays == 0 && shards > 1 {
				t.Error("no key has changed its shard")
			}
		})
	}
}

func (w *world) step() {
	db, k := w.db(), w.key()
	switch w.r.IntN(24) {
	case 0, 1, 2:
		w.set(db, k)
	case 3:
		w.hold(db, func(v *View) {
			_, want := w.dbs[db][k]
			if v.Delete([]byte(k)) != want {
				w.fatalf("delete of %q, there: %v", k, want)
			}
		}, k)
		delete(w.dbs[db], k)
	case 4, 5:
		at := w.when()
		w.hold(db, func(v *View) {
			_, want := w.dbs[db][k]
			if v.SetExpire([]byte(k), at) != want {
				w.fatalf("expiry of %q, there: %v", k, want)
			}
		}, k)
		if m := w.dbs[db][k]; m != nil {
			m.expire = at
		}
	case 6, 7:
		w.editString(db, k)
	case 8, 9, 10:
		w.editHash(db, k)
	case 11, 12:
		w.editSet(db, k)
	case 13:
		w.editZSet(db, k)
	case 14, 15:
		w.editList(db, k)
	case 16, 17, 18:
		w.transferKey(db, k)
	case 19:
		w.advance(int64(w.r.IntN(300)))
	case 20:
		w.sweep()
	case 21:
		if w.r.IntN(10) == 0 {
			j := w.db()
			w.hold(db, func(v *View) { v.Swap(db, j) })
			w.dbs[db], w.dbs[j] = w.dbs[j], w.dbs[db]
		} else if w.r.IntN(10) == 0 {
			w.hold(db, func(v *View) { v.Flush(db) })
			clear(w.dbs[db])
		}
	case 22:
		w.house()
	case 23:
		w.look(db, k)
	}
}

// strayed is told that a key belongs to another shard.
func (w *world) strayed(key string, from, to int) {
	if at := w.ks.ShardOf(w.ks.Hash([]byte(key))); at != to || from == to {
		w.fatalf("%q went from shard %d to %d and is in %d", key, from, to, at)
	}
	w.strays++
}

// house does what the janitor does.
func (w *world) house() {
	if w.r.IntN(10) == 0 {
		w.hold(0, func(v *View) {
			v.Strayed = w.strayed
			v.ForgetStrays()
			v.Strayed = nil
			for h, s := range w.ks.Strays() {
				if w.ks.Lost(h, s) || s.Shard == w.ks.home(h) {
					w.fatalf("%q is in no database, or at home", s.Key)
				}
			}
		})
	}
	for i := range w.ks.Shards() {
		w.v.Take(1 << i)
		s := w.ks.Shard(i)
		switch w.r.IntN(4) {
		case 0:
			s.Bury(1 + w.r.IntN(500))
		case 1:
			s.Tend(1 + w.r.IntN(100))
		case 2:
			s.StartDefrag()
		default:
			s.Defrag(1 + w.r.IntN(300))
		}
		w.v.Release()
	}
}

func (w *world) set(db int, k string) {
	val, at := w.text(), w.when()
	m := &value{typ: datatypes.TypeString, str: val, expire: at}
	if w.r.IntN(4) == 0 {
		at, m.expire = KeepTTL, 0
		if old := w.dbs[db][k]; old != nil {
			m.expire = old.expire
		}
	}
	w.hold(db, func(v *View) { v.SetString([]byte(k), []byte(val), at) }, k)
	w.dbs[db][k] = m
}

func (w *world) editString(db int, k string) {
	n := sizes[w.r.IntN(len(sizes))]
	w.hold(db, func(v *View) {
		h, st := v.EditBytes([]byte(k))
		m := w.as(db, k, datatypes.TypeString)
		if m == nil != (st == WrongType) {
			w.fatalf("%q has status %d", k, st)
		}
		if m == nil {
			return
		}
		b := []byte(m.str)
		if string(h.Bytes()) != m.str {
			w.fatalf("%q is %.50q, want %.50q", k, h.Bytes(), m.str)
		}
		if w.r.IntN(2) == 0 {
			h.Extend(n)
			for len(b) < n {
				b = append(b, 0)
			}
		} else {
			h.Resize(n)
			if b = b[:min(n, len(b))]; len(b) < n {
				copy(h.Bytes()[len(b):], make([]byte, n-len(b)))
				b = append(b, make([]byte, n-len(b))...)
			}
		}
		if st == Missing && n == 0 {
			return
		}
		if n > 0 && len(b) > 0 {
			h.Bytes()[0], b[0] = 'x', 'x'
		}
		m.str = string(b)
		w.put(db, k, m)
	}, k)
}

func (w *world) member() string {
	if w.r.IntN(3) == 0 {
		return strconv.Itoa(w.r.IntN(30))
	}
	return fmt.Sprintf("member:%d", w.r.IntN(30))
}

func (w *world) editHash(db int, k string) {
	w.hold(db, func(v *View) {
		m := w.as(db, k, datatypes.TypeHash)
		x, st := v.EditHash([]byte(k))
		if st == Found && x.MinExpire() != 0 { // what was left for a copy goes before anything is changed
			for more := true; more; {
				v.Settle()
				_, more = v.ExpireDueFields([]byte(k), 100, func([]byte) {})
			}
			v.Settle()
			x, st = v.EditHash([]byte(k))
		}
		if m == nil != (st == WrongType) {
			w.fatalf("%q has status %d", k, st)
		}
		if m == nil {
			return
		}
		all := w.r.IntN(8) == 0
		for _, f := range slices.Sorted(maps.Keys(m.fields)) {
			if all {
				x.Del([]byte(f), v.Now)
				delete(m.fields, f)
				delete(m.due, f)
			}
		}
		for range w.r.IntN(8) {
			f, val := w.member(), w.member()
			switch _, there := m.fields[f]; w.r.IntN(5) {
			case 0, 1:
				x.Set([]byte(f), []byte(val), v.Now)
				m.fields[f] = val
				delete(m.due, f)
			case 2:
				at := v.Now + 1 + int64(w.r.IntN(1000))
				x.SetWithExpire([]byte(f), []byte(val), at, v.Now)
				m.fields[f], m.due[f] = val, at
			case 3:
				at := w.when()
				if x.SetExpire([]byte(f), at, v.Now) != there {
					w.fatalf("%q: expiry of field %q, there: %v", k, f, there)
				}
				if delete(m.due, f); there && at != 0 {
					m.due[f] = at
				}
			default:
				if x.Del([]byte(f), v.Now) != there {
					w.fatalf("%q: delete of field %q, there: %v", k, f, there)
				}
				delete(m.fields, f)
				delete(m.due, f)
			}
		}
		w.put(db, k, m)
	}, k)
}

func (w *world) editSet(db int, k string) {
	w.hold(db, func(v *View) {
		m := w.as(db, k, datatypes.TypeSet)
		x, _ := v.EditSet([]byte(k))
		if m == nil {
			return
		}
		for range w.r.IntN(20) {
			b := w.member()
			if w.r.IntN(3) > 0 {
				x.Add([]byte(b))
				m.fields[b] = ""
			} else {
				x.Remove([]byte(b))
				delete(m.fields, b)
			}
		}
		w.put(db, k, m)
	}, k)
}

func (w *world) editZSet(db int, k string) {
	w.hold(db, func(v *View) {
		m := w.as(db, k, datatypes.TypeZSet)
		x, _ := v.EditZSet([]byte(k))
		if m == nil {
			return
		}
		for range w.r.IntN(20) {
			b := w.member()
			if w.r.IntN(3) > 0 {
				score := float64(w.r.IntN(100)) / 4
				x.Add(score, []byte(b), 0)
				m.fields[b] = fmt.Sprint(score)
			} else {
				x.Remove([]byte(b))
				delete(m.fields, b)
			}
		}
		w.put(db, k, m)
	}, k)
}

// editList moves items between two lists, which may be the same one: two handles of one key.
func (w *world) editList(db int, k string) {
	to := w.key()
	if w.r.IntN(3) == 0 {
		to = k
	}
	w.hold(db, func(v *View) {
		m := w.as(db, k, datatypes.TypeList)
		x, _ := v.EditList([]byte(k))
		if m == nil {
			return
		}
		for range w.r.IntN(12) {
			b := w.member()
			x.PushTail([]byte(b))
			m.items = append(m.items, b)
		}
		w.put(db, k, m)
		o := w.as(db, to, datatypes.TypeList)
		y, _ := v.EditList([]byte(to))
		if o == nil {
			return
		}
		for range w.r.IntN(30) {
			if len(m.items) == 0 {
				break
			}
			b, _ := x.Index(0)
			b = slices.Clone(b)
			if string(b) != m.items[0] {
				w.fatalf("%q begins with %q, want %q", k, b, m.items[0])
			}
			m.items = m.items[1:]
			x.DropHead(1)
			if len(m.items) == 0 && to == k {
				break // the key would have to come back
			}
			y.PushHead(b)
			o.items = append([]string{string(b)}, o.items...)
		}
		w.put(db, k, m)
		w.put(db, to, o)
	}, k, to)
}

func (w *world) transferKey(db int, k string) {
	to, dst := w.db(), w.key()
	m := w.dbs[db][k]
	if m == nil {
		return
	}
	switch w.r.IntN(3) {
	case 0:
		if dst == k {
			return
		}
		if w.r.IntN(2) == 0 {
			w.hold(db, func(v *View) { v.Rename([]byte(k), []byte(dst)) }, k, dst)
		} else {
			w.hold(db, func(v *View) {
				v.Strayed = w.strayed
				v.Rename([]byte(k), []byte(dst))
				v.Strayed = nil
			})
		}
		delete(w.dbs[db], k)
		w.dbs[db][dst] = m
	case 1:
		if db == to {
			return
		}
		_, taken := w.dbs[to][k]
		w.hold(db, func(v *View) {
			if v.Move([]byte(k), to) == taken {
				w.fatalf("move of %q to %d, there: %v", k, to, taken)
			}
		}, k)
		if !taken {
			delete(w.dbs[db], k)
			w.dbs[to][k] = m
		}
	default:
		if db == to && dst == k {
			return
		}
		if w.r.IntN(3) > 0 {
			w.beginCopy(db, to, k, dst)
			return
		}
		w.hold(db, func(v *View) { v.Copy([]byte(k), []byte(dst), to) }, k, dst)
		w.dbs[to][dst] = m.clone()
	}
}

// look reads in all the ways that leave everything as it is.
func (w *world) look(db int, k string) {
	m := w.dbs[db][k]
	w.hold(db, func(v *View) {
		key := []byte(k)
		if v.Has(key) != (m != nil) || v.Exists(key) != (m != nil) || v.Touch(key) != (m != nil) {
			w.fatalf("%q: should be there: %v", k, m != nil)
		}
		in, ok := v.Stat(key)
		if m != nil && (!ok || in.Type != m.typ || in.Expire_ms != m.expire) {
			w.fatalf("%q: %+v", k, in)
		}
		if _, ok := v.Encoding(key); ok != (m != nil) {
			w.fatalf("%q has an encoding: %v", k, ok)
		}
		if n, ok := v.Memory(key, 0); ok != (m != nil) || m != nil && n < len(k)+len(m.str) {
			w.fatalf("%q takes %d bytes", k, n)
		}
		if m != nil && m.typ == datatypes.TypeString {
			n, text, isInt, _ := v.Integer(key)
			if _, want := datatypes.ParseInt([]byte(m.str)); isInt && strconv.FormatInt(n, 10) != m.str || !isInt && string(text) != m.str || isInt && !want {
				w.fatalf("%q: %d, %.50q, %v, want %.50q", k, n, text, isInt, m.str)
			}
		}
	}, k)
	w.hold(db, func(v *View) {
		key, ok := v.Random(w.r.Uint64)
		if ok != (len(w.dbs[db]) > 0) || ok && w.dbs[db][string(key)] == nil {
			w.fatalf("random key %q of %d", key, len(w.dbs[db]))
		}
	})
}
