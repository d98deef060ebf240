package server

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestStageManyKeys has requests of more keys than a batch looks up ahead stand between others, wrong ones and unknown ones
// among them, in one write.
func TestStageManyKeys(t *testing.T) {
	ts := startServer(t)
	c := ts.dial()
	for _, n := range []int{1, 2, mostStaged - 1, mostStaged, mostStaged + 1, 3 * mostStaged} {
		set, get, del := []string{"mset"}, []string{"mget"}, []string{"del"}
		for i := range n {
			k := fmt.Sprint("k", i)
			set, get, del = append(set, k, fmt.Sprint("v", i)), append(get, k), append(del, k)
		}
		odd := append(set[:len(set):len(set)], "k")
		requests := [][]string{{"get", "k0"}, set, odd, {"mget"}, {"nonsense", "k0", "k1"}, get, {"exists", "k0", "k0", "x"}, del, {"mget", "k0", "k1"}}
		var sent []byte
		for _, r := range requests {
			sent = fmt.Appendf(sent, "*%d\r\n", len(r))
			for _, word := range r {
				sent = fmt.Appendf(sent, "$%d\r\n%s\r\n", len(word), word)
			}
		}
		if _, err := c.nc.Write(sent); err != nil {
			t.Fatal(err)
		}
		replies := make([]any, len(requests))
		for i := range replies {
			replies[i] = c.read()
		}
		if replies[0] != nil || replies[1] != "OK" || replies[6] != int64(2) || replies[7] != int64(n) {
			t.Errorf("%d keys: the replies are %v, %v, %v and %v", n, replies[0], replies[1], replies[6], replies[7])
		}
		for _, i := range []int{2, 3, 4} {
			if _, is := replies[i].(replyError); !is {
				t.Errorf("%v is answered %v", requests[i], replies[i])
			}
		}
		values, _ := replies[5].([]any)
		for i := range n {
			if len(values) != n || values[i] != fmt.Sprint("v", i) {
				t.Fatalf("%d keys: MGET is answered %v", n, replies[5])
			}
		}
		if gone, _ := replies[8].([]any); len(gone) != 2 || gone[0] != nil || gone[1] != nil {
			t.Errorf("after DEL of %d keys there is %v", n, replies[8])
		}
	}
}

// TestLittleGoesFirst has one client send much and another one little while the loop is busy: the latter is served first.
func TestLittleGoesFirst(t *testing.T) {
	ts, dial := startWithSocket(t)
	much, little := dial(), dial()
	for _, c := range []*testClient{much, little} {
		c.want("ping", "PONG")
	}
	const n = 1000
	ts.inOneTurn(func() {
		if _, err := io.WriteString(much.nc, strings.Repeat("*3\r\n$5\r\nRPUSH\r\n$1\r\nl\r\n$4\r\nmuch\r\n", n)); err != nil {
			t.Error(err)
		}
		little.send("rpush l little")
	})
	if place := little.read(); place != int64(1) {
		t.Errorf("who sent little is number %v", place)
	}
	for i := range n {
		if got := much.read(); got != int64(i+2) {
			t.Fatalf("reply %d of the others is %v", i, got)
		}
	}
}

// TestLongTurnsAreCut has clients send more than is done in one turn: nothing is lost, done twice or out of order.
func TestLongTurnsAreCut(t *testing.T) {
	ts := startServer(t, "--event-loops", "1")
	const clients, rounds, n = 6, 3, 20_000
	var all sync.WaitGroup
	for i := range clients {
		c, key := ts.dial(), "counter"+strconv.Itoa(i)
		all.Go(func() {
			c.nc.SetReadDeadline(time.Now().Add(patience))
			request := strings.Repeat(fmt.Sprintf("*2\r\n$4\r\nINCR\r\n$%d\r\n%s\r\n", len(key), key), n)
			for round := range rounds {
				go io.WriteString(c.nc, request) // replies are read meanwhile; what is not sent is missed below
				for k := range n {
					if got, err := c.parse(); err != nil || got != int64(round*n+k+1) {
						t.Errorf("%s is %v, not %d (%v)", key, got, round*n+k+1, err)
						return
					}
				}
			}
		})
	}
	probe := ts.dial()
	for i := range 200 {
		probe.want("incr probe", i+1)
	}
	all.Wait()
}

// TestLittleThatTakesLong has clients that have sent little, but what takes long, beside one that has sent much: the turn is
// cut among the former, too.
func TestLittleThatTakesLong(t *testing.T) {
	ts, dial := startWithSocket(t)
	much, little := dial(), []*testClient{dial(), dial(), dial()}
	for _, c := range append(little, much) {
		c.want("ping", "PONG")
	}
	const n, pings = 3000, 150
	ts.inOneTurn(func() {
		if _, err := io.WriteString(much.nc, strings.Repeat("PING\r\n", n)); err != nil {
			t.Error(err)
		}
		for _, c := range little {
			if _, err := io.WriteString(c.nc, "DEBUG SLEEP 0.005\r\n"+strings.Repeat("PING\r\n", pings)); err != nil {
				t.Error(err)
			}
		}
	})
	for i, c := range little {
		if got := c.read(); got != "OK" {
			t.Errorf("client %d: %v", i, got)
		}
		for range pings {
			if got := c.read(); got != "PONG" {
				t.Fatalf("client %d: %v", i, got)
			}
		}
	}
	for range n {
		if got := much.read(); got != "PONG" {
			t.Fatal(got)
		}
	}
}
