package failover

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

// Local is the data node that a Node decides for. Its methods are called by one goroutine at a time, except Report,
// which may be called at any time and must not wait.
type Local interface {
	// Report fills in what only the data node knows: where clients find it, its position, what it relies on.
	Report(*Report)
	// Reign makes it primary, under a replication ID that is new; or leaves it so, if it was in the epoch before. It was
	// chosen because its data went as far as start: if that is not so any more it changes nothing, and the answer is false.
	Reign(epoch uint64, replID string, start int64) bool
	// Follow makes it a replica.
	Follow(primary Member)
	// Rest makes it wait: it is not primary any more, and who is will turn out.
	Rest()
	// Drain stops writes and waits until the heir has all that was written. If it takes too long, writes go on and the
	// answer is false. Otherwise they stay stopped until the next Reign or Follow.
	Drain(ctx context.Context, heir Member) bool
	// Changed is called after every change of who is primary or who is there.
	Changed(s *State)
}

// Watcher is what a witness has instead of a Local.
type Watcher interface {
	// Report fills in where clients find its sentinel port.
	Report(*Report)
	// Changed is called after every change of who is primary or who is there.
	Changed(s *State)
}

// Options of a Node.
type Options struct {
	Group   string
	Secret  string
	ID      string   // the address by which others reach it
	Peers   []string // the other members' addresses
	Dir     string   // where it remembers who was primary
	Profile Profile
	Local   Local   // nil for a witness
	Watcher Watcher // of a witness, may be nil
	Log     func(text string)
	Warn    func(text string)
}

// Status is a member's view of the group.
type Status struct {
	ID      string
	Formed  bool     // it belongs to a group
	Initial []string // if not: who it would found one with
	Leader  string
	Term    uint64
	Voters  []string
	State   *State
	Held    time.Duration // what is left of the lease
	Heard   map[string]time.Duration
}

// Node is one member of a group: Raft, the port, a Coordinator and for a data node a Holder.
type Node struct {
	o     Options
	port  *port
	store *store
	raft  *raft.Raft
	trans transport
	runs  chan struct{} // closed when raft is there

	until  atomic.Int64 // the end of the lease
	copies atomic.Int64
	epoch  atomic.Uint64 // of the lease

	mu      sync.Mutex
	state   *State // the latest that is known; shared, never changed
	hold    *Holder
	coord   *Coordinator
	heard   map[string]Moment // when a member last answered or reported
	away    map[string]bool   // who has not answered for long
	asking  map[string]int    // how many reports are on their way to a member
	heir    string            // that the lease of this epoch is being handed over to
	heirWas string            // the heir of a wish of this epoch that was given up; not tried again until it changes
	wish    wish              // that of heir, or else of heirWas
	endHand func()            // ends the handing over that waits for the heir, nil if none does

	began  Moment
	formed atomic.Bool // since this start a member without memory belongs to a group
	forgot bool        // it has been said that others remember more

	roles chan struct{} // something about the role may have changed
	now   chan struct{} // report at once
	tick  chan struct{} // look at once what the coordinator wants
	ctx   context.Context
	stop  context.CancelFunc
	over  chan struct{} // closed when Raft has ended
	all   sync.WaitGroup
}

