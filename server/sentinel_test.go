package server

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"

	quorum "larder/replication/failover"
)

// sentinelPort is a sentinel port by itself.
func sentinelPort(t *testing.T, password string) *sentinel {
	t.Helper()
	s := &sentinel{group: "main", password: func() string { return password }}
	if err := startSentinel(s, []string{"127.0.0.1"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	return s
}

func (s *sentinel) dial(t *testing.T) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", s.lns[0].Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	return nc
}

func (s *sentinel) clients() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// of is the port's side of a connection.
func (s *sentinel) of(nc net.Conn) *sentinelConn {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		if c.nc.RemoteAddr().String() == nc.LocalAddr().String() {
			return c
		}
	}
	return nil
}

// TestSentinelPortTaken: a server that cannot have its sentinel port says so, and does not start.
func TestSentinelPortTaken(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, taken, _ := net.SplitHostPort(ln.Addr().String())
	_, err = tryServer(t, "", []string{"--failover-group", "main", "--failover-listen", "127.0.0.1:" + freePort(t), "--failover-peers",
		"127.0.0.1:" + freePort(t), "--sentinel-port", taken})
	if err == nil || !strings.HasPrefix(err.Error(), "sentinel-port: ") {
		t.Errorf("it ends with %v", err)
	}
}

// TestSentinelFamilies: an address of all of IPv4 is not one of IPv6 as well, and both can be listened at.
func TestSentinelFamilies(t *testing.T) {
	if !hasIPv6() {
		t.Skip("there is no IPv6")
	}
	port, err := strconv.Atoi(freePort(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, addrs := range [][]string{{"0.0.0.0"}, {"0.0.0.0", "::"}} {
		s := &sentinel{group: "main", port: port, password: func() string { return "" }}
		if err := startSentinel(s, addrs); err != nil {
			t.Fatal(err)
		}
		nc, err := net.Dial("tcp", net.JoinHostPort("::1", strconv.Itoa(port)))
		if err == nil {
			nc.Close()
		}
		if there := err == nil; there != (len(addrs) == 2) {
			t.Errorf("at %v it is there by IPv6: %v", addrs, there)
		}
		s.stop()
	}
}

// TestSentinelNews: subscribers are told in order, and one that does not read is waited for by nobody.
func TestSentinelNews(t *testing.T) {
	s := sentinelPort(t, "")
	stalled, reads := s.dial(t), s.dial(t)
	in := bufio.NewReader(reads)
	for _, nc := range []net.Conn{stalled, reads} {
		fmt.Fprintf(nc, "SUBSCRIBE +switch-master\r\n")
	}
	for range 6 { // *3 $9 subscribe $14 +switch-master :1
		if _, err := readLine(in); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "both to be there", func() bool { return s.clients() == 2 })
	text := strings.Repeat("x", 64<<10)
	stuck := s.of(stalled)
	stuck.mu.Lock() // as while it is being written to
	for i := range 200 {
		if i == 50 {
			stuck.mu.Unlock()
		}
		s.publish("+switch-master", fmt.Sprint(i, " ", text))
		for range 6 { // *3 $7 message $14 +switch-master $n
			if _, err := readLine(in); err != nil {
				t.Fatal(err)
			}
		}
		b := make([]byte, len(fmt.Sprint(i, " "))+len(text)+2)
		if _, err := io.ReadFull(in, b); err != nil || !strings.HasPrefix(string(b), fmt.Sprint(i, " x")) {
			t.Fatalf("news %d: %.20q, %v", i, b, err)
		}
	}
	eventually(t, "the one that does not read to be closed", func() bool { return s.clients() == 1 })
}

// TestWitnessHearsEarly: what a witness learns before it knows its own part of the group is told all the same, and does not need that.
func TestWitnessHearsEarly(t *testing.T) {
	w := &witness{host: "10.0.0.3", sentinel: sentinelPort(t, "")}
	nc := w.sentinel.dial(t)
	fmt.Fprintf(nc, "SUBSCRIBE +switch-master\r\n")
	in := bufio.NewReader(nc)
	for range 6 { // *3 $9 subscribe $14 +switch-master :1
		if _, err := readLine(in); err != nil {
			t.Fatal(err)
		}
	}
	members := map[string]quorum.Member{"a": {Host: "10.0.0.1", Port: 6379}, "b": {Host: "10.0.0.2", Port: 6380}}
	w.Changed(&quorum.State{Primary: "a", Members: members})
	w.Changed(&quorum.State{Primary: "b", Members: members})
	for {
		line, err := readLine(in)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(line, "main ") {
			if line != "main 10.0.0.1 6379 10.0.0.2 6380" {
				t.Errorf("told was %q", line)
			}
			return
		}
	}
}

// TestSentinelBounds: a request that is too large ends the connection before it is in memory.
func TestSentinelBounds(t *testing.T) {
	s := sentinelPort(t, "")
	for _, request := range []string{
		"*1025\r\n",
		"*1\r\n$65537\r\n",
		"*2\r\n$40000\r\n" + strings.Repeat("x", 40000) + "\r\n$40000\r\n",
		"*1\r\n$-1\r\n",
		"*x\r\n",
		strings.Repeat("x", 8<<10),
	} {
		nc := s.dial(t)
		io.WriteString(nc, request)
		if _, err := nc.Read(make([]byte, 1)); err == nil {
			t.Errorf("%.20q was answered", request)
		}
	}
	nc := s.dial(t)
	io.WriteString(nc, "PING\r\n")
	if line, err := readLine(bufio.NewReader(nc)); err != nil || line != "+PONG" {
		t.Errorf("%q, %v", line, err)
	}
}

// TestSentinelReset: a connection that goes back to a pool is nobody's, and listens to nothing; nor can it listen to any number.
func TestSentinelReset(t *testing.T) {
	s := sentinelPort(t, "pw")
	nc := s.dial(t)
	in := bufio.NewReader(nc)
	want := func(request, reply string) {
		t.Helper()
		io.WriteString(nc, request+"\r\n")
		for _, l := range strings.Fields(reply) {
			if line, err := readLine(in); err != nil || !strings.HasPrefix(line, l) {
				t.Fatalf("%.20s: %q instead of %q, %v", request, line, l, err)
			}
		}
	}
	want("AUTH pw", "+OK")
	for i := range sentinelNames {
		want(fmt.Sprintf("PSUBSCRIBE [^%d]*", i), fmt.Sprintf("*3 $10 psubscribe $ [^%d]* :%d", i, i+1))
	}
	want("SUBSCRIBE more", "-ERR")
	want("PSUBSCRIBE [^0]*", fmt.Sprintf("*3 $10 psubscribe $5 [^0]* :%d", sentinelNames))
	want("RESET", "+RESET")
	want("SUBSCRIBE more", "-NOAUTH")
	want("AUTH pw", "+OK")
	want("SUBSCRIBE more", "*3 $9 subscribe $4 more :1")
}

// TestSentinelWrongPassword: it opens nothing, and closes nothing either.
func TestSentinelWrongPassword(t *testing.T) {
	nc := sentinelPort(t, "secret").dial(t)
	in := bufio.NewReader(nc)
	for _, step := range [][2]string{
		{"PING", "-NOAUTH Authentication required."}, {"AUTH wrong", "-WRONGPASS invalid username-password pair or user is disabled."},
		{"PING", "-NOAUTH Authentication required."}, {"AUTH secret", "+OK"}, {"PING", "+PONG"},
		{"AUTH wrong", "-WRONGPASS invalid username-password pair or user is disabled."}, {"PING", "+PONG"},
		{"RESET", "+RESET"}, {"PING", "-NOAUTH Authentication required."},
	} {
		fmt.Fprintf(nc, "%s\r\n", step[0])
		if line, err := readLine(in); err != nil || line != step[1] {
			t.Fatalf("%s: %q, %v, not %q", step[0], line, err, step[1])
		}
	}
}

// TestSentinelListening: who listens in the old protocol gets what can be told from a reply, as from Redis; in the new one it
// may say anything.
func TestSentinelListening(t *testing.T) {
	nc := sentinelPort(t, "").dial(t)
	in := bufio.NewReader(nc)
	say := func(request string, reply ...string) {
		t.Helper()
		fmt.Fprintf(nc, "%s\r\n", request)
		for _, want := range reply {
			line, err := readLine(in)
			if err != nil || line != want {
				t.Fatalf("%s: %q, %v, not %q", request, line, err, want)
			}
		}
	}
	say("PING", "+PONG")
	say("SUBSCRIBE a", "*3", "$9", "subscribe", "$1", "a", ":1")
	say("PING", "*2", "$4", "pong", "$0", "")
	say("PING x", "*2", "$4", "pong", "$1", "x")
	say("CLIENT ID", "-ERR Can't execute 'client|id': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context")
	say("UNSUBSCRIBE a", "*3", "$11", "unsubscribe", "$1", "a", ":0")
	say("PING", "+PONG")
	say("PSUBSCRIBE b*", "*3", "$10", "psubscribe", "$2", "b*", ":1")
	say("RESET", "+RESET")
	say("HELLO 3 SETNAME me", "%7")
	for range 7*2 + 4*2 + 3 { // what HELLO says: texts take two lines
		if _, err := readLine(in); err != nil {
			t.Fatal(err)
		}
	}
	say("SUBSCRIBE a", ">3", "$9", "subscribe", "$1", "a", ":1")
	say("CLIENT GETNAME", "$2", "me")
	say("PING", "+PONG")
}
