package server

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"

	"larder/server/command"
)

// moveTarget is a target of migrations that does nothing but keep what it is told. It answers each request with the next of
// the answers that the test hands it.
type moveTarget struct {
	port     string
	requests chan string // name and key
	answers  chan string
}

func startMoveTarget(t *testing.T) *moveTarget {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &moveTarget{requests: make(chan string, 100), answers: make(chan string, 100)}
	_, m.port, _ = net.SplitHostPort(ln.Addr().String())
	var over sync.WaitGroup
	ctx, end := context.WithCancel(context.Background())
	t.Cleanup(func() { end(); ln.Close(); close(m.answers); over.Wait() })
	over.Go(func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			over.Go(func() {
				defer nc.Close()
				context.AfterFunc(ctx, func() { nc.Close() })
				c := &testClient{t: t, nc: nc, r: bufio.NewReader(nc)}
				for {
					rq, err := c.parse()
					if err != nil {
						return
					}
					list := rq.([]any)
					line := fmt.Sprint(list[0], " ", list[1])
					if last := list[len(list)-1]; last == "REPLACE" {
						line += " REPLACE"
					}
					m.requests <- line
					a, ok := <-m.answers
					if !ok {
						return
					}
					fmt.Fprint(nc, a)
				}
			})
		}
	})
	return m
}

// asked waits for the next requests.
func (m *moveTarget) asked(t *testing.T, want ...string) {
	t.Helper()
	for _, w := range want {
		if got := <-m.requests; got != w {
			t.Fatalf("the target was sent %q, not %q", got, w)
		}
	}
}

func TestMigrate(t *testing.T) {
	from := startServer(t)
	to := startServer(t, "--requirepass", "sesam")
	_, port, _ := strings.Cut(to.addr, ":")
	c, d := from.dial(), to.dial()
	d.want("auth sesam", "OK")
	sink := from.attachSink(command.ToLog)
	effects := func(want string) {
		t.Helper()
		if got := requests(t, sink.take()); got != want {
			t.Errorf("effects are %q, not %q", got, want)
		}
	}
	migrate := func(words ...string) any {
		t.Helper()
		return c.do(append([]string{"migrate", "127.0.0.1", port}, words...)...)
	}
	want := func(got any, reply string) {
		t.Helper()
		if s := fmt.Sprint(got); s != reply {
			t.Errorf("MIGRATE answers %q, not %q", s, reply)
		}
	}
	c.want("set a 1", "OK")
	c.want("rpush l 1 2 3", 3)
	c.want("psetex e 100000 x", "OK")
	sink.take()

	want(migrate("a", "0", "60000"), "ERR Target instance replied with error: NOAUTH Authentication required.")
	want(migrate("a", "0", "60000", "AUTH", "no"), "ERR Target instance replied with error: WRONGPASS invalid username-password pair or user is disabled.")
	want(migrate("none", "0", "60000", "AUTH", "sesam"), "NOKEY")
	effects("")
	want(migrate("a", "0", "60000", "AUTH", "sesam"), "OK")
	effects("DEL a")
	c.want("exists a", 0)
	d.want("get a", "1")

	want(migrate("", "3", "60000", "COPY", "AUTH2", "default", "sesam", "KEYS", "l", "none", "e"), "OK")
	effects("")
	d.want("select 3", "OK")
	d.want("lrange l 0 -1", []any{"1", "2", "3"})
	d.want("set l other", "OK")
	if ms := d.do("pttl e").(int64); ms <= 0 || ms > 100000 {
		t.Errorf("the copy lives %d ms", ms)
	}
	c.want("del e", 1)
	c.want("rpush m x", 1)
	sink.take()
	// One is refused, the others go.
	want(migrate("", "3", "60000", "AUTH", "sesam", "KEYS", "l", "m"), "ERR Target instance replied with error: BUSYKEY Target key name already exists.")
	effects("DEL m")
	c.want("exists l m", 1)
	want(migrate("", "3", "60000", "REPLACE", "AUTH", "sesam", "KEYS", "l", "l"), "OK")
	effects("DEL l")
	d.want("type l", "list")
	if n := c.number("stats", "migrate_cached_sockets"); n != 2 { // of the two ways to say who we are
		t.Errorf("%d connections are kept", n)
	}

	// In a transaction it is done when EXEC answers.
	c.want("set a 2", "OK")
	c.want("multi", "OK")
	want(migrate("a", "3", "60000", "AUTH", "sesam"), "QUEUED")
	c.want("exists a", "QUEUED")
	c.want("exec", []any{"OK", int64(0)})
	d.want("get a", "2")

	c.want("set a 3", "OK")
	want(migrate("a", "99", "60000", "AUTH", "sesam"), "ERR Target instance replied with error: ERR DB index is out of range")
	want(migrate("a", "x", "60000"), "ERR value is not an integer or out of range")
	want(migrate("a", "0", "x"), "ERR value is not an integer or out of range")
	want(migrate("a", "0", "1", "AUTH"), "ERR syntax error")
	want(migrate("a", "0", "1", "AUTH2", "x"), "ERR syntax error")
	want(migrate("a", "0", "1", "KEYS", "a"), string(errMigrateKeys))
	_, own, _ := strings.Cut(from.addr, ":")
	want(c.do("migrate 127.0.0.1 "+own+" a 0 60000"), string(errMigrateRead)) // it would lose the key
	want(c.do("migrate 127.0.0.1 "+own+" a 1 60000"), "OK")
	c.want("select 1", "OK")
	c.want("get a", "3")
	to.stop()
	want(migrate("a", "0", "60000", "AUTH", "sesam"), string(errMigrateWrite))
	want(c.do("migrate nowhere.invalid 1 a 0 1000"), string(errMigrateConnect))
	c.want("get a", "3")
}

