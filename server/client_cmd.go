package server

import (
	"strconv"

	"larder/server/command"
	"larder/server/resp"
)

func clientID(c *command.Ctx) { c.Reply.Int(c.Client.(*session).id) }

func clientGetname(c *command.Ctx) {
	if name := c.Client.(*session).name; name != "" {
		c.Reply.BulkString(name)
	} else {
		c.Reply.Null()
	}
}

func clientSetname(c *command.Ctx) {
	name := c.Args.Bytes()
	if !validName(name) {
		c.Fail(resp.UnprintableName("Client names"))
		return
	}
	c.Client.(*session).name = string(name)
	c.Reply.OK()
}

func clientSetinfo(c *command.Ctx) {
	s := c.Client.(*session)
	attribute, value := c.Args.Bytes(), c.Args.Bytes()
	var field *string
	switch {
	case command.EqualFold(attribute, "LIB-NAME"):
		field = &s.libName
	case command.EqualFold(attribute, "LIB-VER"):
		field = &s.libVer
	default:
		c.Fail(resp.UnrecognizedOption(attribute))
		return
	}
	if !validName(value) {
		c.Fail(resp.UnprintableName(string(attribute)))
		return
	}
	*field = string(value)
	c.Reply.OK()
}

func clientCapa(c *command.Ctx) {
	s := c.Client.(*session)
	for _, what := range c.Args.Rest() {
		if command.EqualFold(what, "REDIRECT") {
			s.noted.redirect = true
		}
	}
	c.Reply.OK()
}

func clientNoEvict(c *command.Ctx) { onOff(c, &c.Client.(*session).noEvict) }

func clientNoTouch(c *command.Ctx) { onOff(c, &c.Client.(*session).noTouch) }

// onOff sets a flag of the client as its argument says.
func onOff(c *command.Ctx, flag *bool) {
	switch {
	case c.Args.Is("ON"):
		*flag = true
	case c.Args.Is("OFF"):
		*flag = false
	default:
		c.Fail(resp.ErrSyntax)
		return
	}
	c.Reply.OK()
}

func clientReply(c *command.Ctx) {
	s := c.Client.(*session)
	switch {
	case c.Args.Is("ON"):
		s.replyOff, s.replySkip = false, 0
		c.Reply.OK()
	case c.Args.Is("OFF"):
		s.replyOff = true
	case c.Args.Is("SKIP"):
		if !s.replyOff {
			s.replySkip = 2
		}
	default:
		c.Fail(resp.ErrSyntax)
	}
}

func clientInfo(c *command.Ctx) {
	s := c.Client.(*session)
	c.Reply.Verbatim("txt", string(append(s.describe(make([]byte, 0, lineSize), s.ex.nanos), '\n')))
}

// clientType is the class that CLIENT LIST and KILL mean by a name.
func clientType(name []byte) (class, bool) {
	switch {
	case command.EqualFold(name, "NORMAL"):
		return classNormal, true
	case command.EqualFold(name, "SLAVE"), command.EqualFold(name, "REPLICA"):
		return classReplica, true
	case command.EqualFold(name, "PUBSUB"):
		return classPubSub, true
	case command.EqualFold(name, "MASTER"), command.EqualFold(name, "PRIMARY"):
		return classMaster, true
	}
	return 0, false
}

// A class of clients has its own limits of output.
type class uint8

const (
	classNormal class = iota
	classReplica
	classPubSub
	classMaster
)

func (s *session) class() class {
	switch {
	case s.link != nil:
		return classMaster
	case s.peer != nil:
		return classReplica
	case s.sub.any():
		return classPubSub
	}
	return classNormal
}

func listClients(c *command.Ctx) {
	self := c.Client.(*session)
	f := filter{self: self}
	for c.Args.More() {
		f.parse(c, false)
	}
	if !c.Args.Done() {
		return
	}
	clients := self.srv.clients.all()
	lines := make([]byte, 0, min(len(clients), mostLines)*lineSize)
	for _, s := range clients {
		if f.passes(s, self.ex.nanos) {
			lines = append(s.describe(lines, self.ex.nanos), '\n')
		}
	}
	c.Reply.Verbatim("txt", string(lines))
}

// info is what describe writes.
func (s *session) info(nanos int64) string { return string(s.describe(nil, nanos)) }

// A client's line has about so many bytes; room is made for some of them beforehand, of which a filter may leave few.
const (
	lineSize  = 400
	mostLines = 100
)

