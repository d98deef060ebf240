package partition

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/redis/go-redis/v9"
)

var trouble = flag.Duration("trouble", 8*time.Second, "how long a group is troubled")

// op is one command on a register: SET, GET or INCR.
type op struct {
	kind  byte // 's', 'g', 'i'
	key   string
	value int
}

type result struct {
	value   int // what GET and INCR returned; 0 if there was nothing
	unknown bool
}

// registers is what porcupine compares with: a number for each key.
var registers = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		keys := map[string][]porcupine.Operation{}
		for _, o := range history {
			k := o.Input.(op).key
			keys[k] = append(keys[k], o)
		}
		var out [][]porcupine.Operation
		for _, h := range keys {
			out = append(out, h)
		}
		return out
	},
	Init: func() any { return 0 },
	Step: func(state, input, output any) (bool, any) {
		v, in, out := state.(int), input.(op), output.(result)
		switch in.kind {
		case 's':
			return true, in.value
		case 'i':
			return out.unknown || out.value == v+1, v + 1
		}
		return out.unknown || out.value == v, v
	},
}

// recorder is the history that the clients write.
type recorder struct {
	mu      sync.Mutex
	began   time.Time
	history []porcupine.Operation
	done    int
}

func (r *recorder) now() int64 { return int64(time.Since(r.began)) }

// client runs commands until stop is closed. Whoever had an error finds out who is primary anew.
func (r *recorder) client(g *group, id int, stop chan struct{}) {
	rnd := rand.New(rand.NewPCG(uint64(id), 1))
	var c *redis.Client
	defer func() {
		if c != nil {
			c.Close()
		}
	}()
	ctx := context.Background()
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		if c == nil {
			p := g.primary()
			if p == nil {
				continue
			}
			c = p.client()
			if role, err := c.Do(ctx, "ROLE").Slice(); err != nil || len(role) == 0 || role[0] != "master" {
				c.Close()
				c = nil
				continue
			}
		}
		o := op{kind: "sgi"[rnd.IntN(3)], key: fmt.Sprint("k", rnd.IntN(6)), value: id*1_000_000 + n*1000}
		call := r.now()
		var res result
		var err error
		switch o.kind {
		case 's':
			err = c.Set(ctx, o.key, o.value, 0).Err()
		case 'g':
			res.value, err = c.Get(ctx, o.key).Int()
			if errors.Is(err, redis.Nil) {
				err = nil
			}
		case 'i':
			var v int64
			v, err = c.Incr(ctx, o.key).Result()
			res.value = int(v)
		}
		end := r.now()
		if err != nil {
			c.Close()
			c = nil
			if o.kind == 'g' || refusal(err) {
				continue // nothing was done
			}
			res.unknown, end = true, 1<<62
		}
		r.mu.Lock()
		r.history = append(r.history, porcupine.Operation{ClientId: id, Input: o, Call: call, Output: res, Return: end})
		if err == nil {
			r.done++
		} else {
			id += 100 // this client may still be at it, for all we know
		}
		r.mu.Unlock()
	}
}

// refusal tells whether an error says that nothing was done.
func refusal(err error) bool {
	for _, code := range []string{"READONLY", "NOREPLICAS", "LOADING", "MASTERDOWN"} {
		if strings.HasPrefix(err.Error(), code) {
			return true
		}
	}
	return strings.Contains(err.Error(), "connect: ")
}

// TestLinearizable: in sync 1 what clients see of registers and counters is one history, whatever is taken from the
// group: links in one direction or both, processes by kill -9, time by SIGSTOP.
func TestLinearizable(t *testing.T) {
	g := newGroup(t, 3, 0, "default", "sync 1", true)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 2))
	r := &recorder{began: time.Now()}
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for id := range 5 {
		clients.Go(func() { r.client(g, id, stop) })
	}
	tick := time.NewTicker(1500 * time.Millisecond)
	defer tick.Stop()
	events := map[string]int{}
	for time.Since(r.began) < *trouble {
		<-tick.C
		p := g.primary()
		if p == nil {
			g.heal()
			continue
		}
		other := g.nodes[(p.n+1+rnd.IntN(2))%3]
		switch kind := rnd.IntN(5); kind {
		case 0:
			events["primary cut off"]++
			for _, o := range g.nodes {
				g.cut(p, o)
				g.cut(o, p)
			}
		case 1:
			events["one way"]++
			g.cut(p, other)
		case 2:
			events["primary killed"]++
			p.kill()
			<-tick.C
			p.start()
			g.heal()
			g.settled(2) // one copy of the data at a time
		case 3:
			events["primary stopped"]++
			p.signal(syscall.SIGSTOP)
			<-tick.C
			p.signal(syscall.SIGCONT)
		case 4:
			events["healed"]++
			g.heal()
		}
		if rnd.IntN(2) == 0 {
			g.heal()
		}
	}
	g.heal()
	g.settled(2)
	at := func() int { r.mu.Lock(); defer r.mu.Unlock(); return r.done }
	before := at()
	g.wait("commands after the trouble", func() bool { return at() > before+50 })
	close(stop)
	clients.Wait()
	t.Logf("%d commands, %d answered; %v", len(r.history), r.done, events)
	switch porcupine.CheckOperationsTimeout(registers, r.history, 60*time.Second) {
	case porcupine.Illegal:
		t.Error("what the clients saw is no one history")
	case porcupine.Unknown:
		t.Log("the history is too long to be judged in a minute")
	}
	if r.done < 100 {
		t.Errorf("only %d commands were answered", r.done)
	}
}

// TestCheckerSees: the model that the histories are held to refuses what must not be.
func TestCheckerSees(t *testing.T) {
	set := porcupine.Operation{ClientId: 1, Input: op{'s', "k", 5}, Call: 1, Output: result{}, Return: 2}
	get := func(v int) porcupine.Operation {
		return porcupine.Operation{ClientId: 2, Input: op{'g', "k", 0}, Call: 3, Output: result{value: v}, Return: 4}
	}
	if !porcupine.CheckOperations(registers, []porcupine.Operation{set, get(5)}) {
		t.Error("a read of what was written is refused")
	}
	if porcupine.CheckOperations(registers, []porcupine.Operation{set, get(0)}) {
		t.Error("a lost write is not seen")
	}
	set.Return, set.Output = 1<<62, result{unknown: true}
	if !porcupine.CheckOperations(registers, []porcupine.Operation{set, get(0)}) {
		t.Error("a write whose fate is not known must have been done")
	}
}
