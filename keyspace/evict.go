package keyspace

import (
	"math"
	"math/bits"
	"sync"
	"sync/atomic"

	"larder/datatypes/arena"
	"larder/datatypes/table"
	"larder/eviction"
)

// Evict removes one key: the one that the policy of the keyspace lets go first, of one of the databases, of which the larger
// are more likely. samples is how many candidates a policy that samples looks at. The view holds no shard before. If there
// was a key to remove it holds the key's shard afterwards, so that the caller can tell who has to hear of it, and releases
// it then; if not, or if GiveUp says that a shard is not to be waited for, Evict returns false and holds nothing. See Missed.
func (v *View) Evict(samples int) bool {
	ks, p := v.ks, v.ks.Policy
	v.missed = false
	if !p.Evicts() {
		return false
	}
	if ks.evictions.Add(1)&(countEvery-1) == 0 {
		ks.CountKeys(v.Waits, v.GiveUp)
	}
	from := v.DB
	defer func() { v.DB = from }()
	if v.evictFromSome(samples) {
		return true
	}
	ks.CountKeys(v.Waits, v.GiveUp) // what is known of the databases may be old
	if v.evictFromSome(samples) {
		return true
	}
	v.missed = ks.someDB(0, p.Volatile) >= 0
	return false
}

// Missed tells whether there are keys that may leave though the last Evict has removed none. It looks at a bounded number of keys, and
// those that may leave can be few among very many: the next one goes on where it has come to.
func (v *View) Missed() bool { return v.missed }

// countEvery is after how many evictions the databases' keys are counted again.
const countEvery = 1024

func (v *View) evictFromSome(samples int) bool {
	n := v.ks.someDB(v.random(), v.ks.Policy.Volatile)
	return n >= 0 && v.evictFrom(n, samples)
}

func (v *View) evictFrom(n, samples int) bool {
	ks := v.ks
	c := &v.choice
	c.begin(v, n)
	st := &ks.census[n].state
	got, ok := ks.Policy.Policy.Victim(c, st, eviction.Moment{Clock: &ks.Clock, Now_ms: v.Now, Rnd: v.random(), Samples: samples, BySize: ks.BySize})
	if !ok {
		c.drop()
		return false
	}
	it := c.items[got.ID]
	v.DB = n
	if v.BeforeEvict != nil {
		v.BeforeEvict()
	}
	v.event(it.sh, Evicted, it.key(), "evicted")
	it.sh.Stats.Evicted++
	v.drop(&it)
	return true
}

