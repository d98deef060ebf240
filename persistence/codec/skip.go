package codec

import (
	"encoding/binary"
	"fmt"
)

// What modules write says of each part what it is, so that it can be passed over by those who do not know the module.
const (
	moduleEnd    = 0
	moduleInt    = 1
	moduleUint   = 2
	moduleFloat  = 3
	moduleDouble = 4
	moduleString = 5
)

// SkipModuleAux passes over what a module has left in a file beside the keys, after OpModuleAux, and returns the
// module's name.
func (r *Reader) SkipModuleAux() (name string) {
	id := r.Len()
	if r.Len() != moduleUint {
		r.corrupt("data of a module without the time of its loading")
	}
	r.Len() // before or after the keys
	r.skipModule()
	return moduleName(id)
}

// SkipModuleValue passes over the value of a module, which stands behind a type byte for which IsModule is true, and
// returns the module's name.
func (r *Reader) SkipModuleValue(typ byte) (name string) {
	if typ != typeModule {
		r.Fail(ErrModule)
		return ""
	}
	id := r.Len()
	r.skipModule()
	return moduleName(id)
}

func (r *Reader) skipModule() {
	for r.err == nil {
		switch op := r.Len(); op {
		case moduleEnd:
			return
		case moduleInt, moduleUint:
			r.Len()
		case moduleFloat:
			r.next(4)
		case moduleDouble:
			r.next(8)
		case moduleString:
			r.String()
		default:
			r.corrupt(fmt.Sprintf("unknown part %d in the data of a module", op))
		}
	}
}

// moduleName is the name in the upper 54 bits of a module's number: nine characters of six bits.
func moduleName(id uint64) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	var b [9]byte
	id >>= 10
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = letters[id&63]
		id >>= 6
	}
	return string(b[:])
}

// What recordSize says of bytes that are no whole record.
const (
	recordShort = -1 // more bytes are needed
	recordOther = -2 // it is not to be measured: malformed, or of a form that is rare
)

// Record returns the bytes of the key and the body that come next, behind the type byte typ, if they fit in the reader's
// buffer, and stands behind them then. It is for those who hand records to others to be read. ok is false, and nothing
// was read, if the record is long, rare or malformed: reading it tells.
func (r *Reader) Record(typ byte) (raw []byte, ok bool) {
	for r.err == nil {
		b := r.buf[r.pos:]
		n := recordSize(b, typ)
		if n >= 0 {
			r.pos += n
			return b[:n:n], true
		}
		if n == recordOther || len(b) == cap(r.buf) || !r.more() {
			break
		}
	}
	return nil, false
}

// more reads into the buffer what fits. It is false if nothing came.
func (r *Reader) more() bool {
	if r.src == nil || r.left == 0 {
		return false
	}
	r.compactBuf()
	have := len(r.buf)
	n, _ := r.src.Read(r.buf[have : have+int(min(int64(cap(r.buf)-have), r.left))]) // an error comes again with the next read
	r.buf = r.buf[:have+n]
	r.took(n)
	return n > 0
}

// recordSize is how many bytes key and body take in b.
func recordSize(b []byte, typ byte) int {
	s := scanner{b: b}
	s.str()
	switch typ {
	case typeString, typeSetIntset, typeSetListpack, typeZSetListpack, typeZSetZiplist, typeHashListpack, typeHashZiplist,
		typeHashZipmap, typeListZiplist, typeHashPackTTLPreGA:
		s.str()
	case typeHashPackTTL:
		s.skip(8)
		s.str()
	case typeList, typeSet, typeListQuicklist:
		for n := s.length(); n > 0 && s.state == 0; n-- {
			s.str()
		}
	case typeHash:
		for n := s.length(); n > 0 && s.state == 0; n-- {
			s.str()
			s.str()
		}
	case typeStream, typeStream2, typeStream3:
		s.stream(typ)
	case typeListQuicklist2:
		for n := s.length(); n > 0 && s.state == 0; n-- {
			s.length()
			s.str()
		}
	case typeZSet2:
		for n := s.length(); n > 0 && s.state == 0; n-- {
			s.str()
			s.skip(8)
		}
	default:
		return recordOther
	}
	if s.state != 0 {
		return s.state
	}
	return s.at
}

// scanner measures.
type scanner struct {
	b     []byte
	at    int
	state int // 0, recordShort or recordOther
}

func (s *scanner) skip(n uint64) {
	if s.state == 0 && n > uint64(len(s.b)-s.at) {
		s.state = recordShort
	}
	if s.state == 0 {
		s.at += int(n)
	}
}

// stream goes over what readStream reads.
func (s *scanner) stream(typ byte) {
	for n := s.length(); n > 0 && s.state == 0; n-- { // nodes
		s.str()
		s.str()
	}
	lengths := func(n int) {
		for range n {
			s.length()
		}
	}
	lengths(1 + 2) // the number of entries, the last ID
	if typ != typeStream {
		lengths(2 + 2 + 1) // the first ID, the highest that was deleted, entries added
	}
	for n := s.length(); n > 0 && s.state == 0; n-- {
		s.str()
		lengths(2)
		if typ != typeStream {
			lengths(1) // entries read
		}
		for n := s.length(); n > 0 && s.state == 0; n-- { // pending
			s.skip(16 + 8)
			s.length()
		}
		for n := s.length(); n > 0 && s.state == 0; n-- { // consumers
			s.str()
			s.skip(8)
			if typ == typeStream3 {
				s.skip(8)
			}
			for n := s.length(); n > 0 && s.state == 0; n-- {
				s.skip(16)
			}
		}
	}
}

func (s *scanner) length() uint64 {
	n, special := s.lengthOr()
	if special {
		s.state = recordOther
	}
	return n
}

func (s *scanner) lengthOr() (n uint64, special bool) {
	if s.state != 0 || s.at >= len(s.b) {
		s.skip(1)
		return 0, false
	}
	c := s.b[s.at]
	size := 1
	switch {
	case c < 0x40, c >= 0xC0:
		n = uint64(c)
	case c < 0x80:
		size = 2
	case c == len32:
		size = 5
	case c == len64:
		size = 9
	default:
		s.state = recordOther
		return 0, false
	}
	at := s.at
	if s.skip(uint64(size)); s.state != 0 {
		return 0, false
	}
	switch size {
	case 2:
		n = uint64(c&0x3F)<<8 | uint64(s.b[at+1])
	case 5:
		n = uint64(binary.BigEndian.Uint32(s.b[at+1:]))
	case 9:
		n = binary.BigEndian.Uint64(s.b[at+1:])
	}
	return n, c >= 0xC0
}

func (s *scanner) str() {
	n, special := s.lengthOr()
	if !special {
		s.skip(n)
		return
	}
	switch n {
	case strInt8:
		s.skip(1)
	case strInt16:
		s.skip(2)
	case strInt32:
		s.skip(4)
	case strLZF:
		size := s.length()
		s.length()
		s.skip(size)
	default:
		s.state = recordOther
	}
}
