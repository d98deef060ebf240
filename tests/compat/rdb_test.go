package compat

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"larder/tests/internal/peer"
	"larder/tests/internal/wire"
)

// Values go from larder to redis-server and back, by DUMP and RESTORE and by snapshot files, and arrive as they were.

// smallLimits put both sides of every encoding's border within reach.
var smallLimits = []string{
	"hash-max-listpack-entries 16", "hash-max-listpack-value 20", "zset-max-listpack-entries 16", "zset-max-listpack-value 20",
	"set-max-intset-entries 16", "list-max-listpack-size 10", "stream-node-max-entries 10",
}

// newerLimits are those that only larder and redis-server from 7.2 on know.
var newerLimits = []string{"set-max-listpack-entries 16", "set-max-listpack-value 20"}

type pair struct {
	larder, redis peer.Program
}

func livePair(t *testing.T) pair {
	t.Helper()
	redis, ok := peer.Find("redis-server")
	if !ok {
		t.Fatal("-live needs redis-server on PATH")
	}
	larder, err := peer.Build()
	if err != nil {
		t.Fatal(err)
	}
	return pair{larder, redis}
}

// a client says what it could not do.
type client struct {
	t *testing.T
	*wire.Conn
}

func serve(t *testing.T, p peer.Program, dir string, more ...string) (*peer.Server, client) {
	t.Helper()
	lines := append(slices.Clone(smallLimits), directives...)
	if p.Name == "larder" {
		lines = append(lines, newerLimits...)
	}
	s, err := peer.Start(p, peer.Options{Directives: append(lines, more...), Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	c, err := s.Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return s, client{t, c}
}

func (c client) do(args ...string) wire.Value {
	c.t.Helper()
	v, err := c.Do(args...)
	if err != nil {
		c.t.Fatal(err)
	}
	if v.IsError() {
		c.t.Fatalf("%.60q: %s", args, v)
	}
	return v
}

func texts(v wire.Value) (out []string) {
	for _, e := range v.Elems {
		out = append(out, e.String())
	}
	return out
}

// sortedPairs is the reply of HGETALL in an order of its own.
func sortedPairs(list []string) (out []string) {
	for i := 0; i+1 < len(list); i += 2 {
		out = append(out, list[i]+"\x00"+list[i+1])
	}
	slices.Sort(out)
	return out
}

// describe is a key's whole content. Times to live are told by whether there is one, and to the second.
func (c client) describe(key string) string {
	c.t.Helper()
	typ := c.do("TYPE", key).String()
	var lines []string
	switch typ {
	case "string":
		lines = []string{c.do("GET", key).String()}
	case "list":
		lines = texts(c.do("LRANGE", key, "0", "-1"))
	case "set":
		lines = texts(c.do("SMEMBERS", key))
		slices.Sort(lines)
	case "hash":
		lines = sortedPairs(texts(c.do("HGETALL", key)))
	case "zset":
		lines = texts(c.do("ZRANGE", key, "0", "-1", "WITHSCORES"))
		for i := 1; i < len(lines); i += 2 { // 7.0 prints them with more digits
			f, err := strconv.ParseFloat(lines[i], 64)
			if err != nil {
				c.t.Fatal(err)
			}
			lines[i] = strconv.FormatFloat(f, 'g', -1, 64)
		}
	case "stream":
		lines = append(lines, string(c.do("XRANGE", key, "-", "+").Append(nil)))
		full := c.do("XINFO", "STREAM", key, "FULL", "COUNT", "0")
		lines = append(lines, streamFacts(full)...)
	}
	return fmt.Sprintf("%s %v\n%q", typ, c.do("EXPIRETIME", key), lines)
}

// streamFacts leaves out what depends on the server and not on the stream: the radix tree's size, active times.
func streamFacts(v wire.Value) (out []string) {
	for i := 0; i+1 < len(v.Elems); i += 2 {
		name, val := v.Elems[i].String(), v.Elems[i+1]
		switch name {
		case "radix-tree-keys", "radix-tree-nodes", "active-time", "seen-time":
		case "groups", "consumers":
			for _, g := range val.Elems {
				out = append(out, streamFacts(g)...)
			}
		default:
			out = append(out, name+" "+string(val.Append(nil)))
		}
	}
	return out
}

// word is a string of one of the kinds that forms distinguish.
func word(r *rand.Rand) string {
	switch r.IntN(7) {
	case 0:
		return strconv.FormatInt(r.Int64()>>r.IntN(64)*int64(1-2*r.IntN(2)), 10)
	case 1:
		return strings.Repeat(string(rune('a'+r.IntN(26))), r.IntN(60))
	case 2:
		return strings.Repeat("larder", r.IntN(2000))
	case 3:
		b := make([]byte, r.IntN(100))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return string(b)
	}
	return "word" + strconv.Itoa(r.IntN(1000))
}

// fill makes n keys of all types.
func (c client) fill(n int, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 7))
	scores := []string{"0", "-1", "1.5", "inf", "-inf", "3.1415926535897931", "1e300", "5e-324", "9007199254740993", "-0.1"}
	for i := range n {
		key := "key:" + strconv.Itoa(i)
		size := []int{1, 5, 15, 16, 17, 40, 400}[r.IntN(7)]
		elem := func() string { return word(r) }
		switch r.IntN(3) {
		case 0:
			elem = func() string { return "m" + strconv.Itoa(r.IntN(600)) }
		case 1:
			elem = func() string { return strconv.FormatInt(r.Int64N(1<<(8*(1+r.IntN(7)))), 10) }
		}
		var args []string
		switch i % 6 {
		case 0:
			args = []string{"SET", key, word(r)}
		case 1:
			args = []string{"RPUSH", key}
		case 2:
			args = []string{"SADD", key}
		case 3:
			args = []string{"HSET", key}
		case 4:
			args = []string{"ZADD", key}
		case 5:
			c.fillStream(key, size, elem, r)
		}
		for range size {
			switch i % 6 {
			case 1, 2:
				args = append(args, elem())
			case 3:
				args = append(args, elem(), elem())
			case 4:
				args = append(args, scores[r.IntN(len(scores))], elem())
			}
		}
		if args != nil {
			c.do(args...)
		}
		if r.IntN(3) == 0 {
			c.do("EXPIRE", key, strconv.Itoa(1000+r.IntN(100000)))
		}
	}
	c.do("SELECT", "3")
	c.do("SET", "elsewhere", "x")
	c.do("SELECT", "0")
}