// random is a random number that needs no shard.
func (v *View) random() uint64 {
	v.rnd += 0x9e3779b97f4a7c15
	z := v.rnd
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// SetPolicy makes p what evicts from now on. All shards are held, or the keyspace is not shared yet. What access words say
// is taken for what it means under the new policy, and becomes right as keys are used.
func (ks *Keyspace) SetPolicy(p *eviction.Named) {
	if p == ks.Policy {
		return
	}
	ks.Policy = p
	ks.Clock.Use(p.Words)
	ks.forgetKeys()
}

// AccessMatters tells whether memory has a limit and what leaves then is chosen by accesses.
func (ks *Keyspace) AccessMatters() bool {
	switch ks.Policy.Name {
	case "noeviction", "allkeys-random", "volatile-random", "volatile-ttl":
		return false
	}
	return ks.MaxMemory() > 0
}

// forgetKeys forgets what is known of the databases as a whole.
func (ks *Keyspace) forgetKeys() {
	for i := range ks.census {
		c := &ks.census[i]
		c.state.Reset()
		c.keys.Store(0)
		c.volatile.Store(0)
	}
	ks.used.Add(-ks.policyBytes.Swap(0))
}

// census is what is known of a database as a whole: how many keys it had when they were last counted, and what the
// policy keeps.
type census struct {
	keys, volatile atomic.Int64
	state          eviction.State
	sweep          sweep
}

// sweep is how far the hand of a policy has come that goes from entry to entry. It goes over the parts of the hashes' range,
// and over all shards in each part: so it comes to every entry equally often, however many its shard has. Each view takes
// a part of one shard at a time, so that several may evict side by side.
type sweep struct {
	mu    sync.Mutex
	shard int    // whose turn it is
	from  uint64 // where the part begins
	last  uint64 // and its last hash
}

// partEntries is about how many entries the hand meets in a part of one shard.
const partEntries = 16

// stretch is what a view has of a sweep.
type stretch struct {
	shard int
	hand  table.Hand
	last  uint64
	open  bool
}

// take is the next stretch for somebody who goes over count entries.
func (s *sweep) take(shards, count int) stretch {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shard++; s.shard >= shards || s.last == 0 {
		s.shard = 0
		s.from = 0
		if s.last != math.MaxUint64 && s.last != 0 {
			s.from = s.last + 1
		}
		parts := max(bits.Len(uint(count/shards/partEntries)), 1) - 1
		s.last = s.from | math.MaxUint64>>parts
	}
	return stretch{shard: s.shard, hand: table.HandAt(s.from), last: s.last, open: true}
}

// CountKeys counts the keys of all databases. No shard is held by the caller. It takes each shard once, for a fraction of a
// microsecond and as much for each database with keys; whoever has a policy in force calls it now and then while keys come in, too.
// waits, if it is not nil, is called now and then while a shard is not free; giveUp, too, and if it says so nothing is counted.
func (ks *Keyspace) CountKeys(waits func(), giveUp func() bool) {
	var few [16]tally // that nothing is allocated for with the usual number of databases
	sums := few[:]
	if ks.databases > len(few) {
		sums = make([]tally, ks.databases)
	}
	for i, s := range ks.shards {
		if !ks.lockOne(i, waits, giveUp) {
			return
		}
		s.EachDatabase(func(n int) {
			sums[n].keys += int64(s.Len(n))
			sums[n].volatile += int64(s.Volatile(n))
		})
		s.mu.Unlock()
	}
	bytes := int64(0)
	for n := range ks.census {
		c := &ks.census[n]
		c.keys.Store(sums[n].keys)
		c.volatile.Store(sums[n].volatile)
		if ks.Clock.FIFO { // the other policies keep nothing that counts
			bytes += int64(c.state.Bytes())
		}
	}
	ks.used.Add(bytes - ks.policyBytes.Swap(bytes))
}

// tally is how many keys a database has.
type tally struct{ keys, volatile int64 }

// someDB is a random database that has keys, or volatile keys, each with a chance by their number; -1 if there is none.
func (ks *Keyspace) someDB(rnd uint64, volatile bool) int {
	total := int64(0)
	for i := range ks.census {
		total += ks.census[i].count(volatile)
	}
	if total == 0 {
		return -1
	}
	high, _ := bits.Mul64(rnd, uint64(total))
	nth := int64(high)
	for i := range ks.census {
		n := ks.census[i].count(volatile)
		if nth < n {
			return i
		}
		nth -= n
	}
	return -1
}

func (c *census) count(volatile bool) int64 {
	if volatile {
		return c.volatile.Load()
	}
	return c.keys.Load()
}

// admitted is the access word of a key that comes into database n: where the policy keeps account of what comes, it hears
// of it.
func (v *View) admitted(sh *Shard, n int, h uint64, volatile bool) uint32 {
	ks := v.ks
	switch {
	case !ks.Clock.FIFO || ks.Policy.Volatile && !volatile:
		return ks.Clock.New(v.Now)
	case ks.maxMemory.Load() == 0:
		return ks.Clock.Early(v.Now)
	}
	c := &ks.census[n]
	return c.state.Admit(h, eviction.PlaceOf(sh.id, h), int(c.count(ks.Policy.Volatile)), v.Now)
}

// mayLeaveNow gives a key that was there without an expiry, and has one now, the access word of one that comes: for a policy
// that lets only such keys leave it does.
func (v *View) mayLeaveNow(it *item) {
	if v.ks.Clock.FIFO && v.ks.Policy.Volatile {
		putAccess(it.bytes(), v.admitted(it.sh, v.DB, v.ks.hash(it.key()), true))
	}
}

// choice is the eviction.Source of one database. It makes the view hold the shard that its last candidates are of.
type choice struct {
	v        *View
	db       int
	volatile bool
	shard    int  // that is held, -1 for none
	gaveUp   bool // to wait for one
	items    []item
	list     []eviction.Candidate

	stretches []stretch // of the databases

	expiring table.Marked // keys with an expiry of their own, and how many may still be looked at to find some
	far      int          // how often there may still be none near
}

var _ eviction.Source = (*choice)(nil)

func (c *choice) begin(v *View, db int) {
	c.v, c.db, c.volatile, c.shard, c.gaveUp = v, db, v.ks.Policy.Volatile, -1, false
	if c.expiring.Is == nil {
		c.expiring.Is = c.expires
	}
	c.expiring.Looks, c.far = looksMost, farMost
}

// What a choice may cost when there are few keys that may leave. Marks say in which segments of a table they are, so it takes more
// only after many have lost their expiry, or gone, among many more hashes of which a field expires.
const (
	looksMost = 4096 // keys looked at that expire for their fields only
	farMost   = 16   // stretches of a table without one
)

// expires tells whether an entry of the shard that is held has an expiry of its own. A table knows only that it or a field has.
func (c *choice) expires(e arena.Ref) bool {
	return parse(c.v.ks.shards[c.shard].arena, e).ttl()
}

// only is what hands stop at, nil for every entry.
func (c *choice) only() *table.Marked {
	if c.volatile {
		return &c.expiring
	}
	return nil
}

// spent tells whether the choice has cost what it may.
func (c *choice) spent() bool { return c.expiring.Looks <= 0 || c.far <= 0 }

// take holds shard i instead of the one that is held, and forgets all candidates. It gives the database's part there. ready is
// false if the database has no keys there that may leave, or it was given up to wait for the shard: then none is held.
func (c *choice) take(i int) (sh *Shard, d *database, ready bool) {
	c.items, c.list = c.items[:0], c.list[:0]
	sh = c.v.ks.shards[i]
	d = &sh.dbs[c.db]
	if c.shard != i {
		c.drop()
		if c.gaveUp = !c.v.TakeUnless(1<<i, c.v.GiveUp); c.gaveUp {
			return sh, d, false
		}
		c.shard = i
	}
	return sh, d, d.ready && !(c.volatile && d.ttls == 0)
}

// drop releases the shard that is held.
func (c *choice) drop() {
	if c.shard >= 0 {
		c.v.Release()
		c.shard = -1
	}
}

// Len is about how many entries may leave.
func (c *choice) Len() int { return int(c.v.ks.census[c.db].count(c.volatile)) }

// offer makes a candidate of an entry; it is false if the entry may not leave.
func (c *choice) offer(sh *Shard, d *database, slot table.Slot, e arena.Ref) (eviction.Candidate, bool) {
	it := item{sh: sh, d: d, slot: slot, e: e, h: parse(sh.arena, e)}
	if c.volatile && !it.h.ttl() {
		return eviction.Candidate{}, false
	}
	size := it.h.size()
	if it.h.far() {
		size += getFar(it.bytes()[it.h.valOff():]).cap
	}
	c.items = append(c.items, it)
	return eviction.Candidate{Word: access(it.bytes()), Expire_ms: it.expire(), Size: size, ID: len(c.items) - 1}, true
}

// A place, in the words of package eviction, is a bucket.
var _ = [1]struct{}{}[eviction.PlaceRoom-table.BucketSlots]

// Sample is the entries of a random bucket that may leave.
func (c *choice) Sample(rnd uint64) []eviction.Candidate {
	sh, d, ready := c.take(int(rnd>>40) & (len(c.v.ks.shards) - 1))
	if !ready {
		return nil
	}
	if c.volatile && d.ttls*sparseVolatile < d.t.Len() { // most buckets have none: the next ones are as good
		for range min(8, d.ttls) {
			if c.spent() {
				break
			}
			slot, e, ok := d.t.Next(&d.hand, &c.expiring)
			if !ok {
				c.far--
				break
			}
			c.list = c.append(sh, d, slot, e)
		}
		return c.list
	}
	d.t.Sample(rnd, func(slot table.Slot, e arena.Ref) { c.list = c.append(sh, d, slot, e) })
	return c.list
}

// sparseVolatile is the part of the keys that has an expiry from which on random buckets are looked at.
const sparseVolatile = 16

func (c *choice) append(sh *Shard, d *database, slot table.Slot, e arena.Ref) []eviction.Candidate {
	if x, ok := c.offer(sh, d, slot, e); ok {
		return append(c.list, x)
	}
	return c.list
}

// Next is the entry after the hand of the database.
func (c *choice) Next() (eviction.Candidate, bool) {
	if list := c.Some(1); len(list) > 0 {
		return list[0], true
	}
	return eviction.Candidate{}, false
}

// Some is up to n entries after the hand of the database, all of one shard.
func (c *choice) Some(n int) []eviction.Candidate {
	ks := c.v.ks
	if len(c.stretches) == 0 {
		c.stretches = make([]stretch, ks.databases)
	}
	at := &c.stretches[c.db]
	for idle := 0; idle <= idleMost*len(ks.shards); {
		if !at.open {
			*at = ks.census[c.db].sweep.take(len(ks.shards), c.Len())
			idle++
		}
		sh, d, ready := c.take(at.shard)
		if c.gaveUp {
			return nil
		}
		for at.open = ready; at.open && len(c.list) < n && !c.spent(); {
			slot, e, ok, done := d.t.NextWithin(&at.hand, c.only(), at.last)
			at.open = !done
			switch {
			case ok:
				c.list = c.append(sh, d, slot, e)
			case !done:
				c.far--
			}
		}
		if len(c.list) > 0 || c.spent() {
			return c.list
		}
	}
	return nil
}

// idleMost is how many stretches without an entry Some passes, for each shard.
const idleMost = 4

// Find is the entries at a place.
func (c *choice) Find(p eviction.Place) []eviction.Candidate {
	sh, d, ready := c.take(p.Shard())
	if !ready {
		return nil
	}
	d.t.FindHash(p.Prefix(), func(slot table.Slot, e arena.Ref) {
		it := item{sh: sh, d: d, slot: slot, e: e, h: parse(sh.arena, e)}
		if eviction.PlaceOf(sh.id, sh.ks.hash(it.key())) == p {
			c.list = c.append(sh, d, slot, e)
		}
	})
	return c.list
}

// Ahead loads the entry that is found next, whose bucket it has loaded before, and the bucket of the one after it. No shard
// need be held.
func (c *choice) Ahead(next, later eviction.Place) {
	shards := c.v.ks.shards
	shards[next.Shard()].stage(c.db).Stage2(next.Prefix())
	shards[later.Shard()].stage(c.db).Stage1(later.Prefix())
}

// Soonest is about the entry that expires first.
func (c *choice) Soonest() (eviction.Candidate, bool) {
	ks := c.v.ks
	first, at := 0, int64(never)
	for i, s := range ks.shards {
		if due := s.due.Load(); due < at {
			first, at = i, due
		}
	}
	sh, d, ready := c.take(first)
	if !ready {
		return eviction.Candidate{}, false
	}
	slot, _, ok := d.t.Soonest(func(e arena.Ref) int64 {
		it := item{sh: sh, d: d, e: e, h: parse(sh.arena, e)}
		return it.due()
	})
	sh.setDue(sh.soonest())
	if !ok {
		return eviction.Candidate{}, false
	}
	return c.offer(sh, d, slot, d.t.Entry(slot))
}

// soonest is a lower bound of the time at which something of the shard expires.
func (s *Shard) soonest() int64 {
	at := int64(never)
	for i := range s.dbs {
		if d := &s.dbs[i]; d.ready {
			at = min(at, d.t.MinExpire())
		}
	}
	return at
}

// Hash is the hash of a candidate's key, and its place.
func (c *choice) Hash(x eviction.Candidate) (uint64, eviction.Place) {
	it := &c.items[x.ID]
	h := it.sh.ks.hash(it.key())
	return h, eviction.PlaceOf(it.sh.id, h)
}

// SetWord changes the access word of a candidate.
func (c *choice) SetWord(x eviction.Candidate, word uint32) { putAccess(c.items[x.ID].bytes(), word) }
