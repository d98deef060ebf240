package main

import (
	"slices"

	"larder/tests/internal/wire"
)

// databases are those that scripts use.
var databases = []string{"0", "1", "2"}

// readerOf is how a value of each type is read.
var readerOf = map[string][][]string{
	"string": {{"GET", ""}},
	"list":   {{"LRANGE", "", "0", "-1"}},
	"set":    {{"SMEMBERS", ""}},
	"hash":   {{"HGETALL", ""}},
	"zset":   {{"ZRANGE", "", "0", "-1", "WITHSCORES"}},
	"stream": {{"XRANGE", "", "-", "+"}, {"XINFO", "STREAM", "", "FULL", "COUNT", "0"}},
}

// ownConn is the number of a connection that no script uses.
const ownConn = 0

// contents reads all that a script may have left behind: the names in each database, then their types, then what is
// there, then the times of the fields of hashes. The steps are the same on two servers as long as the replies are.
func (p *player) contents() (steps []step, replies [][]byte, err error) {
	read := func(more []step) ([][]byte, error) {
		for i := range more {
			more[i].conn = ownConn
		}
		got, err := p.play(more)
		steps, replies = append(steps, more...), append(replies, got...)
		return got, err
	}
	var ask []step
	for _, db := range databases {
		ask = append(ask, step{args: []string{"SELECT", db}}, step{args: []string{"DBSIZE"}}, step{args: []string{"KEYS", "*"}})
	}
	got, err := read(ask)
	if err != nil {
		return nil, nil, err
	}
	keys := make([][]string, len(databases))
	ask = nil
	for i, db := range databases {
		if keys[i], err = texts(got[3*i+2]); err != nil {
			return nil, nil, err
		}
		ask = append(ask, step{args: []string{"SELECT", db}})
		for _, k := range keys[i] {
			ask = append(ask, step{args: []string{"TYPE", k}}, step{args: []string{"PEXPIRETIME", k}}, step{args: []string{"OBJECT", "ENCODING", k}})
		}
	}
	if got, err = read(ask); err != nil {
		return nil, nil, err
	}
	hash := map[int]string{} // by the step that reads it
	ask = nil
	for i, db := range databases {
		ask = append(ask, step{args: []string{"SELECT", db}})
		got = got[1:]
		for _, k := range keys[i] {
			kind, err := wire.Parse(got[0])
			if err != nil {
				return nil, nil, err
			}
			got = got[3:]
			if kind.String() == "hash" {
				hash[len(ask)] = k
			}
			for _, with := range readerOf[kind.String()] {
				args := slices.Clone(with)
				args[slices.Index(args, "")] = k
				ask = append(ask, step{args: args})
			}
		}
	}
	if got, err = read(ask); err != nil || !p.side.times {
		return steps, replies, err
	}
	all := ask
	ask = nil
	for i, s := range all {
		if s.name() == "SELECT" {
			ask = append(ask, step{args: s.args})
		} else if k := hash[i]; k != "" {
			names, err := fieldNames(got[i])
			if err != nil {
				return nil, nil, err
			}
			ask = append(ask, step{args: append([]string{"HPEXPIRETIME", k, "FIELDS", itoa(len(names))}, names...)})
		}
	}
	_, err = read(ask)
	return steps, replies, err
}

// fieldNames are the fields in a reply to HGETALL, in order.
func fieldNames(reply []byte) (out []string, err error) {
	v, err := wire.Parse(reply)
	for i := 0; i < len(v.Elems); i += 2 {
		out = append(out, string(v.Elems[i].Text))
	}
	slices.Sort(out)
	return out, err
}

// texts are the elements of a reply, in order.
func texts(reply []byte) (out []string, err error) {
	v, err := wire.Parse(reply)
	for _, e := range v.Elems {
		out = append(out, string(e.Text))
	}
	slices.Sort(out)
	return out, err
}

// finding is the part of steps that leads to the one at index: the choice of its database.
func finding(steps []step, index int) []step {
	out := []step{{conn: 1, args: steps[index].args}}
	for i := index - 1; i >= 0; i-- {
		if steps[i].name() == "SELECT" {
			return append([]step{{conn: 1, args: steps[i].args}}, out...)
		}
	}
	return out
}