// While the keys travel others are served, and what they do to the keys is not lost.
func TestMigrateChanges(t *testing.T) {
	ts := startServer(t)
	m := startMoveTarget(t)
	c, other := ts.dial(), ts.dial()
	for _, k := range []string{"a", "b", "c", "d"} {
		c.want("set "+k+" 1", "OK")
	}
	c.send("migrate", "127.0.0.1", m.port, "", "0", "60000", "keys", "a", "b", "c", "d")
	m.asked(t, "SELECT 0")
	other.want("incr a", 2)       // goes again
	other.want("del b", 1)        // goes there too
	other.want("expire c 100", 1) // goes again, with its time
	for range 5 {
		m.answers <- "+OK\r\n"
	}
	m.asked(t, "RESTORE a", "RESTORE b", "RESTORE c", "RESTORE d", "RESTORE a REPLACE")
	other.want("exists d", 0)
	other.want("set b new", "OK") // has come back before it went there: goes again
	other.want("get a", "2")
	for range 3 {
		m.answers <- "+OK\r\n"
	}
	m.asked(t, "DEL b", "RESTORE c REPLACE", "RESTORE b REPLACE")
	m.answers <- "+OK\r\n"
	if got := c.read(); got != "OK" {
		t.Error(got)
	}
	c.want("dbsize", 0)
}

// What a round has removed is told to the client that moves and tracks it, and to nobody else of its loop.
func TestMigrateTellsItsClient(t *testing.T) {
	ts := startServer(t, "--event-loops", "1")
	m := startMoveTarget(t)
	c, other := ts.dial(), ts.dial()
	c.want("mset a 1 b 1", "OK")
	c.do("hello 3")
	c.want("client tracking on", "OK")
	c.want("get a", "1")
	c.send("migrate", "127.0.0.1", m.port, "", "0", "60000", "keys", "a", "b")
	m.asked(t, "SELECT 0")
	other.want("incr b", 2) // goes again
	for range 3 {
		m.answers <- "+OK\r\n"
	}
	m.asked(t, "RESTORE a", "RESTORE b", "RESTORE b REPLACE")
	other.want("ping", "PONG")
	if got := fmt.Sprint(c.read()); got != "[invalidate [a]]" {
		t.Errorf("the client is told %s", got)
	}
	m.answers <- "+OK\r\n"
	if got := c.read(); got != "OK" {
		t.Error(got)
	}
}

// A target that says nothing costs the client that asked its time, and nobody else. The keys stay.
func TestMigrateSilence(t *testing.T) {
	ts := startServer(t)
	m := startMoveTarget(t)
	c, other := ts.dial(), ts.dial()
	c.want("set a 1", "OK")
	c.send("migrate 127.0.0.1 " + m.port + " a 0 2000")
	m.asked(t, "SELECT 0")
	other.want("get a", "1")
	if got := c.read(); got != replyError(errMigrateRead) {
		t.Error(got)
	}
	c.want("get a", "1")

	m = startMoveTarget(t)
	// The client leaves meanwhile: the key goes all the same.
	c.send("migrate 127.0.0.1 " + m.port + " a 0 60000")
	m.asked(t, "SELECT 0")
	c.nc.Close()
	m.answers <- "+OK\r\n"
	m.answers <- "+OK\r\n"
	eventually(t, "the move", func() bool { return other.do("exists a") == int64(0) })
}

// A key that changes in every round arrives when writes wait, and is refused if that does not help.
func TestMigrateHotKey(t *testing.T) {
	ts := startServer(t)
	m := startMoveTarget(t)
	c, other := ts.dial(), ts.dial()
	c.want("set a 0", "OK")
	c.send("migrate 127.0.0.1 " + m.port + " a 0 60000")
	m.asked(t, "SELECT 0")
	m.answers <- "+OK\r\n"
	m.asked(t, "RESTORE a")
	for range pauseRounds {
		other.do("incr a")
		m.answers <- "+OK\r\n"
		m.asked(t, "RESTORE a REPLACE")
	}
	other.send("incr a") // waits
	ping := ts.dial()
	ping.want("get a", fmt.Sprint(pauseRounds))
	m.answers <- "+OK\r\n"
	if got := c.read(); got != "OK" {
		t.Error(got)
	}
	if got := other.read(); got != int64(1) {
		t.Errorf("the write after the move answers %v", got)
	}
}

// A kept connection that the target has closed is replaced.
func TestMigrateKeptConnection(t *testing.T) {
	ts := startServer(t)
	to := startServer(t)
	_, port, _ := strings.Cut(to.addr, ":")
	c, d := ts.dial(), to.dial()
	for i := range 4 {
		value, wanted := strconv.Itoa(i), any("OK")
		c.want("mset a "+value+" b "+value, "OK")
		if i == 3 { // also when the shards stay held meanwhile
			c.want("multi", "OK")
			wanted = "QUEUED"
		}
		if got := c.do("migrate", "127.0.0.1", port, "", "0", "60000", "replace", "keys", "a", "b"); got != wanted {
			t.Errorf("MIGRATE answers %v", got)
		}
		if i == 3 {
			c.want("exec", []any{"OK"})
		}
		c.want("exists a b", 0)
		d.want("mget a b", []any{value, value})
		d.want("client kill type normal skipme yes", 1)
	}
}
