package replication

// NoHistory is the name of a history that nobody has.
const NoHistory = "0000000000000000000000000000000000000000"

// IDLen is how long the name of a history is.
const IDLen = len(NoHistory)

// A History names the writes that somebody has: those of ID so far, and before that those of ID2 until End2.
type History struct {
	ID   string
	ID2  string // NoHistory if there was none
	End2 int64  // the position that both have in common; -1 with NoHistory
}

// NewHistory is a history that begins.
func NewHistory(id string) History { return History{ID: id, ID2: NoHistory, End2: -1} }

// Fork is the history of somebody who has all of h until end and goes on by himself, under the name id.
func (h History) Fork(id string, end int64) History { return History{ID: id, ID2: h.ID, End2: end} }

// Covers tells whether who has the history id until the position at has nothing that h has not.
func (h History) Covers(id string, at int64) bool {
	return id == h.ID || h.ID2 != NoHistory && id == h.ID2 && at <= h.End2
}

// SecondOffset is End2 as INFO shows it: the byte after it, counted from 1; -1 if there is none.
func (h History) SecondOffset() int64 {
	if h.ID2 == NoHistory {
		return -1
	}
	return h.End2 + 1
}
