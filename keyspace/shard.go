package keyspace

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"

	"larder/datatypes"
	"larder/datatypes/arena"
	"larder/datatypes/table"
	"larder/eviction"
)

// A Shard owns a part of the keys. All but the lock is used only by its holder.
type Shard struct {
	mu    sync.Mutex
	ks    *Keyspace
	id    int
	arena *arena.Arena
	env   datatypes.Env
	dbs   []database
	made  int       // how many of them have a table
	grave []dropped // large values waiting to be freed, oldest first

	// Interest counts who wants to hear of changes in this shard: watchers, blocked clients, tracked reads. Only
	// while it is not 0, or the view asks for it, are changes recorded one by one.
	Interest int

	Stats ShardStats

	lastUsed int64        // what the keyspace's sum of used bytes has of this shard
	lastHeld int64        // the same of resident bytes
	lastDue  int64        // what due was last set to
	due      atomic.Int64 // lower bound of the time at which something expires here; the largest int64 if nothing does
	peeked   item         // the entry that a value is bound to for a look at it
	defrag   defrag
	hot      eviction.Hot
	big      big
	walk     *walk // not nil while a snapshot is written
	shadow   int64 // bytes of the dropped tables and values that are there only for the walk; see shadow.go

	copied []*Copying // copies of values here that are being made and not stale; nil if there are none
	making []*Copying // copies that have memory here; nil if there are none

	waiting atomic.Int32 // who waits for the shard, and has for some time

	Ext any // what the server keeps per shard: watched keys, blocked clients

	_ [64]byte // the next shard's lock stands in another cache line
}

// ShardStats are counts since the start or the last CONFIG RESETSTAT.
type ShardStats struct {
	Hits, Misses     uint64
	Expired, Evicted uint64
	FieldsExpired    uint64
	LazyFreed        uint64 // large values, and keys of flushed databases, that were freed step by step
	ExpireLag_ms     int64  // how late the last sweep's oldest expired key was
}

// A database is one numbered table of keys. It has no table, and its handle names none, until its first key. The handle
// is only ever changed by Replace, because Keyspace.Stage reads it without the shard.
type database struct {
	t     table.Table
	ready bool
	gen   uint32     // grows with each entry that comes, goes or changes its form: what was looked up before is stale
	ttls  int        // keys with an expiry
	subs  int        // hashes of which a field has one
	hand  table.Hand // of policies that go from one key to the next
	part  *part      // of the shard's walk; nil if there is none, or the database was empty when it began
}

// dropped is what is left of a removed value or table: memory to be given back step by step.
type dropped struct {
	root  arena.Ref
	typ   datatypes.Type
	table bool       // a whole database's table with all its entries
	keys  int        // in that table; 1 for a value
	part  *part      // of a walk that still goes through the table
	large *largePart // of one that still goes through the value

	cursor  uint64 // of the table: what is before it has been weighed
	weighed bool   // to its end
	weight  int64  // how many bytes of it are in the shard's shadow
}

func newShard(ks *Keyspace, id int, a *arena.Arena, rnd *rand.PCG) *Shard {
	s := &Shard{ks: ks, id: id, arena: a, dbs: make([]database, ks.databases)}
	for i := range s.dbs {
		s.dbs[i].t = s.noTable()
	}
	s.env = datatypes.Env{Arena: a, Limits: ks.Limits, Hash: ks.hash, Rand: rnd, Bury: s.bury}
	s.setDue(never)
	return s
}

// Env is what the shard's values share.
func (s *Shard) Env() *datatypes.Env { return &s.env }

// noteUsed lets Keyspace.Used know, before the shard is released, if what the shard takes has changed by more than a
// little: the sum is one word for all.
func (s *Shard) noteUsed() {
	if n := s.arena.LiveBytes() - s.lastUsed; n >= s.ks.grain.Load() || n <= -s.ks.grain.Load() {
		s.lastUsed += n
		s.ks.used.Add(n)
	}
	if n := s.arena.ResidentBytes() - s.lastHeld; n != 0 {
		s.lastHeld += n
		s.ks.resident.Add(n)
	}
}

// SyncUsed makes the shard's part of Keyspace.Used exact. The shard is held.
func (s *Shard) SyncUsed() {
	if n := s.arena.LiveBytes() - s.lastUsed; n != 0 {
		s.ks.used.Add(n)
		s.lastUsed += n
	}
	if n := s.arena.ResidentBytes() - s.lastHeld; n != 0 {
		s.ks.resident.Add(n)
		s.lastHeld += n
	}
}

