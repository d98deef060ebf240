package server

import (
	"context"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	quorum "larder/replication/failover"
)

// longLine is the address of a line to addr on which everything takes that long, in each direction.
func longLine(t *testing.T, addr string, takes time.Duration) (host, port string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	type piece struct {
		at time.Time
		b  []byte
	}
	carry := func(to, from net.Conn) {
		defer to.Close()
		way := make(chan piece, 1<<10)
		go func() {
			defer close(way)
			for {
				b := make([]byte, 64<<10)
				n, err := from.Read(b)
				if err != nil {
					return
				}
				way <- piece{time.Now().Add(takes), b[:n]}
			}
		}()
		for p := range way {
			<-time.After(time.Until(p.at))
			if _, err := to.Write(p.b); err != nil {
				from.Close()
			}
		}
	}
	go func() {
		for {
			near, err := ln.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", addr)
			if err != nil {
				near.Close()
				continue
			}
			go carry(far, near)
			go carry(near, far)
		}
	}()
	host, port, _ = net.SplitHostPort(ln.Addr().String())
	return host, port
}

// farReplica is a primary and a replica that a question and its answer take a third of a second to reach, longer than the primary waits
// until it asks again.
func farReplica(t *testing.T, options ...string) (a, b *testServer, c *testClient) {
	a, b = startServer(t, append(options, "--repl-diskless-sync-delay", "0")...), startServer(t)
	host, port := longLine(t, a.addr, 160*time.Millisecond)
	r := b.dial()
	r.want("replicaof "+host+" "+port, "OK")
	c = a.dial()
	eventually(t, "the link", func() bool { return strings.Contains(c.info("replication", "slave0"), "state=online") })
	return a, b, c
}

// TestFailoverOfFarReplica: the questions that a primary asks do not stand before it for ever as something that the replica has still
// to get.
func TestFailoverOfFarReplica(t *testing.T) {
	_, b, c := farReplica(t)
	c.want("set k v", "OK")
	c.want("failover", "OK")
	r := b.dial()
	eventually(t, "the replica takes over", func() bool { return r.info("replication", "role") == "master" })
	r.want("get k", "v")
}

// TestDrainForFarReplica is the same of a group's planned switch.
func TestDrainForFarReplica(t *testing.T) {
	a, b, c := farReplica(t)
	c.want("set k v", "OK")
	host, port, _ := strings.Cut(b.addr, ":")
	n, _ := strconv.Atoi(port)
	g := &group{srv: a.Server}
	g.state.Store(&quorum.State{})
	g.reigning.Store(1)
	a.inWorldDo(func(*executor) { a.group.Store(g) })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if !g.Drain(ctx, quorum.Member{Host: host, Port: n}) {
		t.Error("it never has everything")
	}
	a.inWorldDo(func(*executor) { g.endDrain() })
}

// TestAgesEnd: when a replica has all that clients have written there is nothing left that only the primary has, and it asks no more.
func TestAgesEnd(t *testing.T) {
	a, _, c := farReplica(t, "--write-safety", "bounded 60000")
	c.want("set k v", "OK")
	eventually(t, "a replica has the write", func() bool { return a.guard.oldest.Load() == 0 })
}

// silentReplica links a replica that takes everything and never says what it has. What it returns is a client of the primary.
func (ts *testServer) silentReplica(port, request string) (c *testClient) {
	r := ts.dial()
	r.want("replconf listening-port "+port, "OK")
	r.send(request)
	go io.Copy(io.Discard, r.nc)
	c = ts.dial()
	eventually(ts.t, "the link of a silent replica", func() bool { return strings.Contains(c.info("replication", "slave0"), "state=online") })
	return c
}

// TestDrainByTheLinkThatWorks: an old link of the heir's that nobody has noticed is dead keeps nothing up.
func TestDrainByTheLinkThatWorks(t *testing.T) {
	a, b := startServer(t, "--repl-diskless-sync-delay", "0"), startServer(t)
	host, port, _ := strings.Cut(b.addr, ":")
	c := a.silentReplica(port, "psync ? -1")
	b.follow(a)
	c.want("set k v", "OK")
	n, _ := strconv.Atoi(port)
	eventually(t, "the second link has all", func() bool {
		there, has := a.peerHas(quorum.Member{Host: host, Port: n}, a.repl.offset())
		if there && !has {
			a.askSoon(func() { a.askForAcksOnce() })
		}
		return has
	})
}
