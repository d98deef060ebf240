package datatypes

import (
	"encoding/binary"
	"strconv"

	"larder/datatypes/arena"
)

// A field entry is one arena allocation: a member entry (see member.go) whose text is the field, then
//
//	head u8    80 set: the field expires; low bits: the kind of the value
//	           0-95      string of that many bytes
//	           96-103    integer in 1-8 bytes
//	           104       string, its length in 2 bytes first
//	           105       string elsewhere in the arena: ref u32, length u32
//	value      the bytes that the head announces
//	expire     8 bytes, unix time in milliseconds, if the field expires
//
// All numbers are little endian. The field "n" with the value 700000, expiring at 1700000000000, is
//
//	01 6E | E2 | 60 AE 0A | 00 68 E5 CF 8B 01 00 00
//
// A value that reads as an integer is stored as one only where that makes the allocation smaller. Values above farValue
// bytes stand elsewhere, so that entries stay cheap to relocate.
const (
	fieldExpires  = 0x80
	fieldShortMax = 95
	fieldInt      = 95 // plus the number of bytes
	fieldLong     = 104
	fieldFar      = 105

	farValue = 8 << 10

	fieldFrame = 32 // what an entry has beyond field and value, at most
)

// MostFieldMoves is what Hash.FieldMoves is at most for a name of up to 4 KiB.
const MostFieldMoves = farValue + 4<<10

// field is an entry taken apart. The slices lie in the arena.
type field struct {
	text   []byte
	value  []byte // as stored: text, integer bytes, or the 8 bytes of a far value
	expire int64  // 0: does not expire
	head   int    // offset of the head
	size   int    // of the entry
	kind   byte
}

// openField takes the entry at e apart.
func openField(a *arena.Arena, e arena.Ref) (f field) {
	n := int(a.Bytes(e, 1)[0])
	if n < 0x80 {
		f.head = 1 + n
		f.text = a.Bytes(e, f.head)[1:]
	} else {
		f.text, f.head = longMember(a, e)
	}
	head := a.Bytes(e, f.head+1)[f.head]
	f.kind = head &^ fieldExpires
	at, end := f.head+1, 0
	switch {
	case f.kind <= fieldShortMax:
		end = at + int(f.kind)
	case f.kind < fieldLong:
		end = at + int(f.kind-fieldInt)
	case f.kind == fieldLong:
		at += 2
		end = at + int(binary.LittleEndian.Uint16(a.Bytes(e, at)[at-2:]))
	default:
		end = at + 8
	}
	f.size = end
	if head&fieldExpires != 0 {
		f.size += 8
		f.expire = int64(binary.LittleEndian.Uint64(a.Bytes(e, f.size)[end:]))
	}
	f.value = a.Bytes(e, end)[at:]
	return f
}

// far is where a value of the kind fieldFar stands.
func (f *field) far() (r arena.Ref, n int) {
	return arena.Ref(binary.LittleEndian.Uint32(f.value)), int(binary.LittleEndian.Uint32(f.value[4:]))
}

// setFar makes a far value stand elsewhere.
func (f *field) setFar(r arena.Ref) { binary.LittleEndian.PutUint32(f.value, uint32(r)) }

// content is the value's text. The digits of an integer are written to scratch.
func (f *field) content(a *arena.Arena, scratch *[20]byte) []byte {
	switch {
	case f.kind <= fieldShortMax || f.kind == fieldLong:
		return f.value
	case f.kind == fieldFar:
		return a.Bytes(f.far())
	}
	return strconv.AppendInt(scratch[:0], shortInt(f.value), 10)
}

// shortInt reads 1-8 bytes, little endian, two's complement.
func shortInt(b []byte) int64 {
	n := int64(int8(b[len(b)-1]))
	for i := len(b) - 2; i >= 0; i-- {
		n = n<<8 | int64(b[i])
	}
	return n
}

// shortIntSize is how many bytes n needs.
func shortIntSize(n int64) int {
	size := 1
	for n < -128 || n > 127 {
		n >>= 8
		size++
	}
	return size
}

// fieldPlan says how a value will be stored.
type fieldPlan struct {
	kind byte
	n    int64 // the integer
	size int   // of the entry
}

