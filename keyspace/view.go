package keyspace

import (
	"math/bits"

	"larder/datatypes"
	"larder/datatypes/arena"
	"larder/datatypes/invariant"
	"larder/datatypes/table"
	"larder/eviction"
)

// A View is what one command, or one transaction, sees of the keyspace. There is one per executing loop, used again
// and again: between Take and Release it belongs to one command.
//
// What the view returns as bytes is memory of a shard: valid until the next change of that shard, and never after
// Release.
type View struct {
	DB  int
	Now int64 // Unix milliseconds, read once per turn, and behind what has taken long; a script's time stands still

	// ServeExpired is set on a replica: an expired key is invisible but stays until the primary deletes it.
	ServeExpired bool
	// AllLive is set while a replica does what its primary says: no key's time is over before the primary deletes it.
	AllLive bool
	// NoTouch leaves access words as they are (CLIENT NO-TOUCH).
	NoTouch bool
	// Uncounted makes look-ups count as neither hits nor misses, and tells of no miss: who looks a second time has been counted.
	Uncounted bool
	// Record asks for every change to be recorded, not only those in shards with an interest.
	Record bool
	// RecordGone asks for the keys and fields to be recorded that are removed though no command said so.
	RecordGone bool

	Dirty  int     // changes since it was last set to 0, as rdb_changes_since_last_save counts them
	Events []Event // recorded changes, in order; drained by the server after each command

	// Lapsed is keys that Scan and EachKey have found whose time was over. They cannot be removed during a walk; whoever
	// runs the command looks each of them up afterwards, which does.
	Lapsed []Lapsed

	// Waits, if it is set, is called again and again while a shard is waited for that somebody has held for long.
	Waits func()

	// Waited is set when shards were not free at once, or are several: it may have taken any time to take them.
	Waited bool

	// GiveUp, if it is set, is asked while Evict and Squeeze wait for such a shard: they can as well not find anything.
	GiveUp func() bool

	// Copies were made ahead for whom the view serves: COPY takes the one that it wants.
	Copies []*Copying

	// BeforeFlush is called with each held shard that is about to lose, or exchange, the content of database db: who
	// watches keys has to look now whether they are there. other is the database that comes in its place, or -1.
	BeforeFlush func(s *Shard, db, other int)

	// BeforeEvict is called with the shard held from which Evict is about to remove a key.
	BeforeEvict func()

	// Strayed is called when a key belongs to another shard than before: who watches it and who waits for it has to be
	// known there. Only while it is set may Rename make a key a stray: in a stopped world, with all shards held.
	Strayed func(key string, from, to int)

	ks   *Keyspace
	held Set

	hint  *byte // first byte of the key that hintHash is of
	hintN int
	hash  uint64

	// Replace has dropped the key with the hash replaced, which is about to be made again, with the access word kept.
	replacing bool
	replaced  uint64
	kept      uint32

	choice  choice    // of Evict
	missed  bool      // see Missed
	rnd     uint64    // state of random
	due     names     // hashes with fields whose time is over
	num     [20]byte  // text of an integer value
	keys    []byte    // the bytes of recorded keys
	handles []*Handle // one for each value that the command edits or reads as a collection
	used    int
}

// Lapsed names a key whose time is over.
type Lapsed struct {
	DB  int
	Key []byte
}

// Event says what happened to a key.
type Event struct {
	Kind EventKind
	DB   int
	Key  []byte // valid until ResetEvents
	Name string // as keyspace notifications call it

	Field []byte // of the hash, for FieldExpired
}

// EventKind tells the server who has to hear of an event beyond the notification.
type EventKind uint8

// The kinds of events.
const (
	Modified     EventKind = iota // the value changed, by the command
	Removed                       // the key is gone, by the command
	Expired                       // the key is gone, because its time was over
	Evicted                       // the key is gone, to make room
	Flushed                       // the whole database is gone; no key
	Swapped                       // the database changed its content for another's; no key
	Notice                        // nothing changed that watchers of the key mind, but there is a notification (keymiss, new)
	Ready                         // as Notice, but who waits for the key has to look at it again
	FieldExpired                  // a field of the hash is gone, because its time was over; only with RecordGone, and no notification
)

// NewView makes a view on ks.
func NewView(ks *Keyspace) *View { return &View{ks: ks, rnd: ks.views.Add(1) * 0x2545f4914f6cdd1d} }

