package datatypes

import (
	"strconv"
)

// The sparse form lists the registers in order as runs of the same rank:
//
//	00nnnnnn            n+1 registers that are 0
//	01nnnnnn nnnnnnnn   n+1 registers that are 0, high bits first
//	1rrrrrnn            n+1 registers of rank r+1
//
// 60 F3 80 is 8436 zeros, then one register of rank 1. How a list changes is part of the format: two servers that have
// counted the same elements in the same order have the same bytes. A register that is raised gets a run of its own; then
// neighbours of the same rank are joined in the first few runs from the one before it on. When the string would become
// longer than the limit, or a rank does not fit, it becomes dense.
const (
	sparseTopRank  = 32
	sparseMaxRanks = 4  // registers in a run that is not of zeros
	sparseMaxZeros = 64 // in a run of zeros of one byte
	sparseJoin     = 5  // how many runs are looked at for neighbours to join
)

// sparseRun reads the run at offset p: its rank, 0 for zeros, the number of registers, the number of bytes.
func sparseRun(s []byte, p int) (rank uint8, count, size int) {
	switch c := s[p]; {
	case c >= 0x80:
		return c>>2&31 + 1, int(c&3) + 1, 1
	case c < 0x40:
		return 0, int(c) + 1, 1
	case p+1 < len(s):
		return 0, int(c&0x3F)<<8 + int(s[p+1]) + 1, 2
	default: // cut off: more than there can be
		return 0, HLLRegisters + 1, 2
	}
}

// putRank writes a run that is not of zeros.
func putRank(rank uint8, count int) byte { return 0x80 | (rank-1)<<2 | byte(count-1) }

// putZeros writes a run of zeros and returns the number of bytes.
func putZeros(s []byte, count int) int {
	if count <= sparseMaxZeros {
		s[0] = byte(count - 1)
		return 1
	}
	s[0], s[1] = 0x40|byte((count-1)>>8), byte(count-1)
	return 2
}

// mergeSparse raises regs to what the list s has; it is false if that does not list all registers.
func mergeSparse(regs, s []byte) bool {
	i := 0
	for p := 0; p < len(s); {
		rank, count, size := sparseRun(s, p)
		if p += size; i+count > HLLRegisters {
			return false
		}
		if rank > 0 {
			for j := range count {
				regs[i+j] = max(regs[i+j], rank)
			}
		}
		i += count
	}
	return i == HLLRegisters
}

// countSparse counts the registers of each rank; it is false if the list does not have all registers.
func countSparse(histogram *[64]int, s []byte) bool {
	i := 0
	for p := 0; p < len(s); {
		rank, count, size := sparseRun(s, p)
		histogram[rank] += count
		p += size
		i += count
	}
	return i == HLLRegisters
}

// sparsePlace is where a search for a register may begin: at a run, knowing the one before it. Searches for ascending
// registers take O(size) together with it. The zero sparsePlace is the beginning.
type sparsePlace struct {
	p, first int // offset of the run and its first register
	before   int // offset of the run before it, if p is not 0
}

// raiseSparse is raise for the sparse form. done is false if the form has to become dense; nothing has changed then.
func (x *HyperLogLog) raiseSparse(register int, rank uint8, at *sparsePlace) (done, changed, ok bool) {
	s := x.h.Bytes()[hllHead:]
	p, first, before := at.p, at.first, -1
	if p > 0 {
		before = at.before
	}
	next := sparsePlace{} // where the search for a higher register may begin
	var was uint8
	count, size := 0, 0
	for {
		if p >= len(s) {
			return true, false, false
		}
		if was, count, size = sparseRun(s, p); register < first+count {
			break
		}
		// Of the run in front of the one that is found, the beginning stays where it is, and so does all before it.
		next = sparsePlace{p: p, first: first, before: max(before, 0)}
		before = p
		p += size
		first += count
	}
	if count > HLLRegisters {
		return true, false, false
	}
	if was >= rank {
		return true, false, true
	}
	if size == 1 && count == 1 { // its own run already
		s[p] = putRank(rank, 1)
	} else {
		var seq [5]byte
		n := splitRun(&seq, was, rank, register-first, first+count-1-register)
		old := len(s)
		if n > size && hllHead+old+n-size > x.limit {
			return false, false, true
		}
		tail := p + size
		if n > size {
			s = x.h.Resize(hllHead + old + n - size)[hllHead:]
		}
		copy(s[p+n:], s[tail:old])
		copy(s[p:], seq[:n])
		if n < size {
			s = x.h.Resize(hllHead + old + n - size)[hllHead:]
		}
	}
	if kept := joinRuns(s, max(before, 0)); kept < len(s) {
		x.h.Resize(hllHead + kept)
	}
	*at = next
	return true, true, true
}

// splitRun writes what a run of rank was becomes when one of its registers, with left others in front of it and right
// behind it, gets another rank.
func splitRun(seq *[5]byte, was, rank uint8, left, right int) (n int) {
	put := func(rank uint8, count int) {
		switch {
		case count == 0:
		case rank == 0:
			n += putZeros(seq[n:], count)
		default:
			seq[n] = putRank(rank, count)
			n++
		}
	}
	put(was, left)
	put(rank, 1)
	put(was, right)
	return n
}

// joinRuns joins neighbours of the same rank among the first runs from offset p on, and returns how long the list is
// then.
func joinRuns(s []byte, p int) (length int) {
	for range sparseJoin {
		if p >= len(s) {
			break
		}
		rank, count, size := sparseRun(s, p)
		if rank == 0 {
			p += size
			continue
		}
		if p+1 < len(s) {
			rank2, count2, _ := sparseRun(s, p+1)
			if rank2 == rank && count+count2 <= sparseMaxRanks {
				s[p+1] = putRank(rank, count+count2)
				copy(s[p:], s[p+1:])
				s = s[:len(s)-1]
				continue
			}
		}
		p++
	}
	return len(s)
}

// AppendHLLRuns appends the sparse list as PFDEBUG DECODE shows it: z:count and Z:count for zeros in one and two bytes,
// v:rank,count for others.
func AppendHLLRuns(dst, b []byte) []byte {
	s := b[hllHead:]
	for p := 0; p < len(s); {
		rank, count, size := sparseRun(s, p)
		if p > 0 {
			dst = append(dst, ' ')
		}
		switch {
		case rank > 0:
			dst = strconv.AppendInt(append(dst, "v:"...), int64(rank), 10)
			dst = append(dst, ',')
		case size == 2:
			dst = append(dst, "Z:"...)
		default:
			dst = append(dst, "z:"...)
		}
		dst = strconv.AppendInt(dst, int64(count), 10)
		p += size
	}
	return dst
}
