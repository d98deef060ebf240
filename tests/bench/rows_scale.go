package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"larder/tests/internal/chart"
	"larder/tests/internal/peer"
)

const scaleSection = "Cost as work grows: GET"

// scale is one measurement, repeated as something grows. Each size is a row: scale/connections/50.
type scale struct {
	name  string // "connections"
	sizes []int
	slow  int // sizes from here on take long; 0: none
	at    func(s *settings, size int, row string) *speed
}

// scales are what grows. Keys and connections go past what one loop or one cache of the processor holds.
func scales() []scale {
	get := func(keys int) func(b []byte, speak peer.Protocol, r *rand.Rand) []byte {
		return func(b []byte, speak peer.Protocol, r *rand.Rand) []byte {
			return appendGet(b, speak, randomKey(r, keys))
		}
	}
	all := []scale{
		{name: "connections", sizes: []int{50, 500, 2_000, 10_000}, at: func(_ *settings, size int, row string) *speed {
			return &speed{row: row, fleet: "scale-connections", directives: room(10_000), conns: size, pipeline: 1, data: speedFleet, fill: fillSpeed, request: get(speedKeys), fixed: true, memcached: true}
		}},
		{name: "keys", sizes: []int{10_000, 100_000, 1_000_000, 5_000_000, 20_000_000}, slow: 20_000_000, at: func(_ *settings, size int, row string) *speed {
			return &speed{row: row, fleet: "scale-keys", pipeline: 16, data: strconv.Itoa(size), fill: fillStrings(size, value32), request: get(size), fixed: true, memcached: true}
		}},
		{name: "processors", at: func(s *settings, size int, row string) *speed {
			return &speed{row: row, fleet: fmt.Sprintf("scale-processors-%d", size), processors: size, pipeline: 64, data: speedFleet, fill: fillSpeed, request: get(speedKeys), fixed: true, memcached: true}
		}},
	}
	for n := 1; n <= runtime.NumCPU(); n++ {
		all[2].sizes = append(all[2].sizes, n)
	}
	return all
}

func scaleRows() []row {
	var rows []row
	for _, sc := range scales() {
		for _, size := range sc.sizes {
			name := fmt.Sprintf("scale/%s/%d", sc.name, size)
			rows = append(rows, row{name: name, slow: sc.slow > 0 && size >= sc.slow, measure: func(s *settings, t *table) error {
				w := sc.at(s, size, name)
				w.section = scaleSection
				return w.measure(s, t)
			}})
		}
	}
	return rows
}

// plotScales draws the scale rows that were measured: requests per second, and processor time of a request.
func plotScales(path string, t *table) error {
	var panels []chart.Panel
	for _, figure := range []string{"requests/s", "server CPU us/request"} {
		for _, sc := range scales() {
			if p := scalePanel(t, sc, figure); len(p.Xs) > 1 {
				panels = append(panels, p)
			}
		}
	}
	if len(panels) == 0 {
		return fmt.Errorf("no rows of scale/... were measured: nothing to plot")
	}
	return chart.Save(path, panels, max(len(panels)/2, 1))
}

// scalePanel is one figure of one growth. Sizes that were not measured are left out.
func scalePanel(t *table, sc scale, figure string) chart.Panel {
	p := chart.Panel{Title: "GET by " + sc.name, X: sc.name, Y: figure, LogX: true, FromZero: true}
	for _, peer := range t.peers {
		p.Lines = append(p.Lines, chart.Line{Name: peer.Name, Strong: strings.HasPrefix(peer.Name, "larder")})
	}
	for _, size := range sc.sizes {
		measured := false
		for i := range p.Lines {
			v := t.find(fmt.Sprintf("scale/%s/%d", sc.name, size), figure, p.Lines[i].Name)
			if math.IsNaN(v) {
				continue
			}
			p.Lines[i].Points = append(p.Lines[i].Points, chart.Point{X: float64(size), Y: v})
			measured = true
		}
		if measured {
			p.Xs = append(p.Xs, float64(size))
		}
	}
	p.Lines = slices.DeleteFunc(p.Lines, func(l chart.Line) bool { return len(l.Points) == 0 })
	return p
}
