package failover

import (
	"encoding/json"
	"time"

	"github.com/hashicorp/raft"
)

// leadsIn tells whether this member is Raft's leader, and in which term.
func (n *Node) leadsIn() (term uint64, leads bool) {
	term = n.raft.CurrentTerm()
	leads = n.raft.State() == raft.Leader // gives up before it knows of a later term
	return term, leads && n.raft.CurrentTerm() == term
}

// propose has Raft agree on a change, and returns when it is known here.
func (n *Node) propose(op Op) error {
	b, err := json.Marshal(op)
	if err != nil {
		return err
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
