// Package datatypes says what a value is: strings, lists, hashes, sets, sorted sets and streams as bytes in an arena.
// It knows nothing of keys, clients, RESP, time sources, configuration files or logging.
//
// A value stands in three parts, of which this package sees the first two:
//
//	holder     the value's own bytes, kept by whoever owns the value (keyspace keeps them inside the key's entry)
//	structure  arena allocations that the holder's bytes name, once the value has outgrown a single blob
//	key        none of our business
//
// The holder's bytes are read according to the value's type and its encoding:
//
//	         EncBlob                     EncInt                           EncRoot
//	string   the bytes themselves        1-8 bytes, little endian, two's  - (EncRaw: bytes edited
//	                                     complement, shortest form          in place)
//	list     listpack                    -                                4-byte ref of a block tree's header
//	hash     listpack field,value,...    listpack field,value,expiry,...  4-byte ref of a member table's header
//	set      listpack                    intset                           4-byte ref of a member table's header
//	zset     listpack member,score,...   -                                4-byte ref of table + B+tree header
//	stream   -                           -                                4-byte ref of the ID tree's header
//
// For example a set of the members 1 and 5 is an intset blob of its two integers; after SADD of "x" the same holder
// carries EncBlob and a listpack; after the 129th member it carries EncRoot and the four bytes 40 02 00 00, the ref
// 0x240 of the table that now owns the members.
//
// An empty collection has no bytes at all. It exists only between two steps of one command: the owner removes a
// value whose Len is 0 when the command ends.
package datatypes

import (
	"encoding/binary"
	"math/rand/v2"

	"larder/datatypes/arena"
)

// Type names what a value is. The numbers are stored in entries; they are not those of any file format.
type Type uint8

// The types, in the order of the numbers that Redis's own sources use for them.
const (
	TypeString Type = iota
	TypeList
	TypeSet
	TypeZSet
	TypeHash
	TypeStream
	typeCount
)

var typeNames = [typeCount]string{"string", "list", "set", "zset", "hash", "stream"}

// String is the name that TYPE replies.
func (t Type) String() string { return typeNames[t] }

// Enc says how the holder's bytes are to be read; see the table above.
type Enc uint8

// Encodings. They fit in two bits.
const (
	EncBlob Enc = iota
	EncInt
	EncRoot
	EncRaw // strings only: a blob that was edited in place, reported as raw however short it is
)

// A Holder is the place where one value's own bytes live. The owner of the value implements it.
//
// Bytes stays valid until the next Resize of the same holder or the end of the command. Resize returns n bytes of
// which the first min(n, old length) are as they were and the rest are undefined; it may move the bytes, so slices
// taken earlier are dead. Neither allocates on the Go heap.
type Holder interface {
	Enc() Enc
	SetEnc(Enc)
	Bytes() []byte
	Resize(n int) []byte

	// Before is called before an element of a large hash, set or sorted set comes, changes or goes: see Walk. Whoever walks
	// through the value looks at all of it, and changes nothing.
	Before(member []byte)
}

// Env is what all values of one shard share. The shard is held while any of it is used.
type Env struct {
	Arena  *arena.Arena
	Limits *Limits                 // borders between compact and large encodings
	Hash   func(key []byte) uint64 // keyed per process
	Rand   *rand.PCG               // seeded by the owner, so that a run can be replayed

	// Bury takes a structure that nothing names any more, part of a value that lives on, and has it freed by FreeStep, now
	// or step by step. If it is nil that is done at once.
	Bury func(t Type, root arena.Ref)
}

// Limits are the borders between a value's compact and its large encoding, by the names of Redis's configuration.
// Sizes are bytes. They may change while the server runs: a value is converted at its next write, and never back
// to the compact form by a changed limit alone.
type Limits struct {
	HashMaxListpackEntries int
	HashMaxListpackValue   int
	SetMaxIntsetEntries    int
	SetMaxListpackEntries  int
	SetMaxListpackValue    int
	ZSetMaxListpackEntries int
	ZSetMaxListpackValue   int
	ListMaxListpackSize    int // > 0: items per block; -1..-5: 4, 8, 16, 32, 64 KiB per block
	StreamNodeMaxBytes     int
	StreamNodeMaxEntries   int
	HLLSparseMaxBytes      int
}

// DefaultLimits are those of redis.conf 7.2.
func DefaultLimits() Limits {
	return Limits{
		HashMaxListpackEntries: 512,
		HashMaxListpackValue:   64,
		SetMaxIntsetEntries:    512,
		SetMaxListpackEntries:  128,
		SetMaxListpackValue:    64,
		ZSetMaxListpackEntries: 128,
		ZSetMaxListpackValue:   64,
		ListMaxListpackSize:    -2,
		StreamNodeMaxBytes:     4096,
		StreamNodeMaxEntries:   100,
		HLLSparseMaxBytes:      3000,
	}
}

// rootRef reads the structure's header ref out of a holder whose encoding is EncRoot.
func rootRef(h Holder) arena.Ref { return arena.Ref(binary.LittleEndian.Uint32(h.Bytes())) }

// setRoot makes h name the structure at r.
func setRoot(h Holder, r arena.Ref) {
	binary.LittleEndian.PutUint32(h.Resize(4), uint32(r))
	h.SetEnc(EncRoot)
}

// StoredInt is the integer that a string of the encoding EncInt keeps as its bytes.
func StoredInt(b []byte) int64 { return shortInt(b) }
