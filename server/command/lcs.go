package command

import (
	"math/bits"

	"larder/keyspace"
	"larder/server/resp"
)

// A common is the table of longest common subsequences of the beginnings of two strings a and b, one bit per cell:
// bit j of row i is 0 if a[:i+1] and b[:j+1] have a longer one in common than a[:i+1] and b[:j]. Rows are computed 64
// cells at a time by addition: a carry runs through a block of cells up to the one that gives way (Allison and Dix,
// "A bit-string longest-common-subsequence algorithm", in the form of Hyyrö).
//
// For a = "ab" and b = "bab" the rows, bit 0 first, are 1 0 1 (only the "a" in the middle counts) and 0 1 0 ("b", and
// "ab" at the end).
type common struct {
	a, b  []byte
	width int      // words in a row
	rows  []uint64 // all of them, or only the last if just the length is wanted
	keep  bool
}

// lcsOf fills the table in O(len(a)*len(b)/64). Without keep it remembers only the last row.
func lcsOf(a, b []byte, keep bool) *common {
	t := &common{a: a, b: b, width: (len(b) + 63) / 64, keep: keep}
	var masks [256][]uint64 // of each byte of a, where b has it
	for _, x := range a {
		if masks[x] == nil {
			masks[x] = make([]uint64, t.width)
		}
	}
	for j, x := range b {
		if m := masks[x]; m != nil {
			m[j/64] |= 1 << (j % 64)
		}
	}
	n := 1
	if keep {
		n = max(1, len(a))
	}
	t.rows = make([]uint64, n*t.width)
	last := t.row(0)
	for j := range last {
		last[j] = ^uint64(0)
	}
	for i, x := range a {
		next := t.row(i)
		carry := uint64(0)
		for j, m := range masks[x] {
			v := last[j]
			var sum uint64
			sum, carry = bits.Add64(v, v&m, carry)
			next[j] = sum | v&^m
		}
		last = next
	}
	return t
}

func (t *common) row(i int) []uint64 {
	if !t.keep {
		i = 0
	}
	return t.rows[i*t.width : (i+1)*t.width]
}

// length is that of the longest common subsequence.
func (t *common) length() int {
	n := len(t.b)
	for j, v := range t.row(max(0, len(t.a)-1)) {
		if left := len(t.b) - j*64; left < 64 {
			v &= 1<<left - 1
		}
		n -= bits.OnesCount64(v)
	}
	return n
}

// match is a piece that stands in both strings, at a[a:a+size] and b[b:b+size].
type match struct{ a, b, size int }

// matches calls fn with the pieces of one longest common subsequence, the last piece first.
func (t *common) matches(fn func(match)) {
	var m match
	emit := func() {
		if m.size > 0 {
			fn(m)
		}
		m = match{}
	}
	for i, j := len(t.a)-1, len(t.b)-1; i >= 0 && j >= 0; {
		switch {
		case t.a[i] == t.b[j]:
			m = match{i, j, m.size + 1}
			i--
			j--
		case t.row(i)[j/64]>>(j%64)&1 == 0:
			emit()
			i--
		default:
			emit()
			j--
		}
	}
	emit()
}

func lcs(c *Ctx) {
	a := &c.Args
	x, xs := c.String(a.Key())
	if len(x) <= 20 { // an integer's digits live only until the next one is read
		x = append(c.scratch(len(x))[:0], x...)
	}
	y, ys := c.String(a.Key())
	if xs == keyspace.WrongType || ys == keyspace.WrongType {
		c.Fail(resp.ErrSpecifiedStrings)
		return
	}
	var onlyLen, index, withLen bool
	var least int64
	for a.More() {
		switch {
		case a.Is("IDX"):
			index = true
		case a.Is("LEN"):
			onlyLen = true
		case a.Is("WITHMATCHLEN"):
			withLen = true
		case a.IsWith("MINMATCHLEN", 1):
			least = a.Int()
		default:
			a.Syntax()
		}
	}
	if !a.Bad() && onlyLen && index {
		a.Wrong(resp.ErrLCSLenAndIdx)
	}
	if !a.Done() {
		return
	}
	// The bound is that of Redis, whose table takes four bytes per cell. Ours is 32 times smaller.
	if cells := uint64(len(x)+1) * uint64(len(y)+1); cells > uint64(c.Conf.MaxBulk)/4 {
		c.Fail(resp.ErrLCSMemory)
		return
	}
	t := lcsOf(x, y, !onlyLen)
	switch {
	case onlyLen:
		c.Reply.Int(int64(t.length()))
	case index:
		c.replyMatches(t, int(max(0, least)), withLen)
	default:
		out := make([]byte, t.length())
		at := len(out)
		t.matches(func(m match) {
			at -= m.size
			copy(out[at:], x[m.a:m.a+m.size])
		})
		c.Reply.Bulk(out)
	}
}

func (c *Ctx) replyMatches(t *common, least int, withLen bool) {
	w := c.Reply
	w.Map(2)
	w.BulkString("matches")
	n := 0
	at := w.Defer()
	t.matches(func(m match) {
		if m.size < least {
			return
		}
		n++
		if withLen {
			w.Array(3)
		} else {
			w.Array(2)
		}
		pair(w, m.a, m.a+m.size-1)
		pair(w, m.b, m.b+m.size-1)
		if withLen {
			w.Int(int64(m.size))
		}
	})
	w.SetArray(at, n)
	w.BulkString("len")
	w.Int(int64(t.length()))
}

func pair(w *resp.Writer, x, y int) {
	w.Array(2)
	w.Int(int64(x))
	w.Int(int64(y))
}

func init() { Register(row("lcs", lcs)) }
