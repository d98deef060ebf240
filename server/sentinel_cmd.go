package server

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	quorum "larder/replication/failover"
	"larder/server/resp"
)

// do runs one request of the port's client.
func (c *sentinelConn) do(args []string) {
	name := strings.ToLower(args[0])
	open := c.authed || c.s.password() == ""
	if !open && name != "auth" && name != "hello" && name != "quit" {
		c.reply(func(w *resp.Writer) { w.Error(resp.ErrNoAuth) })
		return
	}
	if c.listens() && !slices.Contains(whileListening, name) {
		if (name == "sentinel" || name == "client") && len(args) > 1 {
			name += "|" + strings.ToLower(args[1])
		}
		c.reply(func(w *resp.Writer) { w.Error(resp.NotAllowedInSubscriber(name)) })
		return
	}
	if name == "sentinel" && len(args) > 1 || name == "group" && len(args) > 1 {
		c.group(strings.ToLower(args[1]), args[2:])
		return
	}
	c.reply(func(w *resp.Writer) { c.simple(w, name, args) })
}

func (c *sentinelConn) reply(fn func(w *resp.Writer)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fn(&c.out)
	c.flush()
}

// listens tells whether the client has subscribed to something in the old protocol: then messages come instead of replies.
func (c *sentinelConn) listens() bool {
	return c.out.Proto == 2 && len(c.channels)+len(c.patterns) > 0
}

// whileListening is what such a client may say.
var whileListening = []string{"subscribe", "unsubscribe", "psubscribe", "punsubscribe", "ping", "quit", "reset"}

// simple is the commands about the connection.
func (c *sentinelConn) simple(w *resp.Writer, name string, args []string) {
	switch name {
	case "ping":
		if c.listens() {
			w.Array(2)
			w.BulkString("pong")
			w.BulkString(strings.Join(args[1:min(2, len(args))], ""))
		} else if len(args) > 1 {
			w.BulkString(args[1])
		} else {
			w.Simple("PONG")
		}
	case "auth":
		if len(args) < 2 {
			w.Error(resp.WrongArgs("auth"))
		} else if c.login(args[len(args)-1]) {
			w.OK()
		} else {
			w.Error(resp.ErrWrongPass)
		}
	case "hello":
		c.hello(w, args[1:])
	case "client":
		c.client(w, args[1:])
	case "command":
		if len(args) > 1 && strings.EqualFold(args[1], "docs") {
			w.Map(0)
		} else if len(args) > 1 && strings.EqualFold(args[1], "count") {
			w.Int(int64(len(sentinelCommands)))
		} else {
			w.Array(0)
		}
	case "role":
		w.Array(2)
		w.BulkString("sentinel")
		w.Array(1)
		w.BulkString(c.s.group)
	case "info":
		w.Verbatim("txt", c.info())
	case "subscribe", "psubscribe", "unsubscribe", "punsubscribe":
		c.subscribe(w, name, args[1:])
	case "quit":
		w.OK()
		c.quit = true
	case "reset":
		clear(c.channels)
		clear(c.patterns)
		c.authed, c.name = false, ""
		w.Proto = 2
		w.Simple("RESET")
	default:
		b := make([][]byte, len(args))
		for i, a := range args {
			b[i] = []byte(a)
		}
		w.Error(resp.UnknownCommand(b))
	}
}

// sentinelCommands is what the port knows.
var sentinelCommands = []string{"auth", "client", "command", "group", "hello", "info", "ping", "psubscribe", "punsubscribe", "quit", "reset", "role", "sentinel", "subscribe", "unsubscribe"}

// login lets the client in if the password is right. One that is wrong takes no right away that is there.
func (c *sentinelConn) login(password string) bool {
	want := c.s.password()
	right := want == "" || sha256.Sum256([]byte(password)) == sha256.Sum256([]byte(want))
	c.authed = c.authed || right
	return right
}

func (c *sentinelConn) hello(w *resp.Writer, args []string) {
	proto := w.Proto
	if len(args) > 0 {
		n, err := strconv.Atoi(args[0])
		if err != nil {
			w.Error(resp.ErrProtoNotInt)
			return
		}
		if n != 2 && n != 3 {
			w.Error(resp.ErrNoProto)
			return
		}
		proto = n
		args = args[1:]
	}
	for len(args) > 0 {
		switch {
		case strings.EqualFold(args[0], "AUTH") && len(args) >= 3:
			if !c.login(args[2]) {
				w.Error(resp.ErrWrongPass)
				return
			}
			args = args[3:]
		case strings.EqualFold(args[0], "SETNAME") && len(args) >= 2:
			c.name = args[1]
			args = args[2:]
		default:
			w.Error(resp.HelloOption([]byte(args[0])))
			return
		}
	}
	if c.s.password() != "" && !c.authed {
		w.Error(resp.ErrNoAuthHello)
		return
	}
	w.Proto = proto
	w.Map(7)
	for _, f := range [][2]string{{"server", "redis"}, {"version", RedisVersion}} {
		w.BulkString(f[0])
		w.BulkString(f[1])
	}
	w.BulkString("proto")
	w.Int(int64(proto))
	w.BulkString("id")
	w.Int(c.id)
	w.BulkString("mode")
	w.BulkString("sentinel")
	w.BulkString("role")
	w.BulkString("sentinel")
	w.BulkString("modules")
	w.Array(0)
}

