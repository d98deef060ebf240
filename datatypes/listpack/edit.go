package listpack

import (
	"encoding/binary"
	"slices"
)

// Buffer is where a block of bytes lives. Resize returns n bytes of which the first min(n, old length) are as they
// were; slices of the block taken earlier are dead.
type Buffer interface {
	Bytes() []byte
	Resize(n int) []byte
}

// canon is e as it is stored: text that is an integer's shortest form becomes that integer.
func (e Elem) canon() Elem {
	if e.Str != nil {
		if n, ok := ParseInt(e.Str); ok {
			return Elem{Int: n}
		}
	}
	return e
}

// Size is how many bytes e takes in a block.
func Size(e Elem) int {
	n := e.canon().body()
	return n + backSize(n)
}

// body is the size of a canonical element before its back length.
func (e Elem) body() int {
	if e.Str != nil {
		switch n := len(e.Str); {
		case n < 1<<6:
			return 1 + n
		case n < 1<<12:
			return 2 + n
		default:
			return 5 + n
		}
	}
	switch n := e.Int; {
	case n >= 0 && n < 1<<7:
		return 1
	case n >= -1<<12 && n < 1<<12:
		return 2
	case n >= -1<<15 && n < 1<<15:
		return 3
	case n >= -1<<23 && n < 1<<23:
		return 4
	case n >= -1<<31 && n < 1<<31:
		return 5
	}
	return 9
}

// put writes a canonical element whose body has n bytes at b[p:] and returns the offset after it.
func put(b []byte, p int, e Elem, n int) int {
	d := b[p : p+n+backSize(n)]
	if e.Str != nil {
		switch size := len(e.Str); {
		case size < 1<<6:
			d[0] = kindStr6 | byte(size)
			copy(d[1:], e.Str)
		case size < 1<<12:
			d[0], d[1] = kindStr12|byte(size>>8), byte(size)
			copy(d[2:], e.Str)
		default:
			d[0] = kindStr32
			binary.LittleEndian.PutUint32(d[1:], uint32(size))
			copy(d[5:], e.Str)
		}
	} else {
		u := uint64(e.Int)
		switch n {
		case 1:
			d[0] = byte(u)
		case 2:
			d[0], d[1] = kindInt13|byte(u>>8)&0x1F, byte(u)
		case 3:
			d[0] = kindInt16
			binary.LittleEndian.PutUint16(d[1:], uint16(u))
		case 4:
			d[0], d[1], d[2], d[3] = kindInt24, byte(u), byte(u>>8), byte(u>>16)
		case 5:
			d[0] = kindInt32
			binary.LittleEndian.PutUint32(d[1:], uint32(u))
		default:
			d[0] = kindInt64
			binary.LittleEndian.PutUint64(d[1:], u)
		}
	}
	putBack(d[n:], n)
	return p + len(d)
}

// putBack fills d with the back length n, the lowest seven bits last. All bytes but the first have their high bit set.
func putBack(d []byte, n int) {
	for i := len(d) - 1; i > 0; i-- {
		d[i] = byte(n)&0x7F | 0x80
		n >>= 7
	}
	d[0] = byte(n)
}

// addCount changes the header's count. Once it is unknown it stays so.
func addCount(b []byte, delta int) {
	n := int(binary.LittleEndian.Uint16(b))
	if n == countUnknown {
		return
	}
	binary.LittleEndian.PutUint16(b, uint16(min(n+delta, countUnknown)))
}

// open makes room for size bytes at offset p and returns the block and p, which differs if the block was empty.
func open(buf Buffer, p, size int) ([]byte, int) {
	old := len(buf.Bytes())
	if old == 0 {
		b := buf.Resize(HeaderSize + size)
		b[0], b[1] = 0, 0
		return b, HeaderSize
	}
	b := buf.Resize(old + size)
	if p < old {
		copy(b[p+size:], b[p:old])
	}
	return b, p
}

// Insert puts the elements before the one at p, in their order; p may be the end of the block. The text of an element
// must not lie in the block itself. O(bytes after p).
func Insert(buf Buffer, p int, elems ...Elem) {
	if len(elems) == 1 { // the usual case, spared from recognising integers twice
		e := elems[0].canon()
		n := e.body()
		b, p := open(buf, p, n+backSize(n))
		put(b, p, e, n)
		addCount(b, 1)
		return
	}
	size := 0
	for _, e := range elems {
		size += Size(e)
	}
	b, p := open(buf, p, size)
	for _, e := range elems {
		e = e.canon()
		p = put(b, p, e, e.body())
	}
	addCount(b, len(elems))
}

