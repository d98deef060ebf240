package partition

import (
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// TestNoLeaseNoWrites: a primary that hears of nobody refuses every kind of write, those of scripts and transactions too,
// and none of them is found later.
func TestNoLeaseNoWrites(t *testing.T) {
	g := newGroup(t, 2, 1, "default", "async", false)
	p := g.settled(1)
	c := p.client()
	defer c.Close()
	ctx := t.Context()
	if err := c.FunctionLoad(ctx, "#!lua name=lib\nredis.register_function('put', function(keys) return redis.call('set', keys[1], 'v') end)").Err(); err != nil {
		t.Fatal(err)
	}
	for _, o := range g.nodes {
		if o != p {
			o.stop()
			defer o.signal(syscall.SIGCONT)
		}
	}
	g.wait("the end of the lease", func() bool {
		err := c.Set(ctx, "plain", "v", 0).Err()
		return err != nil && strings.HasPrefix(err.Error(), "READONLY")
	})
	const write = "return redis.call('set', KEYS[1], 'v')"
	for name, do := range map[string]func() error{
		"script":              func() error { return c.Eval(ctx, write, []string{"script"}).Err() },
		"script that says so": func() error { return c.Eval(ctx, "#!lua\n"+write, []string{"script"}).Err() },
		"function":            func() error { return c.FCall(ctx, "put", []string{"function"}).Err() },
		"transaction": func() error {
			_, err := c.TxPipelined(ctx, func(tx redis.Pipeliner) error { tx.Set(ctx, "tx", "v", 0); return nil })
			return err
		},
		"script in a transaction": func() error {
			_, err := c.TxPipelined(ctx, func(tx redis.Pipeliner) error { tx.Eval(ctx, write, []string{"txscript"}); return nil })
			return err
		},
	} {
		if err := do(); err == nil || !strings.Contains(err.Error(), "READONLY") && !strings.HasPrefix(err.Error(), "EXECABORT") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, key := range []string{"script", "function", "tx", "txscript"} {
		if err := c.Get(ctx, key).Err(); !errors.Is(err, redis.Nil) {
			t.Errorf("%s: %v", key, err)
		}
	}
}

// TestBlockedReadersWait: in sync 1 a client that was blocked is told of a write only when a replica has it.
func TestBlockedReadersWait(t *testing.T) {
	g := newGroup(t, 2, 1, steady, "sync 1", false)
	p := g.settled(1)
	ctx := t.Context()
	reader, writer := p.client(), p.client()
	defer reader.Close()
	defer writer.Close()
	reader.Options().ReadTimeout = -1
	got := make(chan error, 1)
	go func() {
		got <- reader.XRead(ctx, &redis.XReadArgs{Streams: []string{"stream", "0"}, Block: time.Minute}).Err()
	}()
	blocked := func() bool {
		v, err := writer.InfoMap(ctx, "clients").Result()
		return err == nil && v["Clients"]["blocked_clients"] == "1"
	}
	g.wait("the reader to block", blocked)
	other := g.nodes[1-p.n]
	other.stop()
	defer other.signal(syscall.SIGCONT)
	wrote := make(chan error, 1)
	go func() {
		wrote <- writer.XAdd(context.Background(), &redis.XAddArgs{Stream: "stream", Values: []string{"f", "v"}}).Err()
	}()
	second := p.client()
	defer second.Close()
	g.wait("the reader to be served", func() bool {
		v, err := second.InfoMap(ctx, "clients").Result()
		return err == nil && v["Clients"]["blocked_clients"] == "0"
	})
	select {
	case err := <-got:
		t.Fatalf("the reader was told of a write that no replica has (%v)", err)
	case err := <-wrote:
		if !errors.Is(err, os.ErrDeadlineExceeded) { // the client's own patience is a second
			t.Fatalf("the write was acknowledged without a replica (%v)", err)
		}
	case <-time.After(300 * time.Millisecond):
	}
	other.signal(syscall.SIGCONT)
	if err := <-got; err != nil {
		t.Errorf("the reader: %v", err)
	}
}

// TestLoneSurvivor: in sync 1 the replica of a pair whose primary is gone for long is primary, answers reads of what it has, and
// refuses writes at once: nobody waits for a replica that is not there. What expires meanwhile changes nothing about it.
func TestLoneSurvivor(t *testing.T) {
	g := newGroup(t, 2, 1, steady, "sync 1", false)
	p := g.settled(1)
	ctx := t.Context()
	c := p.client()
	defer c.Close()
	g.wait("a write", func() bool { return c.Set(ctx, "key", "value", 0).Err() == nil })
	g.wait("a write that expires", func() bool { return c.Set(ctx, "short", "value", time.Second).Err() == nil })
	oc := g.nodes[1-p.n].client()
	defer oc.Close()
	ready(t, g, oc)
	p.kill()
	g.wait("a read", func() bool { return oc.Get(ctx, "key").Val() == "value" })
	g.wait("the end of what expires", func() bool { n, err := oc.DBSize(ctx).Result(); return err == nil && n == 1 })
	if v, err := oc.Get(ctx, "key").Result(); err != nil || v != "value" {
		t.Errorf("read %q, %v", v, err)
	}
	if err := oc.Set(ctx, "key", "other", 0).Err(); err == nil || !strings.HasPrefix(err.Error(), "NOREPLICAS") {
		t.Errorf("a write: %v", err)
	}
	p.start()
	g.settled(1)
	g.wait("a write", func() bool { return oc.Set(ctx, "key", "other", 0).Err() == nil })
}
