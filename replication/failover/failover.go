// Package failover decides which server of a group is the primary, and when a primary must stop.
//
// A group is a few members that know each other: data nodes, and for a pair a witness that only votes. What they have
// agreed on is a State: who is primary, in which epoch, under which replication ID, and who the members are. Raft
// (hashicorp/raft, raft.go) keeps the State the same everywhere and names one member that leads: the coordinator. The
// coordinator is rarely the primary: it passes the lead on to somebody else when it is.
//
//	state.go        State: what is agreed, and the Ops that change it
//	message.go      what members say to each other: Report and Answer, Poll
//	holder.go       Holder: a data node's side; may I write? (the lease)
//	coordinator.go  Coordinator: the leader's side; who is primary next, and when
//	choose.go       Choose: the most advanced of those who answered
//	profile.go      Profile: the times
//
// Those are state machines without input and output: time, messages and what was agreed come in as arguments, and
// everything goes out as a value. sim_test.go runs them through thousands of schedules of lost, late and one-way
// messages, restarts and wrong clocks. What moves bytes stands in raft.go, store.go, damage.go, wire.go,
// node.go and handover.go.
//
// # The lease
//
// Every Interval the primary sends a Report to all voters at moment t0 of its own clock. Each answers with the Raft term
// that it is in; the leader also says whether it grants the primary's epoch. When the leader and with it a majority of
// the leader's voters have answered from the same term, the primary may write until t0+Lease:
//
//	primary      t0 ---------------- writes ------------------> t0+Lease
//	leader          grants at g > t0 ------------------------------------> g+Wait   may choose another
//	next leader          is elected at e > t0 ---------------------------> e+Wait   may choose another
//
// The same leader does not choose another before g+Wait, where Wait is Lease and a tenth of it for clocks that run
// unlike, because g is after t0. Another leader was elected by a majority, one of which answered t0's Report before it
// voted: so e is after t0, too. Nobody compares clocks of two machines, and nobody needs the time of day; the clock
// goes on while a machine is suspended.
//
// # What is not lost
//
// A position is how far a node's data goes: an offset of the replication stream, in a history that a replication ID
// names. Each epoch has its replication ID, chosen before the epoch begins, so positions compare as Raft's do: first by
// epoch, then by offset. Positions are asked for after the lease is over. What n replicas have confirmed to a primary
// with a lease, that stands on n+1 nodes; when N-n of N have answered, one of them has it, and so has the most advanced.
// A node that was restarted may have lost what it once confirmed: it does not count until it has caught up again.
package failover

import "time"

// A Moment is a reading of a clock that only goes forward and knows no date: the time since some origin that is
// different for each process.
type Moment = time.Duration
