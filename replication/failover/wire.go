package failover

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// One port serves both Raft and the members' own messages. A connection begins with a handshake in which each side
// shows that it knows the group's name and secret, without saying the secret:
//
//	dialler   "LARDER1" kind nonce(16)
//	listener  nonce(16) hmac-sha256(secret, "listener" group kind nonce nonce)
//	dialler   hmac-sha256(secret, "dialler" group kind nonce nonce)
//
// Kind 'R' is Raft's from there on. On kind 'M' a request is four bytes of length, big-endian, and JSON; the reply has
// the same form, and one follows the other. Nothing is encrypted: the ports belong into a network of their own.

const (
	greeting   = "LARDER1"
	kindRaft   = 'R'
	kindMember = 'M'

	nonceSize  = 16
	frameLimit = 1 << 20
)

var errHandshake = errors.New("the other side is no member of this group, or has another failover-secret")

// port is the failover port: what comes in, and how others are called.
type port struct {
	group, secret string
	self          string
	call          time.Duration
	ln            net.Listener
	raft          chan net.Conn
	serve         func(ctx context.Context, m envelope) envelope

	mu     sync.Mutex
	idle   map[string][]net.Conn
	open   map[net.Conn]bool // that came in
	closed bool
	done   chan struct{}
	all    sync.WaitGroup
}

func newPort(group, secret, self string, ln net.Listener, call time.Duration) *port {
	return &port{
		group: group, secret: secret, self: self, ln: ln, call: call,
		raft: make(chan net.Conn), idle: map[string][]net.Conn{}, open: map[net.Conn]bool{}, done: make(chan struct{}),
	}
}

func (p *port) run() {
	p.all.Go(func() {
		for {
			c, err := p.ln.Accept()
			if err != nil {
				select {
				case <-p.done:
					return
				case <-time.After(10 * time.Millisecond): // short of descriptors, perhaps
					continue
				}
			}
			p.all.Go(func() { p.admit(c) })
		}
	})
}

func (p *port) close() {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return
	}
	p.closed = true
	close(p.done)
	p.ln.Close()
	for c := range p.open {
		c.Close()
	}
	for _, list := range p.idle {
		for _, c := range list {
			c.Close()
		}
	}
	p.mu.Unlock()
	p.all.Wait()
}

func (p *port) mac(side string, kind byte, nonces []byte) []byte {
	h := hmac.New(sha256.New, []byte(p.secret))
	fmt.Fprintf(h, "%s %d %s %c ", side, len(p.group), p.group, kind)
	h.Write(nonces)
	return h.Sum(nil)
}

// admit takes a connection that has come in.
func (p *port) admit(c net.Conn) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		c.Close()
		return
	}
	p.open[c] = true
	p.mu.Unlock()
	kind, err := p.welcome(c)
	switch {
	case err != nil:
	case kind == kindRaft:
		select {
		case p.raft <- raftConn{c, p}:
			return
		case <-p.done:
		}
	default:
		p.answer(c)
	}
	p.forget(c)
	c.Close()
}

// raftConn is a connection that Raft has been given.
type raftConn struct {
	net.Conn
	p *port
}

// Close is Raft's.
func (c raftConn) Close() error {
	c.p.forget(c.Conn)
	return c.Conn.Close()
}

func (p *port) forget(c net.Conn) {
	p.mu.Lock()
	delete(p.open, c)
	p.mu.Unlock()
}

func (p *port) welcome(c net.Conn) (kind byte, err error) {
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return 0, err
	}
	var head [len(greeting) + 1 + nonceSize]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return 0, err
	}
	kind = head[len(greeting)]
	if string(head[:len(greeting)]) != greeting || kind != kindRaft && kind != kindMember {
		return 0, errHandshake
	}
	nonces := make([]byte, 2*nonceSize)
	copy(nonces, head[len(greeting)+1:])
	if _, err := rand.Read(nonces[nonceSize:]); err != nil {
		return 0, err
	}
	if _, err := c.Write(append(bytes.Clone(nonces[nonceSize:]), p.mac("listener", kind, nonces)...)); err != nil {
		return 0, err
	}
	var proof [sha256.Size]byte
	if _, err := io.ReadFull(c, proof[:]); err != nil {
		return 0, err
	}
	if !hmac.Equal(proof[:], p.mac("dialler", kind, nonces)) {
		return 0, errHandshake
	}
	return kind, c.SetDeadline(time.Time{})
}

