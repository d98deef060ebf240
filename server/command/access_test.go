package command

import (
	"strings"
	"testing"
)

// wordsOf is a request that was written as one text, in which no word has a blank.
func wordsOf(request string) (words []any) {
	for word := range strings.SplitSeq(request, " ") {
		words = append(words, word)
	}
	return words
}

// TestAboutToChangeIsAccess: whoever is about to change a key has used it, whether it comes to a change or not, as in Redis:
// sessions whose time is renewed at every request are not those that an LRU policy may drop.
func TestAboutToChangeIsAccess(t *testing.T) {
	for _, request := range []string{
		"EXPIRE s 100", "EXPIRE s 100 XX", "PEXPIREAT s 33177117420000 GT", "PERSIST s", "SETNX s 1", "SET s 1 NX", "MSETNX new 1 s 2",
		"RENAMENX other s", "COPY other s", "RESTORE s 0 payload", "SETRANGE s 0 ", "MOVE s 1", "APPEND s ", "GETEX s",
	} {
		l := newLab(t)
		for _, key := range []string{"s", "other"} {
			l.do("SET", key, "v")
		}
		l.c.DB = 1
		l.do("SET", "s", "there") // which MOVE will not replace
		l.c.DB = 0
		l.c.Now += 5_000_000
		l.want(":5000", "OBJECT", "IDLETIME", "s")
		words := wordsOf(request)
		l.do(words...)
		if got := l.do("OBJECT", "IDLETIME", "s"); got != ":0" {
			t.Errorf("idle time after %s: %s", request, got)
		}
		if words[0] == "MOVE" {
			l.c.DB = 1
			l.want(":0", "OBJECT", "IDLETIME", "s")
		}
	}
	l := newLab(t)
	l.do("SET", "s", "v")
	l.do("SET", "n", "1")
	l.do("SADD", "t", "a")
	l.c.Now += 5_000_000
	l.c.NoTouch = true // CLIENT NO-TOUCH
	for _, request := range [][]any{{"SET", "s", "w"}, {"INCR", "n"}, {"EXPIRE", "s", "100"}, {"GETSET", "s", "v"}, {"SUNIONSTORE", "s", "t"}} {
		l.do(request...)
		l.want(":5000", "OBJECT", "IDLETIME", "s")
		l.want(":5000", "OBJECT", "IDLETIME", "n")
	}
	l.c.NoTouch = false
	for _, request := range [][]any{{"EXISTS", "s"}, {"TYPE", "s"}, {"TTL", "s"}, {"OBJECT", "ENCODING", "s"}, {"SCAN", "0"}} {
		l.do(request...)
		l.want(":5000", "OBJECT", "IDLETIME", "s")
	}
}

// TestStoredResultKeepsCounter: a key whose value is replaced by a result keeps its LFU counter, as with SET.
func TestStoredResultKeepsCounter(t *testing.T) {
	for _, request := range []string{
		"SET s 1", "SUNIONSTORE s t", "SINTERSTORE s t t", "SDIFFSTORE t t none", "ZUNIONSTORE z 1 z", "ZINTERSTORE s 1 z", "ZDIFFSTORE z 1 z",
		"ZRANGESTORE z z 0 -1", "SORT l STORE l", "SORT l STORE s", "GEOSEARCHSTORE z z FROMLONLAT 0 0 BYRADIUS 30000 km", "BITOP NOT l s",
	} {
		l := newLab(t)
		l.ks.Clock.LFU = true
		l.ks.Clock.LogFactor, l.ks.Clock.DecayTime = 1<<30, 0 // nothing is counted by chance, nothing is forgotten
		for _, words := range [][]any{{"SET", "s", "v"}, {"SADD", "t", "a", "b"}, {"ZADD", "z", "1", "a"}, {"RPUSH", "l", "1", "2"}} {
			l.do(words...)
		}
		keys := []string{"s", "t", "z", "l"}
		l.c.Take(l.ks.All())
		for _, key := range keys {
			l.c.SetAccess([]byte(key), l.c.Clock().FreqWord(200, l.c.Now))
		}
		l.c.Release()
		words := wordsOf(request)
		if got := l.do(words...); strings.HasPrefix(got, "-") {
			t.Errorf("%s: %s", request, got)
		}
		for _, key := range keys {
			if got := l.do("OBJECT", "FREQ", key); got != ":200" {
				t.Errorf("frequency of %s after %s: %s", key, request, got)
			}
		}
		// A key that is removed first is a new one.
		l.do("DEL", "z")
		l.do("ZADD", "z", "1", "a")
		l.want(":5", "OBJECT", "FREQ", "z")
	}
}

