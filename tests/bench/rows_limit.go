package main

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"larder/tests/internal/peer"
	"larder/tests/internal/wire"
)

// What a server does at its limits: at maxmemory, when maxmemory is lowered, when very many keys expire at once. Beside the
// work a probe asks for one key after the other, and its GETs are what a user of the cache sees.
func limitRows() []row {
	return []row{
		{name: "limit/flood", measure: flood},
		{name: "limit/lower-maxmemory", measure: lowerMaxmemory},
		{name: "limit/mass-expiry", measure: massExpiry},
	}
}

const limitSection = "At the limits"

// probe asks for a key that is there, again and again with a pause, until it is stopped. The pause is what makes it see
// stalls of any kind: a probe that never rests would be held up by its own request only once.
type probe struct {
	stop  chan struct{}
	done  sync.WaitGroup
	gets  histogram
	err   error
	pause time.Duration

	collect func() // garbage again
}

func startProbe(server *peer.Server) (*probe, error) {
	collect := withoutCollector()
	fd, err := dialRaw(server.Addr)
	if err != nil {
		collect()
		return nil, err
	}
	p := &probe{collect: collect, stop: make(chan struct{}), pause: 200 * time.Microsecond}
	p.done.Go(func() {
		defer closeRaw(fd)
		// It has a thread of its own, which goes before that of the load: what it waits for is the server, and not the
		// processor that both share. The thread ends with it.
		runtime.LockOSThread()
		goFirst()
		request, buf := words(nil, "GET", "probe"), make([]byte, 4096)
		for {
			select {
			case <-p.stop:
				return
			default:
			}
			sent := time.Now()
			if p.err = askRaw(fd, request, buf); p.err != nil {
				return
			}
			p.gets.add(int64(time.Since(sent)))
			time.Sleep(p.pause)
		}
	})
	return p, nil
}

// askRaw sends a request and waits for its reply, of which buf holds a part at a time.
func askRaw(fd int, request, buf []byte) error {
	if _, err := writeRaw(fd, request); err != nil {
		return err
	}
	for skip := (skipper{}); ; {
		n, err := readRaw(fd, buf)
		if err == nil && n == 0 {
			err = errClosed
		}
		if err != nil {
			return err
		}
		if done, err := skip.take(buf[:n], false); err != nil || done > 0 {
			return err
		}
	}
}

// end stops the probe and notes what it saw.
func (p *probe) end(t *table, row, server string) error {
	close(p.stop)
	p.done.Wait()
	p.collect()
	for _, q := range []struct {
		name string
		q    float64
	}{{"p50 ms of GET", 0.5}, {"p99.9 ms of GET", 0.999}, {"max ms of GET", 1}} {
		t.add(limitSection, row, q.name, server, float64(p.gets.quantile(q.q))/1e6)
	}
	return p.err
}

// inTurn measures all Redis servers of a row, a round after the other. once gets a server of its own each time.
func inTurn(s *settings, rounds int, directives func(p peer.Program) []string, once func(server *peer.Server) error) error {
	closeFleets()
	for range rounds {
		for _, p := range s.peers {
			if p.Speak != peer.Redis {
				continue
			}
			server, err := s.start(p, directives(p)...)
			if err != nil {
				return err
			}
			err = once(server)
			server.Stop()
			if err != nil {
				return fmt.Errorf("%s: %w", p.Name, err)
			}
		}
	}
	return nil
}

const floodMaxmemory = 100 << 20

// evicting is what a cache at its limit is told: ours the policy that it is made for, others their usual one.
func evicting(p peer.Program) []string {
	policy := "allkeys-lru"
	if strings.HasPrefix(p.Name, "larder") {
		policy = "allkeys-s3fifo"
	}
	return []string{"maxmemory " + strconv.Itoa(floodMaxmemory), "maxmemory-policy " + policy}
}

// floodSet sets a random key of two million to a value whose size changes with each: 16 to 1000 bytes, most of them small.
func floodSet(b []byte, _ peer.Protocol, r *rand.Rand) []byte {
	size := 16 + int(984*r.Float64()*r.Float64()*r.Float64())
	return words(b, "SET", string(randomKey(r, 2_000_000)), strings.Repeat("v", size))
}

// floodRings are the requests of a flood, in pieces that each is sent once: were they sent again, keys that are still there
// would be set and nothing be evicted.
func floodRings(n int) (rings []*ring) {
	for i := range n {
		rings = append(rings, buildRing(200_000, uint64(i), func(b []byte, r *rand.Rand) []byte { return floodSet(b, peer.Redis, r) }))
	}
	return rings
}

// flood sets keys at maxmemory, where each SET evicts, and looks at throughput, at memory, and at what GETs beside it take.
func flood(s *settings, t *table) error {
	const row, filling, measured = "limit/flood", 6, 8
	rings := floodRings(filling + measured)
	err := inTurn(s, min(s.rounds, 3), evicting, func(server *peer.Server) error {
		if _, err := sendRings(server, rings[:filling]); err != nil {
			return err
		}
		return floodOnce(t, row, rings[filling:], server)
	})
	t.expect(row, ratioAtLeast("requests/s", 1.5), atMost("peak RSS / maxmemory", 1.05), atMost("p99.9 ms of GET", 3))
	return err
}

func sendRings(server *peer.Server, rings []*ring) (*loadResult, error) {
	total := &loadResult{}
	for _, g := range rings {
		r, err := run(loadOptions{addr: server.Addr, conns: clients, pipeline: 16, ring: g, inOrder: true, replyLen: len("+OK\r\n")})
		if err != nil {
			return nil, err
		}
		total.merge(r)
	}
	return total, nil
}

