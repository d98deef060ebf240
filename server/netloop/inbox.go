package netloop

import (
	"sync"
	"sync/atomic"
)

// inbox is what other goroutines have sent to a loop. Senders never wait for the loop, and wake it only if it sleeps.
type inbox struct {
	some  atomic.Bool // there is something
	mu    sync.Mutex
	posts []func()
	conns []*Conn // with signals
	ended bool    // the loop takes nothing any more

	sparePosts []func() // the loop's
	spareConns []*Conn
}

// Post makes the loop call fn at the beginning of a turn, in the order of the Posts. Any goroutine may call it at any
// time; it never waits. It answers false when the loop has ended, and fn is never called.
func (l *Loop) Post(fn func()) bool {
	l.box.mu.Lock()
	if l.box.ended {
		l.box.mu.Unlock()
		return false
	}
	l.box.posts = append(l.box.posts, fn)
	l.box.some.Store(true)
	l.box.mu.Unlock()
	l.wakeUp()
	return true
}

func (l *Loop) notify(c *Conn) {
	l.box.mu.Lock()
	if l.box.ended {
		l.box.mu.Unlock()
		return
	}
	l.box.conns = append(l.box.conns, c)
	l.box.some.Store(true)
	l.box.mu.Unlock()
	l.wakeUp()
}

// drainInbox does what was asked for. What is sent meanwhile waits for the next turn.
func (l *Loop) drainInbox() (worked bool) {
	b := &l.box
	if !b.some.Load() {
		return false
	}
	b.mu.Lock()
	posts, conns := b.posts, b.conns
	b.posts, b.sparePosts = b.sparePosts[:0], posts[:0]
	b.conns, b.spareConns = b.spareConns[:0], conns[:0]
	b.some.Store(false)
	b.mu.Unlock()
	for _, fn := range posts {
		fn()
	}
	for _, c := range conns {
		sig := c.signals.Swap(0)
		if c.state&(stClosed|stClosing) != 0 {
			continue
		}
		if sig&sigKill != 0 {
			c.Close(*c.killed.Load())
		} else if sig&sigWake != 0 {
			l.h.Woken(c)
		}
	}
	clear(posts)
	clear(conns)
	return true
}

// shut ends the inbox if it is empty.
func (b *inbox) shut() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = len(b.posts) == 0 && len(b.conns) == 0
	return b.ended
}
