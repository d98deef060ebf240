package main

import "larder/tests/internal/chart"

// panelsInRow is how many traces stand beside each other.
const panelsInRow = 3

// plot draws the hit ratio over the size of the cache, for each trace.
func plot(path string, cells []*cell, columns []string) error {
	var panels []chart.Panel
	at := map[string]int{}
	for _, c := range cells {
		i, known := at[c.Trace]
		if !known {
			i = len(panels)
			at[c.Trace] = i
			panels = append(panels, chart.Panel{Title: c.Trace, X: "size of the cache, % of the trace's objects", Y: "hit ratio, %", LogX: true})
			for _, n := range columns {
				panels[i].Lines = append(panels[i].Lines, chart.Line{Name: n, Strong: n == best})
			}
		}
		panels[i].Xs = append(panels[i].Xs, c.Share)
		for k, n := range columns {
			panels[i].Lines[k].Points = append(panels[i].Lines[k].Points, chart.Point{X: c.Share, Y: c.Hits[n]})
		}
	}
	return chart.Save(path, panels, panelsInRow)
}
