package codec

import (
	"encoding/binary"
	"errors"

	"larder/datatypes"
	"larder/datatypes/listpack"
)

// A ziplist is what versions before 7.0 kept short sequences in. {"ab", 5} is
//
//	11 00 00 00 0E 00 00 00   bytes in all, offset of the last entry
//	02 00                     entries; FF FF is "walk to know"
//	00 02 61 62               bytes of the entry before, then a string of 2 bytes
//	04 F6                     bytes of the entry before, then the integer 5 inside of its first byte
//	FF
//
// The length of the entry before is one byte, or FE and four bytes. Then comes
//
//	00xxxxxx                 string of up to 63 bytes
//	01xxxxxx +1              string of up to 16383 bytes
//	10xxxxxx +4              string of any length, big endian as the one before
//	C0 +2, D0 +4, E0 +8      integer, little endian; F0 has 3 bytes and FE 1
//	F1..FD                   the integers 0 to 12
const ziplistFront = 10

// ziplistToListpack makes a listpack, as Redis has it, of bytes that claim to be a ziplist. It checks all of them.
func ziplistToListpack(z []byte) ([]byte, error) {
	fault := func(what string) ([]byte, error) { return nil, errors.New(what) }
	if len(z) < ziplistFront+1 || uint64(binary.LittleEndian.Uint32(z)) != uint64(len(z)) || z[len(z)-1] != 0xFF {
		return fault("size")
	}
	var m datatypes.MemHolder
	p, count, before, last := ziplistFront, 0, 0, ziplistFront
	for end := len(z) - 1; p < end; count++ {
		start := p
		prev := int(z[p])
		p++
		if prev == 0xFE {
			if end-p < 4 {
				return fault("entry")
			}
			prev = int(binary.LittleEndian.Uint32(z[p:]))
			p += 4
		}
		if prev != before || prev == 0xFF {
			return fault("length of an entry before another")
		}
		e, n := ziplistEntry(z[p:end])
		if n == 0 {
			return fault("entry")
		}
		if !listpack.SafeToAdd(m.Bytes(), n+16) {
			return fault("size")
		}
		listpack.Append(&m, e)
		p += n
		before, last = p-start, start
	}
	if p != len(z)-1 || uint64(binary.LittleEndian.Uint32(z[4:])) != uint64(last) {
		return fault("end")
	}
	if n := int(binary.LittleEndian.Uint16(z[8:])); n != count && n != 0xFFFF {
		return fault("count")
	}
	return listpack.AppendRedis(nil, m.Bytes()), nil
}

// ziplistEntry reads an entry without the length of the one before: what it is and how many bytes it takes, 0 if it is
// malformed.
func ziplistEntry(z []byte) (e listpack.Elem, n int) {
	text := func(from, size int) (listpack.Elem, int) {
		if size > len(z)-from {
			return e, 0
		}
		return listpack.String(z[from : from+size]), from + size
	}
	if len(z) == 0 {
		return e, 0
	}
	c := z[0]
	if need := ziplistNeed(c); need > len(z) {
		return e, 0
	}
	switch {
	case c < 0x40:
		return text(1, int(c))
	case c < 0x80:
		return text(2, int(c&0x3F)<<8|int(z[1]))
	case c < 0xC0:
		return text(5, int(binary.BigEndian.Uint32(z[1:])))
	case c == 0xC0:
		return listpack.Int(int64(int16(binary.LittleEndian.Uint16(z[1:])))), 3
	case c == 0xD0:
		return listpack.Int(int64(int32(binary.LittleEndian.Uint32(z[1:])))), 5
	case c == 0xE0:
		return listpack.Int(int64(binary.LittleEndian.Uint64(z[1:]))), 9
	case c == 0xF0:
		return listpack.Int(int64(int32(uint32(z[1])<<8|uint32(z[2])<<16|uint32(z[3])<<24) >> 8)), 4
	case c == 0xFE:
		return listpack.Int(int64(int8(z[1]))), 2
	case c >= 0xF1 && c <= 0xFD:
		return listpack.Int(int64(c&0x0F) - 1), 1
	}
	return e, 0
}

// ziplistNeed is how many bytes an entry that begins with c has at least.
func ziplistNeed(c byte) int {
	switch {
	case c >= 0x40 && c < 0x80, c == 0xFE:
		return 2
	case c >= 0x80 && c < 0xC0, c == 0xD0:
		return 5
	case c == 0xC0:
		return 3
	case c == 0xE0:
		return 9
	case c == 0xF0:
		return 4
	}
	return 1
}

// A zipmap is what versions before 2.6 kept short hashes in. {a: xyz} is
//
//	01          fields; FE is "walk to know"
//	01 61       "a"
//	03 00       3 bytes of value, no bytes free behind it
//	78 79 7A
//	FF
//
// Lengths from 254 on are FE and four bytes, little endian.

// readZipmap sets the fields of a zipmap. Redis makes a hash of it that is compact if its texts are short.
func (r *Reader) readZipmap(z []byte, env *datatypes.Env, h datatypes.Holder) {
	r.hash.Bind(env, h)
	if len(z) < 2 || z[len(z)-1] != 0xFF {
		r.corrupt("Zipmap integrity check failed: size")
		return
	}
	p, count, end := 1, 0, len(z)-1
	length := func() int {
		if p >= end {
			return -1
		}
		n := int(z[p])
		p++
		if n == 0xFE && end-p >= 4 {
			n = int(binary.LittleEndian.Uint32(z[p:]))
			p += 4
		} else if n >= 0xFE {
			return -1
		}
		return n
	}
	for p < end {
		n := length()
		if n < 0 || n > end-p {
			break
		}
		name := z[p : p+n]
		p += n
		n = length()
		if n < 0 || n >= end-p || n+1+int(z[p]) > end-p {
			p = end + 1
			break
		}
		value := z[p+1 : p+1+n]
		p += 1 + n + int(z[p])
		if !r.room(env, len(name)+len(value)) {
			return
		}
		if !r.hash.Set(name, value, 0) {
			r.corrupt("Hash zipmap with dup elements")
			return
		}
		count++
	}
	if p != end || count == 0 || z[0] < 0xFE && int(z[0]) != count {
		r.corrupt("Zipmap integrity check failed: entry")
	}
}
