package datatypes

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// A HyperLogLog is a string of Redis's format, so that GET and SET move it between servers. It counts different elements
// to within 0.81 % on average. Three files: this one has the format as a whole and the dense form, hyperloglog_sparse.go
// the sparse form, hyperloglog_estimate.go what the registers say.
//
// An element's 64-bit hash is cut in two: the low 14 bits choose one of 16384 registers, the others give the rank, one
// more than the number of zeros at their low end, which is 1 to 51. A register keeps the highest rank it has seen.
//
//	0-3    HYLL
//	4      form: 0 dense, 1 sparse
//	5-7    not used
//	8-15   the last estimate, little endian; the top bit is set when the registers have changed since
//	16-    the registers
//
// Dense, register i stands in the 6 bits from bit 6i on, bit 0 being the lowest of the first byte: 12288 bytes. Sparse,
// it is a list of runs (hyperloglog_sparse.go). PFADD h a b c makes the 27 bytes
//
//	48 59 4C 4C 01 00 00 00   00 00 00 00 00 00 00 80   60 F3 80 50 B1 84 4B FB 80 42 5A
//	H  Y  L  L  sparse        no estimate               4 runs of zeros, between them ranks 1, 2 and 1
//
// A HyperLogLog never becomes sparse again.
type HyperLogLog struct {
	h     Holder
	limit int // bytes up to which it stays sparse
}

// HLLRegisters is the number of registers.
const HLLRegisters = 1 << hllBits

const (
	hllBits    = 14
	hllTopRank = 64 - hllBits + 1
	hllHead    = 16
	hllDense   = 0
	hllSparse  = 1
	hllSize    = hllHead + HLLRegisters*6/8 // of the dense form
	hllSeed    = 0xadc83b19
	hllStale   = 0x80 // in the last byte of the estimate
)

var hllMagic = []byte("HYLL")

// Bind makes x the one that h holds. h is a string's holder.
func (x *HyperLogLog) Bind(limits *Limits, h Holder) { x.h, x.limit = h, limits.HLLSparseMaxBytes }

// Create makes the string one that has counted nothing.
func (x *HyperLogLog) Create() {
	b := x.h.Resize(hllHead + 2)
	clear(b)
	copy(b, hllMagic)
	b[4] = hllSparse
	putZeros(b[hllHead:], HLLRegisters)
}

// ValidHLL tells whether a string may be a HyperLogLog. Sparse registers can still turn out to be corrupt when they are
// read.
func ValidHLL(b []byte) bool {
	return len(b) >= hllHead && bytes.Equal(b[:4], hllMagic) && (b[4] == hllSparse || b[4] == hllDense && len(b) == hllSize)
}

// HLLIsSparse tells the form.
func HLLIsSparse(b []byte) bool { return b[4] == hllSparse }

// HLLEstimate is the estimate that the string carries, if the registers have not changed since.
func HLLEstimate(b []byte) (n uint64, ok bool) {
	return binary.LittleEndian.Uint64(b[8:]), b[15]&hllStale == 0
}

// PutEstimate makes the string carry an estimate.
func (x *HyperLogLog) PutEstimate(n uint64) { binary.LittleEndian.PutUint64(x.h.Bytes()[8:], n) }

// Invalidate says that the registers have changed.
func (x *HyperLogLog) Invalidate() { x.h.Bytes()[15] |= hllStale }

// Add counts an element and tells whether a register changed, which leaves the estimate to be invalidated. ok is false
// if the registers are corrupt. O(1), in the sparse form O(size).
func (x *HyperLogLog) Add(element []byte) (changed, ok bool) {
	register, rank := hllPlace(element)
	return x.raise(register, rank, new(sparsePlace))
}

// hllPlace is the register that an element belongs to, and its rank.
func hllPlace(element []byte) (register int, rank uint8) {
	h := murmur64A(element, hllSeed)
	return int(h % HLLRegisters), uint8(bits.TrailingZeros64(h>>hllBits|1<<(64-hllBits)) + 1)
}

// Merge raises all registers to what regs has, one byte each; see HLLMerge. ok is false if they are corrupt.
func (x *HyperLogLog) Merge(regs []byte) (ok bool) {
	if b := x.h.Bytes(); !HLLIsSparse(b) {
		raiseDense(b[hllHead:], regs)
		return true
	}
	var at sparsePlace
	for i, rank := range regs {
		if rank == 0 {
			continue
		}
		if _, ok := x.raise(i, rank, &at); !ok {
			return false
		}
		if b := x.h.Bytes(); !HLLIsSparse(b) { // not any more
			raiseDense(b[hllHead:], regs)
			return true
		}
	}
	return true
}

