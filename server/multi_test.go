package server

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestResetForgetsWriteSafety: a connection that comes out of a pool is as new.
func TestResetForgetsWriteSafety(t *testing.T) {
	c := startServer(t).dial()
	was := c.do("CLIENT WRITE-SAFETY")
	c.want("CLIENT WRITE-SAFETY BOUNDED 500", "OK")
	c.want("RESET", "RESET")
	c.want("CLIENT WRITE-SAFETY", was)
}

// TestTransactionsAreRefusedAsAWhole: when a snapshot has failed since the commands were queued EXEC says so, and nothing of
// what was queued has run; a transaction that only reads is let through.
func TestTransactionsAreRefusedAsAWhole(t *testing.T) {
	ts := startServer(t, "--save", "3600 1000")
	c := ts.dial()
	for _, request := range []string{"MULTI", "GET a", "PUBLISH ch x", "SET a 1"} {
		c.do(request)
	}
	d := ts.dial()
	d.do("MULTI")
	d.do("GET a")
	ts.saver.failed.Store(true)
	if e, _ := c.do("EXEC").(replyError); !strings.HasPrefix(string(e), "EXECABORT Transaction discarded because of: MISCONF ") {
		t.Errorf("EXEC replies %v", e)
	}
	if got := d.list("EXEC"); len(got) != 1 || got[0] != nil {
		t.Errorf("reading replies %v", got)
	}
	ts.saver.failed.Store(false)
	if got := c.do("EXISTS a"); got != int64(0) {
		t.Errorf("there are %v keys", got)
	}
}

// A transaction that was let in while there was room is not left halfway, though somebody fills the memory before a script of
// its comes; one of scripts that was not is refused by them.
func TestScriptsOfTransactionsGoByTheRoomAtExec(t *testing.T) {
	ts := startServer(t, "--event-loops", "2", "--maxmemory-policy", "noeviction", "--busy-reply-threshold", "3600000")
	c, other, signal := ts.dialAt(0), ts.dialAt(1), ts.dialAt(1)
	c.want(fmt.Sprint("config set maxmemory ", c.number("memory", "used_memory")+4<<20), "OK")
	big := "big"
	for i := 0; ts.ks.ShardOf(ts.ks.Hash([]byte(big))) == ts.ks.ShardOf(ts.ks.Hash([]byte("n"))); i++ {
		big = fmt.Sprint("big", i)
	}
	queue := func(script string) {
		t.Helper()
		if v := c.do("eval", script, "1", "n"); v != "QUEUED" {
			t.Fatal(v)
		}
	}
	const raise = "return redis.call('incr', KEYS[1])"
	signal.list("subscribe go")
	c.want("multi", "OK")
	queue("repeat until redis.call('pubsub', 'numsub', 'go')[2] == 0 return 'over'")
	queue(raise)
	c.send("exec")
	eventually(t, "the transaction", func() bool { return ts.running(0) != nil })
	other.want("setrange "+big+" 9999999 x", 10_000_000)
	other.want("incr "+big+"2", replyError("OOM command not allowed when used memory > 'maxmemory'."))
	signal.nc.Close()
	if got, _ := c.read().([]any); len(got) != 2 || got[0] != "over" || got[1] != int64(1) {
		t.Errorf("a transaction beside which the memory fills answers %v", got)
	}
	c.want("multi", "OK")
	queue(raise)
	c.want("get n", "QUEUED")
	if got := c.list("exec"); !isError(got[0], "OOM ") || got[1] != "1" {
		t.Errorf("without room a transaction of scripts answers %v", got)
	}
	// What a script says of itself is known before: one that needs room refuses all of the transaction.
	c.want("config set maxmemory 0", "OK")
	c.want("multi", "OK")
	c.want("get n", "QUEUED")
	queue("#!lua\n" + raise)
	queue("#!lua flags=allow-oom\n" + raise)
	other.want("config set maxmemory 1", "OK")
	c.want("exec", replyError("EXECABORT Transaction discarded because of: OOM command not allowed when used memory > 'maxmemory'."))
	c.want("get n", "1")
	c.want("multi", "OK")
	if got := c.do("eval", "#!lua\n"+raise, "1", "n"); !isError(got, "OOM ") {
		t.Errorf("without room a script is queued: %v", got)
	}
	c.want("discard", "OK")
	c.want("multi", "OK")
	queue("#!lua flags=allow-oom\n" + raise)
	queue("#!lua flags=no-writes\nreturn redis.call('get', KEYS[1])")
	c.want("exec", []any{int64(2), "2"})
}

// TestLongTransactions queues more than client-query-buffer-limit since MULTI, in long commands and in many short ones: the
// connection is closed. What is below it runs.
func TestLongTransactions(t *testing.T) {
	ts := startServer(t, "--client-query-buffer-limit", "1mb")
	for name, x := range map[string]struct {
		request string
		most    int // that may be queued
	}{
		"long":  {"SET k " + strings.Repeat("x", 60_000) + "\r\n", 20},
		"short": {"PING\r\n", 20_000},
	} {
		t.Run(name, func(t *testing.T) {
			c := ts.dial()
			c.want("multi", "OK")
			go io.WriteString(c.nc, strings.Repeat(x.request, 2*x.most)) // it fails when the connection is closed
			c.nc.SetReadDeadline(time.Now().Add(patience))
			b, err := io.ReadAll(c.r)
			if errors.Is(err, os.ErrDeadlineExceeded) || strings.Count(string(b), "+QUEUED") > x.most {
				t.Errorf("%d commands are queued: %v", strings.Count(string(b), "+QUEUED"), err)
			}
			d := ts.dial()
			d.want("multi", "OK")
			for range x.most / 4 {
				if _, err := io.WriteString(d.nc, x.request); err != nil {
					t.Fatal(err)
				}
			}
			for range x.most / 4 {
				if got := d.read(); got != "QUEUED" {
					t.Fatalf("%v", got)
				}
			}
			if got := d.list("exec"); len(got) != x.most/4 {
				t.Errorf("%d commands have run", len(got))
			}
		})
	}
	c := ts.dial()
	if n := c.number("stats", "client_query_buffer_limit_disconnections"); n != 2 {
		t.Errorf("INFO says that %d were closed", n)
	}
	if n := ts.logged("Closing client that reached max query buffer length"); n != 2 {
		t.Errorf("it stands in the log %d times", n)
	}
}

