package failover

import (
	"testing"
	"time"
)

const ms = time.Millisecond

// reigning is a group of three data nodes with the primary "a" in epoch 1, and a coordinator that leads it in term 5
// since the moment 0.
func reigning(t *testing.T) (*State, *Coordinator) {
	t.Helper()
	s := &State{}
	p := Profiles["default"]
	for _, op := range []Op{
		{Found: &Found{"g", p.Lease}},
		{Join: &Member{ID: "a", Boot: 1, Data: true, Priority: 100}},
		{Join: &Member{ID: "b", Boot: 1, Data: true, Priority: 100}},
		{Join: &Member{ID: "c", Boot: 1, Data: true, Priority: 100}},
		{Crown: &Crown{Primary: "a", Boot: 1, ReplID: "one"}},
	} {
		s.Apply(op)
	}
	c := NewCoordinator("b", "g", p, func() string { return "next" })
	c.Lead(0, 5)
	return s, c
}

func of(s *State, id string, offset int64, intact bool) Report {
	return Report{
		Member:   s.Members[id],
		Position: Position{Lines: []Line{{"one", -1}}, Offset: offset, Intact: intact},
	}
}

// TestTermsDoNotMix: a coordinator that Raft has replaced without telling it yet grants nothing, and what an earlier time of
// leading has proposed changes nothing in a later one.
func TestTermsDoNotMix(t *testing.T) {
	s, c := reigning(t)
	r := of(s, "a", 10, true)
	r.Epoch = 1
	if a := c.Heard(ms, 5, s, r); !a.Leading || a.Granted != 1 {
		t.Fatalf("in its own term the coordinator says %+v", a)
	}
	if a := c.Heard(ms, 6, s, r); a.Leading || a.Granted != 0 {
		t.Errorf("in a later term it says %+v", a)
	}
	c.Lead(10*ms, 7)
	r.Released = true
	c.Heard(11*ms, 7, s, r)
	for _, id := range []string{"a", "b", "c"} {
		c.Tick(12*ms, s, []string{"a", "b", "c"})
		c.Polled(c.round, of(s, id, 10, true))
	}
	if task := c.Tick(13*ms, s, []string{"a", "b", "c"}); task.Propose == nil || task.Propose.Crown == nil || task.Term != 7 {
		t.Fatalf("the coordinator wants %+v", task)
	}
	c.Proposed(14*ms, 5, false) // of the time before
	r.Released = false
	if c.void = 0; c.Heard(15*ms, 7, s, r).Granted != 0 {
		t.Error("the lease is granted while another primary is being named")
	}
}

// TestCopiesStay: what a primary was told that it may rely on is not taken from it in its epoch.
func TestCopiesStay(t *testing.T) {
	s, c := reigning(t)
	voters := []string{"a", "b", "c"}
	r := of(s, "a", 10, true)
	r.Epoch = 1
	for _, step := range []struct{ reports, agreed int }{{0, 0}, {2, 2}, {0, 2}, {1, 1}, {2, 1}, {0, 1}} {
		r.Copies = step.reports
		c.Heard(ms, 5, s, r)
		if op := c.Tick(ms, s, voters).Propose; op != nil {
			s.Apply(*op)
			c.Proposed(ms, 5, false)
		}
		if s.Copies != step.agreed {
			t.Errorf("%d copies after %d were reported, want %d", s.Copies, step.reports, step.agreed)
		}
	}
	for _, next := range []struct{ copies, agreed int }{{2, 1}, {1, 1}, {0, 0}, {1, 0}} {
		s.Apply(Op{Crown: &Crown{After: s.Epoch, Primary: "b", ReplID: "x", Copies: next.copies}})
		if s.Copies != next.agreed {
			t.Errorf("%d copies with a new primary that relies on %d, want %d", s.Copies, next.copies, next.agreed)
		}
	}
}

