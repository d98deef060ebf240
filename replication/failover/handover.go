package failover

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// drain hands the lease over to an heir.
func (n *Node) drain(epoch uint64, heir Member) {
	ctx, cancel := context.WithTimeout(n.ctx, max(5*n.o.Profile.Lease, time.Second))
	defer cancel()
	n.mu.Lock()
	if n.hold.Epoch() != epoch || n.heir != heir.ID {
		n.mu.Unlock()
		return
	}
	n.endHand = cancel
	n.mu.Unlock()
	done := n.o.Local.Drain(ctx, heir)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.endHand = nil
	if n.hold.Epoch() != epoch {
		return // somebody was named primary meanwhile: roles says so
	}
	n.heir, n.heirWas = "", heir.ID
	switch {
	case done:
	case errors.Is(ctx.Err(), context.Canceled):
		n.o.Log("Failover: the switch to " + heir.ID + " is called off; this server stays primary")
		return
	default:
		n.o.Warn("Failover: " + heir.ID + " does not catch up; this server stays primary")
		return
	}
	n.hold.Release()
	n.publish()
	poke(n.now)
}

// decline gives the lease of an epoch back: this node has not the data any more for which it was chosen.
func (n *Node) decline(epoch uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.hold.Epoch() != epoch {
		return
	}
	n.o.Warn(fmt.Sprintf("Failover: this server was named primary, epoch %d, but its data is being replaced: somebody else has to be", epoch))
	n.heirWas = ""
	n.hold.Release()
	n.publish()
	poke(n.now)
}

// wish tells one wish of a coordinator that somebody should lead from another.
type wish struct {
	from  string // who wishes it
	at    Moment // when it did, on its clock
	round uint64 // when it was last heard of, on ours
}

// wished takes note of whom the coordinator wishes to lead instead of this primary, or that it wishes nobody to, any more.
func (n *Node) wished(round uint64, a Answer) {
	switch {
	case a.From == n.wish.from && round < n.wish.round: // it was overtaken by what was said later
	case a.Heir == "":
		n.heirWas = ""
		if n.heir == "" || a.From != n.wish.from { // a new coordinator goes on with what the last one has begun
			return
		}
		if n.endHand != nil {
			n.endHand()
		} else {
			n.heir = ""
		}
	case n.heir == "" && (a.Heir != n.heirWas || a.From != n.wish.from || a.Wish != n.wish.at):
		n.heir, n.wish = a.Heir, wish{a.From, a.Wish, round}
		poke(n.roles)
	case a.From == n.wish.from && a.Wish == n.wish.at:
		n.wish.round = round
	}
}
