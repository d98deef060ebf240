package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"larder/tests/internal/peer"
	"larder/tests/internal/wire"
)

// expected are the errors that the writers' own commands may get.
var expected = []string{"WRONGTYPE", "OOM", "ERR value is not", "ERR hash value is not", "ERR no such key", "BUSYGROUP", "NOGROUP", "ERR The ID specified",
	"ERR increment", "ERR XX and NX", "ERR index out of range", "EXECABORT", "NOSCRIPT", "MISCONF", "ERR invalid expire"}

// write sends commands of all types, a hundred at a time.
func (s *soak) write(rnd *rand.Rand) {
	c := s.dial()
	for c != nil && !s.over() {
		n := 1 + rnd.IntN(100)
		var b []byte
		for range n {
			b = wire.AppendRequest(b, strings.Fields(command(rnd))...)
		}
		err := c.SendRaw(b)
		for i := 0; i < n && err == nil; i++ {
			var v wire.Value
			if v, err = c.Receive(); err == nil && v.IsError() {
				s.judge(v.String())
			}
		}
		s.commands.Add(int64(n))
		if err != nil {
			s.note("a writer: " + err.Error())
			c.Close()
			c = s.dial()
		}
		if rnd.IntN(50) == 0 { // clients come and go
			c.Close()
			c = s.dial()
		}
	}
	if c != nil {
		c.Close()
	}
}

// judge counts an error reply.
func (s *soak) judge(text string) {
	s.errors.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range expected {
		if strings.HasPrefix(text, e) {
			s.command[e]++
			return
		}
	}
	s.wrong["reply "+text]++
}

// command is one that a writer may send.
func command(rnd *rand.Rand) string {
	key := func(kind string) string { return fmt.Sprintf("%s:%d", kind, rnd.IntN(20000)) }
	few := func(kind string) string { return fmt.Sprintf("%s:%d", kind, rnd.IntN(20)) } // these become large
	val := func() string { return strings.Repeat("x", 1+rnd.IntN(1<<rnd.IntN(11))) }
	num := func() string { return fmt.Sprint(rnd.IntN(100000)) }
	switch rnd.IntN(35) {
	case 0, 1, 2:
		return "SET " + key("s") + " " + val()
	case 3, 4:
		return "SET " + key("s") + " " + val() + " PX " + fmt.Sprint(1+rnd.IntN(20000))
	case 5, 6, 7:
		return "GET " + key("s")
	case 8:
		return "APPEND " + key("s") + " " + val()
	case 9:
		return "DEL " + key("s") + " " + key("s") + " " + few("l")
	case 10:
		return "MSET " + key("s") + " " + val() + " " + key("s") + " " + val()
	case 11:
		return "INCR " + key("n")
	case 12, 13:
		return "LPUSH " + few("l") + " " + val() + " " + val()
	case 14:
		return "RPOP " + few("l")
	case 15:
		return "LTRIM " + few("l") + " 0 500"
	case 16, 17:
		return "HSET " + few("h") + " " + num() + " " + val()
	case 18:
		return "HPEXPIRE " + few("h") + " " + fmt.Sprint(1+rnd.IntN(20000)) + " FIELDS 1 " + num()
	case 19:
		return "HGETALL " + key("h")
	case 20, 21:
		return "SADD " + few("t") + " " + num() + " " + num()
	case 22:
		return "SPOP " + few("t") + " 3"
	case 23:
		return "SINTERSTORE " + key("t") + " " + few("t") + " " + few("t")
	case 24, 25:
		return "ZADD " + few("z") + " " + num() + " " + num()
	case 26:
		return "ZREMRANGEBYRANK " + few("z") + " 0 2"
	case 27:
		return "ZRANGEBYSCORE " + few("z") + " 100 5000 LIMIT 0 10"
	case 28:
		return "XADD " + few("x") + " MAXLEN ~ 1000 * f " + val()
	case 29:
		return "EXPIRE " + few([]string{"l", "h", "t", "z", "x"}[rnd.IntN(5)]) + " " + fmt.Sprint(rnd.IntN(60))
	case 30:
		return "RENAME " + key("s") + " " + key("s")
	case 31:
		return "EVAL return{redis.call('incr',KEYS[1]),redis.call('lpush',KEYS[2],ARGV[1])} 2 " + key("n") + " " + few("l") + " " + val()
	case 32:
		return "SETBIT " + few("b") + " " + num() + " 1"
	case 33:
		kind := []string{"l", "h", "t", "z", "x"}[rnd.IntN(5)]
		return "RENAME " + few(kind) + " " + few(kind)
	}
	return "PFADD " + few("p") + " " + num()
}

