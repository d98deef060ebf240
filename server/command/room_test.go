package command

import (
	"fmt"
	"strings"
	"testing"

	"larder/datatypes"
)

// TestResultsWithoutMemory fills all shards and lets commands make large results: they reply an error, and what was at the
// key stays.
func TestResultsWithoutMemory(t *testing.T) {
	l := newLabOf(t, 16<<20) // three sources and their results may all have the same shard
	l.c.WantEffects = true
	const members = 40_000 // of 40 bytes: more than the step that is reserved at a time, and than the arena keeps for itself
	words := []any{"ZADD", "z"}
	geo := []any{"GEOADD", "g"}
	set := []any{"SADD", "s"}
	for i := range members {
		name := fmt.Sprintf("%040d", i)
		words = append(words, i, name)
		geo = append(geo, float64(i)/members, 0.5, name)
		set = append(set, name)
	}
	l.do(words...)
	l.do(geo...)
	l.do(set...)
	l.do("RPUSH", "large", strings.Repeat("x", 1<<20))
	for shard := range 4 {
		key := ""
		for i := 0; key == ""; i++ {
			if k := fmt.Sprint("dst", i); l.ks.ShardOf(l.ks.Hash([]byte(k))) == shard {
				key = k
			}
		}
		l.do("SET", key, "before")
		for i := 0; ; i++ { // as the dispatcher does before a request
			piece := strings.Repeat("x", 16<<10)
			name := ""
			for n := 0; name == ""; n++ {
				if k := fmt.Sprintf("fill%d.%d", i, n); l.ks.ShardOf(l.ks.Hash([]byte(k))) == shard {
					name = k
				}
			}
			if !l.ks.Reserve(1<<shard, len(piece)+64) {
				break
			}
			l.do("SET", name, piece)
		}
		for _, request := range [][]any{
			{"ZUNIONSTORE", key, 2, "z", "s"},
			{"ZINTERSTORE", key, 2, "z", "s"},
			{"ZDIFFSTORE", key, 2, "z", "none"},
			{"ZRANGESTORE", key, "z", 0, -1},
			{"GEOSEARCHSTORE", key, "g", "FROMLONLAT", 0, 0, "BYRADIUS", 1000, "km"},
			{"GEORADIUS", "g", 0, 0, 1000, "km", "STORE", key},
			{"SUNIONSTORE", key, "s", "none"},
			{"SORT", "s", "ALPHA", "STORE", key},
		} {
			if got := l.do(request...); !strings.HasPrefix(got, "-OOM") {
				t.Errorf("%v in shard %d: %.60q", request, shard, got)
			}
			if len(l.effects) > 0 {
				t.Errorf("%v in shard %d has done nothing, and its effect is %.60q", request, shard, l.effects)
			}
			if got := l.do("GET", key); got != "$6 before" {
				t.Errorf("after %v there is %.60q", request, got)
			}
		}
		l.do("DEL", key)
		if got := l.do("LMOVE", "large", key, "LEFT", "LEFT"); l.ks.ShardOf(l.ks.Hash([]byte("large"))) != shard && !strings.HasPrefix(got, "-OOM") {
			t.Errorf("LMOVE into shard %d: %.60q", shard, got)
		}
	}
}

// fill fills a shard until there is no room for another 16 KiB.
func (l *lab) fill(shard int) {
	l.t.Helper()
	piece := strings.Repeat("x", 16<<10)
	for i := 0; l.ks.Reserve(1<<shard, len(piece)+64); i++ { // as the dispatcher does before a request
		l.do("SET", l.keyIn(shard, fmt.Sprintf("fill%d.", i)), piece)
	}
}

// keyIn is a key in a shard that begins so.
func (l *lab) keyIn(shard int, prefix string) string {
	for n := 0; ; n++ {
		if k := fmt.Sprint(prefix, n); l.ks.ShardOf(l.ks.Hash([]byte(k))) == shard {
			return k
		}
	}
}

