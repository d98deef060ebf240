package server

import (
	"larder/keyspace"
	"larder/server/command"
	"larder/server/command/spec"
)

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
