package command

import (
	"bytes"
	"math"
	"slices"

	"larder/datatypes"
	"larder/keyspace"
	"larder/server/resp"
)

// sorting is what SORT and SORT_RO were asked for.
type sorting struct {
	by       []byte // pattern of the keys whose values are compared; nil: the elements themselves
	unsorted bool   // BY something without a star: the order stays
	gets     [][]byte
	desc     bool
	alpha    bool
	offset   int64
	count    int64
	limited  bool
	store    []byte
}

// sortItem is one element and what it is compared by.
type sortItem struct {
	elem  []byte
	score float64
	text  []byte // what BY found; nil if there is nothing
	found bool
}

func sortKey(c *Ctx) { c.sortBy(true) }

func sortRO(c *Ctx) { c.sortBy(false) }

func (c *Ctx) sortBy(mayStore bool) {
	a := &c.Args
	key := a.Key()
	s := sorting{count: -1}
	for a.More() {
		switch {
		case a.Is("ASC"):
			s.desc = false
		case a.Is("DESC"):
			s.desc = true
		case a.Is("ALPHA"):
			s.alpha = true
		case a.IsWith("LIMIT", 2):
			s.offset, s.count = a.Int(), a.Int()
			s.limited = true
		case mayStore && a.IsWith("STORE", 1):
			s.store = a.Bytes()
		case a.IsWith("BY", 1):
			s.by = a.Bytes()
			s.unsorted = bytes.IndexByte(s.by, '*') < 0
			if !s.unsorted && c.ReadsAll != nil && !c.ReadsAll() {
				a.Wrong(resp.ErrSortByDenied)
			}
		case a.IsWith("GET", 1):
			s.gets = append(s.gets, a.Bytes())
			if c.ReadsAll != nil && !c.ReadsAll() {
				a.Wrong(resp.ErrSortGetDenied)
			}
		default:
			a.Syntax()
		}
	}
	if !a.Done() {
		return
	}
	items, ok := c.sortItems(key, &s)
	if !ok || !s.order(c, items) {
		return
	}
	from, to := s.window(len(items))
	items = items[from:to]
	if s.store == nil {
		s.reply(c, items)
	} else {
		s.keep(c, items)
	}
}

// sortItems copies the elements of a list, a set or a sorted set: comparing and storing them reads and changes other
// values.
func (c *Ctx) sortItems(key []byte, s *sorting) (items []sortItem, ok bool) {
	t, found := c.Type(key)
	if !found {
		c.Exists(key) // a miss, as a value is a hit
		return nil, true
	}
	add := func(elem []byte) { items = append(items, sortItem{elem: append([]byte(nil), elem...)}) }
	switch t {
	case datatypes.TypeList:
		l, _ := c.ReadList(key)
		first, n, back := s.unsortedWindow(l.Len())
		for it := l.Iter(first, n, back); it.Next(); {
			add(it.Bytes())
		}
	case datatypes.TypeSet:
		x, _ := c.ReadSet(key)
		x.Each(func(m []byte) bool { add(m); return true })
		if s.unsorted && (s.store != nil || c.Script) { // what is stored may not depend on the order in which a table stands
			s.unsorted, s.alpha, s.by = false, true, nil
		}
	case datatypes.TypeZSet:
		z, _ := c.ReadZSet(key)
		first, n, back := s.unsortedWindow(z.Len())
		for it := z.Iter(first, n, back); it.Next(); {
			add(it.Member())
		}
	default:
		c.Fail(resp.ErrWrongType)
		return nil, false
	}
	return items, true
}

// order sorts the items. It is false if an error is the reply: an element is not a number.
func (s *sorting) order(c *Ctx, items []sortItem) bool {
	if s.unsorted {
		return true
	}
	for i := range items {
		it := &items[i]
		val := it.elem
		it.found = true
		if s.by != nil {
			val, it.found = c.sortLookup(s.by, it.elem)
			val = append([]byte(nil), val...)
		}
		if s.alpha {
			it.text = val
			continue
		}
		if !it.found {
			continue
		}
		f, ok := datatypes.ParseFloatLoose(val)
		if !ok || math.IsNaN(f) {
			c.Fail(resp.ErrSortScores)
			return false
		}
		it.score = f
	}
	slices.SortStableFunc(items, func(x, y sortItem) int {
		n := s.compare(&x, &y)
		if s.desc {
			n = -n
		}
		return n
	})
	return true
}

