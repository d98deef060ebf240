package server

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// A queue is in the order of arrival whoever leaves it, and counts who has to hear that the key is gone.
func TestWaitQueue(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	q := &waitQueue{}
	var model []*place
	for n := range 5000 {
		if len(model) == 0 || rnd.IntN(5) < 3 {
			p := &place{w: &waiter{number: uint64(n), onNoKey: rnd.IntN(3) == 0}}
			q.add(p)
			model = append(model, p)
		} else {
			i := rnd.IntN(len(model))
			q.remove(model[i])
			model = append(model[:i], model[i+1:]...)
		}
		onNoKey, at := 0, q.first
		for i, p := range model {
			if at != p || p.queue != q || i > 0 && p.prev != model[i-1] {
				t.Fatalf("place %d is wrong after %d steps", i, n)
			}
			if p.w.onNoKey {
				onNoKey++
			}
			at = at.next
		}
		if at != nil || q.onNoKey != onNoKey || len(model) > 0 && q.last != model[len(model)-1] {
			t.Fatalf("the end is wrong after %d steps", n)
		}
	}
}

// One element goes to the client that came first, and all others still wait.
func TestManyBlockedOnOneKey(t *testing.T) {
	ts := startServer(t, "--event-loops", "2")
	c := ts.dial()
	const many = 50
	var waiting []*testClient
	for i := range many {
		w := ts.dial()
		w.send("blpop k k other 0")
		waiting = append(waiting, w)
		eventually(t, "blocking", func() bool { return c.number("clients", "blocked_clients") == int64(i+1) })
	}
	for i, w := range waiting {
		c.want("rpush k x", 1)
		got, _ := w.read().([]any)
		if len(got) != 2 || got[0] != "k" || got[1] != "x" {
			t.Fatalf("client %d got %v", i, got)
		}
		eventually(t, "serving", func() bool { return c.number("clients", "blocked_clients") == int64(many-i-1) })
	}
}

// Who is told that a client is killed may rely on that, though another loop has to close it: no element and no message goes
// to it any more, and it counts nowhere.
func TestKilledClientsGetNothing(t *testing.T) {
	ts := startServer(t, "--event-loops", "2")
	c := ts.dial()
	for range 200 {
		var ids []string
		for range 2 { // on both loops
			w := ts.dial()
			ids = append(ids, fmt.Sprint(w.do("client id")))
			w.send("blpop q other 100")
			l := ts.dial()
			ids = append(ids, fmt.Sprint(l.do("client id")))
			l.list("subscribe news")
			l.list("psubscribe n*")
		}
		eventually(t, "blocking", func() bool { return c.number("clients", "blocked_clients") == 2 })
		c.want("client kill id "+strings.Join(ids, " id "), len(ids))
		c.want("publish news x", 0)
		c.want("rpush q a", 1)
		c.want("llen q", 1)
		if n := c.number("clients", "blocked_clients"); n != 0 {
			t.Fatalf("%d clients are blocked", n)
		}
		c.want("del q", 1)
	}
	eventually(t, "closing", func() bool { return c.number("clients", "connected_clients") == 1 })
	if n := c.number("clients", "clients_in_timeout_table"); n != 0 {
		t.Errorf("%d clients have a deadline", n)
	}
}

// What becomes ready without a command, as by an eviction, is noticed in the turn in which it does.
func TestReadyWithoutCommand(t *testing.T) {
	ts := startServer(t, "--event-loops", "1")
	c, w := ts.dial(), ts.dial()
	c.want("xgroup create x g $ mkstream", "OK")
	w.send("xreadgroup group g c block 0 streams x >")
	eventually(t, "blocking", func() bool { return c.number("clients", "blocked_clients") == 1 })
	ex := ts.executors[0]
	ex.post(func() {
		ex.view.DB = 0
		ex.view.Take(ts.ks.All())
		ex.listen()
		ex.view.Delete([]byte("x"))
		ex.view.Gone([]byte("x"), "del")
		ex.settle()
		ex.release()
	})
	if v := w.read(); !isError(v, "UNBLOCKED ") && !isError(v, "NOGROUP ") {
		t.Error(v)
	}
}