// TestNeverButForData: a node of priority 0 becomes primary only if it alone may have what was acknowledged, and is told to
// hand over.
func TestNeverButForData(t *testing.T) {
	s, c := reigning(t)
	m := s.Members["c"]
	m.Priority = 0
	s.Apply(Op{Join: &m})
	reports := func(b, c int64) []Report { return []Report{of(s, "b", b, true), of(s, "c", c, true)} }
	choose := func(b, c int64) string {
		if r := Choose(s, reports(b, c), "", time.Minute, Profiles["default"]); r != nil {
			return r.Member.ID
		}
		return ""
	}
	if who := choose(10, 20); who != "b" {
		t.Errorf("without copies to rely on %q is chosen", who)
	}
	s.Copies = 1
	if who := choose(20, 20); who != "b" {
		t.Errorf("of two that are equal %q is chosen", who)
	}
	if who := choose(10, 20); who != "c" {
		t.Errorf("%q is chosen, which lacks what was acknowledged", who)
	}
	now := 2 * time.Second
	c.Tick(now, s, []string{"a", "b", "c"})
	for _, r := range reports(10, 20) {
		c.Polled(c.round, r)
	}
	op := c.Tick(now+time.Second, s, []string{"a", "b", "c"}).Propose
	if op == nil || op.Crown == nil || op.Crown.Primary != "c" {
		t.Fatalf("proposed was %+v", op)
	}
	s.Apply(*op)
	now += 2 * time.Second
	c.Proposed(now, 5, false)
	c.Heard(now, 5, s, of(s, "b", 20, true))
	c.Tick(now, s, []string{"a", "b", "c"})
	r := of(s, "c", 20, true)
	r.Epoch = 2
	if a := c.Heard(now, 5, s, r); a.Heir != "b" {
		t.Errorf("the primary is told to hand over to %q", a.Heir)
	}
}

// TestLeavesCount: a member that has left counts among those who may have what was acknowledged, until the primary says that
// others have it.
func TestLeavesCount(t *testing.T) {
	s, c := reigning(t)
	s.Copies = 1
	voters := []string{"a", "b"}
	step := func() {
		if op := c.Tick(ms, s, voters).Propose; op != nil {
			s.Apply(*op)
			c.Proposed(ms, 5, false)
		}
	}
	chosen := func() bool {
		return Choose(s, []Report{of(s, "b", 10, true)}, "", time.Minute, Profiles["default"]) != nil
	}
	r := of(s, "a", 20, true)
	r.Epoch, r.Copies = 1, 1
	c.Heard(ms, 5, s, r)
	step()
	if len(s.Members) != 2 || chosen() {
		t.Errorf("c has left (%v), and b is chosen alone: %v", s.Members, chosen())
	}
	step()
	if chosen() {
		t.Error("b is chosen, which may lack what c had")
	}
	r.Spread = s.Leaves
	c.Heard(ms, 5, s, r)
	step()
	if !chosen() {
		t.Errorf("b is not chosen although it has everything: %+v", s)
	}
}

// TestProfileChanges: a group can go from one profile to another more than once, and waits for the longer lease as long as
// one may be held.
func TestProfileChanges(t *testing.T) {
	s, _ := reigning(t)
	lease := s.Lease
	for i, name := range []string{"wide", "tight", "default", "tight"} {
		p := Profiles[name]
		c := NewCoordinator("b", "g", p, func() string { return "next" })
		now := Moment(i) * time.Hour
		c.Lead(now, 5)
		step := func() {
			if op := c.Tick(now, s, []string{"a", "b", "c"}).Propose; op != nil {
				s.Apply(*op)
				c.Proposed(now, 5, false)
			}
		}
		step()
		if s.Lease != p.Lease || s.longestLease() < lease {
			t.Fatalf("%s: the lease is %v, the longest %v", name, s.Lease, s.longestLease())
		}
		step()
		now += time.Minute
		step()
		if s.longestLease() != p.Lease {
			t.Errorf("%s: a minute later the longest lease is %v", name, s.longestLease())
		}
		lease = p.Lease
	}
}