func (c *sentinelConn) client(w *resp.Writer, args []string) {
	sub := ""
	if len(args) > 0 {
		sub = strings.ToLower(args[0])
	}
	switch {
	case sub == "setname" && len(args) == 2:
		c.name = args[1]
		w.OK()
	case sub == "getname":
		w.BulkString(c.name)
	case sub == "id":
		w.Int(c.id)
	case sub == "setinfo", sub == "no-evict", sub == "no-touch", sub == "capa":
		w.OK()
	default:
		w.Error(resp.UnknownSubcommandOrArgs([]byte(sub), "CLIENT"))
	}
}

func (c *sentinelConn) subscribe(w *resp.Writer, name string, args []string) {
	set := c.channels
	if name[0] == 'p' {
		set = c.patterns
	}
	off := strings.HasSuffix(name, "unsubscribe")
	if off && len(args) == 0 {
		args = slices.Sorted(maps.Keys(set))
		if len(args) == 0 {
			w.Push(3)
			w.BulkString(name)
			w.Null()
			w.Int(int64(len(c.channels) + len(c.patterns)))
		}
	}
	for _, a := range args {
		switch {
		case off:
			delete(set, a)
		case !set[a] && len(c.channels)+len(c.patterns) == sentinelNames:
			w.Error(resp.Error("ERR a client of this port listens to " + strconv.Itoa(sentinelNames) + " channels and patterns at most"))
			continue
		default:
			set[a] = true
		}
		w.Push(3)
		w.BulkString(name)
		w.BulkString(a)
		w.Int(int64(len(c.channels) + len(c.patterns)))
	}
}

// view is the group as it is shown.
type view struct {
	st   quorum.Status
	down time.Duration // from which silence on a member counts as down
}

func (c *sentinelConn) view() view {
	st := c.s.node.Status()
	return view{st, 2 * max(st.State.Lease, 50*time.Millisecond)}
}

// silent is for how long a member has not been heard of, in milliseconds, and whether that is too long.
func (v view) silent(id string) (ms int64, down bool) {
	d, ok := v.st.Heard[id]
	if !ok {
		return v.down.Milliseconds() + 1, true
	}
	return d.Milliseconds(), d > v.down
}

// primaryNames are the names that Valkey 8 has given to subcommands; those of Sentinel work in it, too.
var primaryNames = map[string]string{
	"get-primary-addr-by-name": "get-master-addr-by-name",
	"is-primary-down-by-addr":  "is-master-down-by-addr",
	"primaries":                "masters",
	"primary":                  "master",
}

func (c *sentinelConn) group(sub string, args []string) {
	v := c.view()
	if name, ok := primaryNames[sub]; ok {
		sub = name
	}
	s := v.st.State
	known := len(args) > 0 && strings.EqualFold(args[0], c.s.group)
	switch sub {
	case "get-master-addr-by-name", "master", "replicas", "slaves", "sentinels", "ckquorum", "failover":
		if len(args) != 1 {
			c.reply(func(w *resp.Writer) { w.Error(resp.UnknownSubcommandOrArgs([]byte(sub), "SENTINEL")) })
			return
		}
		if !known {
			c.reply(func(w *resp.Writer) {
				if sub == "get-master-addr-by-name" {
					w.NullArray()
				} else {
					w.Error("ERR No such master with that name")
				}
			})
			return
		}
	}
	switch sub {
	case "failover", "switch", "add", "remove", "takeover":
		c.order(sub, args)
		return
	}
	c.reply(func(w *resp.Writer) {
		switch sub {
		case "get-master-addr-by-name":
			m := s.Members[s.Primary]
			if m.Host == "" {
				w.NullArray()
				return
			}
			w.Array(2)
			w.BulkString(m.Host)
			w.BulkString(strconv.Itoa(m.Port))
		case "masters":
			w.Array(1)
			v.master(w, c.s.group)
		case "master":
			v.master(w, c.s.group)
		case "replicas", "slaves":
			v.replicas(w)
		case "sentinels":
			v.sentinels(w)
		case "ckquorum":
			v.quorum(w)
		case "myid":
			w.BulkString(runIDOf(v.st.ID))
		case "is-master-down-by-addr":
			w.Array(3)
			_, down := v.silent(s.Primary)
			n := int64(0)
			if down {
				n = 1
			}
			w.Int(n)
			w.BulkString("*")
			w.Int(0)
		case "reset":
			w.Int(0) // nothing is remembered that could be wrong
		case "flushconfig":
			w.OK()
		case "info":
			w.Verbatim("txt", c.info())
		case "help":
			w.Array(len(sentinelHelp))
			for _, l := range sentinelHelp {
				w.Simple(l)
			}
		case "monitor", "set", "config", "simulate-failure", "debug", "pending-scripts", "info-cache":
			w.Error("ERR The members of a failover group decide by themselves; there is nothing to set here.")
		default:
			w.Error(resp.UnknownSubcommandOrArgs([]byte(sub), "SENTINEL"))
		}
	})
}

