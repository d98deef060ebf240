package datatypes

import (
	"bytes"

	"larder/datatypes/arena"
	"larder/datatypes/btree"
	"larder/datatypes/listpack"
)

// A ScoreRange is an interval of scores, each end included unless Ex says otherwise.
type ScoreRange struct {
	Min, Max     float64
	MinEx, MaxEx bool
}

// ParseScoreBound reads one end of a score range as ZRANGEBYSCORE takes it: a number, "inf", "-inf", with "(" in front
// if it is excluded.
func ParseScoreBound(b []byte) (score float64, exclusive, ok bool) {
	if len(b) > 0 && b[0] == '(' {
		b, exclusive = b[1:], true
	}
	score, ok = ParseFloatLoose(b)
	return score, exclusive, ok
}

// A LexBound is one end of a range of members among equal scores: Infinite is -1 for "-", before all members, and 1
// for "+", after all; otherwise the end is Member.
type LexBound struct {
	Infinite  int8
	Exclusive bool
	Member    []byte
}

// ParseLexBound reads one end of a range as ZRANGEBYLEX takes it: "-", "+", "[member" or "(member".
func ParseLexBound(b []byte) (LexBound, bool) {
	switch {
	case len(b) == 1 && b[0] == '-':
		return LexBound{Infinite: -1}, true
	case len(b) == 1 && b[0] == '+':
		return LexBound{Infinite: 1}, true
	case len(b) > 0 && (b[0] == '[' || b[0] == '('):
		return LexBound{Exclusive: b[0] == '(', Member: b[1:]}, true
	}
	return LexBound{}, false
}

// ScoreRanks is where the members with scores in r begin, and how many there are. O(log n).
func (z *ZSet) ScoreRanks(r ScoreRange) (first, count int) {
	if r.Min > r.Max || r.Min == r.Max && (r.MinEx || r.MaxEx) {
		return 0, 0
	}
	var end int
	if z.isTree() {
		t := z.tree()
		first, end = t.CountLess(r.Min, r.MinEx), t.CountLess(r.Max, !r.MaxEx)
	} else {
		b := z.h.Bytes()
		for p := listpack.First(b); p < len(b); p = nextPair(b, p) {
			s := packedScore(b, listpack.Next(b, p))
			if s > r.Max || r.MaxEx && s == r.Max {
				break
			}
			end++
			if s < r.Min || r.MinEx && s == r.Min {
				first++
			}
		}
	}
	return first, max(end-first, 0)
}

// LexRanks is where the members from min to max begin, and how many there are, if all members have the same score;
// otherwise the result is some range of ranks. O(log n).
func (z *ZSet) LexRanks(min, max LexBound) (first, count int) {
	if min.Infinite > 0 || max.Infinite < 0 {
		return 0, 0
	}
	if min.Infinite == 0 && max.Infinite == 0 {
		if c := bytes.Compare(min.Member, max.Member); c > 0 || c == 0 && (min.Exclusive || max.Exclusive) {
			return 0, 0
		}
	}
	end := z.Len()
	if z.isTree() {
		t := z.tree()
		if min.Infinite == 0 {
			first = t.CountLessLex(min.Member, min.Exclusive)
		}
		if max.Infinite == 0 {
			end = t.CountLessLex(max.Member, !max.Exclusive)
		}
	} else {
		b := z.h.Bytes()
		i, found := 0, min.Infinite < 0
		for p := listpack.First(b); p < len(b); p = nextPair(b, p) {
			m := listpack.Get(b, p).Bytes(z.num[:])
			if !found {
				if c := bytes.Compare(m, min.Member); c > 0 || c == 0 && !min.Exclusive {
					found = true
				} else {
					first++
				}
			}
			if max.Infinite == 0 {
				if c := bytes.Compare(m, max.Member); c > 0 || c == 0 && max.Exclusive {
					end = i
					break
				}
			}
			i++
		}
	}
	if end <= first {
		return first, 0
	}
	return first, end - first
}

// Ranks turns a range of ranks whose ends are included and may count from the end (-1 is the last) into where it begins
// and how many members it has. For a range of a walk backwards, ranks count from the highest score.
func (z *ZSet) Ranks(start, stop int) (first, count int) { return span(start, stop, z.Len()) }

// A ZSetIter walks over members of a sorted set, which must not change meanwhile:
//
//	for it := z.Iter(first, count, false); it.Next(); {
//		reply.Bulk(it.Member())
//		reply.Double(it.Score())
//	}
type ZSetIter struct {
	a        *arena.Arena // nil for a listpack
	cur      btree.Cursor
	b        []byte
	p        int // forward: the next pair; backward: the end of the next pair
	left     int
	backward bool
	begun    bool
	score    float64
	member   []byte // nil: an integer, num
	num      int64
	text     [20]byte
}

// Iter walks over at most count members, beginning with the one of rank first, towards higher scores or, if backward,
// towards lower ones; the rank counts from the lowest score in either case. O(log n) to begin, O(1) per member.
func (z *ZSet) Iter(first, count int, backward bool) (it ZSetIter) {
	n := z.Len()
	if first < 0 || first >= n || count <= 0 {
		return it
	}
	it.backward = backward
	if it.left = min(count, n-first); backward {
		it.left = min(count, first+1)
	}
	if z.isTree() {
		t := z.tree()
		it.a, it.cur = z.env.Arena, t.At(first)
		return it
	}
	it.b = z.h.Bytes()
	it.p, _ = listpack.Seek(it.b, 2*first)
	if backward {
		it.p = nextPair(it.b, it.p)
	}
	return it
}

// Next moves on to the next member; it returns false if there is none.
func (it *ZSetIter) Next() bool {
	if it.left == 0 {
		return false
	}
	it.left--
	if it.a != nil {
		if it.begun {
			if it.backward {
				it.cur.Prev()
			} else {
				it.cur.Next()
			}
		}
		it.begun = true
		it.score = it.cur.Score()
		it.member = zmemberLayout{}.Key(it.a, it.cur.Ref())
		return true
	}
	var p int
	if it.backward {
		at := listpack.Prev(it.b, it.p)
		p = listpack.Prev(it.b, at)
		it.score = packedScore(it.b, at)
		it.p = p
	} else {
		p = it.p
		at := listpack.Next(it.b, p)
		it.score = packedScore(it.b, at)
		it.p = listpack.Next(it.b, at)
	}
	e := listpack.Get(it.b, p)
	it.member, it.num = e.Str, e.Int
	return true
}

// Score is the score of the current member.
func (it *ZSetIter) Score() float64 { return it.score }

// Member is the current member. One that is stored as an integer is written to the iterator and lasts until Next.
func (it *ZSetIter) Member() []byte {
	if it.member == nil {
		return listpack.Int(it.num).Bytes(it.text[:])
	}
	return it.member
}

// Each calls fn for the members in order until it returns false.
func (z *ZSet) Each(fn func(member []byte, score float64) bool) {
	for it := z.Iter(0, noLimit, false); it.Next(); {
		if !fn(it.Member(), it.score) {
			return
		}
	}
}
