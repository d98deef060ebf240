package command

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"larder/datatypes/invariant"
)

func TestSetEvents(t *testing.T) {
	l := newLab(t)
	l.c.WantEffects = true
	for _, step := range []struct{ request, reply, events, effects string }{
		{"SADD s a", ":1", "sadd s", "same"},
		{"SADD s a", ":0", "", ""},
		{"SREM s x", ":0", "", ""},
		{"SPOP s", "$1 a", "spop s, del s", "SREM s a"},
		{"SPOP s", "$-1", "", ""},
		{"SPOP s 3", "*0", "", ""},
		{"SADD s a", ":1", "sadd s", "same"},
		{"SPOP s 0", "*0", "", ""},
		{"SPOP s 1", "*1 $1 a", "spop s, del s", "DEL s"},
		{"EXISTS s", ":0", "", ""},
		{"SADD s 1 2 3", ":3", "sadd s", "same"},
		{"SREM s 1 2 x", ":2", "srem s", "same"},
		{"SREM s 3", ":1", "srem s, del s", "same"},
		{"SADD s a b", ":2", "sadd s", "same"},
		{"SMOVE s t a", ":1", "srem s, sadd t", "same"},
		{"SMOVE s t a", ":0", "", ""},
		{"SMOVE s s b", ":1", "", ""},
		{"SMOVE s s x", ":0", "", ""},
		{"SADD s a", ":1", "sadd s", "same"},
		{"SMOVE s t a", ":1", "srem s", "same"},
		{"SMOVE s t b", ":1", "srem s, del s, sadd t", "same"},
		{"SMOVE none t b", ":0", "", ""},
		{"SINTERSTORE u t t", ":2", "sinterstore u", "same"},
		{"SUNIONSTORE u t none", ":2", "sunionstore u", "same"},
		{"SDIFFSTORE u t none", ":2", "sdiffstore u", "same"},
		{"SDIFFSTORE u t u", ":0", "del u", "same"},
		{"SINTERSTORE u t none", ":0", "", ""},
		{"SUNIONSTORE none none", ":0", "", ""},
		{"SET str v", "+OK", "set str", "same"},
		{"SUNIONSTORE str t", ":2", "sunionstore str", "same"},
		{"TYPE str", "+set", "", ""},
		{"SINTERSTORE str none", ":0", "del str", "same"},
	} {
		l.want(step.reply, words(step.request)...)
		if got := l.told(); got != step.events {
			t.Errorf("%s: events %s, want %s", step.request, got, step.events)
		}
		want := step.effects
		if want == "same" {
			want = step.request
		}
		if got := strings.Join(l.effects, "; "); got != want {
			t.Errorf("%s: effect %s, want %s", step.request, got, want)
		}
	}
	// SPOP of many is told in requests of a bounded size.
	argv := []any{"SADD", "s"}
	for i := range 3000 {
		argv = append(argv, "member"+strconv.Itoa(i))
	}
	l.do(argv...)
	l.do("SPOP", "s", 2500)
	total := 0
	for _, e := range l.effects {
		n := len(strings.Fields(e)) - 2
		if total += n; !strings.HasPrefix(e, "SREM s ") || n > sremMany {
			t.Errorf("effect %.50s with %d members", e, n)
		}
	}
	if total != 2500 {
		t.Errorf("%d members told of", total)
	}
}

