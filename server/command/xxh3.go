package command

import (
	"encoding/binary"
	"math/bits"
)

// xxh3 is the hash XXH3, 64 bits, without a seed: what DIGEST replies. It is the algorithm of the xxHash specification
// (Yann Collet), one word at a time. For example xxh3("Hello world") is 0xb6acb9d84a38ff74.
func xxh3(b []byte) uint64 {
	n := uint64(len(b))
	switch {
	case n == 0:
		return xxhFinish(secretAt(56) ^ secretAt(64))
	case n <= 3:
		x := uint32(b[0])<<16 | uint32(b[n>>1])<<24 | uint32(b[n-1]) | uint32(n)<<8
		return xxhFinish(uint64(x ^ uint32(secretAt(0)) ^ uint32(secretAt(0)>>32)))
	case n <= 8:
		first, last := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[n-4:])
		x := (uint64(last) | uint64(first)<<32) ^ secretAt(8) ^ secretAt(16)
		x ^= bits.RotateLeft64(x, 49) ^ bits.RotateLeft64(x, 24)
		x *= xxhMix2
		x ^= x>>35 + n
		x *= xxhMix2
		return x ^ x>>28
	case n <= 16:
		low := le64(b) ^ secretAt(24) ^ secretAt(32)
		high := le64(b[n-8:]) ^ secretAt(40) ^ secretAt(48)
		return xxhAvalanche(n + bits.ReverseBytes64(low) + high + foldedProduct(low, high))
	case n <= 128:
		acc := n * xxhPrime64_1
		for i := (n - 1) / 32; i < 4; i-- { // from the middle outwards, until i wraps around
			acc += mix16(b[16*i:], int(32*i)) + mix16(b[n-16*(i+1):], int(32*i+16))
		}
		return xxhAvalanche(acc)
	case n <= 240:
		acc := n * xxhPrime64_1
		for i := range 8 {
			acc += mix16(b[16*i:], 16*i)
		}
		acc = xxhAvalanche(acc)
		for i := 8; i < int(n/16); i++ {
			acc += mix16(b[16*i:], 16*(i-8)+3)
		}
		return xxhAvalanche(acc + mix16(b[n-16:], 136-17))
	}
	return xxhLong(b)
}

const (
	xxhStripe  = 64                        // bytes that the eight accumulators take at a time
	xxhStripes = (len(xxhSecret) - 64) / 8 // in a block: the secret moves on by eight bytes with each
	xxhBlock   = xxhStripe * xxhStripes    // bytes

	xxhPrime32_1 = 0x9e3779b1
	xxhPrime32_2 = 0x85ebca77
	xxhPrime32_3 = 0xc2b2ae3d
	xxhPrime64_1 = 0x9e3779b185ebca87
	xxhPrime64_2 = 0xc2b2ae3d27d4eb4f
	xxhPrime64_3 = 0x165667b19e3779f9
	xxhPrime64_4 = 0x85ebca77c2b2ae63
	xxhPrime64_5 = 0x27d4eb2f165667c5
	xxhMix1      = 0x165667919e3779f9
	xxhMix2      = 0x9fb21c651e98df25

	xxhSecret = "\xb8\xfe\x6c\x39\x23\xa4\x4b\xbe\x7c\x01\x81\x2c\xf7\x21\xad\x1c\xde\xd4\x6d\xe9\x83\x90\x97\xdb" +
		"\x72\x40\xa4\xa4\xb7\xb3\x67\x1f\xcb\x79\xe6\x4e\xcc\xc0\xe5\x78\x82\x5a\xd0\x7d\xcc\xff\x72\x21" +
		"\xb8\x08\x46\x74\xf7\x43\x24\x8e\xe0\x35\x90\xe6\x81\x3a\x26\x4c\x3c\x28\x52\xbb\x91\xc3\x00\xcb" +
		"\x88\xd0\x65\x8b\x1b\x53\x2e\xa3\x71\x64\x48\x97\xa2\x0d\xf9\x4e\x38\x19\xef\x46\xa9\xde\xac\xd8" +
		"\xa8\xfa\x76\x3f\xe3\x9c\x34\x3f\xf9\xdc\xbb\xc7\xc7\x0b\x4f\x1d\x8a\x51\xe0\x4b\xcd\xb4\x59\x31" +
		"\xc8\x9f\x7e\xc9\xd9\x78\x73\x64\xea\xc5\xac\x83\x34\xd3\xeb\xc3\xc5\x81\xa0\xff\xfa\x13\x63\xeb" +
		"\x17\x0d\xdd\x51\xb7\xf0\xda\x49\xd3\x16\x55\x26\x29\xd4\x68\x9e\x2b\x16\xbe\x58\x7d\x47\xa1\xfc" +
		"\x8f\xf8\xb8\xd1\x7a\xd0\x31\xce\x45\xcb\x3a\x8f\x95\x16\x04\x28\xaf\xd7\xfb\xca\xbb\x4b\x40\x7e"
)

// xxhLong hashes more than 240 bytes.
func xxhLong(b []byte) uint64 {
	acc := [8]uint64{xxhPrime32_3, xxhPrime64_1, xxhPrime64_2, xxhPrime64_3, xxhPrime64_4, xxhPrime32_2, xxhPrime64_5, xxhPrime32_1}
	left := b
	for ; len(left) > xxhBlock; left = left[xxhBlock:] {
		for i := range xxhStripes {
			xxhAccumulate(&acc, left[i*xxhStripe:], 8*i)
		}
		for i := range acc {
			acc[i] = (acc[i] ^ acc[i]>>47 ^ secretAt(len(xxhSecret)-64+8*i)) * xxhPrime32_1
		}
	}
	for i := range (len(left) - 1) / xxhStripe {
		xxhAccumulate(&acc, left[i*xxhStripe:], 8*i)
	}
	xxhAccumulate(&acc, b[len(b)-xxhStripe:], len(xxhSecret)-64-7)
	sum := uint64(len(b)) * xxhPrime64_1
	for i := 0; i < 8; i += 2 {
		sum += foldedProduct(acc[i]^secretAt(11+8*i), acc[i+1]^secretAt(11+8*i+8))
	}
	return xxhAvalanche(sum)
}

func xxhAccumulate(acc *[8]uint64, stripe []byte, secret int) {
	stripe = stripe[:xxhStripe]
	for i := range acc {
		x := le64(stripe[8*i:])
		key := x ^ secretAt(secret+8*i)
		acc[i^1] += x
		acc[i] += uint64(uint32(key)) * (key >> 32)
	}
}

func mix16(b []byte, secret int) uint64 {
	return foldedProduct(le64(b)^secretAt(secret), le64(b[8:])^secretAt(secret+8))
}

func foldedProduct(x, y uint64) uint64 {
	high, low := bits.Mul64(x, y)
	return high ^ low
}

func xxhAvalanche(x uint64) uint64 {
	x ^= x >> 37
	x *= xxhMix1
	return x ^ x>>32
}

func xxhFinish(x uint64) uint64 {
	x ^= x >> 33
	x *= xxhPrime64_2
	x ^= x >> 29
	x *= xxhPrime64_3
	return x ^ x>>32
}

func le64(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }

// secretAt is the eight bytes of the secret at i.
func secretAt(i int) uint64 {
	s := xxhSecret[i : i+8]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}
