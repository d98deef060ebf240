package persistence

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"larder/datatypes"
	"larder/datatypes/listpack"
	"larder/keyspace"
	"larder/persistence/codec"
)

// largeTypes are those of the values that come in pieces.
var largeTypes = []datatypes.Type{datatypes.TypeHash, datatypes.TypeSet, datatypes.TypeZSet, datatypes.TypeList, datatypes.TypeString,
	datatypes.TypeStream}

// changeLarge changes an element of one of the large values, or now and then all of one. The shard of the key is held.
func changeLarge(v *keyspace.View, key []byte, r *rand.Rand) {
	name := fmt.Appendf(nil, "element %d", r.IntN(9000))
	if r.IntN(3000) == 0 {
		v.Delete(key)
	}
	if r.IntN(100) == 0 {
		v.SetExpire(key, now+r.Int64N(2)*1e6)
	}
	if h, st := v.EditHash(key); st == keyspace.Found {
		if h.SetWithExpire(name, name, now+1e6, now); r.IntN(2) == 0 {
			h.Del(name, now)
		}
	}
	if s, st := v.EditSet(key); st == keyspace.Found {
		if s.Add(name); r.IntN(2) == 0 {
			s.Pop(nil)
		}
	}
	if z, st := v.EditZSet(key); st == keyspace.Found {
		if z.Add(float64(r.IntN(100)), name, 0); r.IntN(2) == 0 {
			z.RemoveRanks(r.IntN(z.Len()), 1)
		}
	}
	if l, st := v.EditList(key); st == keyspace.Found && r.IntN(20) == 0 {
		switch l.PushHead(name); r.IntN(3) {
		case 0:
			l.DropTail(r.IntN(40))
		case 1:
			l.Set(r.IntN(l.Len()), name)
		}
	}
	if h, st := v.EditBytes(key); st == keyspace.Found && r.IntN(20) == 0 {
		b := h.Extend(1 + r.IntN(70000))
		copy(b[r.IntN(len(b)):], name)
	}
	if s, st := v.EditStream(key); st == keyspace.Found && r.IntN(20) == 0 {
		id, _ := s.NextID(now)
		switch s.Add(id, [][]byte{name, name}); r.IntN(4) {
		case 0:
			s.TrimMaxLen(s.Len()-3, false, 0)
		case 1:
			g, _ := s.CreateGroup(name, id, 0)
			c, _ := g.CreateConsumer(name, now)
			c.Claim(s.FirstID(), now, 1)
		case 2:
			for range s.GroupCount() {
				s.DestroyGroup(s.GroupAt(0).Name())
			}
		}
	}
	v.Settle()
	v.ResetEvents()
}

// elementsOf are the elements of all keys of database 0, and their expiries, as commands or a keyspace have them.
func elementsOf(v *keyspace.View) map[string]string {
	all := map[string]string{}
	v.Take(v.Keyspace().All())
	defer v.Release()
	v.EachKey(func(key []byte, in keyspace.Info) bool {
		all[string(key)] = strconv.FormatInt(in.Expire_ms, 10)
		return true
	})
	for key := range maps.Clone(all) {
		if h, st := v.ReadHash([]byte(key)); st == keyspace.Found {
			h.Each(0, func(name, value []byte, at int64) bool {
				all[key+" "+string(name)] = string(value)
				all[key+" "+string(name)+" at"] = strconv.FormatInt(at, 10)
				return true
			})
		}
		if s, st := v.ReadSet([]byte(key)); st == keyspace.Found {
			s.Each(func(member []byte) bool { all[key+" "+string(member)] = ""; return true })
		}
		if z, st := v.ReadZSet([]byte(key)); st == keyspace.Found {
			z.Each(func(member []byte, score float64) bool { all[key+" "+string(member)] = fmt.Sprint(score); return true })
		}
		if l, st := v.ReadList([]byte(key)); st == keyspace.Found {
			l.Each(func(item listpack.Elem) bool { all[key+" items"] += string(item.Append(nil)) + "|"; return true })
		}
		if s, st := v.ReadStream([]byte(key)); st == keyspace.Found {
			for it := s.Iter(datatypes.StreamID{}, datatypes.MaxStreamID, false); it.Next(); {
				it.Field()
				all[fmt.Sprint(key, " ", it.ID())] = string(it.Name()) + string(it.Value())
			}
			all[key+" counts"] = fmt.Sprint(s.Len(), s.FirstID(), s.LastID(), s.MaxDeletedID(), s.EntriesAdded())
			for i := range s.GroupCount() {
				g := s.GroupAt(i)
				for j := range g.ConsumerCount() {
					for it := g.ConsumerAt(j).PendingIter(datatypes.StreamID{}, datatypes.MaxStreamID); it.Next(); {
						all[fmt.Sprintf("%s %s %s %v", key, g.Name(), g.ConsumerAt(j).Name(), it.Entry().ID)] = "pending"
					}
				}
			}
		}
		if s, st := v.String([]byte(key)); st == keyspace.Found {
			all[key+" text"] = string(s)
		}
		v.Settle()
	}
	return all
}

