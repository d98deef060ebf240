package main

import (
	"crypto/sha1"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	"larder/tests/internal/peer"
)

// familyRows are the default tests of redis-benchmark, and a few more commands, by our own generator.
func familyRows() []row {
	pops := func(test string) func(*peer.Server, int) error {
		return func(s *peer.Server, requests int) error { return preparePops(s, test, requests*2) }
	}
	list600 := func(s *peer.Server) error {
		return feed(s, 6, func(b []byte, i int) []byte {
			args := []string{"RPUSH", "range"}
			for range 100 {
				args = append(args, "xxx")
			}
			return words(b, args...)
		})
	}
	text := func(args ...string) func([]byte, peer.Protocol, *rand.Rand) []byte {
		return func(b []byte, _ peer.Protocol, _ *rand.Rand) []byte { return words(b, args...) }
	}
	element := func(r *rand.Rand) string { return fmt.Sprintf("element:%012d", r.IntN(speedKeys)) }
	works := []*speed{
		{row: "LPUSH", request: text("LPUSH", "mylist", "xxx"), requests: 400_000},
		{row: "RPUSH", request: text("RPUSH", "mylist", "xxx"), requests: 400_000},
		{row: "LPOP", request: text("LPOP", "mylist"), prepare: pops("lpop"), requests: 400_000},
		{row: "RPOP", request: text("RPOP", "mylist"), prepare: pops("rpop"), requests: 400_000},
		{row: "SADD", request: func(b []byte, _ peer.Protocol, r *rand.Rand) []byte { return words(b, "SADD", "myset", element(r)) }},
		{row: "HSET", request: func(b []byte, _ peer.Protocol, r *rand.Rand) []byte {
			return words(b, "HSET", "myhash", element(r), "xxx")
		}},
		{row: "SPOP", request: text("SPOP", "myset"), prepare: pops("spop"), requests: 300_000},
		{row: "ZADD", request: func(b []byte, _ peer.Protocol, r *rand.Rand) []byte {
			return words(b, "ZADD", "myzset", strconv.Itoa(r.IntN(speedKeys)), element(r))
		}},
		{row: "ZPOPMIN", request: text("ZPOPMIN", "myzset"), prepare: pops("zpopmin"), requests: 300_000},
		{row: "LRANGE_100", request: text("LRANGE", "range", "0", "99"), data: "range", fill: list600, fixed: true, ringSize: 1000},
		{row: "LRANGE_300", request: text("LRANGE", "range", "0", "299"), data: "range", fill: list600, fixed: true, ringSize: 1000},
		{row: "LRANGE_500", request: text("LRANGE", "range", "0", "499"), data: "range", fill: list600, fixed: true, ringSize: 1000},
		{row: "LRANGE_600", request: text("LRANGE", "range", "0", "599"), data: "range", fill: list600, fixed: true, ringSize: 1000},
		{row: "MSET", request: func(b []byte, _ peer.Protocol, r *rand.Rand) []byte {
			args := []string{"MSET"}
			for range 10 {
				args = append(args, string(randomKey(r, speedKeys)), "xxx")
			}
			return words(b, args...)
		}, fixed: true, ringSize: 100_000},
		{row: "XADD", request: text("XADD", "mystream", "MAXLEN", "~", "100000", "*", "myfield", "xxx")},
		{row: "INCR", request: func(b []byte, _ peer.Protocol, r *rand.Rand) []byte {
			return words(b, "INCR", fmt.Sprintf("counter:%012d", r.IntN(speedKeys)))
		}},
		{row: "MGET", request: func(b []byte, _ peer.Protocol, r *rand.Rand) []byte {
			args := []string{"MGET"}
			for range 10 {
				args = append(args, "key:"+fmt.Sprintf("%012d", r.IntN(speedKeys)))
			}
			return words(b, args...)
		}, ringSize: 100_000},
		{row: "PING", request: text("PING"), fixed: true, ringSize: 1000},
		{row: "EVALSHA", request: text("EVALSHA", getScriptSHA, "1", "script"), data: "script", fill: func(s *peer.Server) error {
			return feed(s, 2, func(b []byte, i int) []byte {
				if i == 0 {
					return words(b, "SET", "script", "xxx")
				}
				return words(b, "SCRIPT", "LOAD", getScript)
			})
		}, fixed: true, ringSize: 1000},
	}
	var rows []row
	for _, w := range works {
		w.section, w.fleet, w.pipeline = "Families of commands, 50 clients, P=16", "families", 16
		w.targets = []target{ratioAtLeast("requests/s", 1.5)}
		w.row = "family/" + w.row + "/P16"
		rows = append(rows, row{name: w.row, measure: w.measure})
	}
	return rows
}

// getScript reads a key; its SHA1 is what EVALSHA calls it by.
const getScript = "return redis.call('get',KEYS[1])"

var getScriptSHA = fmt.Sprintf("%x", sha1.Sum([]byte(getScript)))