// Keyspace is the keyspace that the view is on.
func (v *View) Keyspace() *Keyspace { return v.ks }

// Take locks the shards in s. The view holds none before.
func (v *View) Take(s Set) {
	v.TakeUnless(s, nil)
}

// TakeUnless is Take for somebody who need not have them: when they are not to be had at once, it asks now and then
// whether to go on waiting. It is false if giveUp said so; then it holds none.
func (v *View) TakeUnless(s Set, giveUp func() bool) bool {
	one := s&(s-1) == 0 && s != 0 && v.ks.shards[bits.TrailingZeros64(uint64(s))].mu.TryLock() // nearly always
	if !one {
		if !v.ks.lock(s, v.Waits, giveUp) {
			return false
		}
		v.Waited = true
	}
	v.held = s
	return true
}

// TakeMore locks further shards while others are held, in the midst of a unit that cannot start over. Only one view at a
// time may do so: see lock.go.
func (v *View) TakeMore(s Set) {
	for s &^= v.held; s != 0; s &= s - 1 {
		one := s & -s
		v.ks.lock(one, v.Waits, nil)
		v.held |= one
	}
}

// Release settles what was edited and unlocks all shards that the view holds.
func (v *View) Release() {
	v.Settle()
	for s := v.held; s != 0; s &= s - 1 {
		sh := v.ks.shards[bits.TrailingZeros64(uint64(s))]
		sh.noteUsed()
		sh.mu.Unlock()
	}
	v.held = 0
	v.hint = nil // the next request may have other bytes at the same address
}

// Held is the set of shards that the view holds.
func (v *View) Held() Set { return v.held }

// Hint gives the hash of a key that was computed ahead, so that the lookup needs not compute it again. It counts for
// the very bytes at key, not for equal ones.
func (v *View) Hint(key []byte, h uint64) {
	if len(key) > 0 {
		v.hint, v.hintN, v.hash = &key[0], len(key), h
	}
}

func (v *View) hashOf(key []byte) uint64 {
	if len(key) > 0 && v.hint == &key[0] && v.hintN == len(key) {
		return v.hash
	}
	return v.ks.hash(key)
}

// item is a key's place: valid until an entry is inserted, removed or rebuilt in the same database. If there is no such
// key it names only shard and database.
type item struct {
	sh   *Shard
	d    *database
	slot table.Slot
	e    arena.Ref
	h    head
}

func (it *item) bytes() []byte { return it.sh.arena.Bytes(it.e, it.h.size()) }

func (it *item) key() []byte { return it.bytes()[it.h.keyOff:it.h.valOff()] }

// value is the value's own bytes, wherever they stand.
func (it *item) value() []byte {
	b := it.bytes()[it.h.valOff():]
	if it.h.far() {
		f := getFar(b)
		return it.sh.arena.Bytes(f.ref, f.len)
	}
	return b
}

func (it *item) expire() int64 {
	if !it.h.ttl() {
		return 0
	}
	return getExpire(it.bytes(), it.h.keyOff)
}

// place is the shard and database of a key.
func (v *View) place(h uint64) (*Shard, *database) {
	i := v.ks.ShardOf(h)
	if v.held&(1<<i) == 0 {
		panic("assertion failed: a key's shard is used but not held")
	}
	s := v.ks.shards[i]
	return s, &s.dbs[v.DB]
}

// find looks a key up without counting or touching it. A key whose time is over is removed first, or invisible.
func (v *View) find(key []byte) (it item, ok bool) {
	ok = v.seek(&it, key)
	return it, ok
}

// seek is find into an item that is there already: copying one costs as much as a few lines of its look-up. What the item
// was before does not matter.
func (v *View) seek(it *item, key []byte) bool {
	h := v.hashOf(key)
	it.sh, it.d = v.place(h)
	if !it.d.ready {
		return false
	}
	slot, ok := it.d.t.Find(h, key)
	if !ok {
		return false
	}
	it.slot = slot
	it.e = it.d.t.Entry(slot)
	it.h.parse(it.sh.arena, it.e)
	if it.h.flags&ttlBit != 0 && v.expired(it.expire()) {
		if !v.ServeExpired {
			v.expire(it)
		}
		return false
	}
	return true
}

// expired tells whether a time is over: a key lives through the whole millisecond that it expires in.
func (v *View) expired(at_ms int64) bool { return at_ms < v.Now && !v.AllLive }

