package command

import (
	"fmt"
	"strings"
	"testing"
)

// TestResultsWithoutMemory fills all shards and lets commands make large results: they reply an error, and what was at the
// key stays.
func TestResultsWithoutMemory(t *testing.T) {
	l := newLabOf(t, 8<<20)
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
