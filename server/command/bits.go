package command

import (
	"encoding/binary"
	"math/bits"
)

// The loops over the bits of long strings, eight bytes at a time.

func word(b []byte) uint64       { return binary.NativeEndian.Uint64(b) }
func putWord(b []byte, x uint64) { binary.NativeEndian.PutUint64(b, x) }

// countBits counts the ones among the bits from to to-1 of b.
func countBits(b []byte, from, to int64) (n int64) {
	if from >= to {
		return 0
	}
	first, last := from>>3, (to-1)>>3
	n = countOnes(b[first : last+1])
	n -= int64(bits.OnesCount8(b[first] &^ (0xff >> (from & 7))))
	n -= int64(bits.OnesCount8(b[last] & (0x7f >> ((to - 1) & 7))))
	return n
}

func countOnes(b []byte) int64 {
	n := 0
	for ; len(b) >= 32; b = b[32:] {
		w := (*[32]byte)(b)
		n += bits.OnesCount64(word(w[:])) + bits.OnesCount64(word(w[8:])) + bits.OnesCount64(word(w[16:])) + bits.OnesCount64(word(w[24:]))
	}
	for ; len(b) >= 8; b = b[8:] {
		n += bits.OnesCount64(word(b))
	}
	for _, x := range b {
		n += bits.OnesCount8(x)
	}
	return int64(n)
}

// findBit is the place of the first of the bits from to to-1 of b that is bit, -1 if there is none.
func findBit(b []byte, from, to int64, bit byte) int64 {
	if from >= to {
		return -1
	}
	flip := uint64(0) // what makes the bit that is looked for a one
	if bit == 0 {
		flip = ^flip
	}
	if at := from & 7; at != 0 {
		x := (b[from>>3] ^ byte(flip)) & (0xff >> at)
		if x != 0 {
			return within(from&^7+int64(bits.LeadingZeros8(x)), to)
		}
		from += 8 - at
	}
	i, end := int(from>>3), int((to+7)>>3)
	for ; end-i >= 8; i += 8 {
		if x := binary.BigEndian.Uint64(b[i:]) ^ flip; x != 0 {
			return within(int64(i)*8+int64(bits.LeadingZeros64(x)), to)
		}
	}
	for ; i < end; i++ {
		if x := b[i] ^ byte(flip); x != 0 {
			return within(int64(i)*8+int64(bits.LeadingZeros8(x)), to)
		}
	}
	return -1
}

func within(at, to int64) int64 {
	if at < to {
		return at
	}
	return -1
}

// andBits, orBits, xorBits and clearBits combine src into dst, which are equally long.

func andBits(dst, src []byte) {
	for len(dst) >= 32 && len(src) >= 32 {
		d, s := (*[32]byte)(dst), (*[32]byte)(src)
		putWord(d[:], word(d[:])&word(s[:]))
		putWord(d[8:], word(d[8:])&word(s[8:]))
		putWord(d[16:], word(d[16:])&word(s[16:]))
		putWord(d[24:], word(d[24:])&word(s[24:]))
		dst, src = dst[32:], src[32:]
	}
	for i, x := range src {
		dst[i] &= x
	}
}

func orBits(dst, src []byte) {
	for len(dst) >= 32 && len(src) >= 32 {
		d, s := (*[32]byte)(dst), (*[32]byte)(src)
		putWord(d[:], word(d[:])|word(s[:]))
		putWord(d[8:], word(d[8:])|word(s[8:]))
		putWord(d[16:], word(d[16:])|word(s[16:]))
		putWord(d[24:], word(d[24:])|word(s[24:]))
		dst, src = dst[32:], src[32:]
	}
	for i, x := range src {
		dst[i] |= x
	}
}

func xorBits(dst, src []byte) {
	for len(dst) >= 32 && len(src) >= 32 {
		d, s := (*[32]byte)(dst), (*[32]byte)(src)
		putWord(d[:], word(d[:])^word(s[:]))
		putWord(d[8:], word(d[8:])^word(s[8:]))
		putWord(d[16:], word(d[16:])^word(s[16:]))
		putWord(d[24:], word(d[24:])^word(s[24:]))
		dst, src = dst[32:], src[32:]
	}
	for i, x := range src {
		dst[i] ^= x
	}
}

func clearBits(dst, src []byte) {
	for len(dst) >= 32 && len(src) >= 32 {
		d, s := (*[32]byte)(dst), (*[32]byte)(src)
		putWord(d[:], word(d[:])&^word(s[:]))
		putWord(d[8:], word(d[8:])&^word(s[8:]))
		putWord(d[16:], word(d[16:])&^word(s[16:]))
		putWord(d[24:], word(d[24:])&^word(s[24:]))
		dst, src = dst[32:], src[32:]
	}
	for i, x := range src {
		dst[i] &^= x
	}
}

// oneBits counts with one more operand which bits are set in exactly one of them, in one, and which in more, in more. The
// operand may be shorter.
func oneBits(one, more, src []byte) {
	one, more = one[:len(src)], more[:len(src)]
	for len(src) >= 8 && len(one) >= 8 && len(more) >= 8 {
		o, m, s := word(one), word(more), word(src)
		m |= o & s
		putWord(more, m)
		putWord(one, (o|s)&^m)
		one, more, src = one[8:], more[8:], src[8:]
	}
	for i, x := range src {
		more[i] |= one[i] & x
		one[i] = (one[i] | x) &^ more[i]
	}
}

func invertBits(b []byte) {
	for ; len(b) >= 32; b = b[32:] {
		w := (*[32]byte)(b)
		putWord(w[:], ^word(w[:]))
		putWord(w[8:], ^word(w[8:]))
		putWord(w[16:], ^word(w[16:]))
		putWord(w[24:], ^word(w[24:]))
	}
	for i := range b {
		b[i] = ^b[i]
	}
}

// getBits is the integer of width bits, 1 to 64, at bit at of b, which is continued by zeros.
func getBits(b []byte, at int64, width int) uint64 {
	w := window(b, at)
	shift := uint(at & 7)
	x := binary.BigEndian.Uint64(w[:])<<shift | uint64(w[8])>>(8-shift)
	return x >> (64 - width)
}

// putBits stores the lower width bits of x at bit at of b, which has room for them.
func putBits(b []byte, at int64, width int, x uint64) {
	w := window(b, at)
	shift := uint(at & 7)
	mask := ^uint64(0) << (64 - width)
	x <<= 64 - width
	head := binary.BigEndian.Uint64(w[:])
	binary.BigEndian.PutUint64(w[:], head&^(mask>>shift)|x>>shift)
	w[8] = w[8]&^byte(mask<<(8-shift)) | byte(x<<(8-shift))
	copy(b[at>>3:], w[:])
}

// window is the nine bytes that an integer at bit at can stand in.
func window(b []byte, at int64) (w [9]byte) {
	if i := at >> 3; i < int64(len(b)) {
		copy(w[:], b[i:])
	}
	return w
}
