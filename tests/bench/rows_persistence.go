package main

// logRows are SETs with an append-only log, under each policy. What the log costs is seen beside the row without one.
func logRows() []row {
	var rows []row
	for _, w := range []struct {
		name     string
		pipeline int
		rate     float64
		log      []string
	}{
		{"off", 16, 2, nil},
		{"no", 16, 2, []string{"appendonly yes", "appendfsync no"}},
		{"everysec", 16, 2, []string{"appendonly yes", "appendfsync everysec"}},
		{"always", 1, 1.5, []string{"appendonly yes", "appendfsync always"}},
	} {
		v := &speed{
			section: "Append-only log: SET, 50 clients, 1M keys, values of 32 bytes", row: "log/" + w.name, fleet: "log-" + w.name, pipeline: w.pipeline,
			request: setSpeed, fixed: true, directives: append(w.log, "auto-aof-rewrite-percentage 0"),
			targets: []target{ratioAtLeast("requests/s", w.rate)},
		}
		rows = append(rows, row{name: v.row, measure: v.measure})
	}
	return rows
}
