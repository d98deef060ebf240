package eviction

// A mode is how s3fifo treats what comes and what is used. No mode is best for all: what a small queue keeps out is a scan
// today and the new favourite tomorrow. So small models of the cache try all of them on some of the keys, see model.go, and
// the cache itself takes the one that does best.
//
// Tried and dropped, by a simulation with models of full size; a share is of the gap between LRU and the optimum that is closed,
// mean of the cells:
//
//	LRU proper as one mode more              real traces 0.271 -> 0.271, made ones 0.377 -> 0.367: the more there are to choose from the
//	                                         more often chance does
//	models that see what comes before the cache is full, and so know 1 to 2 cachefuls earlier
//	                                         0.271 -> 0.254, 0.377 -> 0.387: large caches for which LRU is right gain 0.5 to 3
//	                                         points and long loops 1 to 2, but what leads first is not what does in the end (block
//	                                         traces lost 3 to 11), also if leads count only from one cacheful later, have to be larger by 6
//	                                         to 20, end when they shrink, or are those of LRU alone: what a mode has lost for good no
//	                                         later change brings back
//	a memory of 8 instead of 16 sizes        loops and block traces lose up to 1.4 points, none gains more than 0.1
//	other uses for what moves on or comes back, two uses before it moves on, a twentieth in the small queue
//	                                         nothing, nothing, worse, worse
//	counting up to 2, 5 or 7 uses, ghosts of 0.6 or 2 times the entries, those that leave the main queue among them
//	                                         worse by 0 to 0.04
//	of the entries that have no uses left the one that was used longest ago, or latest, of 2 to 8
//	                                         0.254 -> 0.23, 0.08 to 0.17
//	in LRU, times since the last use that count the same, or twice, where it was the first one
//	                                         real traces lose 0.01, gain nothing; those for which LRU is right lose twice what LRU as it is
//	                                         loses with twice
//	a memory of 2 or 4 sizes for LRU alone   worse: it goes back and forth
type mode struct {
	small  int    // the small queue has one of so many entries,
	least  int    // and at least so many
	pass   uint64 // of 65536 entries that leave the small queue unused, those that move on nevertheless
	passed uint32 // uses that count for an entry that moved on unused,
	moved  uint32 // for one that moved on because it was used,
	back   uint32 // and for one that came back while the ghosts remembered it
	top    bool   // a use in the main queue counts like three
	oldest bool   // of the main queue what was used last longest ago leaves, where the clocks of words can tell
	fills  bool   // the small queue has all the room that the main queue does not need yet
}

// The modes. The first one is what a cache begins with, and what the others have to be better than.
var modes = [...]mode{
	{small: 10, least: 64, back: 1, fills: true},
	// LRU, among as many as may be looked at. Where what leaves was used a few seconds ago its clock says little: then, nearly so, what
	// was used last is looked at last by the hand, in four steps. For favourites that change.
	{small: 10, least: 64, pass: 65536, passed: 1, moved: 2, back: 3, top: true, oldest: true},
	// Something of what nobody uses is given a second chance: for loops a little larger than the cache.
	{small: 10, least: 64, pass: 6554, back: 1},
	// Next to nothing has the time to prove itself: for many that are used once.
	{small: 50, least: 16, back: 1},
	// What came while there was room for all stays as if it had been used, and what comes now leaves soon: for loops much
	// larger than the cache.
	{small: 10, least: 64, back: 1},
	// Twice the time to prove itself.
	{small: 5, least: 64, back: 1, fills: true},
}

// room is how many entries of count the small queue has.
func (m *mode) room(count int) int { return max(count/m.small, min(m.least, max(count/2, 1))) }

// uses is what a use makes of the count of an entry in the main queue.
func (m *mode) uses(count uint32) uint32 {
	if m.top {
		return fifoCountMask
	}
	return min(count+1, fifoCountMask)
}
