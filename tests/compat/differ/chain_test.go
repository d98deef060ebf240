package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"larder/tests/internal/peer"
	"larder/tests/internal/wire"
)

// TestChainFollows plays random commands of all families on a primary with a replica that has one, too, and lets happen to the three
// what happens to servers: links break, replicas move, others become primary, with FAILOVER or without, they are restarted with
// what they have on disk or killed, load their data again, save and rewrite it, evict, and make collections that are copied in
// steps, while somebody writes. After each all three have the same data at the same position, and nobody has needed a snapshot for
// what the history has. For long: -run TestChainFollows -timeout 0 -commands 10000000 -seed 2.
func TestChainFollows(t *testing.T) {
	chains := [][3]string{{"larder", "larder", "larder"}}
	if _, ok := peer.Find(*against); ok {
		chains = append(chains, [3]string{*against, "larder", "larder"}, [3]string{"larder", *against, "larder"}, [3]string{"larder", "larder", *against})
	} else if *live {
		t.Fatalf("no %s on PATH", *against)
	}
	for i, names := range chains {
		t.Run(strings.ReplaceAll(strings.Join(names[:], " to "), "/", "_"), func(t *testing.T) { newChain(t, names, uint64(i)).play(budget() / 200) })
	}
}

// chain is three servers: the primary, its replica, and the one that follows either of them.
type chain struct {
	t      *testing.T
	nodes  [3]*chained
	direct bool // the last one follows the primary, too
	mixed  bool // one of them is no larder
	rnd    *rand.Rand
	done   []string // since the data was last seen to be the same
}

// chained is a server of a chain, with the folder that it keeps.
type chained struct {
	t       *testing.T
	program peer.Program
	larder  bool
	dir     string
	log     bool // it is started with an append-only log
	sent    int  // snapshots, before it was restarted
	server  *peer.Server
	conn    *wire.Conn
}

func newChain(t *testing.T, names [3]string, number uint64) *chain {
	c := &chain{t: t, rnd: rand.New(rand.NewPCG(*seed, 1000+number))}
	for i, name := range names {
		p, err := program(name)
		if err != nil {
			t.Fatal(err)
		}
		n := &chained{t: t, program: p, larder: name == "larder", dir: t.TempDir(), log: c.rnd.IntN(3) == 0}
		c.mixed = c.mixed || !n.larder
		c.nodes[i] = n
		t.Cleanup(func() {
			if t.Failed() {
				t.Logf("%s runs: %v\n%s", n.server.Addr, n.server.Running(), n.server.Tail())
			}
			n.server.Stop()
		})
	}
	for i, n := range c.nodes {
		n.start(c.mixed, c.above(i))
	}
	c.settle()
	return c
}

// above is who the node at a place follows.
func (c *chain) above(i int) *chained {
	switch {
	case i == 0:
		return nil
	case i == 2 && c.direct:
		return c.nodes[0]
	}
	return c.nodes[i-1]
}

// start starts the server, as a replica if there is somebody to follow.
func (n *chained) start(mixed bool, primary *chained) {
	n.t.Helper()
	directives := []string{"enable-debug-command yes", "repl-diskless-sync-delay 0", "repl-backlog-size 64mb", "dbfilename dump.rdb",
		"repl-ping-replica-period 1000"} // a position that nobody moves while others are asked for theirs
	if mixed { // whether a compact sorted set knows -0 from 0 depends on the version of Redis
		directives = append(directives, "zset-max-listpack-entries 0")
	}
	if n.log {
		directives = append(directives, "appendonly yes")
	}
	if primary != nil {
		directives = append(directives, "replicaof "+strings.Replace(primary.server.Addr, ":", " ", 1))
	}
	var err error
	if n.server, err = peer.Start(n.program, peer.Options{Directives: directives, Dir: n.dir}); err != nil {
		n.t.Fatal(err)
	}
	n.dial()
}