// FieldNow is the time by which fields of hashes are there or gone.
func (v *View) FieldNow() int64 {
	if v.AllLive {
		return 0
	}
	return v.Now
}

// expire removes a key whose time is over.
func (v *View) expire(it *item) {
	v.event(it.sh, Expired, it.key(), "expired")
	it.sh.Stats.Expired++
	v.drop(it)
}

// drop removes the key and gives its memory back.
func (v *View) drop(it *item) {
	it.before()
	it.leaves()
	it.uncount()
	it.d.t.Delete(it.slot)
	it.d.gen++
	it.sh.freeEntry(it.e)
}

// uncount takes an entry that goes out of its database's counts.
func (it *item) uncount() {
	if it.h.ttl() {
		it.d.ttls--
	}
	if it.h.sub() {
		it.d.subs--
	}
}

// look finds a key for a read, into it: it counts a hit or a miss and touches the access word.
func (v *View) look(it *item, key []byte) bool {
	found := v.seek(it, key)
	switch {
	case v.Uncounted:
	case found:
		it.sh.Stats.Hits++
	default:
		it.sh.Stats.Misses++
		v.event(it.sh, Notice, key, "keymiss")
	}
	if !found {
		return false
	}
	v.touch(it, key)
	return true
}

// meet finds a key for a change, into it: that is neither a hit nor a miss, but touches the access word.
func (v *View) meet(it *item, key []byte) bool {
	ok := v.seek(it, key)
	if ok {
		v.touch(it, key)
	}
	return ok
}

// touch notes the access. The word is written only when it changes, and is no modification for a snapshot.
func (v *View) touch(it *item, key []byte) {
	v.noticed(it, key)
	if v.NoTouch {
		return
	}
	b := it.sh.arena.Bytes(it.e, headBytes)
	old := access(b)
	if w := v.touched(it, key, old); w != old {
		putAccess(b, w)
	}
}

// touched is the access word after a use of a key.
func (v *View) touched(it *item, key []byte, word uint32) uint32 {
	ks := v.ks
	switch {
	case ks.Clock.LFU:
		return ks.Clock.Touch(word, v.Now, uint32(it.sh.env.Rand.Uint64()))
	case ks.Clock.FIFO && (it.h.ttl() || !ks.Policy.Volatile):
		return ks.census[v.DB].state.Use(word, v.hashOf(key), v.Now)
	}
	return ks.Clock.Touch(word, v.Now, 0)
}

// event records what happened if anybody wants to hear of it.
func (v *View) event(s *Shard, kind EventKind, key []byte, name string) {
	if v.Record || v.RecordGone || s.Interest != 0 {
		v.record(s, kind, key, name)
	}
}

func (v *View) record(s *Shard, kind EventKind, key []byte, name string) {
	if !v.Record && s.Interest == 0 && kind != Expired && kind != Evicted {
		return
	}
	n := len(v.keys)
	v.keys = append(v.keys, key...)
	v.Events = append(v.Events, Event{Kind: kind, DB: v.DB, Key: v.keys[n:len(v.keys):len(v.keys)], Name: name})
}

// fieldGone records that a field's time was over.
func (v *View) fieldGone(key, name []byte) {
	if !v.RecordGone {
		return
	}
	n := len(v.keys)
	v.keys = append(append(v.keys, key...), name...)
	all := v.keys[n:len(v.keys):len(v.keys)]
	v.Events = append(v.Events, Event{Kind: FieldExpired, DB: v.DB, Key: all[:len(key):len(key)], Field: all[len(key):]})
}

// ResetEvents forgets the recorded events. What one command over very many keys took is given back.
func (v *View) ResetEvents() {
	if v.Events = v.Events[:0]; cap(v.Events) > eventsKept {
		v.Events = nil
	}
	if v.keys = v.keys[:0]; cap(v.keys) > 64<<10 {
		v.keys = nil
	}
}

// eventsKept is how many events there is room for in the next command.
const eventsKept = 1024

// Changed says that the command changed the value at key, under the name that notifications give it.
func (v *View) Changed(key []byte, name string) {
	v.Dirty++
	v.event(v.ks.shards[v.ks.ShardOf(v.hashOf(key))], Modified, key, name)
}

