package persistence

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"larder/keyspace"
	"larder/persistence/codec"
)

// slowly is a writer that waits until others have done something.
type slowly struct {
	w    io.Writer
	wait func()
}

func (s slowly) Write(p []byte) (int, error) {
	s.wait()
	return s.w.Write(p)
}

// churn changes random keys of v's keyspace until stop is closed, and counts the changes.
func churn(v *keyspace.View, n int, r *rand.Rand, stop <-chan struct{}, count *atomic.Int64) {
	ks := v.Keyspace()
	for {
		select {
		case <-stop:
			return
		default:
		}
		key := fmt.Appendf(nil, "key:%d", r.IntN(n))
		if r.IntN(5) == 0 {
			key = fmt.Appendf(nil, "new:%d", r.IntN(n))
		}
		if r.IntN(1000) == 0 {
			v.Take(ks.All())
			switch db := r.IntN(4); r.IntN(3) {
			case 0:
				v.Flush(db)
			case 1:
				v.Swap(db, r.IntN(4))
			}
			v.Release()
		}
		v.Take(1 << ks.ShardOf(ks.Hash(key)))
		v.DB = r.IntN(2) * 3
		switch r.IntN(4) {
		case 0:
			v.Delete(key)
		case 1:
			v.SetString(key, []byte("changed"), 0)
		case 2:
			if h, st := v.EditHash(key); st != keyspace.WrongType {
				h.Set([]byte("changed"), []byte("yes"), now)
			}
		case 3:
			if s, st := v.EditSet(key); st != keyspace.WrongType {
				s.Add([]byte("changed"))
			}
		}
		v.DB = 0
		v.Release()
		count.Add(1)
	}
}

// What a job writes is what there was when it began, though everything changes while it is written.
func TestJob(t *testing.T) {
	keys, rounds := 4000, uint64(4)
	if testing.Short() {
		keys, rounds = 1000, 1
	}
	for seed := range rounds {
		ks, v := newKeyspace(t, 4)
		fillWith(v, keys, 40, seed)
		want := allKeys(v)
		var file bytes.Buffer
		v.Take(ks.All())
		j := Begin(ks, options(codec.Version70+int(seed%3)))
		v.Release()
		stop, changes := make(chan struct{}), new(atomic.Int64)
		var writers sync.WaitGroup
		for i := range uint64(2) {
			w := keyspace.NewView(ks)
			w.Now = now
			writers.Go(func() { churn(w, keys, rand.New(rand.NewPCG(seed, i)), stop, changes) })
		}
		last := int64(0)
		err := j.Run(slowly{&file, func() {
			for changes.Load() < last+200 {
				runtime.Gosched()
			}
			last = changes.Load()
		}})
		close(stop)
		writers.Wait()
		if err != nil {
			t.Fatal(err)
		}
		if n, total := j.Progress(); n != int64(keys) || total != n {
			t.Errorf("%d of %d keys", n, total)
		}
		_, to := newKeyspace(t, 2)
		if res, err := load(file.Bytes(), to, LoadOptions{}); err != nil || res.Keys != int64(keys) {
			t.Fatal(res, err)
		}
		if got := allKeys(to); !slices.Equal(got, want) {
			t.Errorf("seed %d: other keys, after %d changes", seed, changes.Load())
		}
		for i := range ks.Shards() {
			for ks.Shard(i).Bury(1 << 20) {
			}
		}
		check(t, v)
	}
}

// Without changes a job writes the same keys as a stopped server would.
func TestJobAlone(t *testing.T) {
	for _, keys := range []int{0, 1, 1000} {
		ks, v := newKeyspace(t, 8)
		fillWith(v, keys, 40, 1)
		want := allKeys(v)
		var file bytes.Buffer
		v.Take(ks.All())
		o := options(codec.Version70)
		o.Functions = [][]byte{[]byte("code")}
		j := Begin(ks, o)
		v.Release()
		if err := j.Run(&file); err != nil {
			t.Fatal(err)
		}
		_, to := newKeyspace(t, 2)
		if res, err := load(file.Bytes(), to, LoadOptions{}); err != nil || res.Keys != int64(keys) {
			t.Fatal(res, err)
		}
		if !slices.Equal(allKeys(to), want) {
			t.Error("other keys")
		}
	}
}

// A job that ends early, for whatever reason, leaves no shard in its walk.
func TestJobEndsEarly(t *testing.T) {
	ks, v := newKeyspace(t, 4)
	fillWith(v, 3000, 40, 1)
	begin := func(o SnapshotOptions) *Job {
		v.Take(ks.All())
		defer v.Release()
		return Begin(ks, o)
	}
	for _, left := range []int{0, codec.ChunkBytes, 2 * codec.ChunkBytes} {
		if err := begin(options(codec.Version70)).Run(&fullDisk{left: left}); !errors.Is(err, errFull) {
			t.Errorf("%v", err)
		}
	}
	j := begin(options(codec.Version70))
	j.Abort()
	if err := j.Run(nil); !errors.Is(err, ErrAborted) {
		t.Errorf("%v", err)
	}
	o := options(codec.Version70)
	o.KeyDelay = func() time.Duration { return time.Hour }
	j = begin(o)
	done := make(chan error)
	go func() { done <- j.Run(io.Discard) }()
	for n, _ := j.Progress(); n == 0; n, _ = j.Progress() {
		runtime.Gosched()
	}
	j.Abort()
	if err := <-done; !errors.Is(err, ErrAborted) {
		t.Errorf("%v", err)
	}
	var delay_ns atomic.Int64
	delay_ns.Store(int64(time.Hour))
	o.KeyDelay = func() time.Duration { return time.Duration(delay_ns.Load()) }
	j = begin(o)
	go func() { done <- j.Run(io.Discard) }()
	for n, _ := j.Progress(); n == 0; n, _ = j.Progress() {
		runtime.Gosched()
	}
	delay_ns.Store(0)
	if err := <-done; err != nil {
		t.Errorf("%v when there is no delay any more", err)
	}
	old := begin(options(codec.Version70)) // is ended before it runs, and another begins at once
	v.Take(ks.All())
	old.End()
	v.Release()
	next := begin(options(codec.Version70)) // panics if there is a walk
	if err := old.Run(io.Discard); !errors.Is(err, ErrAborted) {
		t.Errorf("%v", err)
	}
	if err := next.Run(io.Discard); err != nil {
		t.Error(err)
	}
	if n, total := next.Progress(); n != total {
		t.Errorf("%d of %d keys: an ended job has ended another one's walk", n, total)
	}
}
