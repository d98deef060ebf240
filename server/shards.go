package server

import (
	"larder/keyspace"
	"larder/server/command"
	"larder/server/command/spec"
)

// What directive shards stands for by itself: enough that two loops seldom want the same one, and no more. Each shard has
// memory of its own, in slabs of each size, and the last slab of a size is on average half empty: a cache of 100 MiB with values
// of all sizes up to 1000 bytes holds 16 % more keys in 16 shards than in 64.
const (
	shardsPerLoop = 8
	shardsLeast   = 16
)

// shardsFor is the number of shards that a configuration asks for; 0 stands for what suits the number of loops.
func shardsFor(wanted, loops int) int {
	if wanted > 0 {
		return wanted
	}
	n := shardsLeast
	for n < shardsPerLoop*loops && n < keyspace.MaxShards {
		n *= 2
	}
	return n
}

// locksOf is the set of shards that a request holds while it runs: by its row's rule, those of its keys. refs is room
// for the keys' places.
func (ex *executor) locksOf(row *command.Row, argv [][]byte) keyspace.Set {
	ks := ex.srv.ks
	switch row.LocksFor(argv) {
	case command.AllOfThem, command.World:
		return ks.All()
	case command.NoneOfThem:
		return 0
	}
	first, last, step, ok := row.KeyRange(len(argv))
	var set keyspace.Set
	if ok {
		for i := first; i <= last; i += step {
			set |= 1 << ks.ShardOf(ks.Hash(argv[i]))
		}
		return set
	}
	ex.refs = row.AppendKeys(ex.refs[:0], argv)
	for _, r := range ex.refs {
		set |= 1 << ks.ShardOf(ks.Hash(argv[r.Pos]))
	}
	return set
}

// keysOf calls fn with each key that a request names.
func (ex *executor) keysOf(row *command.Row, argv [][]byte, fn func(key []byte, flags spec.KeyFlags)) {
	ex.refs = row.AppendKeys(ex.refs[:0], argv)
	for _, r := range ex.refs {
		fn(argv[r.Pos], r.Flags)
	}
}
