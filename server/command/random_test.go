package command

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

// Who asks for as many random items as there are, or more, gets all of them in the order in which Redis replies them.
func TestAllRandomItems(t *testing.T) {
	for _, size := range []int{7, 700} { // compact, and not
		l := newLab(t)
		var forth, back []string
		for i := range size {
			item := fmt.Sprintf("m%03d", i)
			forth = append(forth, "$4 "+item)
			back = append(back, fmt.Sprintf("$4 m%03d", size-1-i))
			l.do("HSET", "h", item, "v")
			l.do("SADD", "s", item)
			l.do("ZADD", "z", i, item)
		}
		inOrder := fmt.Sprintf("*%d %s", size, strings.Join(forth, " "))
		backward := fmt.Sprintf("*%d %s", size, strings.Join(back, " "))
		if size > 128 {
			inOrder = l.do("HKEYS", "h")
		}
		for _, n := range []int{size, size + 1, 100 * size} {
			l.want(inOrder, "HRANDFIELD", "h", n)
			l.want(l.do("SMEMBERS", "s"), "SRANDMEMBER", "s", n)
			l.want(backward, "ZRANDMEMBER", "z", n)
		}
	}
}

// A hash may have no field to draw, however many are asked for: it is missing, or its fields are over and still there. That is
// known after the first part.
func TestRandomItemsOfNothing(t *testing.T) {
	l := newLab(t)
	parts := 0
	l.c.random(8*randomAtOnce, false, func(int) { parts++ })
	if parts != 1 {
		t.Fatalf("nothing was made in %d parts", parts)
	}
	l.c.MostReply, l.c.CutOff = 1<<10, func(int) { t.Error("cut off") }
	l.want("*0", "HRANDFIELD", "none", -9223372036854775807)
	l.want("*0", "SRANDMEMBER", "none", -9223372036854775807)
	l.want("*0", "ZRANDMEMBER", "none", -9223372036854775807)
	for _, size := range []int{7, 700} {
		l.do("DEL", "h")
		for i := range size {
			l.do("HSET", "h", i, "v")
			l.do("HPEXPIRE", "h", 10, "FIELDS", 1, i)
		}
		l.c.Now += 11
		l.c.ServeExpired = true // a replica leaves them to its primary
		l.want(fmt.Sprintf(":%d", size), "HLEN", "h")
		l.want("*0", "HRANDFIELD", "h", -9223372036854775807)
		l.want("*0", "HRANDFIELD", "h", -4611686018427387903, "WITHVALUES")
		l.c.ServeExpired = false
	}
}

// A word too many is a syntax error, whatever the count is, so long as it is one.
func TestRandomItemsAndAWordTooMany(t *testing.T) {
	l := newLab(t)
	const wrong = "-ERR syntax error"
	for _, c := range []struct {
		command, items string
	}{{"HRANDFIELD", "WITHVALUES"}, {"ZRANDMEMBER", "WITHSCORES"}} {
		for _, n := range []any{1, 9223372036854775807, -9223372036854775807, -maxRandom - 1} {
			l.want(wrong, c.command, "k", n, c.items, "x")
			l.want(wrong, c.command, "k", n, "x")
		}
		for _, n := range []any{9223372036854775807, -9223372036854775807, -maxRandom - 1} {
			l.want("-ERR value is out of range", c.command, "k", n, c.items)
		}
		l.want("-ERR value is out of range", c.command, "k", -maxRandom-1)
		l.want("-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807", c.command, "k", math.MinInt64, "x")
		l.want("-ERR value is not an integer or out of range", c.command, "k", "n", c.items, "x")
	}
	l.want(wrong, "SRANDMEMBER", "k", "n", "x")
	l.want("-ERR value is out of range", "SRANDMEMBER", "k", -maxRandom-1)
}
