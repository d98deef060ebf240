package model

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"larder/tests/internal/peer"
	"larder/tests/internal/wire"
)

// clients runs f in n clients at once, each with its own connection, and fails the test on the first error.
func clients(t *testing.T, s *peer.Server, n int, f func(i int, c *wire.Conn) error) {
	t.Helper()
	var all sync.WaitGroup
	errs := make(chan error, n)
	for i := range n {
		c := dial(t, s)
		all.Go(func() {
			if err := f(i, c); err != nil {
				errs <- fmt.Errorf("client %d: %w", i, err)
			}
		})
	}
	all.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
}

// call runs a command; error replies are errors.
func call(c *wire.Conn, args ...string) (wire.Value, error) {
	v, err := c.Do(args...)
	if err == nil && v.IsError() {
		err = fmt.Errorf("%.100q: %s", args, v)
	}
	return v, err
}

// TestIncrementsOfManyClientsAddUp: increments of many clients add up.
func TestIncrementsOfManyClientsAddUp(t *testing.T) {
	s := start(t)
	const n, each = 8, 500
	clients(t, s, n, func(i int, c *wire.Conn) error {
		for j := range each {
			for _, args := range [][]string{{"INCR", "n"}, {"HINCRBY", "h", "f", "1"}, {"ZINCRBY", "z", "1", "m"}, {"RPUSH", "l", itoa(j)}, {"SADD", "s", itoa(i*each + j)}, {"APPEND", "a", "x"}} {
				if _, err := call(c, args...); err != nil {
					return err
				}
			}
		}
		return nil
	})
	c := dial(t, s)
	for _, want := range []struct {
		args []string
		n    int
	}{{[]string{"GET", "n"}, n * each}, {[]string{"HGET", "h", "f"}, n * each}, {[]string{"ZSCORE", "z", "m"}, n * each}, {[]string{"LLEN", "l"}, n * each}, {[]string{"SCARD", "s"}, n * each}, {[]string{"STRLEN", "a"}, n * each}} {
		if got := do(t, c, want.args...).String(); got != itoa(want.n) {
			t.Errorf("%v: %s, want %d", want.args, got, want.n)
		}
	}
}