// largeRows work on one collection of a million elements.
func largeRows() []row {
	const n = 1_000_000
	million := func(args ...func(i int) string) func(s *peer.Server) error {
		return func(s *peer.Server) error {
			return feed(s, n/100, func(b []byte, i int) []byte {
				out := []string{args[0](0), args[1](0)}
				for j := range 100 {
					for _, a := range args[2:] {
						out = append(out, a(i*100+j))
					}
				}
				return words(b, out...)
			})
		}
	}
	fixed := func(s string) func(int) string { return func(int) string { return s } }
	member := func(i int) string { return fmt.Sprintf("m%09d", i) }
	score := func(i int) string { return strconv.Itoa(i * 7 % n) }
	fillZ := million(fixed("ZADD"), fixed("z"), score, member)
	fillL := million(fixed("RPUSH"), fixed("l"), member)
	fillG := func(s *peer.Server) error {
		r := rand.New(rand.NewPCG(5, 5))
		return feed(s, n/100, func(b []byte, i int) []byte {
			args := []string{"GEOADD", "g"}
			for j := range 100 {
				// 10 by 10 degrees around the equator: about 1.2 million square kilometres.
				args = append(args, fmt.Sprintf("%.6f", r.Float64()*10), fmt.Sprintf("%.6f", r.Float64()*10), member(i*100+j))
			}
			return words(b, args...)
		})
	}
	works := []*speed{
		{row: "zset/ZADD", fleet: "zset", data: "z", fill: fillZ, pipeline: 16, request: func(b []byte, _ peer.Protocol, r *rand.Rand) []byte {
			return words(b, "ZADD", "z", strconv.Itoa(r.IntN(n)), member(r.IntN(n)))
		}, targets: []target{ratioAtLeast("requests/s", 2)}},
		{row: "zset/ZRANK", fleet: "zset", data: "z", fill: fillZ, pipeline: 16, request: func(b []byte, _ peer.Protocol, r *rand.Rand) []byte {
			return words(b, "ZRANK", "z", member(r.IntN(n)))
		}, targets: []target{ratioAtLeast("requests/s", 2)}},
		{row: "zset/ZRANGE", fleet: "zset", data: "z", fill: fillZ, pipeline: 16, request: func(b []byte, _ peer.Protocol, r *rand.Rand) []byte {
			at := r.IntN(n - 20)
			return words(b, "ZRANGE", "z", strconv.Itoa(at), strconv.Itoa(at+9))
		}, targets: []target{ratioAtLeast("requests/s", 2)}},
		{row: "zset/ZSCORE", fleet: "zset", data: "z", fill: fillZ, pipeline: 16, request: func(b []byte, _ peer.Protocol, r *rand.Rand) []byte {
			return words(b, "ZSCORE", "z", member(r.IntN(n)))
		}},
		{row: "list/LINDEX middle", fleet: "list", data: "l", fill: fillL, pipeline: 64, requests: 100_000, fixed: true, request: func(b []byte, _ peer.Protocol, r *rand.Rand) []byte {
			return words(b, "LINDEX", "l", strconv.Itoa(n/2+r.IntN(1000)))
		}, targets: []target{ratioAtLeast("requests/s", 50)}},
		{row: "list/LINDEX ends", fleet: "list", data: "l", fill: fillL, pipeline: 16, fixed: true, request: func(b []byte, _ peer.Protocol, r *rand.Rand) []byte {
			return words(b, "LINDEX", "l", strconv.Itoa(r.IntN(100)-50))
		}},
		// Around each point a radius of 6.2 km holds about 100 of the million.
		{row: "geo/GEOSEARCH 100 hits", fleet: "geo", data: "g", fill: fillG, pipeline: 1, requests: 20_000, request: func(b []byte, _ peer.Protocol, r *rand.Rand) []byte {
			return words(b, "GEOSEARCH", "g", "FROMLONLAT", fmt.Sprintf("%.4f", 1+8*r.Float64()), fmt.Sprintf("%.4f", 1+8*r.Float64()), "BYRADIUS", "6.2", "km", "ASC")
		}, ringSize: 20_000, targets: []target{ratioAtLeast("requests/s", 1)}},
	}
	var rows []row
	for _, w := range works {
		w.section = "Collections of a million elements"
		w.row = "large/" + strings.ReplaceAll(w.row, " ", "-")
		rows = append(rows, row{name: w.row, measure: w.measure})
	}
	return rows
}

// valueRows are GET and SET by size of the value.
func valueRows() []row {
	var rows []row
	for _, v := range []struct{ size, keys, depth int }{{3, 1_000_000, 16}, {64, 1_000_000, 16}, {1024, 200_000, 16}, {65536, 2_000, 4}} {
		value := []byte(strings.Repeat("v", v.size))
		fill := fillStrings(v.keys, value)
		for _, op := range []string{"SET", "GET"} {
			w := &speed{
				section: "Sizes of values, 50 clients", row: fmt.Sprintf("value/%s/%d/P%d", op, v.size, v.depth), fleet: fmt.Sprintf("value%d", v.size), pipeline: v.depth, data: "values", fill: fill, fixed: true, memcached: true,
				request: func(b []byte, speak peer.Protocol, r *rand.Rand) []byte {
					if op == "GET" {
						return appendGet(b, speak, randomKey(r, v.keys))
					}
					return appendSet(b, speak, randomKey(r, v.keys), value)
				},
				targets: []target{ratioAtLeast("requests/s", 1)},
			}
			rows = append(rows, row{name: w.row, measure: w.measure})
		}
	}
	return rows
}
