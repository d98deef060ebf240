package server

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

// TestWaitCountsWhoLetItGoOn: a replica that leaves between its acknowledgement and the answer of WAITAOF is counted, as it was
// what the client waited for; afterwards it is not.
func TestWaitCountsWhoLetItGoOn(t *testing.T) {
	ts := startServer(t)
	s := &session{srv: ts.Server}
	need := &ackNeed{onDisk: true, local: 1, replicas: 1, log: math.MaxInt64}
	s.acks = &ackWait{s: s, need: *need, heard: ackHave{local: 1, replicas: 1}}
	if have := s.counted(need); have != (ackHave{1, 1}) {
		t.Errorf("one replica and the disk had it, and %+v is counted", have)
	}
	more := &ackNeed{replicas: 2, feed: math.MaxInt64}
	if have := s.counted(more); have.enough(more) {
		t.Errorf("%+v is enough for two replicas", have)
	}
	ts.endAckWait(s)
	if have := s.counted(need); have.replicas != 0 {
		t.Errorf("%+v is counted after the end of the waiting", have)
	}
}

// Redis words the range without a verb, and has other words for what is no number.
func TestWaitAOFNamesItsRange(t *testing.T) {
	c := startServer(t).dial()
	c.want("waitaof 2 0 0", replyError("ERR value is out of range, value must between 0 and 1"))
	c.want("waitaof foo 0 0", replyError("ERR value is not an integer or out of range"))
}

// TestWaitAOFAfterAnotherPrimary: what a replica has said of its disk to the primary that it had is nothing to the next one, whose
// positions are others.
func TestWaitAOFAfterAnotherPrimary(t *testing.T) {
	a := startServer(t, "--repl-diskless-sync-delay", "0")
	b := startServer(t, "--repl-diskless-sync-delay", "0")
	r := startServer(t, "--appendonly", "yes", "--appendfsync", "always", "--save", "")
	c, rc := a.dial(), r.dial()
	host, port, _ := strings.Cut(a.addr, ":")
	rc.want("replicaof "+host+" "+port, "OK")
	eventually(t, "the first link", func() bool { return rc.info("replication", "master_link_status") == "up" })
	c.do("set", "k", strings.Repeat("v", 100_000))
	eventually(t, "the replica's disk", func() bool { return fmt.Sprint(c.do("waitaof 0 1 100")) == "[0 1]" })

	c = b.dial()
	host, port, _ = strings.Cut(b.addr, ":")
	c.want("set k v", "OK")
	rc.want("config set rdb-key-save-delay "+forLong, "OK") // the log takes its time to begin anew
	rc.want("replicaof "+host+" "+port, "OK")
	eventually(t, "the link", func() bool { return strings.Contains(c.info("replication", "slave0"), "state=online") })
	eventually(t, "the new data", func() bool { return rc.do("get k") == "v" })
	if said, have := r.aof.acked.Load(), r.repl.offset(); said > have {
		t.Errorf("the replica is at %d and its disk at %d", have, said)
	}
	rc.want("config set rdb-key-save-delay 0", "OK")
	eventually(t, "the replica's disk again", func() bool { return fmt.Sprint(c.do("waitaof 0 1 100")) == "[0 1]" })
}

// TestNoAcknowledgementEndsAnotherWaiting: a client whose WAIT has ended with an error, and that is blocked on a key since, does
// not hear from replicas any more.
func TestNoAcknowledgementEndsAnotherWaiting(t *testing.T) {
	a := startServer(t, "--repl-diskless-sync-delay", "0")
	c, o := a.dial(), a.dial()
	id := fmt.Sprint(c.do("client id"))
	c.send("wait 1 0")
	eventually(t, "the client waits", func() bool { return o.number("clients", "blocked_clients") == 1 })
	o.want("client unblock "+id+" error", 1)
	if e := c.read(); e != replyError("UNBLOCKED client unblocked via CLIENT UNBLOCK") {
		t.Fatal(e)
	}
	c.send("blpop list 0")
	eventually(t, "the client is blocked", func() bool { return o.number("clients", "blocked_clients") == 1 })
	startServer(t).follow(a)
	eventually(t, "an acknowledgement", func() bool { return fmt.Sprint(o.do("wait 1 10")) == "1" })
	o.want("rpush list x", 1)
	if got := c.read(); fmt.Sprint(got) != "[list x]" {
		t.Errorf("BLPOP has answered %v", got)
	}
}

// TestWaitAfterAnotherPrimary: a client that has written to a server which took over another one's data since, at a lower position,
// waits for what it has written last, and not until the old position comes again.
func TestWaitAfterAnotherPrimary(t *testing.T) {
	a := startServer(t, "--repl-diskless-sync-delay", "0")
	b := startServer(t, "--repl-diskless-sync-delay", "0")
	r := startServer(t)
	c := a.dial()
	r.follow(a)
	c.want("set k "+strings.Repeat("v", 100_000), "OK")
	a.follow(b)
	a.dial().want("replicaof no one", "OK")
	eventually(t, "the replica", func() bool { return strings.Contains(c.info("replication", "slave0"), "state=online") })
	c.want("set k w", "OK")
	c.want("wait 1 5000", 1)
}
