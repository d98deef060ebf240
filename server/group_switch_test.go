package server

import (
	"context"
	"strings"
	"testing"
)

// startMembers starts a failover group of three, and returns its primary first.
func startMembers(t *testing.T) (group []*testServer) {
	t.Helper()
	var ports [3]string
	for i := range ports {
		ports[i] = "127.0.0.1:" + freePort(t)
	}
	for i := range ports {
		group = append(group, startServer(t, "--failover-group", "main", "--failover-listen", ports[i],
			"--failover-peers", ports[(i+1)%3]+" "+ports[(i+2)%3], "--repl-diskless-sync-delay", "0"))
	}
	eventually(t, "a primary with two replicas", func() bool {
		for i, ts := range group {
			if ts.group.Load().reigning.Load() != 0 && ts.leads() && ts.online() == 2 {
				group[0], group[i] = group[i], group[0]
				return true
			}
		}
		return false
	})
	return group
}

// A shutdown that begins with a planned switch is called off while the heir has not everything.
func TestShutdownIsCalledOffInAGroup(t *testing.T) {
	group := startMembers(t)
	p := group[0]
	for _, r := range group[1:] {
		r.dial().want("client pause 1000000", "OK") // it does nothing that its primary says
	}
	c, s, other := p.dial(), p.dial(), p.dial()
	c.want("set k v", "OK")
	for _, by := range []string{"client", "signal", "client", "hasty client"} {
		if by == "signal" {
			p.ShutdownBySignal(0)
		} else {
			s.send("shutdown")
		}
		if by == "hasty client" {
			eventually(t, "the beginning of the shutdown", func() bool { return p.stats.blocked.Load() == 1 })
		} else {
			eventually(t, "the beginning of the switch", func() bool { return p.group.Load().draining.Load() })
		}
		other.want("shutdown abort", "OK")
		if by != "signal" {
			if v := s.read(); !isError(v, "ERR Errors trying to SHUTDOWN") {
				t.Fatal(v)
			}
		}
		eventually(t, "the end of the shutdown", func() bool { return !p.InShutdown() && !p.group.Load().draining.Load() })
		other.want("shutdown abort", replyError("ERR No shutdown in progress."))
		other.want("ping", "PONG")
	}
}

// The heir of a planned switch has everything, and the majority goes that would name it: writes that wait are refused.
func TestWritesDoNotWaitForALostMajority(t *testing.T) {
	group := startMembers(t)
	p := group[0]
	c := p.dial()
	heir, ok := memberAt(p.group.Load().state.Load(), "127.0.0.1", int(group[1].tcpPort()))
	if !ok {
		t.Fatal("the replica is no member")
	}
	if !p.group.Load().Drain(context.Background(), heir) {
		t.Fatal("the heir has not caught up")
	}
	p.group.Load().drained.Store(p.steady() + 3_600_000)
	c.send("set k v")
	eventually(t, "the write waits", func() bool { return p.stats.blocked.Load() == 1 })
	group[1].stop()
	group[2].stop()
	eventually(t, "the end of the lease", func() bool { return !p.leads() })
	if p.stats.blocked.Load() != 1 {
		t.Error("the write waits no more")
	}
	p.group.Load().drained.Store(p.steady())
	if v := c.read(); !isError(v, strings.SplitN(string(errNoLease), " ", 2)[0]) {
		t.Error(v)
	}
}