// probe measures a GET every two milliseconds.
func (s *soak) probe() {
	c := s.dial()
	for c != nil && !s.pause(2*time.Millisecond) {
		began := time.Now()
		if _, err := c.Do("GET", "s:1"); err != nil {
			s.note("the prober: " + err.Error())
			c.Close()
			c = s.dial()
		}
		d := time.Since(began)
		s.mu.Lock()
		s.probes = append(s.probes, d)
		s.mu.Unlock()
	}
	if c != nil {
		c.Close()
	}
}

// dontRead subscribes to everything and reads nothing, until the server has enough of it.
func (s *soak) dontRead() {
	for !s.over() {
		c := s.dial()
		if c == nil {
			return
		}
		c.Send("PSUBSCRIBE", "*")
		s.pause(15 * time.Second)
		c.Close()
	}
}

// sendGarbage connects and sends what is no protocol, or only the beginning of it.
func (s *soak) sendGarbage() {
	rnd := rand.New(rand.NewPCG(s.seed, 99))
	for !s.pause(20 * time.Millisecond) {
		c := s.dial()
		if c == nil {
			return
		}
		b := make([]byte, 1+rnd.IntN(2000))
		for i := range b {
			b[i] = byte(rnd.Uint32())
		}
		switch rnd.IntN(4) {
		case 0:
			c.SendRaw([]byte("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1000000\r\nxx"))
		case 1:
			c.SendRaw([]byte("*1000000\r\n$-5\r\n"))
		case 2:
			c.SendRaw(append([]byte("*2\r\n$3\r\nGET\r\n$"), b...))
		default:
			c.SendRaw(b)
		}
		c.Close()
	}
}

// replicate starts a replica and kills it again.
func (s *soak) replicate(p peer.Program) {
	host, port, _ := strings.Cut(s.server.Addr, ":")
	for n := 0; !s.over(); n++ {
		r, err := peer.Start(p, peer.Options{Directives: []string{"replicaof " + host + " " + port, "enable-debug-command yes"}})
		if err != nil {
			s.note("a replica: " + err.Error())
			return
		}
		up := false
		for end := time.Now().Add(15 * time.Second); time.Now().Before(end) && !s.pause(100*time.Millisecond); {
			c, err := r.Dial()
			if err != nil {
				continue
			}
			v, err := c.Do("INFO", "replication")
			c.Close()
			if err == nil && strings.Contains(v.String(), "master_link_status:up") {
				up = true
				break
			}
		}
		if !up && !s.over() {
			s.note("a replica has no link after 15 s")
		}
		s.pause(3 * time.Second)
		if n%2 == 0 {
			r.Kill()
		} else {
			r.Stop()
		}
	}
}

// save asks for snapshots and rewrites.
func (s *soak) save() {
	c := s.dial()
	for n := 0; c != nil && !s.pause(4*time.Second); n++ {
		name := []string{"BGSAVE", "BGREWRITEAOF"}[n%2]
		if v, err := c.Do(name); err != nil {
			s.note(name + ": " + err.Error())
			c.Close()
			c = s.dial()
		} else if text := v.String(); v.IsError() && !strings.Contains(text, "in progress") && !strings.Contains(text, "can't BGSAVE right now") {
			s.note(name + ": " + text)
		}
	}
	if c != nil {
		c.Close()
	}
}
