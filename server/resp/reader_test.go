package resp

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestReaderCutsPipeline(t *testing.T) {
	var r Reader
	var a Args
	var q Request
	lim := DefaultLimits()
	r.Feed([]byte("*2\r\n$3\r\nGET\r\n$1\r\nk\r\nPING 'a b'\r\n\r\n*0\r\n*1\r\n$4\r\nPI"))
	if st := r.Next(&lim, &a, &q); st != Command || string(q.Args[0]) != "GET" || string(q.Args[1]) != "k" || r.Raw(&q) == nil {
		t.Fatalf("first: %v %q", st, q.Args)
	}
	if st := r.Next(&lim, &a, &q); st != Command || !q.Inline || string(q.Args[1]) != "a b" {
		t.Fatalf("second: %v %q", st, q.Args)
	}
	if st := r.Next(&lim, &a, &q); st != NeedMore {
		t.Fatalf("third: %v", st)
	}
	r.Stash(nil)
	copy(r.Space(nil), "NG\r\n")
	r.Filled(4)
	if st := r.Next(&lim, &a, &q); st != Command || string(q.Args[0]) != "PING" {
		t.Fatalf("fourth: %v %q", st, q.Args)
	}
	r.Stash(nil)
	if r.Owned() != 0 {
		t.Fatal("an idle reader owns a buffer")
	}
}

// An argument that is more than may be buffered is refused, though all of it is there; several that are together are not.
func TestArgumentsBeyondTheBuffer(t *testing.T) {
	lim := DefaultLimits()
	lim.MaxBuffered = 5000
	for _, c := range []struct {
		sizes []int
		want  Status
	}{{[]int{4998}, Command}, {[]int{4999}, Overflow}, {[]int{3000, 3000, 3000}, Command}, {[]int{1, 4998, 4999}, Overflow}, {slices.Repeat([]int{10}, 2000), Command}} {
		in := fmt.Appendf(nil, "*%d\r\n", len(c.sizes))
		for _, n := range c.sizes {
			in = fmt.Appendf(in, "$%d\r\n%s\r\n", n, strings.Repeat("x", n))
		}
		var r Reader
		var a Args
		var q Request
		r.Feed(in)
		if st := r.Next(&lim, &a, &q); st != c.want {
			t.Errorf("arguments of %.20v bytes are answered %d, not %d", c.sizes, st, c.want)
		}
	}
}
