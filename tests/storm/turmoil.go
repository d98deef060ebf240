package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"larder/tests/internal/wire"
)

// trouble is one kind of what operators and other clients do beside those who only use the data.
type trouble struct {
	name  string
	every time.Duration
	make  func(c *client) string // the text of a request
}

var turmoil = []trouble{
	{"config", 20 * time.Millisecond, func(c *client) string {
		onOff := choose(c.rnd, "yes", "no")
		return "CONFIG SET " + choose(c.rnd, "appendfsync always", "appendfsync everysec", "appendfsync no", "maxmemory 0", "maxmemory 20mb", "maxmemory 64mb", "maxclients 60",
			"maxclients 10000", "maxclients 10000", "timeout 0", "timeout 1", "activedefrag "+onOff, "lazyfree-lazy-user-del "+onOff, "lazyfree-lazy-expire "+onOff,
			"latency-monitor-threshold 1", "slowlog-log-slower-than 0", "slowlog-log-slower-than 10000", "notify-keyspace-events KEA", "notify-keyspace-events K$",
			"script-time-limit 50", "script-time-limit 0", "maxmemory-clients 0", "maxmemory-clients 2mb", "no-appendfsync-on-rewrite "+onOff,
			"hz 50", "repl-diskless-sync "+onOff, "rdbcompression "+onOff, "tracking-table-max-keys 10", "maxmemory-policy volatile-lru", "maxmemory-policy noeviction",
			"list-max-listpack-size 4", "list-max-listpack-size -2", "min-replicas-to-write 0", "replica-serve-stale-data "+onOff, "tcp-keepalive 10", "zset-max-listpack-entries 4", "zset-max-listpack-entries 128")
	}},
	{"log", 150 * time.Millisecond, func(c *client) string {
		return choose(c.rnd, "CONFIG SET appendonly yes", "CONFIG SET appendonly no", "BGREWRITEAOF", "BGREWRITEAOF", "CONFIG SET appendonly yes")
	}},
	{"save", 150 * time.Millisecond, func(c *client) string {
		return choose(c.rnd, "SAVE", "BGSAVE", "BGSAVE SCHEDULE", "BGSAVE CANCEL", "LASTSAVE", "CONFIG SET save 1 1", `CONFIG SET save ""`)
	}},
	{"reload", 500 * time.Millisecond, func(c *client) string {
		return choose(c.rnd, "DEBUG RELOAD", "DEBUG RELOAD", "DEBUG LOADAOF", "DEBUG CHECK", "DEBUG DIGEST", "DEBUG CHANGE-REPL-ID")
	}},
	{"flush", 100 * time.Millisecond, func(c *client) string {
		return choose(c.rnd, "FLUSHALL", "FLUSHALL ASYNC", "FLUSHALL SYNC", "FLUSHDB", "FLUSHDB ASYNC", "SWAPDB 0 1", "SWAPDB 0 1", "SWAPDB 0 1", "DEBUG POPULATE 2000 pop 30", "DEBUG POPULATE 2000 pop 30")
	}},
	{"pause", 70 * time.Millisecond, func(c *client) string {
		return choose(c.rnd, "CLIENT PAUSE 20", "CLIENT PAUSE 50 WRITE", "CLIENT PAUSE 5 ALL", "CLIENT UNPAUSE", "CLIENT PAUSE 100 WRITE", "DEBUG PAUSE-CRON 1", "DEBUG PAUSE-CRON 0", "DEBUG SET-ACTIVE-EXPIRE 0", "DEBUG SET-ACTIVE-EXPIRE 1")
	}},
	{"scripts", 30 * time.Millisecond, func(c *client) string {
		return choose(c.rnd, "FUNCTION LOAD REPLACE @lib", "FUNCTION LOAD REPLACE @plain", "FUNCTION LOAD REPLACE @plain2", "FUNCTION FLUSH", "FUNCTION DELETE lib", "SCRIPT FLUSH",
			"SCRIPT LOAD @incr", "MULTI|FUNCTION FLUSH|FCALL f 1 n:1|EXEC", "FUNCTION LOAD @lib", "FUNCTION LIST")
	}},
	{"endless", time.Second, func(c *client) string {
		return choose(c.rnd, "EVAL @ever 0", "EVAL @everr 1 s:1", "FCALL loop 1 n:1", "MULTI|EVAL @ever 0|EXEC", "MULTI|SET s:2 x|FCALL loop 1 n:1|EXEC", "MULTI|CONFIG RESETSTAT|EVAL @ever 0|EXEC", "MULTI|EVAL @ever 0|CONFIG RESETSTAT|EXEC", "MULTI|SET s:3 x|FCALL loop 1 n:1|CLIENT LIST|EXEC",
			"EVAL @ever 12 s:0 s:1 s:2 s:3 s:4 s:5 s:6 s:7 s:8 s:9 s:10 s:11")
	}},
	{"clients", 25 * time.Millisecond, func(c *client) string {
		return choose(c.rnd, "CLIENT KILL ID @id", "CLIENT KILL ID @id", "CLIENT UNBLOCK @id", "CLIENT UNBLOCK @id ERROR", "CLIENT UNBLOCK @id TIMEOUT", "CLIENT KILL TYPE pubsub", "CLIENT KILL USER u1",
			"CLIENT KILL MAXAGE 3", "CLIENT LIST", "CLIENT NO-EVICT ON", "MULTI|CLIENT KILL ID @id|INCR n:1|CLIENT UNBLOCK @id|EXEC", "INFO everything", "DEBUG CLIENT-EVICTION")
	}},
	{"together", 100 * time.Millisecond, func(c *client) string { // what changes much, as one with what has to hear of it
		return choose(c.rnd, "MULTI|CONFIG SET appendonly yes|SET s:1 x|RPUSH l:1 x|EXEC", "MULTI|CONFIG SET appendonly no|RPUSH l:2 x|BGREWRITEAOF|EXEC", "MULTI|SWAPDB 0 1|RPUSH l:3 x|ZADD z:1 1 x|EXEC",
			"MULTI|FLUSHALL SYNC|RPUSH l:4 x|EXEC", "MULTI|BGSAVE|FLUSHALL|BGREWRITEAOF|EXEC", "MULTI|DEBUG RELOAD|RPUSH l:5 x|EXEC", "MULTI|CLIENT PAUSE 20 WRITE|INCR n:1|EXEC", "MULTI|CLIENT UNPAUSE|INCR n:1|EXEC",
			"MULTI|FUNCTION LOAD REPLACE @lib|FCALL f 1 n:1|FUNCTION DELETE lib|EXEC", "MULTI|COPY big:1 big:2 REPLACE|RENAME big:2 big:3|EXEC", "MULTI|RENAME big:1 big:3|EVAL @spin 0 50000|SWAPDB 0 1|EXEC",
			"MULTI|XADD x:1 * f v|SWAPDB 0 1|XADD x:2 * f v|EXEC", "MULTI|CONFIG SET appendfsync always|CLIENT KILL TYPE normal|INCR n:2|EXEC",
			"MIGRATE @other s:1 0 100 COPY REPLACE", "MIGRATE @other s:2 0 100", "MULTI|MIGRATE @other s:3 0 50 COPY REPLACE|EXEC")
	}},
	{"users", 100 * time.Millisecond, func(c *client) string {
		u := fmt.Sprint("u", c.rnd.IntN(3))
		return choose(c.rnd, "ACL SETUSER "+u+" on nopass ~* &* +@all", "ACL SETUSER "+u+" on nopass ~s:* &* +@all -del", "ACL SETUSER "+u+" resetchannels", "ACL DELUSER "+u, "ACL LIST", "ACL LOG RESET")
	}},
	{"roles", 1500 * time.Millisecond, func(c *client) string {
		return choose(c.rnd, "REPLICAOF NO ONE", "REPLICAOF @other", "REPLICAOF @other", "FAILOVER", "FAILOVER TIMEOUT 300", "FAILOVER ABORT", "FAILOVER TO @other FORCE TIMEOUT 200")
	}},
	{"other", 1000 * time.Millisecond, nil}, // the same at the replica; see init
	{"large", 50 * time.Millisecond, func(c *client) string {
		at := c.rnd.IntN(100) * 1000
		var b strings.Builder
		b.WriteString("ZADD big:1")
		for i := range 1000 {
			fmt.Fprint(&b, " ", at+i, " m", at+i)
		}
		return b.String()
	}},
}