func (n *chained) dial() {
	n.t.Helper()
	c, err := wire.Dial(n.server.Addr)
	if err != nil {
		n.t.Fatal(err)
	}
	c.Timeout = answerLimit
	n.conn = c
}

func (n *chained) do(args ...string) wire.Value {
	n.t.Helper()
	return must(n.t, n.conn, args...)
}

// follow makes a node a replica.
func (n *chained) follow(primary *chained) {
	n.t.Helper()
	host, port, _ := strings.Cut(primary.server.Addr, ":")
	n.do("REPLICAOF", host, port)
}

// settle waits until all have the same.
func (c *chain) settle() {
	c.t.Helper()
	for i := 1; i < len(c.nodes); i++ {
		a, b := c.above(i), c.nodes[i]
		waitFor(c.t, "the link of node "+itoa(i)+" after "+strings.Join(c.done, "; "), func() bool {
			return info(c.t, b.conn, "master_link_status") == "up" && info(c.t, b.conn, "master_port") == a.server.Addr[strings.IndexByte(a.server.Addr, ':')+1:]
		})
	}
	for i := 1; i < len(c.nodes); i++ {
		sameData(c.t, c.nodes[0].conn, c.nodes[i].conn, c.done)
	}
	for i := 1; i < len(c.nodes); i++ {
		c.sameTimes(c.nodes[0].conn, c.nodes[i].conn)
	}
	c.done = c.done[:0]
}

// sameTimes compares what a digest does not have: when keys expire, what groups of streams know, functions.
func (c *chain) sameTimes(a, b *wire.Conn) {
	c.t.Helper()
	look := func(conn *wire.Conn, args []string) string {
		v, err := conn.Do(args...)
		if err != nil {
			c.t.Fatal(err)
		}
		switch args[0] {
		case "XINFO":
			v = stripInfo(v, "")
		case "FUNCTION":
			v = inOrder(v)
		}
		return string(v.Append(nil))
	}
	for db := range 3 {
		must(c.t, a, "SELECT", itoa(db))
		must(c.t, b, "SELECT", itoa(db))
		for _, k := range must(c.t, a, "KEYS", "*").Elems {
			key := string(k.Text)
			asks := [][]string{{"PEXPIRETIME", key}}
			if !c.mixed && must(c.t, a, "TYPE", key).String() == "stream" { // Redis tells its replicas not of all consumers
				asks = append(asks, []string{"XINFO", "STREAM", key, "FULL", "COUNT", "0"})
			}
			for _, ask := range asks {
				x, y := look(a, ask), look(b, ask)
				if x != y && look(a, asks[0]) != ":-2\r\n" { // it has not expired meanwhile
					c.t.Errorf("%q: %s\nand %s\nafter\n%s", ask, x, y, strings.Join(c.done, "\n"))
				}
			}
		}
	}
	if x, y := look(a, []string{"FUNCTION", "LIST"}), look(b, []string{"FUNCTION", "LIST"}); x != y {
		c.t.Errorf("functions: %s\nand %s\nafter\n%s", x, y, strings.Join(c.done, "\n"))
	}
}

// snapshots is how many full synchronizations there were.
func (c *chain) snapshots() (n int) {
	for _, node := range c.nodes {
		n += node.snapshots()
	}
	return n
}

func (n *chained) snapshots() (all int) {
	fmt.Sscan(info(n.t, n.conn, "sync_full"), &all)
	return all + n.sent
}

// play plays commands, and something that happens behind every few.
func (c *chain) play(commands int) {
	g := newGenerator(*seed, 99, c.families())
	for played := 0; played < commands; {
		primary := c.nodes[0].conn
		must(c.t, primary, "RESET")
		for range 20 {
			for _, s := range g.next() {
				if s.conn > 1 || s.kind != plain || len(s.args) == 0 || mayBlock(s.args) || unlikeOnReplicas(s.args) {
					continue
				}
				c.done = append(c.done, fmt.Sprintf("%.300q", s.args))
				if _, err := primary.Do(s.args...); err != nil {
					c.t.Fatalf("%q: %v", s.args, err)
				}
				played++
			}
		}
		must(c.t, primary, "RESET")
		c.happens()
		if c.t.Failed() {
			return
		}
	}
}

