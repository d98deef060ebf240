package main

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"larder/tests/internal/peer"
)

// sample is all that was measured of one figure of one server.
type sample struct {
	Row     string    `json:"row"`
	Figure  string    `json:"figure"` // "requests/s", "p99 us", ...
	Server  string    `json:"server"`
	Values  []float64 `json:"values"`
	Median  float64   `json:"median"`
	Ratio   float64   `json:"ratio,omitempty"`  // larder's to redis-server's; larder's samples alone
	Target  string    `json:"target,omitempty"` // "ratio >= 2.5", "<= 16"
	Met     bool      `json:"met,omitempty"`
	section string
}

// target is a bound on a figure of larder's: on the ratio to redis-server's, or on the value itself.
type target struct {
	figure   string
	bound    float64
	atLeast  bool // else at most
	absolute bool
}

func ratioAtLeast(figure string, bound float64) target {
	return target{figure: figure, bound: bound, atLeast: true}
}
func ratioAtMost(figure string, bound float64) target { return target{figure: figure, bound: bound} }
func atMost(figure string, bound float64) target {
	return target{figure: figure, bound: bound, absolute: true}
}
func atLeast(figure string, bound float64) target {
	return target{figure: figure, bound: bound, absolute: true, atLeast: true}
}

func (t target) String() string {
	sign, unit := "<=", ""
	if t.atLeast {
		sign = ">="
	}
	if !t.absolute {
		unit = "x"
	}
	return fmt.Sprintf("%s %s%s", sign, number(t.bound), unit)
}

func (t target) met(value, ratio float64) bool {
	v := ratio
	if t.absolute {
		v = value
	}
	if math.IsNaN(v) {
		return false
	}
	if t.atLeast {
		return v >= t.bound
	}
	return v <= t.bound
}

// table gathers figures in the order in which they come.
type table struct {
	peers   []peer.Program
	machine string // what it was measured on
	samples []*sample
	targets map[string]target // by row and figure
}

func newTable(peers []peer.Program) *table {
	return &table{peers: peers, machine: machine(peers), targets: map[string]target{}}
}

// add notes one value. The section is the heading under which the row is printed.
func (t *table) add(section, row, figure, server string, value float64) {
	for _, s := range t.samples {
		if s.Row == row && s.Figure == figure && s.Server == server {
			s.Values = append(s.Values, value)
			return
		}
	}
	t.samples = append(t.samples, &sample{section: section, Row: row, Figure: figure, Server: server, Values: []float64{value}})
}

func (t *table) expect(row string, targets ...target) {
	for _, g := range targets {
		t.targets[row+" "+g.figure] = g
	}
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// find returns the median of a figure, NaN if it was not measured.
func (t *table) find(row, figure, server string) float64 {
	for _, s := range t.samples {
		if s.Row == row && s.Figure == figure && s.Server == server {
			return median(s.Values)
		}
	}
	return math.NaN()
}

// line is one figure of one row, with every server's value.
type line struct {
	section, row, figure string
}

// print writes Markdown: a table for each section, a line for each figure, a column for each server.
func (t *table) print(w io.Writer) {
	t.finish()
	fmt.Fprintf(w, "%s\n", t.machine)
	var lines []line
	for _, s := range t.samples {
		if l := (line{s.section, s.Row, s.Figure}); !slices.Contains(lines, l) {
			lines = append(lines, l)
		}
	}
	var sections []string
	for _, l := range lines {
		if !slices.Contains(sections, l.section) {
			sections = append(sections, l.section)
		}
	}
	met, missed := 0, []string{}
	for _, section := range sections {
		fmt.Fprintf(w, "\n### %s\n\n", section)
		rows := [][]string{{"row", "figure"}}
		for _, p := range t.peers {
			rows[0] = append(rows[0], p.Name)
		}
		rows[0] = append(rows[0], "ratio", "target", "")
		last := ""
		for _, l := range lines {
			if l.section != section {
				continue
			}
			cells := []string{l.row, l.figure}
			if l.row == last {
				cells[0] = ""
			}
			last = l.row
			for _, p := range t.peers {
				cells = append(cells, number(t.find(l.row, l.figure, p.Name)))
			}
			ratio := t.ratio(l.row, l.figure)
			cells = append(cells, number(ratio))
			if g, ok := t.targets[l.row+" "+l.figure]; ok {
				mark := "met"
				if g.met(t.find(l.row, l.figure, t.peers[0].Name), ratio) {
					met++
				} else {
					mark = "**missed**"
					missed = append(missed, l.row+" "+l.figure)
				}
				cells = append(cells, g.String(), mark)
			} else {
				cells = append(cells, "", "")
			}
			rows = append(rows, cells)
		}
		printRows(w, rows)
	}
	fmt.Fprintf(w, "\n%d targets met, %d missed", met, len(missed))
	if len(missed) > 0 {
		fmt.Fprintf(w, ": %s", strings.Join(missed, "; "))
	}
	fmt.Fprintln(w)
}

func printRows(w io.Writer, rows [][]string) {
	widths := make([]int, len(rows[0]))
	for _, r := range rows {
		for i, c := range r {
			widths[i] = max(widths[i], len(c))
		}
	}
	for n, r := range rows {
		for i, c := range r {
			if i < 2 {
				fmt.Fprintf(w, "| %-*s ", widths[i], c)
			} else {
				fmt.Fprintf(w, "| %*s ", widths[i], c)
			}
		}
		fmt.Fprintln(w, "|")
		if n == 0 {
			for i, width := range widths {
				right := ":"
				if i < 2 {
					right = "-"
				}
				fmt.Fprintf(w, "|%s%s", strings.Repeat("-", width+1), right)
			}
			fmt.Fprintln(w, "|")
		}
	}
}

func (t *table) ratio(row, figure string) float64 {
	for _, p := range t.peers[1:] {
		if p.Name == "redis-server" {
			return t.find(row, figure, t.peers[0].Name) / t.find(row, figure, p.Name)
		}
	}
	return math.NaN()
}

// finish fills in what is known once all is measured.
func (t *table) finish() {
	for _, s := range t.samples {
		s.Median = median(s.Values)
		if s.Server != t.peers[0].Name {
			continue
		}
		ratio := t.ratio(s.Row, s.Figure)
		if !math.IsNaN(ratio) && !math.IsInf(ratio, 0) {
			s.Ratio = ratio
		}
		if g, ok := t.targets[s.Row+" "+s.Figure]; ok {
			s.Target, s.Met = g.String(), g.met(s.Median, ratio)
		}
	}
	slices.SortStableFunc(t.samples, func(a, b *sample) int { return cmp.Compare(t.order(a.section), t.order(b.section)) })
}

func (t *table) order(section string) int {
	return slices.IndexFunc(t.samples, func(s *sample) bool { return s.section == section })
}

// number writes a figure with three or four digits that matter.
func number(v float64) string {
	switch a := math.Abs(v); {
	case math.IsNaN(v):
		return "-"
	case a >= 1000:
		return thousands(int64(math.Round(v)))
	case a >= 100:
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", v), ".0")
	}
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.2f", v), "0"), ".")
}

func thousands(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + " " + s[i:]
	}
	return s
}