func (c client) fillStream(key string, size int, elem func() string, r *rand.Rand) {
	var ids []string
	for i := range size {
		id := fmt.Sprintf("%d-%d", 1000+i*7, i%3)
		c.do("XADD", key, id, "f", elem(), "g", elem())
		ids = append(ids, id)
	}
	for range size / 4 {
		c.do("XDEL", key, ids[r.IntN(len(ids))])
	}
	for g := range r.IntN(3) {
		group := "group" + strconv.Itoa(g)
		c.do("XGROUP", "CREATE", key, group, "0")
		for k := range r.IntN(3) + 1 {
			c.do("XREADGROUP", "GROUP", group, "consumer"+strconv.Itoa(k), "COUNT", strconv.Itoa(r.IntN(5)+1), "STREAMS", key, ">")
		}
		c.do("XACK", key, group, ids[0])
	}
}

func (c client) keys() []string {
	keys := texts(c.do("KEYS", "*"))
	slices.Sort(keys)
	return keys
}

// same compares all keys of two servers.
func same(t *testing.T, a, b client) {
	t.Helper()
	for _, db := range []string{"0", "3"} {
		a.do("SELECT", db)
		b.do("SELECT", db)
		if x, y := a.keys(), b.keys(); !slices.Equal(x, y) {
			t.Fatalf("database %s: %d keys and %d keys", db, len(x), len(y))
		}
		wrong := 0
		for _, key := range a.keys() {
			if x, y := a.describe(key), b.describe(key); x != y {
				if wrong++; wrong < 4 {
					t.Errorf("%s (%s, %s):\n%.2000s\n---\n%.2000s", key, a.do("OBJECT", "ENCODING", key), b.do("OBJECT", "ENCODING", key), x, y)
				}
			}
		}
		if wrong > 3 {
			t.Fatalf("%d keys differ", wrong)
		}
	}
	a.do("SELECT", "0")
	b.do("SELECT", "0")
}

