package main

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"larder/tests/internal/peer"
)

const memorySection = "Memory"

// settle waits until the server's resident memory has stopped to change: what it gives back after work, it gives back
// without being asked. It returns the last value.
func settle(s *peer.Server, atMost time.Duration) (int64, error) {
	const quiet = 2 * time.Second
	last, err := s.RSS()
	since := time.Now()
	for end := time.Now().Add(atMost); err == nil && time.Now().Before(end) && time.Since(since) < quiet; {
		time.Sleep(100 * time.Millisecond)
		var rss int64
		if rss, err = s.RSS(); rss < last-last/500 || rss > last+last/500 {
			last, since = rss, time.Now()
		}
	}
	if err != nil {
		return 0, err
	}
	return s.RSS()
}

// memory is a row that fills a fresh server and looks at what it takes.
type memory struct {
	row     string
	count   func(s *settings) int // elements
	request func(b []byte, speak peer.Protocol, i int) []byte
	per     int // elements of one request; 0: 1
	payload int // bytes of each element that are not counted
	figure  string
	memc    bool
	bound   float64 // 0: no target
}

func (m *memory) measure(s *settings, t *table) error {
	for _, p := range s.peers {
		if p.Speak == peer.Memcached && !m.memc {
			continue
		}
		if err := m.one(s, t, p); err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
	}
	if m.bound > 0 {
		t.expect(m.row, atMost(m.figure, m.bound))
	}
	return nil
}

func (m *memory) one(s *settings, t *table, p peer.Program) error {
	closeFleets()
	server, err := s.start(p)
	if err != nil {
		return err
	}
	defer server.Stop()
	before, err := settle(server, 5*time.Second)
	if err != nil {
		return err
	}
	count := m.count(s)
	if err := feed(server, count/max(m.per, 1), func(b []byte, i int) []byte { return m.request(b, p.Speak, i) }); err != nil {
		return err
	}
	after, err := settle(server, 20*time.Second)
	if err != nil {
		return err
	}
	t.add(memorySection, m.row, m.figure, p.Name, float64(after-before)/float64(count)-float64(m.payload))
	return nil
}

func memoryRows() []row {
	keys := func(s *settings) int { return s.keys }
	million := func(*settings) int { return 1_000_000 }
	member := func(i int) string { return fmt.Sprintf("m%09d", i) }
	group := func(command, key string, per int, words2 func(i int) []string) func([]byte, peer.Protocol, int) []byte {
		return func(b []byte, _ peer.Protocol, i int) []byte {
			args := []string{command, strings.ReplaceAll(key, "%", strconv.Itoa(i))}
			for j := range per {
				args = append(args, words2(i*per+j)...)
			}
			return words(b, args...)
		}
	}
	over, all := "RSS B/key beyond key and value", "RSS B/element in all"
	works := []*memory{
		{row: "memory/string-16-32", count: keys, figure: over, payload: 48, memc: true, bound: 16, request: func(b []byte, speak peer.Protocol, i int) []byte {
			return appendSet(b, speak, key(nil, i), value32)
		}},
		{row: "memory/string-10-8", count: keys, figure: over, payload: 18, memc: true, bound: 16, request: func(b []byte, speak peer.Protocol, i int) []byte {
			return appendSet(b, speak, fmt.Appendf(nil, "k:%08d", i), []byte("vvvvvvvv"))
		}},
		{row: "memory/set-1M", count: million, per: 100, figure: "RSS B/member beyond its 10 bytes", payload: 10, bound: 21, request: group("SADD", "s", 100, func(i int) []string { return []string{member(i)} })},
		{row: "memory/zset-1M", count: million, per: 100, figure: all, bound: 50, request: group("ZADD", "z", 100, func(i int) []string { return []string{strconv.Itoa(i * 7 % 1_000_000), member(i)} })},
		{row: "memory/list-1M", count: million, per: 100, figure: all, bound: 12.6, request: group("RPUSH", "l", 100, func(i int) []string { return []string{member(i)} })},
		{row: "memory/hash-1000-fields", count: million, per: 1000, figure: all, bound: 34, request: group("HSET", "h:%", 1000, func(i int) []string { return []string{fmt.Sprintf("field:%010d", i), "vvvv"} })},
		{row: "memory/hash-10-fields", count: million, per: 10, figure: all, bound: 30, request: group("HSET", "h:%", 10, func(i int) []string { return []string{fmt.Sprintf("field:%010d", i), "vvvv"} })},
		{row: "memory/stream-1M", count: million, figure: all, request: func(b []byte, _ peer.Protocol, i int) []byte {
			return words(b, "XADD", "x", strconv.Itoa(1700000000000+i)+"-0", "field", member(i))
		}},
	}
	var rows []row
	for _, m := range works {
		rows = append(rows, row{name: m.row, measure: m.measure})
	}
	rows = append(rows,
		row{name: "memory/after-deleting-half", measure: deleteHalf},
		row{name: "memory/empty", measure: emptyServer},
	)
	return rows
}

