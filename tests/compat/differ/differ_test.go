package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"larder/tests/internal/peer"
	"larder/tests/internal/wire"
)

var (
	live     = flag.Bool("live", false, "fail where there is no server to compare with")
	seed     = flag.Uint64("seed", 1, "seed of the scripts")
	commands = flag.Int("commands", 0, "commands to play; 0: 40,000")
	against  = flag.String("against", "redis-server", "the server that larder is compared with")
)

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	peer.RemoveBuild()
	os.Exit(code)
}

func budget() int {
	switch {
	case *commands > 0:
		return *commands
	case testing.Short():
		return 10_000
	}
	return 40_000
}

func play(t *testing.T, o options) {
	t.Helper()
	o.seed, o.caseSize, o.maxDifferences, o.only = *seed, 400, 3, -1
	differences, err := run(o, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	if differences > 0 {
		t.Errorf("%d differences; the scenes above show them", differences)
	}
}

// TestLarderNextToRedis needs a redis-server to compare with; the recorded scenes are for machines without one.
func TestLarderNextToRedis(t *testing.T) {
	if _, ok := peer.Find(*against); !ok && !*live {
		t.Skipf("no %s on PATH", *against)
	}
	play(t, options{a: "larder", b: *against, commands: budget()})
}

// TestEncodingsMakeNoDifference plays scripts on two larders, one of which never uses a compact encoding.
func TestEncodingsMakeNoDifference(t *testing.T) {
	defer func(rule equal, all []difference) { rules["OBJECT"], known = rule, all }(rules["OBJECT"], known)
	for _, limits := range []string{"tiny", "none"} {
		t.Run(limits, func(t *testing.T) {
			play(t, options{a: "larder", b: "larder", limitsA: "default", limitsB: limits, ignoreEncoding: true, commands: budget() / 4})
		})
	}
}

func every(string) bool { return true }

func TestScriptsDependOnTheSeedAlone(t *testing.T) {
	all := loadFamilies(every, 9999, every)
	script := func(seed, number uint64) string {
		g := newGenerator(seed, number, all)
		var b strings.Builder
		for range 500 {
			for _, s := range g.next() {
				b.WriteString(line(s) + "\n")
			}
		}
		return b.String()
	}
	first, again := script(1, 2), script(1, 2)
	if first != again {
		t.Error("the same seed makes different scripts")
	}
	if first == script(1, 3) || first == script(2, 2) {
		t.Error("different seeds make the same script")
	}
}

// Every template must make commands, and every remembered word be the same in all places.
func TestEveryTemplateMakesCommands(t *testing.T) {
	all := loadFamilies(every, 9999, every)
	g := newGenerator(1, 1, all)
	for _, f := range all {
		for _, tpl := range f.templates {
			for range 50 {
				for _, s := range g.unit(tpl) {
					if slices.Contains([]stepKind{await, collect, leave}, s.kind) != (len(s.args) == 0) || s.conn < 1 {
						t.Fatalf("%s: %q makes %+v", f.name, tpl.text, s)
					}
					if slices.ContainsFunc(s.args, func(a string) bool { return strings.ContainsAny(a, "{}") }) && !slices.Contains([]string{"script", "conversion", "function", "client"}, f.name) && s.args[0] != "COMMAND" {
						t.Fatalf("%s: %q makes %q", f.name, tpl.text, s.args)
					}
				}
			}
		}
	}
	u := g.unit(parseTemplate("DEL {key@a} ; 2!BLPOP {@a} 0 ; 2<"))
	if len(u) != 3 || u[0].args[1] != u[1].args[1] || u[1].kind != block || u[1].conn != 2 || u[2].kind != await {
		t.Errorf("unit %+v", u)
	}
}

// TestEveryDataCommandIsPlayed: a command that no template names would never be compared.
func TestEveryDataCommandIsPlayed(t *testing.T) {
	var text strings.Builder
	for _, f := range slices.Concat(familyTexts, newerTexts) {
		text.WriteString(f.text + "\n")
	}
	words := strings.FieldsFunc(text.String(), func(r rune) bool { return !(r >= 'A' && r <= 'Z' || r == '_') })
	for _, name := range strings.Fields(dataCommands) {
		if !slices.Contains(words, name) {
			t.Errorf("no template plays %s", name)
		}
	}
}

// dataCommands are the commands that read or write keys. Left out are those that need another server or change what
// all clients see (MIGRATE, WAIT), and RESTORE, whose payloads are each server's own.
const dataCommands = `
APPEND BITCOUNT BITFIELD BITFIELD_RO BITOP BITPOS BLMOVE BLMPOP BLPOP BRPOP BRPOPLPUSH BZMPOP BZPOPMAX BZPOPMIN COPY DBSIZE DECR DECRBY DEL
DISCARD DUMP ECHO EXEC EXISTS EXPIRE EXPIREAT EXPIRETIME FLUSHDB GEOADD GEODIST GEOHASH GEOPOS GEORADIUS GEORADIUSBYMEMBER GEORADIUS_RO
GEOSEARCH GEOSEARCHSTORE GET GETBIT GETDEL GETEX GETRANGE GETSET HDEL HEXISTS HEXPIRE HEXPIREAT HEXPIRETIME HGET HGETALL HGETDEL HGETEX HINCRBY
HINCRBYFLOAT HKEYS HLEN HMGET HMSET HPERSIST HPEXPIRE HPEXPIREAT HPEXPIRETIME HPTTL HRANDFIELD HSCAN HSET HSETEX HSETNX HSTRLEN HTTL HVALS INCR
INCRBY INCRBYFLOAT KEYS LCS LINDEX LINSERT LLEN LMOVE LMPOP LPOP LPOS LPUSH LPUSHX LRANGE LREM LSET LTRIM MEMORY MGET MOVE MSET MSETNX MULTI OBJECT
PERSIST PEXPIRE PEXPIREAT PEXPIRETIME PFADD PFCOUNT PFMERGE PING PSETEX PTTL RANDOMKEY RENAME RENAMENX RPOP RPOPLPUSH RPUSH RPUSHX SADD SCAN SCARD
SDIFF SDIFFSTORE SELECT SET SETBIT SETEX SETNX SETRANGE SINTER SINTERCARD SINTERSTORE SISMEMBER SMEMBERS SMISMEMBER SMOVE SORT SORT_RO SPOP
SRANDMEMBER SREM SSCAN STRLEN SUBSTR SUNION SUNIONSTORE SWAPDB TOUCH TTL TYPE UNLINK UNWATCH WATCH XACK XADD XAUTOCLAIM XCLAIM XDEL XGROUP XINFO
XLEN XPENDING XRANGE XREAD XREADGROUP XREVRANGE XSETID XTRIM ZADD ZCARD ZCOUNT ZDIFF ZDIFFSTORE ZINCRBY ZINTER ZINTERCARD ZINTERSTORE ZLEXCOUNT
ZMPOP ZMSCORE ZPOPMAX ZPOPMIN ZRANDMEMBER ZRANGE ZRANGEBYLEX ZRANGEBYSCORE ZRANGESTORE ZRANK ZREM ZREMRANGEBYLEX ZREMRANGEBYRANK ZREMRANGEBYSCORE
ZREVRANGE ZREVRANGEBYLEX ZREVRANGEBYSCORE ZREVRANK ZSCAN ZSCORE ZUNION ZUNIONSTORE`

func reply(t *testing.T, raw string) wire.Value {
	t.Helper()
	v, err := wire.Parse([]byte(raw))
	if err != nil {
		t.Fatalf("%q: %v", raw, err)
	}
	return v
}

func bulks(texts ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(texts))
	for _, s := range texts {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(s), s)
	}
	return b.String()
}

