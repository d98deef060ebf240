package server

import (
	"slices"
	"sync"
	"time"
)

// settleWait is how long a command that looks at everything waits for other loops to finish what had come before it.
var settleWait = time.Millisecond

// settling is the commands that wait for other loops, in the order of their beginning.
type settling struct {
	mu   sync.Mutex
	list []*settler
}

// A settler is such a command.
type settler struct {
	ex    *executor
	looks bool               // it changes nothing
	left  map[*executor]bool // that it still waits for
	ready chan struct{}      // closed when there are none
}

// heard takes note that a loop is done. mu is held.
func (w *settler) heard(o *executor) {
	if w.left[o] {
		if delete(w.left, o); len(w.left) == 0 {
			close(w.ready)
		}
	}
}

// settleOthers lets the other loops do what had arrived at them before now: who sends something on one connection and
// then, on another, asks what all clients are doing, wants to see it. Loops that are too busy are not waited for. Of two
// that would wait for each other, the one that began first goes first, or the one that changes something.
// It tells whether there was anybody to wait for.
func (ex *executor) settleOthers(looks bool) bool {
	if ex.inWorld || ex.loop == nil {
		return false
	}
	if !slices.ContainsFunc(ex.srv.executors, func(o *executor) bool { return o != ex && o.loop != nil && !o.loop.AtRest() }) {
		return false
	}
	g := &ex.srv.settling
	w := &settler{ex: ex, looks: looks, left: map[*executor]bool{}, ready: make(chan struct{})}
	g.mu.Lock()
	for _, o := range ex.srv.executors {
		if o != ex && o.loop != nil {
			w.left[o] = true
			if !o.loop.Settle(func() {
				g.mu.Lock()
				defer g.mu.Unlock()
				w.heard(o)
			}) {
				delete(w.left, o)
			}
		}
	}
	if len(w.left) == 0 {
		g.mu.Unlock()
		return false
	}
	for _, before := range g.list {
		if before.looks && !looks {
			w.heard(before.ex)
		} else {
			before.heard(ex)
		}
	}
	g.list = append(g.list, w)
	g.mu.Unlock()
	ex.mu.Unlock()
	timer := time.NewTimer(settleWait)
	select {
	case <-w.ready:
	case <-timer.C:
	}
	timer.Stop()
	g.mu.Lock()
	g.list = slices.DeleteFunc(g.list, func(o *settler) bool { return o == w })
	g.mu.Unlock()
	ex.mu.Lock()
	ex.follow()
	return true
}
