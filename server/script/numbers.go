package script

import (
	"math"
	"strconv"

	lua "github.com/yuin/gopher-lua"
)

// formatNumber prints a number as Lua's tostring does: 14 digits at most.
func formatNumber(f float64) string {
	var b [32]byte
	return string(appendNumber(b[:0], f, 14))
}

// appendNumber prints a number as C's printf does with %.<digits>g.
func appendNumber(dst []byte, f float64, digits int) []byte {
	switch {
	case f == math.Trunc(f) && math.Abs(f) < 1e14 && digits >= 14 && (f != 0 || !math.Signbit(f)):
		return strconv.AppendInt(dst, int64(f), 10)
	case math.IsInf(f, 1):
		return append(dst, "inf"...)
	case math.IsInf(f, -1):
		return append(dst, "-inf"...)
	case math.IsNaN(f):
		if math.Signbit(f) {
			return append(dst, "-nan"...)
		}
		return append(dst, "nan"...)
	}
	return strconv.AppendFloat(dst, f, 'g', max(digits, 1), 64)
}

// random is the generator of math.random: the one of Redis, so that a seed gives the same numbers here and there.
type random struct{ x uint64 }

func (r *random) seed(n int32) { r.x = uint64(uint32(n))<<16 | 0x330e }

// next is a number from 0 to 2^31-1.
func (r *random) next() int32 {
	r.x = (r.x*0x5deece66d + 0xb) & (1<<48 - 1)
	return int32(r.x >> 17)
}

func (e *Engine) mathRandom(L *lua.LState) int {
	r := float64(e.rnd.next()%math.MaxInt32) / math.MaxInt32
	switch L.GetTop() {
	case 0:
		L.Push(lua.LNumber(r))
	case 1:
		u := checkInt32(L, 1)
		if u < 1 {
			L.ArgError(1, "interval is empty")
		}
		L.Push(lua.LNumber(math.Floor(r*u) + 1))
	case 2:
		l, u := checkInt32(L, 1), checkInt32(L, 2)
		if l > u {
			L.ArgError(2, "interval is empty")
		}
		L.Push(lua.LNumber(math.Floor(r*(u-l+1)) + l))
	default:
		L.RaiseError("wrong number of arguments")
	}
	return 1
}

func (e *Engine) mathRandomseed(L *lua.LState) int {
	e.rnd.seed(int32(checkInt32(L, 1)))
	return 0
}

// checkInt32 reads an argument as C's int.
func checkInt32(L *lua.LState, i int) float64 {
	return float64(int32(toInt64(checkNumber(L, i))))
}
