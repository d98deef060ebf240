package failover

import (
	"context"
	"testing"
	"time"
)

// TestWishEndsWithItsEpoch: what a coordinator wished of an earlier reign is nothing to the next one.
func TestWishEndsWithItsEpoch(t *testing.T) {
	n := &Node{
		state: &State{}, store: &store{boot: 1}, hold: NewHolder("a", 1), heard: map[string]Moment{},
		roles: make(chan struct{}, 1), now: make(chan struct{}, 1), tick: make(chan struct{}, 1),
	}
	granted := func(epoch uint64, heir string) {
		n.answered(n.hold.Begin(Now()), Answer{From: "a", Leading: true, Granted: epoch, Term: 1, Voters: []string{"a"}, Lease: time.Minute, Heir: heir})
	}
	n.learn(&State{Index: 1, Primary: "a", Boot: 1, Epoch: 1})
	granted(1, "b")
	if n.heir != "b" {
		t.Fatalf("the heir is %q", n.heir)
	}
	n.learn(&State{Index: 2, Primary: "c", Boot: 1, Epoch: 2})
	n.learn(&State{Index: 3, Primary: "a", Boot: 1, Epoch: 3})
	granted(3, "")
	if n.heir != "" {
		t.Errorf("it is to hand over to %s, which nobody wishes any more", n.heir)
	}
}

// TestWishes: a wish that was given up is not tried again, another one of the same member is; one that is taken back ends at once, and
// one whose coordinator is none any more goes on.
func TestWishes(t *testing.T) {
	n := &Node{
		state: &State{}, store: &store{boot: 1}, hold: NewHolder("a", 1), heard: map[string]Moment{},
		roles: make(chan struct{}, 1), now: make(chan struct{}, 1), tick: make(chan struct{}, 1),
	}
	n.learn(&State{Index: 1, Primary: "a", Boot: 1, Epoch: 1})
	round := uint64(1)
	wished := func(from, heir string, at Moment, want string) {
		t.Helper()
		round++
		n.wished(round, Answer{From: from, Heir: heir, Wish: at})
		if n.heir != want {
			t.Errorf("after %s's wish of %q at %d the heir is %q, not %q", from, heir, at, n.heir, want)
		}
	}
	giveUp := func() { n.heir, n.heirWas = "", n.heir }
	wished("c", "b", 10, "b")
	giveUp()
	wished("c", "b", 10, "")
	wished("c", "b", 11, "b")
	giveUp()
	wished("d", "b", 11, "b")
	wished("c", "", 0, "b")
	wished("d", "b", 11, "b")
	n.wished(round-1, Answer{From: "d"}) // it was said before
	if n.heir != "b" {
		t.Error("an answer that was overtaken counts")
	}
	wished("d", "", 0, "")
	ended := false
	n.endHand = func() { ended = true }
	wished("d", "b", 12, "b")
	wished("d", "", 0, "b") // drain will say when it has ended
	if !ended {
		t.Error("what was taken back is not ended")
	}
}

// stuckDrain is a data node whose heir never has everything.
type stuckDrain struct {
	*fakeData
	begun chan struct{}
}

func (d stuckDrain) Drain(ctx context.Context, _ Member) bool {
	close(d.begun)
	<-ctx.Done()
	return false
}

// TestHandingOverEndsWithItsEpoch: who waits for an heir while somebody else has been named primary follows that one at once.
func TestHandingOverEndsWithItsEpoch(t *testing.T) {
	local := stuckDrain{&fakeData{t: t}, make(chan struct{})}
	n := &Node{
		o: Options{Local: local, Profile: profileOf(time.Hour), Warn: func(s string) { t.Error(s) }}, ctx: t.Context(),
		state: &State{}, store: &store{boot: 1}, hold: NewHolder("a", 1), heard: map[string]Moment{},
		roles: make(chan struct{}, 1), now: make(chan struct{}, 1), tick: make(chan struct{}, 1),
	}
	n.learn(&State{Index: 1, Primary: "a", Boot: 1, Epoch: 1})
	n.heir = "b"
	over := make(chan struct{})
	go func() {
		n.drain(1, Member{ID: "b"})
		close(over)
	}()
	<-local.begun
	n.learn(&State{Index: 2, Primary: "c", Boot: 1, Epoch: 2})
	select {
	case <-over:
	case <-time.After(patience):
		t.Fatal("it waits for the heir still")
	}
	if n.hold.Released() || n.heirWas != "" {
		t.Error("it has given up what it does not have")
	}
}