// describe appends a client as one line of CLIENT LIST. The session is at rest, or the executor's own. There may be ten thousand
// of them to describe while the world stands still.
func (s *session) describe(line []byte, nanos int64) []byte {
	cmd := "NULL"
	if s.lastRow != nil {
		cmd = s.lastRow.Name
	}
	inMulti, multiMem := -1, 0
	if s.multi != nil {
		inMulti, multiMem = len(s.multi.queue), s.multi.bytes
	}
	redirect := int64(-1)
	if s.tracks != nil { // 0: nobody else gets its invalidations
		redirect = s.tracks.redirect
	}
	argv := s.conn.In.Parsed()
	in, inCap := s.conn.In.Buffered()-argv, s.conn.In.Owned()-argv
	if s == s.ex.current { // what it asks stands in the loop's own buffer
		in += s.ex.requestSize
	}
	out := s.conn.Pending()
	total := s.memory()
	events := "r"
	if out > 0 {
		events = "rw"
	}
	number := func(name string, n int64) { line = strconv.AppendInt(append(line, name...), n, 10) }
	text := func(name, val string) { line = append(append(line, name...), val...) }
	number("id=", int64(s.id))
	text(" addr=", s.conn.RemoteAddr())
	text(" laddr=", s.localAddr())
	number(" fd=", int64(s.conn.FD()))
	text(" name=", s.name)
	number(" age=", int64(s.age(nanos).Seconds()))
	number(" idle=", int64(s.idle(nanos).Seconds()))
	text(" flags=", s.flags())
	number(" db=", int64(s.db))
	number(" sub=", int64(len(s.sub.channels)))
	number(" psub=", int64(len(s.sub.patterns)))
	number(" ssub=", int64(len(s.sub.sharded)))
	number(" multi=", int64(inMulti))
	number(" qbuf=", int64(in))
	number(" qbuf-free=", int64(max(0, inCap-in)))
	number(" argv-mem=", int64(argv))
	number(" multi-mem=", int64(multiMem))
	text(" rbs=0 rbp=0", "") // there are no reply buffers
	number(" obl=", int64(out))
	text(" oll=0", "")
	number(" omem=", int64(out))
	number(" tot-mem=", int64(total))
	text(" events=", events)
	text(" cmd=", cmd)
	text(" user=", s.userName())
	number(" redir=", redirect)
	number(" resp=", int64(s.protocol))
	text(" lib-name=", s.libName)
	text(" lib-ver=", s.libVer)
	number(" watch=", int64(s.watches()))
	number(" tot-net-in=", int64(s.conn.BytesIn))
	number(" tot-net-out=", int64(s.conn.BytesOut))
	number(" tot-cmds=", int64(s.processed()))
	return line
}

// localAddr is the address that the client has connected to. The system is asked for it once.
func (s *session) localAddr() string {
	if s.laddr == "" {
		s.laddr = s.conn.LocalAddr()
	}
	return s.laddr
}

// processed is how many commands of the client, and of its scripts, have run to their end.
func (s *session) processed() uint64 {
	n := s.commands + s.scripted
	if s == s.ex.current || s.blocked() {
		n--
	}
	return n
}

// memory is what the client costs in bytes: its session, its buffers, and what it has told the server to keep.
func (s *session) memory() int {
	n := sessionSize + s.conn.Buffers() + s.sub.bytes + nameCost*len(s.watched)
	if s.multi != nil {
		n += s.multi.bytes
	}
	if s.tracks != nil {
		n += nameCost * len(s.tracks.prefixes)
	}
	return n
}

// nameCost is about what it takes to remember a short name that a client has given, in both directions.
const nameCost = 100

// sessionSize is about what a session and its connection take without buffers.
const sessionSize = 1200

// flags are the letters of CLIENT LIST.
func (s *session) flags() string {
	var b []byte
	add := func(on bool, letter byte) {
		if on {
			b = append(b, letter)
		}
	}
	add(s.peer != nil, 'S')
	add(s.link != nil, 'M')
	add(s.monitor, 'O')
	add(s.sub.any(), 'P')
	add(s.multi != nil, 'x')
	add(s.blocked() || s.paused, 'b')
	if t := s.tracks; t != nil {
		add(true, 't')
		add(t.broken.Load(), 'R')
		add(t.bcast, 'B')
	}
	add(s.isDirty(), 'd')
	add(s.conn.Closing(), 'c')
	add(s.conn.Listener != nil && s.conn.Listener.Network == "unix", 'U')
	add(s.noEvict, 'e')
	add(s.noTouch, 'T')
	if len(b) == 0 {
		return "N"
	}
	return string(b)
}

func clientKill(c *command.Ctx) {
	a := &c.Args
	self := c.Client.(*session)
	f := filter{self: self, skipSelf: true}
	if a.Left() == 1 { // the old form: an address, and it must be there
		f.want.addr, f.skipSelf = a.Bytes(), false
		if self.srv.kill(&f) == 0 {
			c.Fail("ERR No such client")
		} else {
			c.Reply.OK()
		}
		return
	}
	for a.More() {
		f.parse(c, true)
	}
	if !a.Done() {
		return
	}
	c.Reply.Int(int64(self.srv.kill(&f)))
}

