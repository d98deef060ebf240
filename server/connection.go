package server

import (
	"net/netip"

	"larder/server/acl"
	"larder/server/command"
	"larder/server/netloop"
	"larder/server/resp"
)

// Versions that the server names itself by.
const (
	RedisVersion = "7.2.4" // whose commands, replies and files it follows
)

func ping(c *command.Ctx) {
	if c.Args.Len() > 2 {
		c.Fail(resp.WrongArgs("ping"))
		return
	}
	msg := c.Args.Peek()
	if s := c.Client.(*session); s.restricted() { // a subscriber of RESP2 gets all its replies as arrays
		c.Reply.Array(2)
		c.Reply.BulkString("pong")
		c.Reply.Bulk(msg)
		return
	}
	if msg == nil {
		c.Reply.Simple("PONG")
	} else {
		c.Reply.Bulk(msg)
	}
}

func echo(c *command.Ctx) { c.Reply.Bulk(c.Args.Bytes()) }

func quit(c *command.Ctx) {
	s := c.Client.(*session)
	c.Reply.OK()
	s.ex.depart(s)
}

func selectDB(c *command.Ctx) {
	n := c.Args.Int32(resp.ErrNotInteger, "")
	if !c.Args.Done() {
		return
	}
	if n < 0 || n >= int64(c.Keyspace().Databases()) {
		c.Fail(resp.ErrDBIndex)
		return
	}
	c.Client.(*session).db = int(n)
	c.Reply.OK()
}

func reset(c *command.Ctx) {
	s := c.Client.(*session)
	s.ex.forget(s)
	s.takeInbox() // in the form that it had asked for; nothing follows
	s.db, s.name = 0, ""
	s.replyOff, s.replySkip = false, 0
	s.noTouch, s.noEvict = false, false
	s.noted.readsHere = false
	s.safety = nil
	s.setProto(2)
	s.srv.welcome(s)
	c.Reply.Simple("RESET")
}

func auth(c *command.Ctx) {
	s := c.Client.(*session)
	args := c.Args.Rest()
	user := []byte(acl.DefaultName)
	switch len(args) {
	case 1:
		if s.srv.access.users.Default().NoPass() {
			c.Fail(resp.ErrAuthNoPassword)
			return
		}
	case 2:
		user, args = args[0], args[1:]
	default:
		c.Fail(resp.ErrSyntax)
		return
	}
	if s.login(c, user, args[0]) {
		c.Reply.OK()
	} else {
		c.Fail(resp.ErrWrongPass)
	}
}

func hello(c *command.Ctx) {
	s := c.Client.(*session)
	a := &c.Args
	version := s.protocol
	if a.More() {
		n := a.IntOr(resp.ErrProtoNotInt)
		if a.Bad() {
			a.Done()
			return
		}
		if n != 2 && n != 3 {
			c.Fail(resp.ErrNoProto)
			return
		}
		version = int(n)
	}
	var user, password, name []byte
	for a.More() {
		switch {
		case a.IsWith("AUTH", 2):
			user, password = a.Bytes(), a.Bytes()
		case a.IsWith("SETNAME", 1):
			name = a.Bytes()
			if !validName(name) {
				c.Fail(resp.UnprintableName("Client names"))
				return
			}
		default:
			c.Fail(resp.HelloOption(a.Bytes()))
			return
		}
	}
	if user != nil && !s.login(c, user, password) {
		c.Fail(resp.ErrWrongPass)
		return
	}
	if s.stranger() {
		c.Fail(resp.ErrNoAuthHello)
		return
	}
	if name != nil {
		s.name = string(name)
	}
	s.setProto(version)
	w := c.Reply
	w.Map(7)
	w.BulkString("server")
	w.BulkString("redis")
	w.BulkString("version")
	w.BulkString(RedisVersion)
	w.BulkString("proto")
	w.Int(int64(version))
	w.BulkString("id")
	w.Int(s.id)
	w.BulkString("mode")
	w.BulkString("standalone")
	w.BulkString("role")
	if s.srv.repl.replica.Load() {
		w.BulkString("replica")
	} else {
		w.BulkString("master")
	}
	w.BulkString("modules")
	w.Array(0)
}

// validName tells whether a client may be called so: no spaces or special characters, as CLIENT LIST is one line each.
func validName(name []byte) bool {
	for _, b := range name {
		if b < '!' || b > '~' {
			return false
		}
	}
	return true
}

// refusesStranger tells whether protected mode keeps a connection out: there is no password and it is not from this
// machine.
func (srv *Server) refusesStranger(c *netloop.Conn) bool {
	return srv.conf.ProtectedMode.Get() && srv.openToAll() && !isLocal(c)
}

// isLocal tells whether the client of a connection is on this machine.
func isLocal(c *netloop.Conn) bool {
	if ln := c.Listener; ln != nil && ln.Network == "unix" {
		return true
	}
	addr, err := netip.ParseAddrPort(c.RemoteAddr())
	return err == nil && addr.Addr().Unmap().IsLoopback()
}

// hostOf is the host of "host:port".
func hostOf(addr string) (host string, ok bool) {
	a, err := netip.ParseAddrPort(addr)
	if err != nil {
		return "", false
	}
	return a.Addr().String(), true
}

// rows is every command that stands in this package, collected from the foot of each file.
var rows []*command.Row

func register(r ...*command.Row) { rows = append(rows, r...) }

func init() {
	register(
		command.New("ping", command.OfKeys, ping),
		command.New("echo", command.OfKeys, echo),
		command.New("quit", command.OfKeys, quit),
		command.New("select", command.OfKeys, selectDB),
		command.New("reset", command.NoneOfThem, reset),
		command.New("auth", command.OfKeys, auth),
		command.New("hello", command.OfKeys, hello),
		command.New("multi", command.OfKeys, multi),
		command.New("exec", command.NoneOfThem, exec),
		command.New("discard", command.NoneOfThem, discard),
		command.New("watch", command.OfKeys, watch),
		command.New("unwatch", command.NoneOfThem, unwatch),
	)
}
