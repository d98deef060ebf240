package server

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestLatencyMonitor(t *testing.T) {
	c := startServer(t).dial()
	if text := c.text("latency doctor"); !strings.Contains(text, "latency-monitor-threshold") {
		t.Errorf("with the monitor off LATENCY DOCTOR says %q", text)
	}
	c.want("debug sleep 0.03", "OK")
	c.want("latency latest", []any{})
	c.want("config set latency-monitor-threshold 1000", "OK")
	c.want("debug sleep 1.1", "OK")
	c.want("config set latency-monitor-threshold 2000000000", "OK") // whatever else takes long, on a busy machine
	var e []any
	for _, event := range c.list("latency latest") {
		if l := event.([]any); l[0] == "command" {
			e = l
		}
	}
	if len(e) != 4 || e[2].(int64) < 1100 || e[2] != e[3] {
		t.Errorf("the event is %v", e)
	}
	if h := c.list("latency history command"); len(h) != 1 || h[0].([]any)[0] != e[1] || h[0].([]any)[1] != e[2] {
		t.Errorf("the history is %v", h)
	}
	c.want("latency history nothing", []any{})
	if text := c.text("latency graph command"); !strings.Contains(text, fmt.Sprintf("command - high %d ms, low %d ms", e[2], e[2])) {
		t.Errorf("the graph is %q", text)
	}
	c.want("latency graph nothing", replyError("ERR No samples available for event 'nothing'"))
	if text := c.text("latency doctor"); !strings.Contains(text, "1. command: 1 times") {
		t.Errorf("LATENCY DOCTOR says %q", text)
	}
	c.want("latency reset nothing", 0)
	c.want("latency reset Command nothing", 1)
	c.want("latency latest", []any{})
}

func TestLatencySeries(t *testing.T) {
	var m latencyMonitor
	for s := range int64(latencyKept + 10) {
		m.add("x", s, time.Duration(s)*time.Millisecond)
		m.add("x", s, 5*time.Millisecond)
	}
	s, ok := m.get("x")
	if !ok || len(s.samples) != latencyKept || s.max_ms != latencyKept+9 {
		t.Fatalf("%d samples are kept, the worst of %d ms", len(s.samples), s.max_ms)
	}
	for i, x := range s.samples {
		at := int64(i + 10)
		if x.at_s != at || x.took_ms != at {
			t.Fatalf("sample %d is %v", i, x)
		}
	}
	if n := m.reset(""); n != 1 {
		t.Errorf("%d events were reset", n)
	}
}

func TestLatencyGraph(t *testing.T) {
	s := latencySeries{samples: []latencySample{{0, 300}, {3000, 400}, {3590, 500}}, max_ms: 700}
	want := `command - high 500 ms, low 300 ms (all time high 700 ms)
--------------------------------------------------------
  #
  #
 ##
_##

111
h00
 ms
`
	if got := s.graph("command", 3600); got != want {
		t.Errorf("the graph is\n%s", got)
	}
}
