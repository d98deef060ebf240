package command

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"
)

// sortRank is an item's place in the order as far as one number tells it: the score, or the first bytes of the text, as an
// unsigned number of the same order, turned around for DESC. The rest is asked of the item.
type sortRank struct {
	most uint64
	item int
}

// numberRank is an unsigned number that is as large, among those of other numbers, as f is. It is the same for both zeros.
func numberRank(f float64) uint64 {
	n := math.Float64bits(f + 0)
	if n>>63 != 0 {
		return ^n
	}
	return n | 1<<63
}

// textRank is the first bytes of a text as a number.
func textRank(text []byte) uint64 {
	if len(text) >= 8 {
		return binary.BigEndian.Uint64(text)
	}
	var first [8]byte
	copy(first[:], text)
	return binary.BigEndian.Uint64(first[:])
}

// firstOf is the first n of a list of ranks in their order, in which no two are equal: ties orders those whose numbers are.
// Of few in many the others are not put in order: O(len(list) log n). The list is used up.
func firstOf(list []sortRank, n int, ties func(x, y sortRank) int) []sortRank {
	compare := func(x, y sortRank) int {
		if x.most != y.most {
			return cmp.Compare(x.most, y.most)
		}
		return ties(x, y)
	}
	if n < len(list)/4 {
		top := list[:n]
		for i := n/2 - 1; i >= 0; i-- {
			sink(top, i, compare)
		}
		for i := n; n > 0 && i < len(list); i++ {
			if compare(list[i], top[0]) < 0 {
				top[0] = list[i]
				sink(top, 0, compare)
			}
		}
		list = top
	}
	if len(list) < leastForDigits {
		slices.SortFunc(list, compare)
		return list
	}
	list = byDigits(list)
	for from := 0; from < len(list); {
		to := from + 1
		for to < len(list) && list[to].most == list[from].most {
			to++
		}
		if to-from > 1 {
			slices.SortFunc(list[from:to], ties)
		}
		from = to
	}
	return list
}

// sink moves item i of a heap, whose largest item is the first, to where it belongs.
func sink(heap []sortRank, i int, compare func(x, y sortRank) int) {
	for {
		child := 2*i + 1
		if child >= len(heap) {
			return
		}
		if child+1 < len(heap) && compare(heap[child], heap[child+1]) < 0 {
			child++
		}
		if compare(heap[i], heap[child]) >= 0 {
			return
		}
		heap[i], heap[child] = heap[child], heap[i]
		i = child
	}
}

// leastForDigits is how many ranks are sorted faster by their digits than by comparing them.
const leastForDigits = 512

// byDigits puts ranks into the order of their numbers; those of equal numbers stay as they stand. It deals them out by one
// byte of the number after the other, from the lowest on (Knuth, The Art of Computer Programming, volume 3, 5.2.5), and
// passes over bytes in which all are alike: integers, whose floating-point numbers end with zeros, differ in few. The result
// may lie in the list or in other memory of its size. O(len(list)).
func byDigits(list []sortRank) []sortRank {
	var counts [8][256]int // by byte of the number, by its value
	for _, r := range list {
		for b := range counts {
			counts[b][byte(r.most>>(8*b))]++
		}
	}
	other := make([]sortRank, len(list))
	for b := range counts {
		count := &counts[b]
		if count[byte(list[0].most>>(8*b))] == len(list) {
			continue
		}
		at := 0
		for v, n := range count {
			count[v] = at
			at += n
		}
		for _, r := range list {
			v := byte(r.most >> (8 * b))
			other[count[v]] = r
			count[v]++
		}
		list, other = other, list
	}
	return list
}
