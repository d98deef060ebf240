package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	quorum "larder/replication/failover"
	"larder/server/glob"
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
	ctx    context.Context
	end    context.CancelFunc
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

	queue   sync.Mutex
	news    []news // that the client has still to be told
	telling bool   // a goroutine is at it
}

// news is a message of a channel.
type news struct{ channel, message string }

// Bounds of what clients of this port may send and be.
const (
	sentinelArgs    = 1024
	sentinelRequest = 64 << 10 // bytes of one request
	sentinelClients = 10000
	sentinelNames   = 256 // channels and patterns of one client
	sentinelNews    = 256 // that a client may be behind
)

// startSentinel serves the port at the addresses, those of the directive bind. Where the first fails, it does.
func startSentinel(s *sentinel, addrs []string) error {
	s.mu.Lock() // the group may have news already
	s.conns = map[*sentinelConn]bool{}
	s.mu.Unlock()
	s.ctx, s.end = context.WithCancel(context.Background())
	for _, a := range addrs {
		optional := strings.HasPrefix(a, "-")
		a = strings.TrimPrefix(a, "-")
		network := "tcp"
		switch a {
		case "*":
			network, a = "tcp4", ""
		case "::*":
			network, a = "tcp6", ""
		default: // 0.0.0.0 is all of IPv4, and :: all of IPv6; for package net either is both
			if ip, err := netip.ParseAddr(a); err == nil && ip.Unmap().Is4() {
				network = "tcp4"
			} else if err == nil {
				network = "tcp6"
			}
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
		if s.closed || len(s.conns) >= sentinelClients {
			closed := s.closed
			s.mu.Unlock()
			nc.Close()
			if closed {
				return
			}
			continue
		}
		s.nextID++
		c.id = s.nextID
		s.conns[c] = true
		s.mu.Unlock()
		s.all.Go(c.serve)
	}
}

func (s *sentinel) stop() {
	s.end()
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

// publish tells the subscribers of a channel. It waits for none of them: this server's role must not change later because
// a client does not read.
func (s *sentinel) publish(channel, message string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	for c := range s.conns {
		c.queue.Lock()
		switch {
		case len(c.news) >= sentinelNews:
			c.nc.Close()
		case c.telling:
			c.news = append(c.news, news{channel, message})
		default:
			c.news, c.telling = append(c.news, news{channel, message}), true
			s.all.Go(c.tellAll)
		}
		c.queue.Unlock()
	}
}

// tellAll tells the client what has been published, in its order.
func (c *sentinelConn) tellAll() {
	for {
		c.queue.Lock()
		list := c.news
		c.news, c.telling = nil, len(list) > 0
		c.queue.Unlock()
		if len(list) == 0 {
			return
		}
		for _, n := range list {
			c.tell(n.channel, n.message)
		}
	}
}

// switched tells who has become primary instead of whom.
func (s *sentinel) switched(before, now *quorum.State) {
	old, is := before.Members[before.Primary], now.Members[now.Primary]
	if is.Host == "" {
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
		if glob.Match([]byte(p), []byte(channel), false) {
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
	left := sentinelRequest
	for range n {
		if line, err = readLine(in); err != nil {
			return nil, err
		}
		size, err := strconv.Atoi(strings.TrimPrefix(line, "$"))
		if err != nil || size < 0 || size > left || !strings.HasPrefix(line, "$") {
			return nil, errRequest
		}
		left -= size
		b := make([]byte, size+2)
		if _, err := io.ReadFull(in, b); err != nil {
			return nil, err
		}
		args = append(args, string(b[:size]))
	}
	return args, nil
}
