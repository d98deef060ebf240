package server

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"larder/server/command"
	"larder/server/resp"
)

// latencyMonitor remembers, for each kind of event, when it last took longer than latency-monitor-threshold.
type latencyMonitor struct {
	threshold atomic.Int64 // nanoseconds; 0 is off

	mu     sync.Mutex
	events map[string]*latencySeries
}

// latencySeries is the latest samples of one event: at most one per second, the worst of that second.
type latencySeries struct {
	samples []latencySample // oldest first
	max_ms  int64           // ever
}

type latencySample struct{ at_s, took_ms int64 }

// latencyKept is how many samples of an event are kept.
const latencyKept = 160

// add notes that an event took d.
func (m *latencyMonitor) add(event string, at_s int64, d time.Duration) {
	took := d.Milliseconds()
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.events[event]
	if e == nil {
		if m.events == nil {
			m.events = map[string]*latencySeries{}
		}
		e = &latencySeries{}
		m.events[event] = e
	}
	e.max_ms = max(e.max_ms, took)
	if n := len(e.samples); n > 0 && e.samples[n-1].at_s == at_s {
		e.samples[n-1].took_ms = max(e.samples[n-1].took_ms, took)
		return
	} else if n == latencyKept {
		e.samples = slices.Delete(e.samples, 0, 1)
	}
	e.samples = append(e.samples, latencySample{at_s, took})
}

// note adds an event that has lasted since start if it is worth it.
func (m *latencyMonitor) note(event string, start time.Time) {
	limit := m.threshold.Load()
	if limit == 0 {
		return
	}
	if d := time.Since(start); int64(d) >= limit {
		m.add(event, time.Now().Unix(), d)
	}
}

// get is a copy of an event's samples.
func (m *latencyMonitor) get(event string) (s latencySeries, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.events[event]
	if e == nil {
		return s, false
	}
	return latencySeries{samples: slices.Clone(e.samples), max_ms: e.max_ms}, true
}

// names lists the events that there are samples of.
func (m *latencyMonitor) names() (list []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name := range m.events {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

// reset forgets an event, or all with "", and tells how many there were.
func (m *latencyMonitor) reset(event string) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if event == "" {
		n := len(m.events)
		m.events = nil
		return int64(n)
	}
	if m.events[event] == nil {
		return 0
	}
	delete(m.events, event)
	return 1
}

func monitorOf(c *command.Ctx) *latencyMonitor { return &c.Client.(*session).srv.latency }

func latencyLatest(c *command.Ctx) {
	m := monitorOf(c)
	names := m.names()
	c.Reply.Array(len(names))
	for _, name := range names {
		s, _ := m.get(name)
		last := latencySample{}
		if n := len(s.samples); n > 0 {
			last = s.samples[n-1]
		}
		c.Reply.Array(4)
		c.Reply.BulkString(name)
		c.Reply.Int(last.at_s)
		c.Reply.Int(last.took_ms)
		c.Reply.Int(s.max_ms)
	}
}

func latencyHistory(c *command.Ctx) {
	s, _ := monitorOf(c).get(string(c.Args.Bytes()))
	c.Reply.Array(len(s.samples))
	for _, x := range s.samples {
		c.Reply.Array(2)
		c.Reply.Int(x.at_s)
		c.Reply.Int(x.took_ms)
	}
}

func latencyReset(c *command.Ctx) {
	m := monitorOf(c)
	if !c.Args.More() {
		c.Reply.Int(m.reset(""))
		return
	}
	n := int64(0)
	for _, name := range c.Args.Rest() {
		if len(name) > 0 {
			n += m.reset(strings.ToLower(string(name))) // whatever its case, as in Redis: here alone
		}
	}
	c.Reply.Int(n)
}

func latencyGraph(c *command.Ctx) {
	event := string(c.Args.Bytes())
	s, ok := monitorOf(c).get(event)
	if !ok {
		c.Fail(resp.NoSamples(event))
		return
	}
	c.Reply.Verbatim("txt", s.graph(event, c.Now/1000))
}

func latencyDoctor(c *command.Ctx) {
	srv := c.Client.(*session).srv
	c.Reply.Verbatim("txt", srv.latencyReport(c.Now/1000))
}

// latencyHistogram replies the run times of commands: of those named, or of all that were called.
func latencyHistogram(c *command.Ctx) {
	srv := c.Client.(*session).srv
	c.Client.(*session).ex.handIn()
	var list []*command.Row
	if !c.Args.More() {
		list = srv.rows
	}
	for _, name := range c.Args.Rest() {
		if row := srv.rowNamed(name); row != nil {
			list = append(append(list, row), row.Subs...)
		}
	}
	n := 0
	at := c.Reply.Defer()
	for _, row := range list {
		h := srv.histograms[row.ID].Load()
		if h == nil {
			continue
		}
		total := h.total()
		if total == 0 {
			continue
		}
		n++
		c.Reply.BulkString(row.Name)
		c.Reply.Map(2)
		c.Reply.BulkString("calls")
		c.Reply.Int(int64(total))
		c.Reply.BulkString("histogram_usec")
		steps := h.steps()
		c.Reply.Map(len(steps))
		for _, s := range steps {
			c.Reply.Int(int64(s.usec))
			c.Reply.Int(int64(s.calls))
		}
	}
	c.Reply.SetMap(at, n)
}

func latencyHelp(c *command.Ctx) {
	c.Help(
		"DOCTOR", "Explain the events in plain words.",
		"GRAPH <event>", "Draw the latest samples of an event.",
		"HISTOGRAM [<command> ...]", "Return how many calls of commands took how many microseconds.",
		"HISTORY <event>", "Return the latest samples of an event: time and milliseconds.",
		"LATEST", "Return the latest sample of every event: time, milliseconds, and the worst ever.",
		"RESET [<event> ...]", "Forget the samples of some or all events.",
	)
}

func init() {
	register(
		command.New("latency", command.NoneOfThem, nil),
		command.New("latency|doctor", command.NoneOfThem, latencyDoctor),
		command.New("latency|graph", command.NoneOfThem, latencyGraph),
		command.New("latency|help", command.NoneOfThem, latencyHelp),
		command.New("latency|histogram", command.NoneOfThem, latencyHistogram),
		command.New("latency|history", command.NoneOfThem, latencyHistory),
		command.New("latency|latest", command.NoneOfThem, latencyLatest),
		command.New("latency|reset", command.NoneOfThem, latencyReset),
	)
}