// usedGrain is how far off each shard's part of Keyspace.Used may be, in bytes; less under a small limit.
const usedGrain = 4096

// never is later than every expiry.
const never = math.MaxInt64

// setDue notes when something of the shard is due.
func (s *Shard) setDue(at_ms int64) {
	s.lastDue = at_ms
	s.due.Store(at_ms)
}

// dueAt notes that something of the shard expires at at_ms, 0 for never.
func (s *Shard) dueAt(at_ms int64) {
	if at_ms = min(at_ms, never-1); at_ms != 0 && at_ms < s.lastDue {
		s.setDue(at_ms)
		s.ks.alarm(at_ms)
	}
}

// Arena is the shard's memory.
func (s *Shard) Arena() *arena.Arena { return s.arena }

// Len is the number of keys in database db, those that expired and were not removed yet included.
func (s *Shard) Len(db int) int {
	if !s.dbs[db].ready {
		return 0
	}
	return s.dbs[db].t.Len()
}

// EachDatabase calls fn with the number of each database that may have keys here.
func (s *Shard) EachDatabase(fn func(db int)) {
	left := s.made
	for i := 0; left > 0; i++ {
		if s.dbs[i].ready {
			fn(i)
			left--
		}
	}
}

// Has tells whether database db holds a live key, without a trace.
func (s *Shard) Has(db int, key []byte, now_ms int64) bool {
	d := &s.dbs[db]
	if !d.ready {
		return false
	}
	slot, ok := d.t.Find(s.ks.hash(key), key)
	if !ok {
		return false
	}
	at := expireOf(s.arena, d.t.Entry(slot))
	return at == 0 || at >= now_ms
}

// Lapsed tells whether database db holds a key whose time is over and that nobody has removed yet.
func (s *Shard) Lapsed(db int, key []byte, now_ms int64) bool {
	d := &s.dbs[db]
	if !d.ready || d.ttls == 0 {
		return false
	}
	slot, ok := d.t.Find(s.ks.hash(key), key)
	if !ok {
		return false
	}
	at := expireOf(s.arena, d.t.Entry(slot))
	return at != 0 && at < now_ms
}

// Tend does up to budget steps of merging and shrinking the shard's tables, and gives those back that have become
// empty. It tells whether there is more to do.
func (s *Shard) Tend(budget int) (more bool) {
	for i := range s.dbs {
		d := &s.dbs[i]
		switch {
		case !d.ready:
		case d.t.Len() == 0:
			s.flush(i)
		case d.t.Maintain(budget):
			return true
		}
	}
	return false
}

// Volatile is the number of keys of database db that have an expiry.
func (s *Shard) Volatile(db int) int { return s.dbs[db].ttls }

// Subvolatile is the number of hashes of database db of which a field has an expiry.
func (s *Shard) Subvolatile(db int) int { return s.dbs[db].subs }

// db gives database i with a table.
func (s *Shard) db(i int) *database {
	d := &s.dbs[i]
	if !d.ready {
		d.t.Replace(table.New(s.arena, layout{}, s.ks.hash))
		d.ready = true
		s.made++
	}
	return d
}

// stage gives the table for staging, which reads without the lock; an unmade one has nothing to stage.
func (s *Shard) stage(i int) *table.Table { return &s.dbs[i].t }

// noTable is the handle of a database without keys.
func (s *Shard) noTable() table.Table { return table.Open(s.arena, 0, layout{}, s.ks.hash) }

// swapDB exchanges two databases. All shards are held.
func (s *Shard) swapDB(i, j int) {
	s.spoil(func(c *Copying) bool { return c.db == i || c.db == j })
	a, b := &s.dbs[i], &s.dbs[j]
	ta, tb := table.Open(s.arena, a.t.Root(), layout{}, s.ks.hash), table.Open(s.arena, b.t.Root(), layout{}, s.ks.hash)
	a.t.Replace(tb)
	b.t.Replace(ta)
	a.ready, b.ready = b.ready, a.ready
	a.ttls, b.ttls = b.ttls, a.ttls
	a.subs, b.subs = b.subs, a.subs
	a.part, b.part = b.part, a.part
	for _, d := range [2]*database{a, b} {
		if d.part != nil {
			d.part.t = &d.t
		}
	}
	a.gen++
	b.gen++
}

