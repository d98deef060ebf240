// Package intset keeps a small set of integers in one sorted block of bytes.
//
// All integers of a block have the same width, the smallest that holds every integer it ever held: 2, 4 or 8 bytes.
// They are little endian, two's complement, ascending. In front stands the width alone; Redis's form, which RDB files
// and DUMP carry, has the width and the number of integers there as four bytes each, seven bytes more.
//
//	in Redis    width u32 | count u32 | integers
//	here        width u8              | integers
//
// LoadRedis and AppendRedis are the two borders. The set of -2, 5 and 1000 is
//
//	02             width
//	FE FF          -2
//	05 00          5
//	E8 03          1000
//
// Adding 70000 rewrites the block with width 4. An empty set has no bytes at all. Finding is O(log n), adding and
// removing O(n) bytes moved.
//
// The functions trust the bytes, as they are always written by this package: bytes from elsewhere go through
// LoadRedis, or Validate.
package intset

import (
	"encoding/binary"
	"errors"
)

const headerSize = 1

// MaxLen is the largest number of integers that a block may hold, whatever the configured limit.
const MaxLen = 1 << 26

// Buffer is where a block of bytes lives. Resize returns n bytes of which the first min(n, old length) are as they
// were; slices of the block taken earlier are dead.
type Buffer interface {
	Bytes() []byte
	Resize(n int) []byte
}

// widthOf is the number of bytes that v needs.
func widthOf(v int64) int {
	switch {
	case v == int64(int16(v)):
		return 2
	case v == int64(int32(v)):
		return 4
	}
	return 8
}

// Len is the number of integers.
func Len(b []byte) int {
	if len(b) == 0 {
		return 0
	}
	return (len(b) - headerSize) / int(b[0])
}

// At is the integer of that index, 0 being the smallest. It must exist.
func At(b []byte, index int) int64 { return get(b[headerSize:], int(b[0]), index) }

func get(d []byte, width, i int) int64 {
	switch width {
	case 2:
		return int64(int16(binary.LittleEndian.Uint16(d[i*2:])))
	case 4:
		return int64(int32(binary.LittleEndian.Uint32(d[i*4:])))
	}
	return int64(binary.LittleEndian.Uint64(d[i*8:]))
}

func put(d []byte, width, i int, v int64) {
	switch width {
	case 2:
		binary.LittleEndian.PutUint16(d[i*2:], uint16(v))
	case 4:
		binary.LittleEndian.PutUint32(d[i*4:], uint32(v))
	default:
		binary.LittleEndian.PutUint64(d[i*8:], uint64(v))
	}
}

// Min is the smallest integer of a set that is not empty.
func Min(b []byte) int64 { return At(b, 0) }

// Max is the largest integer of a set that is not empty.
func Max(b []byte) int64 { return At(b, Len(b)-1) }

// Find is the index of v; if it is absent, ok is false and the index is where it would stand.
func Find(b []byte, v int64) (index int, ok bool) {
	n := Len(b)
	if n == 0 {
		return 0, false
	}
	width, d := int(b[0]), b[headerSize:]
	if widthOf(v) > width { // beyond every integer of the set, or before
		if v < 0 {
			return 0, false
		}
		return n, false
	}
	lo, hi := 0, n
	for lo < hi {
		mid := int(uint(lo+hi) / 2)
		if get(d, width, mid) < v {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo, lo < n && get(d, width, lo) == v
}

// Has says whether v is in the set.
func Has(b []byte, v int64) bool {
	_, ok := Find(b, v)
	return ok
}

// Add puts v into the set and says whether it was absent.
func Add(buf Buffer, v int64) bool {
	b := buf.Bytes()
	n, need := Len(b), widthOf(v)
	if n == 0 {
		b = buf.Resize(headerSize + need)
		b[0] = byte(need)
		put(b[headerSize:], need, 0, v)
		return true
	}
	i, ok := Find(b, v)
	if ok {
		return false
	}
	width := int(b[0])
	if need > width {
		widen(buf, n, width, need, v)
		return true
	}
	size := len(b)
	b = buf.Resize(size + width)
	at := headerSize + i*width
	copy(b[at+width:], b[at:size])
	put(b[headerSize:], width, i, v)
	return true
}

// widen rewrites the set with wider integers and adds v, which is smaller or larger than all of them.
func widen(buf Buffer, n, from, to int, v int64) {
	b := buf.Resize(headerSize + (n+1)*to)
	b[0] = byte(to)
	d := b[headerSize:]
	shift := 0
	if v < 0 {
		shift = 1
	}
	for i := n - 1; i >= 0; i-- { // from the end: each goes to where nothing unread stands
		put(d, to, i+shift, get(d, from, i))
	}
	if v < 0 {
		put(d, to, 0, v)
	} else {
		put(d, to, n, v)
	}
}

// Remove takes v out of the set and says whether it was there. The width stays.
func Remove(buf Buffer, v int64) bool {
	i, ok := Find(buf.Bytes(), v)
	if ok {
		RemoveAt(buf, i)
	}
	return ok
}

// RemoveAt takes out the integer of that index, which must exist.
func RemoveAt(buf Buffer, index int) {
	b := buf.Bytes()
	width := int(b[0])
	size := len(b) - width
	if size == headerSize {
		buf.Resize(0)
		return
	}
	at := headerSize + index*width
	copy(b[at:], b[at+width:])
	buf.Resize(size)
}

// What Redis's form has around the integers.
const redisHeader = 8

// ErrCorrupt is returned for bytes that are not an intset.
var ErrCorrupt = errors.New("intset: malformed")

// AppendRedis appends the set in the form that RDB files and DUMP carry.
func AppendRedis(dst, b []byte) []byte {
	if len(b) == 0 {
		return append(dst, 2, 0, 0, 0, 0, 0, 0, 0)
	}
	dst = binary.LittleEndian.AppendUint32(dst, uint32(b[0]))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(Len(b)))
	return append(dst, b[headerSize:]...)
}

// LoadRedis checks bytes that claim to be an intset as RDB files and DUMP carry it, and makes them the content of buf.
// If they are not, buf is as it was. O(n).
func LoadRedis(buf Buffer, full []byte) error {
	if len(full) < redisHeader {
		return ErrCorrupt
	}
	width, count := binary.LittleEndian.Uint32(full), binary.LittleEndian.Uint32(full[4:])
	if width != 2 && width != 4 && width != 8 || count > MaxLen {
		return ErrCorrupt
	}
	d := full[redisHeader:]
	if len(d) != int(width)*int(count) || !ascend(d, int(width), int(count)) {
		return ErrCorrupt
	}
	if count == 0 {
		buf.Resize(0)
		return nil
	}
	b := buf.Resize(headerSize + len(d))
	b[0] = byte(width)
	copy(b[headerSize:], d)
	return nil
}

// ascend says whether the n integers in d are in order and without a duplicate.
func ascend(d []byte, width, n int) bool {
	for i := 1; i < n; i++ {
		if get(d, width, i-1) >= get(d, width, i) {
			return false
		}
	}
	return true
}

// Validate checks a block of ours: its width, its size, and that the integers ascend.
func Validate(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	width := int(b[0])
	if width != 2 && width != 4 && width != 8 {
		return ErrCorrupt
	}
	n := (len(b) - headerSize) / width
	if n == 0 || n > MaxLen || headerSize+n*width != len(b) {
		return ErrCorrupt
	}
	if !ascend(b[headerSize:], width, n) {
		return ErrCorrupt
	}
	return nil
}