// TestWritesOfSeveralKeysAreSeenWhole: whatever writes many keys at once, a reader of all of them sees either all of
// one write or all of another. The keys lie in different shards.
func TestWritesOfSeveralKeysAreSeenWhole(t *testing.T) {
	var keys, lists []string
	for i := range 20 {
		keys = append(keys, "key"+itoa(i))
		lists = append(lists, "list"+itoa(i))
	}
	mset := func(v string) []string {
		args := []string{"MSET"}
		for _, k := range keys {
			args = append(args, k, v)
		}
		return args
	}
	writers := map[string]func(c *wire.Conn, v string) error{
		"MSET": func(c *wire.Conn, v string) error { _, err := call(c, mset(v)...); return err },
		"EXEC": func(c *wire.Conn, v string) error {
			commands := [][]string{{"MULTI"}}
			for _, k := range keys {
				commands = append(commands, []string{"SET", k, v})
			}
			var b []byte
			for _, args := range append(commands, []string{"EXEC"}) {
				b = wire.AppendRequest(b, args...)
			}
			if err := c.SendRaw(b); err != nil {
				return err
			}
			for range len(commands) + 1 {
				if v, err := c.Receive(); err != nil || v.IsError() {
					return fmt.Errorf("%v %w", v, err)
				}
			}
			return nil
		},
		"lists in EXEC": func(c *wire.Conn, v string) error {
			b := wire.AppendRequest(nil, "MULTI")
			for _, l := range lists {
				b = wire.AppendRequest(b, "LSET", l, "0", v)
			}
			if err := c.SendRaw(wire.AppendRequest(b, "EXEC")); err != nil {
				return err
			}
			for range len(lists) + 2 {
				if v, err := c.Receive(); err != nil || v.IsError() {
					return fmt.Errorf("%v %w", v, err)
				}
			}
			return nil
		},
	}
	s := start(t)
	for name, write := range writers {
		t.Run(name, func(t *testing.T) {
			c := dial(t, s)
			do(t, c, "FLUSHALL")
			do(t, c, mset("start")...)
			for _, l := range lists {
				do(t, c, "RPUSH", l, "start")
			}
			var writing sync.WaitGroup
			done := make(chan struct{})
			for w := range 3 {
				wc := dial(t, s)
				writing.Go(func() {
					for i := range 200 {
						if err := write(wc, fmt.Sprintf("w%d-%d", w, i)); err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			go func() { writing.Wait(); close(done) }()
			clients(t, s, 2, func(_ int, c *wire.Conn) error {
				for {
					select {
					case <-done:
						return nil
					default:
					}
					if err := readWhole(c, keys, lists); err != nil {
						return err
					}
				}
			})
		})
	}
}

// readWhole reads all keys by MGET and all lists by a transaction: all values of a kind must be the same.
func readWhole(c *wire.Conn, keys, lists []string) error {
	v, err := call(c, append([]string{"MGET"}, keys...)...)
	if err != nil {
		return err
	}
	if err := allSame(v.Elems); err != nil {
		return err
	}
	b := wire.AppendRequest(nil, "MULTI")
	for _, l := range lists {
		b = wire.AppendRequest(b, "LINDEX", l, "0")
	}
	if err := c.SendRaw(wire.AppendRequest(b, "EXEC")); err != nil {
		return err
	}
	for range len(lists) + 1 {
		if _, err := c.Receive(); err != nil {
			return err
		}
	}
	if v, err = c.Receive(); err != nil {
		return err
	}
	return allSame(v.Elems)
}

func allSame(values []wire.Value) error {
	if len(values) == 0 {
		return fmt.Errorf("no values")
	}
	var texts []string
	same := true
	for _, v := range values {
		texts = append(texts, v.String())
		same = same && v.String() == texts[0]
	}
	if !same {
		return fmt.Errorf("a write was seen in part: %s", strings.Join(texts, " "))
	}
	return nil
}

// TestWatchLosesNoUpdate: read, change, write back under WATCH, by many clients: every success counts once.
func TestWatchLosesNoUpdate(t *testing.T) {
	s := start(t)
	const n, each = 6, 60
	clients(t, s, n, func(_ int, c *wire.Conn) error {
		for done := 0; done < each; {
			if _, err := call(c, "WATCH", "balance"); err != nil {
				return err
			}
			v, err := call(c, "GET", "balance")
			if err != nil {
				return err
			}
			have, _ := v.Int()
			for _, args := range [][]string{{"MULTI"}, {"SET", "balance", itoa(int(have) + 1)}, {"RPUSH", "journal", "x"}} {
				if _, err := call(c, args...); err != nil {
					return err
				}
			}
			if v, err = call(c, "EXEC"); err != nil {
				return err
			}
			if !v.IsNil() {
				done++
			}
		}
		return nil
	})
	c := dial(t, s)
	if got := do(t, c, "GET", "balance").String(); got != itoa(n*each) {
		t.Errorf("balance %s, want %d", got, n*each)
	}
	if got := do(t, c, "LLEN", "journal").String(); got != itoa(n*each) {
		t.Errorf("journal of %s entries, want %d", got, n*each)
	}
}

// TestQueueDeliversEachItemOnce: producers push, consumers wait with blocking pops on several lists; every item arrives
// at exactly one consumer, and those of one producer to one list in their order where there is one consumer.
func TestQueueDeliversEachItemOnce(t *testing.T) {
	s := start(t)
	const producers, consumers, each = 4, 5, 300
	var mu sync.Mutex
	got := map[string]int{}
	var consuming sync.WaitGroup
	for i := range consumers {
		c := dial(t, s)
		consuming.Go(func() {
			for {
				args := []string{"BLPOP", "q0", "q1", "q2", "stop", "0"}
				if i%2 == 1 {
					args = []string{"BLMPOP", "0", "4", "q2", "q1", "q0", "stop", "RIGHT", "COUNT", "3"}
				}
				v, err := call(c, args...)
				if err != nil || len(v.Elems) != 2 {
					t.Errorf("consumer %d: %v, %v", i, v, err)
					return
				}
				if v.Elems[0].String() == "stop" {
					for extra := len(v.Elems[1].Elems) - 1; extra > 0; extra-- { // others must stop, too
						if _, err := call(c, "RPUSH", "stop", "x"); err != nil {
							t.Error(err)
						}
					}
					return
				}
				mu.Lock()
				if v.Elems[1].Aggregate() {
					for _, e := range v.Elems[1].Elems {
						got[e.String()]++
					}
				} else {
					got[v.Elems[1].String()]++
				}
				mu.Unlock()
			}
		})
	}
	clients(t, s, producers, func(p int, c *wire.Conn) error {
		for i := range each {
			item := fmt.Sprintf("%d-%d", p, i)
			var err error
			switch i % 3 {
			case 0:
				_, err = call(c, "RPUSH", "q"+itoa(i%2), item)
			case 1:
				_, err = call(c, "LPUSH", "q2", item)
			default: // through another list, in a transaction
				for _, args := range [][]string{{"MULTI"}, {"RPUSH", "t" + itoa(p), item}, {"LMOVE", "t" + itoa(p), "q1", "LEFT", "RIGHT"}, {"EXEC"}} {
					if _, err = call(c, args...); err != nil {
						break
					}
				}
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	c := dial(t, s)
	for do(t, c, "EXISTS", "q0", "q1", "q2").String() != "0" {
	}
	for range consumers {
		do(t, c, "RPUSH", "stop", "x")
	}
	consuming.Wait()
	for p := range producers {
		for i := range each {
			if n := got[fmt.Sprintf("%d-%d", p, i)]; n != 1 {
				t.Errorf("item %d of producer %d was delivered %d times", i, p, n)
			}
		}
	}
}
