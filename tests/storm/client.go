package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"larder/tests/internal/wire"
)

// client is one connection, made again whenever it is cut.
type client struct {
	s      *storm
	number int
	server int
	rnd    *rand.Rand
	conn   *wire.Conn
	said   int  // of ECHO
	busy   bool // the server has said so
}

// request is what a client sends, and what it makes of the reply.
type request struct {
	words []string
	judge func(v wire.Value) (wrong string) // nil: anything will do
}

func (c *client) close() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// dial connects. It is false if that cannot be done, as when the server has as many clients as it may.
func (c *client) dial() bool {
	if c.conn != nil {
		return true
	}
	p := c.s.servers[c.server]
	conn, err := c.s.dial(c.server, c.number%3 == 1)
	if err != nil {
		if !p.Running() {
			c.s.note("server %d has ended", c.server)
			c.s.end()
		}
		c.s.pause(10 * time.Millisecond)
		return false
	}
	conn.Timeout = c.s.o.patience
	c.conn = conn
	if c.rnd.IntN(2) == 0 {
		_, ok := c.do("HELLO", "3")
		return ok
	}
	return true
}

// lost is called when the connection has failed: that is what happens to clients here, unless it is for want of a reply.
func (c *client) lost(err error, asked string) {
	var malformed *wire.ProtocolError
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.s.hang(c.server, fmt.Sprintf("client %d has no reply to %.200s", c.number, asked))
	case errors.As(err, &malformed):
		c.s.note("client %d: %v after %.200s", c.number, err, asked)
		c.s.end()
	}
	c.s.cut.Add(1)
	c.close()
}

// receive waits for a reply; messages that come before it are passed over.
func (c *client) receive() (v wire.Value, err error) {
	for {
		if v, err = c.conn.Receive(); err != nil || v.Kind != '>' {
			return v, err
		}
	}
}

// do sends one request and waits for the reply. ok is false if the connection is lost.
func (c *client) do(words ...string) (v wire.Value, ok bool) {
	if !c.dial() {
		return v, false
	}
	err := c.conn.Send(words...)
	if err == nil {
		v, err = c.receive()
	}
	if err != nil {
		c.lost(err, strings.Join(words, " "))
		return v, false
	}
	c.s.requests.Add(1)
	return v, true
}

// insists is do for when nobody else ends scripts any more. The script of a client that was cut off may still run, or have waited
// for another one to end.
func (c *client) insists(words ...string) (v wire.Value, ok bool) {
	for end := time.Now().Add(c.s.o.patience); ; time.Sleep(10 * time.Millisecond) {
		if v, ok = c.do(words...); !ok || !strings.HasPrefix(v.String(), "BUSY ") || time.Now().After(end) {
			return v, ok
		}
		c.killScripts()
	}
}

// killScripts ends the script and the function that run.
func (c *client) killScripts() {
	v, ok := c.do("SCRIPT", "KILL")
	last := fmt.Sprintf("%v %s", ok, v)
	c.s.killed[c.server].Store(&last)
	c.do("FUNCTION", "KILL")
}

// send sends requests at once and judges their replies.
func (c *client) send(list ...request) (ok bool) {
	if !c.dial() {
		return false
	}
	var b []byte
	for _, r := range list {
		b = wire.AppendRequest(b, r.words...)
	}
	err := c.conn.SendRaw(b)
	for i := 0; i < len(list) && err == nil; i++ {
		var v wire.Value
		if v, err = c.receive(); err != nil {
			c.lost(err, sent(list, i))
			return false
		}
		c.s.requests.Add(1)
		if v.IsError() {
			c.s.refuse(v.String())
			c.busy = strings.HasPrefix(v.String(), "BUSY ")
			if strings.HasPrefix(v.String(), "ERR max number of clients") { // it is the greeting
				c.close()
				return false
			}
		}
		if j := list[i].judge; j != nil {
			if wrong := j(v); wrong != "" {
				c.s.note("client %d, seed %d: %s, to %.300s", c.number, c.s.seed, wrong, sent(list, i))
			}
		}
	}
	if err != nil {
		c.lost(err, sent(list, 0))
	}
	return err == nil
}