// families are those that all three know.
func (c *chain) families() []family {
	sides := [2]*side{}
	for i, larder := range []bool{true, false} {
		at := slices.IndexFunc(c.nodes[:], func(n *chained) bool { return n.larder == larder })
		if at < 0 {
			at = 0
		}
		s, err := newSide("one", c.nodes[at].server.Addr, nil, nil)
		if err != nil {
			c.t.Fatal(err)
		}
		sides[i] = s
	}
	v := &versus{a: sides[0], b: sides[1]}
	return loadFamilies(every, v.older(), v.takes)
}

// happens lets one thing happen, and looks what has come of it.
func (c *chain) happens() {
	a, b, last := c.nodes[0], c.nodes[1], c.nodes[2]
	one := c.nodes[c.rnd.IntN(3)]
	before, history := c.snapshots(), true // whether history has what is missed
	note := func(format string, args ...any) { c.done = append(c.done, "-- "+fmt.Sprintf(format, args...)) }
	stop := c.writes()
	defer stop()
	switch what := c.rnd.IntN(16); what {
	case 0, 1:
		note("the link to %s breaks", one.server.Addr)
		one.do("CLIENT", "KILL", "TYPE", "replica")
	case 2:
		c.direct = !c.direct
		note("the last one moves, direct: %v", c.direct)
		last.follow(c.above(2))
	case 3, 4:
		note("FAILOVER")
		host, port, _ := strings.Cut(b.server.Addr, ":")
		a.do("FAILOVER", "TO", host, port, "TIMEOUT", "60000")
		waitFor(c.t, "the failover", func() bool {
			return info(c.t, b.conn, "role") == "master" && info(c.t, a.conn, "master_failover_state") == "no-failover"
		})
		c.swap()
	case 5:
		note("the replica becomes the primary")
		stop()
		c.settle()
		b.do("REPLICAOF", "NO", "ONE")
		a.follow(b)
		c.swap()
	case 6, 7:
		if !one.larder { // which refuses what its primary sends while it loads
			stop()
			c.settle()
		}
		again := "RELOAD"
		if one.log && c.rnd.IntN(2) == 0 {
			again = "LOADAOF"
		}
		note("DEBUG %s of %s", again, one.server.Addr)
		one.do("DEBUG", again)
		history = false
	case 8, 9:
		at := c.rnd.IntN(3)
		history = c.restart(at, note)
	case 10:
		for _, name := range []string{"BGSAVE", "BGREWRITEAOF"} {
			if v, err := one.conn.Do(name); err != nil {
				c.t.Fatal(err)
			} else {
				note("%s: %s", name, v)
			}
		}
	case 11:
		n := 2000 + c.rnd.IntN(20000)
		note("collections of %d", n)
		c.large(a, n)
	case 12:
		note("eviction")
		used := info(c.t, a.conn, "used_memory")
		a.do("CONFIG", "SET", "maxmemory-policy", []string{"allkeys-random", "volatile-lru", "allkeys-lfu"}[c.rnd.IntN(3)])
		a.do("CONFIG", "SET", "maxmemory", used)
		for i := range 100 {
			if _, err := a.conn.Do("SET", "filler:"+itoa(i), strings.Repeat("x", 1000)); err != nil {
				c.t.Fatal(err)
			}
		}
		a.do("CONFIG", "SET", "maxmemory", "0")
	case 13:
		on := []string{"yes", "no"}[c.rnd.IntN(2)]
		note("appendonly %s of %s", on, one.server.Addr)
		one.do("CONFIG", "SET", "appendonly", on)
		one.log = on == "yes"
	case 14:
		note("%s loads otherwise", one.server.Addr)
		one.do("CONFIG", "SET", "repl-diskless-load", []string{"disabled", "swapdb", "on-empty-db"}[c.rnd.IntN(3)])
		one.do("CONFIG", "SET", "repl-diskless-sync", []string{"yes", "no"}[c.rnd.IntN(2)])
	case 15:
		note("the last one writes by itself for a while")
		history = false
		last.do("REPLICAOF", "NO", "ONE")
		last.do("SET", "its own", itoa(c.rnd.IntN(1000)))
		last.follow(c.above(2))
	}
	stop()
	done := slices.Clone(c.done)
	c.settle()
	if n := c.snapshots() - before; history && n != 0 {
		c.t.Errorf("%d snapshots were sent; after\n%s", n, strings.Join(done[max(0, len(done)-3):], "\n"))
	}
}

