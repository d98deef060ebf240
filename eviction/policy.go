package eviction

import (
	"sync"
	"sync/atomic"
)

// A Policy chooses which of the entries that a source offers leaves next. It keeps what it needs to know about an entry in
// that entry's access word, and little else: see State. A further policy is one file: a type with this method, and its names
// in an init function.
type Policy interface {
	// Victim is the entry that leaves, false if the source has none to offer. It looks at a bounded number of them.
	Victim(src Source, st *State, at Moment) (Candidate, bool)
}

// Moment is what a choice depends on besides the entries.
type Moment struct {
	Clock   *Clock
	Now_ms  int64
	Rnd     uint64 // a uniform random number
	Samples int    // maxmemory-samples: how many entries a policy that samples looks at
	BySize  bool   // s3fifo: large entries have to be used more than small ones
}

// A Source offers the entries of one database that may leave: all of them, or those with an expiry. They stand in many
// shards, of which it holds one at a time: what it returns is valid until its next method is called.
type Source interface {
	// Len is about how many there are.
	Len() int
	// Sample is the entries of a random place, PlaceRoom of them as a rule at most.
	Sample(rnd uint64) []Candidate
	// Next is an entry that was not returned for longest: a hand goes over each shard in the order of the hashes. It is
	// false if there is none, or none nearby.
	Next() (Candidate, bool)
	// Some is up to n entries that Next would return one after the other, at least one unless there is none nearby.
	Some(n int) []Candidate
	// Find is the entries at a place: hardly ever more than one.
	Find(p Place) []Candidate
	// Ahead says what Find is going to be asked for at the next choice, and at the one after it, if all goes on as it does. It
	// may bring closer what that will read.
	Ahead(next, later Place)
	// Soonest is about the entry that expires before all others.
	Soonest() (Candidate, bool)
	// Hash is the hash of an entry, and where to find it again.
	Hash(c Candidate) (hash uint64, p Place)
	// SetWord changes the access word of an entry.
	SetWord(c Candidate, word uint32)
}

// Candidate is what a policy sees of an entry.
type Candidate struct {
	Word      uint32 // access word
	Expire_ms int64  // 0 none
	Size      int    // bytes of the entry, without what a collection has elsewhere
	ID        int    // the source's
}

// A Place says where an entry is to be found again: 8 bits for the shard, then the leading 32 bits of its hash.
type Place uint64

// PlaceOf is the place of an entry.
func PlaceOf(shard int, hash uint64) Place { return Place(shard)<<32 | Place(hash>>32) }

// Shard is the shard of a place.
func (p Place) Shard() int { return int(p >> 32) }

// Prefix is the lowest hash that may stand at a place.
func (p Place) Prefix() uint64 { return uint64(p) << 32 }

// State is what a policy keeps for one database besides the access words. The zero State is that of a database that
// nothing has left yet. It may be used by several at once; nobody waits while using it.
type State struct {
	mu   sync.Mutex
	pool pool
	fifo fifo

	_    [64]byte
	uses atomic.Uint64 // see s3fifo.go; read with each access, written rarely
	_    [56]byte
}

// Bytes is the memory that the state takes.
func (st *State) Bytes() int {
	st.mu.Lock()
	defer st.mu.Unlock()
	return len(st.fifo.small.ring) + st.fifo.ghosts.bytes + st.fifo.models.bytes()
}

// Reset forgets everything.
func (st *State) Reset() {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.pool, st.fifo = pool{}, fifo{}
	st.uses.Store(0)
}

// A Named is a policy under one of the names that maxmemory-policy gives it.
type Named struct {
	Name     string
	Volatile bool   // only entries that have an expiry leave
	Words    Words  // what access words mean
	Policy   Policy // nil: nothing leaves
}

// Evicts tells whether anything leaves at all.
func (n *Named) Evicts() bool { return n.Policy != nil }

var byName = map[string]*Named{"noeviction": {Name: "noeviction"}}

// register makes a policy known as allkeys-name and volatile-name.
func register(name string, words Words, p Policy) {
	registerAs("allkeys-"+name, false, words, p)
	registerAs("volatile-"+name, true, words, p)
}

func registerAs(name string, volatile bool, words Words, p Policy) {
	byName[name] = &Named{Name: name, Volatile: volatile, Words: words, Policy: p}
}

// ByName is the policy with the name, or nil.
func ByName(name string) *Named { return byName[name] }
