package keyspace

import (
	"fmt"
	"strconv"
	"testing"

	"larder/datatypes"
)

// sweepAll removes everything that is due now, in holds of a small budget.
func (w *world) sweepAll() (removed int) {
	for more := true; more; {
		set, _ := w.ks.Due(w.v.Now)
		more = set != 0
		for i := range w.ks.Shards() {
			if set>>i&1 != 0 {
				w.v.Take(1 << i)
				n, _ := w.v.Sweep(i, 16)
				removed += n
				w.v.Release()
			}
		}
	}
	return removed
}

func TestDueTellsWhenToSweep(t *testing.T) {
	w := newWorld(t, 4, 1)
	start := w.v.Now
	if set, next := w.ks.Due(start + 1e9); set != 0 || next != never {
		t.Fatalf("an empty keyspace has %b due, the next at %d", set, next)
	}
	const n = 400
	for i := range n {
		w.hold(0, func(v *View) { v.SetString([]byte(strconv.Itoa(i)), []byte("x"), start+int64(1000+i*10)) }, strconv.Itoa(i))
	}
	swept := 0
	for sweeps := 0; swept < n; sweeps++ {
		set, next := w.ks.Due(w.v.Now)
		if sweeps > 2*n || set == 0 && next == never {
			t.Fatalf("%d keys were removed by %d sweeps, %b is due, the next at %d", swept, sweeps, set, next)
		}
		if set == 0 {
			w.v.Now = next
			continue
		}
		swept += w.sweepAll()
		late := w.v.Now - start - int64(1000+(swept-1)*10)
		if late <= 0 || late > sweepLate_ms+1+10 {
			t.Fatalf("%d keys are gone at %d, %d ms late", swept, w.v.Now-start, late)
		}
	}
	if set, next := w.ks.Due(w.v.Now + 1e9); set != 0 || next != never {
		t.Fatalf("after the last key %b is due, the next at %d", set, next)
	}
	for _, at := range []int64{never - 10, never} { // nobody will see that
		w.hold(0, func(v *View) { v.SetString([]byte("late"), []byte("x"), at) }, "late")
		if set, next := w.ks.Due(w.v.Now); set != 0 || next != never {
			t.Fatalf("%b is due because of what expires at %d, the next at %d", set, at, next)
		}
		if err := w.ks.Check(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestASampleOfTimesMeetsTheOnlyOne(t *testing.T) {
	w := newWorld(t, 1, 1)
	for i := range 2000 {
		w.hold(0, func(v *View) { v.SetString([]byte(strconv.Itoa(i)), []byte("x"), 0) }, strconv.Itoa(i))
	}
	sh := w.ks.Shard(0)
	if sum, n := sh.SampleTTL(0, 1, w.v.Now); sum != 0 || n != 0 {
		t.Fatalf("%d ms of %d keys, and none expires", sum, n)
	}
	w.hold(0, func(v *View) { v.SetString([]byte("volatile"), []byte("x"), w.v.Now+1234) }, "volatile")
	for rnd := range uint64(50) {
		if sum, n := sh.SampleTTL(0, rnd, w.v.Now); sum != 1234 || n != 1 {
			t.Fatalf("%d ms of %d keys", sum, n)
		}
	}
}

func TestWhoExpiresEarlierWakesTheSweeper(t *testing.T) {
	w := newWorld(t, 4, 1)
	woken := func() bool {
		select {
		case <-w.ks.Wake():
			return true
		default:
			return false
		}
	}
	set := func(k string, in int64) {
		w.hold(0, func(v *View) { v.SetString([]byte(k), nil, v.Now+in) }, k)
	}
	w.ks.WakeAt(w.v.Now + 100)
	if set("a", 1000); woken() {
		t.Fatal("woken for a key that is due after the next look")
	}
	if set("b", 10); !woken() {
		t.Fatal("not woken for a key that is due before the next look")
	}
	w.hold(0, func(v *View) {
		x, _ := v.EditHash([]byte("h"))
		x.SetWithExpire([]byte("f"), []byte("v"), v.Now+5, v.Now)
	}, "h")
	if !woken() {
		t.Fatal("not woken for a field of a hash")
	}
	w.hold(0, func(v *View) { v.SetString([]byte("c"), nil, 0); v.SetExpire([]byte("c"), v.Now+1) }, "c")
	if !woken() {
		t.Fatal("not woken for an expiry that was set later")
	}
}

// A hash keeps being due for its fields wherever it goes, and stops when it becomes something else.
func TestFieldsAreSweptAfterTransfers(t *testing.T) {
	for _, large := range []bool{false, true} {
		for name, change := range map[string]func(v *View){
			"rename":    func(v *View) { v.Rename([]byte("h"), []byte("{x}")) },
			"far":       func(v *View) { v.Rename([]byte("h"), []byte("another shard, or not")) },
			"copy":      func(v *View) { v.Copy([]byte("h"), []byte("copy"), 1) },
			"move":      func(v *View) { v.Move([]byte("h"), 1) },
			"swap":      func(v *View) { v.Swap(0, 1) },
			"overwrite": func(v *View) { v.SetString([]byte("h"), []byte("s"), 0) },
			"integer":   func(v *View) { v.SetInteger([]byte("h"), 1) },
			"delete":    func(v *View) { v.Delete([]byte("h")) },
			"persist": func(v *View) {
				x, _ := v.EditHash([]byte("h"))
				for i := range 40 {
					x.Persist([]byte(strconv.Itoa(i)), v.Now)
				}
			},
			"anew": func(v *View) {
				x, _ := v.EditHash([]byte("h"))
				for i := range 40 {
					x.Del([]byte(strconv.Itoa(i)), v.Now)
				}
				x.Set([]byte("f"), []byte("v"), v.Now)
			},
			"install": func(v *View) {
				var m datatypes.MemHolder
				var x datatypes.Hash
				x.Bind(v.EnvOf([]byte("h")), &m)
				for i := range 20 {
					x.SetWithExpire([]byte(strconv.Itoa(i)), []byte("v"), v.Now+50, v.Now)
				}
				v.Install([]byte("h"), datatypes.TypeHash, &m)
			},
		} {
			w := newWorld(t, 4, 1)
			if w.ks.Limits.HashMaxListpackEntries = 100; large {
				w.ks.Limits.HashMaxListpackEntries = 1
			}
			w.hold(0, func(v *View) {
				x, _ := v.EditHash([]byte("h"))
				for i := range 40 {
					x.SetWithExpire([]byte(strconv.Itoa(i)), []byte("v"), v.Now+100, v.Now)
				}
			})
			w.hold(0, change)
			w.hold(0, func(*View) {
				if err := w.ks.Check(); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
			})
			w.v.Now += 100 + sweepLate_ms + 1
			w.sweepAll()
			if set, _ := w.ks.Due(w.v.Now); set != 0 {
				t.Fatalf("%s: %b is still due", name, set)
			}
			w.hold(0, func(v *View) {
				for db := range w.dbs {
					v.DB = db
					v.EachKey(func(key []byte, in Info) bool {
						keep := map[string]int{"overwrite": 1, "integer": 1, "persist": 1, "anew": 1}
						if keep[name]--; keep[name] < 0 {
							t.Errorf("%s: %q is left", name, key)
						}
						return true
					})
				}
			})
		}
	}
}

func TestReplicaKeepsWhatHasExpired(t *testing.T) {
	w := newWorld(t, 1, 1)
	k := []byte("k")
	w.hold(0, func(v *View) { v.SetString(k, []byte("x"), v.Now+10) })
	w.v.ServeExpired = true
	w.v.Now += 10
	w.hold(0, func(v *View) {
		if !v.Has(k) {
			t.Error("a key is gone in the millisecond that it expires in")
		}
	})
	w.v.Now++
	w.hold(0, func(v *View) {
		if _, st := v.String(k); st != Missing || v.Has(k) || v.Exists(k) {
			t.Error("an expired key is served")
		}
		if v.Len() != 1 || len(v.Events) != 0 {
			t.Errorf("%d keys, events %v", v.Len(), v.Events)
		}
		v.EachKey(func([]byte, Info) bool { t.Error("an expired key is shown"); return true })
		v.Scan(0, 10, func([]byte, Info) { t.Error("an expired key is scanned") })
		if key, ok := v.Random(func() uint64 { return 1 }); !ok || string(key) != "k" {
			t.Errorf("random key %q, %v", key, ok)
		}
	})
	w.v.ServeExpired = false
	w.hold(0, func(v *View) {
		if v.Has(k) || v.Len() != 0 {
			t.Error("a primary keeps an expired key")
		}
	})
}

func TestEvents(t *testing.T) {
	w := newWorld(t, 4, 1)
	w.v.Record = true
	expect := func(name string, want []string, fn func(v *View)) {
		t.Helper()
		v := w.v
		v.DB = 0
		v.Take(w.ks.All())
		fn(v)
		v.Settle()
		var got []string
		for _, e := range v.Events {
			got = append(got, fmt.Sprintf("%d %d %s %s", e.Kind, e.DB, e.Name, e.Key))
		}
		v.ResetEvents()
		v.Release()
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	ev := func(kind EventKind, db int, name, key string) string {
		return fmt.Sprintf("%d %d %s %s", kind, db, name, key)
	}
	b := func(s string) []byte { return []byte(s) }
	expect("miss", []string{ev(Notice, 0, "keymiss", "a")}, func(v *View) { v.String(b("a")) })
	expect("new", []string{ev(Notice, 0, "new", "a"), ev(Modified, 0, "set", "a")}, func(v *View) {
		v.SetString(b("a"), b("1"), 0)
		v.Changed(b("a"), "set")
	})
	expect("overwrite", []string{ev(Modified, 0, "set", "a")}, func(v *View) {
		v.SetString(b("a"), b("2"), v.Now+5)
		v.Changed(b("a"), "set")
	})
	w.v.Now += 6
	expect("lazy expiry", []string{ev(Expired, 0, "expired", "a"), ev(Notice, 0, "keymiss", "a")}, func(v *View) { v.String(b("a")) })
	expect("empty collection", []string{ev(Notice, 0, "new", "s"), ev(Modified, 0, "srem", "s"), ev(Removed, 0, "del", "s")}, func(v *View) {
		x, _ := v.EditSet(b("s"))
		x.Add(b("m"))
		x.Remove(b("m"))
		v.Changed(b("s"), "srem")
	})
	expect("two handles of one key", []string{ev(Notice, 0, "new", "l"), ev(Removed, 0, "del", "l")}, func(v *View) {
		x, _ := v.EditList(b("l"))
		y, _ := v.EditList(b("l"))
		x.PushTail(b("1"))
		y.PushTail(b("2"))
		if x.Len() != 2 || y.Len() != 2 {
			t.Errorf("two handles of one list see %d and %d items", x.Len(), y.Len())
		}
		y.DropHead(2)
	})
	expect("transfer", []string{ev(Notice, 0, "new", "x"), ev(Notice, 1, "new", "y"), ev(Notice, 0, "new", "z")}, func(v *View) {
		v.SetString(b("x"), b("1"), 0)
		v.Copy(b("x"), b("y"), 1)
		v.Rename(b("x"), b("z"))
	})
	expect("flush", []string{ev(Flushed, 1, "", ""), ev(Flushed, 1, "", ""), ev(Flushed, 1, "", ""), ev(Flushed, 1, "", "")}, func(v *View) {
		if v.Flush(1) != 1 {
			t.Error("flush counts wrong")
		}
	})
	const n = 100
	for i := range n {
		k := b(strconv.Itoa(i))
		w.hold(2, func(v *View) { v.SetString(k, nil, v.Now+int64(i)) })
	}
	w.v.Now += n + sweepLate_ms
	w.v.ResetEvents()
	w.sweepAll()
	seen := map[string]int{}
	for _, e := range w.v.Events {
		if e.Kind != Expired || e.DB != 2 || e.Name != "expired" {
			t.Errorf("event %+v", e)
		}
		seen[string(e.Key)]++
	}
	w.v.ResetEvents()
	if len(seen) != n {
		t.Errorf("%d keys of %d have expired", len(seen), n)
	}
	for k, times := range seen {
		if times != 1 {
			t.Errorf("%q has expired %d times", k, times)
		}
	}
}

// TestExpiryOfFieldsIsNoUse: a hash does not count as used because some of its fields are swept away.
func TestExpiryOfFieldsIsNoUse(t *testing.T) {
	w := newWorld(t, 1, 1)
	key := []byte("h")
	w.hold(0, func(v *View) {
		x, _ := v.EditHash(key)
		x.Set([]byte("stays"), []byte("v"), v.Now)
		x.SetWithExpire([]byte("goes"), []byte("v"), v.Now+10_000, v.Now)
	})
	before := uint32(0)
	w.hold(0, func(v *View) {
		in, _ := v.Stat(key)
		before = in.Access
	})
	w.v.Now += 20_000
	if n := w.sweepAll(); n != 1 {
		t.Fatalf("%d fields were swept", n)
	}
	w.hold(0, func(v *View) {
		if in, _ := v.Stat(key); in.Access != before {
			t.Errorf("the access word is %x, and was %x", in.Access, before)
		}
		if idle := v.Clock().Idle(before, v.Now); idle != 20 {
			t.Errorf("idle for %d s", idle)
		}
	})
}
