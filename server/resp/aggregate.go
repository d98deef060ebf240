package resp

import (
	"strconv"

	"larder/datatypes/invariant"
)

// Array begins an array of n replies.
func (w *Writer) Array(n int) { w.header('*', int64(n)) }

// Map begins a map of n keys, each followed by its value; in RESP2 an array of 2n.
func (w *Writer) Map(n int) { w.aggregate('%', n) }

// Set begins a set of n replies, in RESP2 an array.
func (w *Writer) Set(n int) { w.aggregate('~', n) }

// Push begins an out of band message of n parts, in RESP2 an array.
func (w *Writer) Push(n int) { w.aggregate('>', n) }

// Attribute begins n attributes (each a key and a value) of the reply that follows. RESP2 has none: then it answers
// false and the caller writes none.
func (w *Writer) Attribute(n int) bool {
	if w.Proto == 3 {
		w.header('|', int64(n))
	}
	return w.Proto == 3
}

func (w *Writer) aggregate(kind byte, n int) {
	kind, n = w.form(kind, n)
	w.header(kind, int64(n))
}

// form is what an aggregate is in the client's protocol.
func (w *Writer) form(kind byte, n int) (byte, int) {
	if w.Proto == 3 {
		return kind, n
	}
	if kind == '%' {
		n *= 2
	}
	return '*', n
}

// Deferred is the place of an aggregate whose length is known only afterwards.
type Deferred struct{ buffers, at int }

const holeSize = 16 // a type byte, up to eleven digits, a line break

// Defer leaves room for the beginning of an aggregate. Deferred aggregates nest: the inner one is set first.
// Every one must be set before the reply ends.
func (w *Writer) Defer() Deferred {
	w.room(holeSize)
	d := Deferred{len(w.aside), len(w.buf)}
	w.buf = append(w.buf, "****************"...)
	return d
}

// SetArray makes it an array of n; what was written since is moved up, O(its length) up to the size of a buffer.
func (w *Writer) SetArray(d Deferred, n int) { w.fill(d, '*', n) }

// SetMap makes it a map of n keys.
func (w *Writer) SetMap(d Deferred, n int) { w.fill(d, '%', n) }

// SetSet makes it a set of n.
func (w *Writer) SetSet(d Deferred, n int) { w.fill(d, '~', n) }

func (w *Writer) fill(d Deferred, kind byte, n int) {
	kind, n = w.form(kind, n)
	buf := &w.buf
	if d.buffers < len(w.aside) {
		buf = &w.aside[d.buffers]
	}
	b := *buf
	invariant.Check(d.at+holeSize <= len(b) && b[d.at+holeSize-1] == '*', "a deferred length was set twice")
	var head [holeSize]byte
	h := append(strconv.AppendInt(append(head[:0], kind), int64(n), 10), '\r', '\n')
	copy(b[d.at:], h)
	k := d.at + len(h)
	k += copy(b[k:], b[d.at+holeSize:])
	if buf != &w.buf {
		w.size -= len(b) - k
	}
	*buf = b[:k]
}