// flush empties database i. Its table and all that it holds is freed step by step.
func (s *Shard) flush(i int) (keys int) {
	d := &s.dbs[i]
	if !d.ready {
		return 0
	}
	s.spoil(func(c *Copying) bool { return c.db == i })
	keys = d.t.Len()
	s.entomb(dropped{root: d.t.Root(), table: true, keys: keys, part: d.part})
	if d.part != nil {
		d.part.detach(table.Open(s.arena, d.t.Root(), layout{}, s.ks.hash))
		d.part = nil
	}
	d.t.Replace(s.noTable())
	d.ready, d.ttls, d.subs = false, 0, 0
	s.made--
	d.gen++
	return keys
}

// freeEntry gives the entry's memory back. A structure's is queued when it is large.
func (s *Shard) freeEntry(e arena.Ref) {
	h := parse(s.arena, e)
	s.freeValue(h, e)
	s.arena.Free(e, h.size())
}

// freeValue gives back what the entry's value owns outside of the entry.
func (s *Shard) freeValue(h head, e arena.Ref) {
	if h.flags&farBit == 0 && h.enc() != datatypes.EncRoot {
		return
	}
	v := s.arena.Bytes(e, h.size())[h.valOff():]
	if h.far() {
		f := getFar(v)
		s.arena.Free(f.ref, f.cap)
		return
	}
	s.bury(h.typ(), arena.Ref(binary.LittleEndian.Uint32(v)))
}

// bury gives a structure back: at once if it is small, else it is queued.
func (s *Shard) bury(t datatypes.Type, root arena.Ref) {
	if l := s.left(root); l != nil {
		s.entomb(dropped{root: root, typ: t, keys: 1, large: l})
		return
	}
	if !datatypes.FreeStep(&s.env, t, root, freeAtOnce) {
		s.entomb(dropped{root: root, typ: t, keys: 1})
	}
}

// entomb queues what was dropped, and wakes who frees it.
func (s *Shard) entomb(d dropped) {
	s.grave = append(s.grave, d)
	if bit := uint64(1) << s.id; s.ks.graves.Or(bit)&bit == 0 {
		s.ks.wakeSweeper()
	}
}

// noteGrave makes Keyspace.Graves right about the shard.
func (s *Shard) noteGrave() (more bool) {
	if more = s.nextGrave() >= 0; more {
		s.ks.graves.Or(1 << s.id)
	} else {
		s.ks.graves.And(^(uint64(1) << s.id))
	}
	return more
}

// freeAtOnce is how many allocations are freed with the command that drops a value; the rest is left to Bury.
const freeAtOnce = 64

// Bury frees up to budget allocations of dropped values and tells whether there is more to do. A table that a walk still
// goes through waits until that is over, and is only weighed.
func (s *Shard) Bury(budget int) (more bool) {
	for budget > 0 {
		i := s.nextGrave()
		if i < 0 {
			break
		}
		g := &s.grave[i]
		if g.waits() {
			budget -= max(freeAtOnce, s.weighGrave(g))
			continue
		}
		done, had := false, s.arena.LiveBytes()
		if g.table {
			t := table.Open(s.arena, g.root, layout{}, s.ks.hash)
			done = t.FreeStep(freeAtOnce, s.freeEntry)
		} else {
			done = datatypes.FreeStep(&s.env, g.typ, g.root, freeAtOnce)
		}
		budget -= freeAtOnce
		g = &s.grave[i] // large values of a table have come behind it
		s.lift(g, had-s.arena.LiveBytes(), done)
		if done {
			s.Stats.LazyFreed += uint64(g.keys)
		}
		switch {
		case done && i == 0:
			s.grave = s.grave[1:]
		case done:
			s.grave = slices.Delete(s.grave, i, i+1)
		}
		if len(s.grave) == 0 {
			s.grave = nil
		}
	}
	return s.noteGrave()
}

// nextGrave is the first dropped value that may be freed, or has to be weighed, or -1.
func (s *Shard) nextGrave() int {
	for i := range s.grave {
		if g := &s.grave[i]; !g.waits() || !g.weighed {
			return i
		}
	}
	return -1
}

// Buried is the number of values and tables that wait to be freed.
func (s *Shard) Buried() int { return len(s.grave) }