// ChangedBy is Changed for a command that made n changes at once.
func (v *View) ChangedBy(key []byte, name string, n int) {
	v.Dirty += n
	v.event(v.ks.shards[v.ks.ShardOf(v.hashOf(key))], Modified, key, name)
}

// Event records a further notification for a change that Changed has told already.
func (v *View) Event(key []byte, name string) {
	v.event(v.ks.shards[v.ks.ShardOf(v.hashOf(key))], Modified, key, name)
}

// Gone says that the command removed key, under the name that notifications give it. Delete does not say it.
func (v *View) Gone(key []byte, name string) {
	v.Dirty++
	v.event(v.ks.shards[v.ks.ShardOf(v.hashOf(key))], Removed, key, name)
}

// Notice reports a notification about a key that did not change.
func (v *View) Notice(key []byte, name string) {
	v.event(v.ks.shards[v.ks.ShardOf(v.hashOf(key))], Notice, key, name)
}

// Ready is Notice for something that clients who wait for the key have to hear of.
func (v *View) Ready(key []byte, name string) {
	v.event(v.ks.shards[v.ks.ShardOf(v.hashOf(key))], Ready, key, name)
}

// ShardOf is the shard of a key, which the view holds.
func (v *View) ShardOf(key []byte) *Shard { return v.ks.shards[v.ks.ShardOf(v.hashOf(key))] }

// Exists tells whether there is a key. It counts as a read, but leaves the access word.
func (v *View) Exists(key []byte) bool {
	_, ok := v.Ask(key)
	return ok
}

// Ask is Stat that counts as a read. It leaves the access word.
func (v *View) Ask(key []byte) (Info, bool) {
	in, ok := v.Stat(key)
	v.Asked(key, ok)
	return in, ok
}

// Asked counts a look-up that does not count itself as a read, and tells of a miss.
func (v *View) Asked(key []byte, found bool) {
	if v.CountRead(key, found); !found && !v.Uncounted {
		v.Notice(key, "keymiss")
	}
}

// CountRead is Asked without a word to anybody.
func (v *View) CountRead(key []byte, found bool) {
	if v.Uncounted {
		return
	}
	if st := &v.ShardOf(key).Stats; found {
		st.Hits++
	} else {
		st.Misses++
	}
}

// Has tells whether there is a key, without counting it as a read.
func (v *View) Has(key []byte) bool {
	_, ok := v.find(key)
	return ok
}

// Touch is a read of which only the trace counts (TOUCH).
func (v *View) Touch(key []byte) bool {
	var it item
	return v.look(&it, key)
}

// Meet tells whether there is a key that is about to change: it touches the access word, but is no read.
func (v *View) Meet(key []byte) bool {
	var it item
	return v.meet(&it, key)
}

// Delete removes a key and tells whether it was there. The caller says so by Gone.
func (v *View) Delete(key []byte) bool {
	it, ok := v.find(key)
	if ok {
		v.drop(&it)
	}
	return ok
}

// About is Stat of a key that is about to change, whether it comes to that or not: it touches the access word, as Meet does.
func (v *View) About(key []byte) (Info, bool) {
	var it item
	if !v.meet(&it, key) {
		return Info{}, false
	}
	return it.info(), true
}

// Replace is Delete for a key that the command is about to make again: nobody hears of a new key then, and its access word is
// that of a key whose value was replaced.
func (v *View) Replace(key []byte) bool {
	it, ok := v.find(key)
	if ok {
		v.kept = v.overwritten(&it, key)
		v.drop(&it)
	}
	v.replacing, v.replaced = ok, v.hashOf(key)
	return ok
}

// Info is what can be said of a key without reading its value.
type Info struct {
	Type      datatypes.Type
	Enc       datatypes.Enc
	Expire_ms int64  // absolute, 0 if none
	Access    uint32 // see package eviction
	Size      int    // bytes of the value's own part
}

// Stat describes a key without touching it.
func (v *View) Stat(key []byte) (Info, bool) {
	it, ok := v.find(key)
	if !ok {
		return Info{}, false
	}
	return it.info(), true
}

func (it *item) info() Info {
	n := it.h.valLen
	if it.h.far() {
		n = getFar(it.bytes()[it.h.valOff():]).len
	}
	return Info{Type: it.h.typ(), Enc: it.h.enc(), Expire_ms: it.expire(), Access: access(it.bytes()), Size: n}
}

