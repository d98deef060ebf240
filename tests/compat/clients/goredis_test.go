package clients

import (
	"context"
	"errors"
	"reflect"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// version names a Go library as it was built in.
func version(name, path string) string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			if d.Path == path {
				return name + " " + strings.TrimPrefix(d.Version, "v")
			}
		}
	}
	return name
}

// same fails the test unless two values are equal.
func same(t *testing.T, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%#v instead of %#v", got, want)
	}
}

// must fails the test on an error.
func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// until asks again and again until the answer is yes.
func until(t *testing.T, what string, yes func() bool) {
	t.Helper()
	for end := time.Now().Add(3 * time.Minute); !yes(); {
		if time.Now().After(end) {
			t.Fatal("in vain: " + what)
		}
	}
}

func TestGoRedis(t *testing.T) {
	for _, proto := range []int{2, 3} {
		t.Run("RESP"+strconv.Itoa(proto), func(t *testing.T) { goRedis(t, proto) })
	}
}

func goRedis(t *testing.T, proto int) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	addr := start(t)
	client := func() *redis.Client {
		c := redis.NewClient(&redis.Options{Addr: addr, Protocol: proto, ClientName: "go",
			ReadTimeout: time.Minute, WriteTimeout: time.Minute, PoolTimeout: time.Minute}) // what a busy machine is late with is not asked again
		t.Cleanup(func() { c.Close() })
		return c
	}
	r := client()
	library := version("go-redis", "github.com/redis/go-redis/v9")
	text, num := must[string], must[int64]

	try(t, library, "connect", func(t *testing.T) {
		same(t, text(t)(r.Ping(ctx).Result()), "PONG")
		same(t, text(t)(r.Set(ctx, "k", "v", time.Minute).Result()), "OK")
		same(t, text(t)(r.Get(ctx, "k").Result()), "v")
		same(t, errors.Is(r.Get(ctx, "none").Err(), redis.Nil), true)
		same(t, strings.Contains(text(t)(r.ClientList(ctx).Result()), "name=go"), true)
		same(t, strings.Contains(text(t)(r.ClientList(ctx).Result()), "lib-name=go-redis"), true)
		same(t, num(t)(r.HSet(ctx, "h", "a", 1, "b", 2).Result()), int64(2))
		same(t, must[map[string]string](t)(r.HGetAll(ctx, "h").Result()), map[string]string{"a": "1", "b": "2"})
		same(t, must[map[string]string](t)(r.ConfigGet(ctx, "maxmemory").Result()), map[string]string{"maxmemory": "0"})
		same(t, len(must[map[string]*redis.CommandInfo](t)(r.Command(ctx).Result())) > 200, true)
		var keys []string
		it := r.Scan(ctx, 0, "[hk]", 0).Iterator()
		for it.Next(ctx) {
			keys = append(keys, it.Val())
		}
		slices.Sort(keys)
		same(t, keys, []string{"h", "k"})
	})
	if proto == 3 {
		try(t, library, "RESP3", func(t *testing.T) {
			c := r.Conn()
			defer c.Close()
			same(t, must[map[string]any](t)(c.Hello(ctx, 3, "", "", "").Result())["proto"], int64(3))
			r.ZAdd(ctx, "z", redis.Z{Score: 1.5, Member: "x"})
			same(t, must[any](t)(r.Do(ctx, "ZSCORE", "z", "x").Result()), 1.5)
			same(t, must[any](t)(r.Do(ctx, "HGETALL", "h").Result()), map[any]any{"a": "1", "b": "2"})
		})
	}
	try(t, library, "pipeline", func(t *testing.T) {
		got, err := r.Pipelined(ctx, func(p redis.Pipeliner) error {
			for i := range 1000 {
				p.Set(ctx, "p:"+strconv.Itoa(i), i, 0)
				p.Get(ctx, "p:"+strconv.Itoa(i))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 1000 {
			same(t, got[2*i+1].(*redis.StringCmd).Val(), strconv.Itoa(i))
		}
	})
	try(t, library, "pub/sub", func(t *testing.T) {
		s := client().Subscribe(ctx, "news")
		defer s.Close()
		if err := s.PSubscribe(ctx, "n*"); err != nil {
			t.Fatal(err)
		}
		ch := s.Channel()
		until(t, "PUBLISH to two", func() bool { return num(t)(r.Publish(ctx, "news", "hello").Result()) == 2 })
		m := <-ch
		same(t, []string{m.Channel, m.Payload}, []string{"news", "hello"})
		sharded := client().SSubscribe(ctx, "shard")
		defer sharded.Close()
		until(t, "SPUBLISH to one", func() bool { return num(t)(r.SPublish(ctx, "shard", "x").Result()) == 1 })
		same(t, must[*redis.Message](t)(sharded.ReceiveMessage(ctx)).Payload, "x")
	})
	try(t, library, "transaction", func(t *testing.T) {
		got, err := r.TxPipelined(ctx, func(p redis.Pipeliner) error {
			p.Set(ctx, "n", 1, 0)
			p.Incr(ctx, "n")
			return nil
		})
		if err != nil || got[1].(*redis.IntCmd).Val() != 2 {
			t.Fatal(got, err)
		}
		err = r.Watch(ctx, func(tx *redis.Tx) error {
			r.Incr(ctx, "n")
			_, err := tx.TxPipelined(ctx, func(p redis.Pipeliner) error { return p.Set(ctx, "n", 100, 0).Err() })
			return err
		}, "n")
		same(t, errors.Is(err, redis.TxFailedErr), true)
	})
	try(t, library, "stream", func(t *testing.T) {
		var ids []string
		for i := range 3 {
			ids = append(ids, text(t)(r.XAdd(ctx, &redis.XAddArgs{Stream: "st", Values: []any{"i", i}}).Result()))
		}
		text(t)(r.XGroupCreate(ctx, "st", "g", "0").Result())
		got := must[[]redis.XStream](t)(r.XReadGroup(ctx, &redis.XReadGroupArgs{Group: "g", Consumer: "c", Streams: []string{"st", ">"}, Count: 2}).Result())
		same(t, got[0].Messages[1].ID, ids[1])
		same(t, num(t)(r.XAck(ctx, "st", "g", ids[0]).Result()), int64(1))
		same(t, must[*redis.XPending](t)(r.XPending(ctx, "st", "g").Result()).Count, int64(1))
		claimed, _, err := r.XAutoClaim(ctx, &redis.XAutoClaimArgs{Stream: "st", Group: "g", Consumer: "d", Start: "0"}).Result()
		if err != nil || claimed[0].ID != ids[1] {
			t.Fatal(claimed, err)
		}
		full := must[*redis.XInfoStreamFull](t)(r.XInfoStreamFull(ctx, "st", 10).Result())
		same(t, []int64{full.Length, int64(len(full.Groups))}, []int64{3, 1})
	})
	try(t, library, "lock", func(t *testing.T) {
		lock := func(who string) bool {
			return must[bool](t)(r.SetNX(ctx, "lock", who, time.Minute).Result())
		}
		same(t, []bool{lock("me"), lock("you")}, []bool{true, false})
		same(t, num(t)(r.Del(ctx, "lock").Result()), int64(1))
	})
	try(t, library, "queue", func(t *testing.T) {
		r.LPush(ctx, "q", "a", "b", "c")
		same(t, text(t)(r.LMove(ctx, "q", "working", "RIGHT", "LEFT").Result()), "a")
		same(t, num(t)(r.LRem(ctx, "working", 1, "a").Result()), int64(1))
	})
	try(t, library, "blocking", func(t *testing.T) {
		got := make(chan []string, 1)
		b := client()
		go func() {
			v, err := b.BLPop(ctx, 100*time.Second, "bq1", "bq2").Result()
			if err != nil {
				v = []string{err.Error()}
			}
			got <- v
		}()
		until(t, "a blocked client", func() bool {
			return strings.Contains(text(t)(r.Info(ctx, "clients").Result()), "blocked_clients:1\r")
		})
		r.RPush(ctx, "bq2", "x")
		same(t, <-got, []string{"bq2", "x"})
	})
	try(t, library, "script", func(t *testing.T) {
		add := redis.NewScript("return redis.call('incrby', KEYS[1], ARGV[1])")
		same(t, must[int64](t)(add.Run(ctx, r, []string{"counter"}, 5).Int64()), int64(5))
		same(t, must[int64](t)(add.Run(ctx, r, []string{"counter"}, 5).Int64()), int64(10))
	})
	try(t, library, "reconnect", func(t *testing.T) {
		c := client()
		id := num(t)(c.ClientID(ctx).Result())
		same(t, num(t)(r.ClientKillByFilter(ctx, "ID", strconv.FormatInt(id, 10)).Result()), int64(1))
		same(t, text(t)(c.Set(ctx, "after", "x", 0).Result()), "OK")
		same(t, num(t)(c.ClientID(ctx).Result()) != id, true)
	})
}
