package keyspace

import (
	"bytes"
	"encoding/binary"
	"slices"
	"sync/atomic"

	"larder/datatypes"
	"larder/datatypes/arena"
)

// COPY of a value of a million elements takes some hundred milliseconds. So a large value is copied ahead, in steps, between
// which its shards are let go; when COPY then runs it finds the copy made, and all that is left is to give it its key.
//
//	c := v.BeginCopy(src, dst, …)        nil: there is nothing to copy, or nothing to gain
//	for v.CopyStep(c) { … }              each holds c.Shards(), which others have in between
//	v.Copies = …c…; v.Copy(src, dst, …)  takes the value that c has made, if it is the one that is wanted
//	v.DropCopy(c)                        if that did not happen
//
// A Copying is the copy in the making. It is known to the shard of its source, so that it becomes stale, and to the shard that
// its own memory is in, so that Check finds that:
//
//	shard 3:  copied  ──> Copying "board" in database 0 ──> shard 12:  making ──> the same Copying
//	          keys: "board" ──> 1M members                             arena: 400k members so far, named by no key
//
// What is true all the time:
//
//   - While it is not stale, nothing of the source has changed since BeginCopy but where it stands in memory. Who is about to
//     change, move to another key or remove an entry calls item.before, and flush, Swap and Exchange tell the shard, for snapshots as for
//     copies: then the copy is stale, for good. So COPY takes effect at its end, with what the source is at that moment.
//     Nobody is kept from changing the source here: the server lets those wait that can.
//   - A copy that became stale is of no use but to be dropped: whether there still is something to copy is to be looked at anew.
//     That is right for whatever cannot wait: expiry, eviction, FLUSHALL, SWAPDB, a script that touches keys it did not declare.
//   - What has been made is in no table, so nobody comes across it: no walk, no scan, no eviction; defragmentation does not
//     look for it, and what stands in a page that is to be emptied stays there. It counts as memory in use.
//   - It keeps no place in the source: a step finds the source by its key, and goes on by hash, rank, index or ID. So between the
//     steps defragmentation may move what the source is made of. Look-ups do not change it: no table is rehashed by them.
//   - Fields of a hash whose time is over stay while it is copied, invisible as ever: the copy has them too. They would
//     make it stale again and again.
//   - A value that Exchange takes away with its arena is not touched any more: what was made goes to the grave of that arena.
//
// All of a Copying but the stale flag changes with both shards held, and by the loop that makes it; the flag with that of the
// source. Who asks without them (Ready) hears what was true a moment ago.
type Copying struct {
	ks       *Keyspace
	db       int
	key      []byte
	from, to int // shards
	typ      datatypes.Type
	enc      datatypes.Enc

	copier   datatypes.Copier
	made     datatypes.MemHolder // what Copier has made
	text     far                 // the bytes of what is no structure and stands apart from its entry, as long strings do
	at       int                 // how many of them are copied
	complete bool                // all there is to make ahead has been made
	full     bool                // the system refuses memory
	stale    atomic.Bool         // the source is not what it was
	over     bool                // used, or dropped
}

const (
	// copyLeast is Keyspace.CopyLeast, unless a test has set it: values that take less than about half a millisecond are copied at once.
	copyLeast = 2048
	// copyStep is Keyspace.CopyStep: a step takes about a tenth of a millisecond.
	copyStep = 512
	// copyText is how many bytes of a string count as one element of a collection.
	copyText = 512
)

// Shards are those that have to be held for a step.
func (c *Copying) Shards() Set { return 1<<c.from | 1<<c.to }

// Ready tells whether the copy is complete and the source still what it was. Both shards are held; if not, it is what was true
// a moment ago.
func (c *Copying) Ready() bool { return c.complete && !c.stale.Load() && !c.over }

// Full tells that there is no memory to complete the copy.
func (c *Copying) Full() bool { return c.full }

// weight is about how much copying a value takes, in elements of a collection.
func (it *item) weight() int {
	if it.h.enc() == datatypes.EncRoot {
		return max(1, datatypes.CopyWeight(it.h.typ(), &it.sh.env, peek{it}))
	}
	return 1 + it.info().Size/copyText
}

// BeginCopy begins to make a copy of the value at src ahead, for a COPY to dst in database db. It is nil if COPY would not copy
// anything, or would not take long. Both shards are held.
func (v *View) BeginCopy(src, dst []byte, db int, replace bool) *Copying {
	it, ok := v.find(src)
	if !ok || it.weight() < v.ks.CopyLeast {
		return nil
	}
	from := v.DB
	v.DB = db
	taken := !replace && v.Has(dst)
	v.DB = from
	if it, ok = v.find(src); taken || !ok { // its place may be another now
		return nil
	}
	c := &Copying{
		ks: v.ks, db: v.DB, key: bytes.Clone(src), from: it.sh.id, to: v.ks.ShardOf(v.hashOf(dst)), typ: it.h.typ(), enc: it.h.enc(),
	}
	c.complete = c.enc != datatypes.EncRoot && !it.h.far() // what is in the entry itself is copied at the end
	it.sh.copied = append(it.sh.copied, c)
	to := v.ks.shards[c.to]
	to.making = append(to.making, c)
	return c
}

