package main

import (
	"bytes"
	"fmt"
	"strconv"
	"syscall"
	"time"

	"larder/tests/internal/peer"
)

func clientRows() []row {
	return []row{
		{name: "clients/idle", measure: idleClients},
		{name: "clients/subscribers-of-one-channel", measure: subscribers},
		{name: "clients/blocked-on-one-key", measure: blockedClients},
	}
}

const clientSection = "Clients"

// descriptors is how many connections this process may open, and a server that it starts: as many as asked for, or as
// the system allows.
func descriptors(want int) (int, error) {
	const reserve = 200
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, err
	}
	return min(want, int(limit.Max)-reserve), nil
}

// room lets n clients in, from any address of the loopback interface.
func room(n int) []string {
	return []string{"maxclients " + strconv.Itoa(n+10), "protected-mode no"}
}

// crowd is connections that were opened side by side.
type crowd []int

func (c crowd) close() {
	for _, fd := range c {
		closeRaw(fd)
	}
}

// gather opens n connections, each of which sends a request and reads a reply that begins so.
func gather(addr string, n int, request, reply string) (crowd, error) {
	const perSource = 20_000
	c := make(crowd, 0, n)
	buf := make([]byte, 4096)
	for i := range n {
		fd, err := dialFrom(byte(2+i/perSource), addr)
		if err != nil {
			return c, err
		}
		c = append(c, fd)
		if request == "" {
			continue
		}
		if _, err := writeRaw(fd, []byte(request)); err != nil {
			return c, err
		}
		if reply == "" {
			continue
		}
		if k, err := readRaw(fd, buf); err != nil || !bytes.HasPrefix(buf[:k], []byte(reply)) {
			return c, fmt.Errorf("connection %d got %q, %v", i, buf[:max(k, 0)], err)
		}
	}
	return c, nil
}

// idleClients opens 50,000 connections, of which each has been asked something, and looks at what they cost.
func idleClients(s *settings, t *table) error {
	const row = "clients/idle"
	n, err := descriptors(50_000)
	if err != nil {
		return err
	}
	closeFleets()
	for _, p := range s.peers {
		if p.Speak != peer.Redis {
			continue
		}
		perClient, err := idleOf(s, p, n)
		if err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
		t.add(clientSection, row, "connections", p.Name, float64(n))
		t.add(clientSection, row, "RSS KiB/connection", p.Name, perClient/1024)
	}
	t.expect(row, atMost("RSS KiB/connection", 3))
	return nil
}

func idleOf(s *settings, p peer.Program, n int) (float64, error) {
	server, err := s.start(p, room(n)...)
	if err != nil {
		return 0, err
	}
	defer server.Stop()
	before, err := settle(server, 5*time.Second)
	if err != nil {
		return 0, err
	}
	c, err := gather(server.Addr, n, "PING\r\n", "+PONG")
	defer c.close()
	if err != nil {
		return 0, err
	}
	after, err := settle(server, 20*time.Second)
	return float64(after-before) / float64(n), err
}

// subscribers publishes to 10,000 subscribers of a channel, who read only when it is over: what is measured is the
// server alone. The servers may use all processors.
func subscribers(s *settings, t *table) error {
	const row = "clients/subscribers-of-one-channel"
	n, err := descriptors(10_000)
	if err != nil {
		return err
	}
	closeFleets()
	for range s.rounds {
		for _, p := range s.peers {
			if p.Speak != peer.Redis {
				continue
			}
			if err := publishTo(t, row, p, n); err != nil {
				return fmt.Errorf("%s: %w", p.Name, err)
			}
		}
	}
	t.expect(row, ratioAtLeast("PUBLISH/s", 1.5))
	return nil
}

func publishTo(t *table, row string, p peer.Program, n int) error {
	const messages = 60 // that a socket keeps for somebody who does not read
	server, err := startAnywhere(p, "", room(n)...)
	if err != nil {
		return err
	}
	defer server.Stop()
	all, err := gather(server.Addr, n, string(words(nil, "SUBSCRIBE", "news")), "*3")
	defer all.close()
	if err != nil {
		return err
	}
	c, err := server.Dial()
	if err != nil {
		return err
	}
	defer c.Close()
	cpu, err := server.CPU()
	if err != nil {
		return err
	}
	began := time.Now()
	for range messages {
		v, err := c.Do("PUBLISH", "news", "a message of thirty-two bytes ..")
		if err != nil {
			return err
		}
		if told, _ := v.Int(); told != int64(n) {
			return fmt.Errorf("%s of %d were told", v.String(), n)
		}
	}
	want := messages * len("*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$32\r\na message of thirty-two bytes ..\r\n")
	buf := make([]byte, 64<<10)
	for i := len(all) - 1; i >= 0; i-- { // the last ones first: they are told last
		for got := 0; got < want; {
			k, err := readRaw(all[i], buf)
			if err != nil || k == 0 {
				return fmt.Errorf("subscriber %d got %d of %d bytes, then %v", i, got, want, err)
			}
			got += k
		}
		if i == len(all)-1 { // it has everything: nearly all have
			t.add(clientSection, row, "PUBLISH/s", p.Name, messages/time.Since(began).Seconds())
		}
	}
	after, err := server.CPU()
	t.add(clientSection, row, "CPU us/message and subscriber", p.Name, float64((after-cpu).Microseconds())/float64(messages*n))
	return err
}

// blockedClients lets many clients wait for one key, and looks at what others feel: the time of a PING meanwhile, of a
// push that serves one of them, and of a client's going.
func blockedClients(s *settings, t *table) error {
	const row = "clients/blocked-on-one-key"
	n, err := descriptors(100_000)
	if err != nil {
		return err
	}
	closeFleets()
	for _, p := range s.peers {
		if p.Speak != peer.Redis {
			continue
		}
		if err := blockedOn(s, t, row, p, n); err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
	}
	t.expect(row, ratioAtMost("PING us", 1))
	return nil
}

func blockedOn(s *settings, t *table, row string, p peer.Program, n int) error {
	server, err := s.start(p, room(n)...)
	if err != nil {
		return err
	}
	defer server.Stop()
	all, err := gather(server.Addr, n, string(words(nil, "BLPOP", "queue", "0")), "")
	defer all.close()
	if err != nil {
		return err
	}
	c, err := server.Dial()
	if err != nil {
		return err
	}
	defer c.Close()
	for waiting := int64(0); waiting < int64(n); {
		v, err := c.Do("INFO", "clients")
		if err != nil {
			return err
		}
		waiting = infoNumber(v.String(), "blocked_clients")
	}
	t.add(clientSection, row, "blocked clients", p.Name, float64(n))
	for range s.rounds {
		const pings = 1000
		began := time.Now()
		for range pings {
			if _, err := c.Do("PING"); err != nil {
				return err
			}
		}
		t.add(clientSection, row, "PING us", p.Name, float64(time.Since(began).Microseconds())/pings)
	}
	served := min(n, 5000)
	began := time.Now()
	for range served {
		if _, err := c.Do("RPUSH", "queue", "x"); err != nil {
			return err
		}
	}
	t.add(clientSection, row, "served/s", p.Name, float64(served)/time.Since(began).Seconds())
	return nil
}

// infoNumber is one number of INFO, 0 if it is not there.
func infoNumber(info, name string) int64 {
	_, rest, _ := bytes.Cut([]byte(info), []byte("\n"+name+":"))
	line, _, _ := bytes.Cut(rest, []byte("\r"))
	n, err := strconv.ParseInt(string(line), 10, 64)
	if err != nil {
		return 0
	}
	return n
}