// kill closes the clients that a filter selects and returns how many. The world is stopped. The one who asks is closed
// only once it has its reply.
func (srv *Server) kill(f *filter) int {
	n := 0
	for _, s := range srv.clients.all() {
		if s.conn.Doomed() || !f.passes(s, f.self.ex.nanos) {
			continue
		}
		n++
		s.cut(f.self)
	}
	return n
}

func clientUnblock(c *command.Ctx) {
	a := &c.Args
	id := a.IntOr(resp.ErrNotInteger)
	withError := false
	if a.Left() > 1 {
		c.Fail(resp.UnknownSubcommandOrArgs(c.Args.At(1), "CLIENT"))
		return
	}
	switch {
	case a.Is("TIMEOUT"):
	case a.Is("ERROR"):
		withError = true
	case a.More():
		a.Wrong("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")
	}
	if !a.Done() {
		return
	}
	self := c.Client.(*session)
	s := self.srv.clients.find(id)
	if s == nil {
		c.Reply.Int(0)
		return
	}
	ends := (*executor).timedOut
	if withError {
		ends = waitFails(resp.ErrUnblocked)
	}
	if self.ex.callOff(s, ends) {
		c.Reply.Int(1)
	} else {
		c.Reply.Int(0)
	}
}

func clientHelp(c *command.Ctx) {
	c.Help(
		"CACHING (YES|NO)", "Turn on or off the tracking of the keys that the next command reads.",
		"CAPA <option> [options...]", "Tell the server what this client can do.",
		"GETNAME", "Return the name of this connection.",
		"GETREDIR", "Return the ID of the client that invalidations are redirected to.",
		"ID", "Return the ID of this connection.",
		"INFO", "Return a line about this connection.",
		"KILL <ip:port>", "Close the connection from an address.",
		"KILL <option> <value> [<option> <value> [...]]", "Close the connections that all options fit, those of LIST; SKIPME is yes unless told.",
		"LIST [options ...]", "Return a line about every connection that all options fit: MAXAGE, IDLE, SKIPME, and ID, TYPE, USER, ADDR, LADDR, IP, NAME, FLAGS, LIB-NAME, LIB-VER, DB, CAPA, each of these with NOT- before it as well.",
		"NO-EVICT (ON|OFF)", "Keep this connection out of the eviction of clients.",
		"NO-TOUCH (ON|OFF)", "Leave no trace of access when this connection reads.",
		"PAUSE <timeout> [WRITE|ALL]", "Hold clients back for a time in milliseconds.",
		"REPLY (ON|OFF|SKIP)", "Say which replies this connection wants.",
		"SETINFO <option> <value>", "Tell the name and version of the client library (LIB-NAME, LIB-VER).",
		"SETNAME <name>", "Give this connection a name.",
		"TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]] [OPTIN] [OPTOUT] [NOLOOP]", "Switch help for client-side caching on or off.",
		"TRACKINGINFO", "Return how this connection is tracked.",
		"UNBLOCK <clientid> [TIMEOUT|ERROR]", "End the waiting of a blocked client.",
		"UNPAUSE", "End PAUSE.",
		"WRITE-SAFETY [ASYNC|BOUNDED <milliseconds>|SYNC <replicas>|DEFAULT]", "Say or set when writes of this connection are acknowledged.",
	)
}

func init() {
	register(
		command.New("client", command.NoneOfThem, nil),
		command.New("client|id", command.NoneOfThem, clientID),
		command.New("client|getname", command.NoneOfThem, clientGetname),
		command.New("client|setname", command.NoneOfThem, clientSetname),
		command.New("client|setinfo", command.NoneOfThem, clientSetinfo),
		command.New("client|capa", command.NoneOfThem, clientCapa),
		command.New("client|no-evict", command.NoneOfThem, clientNoEvict),
		command.New("client|no-touch", command.NoneOfThem, clientNoTouch),
		command.New("client|reply", command.NoneOfThem, clientReply),
		command.New("client|info", command.NoneOfThem, clientInfo),
		command.New("client|list", command.World, listClients),
		command.New("client|kill", command.World, clientKill),
		command.New("client|unblock", command.World, clientUnblock),
		command.New("client|pause", command.World, clientPause),
		command.New("client|unpause", command.World, clientUnpause),
		command.New("client|tracking", command.World, clientTracking),
		command.New("client|caching", command.NoneOfThem, clientCaching),
		command.New("client|trackinginfo", command.NoneOfThem, clientTrackingInfo),
		command.New("client|getredir", command.NoneOfThem, clientGetredir),
		command.New("client|help", command.NoneOfThem, clientHelp),
		command.New("monitor", command.World, monitor),
	)
}