// Start makes a member of a group and begins. The group is founded when all members are there for the first time.
func Start(o Options, ln net.Listener) (*Node, error) {
	n := &Node{
		o: o, began: Now(), state: &State{}, heard: map[string]Moment{}, away: map[string]bool{}, asking: map[string]int{},
		roles: make(chan struct{}, 1), now: make(chan struct{}, 1), tick: make(chan struct{}, 1),
		over: make(chan struct{}), runs: make(chan struct{}),
	}
	n.ctx, n.stop = context.WithCancel(context.Background())
	log := hclog.New(&hclog.LoggerOptions{Name: "raft", Level: hclog.Error, Output: lineWriter(o.Warn), DisableTime: true, Exclude: unreachable})
	var err error
	if n.store, err = openStore(o.Dir, lineWriter(func(string) {}), o.Warn); err != nil {
		return nil, err
	}
	n.hold = NewHolder(o.ID, n.store.boot)
	n.coord = NewCoordinator(o.ID, o.Group, o.Profile, newReplID)
	n.port = newPort(o.Group, o.Secret, o.ID, ln, o.Profile.Call)
	n.port.serve = n.serve
	n.trans = transport{raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream: streams{n.port}, MaxPool: 3, Timeout: max(2*o.Profile.Heartbeat, 100*time.Millisecond), Logger: log,
	}), n.awaitMember}
	conf := raft.DefaultConfig()
	conf.LocalID = raft.ServerID(o.ID)
	conf.HeartbeatTimeout, conf.ElectionTimeout, conf.LeaderLeaseTimeout = o.Profile.Heartbeat, o.Profile.Heartbeat, o.Profile.Heartbeat
	conf.Logger = log
	conf.ShutdownOnRemove = false
	n.store.mayVote = n.knowsVotes
	if err = n.store.beginRaft(func() (err error) {
		n.raft, err = raft.NewRaft(conf, &machine{state: &State{}, change: n.learn}, n.store, n.store, n.store.snapshots, n.trans)
		return err
	}); err != nil {
		n.store.Close()
		return nil, err
	}
	close(n.runs)
	n.port.run()
	n.all.Go(n.found)
	n.all.Go(n.report)
	n.all.Go(n.coordinate)
	n.all.Go(n.lead)
	if o.Local != nil {
		n.all.Go(n.follow)
	} else if o.Watcher != nil {
		n.all.Go(n.look)
	}
	return n, nil
}

// Stop ends the member's part. It gives up the lease.
func (n *Node) Stop() {
	n.until.Store(0)
	n.stop()
	if _, leads := n.leadsIn(); leads {
		_ = n.raft.LeadershipTransfer().Error() // the others need no election; if nobody is there, they do
	}
	n.trans.Close()
	n.port.close()
	close(n.store.ended)
	if err := n.raft.Shutdown().Error(); err != nil {
		n.o.Warn("Failover: " + err.Error())
	}
	close(n.over)
	n.all.Wait()
	n.store.Close()
}

// Holds tells whether this process may write at a moment.
func (n *Node) Holds(now Moment) bool { return now < Moment(n.until.Load()) }

// Held is what is left of the lease at a moment.
func (n *Node) Held(now Moment) time.Duration { return max(0, Moment(n.until.Load())-now) }

// Copies is what the coordinator goes by while this process is primary: every acknowledged write is on that many
// replicas, 0 if that cannot be relied on.
func (n *Node) Copies() int { return int(n.copies.Load()) }

// Epoch is the epoch of which this process is primary, or 0.
func (n *Node) Epoch() uint64 { return n.epoch.Load() }

// Intact tells whether this node's data is known to miss nothing that it ever confirmed, so that it may become primary.
func (n *Node) Intact() bool { return n.ownReport().Position.Intact }

// Linked says that the data node's link to its primary is up. How far the primary is is asked for at once and not at the next
// Interval: until it is known this node cannot take over.
func (n *Node) Linked() { poke(n.now) }

// Proven tells whether the primary has shown this process that it holds the lease of the present epoch. Before, its data
// must not take the place of what is here.
func (n *Node) Proven() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.hold.Proven(n.state.Epoch)
}

// Replacing says that the data here is about to be replaced as a whole. The function that it returns has to be called when
// all of the other data is here; until then this node counts as one that has lost what it had.
func (n *Node) Replacing() (done func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	intact := n.hold.Replacing()
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.hold.Replaced(intact)
	}
}

// State is what the members have agreed on, as far as it is known here. It must not be changed.
func (n *Node) State() *State {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.state
}

func newReplID() string {
	var b [20]byte
	_, _ = rand.Read(b[:]) // which never fails
	return hex.EncodeToString(b[:])
}

type lineWriter func(string)

func (w lineWriter) Write(b []byte) (int, error) {
	w(strings.TrimRight(string(b), "\n"))
	return len(b), nil
}

var _ io.Writer = lineWriter(nil)

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// learn takes a State that may be newer than the one we have.
func (n *Node) learn(s *State) {
	n.mu.Lock()
	if s.Index <= n.state.Index {
		n.mu.Unlock()
		return
	}
	n.state = s
	if last := s.Members[n.o.ID].Boot; last > n.store.before && last < n.store.boot && !n.forgot {
		n.forgot = true
		n.o.Warn("Failover: the folder " + n.o.Dir + " is older than what this member took part in last, or was lost: it learns again from the others")
	}
	if n.hold.Follow(s) != n.epoch.Load() {
		n.publish()
		n.heir, n.heirWas = "", "" // wishes of another epoch
		if n.endHand != nil {
			n.endHand()
		}
		poke(n.now)
	}
	n.mu.Unlock()
	poke(n.roles)
	poke(n.tick)
}

