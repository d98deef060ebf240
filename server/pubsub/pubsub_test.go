package pubsub

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
)

// TestAgainstModel runs random subscriptions against plain sets and publishes in between.
func TestAgainstModel(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	h := NewHub[int]()
	channels := map[string]map[int]bool{}
	patterns := map[string]map[int]bool{}
	names := []string{"a", "ab", "abc", "b"}
	globs := []string{"a*", "*", "?b", "[b]", "x"}
	toggle := func(m map[string]map[int]bool, name string, s int, on func(string, int) bool, off func(string, int) bool) {
		if m[name] == nil {
			m[name] = map[int]bool{}
		}
		if rnd.IntN(2) == 0 {
			if got := on(name, s); got == m[name][s] {
				t.Fatalf("subscribing %d to %s: %v", s, name, got)
			}
			m[name][s] = true
		} else {
			if got := off(name, s); got != m[name][s] {
				t.Fatalf("unsubscribing %d from %s: %v", s, name, got)
			}
			delete(m[name], s)
		}
	}
	fits := map[string][]string{"a": {"a*", "*"}, "ab": {"a*", "*", "?b"}, "abc": {"a*", "*"}, "b": {"*", "[b]"}}
	for range 20000 {
		s := rnd.IntN(5)
		if rnd.IntN(2) == 0 {
			toggle(channels, names[rnd.IntN(len(names))], s, h.Subscribe, h.Unsubscribe)
		} else {
			toggle(patterns, globs[rnd.IntN(len(globs))], s, h.SubscribePattern, h.UnsubscribePattern)
		}
		name := names[rnd.IntN(len(names))]
		var want, got []string
		for s := range channels[name] {
			want = append(want, strconv.Itoa(s)+":")
		}
		for _, p := range fits[name] {
			for s := range patterns[p] {
				want = append(want, strconv.Itoa(s)+":"+p)
			}
		}
		n := h.Publish([]byte(name), func(s int, p *string) {
			by := ""
			if p != nil {
				by = *p
			}
			got = append(got, strconv.Itoa(s)+":"+by)
		})
		slices.Sort(want)
		slices.Sort(got)
		if n != len(got) || !slices.Equal(want, got) {
			t.Fatalf("publishing to %s reached %d: %v, want %v", name, n, got, want)
		}
		if h.Heard([]byte(name)) != (n > 0) {
			t.Fatalf("%s reaches %d, and is heard: %v", name, n, n == 0)
		}
		if h.Count([]byte(name)) != len(channels[name]) {
			t.Fatalf("%s has %d subscribers, want %d", name, h.Count([]byte(name)), len(channels[name]))
		}
		open, by := 0, 0
		for _, m := range channels {
			if len(m) > 0 {
				open++
			}
		}
		for _, m := range patterns {
			if len(m) > 0 {
				by++
			}
		}
		if c, p := h.Totals(); c != open || p != by || h.Quiet() != (open+by == 0) || len(h.Channels(nil)) != open {
			t.Fatalf("%d channels and %d patterns, want %d and %d", c, p, open, by)
		}
	}
}
