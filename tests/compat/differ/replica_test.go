package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"larder/tests/internal/peer"
	"larder/tests/internal/wire"
)

// TestReplicasFollow plays random commands of all families on a primary, and holds its replicas to having the same data:
// larder and, where there is one, redis-server, each as the primary of the other. The links break now and then.
func TestReplicasFollow(t *testing.T) {
	couples := [][2]string{{"larder", "larder"}}
	if _, ok := peer.Find(*against); ok {
		couples = append(couples, [2]string{"larder", *against}, [2]string{*against, "larder"})
	} else if *live {
		t.Fatalf("no %s on PATH", *against)
	}
	for _, c := range couples {
		t.Run(strings.ReplaceAll(c[0]+" to "+c[1], "/", "_"), func(t *testing.T) { followAll(t, c[0], c[1], budget()/4) })
	}
}

func followAll(t *testing.T, primary, replica string, commands int) {
	var directives []string
	if primary != replica { // whether a compact sorted set knows -0 from 0 depends on the version of Redis
		directives = append(directives, "zset-max-listpack-entries 0")
	}
	a, addrA := startNode(t, primary, directives...)
	b, addrB := startNode(t, replica, directives...)
	sideA, err := newSide("primary", addrA, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	sideB, err := newSide("replica", addrB, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	v := &versus{a: sideA, b: sideB}
	families := loadFamilies(every, v.older(), func(asks string) bool {
		// What a replica hears of newer commands is what Redis 7 has, but for times of fields.
		if sideA.larder && !strings.Contains(asks, "FIELDS") {
			return sideA.takes(asks)
		}
		return v.takes(asks)
	})
	host, port, _ := strings.Cut(addrA, ":")
	must(t, b, "REPLICAOF", host, port)
	follows(t, b)
	g := newGenerator(*seed, 77, families)
	rnd := rand.New(rand.NewPCG(*seed, 78))
	var recent []string
	for played := 0; played < commands; {
		for range 200 {
			for _, s := range g.next() {
				if s.conn > 1 || s.kind != plain || len(s.args) == 0 || mayBlock(s.args) || unlikeOnReplicas(s.args) {
					continue
				}
				recent = append(recent, fmt.Sprintf("%q", s.args))
				if _, err := a.Do(s.args...); err != nil {
					t.Fatalf("%q: %v", s.args, err)
				}
				played++
			}
		}
		if v, err := a.Do("EXEC"); err == nil && !v.IsError() {
			played++ // a template left a transaction open
		}
		must(t, a, "RESET")
		if rnd.IntN(4) == 0 {
			must(t, a, "CLIENT", "KILL", "TYPE", "replica")
			must(t, a, "SET", "after the link broke", itoa(played))
			follows(t, b)
		}
		sameData(t, a, b, recent)
		recent = recent[:0]
	}
	if n := info(t, a, "sync_full"); n != "1" {
		t.Errorf("%s snapshots were sent", n)
	}
}

// unlikeOnReplicas are commands that two servers of different kinds do not do alike, or that Redis 7.0 tells its replicas
// less of than it does: a BITFIELD that fails all its writes has made the string longer.
func unlikeOnReplicas(args []string) bool {
	return slices.Contains(args, "STOREDIST") || strings.EqualFold(args[0], "BITFIELD") && hasWord(args, "FAIL")
}

// startNode starts a server that will be in a replication.
func startNode(t *testing.T, name string, directives ...string) (*wire.Conn, string) {
	t.Helper()
	p, err := program(name)
	if err != nil {
		t.Fatal(err)
	}
	s, err := peer.Start(p, peer.Options{Directives: append(directives, "enable-debug-command yes", "repl-diskless-sync-delay 0", "repl-backlog-size 64mb")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	c, err := wire.Dial(s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	c.Timeout = time.Minute
	t.Cleanup(func() { c.Close() })
	return c, s.Addr
}

func must(t *testing.T, c *wire.Conn, args ...string) wire.Value {
	t.Helper()
	v, err := c.Do(args...)
	if err != nil || v.IsError() {
		t.Fatalf("%q: %v %v", args, v, err)
	}
	return v
}

// info is one line of INFO all.
func info(t *testing.T, c *wire.Conn, name string) string {
	t.Helper()
	for _, line := range strings.Split(string(must(t, c, "INFO", "all").Text), "\r\n") {
		if n, v, ok := strings.Cut(line, ":"); ok && n == name {
			return v
		}
	}
	return ""
}

// follows waits until a replica's link is up.
func follows(t *testing.T, c *wire.Conn) {
	t.Helper()
	waitFor(t, "the link", func() bool { return info(t, c, "master_link_status") == "up" })
}

// sameData waits until both have the same position and the same data: a key may expire in between.
func sameData(t *testing.T, a, b *wire.Conn, recent []string) {
	t.Helper()
	var x, y string
	end := time.Now().Add(3 * time.Minute)
	for ; time.Now().Before(end); pause() {
		if info(t, a, "master_repl_offset") != info(t, b, "master_repl_offset") {
			continue
		}
		x, y = string(must(t, a, "DEBUG", "DIGEST").Text), string(must(t, b, "DEBUG", "DIGEST").Text)
		if x == y || sameButScores(t, a, b) {
			return
		}
	}
	t.Fatalf("the replica has %s, the primary %s: %s; after\n%s", y, x, differing(t, a, b), strings.Join(recent, "\n"))
}

// sameButScores tells whether two servers have the same but for how their digests write the scores of sorted sets, which Redis does in
// another way since 7.2.
func sameButScores(t *testing.T, a, b *wire.Conn) bool {
	t.Helper()
	unlike := eachUnlike(t, a, b)
	for _, k := range unlike {
		must(t, a, "SELECT", itoa(k.db))
		must(t, b, "SELECT", itoa(k.db))
		if must(t, a, "TYPE", k.name).String() != "zset" {
			return false
		}
		scores := []string{"ZRANGE", k.name, "0", "-1", "WITHSCORES"}
		x, errA := a.Do(scores...)
		y, errB := b.Do(scores...)
		if errA != nil || errB != nil || !bytesEqual(nil, x, y) {
			return false
		}
	}
	return len(unlike) > 0
}

// unlikeKey is a key of which two servers have different digests.
type unlikeKey struct {
	db   int
	name string
}

// differing names the keys of which two servers have different values.
func differing(t *testing.T, a, b *wire.Conn) (names []string) {
	t.Helper()
	for _, k := range eachUnlike(t, a, b) {
		must(t, a, "SELECT", itoa(k.db))
		must(t, b, "SELECT", itoa(k.db))
		kind := must(t, a, "TYPE", k.name).String()
		name := fmt.Sprintf("%s in database %d (%s, expires at %s and %s)", k.name, k.db, kind,
			must(t, a, "PEXPIRETIME", k.name).Text, must(t, b, "PEXPIRETIME", k.name).Text)
		for _, with := range readerOf[kind] {
			args := slices.Clone(with)
			args[slices.Index(args, "")] = k.name
			for _, c := range []*wire.Conn{a, b} {
				if v, err := c.Do(args...); err == nil {
					name += fmt.Sprintf("\n%.1000q", v.Append(nil))
				}
			}
		}
		names = append(names, name)
	}
	return names
}

func eachUnlike(t *testing.T, a, b *wire.Conn) (list []unlikeKey) {
	t.Helper()
	for db := range 16 {
		must(t, a, "SELECT", itoa(db))
		must(t, b, "SELECT", itoa(db))
		keys := map[string]bool{}
		for _, c := range []*wire.Conn{a, b} {
			for _, k := range must(t, c, "KEYS", "*").Elems {
				keys[string(k.Text)] = true
			}
		}
		for k := range keys {
			if x, y := must(t, a, "DEBUG", "DIGEST-VALUE", k), must(t, b, "DEBUG", "DIGEST-VALUE", k); x.String() != y.String() {
				list = append(list, unlikeKey{db, k})
			}
		}
	}
	return list
}

func waitFor(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(3 * time.Minute); !cond(); pause() {
		if time.Now().After(end) {
			t.Fatalf("%s did not come", what)
		}
	}
}

// pause waits a moment.
func pause() { <-time.NewTimer(5 * time.Millisecond).C }