// compression is what the servers are told, by turns.
func compression(on bool) string {
	if on {
		return "rdbcompression yes"
	}
	return "rdbcompression no"
}

const interopKeys = 300

// TestDumpLive moves every key by DUMP and RESTORE, from either server to the other.
func TestDumpLive(t *testing.T) {
	if !*live {
		return
	}
	p := livePair(t)
	for i, way := range []struct{ from, to peer.Program }{{p.larder, p.redis}, {p.redis, p.larder}} {
		t.Run(way.from.Name+" to "+way.to.Name, func(t *testing.T) {
			_, from := serve(t, way.from, "", compression(i == 0))
			_, to := serve(t, way.to, "")
			from.fill(interopKeys, uint64(i))
			for _, db := range []string{"0", "3"} {
				from.do("SELECT", db)
				to.do("SELECT", db)
				for _, key := range from.keys() {
					at := from.do("PEXPIRETIME", key).String()
					if at == "-1" {
						at = "0"
					}
					to.do("RESTORE", key, at, from.do("DUMP", key).String(), "ABSTTL")
				}
			}
			same(t, from, to)
		})
	}
}

// TestSnapshotLive gives either server's snapshot file to the other.
func TestSnapshotLive(t *testing.T) {
	if !*live {
		return
	}
	p := livePair(t)
	for i, way := range []struct{ from, to peer.Program }{{p.larder, p.redis}, {p.redis, p.larder}, {p.larder, p.larder}} {
		t.Run(fmt.Sprintf("%s to %s", way.from.Name, way.to.Name), func(t *testing.T) {
			s, from := serve(t, way.from, "", compression(i%2 == 0))
			from.fill(interopKeys, uint64(i))
			from.do("SAVE")
			content, err := os.ReadFile(filepath.Join(s.Dir, "dump.rdb"))
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			path := filepath.Join(dir, "dump.rdb")
			if err := os.WriteFile(path, content, 0o644); err != nil {
				t.Fatal(err)
			}
			if check, err := exec.LookPath("redis-check-rdb"); err == nil {
				if out, err := exec.Command(check, path).CombinedOutput(); err != nil {
					t.Errorf("redis-check-rdb: %v\n%s", err, out)
				}
			}
			_, to := serve(t, way.to, dir)
			same(t, from, to)
			before := from.do("DEBUG", "DIGEST").String()
			from.do("DEBUG", "RELOAD")
			if after := from.do("DEBUG", "DIGEST").String(); after != before {
				t.Errorf("DEBUG RELOAD made %s of %s", after, before)
			}
		})
	}
}

// TestOldPayloadsLive gives the payloads of old versions that the codec's tests read to both servers.
func TestOldPayloadsLive(t *testing.T) {
	if !*live {
		return
	}
	p := livePair(t)
	_, larder := serve(t, p.larder, "")
	_, redis := serve(t, p.redis, "")
	payloads := oldPayloads(t)
	compared := 0
	for _, name := range slices.Sorted(maps.Keys(payloads)) {
		larder.do("RESTORE", name, "0", payloads[name])
		v, err := redis.Do("RESTORE", name, "0", payloads[name])
		if err != nil {
			t.Fatal(err)
		}
		if v.IsError() { // of a later version than the installed server
			continue
		}
		compared++
		if x, y := larder.describe(name), redis.describe(name); x != y {
			t.Errorf("%s:\n%.2000s\n---\n%.2000s", name, x, y)
		}
	}
	if compared < 10 {
		t.Errorf("redis-server took only %d of %d payloads", compared, len(payloads))
	}
}

func oldPayloads(t *testing.T) map[string]string {
	t.Helper()
	f, err := os.Open("../../persistence/codec/testdata/old.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	payloads := map[string]string{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		name := lines.Text()
		lines.Scan()
		b, err := hex.DecodeString(lines.Text())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		payloads[name] = string(b)
	}
	if lines.Err() != nil || len(payloads) == 0 {
		t.Fatalf("old.txt: %v", lines.Err())
	}
	return payloads
}