// CopyStep goes on with the copy and tells whether there is more to do: there is not if it is complete, stale, or there is no
// memory. The view holds its shards, and no handle.
func (v *View) CopyStep(c *Copying) (more bool) {
	if c.complete || c.stale.Load() || c.full || c.over {
		return false
	}
	src, to := v.ks.shards[c.from], v.ks.shards[c.to]
	d := &src.dbs[c.db]
	slot, ok := d.t.Find(v.ks.hash(c.key), c.key)
	if !ok {
		panic("assertion failed: the source of a copy is gone and nobody said so")
	}
	it := item{sh: src, d: d, slot: slot, e: d.t.Entry(slot)}
	it.h = parse(src.arena, it.e)
	if c.enc != datatypes.EncRoot {
		c.copyText(to, it.value())
		return !c.complete && !c.full
	}
	bytes, count := datatypes.CopyNeeds(v.ks.CopyStep)
	if c.full = !v.ks.ReserveMany(1<<c.to, bytes, count); c.full {
		return false
	}
	c.complete = c.copier.Step(c.typ, &src.env, peek{&it}, &to.env, &c.made, v.ks.CopyStep)
	c.full = c.copier.Full()
	return !c.complete && !c.full
}

// copyText is CopyStep for what is no structure.
func (c *Copying) copyText(to *Shard, val []byte) {
	if c.text.ref == 0 {
		if c.full = !to.arena.Reserve(len(val) + reserveSlack); c.full {
			return
		}
		c.text = far{ref: to.arena.Alloc(len(val)), len: len(val), cap: len(val)}
	}
	n := min(len(val), c.at+c.ks.CopyStep*copyText)
	copy(to.arena.Bytes(c.text.ref, n)[c.at:], val[c.at:n])
	c.at = n
	c.complete = n == len(val)
}

// DropCopy forgets a copy and gives what it has made back. The view holds its shards.
func (v *View) DropCopy(c *Copying) {
	if !c.over {
		c.bury()
	}
	c.end()
}

// bury gives what was made back, step by step. The shard that has it is held.
func (c *Copying) bury() {
	to := c.ks.shards[c.to]
	switch {
	case c.text.ref != 0:
		to.arena.Free(c.text.ref, c.text.cap)
	case c.made.Enc() == datatypes.EncRoot:
		to.bury(c.typ, arena.Ref(binary.LittleEndian.Uint32(c.made.Bytes())))
	}
	c.over = true
}

// end makes the shards forget the copy. Both are held.
func (c *Copying) end() {
	c.over = true
	from, to := c.ks.shards[c.from], c.ks.shards[c.to]
	from.copied = without(from.copied, c)
	to.making = without(to.making, c)
}

// without is the list without one. It is nil if nothing is left: that is what is asked.
func without(list []*Copying, c *Copying) []*Copying {
	if i := slices.Index(list, c); i >= 0 {
		list = slices.Delete(list, i, i+1)
	}
	if len(list) == 0 {
		return nil
	}
	return list
}

// spoil makes the copies stale for which gone says that their source changes. The shard is held.
func (s *Shard) spoil(gone func(c *Copying) bool) {
	for i := 0; i < len(s.copied); {
		c := s.copied[i]
		if !gone(c) {
			i++
			continue
		}
		c.stale.Store(true)
		if s.copied = without(s.copied, c); s.copied == nil {
			return
		}
	}
}

// spoils is spoil for an entry that changes.
func (it *item) spoils() {
	key := it.key()
	it.sh.spoil(func(c *Copying) bool { return it.d == &it.sh.dbs[c.db] && bytes.Equal(c.key, key) })
}

// isCopied tells whether a copy of the value at key is being made. The key's shard is held.
func (v *View) isCopied(key []byte) bool {
	s := v.ShardOf(key)
	return s.copied != nil && slices.ContainsFunc(s.copied, func(c *Copying) bool { return c.db == v.DB && bytes.Equal(c.key, key) })
}

// leaveCopies is for a shard that is about to lose its arena, and all of its keys: what was made there goes with it. All shards
// are held.
func (s *Shard) leaveCopies() {
	s.spoil(func(*Copying) bool { return true })
	for _, c := range s.making {
		c.stale.Store(true)
		c.bury()
		from := c.ks.shards[c.from]
		from.copied = without(from.copied, c)
	}
	s.making = nil
}

// ready is the copy among v.Copies that COPY of src to dst takes, nil if there is none. Both shards are held.
func (v *View) ready(src, dst []byte) *Copying {
	for _, c := range v.Copies {
		if c.Ready() && c.db == v.DB && bytes.Equal(c.key, src) && c.to == v.ks.ShardOf(v.hashOf(dst)) && c.apart() {
			return c
		}
	}
	return nil
}

// apart tells whether there is more to the value than what is in its entry.
func (c *Copying) apart() bool { return c.text.ref != 0 || len(c.made.Bytes()) > 0 }

// place gives dst in the view's database, where it is not, the value that was made.
func (c *Copying) place(v *View, dst []byte, how Loaded) {
	if c.text.ref != 0 {
		it := v.insert(dst, flagsOf(c.typ, c.enc)|farBit, farSize, how.Expire_ms)
		c.text.put(it.bytes()[it.h.valOff():])
		putAccess(it.bytes(), how.Access)
		it.noteDue() // fields may expire before the key does
	} else {
		v.Load(dst, c.typ, &c.made, how)
	}
	c.end()
}

// madeBytes is what has been made in the shard ahead, for Check.
func (s *Shard) madeBytes() (n int) {
	for _, c := range s.making {
		switch {
		case c.over:
		case c.text.ref != 0:
			n += arena.RoundUp(c.text.cap)
		case c.made.Enc() == datatypes.EncRoot:
			n += datatypes.Bind(c.typ, &s.env, &c.made).Bytes(0)
		}
	}
	return n
}
