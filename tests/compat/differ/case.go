package main

// A testCase is a script and how it is played.
type testCase struct {
	units []unit
	manner
}

// newCase makes the case of a number, which says all about it but the settings of the servers.
func newCase(seed, number uint64, size int, families []family, proto int) testCase {
	g := newGenerator(seed, number, families)
	c := testCase{manner: manner{proto: proto, together: maxTogether}}
	if proto == 0 {
		c.proto = 2 + int(number%2)
	}
	if g.chance(0.03) {
		c.together = 1
	}
	listens := g.chance(0.15)
	if listens { // hears of all that happens to keys
		c.units = append(c.units, unit{
			{conn: 1, args: []string{"CONFIG", "SET", "notify-keyspace-events", g.pick("KEA", "KEA", "EA", "KA", "KEAn", "Kg$lz", "Kshxtd")}},
			{conn: listener, kind: tell, args: []string{"PSUBSCRIBE", g.pick("*", "__key*", "__keyevent@0__:*", "__keyspace@*:[a-m]*")}},
			{conn: listener, kind: collect},
		})
	}
	for n := 0; n < size; {
		u := g.next()
		c.units = append(c.units, u)
		n += len(u)
		if listens && g.chance(0.2) {
			c.units = append(c.units, unit{{conn: listener, kind: collect}})
			n++
		}
	}
	return c
}

// listener is the connection that hears of what happens to keys.
const listener = 9
