package server

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// What a client has sent of a large argument is there when another client's command is run, though the client's system
// keeps back the last packet until the others are confirmed.
func TestLargeArgumentsAreTakenAtOnce(t *testing.T) {
	ts := startServer(t)
	c := ts.dial()
	const size, rounds = 220200, 20
	whole := 0
	for i := range rounds {
		s := ts.dial()
		s.nc.(*net.TCPConn).SetNoDelay(false)
		name := fmt.Sprint("client", i)
		s.want("client setname "+name, "OK")
		for b := fmt.Appendf(nil, "*1\r\n$%d\r\n%s", size, strings.Repeat("v", size)); len(b) > 0; {
			n, err := s.nc.Write(b[:min(len(b), 4096)]) // as programs write whose buffers are small
			if err != nil {
				t.Fatal(err)
			}
			b = b[n:]
		}
		for _, line := range strings.Split(c.text("client list"), "\n") {
			_, after, _ := strings.Cut(line, " qbuf=")
			text, _, _ := strings.Cut(after, " ")
			// The words before the argument are counted until its own loop has looked at them.
			if n, _ := strconv.Atoi(text); strings.Contains(line, " name="+name+" ") && n >= size {
				whole++
			}
		}
	}
	if whole < rounds/2 {
		t.Errorf("%d of %d arguments were there as a whole", whole, rounds)
	}
}

// Just so many clients are closed as are too many: a request that stands in the loop's own buffer is not its client's memory.
func TestClientsAreClosedUntilTheRestIsWithinTheLimit(t *testing.T) {
	ts := startServer(t)
	c := ts.dial()
	c.want("client setname control", "OK")
	c.want("client no-evict on", "OK")
	const size, clients = 300000, 6
	for range clients {
		fmt.Fprintf(ts.dial().nc, "*2\r\n$%d\r\n%s\r\n", size, strings.Repeat("v", size))
	}
	weights := func() (large []int64, control int64) {
		for _, line := range strings.Split(strings.TrimSpace(c.text("client list")), "\n") {
			_, after, _ := strings.Cut(line, " tot-mem=")
			text, _, _ := strings.Cut(after, " ")
			n, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				t.Fatal(line)
			}
			if strings.Contains(line, "name=control ") {
				control = n
			} else if n > size {
				large = append(large, n)
			}
		}
		return large, control
	}
	eventually(t, "all arguments", func() bool { large, _ := weights(); return len(large) == clients })
	large, control := weights()
	c.want("config set maxmemory-clients "+itoa(slices.Max(large)*clients/2+control), "OK")
	for range 20 { // with requests of any length
		c.want("echo "+strings.Repeat("x", 5000), strings.Repeat("x", 5000))
	}
	if left, _ := weights(); len(left) != clients/2 {
		t.Errorf("%d of %d clients are left", len(left), clients)
	}
}

// However little maxmemory-clients allows, a client can talk to the server and set it right.
func TestLowClientLimitLocksNobodyOut(t *testing.T) {
	ts := startServer(t)
	for _, set := range []string{"config set maxmemory-clients 1", "config set maxmemory 1gb maxmemory-clients 1%", "config set maxmemory 100 maxmemory-clients 1%"} {
		c := ts.dial()
		c.want(set, "OK")
		c.want("config set maxmemory-clients 0 maxmemory 0", "OK")
	}
	if n := ts.dial().number("stats", "evicted_clients"); n != 0 {
		t.Errorf("%d clients were evicted", n)
	}
}

// A reply that redis-server would have room for without a list of buffers does not count against the limit of output, however low
// that is.
func TestSmallRepliesPassALowLimitOfOutput(t *testing.T) {
	ts := startServer(t)
	c := ts.dial()
	c.want("set small "+strings.Repeat("x", 10000), "OK")
	c.want("set large "+strings.Repeat("x", 100000), "OK")
	if got := c.do("config", "set", "client-output-buffer-limit", "normal 10 5 0"); got != "OK" {
		t.Fatal(got)
	}
	for range 3 {
		if n := len(c.text("get small")); n != 10000 {
			t.Errorf("GET answers %d bytes", n)
		}
	}
	c.send("get large")
	if v, err := c.parse(); err == nil {
		t.Errorf("GET answers %.20v", v)
	}
	if n := ts.dial().number("stats", "client_output_buffer_limit_disconnections"); n != 1 {
		t.Errorf("%d clients were closed", n)
	}
}