// TestCopyWithoutMemory: a value of many small elements and one large one, of which a few tell nothing, is too large for a shard.
func TestCopyWithoutMemory(t *testing.T) {
	l := newLabOf(t, 16<<20)
	src, dst := l.keyIn(0, "h"), l.keyIn(1, "dst")
	words := []any{"HSET", src}
	for i := range 2000 {
		words = append(words, fmt.Sprint("f", i), "v")
	}
	l.do(words...)
	l.do("HSET", src, "large", strings.Repeat("x", 4<<20))
	l.do("SET", dst, "before")
	room := l.keyIn(1, "room")
	l.do("SET", room, strings.Repeat("x", 3<<20))
	l.fill(1)
	l.do("DEL", room) // for what a few of the elements let expect
	if got := l.do("COPY", src, dst, "REPLACE"); !strings.HasPrefix(got, "-OOM") {
		t.Errorf("COPY: %.60q", got)
	}
	if got := l.do("RENAME", src, dst); !strings.HasPrefix(got, "-OOM") {
		t.Errorf("RENAME: %.60q", got)
	}
	l.want("$6 before", "GET", dst)
	l.want(":2001", "HLEN", src)
}

// TestReadingManyStreamsWithoutMemory: what is delivered of each stream takes little, and all of it together too much.
func TestReadingManyStreamsWithoutMemory(t *testing.T) {
	l := newLabOf(t, 32<<20)
	const streams, entries = 100, 500
	read, ids := []any{"XREADGROUP", "GROUP", "g", "c", "COUNT", entries, "STREAMS"}, []any(nil)
	for i := range streams {
		key := l.keyIn(1, fmt.Sprintf("s%d.", i))
		for id := range entries {
			l.do("XADD", key, id+1, "f", "v")
		}
		l.do("XGROUP", "CREATE", key, "g", "0")
		read, ids = append(read, key), append(ids, ">")
	}
	l.fill(1)
	if got := l.do(append(read, ids...)...); !strings.HasPrefix(got, "-OOM") {
		t.Errorf("%.60q", got)
	}
	l.want("*4 :0 $-1 $-1 *-1", "XPENDING", read[7], "g")
}

// fillBut fills a shard and leaves room for what the dispatcher reserves, and not much more.
func (l *lab) fillBut(shard int) {
	l.t.Helper()
	room := l.keyIn(shard, "room")
	l.do("SET", room, strings.Repeat("x", 600_000))
	l.fill(shard)
	l.do("DEL", room)
}

// unfill takes away what fill has filled a shard with.
func (l *lab) unfill(shard int) {
	l.t.Helper()
	for i := 0; l.do("DEL", l.keyIn(shard, fmt.Sprintf("fill%d.", i))) == ":1"; i++ {
	}
}

// TestLargeBlobsWithoutMemory: what is compact and large, as raised limits allow, may become a structure at its next change, or
// have to move to grow. That takes many times what the request brings.
func TestLargeBlobsWithoutMemory(t *testing.T) {
	l := newLabOf(t, 64<<20)
	limits := l.ks.Limits
	was := *limits
	limits.SetMaxIntsetEntries, limits.SetMaxListpackEntries = 1<<20, 1<<20
	limits.HashMaxListpackEntries, limits.ZSetMaxListpackEntries = 1<<20, 1<<20
	const n = 40_000
	ints, set, hash, zset := []any{"SADD", ""}, []any{"SADD", ""}, []any{"HSET", ""}, []any{"ZADD", ""}
	for i := range n {
		ints = append(ints, i)
	}
	for i := range n / 10 { // a change of these goes through all of them
		name := fmt.Sprintf("member %055d", i)
		set, hash, zset = append(set, name), append(hash, name, name), append(zset, i, name)
	}
	for shard, c := range []struct {
		words         []any
		change        []any
		size, compact string
		large         string
	}{
		{ints, []any{"SADD", "", "member"}, "SCARD", "intset", "hashtable"},
		{set, []any{"SADD", "", "member"}, "SCARD", "listpack", "hashtable"},
		{hash, []any{"HSET", "", "member", "value"}, "HLEN", "listpack", "hashtable"},
		{zset, []any{"ZADD", "", 1, "member"}, "ZCARD", "listpack", "skiplist"},
	} {
		key := l.keyIn(shard, "large")
		c.words[1], c.change[1] = key, key
		*limits = datatypes.Limits{
			SetMaxIntsetEntries: 1 << 20, SetMaxListpackEntries: 1 << 20, SetMaxListpackValue: 64, HashMaxListpackEntries: 1 << 20,
			HashMaxListpackValue: 64, ZSetMaxListpackEntries: 1 << 20, ZSetMaxListpackValue: 64,
		}
		l.do(c.words...)
		*limits = was
		size := l.do(c.size, key)
		l.fillBut(shard)
		l.c.WantEffects = true
		if got := l.do(c.change...); !strings.HasPrefix(got, "-OOM") || len(l.effects) > 0 {
			t.Errorf("%.20v: %.60q, effects %.60q", c.change, got, l.effects)
		}
		l.want(size, c.size, key)
		l.want(fmt.Sprintf("$%d %s", len(c.compact), c.compact), "OBJECT", "ENCODING", key)
		l.unfill(shard)
		l.want(":1", c.change...)
		l.want(fmt.Sprintf("$%d %s", len(c.large), c.large), "OBJECT", "ENCODING", key)
	}
}

