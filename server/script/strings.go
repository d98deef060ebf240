package script

import (
	"bytes"
	"errors"
	"math"
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

func appendInt(dst []byte, n int64) []byte { return strconv.AppendInt(dst, n, 10) }

// parseNumber reads a number as C's strtod does, with blanks around it, or as hexadecimal integer.
func parseNumber(s string) (float64, bool) {
	s = strings.Trim(s, " \t\n\v\f\r")
	if s == "" || strings.Contains(s, "_") {
		return 0, false
	}
	digits, neg := strings.CutPrefix(s, "-")
	if !neg {
		digits = strings.TrimPrefix(s, "+")
	}
	if len(digits) > 2 && digits[0] == '0' && digits[1]|0x20 == 'x' {
		if n, err := strconv.ParseUint(digits[2:], 16, 64); err == nil {
			if neg {
				return -float64(n), true
			}
			return float64(n), true
		}
		if !strings.ContainsAny(digits, "pP") {
			digits += "p0"
		}
		f, err := strconv.ParseFloat(digits, 64)
		if neg {
			f = -f
		}
		return f, err == nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil && !math.IsInf(f, 0) {
		return 0, false
	}
	return f, true
}

// parseBase reads an integer in another base, as C's strtoul does: a minus sign makes it a number near 2^64.
func parseBase(s string, base int) (float64, bool) {
	s, _, _ = strings.Cut(s, "\x00")
	s = strings.Trim(s, " \t\n\v\f\r")
	digits, neg := strings.CutPrefix(s, "-")
	if !neg {
		digits = strings.TrimPrefix(s, "+")
	}
	if base == 16 && len(digits) > 2 && digits[0] == '0' && digits[1]|0x20 == 'x' {
		digits = digits[2:]
	}
	n, err := strconv.ParseUint(digits, base, 64)
	if errors.Is(err, strconv.ErrRange) {
		err, neg = nil, false // n is the largest
	}
	if err != nil || strings.ContainsAny(digits, "+-_") {
		return 0, false
	}
	if neg {
		n = -n
	}
	return float64(n), true
}

// rep is string.rep, which a script's memory bound has to know of.
func (e *Engine) rep(L *lua.LState) int {
	s, n := checkText(L, 1), checkInt(L, 2)
	if n <= 0 || s == "" {
		L.Push(lua.LString(""))
		return 1
	}
	if n > e.opt.MaxString/len(s) {
		e.fits(L, -1)
	}
	L.Push(lua.LString(strings.Repeat(s, n)))
	return 1
}

// spec is one conversion of string.format.
type spec struct {
	minus, plus, space, sharp, zero bool
	width, precision                int // -1: not given
	verb                            byte
}

// format is string.format, as C's printf does it.
func (e *Engine) format(L *lua.LState) int {
	f := checkText(L, 1)
	var b []byte
	arg := 1
	for i := 0; i < len(f); i++ {
		if f[i] != '%' {
			b = append(b, f[i])
			continue
		}
		i++
		if i < len(f) && f[i] == '%' {
			b = append(b, '%')
			continue
		}
		if arg++; arg > L.GetTop() {
			L.ArgError(arg, "no value")
		}
		var s spec
		i = s.parse(L, f, i)
		b = s.append(L, b, arg)
		e.fits(L, len(b))
	}
	L.Push(lua.LString(b))
	return 1
}

// parse reads flags, width, precision and verb from f[i:] and returns where the verb stands.
func (s *spec) parse(L *lua.LState, f string, i int) int {
	s.precision = -1
	start := i
flags:
	for ; i < len(f); i++ {
		switch f[i] {
		case '-':
			s.minus = true
		case '+':
			s.plus = true
		case ' ':
			s.space = true
		case '#':
			s.sharp = true
		case '0':
			s.zero = true
		default:
			break flags
		}
	}
	if i-start > 5 {
		L.RaiseError("invalid format (repeated flags)")
	}
	digits := func() (n int) {
		for k := 0; k < 2 && i < len(f) && f[i] >= '0' && f[i] <= '9'; k++ {
			n = n*10 + int(f[i]-'0')
			i++
		}
		return n
	}
	s.width = digits()
	if i < len(f) && f[i] == '.' {
		i++
		s.precision = digits()
	}
	if i < len(f) && f[i] >= '0' && f[i] <= '9' {
		L.RaiseError("invalid format (width or precision too long)")
	}
	if i < len(f) {
		s.verb = f[i]
	}
	return i
}

func (s *spec) append(L *lua.LState, b []byte, arg int) []byte {
	switch s.verb {
	case 'c':
		before := len(b)
		b = s.pad(b, "", string([]byte{byte(int64(checkNumber(L, arg)))}), false)
		if i := bytes.IndexByte(b[before:], 0); i >= 0 { // where C's text ends
			b = b[:before+i]
		}
		return b
	case 'd', 'i':
		n := toInt64(checkNumber(L, arg))
		digits := strconv.FormatUint(magnitude(n), 10)
		return s.integer(b, s.sign(n < 0), digits)
	case 'o':
		return s.unsigned(L, b, arg, 8, "0")
	case 'u':
		return s.unsigned(L, b, arg, 10, "")
	case 'x':
		return s.unsigned(L, b, arg, 16, "0x")
	case 'X':
		return s.unsigned(L, b, arg, 16, "0X")
	case 'e', 'E', 'f', 'g', 'G':
		return s.float(b, checkNumber(L, arg))
	case 'q':
		return appendQuoted(b, checkText(L, arg))
	case 's':
		t := checkText(L, arg)
		if s.precision < 0 && len(t) >= 100 {
			return append(b, t...)
		}
		t, _, _ = strings.Cut(t, "\x00") // where C's text ends
		if s.precision >= 0 {
			t = t[:min(len(t), s.precision)]
		}
		return s.pad(b, "", t, false)
	}
	what := ""
	if s.verb != 0 {
		what = string([]byte{s.verb})
	}
	L.RaiseError("invalid option '%%%s' to 'format'", what)
	return nil
}

func magnitude(n int64) uint64 {
	if n < 0 {
		return -uint64(n)
	}
	return uint64(n)
}

func (s *spec) sign(negative bool) string {
	switch {
	case negative:
		return "-"
	case s.plus:
		return "+"
	case s.space:
		return " "
	}
	return ""
}

func (s *spec) unsigned(L *lua.LState, b []byte, arg, base int, prefix string) []byte {
	f := checkNumber(L, arg)
	n := uint64(toInt64(f))
	if f >= 1<<63 && f < 1<<64 {
		n = uint64(f)
	}
	digits := strconv.FormatUint(n, base)
	if s.verb == 'X' {
		digits = strings.ToUpper(digits)
	}
	if !s.sharp || n == 0 {
		prefix = ""
	}
	return s.integer(b, prefix, digits)
}

// integer appends a number of at least precision digits.
func (s *spec) integer(b []byte, prefix, digits string) []byte {
	if s.precision == 0 && digits == "0" {
		digits = ""
	}
	if n := s.precision - len(digits); n > 0 {
		digits = strings.Repeat("0", n) + digits
	}
	return s.pad(b, prefix, digits, s.precision < 0)
}

func (s *spec) float(b []byte, f float64) []byte {
	precision := s.precision
	if precision < 0 {
		precision = 6
	}
	var digits string
	finite := false
	switch a := math.Abs(f); {
	case math.IsNaN(f):
		digits = "nan"
	case math.IsInf(f, 0):
		digits = "inf"
	case s.verb|0x20 == 'g':
		finite = true
		digits = string(appendG(nil, a, max(precision, 1), s.sharp))
	default:
		finite = true
		digits = strconv.FormatFloat(a, s.verb|0x20, precision, 64)
		if s.sharp && precision == 0 {
			m, exp, found := strings.Cut(digits, "e")
			if digits = m + "."; found {
				digits += "e" + exp
			}
		}
	}
	if s.verb < 'a' {
		digits = strings.ToUpper(digits)
	}
	return s.pad(b, s.sign(math.Signbit(f)), digits, finite)
}

// appendG prints f with %.<precision>g; keep leaves zeros at the end.
func appendG(dst []byte, f float64, precision int, keep bool) []byte {
	if !keep {
		return strconv.AppendFloat(dst, f, 'g', precision, 64)
	}
	e := strconv.FormatFloat(f, 'e', precision-1, 64)
	exp, _ := strconv.Atoi(e[strings.IndexByte(e, 'e')+1:])
	if exp < -4 || exp >= precision {
		m, rest, _ := strings.Cut(e, "e")
		if !strings.Contains(m, ".") {
			m += "."
		}
		return append(dst, m+"e"+rest...)
	}
	t := strconv.FormatFloat(f, 'f', precision-1-exp, 64)
	if !strings.Contains(t, ".") {
		t += "."
	}
	return append(dst, t...)
}

// pad appends prefix and body in a field of the given width.
func (s *spec) pad(b []byte, prefix, body string, zeros bool) []byte {
	n := s.width - len(prefix) - len(body)
	switch {
	case n <= 0:
		return append(append(b, prefix...), body...)
	case s.minus:
		return append(append(append(b, prefix...), body...), strings.Repeat(" ", n)...)
	case s.zero && zeros:
		return append(append(append(b, prefix...), strings.Repeat("0", n)...), body...)
	}
	return append(append(append(b, strings.Repeat(" ", n)...), prefix...), body...)
}

// appendQuoted writes a string as Lua would read it back.
func appendQuoted(b []byte, s string) []byte {
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; c {
		case '"', '\\', '\n':
			b = append(b, '\\', c)
		case '\r':
			b = append(b, `\r`...)
		case 0:
			b = append(b, `\000`...)
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

// byteOf is string.byte.
func byteOf(L *lua.LState) int {
	s, from := checkText(L, 1), optInt(L, 2, 1)
	from, to := within(s, from, optInt(L, 3, from))
	for i := from; i < to; i++ {
		L.Push(lua.LNumber(s[i]))
	}
	return max(0, to-from)
}

// sub is string.sub.
func sub(L *lua.LState) int {
	s := checkText(L, 1)
	from, to := within(s, checkInt(L, 2), optInt(L, 3, -1))
	L.Push(lua.LString(s[from:max(from, to)]))
	return 1
}

// within makes indexes of Go of the first and the last place of a part of s, which count from the end if they are negative.
func within(s string, first, last int) (from, to int) {
	if first < 0 {
		first = len(s) + first + 1
	}
	if last < 0 {
		last = len(s) + last + 1
	}
	return min(max(first, 1)-1, len(s)), min(max(last, 0), len(s))
}

func length(L *lua.LState) int {
	L.Push(lua.LNumber(len(checkText(L, 1))))
	return 1
}

func lower(L *lua.LState) int {
	return inBytes(L, func(c byte, _ int) byte {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		return c
	})
}

func upper(L *lua.LState) int {
	return inBytes(L, func(c byte, _ int) byte {
		if c >= 'a' && c <= 'z' {
			c -= 'a' - 'A'
		}
		return c
	})
}

func reverse(L *lua.LState) int {
	s := checkText(L, 1)
	return inBytes(L, func(_ byte, i int) byte { return s[len(s)-1-i] })
}

// inBytes gives a string in which fn has taken the place of each byte.
func inBytes(L *lua.LState, fn func(c byte, i int) byte) int {
	b := []byte(checkText(L, 1))
	for i, c := range b {
		b[i] = fn(c, i)
	}
	L.Push(lua.LString(b))
	return 1
}
