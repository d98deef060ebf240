package keyspace

import (
	"fmt"

	"larder/datatypes"
	"larder/datatypes/arena"
	"larder/datatypes/table"
)

// Check looks at the whole keyspace and says what is inconsistent. All shards are held, or nobody else is there. It
// takes time and memory in proportion to the data: it is for tests and DEBUG.
func (ks *Keyspace) Check() error {
	used, shadow := ks.fixed(), int64(0)
	for i, s := range ks.shards {
		if err := s.Check(); err != nil {
			return fmt.Errorf("shard %d: %w", i, err)
		}
		used += s.lastUsed
		shadow += s.shadow
	}
	if sum := ks.shadow.Load(); sum != shadow {
		return fmt.Errorf("%d bytes are a walk's, %d counted", shadow, sum)
	}
	if sum := ks.used.Load(); sum != used {
		return fmt.Errorf("%d bytes in use, %d counted", used, sum)
	}
	return nil
}

// hostedMost is what an arena may take for allocations that stand in slots of larger classes beyond what RoundUp says.
const hostedMost = 64 << 10

// Check looks at the whole shard and says what is inconsistent: the arena, tables, entries, values, what is noted about
// expiries, and whether everything in the arena belongs to something.
func (s *Shard) Check() error {
	if err := s.arena.Check(); err != nil {
		return err
	}
	bytes, made := s.madeBytes(), 0
	for i := range s.dbs {
		n, err := s.checkDB(i)
		if err != nil {
			return fmt.Errorf("database %d: %w", i, err)
		}
		bytes += n
		if s.dbs[i].ready {
			made++
		}
	}
	if made != s.made {
		return fmt.Errorf("%d databases have a table, counted were %d", made, s.made)
	}
	weight := int64(0)
	for _, g := range s.grave {
		weight += g.weight
	}
	if weight != s.shadow {
		return fmt.Errorf("dropped tables weigh %d bytes, the shard says %d", weight, s.shadow)
	}
	if s.nextGrave() >= 0 && s.ks.Graves()&(1<<s.id) == 0 {
		return fmt.Errorf("%d dropped values wait, and nobody knows", len(s.grave))
	}
	if len(s.grave) > 0 {
		return nil // what waits to be freed is not known piece by piece
	}
	if over := s.arena.LiveBytes() - int64(bytes); over < 0 || over > hostedMost {
		return fmt.Errorf("%d bytes are in use, what is known takes %d", s.arena.LiveBytes(), bytes)
	}
	return nil
}

func (s *Shard) checkDB(i int) (bytes int, err error) {
	d := &s.dbs[i]
	if !d.ready {
		if d.ttls != 0 || d.subs != 0 || d.t.Root() != 0 {
			return 0, fmt.Errorf("no table, but %d volatile keys and root %d", d.ttls, d.t.Root())
		}
		return 0, nil
	}
	ttls, subs := 0, 0
	bytes = d.t.Bytes()
	d.t.Each(func(slot table.Slot, e arena.Ref) bool {
		it := item{sh: s, d: d, slot: slot, e: e, h: parse(s.arena, e)}
		if it.h.ttl() {
			ttls++
		}
		if it.h.sub() {
			subs++
		}
		if it.h.sub() != (it.fieldsDue() != 0) {
			err = fmt.Errorf("key %q: a field expires at %d, the entry says %v", it.key(), it.fieldsDue(), it.h.sub())
			return false
		}
		var n int
		if n, err = it.check(); err != nil {
			err = fmt.Errorf("key %q: %w", it.key(), err)
		}
		bytes += n
		return err == nil
	})
	switch {
	case err != nil:
		return 0, err
	case ttls != d.ttls:
		return 0, fmt.Errorf("%d volatile keys, %d counted", ttls, d.ttls)
	case subs != d.subs:
		return 0, fmt.Errorf("%d hashes with volatile fields, %d counted", subs, d.subs)
	case d.t.MinExpire() < s.due.Load():
		return 0, fmt.Errorf("something is due at %d, the shard says %d", d.t.MinExpire(), s.due.Load())
	}
	if err := d.t.CheckMarks(func(e arena.Ref) bool { return expireOf(s.arena, e) != 0 }); err != nil {
		return 0, err
	}
	return bytes, d.t.CheckExpiry(func(e arena.Ref) int64 {
		it := item{sh: s, d: d, e: e, h: parse(s.arena, e)}
		return it.due()
	})
}

// check looks at one entry and its value, and returns what they take in the arena.
func (it *item) check() (bytes int, err error) {
	s := it.sh
	if at := s.ks.ShardOf(s.ks.hash(it.key())); at != s.id {
		return 0, fmt.Errorf("belongs to shard %d", at)
	}
	if it.h.typ() > datatypes.TypeStream {
		return 0, fmt.Errorf("type %d", it.h.typ())
	}
	bytes = arena.RoundUp(it.h.size())
	if it.h.far() {
		f := getFar(it.bytes()[it.h.valOff():])
		if it.h.valLen != farSize || f.ref == 0 || f.len > f.cap {
			return 0, fmt.Errorf("far value at %d: %d of %d bytes", f.ref, f.len, f.cap)
		}
		bytes += arena.RoundUp(f.cap)
	} else if it.h.valLen > farMin {
		return 0, fmt.Errorf("%d bytes of value in the entry", it.h.valLen)
	}
	if it.h.typ() == datatypes.TypeString {
		if n := it.h.valLen; it.h.enc() == datatypes.EncInt {
			var num [8]byte
			if n < 1 || n > 8 || string(putInt(&num, getInt(it.value()))) != string(it.value()) {
				return 0, fmt.Errorf("integer %x", it.value())
			}
		} else if it.h.enc() == datatypes.EncRoot {
			return 0, fmt.Errorf("a string with a structure")
		}
		return bytes, nil
	}
	if len(it.value()) == 0 {
		return 0, fmt.Errorf("an empty %v", it.h.typ())
	}
	x := it.collection()
	if err := x.Check(); err != nil {
		return 0, err
	}
	return bytes + x.Bytes(0), nil
}
