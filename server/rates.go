package server

import "time"

// rates are the figures of INFO that are "per second just now": averages of the last samples, of which the janitor
// takes one every sampleEvery. They are guarded by stats.mu.
type rates struct {
	at                       time.Time // of the last sample
	ops, in, out, turns      rate
	replIn, replOut          rate // bytes of the links to a primary and to replicas
	busy_us                  rate // microseconds of a loop's turn, from turns and the time they took
	lastTurns, lastTurnNanos uint64
}

const (
	sampleEvery = 100 * time.Millisecond
	samplesKept = 16
)

// rate is one figure.
type rate struct {
	last    uint64 // the counter at the last sample
	samples [samplesKept]uint64
	next    int
}

// count takes a sample of a counter that grows: how much per second since the last one.
func (r *rate) count(n uint64, since time.Duration) {
	grown := n - r.last
	if n < r.last { // the counter was set back
		grown = 0
	}
	r.last = n
	r.put(uint64(float64(grown) / since.Seconds()))
}

func (r *rate) put(sample uint64) {
	r.samples[r.next] = sample
	r.next = (r.next + 1) % samplesKept
}

// perSecond is the average of the samples.
func (r *rate) perSecond() uint64 {
	sum := uint64(0)
	for _, s := range r.samples {
		sum += s
	}
	return sum / samplesKept
}

func (r *rates) reset() {
	for _, x := range []*rate{&r.ops, &r.in, &r.out, &r.replIn, &r.replOut, &r.turns, &r.busy_us} {
		*x = rate{last: x.last}
	}
}

// sample takes a sample of everything.
func (srv *Server) sample() {
	srv.notePeak()
	srv.tightenOutputs()
	t := srv.engine.Traffic()
	turns := srv.busiest()
	st := &srv.stats
	st.mu.Lock()
	defer st.mu.Unlock()
	r := &st.rates
	now := time.Now()
	since := now.Sub(r.at)
	first := r.at.IsZero()
	r.at = now
	if first || since <= 0 {
		r.ops.last, r.in.last, r.out.last, r.turns.last = st.commands.Load(), t.BytesIn, t.BytesOut, turns.count
		r.replIn.last, r.replOut.last = srv.repl.bytesIn.Load(), srv.repl.bytesOut.Load()
	} else {
		r.ops.count(st.commands.Load(), since)
		r.in.count(t.BytesIn, since)
		r.out.count(t.BytesOut, since)
		r.replIn.count(srv.repl.bytesIn.Load(), since)
		r.replOut.count(srv.repl.bytesOut.Load(), since)
		r.turns.count(turns.count, since)
		if n := turns.count - r.lastTurns; turns.count > r.lastTurns && turns.nanos >= r.lastTurnNanos {
			r.busy_us.put((turns.nanos - r.lastTurnNanos) / n / 1000)
		} else {
			r.busy_us.put(0)
		}
	}
	r.lastTurns, r.lastTurnNanos = turns.count, turns.nanos
}
