package main

import (
	"fmt"
	"strings"
	"time"

	"larder/tests/internal/peer"
	"larder/tests/internal/wire"
)

const replicaSection = "A pair: SETs at a primary, until its replica of the same kind has them; all on all processors"

// replicaRows are what a primary with a replica sustains: the time of a measurement ends when the replica has what was
// written in it.
func replicaRows() []row {
	var rows []row
	for _, depth := range []int{1, 16} {
		name := fmt.Sprintf("replication/SET/P%d", depth)
		rows = append(rows, row{name: name, measure: func(s *settings, t *table) error { return replicated(s, t, name, depth) }})
	}
	return append(rows, row{name: "replication/full-sync", measure: fullSync})
}

func replicated(s *settings, t *table, name string, depth int) error {
	closeFleets()
	g := buildRing(200_000, 1, setRing)
	for range s.rounds {
		for _, p := range s.peers {
			if p.Speak != peer.Redis {
				continue
			}
			if err := replicatedOnce(s, t, name, depth, g, p); err != nil {
				return fmt.Errorf("%s: %w", p.Name, err)
			}
		}
	}
	if depth > 1 {
		t.expect(name, ratioAtLeast("requests/s", 1.5))
	}
	return nil
}

func replicatedOnce(s *settings, t *table, name string, depth int, g *ring, p peer.Program) error {
	primary, replica, err := startPair(p)
	if err != nil {
		return err
	}
	defer primary.Stop()
	defer replica.Stop()
	if err = fillSpeed(primary); err != nil {
		return err
	}
	o := loadOptions{addr: primary.Addr, conns: clients, pipeline: depth, ring: g, duration: s.duration, replyLen: len("+OK\r\n")}
	warm := o
	warm.duration = s.duration / 4
	if _, err = run(warm); err != nil {
		return err
	}
	if _, err = caughtUp(primary); err != nil {
		return err
	}
	var before, after [2]time.Duration
	cpu := func(of *[2]time.Duration) {
		for i, server := range []*peer.Server{primary, replica} {
			if err == nil {
				of[i], err = server.CPU()
			}
		}
	}
	cpu(&before)
	if err != nil {
		return err
	}
	r, err := run(o)
	if err != nil {
		return err
	}
	behind, err := caughtUp(primary)
	if err != nil {
		return err
	}
	if cpu(&after); err != nil {
		return err
	}
	add := func(figure string, v float64) { t.add(replicaSection, name, figure, p.Name, v) }
	add("requests/s", float64(r.requests)/(r.elapsed+behind).Seconds())
	add("primary CPU us/request", float64((after[0]-before[0]).Nanoseconds())/1e3/float64(r.requests))
	add("replica CPU us/request", float64((after[1]-before[1]).Nanoseconds())/1e3/float64(r.requests))
	add("p99 us", float64(r.latency.quantile(0.99))/1e3)
	add("replica is behind by ms", float64(behind.Microseconds())/1e3)
	return nil
}

// startPair starts two servers, the second of which is a replica of the first and has what that has.
func startPair(p peer.Program) (primary, replica *peer.Server, err error) {
	const backlog = "repl-backlog-size 64mb"
	if primary, err = startAnywhere(p, "", "repl-diskless-sync-delay 0", backlog); err != nil {
		return nil, nil, err
	}
	host, port, _ := strings.Cut(primary.Addr, ":")
	if replica, err = startAnywhere(p, "", "replicaof "+host+" "+port, backlog); err == nil {
		if err = await(replica, "replication", "master_link_status", "up", func() error { return nil }); err == nil {
			return primary, replica, nil
		}
		replica.Stop()
	}
	primary.Stop()
	return nil, nil, err
}

// caughtUp waits until the replica has all that was written, and tells how long that took.
func caughtUp(primary *peer.Server) (time.Duration, error) {
	c, err := wire.Dial(primary.Addr)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	c.Timeout = time.Minute
	began := time.Now()
	if _, err = c.Do("SET", "mark", "x"); err != nil {
		return 0, err
	}
	v, err := c.Do("WAIT", "1", "0")
	if err != nil {
		return 0, err
	}
	if n, _ := v.Int(); n != 1 {
		return 0, fmt.Errorf("WAIT answers %s", v)
	}
	return time.Since(began), nil
}

// fullSync gives a primary with data a replica of its own kind while keys are overwritten, and waits until that is there.
func fullSync(s *settings, t *table) error {
	const name = "replication/full-sync"
	closeFleets()
	for range min(s.rounds, 3) {
		for _, p := range s.peers {
			if p.Speak != peer.Redis {
				continue
			}
			if err := fullSyncOnce(t, name, snapshotKeysOf(s), p); err != nil {
				return fmt.Errorf("%s: %w", p.Name, err)
			}
		}
	}
	t.expect(name, ratioAtLeast("keys/s", 1.5), atMost("peak memory of the primary / before", 1.15))
	return nil
}

func fullSyncOnce(t *table, name string, keys int, p peer.Program) error {
	primary, err := startAnywhere(p, "", "repl-diskless-sync-delay 0")
	if err != nil {
		return err
	}
	defer primary.Stop()
	if err = contents[0].fill(primary, keys); err != nil {
		return err
	}
	replica, err := startAnywhere(p, "")
	if err != nil {
		return err
	}
	defer replica.Stop()
	stop, writer := make(chan struct{}), make(chan error, 1)
	go func() { writer <- overwrite(primary, keys, stop) }()
	defer func() {
		close(stop)
		<-writer
	}()
	if _, err = settle(primary, 5*time.Second); err != nil {
		return err
	}
	before, err := primary.RSS()
	if err != nil {
		return err
	}
	peak := before
	look := func() error {
		rss, err := primary.RSS()
		peak = max(peak, rss+primary.ChildrenPrivate())
		return err
	}
	host, port, _ := strings.Cut(primary.Addr, ":")
	began := time.Now()
	if err = doOK(replica, "REPLICAOF", host, port); err != nil {
		return err
	}
	if err = await(replica, "replication", "master_link_status", "up", look); err != nil {
		return err
	}
	took := time.Since(began)
	t.add(replicaSection, name, "keys/s", p.Name, float64(keys)/took.Seconds())
	t.add(replicaSection, name, "peak memory of the primary / before", p.Name, float64(peak)/float64(before))
	return nil
}
