// Package keyspace says what happens to a key: where it stands, when it expires, what it costs, who hears of it.
// It knows nothing of RESP, connections or disks.
//
//	Keyspace   all shards, the hash that places keys in them, limits
//	Shard      an arena and one table per database; owned by one command at a time (Lock)
//	View       what a command sees: a database, a time, the shards that it holds; it finds, edits and removes
//	           keys and records what happened to them
//	Handle     one key's value under edit: it keeps the value's bytes inside the key's entry
//	entry.go   the bytes of an entry
//
// A key lives in the shard that its hash names, in every database. Whoever reads or writes a key holds its shard;
// whoever needs several takes them in ascending order, all at once (Lock). Nothing that leaves a shard may be a
// slice of its memory: replies are copied while the shard is held.
package keyspace

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"sync/atomic"

	"larder/datatypes"
	"larder/datatypes/arena"
	"larder/datatypes/invariant"
	"larder/datatypes/table"
	"larder/eviction"
)

// MaxShards is the largest number of shards: a set of them is one uint64.
const MaxShards = 64

// Options are fixed for the life of a keyspace.
type Options struct {
	Shards    int                     // a power of two, 1 to MaxShards
	Databases int                     // at least 1
	Hash      func(key []byte) uint64 // keyed per process, so that nobody can choose collisions
	Seed      uint64                  // of all random choices
	MaxBytes  int64                   // address space of each shard's arena, 0 for the arena's default
	HugePages bool
}

// Keyspace is all the data of a server. The exported fields are set before it is shared, or with every shard held.
type Keyspace struct {
	Limits   *datatypes.Limits
	Clock    eviction.Clock
	Policy   *eviction.Named // what leaves when memory is short; see SetPolicy
	LazyFree LazyFree
	BySize   bool // s3fifo lets large entries go first

	StrayLeast int // bytes of a collection from which it is not copied to another shard if that can be avoided; see strays

	WalkLeast int // elements of a value from which on a walk shows it in pieces
	CopyLeast int // weight of a value from which COPY is made ahead, in steps
	CopyStep  int // weight of a step; see Copying

	opt       Options
	hash      func([]byte) uint64
	shards    []*Shard
	shardBits int
	databases int
	strays    atomic.Pointer[strays] // nil: all keys are at home

	maxMemory   atomic.Int64
	views       atomic.Uint64 // that were made
	census      []census      // by database
	squeezeTurn atomic.Uint32 // of the shards, to be squeezed
	squeezeIdle atomic.Int32  // calls that the last one without gain made do nothing,
	squeezeRest atomic.Int32  // and those of them that are left; below 0 none is, as several may count it down at once
	squeezeGaps atomic.Int64  // the gaps that were left then
	evictions   atomic.Uint32 // that were tried
	grain       atomic.Int64  // by how much a shard may change before it tells; see usedGrain
	policyBytes atomic.Int64  // what the policy keeps, as it is part of used
	walks       WalkID        // the last one that was begun
	used        atomic.Int64  // of all shards; see Shard.noteUsed
	graves      atomic.Uint64 // the Set of shards in which Bury has something to do
	shadow      atomic.Int64  // of used, what is there only for a walk; see shadow.go
	resident    atomic.Int64  // memory that the shards hold from the system

	wakeAt atomic.Int64 // when the sweeper is going to look next, in Unix milliseconds
	wake   chan struct{}
}

// LazyFree holds the lazyfree-lazy-* directives: whether a large value that a command drops is freed step by step
// afterwards or before the command answers. Either way the shard is not stopped for long.
type LazyFree struct{ Eviction, Expire, ServerDel, UserDel, UserFlush bool }

// New makes an empty keyspace. The error is the system's refusal of address space.
func New(o Options) (*Keyspace, error) {
	if o.Shards < 1 || o.Shards > MaxShards || o.Shards&(o.Shards-1) != 0 {
		return nil, fmt.Errorf("the number of shards must be a power of two from 1 to %d, not %d", MaxShards, o.Shards)
	}
	if o.Databases < 1 {
		return nil, fmt.Errorf("the number of databases must be at least 1, not %d", o.Databases)
	}
	limits := datatypes.DefaultLimits()
	ks := &Keyspace{
		Limits: &limits, Clock: eviction.Clock{LogFactor: 10, DecayTime: 1}, Policy: eviction.ByName("noeviction"),
		opt: o, hash: o.Hash, shardBits: bits.TrailingZeros(uint(o.Shards)), databases: o.Databases,
		wake: make(chan struct{}, 1), census: make([]census, o.Databases), StrayLeast: strayLeast,
		CopyLeast: copyLeast, CopyStep: copyStep, WalkLeast: leastWalked(),
	}
	for i := range o.Shards {
		a, err := arena.New(arena.Options{MaxBytes: o.MaxBytes, HugePages: o.HugePages})
		if err != nil {
			ks.Close()
			return nil, fmt.Errorf("shard %d: %w", i, err)
		}
		ks.shards = append(ks.shards, newShard(ks, i, a, rand.NewPCG(o.Seed, uint64(i))))
	}
	if invariant.Enabled { // so that all tests meet strays, and copies in steps
		ks.StrayLeast = 1
		ks.CopyLeast, ks.CopyStep = 1, 20
	}
	ks.used.Store(ks.fixed())
	ks.SetMaxMemory(0)
	return ks, nil
}

