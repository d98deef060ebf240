package server

import (
	"fmt"
	"strings"
)

const (
	graphColumns = 80
	graphRows    = 4
)

// graph draws the latest samples of an event, the oldest on the left: a column for each, its age below.
//
//	command - high 500 ms, low 300 ms (all time high 500 ms)
//	--------------------------------------------------------
//	  #
//	 _#
//	 ##
//	_##
//
//	321
//	sss
func (s *latencySeries) graph(event string, now_s int64) string {
	samples := s.samples[max(0, len(s.samples)-graphColumns):]
	if len(samples) == 0 {
		return event + " - no samples\n"
	}
	low, high := samples[0].took_ms, samples[0].took_ms
	for _, x := range samples {
		low, high = min(low, x.took_ms), max(high, x.took_ms)
	}
	var b strings.Builder
	head := fmt.Sprintf("%s - high %d ms, low %d ms (all time high %d ms)", event, high, low, s.max_ms)
	b.WriteString(head + "\n" + strings.Repeat("-", min(len(head), graphColumns)) + "\n")
	// Every row has room for half a column ("_") and a whole one ("#").
	for row := graphRows - 1; row >= 0; row-- {
		line := make([]byte, len(samples))
		for i, x := range samples {
			halves := int64(1)
			if high > low {
				halves += (x.took_ms - low) * (2*graphRows - 1) / (high - low)
			}
			switch left := halves - int64(2*row); {
			case left >= 2:
				line[i] = '#'
			case left == 1:
				line[i] = '_'
			default:
				line[i] = ' '
			}
		}
		b.WriteString(strings.TrimRight(string(line), " ") + "\n")
	}
	b.WriteByte('\n')
	ages := make([]string, len(samples))
	longest := 0
	for i, x := range samples {
		ages[i] = age(now_s - x.at_s)
		longest = max(longest, len(ages[i]))
	}
	for row := range longest {
		line := make([]byte, len(ages))
		for i, a := range ages {
			line[i] = ' '
			if row < len(a) {
				line[i] = a[row]
			}
		}
		b.WriteString(strings.TrimRight(string(line), " ") + "\n")
	}
	return b.String()
}

// age is a time span in its largest unit.
func age(s int64) string {
	switch {
	case s < 60:
		return fmt.Sprintf("%ds", max(0, s))
	case s < 3600:
		return fmt.Sprintf("%dm", s/60)
	case s < 86400:
		return fmt.Sprintf("%dh", s/3600)
	}
	return fmt.Sprintf("%dd", s/86400)
}

// advice says what to do about an event.
var advice = map[string]string{
	"command": "Commands that look at many elements take their time; SLOWLOG GET names them. Ask for ranges instead of " +
		"whole collections, and walk with SCAN instead of KEYS.",
	"fast-command": "Commands that do little were slow all the same: the machine is busy or swaps, or other commands held " +
		"their keys. See used_cpu_sys in INFO cpu and the machine's own figures.",
	"expire-cycle": "Many keys expire at the same moment. Spread their times by a random amount.",
}

// latencyReport explains in plain words what the monitor has seen.
func (srv *Server) latencyReport(now_s int64) string {
	m := &srv.latency
	names := m.names()
	limit_ms := m.threshold.Load() / 1e6
	if len(names) == 0 {
		if limit_ms == 0 {
			return "The latency monitor is off, so there is nothing to tell. Switch it on with CONFIG SET " +
				"latency-monitor-threshold <milliseconds>: what takes longer is then remembered.\n"
		}
		return fmt.Sprintf("Nothing has taken longer than the %d ms of latency-monitor-threshold so far.\n", limit_ms)
	}
	var b strings.Builder
	b.WriteString("These events took longer than latency-monitor-threshold:\n\n")
	var said []string
	for i, name := range names {
		s, _ := m.get(name)
		if len(s.samples) == 0 {
			continue
		}
		sum := int64(0)
		for _, x := range s.samples {
			sum += x.took_ms
		}
		n := int64(len(s.samples))
		first, last := s.samples[0].at_s, s.samples[n-1].at_s
		fmt.Fprintf(&b, "%d. %s: %d times, %d ms on average, %d ms at worst, the last one %s ago", i+1, name, n, sum/n, s.max_ms, age(now_s-last))
		if n > 1 {
			fmt.Fprintf(&b, ", every %s on average", age((last-first)/(n-1)))
		}
		b.WriteString(".\n")
		if text := advice[name]; text != "" {
			said = append(said, name+": "+text)
		}
	}
	if len(said) > 0 {
		b.WriteString("\nWhat may help:\n\n")
		for _, text := range said {
			b.WriteString("- " + text + "\n")
		}
	}
	return b.String()
}