// obeyCommands does what the commands of a base say.
func obeyCommands(t *testing.T, file []byte) map[string]string {
	t.Helper()
	all := map[string]string{}
	in := bufio.NewReader(bytes.NewReader(file))
	number := func() int {
		line, err := in.ReadString('\n')
		n, bad := strconv.Atoi(strings.TrimSuffix(line[1:], "\r\n"))
		if err != nil || bad != nil {
			t.Fatal(err, bad)
		}
		return n
	}
	for {
		if _, err := in.Peek(1); err == io.EOF {
			return all
		}
		n := number()
		args := make([]string, n)
		for i := range args {
			b := make([]byte, number()+2)
			if _, err := io.ReadFull(in, b); err != nil {
				t.Fatal(err)
			}
			args[i] = string(b[:len(b)-2])
		}
		key := args[1]
		if _, ok := all[key]; !ok && args[0] != "SELECT" {
			all[key] = "0"
		}
		for i := 2; i < n; i++ {
			name := key + " " + args[i]
			switch args[0] {
			case "RPUSH":
				all[key+" items"] += args[i] + "|"
			case "SET":
				all[key+" text"] = args[i]
			case "SADD":
				all[name] = ""
			case "HMSET":
				all[name], all[name+" at"] = args[i+1], "0"
				i++
			case "ZADD":
				score, _ := strconv.ParseFloat(args[i], 64)
				all[key+" "+args[i+1]] = fmt.Sprint(score)
				i++
			case "PEXPIREAT":
				all[key] = args[i]
			case "HPEXPIREAT":
				all[key+" "+args[5]+" at"] = args[2]
				i = n
			}
		}
	}
}