func (s *sorting) compare(x, y *sortItem) int {
	switch {
	case !s.alpha:
		switch {
		case x.score < y.score:
			return -1
		case x.score > y.score:
			return 1
		}
		return bytes.Compare(x.elem, y.elem) // equal scores: a fixed order all the same
	case x.found != y.found:
		if !x.found {
			return -1
		}
		return 1
	}
	return bytes.Compare(x.text, y.text)
}

// window is the part of n items that LIMIT leaves.
func (s *sorting) window(n int) (from, to int) {
	if !s.limited {
		return 0, n
	}
	start := max(0, s.offset)
	if start >= int64(n) {
		return 0, 0
	}
	end := int64(n)
	if s.count >= 0 {
		end = min(end, start+min(s.count, int64(n)))
	}
	return int(start), int(end)
}

// unsortedWindow is what has to be walked of n elements that have an order: all, or, if they keep it, only the window,
// from the other end with DESC.
func (s *sorting) unsortedWindow(n int) (first, count int, backward bool) {
	if !s.unsorted {
		return 0, n, false
	}
	from, to := s.window(n)
	s.limited = false // what is walked is the window
	if s.desc {
		return n - 1 - from, to - from, true
	}
	return from, to - from, false
}

// sortLookup reads what a pattern names for an element: the star is replaced by the element; "->field" at the end
// names a field of a hash; "#" is the element itself.
func (c *Ctx) sortLookup(pattern, elem []byte) ([]byte, bool) {
	if string(pattern) == "#" {
		return elem, true
	}
	star := bytes.IndexByte(pattern, '*')
	if star < 0 {
		return nil, false
	}
	name, field := pattern, []byte(nil)
	if i := bytes.Index(pattern[star:], []byte("->")); i >= 0 && star+i+2 < len(pattern) {
		name, field = pattern[:star+i], pattern[star+i+2:]
	}
	key := make([]byte, 0, len(name)+len(elem))
	key = append(append(append(key, name[:star]...), elem...), name[star+1:]...)
	if field == nil {
		val, st := c.View.String(key)
		return val, st == keyspace.Found
	}
	return c.Field(key, field)
}

// sortLocks is every shard if patterns name keys that nobody knows beforehand, else those of the keys.
func sortLocks(argv [][]byte) Locks {
	for _, a := range argv[2:] {
		if EqualFold(a, "BY") || EqualFold(a, "GET") {
			return AllOfThem
		}
	}
	return OfKeys
}

// values calls fn with what is answered for each item: itself, or what the GET patterns find.
func (s *sorting) values(c *Ctx, items []sortItem, fn func(val []byte, ok bool)) {
	for i := range items {
		if len(s.gets) == 0 {
			fn(items[i].elem, true)
			continue
		}
		for _, g := range s.gets {
			fn(c.sortLookup(g, items[i].elem))
		}
	}
}

func (s *sorting) reply(c *Ctx, items []sortItem) {
	c.Reply.Array(len(items) * max(1, len(s.gets)))
	s.values(c, items, func(val []byte, ok bool) {
		if ok {
			c.Reply.Bulk(val)
		} else {
			c.Reply.Null()
		}
	})
}

// itemCost is what an item of a list takes beyond its text, at most.
const itemCost = 16

// keep stores the result as a list.
func (s *sorting) keep(c *Ctx, items []sortItem) {
	var vals [][]byte
	size := 0
	s.values(c, items, func(val []byte, _ bool) {
		vals = append(vals, append([]byte{}, val...))
		size += len(val) + itemCost
	})
	if !c.reserve(s.store, size) {
		return
	}
	if len(vals) == 0 {
		if c.Delete(s.store) {
			c.Gone(s.store, "del")
		}
		c.Reply.Int(0)
		return
	}
	c.Replace(s.store)
	l, _ := c.EditList(s.store)
	l.PushTail(vals...)
	c.ChangedBy(s.store, "sortstore", len(vals))
	c.Reply.Int(int64(len(vals)))
}

func init() {
	Register(
		choosing("sort", sortLocks, sortKey),
		choosing("sort_ro", sortLocks, sortRO),
	)
}
