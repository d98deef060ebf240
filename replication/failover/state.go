package failover

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

// A Member is one process of the group, known by the address of its failover port, "10.0.0.1:7379".
type Member struct {
	ID       string
	Boot     uint64 // grows with each start; of the last one that is known
	Data     bool   // holds data; a witness does not
	Host     string // where clients find it
	Port     int
	Sentinel int // the port for Sentinel's commands, 0 if there is none
	Priority int // replica-priority: the lower the better, 0 for never
}

// A Reign is an epoch: the time of one primary.
type Reign struct {
	Epoch   uint64
	Primary string
	ReplID  string // names the history that the primary writes
	Start   int64  // the offset at which it begins, at the latest
}

// reignsKept is how many epochs back a node may have been away and still be recognised.
const reignsKept = 64

// State is what the members have agreed on. It changes by Apply only, in the same order everywhere.
type State struct {
	Index   uint64 // of the last change in Raft's log
	Group   string
	Epoch   uint64 // 0 as long as there was no primary
	Primary string // member ID
	Boot    uint64 // the primary's: the same member after a restart is not primary by itself
	ReplID  string
	Copies  int // replicas that confirm a write before its reply, the least number that is relied on; 0 if none is

	Lease, LeaseBefore time.Duration // some node may still go by the one before

	Reigns  []Reign // the last one is the present one
	Members map[string]Member

	Leaves uint64   // how often a member has left
	Gone   []string // data nodes that have left and may have the only copy of something that was relied on
}

// Op is a change of the State that the coordinator proposes. Exactly one of the pointers is set.
type Op struct {
	Found  *Found  `json:",omitempty"`
	Join   *Member `json:",omitempty"` // a member that is new or has changed
	Leave  *string `json:",omitempty"`
	Crown  *Crown  `json:",omitempty"`
	Copies *Copies `json:",omitempty"`
	Settle *Settle `json:",omitempty"`
	Forget *uint64 `json:",omitempty"` // Gone, if nobody has left since
}

// Found gives the group its name and lease.
type Found struct {
	Group string
	Lease time.Duration
}

// Crown makes a member primary. It does nothing if the epoch is not After any more.
type Crown struct {
	After   uint64
	Primary string
	Boot    uint64
	ReplID  string
	Start   int64
	Copies  int // what it relies on from the beginning
}

// Copies says how many replicas have what is acknowledged in an epoch. In the course of one it is never taken back to
// none: a primary that was told of it goes by it until it is replaced.
type Copies struct {
	Epoch  uint64
	Copies int
}

// Settle says that every lease that may still be held is of that length.
type Settle struct{ Lease time.Duration }

// Apply changes the state. It does the same on every member.
func (s *State) Apply(op Op) {
	switch {
	case op.Found != nil:
		if s.Group == "" {
			s.Group = op.Found.Group
		}
		if s.Lease != op.Found.Lease {
			s.Lease, s.LeaseBefore = op.Found.Lease, max(s.Lease, s.LeaseBefore)
		}
	case op.Settle != nil:
		if s.Lease == op.Settle.Lease {
			s.LeaseBefore = 0
		}
	case op.Join != nil:
		if s.Members == nil {
			s.Members = map[string]Member{}
		}
		s.Members[op.Join.ID] = *op.Join
	case op.Leave != nil:
		if id := *op.Leave; id != s.Primary {
			s.Leaves++
			if s.Members[id].Data && s.Copies > 0 {
				s.Gone = append(slices.Clip(s.Gone), id)
			}
			delete(s.Members, id)
		}
	case op.Forget != nil:
		if s.Leaves == *op.Forget {
			s.Gone = nil
		}
	case op.Crown != nil:
		c := op.Crown
		if c.After != s.Epoch {
			return
		}
		s.Epoch++
		s.Primary, s.Boot, s.ReplID = c.Primary, c.Boot, c.ReplID
		s.Copies = min(s.Copies, c.Copies)
		s.Reigns = append(s.Reigns, Reign{s.Epoch, c.Primary, c.ReplID, c.Start})
		if n := len(s.Reigns); n > reignsKept {
			s.Reigns = slices.Delete(s.Reigns, 0, n-reignsKept)
		}
	case op.Copies != nil:
		if op.Copies.Epoch == s.Epoch {
			s.Copies = op.Copies.Copies
		}
	}
}

// Clone is a copy that shares nothing with s.
func (s *State) Clone() *State {
	c := *s
	c.Reigns = slices.Clone(s.Reigns)
	c.Gone = slices.Clone(s.Gone)
	c.Members = maps.Clone(s.Members)
	return &c
}

// DataNodes are the members that hold data, by ID.
func (s *State) DataNodes() []Member {
	var out []Member
	for _, id := range slices.Sorted(maps.Keys(s.Members)) {
		if m := s.Members[id]; m.Data {
			out = append(out, m)
		}
	}
	return out
}

// longestLease is what somebody may hold.
func (s *State) longestLease() time.Duration { return max(s.Lease, s.LeaseBefore) }

func (s *State) encode() ([]byte, error) { return json.Marshal(s) }

func decodeState(b []byte) (*State, error) {
	s := &State{}
	if err := json.Unmarshal(b, s); err != nil {
		return nil, fmt.Errorf("the state of the failover group cannot be read: %w", err)
	}
	return s, nil
}
