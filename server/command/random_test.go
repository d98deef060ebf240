package command

import (
	"fmt"
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