func TestSetErrors(t *testing.T) {
	l := newLab(t)
	l.do("SET", "str", "v")
	l.do("SADD", "s", "a")
	for _, c := range [][2]string{
		{"SPOP str x", "-ERR value is out of range, must be positive"},
		{"SPOP str -1", "-ERR value is out of range, must be positive"},
		{"SPOP s 1 2", "-ERR syntax error"},
		{"SPOP s x 2", "-ERR syntax error"},
		{"SPOP str", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
		{"SPOP str 0", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
		{"SRANDMEMBER str x", "-ERR value is not an integer or out of range"},
		{"SRANDMEMBER s x 1", "-ERR syntax error"},
		{"SRANDMEMBER s -9223372036854775808", "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807"},
		{"SRANDMEMBER s -9223372036854775807", "-ERR value is out of range"},
		{"SRANDMEMBER s 9223372036854775807", "*1 $1 a"},
		{"SMOVE none str x", ":0"},
		{"SMOVE s str a", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
		{"SMOVE str s a", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
		{"SINTER none str", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
		{"SDIFF none str", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
		{"SUNIONSTORE x s str", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
		{"SINTERCARD 0 s", "-ERR numkeys should be greater than 0"},
		{"SINTERCARD x s", "-ERR numkeys should be greater than 0"},
		{"SINTERCARD 2 s", "-ERR Number of keys can't be greater than number of args"},
		{"SINTERCARD 1 s LIMIT -1", "-ERR LIMIT can't be negative"},
		{"SINTERCARD 1 s LIMIT", "-ERR syntax error"},
		{"SINTERCARD 1 s LIMIT 0", ":1"},
		{"SINTERCARD 1 str LIMIT 0 FOO", "-ERR syntax error"},
		{"SSCAN s x", "-ERR invalid cursor"},
		{"SSCAN none 0 FOO", "*2 $1 0 *0"},
		{"SSCAN s 0 NOVALUES", "-ERR NOVALUES option can only be used in HSCAN"},
	} {
		l.want(c[1], words(c[0])...)
	}
	l.w.Proto = 3
	l.want("~1 $1 a", "SMEMBERS", "s")
	l.want("~0", "SMEMBERS", "none")
	l.want("~0", "SPOP", "none", 1)
	l.want("_", "SPOP", "none")
	l.want("*0", "SRANDMEMBER", "none", 1)
	l.want("~1 $1 a", "SPOP", "s", 5)
}

// members are the bulks of a reply, sorted.
func members(reply string) []string {
	var list []string
	for _, w := range strings.Fields(reply)[1:] {
		if w[0] != '$' {
			list = append(list, w)
		}
	}
	slices.Sort(list)
	return list
}

// TestSetAlgebra compares with Go's maps: few and many sets, small and large, of integers and others, in all shards.
func TestSetAlgebra(t *testing.T) {
	rounds := 60
	if testing.Short() {
		rounds = 15
	}
	l := newLab(t)
	r := rand.New(rand.NewPCG(3, 4))
	for round := range rounds {
		l.do("FLUSHALL")
		universe := 1 + r.IntN(1<<(2+r.IntN(12)))
		ints := r.IntN(3) == 0
		models := map[string]map[string]bool{}
		keys := []string{}
		for i := range 1 + r.IntN(12) {
			key := "set" + strconv.Itoa(i)
			keys = append(keys, key)
			m := map[string]bool{}
			argv := []any{"SADD", key}
			for range r.IntN(universe) {
				member := strconv.Itoa(r.IntN(universe))
				if !ints {
					member = "m" + member
				}
				m[member] = true
				argv = append(argv, member)
			}
			if len(m) > 0 {
				l.do(argv...)
			}
			models[key] = m
		}
		for range 12 {
			chosen := make([]any, 1+r.IntN(2+r.IntN(7)))
			for i := range chosen {
				chosen[i] = keys[r.IntN(len(keys))]
			}
			union, inter, diff := map[string]bool{}, maps.Clone(models[chosen[0].(string)]), maps.Clone(models[chosen[0].(string)])
			for i, key := range chosen {
				m := models[key.(string)]
				maps.Copy(union, m)
				for member := range inter {
					if !m[member] {
						delete(inter, member)
					}
				}
				if i > 0 {
					maps.DeleteFunc(diff, func(member string, _ bool) bool { return m[member] })
				}
			}
			for name, want := range map[string]map[string]bool{"SUNION": union, "SINTER": inter, "SDIFF": diff} {
				list := slices.Sorted(maps.Keys(want))
				if got := members(l.do(append([]any{name}, chosen...)...)); !slices.Equal(got, list) {
					t.Fatalf("round %d: %s %v: %d members, want %d", round, name, chosen, len(got), len(list))
				}
				dst := "result"
				if r.IntN(3) == 0 {
					dst = keys[r.IntN(len(keys))]
				}
				if got := l.do(append([]any{name + "STORE", dst}, chosen...)...); got != fmt.Sprintf(":%d", len(want)) {
					t.Fatalf("%sSTORE %v: %s, want %d", name, chosen, got, len(want))
				}
				if got := members(l.do("SMEMBERS", dst)); !slices.Equal(got, list) {
					t.Fatalf("%sSTORE %s %v: %d members, want %d", name, dst, chosen, len(got), len(list))
				}
				if dst != "result" {
					l.do("DEL", dst)
					if m := models[dst]; len(m) > 0 {
						argv := []any{"SADD", dst}
						for member := range m {
							argv = append(argv, member)
						}
						l.do(argv...)
					}
				}
			}
			limit := r.IntN(4)
			want := len(inter)
			if limit > 0 {
				want = min(want, limit)
			}
			if got := l.do(append(append([]any{"SINTERCARD", len(chosen)}, chosen...), "LIMIT", limit)...); got != fmt.Sprintf(":%d", want) {
				t.Fatalf("SINTERCARD %v LIMIT %d: %s, want %d", chosen, limit, got, want)
			}
		}
	}
}

// TestStoredEncodings: results take the compact form whatever their sources have.
func TestStoredEncodings(t *testing.T) {
	l := newLab(t)
	fill := func(key, prefix string, from, to int) {
		argv := []any{"SADD", key}
		for i := from; i < to; i++ {
			argv = append(argv, prefix+strconv.Itoa(i))
		}
		l.do(argv...)
	}
	fill("ints", "", 0, 1000)
	fill("more", "", 990, 2000)
	fill("texts", "m", 0, 1000)
	fill("others", "m", 900, 2000)
	for _, c := range []struct{ request, encoding string }{
		{"SINTERSTORE r ints more", "intset"},
		{"SINTERSTORE r texts others", "listpack"},
		{"SINTERSTORE r texts texts", "hashtable"},
		{"SDIFFSTORE r ints more", "hashtable"},
		{"SUNIONSTORE r ints", "hashtable"},
		{"SUNIONSTORE r texts others", "hashtable"},
	} {
		l.do(words(c.request)...)
		c1 := l.c
		c1.Take(l.ks.All())
		s, _ := c1.View.ReadSet([]byte("r"))
		if got := s.Encoding(); got != c.encoding {
			t.Errorf("%s: %s, want %s", c.request, got, c.encoding)
		}
		c1.Release()
	}
}

// fair is a chi-square test: counts of kinds that should be equally likely.
func fair(t *testing.T, what string, counts map[string]int, kinds int) {
	t.Helper()
	total := 0
	for _, n := range counts {
		total += n
	}
	each := float64(total) / float64(kinds)
	chi := float64(kinds-len(counts)) * each
	for _, n := range counts {
		d := float64(n) - each
		chi += d * d / each
	}
	// Its mean is kinds-1, its variance twice that; six standard deviations happen once in a hundred million tries.
	free := float64(kinds - 1)
	if limit := free + 6*math.Sqrt(2*free); chi > limit {
		t.Errorf("%s: chi-square %.0f of %d kinds, more than %.0f", what, chi, kinds, limit)
	}
}

func TestRandomIsFair(t *testing.T) {
	for _, kinds := range []int{20, 200, 700} {
		l := newLab(t)
		add, set := []any{"SADD", "s"}, []any{"HSET", "h"}
		for i := range kinds {
			add = append(add, "m"+strconv.Itoa(i))
			set = append(set, "f"+strconv.Itoa(i), "v")
		}
		l.do(add...)
		l.do(set...)
		for _, c := range []struct {
			request []any
			each    int // drawn at once
			again   func()
		}{
			{[]any{"SRANDMEMBER", "s"}, 1, nil},
			{[]any{"SRANDMEMBER", "s", -100}, 100, nil},
			{[]any{"SRANDMEMBER", "s", 10}, 10, nil},
			{[]any{"HRANDFIELD", "h"}, 1, nil},
			{[]any{"HRANDFIELD", "h", -100}, 100, nil},
			{[]any{"HRANDFIELD", "h", 10}, 10, nil},
			{[]any{"SPOP", "s"}, 1, func() { l.do(add...) }},
			{[]any{"SPOP", "s", 10}, 10, func() { l.do(add...) }},
		} {
			counts := map[string]int{}
			for range 20*kinds/c.each + 1 {
				reply := l.do(c.request...)
				if reply[0] == '$' {
					reply = "*1 " + reply
				}
				for _, m := range members(reply) {
					counts[m]++
				}
				if c.again != nil {
					c.again()
				}
			}
			fair(t, fmt.Sprint(c.request, kinds), counts, kinds)
		}
	}
}

// TestNoGarbage: the request path allocates nothing on the Go heap.
func TestNoGarbage(t *testing.T) {
	if invariant.Enabled {
		return
	}
	l := newLab(t)
	l.c.Record = false
	big := []any{"SADD", "big"}
	bigHash := []any{"HSET", "bighash"}
	for i := range 6000 {
		big = append(big, "m"+strconv.Itoa(i))
		bigHash = append(bigHash, "f"+strconv.Itoa(i), "v")
	}
	l.do(big...)
	l.do(bigHash...)
	l.do("SADD", "small", "m1", "m2", "m3")
	l.do("SADD", "ints", 1, 2, 3)
	l.do("HSET", "hash", "a", 1, "b", 2)
	for _, request := range []string{
		"SADD small m2 m3 m4", "SREM small m4", "SISMEMBER big m7", "SMISMEMBER big m7 m8 m9", "SCARD big", "SMEMBERS small", "SRANDMEMBER big",
		"SRANDMEMBER big -10", "SRANDMEMBER small 2", "SINTER big small", "SINTERCARD 2 big small", "SINTERSTORE r big small",
		"SUNION big small", "SUNION ints ints", "SUNION big small ints hash0 r big", "SUNIONSTORE r big small", "SDIFF big small", "SDIFFSTORE r small big",
		"SMOVE small small m1", "HSET hash a 1 c 2", "HSET bighash f5 3", "HDEL hash c", "HGET bighash f7", "HMGET bighash f1 f2 f3",
		"HGETALL hash", "HGETALL bighash", "HKEYS hash", "HVALS hash", "HINCRBY hash b 2", "HEXISTS hash b", "HSTRLEN hash b",
		"HRANDFIELD bighash 3", "HRANDFIELD hash 1 WITHVALUES", "HSETNX hash a 1", "HEXPIRE bighash 100 FIELDS 1 f3", "HTTL bighash FIELDS 1 f3",
		"HPERSIST bighash FIELDS 1 f3", "HGETEX bighash EX 10 FIELDS 1 f3", "HSETEX bighash EX 10 FIELDS 1 f3 v",
		"PFADD hll a b c", "PFCOUNT hll", "PFCOUNT hll hll2", "PFMERGE hll2 hll",
	} {
		argv := l.args(words(request)...)
		if got := testing.AllocsPerRun(20, func() {
			l.w.Empty()
			l.run(argv)
		}); got > 0 {
			t.Errorf("%s: %v allocations", request, got)
		}
	}
}

// words cuts a request at its blanks.
func words(request string) (list []any) {
	for _, w := range strings.Fields(request) {
		list = append(list, w)
	}
	return list
}

// TestMemberPlaces: what is looked up ahead is an argument that every request has.
func TestMemberPlaces(t *testing.T) {
	l := newLab(t)
	for name, at := range memberAt {
		row := l.table.Lookup([]byte(name))
		if row == nil || row.Member != at || row.Single != 1 || max(row.Arity, -row.Arity) <= at {
			t.Errorf("%s has no member at %d: %+v", name, at, row)
		}
	}
	if row := l.table.Lookup([]byte("get")); row.Member != 0 {
		t.Errorf("GET has a member at %d", row.Member)
	}
}