var sentinelHelp = []string{
	"SENTINEL <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
	"CKQUORUM <group>", "    Check if a majority of the group's members can be reached.",
	"FAILOVER <group>", "    Switch to the most advanced replica, without losing a write.",
	"GET-MASTER-ADDR-BY-NAME <group>, GET-PRIMARY-ADDR-BY-NAME <group>", "    Return the primary's address.",
	"MASTER <group>, PRIMARY <group>", "    Return what is known of the primary.",
	"MASTERS, PRIMARIES", "    Return the primaries of all groups.",
	"MYID", "    Return the ID of this member.",
	"REPLICAS <group>", "    Return what is known of the replicas.",
	"SENTINELS <group>", "    Return the other members that have a sentinel-port.",
	"GROUP SWITCH [<member>]", "    Switch to a member, named by its failover address.",
	"GROUP ADD <member> | REMOVE <member>", "    Change who belongs to the group.",
	"GROUP TAKEOVER <member>", "    Make a member primary although it may lack writes, when those who have them are lost.",
	"GROUP INFO", "    Return the state of the group.",
}

// order has the group do something. It may take seconds, in which this client waits.
func (c *sentinelConn) order(sub string, args []string) {
	ctx, cancel := context.WithTimeout(c.s.ctx, 15*time.Second)
	defer cancel()
	id := ""
	if len(args) > 0 && sub != "failover" {
		id = args[0]
	}
	var err error
	switch n := c.s.node; {
	case sub == "failover", sub == "switch":
		_, err = n.Switch(ctx, id)
		if err != nil && sub == "failover" {
			err = fmt.Errorf("NOGOODSLAVE %w", err)
		}
	case id == "":
		err = fmt.Errorf("ERR name a member by its failover address")
	case sub == "add":
		err = n.Add(ctx, id)
	case sub == "remove":
		err = n.Remove(ctx, id)
	case sub == "takeover":
		err = n.Takeover(ctx, id)
	}
	c.reply(func(w *resp.Writer) {
		switch {
		case err == nil:
			w.OK()
		case strings.HasPrefix(err.Error(), "NOGOODSLAVE "), strings.HasPrefix(err.Error(), "ERR "):
			w.Error(resp.Error(err.Error()))
		default:
			w.Error(resp.Error("ERR " + err.Error()))
		}
	})
}

// runIDOf makes an ID in Redis's form, 40 hexadecimal digits, out of a member's.
func runIDOf(id string) string {
	h := sha256.Sum256([]byte(id))
	return fmt.Sprintf("%x", h[:20])
}

type fields []string

func (f *fields) add(name string, value any) { *f = append(*f, name, fmt.Sprint(value)) }

func (f fields) write(w *resp.Writer) {
	w.Map(len(f) / 2)
	for _, x := range f {
		w.BulkString(x)
	}
}

// common is what is said of every instance.
func (v view) common(name string, m quorum.Member, port int, flags string) (f fields) {
	ms, down := v.silent(m.ID)
	if down {
		flags = "s_down," + flags + ",disconnected"
	}
	f.add("name", name)
	f.add("ip", m.Host)
	f.add("port", port)
	f.add("runid", runIDOf(m.ID))
	f.add("flags", flags)
	f.add("link-pending-commands", 0)
	f.add("link-refcount", 1)
	f.add("last-ping-sent", 0)
	f.add("last-ok-ping-reply", ms)
	f.add("last-ping-reply", ms)
	if down {
		f.add("s-down-time", max(0, ms-v.down.Milliseconds()))
	}
	f.add("down-after-milliseconds", v.st.State.Lease.Milliseconds())
	return f
}

func (v view) master(w *resp.Writer, group string) {
	s := v.st.State
	m := s.Members[s.Primary]
	f := v.common(group, m, m.Port, "master")
	others := 0
	for _, o := range s.Members {
		if o.Sentinel != 0 && o.ID != v.st.ID {
			others++
		}
	}
	f.add("info-refresh", 0)
	f.add("role-reported", "master")
	f.add("role-reported-time", 0)
	f.add("config-epoch", s.Epoch)
	f.add("num-slaves", max(0, len(s.DataNodes())-1))
	f.add("num-other-sentinels", others)
	f.add("quorum", len(v.st.Voters)/2+1)
	f.add("failover-timeout", (2 * s.Lease).Milliseconds())
	f.add("parallel-syncs", 1)
	f.write(w)
}

