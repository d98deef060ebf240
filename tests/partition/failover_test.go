package partition

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

var rounds = flag.Int("rounds", 3, "how often the primary is killed")

// TestFailoverTime kills the primary again and again and measures until the next one accepts a write.
func TestFailoverTime(t *testing.T) {
	for _, profile := range []string{"default", "tight"} {
		t.Run(profile, func(t *testing.T) {
			g := newGroup(t, 2, 1, profile, "async", false)
			var took []time.Duration
			for i := range *rounds {
				p := g.settled(1)
				other := g.nodes[1-p.n]
				oc := other.client()
				ready(t, g, oc)
				p.kill()
				killed := time.Now()
				g.wait("the next primary", func() bool { return oc.Set(t.Context(), "round", i, 0).Err() == nil })
				took = append(took, time.Since(killed))
				oc.Close()
				p.start()
			}
			slices.Sort(took)
			p99 := took[(len(took)*99+99)/100-1]
			t.Logf("%s: killed %d times; the next primary accepted a write after %v in the middle, %v at most (p99 %v)", profile, len(took), took[len(took)/2], took[len(took)-1], p99)
		})
	}
}

// ready waits until a replica has its primary's data for good, so that it may take over.
func ready(t *testing.T, g *group, c *redis.Client) {
	t.Helper()
	g.wait("the replica to be able to take over", func() bool {
		v, err := c.InfoMap(t.Context(), "replication").Result()
		return err == nil && v["Replication"]["master_link_status"] == "up" && v["Replication"]["failover_intact"] == "1"
	})
}

// namesOfValkey: a member answers under Valkey's names of Sentinel's subcommands as under those of Redis.
func namesOfValkey(t *testing.T, addr string, primary *node) {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: addr, Protocol: 2, DisableIdentity: true})
	defer c.Close()
	port := strconv.Itoa(primary.port)
	if v, err := c.Do(t.Context(), "sentinel", "get-primary-addr-by-name", "main").StringSlice(); err != nil || len(v) != 2 || v[1] != port {
		t.Errorf("the primary's address is %v, %v", v, err)
	}
	if v, err := c.Do(t.Context(), "sentinel", "get-primary-addr-by-name", "other").Result(); err != redis.Nil {
		t.Errorf("the address of a group that is not there is %v, %v", v, err)
	}
	if v, err := c.Do(t.Context(), "sentinel", "primary", "main").Slice(); err != nil || len(v) < 6 || v[0] != "name" || v[1] != "main" || v[5] != port {
		t.Errorf("the primary is %v, %v", v, err)
	}
	if v, err := c.Do(t.Context(), "sentinel", "primaries").Slice(); err != nil || len(v) != 1 {
		t.Errorf("the primaries are %v, %v", v, err)
	}
	if v, err := c.Do(t.Context(), "sentinel", "is-primary-down-by-addr", primary.host, port, "0", "*").Slice(); err != nil || len(v) != 3 || v[0] != int64(0) {
		t.Errorf("that the primary is down is %v, %v", v, err)
	}
}

// TestSentinelClientFollows: a go-redis client that knows only Sentinel follows a killed primary and a planned switch,
// and in the switch not one of its writes fails.
func TestSentinelClientFollows(t *testing.T) {
	g := newGroup(t, 2, 1, steady, "async", false)
	var addrs []string
	for _, n := range g.nodes {
		addrs = append(addrs, net.JoinHostPort(n.host, strconv.Itoa(n.sentinel)))
	}
	// Its writes are asked again for some seconds; questions to a Sentinel that is dead are, too, and that takes longer.
	c := redis.NewFailoverClient(&redis.FailoverOptions{MasterName: "main", SentinelAddrs: addrs, MaxRetries: 40, MaxRetryBackoff: 100 * time.Millisecond,
		ReadTimeout: late, WriteTimeout: late, PoolTimeout: patience}) // what a busy machine is late with is not asked again
	defer c.Close()
	ctx := t.Context()
	var wrote atomic.Int64
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			if err := c.Incr(ctx, "counter").Err(); err != nil {
				done <- err
				return
			}
			wrote.Add(1)
		}
	}()
	before := g.settled(1)
	namesOfValkey(t, addrs[2], before)
	oc := g.nodes[1-before.n].client()
	ready(t, g, oc)
	oc.Close()
	s := redis.NewSentinelClient(&redis.Options{Addr: addrs[2], ReadTimeout: 20 * time.Second, MaxRetries: -1})
	defer s.Close()
	g.wait("a planned switch", func() bool {
		if err := s.Failover(ctx, "main").Err(); err != nil {
			t.Logf("no planned switch yet: %v", err)
			return false
		}
		return true
	})
	at := wrote.Load()
	g.wait("writes after the switch", func() bool { return wrote.Load() > at+200 })
	close(stop)
	if err := <-done; err != nil {
		t.Fatalf("a write failed in the planned switch: %v", err)
	}
	now := g.settled(1)
	if now == before {
		t.Fatal("the primary is the same")
	}
	if n, err := c.Get(ctx, "counter").Int64(); err != nil || n != wrote.Load() {
		t.Fatalf("the counter is %d (%v) after %d increments", n, err, wrote.Load())
	}
	oc = before.client()
	ready(t, g, oc)
	oc.Close()
	now.kill()
	g.wait("the client to follow", func() bool { return c.Set(ctx, "after", "kill", 0).Err() == nil })
	if v, err := c.Get(ctx, "after").Result(); err != nil || v != "kill" {
		t.Fatalf("read %q, %v", v, err)
	}
}

