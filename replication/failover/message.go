package failover

import "time"

// A Line is one history that a node's data belongs to, up to an offset.
type Line struct {
	ReplID string
	Upto   int64 // -1 for as far as the node's data goes
}

// Position says how far a node's data goes.
type Position struct {
	Lines   []Line // the present history first, then the one that it came from
	Offset  int64
	Keys    int64
	Loading bool // nothing is known yet
	Intact  bool // nothing can be missing that this node ever confirmed; see Holder
	Leading bool // not a replica of anybody
}

// A Report is what a data node tells every other member each Interval, and the coordinator when it asks.
type Report struct {
	Member   Member
	Position Position
	Epoch    uint64 // of which it is primary and asks for the lease; 0 if it is not
	Holds    bool   // it has the lease of Epoch
	Copies   int    // what it relies on, if it is primary
	Spread   uint64 // it is primary, and all that it acknowledged before so many members had left is on copies that stayed
	Released bool   // it is primary of Epoch and will never write in it again
	Heir     string // who should come next, after Released
}

// An Answer is the reply to a Report.
type Answer struct {
	From    string
	Term    uint64 // of Raft, read after the Report had come
	Leader  string // who From takes for the coordinator, "" if it knows none
	Leading bool   // From is the coordinator
	Voters  []string
	Granted uint64 // the epoch that the coordinator grants, or 0
	Lease   time.Duration
	Copies  int    // what the coordinator will go by in this epoch
	Heir    string // the coordinator wishes the primary to hand over to this member
	Wish    Moment `json:",omitempty"` // which wish that is: another one of the same member is to be tried again
	State   *State `json:",omitempty"` // the coordinator's, if the asker may have missed something

	Epoch  uint64 // of which From is primary, with a lease, or 0
	Offset int64  // and how far it has written
}
