package datatypes

import (
	"larder/datatypes/arena"
	"larder/datatypes/listpack"
)

// Random is a field that is not expired, each as likely as the others, and its value.
func (x *Hash) Random(now_ms int64) (name, value []byte, ok bool) {
	if b := x.h.Bytes(); x.h.Enc() == EncBlob && len(b) > 0 {
		p, _ := listpack.Seek(b, 2*below(x.env.Rand, x.Len()))
		name, value, _, _ = x.triple(b, p)
		return name, value, true
	}
	x.RandomN(1, true, now_ms, func(n, v []byte) { name, value, ok = n, v, true })
	return name, value, ok
}

// RandomN calls fn for n random fields that are not expired. distinct: none of them twice, and all of them if there are
// not more than n, in the order of Each; otherwise each is drawn by itself, and they come in no particular order. O(n), or
// O(size of the hash) if it is compact, if n is more than a third of it, or if most of it is expired.
func (x *Hash) RandomN(n int, distinct bool, now_ms int64, fn func(name, value []byte)) {
	x.picks.reset()
	if !x.isTable() {
		b := x.h.Bytes()
		for p := listpack.First(b); p < len(b); {
			next, at_ms := listpack.Next(b, listpack.Next(b, p)), int64(0)
			if x.h.Enc() == EncInt {
				at_ms = listpack.Get(b, next).Int
				next = listpack.Next(b, next)
			}
			if !expired(at_ms, now_ms) {
				x.picks.list = append(x.picks.list, uint32(p))
			}
			p = next
		}
		x.picks.draw(x.env.Rand, n, distinct, func(p uint32) {
			name, value, _, _ := x.triple(b, int(p))
			fn(name, value)
		})
		return
	}
	t := x.table()
	alive := func(e arena.Ref) bool { return !expired(openField(x.env.Arena, e).expire, now_ms) }
	x.picks.entries(&t, x.env.Rand, n, distinct, alive, func(e arena.Ref) {
		f := openField(x.env.Arena, e)
		fn(f.text, f.content(x.env.Arena, &x.num[1]))
	})
}