func (v view) replicas(w *resp.Writer) {
	s := v.st.State
	p := s.Members[s.Primary]
	d, n := w.Defer(), 0
	for _, m := range s.DataNodes() {
		if m.ID == s.Primary {
			continue
		}
		n++
		f := v.common(net.JoinHostPort(m.Host, strconv.Itoa(m.Port)), m, m.Port, "slave")
		_, down := v.silent(m.ID)
		status := "ok"
		if down {
			status = "err"
		}
		f.add("info-refresh", 0)
		f.add("role-reported", "slave")
		f.add("role-reported-time", 0)
		f.add("master-link-down-time", 0)
		f.add("master-link-status", status)
		f.add("master-host", p.Host)
		f.add("master-port", p.Port)
		f.add("slave-priority", m.Priority)
		f.add("slave-repl-offset", 0)
		f.add("replica-announced", 1)
		f.write(w)
	}
	w.SetArray(d, n)
}

func (v view) sentinels(w *resp.Writer) {
	s := v.st.State
	d, n := w.Defer(), 0
	for _, id := range slices.Sorted(maps.Keys(s.Members)) {
		m := s.Members[id]
		if m.Sentinel == 0 || id == v.st.ID {
			continue
		}
		n++
		f := v.common(runIDOf(id), m, m.Sentinel, "sentinel")
		ms, _ := v.silent(id)
		f.add("last-hello-message", ms)
		f.add("voted-leader", "?")
		f.add("voted-leader-epoch", 0)
		f.write(w)
	}
	w.SetArray(d, n)
}

// quorum is CKQUORUM.
func (v view) quorum(w *resp.Writer) {
	up := 0
	for _, id := range v.st.Voters {
		if _, down := v.silent(id); !down {
			up++
		}
	}
	if need := len(v.st.Voters)/2 + 1; up >= need {
		w.Simple(fmt.Sprintf("OK %d usable Sentinels. Quorum and failover authorization can be reached", up))
	} else {
		w.Error(resp.Error(fmt.Sprintf("NOQUORUM %d usable Sentinels. Not enough available Sentinels to reach the majority and authorize a failover", up)))
	}
}

// info is INFO of this port.
func (c *sentinelConn) info() string {
	v := c.view()
	s := v.st.State
	p := s.Members[s.Primary]
	status := "ok"
	if _, down := v.silent(s.Primary); down {
		status = "sdown"
	}
	sentinels := 0
	for _, m := range s.Members {
		if m.Sentinel != 0 {
			sentinels++
		}
	}
	var b strings.Builder
	line := func(name string, value any) { fmt.Fprintf(&b, "%s:%v\r\n", name, value) }
	b.WriteString("# Server\r\n")
	line("redis_version", RedisVersion)
	line("larder_version", Version)
	line("redis_mode", "sentinel")
	line("process_id", os.Getpid())
	line("run_id", runIDOf(v.st.ID))
	line("tcp_port", c.s.port)
	b.WriteString("\r\n# Sentinel\r\n")
	line("sentinel_masters", 1)
	line("sentinel_tilt", 0)
	line("sentinel_tilt_since_seconds", -1)
	line("sentinel_running_scripts", 0)
	line("sentinel_scripts_queue_length", 0)
	line("sentinel_simulate_failure_flags", 0)
	line("master0", fmt.Sprintf("name=%s,status=%s,address=%s,slaves=%d,sentinels=%d", c.s.group, status,
		net.JoinHostPort(p.Host, strconv.Itoa(p.Port)), max(0, len(s.DataNodes())-1), sentinels))
	b.WriteString("\r\n# Failover\r\n")
	line("failover_group", c.s.group)
	line("failover_epoch", s.Epoch)
	line("failover_coordinator", v.st.Leader)
	line("failover_term", v.st.Term)
	line("failover_copies", s.Copies)
	line("failover_gone", len(s.Gone))
	for i, id := range slices.Sorted(maps.Keys(s.Members)) {
		m := s.Members[id]
		kind := "witness"
		if m.Data {
			kind = "data"
		}
		ms, down := v.silent(id)
		line(fmt.Sprintf("failover_member%d", i), fmt.Sprintf("id=%s,kind=%s,address=%s,primary=%v,up=%v,heard_ms=%d",
			id, kind, net.JoinHostPort(m.Host, strconv.Itoa(m.Port)), id == s.Primary, !down, ms))
	}
	return b.String()
}
