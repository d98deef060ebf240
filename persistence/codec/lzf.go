package codec

import (
	"encoding/binary"
	"math/bits"
)

// LZF streams, as LibLZF defines them. A stream is a sequence of
//
//	000nnnnn               n+1 bytes of text follow
//	lllooooo oooooooo      copy l+2 bytes of the text, l from 1 to 6, that begin o+1 bytes before its present end
//	111ooooo llllllll oooooooo   the same with l from 7 to 262
//
// "abcabcabcabc" is 02 61 62 63 | E0 00 02: three bytes of text, then nine bytes from three bytes back. There is no end
// mark, so two streams in a row are the stream of both texts in a row: a long text is compressed block by block.
const (
	lzfWindow   = 1 << 13 // how far back a copy may begin
	lzfMaxCopy  = 264
	lzfMaxText  = 32
	lzfHashBits = 13

	// lzfBlock is how much text is compressed at once; what it becomes fits in memory in one piece.
	lzfBlock = 64 << 10
	// lzfGain is the most text that a byte of a stream can stand for: 264 bytes for 3.
	lzfGain = 88
)

// lzf compresses. Its table remembers where three bytes were seen last, as positions that grow from text to text, so
// that it needs not be cleared for each of them.
type lzf struct {
	table [1 << lzfHashBits]uint32
	base  uint32 // position of the present text's first byte
}

func lzfHash(b []byte) uint32 {
	v := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16
	return v * 0x9E3779B1 >> (32 - lzfHashBits)
}

// compress appends the stream of src, at most lzfBlock bytes. The result depends on src alone.
func (z *lzf) compress(dst, src []byte) []byte {
	if z.base > 1<<32-1-4*lzfBlock || z.base == 0 {
		clear(z.table[:])
		z.base = 1
	}
	base := z.base
	z.base += uint32(len(src))
	text, i := 0, 0 // src[text:i] is text that was not written yet
	misses := 0
	for i+4 <= len(src) {
		h := lzfHash(src[i:])
		at := z.table[h]
		z.table[h] = base + uint32(i)
		back := base + uint32(i) - at
		if at < base || back > lzfWindow || !sameThree(src, i, i-int(back)) {
			misses++
			i += 1 + misses>>6 // text that does not repeat is passed over faster and faster
			continue
		}
		misses = 0
		n := 3 + common(src[i-int(back)+3:], src[i+3:min(len(src), i+lzfMaxCopy)])
		dst = appendText(dst, src[text:i])
		o := back - 1
		if l := uint32(n - 2); l < 7 {
			dst = append(dst, byte(l<<5|o>>8), byte(o))
		} else {
			dst = append(dst, byte(7<<5|o>>8), byte(l-7), byte(o))
		}
		// The places inside the copy near its end are worth knowing too.
		for p := max(i+1, i+n-2); p < i+n && p+3 <= len(src); p++ {
			z.table[lzfHash(src[p:])] = base + uint32(p)
		}
		i += n
		text = i
	}
	return appendText(dst, src[text:])
}

func sameThree(b []byte, i, j int) bool {
	return b[i] == b[j] && b[i+1] == b[j+1] && b[i+2] == b[j+2]
}

// common is how many bytes a and b, not longer than a, begin with in common. a may overlap b.
func common(a, b []byte) int {
	n := 0
	for n+8 <= len(b) {
		if x := binary.LittleEndian.Uint64(a[n:]) ^ binary.LittleEndian.Uint64(b[n:]); x != 0 {
			return n + bits.TrailingZeros64(x)/8
		}
		n += 8
	}
	for n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

func appendText(dst, text []byte) []byte {
	for len(text) > lzfMaxText {
		dst = append(dst, lzfMaxText-1)
		dst = append(dst, text[:lzfMaxText]...)
		text = text[lzfMaxText:]
	}
	if len(text) > 0 {
		dst = append(dst, byte(len(text)-1))
		dst = append(dst, text...)
	}
	return dst
}

// expand fills dst with the text of the stream src. It is false unless the stream is that of exactly so much text.
func expand(dst, src []byte) bool {
	at := 0
	for i := 0; i < len(src); {
		c := int(src[i])
		i++
		if c < lzfMaxText {
			n := c + 1
			if n > len(src)-i || n > len(dst)-at {
				return false
			}
			copy(dst[at:], src[i:i+n])
			at += n
			i += n
			continue
		}
		n := c >> 5
		if n == 7 {
			if i == len(src) {
				return false
			}
			n += int(src[i])
			i++
		}
		if i == len(src) {
			return false
		}
		n += 2
		back := (c&0x1F)<<8 + int(src[i]) + 1
		i++
		if back > at || n > len(dst)-at {
			return false
		}
		if back >= n {
			copy(dst[at:at+n], dst[at-back:])
		} else {
			for end := at + n; at < end; at++ { // the copy repeats itself
				dst[at] = dst[at-back]
			}
			continue
		}
		at += n
	}
	return at == len(dst)
}
