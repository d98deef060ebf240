package failover

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/raft"
)

// found makes this member part of a group if it belongs to none: of the one that its peers have, or of a new one as soon
// as all of them are there and name the same members.
func (n *Node) found() {
	if len(n.voters()) != 0 {
		return
	}
	defer n.formed.Store(true)
	t := time.NewTicker(max(n.o.Profile.Interval, 50*time.Millisecond))
	defer t.Stop()
	told := ""
	for len(n.voters()) == 0 {
		if missing := n.tryFound(); missing != told && missing != "" {
			told = missing
			n.o.Log("Failover: group " + n.o.Group + " waits for " + missing)
		}
		select {
		case <-n.ctx.Done():
			return
		case <-t.C:
		}
	}
}

// knowsVotes tells whether this member may vote. One that remembers nothing may have voted already, before its folder was lost: it
// waits until the group's coordinator has come to it, or all leases are over that it may have had a part in.
func (n *Node) knowsVotes() bool {
	return n.store.before != 0 || n.formed.Load() || Now() >= n.began+waitFor(Profiles["wide"].Lease)
}

// tryFound returns who is missing, "" if nobody is.
func (n *Node) tryFound() string {
	initial := n.initial()
	for _, id := range initial {
		if id == n.o.ID {
			continue
		}
		reply, err := n.port.ask(id, envelope{Status: &Status{}}, max(n.o.Profile.Call, time.Second))
		switch {
		case errors.Is(err, errHandshake):
			n.o.Warn("Failover: " + id + ": " + err.Error())
			return id
		case err != nil || reply.Status == nil:
			return id
		case reply.Status.Formed:
			if _, err := n.port.ask(id, envelope{Admin: &adminOrder{"add", n.o.ID}}, 5*time.Second); err != nil {
				return "the group's consent: " + err.Error()
			}
			return ""
		case !slices.Equal(reply.Status.Initial, initial):
			return fmt.Sprintf("%s, which names other members (%v)", id, reply.Status.Initial)
		}
	}
	n.formed.Store(true)
	var conf raft.Configuration
	for _, id := range initial {
		conf.Servers = append(conf.Servers, raft.Server{ID: raft.ServerID(id), Address: raft.ServerAddress(id)})
	}
	if err := n.raft.BootstrapCluster(conf).Error(); err != nil && !errors.Is(err, raft.ErrCantBootstrap) {
		n.o.Warn("Failover: " + err.Error())
	}
	return ""
}

var (
	errNoLeader = errors.New("no member coordinates the group at the moment")
	errNobody   = errors.New("no replica can take over at the moment")
	errNoMember = errors.New("there is no such member")
	errPrimary  = errors.New("this member is the primary; switch to another one first")
)

// order has the coordinator do something.
func (n *Node) order(ctx context.Context, o adminOrder) (string, error) {
	return n.insist(ctx, func() (string, error) { return n.orderNow(ctx, o) })
}

// insist does again what failed only because the group's coordination was being passed on, which happens by itself at any
// time and takes a moment: those errors say that nothing was done.
func (n *Node) insist(ctx context.Context, do func() (string, error)) (string, error) {
	t := time.NewTicker(10 * time.Millisecond)
	defer t.Stop()
	for end := time.After(n.patience()); ; {
		text, err := do()
		if !errors.Is(err, errNoLeader) && !errors.Is(err, raft.ErrNotLeader) && !errors.Is(err, raft.ErrLeadershipTransferInProgress) {
			return text, err
		}
		select {
		case <-t.C:
		case <-end:
			return text, err
		case <-ctx.Done():
			return text, err
		case <-n.ctx.Done():
			return text, err
		}
	}
}

// patience is how long those who give an order wait for the group to be able to do it.
func (n *Node) patience() time.Duration { return max(8*n.o.Profile.Lease, 2*time.Second) }

func (n *Node) orderNow(ctx context.Context, o adminOrder) (string, error) {
	_, id := n.raft.LeaderWithID()
	switch string(id) {
	case "":
		return "", errNoLeader
	case n.o.ID:
		return n.administer(ctx, o)
	}
	timeout := 15 * time.Second
	if end, ok := ctx.Deadline(); ok {
		timeout = time.Until(end)
	}
	type outcome struct {
		reply envelope
		err   error
	}
	done := make(chan outcome, 1)
	go func() {
		reply, err := n.port.ask(string(id), envelope{Admin: &o}, timeout)
		done <- outcome{reply, err}
	}()
	select {
	case out := <-done:
		return out.reply.Text, out.err
	case <-ctx.Done():
		return "", ctx.Err()
	case <-n.ctx.Done():
		return "", errNoLeader
	}
}

