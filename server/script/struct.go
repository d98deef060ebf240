package script

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// structTable makes the table struct: numbers and strings as bytes, by a format like C's.
func (e *Engine) structTable() *lua.LTable {
	t := e.L.NewTable()
	for name, fn := range map[string]lua.LGFunction{"pack": e.structPack, "unpack": structUnpack, "size": structSize} {
		t.RawSetString(name, e.L.NewFunction(fn))
	}
	return t
}

const (
	maxIntSize = 32 // bytes of an integer
	maxAlign   = 8
)

// layout walks through a format.
type layout struct {
	L     *lua.LState
	f     string
	at    int
	big   bool
	align int
}

// option reads the next option and its size in bytes; 0 at the end.
func (l *layout) option() (opt byte, size int) {
	if l.at >= len(l.f) || l.f[l.at] == 0 {
		return 0, 0
	}
	opt = l.f[l.at]
	l.at++
	switch opt {
	case 'B', 'b', 'x':
		size = 1
	case 'H', 'h':
		size = 2
	case 'L', 'l', 'T', 'd':
		size = 8
	case 'f':
		size = 4
	case 'c':
		size = l.number(1)
	case 'i', 'I':
		if size = l.number(4); size > maxIntSize {
			l.L.RaiseError("integral size %d is larger than limit of %d", size, maxIntSize)
		}
	}
	return opt, size
}

// number reads digits, if there are any.
func (l *layout) number(otherwise int) int {
	if l.at >= len(l.f) || l.f[l.at] < '0' || l.f[l.at] > '9' {
		return otherwise
	}
	n := 0
	for l.at < len(l.f) && l.f[l.at] >= '0' && l.f[l.at] <= '9' {
		if n > math.MaxInt32/10 || n*10 > math.MaxInt32-int(l.f[l.at]-'0') {
			l.L.RaiseError("integral size overflow")
		}
		n = n*10 + int(l.f[l.at]-'0')
		l.at++
	}
	return n
}

// padding is how many bytes stand before an element of a size at a place.
func (l *layout) padding(pos int, opt byte, size int) int {
	if size == 0 || opt == 'c' {
		return 0
	}
	size = min(size, l.align)
	return (size - pos&(size-1)) & (size - 1)
}

// control is an option that stands for no element.
func (l *layout) control(opt byte) {
	switch opt {
	case ' ':
	case '>':
		l.big = true
	case '<':
		l.big = false
	case '!':
		a := l.number(maxAlign)
		if a <= 0 || a&(a-1) != 0 {
			l.L.RaiseError("alignment %d is not a power of 2", a)
		}
		l.align = a
	default:
		l.L.ArgError(1, "invalid format option '"+string([]byte{opt})+"'")
	}
}

func newLayout(L *lua.LState) *layout { return &layout{L: L, f: checkText(L, 1), align: 1} }

func (e *Engine) structPack(L *lua.LState) int {
	l := newLayout(L)
	var b []byte
	arg, total := 2, 0
	for {
		opt, size := l.option()
		if opt == 0 {
			break
		}
		pad := l.padding(total, opt, size)
		total += pad
		b = append(b, make([]byte, pad)...)
		switch opt {
		case 'b', 'B', 'h', 'H', 'l', 'L', 'T', 'i', 'I':
			b = appendInteger(b, checkNumber(L, arg), size, l.big)
			arg++
		case 'x':
			b = append(b, 0)
		case 'f':
			b = l.reverse(binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(checkNumber(L, arg)))), 4)
			arg++
		case 'd':
			b = l.reverse(binary.LittleEndian.AppendUint64(b, math.Float64bits(checkNumber(L, arg))), 8)
			arg++
		case 'c', 's':
			s := checkText(L, arg)
			arg++
			if size == 0 {
				size = len(s)
			}
			if len(s) < size {
				L.ArgError(arg, "string too short")
			}
			b = append(b, s[:size]...)
			if opt == 's' {
				b = append(b, 0)
				size++
			}
		default:
			l.control(opt)
		}
		total += size
		e.fits(L, len(b))
	}
	L.Push(lua.LString(b))
	return 1
}