// A comparison that finds everything equal finds nothing: both answers of each rule.
func TestRules(t *testing.T) {
	for _, c := range []struct {
		args string
		a, b string
		want bool
	}{
		{"GET k", "$1\r\na\r\n", "$1\r\na\r\n", true},
		{"GET k", "$1\r\na\r\n", "$1\r\nb\r\n", false},
		{"GET k", "$-1\r\n", "*-1\r\n", false},
		{"SMEMBERS s", bulks("a", "b"), bulks("b", "a"), true},
		{"SMEMBERS s", bulks("a", "a"), bulks("b", "a"), false},
		{"SMEMBERS s", bulks("a"), "~1\r\n$1\r\na\r\n", false},
		{"LRANGE l 0 -1", bulks("a", "b"), bulks("b", "a"), false},
		{"HGETALL h", bulks("a", "1", "b", "2"), bulks("b", "2", "a", "1"), true},
		{"HGETALL h", bulks("a", "1", "b", "2"), bulks("b", "1", "a", "2"), false},
		{"SCAN 0", "*2\r\n$1\r\n0\r\n" + bulks("a", "b"), "*2\r\n$1\r\n0\r\n" + bulks("b", "a"), true},
		{"SCAN 0", "*2\r\n$1\r\n0\r\n" + bulks("a", "b"), "*2\r\n$1\r\n5\r\n" + bulks("b", "a"), false},
		{"HSCAN h 7", "*2\r\n$1\r\n0\r\n" + bulks("a", "b"), "*2\r\n$1\r\n0\r\n" + bulks(), true},
		{"HSCAN h 0", "*2\r\n$1\r\n0\r\n" + bulks("a", "b"), "*2\r\n$1\r\n0\r\n" + bulks(), false},
		{"SORT s BY x LIMIT 0 1", bulks("1"), bulks("2"), true},
		{"SORT s BY x* LIMIT 0 1", bulks("1"), bulks("2"), false},
		{"SPOP s", "$1\r\na\r\n", "$1\r\nb\r\n", true},
		{"SPOP s", "$1\r\na\r\n", "$-1\r\n", false},
		{"SPOP s 2", bulks("a", "b"), bulks("c"), false},
		{"TTL k", ":100\r\n", ":99\r\n", true},
		{"TTL k", ":200\r\n", ":100\r\n", false},
		{"TTL k", ":-1\r\n", ":-2\r\n", false},
		{"TTL k", ":1\r\n", ":-1\r\n", false},
		{"SPOP s", "-ERR a\r\n", "-ERR b\r\n", false},
		{"SORT l", bulks("1", "2"), bulks("2", "1"), false},
		{"SORT s BY nosort", bulks("1", "2"), bulks("2", "1"), true},
		{"XADD s 1-1 a b", "$3\r\n1-1\r\n", "$3\r\n1-2\r\n", false},
		{"XADD s * a b", "$3\r\n1-1\r\n", "$3\r\n1-2\r\n", true},
		{"XPENDING s g - + 10", "*1\r\n*4\r\n$3\r\n1-1\r\n$1\r\nc\r\n:5\r\n:1\r\n", "*1\r\n*4\r\n$3\r\n1-1\r\n$1\r\nc\r\n:7\r\n:1\r\n", true},
		{"XPENDING s g - + 10", "*1\r\n*4\r\n$3\r\n1-1\r\n$1\r\nc\r\n:5\r\n:1\r\n", "*1\r\n*4\r\n$3\r\n1-1\r\n$1\r\nc\r\n:5\r\n:2\r\n", false},
		{"XINFO CONSUMERS s g", "*1\r\n" + bulks("name", "c", "idle", "5"), "*1\r\n" + bulks("name", "c", "idle", "6"), true},
		{"XINFO CONSUMERS s g", "*1\r\n" + bulks("name", "c", "pending", "5"), "*1\r\n" + bulks("name", "c", "pending", "6"), false},
		{"OBJECT ENCODING k", "$3\r\nint\r\n", "$3\r\nraw\r\n", false},
		{"DUMP k", "$13\r\n\x00\x01aVVCCCCCCCC\r\n", "$13\r\n\x00\x01aWVCDCCCCCC\r\n", true}, // the version and the checksum
		{"DUMP k", "$13\r\n\x00\x01aVVCCCCCCCC\r\n", "$13\r\n\x00\x01bVVCCCCCCCC\r\n", false},
		{"DUMP k", "$18\r\n\x00\xc3\x04\x06\x00a\x60\x00VVCCCCCCCC\r\n", "$18\r\n\x00\x06aaaaaaVVCCCCCCCC\r\n", true}, // compressed
		{"DUMP k", "$13\r\n\x02\x01aVVCCCCCCCC\r\n", "$13\r\n\x02\x01bVVCCCCCCCC\r\n", true},                          // in the server's order
		{"FUNCTION LIST", bulks("a", "b"), bulks("b", "a"), true},
		{"FUNCTION LIST", bulks("a", "b"), bulks("b", "c"), false},
		{"OBJECT IDLETIME k", ":1\r\n", ":2\r\n", true},
	} {
		a, b := reply(t, c.a), reply(t, c.b)
		if got := same(strings.Fields(c.args), a, b); got != c.want {
			t.Errorf("%s: %q and %q: same is %v, want %v", c.args, c.a, c.b, got, c.want)
		}
		if got := same(strings.Fields(c.args), b, a); got != c.want {
			t.Errorf("%s: the other way round: %v", c.args, got)
		}
	}
	if why := intended([]string{"ZSCORE", "z", "a"}, reply(t, "$3\r\n0.1\r\n"), reply(t, "$19\r\n0.10000000000000001\r\n"), 700); why == "" {
		t.Error("7.0's seventeen digits are not known")
	}
	if why := intended([]string{"ZSCORE", "z", "a"}, reply(t, "$3\r\n0.1\r\n"), reply(t, "$3\r\n0.2\r\n"), 700); why != "" {
		t.Error("different numbers are taken for the same:", why)
	}
	if why := intended([]string{"ZSCORE", "z", "a"}, reply(t, "$3\r\n0.1\r\n"), reply(t, "$19\r\n0.10000000000000001\r\n"), 702); why != "" {
		t.Error("7.2 writes as few digits as larder:", why)
	}
}