// TestJobInPieces writes large values while their elements change, as a snapshot and as commands: what is written is what there was.
func TestJobInPieces(t *testing.T) {
	rounds := 6
	if testing.Short() {
		rounds = 2
	}
	for seed := range rounds {
		ks, v := newKeyspace(t, 2)
		ks.WalkLeast = 10
		r := rand.New(rand.NewPCG(uint64(seed), 1))
		var keys [][]byte
		v.Take(ks.All())
		for i := range 36 {
			if i >= 30 && seed%2 == 1 { // as commands streams come as a whole, in a way of their own
				break
			}
			key := fmt.Appendf(nil, "large:%d", i)
			keys = append(keys, key)
			for j := range []int{60, 700, 4000}[i%3] {
				name := fmt.Appendf(nil, "element %d", r.IntN(9000))
				switch largeTypes[min(i/6, 5)] {
				case datatypes.TypeHash:
					h, _ := v.EditHash(key)
					if h.Set(name, bytes.Repeat(name, 1+r.IntN(20)), now); i%2 == 0 && j%7 == 0 {
						h.SetExpire(name, now+1e6+int64(j), now)
					}
				case datatypes.TypeSet:
					s, _ := v.EditSet(key)
					s.Add(name)
				case datatypes.TypeList:
					l, _ := v.EditList(key)
					l.PushTail(name)
				case datatypes.TypeStream:
					s, _ := v.EditStream(key)
					if s.Add(datatypes.StreamID{Ms: uint64(j + 1), Seq: 1}, [][]byte{name, name}); j%100 == 0 {
						g, _ := s.CreateGroup(fmt.Appendf(nil, "group %d", j), s.LastID(), 0)
						c, _ := g.CreateConsumer(name, now)
						c.Claim(s.LastID(), now, 1)
					}
				case datatypes.TypeString:
					h, _ := v.EditBytes(key)
					copy(h.Extend(17 * (j + 1))[17*j:], name)
				default:
					z, _ := v.EditZSet(key)
					z.Add(float64(r.IntN(500)), name, 0)
				}
				v.Settle()
			}
			if i%4 == 0 {
				v.SetExpire(key, now+1e9)
			}
		}
		v.ResetEvents()
		v.Release()
		want := elementsOf(v)
		o := options(codec.Version74)
		o.Commands = seed%2 == 1
		var file bytes.Buffer
		v.Take(ks.All())
		j := Begin(ks, o)
		v.Release()
		stop, changes := make(chan struct{}), new(atomic.Int64)
		var writers sync.WaitGroup
		for i := range uint64(2) {
			w := keyspace.NewView(ks)
			w.Now = now
			r := rand.New(rand.NewPCG(uint64(seed), 10+i))
			writers.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					key := keys[r.IntN(len(keys))]
					w.Take(1 << ks.ShardOf(ks.Hash(key)))
					changeLarge(w, key, r)
					w.Release()
					changes.Add(1)
				}
			})
		}
		last, most := int64(0), new(atomic.Int64)
		err := j.Run(slowly{&file, func() {
			most.Store(max(most.Load(), j.queue.kept.Load()))
			for changes.Load() < last+50 {
				runtime.Gosched()
			}
			last = changes.Load()
		}})
		close(stop)
		writers.Wait()
		if n := j.Backlog(); n != 0 || most.Load() == 0 {
			t.Errorf("seed %d: %d bytes are said to wait when all is written, %d at most before", seed, n, most.Load())
		}
		if n, total := j.Progress(); err != nil || n != total {
			t.Fatalf("seed %d: %d of %d keys, %v", seed, n, total, err)
		}
		var got map[string]string
		if o.Commands {
			got = obeyCommands(t, file.Bytes())
		} else {
			_, to := newKeyspace(t, 2)
			if res, err := load(file.Bytes(), to, LoadOptions{}); err != nil {
				t.Fatal(res, err)
			}
			got = elementsOf(to)
		}
		if !maps.Equal(got, want) {
			var differ []string
			for k, x := range want {
				if got[k] != x {
					differ = append(differ, fmt.Sprintf("%s: %q, was %q", k, got[k], x))
				}
			}
			for k := range got {
				if _, ok := want[k]; !ok {
					differ = append(differ, k+" is new")
				}
			}
			slices.Sort(differ)
			t.Fatalf("seed %d: %d differ after %d changes:\n%s", seed, len(differ), changes.Load(), strings.Join(differ[:min(9, len(differ))], "\n"))
		}
		for i := range ks.Shards() {
			for ks.Shard(i).Bury(1 << 20) {
			}
		}
		check(t, v)
	}
}

// TestQueueStreams puts records into the queue while another one comes in parts: they come out whole, and the walker never waits
// for what can only go on when it does.
func TestQueueStreams(t *testing.T) {
	var q queue
	q.init()
	record := func(text string) []chunk { b := []byte(text); return []chunk{{b: &b}} }
	q.put(record("first"))
	q.stream(record("a"))
	large := strings.Repeat("x", queueHigh)
	q.put(record(large))
	q.stream(record("b"))
	if !q.room() {
		t.Error("no room")
	}
	q.endStream(record("c"))
	q.put(record("last"))
	q.close()
	got := ""
	for {
		item, ok := q.next()
		if !ok {
			break
		}
		for _, c := range item {
			got += string(*c.b)
			q.done(c)
		}
	}
	if want := "firstabc" + large + "last"; got != want {
		t.Errorf("%d bytes came out, not %d in their order", len(got), len(want))
	}
	if n := q.size.Load(); n != 0 {
		t.Errorf("%d bytes are left", n)
	}
}
