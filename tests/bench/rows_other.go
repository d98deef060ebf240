package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"larder/tests/internal/peer"
	"larder/tests/internal/wire"
)

func otherRows() []row {
	rows := []row{{name: "growth", slow: true, measure: growth}}
	for _, others := range []int{0, 100_000, 1_000_000} {
		name := fmt.Sprintf("expiry/%d-others", others)
		rows = append(rows, row{name: name, measure: func(s *settings, t *table) error { return expiry(s, t, name, others) }})
	}
	return rows
}

// growth inserts new keys until there are 20 million, and looks at how long single batches take as the tables grow,
// and how much of a processor the garbage collector takes meanwhile.
func growth(s *settings, t *table) error {
	const section = "Growth"
	name := "growth"
	closeFleets()
	for _, p := range s.peers {
		if p.Speak != peer.Redis {
			continue
		}
		server, err := peer.Start(p, peer.Options{CPUs: s.serverCPUs, Env: []string{"GODEBUG=gctrace=1"}})
		if err != nil {
			return err
		}
		err = growOne(s, t, section, name, server)
		server.Stop()
		if err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
	}
	t.expect(name, atMost("p99.99 ms", 1), atMost("collector % of a processor", 0.5))
	return nil
}

func growOne(s *settings, t *table, section, name string, server *peer.Server) error {
	const step = 1_000_000
	total := loadResult{}
	began := time.Now()
	for from := 0; from < s.growth; from += step {
		n := min(step, s.growth-from)
		i := from
		g := buildRing(n, 1, func(b []byte, _ *rand.Rand) []byte {
			b = appendSet(b, peer.Redis, key(nil, i), value32)
			i++
			return b
		})
		for sent := 0; sent < n; { // a ring is bounded in bytes
			r, err := run(loadOptions{addr: server.Addr, conns: 8, pipeline: 8, ring: g, inOrder: true, replyLen: len("+OK\r\n")})
			if err != nil {
				return err
			}
			total.merge(r)
			if sent += g.len(); sent < n {
				g = buildRing(n-sent, 1, func(b []byte, _ *rand.Rand) []byte {
					b = appendSet(b, peer.Redis, key(nil, i), value32)
					i++
					return b
				})
			}
		}
	}
	elapsed := time.Since(began)
	server2 := server.Program.Name
	t.add(section, name, "keys inserted", server2, float64(total.requests))
	t.add(section, name, "inserts/s", server2, total.perSecond())
	for _, q := range []struct {
		name string
		q    float64
	}{{"p50 ms", 0.5}, {"p99 ms", 0.99}, {"p99.99 ms", 0.9999}, {"max ms", 1}} {
		t.add(section, name, q.name, server2, float64(total.latency.quantile(q.q))/1e6)
	}
	if share, ok := collectorShare(server, elapsed); ok {
		t.add(section, name, "collector % of a processor", server2, share*100)
	}
	rss, err := server.RSS()
	t.add(section, name, "RSS B/key beyond key and value", server2, float64(rss)/float64(total.requests)-48)
	return err
}

func (r *loadResult) merge(o *loadResult) {
	r.requests += o.requests
	r.elapsed += o.elapsed
	for b, n := range o.latency.counts {
		r.latency.counts[b] += n
	}
	r.latency.total += o.latency.total
	r.latency.max = max(r.latency.max, o.latency.max)
}

// gcLine is what the Go runtime reports for each collection under GODEBUG=gctrace=1. In "0.02+1.1/2.0/3.0+0.01 ms cpu"
// the third figure of the middle is time that was idle anyway.
var gcLine = regexp.MustCompile(`(?m)^gc \d+ @.* ([\d.]+)\+([\d.]+)/([\d.]+)/[\d.]+\+([\d.]+) ms cpu`)

// collectorShare is the share of one processor that the garbage collector took; ok is false for servers without one.
func collectorShare(server *peer.Server, elapsed time.Duration) (share float64, ok bool) {
	if server.Program.Name != "larder" {
		return 0, false
	}
	out, err := os.ReadFile(filepath.Join(server.Dir, "server.out"))
	if err != nil {
		return 0, false
	}
	var ms float64
	for _, m := range gcLine.FindAllStringSubmatch(string(out), -1) {
		for _, field := range m[1:] {
			v, err := strconv.ParseFloat(field, 64)
			if err != nil {
				return 0, false
			}
			ms += v
		}
	}
	return ms / 1e3 / elapsed.Seconds(), true
}

// expiry sets 500 keys that end at known times among many others that do not, reads nothing, and looks at how late
// the "expired" events come.
func expiry(s *settings, t *table, name string, others int) error {
	const section = "Expiry without reads: how late the expired events of 500 keys come"
	closeFleets()
	if s.quick && others > 100_000 {
		others = 100_000
	}
	for _, p := range s.peers {
		if p.Speak != peer.Redis {
			continue
		}
		server, err := s.start(p, "notify-keyspace-events Ex")
		if err != nil {
			return err
		}
		lags, err := expiryLags(server, others)
		server.Stop()
		if err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
		t.add(section, name, "events of 500", p.Name, float64(len(lags)))
		for len(lags) < dueKeys { // one that never came is as late as we have waited
			lags = append(lags, expiryWait)
		}
		slices.Sort(lags)
		t.add(section, name, "p50 ms", p.Name, float64(lags[dueKeys/2].Microseconds())/1e3)
		t.add(section, name, "p99 ms", p.Name, float64(lags[dueKeys*99/100].Microseconds())/1e3)
	}
	t.expect(name, atMost("p99 ms", 100))
	return nil
}

const (
	dueKeys    = 500
	expiryWait = 15 * time.Second
)

func expiryLags(server *peer.Server, others int) ([]time.Duration, error) {
	err := feed(server, others, func(b []byte, i int) []byte {
		return words(b, "SET", "other:"+strconv.Itoa(i), "v", "EX", strconv.Itoa(36000+i%5000))
	})
	if err != nil {
		return nil, err
	}
	sub, err := server.Dial()
	if err != nil {
		return nil, err
	}
	defer sub.Close()
	if _, err := sub.Do("SUBSCRIBE", "__keyevent@0__:expired"); err != nil {
		return nil, err
	}
	c, err := server.Dial()
	if err != nil {
		return nil, err
	}
	defer c.Close()
	due := map[string]time.Time{}
	for i := range dueKeys {
		k, ttl := "due:"+strconv.Itoa(i), time.Duration(500+2*i)*time.Millisecond
		if _, err := c.Do("SET", k, "v", "PX", strconv.Itoa(int(ttl.Milliseconds()))); err != nil {
			return nil, err
		}
		due[k] = time.Now().Add(ttl)
	}
	var lags []time.Duration
	end := time.Now().Add(expiryWait)
	for len(lags) < dueKeys && time.Now().Before(end) {
		some, err := sub.Pending(time.Until(end))
		if err != nil || !some {
			return lags, err
		}
		v, err := sub.Receive()
		if err != nil {
			return nil, err
		}
		if at, ok := due[lastText(v)]; ok {
			lags = append(lags, max(0, time.Since(at)))
		}
	}
	return lags, nil
}

func lastText(v wire.Value) string {
	if len(v.Elems) == 0 {
		return ""
	}
	return strings.TrimSpace(v.Elems[len(v.Elems)-1].String())
}