// writes has somebody write to the primary, whatever happens to it, until stop is called.
func (c *chain) writes() (stop func()) {
	addr, rnd, end, over := c.nodes[0].server.Addr, rand.New(rand.NewPCG(c.rnd.Uint64(), 1)), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		conn, err := wire.Dial(addr)
		for err == nil {
			select {
			case <-end:
				conn.Close()
				return
			default:
			}
			_, err = conn.Do(c.write(rnd)...)
		}
	}()
	return sync.OnceFunc(func() {
		close(end)
		<-over
	})
}

// write is a command of the writer's.
func (c *chain) write(rnd *rand.Rand) []string {
	k, n := itoa(rnd.IntN(50)), itoa(rnd.IntN(1000))
	lines := []string{
		"SET s:" + k + " " + n, "SET s:" + k + " " + n + " PX " + itoa(1+rnd.IntN(300)), "INCR n:" + k, "GETEX s:" + k + " PX " + itoa(1+rnd.IntN(300)), "APPEND s:" + k + " " + n,
		"RPUSH l:" + k + " " + n + " " + n, "LMOVE l:" + k + " l:" + n + " LEFT RIGHT", "LTRIM l:" + k + " 0 20", "SADD t:" + k + " " + n, "SPOP t:" + k + " 2", "SDIFFSTORE t:d t:" + k + " t:1",
		"ZADD z:" + k + " " + n + " m" + n, "ZPOPMIN z:" + k, "HSET h:" + k + " f" + n + " v" + n, "HINCRBYFLOAT h:" + k + " float 0.1", "XADD x:" + k + " MAXLEN ~ 50 * f " + n,
		"XGROUP CREATE x:" + k + " g 0 MKSTREAM", "XREADGROUP GROUP g c" + n + " COUNT 3 STREAMS x:" + k + " >", "XAUTOCLAIM x:" + k + " g other 0 0 COUNT 2", "XACK x:" + k + " g 1-1",
		"RENAME h:" + k + " h:" + n, "COPY z:" + k + " z:copy REPLACE", "COPY large:hash:other large:hash REPLACE", "PEXPIRE l:" + k + " " + itoa(1+rnd.IntN(300)), "UNLINK x:" + k,
		"PERSIST s:" + k, "PERSIST l:" + k, "PFADD p:" + k + " " + n, "SETRANGE b:" + k + " " + n + " x", "EVAL return{redis.call('incr',KEYS[1]),redis.call('spop',KEYS[2])} 2 n:" + k + " t:" + k, "MULTI", "EXEC", "DISCARD", "SWAPDB 0 1", "SELECT " + itoa(rnd.IntN(3)),
		"COPY large:zset:other large:zset REPLACE", "SORT large:list:other LIMIT 0 10 ALPHA STORE l:sorted", "MOVE s:" + k + " 1",
	}
	if !c.mixed {
		lines = append(lines, "HPEXPIRE h:"+k+" "+itoa(1+rnd.IntN(300))+" FIELDS 1 f"+n)
	}
	return strings.Fields(lines[rnd.IntN(len(lines))])
}

