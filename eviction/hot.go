package eviction

import "slices"

// Hot finds the keys that are used most. It looks at one use in hotStep or so, at distances that no pattern of a program
// follows; counts those by hash in a sketch (count-min, two rows); and keeps the keys that count most. All counts are halved
// every hotMemory_ms: what it tells is of the last minute or two. It takes 4 KiB and the keys.
type Hot struct {
	left   int32 // uses before the next one that is looked at
	sketch *[hotRows][hotWide]uint16
	top    []HotKey // in no order
	least  uint32   // the lowest count among them, once there are hotKeys
	now_ms int64    // of the last look
	old_ms int64    // the time in which the counts came about, halved with them
	due_ms int64    // of that, what has passed since they were halved
}

// HotKey is a key that is used much.
type HotKey struct {
	DB        int
	Key       []byte // the first bytes of it, if it is very long
	Cut       bool   // it is
	PerSecond float64

	hash  uint64
	count uint32
}

const (
	hotKeys      = 32
	hotRows      = 2
	hotWide      = 1024
	hotStep      = 32
	hotMemory_ms = 60_000
	hotKeyBytes  = 512
)

// Due tells whether the use that is at hand is to be noted.
func (h *Hot) Due() bool {
	h.left--
	return h.left < 0
}

// Note counts a use. rnd is a uniform random number.
func (h *Hot) Note(hash uint64, db int, key []byte, now_ms int64, rnd uint64) {
	h.left = int32(hotStep/2 + rnd%(hotStep+1) - 1) // hotStep on average
	if h.sketch == nil {
		h.sketch, h.now_ms = new([hotRows][hotWide]uint16), now_ms
	}
	passed_ms := min(max(0, now_ms-h.now_ms), 20*hotMemory_ms)
	h.now_ms = now_ms
	h.old_ms += passed_ms
	for h.due_ms += passed_ms; h.due_ms >= hotMemory_ms; h.due_ms -= hotMemory_ms {
		h.halve()
	}
	hash ^= uint64(db) * 0xff51afd7ed558ccd
	mixed := hash * 0xd6e8feb86659fd93
	count := ^uint32(0)
	for i := range h.sketch {
		n := &h.sketch[i][mixed>>(54-10*i)%hotWide]
		if *n < 1<<16-1 {
			*n++
		}
		count = min(count, uint32(*n))
	}
	if count <= h.least {
		return
	}
	at := -1
	for i := range h.top {
		if t := &h.top[i]; t.hash == hash {
			t.count = count
			h.findLeast()
			return
		} else if at < 0 || t.count < h.top[at].count {
			at = i
		}
	}
	k := HotKey{DB: db, Key: slices.Clone(key[:min(len(key), hotKeyBytes)]), Cut: len(key) > hotKeyBytes, hash: hash, count: count}
	if len(h.top) < hotKeys {
		h.top = append(h.top, k)
	} else {
		h.top[at] = k
	}
	h.findLeast()
}

func (h *Hot) findLeast() {
	if h.least = 0; len(h.top) < hotKeys {
		return
	}
	h.least = h.top[0].count
	for i := range h.top {
		h.least = min(h.least, h.top[i].count)
	}
}

func (h *Hot) halve() {
	for i := range h.sketch {
		for k := range h.sketch[i] {
			h.sketch[i][k] /= 2
		}
	}
	for i := range h.top {
		h.top[i].count /= 2
	}
	h.top = slices.DeleteFunc(h.top, func(k HotKey) bool { return k.count == 0 })
	h.findLeast()
	h.old_ms /= 2
}

// List is the keys that are used most, with how often about.
func (h *Hot) List(now_ms int64) []HotKey {
	if h.sketch == nil {
		return nil
	}
	list := slices.Clone(h.top)
	time_ms := max(h.old_ms+max(0, now_ms-h.now_ms), 1000)
	for i := range list {
		list[i].PerSecond = float64(list[i].count) * hotStep * 1000 / float64(time_ms)
	}
	return list
}
