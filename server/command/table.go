package command

import (
	"sync/atomic"

	"larder/server/command/spec"
)

// Stats are a command's counts since the start or the last CONFIG RESETSTAT.
type Stats struct {
	Calls    atomic.Uint64
	Time_ns  atomic.Uint64
	Rejected atomic.Uint64 // by a gate, before it ran
	Failed   atomic.Uint64 // replied an error
}

// A Table finds commands by name. It is built once, at the start, and only read afterwards.
//
// It is an open hash of the names' first eight bytes and their length, because the look-up stands in the way of every
// request: a map costs three times as much.
type Table struct {
	slots [tableSize]*Row
	rows  []*Row
}

const tableSize = 1024

// NewTable makes a table of rows, of which it takes copies: several servers of one process share nothing. Containers
// find their subcommands by the catalogue's names.
func NewTable(families ...[]*Row) *Table {
	t := &Table{}
	byName := map[string]*Row{}
	var all []*Row
	for _, f := range families {
		for _, r := range f {
			if byName[r.Name] != nil {
				panic("assertion failed: two rows for " + r.Name)
			}
			r = r.copy()
			byName[r.Name] = r
			all = append(all, r)
		}
	}
	for _, r := range all {
		if r.Container == nil {
			t.Add(r.Name, r)
			continue
		}
		c := byName[r.Container.Name]
		if c == nil {
			panic("assertion failed: no row for the container of " + r.Name)
		}
		c.Subs = append(c.Subs, r)
	}
	return t
}

// copy is the row without what a table and a server have noted in it.
func (r *Row) copy() *Row {
	return &Row{Spec: r.Spec, Run: r.Run, Locks: r.Locks, Choose: r.Choose, Copies: r.Copies, Renames: r.Renames}
}

// Add makes a row known under a name, in small letters: its own, or what rename-command calls it. The row's name stays what it is,
// and whoever treats a command otherwise than others goes by that.
func (t *Table) Add(name string, r *Row) {
	if len(t.rows) > tableSize/2 {
		panic("assertion failed: the command table is too full")
	}
	r.called = name
	i := hashName([]byte(name))
	for t.slots[i] != nil {
		i = (i + 1) % tableSize
	}
	t.slots[i] = r
	t.rows = append(t.rows, r)
}

// Number gives every row, subcommands included, a number from 0 on and returns how many there are. It is called once
// the table is complete.
func (t *Table) Number() int {
	n := 0
	number := func(r *Row) {
		r.ID = n
		n++
		r.Quick = r.Has(spec.Fast) || r.Complexity == "O(1)" && len(r.Keys) > 0
		if r.First == r.Last && r.Locks == OfKeys && r.Choose == nil {
			if first, last, _, ok := r.KeyRange(r.First + 1); ok && first == last {
				r.Single, r.Member = first, memberAt[r.Name]
			}
		}
		if r.Single == 0 && r.HasKeys() && r.Locks == OfKeys && r.Choose == nil {
			_, _, _, r.Many = r.KeyRange(1)
		}
		if len(r.Keys) == 1 && r.Locks == NoneOfThem {
			if k := r.Keys[0]; k.Find == spec.FindKeyNum && k.First == k.NumAt+1 && k.Step == 1 {
				r.Counted = k.Pos + k.NumAt
			}
		}
	}
	for _, r := range t.rows {
		number(r)
		for _, s := range r.Subs {
			number(s)
		}
	}
	return n
}

// memberAt is where requests name a member or a field, or the first of several, in the value at their key. In a large
// collection it is looked up ahead; see Row.Member.
var memberAt = map[string]int{
	"sadd": 2, "srem": 2, "sismember": 2, "smismember": 2,
	"hset": 2, "hsetnx": 2, "hget": 2, "hmget": 2, "hexists": 2, "hdel": 2, "hincrby": 2, "hincrbyfloat": 2, "hstrlen": 2,
	"zadd": 3, "zincrby": 3, "zscore": 2, "zmscore": 2, "zrem": 2, "zrank": 2, "zrevrank": 2,
}

// Remove makes a name unknown.
func (t *Table) Remove(name string) bool {
	rows := t.rows
	*t = Table{}
	found := false
	for _, r := range rows {
		if r.called == name {
			found = true
		} else {
			t.Add(r.called, r)
		}
	}
	return found
}

// Rows is all top-level commands, in no particular order.
func (t *Table) Rows() []*Row { return t.rows }

// Lookup finds the command by its name in any case, nil if there is none.
func (t *Table) Lookup(name []byte) *Row {
	for i := hashName(name); ; i = (i + 1) % tableSize {
		r := t.slots[i]
		if r == nil || sameName(name, r.called) {
			return r
		}
	}
}

// Sub finds a container's subcommand by its name in any case, nil if there is none.
func (r *Row) Sub(name []byte) *Row {
	for _, s := range r.Subs {
		if sameName(name, s.Subname()) {
			return s
		}
	}
	return nil
}

// Find is the row that a request runs: the command's, or the subcommand's of a container. nil if it is not known;
// container is set if only the subcommand is not.
func (t *Table) Find(argv [][]byte) (r, container *Row) {
	r = t.Lookup(argv[0])
	if r == nil || len(r.Subs) == 0 || len(argv) == 1 {
		return r, nil
	}
	if s := r.Sub(argv[1]); s != nil {
		return s, nil
	}
	if r.Run != nil { // a container that is a command of its own: COMMAND
		return r, nil
	}
	return nil, r
}

func hashName(name []byte) int {
	h := uint64(len(name))
	for i, c := range name {
		if i == 8 {
			break
		}
		h = h<<8 ^ uint64(c|0x20)
	}
	if len(name) > 8 {
		h ^= uint64(name[len(name)-1]|0x20) * 0x1b3
		h ^= uint64(name[8]|0x20) << 13
	}
	return int(h * 0x9e3779b97f4a7c15 >> (64 - 10))
}

// sameName compares a name in any case with one in small letters.
func sameName(b []byte, name string) bool {
	if len(b) != len(name) {
		return false
	}
	for i := range len(b) {
		c := b[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != name[i] {
			return false
		}
	}
	return true
}
