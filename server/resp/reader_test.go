package resp

import "testing"

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
