package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"larder/tests/internal/peer"
	"larder/tests/internal/wire"
)

// logRows are SETs with an append-only log, under each policy. What the log costs is seen beside the row without one.
func logRows() []row {
	var rows []row
	for _, w := range []struct {
		name     string
		pipeline int
		rate     float64
		log      []string
	}{
		{"off", 16, 2, nil},
		{"no", 16, 2, []string{"appendonly yes", "appendfsync no"}},
		{"everysec", 16, 2, []string{"appendonly yes", "appendfsync everysec"}},
		{"always", 1, 1.5, []string{"appendonly yes", "appendfsync always"}},
	} {
		v := &speed{
			section: "Append-only log: SET, 50 clients, 1M keys, values of 32 bytes", row: "log/" + w.name, fleet: "log-" + w.name, pipeline: w.pipeline,
			request: setSpeed, fixed: true, directives: append(w.log, "auto-aof-rewrite-percentage 0"),
			targets: []target{ratioAtLeast("requests/s", w.rate)},
		}
		rows = append(rows, row{name: v.row, measure: v.measure})
	}
	return rows
}

const (
	snapshotSection = "Snapshots, servers on all processors"
	snapshotKeys    = 2_000_000
)

var value100 = []byte(strings.Repeat("v", 100))

// content is data that a snapshot is made of.
type content struct {
	name string
	keys func(s *settings) int
	fill func(server *peer.Server, keys int) error
}

var contents = []content{
	{"2M strings of 100 bytes", snapshotKeysOf, func(server *peer.Server, keys int) error {
		return feed(server, keys, func(b []byte, i int) []byte { return appendSet(b, peer.Redis, key(nil, i), value100) })
	}},
	{"mixed types", func(s *settings) int { return snapshotKeysOf(s) / 8 }, fillMixed},
}

func snapshotKeysOf(s *settings) int {
	if s.quick {
		return snapshotKeys / 8
	}
	return snapshotKeys
}

// fillMixed makes keys of all types, a few of them large.
func fillMixed(server *peer.Server, keys int) error {
	return feed(server, keys, func(b []byte, i int) []byte {
		k, args := strconv.Itoa(i), []string(nil)
		n := 10
		if i%1000 < 6 {
			n = 2000
		}
		switch i % 6 {
		case 0:
			return words(b, "SET", "s:"+k, string(value100), "PX", "100000000")
		case 1:
			return words(b, "SET", "n:"+k, k)
		case 2:
			args = []string{"HSET", "h:" + k}
			for j := range n {
				args = append(args, "field:"+strconv.Itoa(j), "value:"+strconv.Itoa(i+j))
			}
		case 3:
			args = []string{"RPUSH", "l:" + k}
			for j := range n {
				args = append(args, "item:"+strconv.Itoa(i+j))
			}
		case 4:
			args = []string{"SADD", "e:" + k}
			for j := range n {
				args = append(args, "member:"+strconv.Itoa(i+j))
			}
		default:
			args = []string{"ZADD", "z:" + k}
			for j := range n {
				args = append(args, strconv.Itoa(j*7%1000), "member:"+strconv.Itoa(j))
			}
		}
		return words(b, args...)
	})
}

func snapshotRows() []row {
	var rows []row
	for _, c := range contents {
		name := "snapshot/" + strings.ReplaceAll(c.name, " ", "-")
		rows = append(rows, row{name: name, measure: func(s *settings, t *table) error { return saveAndLoad(s, t, name, c) }})
	}
	return append(rows, row{name: "snapshot/under-writes", measure: underWrites})
}

// startAnywhere starts a server that may use all processors: this process is bound to one of them.
func startAnywhere(p peer.Program, dir string, directives ...string) (*peer.Server, error) {
	cpus := make([]int, runtime.NumCPU())
	for i := range cpus {
		cpus[i] = i
	}
	return peer.Start(p, peer.Options{CPUs: cpus, Dir: dir, Directives: directives})
}

// saveAndLoad times SAVE, and the start of a server with the file.
func saveAndLoad(s *settings, t *table, name string, data content) error {
	closeFleets()
	keys := data.keys(s)
	for range min(s.rounds, 3) {
		for _, p := range s.peers {
			if p.Speak != peer.Redis {
				continue
			}
			if err := saveAndLoadOnce(t, name, data, keys, p); err != nil {
				return fmt.Errorf("%s: %w", p.Name, err)
			}
		}
	}
	t.expect(name, ratioAtLeast("keys/s saved", 1.5), ratioAtLeast("keys/s loaded", 1.5))
	return nil
}

