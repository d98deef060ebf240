package server

import (
	"errors"
	"fmt"
	"strings"

	"larder/replication"
	"larder/server/command"
	"larder/server/config"
	"larder/server/resp"
)

func failoverRefused(err error) bool {
	return errors.Is(err, replication.ErrNoFailover) || errors.Is(err, replication.ErrRefused)
}

// replicaof makes the server a replica, or a primary. It runs in a stopped world with all shards held.
func replicaof(c *command.Ctx) {
	s := c.Client.(*session)
	srv, a := s.srv, &c.Args
	r := &srv.repl
	host, word := string(a.Bytes()), string(a.Peek())
	switch {
	case srv.group.Load() != nil:
		c.Fail("ERR The failover group says whom this server follows. Use FAILOVER to switch.")
	case srv.failing():
		c.Fail(resp.ErrReplicaOfFailover)
	case strings.EqualFold(host, "no") && strings.EqualFold(word, "one"):
		if r.replica.Load() {
			srv.becomePrimary(newRunID())
			srv.log.Info("MASTER MODE enabled (user request from '" + s.conn.RemoteAddr() + "')")
		}
		c.Reply.OK()
	default:
		port := a.IntIn(0, 65535, "ERR Invalid master port")
		switch {
		case s.peer != nil:
			a.Wrong(resp.ErrOnlyMaster)
		}
		if !a.Done() {
			return
		}
		if l := r.link.Load(); l != nil && l.addr.Port == int(port) && strings.EqualFold(l.addr.Host, host) {
			c.Reply.Simple("OK Already connected to specified master")
			return
		}
		s.wrote(s.ex.commit()) // what its transaction has written so far: that was a primary's, and its replicas have to hear of it
		srv.becomeReplica(s.ex, config.Address{Host: host, Port: int(port)}, false)
		srv.log.Info(fmt.Sprintf("REPLICAOF %s:%d enabled (user request from '%s')", oneLine(host), port, s.conn.RemoteAddr()))
		c.Reply.OK()
	}
}

func role(c *command.Ctx) {
	srv := c.Client.(*session).srv
	r, w := &srv.repl, c.Reply
	if l := r.link.Load(); l != nil {
		w.Array(5)
		w.BulkString("slave")
		w.BulkString(l.addr.Host)
		w.Int(int64(l.addr.Port))
		w.BulkString(l.State().String())
		if l.State() == replication.StateConnected {
			w.Int(r.offset())
		} else {
			w.Int(-1)
		}
		return
	}
	w.Array(3)
	w.BulkString("master")
	w.Int(r.offset())
	d, n := w.Defer(), 0
	for _, p := range r.list() {
		if !p.isOnline() {
			continue
		}
		host, port := p.address()
		w.Array(3)
		w.BulkString(host)
		w.BulkInt(int64(port))
		w.BulkInt(p.acked.Load())
		n++
	}
	w.SetArray(d, n)
}

// replconf is what a primary and a replica say to each other besides the stream.
func replconf(c *command.Ctx) {
	s := c.Client.(*session)
	a := &c.Args
	if a.Len()%2 == 0 {
		c.Fail(resp.ErrSyntax)
		return
	}
	for a.More() {
		name := a.Bytes()
		switch {
		case isWord(name, "LISTENING-PORT"):
			s.caps.port = int(a.IntIn(-1<<31, 1<<31-1, resp.ErrNotInteger))
		case isWord(name, "IP-ADDRESS"):
			ip := a.Bytes()
			if len(ip) > 255 { // it may be a name
				c.Fail(resp.Error(fmt.Sprintf("ERR REPLCONF ip-address provided by replica instance is too long: %d bytes", len(ip))))
				return
			}
			s.caps.ip = string(ip)
		case isWord(name, "CAPA"):
			switch what := a.Bytes(); {
			case isWord(what, "EOF"):
				s.caps.eof = true
			case isWord(what, "PSYNC2"):
				s.caps.psync2 = true
			}
		case isWord(name, "ACK"):
			s.acked(a)
			return
		case isWord(name, "GETACK"):
			return // only a primary's counts, which never comes here
		case isWord(name, "RDB-ONLY"):
			s.caps.rdbOnly = a.IntIn(0, 1, resp.ErrOutOfRange) == 1
		case isWord(name, "RDB-FILTER-ONLY"):
			filters := strings.Fields(string(a.Bytes()))
			s.caps.noKeys, s.caps.noFunctions = true, true
			for _, f := range filters {
				if !strings.EqualFold(f, "functions") {
					c.Fail(resp.Error("ERR Unsupported rdb-filter-only option: " + f))
					return
				}
				s.caps.noFunctions = false
			}
		default:
			c.Fail(resp.Error("ERR Unrecognized REPLCONF option: " + string(name)))
			return
		}
		if a.Bad() {
			a.Done()
			return
		}
	}
	c.Reply.OK()
}

func isWord(b []byte, word string) bool { return command.EqualFold(b, word) }

// acked takes what a replica says that it has. There is no reply.
func (s *session) acked(a *command.Args) {
	p := s.peer
	at := a.IntOr(resp.ErrNotInteger)
	disk := int64(-1)
	if a.More() && isWord(a.Bytes(), "FACK") {
		disk = a.IntOr(resp.ErrNotInteger)
	}
	if p == nil || a.Bad() {
		return
	}
	srv := s.srv
	p.heard_ms.Store(s.ex.steady())
	if at > p.acked.Load() {
		p.acked.Store(at)
	}
	if disk > p.ackedDisk.Load() {
		p.ackedDisk.Store(disk)
	}
	if p.phase.CompareAndSwap(peerAcking, peerOnline) {
		p.asleep.Store(false)
		p.feed()
	}
	srv.repl.count(srv)
	srv.serveWaits()
	srv.guard.poke(srv)
	if srv.repl.failover.state.Load() == failoverWaiting {
		srv.nudgeReplication()
	}
}

func init() {
	register(
		command.New("replicaof", command.World, replicaof),
		command.New("slaveof", command.World, replicaof),
		command.New("role", command.NoneOfThem, role),
		command.New("replconf", command.NoneOfThem, replconf),
	)
}
