package partition

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/redis/go-redis/v9"
)

var (
	trouble = flag.Duration("trouble", 8*time.Second, "how long a group is troubled")
	seed    = flag.Uint64("seed", 0, "of the trouble; 0 for another one each time")
	profile = flag.String("profile", "default", "failover-profile of the groups in a storm")
)

// op is one command on a register, a list, or a pair of counters that change together:
//
//	's' SET   'g' GET   'i' INCR   'e' INCR by a script
//	'p' RPUSH   'o' LPOP
//	't' MULTI, INCR of both, EXEC   'r' MULTI, GET of both, EXEC
//	'w' WATCH, GET, MULTI, SET, EXEC: the reply is what GET has said
type op struct {
	kind  byte
	key   string
	value int
}

type result struct {
	value   int // what was returned; 0 if there was nothing
	unknown bool
	failed  bool // a transaction: somebody has changed the key in between
}

// register is the state of a key: a number, or a list.
type register struct {
	n    int
	list string // of numbers, each with a comma behind it
}

// registers is what porcupine compares with, for each key.
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
	Init: func() any { return register{} },
	Step: func(state, input, output any) (bool, any) {
		v, in, out := state.(register), input.(op), output.(result)
		switch in.kind {
		case 's':
			v.n = in.value
			return true, v
		case 'w':
			if out.failed {
				return true, v
			}
			ok := out.value == v.n
			if ok {
				v.n = in.value
			}
			return ok || out.unknown, v // with an unknown end nothing is written if the value was another
		case 'i', 'e', 't':
			v.n++
			return out.unknown || out.value == v.n, v
		case 'p':
			v.list += strconv.Itoa(in.value) + ","
			v.n++
			return out.unknown || out.value == v.n, v
		case 'o':
			if v.n == 0 {
				return out.unknown || out.value == 0, v
			}
			head, rest, _ := strings.Cut(v.list, ",")
			v.list, v.n = rest, v.n-1
			return out.unknown || strconv.Itoa(out.value) == head, v
		}
		return out.unknown || out.value == v.n, v
	},
}

// fewAnswered is what a history has at most that says nothing. On a busy machine the trouble may be over before there is more.
const fewAnswered = 100

// recorder is the history that the clients write.
type recorder struct {
	mu      sync.Mutex
	began   time.Time
	history []porcupine.Operation
	done    int
	torn    int // transactions whose halves differed
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
	pace := time.NewTicker(500 * time.Microsecond) // the history has to be judged
	defer pace.Stop()
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		case <-pace.C:
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
		o := op{kind: "sgiewsgiewpootr"[rnd.IntN(15)], value: id*1_000_000 + n*1000}
		switch o.kind {
		case 'p', 'o':
			o.key = fmt.Sprint("list", rnd.IntN(2))
		case 't', 'r':
			o.key = "pair"
		default:
			o.key = fmt.Sprint("k", rnd.IntN(8))
		}
		call := r.now()
		var res result
		second, err := o.do(ctx, c, &res)
		end := r.now()
		if err != nil {
			c.Close()
			c = nil
			if o.kind == 'g' || o.kind == 'r' || refusal(err) {
				continue // nothing was done
			}
			res.unknown, end = true, 1<<62
		}
		r.mu.Lock()
		if err == nil && second != res.value {
			r.torn++
		}
		r.history = append(r.history, porcupine.Operation{ClientId: id, Input: o, Call: call, Output: res, Return: end})
		if err == nil {
			r.done++
		} else {
			id += 100 // this client may still be at it, for all we know
		}
		r.mu.Unlock()
	}
}

