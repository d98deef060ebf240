package arena

// Sizes of pages and classes. A size class is named by its index 1-88; index 0 is no class.
const (
	granule   = 8 // bytes; what refs count in
	pageShift = 12
	pageBytes = 1 << pageShift
	pageGran  = pageBytes / granule // granules in a page

	maxSmall   = 16 << 10 // largest size that has a class; more takes whole pages
	classCount = 89

	maxSlabPages = 16 // longest slab

	// shortBit is set in the kind of a slab that has as few pages as one slot needs. The first slab of a class is
	// short, and so are all slabs when address space runs out.
	shortBit = 0x80
)

// Facts about the classes. Those of slabs are indexed by the slab's kind: the class, with or without shortBit.
var (
	classOf   [maxSmall/granule + 1]uint8 // class of a size, by (size+7)/8
	classSize [256]uint16                 // bytes of a slot; maxSmall still fits
	slabPages [256]uint8                  // pages of a slab
	slabSlots [256]uint16                 // slots of a slab
	slabRecip [256]uint32                 // used*slabRecip >> 16 is the slab's level, see levelFull
	hostOf    [classCount]uint8           // class that takes a class's first allocations in, 0 for none
)

// classStep is the distance between the classes around size. Every class above 512, and every class that is a
// multiple of 64, is made of whole cache lines.
func classStep(size int) int {
	switch {
	case size <= 256:
		return 8
	case size <= 512:
		return 16
	}
	step := 64 // eight steps from 512 to 1024, and from there eight per doubling
	for top := 1024; size > top; top *= 2 {
		step *= 2
	}
	return step
}

func init() {
	c := 0
	for size := granule; size <= maxSmall; size += classStep(size + 1) {
		c++
		classSize[c], classSize[c|shortBit] = uint16(size), uint16(size)
		short := (size + pageBytes - 1) / pageBytes
		describeSlab(c|shortBit, short)
		describeSlab(c, bestSlab(size, short))
		for g := size / granule; g >= 0 && classOf[g] == 0; g-- {
			classOf[g] = uint8(c)
		}
	}
	for c := 1; c < classCount && classSize[c] <= 512; c++ {
		host := (int(classSize[c]) + 63) &^ 63
		if host == int(classSize[c]) && host > 64 {
			host = hostOfLines
		}
		if host != int(classSize[c]) {
			hostOf[c] = classOf[host/granule]
		}
	}
}

func describeSlab(kind, pages int) {
	slots := pages * pageBytes / int(classSize[kind])
	slabPages[kind] = uint8(pages)
	slabSlots[kind] = uint16(slots)
	slabRecip[kind] = uint32((levelFull<<16 + slots - 1) / slots)
}

// bestSlab is the smallest number of pages that leaves at most 1/64 of a slab unused, or else the one that leaves
// the smallest share.
func bestSlab(size, least int) int {
	best, share := 0, 1.0
	for n := least; n <= maxSlabPages; n++ {
		s := float64(n*pageBytes%size) / float64(n*pageBytes)
		if s < share {
			best, share = n, s
		}
		if share <= 1.0/64 {
			break
		}
	}
	return best
}

// RoundUp is the number of bytes that Alloc(size) takes. (The first few allocations of a class may stand in a slot
// of a larger class, and then take up to 384 bytes more; LiveBytes knows.)
func RoundUp(size int) int {
	if size <= maxSmall {
		return int(classSize[classOf[(size+granule-1)/granule]])
	}
	return (size + pageBytes - 1) &^ (pageBytes - 1)
}

// hostOfLines is the size of the slots that take in the first allocations of the classes of two and more whole cache lines:
// a table that grows goes through all of them.
const hostOfLines = 512

// hostBytes is the size of the slots that take in first allocations of the class with slots of the given size; 0 if
// there are none.
func hostBytes(slot int) int {
	if slot > 512 {
		return 0
	}
	return int(classSize[hostOf[classOf[slot/granule]]])
}
