package failover

import (
	"container/heap"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// The simulation runs whole groups on one clock that jumps from event to event: Holders and Coordinators as they are,
// over a small Raft and a small replication made for the purpose. A seed names a schedule.

var (
	simSeed  = flag.Uint64("sim.seed", 0, "run this schedule only")
	simCount = flag.Int("sim.count", 0, "how many schedules")
)

type event struct {
	at time.Duration
	n  uint64
	do func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].n < e[j].n
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

type world struct {
	t       *testing.T
	seed    uint64
	rnd     *rand.Rand
	now     time.Duration
	count   uint64
	queue   events
	nodes   []*simNode
	profile Profile

	copies  int // 0: asynchronous
	durable bool
	backlog int64
	fault   string // something that is done wrong, to see whether it is noticed
	blocked [][]bool
	loss    float64
	slow    time.Duration
	calm    bool

	acked     []int // writes that a client was told of
	nextWrite int
	replIDs   int
	failovers int
	switches  int
	declined  int
	loads     int
	failed    string
}

func (w *world) at(after time.Duration, do func()) {
	w.count++
	heap.Push(&w.queue, event{w.now + after, w.count, do})
}

func (w *world) fail(format string, args ...any) {
	if w.failed == "" {
		w.failed = fmt.Sprintf("at %v: ", w.now) + fmt.Sprintf(format, args...)
	}
}

// send delivers a message to the process that runs on node to now, unless it is lost.
func (w *world) send(from, to *simNode, do func()) {
	boot := to.boot
	sender := from.boot
	if from != to && (w.blocked[from.n][to.n] || w.rnd.Float64() < w.loss) {
		return
	}
	delay := time.Duration(w.rnd.Int64N(int64(w.slow) + 1))
	if from == to {
		delay = 0
	}
	w.at(delay, func() {
		if (from == to || !w.blocked[from.n][to.n]) && (from.boot == sender || from != to) {
			to.run(boot, do)
		}
	})
}

// simNode is a machine. What is named first survives a restart.
type simNode struct {
	w    *world
	n    int
	id   string
	data bool
	boot uint64

	term    uint64
	vote    int
	log     []simEntry
	rate    float64 // of its clock
	origin  time.Duration
	entries []int // the data: writes in their order
	lines   []Line

	up       bool
	amnesia  bool // has lost data and is not known to be whole again
	leader   int
	role     int // 0 follower, 1 candidate, 2 leader
	votes    map[int]bool
	match    map[int]int
	commit   int
	applied  int
	noop     int // index of the entry that began the leadership
	silence  Moment
	state    *State
	hold     *Holder
	coord    *Coordinator
	acks     map[string]int64 // of replicas, for the present history
	waiting  []simWrite
	stopping string // the heir, while writes are stopped
	epoch    uint64

	stopped   bool     // SIGSTOP
	later     []func() // what waits for SIGCONT
	receiving bool     // a snapshot comes
	loading   bool     // it takes the place of what is here
}

type simEntry struct {
	term uint64
	op   *Op
}

type simWrite struct{ id, offset int }

func (n *simNode) clock() Moment {
	return n.origin + time.Duration(float64(n.w.now)*n.rate)
}

// start begins a process.
func (n *simNode) start() {
	n.up, n.boot = true, n.boot+1
	n.leader, n.role, n.commit, n.applied, n.noop = -1, 0, 0, 0, 0
	n.state = &State{}
	n.hold = NewHolder(n.id, n.boot)
	n.coord = NewCoordinator(n.id, "g", n.w.profile, func() string { n.w.replIDs++; return fmt.Sprint("id", n.w.replIDs) })
	n.acks, n.waiting, n.stopping, n.epoch = map[string]int64{}, nil, "", 0
	n.stopped, n.later, n.receiving, n.loading = false, nil, false, false
	if n.data {
		if !n.w.durable && n.boot > 1 {
			n.amnesia = true
			switch n.w.rnd.IntN(3) {
			case 0:
				n.entries, n.lines = nil, nil
			case 1:
				if len(n.entries) > 0 {
					n.entries = n.entries[:n.w.rnd.IntN(len(n.entries))]
				}
			}
		}
		if len(n.lines) == 0 {
			n.lines = []Line{{fmt.Sprintf("own-%d-%d", n.n, n.boot), -1}}
		}
	}
	n.hear()
	boot := n.boot
	n.every(boot, 25*time.Millisecond, n.raftTick)
	n.every(boot, 20*time.Millisecond, n.tick)
	n.every(boot, n.w.profile.Interval, n.report)
	if n.data {
		n.every(boot, 15*time.Millisecond, n.fetch)
	}
}

func (n *simNode) every(boot uint64, d time.Duration, do func()) {
	n.w.at(time.Duration(n.w.rnd.Int64N(int64(d))), func() {
		var again func()
		again = func() {
			n.run(boot, func() {
				do()
				n.w.at(d, again)
			})
		}
		again()
	})
}

func (n *simNode) crash() { n.up = false }

// pause is SIGSTOP, and SIGCONT after a while.
func (n *simNode) pause(d time.Duration) {
	boot := n.boot
	n.stopped = true
	n.w.at(d, func() {
		if n.boot != boot {
			return
		}
		n.stopped = false
		later := n.later
		n.later = nil
		for _, do := range later {
			do()
		}
	})
}

// The members' part.

func (n *simNode) voters() []string {
	var ids []string
	for _, o := range n.w.nodes {
		ids = append(ids, o.id)
	}
	return ids
}

// changed follows a change of the State. Who is named primary becomes it with its first lease.
func (n *simNode) changed(before uint64) {
	epoch := n.hold.Follow(n.state)
	if epoch != n.epoch {
		n.epoch, n.waiting, n.stopping = 0, nil, ""
	}
	if epoch != 0 && n.state.Epoch != before {
		n.report()
	}
}

func (n *simNode) reign() {
	if n.epoch == n.hold.Epoch() || n.clock() >= n.hold.Until() {
		return
	}
	if n.loading || int64(len(n.entries)) < n.state.Reigns[len(n.state.Reigns)-1].Start {
		n.hold.Release()
		n.w.declined++
		n.report()
		return
	}
	n.epoch = n.hold.Epoch()
	n.hold.Reigned()
	n.lines = []Line{{n.state.ReplID, -1}, {n.lines[0].ReplID, int64(len(n.entries))}}
	n.acks, n.waiting, n.stopping = map[string]int64{}, nil, ""
	n.w.failovers++
	if n.w.copies > 0 {
		n.w.contains(n, "the primary of epoch %d", n.epoch)
	}
}

func (w *world) contains(n *simNode, format string, args ...any) {
	have := map[int]bool{}
	for _, e := range n.entries {
		have[e] = true
	}
	for _, e := range w.acked {
		if !have[e] {
			w.fail("%s lacks write %d, which was acknowledged; node %s has %d", fmt.Sprintf(format, args...), e, n.id, len(n.entries))
			return
		}
	}
}

func (n *simNode) position() Position {
	return Position{
		Lines: n.lines, Offset: int64(len(n.entries)), Keys: int64(len(n.entries)),
		Intact: n.hold.Intact(), Leading: n.epoch != 0, Loading: n.loading,
	}
}

func (n *simNode) reportOf() Report {
	return Report{
		Member:   Member{ID: n.id, Boot: n.boot, Data: n.data, Priority: 100},
		Position: n.position(),
		Epoch:    n.hold.Epoch(), Holds: n.hold.Until() > n.clock(), Copies: n.w.copies, Released: n.hold.Released(), Heir: n.stopping,
	}
}

func (n *simNode) answerTo(r Report) Answer {
	if r.Holds {
		n.hold.Shown(r.Epoch)
	}
	a := n.coord.Heard(n.clock(), n.term, n.state, r)
	a.From, a.Term, a.Voters = n.id, n.term, n.voters()
	if n.leads() {
		a.Epoch, a.Offset = n.hold.Epoch(), int64(len(n.entries))
	}
	return a
}

func (n *simNode) leads() bool {
	return n.up && n.data && n.epoch != 0 && n.clock() < n.hold.Until()
}

func (n *simNode) report() {
	round := n.hold.Begin(n.clock())
	r := n.reportOf()
	for _, o := range n.w.nodes {
		n.w.send(n, o, func() {
			a := o.answerTo(r)
			n.w.send(o, n, func() {
				n.hold.Answered(round, a)
				n.reign()
				if !a.Leading || n.epoch == 0 || a.Granted != n.epoch || n.hold.Released() {
					return
				}
				n.stopping = a.Heir
			})
		})
	}
}

func (n *simNode) tick() {
	if n.stopping != "" && n.leads() && n.acks[n.stopping] == int64(len(n.entries)) {
		n.hold.Release()
		n.w.switches++
		n.report()
	}
	n.acknowledge()
	n.amnesia = n.amnesia && !n.hold.Intact()
	task := n.coord.Tick(n.clock(), n.state, n.voters())
	if task.Propose != nil && n.role == 2 && n.term == task.Term {
		n.propose(task.Propose)
	} else if task.Propose != nil {
		n.coord.Proposed(n.clock(), task.Term, true)
	}
	for _, id := range task.Poll {
		o := n.w.node(id)
		n.w.send(n, o, func() {
			r := o.reportOf()
			n.w.send(o, n, func() { n.coord.Polled(task.Round, r) })
		})
	}
	if task.PassOn != "" {
		o := n.w.node(task.PassOn)
		n.w.send(n, o, func() { o.campaign() })
	}
}

func (w *world) node(id string) *simNode {
	for _, n := range w.nodes {
		if n.id == id {
			return n
		}
	}
	return nil
}

// fetch is the replication link: a replica asks for what it lacks and thereby confirms what it has.
func (n *simNode) fetch() {
	s := n.state
	if s.Primary == "" || s.Primary == n.id || n.receiving || n.loading {
		return
	}
	p := n.w.node(s.Primary)
	offset, line, epoch := int64(len(n.entries)), n.lines[0], s.Epoch
	n.w.send(n, p, func() {
		if p.epoch == 0 && (n.w.fault != "a node that rests gives snapshots" || p.loading || len(p.lines) == 0) {
			return
		}
		have := int64(len(p.entries))
		kept := have-offset <= n.w.backlog
		same := line.ReplID == p.lines[0].ReplID && offset <= have && kept
		goesOn := len(p.lines) > 1 && line.ReplID == p.lines[1].ReplID && offset <= p.lines[1].Upto && kept
		if same {
			p.acks[n.id] = offset
		}
		from := int64(0)
		if same || goesOn {
			from = offset
		}
		entries, replID, boot := slices.Clone(p.entries[from:]), p.lines[0].ReplID, p.boot
		n.w.send(p, n, func() {
			if n.state.Epoch != epoch || n.lines[0] != line || int64(len(n.entries)) != offset || n.receiving || n.loading {
				return
			}
			if !same && !goesOn {
				n.receive(p, boot, entries, replID)
				return
			}
			n.entries = append(n.entries, entries...)
			n.lines = []Line{{replID, -1}}
			n.hold.CaughtUp(n.state.lineage(n.position()), int64(len(n.entries)))
		})
	})
}

// receive takes a snapshot, and when it is here as a whole puts it in the place of what was.
func (n *simNode) receive(p *simNode, of uint64, entries []int, replID string) {
	if !n.hold.Proven(n.state.Epoch) {
		return
	}
	epoch, boot, rnd := n.state.Epoch, n.boot, n.w.rnd
	n.receiving = true
	if n.w.fault == "what is here goes before the snapshot has come" {
		n.entries, n.lines = nil, []Line{{"nothing", -1}}
	}
	n.w.at(time.Duration(rnd.Int64N(int64(600*time.Millisecond))), func() {
		n.run(boot, func() {
			n.receiving = false
			if n.state.Epoch != epoch || !p.up || p.boot != of || n.w.blocked[p.n][n.n] {
				return
			}
			intact := n.hold.Replacing()
			n.loading = true
			n.w.at(time.Duration(rnd.Int64N(int64(600*time.Millisecond))), func() {
				n.run(boot, func() {
					if !n.loading {
						return
					}
					n.loading, n.entries, n.lines = false, entries, []Line{{replID, -1}}
					n.w.loads++
					n.hold.Replaced(intact)
					n.hold.CaughtUp(n.state.lineage(n.position()), int64(len(n.entries)))
				})
			})
		})
	})
}

// acknowledge tells clients of writes that have their copies.
func (n *simNode) acknowledge() {
	if !n.leads() || n.w.copies > 0 && (n.hold.Copies() == 0 || n.hold.Copies() > n.w.copies) {
		return
	}
	n.waiting = slices.DeleteFunc(n.waiting, func(x simWrite) bool {
		have := 0
		for _, a := range n.acks {
			if a >= int64(x.offset) {
				have++
			}
		}
		if have < n.w.copies {
			return false
		}
		n.w.acked = append(n.w.acked, x.id)
		return true
	})
}

func (w *world) clients() {
	for _, n := range w.nodes {
		if n.leads() && n.stopping == "" {
			w.nextWrite++
			n.entries = append(n.entries, w.nextWrite)
			n.waiting = append(n.waiting, simWrite{w.nextWrite, len(n.entries)})
			n.acknowledge()
		}
	}
	w.at(time.Duration(w.rnd.Int64N(int64(30*time.Millisecond))), w.clients)
}

// trouble does something nasty every now and then.
func (w *world) trouble() {
	if w.calm {
		return
	}
	w.at(time.Duration(w.rnd.Int64N(int64(1500*time.Millisecond))), w.trouble)
	n := w.nodes[w.rnd.IntN(len(w.nodes))]
	o := w.nodes[w.rnd.IntN(len(w.nodes))]
	switch w.rnd.IntN(11) {
	case 10: // SIGSTOP
		n.pause(time.Duration(w.rnd.Int64N(int64(2 * time.Second))))
	case 0, 1: // kill, and start again after a while
		for _, x := range w.nodes {
			if !w.durable && n.data && x.amnesia && x != n {
				return // one copy at a time may get lost
			}
		}
		n.crash()
		if !w.durable && n.data {
			n.amnesia = true
		}
		w.at(time.Duration(w.rnd.Int64N(int64(3*time.Second))), func() {
			if !n.up {
				n.start()
			}
		})
	case 2: // cut off
		for _, x := range w.nodes {
			if x != n {
				w.blocked[n.n][x.n], w.blocked[x.n][n.n] = true, true
			}
		}
	case 3: // one way only
		for _, x := range w.nodes {
			if x != n {
				w.blocked[n.n][x.n] = true
			}
		}
	case 4:
		w.blocked[n.n][o.n] = n != o
	case 5, 6:
		w.heal()
	case 7:
		w.loss = w.rnd.Float64() * 0.3
	case 8:
		w.slow = time.Duration(w.rnd.Int64N(int64(400 * time.Millisecond)))
	case 9:
		for _, x := range w.nodes {
			if x.up && x.coord.Leading() {
				x.coord.Switch(x.clock(), x.clock()+time.Second, x.state, "")
			}
		}
	}
}

func (w *world) heal() {
	for i := range w.blocked {
		clear(w.blocked[i])
	}
	w.loss, w.slow = 0, 5*time.Millisecond
}

// onePrimary is checked after every event, on the clock that none of them knows.
func (w *world) onePrimary() {
	who := ""
	for _, n := range w.nodes {
		if n.leads() {
			if who != "" {
				w.fail("%s and %s may both acknowledge", who, n.id)
			}
			who = n.id
		}
	}
}

func (w *world) run(until time.Duration) {
	for len(w.queue) > 0 && w.failed == "" {
		e := heap.Pop(&w.queue).(event)
		if e.at > until {
			heap.Push(&w.queue, e)
			break
		}
		w.now = e.at
		e.do()
		w.onePrimary()
	}
	w.now = until
}

func newWorld(t *testing.T, seed uint64) *world {
	rnd := rand.New(rand.NewPCG(seed, 7))
	w := &world{t: t, seed: seed, rnd: rnd, profile: Profiles["default"], slow: 5 * time.Millisecond}
	data := 2 + rnd.IntN(2)
	w.copies = rnd.IntN(data)
	w.durable = rnd.IntN(2) == 0
	w.backlog = []int64{8, 80, 1 << 40}[rnd.IntN(3)]
	total := 3
	if rnd.IntN(3) == 0 {
		total = 5
	}
	for i := range total {
		w.nodes = append(w.nodes, &simNode{
			w: w, n: i, id: string(rune('a' + i)), data: i < data, vote: -1,
			rate:   1 + (rnd.Float64()-0.5)*0.08,
			origin: time.Duration(rnd.Int64N(int64(time.Hour))),
		})
		w.blocked = append(w.blocked, make([]bool, total))
	}
	for _, n := range w.nodes {
		n.start()
	}
	return w
}

// simulate runs one schedule: trouble, then peace, in which a primary must be found that has everything.
func simulate(t *testing.T, seed uint64) *world { return simulateWith(t, seed, "") }

// simulateWith runs it with a mistake.
func simulateWith(t *testing.T, seed uint64, fault string) *world {
	w := newWorld(t, seed)
	w.fault = fault
	w.at(0, w.clients)
	w.run(4 * time.Second)
	w.onePrimary()
	w.at(0, w.trouble)
	w.run(20 * time.Second)
	w.calm = true
	w.heal()
	for _, n := range w.nodes {
		if !n.up {
			n.start()
		}
	}
	w.run(w.now + 10*time.Second)
	if w.failed == "" {
		var lead *simNode
		for _, n := range w.nodes {
			if n.leads() {
				lead = n
			}
		}
		switch {
		case lead == nil:
			w.fail("nobody is primary in the end")
		case w.copies > 0:
			w.contains(lead, "the last primary")
		}
	}
	return w
}

// TestSchedules: never two primaries that both may acknowledge, never a lost write that n replicas have confirmed, and
// always a primary in the end.
func TestSchedules(t *testing.T) {
	count := *simCount
	if count == 0 {
		count = 80
		if testing.Short() {
			count = 25
		}
	}
	first := uint64(1)
	if *simSeed != 0 {
		first, count = *simSeed, 1
	}
	failovers, switches, acked, declined, loads := 0, 0, 0, 0, 0
	for seed := first; seed < first+uint64(count); seed++ {
		w := simulate(t, seed)
		if w.failed != "" {
			t.Fatalf("schedule %d (-sim.seed=%d; %d nodes, %d copies, durable %v): %s", seed, seed, len(w.nodes), w.copies, w.durable, w.failed)
		}
		failovers += w.failovers
		switches += w.switches
		acked += len(w.acked)
		declined += w.declined
		loads += w.loads
	}
	t.Logf("%d schedules: %d primaries, %d planned switches, %d snapshots, %d reigns declined, %d writes acknowledged", count, failovers, switches, loads, declined, acked)
	if *simSeed == 0 && (failovers < 2*count || switches < count/10 || acked < 50*count || loads < count/2) {
		t.Error("the schedules do not try what they are for")
	}
}

// faults are mistakes that the schedules have to notice.
var faults = []string{
	"a node that rests gives snapshots",
	"what is here goes before the snapshot has come",
}

// TestSchedulesSee: each of these mistakes makes some schedule fail.
func TestSchedulesSee(t *testing.T) {
	for _, fault := range faults {
		t.Run(fault, func(t *testing.T) {
			for seed := uint64(1); seed < 500; seed++ {
				if w := simulateWith(t, seed, fault); w.failed != "" {
					t.Logf("schedule %d: %s", seed, w.failed)
					return
				}
			}
			t.Error("no schedule has noticed it")
		})
	}
}
