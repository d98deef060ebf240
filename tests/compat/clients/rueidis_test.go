package clients

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"
)

// rueidis speaks RESP3, sends the commands of all goroutines in one pipeline, and keeps a cache of its own that the
// server invalidates.
func TestRueidis(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	addr := start(t)
	client := func() rueidis.Client {
		c, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{addr}, ClientName: "rueidis"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c
	}
	r := client()
	library := version("rueidis", "github.com/redis/rueidis")
	text, num := must[string], must[int64]
	do := func(words ...string) rueidis.RedisResult {
		return r.Do(ctx, r.B().Arbitrary(words...).Build())
	}

	try(t, library, "connect", func(t *testing.T) {
		same(t, text(t)(do("PING").ToString()), "PONG")
		same(t, text(t)(r.Do(ctx, r.B().Set().Key("k").Value("v").ExSeconds(100).Build()).ToString()), "OK")
		same(t, text(t)(r.Do(ctx, r.B().Get().Key("k").Build()).ToString()), "v")
		same(t, rueidis.IsRedisNil(r.Do(ctx, r.B().Get().Key("none").Build()).Error()), true)
		same(t, strings.Contains(text(t)(do("CLIENT", "LIST").ToString()), "lib-name=rueidis"), true)
	})
	try(t, library, "RESP3", func(t *testing.T) {
		do("HSET", "h", "a", "1")
		same(t, must[map[string]string](t)(r.Do(ctx, r.B().Hgetall().Key("h").Build()).AsStrMap()), map[string]string{"a": "1"})
		cached := func() rueidis.RedisResult { return r.DoCache(ctx, r.B().Get().Key("k").Cache(), time.Minute) }
		same(t, text(t)(cached().ToString()), "v")
		same(t, cached().IsCacheHit(), true)
		other := client()
		other.Do(ctx, other.B().Set().Key("k").Value("w").Build())
		until(t, "an invalidation", func() bool { return text(t)(cached().ToString()) == "w" })
	})
	try(t, library, "pipeline", func(t *testing.T) {
		var all rueidis.Commands
		for i := range 1000 {
			key := "p:" + strconv.Itoa(i)
			all = append(all, r.B().Set().Key(key).Value(strconv.Itoa(i)).Build(), r.B().Get().Key(key).Build())
		}
		got := r.DoMulti(ctx, all...)
		for i := range 1000 {
			same(t, text(t)(got[2*i+1].ToString()), strconv.Itoa(i))
		}
	})
	try(t, library, "pub/sub", func(t *testing.T) {
		got := make(chan rueidis.PubSubMessage, 10)
		listening, stop := context.WithCancel(ctx)
		defer stop()
		s := client()
		ended := make(chan error, 1)
		go func() {
			ended <- s.Receive(listening, s.B().Subscribe().Channel("news").Build(), func(m rueidis.PubSubMessage) { got <- m })
		}()
		until(t, "PUBLISH to one", func() bool { return num(t)(do("PUBLISH", "news", "hello").ToInt64()) == 1 })
		m := <-got
		same(t, []string{m.Channel, m.Message}, []string{"news", "hello"})
		stop()
		<-ended
	})
	try(t, library, "transaction", func(t *testing.T) {
		err := r.Dedicated(func(c rueidis.DedicatedClient) error {
			for _, changed := range []bool{false, true} {
				c.Do(ctx, c.B().Watch().Key("n").Build())
				if changed {
					do("INCR", "n")
				}
				got := c.DoMulti(ctx, c.B().Multi().Build(), c.B().Set().Key("n").Value("1").Build(), c.B().Exec().Build())
				same(t, rueidis.IsRedisNil(got[2].Error()), changed)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
	try(t, library, "stream", func(t *testing.T) {
		id := text(t)(r.Do(ctx, r.B().Xadd().Key("st").Id("*").FieldValue().FieldValue("a", "1").Build()).ToString())
		do("XGROUP", "CREATE", "st", "g", "0")
		got := must[map[string][]rueidis.XRangeEntry](t)(r.Do(ctx, r.B().Xreadgroup().Group("g", "c").Streams().Key("st").Id(">").Build()).AsXRead())
		same(t, got["st"][0].ID, id)
		same(t, num(t)(r.Do(ctx, r.B().Xack().Key("st").Group("g").Id(id).Build()).ToInt64()), int64(1))
	})
	try(t, library, "lock", func(t *testing.T) {
		lock := func(who string) error {
			return r.Do(ctx, r.B().Set().Key("lock").Value(who).Nx().PxMilliseconds(60000).Build()).Error()
		}
		same(t, lock("me"), nil)
		same(t, rueidis.IsRedisNil(lock("you")), true)
	})
	try(t, library, "queue", func(t *testing.T) {
		do("LPUSH", "q", "a", "b")
		same(t, text(t)(r.Do(ctx, r.B().Lmove().Source("q").Destination("working").Right().Left().Build()).ToString()), "a")
	})
	try(t, library, "blocking", func(t *testing.T) {
		got := make(chan []string, 1)
		go func() {
			v, err := r.Do(ctx, r.B().Blpop().Key("bq").Timeout(100).Build()).AsStrSlice()
			if err != nil {
				v = []string{err.Error()}
			}
			got <- v
		}()
		until(t, "a blocked client", func() bool {
			return strings.Contains(text(t)(do("INFO", "clients").ToString()), "blocked_clients:1\r")
		})
		do("RPUSH", "bq", "x")
		same(t, <-got, []string{"bq", "x"})
	})
	try(t, library, "script", func(t *testing.T) {
		add := rueidis.NewLuaScript("return redis.call('incrby', KEYS[1], ARGV[1])")
		same(t, num(t)(add.Exec(ctx, r, []string{"counter"}, []string{"5"}).ToInt64()), int64(5))
		same(t, num(t)(add.Exec(ctx, r, []string{"counter"}, []string{"5"}).ToInt64()), int64(10))
	})
	try(t, library, "reconnect", func(t *testing.T) {
		c := client()
		id := num(t)(c.Do(ctx, c.B().ClientId().Build()).ToInt64())
		same(t, num(t)(do("CLIENT", "KILL", "ID", strconv.FormatInt(id, 10)).ToInt64()), int64(1))
		until(t, "a new connection", func() bool {
			now, err := c.Do(ctx, c.B().ClientId().Build()).ToInt64()
			return err == nil && now != id
		})
	})
}
