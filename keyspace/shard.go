package keyspace

import (
	"encoding/binary"
	"math/rand/v2"
	"sync"

	"larder/datatypes"
	"larder/datatypes/arena"
	"larder/datatypes/table"
)

// A Shard owns a part of the keys. All but the lock is used only by its holder.
type Shard struct {
	mu    sync.Mutex
	ks    *Keyspace
	id    int
	arena *arena.Arena
	env   datatypes.Env
	dbs   []database
	grave []dropped // large values waiting to be freed, oldest first

	// Interest counts who wants to hear of changes in this shard: watchers, blocked clients, tracked reads. Only
	// while it is not 0, or the view asks for it, are changes recorded one by one.
	Interest int

	Stats ShardStats

	Ext any // what the server keeps per shard: watched keys, blocked clients

	_ [64]byte // the next shard's lock stands in another cache line
}

// ShardStats are counts since the start or the last CONFIG RESETSTAT.
type ShardStats struct {
	Hits, Misses     uint64
	Expired, Evicted uint64
	FieldsExpired    uint64
	ExpireLag_ms     int64 // how late the last sweep's oldest expired key was
}

// A database is one numbered table of keys. The zero database has no table until its first key.
type database struct {
	t     table.Table
	ready bool
	gen   uint32 // grows with each insertion and removal: slots taken before are stale
	ttls  int    // keys with an expiry
}

// dropped is what is left of a removed value or table: memory to be given back step by step.
type dropped struct {
	root  arena.Ref
	typ   datatypes.Type
	table bool // a whole database's table with all its entries
}

func newShard(ks *Keyspace, id int, a *arena.Arena, rnd *rand.PCG) *Shard {
	s := &Shard{ks: ks, id: id, arena: a, dbs: make([]database, ks.databases)}
	s.env = datatypes.Env{Arena: a, Limits: ks.Limits, Hash: ks.hash, Rand: rnd}
	return s
}

// Env is what the shard's values share.
func (s *Shard) Env() *datatypes.Env { return &s.env }

// Arena is the shard's memory.
func (s *Shard) Arena() *arena.Arena { return s.arena }

// Len is the number of keys in database db, those that expired and were not removed yet included.
func (s *Shard) Len(db int) int {
	if !s.dbs[db].ready {
		return 0
	}
	return s.dbs[db].t.Len()
}

// Volatile is the number of keys of database db that have an expiry.
func (s *Shard) Volatile(db int) int { return s.dbs[db].ttls }

// db gives database i with a table.
func (s *Shard) db(i int) *database {
	d := &s.dbs[i]
	if !d.ready {
		d.t = table.New(s.arena, layout{}, s.ks.hash)
		d.ready = true
	}
	return d
}

// stage gives the table for staging, which reads without the lock; an unmade one has nothing to stage.
func (s *Shard) stage(i int) *table.Table { return &s.dbs[i].t }

// swapDB exchanges two databases. All shards are held.
func (s *Shard) swapDB(i, j int) { s.dbs[i], s.dbs[j] = s.dbs[j], s.dbs[i] }

// flush empties database i. Its table and all that it holds is freed step by step.
func (s *Shard) flush(i int) (keys int) {
	d := &s.dbs[i]
	if !d.ready {
		return 0
	}
	keys = d.t.Len()
	s.grave = append(s.grave, dropped{root: d.t.Root(), table: true})
	s.dbs[i] = database{gen: d.gen + 1}
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
	root := arena.Ref(binary.LittleEndian.Uint32(v))
	if !datatypes.FreeStep(&s.env, h.typ(), root, freeAtOnce) {
		s.grave = append(s.grave, dropped{root: root, typ: h.typ()})
	}
}

// freeAtOnce is how many allocations are freed with the command that drops a value; the rest is left to Bury.
const freeAtOnce = 64

// Bury frees up to budget allocations of dropped values and tells whether there is more to do.
func (s *Shard) Bury(budget int) (more bool) {
	for len(s.grave) > 0 && budget > 0 {
		g := &s.grave[0]
		done := false
		if g.table {
			t := table.Open(s.arena, g.root, layout{}, s.ks.hash)
			done = t.FreeStep(freeAtOnce, s.freeEntry)
		} else {
			done = datatypes.FreeStep(&s.env, g.typ, g.root, freeAtOnce)
		}
		budget -= freeAtOnce
		if done {
			s.grave = s.grave[1:]
			if len(s.grave) == 0 {
				s.grave = nil
			}
		}
	}
	return len(s.grave) > 0
}

// Buried is the number of values and tables that wait to be freed.
func (s *Shard) Buried() int { return len(s.grave) }
