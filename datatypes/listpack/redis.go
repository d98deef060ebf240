package listpack

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Sizes of what Redis's form has around the header and elements.
const (
	redisFront = 4 // total bytes
	redisBack  = 1 // end mark
)

// Errors of Validate and ParseRedis, wrapped with the offset where that helps.
var (
	ErrSize    = errors.New("listpack: size does not fit its header")
	ErrCount   = errors.New("listpack: number of elements does not fit its header")
	ErrElement = errors.New("listpack: malformed element")
)

// RedisSize is the length of what AppendRedis appends.
func RedisSize(b []byte) int { return redisFront + max(len(b), HeaderSize) + redisBack }

// AppendRedis appends the block in the form that RDB files and DUMP carry.
func AppendRedis(dst, b []byte) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(RedisSize(b)))
	if len(b) == 0 {
		dst = append(dst, 0, 0)
	}
	dst = append(dst, b...)
	return append(dst, kindEnd)
}

// ParseRedis checks bytes that claim to be a listpack as RDB files and DUMP carry it, down to each element, and returns
// the part of them that is a block of ours. It allocates nothing. O(n).
func ParseRedis(full []byte) ([]byte, error) {
	if len(full) < redisFront+HeaderSize+redisBack || uint64(binary.LittleEndian.Uint32(full)) != uint64(len(full)) {
		return nil, ErrSize
	}
	if full[len(full)-1] != kindEnd {
		return nil, fmt.Errorf("%w: no end mark", ErrSize)
	}
	b := full[redisFront : len(full)-redisBack : len(full)-redisBack]
	if len(b) == HeaderSize {
		if b[0] != 0 || b[1] != 0 {
			return nil, ErrCount
		}
		return nil, nil
	}
	return b, Validate(b)
}

// Validate checks a block of ours down to each element: after it no function of this package reads or writes outside b.
// Strings that could be integers, and integers wider than they need to be, pass, as they do in Redis.
func Validate(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if len(b) <= HeaderSize || len(b) > MaxBytes {
		return ErrSize
	}
	count := 0
	for p := HeaderSize; p < len(b); count++ {
		n, ok := checkedBody(b[p:])
		if !ok {
			return fmt.Errorf("%w at byte %d", ErrElement, p)
		}
		p += n
		if n < 1<<7 { // most are: their back length is one byte, the length itself
			if p == len(b) || b[p] != byte(n) {
				return fmt.Errorf("%w: back length at byte %d", ErrElement, p)
			}
			p++
			continue
		}
		var want [5]byte
		back := want[:backSize(n)]
		putBack(back, n)
		if len(b)-p < len(back) || string(b[p:p+len(back)]) != string(back) {
			return fmt.Errorf("%w: back length at byte %d", ErrElement, p)
		}
		p += len(back)
	}
	if n := int(binary.LittleEndian.Uint16(b)); n != countUnknown && n != count {
		return ErrCount
	}
	return nil
}

// checkedBody is bodySize for bytes of which nothing is known.
func checkedBody(b []byte) (n int, ok bool) {
	switch c := b[0]; {
	case c > kindInt64:
		return 0, false
	case c >= kindStr12 && c < kindStr32:
		if len(b) < 2 {
			return 0, false
		}
	case c == kindStr32:
		if len(b) < 5 {
			return 0, false
		}
	}
	n = bodySize(b, 0)
	return n, n <= len(b)
}