func init() {
	for i := range turmoil {
		if turmoil[i].name == "other" {
			turmoil[i].make = func(c *client) string {
				c.server = 1
				return choose(c.rnd, "REPLICAOF @other", "REPLICAOF @other", "REPLICAOF NO ONE", "DEBUG RELOAD", "BGSAVE", "CONFIG SET appendonly yes", "CONFIG SET appendonly no", "FAILOVER ABORT",
					"CLIENT KILL TYPE master", "CLIENT LIST", "BGREWRITEAOF", "EVAL @ever 0", "DEBUG CHECK", "CLIENT PAUSE 50", "CLIENT PAUSE 50 WRITE")
			}
		}
	}
}

func turmoilNames() (names []string) {
	for _, t := range turmoil {
		names = append(names, t.name)
	}
	return names
}

// makesTrouble makes trouble of one kind, and before it goes undoes what would keep the others from doing anything.
func (c *client) makesTrouble(t trouble) {
	kill := c.s.over
	for !kill() {
		var list []request
		for _, text := range strings.Split(t.make(c), "|") {
			list = append(list, request{words: c.filled(text)})
		}
		c.send(list...)
		c.s.pause(time.Duration(c.rnd.Int64N(int64(2 * t.every))))
		switch {
		case t.name == "roles" && c.rnd.IntN(2) == 0:
			c.s.pause(300 * time.Millisecond)
			c.do("FAILOVER", "ABORT")
			c.do("REPLICAOF", "NO", "ONE")
		case t.name == "other" && c.rnd.IntN(2) == 0:
			c.do(c.filled("REPLICAOF @other")...)
		case t.name == "pause" && c.rnd.IntN(4) == 0:
			c.do("CLIENT", "UNPAUSE")
		}
	}
}

