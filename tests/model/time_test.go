package model

import (
	"math/rand/v2"
	"strconv"
	"testing"
	"time"
)

// muchTooLate is what nobody is late by who looks for keys whose time has come, on a busy machine either. Who does not look takes
// minutes.
const muchTooLate = 30 * time.Second

// TestKeysEndOnTime: keys with short lives among many with long ones are gone when their time has come, though nobody
// reads them, and not before. What is measured exactly, next to other servers, is in tests/bench.
func TestKeysEndOnTime(t *testing.T) {
	s := start(t, "notify-keyspace-events Ex", "hz 100")
	c, sub := dial(t, s), dial(t, s)
	var commands [][]string
	for i := range 20_000 {
		commands = append(commands, []string{"SET", "long" + itoa(i), "v", "EX", itoa(10_000 + i)})
	}
	pipeline(t, c, commands)
	do(t, sub, "SUBSCRIBE", "__keyevent@0__:expired")
	r := rand.New(rand.NewPCG(*seed, 3))
	due, asked := map[string]time.Time{}, map[string]time.Time{}
	for i := range 200 {
		key, ms := "short"+itoa(i), 50+r.IntN(500)
		asked[key] = time.Now().Add(time.Duration(ms) * time.Millisecond)
		do(t, c, "SET", key, "v", "PX", itoa(ms))
		due[key] = time.Now().Add(time.Duration(ms) * time.Millisecond)
	}
	late, events := 0, 0
	for events < len(due) {
		v, err := sub.Receive()
		if err != nil {
			t.Fatalf("after %d of %d events: %v", events, len(due), err)
		}
		key, now := v.Elems[len(v.Elems)-1].String(), time.Now()
		events++
		// The server's clock counts whole milliseconds.
		if now.Before(asked[key].Add(-2 * time.Millisecond)) {
			t.Errorf("%s ended %v too early", key, asked[key].Sub(now))
		}
		if now.After(due[key].Add(muchTooLate)) {
			late++
		}
	}
	if late > 0 {
		t.Errorf("%d of %d keys ended more than %v late", late, events, muchTooLate)
	}
	if got := do(t, c, "DBSIZE").String(); got != strconv.Itoa(20_000) {
		t.Errorf("%s keys are left", got)
	}
}

// TestRandomChoicesAreFair: with n elements and many draws each must come about equally often. The bound is that of a
// chi-square test which a fair choice fails once in a million times.
func TestRandomChoicesAreFair(t *testing.T) {
	s := start(t)
	c := dial(t, s)
	const n, draws = 50, 20_000
	for _, kind := range []struct {
		name      string
		add, draw func(i int) []string
	}{
		{"RANDOMKEY", func(i int) []string { return []string{"SET", "e" + itoa(i), "v"} }, func(int) []string { return []string{"RANDOMKEY"} }},
		{"SRANDMEMBER", func(i int) []string { return []string{"SADD", "c", "e" + itoa(i)} }, func(int) []string { return []string{"SRANDMEMBER", "c"} }},
		{"SRANDMEMBER of integers", func(i int) []string { return []string{"SADD", "c", itoa(i)} }, func(int) []string { return []string{"SRANDMEMBER", "c"} }},
		{"HRANDFIELD", func(i int) []string { return []string{"HSET", "c", "e" + itoa(i), "v"} }, func(int) []string { return []string{"HRANDFIELD", "c"} }},
		{"ZRANDMEMBER", func(i int) []string { return []string{"ZADD", "c", itoa(i), "e" + itoa(i)} }, func(int) []string { return []string{"ZRANDMEMBER", "c"} }},
	} {
		for _, large := range []bool{false, true} {
			t.Run(kind.name+map[bool]string{true: ", large encoding"}[large], func(t *testing.T) {
				do(t, c, "FLUSHALL")
				limit := "512"
				if large {
					limit = "1"
				}
				for _, name := range []string{"hash-max-listpack-entries", "zset-max-listpack-entries", "set-max-intset-entries", "set-max-listpack-entries"} {
					// Redis 7.0 has no listpack sets: the last one may be unknown.
					if _, err := c.Do("CONFIG", "SET", name, limit); err != nil {
						t.Fatal(err)
					}
				}
				var commands [][]string
				for i := range n {
					commands = append(commands, kind.add(i))
				}
				pipeline(t, c, commands)
				commands = nil
				for i := range draws {
					commands = append(commands, kind.draw(i))
				}
				counts := map[string]int{}
				for _, v := range pipeline(t, c, commands) {
					counts[v.String()]++
				}
				if len(counts) != n {
					t.Errorf("%d different elements were drawn of %d", len(counts), n)
				}
				expected, chi := float64(draws)/n, 0.0
				for _, k := range counts {
					chi += (float64(k) - expected) * (float64(k) - expected) / expected
				}
				// With 49 degrees of freedom a value above 115 has a probability below one in a million.
				if chi > 115 {
					t.Errorf("chi-square %.0f", chi)
				}
			})
		}
	}
}