// SetAccess sets a key's access word (RESTORE, DEBUG).
func (v *View) SetAccess(key []byte, word uint32) {
	if it, ok := v.find(key); ok {
		putAccess(it.bytes(), word)
	}
}

// Clock is what access words are made from.
func (v *View) Clock() *eviction.Clock { return &v.ks.Clock }

// SetExpire gives a key the absolute expiry at_ms, or none with 0, and tells whether the key is there.
func (v *View) SetExpire(key []byte, at_ms int64) bool {
	it, ok := v.find(key)
	if ok {
		v.setExpire(&it, at_ms)
	}
	return ok
}

func (v *View) setExpire(it *item, at_ms int64) {
	it.before()
	switch had := it.h.ttl(); {
	case had && at_ms != 0:
		putExpire(it.bytes(), it.h.keyOff, at_ms)
	case had != (at_ms != 0):
		it.rebuild(it.h.valLen, at_ms)
		if !had {
			v.mayLeaveNow(it)
		}
	default:
		return
	}
	it.noteDue()
}

// rebuild makes the entry have room for valLen bytes of value and the given expiry, keeping key, access word and as
// much of the value's bytes as fits. It may move the entry.
func (it *item) rebuild(valLen int, at_ms int64) {
	old := it.h
	flags := old.flags &^ ttlBit
	if at_ms != 0 {
		flags |= ttlBit
	}
	a := it.sh.arena
	size := entrySize(old.keyLen, valLen, at_ms != 0)
	grow := size > old.size()
	e := it.e
	if grow {
		e = a.Resize(e, old.size(), size)
	}
	b := a.Bytes(e, max(size, old.size()))
	keyOff := 4 + varintLen(old.keyLen) + varintLen(valLen)
	if at_ms != 0 {
		keyOff += 8
	}
	// The header may have grown or shrunk by the expiry or a longer length: the key and the value slide along.
	word := access(b)
	copy(b[keyOff:], b[old.keyOff:old.keyOff+old.keyLen+min(valLen, old.valLen)])
	putHead(b, flags, word, old.keyLen, valLen)
	if at_ms != 0 {
		putExpire(b, keyOff, at_ms)
	}
	if !grow {
		e = a.Resize(e, old.size(), size)
	}
	if e != it.e {
		it.d.t.SetEntry(it.slot, e)
		it.e = e
	}
	switch {
	case at_ms != 0 && !old.ttl():
		it.d.ttls++
		it.d.t.Mark(it.slot)
	case at_ms == 0 && old.ttl():
		it.d.ttls--
	}
	it.h = head{flags: flags, keyOff: keyOff, keyLen: old.keyLen, valLen: valLen}
	it.d.gen++
}

// insert makes an entry for a key that is not there, with valLen undefined bytes of value. The access word is that
// of a new key.
func (v *View) insert(key []byte, flags byte, valLen int, at_ms int64) item {
	h := v.hashOf(key)
	sh, _ := v.place(h)
	d := sh.db(v.DB)
	d.before(h)
	if at_ms != 0 {
		flags |= ttlBit
		d.ttls++
		sh.dueAt(at_ms)
	}
	again := v.replacing && v.replaced == h
	word := v.kept
	if !again {
		word = v.admitted(sh, v.DB, h, at_ms != 0)
	}
	size := entrySize(len(key), valLen, at_ms != 0)
	e := sh.arena.Alloc(size)
	b := sh.arena.Bytes(e, size)
	off := putHead(b, flags, word, len(key), valLen)
	if at_ms != 0 {
		putExpire(b, off, at_ms)
	}
	copy(b[off:], key)
	it := item{sh: sh, d: d, e: e, h: head{flags: flags, keyOff: off, keyLen: len(key), valLen: valLen}}
	if invariant.Enabled {
		_, twice := d.t.Find(h, key)
		invariant.Check(!twice, "the key %q is made though it is there", key)
	}
	it.slot = d.t.Insert(h, e, at_ms)
	if at_ms != 0 {
		d.t.Mark(it.slot)
	}
	d.gen++
	if !again {
		v.event(sh, Notice, key, "new")
	}
	v.replacing = false
	return it
}

// each calls fn with every shard in s.
func (v *View) each(s Set, fn func(*Shard)) {
	for ; s != 0; s &= s - 1 {
		fn(v.ks.shards[bits.TrailingZeros64(uint64(s))])
	}
}
