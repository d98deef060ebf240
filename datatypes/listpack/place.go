package listpack

import "encoding/binary"

// The functions below are for owners of blocks that open room by themselves, at either end and without a Buffer.

// Measure returns e in the form in which it is stored, and how many bytes that takes.
func Measure(e Elem) (Elem, int) {
	e = e.canon()
	n := e.body()
	return e, n + backSize(n)
}

// Place writes an element that Measure returned at b[p:], where its bytes have been made free, and returns the offset
// after it. The count in the header stays as it is.
func Place(b []byte, p int, e Elem) int { return put(b, p, e, e.body()) }

// SetLen writes the number of elements into the header.
func SetLen(b []byte, n int) { binary.LittleEndian.PutUint16(b, uint16(min(n, countUnknown))) }

// AddLen changes the number of elements in the header by delta.
func AddLen(b []byte, delta int) { addCount(b, delta) }

// Read is Get and Next in one: the element at p and the offset of the one after it.
func Read(b []byte, p int) (e Elem, next int) {
	if c := b[p]; c >= kindStr6 && c < kindInt13 {
		q := p + 1 + int(c&0x3F)
		return Elem{Str: b[p+1 : q : q]}, q + 1
	}
	return Get(b, p), Next(b, p)
}