// TestWatchedKeysOfManyShards has keys that clients watch change and go while they watch further ones, of other shards.
func TestWatchedKeysOfManyShards(t *testing.T) {
	ts := startServer(t, "--event-loops", "3")
	var all sync.WaitGroup
	for n := range 3 {
		c, swaps := ts.dial(), ts.dial()
		all.Go(func() {
			for i := range 200 {
				c.want(fmt.Sprint("watch k", i%7), "OK")
				c.want(fmt.Sprintf("watch k%d other%d", n, i), "OK")
				c.want("multi", "OK")
				c.want("get k1", "QUEUED")
				c.do("exec")
			}
		})
		all.Go(func() {
			for i := range 200 {
				swaps.want(fmt.Sprintf("set k%d v px 1", i%7), "OK")
				swaps.want("swapdb 0 1", "OK")
			}
		})
	}
	all.Wait()
}

// TestRoomOfTransactions has clients of one loop queue in turns commands with arguments of all sizes, and end their
// transactions in all ways: each gets back what it has queued, and what the slow log keeps of commands stays as it was,
// whoever has the room of their arguments since.
func TestRoomOfTransactions(t *testing.T) {
	ts := startServer(t, "--event-loops", "1", "--slowlog-log-slower-than", "0", "--slowlog-max-len", "1000000")
	rnd := rand.New(rand.NewPCG(4, 4))
	watched := ts.dial()
	type client struct {
		*testClient
		queued []string
		in     bool
	}
	clients := make([]client, 4)
	for i := range clients {
		clients[i].testClient = ts.dial()
	}
	logged := map[string]int{} // arguments of ECHO, by the commands that have run
	for range 500 {
		c := &clients[rnd.IntN(len(clients))]
		switch {
		case !c.in:
			if rnd.IntN(4) == 0 {
				c.want("watch k", "OK")
			}
			c.want("multi", "OK")
			c.in, c.queued = true, nil
		case rnd.IntN(8) > 0:
			for range 1 + rnd.IntN(4) + rnd.IntN(2)*rnd.IntN(2)*rnd.IntN(200) {
				size := []int{0, 1, 10, 50, 100, longArgument, longArgument + 1, 3 * mostTextRoom}[rnd.IntN(5+rnd.IntN(4))]
				text := strings.Repeat(string(rune('a'+rnd.IntN(26))), size)
				if got := c.do("echo", text); got != "QUEUED" {
					t.Fatalf("%v", got)
				}
				c.queued = append(c.queued, text)
			}
		case rnd.IntN(5) == 0:
			c.want("discard", "OK")
			c.in = false
		default:
			if rnd.IntN(3) == 0 {
				watched.want("incr k", watched.do("incr k").(int64)+1)
			}
			got, _ := c.do("exec").([]any)
			c.in = false
			if got == nil { // what it has watched is not what it was
				continue
			}
			if len(got) != len(c.queued) {
				t.Fatalf("%d commands of %d have run", len(got), len(c.queued))
			}
			for i, text := range c.queued {
				if got[i] != text {
					t.Fatalf("command %d of %d: %.80q, not %.80q", i, len(got), got[i], text)
				}
				if len(text) <= 100 { // longer ones are not kept as a whole
					logged[text]++
				}
			}
		}
	}
	for _, e := range watched.list("slowlog get -1") {
		if argv := e.([]any)[3].([]any); argv[0] == "echo" && len(argv[1].(string)) <= 100 {
			logged[argv[1].(string)]--
		}
	}
	for text, n := range logged {
		if n != 0 {
			t.Errorf("the slow log has %.80q %d times too rarely", text, n)
		}
	}
}

// TestWatchedKeyExpiresBeforeAFlush: a key whose time came after it was watched has changed, also if its database is gone before
// anybody has found that out.
func TestWatchedKeyExpiresBeforeAFlush(t *testing.T) {
	for _, change := range []string{"flushall", "flushdb", "swapdb 0 1"} {
		for _, there := range []bool{true, false} { // when it is watched
			ts := startServer(t)
			c, watches := ts.dial(), ts.dial()
			c.want("debug set-active-expire 0", "OK")
			c.want("set k v ex 3600", "OK")
			if !there {
				c.want("client pause 600000 write", "OK") // it stays, and is none to who watches it
				ts.clockStep_ms.Add(2 * time.Hour.Milliseconds())
			}
			watches.want("watch k", "OK")
			if there {
				ts.clockStep_ms.Add(2 * time.Hour.Milliseconds())
			} else {
				c.want("client unpause", "OK")
			}
			c.want("dbsize", int64(1))
			c.want(change, "OK")
			watches.want("multi", "OK")
			watches.want("ping", "QUEUED")
			if got := watches.do("exec"); (got == nil) != there {
				t.Errorf("%s, there when it was watched: %v: EXEC answers %v", change, there, got)
			}
		}
	}
}