// filled puts in what is known only now: another client's ID, and where the other server is.
func (c *client) filled(text string) []string {
	list := words(text)
	var out []string
	for _, w := range list {
		switch w {
		case "@id":
			out = append(out, strconv.Itoa(c.otherID()))
		case "@other":
			host, port, _ := strings.Cut(c.s.servers[1-c.server].Addr, ":")
			out = append(out, host, port)
		case `""`:
			out = append(out, "")
		default:
			out = append(out, w)
		}
	}
	if len(out) == 5 && out[0] == "CONFIG" && out[2] == "save" {
		out = []string{"CONFIG", "SET", "save", out[3] + " " + out[4]}
	}
	return out
}

// otherID is the ID of some client that is, or was, there: the latest have the highest.
func (c *client) otherID() int {
	v, ok := c.do("CLIENT", "ID")
	if !ok || v.IsError() {
		return 1
	}
	n, _ := strconv.Atoi(v.String())
	return max(1, n+8-c.rnd.IntN(60))
}

// killsScripts ends what runs, or keeps others waiting, for too long, for as long as anybody may wait for that.
func (c *client) killsScripts() {
	defer c.close()
	for {
		c.killScripts()
		if c.s.over() { // those who have made clients wait have left
			c.do("FAILOVER", "ABORT")
			c.do("CLIENT", "UNPAUSE")
			c.do("DEBUG", "PAUSE-CRON", "0")
		}
		select {
		case <-c.s.done:
			return
		case <-time.After(time.Duration(c.rnd.Int64N(int64(20 * time.Millisecond)))):
		}
	}
}

