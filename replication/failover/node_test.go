package failover

import (
	"context"
	"net"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// fakeData is a data node without data: it has everything that its primary has at once.
type fakeData struct {
	t      *testing.T
	mu     sync.Mutex
	id     string
	host   string // of the primary that it follows
	world  map[string]*fakeData
	lines  []Line
	offset int64
	reigns uint64
	of     string // its ID
	busy   int    // how often it cannot become primary
	stuck  int    // how often its heir does not catch up

	reigning func() // called when it is to become primary; nil does nothing
}

func (f *fakeData) Report(r *Report) {
	f.mu.Lock()
	p := f.world[f.host]
	f.mu.Unlock()
	if p != nil {
		p.mu.Lock()
		lines, offset := slices.Clone(p.lines), p.offset
		p.mu.Unlock()
		f.mu.Lock()
		if f.host == p.id {
			f.lines, f.offset = lines, offset
		}
		f.mu.Unlock()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	r.Member.Host, r.Member.Port, r.Member.Priority = f.id, 1, 100
	r.Position = Position{Lines: slices.Clone(f.lines), Offset: f.offset, Leading: f.of == ""}
	r.Copies = 1
}

func (f *fakeData) Reign(epoch uint64, replID string, _ int64) bool {
	if f.reigning != nil {
		f.reigning()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.busy > 0 {
		f.busy--
		return false
	}
	f.reigns, f.of, f.host = epoch, "", ""
	f.lines = append([]Line{{replID, -1}}, f.lines...)
	return true
}

func (f *fakeData) Follow(m Member) {
	f.mu.Lock()
	f.reigns, f.of, f.host = 0, m.ID, m.Host
	f.mu.Unlock()
}

func (f *fakeData) Rest() {
	f.mu.Lock()
	f.reigns = 0
	f.mu.Unlock()
}

func (f *fakeData) Drain(ctx context.Context, _ Member) bool {
	f.mu.Lock()
	stuck := f.stuck > 0
	if stuck {
		f.stuck--
	}
	f.mu.Unlock()
	if stuck {
		<-ctx.Done()
	}
	return !stuck
}
func (f *fakeData) Changed(*State) {}

// patience is how long a test waits for what has to happen: longer than any machine needs, however busy.
const patience = 3 * time.Minute

type testGroup struct {
	t     *testing.T
	dir   string
	ids   []string
	data  map[string]*fakeData
	nodes map[string]*Node

	profile Profile
	hurry   bool // primary does not wait for anybody's Interval
}

// newTestGroup makes a group whose lease is long: on a machine that stands still for half a second, as busy ones do, a shorter
// one is over, and another node leads by itself.
func newTestGroup(t *testing.T, data, witnesses int) *testGroup {
	return newGroupOf(t, data, witnesses, Profiles["wide"])
}

func newGroupOf(t *testing.T, data, witnesses int, p Profile) *testGroup {
	g := &testGroup{t: t, dir: t.TempDir(), data: map[string]*fakeData{}, nodes: map[string]*Node{}, profile: p}
	var lns []net.Listener
	for range data + witnesses {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		lns = append(lns, ln)
		g.ids = append(g.ids, ln.Addr().String())
	}
	for i, id := range g.ids {
		if i < data {
			g.data[id] = &fakeData{t: t, id: id, world: g.data, lines: []Line{{"own" + id, -1}}}
		}
	}
	for i, id := range g.ids {
		g.start(id, lns[i])
	}
	t.Cleanup(func() {
		for _, n := range g.nodes {
			n.Stop()
		}
	})
	return g
}

func (g *testGroup) start(id string, ln net.Listener) {
	g.t.Helper()
	if ln == nil {
		var err error
		if ln, err = net.Listen("tcp", id); err != nil {
			g.t.Fatal(err)
		}
	}
	o := Options{
		Group: "g", Secret: "s", ID: id, Dir: filepath.Join(g.dir, id[len(id)-5:]), Profile: g.profile,
		Log: func(s string) { g.t.Log(id, s) }, Warn: func(s string) { g.t.Log(id, s) },
	}
	for _, p := range g.ids {
		if p != id {
			o.Peers = append(o.Peers, p)
		}
	}
	if f := g.data[id]; f != nil {
		o.Local = f
	}
	n, err := Start(o, ln)
	if err != nil {
		g.t.Fatal(err)
	}
	g.nodes[id] = n
}

func (g *testGroup) stop(id string) {
	g.nodes[id].Stop()
	delete(g.nodes, id)
}

// primary waits until exactly one node holds the lease and has become primary, and all data nodes that run follow it.
func (g *testGroup) primary() string {
	g.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	end := time.After(patience)
	for {
		if g.hurry {
			for _, n := range g.nodes {
				poke(n.now)
				poke(n.tick)
			}
		}
		who := ""
		for id, n := range g.nodes {
			if n.Holds(Now()) && g.data[id].reign() == n.Epoch() {
				if who != "" {
					g.t.Fatal("two primaries")
				}
				who = id
			}
		}
		settled := who != ""
		for id, n := range g.nodes {
			if f := g.data[id]; f != nil && id != who && (f.follows() != who || !n.Intact()) {
				settled = false
			}
		}
		if settled {
			return who
		}
		select {
		case <-tick.C:
		case <-end:
			for id, n := range g.nodes {
				g.t.Logf("%s: %+v", id, n.Status())
			}
			g.t.Fatal("no primary")
		}
	}
}

func (f *fakeData) reign() uint64 { f.mu.Lock(); defer f.mu.Unlock(); return f.reigns }

func (f *fakeData) follows() string { f.mu.Lock(); defer f.mu.Unlock(); return f.of }

func (g *testGroup) other(id string) string {
	for _, o := range g.ids {
		if o != id && g.data[o] != nil {
			return o
		}
	}
	return ""
}

// TestPair takes a pair with a witness through its life.
func TestPair(t *testing.T) {
	g := newTestGroup(t, 2, 1)
	first := g.primary()
	second := g.other(first)

	g.stop(first)
	if p := g.primary(); p != second {
		t.Fatalf("%s is primary, want %s", p, second)
	}
	g.start(first, nil)
	if p := g.primary(); p != second {
		t.Fatalf("%s took the lead back", p)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for id, n := range g.nodes { // any member can be asked
		if id != first && id != second {
			who, err := n.Switch(ctx, "")
			for err != nil && ctx.Err() == nil { // a coordinator that has just become it does not know enough yet
				who, err = n.Switch(ctx, "")
			}
			if err != nil || who != first {
				t.Fatalf("planned switch: %s, %v; want %s", who, err, first)
			}
		}
	}
	if p := g.primary(); p != first {
		t.Fatalf("%s is primary after the switch, want %s", p, first)
	}
	for _, id := range g.ids {
		g.stop(id)
	}
	for _, id := range []string{second, g.ids[2], first} {
		g.start(id, nil)
	}
	if p := g.primary(); p != first {
		t.Fatalf("%s is primary after all were restarted, want %s", p, first)
	}
}

// TestIntactAsSoonAsLinked: a replica need not wait for the next Interval, here one of many minutes, to be able to take over.
func TestIntactAsSoonAsLinked(t *testing.T) {
	p := profileOf(2 * time.Hour)
	p.Heartbeat, p.Call = time.Second, time.Second
	g := newGroupOf(t, 2, 1, p)
	g.hurry = true
	first := g.primary()
	second := g.other(first)
	if len(g.nodes[first].State().Members) < 3 {
		t.Fatal("not everybody is known")
	}
	g.stop(second)
	g.start(second, nil)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(patience); !g.nodes[second].Intact(); {
		select {
		case <-tick.C:
			if g.data[second].follows() == first {
				g.nodes[second].Linked()
			}
		case <-end:
			t.Fatal("the replica does not know that it misses nothing")
		}
	}
}

// TestDeclines: who is named primary while its data is being replaced says no, and the group chooses again.
func TestDeclines(t *testing.T) {
	g := newTestGroup(t, 2, 1)
	first := g.primary()
	second := g.other(first)
	before := g.nodes[second].State().Epoch
	f := g.data[second]
	f.mu.Lock()
	f.busy = 1
	f.mu.Unlock()
	g.stop(first)
	if p := g.primary(); p != second {
		t.Fatalf("%s is primary, want %s", p, second)
	}
	if e := g.nodes[second].State().Epoch; e < before+2 {
		t.Errorf("the epoch is %d after %d: nothing was declined", e, before)
	}
}

// TestBecomingPrimaryIsQuiet: a node that was restarted, and takes long to become primary, goes on reporting once in an Interval.
func TestBecomingPrimaryIsQuiet(t *testing.T) {
	g := newTestGroup(t, 2, 1)
	g.primary()
	for _, id := range g.ids {
		g.stop(id)
	}
	who, goOn := make(chan string, 2), make(chan struct{})
	for id, f := range g.data {
		f.reigning = func() {
			who <- id
			<-goOn
		}
	}
	for _, id := range g.ids {
		g.start(id, nil)
	}
	n := g.nodes[<-who]
	rounds := func() uint64 {
		n.mu.Lock()
		defer n.mu.Unlock()
		return n.hold.Begin(Now())
	}
	before := rounds()
	<-time.NewTimer(g.profile.Interval).C // what is counted are the reports in that time
	if k := rounds() - before; k > 50 {
		t.Errorf("%d reports in an interval", k)
	}
	close(goOn)
	g.primary()
}

// TestMembersComeAndGo: a third data node joins by naming one that is there, and leaves again.
func TestMembersComeAndGo(t *testing.T) {
	g := newTestGroup(t, 2, 1)
	first := g.primary()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	id := ln.Addr().String()
	f := &fakeData{t: t, id: id, world: g.data, lines: []Line{{"own" + id, -1}}}
	world := map[string]*fakeData{id: f}
	for k, d := range g.data {
		world[k] = d
	}
	for _, d := range g.data { // they run: a map that they have does not change any more
		d.mu.Lock()
		d.world = world
		d.mu.Unlock()
	}
	f.world, g.data = world, world
	g.ids = append(g.ids, id)
	g.start(id, ln)
	if p := g.primary(); p != first {
		t.Fatalf("%s is primary, want %s", p, first)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for len(g.nodes[first].State().DataNodes()) != 3 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("the third data node is not there: %+v", g.nodes[first].State())
		}
	}
	if err := g.nodes[id].Remove(ctx, first); err == nil {
		t.Fatal("the primary was removed")
	}
	if err := g.nodes[first].Remove(ctx, id); err != nil {
		t.Fatal(err)
	}
	g.stop(id)
	if p := g.primary(); p != first {
		t.Fatalf("%s is primary, want %s", p, first)
	}
}

// TestOrdersWhileCoordinationIsPassedOn: whoever orders something does not hear of that.
func TestOrdersWhileCoordinationIsPassedOn(t *testing.T) {
	g := newTestGroup(t, 2, 1)
	first := g.primary()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for i := range 10 {
		var passing sync.WaitGroup
		for _, id := range g.ids {
			if _, leads := g.nodes[id].leadsIn(); leads {
				passing.Go(func() { _ = g.nodes[id].outcome(g.nodes[id].raft.LeadershipTransfer()) }) // or not
			}
		}
		if err := g.nodes[first].Add(ctx, first); err != nil { // who is there stays
			t.Errorf("order %d: %v", i, err)
		}
		passing.Wait()
	}
	if n := len(g.nodes[first].voters()); n != 3 {
		t.Errorf("the group has %d members", n)
	}
}

// TestNobodyWaitsForRaftThatHasEnded: what is asked at the moment of the end may never be answered.
func TestNobodyWaitsForRaftThatHasEnded(t *testing.T) {
	g := newTestGroup(t, 2, 1)
	first := g.primary()
	n := g.nodes[first]
	g.stop(first)
	for range 50 { // Raft takes some in, by chance
		if err := n.passOn(g.ids[2]); err == nil {
			t.Error("a member that has ended passes on what it does not have")
		}
	}
}

// TestStrangersAreRefused: who has another secret does not get in.
func TestStrangersAreRefused(t *testing.T) {
	g := newTestGroup(t, 2, 1)
	first := g.primary()
	for _, c := range []struct {
		group, secret string
		ok            bool
	}{{"g", "s", true}, {"g", "wrong", false}, {"other", "s", false}} {
		p := &port{group: c.group, secret: c.secret, call: patience, idle: map[string][]net.Conn{}}
		_, err := p.ask(first, envelope{Status: &Status{}}, patience)
		if (err == nil) != c.ok {
			t.Errorf("group %s, secret %s: %v", c.group, c.secret, err)
		}
		p.drop(first)
	}
}

// TestLateLeaseBeginsReign: a lease that was over before this node's own side looked at it, as on a machine that stood still, is
// looked at again when it is granted anew. Until the node has become primary it would lead nobody, for ever.
func TestLateLeaseBeginsReign(t *testing.T) {
	n := &Node{state: &State{}, hold: NewHolder("a", 1), heard: map[string]Moment{}, roles: make(chan struct{}, 1), now: make(chan struct{}, 1)}
	n.hold.Follow(&State{Primary: "a", Boot: 1, Epoch: 1})
	told := func(began Moment, lease time.Duration) bool {
		n.answered(n.hold.Begin(began), Answer{From: "a", Leading: true, Granted: 1, Term: 1, Voters: []string{"a"}, Lease: lease})
		select {
		case <-n.roles:
			return true
		default:
			return false
		}
	}
	if told(Now()-1, 1) {
		t.Error("a lease that is over is no reason to become primary")
	}
	if !told(Now(), time.Minute) {
		t.Error("the lease holds, and nobody is told")
	}
	if told(Now(), time.Minute) {
		t.Error("a lease that goes on is no news")
	}
}

// TestIntactUnderWrites: a node that was restarted and is always a little behind, because the primary always writes, counts as soon as
// it has what there was when it asked.
func TestIntactUnderWrites(t *testing.T) {
	h := NewHolder("b", 2)
	h.Follow(&State{Primary: "a", Boot: 1, Epoch: 3})
	answer := func(round uint64, epoch uint64, offset int64) {
		h.Answered(round, Answer{From: "a", Epoch: epoch, Offset: offset})
	}
	answer(h.Begin(1), 3, 100)
	answer(h.Begin(2), 3, 200)
	h.CaughtUp(3, 99)
	if h.Intact() {
		t.Error("it has not what there was")
	}
	h.CaughtUp(3, 150)
	if !h.Intact() {
		t.Error("it has what there was when it asked, and does not count")
	}
	late := h.Begin(3)
	h.Replacing()
	answer(late, 3, 160) // it may have confirmed more since
	h.CaughtUp(3, 170)
	if h.Intact() || !h.Asks() {
		t.Error("what was asked before the data was given up says how far that went")
	}
	answer(h.Begin(4), 3, 300)
	answer(h.Begin(5), 4, 400) // another primary
	h.CaughtUp(3, 350)
	if h.Intact() {
		t.Error("the primary is another one by now")
	}
	h.CaughtUp(4, 400)
	if !h.Intact() {
		t.Error("it has what the new primary had")
	}
}

// TestAbsentMemberIsWaitedFor: what Raft has to say to a member that is away is said when it is back, and does not count as one more
// attempt that has failed, which Raft would wait the longer for. That it is away Raft is told all the same.
func TestAbsentMemberIsWaitedFor(t *testing.T) {
	g := newTestGroup(t, 2, 1)
	first := g.primary()
	id := g.other(first)
	g.stop(id)
	if p := g.primary(); p != first {
		t.Fatalf("%s is primary, want %s", p, first)
	}
	var leader *Node
	for leader == nil {
		for _, n := range g.nodes {
			if _, leads := n.leadsIn(); leads {
				leader = n
			}
		}
		runtime.Gosched()
	}
	waits := make(chan struct{})
	trans := transport{leader.trans.NetworkTransport, func(term uint64, id raft.ServerID, addr raft.ServerAddress) bool {
		close(waits)
		return leader.awaitMember(term, id, addr)
	}}
	say := func(entry uint64) error {
		term, _ := leader.leadsIn()
		return trans.AppendEntries(raft.ServerID(id), raft.ServerAddress(id), &raft.AppendEntriesRequest{
			RPCHeader: raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte(leader.o.ID), Addr: []byte(leader.o.ID)},
			Term:      term, PrevLogEntry: entry,
		}, &raft.AppendEntriesResponse{})
	}
	if say(0) == nil {
		t.Error("a member that is away has answered")
	}
	said := make(chan error, 1)
	go func() { said <- say(1 << 40) }() // which nobody has
	select {
	case <-waits:
	case err := <-said:
		t.Fatalf("the member is not waited for: %v", err)
	}
	g.start(id, nil)
	select {
	case err := <-said:
		if _, leads := leader.leadsIn(); err != nil && leads {
			t.Errorf("the member was not waited for: %v", err)
		}
	case <-time.After(patience):
		t.Fatal("it is waited for although it is back")
	}
	g.primary()
}

// TestDecisionsEndWithTheirTerm: what a coordinator decided in a term it led in before is not agreed on in a later one.
func TestDecisionsEndWithTheirTerm(t *testing.T) {
	g := newTestGroup(t, 2, 1)
	first := g.primary()
	for _, n := range g.nodes {
		term, _ := n.leadsIn()
		s := n.State()
		late := Op{Crown: &Crown{After: s.Epoch, Primary: g.other(first), Boot: s.Members[g.other(first)].Boot, ReplID: newReplID()}}
		if err := n.propose(late, term-1); err == nil {
			t.Errorf("%s has had a decision of an earlier term agreed on", n.o.ID)
		}
	}
	if p := g.primary(); p != first {
		t.Errorf("%s is primary, want %s", p, first)
	}
}

// TestSwitchAgainAtOnce: a planned switch that has failed can be asked for again at once, and again.
func TestSwitchAgainAtOnce(t *testing.T) {
	g := newGroupOf(t, 2, 1, Profiles["default"])
	first := g.primary()
	for _, f := range g.data {
		f.mu.Lock()
		f.stuck = 1
		f.mu.Unlock()
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for tries := 1; ; tries++ {
		_, err := g.nodes[first].Switch(ctx, "")
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			t.Fatalf("tried in vain %d times: %v", tries, err)
		}
	}
}
