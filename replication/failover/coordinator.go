package failover

import (
	"maps"
	"slices"
	"time"
)

// Coordinator is the leader's part: it grants the primary's lease, notices that nobody asks for it any more, asks
// everybody how far they are, and names the next primary.
//
// Every member has one; it does something only between Lead and Follow. It proposes changes of the State one at a time:
// what Tick returns is proposed, and Proposed is called when the outcome is known.
type Coordinator struct {
	self    string
	group   string
	profile Profile
	newID   func() string // makes replication IDs

	leading  bool
	term     uint64 // of Raft, in which it leads
	since    Moment // when it was seen at the latest that we lead
	granted  Moment // when the last lease was granted
	proposed bool   // an Op is on its way
	crowning bool   // and it names a primary
	void     uint64 // the epoch whose lease is known to be over: its primary was restarted or has given it up
	heirOf   string // who the primary named when it gave up

	polling   bool
	pollSince Moment
	round     uint64
	asked     Moment
	polled    map[string]Report

	reports map[string]Report // the last of each node, in this time of leading
	heard   map[string]Moment

	wish      string // a planned switch to this member
	wishOf    uint64
	wishAt    Moment // when it was wished, which tells it from others
	wishUntil Moment

	passedOn Moment // when we last tried to give the lead away
	offered  bool

	settling  time.Duration // the lease that is to be the only one
	settledAt Moment        // from then on it is

	reluctant uint64 // the epoch of a primary of replica-priority 0, which is to hand over; 0 if there is none
	eased     Moment // when that was last tried
	easings   int    // how often that was
}

// NewCoordinator makes the coordinator of a member. newID makes the replication ID of an epoch.
func NewCoordinator(self, group string, p Profile, newID func() string) *Coordinator {
	return &Coordinator{self: self, group: group, profile: p, newID: newID, reports: map[string]Report{}, heard: map[string]Moment{}}
}

// Lead begins a time of leading in one of Raft's terms; everything that was agreed before is known. At now at the latest
// this member was elected, and not before.
func (c *Coordinator) Lead(now Moment, term uint64) {
	*c = Coordinator{
		self: c.self, group: c.group, profile: c.profile, newID: c.newID, round: c.round, reports: map[string]Report{}, heard: map[string]Moment{},
	}
	c.leading, c.term, c.since, c.granted = true, term, now, -1
}

// Follow ends it.
func (c *Coordinator) Follow() { c.leading, c.polling, c.wish = false, false, "" }

// Leading tells whether this member coordinates.
func (c *Coordinator) Leading() bool { return c.leading }

// leaseOver tells whether the last primary can hold no lease any more.
func (c *Coordinator) leaseOver(now Moment, s *State) bool {
	if s.Epoch == 0 || c.void == s.Epoch {
		return true
	}
	return now >= max(c.since, c.granted)+waitFor(s.longestLease())
}

// Heard takes a Report and returns the coordinator's part of the Answer. term is Raft's, read after the Report had come:
// who leads in one term has no say in the next one, even before it is told.
func (c *Coordinator) Heard(now Moment, term uint64, s *State, r Report) (a Answer) {
	if !c.leading || term != c.term {
		return a
	}
	id := r.Member.ID
	if before, ok := c.reports[id]; ok && before.Member.Boot > r.Member.Boot {
		return a // a process that is no more
	}
	c.reports[id], c.heard[id] = r, now
	a.Leading = true
	a.Lease, a.Copies = s.Lease, s.Copies
	if id != s.Primary {
		return a
	}
	if r.Member.Boot > s.Boot { // the process that was primary is no more
		c.void = s.Epoch
		return a
	}
	if r.Member.Boot != s.Boot || r.Epoch != s.Epoch {
		return a
	}
	if r.Released {
		c.void, c.heirOf = s.Epoch, r.Heir
		return a
	}
	if c.void == s.Epoch || c.crowning {
		return a
	}
	c.polling = false // it is back before another was named
	c.granted = now
	a.Granted = s.Epoch
	if c.wish != "" && c.wishOf == s.Epoch && now < c.wishUntil {
		a.Heir, a.Wish = c.wish, c.wishAt
	}
	return a
}