// dial makes a connection to another member.
func (p *port) dial(addr string, kind byte, timeout time.Duration) (net.Conn, error) {
	c, err := net.DialTimeout("tcp", addr, timeout)
	if err != nil {
		return nil, err
	}
	if err := p.greet(c, kind, timeout); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (p *port) greet(c net.Conn, kind byte, timeout time.Duration) error {
	if err := c.SetDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	nonces := make([]byte, 2*nonceSize)
	if _, err := rand.Read(nonces[:nonceSize]); err != nil {
		return err
	}
	if _, err := c.Write(append(append([]byte(greeting), kind), nonces[:nonceSize]...)); err != nil {
		return err
	}
	var reply [nonceSize + sha256.Size]byte
	if _, err := io.ReadFull(c, reply[:]); err != nil {
		return err
	}
	copy(nonces[nonceSize:], reply[:])
	if !hmac.Equal(reply[nonceSize:], p.mac("listener", kind, nonces)) {
		return errHandshake
	}
	if _, err := c.Write(p.mac("dialler", kind, nonces)); err != nil {
		return err
	}
	return c.SetDeadline(time.Time{})
}

// envelope is one message between members: exactly one field is set, or none for a mere yes.
type envelope struct {
	Report *Report     `json:",omitempty"` // -> Answer
	Answer *Answer     `json:",omitempty"`
	Poll   *poll       `json:",omitempty"` // -> Report
	News   *State      `json:",omitempty"` // the State has changed
	Status *Status     `json:",omitempty"` // -> Status
	Admin  *adminOrder `json:",omitempty"`
	Error  string      `json:",omitempty"`
	Text   string      `json:",omitempty"`
}

type poll struct{}

// adminOrder is something that a person wants of the coordinator.
type adminOrder struct {
	What string // "add", "remove", "switch", "stay", "takeover"
	ID   string
}

func (p *port) answer(c net.Conn) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for {
		m, err := readFrame(c)
		if err != nil {
			return
		}
		if err := writeFrame(c, p.serve(ctx, m)); err != nil {
			return
		}
	}
}

func readFrame(r io.Reader) (m envelope, err error) {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return m, err
	}
	n := binary.BigEndian.Uint32(size[:])
	if n > frameLimit {
		return m, fmt.Errorf("a message of %d bytes", n)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		return m, err
	}
	return m, json.Unmarshal(b, &m)
}

func writeFrame(w io.Writer, m envelope) error {
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	_, err = w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...))
	return err
}

// ask sends a message to a member and waits for the reply. A connection that fails is not used again.
func (p *port) ask(addr string, m envelope, timeout time.Duration) (reply envelope, err error) {
	c := p.take(addr)
	if c == nil {
		if c, err = p.dial(addr, kindMember, timeout); err != nil {
			return reply, err
		}
	}
	err = c.SetDeadline(time.Now().Add(timeout))
	if err == nil {
		err = writeFrame(c, m)
	}
	if err == nil {
		reply, err = readFrame(c)
	}
	if err != nil {
		c.Close()
		return reply, err
	}
	p.put(addr, c)
	if reply.Error != "" {
		return reply, errors.New(reply.Error)
	}
	return reply, nil
}

func (p *port) take(addr string) net.Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.idle[addr]
	if len(list) == 0 {
		return nil
	}
	c := list[len(list)-1]
	p.idle[addr] = list[:len(list)-1]
	return c
}

func (p *port) put(addr string, c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.idle[addr]) >= 4 {
		c.Close()
		return
	}
	p.idle[addr] = append(p.idle[addr], c)
}

// drop closes the idle connections to a member that has not answered: they may be dead, too.
func (p *port) drop(addr string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.idle[addr] {
		c.Close()
	}
	delete(p.idle, addr)
}

// streams is the port as Raft sees it.
type streams struct{ p *port }

func (s streams) Accept() (net.Conn, error) {
	select {
	case c := <-s.p.raft:
		return c, nil
	case <-s.p.done:
		return nil, net.ErrClosed
	}
}

func (s streams) Close() error { return nil } // the port is closed by whoever opened it

func (s streams) Addr() net.Addr { return memberAddr(s.p.self) }

func (s streams) Dial(addr raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	return s.p.dial(string(addr), kindRaft, min(timeout, 2*s.p.call))
}

// memberAddr is a member's address as it is known to the others.
type memberAddr string

func (memberAddr) Network() string  { return "tcp" }
func (a memberAddr) String() string { return string(a) }