// What is printed must be fit for testdata.
func TestReportIsAScene(t *testing.T) {
	v := &versus{a: &side{name: "one"}, b: &side{name: "other"}}
	units := []unit{{{conn: 1, args: []string{"SET", "k", "a b\x00"}}}, {{conn: 2, kind: block, args: []string{"BLPOP", "q", "0"}}, {conn: 2, kind: await}}}
	m := &mismatch{index: 2, args: []string{"BLPOP"}, a: reply(t, "$1\r\na\r\n"), b: reply(t, "*-1\r\n")}
	text := v.report("title", units, m, 2)
	for _, want := range []string{"== title\n", `SET k "a b\x00"`, "@2 {block} BLPOP q 0\n", "@2 .read\n", `#    "a"`, "\n    nil*\n"} {
		if !bytes.Contains([]byte(text), []byte(want)) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

// TestWhatIsKept plays scripts on one larder and compares what they leave with what its replica, snapshot and log have.
func TestWhatIsKept(t *testing.T) {
	defer func(rule equal, all []difference) { rules["OBJECT"], known = rule, all }(rules["OBJECT"], known)
	play(t, options{kept: "all", commands: budget() / 4})
}

// Replies are cut out of what comes without being understood: wherever a packet ends, and no reply may end early.
func TestFrameSize(t *testing.T) {
	for _, f := range []string{"+OK\r\n", "-ERR x\r\n", ":1\r\n", "_\r\n", "$-1\r\n", "*-1\r\n", "$0\r\n\r\n", "$3\r\na\r\n\r\n", "*0\r\n", "*2\r\n$1\r\na\r\n*1\r\n:1\r\n", "%1\r\n+a\r\n~1\r\n#t\r\n", ">1\r\n+a\r\n"} {
		if n, err := frameSize([]byte(f + "+more")); n != len(f) || err != nil {
			t.Errorf("%q takes %d bytes, %v", f, n, err)
		}
		for i := range len(f) {
			if n, err := frameSize([]byte(f[:i])); n != 0 || err != nil {
				t.Errorf("%q takes %d bytes, %v", f[:i], n, err)
			}
		}
	}
	for _, f := range []string{"OK\r\n", "$x\r\n", "*-2\r\n", "*1\r\n?\r\n", "$\r\n"} {
		if _, err := frameSize([]byte(f)); err == nil {
			t.Errorf("%q is taken", f)
		}
	}
}

// The replies of a transaction are judged command by command, and those of blocked clients by what these have asked.
func TestWhoseReplyItIs(t *testing.T) {
	at := func(conn int, kind stepKind, words string) step { return step{conn, kind, strings.Fields(words)} }
	script := []step{at(1, plain, "MULTI"), at(2, block, "BLPOP l 0"), at(1, plain, "SMEMBERS s"), at(2, await, ""), at(1, plain, "GET k"), at(1, plain, "EXEC")}
	play := func(popped, exec string) [][]byte {
		return [][]byte{[]byte("+OK\r\n"), nil, []byte("+QUEUED\r\n"), []byte(popped), []byte("+QUEUED\r\n"), []byte(exec)}
	}
	v := &versus{a: &side{}, b: &side{}, tally: newTally()}
	first := play(bulks("l", "x"), "*2\r\n"+bulks("a", "b")+"$1\r\nv\r\n")
	for _, c := range []struct {
		other [][]byte
		want  string
	}{
		{play(bulks("l", "x"), "*2\r\n"+bulks("b", "a")+"$1\r\nv\r\n"), ""},
		{play(bulks("l", "x"), "*2\r\n"+bulks("b", "a")+"$1\r\nw\r\n"), "GET k"},
		{play(bulks("l", "y"), "*2\r\n"+bulks("b", "a")+"$1\r\nv\r\n"), "BLPOP l 0"},
	} {
		m, err := v.compare(script, first, c.other)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if m != nil {
			got = strings.Join(m.args, " ")
		}
		if got != c.want {
			t.Errorf("the difference is in %q, want %q", got, c.want)
		}
	}
}

// TestSameHeard has times in the replies that one connection has read differ by a moment, and by more.
func TestSameHeard(t *testing.T) {
	values := func(text string) []wire.Value {
		list, err := frames([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	commands := [][]string{{"CLIENT", "TRACKING", "ON"}, {"PTTL", "k"}}
	const a = "+OK\r\n>2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n:5000\r\n"
	for _, x := range []struct {
		b    string
		same bool
	}{
		{a, true},
		{strings.Replace(a, ":5000", ":4999", 1), true},
		{strings.Replace(a, ":5000", ":-1", 1), false},
		{strings.Replace(a, "$1\r\nk", "$1\r\nx", 1), false},
		{strings.Replace(a, "+OK\r\n", "", 1), false},
		{"+OK\r\n:5000\r\n>2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n", false},
	} {
		if got := sameHeard(commands, values(a), values(x.b)); got != x.same {
			t.Errorf("%q and %q are the same: %v", a, x.b, got)
		}
	}
	if sameHeard(commands[:1], values(a), values(a)) {
		t.Error("more replies than commands are taken")
	}
}