// planField decides it for an entry whose head stands at offset head.
func planField(head int, value []byte, expires bool) fieldPlan {
	fixed := head + 1
	if expires {
		fixed += 8
	}
	n := len(value)
	switch {
	case n > farValue:
		return fieldPlan{kind: fieldFar, size: fixed + 8}
	case n > fieldShortMax:
		return fieldPlan{kind: fieldLong, size: fixed + 2 + n}
	case n > 1 && n <= 20:
		if v, ok := ParseInt(value); ok {
			if short := shortIntSize(v); arena.RoundUp(fixed+short) < arena.RoundUp(fixed+n) {
				return fieldPlan{kind: byte(fieldInt + short), n: v, size: fixed + short}
			}
		}
	}
	return fieldPlan{kind: byte(n), size: fixed + n}
}

// put writes head, value and expiry at offset head of the entry b. r is where a far value stands.
func (p fieldPlan) put(b []byte, head int, value []byte, r arena.Ref, expire_ms int64) {
	b[head] = p.kind
	d := b[head+1:]
	switch {
	case p.kind <= fieldShortMax:
		copy(d, value)
	case p.kind < fieldLong:
		for i, u := 0, uint64(p.n); i < int(p.kind-fieldInt); i++ {
			d[i] = byte(u)
			u >>= 8
		}
	case p.kind == fieldLong:
		binary.LittleEndian.PutUint16(d, uint16(len(value)))
		copy(d[2:], value)
	default:
		binary.LittleEndian.PutUint32(d, uint32(r))
		binary.LittleEndian.PutUint32(d[4:], uint32(len(value)))
	}
	if expire_ms != 0 {
		b[head] |= fieldExpires
		binary.LittleEndian.PutUint64(b[p.size-8:], uint64(expire_ms))
	}
}

// newField makes an entry.
func newField(a *arena.Arena, text, value []byte, expire_ms int64) arena.Ref {
	head := memberSize(len(text))
	p := planField(head, value, expire_ms != 0)
	var far arena.Ref
	if p.kind == fieldFar {
		far = a.Alloc(len(value))
		copy(a.Bytes(far, len(value)), value)
	}
	e := a.Alloc(p.size)
	b := a.Bytes(e, p.size)
	putMember(b, text)
	p.put(b, head, value, far, expire_ms)
	return e
}

// setField gives the entry another value, which does not lie in the entry, and expiry, and returns where it is now.
func setField(a *arena.Arena, e arena.Ref, value []byte, expire_ms int64) arena.Ref {
	f := openField(a, e)
	p := planField(f.head, value, expire_ms != 0)
	var far, old arena.Ref
	n := 0
	if f.kind == fieldFar {
		old, n = f.far()
	}
	if p.kind == fieldFar {
		if old != 0 && arena.RoundUp(n) == arena.RoundUp(len(value)) {
			far, old = a.Resize(old, n, len(value)), 0
		} else {
			far = a.Alloc(len(value))
		}
		copy(a.Bytes(far, len(value)), value)
	}
	if old != 0 {
		a.Free(old, n)
	}
	if f.size != p.size {
		e = a.Resize(e, f.size, p.size)
	}
	p.put(a.Bytes(e, p.size), f.head, value, far, expire_ms)
	return e
}

// setFieldExpire changes only the expiry, 0 for none, and returns where the entry is now.
func setFieldExpire(a *arena.Arena, e arena.Ref, expire_ms int64) arena.Ref {
	f := openField(a, e)
	size := f.size
	if f.expire != 0 {
		size -= 8
	}
	if expire_ms != 0 {
		size += 8
	}
	if size != f.size {
		e = a.Resize(e, f.size, size)
	}
	b := a.Bytes(e, size)
	b[f.head] = f.kind
	if expire_ms != 0 {
		b[f.head] |= fieldExpires
		binary.LittleEndian.PutUint64(b[size-8:], uint64(expire_ms))
	}
	return e
}

// freeField gives the entry back, with a value that stands elsewhere.
func freeField(a *arena.Arena, e arena.Ref) {
	f := openField(a, e)
	if f.kind == fieldFar {
		a.Free(f.far())
	}
	a.Free(e, f.size)
}

// moveField relocates the parts of the entry that lie in pages being emptied, and returns where it is now.
func moveField(a *arena.Arena, e arena.Ref) arena.Ref {
	f := openField(a, e)
	if f.kind == fieldFar {
		if r, n := f.far(); a.ShouldMove(r, n) {
			f.setFar(a.Move(r, n))
		}
	}
	if a.ShouldMove(e, f.size) {
		e = a.Move(e, f.size)
	}
	return e
}