// raise sets a register unless it is at least as high. at helps in the sparse form; see sparsePlace.
func (x *HyperLogLog) raise(register int, rank uint8, at *sparsePlace) (changed, ok bool) {
	if x.h.Bytes()[4] == hllSparse {
		if rank <= sparseTopRank {
			if done, changed, ok := x.raiseSparse(register, rank, at); done {
				return changed, ok
			}
		}
		if !x.ToDense() {
			return false, false
		}
	}
	d := x.h.Bytes()[hllHead:]
	if denseGet(d, register) >= rank {
		return false, true
	}
	densePut(d, register, rank)
	return true, true
}

// ToDense changes the form, keeping the estimate. It is false if the registers are corrupt.
func (x *HyperLogLog) ToDense() bool {
	b := x.h.Bytes()
	if b[4] == hllDense {
		return true
	}
	var regs [HLLRegisters]uint8
	if !mergeSparse(regs[:], b[hllHead:]) {
		return false
	}
	b = x.h.Resize(hllSize)
	b[4] = hllDense
	clear(b[hllHead:])
	raiseDense(b[hllHead:], regs[:])
	return true
}

func denseGet(d []byte, i int) uint8 {
	p, shift := i*6/8, i*6%8
	v := d[p] >> shift
	if shift > 2 {
		v |= d[p+1] << (8 - shift)
	}
	return v & 63
}

func densePut(d []byte, i int, rank uint8) {
	p, shift := i*6/8, i*6%8
	d[p] = d[p]&^(63<<shift) | rank<<shift
	if shift > 2 {
		d[p+1] = d[p+1]&^(63>>(8-shift)) | rank>>(8-shift)
	}
}

// raiseDense raises the registers of the dense form d to regs, four at a time.
func raiseDense(d []byte, regs []uint8) {
	for len(d) >= 3 && len(regs) >= 4 {
		was := uint32(d[0]) | uint32(d[1])<<8 | uint32(d[2])<<16
		v := max(was&63, uint32(regs[0])) | max(was>>6&63, uint32(regs[1]))<<6 | max(was>>12&63, uint32(regs[2]))<<12 | max(was>>18, uint32(regs[3]))<<18
		d[0], d[1], d[2] = byte(v), byte(v>>8), byte(v>>16)
		d, regs = d[3:], regs[4:]
	}
}

// eachDense calls fn with the registers of the dense form d, four at a time.
func eachDense(d []byte, fn func(i int, a, b, c, d uint8)) {
	for i := 0; i < HLLRegisters; i += 4 {
		v := uint32(d[0]) | uint32(d[1])<<8 | uint32(d[2])<<16
		d = d[3:]
		fn(i, uint8(v&63), uint8(v>>6&63), uint8(v>>12&63), uint8(v>>18))
	}
}

// HLLMerge raises regs, HLLRegisters bytes, to what the HyperLogLog b has. ok is false if that is corrupt.
func HLLMerge(regs, b []byte) (ok bool) {
	if HLLIsSparse(b) {
		return mergeSparse(regs, b[hllHead:])
	}
	regs = regs[:HLLRegisters]
	eachDense(b[hllHead:], func(i int, a, b, c, d uint8) {
		r := regs[i : i+4 : i+4]
		r[0], r[1], r[2], r[3] = max(r[0], a), max(r[1], b), max(r[2], c), max(r[3], d)
	})
	return true
}

// murmur64A is MurmurHash64A of Austin Appleby, reading its input as little endian.
func murmur64A(key []byte, seed uint64) uint64 {
	const m, r = 0xc6a4a7935bd1e995, 47
	h := seed ^ uint64(len(key))*m
	for ; len(key) >= 8; key = key[8:] {
		k := binary.LittleEndian.Uint64(key) * m
		k = (k ^ k>>r) * m
		h = (h ^ k) * m
	}
	if len(key) > 0 {
		var tail [8]byte
		copy(tail[:], key)
		h = (h ^ binary.LittleEndian.Uint64(tail[:])) * m
	}
	h = (h ^ h>>r) * m
	return h ^ h>>r
}