// TestEveryWriteCountsOnce: an LFU counter that counts every access says how often a command has touched a key.
func TestEveryWriteCountsOnce(t *testing.T) {
	l := newLab(t)
	l.ks.Clock.LFU = true
	l.ks.Clock.LogFactor, l.ks.Clock.DecayTime = 0, 0
	for _, words := range [][]any{{"SET", "n", "1"}, {"SADD", "t", "a", "b"}, {"ZADD", "z", "1", "a"}} {
		l.do(words...)
	}
	for _, request := range [][]any{
		{"SET", "n", "2"}, {"SET", "n", "2", "XX"}, {"SET", "n", "2", "NX"}, {"INCR", "n"}, {"INCRBYFLOAT", "n", "1.5"}, {"MSET", "n", "1"}, {"SETEX", "n", "100", "1"}, {"APPEND", "n", "0"},
		{"SETRANGE", "n", "0", "5"}, {"EXPIRE", "n", "200"}, {"PERSIST", "n"}, {"GETEX", "n", "EX", "100"}, {"SETNX", "n", "1"}, {"SETBIT", "n", "1", "1"},
		{"GET", "n"}, {"SUNIONSTORE", "n", "t"}, {"SADD", "n", "c"}, {"ZUNIONSTORE", "n", "1", "z"}, {"ZADD", "n", "2", "b"},
	} {
		l.c.Take(l.ks.All())
		l.c.SetAccess([]byte("n"), l.c.Clock().FreqWord(100, l.c.Now))
		l.c.Release()
		l.do(request...)
		if got := l.do("OBJECT", "FREQ", "n"); got != ":101" {
			t.Errorf("frequency after %v: %s", request, got)
		}
	}
}

// TestReadsAreCounted: what a command looks up to read it is a hit or a miss, also where the reply is an error.
func TestReadsAreCounted(t *testing.T) {
	l := newLab(t)
	l.do("SET", "s", "v")
	l.do("XGROUP", "CREATE", "x", "g", "0", "MKSTREAM")
	counts := func() (hits, misses int) {
		for i := range l.ks.Shards() {
			st := &l.ks.Shard(i).Stats
			hits, misses = hits+int(st.Hits), misses+int(st.Misses)
		}
		return hits, misses
	}
	for _, c := range []struct {
		request      string
		hits, misses int
	}{
		{"SORT s", 1, 0}, {"XACK s g 1-1", 1, 0}, {"XACK x g 1-1", 1, 0}, {"XACK none g 1-1", 0, 1}, {"XCLAIM s g c 0 1-1", 1, 0}, {"XCLAIM x none c 0 1-1", 1, 0},
		{"XAUTOCLAIM s g c 0 0", 1, 0}, {"XAUTOCLAIM x g c 0 0 COUNT 0", 1, 0}, {"XAUTOCLAIM none g c 0 0 COUNT 0", 0, 1},
		{"XREADGROUP GROUP g c STREAMS s >", 1, 0}, {"XREADGROUP GROUP none c STREAMS x >", 1, 0}, {"SPOP t 1", 0, 0}, {"SPOP t 9", 1, 0},
	} {
		l.do("SADD", "t", "a", "b", "c")
		hits, misses := counts()
		l.do(wordsOf(c.request)...)
		h, m := counts()
		if h-hits != c.hits || m-misses != c.misses {
			t.Errorf("%s: %d hits and %d misses, want %d and %d", c.request, h-hits, m-misses, c.hits, c.misses)
		}
	}
}
