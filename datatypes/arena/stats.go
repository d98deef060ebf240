package arena

import "unsafe"

// Stats are the arena's counters, in bytes unless the name says otherwise.
type Stats struct {
	Allocs        int64 // live allocations
	AskedBytes    int64 // what they were asked for
	LiveBytes     int64 // what they take, rounded up to the slots of their classes
	ResidentBytes int64 // memory held from the system: pages in use, free pages not given back, records of pages
	DirtyBytes    int64 // the part of ResidentBytes that is free, and that Trim would give back
	GainBytes     int64 // about what an evacuation with goal 1.1 would turn into free pages
	MaxBytes      int64 // bound of the pages
}

// LiveBytes is what all live allocations take, rounded up to the slots of their classes. O(1).
func (a *Arena) LiveBytes() int64 { return a.live }

// AskedBytes is what all live allocations were asked for. O(1).
func (a *Arena) AskedBytes() int64 { return a.asked }

// DirtyBytes is the part of ResidentBytes that is free, and that Trim would give back. O(1).
func (a *Arena) DirtyBytes() int64 { return int64(a.dirty.pages) << pageShift }

// ResidentBytes is the memory held from the system, O(1). Pages that a slab or a large allocation has not touched yet
// are counted as if it had.
func (a *Arena) ResidentBytes() int64 {
	f := int64(a.frontier.Load())
	records := (f*int64(unsafe.Sizeof(page{})) + pageBytes - 1) &^ (pageBytes - 1)
	return (f-1-int64(a.clean.pages))<<pageShift + records
}

// Stats are the counters now. O(1), though it looks at each of the 88 size classes.
func (a *Arena) Stats() Stats {
	s := Stats{
		Allocs:        a.large,
		AskedBytes:    a.AskedBytes(),
		LiveBytes:     a.live,
		ResidentBytes: a.ResidentBytes(),
		DirtyBytes:    a.DirtyBytes(),
		MaxBytes:      int64(a.maxPages) << pageShift,
	}
	for c := 1; c < classCount; c++ {
		s.Allocs += int64(a.classes[c].used)
		s.GainBytes += int64(a.classes[c].gain(statsGoal)) * int64(slabPages[c]) << pageShift
	}
	return s
}