// TestRollingRestart: every member is told to end in turn, by a signal or by SHUTDOWN, and started again without what it had
// in memory. No write is lost, and a client of Sentinel's that tries again for a moment, as they all do, sees none fail.
func TestRollingRestart(t *testing.T) {
	g := newGroup(t, 3, 0, "default", "sync 1", false)
	var addrs []string
	for _, n := range g.nodes {
		addrs = append(addrs, net.JoinHostPort(n.host, strconv.Itoa(n.sentinel)))
	}
	c := redis.NewFailoverClient(&redis.FailoverOptions{MasterName: "main", SentinelAddrs: addrs, MaxRetries: 10, MaxRetryBackoff: 100 * time.Millisecond, DialerRetries: 1})
	defer c.Close()
	ctx := t.Context()
	wrote, failed := int64(0), 0
	write := func(n int) {
		t.Helper()
		for range n {
			g.wait("a write", func() bool {
				err := c.Set(ctx, fmt.Sprint("key", wrote), wrote, 0).Err()
				if err != nil {
					failed++
				}
				return err == nil
			})
			wrote++
		}
	}
	for round := range 2 {
		for i := range g.nodes {
			g.settled(2)
			write(50)
			n := g.nodes[(g.settled(2).n+i)%3] // the primary first
			if n.data && round == 1 {
				nc := n.client()
				_ = nc.Shutdown(ctx).Err() // the connection ends with the server, or before
				nc.Close()
			}
			n.end()
			write(50)
			n.start()
		}
	}
	g.settled(2)
	if n, err := c.DBSize(ctx).Result(); err != nil || n != wrote {
		t.Errorf("%d keys (%v) after %d writes", n, err, wrote)
	}
	t.Logf("%d writes, of which %d failed at first", wrote, failed)
}

// TestComesBackEmpty: a primary that is killed and is back at once, without what it had only in memory, takes nothing away
// from those who still have it, however early they ask it.
func TestComesBackEmpty(t *testing.T) {
	g := newGroup(t, 3, 0, "default", "sync 1", false)
	for i := range 2 * *rounds {
		p := g.settled(2)
		c := p.client()
		g.wait("an acknowledged write", func() bool { return c.Set(t.Context(), "round", i, 0).Err() == nil })
		c.Close()
		p.kill()
		p.start()
		read := ""
		g.wait("a read from a primary", func() bool {
			now := g.primary()
			if now == nil {
				return false
			}
			c := now.client()
			defer c.Close()
			var role *redis.Cmd
			var get *redis.StringCmd
			_, _ = c.TxPipelined(t.Context(), func(tx redis.Pipeliner) error { // at once: it may become a replica in between
				role, get = tx.Do(t.Context(), "ROLE"), tx.Get(t.Context(), "round")
				return nil
			})
			if is, err := role.Slice(); err != nil || len(is) == 0 || is[0] != "master" {
				return false
			}
			var err error
			read, err = get.Result()
			return err == nil || errors.Is(err, redis.Nil)
		})
		if read != strconv.Itoa(i) {
			t.Fatalf("round %d: read %q after the acknowledged write of %d", i, read, i)
		}
	}
}