// swap lets the first two change places. The last one goes on following whom it followed.
func (c *chain) swap() {
	c.nodes[0], c.nodes[1] = c.nodes[1], c.nodes[0]
	c.direct = !c.direct
}

// restart ends a server, gently or not, and starts it with what it has on its disk. It tells whether that is enough to go on from.
func (c *chain) restart(at int, note func(string, ...any)) (history bool) {
	n := c.nodes[at]
	n.sent = n.snapshots()
	away := at > 0 && c.rnd.IntN(2) == 0 // while keys that it has come to the end of their time
	if away {
		c.shortLived()
	}
	if gently := c.rnd.IntN(2) == 0; gently || at == 0 {
		note("%d, %s, is restarted, with log: %v", at, n.server.Addr, n.log)
		if err := n.conn.Send("SHUTDOWN", "SAVE"); err != nil {
			c.t.Fatal(err)
		}
		waitFor(c.t, "the end", func() bool { return !n.server.Running() })
		history = !c.mixed
	} else {
		note("%d, %s, is killed, with log: %v", at, n.server.Addr, n.log)
		n.server.Kill()
	}
	n.conn.Close()
	if away {
		c.prolong()
	}
	n.start(c.mixed, c.above(at))
	for i := at + 1; i < 3; i++ {
		if c.above(i) == n {
			c.nodes[i].follow(n)
		}
	}
	return history
}

// shortLived sets keys that live for some milliseconds, and sees to it that a replica has them.
func (c *chain) shortLived() {
	for _, args := range []string{"SET prolonged 1 PX 300", "RPUSH prolonged:list 1", "PEXPIRE prolonged:list 300", "SET over 1 PX 300", "WAIT 1 1000"} {
		if _, err := c.nodes[0].conn.Do(strings.Fields(args)...); err != nil {
			c.t.Fatal(err)
		}
	}
}

// prolong gives some of them more time, and waits until that of the others is over.
func (c *chain) prolong() {
	primary := c.nodes[0]
	primary.do("PERSIST", "prolonged")
	primary.do("EXPIRE", "prolonged:list", "100")
	waitFor(c.t, "the end of a time", func() bool { return primary.do("PTTL", "over").String() == "-2" })
}

// large makes collections that are copied, renamed and removed in steps.
func (c *chain) large(a *chained, n int) {
	do := func(args ...string) { // which may fail: the writer exchanges databases
		if _, err := a.conn.Do(args...); err != nil {
			c.t.Fatal(err)
		}
	}
	for _, add := range [][]string{{"HSET", "large:hash"}, {"SADD", "large:set"}, {"RPUSH", "large:list"}, {"ZADD", "large:zset"}, {"XADD", "large:stream", "*"}} {
		args := slices.Clone(add)
		for i := range n {
			switch add[0] {
			case "HSET", "XADD":
				args = append(args, "field:"+itoa(i), "value:"+itoa(c.rnd.IntN(1000)))
			case "ZADD":
				args = append(args, itoa(c.rnd.IntN(1000)), "member:"+itoa(i))
			default:
				args = append(args, "element:"+itoa(i))
			}
		}
		do("DEL", add[1])
		do(args...)
		do("COPY", add[1], add[1]+":copy", "REPLACE")
		do("EXPIRE", add[1], itoa(1+c.rnd.IntN(3)))
		do("RENAME", add[1]+":copy", add[1]+":other")
	}
	do("XGROUP", "CREATE", "large:stream:other", "group"+itoa(c.rnd.IntN(1000000)), "0")
	do("SORT", "large:set", "ALPHA", "STORE", "large:sorted")
	do("EVAL", "for i = 1, 1000 do redis.call('lpush', KEYS[1], i) end", "1", "large:by script")
	do("SETRANGE", "large:string", itoa(1<<20), "end")
	do("BITOP", "NOT", "large:bits", "large:string")
}