// Close gives all memory back. No view may be used afterwards.
func (ks *Keyspace) Close() {
	for _, s := range ks.shards {
		s.arena.Close()
	}
}

// Shards is the number of shards.
func (ks *Keyspace) Shards() int { return len(ks.shards) }

// Databases is the number of databases.
func (ks *Keyspace) Databases() int { return ks.databases }

// Hash is the keyed hash of a key, the one that ShardOf and the tables go by.
func (ks *Keyspace) Hash(key []byte) uint64 { return ks.hash(key) }

// Shard gives shard i. The caller holds it before using it.
func (ks *Keyspace) Shard(i int) *Shard { return ks.shards[i] }

// A Set is a set of shards: bit i is shard i.
type Set uint64

// All is the set of all shards.
func (ks *Keyspace) All() Set { return Set(^uint64(0) >> (64 - len(ks.shards))) }

// Unlock releases the shards in s.
func (ks *Keyspace) Unlock(s Set) {
	for ; s != 0; s &= s - 1 {
		ks.shards[bits.TrailingZeros64(uint64(s))].mu.Unlock()
	}
}

// Reserve is ReserveMany for one value.
func (ks *Keyspace) Reserve(s Set, n int) bool { return ks.ReserveMany(s, n, 1) }

// ReserveMany makes sure that each shard in s, which are held, can take a write of count values of n bytes together: twice
// the bytes in one piece, what each value needs besides, and what a table or a tree may grow by on the way. It is false if the system
// refuses the memory.
func (ks *Keyspace) ReserveMany(s Set, n, count int) bool {
	for ; s != 0; s &= s - 1 {
		if !ks.shards[bits.TrailingZeros64(uint64(s))].arena.ReserveParts(2*n+reserveSlack, count*reserveEach) {
			return false
		}
	}
	return true
}

const (
	// reserveEach covers what a short element takes beyond its bytes: an entry of a sorted set, its slots in table and
	// tree at their lowest fill.
	reserveEach = 128

	// reserveSlack covers a segment's split, a directory's doubling and the conversion of a small blob; for others see
	// View.RoomToEdit.
	reserveSlack = 256 << 10
)

// Used is the bytes that the data takes, up to a few KiB for each shard: what is in the arenas, and what shards and
// databases take when they are empty. It may be called without holding a shard.
func (ks *Keyspace) Used() int64 { return ks.used.Load() }

// Graves are the shards that have dropped values whose memory Bury would give back, or weigh, now. It may be called without holding a
// shard.
func (ks *Keyspace) Graves() Set { return Set(ks.graves.Load()) }

// Resident is the memory that the data holds from the system: pages in use, with the gaps in them, and free pages that
// were not given back. It may be called without holding a shard.
func (ks *Keyspace) Resident() int64 { return ks.resident.Load() + ks.policyBytes.Load() }

// fixed is about what shards and databases take on the Go heap.
func (ks *Keyspace) fixed() int64 {
	return int64(len(ks.shards)) * (shardBytes + int64(ks.databases)*databaseBytes)
}

const (
	shardBytes    = 2 << 10 // with its arena's classes
	databaseBytes = 64
)

// SetMaxMemory sets the limit in bytes, 0 for none.
func (ks *Keyspace) SetMaxMemory(n int64) {
	ks.maxMemory.Store(n)
	grain := int64(usedGrain)
	if n > 0 {
		grain = max(1, min(grain, n>>20))
	}
	ks.grain.Store(grain)
}

// MaxMemory is the limit in bytes, 0 for none.
func (ks *Keyspace) MaxMemory() int64 { return ks.maxMemory.Load() }

// A Batch is lookups that are about to be made; see table.Batch.
type Batch struct{ b table.Batch }

// BatchSize is how many lookups a Batch takes.
const BatchSize = table.BatchSize

// Stage puts the lookup of hash h in database db into a batch. The shard needs not be held, and nothing is changed.
func (ks *Keyspace) Stage(b *Batch, db int, h uint64) {
	b.b.Add(ks.shards[ks.ShardOf(h)].stage(db), h)
}

// StageMember puts the lookup of a member or field with the hash member into a batch: in the set, hash or sorted set at
// the key with hash h, if that is a table. The key's own lookup has been staged and loaded before. The shard needs not be
// held, and nothing is changed.
func (ks *Keyspace) StageMember(b *Batch, db int, h, member uint64) {
	sh := ks.shards[ks.ShardOf(h)]
	if root := glimpseRoot(sh.arena, sh.stage(db).Glimpse(h)); root != 0 {
		t := table.Open(sh.arena, root, layout{}, nil)
		b.b.Add(&t, member)
	}
}

// Full tells whether the batch takes no more lookups before a Load.
func (b *Batch) Full() bool { return b.b.Full() }

// Load brings what the staged lookups will read closer to the processor, all of it at once, and empties the batch.
func (b *Batch) Load() { b.b.Load() }
