package server

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
)

// failsOver begins a failover to a replica that the test plays: the server comes to ln.
func (ts *testServer) failsOver(t *testing.T) (ln net.Listener, c *testClient) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	c = ts.silentReplica(port, "sync")
	c.want("failover to 127.0.0.1 "+port+" force timeout 1", "OK")
	return ln, c
}

// comesToFollow lets the server come, up to its PSYNC, which is to ask for a failover or not.
func comesToFollow(t *testing.T, ln net.Listener, takesOver bool) net.Conn {
	nc, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	in, said := bufio.NewReader(nc), ""
	for line := ""; !strings.HasSuffix(said, "PSYNC\r\n"); said += line {
		if line, err = in.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		if line == "PING\r\n" || line == "REPLCONF\r\n" {
			io.WriteString(nc, "+OK\r\n")
		}
	}
	if asks := strings.HasPrefix(said[strings.LastIndex(said, "*"):], "*4"); asks != takesOver {
		t.Fatalf("it is to take over: %v", asks)
	}
	return nc
}

// TestFailoverIsOverWhenItIsAccepted: whoever has taken over is primary, also if the snapshot that it sends breaks off.
func TestFailoverIsOverWhenItIsAccepted(t *testing.T) {
	ts := startServer(t, "--repl-diskless-sync", "no")
	ln, c := ts.failsOver(t)
	for i := range 2 { // the server comes twice
		nc := comesToFollow(t, ln, i == 0)
		if i == 0 {
			fmt.Fprintf(nc, "+FULLRESYNC %040d 0\r\n$100\r\nREDIS", 1)
			eventually(t, "the end of the failover", func() bool { return c.info("replication", "master_failover_state") == "no-failover" })
			nc.Close()
		}
	}
	if got := c.info("replication", "role"); got != "slave" {
		t.Errorf("it is a %s", got)
	}
}

// TestFailoverWordsInAnyOrder: each of them once, in any order; what they need is looked at behind all of them.
func TestFailoverWordsInAnyOrder(t *testing.T) {
	ts := startServer(t)
	c := ts.silentReplica("1", "sync")
	needs := replyError("ERR FAILOVER with force option requires both a timeout and target HOST and IP.")
	for request, want := range map[string]any{
		"failover force":                       needs,
		"failover force to 127.0.0.1 1":        needs,
		"failover timeout 1 force":             needs,
		"failover force timeout 1 to nobody 9": replyError("ERR FAILOVER target HOST and PORT is not a replica."),
		"failover force force":                 replyError("ERR syntax error"),
		"failover abort abort":                 replyError("ERR syntax error"),
		"failover abort force":                 replyError("ERR syntax error"),
		"failover abort":                       replyError("ERR No failover in progress."),
	} {
		c.want(request, want)
	}
}

// TestFailoverWhoseAnswerIsLost: the target of a failover has become a primary, and the link breaks before it has said so. This server
// follows it, rather than be a primary, too, because it is told that the other one is one.
func TestFailoverWhoseAnswerIsLost(t *testing.T) {
	ts := startServer(t)
	ln, c := ts.failsOver(t)
	for i := range 3 { // the server comes thrice
		nc := comesToFollow(t, ln, i < 2)
		if i == 1 {
			io.WriteString(nc, "-ERR PSYNC FAILOVER can't be sent to a master.\r\n")
		}
		nc.Close()
	}
	if got := c.info("replication", "role"); got != "slave" {
		t.Errorf("it is a %s", got)
	}
}