// unreachable keeps out of the log what Raft says again and again about members that do not answer: watch says it once.
func unreachable(_ hclog.Level, msg string, _ ...any) bool {
	return strings.HasPrefix(msg, "failed to ")
}

// watch says who does not answer any more, and who is back.
func (n *Node) watch(voters []string) {
	now := Now()
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, id := range voters {
		at, known := n.heard[id]
		if away := known && now-at > 2*n.o.Profile.Lease; away != n.away[id] && id != n.o.ID {
			n.away[id] = away
			if away {
				n.o.Warn("Failover: " + id + " does not answer")
			} else {
				n.o.Log("Failover: " + id + " answers again")
			}
		}
	}
}

// publish shows the lease to those who ask without the lock.
func (n *Node) publish() {
	n.until.Store(int64(n.hold.Until()))
	n.copies.Store(int64(n.hold.Copies()))
	n.epoch.Store(n.hold.Epoch())
}

// follow does what the State says about this data node's role, in order.
func (n *Node) follow() {
	var reigns uint64
	var follows Member
	resting := true
	for {
		select {
		case <-n.ctx.Done():
			return
		case <-n.roles:
		}
		n.mu.Lock()
		s, epoch, held, heir := n.state, n.hold.Epoch(), n.hold.Until() > Now(), n.heir
		n.mu.Unlock()
		primary := s.Members[s.Primary]
		switch {
		case epoch != 0 && held && reigns != epoch:
			if !n.o.Local.Reign(epoch, s.ReplID, s.Reigns[len(s.Reigns)-1].Start) {
				n.decline(epoch)
				break
			}
			reigns, follows, resting = epoch, Member{}, false
			n.mu.Lock()
			n.hold.Reigned()
			n.mu.Unlock()
			n.o.Log(fmt.Sprintf("Failover: this server is the primary of group %s, epoch %d", s.Group, epoch))
		case epoch == 0 && s.Primary != "" && s.Primary != n.o.ID && (primary.Host != follows.Host || primary.Port != follows.Port || reigns != 0):
			reigns, follows, resting = 0, primary, false
			n.o.Log(fmt.Sprintf("Failover: %s is the primary of group %s, epoch %d", s.Primary, s.Group, s.Epoch))
			n.o.Local.Follow(primary)
		case epoch == 0 && s.Primary == n.o.ID && !resting:
			reigns, follows, resting = 0, Member{}, true
			n.o.Local.Rest()
		}
		if heir != "" && epoch != 0 && reigns == epoch {
			n.drain(epoch, s.Members[heir])
		}
		n.o.Local.Changed(s)
	}
}

// look tells a witness of changes.
func (n *Node) look() {
	for {
		select {
		case <-n.ctx.Done():
			return
		case <-n.roles:
			n.o.Watcher.Changed(n.State())
		}
	}
}

// ownReport is what this member has to say.
func (n *Node) ownReport() Report {
	r := Report{Member: Member{ID: n.o.ID}}
	n.mu.Lock()
	given := n.hold.Given()
	n.mu.Unlock()
	if n.o.Local != nil {
		n.o.Local.Report(&r)
		r.Member.Data = true
	} else if n.o.Watcher != nil {
		n.o.Watcher.Report(&r)
	}
	r.Member.ID, r.Member.Boot = n.o.ID, n.store.boot
	n.mu.Lock()
	defer n.mu.Unlock()
	if p := &r.Position; n.o.Local != nil && n.hold.Given() != given { // it is the position of what was there before
		p.Loading = true
	} else if n.o.Local != nil && !p.Loading {
		n.hold.CaughtUp(n.state.lineage(*p), p.Offset)
		p.Intact = n.hold.Intact()
	}
	r.Epoch, r.Released, r.Holds = n.hold.Epoch(), n.hold.Released(), n.hold.Until() > Now()
	if r.Released {
		r.Heir = n.heirWas
	}
	return r
}

func (n *Node) voters() []string {
	f := n.raft.GetConfiguration()
	if f.Error() != nil {
		return nil
	}
	var out []string
	for _, s := range f.Configuration().Servers {
		if s.Suffrage == raft.Voter {
			out = append(out, string(s.ID))
		}
	}
	return out
}

