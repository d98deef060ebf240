package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"larder/tests/internal/wire"
)

// What is kept the same by all that is done to it, whoever looks: in each group the sum of the accounts is 0, both lists have the
// same, and both numbers are equal. Data may come and go as a whole, by FLUSHALL, SWAPDB or another primary's snapshot. Only a
// script that was killed within a transaction leaves a sum that is not 0.
const (
	groups   = 3
	accounts = 4
)

func account(group, i int) string { return fmt.Sprintf("account:%d:%d", group, i) }

func list(group, i int) string { return fmt.Sprintf("list:%d:%d", group, i) }

func number(group, i int) string { return fmt.Sprintf("number:%d:%d", group, i) }

var ledger = map[string]string{
	"declared": "redis.call('incrby',KEYS[1],ARGV[1]) return redis.call('decrby',KEYS[2],ARGV[1])",
	"stray":    "redis.call('incrby',ARGV[2],ARGV[1]) return redis.call('decrby',ARGV[3],ARGV[1])",
	"slow":     "local n=0 for i=1,200000 do n=n+i end redis.call('incrby',KEYS[1],ARGV[1]) for i=1,200000 do n=n+i end return redis.call('decrby',KEYS[2],ARGV[1])",
	"sum":      "local n=0 for i=1,#KEYS do n=n+(redis.call('get',KEYS[i]) or 0) end return n",
	"straysum": "local n=0 for i=1,#ARGV do n=n+(redis.call('get',ARGV[i]) or 0) end return n",
	"lists":    "redis.call('rpush',KEYS[1],ARGV[1]) return redis.call('rpush',KEYS[2],ARGV[1])",
}

// keepsAccounts changes what is kept, and looks at it.
func (c *client) keepsAccounts() {
	g := c.rnd.IntN(groups)
	if c.rnd.IntN(2) == 0 {
		c.send(append(c.changes(g), c.echo())...)
	} else {
		c.send(choose(c.rnd, c.looks(g)...)...)
	}
	if c.rnd.IntN(50) == 0 {
		c.do("SELECT", strconv.Itoa(c.rnd.IntN(2)))
	}
}

// changes are requests that change several keys at once.
func (c *client) changes(g int) []request {
	do := func(words ...string) request { return request{words: words} }
	n, token := strconv.Itoa(1+c.rnd.IntN(9)), fmt.Sprint(c.number, "-", c.rnd.IntN(1000000))
	from := c.rnd.IntN(accounts)
	a, b := account(g, from), account(g, (from+1+c.rnd.IntN(accounts-1))%accounts)
	switch c.rnd.IntN(11) {
	case 0:
		return c.transaction(do("INCRBY", a, n), do("DECRBY", b, n))
	case 1:
		return c.whole(g, 2, c.transaction(do("INCRBY", a, n), do("GET", c.key("s")), do("EVAL", "return redis.call('decrby',KEYS[1],ARGV[1])", "1", b, n)))
	case 2:
		return c.whole(g, 0, c.transaction(do("EVAL", "return redis.call('incrby',ARGV[1],ARGV[2])", "0", a, n), do("DECRBY", b, n)))
	case 3:
		return []request{do("EVAL", ledger["declared"], "2", a, b, n)}
	case 4:
		return []request{do("EVAL", ledger["stray"], "0", n, a, b)}
	case 5:
		return []request{do("EVAL", ledger["slow"], "2", a, b, n)}
	case 6:
		return c.transaction(do("RPUSH", list(g, 0), token), do("RPUSH", list(g, 1), token))
	case 7:
		return []request{do("EVAL", ledger["lists"], "2", list(g, 0), list(g, 1), token)}
	case 8:
		return c.transaction(do("LTRIM", list(g, 0), "-30", "-1"), do("LTRIM", list(g, 1), "-30", "-1"))
	case 9:
		return c.transaction(do("BLPOP", list(g, 0), "0"), do("BLPOP", list(g, 1), "0"), do("PUBLISH", "ch:1", n))
	}
	return c.transaction(do("FCALL", "f", "1", c.key("n")), do("INCRBY", a, n), do("CLIENT", "LIST"), do("DECRBY", b, n))
}

