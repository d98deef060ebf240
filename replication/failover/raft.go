package failover

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/hashicorp/raft"
)

// leadsIn tells whether this member is Raft's leader, and in which term.
func (n *Node) leadsIn() (term uint64, leads bool) {
	term = n.raft.CurrentTerm()
	leads = n.raft.State() == raft.Leader // gives up before it knows of a later term
	return term, leads && n.raft.CurrentTerm() == term
}

// propose has Raft agree on a change that this member has decided on while it led in a term, and returns when it is known here. A
// goroutine that is late must not bring the decision into a later term: there the lease may have been granted to the primary that was
// to be replaced.
func (n *Node) propose(op Op, term uint64) error {
	b, err := json.Marshal(op)
	if err != nil {
		return err
	}
	if now, leads := n.leadsIn(); !leads || now != term {
		return raft.ErrLeadershipLost
	}
	return n.outcome(n.raft.Apply(b, 5*time.Second))
}

// outcome waits for what was asked of Raft. What it has taken in and not done when it ends it never answers.
func (n *Node) outcome(f raft.Future) error {
	done := make(chan error, 1)
	go func() { done <- f.Error() }()
	select {
	case err := <-done:
		return err
	case <-n.over:
		return raft.ErrRaftShutdown
	}
}

// passOn has another member coordinate.
func (n *Node) passOn(id string) error {
	return n.outcome(n.raft.LeadershipTransferToServer(raft.ServerID(id), raft.ServerAddress(id)))
}

// transport is Raft's. A member that cannot be reached is waited for here: Raft itself would wait the longer for its next attempt the
// more have failed, up to ten seconds, and one that is back could neither hear what was agreed on meanwhile nor help to agree on
// anything.
type transport struct {
	*raft.NetworkTransport
	await func(term uint64, id raft.ServerID, addr raft.ServerAddress) bool
}

// AppendEntries is Raft's. Each member has a goroutine for it, and another one for what is said to it again and again.
func (t transport) AppendEntries(id raft.ServerID, addr raft.ServerAddress, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	err := t.NetworkTransport.AppendEntries(id, addr, args, resp)
	heartbeat := len(args.Entries) == 0 && args.PrevLogEntry == 0 && args.LeaderCommitIndex == 0
	if err == nil || heartbeat || !t.await(args.Term, id, addr) {
		return err
	}
	return t.NetworkTransport.AppendEntries(id, addr, args, resp)
}

// awaitMember waits until a member that cannot be reached can be again. It is false if it could all the time, or this member leads
// no more, or not in that term, or the other is a member no more.
func (n *Node) awaitMember(term uint64, id raft.ServerID, addr raft.ServerAddress) bool {
	for waited := false; ; waited = true {
		if c, err := n.port.dial(string(addr), kindRaft, n.o.Profile.Call); err == nil {
			c.Close()
			return waited
		}
		select {
		case <-n.ctx.Done():
			return false
		case <-time.After(n.o.Profile.Heartbeat / 2): // the measure of Raft itself
		}
		select {
		case <-n.runs:
		default:
			return false
		}
		if now, leads := n.leadsIn(); !leads || now != term || !slices.Contains(n.voters(), string(id)) {
			return false
		}
	}
}