// deleteHalf fills a server, deletes half of the keys at random and looks at what it keeps without being asked for
// anything more. Live data is what it took for the other half when it was full.
func deleteHalf(s *settings, t *table) error {
	const row = "memory/after-deleting-half"
	for _, p := range s.peers {
		if p.Speak != peer.Redis {
			continue
		}
		ratio, err := deleteHalfOf(s, p)
		if err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
		t.add(memorySection, row, "RSS / live data", p.Name, ratio)
	}
	t.expect(row, atMost("RSS / live data", 1.5))
	return nil
}

func deleteHalfOf(s *settings, p peer.Program) (float64, error) {
	closeFleets()
	server, err := s.start(p)
	if err != nil {
		return 0, err
	}
	defer server.Stop()
	empty, err := settle(server, 5*time.Second)
	if err != nil {
		return 0, err
	}
	if err := fillStrings(s.keys, value32)(server); err != nil {
		return 0, err
	}
	full, err := settle(server, 20*time.Second)
	if err != nil {
		return 0, err
	}
	order := rand.New(rand.NewPCG(1, 1)).Perm(s.keys)[:s.keys/2]
	if err := feed(server, len(order), func(b []byte, i int) []byte { return appendCommand(b, []byte("DEL"), key(nil, order[i])) }); err != nil {
		return 0, err
	}
	after, err := settle(server, time.Minute)
	if err != nil {
		return 0, err
	}
	return float64(after) / float64(empty+(full-empty)/2), nil
}

// emptyServer looks at a server with nothing in it, how soon it answers, and what 10,000 small keys add.
func emptyServer(s *settings, t *table) error {
	const row = "memory/empty"
	closeFleets()
	for range max(s.rounds, 5) {
		for _, p := range s.peers {
			if p.Speak != peer.Redis {
				continue
			}
			server, err := s.start(p)
			if err != nil {
				return err
			}
			t.add(memorySection, row, "start to first PONG ms", p.Name, float64(server.StartUp.Microseconds())/1e3)
			err = emptyOne(t, row, server)
			server.Stop()
			if err != nil {
				return err
			}
		}
	}
	t.expect(row, atMost("start to first PONG ms", 50), atMost("RSS MiB", 16), atMost("10,000 keys add MiB", 2))
	return nil
}

func emptyOne(t *table, row string, server *peer.Server) error {
	empty, err := settle(server, 5*time.Second)
	if err != nil {
		return err
	}
	const mib = 1 << 20
	t.add(memorySection, row, "RSS MiB", server.Program.Name, float64(empty)/mib)
	if err := feed(server, 10_000, func(b []byte, i int) []byte { return words(b, "SET", fmt.Sprintf("k:%08d", i), "vvvvvvvv") }); err != nil {
		return err
	}
	after, err := settle(server, 5*time.Second)
	t.add(memorySection, row, "10,000 keys add MiB", server.Program.Name, float64(after-empty)/mib)
	return err
}
