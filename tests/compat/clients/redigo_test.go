package clients

import (
	"strings"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"
)

// redigo leaves writing and reading to its caller: what is sent stays in a buffer until it is flushed, and each reply is
// taken by itself.
func TestRedigo(t *testing.T) {
	addr := start(t)
	pool := &redis.Pool{
		Dial:         func() (redis.Conn, error) { return redis.Dial("tcp", addr, redis.DialClientName("redigo")) },
		TestOnBorrow: func(c redis.Conn, _ time.Time) error { _, err := c.Do("PING"); return err },
		MaxIdle:      4,
	}
	t.Cleanup(func() { pool.Close() })
	conn := func() redis.Conn {
		c := pool.Get()
		t.Cleanup(func() { c.Close() })
		return c
	}
	c := conn()
	library := version("redigo", "github.com/gomodule/redigo")
	text, num, list := must[string](t), must[int](t), must[[]string](t)

	try(t, library, "connect", func(t *testing.T) {
		same(t, text(redis.String(c.Do("SET", "k", "v", "EX", 100))), "OK")
		same(t, text(redis.String(c.Do("GET", "k"))), "v")
		_, err := redis.String(c.Do("GET", "none"))
		same(t, err, redis.ErrNil)
		same(t, text(redis.String(c.Do("CLIENT", "GETNAME"))), "redigo")
		same(t, num(redis.Int(c.Do("HSET", redis.Args{"h"}.AddFlat(map[string]int{"a": 1, "b": 2})...))), 2)
		same(t, must[map[string]int](t)(redis.IntMap(c.Do("HGETALL", "h"))), map[string]int{"a": 1, "b": 2})
	})
	try(t, library, "pipeline", func(t *testing.T) {
		for i := range 1000 {
			c.Send("SET", "p", i)
			c.Send("INCR", "p")
		}
		c.Send("LPUSH", "p", "x")
		same(t, c.Flush(), nil)
		for i := range 1000 {
			same(t, text(redis.String(c.Receive())), "OK")
			same(t, num(redis.Int(c.Receive())), i+1)
		}
		_, err := c.Receive()
		same(t, strings.HasPrefix(err.Error(), "WRONGTYPE "), true)
	})
	try(t, library, "pub/sub", func(t *testing.T) {
		sub := redis.PubSubConn{Conn: conn()}
		same(t, sub.Subscribe("news"), nil)
		same(t, sub.PSubscribe("n*"), nil)
		same(t, sub.Receive(), any(redis.Subscription{Kind: "subscribe", Channel: "news", Count: 1}))
		same(t, sub.Receive(), any(redis.Subscription{Kind: "psubscribe", Channel: "n*", Count: 2}))
		same(t, num(redis.Int(c.Do("PUBLISH", "news", "hello"))), 2)
		same(t, sub.Receive(), any(redis.Message{Channel: "news", Data: []byte("hello")}))
		same(t, sub.Receive(), any(redis.Message{Channel: "news", Pattern: "n*", Data: []byte("hello")}))
		same(t, sub.Ping("there"), nil)
		same(t, sub.Receive(), any(redis.Pong{Data: "there"}))
	})
	try(t, library, "transaction", func(t *testing.T) {
		for _, changed := range []bool{false, true} {
			c.Do("WATCH", "n")
			if changed {
				conn().Do("INCR", "n")
			}
			c.Send("MULTI")
			c.Send("SET", "n", 5)
			c.Send("INCR", "n")
			got, err := c.Do("EXEC")
			if changed {
				same(t, []any{got, err}, []any{nil, nil})
			} else {
				same(t, got, any([]any{"OK", int64(6)}))
			}
		}
	})
	try(t, library, "stream", func(t *testing.T) {
		id := text(redis.String(c.Do("XADD", "st", "*", "a", "1")))
		c.Do("XGROUP", "CREATE", "st", "g", "0")
		got, err := c.Do("XREADGROUP", "GROUP", "g", "me", "STREAMS", "st", ">")
		entry := []any{[]byte(id), []any{[]byte("a"), []byte("1")}}
		same(t, []any{got, err}, []any{[]any{[]any{[]byte("st"), []any{entry}}}, nil})
		same(t, num(redis.Int(c.Do("XACK", "st", "g", id))), 1)
	})
	try(t, library, "lock", func(t *testing.T) {
		same(t, text(redis.String(c.Do("SET", "lock", "me", "NX", "PX", 60000))), "OK")
		_, err := redis.String(c.Do("SET", "lock", "you", "NX", "PX", 60000))
		same(t, err, redis.ErrNil)
	})
	try(t, library, "queue", func(t *testing.T) {
		c.Do("LPUSH", "q", "a", "b")
		same(t, text(redis.String(c.Do("LMOVE", "q", "working", "RIGHT", "LEFT"))), "a")
		same(t, num(redis.Int(c.Do("LREM", "working", 1, "a"))), 1)
	})
	try(t, library, "blocking", func(t *testing.T) {
		waits := conn()
		waits.Send("BLPOP", "bq", 100)
		same(t, waits.Flush(), nil)
		until(t, "a blocked client", func() bool {
			return strings.Contains(text(redis.String(c.Do("INFO", "clients"))), "blocked_clients:1\r")
		})
		c.Do("RPUSH", "bq", "x")
		same(t, list(redis.Strings(waits.Receive())), []string{"bq", "x"})
	})
	try(t, library, "script", func(t *testing.T) {
		add := redis.NewScript(1, "return redis.call('incrby', KEYS[1], ARGV[1])")
		for _, want := range []int{5, 10} { // the script has to be sent once
			same(t, num(redis.Int(add.Do(c, "counter", 5))), want)
		}
	})
	try(t, library, "reconnect", func(t *testing.T) {
		lost := pool.Get()
		id := num(redis.Int(lost.Do("CLIENT", "ID")))
		lost.Close() // is idle in the pool, and is looked at before it is given out
		same(t, num(redis.Int(c.Do("CLIENT", "KILL", "ID", id))), 1)
		same(t, num(redis.Int(conn().Do("CLIENT", "ID"))) != id, true)
	})
}