// whole has a group known for one whose sum may not be 0 any more, until what has become of a transaction is known: the script that
// stands in it at a place may be killed before it has written, and the other command stands then.
func (c *client) whole(g, at int, list []request) []request {
	c.s.halves[g].Add(1)
	exec := &list[len(list)-1]
	judge := exec.judge
	exec.judge = func(v wire.Value) string {
		if len(v.Elems) <= at || !v.Elems[at].IsError() || !strings.Contains(v.Elems[at].String(), "Script killed") {
			c.s.halves[g].Add(-1)
		}
		return judge(v)
	}
	return list
}

// looks are the ways to look at a group.
func (c *client) looks(g int) [][]request {
	mget, get, eval, stray := []string{"MGET"}, []request{}, []string{"EVAL", ledger["sum"], strconv.Itoa(accounts)}, []string{"EVAL", ledger["straysum"], "0"}
	for i := range accounts {
		key := account(g, i)
		mget, eval, stray, get = append(mget, key), append(eval, key), append(stray, key), append(get, request{words: []string{"GET", key}})
	}
	sum := func(v wire.Value) string {
		n := 0
		for _, e := range v.Elems {
			i, _ := strconv.Atoi(e.String())
			n += i
		}
		if n != 0 {
			c.s.suspect(g, fmt.Sprintf("client %d: accounts %d have the sum %d: %s", c.number, g, n, v))
		}
		return ""
	}
	zero := func(v wire.Value) string {
		if !v.IsError() && v.Kind == ':' && v.String() != "0" {
			c.s.suspect(g, fmt.Sprintf("client %d: accounts %d have the sum %s", c.number, g, v))
		}
		return ""
	}
	same := func(v wire.Value) string {
		if len(v.Elems) == 2 && !v.Elems[0].IsError() && !v.Elems[1].IsError() && v.Elems[0].String() != v.Elems[1].String() {
			return fmt.Sprintf("group %d: one has %.300s, the other %.300s", g, v.Elems[0], v.Elems[1])
		}
		return ""
	}
	exec := func(judge func(wire.Value) string, list ...request) []request {
		all := c.transaction(list...)
		all[len(all)-1].judge = func(v wire.Value) string {
			if v.IsError() || v.Null || v.Kind == '_' {
				return ""
			}
			return judge(v)
		}
		return all
	}
	return [][]request{
		{{mget, sum}}, exec(sum, get...), {{eval, zero}}, {{stray, zero}},
		exec(same, request{words: []string{"LRANGE", list(g, 0), "0", "-1"}}, request{words: []string{"LRANGE", list(g, 1), "0", "-1"}}),
		{{[]string{"MGET", number(g, 0), number(g, 1)}, same}},
	}
}

// watchesAndSets raises two numbers as one, by WATCH.
func (c *client) watchesAndSets() {
	g := c.rnd.IntN(groups)
	if _, ok := c.do("WATCH", number(g, 0)); !ok {
		return
	}
	v, ok := c.do("GET", number(g, 0))
	if !ok {
		return
	}
	n, _ := strconv.Atoi(v.String())
	next := strconv.Itoa(n + 1)
	c.send(append(c.transaction(request{words: []string{"SET", number(g, 0), next}}, request{words: []string{"SET", number(g, 1), next}}), c.looks(g)[5]...)...)
}

// readsReplica looks at what the other server has.
func (c *client) readsReplica() {
	c.server = 1
	for range 10 {
		c.send(choose(c.rnd, c.looks(c.rnd.IntN(groups))...)...)
	}
	if c.rnd.IntN(3) == 0 {
		c.send(c.anything()...)
	}
	c.s.pause(10 * time.Millisecond)
}
