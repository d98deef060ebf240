package failover

import (
	"context"
	"fmt"
	"time"
)

// drain hands the lease over to an heir.
func (n *Node) drain(epoch uint64, heir Member) {
	ctx, cancel := context.WithTimeout(n.ctx, max(5*n.o.Profile.Lease, time.Second))
	defer cancel()
	n.mu.Lock()
	if n.hold.Epoch() != epoch {
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
	if !done {
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