// reverse turns the last n bytes around if the format asks for the highest byte first.
func (l *layout) reverse(b []byte, n int) []byte {
	if l.big {
		slices.Reverse(b[len(b)-n:])
	}
	return b
}

// appendInteger writes the low size bytes of a number, zeros above the eighth.
func appendInteger(b []byte, f float64, size int, big bool) []byte {
	n := uint64(toInt64(f))
	if f >= 1<<63 {
		n = uint64(f)
		if f >= 1<<64 {
			n = 0
		}
	}
	at := len(b)
	for range size {
		b = append(b, byte(n))
		n >>= 8
	}
	if big {
		slices.Reverse(b[at:])
	}
	return b
}

func structUnpack(L *lua.LState) int {
	l := newLayout(L)
	data := checkText(L, 2)
	pos := 1
	if L.Get(3) != lua.LNil {
		pos = int(toInt64(checkNumber(L, 3)))
	}
	if pos < 1 {
		L.ArgError(3, "offset must be 1 or greater")
	}
	pos--
	var values []lua.LValue
	short := func(size int) {
		if size < 0 || size > len(data) || pos > len(data)-size {
			L.ArgError(2, "data string too short")
		}
	}
	for {
		opt, size := l.option()
		if opt == 0 {
			break
		}
		pos += l.padding(pos, opt, size)
		short(size)
		if len(values) >= maxUnpack {
			L.RaiseError("stack overflow (too many results)")
		}
		switch opt {
		case 'b', 'B', 'h', 'H', 'l', 'L', 'T', 'i', 'I':
			values = append(values, readInteger(data[pos:pos+size], l.big, opt >= 'a'))
		case 'x':
		case 'f':
			b := l.reverse([]byte(data[pos:pos+4]), 4)
			values = append(values, lua.LNumber(math.Float32frombits(binary.LittleEndian.Uint32(b))))
		case 'd':
			b := l.reverse([]byte(data[pos:pos+8]), 8)
			values = append(values, lua.LNumber(math.Float64frombits(binary.LittleEndian.Uint64(b))))
		case 'c':
			if size == 0 {
				ok := false
				f := 0.0
				if len(values) > 0 {
					f, ok = number(values[len(values)-1])
				}
				if !ok {
					L.RaiseError("format 'c0' needs a previous size")
				}
				values = values[:len(values)-1]
				if f < 0 || f > float64(len(data)) {
					f = -1
				}
				size = int(f)
				short(size)
			}
			values = append(values, lua.LString(data[pos:pos+size]))
		case 's':
			n := strings.IndexByte(data[pos:], 0)
			if n < 0 {
				L.RaiseError("unfinished string in data")
			}
			values = append(values, lua.LString(data[pos:pos+n]))
			size = n + 1
		default:
			l.control(opt)
		}
		pos += size
	}
	L.SetTop(0)
	for _, v := range values {
		L.Push(v)
	}
	L.Push(lua.LNumber(pos + 1))
	return len(values) + 1
}

// readInteger reads the low eight bytes of an integer of any size.
func readInteger(b string, big, signed bool) lua.LNumber {
	n := uint64(0)
	for i := range len(b) {
		k := i
		if !big {
			k = len(b) - 1 - i
		}
		n = n<<8 | uint64(b[k])
	}
	if !signed {
		return lua.LNumber(n)
	}
	if bits := len(b) * 8; bits < 64 && bits > 0 {
		return lua.LNumber(int64(n<<(64-bits)) >> (64 - bits))
	}
	return lua.LNumber(int64(n))
}

func structSize(L *lua.LState) int {
	l := newLayout(L)
	pos := 0
	for {
		opt, size := l.option()
		if opt == 0 {
			break
		}
		pos += l.padding(pos, opt, size)
		switch {
		case opt == 's':
			L.ArgError(1, "option 's' has no fixed size")
		case opt == 'c' && size == 0:
			L.ArgError(1, "option 'c0' has no fixed size")
		case !isAlnum(opt):
			l.control(opt)
		}
		pos += size
	}
	L.Push(lua.LNumber(pos))
	return 1
}

func isAlnum(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}
