package main

import (
	"fmt"
	"slices"
	"strings"

	"larder/tests/internal/scene"
	"larder/tests/internal/wire"
)

func flatten(units []unit) []step {
	var script []step
	for _, u := range units {
		script = append(script, u...)
	}
	return script
}

// shrink removes units, then words, as long as the two servers still differ. It returns the smallest script found and
// how they differ in it. Every try is a run on both servers, so their number is bounded.
func (v *versus) shrink(units []unit, how manner, signature string, tries int) ([]unit, *mismatch) {
	// While this goes on, this one has not been seen before.
	defer func(all *tally) { v.tally = all }(v.tally)
	seen, expected := v.tally.counts()
	delete(seen, signature)
	v.tally = &tally{seen: seen, expected: expected}
	var last *mismatch
	fails := func(u []unit) bool {
		if tries--; tries < 0 {
			return false
		}
		m, err := v.play(flatten(u), how)
		if err != nil || m == nil {
			return false
		}
		last = m
		return true
	}
	if !fails(units) {
		return units, nil
	}
	if last.index < len(flatten(units)) { // what follows the difference plays no part
		n := 0
		for i, u := range units {
			if n += len(u); n > last.index {
				if cut := units[:i+1]; fails(cut) {
					units = cut
				}
				break
			}
		}
	}
	for size := (len(units) + 1) / 2; size > 0 && tries > 0; {
		smaller := false
		for from := 0; from+size <= len(units); {
			rest := slices.Concat(units[:from], units[from+size:])
			if fails(rest) {
				units, smaller = rest, true
			} else {
				from += size
			}
		}
		if !smaller || size > len(units) {
			size = min(size/2, len(units))
		}
	}
	units = v.shrinkWords(units, fails)
	fails2 := tries
	tries = 1
	fails(units) // the difference as it is in the final script
	tries = fails2
	return units, last
}

// shrinkWords drops words and shortens long ones. Only scripts of single commands are touched: the commands of other
// units belong together.
func (v *versus) shrinkWords(units []unit, fails func([]unit) bool) []unit {
	for i := range units {
		if len(units[i]) != 1 {
			continue
		}
		for w := len(units[i][0].args) - 1; w > 0; w-- {
			args := units[i][0].args
			if w >= len(args) {
				continue
			}
			tries := [][]string{slices.Delete(slices.Clone(args), w, w+1)}
			if len(args[w]) > 8 {
				short := slices.Clone(args)
				short[w] = args[w][:1]
				tries = append(tries, short)
			}
			for _, t := range tries {
				changed := slices.Clone(units)
				changed[i] = unit{{conn: units[i][0].conn, args: t}}
				if !mayBlock(t) && fails(changed) {
					units = changed
					break
				}
			}
		}
	}
	return units
}

// report writes a script as a scene, with the reply of server b where the servers differ.
func (v *versus) report(title string, units []unit, m *mismatch, proto int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "== %s\n! proto %d\n", title, proto)
	for _, side := range []*side{v.a, v.b} {
		fmt.Fprintf(&b, "# %s\n", side.name)
	}
	script := append(flatten(units), m.after...)
	for i, s := range script {
		b.WriteString(line(s) + "\n")
		if i == m.index && len(m.after) == 0 || i == len(script)-1 && len(m.after) > 0 {
			fmt.Fprintf(&b, "# %s replies:\n", v.a.name)
			for _, l := range scene.FormatValues([]wire.Value{m.a}, proto) {
				b.WriteString("#" + l + "\n")
			}
			fmt.Fprintf(&b, "# %s replies:\n%s\n", v.b.name, strings.Join(scene.FormatValues([]wire.Value{m.b}, proto), "\n"))
			break
		}
	}
	return b.String()
}

func line(s step) string {
	var out []string
	if s.conn != 1 {
		out = append(out, fmt.Sprintf("@%d", s.conn))
	}
	switch s.kind {
	case block:
		out = append(out, "{block}")
	case tell:
		out = append(out, "{send}")
	case await:
		return strings.Join(append(out, ".read"), " ")
	case leave:
		return strings.Join(append(out, ".close"), " ")
	case collect:
		return strings.Join(append(out, ".read # all that has come"), " ")
	}
	for _, a := range s.args {
		out = append(out, scene.QuoteArg(a))
	}
	return strings.Join(out, " ")
}