func floodOnce(t *table, row string, rings []*ring, server *peer.Server) error {
	p, err := startProbe(server)
	if err != nil {
		return err
	}
	watch := watchRSS(server)
	before, err := server.CPU()
	if err != nil {
		return err
	}
	r, err := sendRings(server, rings)
	if err != nil {
		return err
	}
	after, err := server.CPU()
	name := server.Program.Name
	t.add(limitSection, row, "requests/s", name, r.perSecond())
	t.add(limitSection, row, "server CPU us/request", name, float64((after-before).Nanoseconds())/1e3/float64(r.requests))
	t.add(limitSection, row, "peak RSS / maxmemory", name, float64(watch())/floodMaxmemory)
	if e := p.end(t, row, name); err == nil {
		err = e
	}
	return err
}

// watchRSS looks at the server's memory every few milliseconds; the function it returns ends that and says the most it saw.
func watchRSS(server *peer.Server) (peak func() int64) {
	var most int64
	var done sync.WaitGroup
	stop := make(chan struct{})
	done.Go(func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			if rss, err := server.RSS(); err == nil {
				most = max(most, rss)
			}
			select {
			case <-stop:
				return
			case <-tick.C:
			}
		}
	})
	return func() int64 {
		close(stop)
		done.Wait()
		return most
	}
}

// lowerMaxmemory fills 400 MB and lowers maxmemory to 100: three quarters of the keys have to go while others are served.
func lowerMaxmemory(s *settings, t *table) error {
	const row = "limit/lower-maxmemory"
	keys := 2_000_000
	if s.quick {
		keys /= 4
	}
	directives := func(p peer.Program) []string { return append(evicting(p), "maxmemory 4gb") }
	err := inTurn(s, min(s.rounds, 3), directives, func(server *peer.Server) error {
		return lowerOnce(t, row, server, keys)
	})
	t.expect(row, atMost("p99.9 ms of GET", 5))
	return err
}

func lowerOnce(t *table, row string, server *peer.Server, keys int) error {
	if err := feed(server, keys, func(b []byte, i int) []byte { return appendSet(b, peer.Redis, key(nil, i), value100) }); err != nil {
		return err
	}
	c, err := server.Dial()
	if err != nil {
		return err
	}
	defer c.Close()
	c.Timeout = time.Minute
	used, err := numberField(c, "memory", "used_memory")
	if err != nil {
		return err
	}
	p, err := startProbe(server)
	if err != nil {
		return err
	}
	limit := int64(used / 4)
	began := time.Now()
	if v, err := c.Do("CONFIG", "SET", "maxmemory", strconv.FormatInt(limit, 10)); err != nil || v.IsError() {
		return fmt.Errorf("CONFIG SET maxmemory: %v %v", v, err)
	}
	name := server.Program.Name
	t.add(limitSection, row, "CONFIG SET answers after ms", name, float64(time.Since(began).Microseconds())/1e3)
	for used > 1.01*float64(limit) { // this connection's own buffers count
		if time.Since(began) > 30*time.Second {
			return fmt.Errorf("after 30 s %.0f of %d bytes are used", used, limit)
		}
		time.Sleep(10 * time.Millisecond)
		if used, err = numberField(c, "memory", "used_memory"); err != nil {
			return err
		}
	}
	t.add(limitSection, row, "seconds until memory is below", name, time.Since(began).Seconds())
	return p.end(t, row, name)
}

// massExpiry gives a million keys the same second to end in, and looks at GETs while they go.
func massExpiry(s *settings, t *table) error {
	const row = "limit/mass-expiry"
	keys := 1_000_000
	if s.quick {
		keys /= 4
	}
	err := inTurn(s, min(s.rounds, 3), func(peer.Program) []string { return nil }, func(server *peer.Server) error {
		return massExpiryOnce(t, row, server, keys)
	})
	t.expect(row, atMost("p99.9 ms of GET", 5))
	return err
}

func massExpiryOnce(t *table, row string, server *peer.Server, keys int) error {
	end := time.Now().Add(15 * time.Second)
	at := strconv.FormatInt(end.UnixMilli(), 10)
	if err := feed(server, keys, func(b []byte, i int) []byte {
		return words(b, "SET", string(key(nil, i)), string(value32), "PXAT", at)
	}); err != nil {
		return err
	}
	if time.Until(end) < time.Second {
		return fmt.Errorf("filling took too long: keys expire already")
	}
	c, err := server.Dial()
	if err != nil {
		return err
	}
	defer c.Close()
	c.Timeout = time.Minute
	time.Sleep(time.Until(end) - 500*time.Millisecond)
	p, err := startProbe(server)
	if err != nil {
		return err
	}
	name := server.Program.Name
	for {
		v, err := c.Do("DBSIZE")
		if err != nil {
			return err
		}
		if left, _ := v.Int(); left == 0 {
			break
		}
		if time.Since(end) > 30*time.Second {
			return fmt.Errorf("30 s later keys are still there")
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.add(limitSection, row, "seconds until all are gone", name, time.Since(end).Seconds())
	return p.end(t, row, name)
}

// numberField is a field of INFO that is a number.
func numberField(c *wire.Conn, section, name string) (float64, error) {
	text, err := field(c, section, name)
	if err != nil {
		return 0, err
	}
	return strconv.ParseFloat(text, 64)
}