// administer does what was ordered, here or, if another member coordinates by now, there. A change of the members that was
// begun by a coordinator who is none any more may have been made or not: it is ordered again, which changes nothing more.
func (n *Node) administer(ctx context.Context, o adminOrder) (string, error) {
	begun := false
	return n.insist(ctx, func() (string, error) {
		text, err := n.administerNow(ctx, o)
		switch {
		case errors.Is(err, raft.ErrLeadershipLost):
			begun = true
			return "", errNoLeader
		case begun && err != nil && err.Error() == errNoMember.Error(): // from here or from there
			return "", nil
		}
		return text, err
	})
}

func (n *Node) administerNow(ctx context.Context, o adminOrder) (string, error) {
	if n.raft.State() != raft.Leader {
		if _, id := n.raft.LeaderWithID(); id == "" || string(id) == n.o.ID {
			return "", errNoLeader
		}
		return n.orderNow(ctx, o)
	}
	switch o.What {
	case "add":
		return "", n.outcome(n.raft.AddVoter(raft.ServerID(o.ID), raft.ServerAddress(o.ID), 0, 5*time.Second))
	case "remove":
		switch {
		case o.ID == n.State().Primary:
			return "", errPrimary
		case !slices.Contains(n.voters(), o.ID):
			return "", errNoMember
		}
		return "", n.outcome(n.raft.RemoveServer(raft.ServerID(o.ID), 0, 5*time.Second))
	case "switch":
		return n.switchTo(ctx, o.ID)
	case "stay":
		n.mu.Lock()
		n.coord.EndSwitch(0)
		n.mu.Unlock()
		return "", nil
	case "takeover":
		return o.ID, n.takeover(o.ID)
	}
	return "", errors.New("what was ordered is not known here")
}

// switchTo is a planned switch: it returns when the new primary has been named.
func (n *Node) switchTo(ctx context.Context, to string) (string, error) {
	patience := n.patience()
	n.mu.Lock()
	before := n.state.Epoch
	if to != "" && to == n.state.Primary {
		n.mu.Unlock()
		return to, nil
	}
	heir := n.coord.Switch(Now(), Now()+patience, n.state, to)
	wished := n.coord.Wished()
	n.mu.Unlock()
	if heir == "" {
		return "", errNobody
	}
	n.o.Log("Failover: planned switch to " + heir)
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	t := time.NewTicker(10 * time.Millisecond)
	defer t.Stop()
	for {
		if s := n.State(); s.Epoch != before {
			if s.Primary != heir {
				return s.Primary, fmt.Errorf("%s was made primary instead", s.Primary)
			}
			return heir, nil
		}
		select {
		case <-t.C:
		case <-n.ctx.Done():
			return "", errNoLeader
		case <-ctx.Done():
			n.mu.Lock()
			n.coord.EndSwitch(wished)
			n.mu.Unlock()
			select { // the primary has to hear of it: if it is of an earlier version, the same wish at once is the one that it has given up
			case <-n.ctx.Done():
			case <-time.After(2 * n.o.Profile.Interval):
			}
			return "", fmt.Errorf("%s did not catch up in time; the primary stays", heir)
		}
	}
}

// takeover makes a member primary whatever it lacks. The last lease has to be over.
func (n *Node) takeover(id string) error {
	r, err := n.pollOf(id)
	if err != nil {
		return err
	}
	switch {
	case !r.Member.Data:
		return errors.New("this member has no data")
	case r.Position.Loading:
		return errors.New("this member is loading its data; try again later")
	}
	n.mu.Lock()
	op, term := n.coord.Takeover(Now(), n.state, r), n.coord.Term()
	n.mu.Unlock()
	if op == nil {
		return errors.New("there is a primary; use a planned switch")
	}
	return n.decide(op, term) // whoever has asked for it has to know whether there is a primary now
}

// Switch hands over to a member, "" for the most advanced replica, without a write being lost or refused. It returns
// who is primary then.
func (n *Node) Switch(ctx context.Context, to string) (string, error) {
	return n.order(ctx, adminOrder{"switch", to})
}

// CallOff ends a switch that is under way: the primary stays, unless it has given its lease up by now.
func (n *Node) CallOff(ctx context.Context) error {
	_, err := n.order(ctx, adminOrder{"stay", ""})
	return err
}

// Add makes somebody a member; Remove ends that. A member that is started with peers that have a group adds itself.
func (n *Node) Add(ctx context.Context, id string) error {
	_, err := n.order(ctx, adminOrder{"add", id})
	return err
}

// Remove takes a member out of the group. The primary has to hand over before.
func (n *Node) Remove(ctx context.Context, id string) error {
	_, err := n.order(ctx, adminOrder{"remove", id})
	return err
}

// Takeover makes a member primary although it may lack writes, when those who have them do not come back.
func (n *Node) Takeover(ctx context.Context, id string) error {
	_, err := n.order(ctx, adminOrder{"takeover", id})
	return err
}
