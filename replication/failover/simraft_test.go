package failover

import (
	"slices"
	"time"
)

// A small Raft. Every message carries the whole log.

func (n *simNode) hear() {
	h := int64(n.w.profile.Heartbeat)
	n.silence = n.clock() + time.Duration(h+n.w.rnd.Int64N(h))
}

func (n *simNode) lastTerm() uint64 {
	if len(n.log) == 0 {
		return 0
	}
	return n.log[len(n.log)-1].term
}

func (n *simNode) majority() int { return len(n.w.nodes)/2 + 1 }

func (n *simNode) seen(term uint64) {
	if term > n.term {
		n.stepDown()
		n.term, n.vote = term, -1
	}
}

// soon runs do after a moment, unless the process ends before.
func (n *simNode) soon(do func()) {
	boot := n.boot
	n.w.at(time.Duration(n.w.rnd.Int64N(int64(20*time.Millisecond))), func() { n.run(boot, do) })
}

// run runs something of the process with that number, when it is not stopped any more.
func (n *simNode) run(boot uint64, do func()) {
	switch {
	case !n.up || n.boot != boot:
	case n.stopped:
		n.later = append(n.later, func() { n.run(boot, do) })
	default:
		do()
	}
}

func (n *simNode) stepDown() {
	if n.role == 2 {
		term := n.term
		n.soon(func() { // the coordinator hears of it later
			if n.coord.Term() <= term && !(n.role == 2 && n.term == n.coord.Term()) {
				n.coord.Follow()
			}
		})
	}
	n.role = 0
}

func (n *simNode) raftTick() {
	if n.role == 2 {
		n.appendAll()
		return
	}
	if n.clock() < n.silence {
		return
	}
	n.hear()
	n.campaign()
}

func (n *simNode) campaign() {
	n.stepDown()
	n.term++
	n.role, n.vote, n.leader = 1, n.n, -1
	n.votes = map[int]bool{n.n: true}
	term, length, last := n.term, len(n.log), n.lastTerm()
	for _, o := range n.w.nodes {
		if o == n {
			continue
		}
		n.w.send(n, o, func() {
			o.seen(term)
			ok := o.term == term && (o.vote < 0 || o.vote == n.n) && (last > o.lastTerm() || last == o.lastTerm() && length >= len(o.log))
			if !ok {
				return
			}
			o.vote = n.n
			o.hear()
			n.w.send(o, n, func() {
				if n.role != 1 || n.term != term {
					return
				}
				n.votes[o.n] = true
				if len(n.votes) >= n.majority() {
					n.role, n.leader = 2, n.n
					n.match = map[int]int{}
					n.log = append(n.log, simEntry{term: term})
					n.noop = len(n.log)
					n.appendAll()
				}
			})
		})
	}
}

func (n *simNode) appendAll() {
	term, commit := n.term, n.commit
	log := slices.Clone(n.log)
	for _, o := range n.w.nodes {
		if o == n {
			continue
		}
		n.w.send(n, o, func() {
			o.seen(term)
			if o.term != term {
				return
			}
			if o.role != 0 {
				o.stepDown()
			}
			o.leader = n.n
			o.hear()
			for i := range log {
				if i >= len(o.log) || o.log[i].term != log[i].term {
					o.log = append(slices.Clone(o.log[:i]), log[i:]...)
					break
				}
			}
			o.commit = max(o.commit, min(commit, len(log)))
			o.applyLog()
			n.w.send(o, n, func() {
				if n.role == 2 && n.term == term {
					n.match[o.n] = max(n.match[o.n], len(log))
					n.advance()
				}
			})
		})
	}
}

func (n *simNode) advance() {
	for i := len(n.log); i > n.commit; i-- {
		have := 1
		for _, m := range n.match {
			if m >= i {
				have++
			}
		}
		if have >= n.majority() && n.log[i-1].term == n.term {
			n.commit = i
			break
		}
	}
	n.applyLog()
}

func (n *simNode) applyLog() {
	for n.applied < n.commit {
		e := n.log[n.applied]
		n.applied++
		if e.op != nil {
			before := n.state.Epoch
			n.state.Apply(*e.op)
			n.changed(before)
		}
		if n.role == 2 && n.applied == n.noop {
			since, term := n.clock(), n.term
			n.soon(func() {
				if n.role == 2 && n.term == term {
					n.coord.Lead(since, term)
				}
			})
		}
		if n.role == 2 && n.applied > n.noop && e.op != nil && e.term == n.term {
			n.coord.Proposed(n.clock(), n.term, false)
		}
	}
}

func (n *simNode) propose(op *Op) {
	n.log = append(n.log, simEntry{n.term, op})
	n.appendAll()
}
