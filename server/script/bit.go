package script

import (
	"math"
	"math/bits"

	lua "github.com/yuin/gopher-lua"
)

// bitTable makes the table bit: operations on the low 32 bits of numbers.
func (e *Engine) bitTable() *lua.LTable {
	t := e.L.NewTable()
	fold := func(op func(a, b uint32) uint32) lua.LGFunction {
		return func(L *lua.LState) int {
			r := toBits(L, 1)
			for i := 2; i <= L.GetTop(); i++ {
				r = op(r, toBits(L, i))
			}
			return pushBits(L, r)
		}
	}
	shift := func(op func(a uint32, n int) uint32) lua.LGFunction {
		return func(L *lua.LState) int { return pushBits(L, op(toBits(L, 1), int(toBits(L, 2)&31))) }
	}
	for name, fn := range map[string]lua.LGFunction{
		"tobit":   func(L *lua.LState) int { return pushBits(L, toBits(L, 1)) },
		"bnot":    func(L *lua.LState) int { return pushBits(L, ^toBits(L, 1)) },
		"bswap":   func(L *lua.LState) int { return pushBits(L, bits.ReverseBytes32(toBits(L, 1))) },
		"band":    fold(func(a, b uint32) uint32 { return a & b }),
		"bor":     fold(func(a, b uint32) uint32 { return a | b }),
		"bxor":    fold(func(a, b uint32) uint32 { return a ^ b }),
		"lshift":  shift(func(a uint32, n int) uint32 { return a << n }),
		"rshift":  shift(func(a uint32, n int) uint32 { return a >> n }),
		"arshift": shift(func(a uint32, n int) uint32 { return uint32(int32(a) >> n) }),
		"rol":     shift(func(a uint32, n int) uint32 { return bits.RotateLeft32(a, n) }),
		"ror":     shift(func(a uint32, n int) uint32 { return bits.RotateLeft32(a, -n) }),
		"tohex":   toHex,
	} {
		t.RawSetString(name, e.L.NewFunction(fn))
	}
	return t
}

// toBits is a number modulo 2^32, rounded to the nearest integer, halves to the even one.
func toBits(L *lua.LState, i int) uint32 {
	f := math.RoundToEven(checkNumber(L, i))
	if f >= -1<<63 && f < 1<<63 {
		return uint32(int64(f))
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return 0
	}
	return uint32(int64(math.Mod(f, 1<<32)))
}

func pushBits(L *lua.LState, n uint32) int {
	L.Push(lua.LNumber(int32(n)))
	return 1
}

func toHex(L *lua.LState) int {
	n := toBits(L, 1)
	digits, count := "0123456789abcdef", int32(8)
	if L.GetTop() > 1 {
		count = int32(toBits(L, 2))
	}
	if count < 0 {
		digits, count = "0123456789ABCDEF", -count
	}
	if count > 8 || count < 0 {
		count = 8
	}
	var b [8]byte
	for i := count - 1; i >= 0; i-- {
		b[i] = digits[n&15]
		n >>= 4
	}
	L.Push(lua.LString(b[:count]))
	return 1
}