// do runs the command. second is what its other half said, where there is one.
func (o op) do(ctx context.Context, c *redis.Client, res *result) (second int, err error) {
	switch o.kind {
	case 's':
		err = c.Set(ctx, o.key, o.value, 0).Err()
	case 'g':
		res.value, err = c.Get(ctx, o.key).Int()
	case 'w':
		err = c.Watch(ctx, func(tx *redis.Tx) error {
			var err error
			if res.value, err = tx.Get(ctx, o.key).Int(); err != nil && !errors.Is(err, redis.Nil) {
				return err
			}
			_, err = tx.TxPipelined(ctx, func(p redis.Pipeliner) error { return p.Set(ctx, o.key, o.value, 0).Err() })
			return err
		}, o.key)
		if errors.Is(err, redis.TxFailedErr) {
			err, res.failed = nil, true
		}
	case 'i':
		var v int64
		v, err = c.Incr(ctx, o.key).Result()
		res.value = int(v)
	case 'e':
		res.value, err = c.Eval(ctx, "return redis.call('incr', KEYS[1])", []string{o.key}).Int()
	case 'p':
		var v int64
		v, err = c.RPush(ctx, o.key, o.value).Result()
		res.value = int(v)
	case 'o':
		res.value, err = c.LPop(ctx, o.key).Int()
	case 't':
		var a, b *redis.IntCmd
		_, err = c.TxPipelined(ctx, func(tx redis.Pipeliner) error {
			a, b = tx.Incr(ctx, o.key+"-a"), tx.Incr(ctx, o.key+"-b")
			return nil
		})
		res.value, second = int(a.Val()), int(b.Val())
	case 'r':
		var a, b *redis.StringCmd
		_, err = c.TxPipelined(ctx, func(tx redis.Pipeliner) error {
			a, b = tx.Get(ctx, o.key+"-a"), tx.Get(ctx, o.key+"-b")
			return nil
		})
		res.value, _ = a.Int()
		second, _ = b.Int()
	}
	if errors.Is(err, redis.Nil) {
		err = nil
	}
	if o.kind != 't' && o.kind != 'r' {
		second = res.value
	}
	return second, err
}

// refusal tells whether an error says that nothing was done.
func refusal(err error) bool {
	for _, code := range []string{"READONLY", "NOREPLICAS", "LOADING", "MASTERDOWN", "EXECABORT"} {
		if strings.HasPrefix(err.Error(), code) {
			return true
		}
	}
	return strings.Contains(err.Error(), "connect: ")
}

// TestLinearizable: in sync 1 what clients see of registers, counters, lists, scripts and transactions is one history,
// whatever is taken from the group: links in one direction or both, processes by kill -9, SIGTERM and SHUTDOWN, time by SIGSTOP,
// and the room on the disk on which the members remember what they decided.
func TestLinearizable(t *testing.T) {
	g := newGroup(t, 3, 0, "default", "sync 1", true)
	seed := *seed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
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
		restart := func(n *node, end func()) {
			g.free() // nobody starts without room
			end()
			<-tick.C
			n.start()
			g.heal()
			g.settled(2) // one copy of the data at a time
		}
		switch kind := rnd.IntN(8); kind {
		case 5:
			events["replica killed"]++
			restart(other, other.kill)
		case 6:
			events["primary told to end"]++
			restart(p, p.end)
		case 7:
			if g.fill([]*node{p, other}[rnd.IntN(2)]) {
				events["disk full"]++
			}
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
			restart(p, p.kill)
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
	g.free()
	g.settled(2)
	at := func() int { r.mu.Lock(); defer r.mu.Unlock(); return r.done }
	before := at()
	g.wait("commands after the trouble", func() bool { return at() > max(before+50, fewAnswered) })
	close(stop)
	clients.Wait()
	for _, n := range g.nodes {
		n.end()
	}
	t.Logf("%d commands, %d answered; %v", len(r.history), r.done, events)
	r.judge(t)
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
	push := func(v, n int, at int64) porcupine.Operation {
		return porcupine.Operation{ClientId: 1, Input: op{'p', "l", v}, Call: at, Output: result{value: n}, Return: at + 1}
	}
	pop := func(v int, at int64) porcupine.Operation {
		return porcupine.Operation{ClientId: 2, Input: op{'o', "l", 0}, Call: at, Output: result{value: v}, Return: at + 1}
	}
	if !porcupine.CheckOperations(registers, []porcupine.Operation{push(7, 1, 1), push(8, 2, 3), pop(7, 5), pop(8, 7), pop(0, 9)}) {
		t.Error("a list in its order is refused")
	}
	if porcupine.CheckOperations(registers, []porcupine.Operation{push(7, 1, 1), push(8, 2, 3), pop(8, 5)}) {
		t.Error("a lost item is not seen")
	}
	if porcupine.CheckOperations(registers, []porcupine.Operation{push(7, 1, 1), pop(7, 3), pop(7, 5)}) {
		t.Error("an item that comes twice is not seen")
	}
	set.Return, set.Output = 1<<62, result{unknown: true}
	if !porcupine.CheckOperations(registers, []porcupine.Operation{set, get(0)}) {
		t.Error("a write whose fate is not known must have been done")
	}
}