// Task is what the coordinator wants done.
type Task struct {
	Propose *Op
	Term    uint64   // to be given to Proposed with it
	Poll    []string // members to be asked for a Report
	Round   uint64   // to be given to Polled with it
	PassOn  string   // give the lead to this member
}

// Tick says what is to be done now. It is called every now and then, and after Polled and Proposed. voters are the
// members that Raft goes by.
func (c *Coordinator) Tick(now Moment, s *State, voters []string) (t Task) {
	if !c.leading || c.proposed {
		return t
	}
	t.Term = c.term
	if op := c.housekeeping(now, s, voters); op != nil {
		c.proposed = true
		t.Propose = op
		return t
	}
	if !c.leaseOver(now, s) {
		c.polling = false
		t.PassOn = c.passOn(now, s)
		c.ease(now, s)
		return t
	}
	nodes := s.DataNodes()
	if len(nodes) == 0 || s.Epoch == 0 && len(s.Members) < len(voters) {
		return t
	}
	if !c.polling {
		c.polling, c.pollSince = true, now
		c.polled = map[string]Report{}
		c.asked = now - c.profile.Interval
		c.round++
	}
	reports := make([]Report, 0, len(c.polled))
	for _, id := range slices.Sorted(maps.Keys(c.polled)) {
		reports = append(reports, c.polled[id])
	}
	if next := Choose(s, reports, c.heirOf, now-c.pollSince, c.profile); next != nil {
		t.Propose = c.crown(s, *next)
		if next.Member.Priority == 0 {
			c.reluctant = s.Epoch + 1
		}
		return t
	}
	if now >= c.asked+c.profile.Interval {
		c.asked = now
		t.Round = c.round
		for _, m := range nodes {
			t.Poll = append(t.Poll, m.ID)
		}
	}
	return t
}

// Polled takes what a member has answered to a poll of that round.
func (c *Coordinator) Polled(round uint64, r Report) {
	if c.leading && c.polling && round == c.round {
		c.polled[r.Member.ID] = r
	}
}

// crown proposes a primary.
func (c *Coordinator) crown(s *State, next Report) *Op {
	c.proposed, c.crowning = true, true
	return &Op{Crown: &Crown{
		After: s.Epoch, Primary: next.Member.ID, Boot: next.Member.Boot, ReplID: c.newID(), Start: next.Position.Offset, Copies: next.Copies,
	}}
}

// Proposed says that the Op that was proposed in a term was agreed on and the State is up to date; or, failed, that it is not
// known whether it was: then this time of leading is over. Who has been named has the time of a lease to ask for one.
func (c *Coordinator) Proposed(now Moment, term uint64, failed bool) {
	switch {
	case term != c.term:
		return // of an earlier time
	case failed:
		c.Follow()
		return
	}
	if c.crowning {
		c.granted = max(c.granted, now)
		c.polling, c.heirOf, c.wish = false, "", ""
	}
	c.proposed, c.crowning = false, false
}