func saveAndLoadOnce(t *table, name string, data content, keys int, p peer.Program) error {
	dir, err := os.MkdirTemp("", "larder-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	server, err := startAnywhere(p, dir)
	if err != nil {
		return err
	}
	err = data.fill(server, keys)
	began := time.Now()
	if err == nil {
		err = doOK(server, "SAVE")
	}
	took := time.Since(began)
	server.Stop()
	if err != nil {
		return err
	}
	if server, err = startAnywhere(p, dir); err != nil {
		return err
	}
	defer server.Stop()
	t.add(snapshotSection, name, "keys/s saved", p.Name, float64(keys)/took.Seconds())
	t.add(snapshotSection, name, "keys/s loaded", p.Name, float64(keys)/server.StartUp.Seconds())
	return nil
}

// doOK sends one request and waits for its reply, which must not be an error.
func doOK(server *peer.Server, request ...string) error {
	c, err := server.Dial()
	if err != nil {
		return err
	}
	defer c.Close()
	c.Timeout = time.Minute
	v, err := c.Do(request...)
	if err == nil && v.IsError() {
		err = fmt.Errorf("%s: %s", request[0], v)
	}
	return err
}

// field is a field of INFO.
func field(c *wire.Conn, section, name string) (string, error) {
	v, err := c.Do("INFO", section)
	if err != nil {
		return "", err
	}
	_, rest, _ := strings.Cut(v.String(), name+":")
	value, _, _ := strings.Cut(rest, "\r\n")
	return value, nil
}

// await polls until a field of INFO has a value. Meanwhile, look is called.
func await(server *peer.Server, section, name, value string, look func() error) error {
	c, err := server.Dial()
	if err != nil {
		return err
	}
	defer c.Close()
	c.Timeout = time.Minute
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		got, err := field(c, section, name)
		if err == nil {
			err = look()
		}
		if err != nil || got == value {
			return err
		}
	}
	return fmt.Errorf("%s does not become %s", name, value)
}

// overwrite sets random keys over one connection, 100 at a time, until stop is closed.
func overwrite(server *peer.Server, keys int, stop <-chan struct{}) error {
	r := rand.New(rand.NewPCG(5, 5))
	for {
		select {
		case <-stop:
			return nil
		default:
		}
		if err := feed(server, 500, func(b []byte, _ int) []byte { return appendSet(b, peer.Redis, randomKey(r, keys), value100) }); err != nil {
			return err
		}
	}
}

// underWrites saves 2M keys in the background while random keys are overwritten, and looks at the memory that this takes (of a
// forked child what it shares with nobody) and at how long a GET takes meanwhile.
func underWrites(s *settings, t *table) error {
	const name = "snapshot/under-writes"
	closeFleets()
	for range min(s.rounds, 3) {
		for _, p := range s.peers {
			if p.Speak != peer.Redis {
				continue
			}
			if err := underWritesOnce(t, name, snapshotKeys, p); err != nil {
				return fmt.Errorf("%s: %w", p.Name, err)
			}
		}
	}
	t.expect(name, atMost("peak memory / before", 1.10), ratioAtMost("p99.9 ms of GET", 1))
	return nil
}

func underWritesOnce(t *table, name string, keys int, p peer.Program) error {
	server, err := startAnywhere(p, "")
	if err != nil {
		return err
	}
	defer server.Stop()
	if err = contents[0].fill(server, keys); err != nil {
		return err
	}
	stop, writer := make(chan struct{}), make(chan error, 1)
	go func() { writer <- overwrite(server, keys, stop) }()
	defer func() {
		close(stop)
		<-writer
	}()
	if _, err = settle(server, 5*time.Second); err != nil {
		return err
	}
	before, err := server.RSS()
	if err != nil {
		return err
	}
	probe, err := server.Dial()
	if err != nil {
		return err
	}
	defer probe.Close()
	peak, gets, r := before, &histogram{}, rand.New(rand.NewPCG(6, 6))
	began := time.Now()
	if err = doOK(server, "BGSAVE"); err != nil {
		return err
	}
	look := func() error {
		for range 20 {
			sent := time.Now()
			if _, err := probe.Do("GET", string(randomKey(r, keys))); err != nil {
				return err
			}
			gets.add(int64(time.Since(sent)))
		}
		rss, err := server.RSS()
		peak = max(peak, rss+server.ChildrenPrivate())
		return err
	}
	if err = await(server, "persistence", "rdb_bgsave_in_progress", "0", look); err != nil {
		return err
	}
	t.add(snapshotSection, name, "seconds", p.Name, time.Since(began).Seconds())
	t.add(snapshotSection, name, "peak memory / before", p.Name, float64(peak)/float64(before))
	t.add(snapshotSection, name, "p50 ms of GET", p.Name, float64(gets.quantile(0.5))/1e6)
	t.add(snapshotSection, name, "p99.9 ms of GET", p.Name, float64(gets.quantile(0.999))/1e6)
	return nil
}
