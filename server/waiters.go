package server

import "larder/keyspace"

// waitQueue is the clients blocked on one key, in the order of their arrival: a list, so that any of 100,000 leaves it
// at once.
type waitQueue struct {
	first, last *place
	onNoKey     int // how many have to hear that the key is gone
}

// place is a waiter's place in the queue of one key.
type place struct {
	w          *waiter
	prev, next *place
	queue      *waitQueue // nil when it has left
}

func (q *waitQueue) add(p *place) {
	p.queue, p.prev = q, q.last
	if q.last != nil {
		q.last.next = p
	} else {
		q.first = p
	}
	q.last = p
	if p.w.onNoKey {
		q.onNoKey++
	}
}

// remove takes a place out. It keeps its neighbours, so who stands at it finds on from there only while queue is set.
func (q *waitQueue) remove(p *place) {
	if p.prev != nil {
		p.prev.next = p.next
	} else {
		q.first = p.next
	}
	if p.next != nil {
		p.next.prev = p.prev
	} else {
		q.last = p.prev
	}
	p.queue, p.prev, p.next = nil, nil, nil
	if p.w.onNoKey {
		q.onNoKey--
	}
}

// line puts a waiter into the queues of its keys, whose shards are held. Its number is taken here, so that the order
// of numbers is the order of every queue.
func (ex *executor) line(w *waiter) {
	w.number = ex.srv.arrivals.Add(1)
	if w.end_ms != 0 {
		ex.srv.stats.timed.Add(1)
	}
	w.places = make([]place, len(w.keys))
	for i, k := range w.keys {
		sh := ex.view.ShardOf([]byte(k))
		ext := extOf(sh)
		name := dbKey{w.db, k}
		q := ext.blocked[name]
		if q == nil {
			q = &waitQueue{}
			ext.blocked[name] = q
		}
		w.places[i].w = w
		q.add(&w.places[i])
		sh.Interest++
	}
}

// leaveQueues takes a waiter out of the queues of its keys, whose shards are held. From now on it does not count as blocked:
// who has made its key ready and asks then how many are blocked wants to see that.
func (ex *executor) leaveQueues(w *waiter) {
	for i, k := range w.keys {
		sh := ex.view.ShardOf([]byte(k))
		q := w.places[i].queue
		q.remove(&w.places[i])
		if q.first == nil {
			delete(extOf(sh).blocked, dbKey{w.db, k})
		}
		sh.Interest--
	}
	w.done = true
	ex.srv.stats.blocked.Add(-1)
	if w.end_ms != 0 {
		ex.srv.stats.timed.Add(-1)
	}
}

// distinct drops keys that were named before. It works in place.
func distinct(keys []string) []string {
	const few = 8
	if len(keys) <= few {
		out := keys[:0]
		for i, k := range keys {
			if !contains(keys[:i], k) {
				out = append(out, k)
			}
		}
		return out
	}
	seen := make(map[string]struct{}, len(keys))
	out := keys[:0]
	for _, k := range keys {
		if _, ok := seen[k]; !ok {
			seen[k] = struct{}{}
			out = append(out, k)
		}
	}
	return out
}

func contains(list []string, s string) bool {
	for _, o := range list {
		if o == s {
			return true
		}
	}
	return false
}

// serveKey serves the clients that wait for a key, in the order of their arrival, as long as there is something to be
// had.
func (ex *executor) serveKey(k dbKey) {
	ks := ex.srv.ks
	own := keyspace.Set(1) << ks.ShardOf(ks.Hash([]byte(k.key)))
	var last *waiter
	for {
		// The waiter's other shards are known only when it is found: look, then take them all and look again.
		ex.view.Take(own)
		w := ex.nextWaiter(k, last)
		ex.view.Release()
		if w == nil {
			return
		}
		if ex.srv.pause.holds(w, ex.steady()) {
			ex.srv.pause.leave(k)
			last = w
			continue
		}
		ex.view.Take(ex.locksOfWaiter(w) | own)
		if !w.done && !w.s.conn.Gone() {
			ex.tryServe(w)
		}
		ex.view.Release()
		last = w
	}
}

// nextWaiter is the client in a key's queue that comes behind last, or the first one; nil if nobody is left or there is
// nothing to be had: the key is not there, and nobody has to hear of that.
func (ex *executor) nextWaiter(k dbKey, last *waiter) *waiter {
	key := []byte(k.key)
	sh := ex.view.ShardOf(key)
	q := extOf(sh).blocked[k]
	if q == nil {
		return nil
	}
	here := sh.Has(k.db, key, ex.now)
	if !here && q.onNoKey == 0 {
		return nil
	}
	p := q.first
	if last != nil {
		if at := last.placeOf(k.key); at.queue == q {
			p = at.next
		} else {
			for p != nil && p.w.number <= last.number {
				p = p.next
			}
		}
	}
	for p != nil && !here && !p.w.onNoKey {
		p = p.next
	}
	if p == nil {
		return nil
	}
	return p.w
}

// placeOf is the waiter's place in the queue of a key.
func (w *waiter) placeOf(key string) *place {
	for i, k := range w.keys {
		if k == key {
			return &w.places[i]
		}
	}
	panic("assertion failed: a waiter was found in the queue of a key that it does not wait for")
}