// housekeeping is a change that Raft's configuration or the members' reports ask for: somebody who came, went or has
// changed, or a guarantee to be noted.
func (c *Coordinator) housekeeping(now Moment, s *State, voters []string) *Op {
	if s.Group == "" || s.Lease != c.profile.Lease {
		return &Op{Found: &Found{c.group, c.profile.Lease}}
	}
	if s.LeaseBefore != 0 {
		if c.settling != s.Lease {
			c.settling, c.settledAt = s.Lease, now+waitFor(s.longestLease())
		}
		if now >= c.settledAt {
			return &Op{Settle: &Settle{s.Lease}}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(c.reports)) {
		r := c.reports[id]
		if m := s.Members[id]; m != r.Member && r.Member.Boot >= m.Boot && slices.Contains(voters, id) {
			return &Op{Join: &r.Member}
		}
		if id != s.Primary || r.Epoch != s.Epoch || r.Member.Boot != s.Boot {
			continue
		}
		if len(s.Gone) > 0 && r.Spread >= s.Leaves {
			return &Op{Forget: &r.Spread}
		}
		want := r.Copies
		if s.Copies > 0 {
			want = min(want, s.Copies)
		}
		if want > 0 && want != s.Copies {
			return &Op{Copies: &Copies{Epoch: s.Epoch, Copies: want}}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(s.Members)) {
		if !slices.Contains(voters, id) && id != s.Primary {
			return &Op{Leave: &id}
		}
	}
	return nil
}

// Switch asks for a planned switch to a member, "" for the most advanced replica. The wish is dropped at the moment
// until. It returns who it will be, "" if nobody can.
func (c *Coordinator) Switch(now, until Moment, s *State, to string) string {
	if !c.leading || c.leaseOver(now, s) {
		return ""
	}
	var best *Report
	for _, m := range s.DataNodes() {
		r, ok := c.reports[m.ID]
		if !ok || m.ID == s.Primary || to != "" && m.ID != to || now-c.heard[m.ID] > s.Lease || r.Member.Priority == 0 && to == "" || r.Position.Loading {
			continue
		}
		if best == nil || s.ahead(&r, best, to) {
			best = &r
		}
	}
	if best == nil {
		return ""
	}
	c.wish, c.wishOf, c.wishUntil = best.Member.ID, s.Epoch, until
	c.wishAt = max(now, c.wishAt+1)
	return c.wish
}

// ease has a primary that was named against its replica-priority hand over as soon as somebody else can.
func (c *Coordinator) ease(now Moment, s *State) {
	if c.reluctant != s.Epoch || s.Epoch == 0 || c.wish != "" && now < c.wishUntil || c.eased != 0 && now < c.eased+passOnEvery<<min(c.easings, mostEasings) {
		return
	}
	if c.Switch(now, now+passOnEvery, s, "") != "" {
		c.eased = now
		c.easings++
	}
}

// mostEasings is how often the time between two tries to relieve a reluctant primary is doubled: writes wait while it tries to hand
// over to somebody who does not catch up.
const mostEasings = 4

// Wished tells the wish of the last Switch from others.
func (c *Coordinator) Wished() Moment { return c.wishAt }

// EndSwitch drops a wish, unless there is another one by now. 0 is any.
func (c *Coordinator) EndSwitch(wished Moment) {
	if wished == 0 || c.wishAt == wished {
		c.wish = ""
	}
}

// passOnEvery is how often the coordinator tries to pass the lead on.
const passOnEvery = 5 * time.Second

// passOn names who should lead instead of the primary: losing both at once takes longer. A member is fit that has
// been heard of lately.
func (c *Coordinator) passOn(now Moment, s *State) string {
	if s.Primary != c.self || now < c.since+c.profile.Lease || c.offered && now < c.passedOn+passOnEvery {
		return ""
	}
	best := ""
	for _, id := range slices.Sorted(maps.Keys(s.Members)) {
		m := s.Members[id]
		at, heard := c.heard[id]
		if id == c.self || !heard || now-at > 2*c.profile.Interval {
			continue
		}
		if best == "" || !m.Data && s.Members[best].Data {
			best = id
		}
	}
	if best != "" {
		c.passedOn, c.offered = now, true
	}
	return best
}

// Takeover is the Op that names a member primary whatever it lacks, nil while there may be a primary.
func (c *Coordinator) Takeover(now Moment, s *State, r Report) *Op {
	if !c.leading || c.proposed || !c.leaseOver(now, s) {
		return nil
	}
	return c.crown(s, r)
}

// Term is the one in which it leads.
func (c *Coordinator) Term() uint64 { return c.term }