// TestBounded: what is lost with a primary that was cut off was written in the time of the bound.
func TestBounded(t *testing.T) {
	const bound = 300 * time.Millisecond
	g := newGroup(t, 2, 1, "default", fmt.Sprintf("bounded %d", bound.Milliseconds()), true)
	if g.bridge == "" {
		t.Skip("needs network namespaces")
	}
	p := g.settled(1)
	other := g.nodes[1-p.n]
	oc := other.client()
	defer oc.Close()
	ready(t, g, oc)
	pc := p.client()
	defer pc.Close()
	type ack struct {
		n        int
		sent, at time.Time
	}
	var acked []ack
	cutAt := time.Now().Add(time.Second)
	cut, refused := false, false
	for n := 0; time.Since(cutAt) < 4*time.Second; n++ {
		if !cut && time.Now().After(cutAt) {
			cut = true
			for _, o := range g.nodes {
				g.cut(p, o)
				g.cut(o, p)
			}
			cutAt = time.Now()
		}
		sent := time.Now()
		err := pc.SAdd(t.Context(), "set", n).Err()
		if err == nil {
			acked = append(acked, ack{n, sent, time.Now()})
		} else if refused = true; cut {
			if oc.SAdd(t.Context(), "set", "new").Err() == nil {
				break
			}
		}
	}
	if !refused {
		t.Error("the primary that was cut off never refused a write")
	}
	g.wait("the other primary", func() bool { return oc.SAdd(t.Context(), "set", "new").Err() == nil })
	have := map[string]bool{}
	for _, m := range oc.SMembers(t.Context(), "set").Val() {
		have[m] = true
	}
	var first, last time.Time
	lost := 0
	for _, a := range acked {
		if !have[strconv.Itoa(a.n)] {
			if lost == 0 {
				first = a.at
			}
			last = a.sent // how late this test hears of it is not the server's time
			lost++
		}
	}
	t.Logf("%d writes acknowledged, %d lost, of %v", len(acked), lost, last.Sub(first))
	if span := last.Sub(first); span > bound+100*time.Millisecond {
		t.Errorf("writes of %v were lost, the bound is %v", span, bound)
	}
	g.heal()
	g.settled(1)
	if err := oc.Ping(context.Background()).Err(); err != nil {
		t.Error(err)
	}
}

// TestMembersChange: a third data node is started while a pair is in use, the old replica is taken out, and when the primary
// is killed the new one has everything.
func TestMembersChange(t *testing.T) {
	g := newGroup(t, 2, 1, steady, "sync 1", false)
	p := g.settled(1)
	c := p.client()
	defer c.Close()
	ctx := t.Context()
	wrote := 0
	write := func() {
		t.Helper()
		for range 100 {
			g.wait("a write", func() bool { return c.Set(ctx, fmt.Sprint("key", wrote), wrote, 0).Err() == nil })
			wrote++
		}
	}
	write()
	fresh := &node{g: g, n: 3, data: true, host: "127.0.0.1", port: freePort(t), failover: freePort(t), sentinel: freePort(t)}
	if err := os.Mkdir(fresh.dir(), 0o755); err != nil {
		t.Fatal(err)
	}
	g.nodes = append(g.nodes, fresh) // whom newGroup's end kills, too
	fresh.start()
	g.settled(2)
	write()
	members := func() string {
		v, _ := c.InfoMap(ctx, "replication").Result()
		return v["Replication"]["failover_members"]
	}
	g.wait("four members", func() bool { return members() == "4" })

	old := g.nodes[1-p.n]
	s := redis.NewClient(&redis.Options{Addr: net.JoinHostPort(p.host, strconv.Itoa(p.sentinel)), ReadTimeout: 20 * time.Second, DisableIdentity: true, Protocol: 2})
	defer s.Close()
	if err := s.Do(ctx, "group", "remove", p.id()).Err(); err == nil {
		t.Error("the primary was removed")
	}
	if err := s.Do(ctx, "group", "remove", old.id()).Err(); err != nil {
		t.Fatal(err)
	}
	g.wait("three members", func() bool { return members() == "3" })
	g.wait("those that stay to have everything", func() bool { return strings.Contains(s.Info(ctx).Val(), "failover_gone:0\r") })
	old.end()
	write()
	fc := fresh.client()
	defer fc.Close()
	ready(t, g, fc)
	p.kill()
	g.wait("the new member to be primary", func() bool {
		role, err := fc.Do(ctx, "ROLE").Slice()
		return err == nil && role[0] == "master"
	})
	g.wait("all that was written", func() bool { n, err := fc.DBSize(ctx).Result(); return err == nil && int(n) == wrote })
	p.start()
	g.settled(1)
}