// report tells the others, each Interval, how this member is, and takes their answers.
func (n *Node) report() {
	every := n.o.Profile.Interval
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-n.ctx.Done():
			return
		case <-t.C:
		case <-n.now:
		}
		voters := n.voters()
		n.watch(voters)
		n.mu.Lock()
		round := n.hold.Begin(Now())
		lease := n.state.Lease
		n.mu.Unlock()
		// While the profile is being changed, member by member, the lease may be shorter than ours.
		if d := min(n.o.Profile.Interval, intervalOf(lease)); lease > 0 && d != every {
			every = d
			t.Reset(every)
		}
		r := n.ownReport()
		n.answered(round, n.answer(r, voters))
		for _, id := range voters {
			if id == n.o.ID || !n.asks(id) {
				continue
			}
			n.all.Go(func() {
				defer n.asked(id)
				reply, err := n.port.ask(id, envelope{Report: &r}, n.o.Profile.Call)
				if err != nil || reply.Answer == nil {
					n.port.drop(id)
					return
				}
				n.answered(round, *reply.Answer)
			})
		}
	}
}

// mostAsked is how many reports may be on their way to a member that has not answered: each has a connection of its own.
const mostAsked = 8

// asks notes that a report goes to a member. It is false if enough are on their way.
func (n *Node) asks(id string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.asking[id] >= mostAsked {
		return false
	}
	n.asking[id]++
	return true
}

// asked follows it.
func (n *Node) asked(id string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.asking[id]--; n.asking[id] == 0 {
		delete(n.asking, id)
	}
}

// answer is the Answer to a Report.
func (n *Node) answer(r Report, voters []string) Answer {
	n.mu.Lock()
	defer n.mu.Unlock()
	now, term := Now(), n.raft.CurrentTerm()
	n.heard[r.Member.ID] = now
	if r.Holds {
		n.hold.Shown(r.Epoch)
		if n.o.Local != nil && n.hold.Asks() && r.Member.ID != n.o.ID { // who is about to become primary asks nobody
			poke(n.now)
		}
	}
	a := n.coord.Heard(now, term, n.state, r)
	a.From, a.Term, a.Voters = n.o.ID, term, voters
	_, leader := n.raft.LeaderWithID()
	a.Leader = string(leader)
	if n.hold.Until() > now && n.o.Local != nil {
		var own Report
		n.o.Local.Report(&own)
		a.Epoch, a.Offset = n.hold.Epoch(), own.Position.Offset
	}
	if r.Epoch != 0 && r.Epoch < n.state.Epoch {
		a.State = n.state
	}
	poke(n.tick)
	return a
}