// Append puts the elements after the last one.
func Append(buf Buffer, elems ...Elem) { Insert(buf, len(buf.Bytes()), elems...) }

// Prepend puts the elements before the first one, in their order.
func Prepend(buf Buffer, elems ...Elem) { Insert(buf, First(buf.Bytes()), elems...) }

// Replace puts e in the place of the element at p. The text of e must not lie in the block itself.
func Replace(buf Buffer, p int, e Elem) {
	e = e.canon()
	n := e.body()
	b := buf.Bytes()
	next := Next(b, p)
	if grow := p + n + backSize(n) - next; grow > 0 {
		old := len(b)
		b = buf.Resize(old + grow)
		copy(b[next+grow:], b[next:old])
	} else if grow < 0 {
		copy(b[next+grow:], b[next:])
		b = buf.Resize(len(b) + grow)
	}
	put(b, p, e, n)
}

// Delete removes n elements from the one at p on, or as many as there are, and returns how many that were. What
// followed them stands at p afterwards.
func Delete(buf Buffer, p, n int) int {
	b := buf.Bytes()
	q, gone := p, 0
	for gone < n && q < len(b) {
		q = Next(b, q)
		gone++
	}
	cut(buf, p, q, gone)
	return gone
}

// Cut removes the elements that stand from offset p up to offset q.
func Cut(buf Buffer, p, q int) { cut(buf, p, q, countFrom(buf.Bytes(), p, q)) }

// cut removes the n elements in [p, q). The last element takes the header with it.
func cut(buf Buffer, p, q, n int) {
	if n == 0 {
		return
	}
	b := buf.Bytes()
	size := len(b) - (q - p)
	if size == HeaderSize {
		buf.Resize(0)
		return
	}
	copy(b[p:], b[q:])
	addCount(b, -n)
	buf.Resize(size)
}

// Splice copies the elements in [p, q) of the block src, which is not dst's, to offset at of dst. Merging two blocks is
// Splice(dst, len(dst.Bytes()), src, First(src), len(src)). O(elements copied + bytes after at).
func Splice(dst Buffer, at int, src []byte, p, q int) {
	if p >= q {
		return
	}
	n := 0
	if p == HeaderSize && q == len(src) {
		n = Len(src)
	} else {
		n = countFrom(src, p, q)
	}
	b, at := open(dst, at, q-p)
	copy(b[at:], src[p:q])
	addCount(b, n)
}

// PutInts fills b, which has exactly the right size, with the n integers that at gives.
func PutInts(b []byte, n int, at func(i int) int64) {
	b[0], b[1] = 0, 0
	p := HeaderSize
	for i := range n {
		e := Int(at(i))
		p = put(b, p, e, e.body())
	}
	addCount(b, n)
}

// Move takes the elements in [p, q) out and puts them back before the one that stands at offset to, which is not
// between p and q. O(bytes between).
func Move(b []byte, p, q, to int) {
	switch {
	case to > q:
		rotate(b[p:to], q-p)
	case to < p:
		rotate(b[to:q], p-to)
	}
}

// rotate moves the first n bytes of d behind the others.
func rotate(d []byte, n int) {
	slices.Reverse(d[:n])
	slices.Reverse(d[n:])
	slices.Reverse(d)
}

// InsertEvery puts a copy of e after every n elements, of which there are a multiple of n. O(size).
func InsertEvery(buf Buffer, n int, e Elem) {
	b := buf.Bytes()
	groups := Len(b) / n
	if groups == 0 {
		return
	}
	e = e.canon()
	body := e.body()
	size := body + backSize(body)
	from := len(b)
	b = buf.Resize(from + groups*size)
	for to := len(b); to > from; { // from the end: each group goes to where nothing unread stands
		to -= size
		put(b, to, e, body)
		p := from
		for range n {
			p = before(b, p)
		}
		to -= copy(b[to-(from-p):], b[p:from])
		from = p
	}
	addCount(b, groups)
}