// sent words the request of a pipeline, and what stands around it.
func sent(list []request, at int) string {
	var b strings.Builder
	for i := max(0, at-3); i < min(len(list), at+3); i++ {
		if i == at {
			b.WriteString(">>")
		}
		fmt.Fprintf(&b, "%.80s | ", strings.Join(list[i].words, " "))
	}
	return b.String()
}

// echo is a request whose reply tells whether the replies are in order.
func (c *client) echo() request {
	c.said++
	token := fmt.Sprintf("token-%d-%d-%d", c.s.seed, c.number, c.said)
	return request{[]string{"ECHO", token}, func(v wire.Value) string { return isToken(v, token) }}
}

func isToken(v wire.Value, token string) string {
	if text := v.String(); !v.IsError() && text != token && text != "QUEUED" {
		return fmt.Sprintf("ECHO answers %.100s", text)
	}
	return ""
}

// transaction makes one of requests. Their own judges see the replies in EXEC's.
func (c *client) transaction(list ...request) []request {
	all := []request{{words: []string{"MULTI"}}}
	for _, r := range list {
		all = append(all, request{words: r.words})
	}
	return append(all, request{[]string{"EXEC"}, func(v wire.Value) string {
		if v.IsError() || v.Null || v.Kind == '_' {
			return ""
		}
		if v.Kind != '*' || len(v.Elems) != len(list) {
			return fmt.Sprintf("EXEC of %d commands answers %.100s", len(list), v)
		}
		for i, r := range list {
			if r.judge != nil {
				if wrong := r.judge(v.Elems[i]); wrong != "" {
					return wrong
				}
			}
		}
		return ""
	}})
}

// anything is some requests.
func (c *client) anything() (list []request) {
	atOnce := c.rnd.IntN(4) == 0
	for range 1 + c.rnd.IntN(1<<c.rnd.IntN(6)) {
		w := words(c.command())
		if atOnce && w[0] == "WATCH" { // is refused there, and not queued
			continue
		}
		list = append(list, request{words: w})
		if c.rnd.IntN(4) == 0 {
			list = append(list, c.echo())
		}
	}
	if atOnce {
		list = c.transaction(list...)
		if c.rnd.IntN(8) == 0 {
			list[len(list)-1] = request{words: []string{choose(c.rnd, "DISCARD", "RESET")}}
		}
		if c.rnd.IntN(3) == 0 {
			list = append([]request{{words: []string{"WATCH", c.key("s"), c.key("l")}}}, list...)
		}
	}
	return append(list, c.echo())
}

// sendAnything is what most clients do.
func (c *client) sendAnything() {
	if !c.send(c.anything()...) {
		return
	}
	if c.busy { // who asks on and on while a script runs does nothing else
		c.busy = false
		c.s.pause(5 * time.Millisecond)
	}
	switch c.rnd.IntN(40) {
	case 0:
		c.close()
	case 1:
		c.do("QUIT")
		c.close()
	case 2:
		c.do("SELECT", fmt.Sprint(c.rnd.IntN(2)))
	case 3:
		c.do("CLIENT", "TRACKING", "OFF")
		c.do(c.filled(choose(c.rnd, "CLIENT TRACKING ON", "CLIENT TRACKING ON BCAST PREFIX s: PREFIX l:", "CLIENT TRACKING ON BCAST NOLOOP", "CLIENT TRACKING ON OPTIN",
			"CLIENT TRACKING ON REDIRECT @id", "CLIENT TRACKING ON BCAST REDIRECT @id"))...)
	case 4:
		c.do("CLIENT", choose(c.rnd, "NO-EVICT", "NO-TOUCH"), choose(c.rnd, "ON", "OFF"))
	case 5:
		c.do("AUTH", fmt.Sprint("u", c.rnd.IntN(3)), "x")
	case 6:
		c.do("AUTH", "default", "x")
	}
}

// vanishes sends requests and leaves before, or while, they are answered.
func (c *client) vanishes() {
	if !c.dial() {
		return
	}
	var b []byte
	for _, r := range c.anything() {
		b = wire.AppendRequest(b, r.words...)
	}
	if c.rnd.IntN(3) == 0 {
		b = b[:c.rnd.IntN(len(b))]
	}
	if err := c.conn.SendRaw(b); err != nil {
		c.lost(err, "what it sends before it vanishes")
		return
	}
	time.Sleep(time.Duration(c.rnd.IntN(3000)) * time.Microsecond)
	c.close()
}
