package command

import (
	"bytes"
	"cmp"
	"math"

	"larder/datatypes"
	"larder/keyspace"
	"larder/server/resp"
)

// sorting is what SORT and SORT_RO were asked for.
type sorting struct {
	by       []byte // pattern of the keys whose values are compared; nil: the elements themselves
	unsorted bool   // there was a BY something without a star: the order stays
	gets     [][]byte
	desc     bool
	alpha    bool
	offset   int64
	count    int64
	limited  bool
	store    []byte
	key      []byte // room for a key that a pattern names
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
			if bytes.IndexByte(s.by, '*') < 0 {
				s.unsorted = true // for good, whatever BY follows
			} else if c.ReadsAll != nil && !c.ReadsAll() {
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
	if !ok {
		return
	}
	if items, ok = s.order(c, items); !ok {
		return
	}
	if s.store == nil {
		s.reply(c, items)
	} else {
		s.keep(c, items)
	}
}

// sortItems copies the elements of a list, a set or a sorted set: comparing and storing them reads and changes other
// values.
func (c *Ctx) sortItems(key []byte, s *sorting) (items [][]byte, ok bool) {
	t, found := c.Type(key)
	if !found {
		c.Exists(key) // a miss, as a value is a hit
		return nil, true
	}
	var copies copier
	add := func(elem []byte) { items = append(items, copies.of(elem)) }
	switch t {
	case datatypes.TypeList:
		l, _ := c.ReadList(key)
		first, n, back := s.unsortedWindow(l.Len())
		items = make([][]byte, 0, n)
		for it := l.Iter(first, n, back); it.Next(); {
			add(it.Bytes())
		}
	case datatypes.TypeSet:
		x, _ := c.ReadSet(key)
		items = make([][]byte, 0, x.Len())
		x.Each(func(m []byte) bool { add(m); return true })
		if s.unsorted && (s.store != nil || c.Script) { // what is stored may not depend on the order in which a table stands
			s.unsorted, s.alpha, s.by = false, true, nil
		}
	case datatypes.TypeZSet:
		z, _ := c.ReadZSet(key)
		first, n, back := s.unsortedWindow(z.Len())
		items = make([][]byte, 0, n)
		for it := z.Iter(first, n, back); it.Next(); {
			add(it.Member())
		}
	default:
		c.CountRead(key, true)
		c.Fail(resp.ErrWrongType)
		return nil, false
	}
	return items, true
}

// order is what LIMIT leaves of the items in their order. ok is false if an error is the reply: an element is not a number.
func (s *sorting) order(c *Ctx, items [][]byte) (window [][]byte, ok bool) {
	from, to := s.window(len(items))
	if s.unsorted {
		return items[from:to], true
	}
	ranks := make([]sortRank, len(items))
	texts := items // what is compared with ALPHA, nil if BY has found nothing
	if s.alpha && s.by != nil {
		texts = make([][]byte, len(items))
	}
	var copies copier
	for i, elem := range items {
		val, found := elem, true
		if s.by != nil {
			val, found = c.sortLookup(s, s.by, elem)
		}
		var most uint64
		switch {
		case s.alpha:
			if found {
				most = textRank(val)
			}
			if found && s.by != nil {
				texts[i] = copies.of(val)
			}
		case !found:
			most = numberRank(0)
		default:
			f, ok := datatypes.ParseFloatInRange(val)
			if !ok || math.IsNaN(f) {
				c.Fail(resp.ErrSortScores)
				return nil, false
			}
			most = numberRank(f)
		}
		if s.desc {
			most = ^most
		}
		ranks[i] = sortRank{most, i}
	}
	ranks = firstOf(ranks, to, func(x, y sortRank) int {
		n := bytes.Compare(texts[x.item], texts[y.item])                // equal scores: a fixed order all the same
		if a, b := texts[x.item] == nil, texts[y.item] == nil; a != b { // nothing is before an empty text
			n = 1
			if a {
				n = -1
			}
		}
		if s.desc {
			n = -n
		}
		return cmp.Or(n, cmp.Compare(x.item, y.item))
	})
	window = make([][]byte, 0, to-from)
	for _, r := range ranks[from:to] {
		window = append(window, items[r.item])
	}
	return window, true
}

// copier copies small texts, many to an allocation; the first is small, as there may be few.
type copier struct {
	room []byte
}

const (
	leastCopierRoom = 512
	mostCopierRoom  = 16 << 10
)

// of is a copy of a text, never nil.
func (k *copier) of(text []byte) []byte {
	if len(text) == 0 {
		return []byte{}
	}
	if len(text) > cap(k.room)-len(k.room) {
		room := min(max(leastCopierRoom, 2*cap(k.room)), mostCopierRoom)
		if len(text) > room/4 {
			return bytes.Clone(text)
		}
		k.room = make([]byte, 0, room)
	}
	n := len(k.room)
	k.room = append(k.room, text...)
	return k.room[n:len(k.room):len(k.room)]
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
func (c *Ctx) sortLookup(s *sorting, pattern, elem []byte) ([]byte, bool) {
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
	key := append(append(append(s.key[:0], name[:star]...), elem...), name[star+1:]...)
	s.key = key
	if field == nil {
		val, st := c.View.String(key)
		return val, st == keyspace.Found
	}
	return c.Field(key, field)
}

// sortLocks is every shard if patterns name keys that nobody knows beforehand, else those of the keys: a pattern without a
// star, as "nosort" and "#", names none.
func sortLocks(argv [][]byte) Locks {
	for i := 3; i < len(argv); i++ {
		if bytes.IndexByte(argv[i], '*') >= 0 && (EqualFold(argv[i-1], "BY") || EqualFold(argv[i-1], "GET")) {
			return AllOfThem
		}
	}
	return OfKeys
}

// values calls fn with what is answered for each item, itself or what the GET patterns find, until fn returns false.
func (s *sorting) values(c *Ctx, items [][]byte, fn func(val []byte, ok bool) bool) {
	for i := range items {
		if len(s.gets) == 0 {
			if !fn(items[i], true) {
				return
			}
			continue
		}
		for _, g := range s.gets {
			if !fn(c.sortLookup(s, g, items[i])) {
				return
			}
		}
	}
}

func (s *sorting) reply(c *Ctx, items [][]byte) {
	c.Reply.Array(len(items) * max(1, len(s.gets)))
	s.values(c, items, func(val []byte, ok bool) bool {
		if ok {
			c.Reply.Bulk(val)
		} else {
			c.Reply.Null()
		}
		return !c.Overfull()
	})
}

// itemCost is what an item of a list takes beyond its text, at most.
const itemCost = 16

// keep stores the result as a list.
func (s *sorting) keep(c *Ctx, items [][]byte) {
	vals := make([][]byte, 0, len(items)*max(1, len(s.gets)))
	size := 0
	var copies copier
	s.values(c, items, func(val []byte, _ bool) bool {
		if len(s.gets) > 0 { // it may be in what is going to be replaced
			val = copies.of(val)
		}
		vals = append(vals, val)
		size += len(val) + itemCost
		return true // whatever the client is owed
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
	l, _ := c.View.EditList(s.store)
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