// listens hears what is published; what one client has published in an order comes in that order.
func (c *client) listens() {
	if !c.dial() {
		return
	}
	for _, words := range [][]string{{"SUBSCRIBE", "ch:1", "__redis__:invalidate"}, {"PSUBSCRIBE", "__key*"}, {"SSUBSCRIBE", "ch:1"}} {
		if err := c.conn.Send(words...); err != nil {
			c.lost(err, words[0])
			return
		}
	}
	for n := c.rnd.IntN(5000); n > 0 && !c.s.over(); n-- {
		c.conn.Timeout = time.Second
		if _, err := c.conn.Receive(); err != nil {
			break // silence is no hang: nobody may publish
		}
	}
	c.close()
}

// monitors sees what goes by.
func (c *client) monitors() {
	if !c.dial() || c.conn.Send("MONITOR") != nil {
		c.close()
		return
	}
	for n := c.rnd.IntN(3000); n > 0 && !c.s.over(); n-- {
		c.conn.Timeout = time.Second
		if _, err := c.conn.Receive(); err != nil {
			break
		}
	}
	c.close()
	c.s.pause(500 * time.Millisecond)
}

// handOver has one client wait for elements without end and another give it the next one whenever it has got the last. An element
// that is there while somebody waits for it is a lost wake-up.
func (s *storm) handOver(n int) {
	kind := []string{"list", "zset", "stream"}[n]
	key := fmt.Sprint("queue:", n)
	got := make(chan struct{}, 1)
	s.start(600+n, func(c *client) {
		words := [][]string{{"BLMPOP", "0", "2", key, "none", "LEFT"}, {"BZPOPMIN", "none", key, "0"}, {"XREAD", "BLOCK", "0", "STREAMS", key, "$"}}[n]
		if !c.dial() {
			return
		}
		if _, ok := c.do("CLIENT", "SETNAME", key); !ok {
			return
		}
		c.conn.Timeout = 0
		stopped := make(chan struct{})
		defer close(stopped)
		conn := c.conn
		go func() {
			select {
			case <-s.stop:
				conn.Close()
			case <-stopped:
			}
		}()
		for !s.over() {
			err := conn.Send(words...)
			if err == nil {
				_, err = c.receive()
			}
			if err != nil {
				c.close()
				return
			}
			select {
			case got <- struct{}{}:
			default:
			}
		}
	})
	s.start(610+n, func(c *client) {
		words := [][]string{{"RPUSH", key, "x"}, {"ZADD", key, "1", "x"}, {"XADD", key, "MAXLEN", "10", "*", "f", "v"}}[n]
		c.do(words...)
		select {
		case <-got:
		case <-s.stop:
		case <-time.After(2 * time.Second):
			s.checkWaiting(c, kind, key)
		}
	})
}

// checkWaiting looks whether an element is there though somebody waits for one.
func (s *storm) checkWaiting(c *client, kind, key string) {
	if kind == "stream" {
		return // XREAD waits for what comes after it has asked
	}
	count := map[string]string{"list": "LLEN", "zset": "ZCARD"}[kind]
	for try := 0; ; try++ {
		if try == 20 {
			s.hang(c.server, "somebody waits for "+key+", which is there")
			return
		}
		var replies []wire.Value
		ask := []string{"MULTI", count + " " + key, "CLIENT LIST", "EXEC"}
		for _, text := range ask {
			v, ok := c.do(strings.Fields(text)...)
			if !ok {
				return
			}
			replies = append(replies, v)
		}
		exec := replies[len(replies)-1]
		if len(exec.Elems) != 2 || exec.Elems[0].IsError() || exec.Elems[0].String() == "0" {
			return
		}
		waiting := false
		for _, line := range strings.Split(exec.Elems[1].String(), "\n") {
			waiting = waiting || strings.Contains(line, "cmd="+map[string]string{"list": "blmpop", "zset": "bzpopmin"}[kind]) && strings.Contains(line, " db=0 ") &&
				strings.Contains(line, "flags=b") && strings.Contains(line, "name="+key)
		}
		if !waiting {
			return
		}
		s.pause(100 * time.Millisecond)
	}
}