func (n *Node) answered(round uint64, a Answer) {
	if a.State != nil {
		n.learn(a.State)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	now := Now()
	n.heard[a.From] = now
	held := n.hold.Until() > now
	n.hold.Answered(round, a)
	n.publish()
	if a.Leading && a.Granted != 0 && a.Granted == n.hold.Epoch() && !n.hold.Released() {
		n.wished(round, a)
	}
	if !held && n.hold.Until() > now { // be it for the first time or after a lapse: follow may have looked before
		poke(n.roles)
		poke(n.now) // the others wait to see it
	}
}

// lead follows Raft's leadership. It looks by itself, too: the beginning of a time of leading may fail, on a disk that is
// slow or full, without Raft giving up the lead.
func (n *Node) lead() {
	t := time.NewTicker(n.o.Profile.Interval)
	defer t.Stop()
	for {
		select {
		case <-n.ctx.Done():
			return
		case <-n.raft.LeaderCh():
		case <-t.C:
		}
		term, leads := n.leadsIn()
		n.mu.Lock()
		if n.coord.Leading() && (!leads || n.coord.Term() != term) {
			n.coord.Follow()
		}
		done := n.coord.Leading()
		n.mu.Unlock()
		if done || !leads {
			continue
		}
		since := Now() // not before the election of that term
		if n.outcome(n.raft.Barrier(5*time.Second)) != nil {
			continue
		}
		n.mu.Lock()
		now, leads := n.leadsIn()
		if leads = leads && now == term; leads {
			n.coord.Lead(since, term)
		}
		n.mu.Unlock()
		if leads {
			n.o.Log("Failover: this member coordinates group " + n.o.Group)
			poke(n.now)
			poke(n.tick)
		}
	}
}

// coordinate does what the coordinator wants done.
func (n *Node) coordinate() {
	t := time.NewTicker(max(n.o.Profile.Interval/8, 5*time.Millisecond))
	defer t.Stop()
	for {
		select {
		case <-n.ctx.Done():
			return
		case <-t.C:
		case <-n.tick:
		}
		n.mu.Lock()
		leading := n.coord.Leading()
		n.mu.Unlock()
		if !leading {
			continue
		}
		voters := n.voters()
		n.mu.Lock()
		task := n.coord.Tick(Now(), n.state, voters)
		n.mu.Unlock()
		n.perform(task)
	}
}

func (n *Node) perform(task Task) {
	if op := task.Propose; op != nil {
		n.all.Go(func() { _ = n.decide(op, task.Term) }) // what went wrong is in the log, and lead begins anew
	}
	for _, id := range task.Poll {
		n.all.Go(func() {
			r, err := n.pollOf(id)
			if err != nil {
				return
			}
			n.mu.Lock()
			n.coord.Polled(task.Round, r)
			n.mu.Unlock()
			poke(n.tick)
		})
	}
	if id := task.PassOn; id != "" {
		n.all.Go(func() {
			_ = n.passOn(id) // it is tried again
		})
	}
}

// decide has the members agree on something, and tells those whom it is about.
func (n *Node) decide(op *Op, term uint64) error {
	err := n.propose(*op, term)
	n.mu.Lock()
	n.coord.Proposed(Now(), term, err != nil) // lead begins anew then
	s := n.state
	n.mu.Unlock()
	if err != nil {
		n.o.Warn("Failover: a decision was not agreed on: " + err.Error())
		return err
	}
	if op.Crown != nil {
		n.o.Log(fmt.Sprintf("Failover: %s is named primary, epoch %d", s.Primary, s.Epoch))
		n.spread(s)
	}
	poke(n.tick)
	return nil
}

func (n *Node) pollOf(id string) (Report, error) {
	if id == n.o.ID {
		return n.ownReport(), nil
	}
	reply, err := n.port.ask(id, envelope{Poll: &poll{}}, n.o.Profile.Call)
	if err != nil {
		n.port.drop(id)
		return Report{}, err
	}
	if reply.Report == nil {
		return Report{}, errors.New("no report")
	}
	return *reply.Report, nil
}

// spread tells everybody of a new State, faster than Raft does.
func (n *Node) spread(s *State) {
	for _, m := range s.Members {
		if m.ID != n.o.ID {
			n.all.Go(func() { _, _ = n.port.ask(m.ID, envelope{News: s}, n.o.Profile.Call) })
		}
	}
}

// serve answers another member.
func (n *Node) serve(ctx context.Context, m envelope) envelope {
	switch {
	case m.Report != nil:
		a := n.answer(*m.Report, n.voters())
		return envelope{Answer: &a}
	case m.Poll != nil:
		r := n.ownReport()
		return envelope{Report: &r}
	case m.News != nil:
		n.learn(m.News)
		return envelope{}
	case m.Status != nil:
		s := n.Status()
		return envelope{Status: &s}
	case m.Admin != nil:
		text, err := n.administer(ctx, *m.Admin)
		if err != nil {
			return envelope{Error: err.Error()}
		}
		return envelope{Text: text}
	}
	return envelope{Error: "what was asked is not known here"}
}

// Status is how this member sees the group.
func (n *Node) Status() Status {
	voters := n.voters()
	_, leader := n.raft.LeaderWithID()
	now := Now()
	n.mu.Lock()
	defer n.mu.Unlock()
	s := Status{
		ID: n.o.ID, Formed: len(voters) > 0, Leader: string(leader), Term: n.raft.CurrentTerm(), Voters: voters,
		State: n.state, Held: max(0, n.hold.Until()-now), Heard: map[string]time.Duration{n.o.ID: 0},
	}
	if !s.Formed {
		s.Initial = n.initial()
	}
	for id, at := range n.heard {
		if id != n.o.ID {
			s.Heard[id] = now - at
		}
	}
	return s
}

func (n *Node) initial() []string {
	all := slices.Clone(n.o.Peers)
	all = append(all, n.o.ID)
	slices.SortFunc(all, cmp.Compare[string])
	return slices.Compact(all)
}
