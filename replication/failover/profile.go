package failover

import "time"

// A Profile is how long a group waits for what. Only Lease is agreed on by all; it travels in the State.
type Profile struct {
	Lease     time.Duration // how long a primary writes without hearing from a majority
	Interval  time.Duration // between two Reports
	Heartbeat time.Duration // Raft's: silence of the leader after which, at the earliest, another is elected
	Grace     time.Duration // how long the coordinator waits for everybody's position when somebody may be chosen already
	Restart   time.Duration // how long the last primary is waited for when all nodes have been restarted
	Call      time.Duration // after which a message counts as lost
}

// Profiles by the words of the directive failover-profile. A primary that dies is replaced after its lease and what
// remains of a tenth of it, unless it was the coordinator as well: then an election comes before.
var Profiles = map[string]Profile{
	"default": profileOf(600 * time.Millisecond),
	"tight":   profileOf(180 * time.Millisecond),
	"wide":    profileOf(4 * time.Second),
}

func profileOf(lease time.Duration) Profile {
	return Profile{
		Lease:     lease,
		Interval:  intervalOf(lease),
		Heartbeat: lease / 2,
		Grace:     lease / 6,
		Restart:   60 * time.Second,
		Call:      lease / 2,
	}
}

func intervalOf(lease time.Duration) time.Duration { return lease / 5 }

// waitFor is how long after a lease of that length was granted it is over on every clock: those of two machines differ
// by less than a tenth.
func waitFor(lease time.Duration) time.Duration { return lease + lease/10 + time.Millisecond }