// TestCompactResultsWithoutMemory: a result that stays compact for long is not in the shard until it becomes a structure, or is
// stored.
func TestCompactResultsWithoutMemory(t *testing.T) {
	l := newLabOf(t, 64<<20)
	l.ks.Limits.SetMaxIntsetEntries = 1 << 20
	const n = 200_000
	src, dst := l.keyIn(0, "ints"), l.keyIn(1, "dst")
	words := []any{"SADD", src}
	for i := range n {
		words = append(words, i)
	}
	l.do(words...)
	l.do("SADD", "other", "x")
	l.fillBut(1)
	for _, request := range [][]any{{"SUNIONSTORE", dst, src, "other"}, {"SUNIONSTORE", dst, src, "none"}, {"SDIFFSTORE", dst, src, "other"}} {
		if got := l.do(request...); !strings.HasPrefix(got, "-OOM") {
			t.Errorf("%v: %.60q", request, got)
		}
	}
	l.want(":0", "EXISTS", dst)
	l.unfill(1)
	l.want(fmt.Sprint(":", n+1), "SUNIONSTORE", dst, src, "other")
	l.want(fmt.Sprint(":", n), "SDIFFSTORE", dst, src, "other")
}

// TestTimesOfManyFieldsWithoutMemory: a time makes a field larger, which may move it to another place with all of its value.
func TestTimesOfManyFieldsWithoutMemory(t *testing.T) {
	l := newLabOf(t, 64<<20)
	const fields = 2000
	key := l.keyIn(2, "h")
	hset, names := []any{"HSET", key}, []any{}
	for i := range fields {
		name := fmt.Sprintf("%06d", i)
		hset, names = append(hset, name, strings.Repeat("x", 8<<10-12)), append(names, name)
	}
	l.do(hset...)
	l.fillBut(2)
	for _, request := range [][]any{{"HEXPIRE", key, 100, "FIELDS", fields}, {"HGETEX", key, "EX", 100, "FIELDS", fields}} {
		if got := l.do(append(request, names...)...); !strings.HasPrefix(got, "-OOM") {
			t.Errorf("%v: %.60q", request, got)
		}
	}
	l.want("*1 :-1", "HTTL", key, "FIELDS", 1, names[0])
	l.want("*1 :1", "HEXPIRE", key, 100, "FIELDS", 1, names[fields-1])
	l.unfill(2)
	if got := l.do(append([]any{"HEXPIRE", key, 100, "FIELDS", fields}, names...)...); strings.Count(got, ":1") != fields {
		t.Errorf("%.60q", got)
	}
	l.fillBut(2)
	if got := l.do(append([]any{"HPERSIST", key, "FIELDS", fields}, names...)...); !strings.HasPrefix(got, "-OOM") {
		t.Errorf("%.60q", got)
	}
	l.want("*1 :100", "HTTL", key, "FIELDS", 1, names[0])
}

// TestLargeNodesWithoutMemory: a stream's node that may be large moves when it grows.
func TestLargeNodesWithoutMemory(t *testing.T) {
	l := newLabOf(t, 64<<20)
	l.ks.Limits.StreamNodeMaxBytes, l.ks.Limits.StreamNodeMaxEntries = 32<<20, 0
	key, value := l.keyIn(3, "s"), strings.Repeat("x", 50_000)
	n := 0
	for ; n < 100; n++ {
		l.do("XADD", key, n+1, "field", value)
	}
	l.fillBut(3)
	for ; l.do("XADD", key, n+1, "field", value) == fmt.Sprintf("$%d %d-0", len(fmt.Sprint(n+1))+2, n+1); n++ {
		if n > 600 {
			t.Fatal("there was always memory")
		}
	}
	if got := l.do("XADD", key, n+1, "field", value); !strings.HasPrefix(got, "-OOM") {
		t.Errorf("%.60q", got)
	}
	l.want(fmt.Sprint(":", n), "XLEN", key)
}
