package datatypes

import (
	"larder/datatypes/arena"
	"larder/datatypes/listpack"
	"larder/datatypes/table"
)

// Hint announces that about n fields are going to be set by one command, so that a hash that is certain or likely to
// need the table begins with it. Redis does the same, and duplicates among the n can be seen in OBJECT ENCODING.
func (x *Hash) Hint(n int) {
	if !x.isTable() && n > x.env.Limits.HashMaxListpackEntries {
		x.toTable(n)
	}
}

// Set sets a field, which does not expire then, and says whether it is new. The text of name and value must not lie in
// the hash.
func (x *Hash) Set(name, value []byte, now_ms int64) (created bool) {
	return x.set(name, value, 0, false, now_ms)
}

// SetKeepTTL sets a field and leaves its expiry as it is; otherwise it is Set.
func (x *Hash) SetKeepTTL(name, value []byte, now_ms int64) (created bool) {
	return x.set(name, value, 0, true, now_ms)
}

// SetWithExpire sets a field together with its expiry, which is not 0; otherwise it is Set.
func (x *Hash) SetWithExpire(name, value []byte, at_ms, now_ms int64) (created bool) {
	return x.set(name, value, at_ms, false, now_ms)
}

// SetNX sets a field if it is not there, and says whether it did.
func (x *Hash) SetNX(name, value []byte, now_ms int64) bool {
	if x.Exists(name, now_ms) {
		return false
	}
	x.set(name, value, 0, false, now_ms)
	return true
}

// set sets a field. keep: a field that is there and not expired keeps its expiry, else it gets at_ms.
func (x *Hash) set(name, value []byte, at_ms int64, keep bool, now_ms int64) (created bool) {
	if !x.isTable() {
		limits := x.env.Limits
		if len(name) > limits.HashMaxListpackValue || len(value) > limits.HashMaxListpackValue {
			x.toTable(0)
		}
	}
	if !x.isTable() {
		if at_ms != 0 {
			x.toTriples()
		}
		b := x.h.Bytes()
		p, v, was, ok := x.seek(b, name)
		created = !ok || expired(was, now_ms)
		if keep && !created {
			at_ms = was
		}
		if x.fits(b, ok, len(name)+len(value)) {
			switch {
			case !ok:
				x.insertPacked(name, value, at_ms)
			case was == at_ms:
				listpack.Replace(x.h, v, listpack.String(value))
			default:
				listpack.Delete(x.h, p, 3)
				x.insertPacked(name, value, at_ms)
			}
			return created
		}
		x.toTable(0)
	}
	x.h.Before(name)
	t := x.table()
	h := x.env.Hash(name)
	s, ok := t.Find(h, name)
	if !ok {
		t.Insert(h, newField(x.env.Arena, name, value, at_ms), at_ms)
		return true
	}
	e := t.Entry(s)
	was := openField(x.env.Arena, e).expire
	created = expired(was, now_ms)
	if keep && !created {
		at_ms = was
	}
	if moved := setField(x.env.Arena, e, value, at_ms); moved != e {
		t.SetEntry(s, moved)
	}
	if was != at_ms {
		t.SetExpire(s, at_ms)
	}
	return created
}

// fits says whether the listpack b may stay one when a field is set, known tells whether it is in there already, and
// about size bytes come in.
func (x *Hash) fits(b []byte, known bool, size int) bool {
	n := listpack.Len(b) / x.width()
	if !known {
		n++
	}
	return n <= x.env.Limits.HashMaxListpackEntries && listpack.SafeToAdd(b, size+64)
}

// insertPacked adds a field that is not in the listpack, at its place in the order of expiry.
func (x *Hash) insertPacked(name, value []byte, at_ms int64) {
	f, v := listpack.String(name), listpack.String(value)
	if x.width() == 2 {
		listpack.Append(x.h, f, v)
		return
	}
	listpack.Insert(x.h, x.place(x.h.Bytes(), at_ms, 0), f, v, listpack.Int(at_ms))
}

// Del removes a field and says whether it was there.
func (x *Hash) Del(name []byte, now_ms int64) bool {
	if x.isTable() {
		t := x.table()
		s, f, ok := x.find(&t, name)
		if !ok || expired(f.expire, now_ms) {
			return false
		}
		x.drop(&t, s)
		return true
	}
	p, _, at_ms, ok := x.seek(x.h.Bytes(), name)
	if !ok || expired(at_ms, now_ms) {
		return false
	}
	listpack.Delete(x.h, p, x.width())
	return true
}

// drop removes the entry in slot s.
func (x *Hash) drop(t *table.Table, s table.Slot) {
	e := t.Entry(s)
	x.h.Before(memberLayout{}.Key(x.env.Arena, e))
	t.Delete(s)
	freeField(x.env.Arena, e)
	afterDelete(x.h, t, 1)
}

// SetExpire sets when a field expires, 0 for never, and says whether there is such a field.
func (x *Hash) SetExpire(name []byte, at_ms, now_ms int64) bool {
	if x.isTable() {
		t := x.table()
		s, f, ok := x.find(&t, name)
		if !ok || expired(f.expire, now_ms) {
			return false
		}
		if f.expire == at_ms {
			return true
		}
		e := t.Entry(s)
		x.h.Before(name)
		if moved := setFieldExpire(x.env.Arena, e, at_ms); moved != e {
			t.SetEntry(s, moved)
		}
		t.SetExpire(s, at_ms)
		return true
	}
	b := x.h.Bytes()
	_, _, was, ok := x.seek(b, name)
	if !ok || expired(was, now_ms) {
		return false
	}
	if was != at_ms {
		x.toTriples()
		x.reorder(name, at_ms)
	}
	return true
}

// FieldMoves is the memory, as arena.ReserveParts counts it, that a field takes anew if it gets an expiry or loses it: its value moves
// with it, unless that stands elsewhere.
func (x *Hash) FieldMoves(name []byte, now_ms int64) int {
	value, ok := x.Get(name, now_ms)
	if !ok {
		return 0
	}
	if len(value) > farValue {
		value = nil
	}
	return arena.PartBytes(len(name) + len(value) + fieldFrame)
}

// Timed gives a small hash the form whose fields have expiries, though none has one yet: Redis does so as soon as a
// command of the HEXPIRE family names the hash, and OBJECT ENCODING shows it.
func (x *Hash) Timed() {
	if len(x.h.Bytes()) > 0 {
		x.toTriples()
	}
}

// Persist removes the expiry of a field and says whether it had one.
func (x *Hash) Persist(name []byte, now_ms int64) bool {
	at_ms, ok := x.ExpireAt(name, now_ms)
	return ok && at_ms != 0 && x.SetExpire(name, 0, now_ms)
}

// DeleteExpired removes expired fields, about budget of them at most, and calls fn for each before it goes. It returns
// how many it removed and whether there may be more.
func (x *Hash) DeleteExpired(now_ms int64, budget int, fn func(name []byte)) (n int, more bool) {
	switch x.h.Enc() {
	case EncRoot:
		return x.sweep(now_ms, budget, fn)
	case EncInt:
		b := x.h.Bytes()
		first := listpack.First(b)
		p := first
		for p < len(b) {
			name, _, at_ms, next := x.triple(b, p)
			if !expired(at_ms, now_ms) {
				break
			}
			if n == budget {
				more = true
				break
			}
			fn(name)
			n++
			p = next
		}
		listpack.Cut(x.h, first, p)
	}
	return n, more
}
