package server

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	quorum "larder/replication/failover"
	"larder/server/resp"
)

// Clients that know Redis Sentinel find the primary at sentinel-port, of any member: a data node or a witness. It speaks
// the part of Sentinel that they use, and tells them by +switch-master when the primary has changed. Who is primary is
// decided elsewhere; this port only knows it, see package replication/failover.
type sentinel struct {
	group    string
	node     *quorum.Node
	password func() string
	port     int

	mu     sync.Mutex
	lns    []net.Listener
	conns  map[*sentinelConn]bool
	closed bool
	nextID int64
	all    sync.WaitGroup
}

// sentinelConn is one client. Its fields are its own goroutine's, but what stands under mu, for others tell it news.
type sentinelConn struct {
	s      *sentinel
	nc     net.Conn
	in     *bufio.Reader
	id     int64
	name   string
	authed bool
	quit   bool

	mu       sync.Mutex
	out      resp.Writer
	channels map[string]bool
	patterns map[string]bool
}

// Bounds of what a client of this port may send.
const (
	sentinelArgs = 1024
	sentinelBulk = 64 << 10
)

// startSentinel serves the port at the addresses, those of the directive bind. Where the first fails, it does.
func startSentinel(s *sentinel, addrs []string) error {
	s.conns = map[*sentinelConn]bool{}
	for _, a := range addrs {
		optional := strings.HasPrefix(a, "-")
		a = strings.TrimPrefix(a, "-")
		network := "tcp"
		switch a {
		case "*":
			network, a = "tcp4", ""
		case "::*":
			network, a = "tcp6", ""
		}
		ln, err := net.Listen(network, net.JoinHostPort(a, strconv.Itoa(s.port)))
		if err != nil {
			if optional {
				continue
			}
			s.stop()
			return fmt.Errorf("sentinel-port: %w", err)
		}
		s.lns = append(s.lns, ln)
		s.all.Go(func() { s.accept(ln) })
	}
	return nil
}

func (s *sentinel) accept(ln net.Listener) {
	for {
		nc, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(10 * time.Millisecond) // short of descriptors, perhaps
			continue
		}
		c := &sentinelConn{s: s, nc: nc, in: bufio.NewReader(nc), channels: map[string]bool{}, patterns: map[string]bool{}}
		c.out.Init(2, nil)
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			nc.Close()
			return
		}
		s.nextID++
		c.id = s.nextID
		s.conns[c] = true
		s.mu.Unlock()
		s.all.Go(c.serve)
	}
}

func (s *sentinel) stop() {
	s.mu.Lock()
	s.closed = true
	for _, ln := range s.lns {
		ln.Close()
	}
	for c := range s.conns {
		c.nc.Close()
	}
	s.mu.Unlock()
	s.all.Wait()
}

// publish tells the subscribers of a channel.
func (s *sentinel) publish(channel, message string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.tell(channel, message)
	}
}

// switched tells who has become primary instead of whom.
func (s *sentinel) switched(before, now *quorum.State) {
	old, is := before.Members[before.Primary], now.Members[now.Primary]
	if s.node == nil || is.Host == "" {
		return
	}
	if old.Host == "" {
		old = is
	}
	if before.Primary == now.Primary && old.Host == is.Host && old.Port == is.Port {
		return
	}
	s.publish("+switch-master", fmt.Sprintf("%s %s %d %s %d", s.group, old.Host, old.Port, is.Host, is.Port))
}

func (c *sentinelConn) tell(channel, message string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.channels[channel] {
		c.out.Push(3)
		c.out.BulkString("message")
		c.out.BulkString(channel)
		c.out.BulkString(message)
	}
	for p := range c.patterns {
		if ok, _ := path.Match(p, channel); ok {
			c.out.Push(4)
			c.out.BulkString("pmessage")
			c.out.BulkString(p)
			c.out.BulkString(channel)
			c.out.BulkString(message)
		}
	}
	c.flush()
}

// flush sends what waits. A client that does not read is closed.
func (c *sentinelConn) flush() {
	if len(c.out.Bytes()) == 0 {
		return
	}
	err := c.nc.SetWriteDeadline(time.Now().Add(time.Second))
	if err == nil {
		_, err = c.nc.Write(c.out.Bytes())
	}
	c.out.Empty()
	if err != nil {
		c.nc.Close()
	}
}

func (c *sentinelConn) serve() {
	defer func() {
		c.nc.Close()
		c.s.mu.Lock()
		delete(c.s.conns, c)
		c.s.mu.Unlock()
	}()
	for !c.quit {
		args, err := readRequest(c.in)
		if err != nil {
			return
		}
		if len(args) == 0 {
			continue
		}
		c.do(args)
	}
}

var errRequest = errors.New("protocol error")

// readRequest reads a request in either form of the protocol.
func readRequest(in *bufio.Reader) ([]string, error) {
	line, err := readLine(in)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(line, "*") {
		return strings.Fields(line), nil
	}
	n, err := strconv.Atoi(line[1:])
	if err != nil || n > sentinelArgs {
		return nil, errRequest
	}
	var args []string
	for range n {
		if line, err = readLine(in); err != nil {
			return nil, err
		}
		size, err := strconv.Atoi(strings.TrimPrefix(line, "$"))
		if err != nil || size < 0 || size > sentinelBulk || !strings.HasPrefix(line, "$") {
			return nil, errRequest
		}
		b := make([]byte, size+2)
		if _, err := io.ReadFull(in, b); err != nil {
			return nil, err
		}
		args = append(args, string(b[:size]))
	}
	return args, nil
}
