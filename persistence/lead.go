package persistence

import "sync/atomic"

// A Lead bounds how far one who hands out work is ahead of those who do it. When it is as far as it may be it waits until half
// of that is done: were it woken for each piece, then it and they would wake each other all the time, which takes as long as
// a small piece does.
type Lead struct {
	most  int64
	ahead atomic.Int64  // pieces that were handed out and are not done
	half  chan struct{} // they have come down to half of the most
}

// NewLead makes one of at most that many pieces, which are two or more.
func NewLead(most int) *Lead { return &Lead{most: int64(most), half: make(chan struct{}, 1)} }

// More waits until another piece may be handed out. One goroutine hands out.
func (l *Lead) More() {
	for l.ahead.Load() >= l.most {
		<-l.half
	}
	l.ahead.Add(1)
}

// Done says that a piece is done. It never waits.
func (l *Lead) Done() {
	if l.ahead.Add(-1) == l.most/2 {
		select {
		case l.half <- struct{}{}:
		default: // who waits will find the one that is there
		}
	}
}
