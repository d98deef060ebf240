package command

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

func TestHashEvents(t *testing.T) {
	l := newLab(t)
	now := l.c.Now
	for _, step := range []struct {
		request, reply, events string
		effects                string // joined by "; ", as sent if "same", none if empty
	}{
		{"HSET h a 1 b 2", ":2", "hset h", "same"},
		{"HMSET h a 1", "+OK", "hset h", "same"},
		{"HSETNX h a 1", ":0", "", ""},
		{"HSETNX h c 1", ":1", "hset h", "same"},
		{"HINCRBY h a 4", ":5", "hincrby h", "same"},
		{"HINCRBYFLOAT h a 0.5", "$3 5.5", "hincrbyfloat h", "HSET h a 5.5"},
		{"HDEL h none", ":0", "", ""},
		{"HDEL h a none b", ":2", "hdel h", "same"},
		{"HDEL h c", ":1", "hdel h, del h", "same"},
		{"EXISTS h", ":0", "", ""},

		{"HSET h a 1 b 2 c 3", ":3", "hset h", "same"},
		{"HEXPIRE h 100 FIELDS 2 a none", "*2 :1 :-2", "hexpire h", fmt.Sprintf("HPEXPIREAT h %d FIELDS 1 a", now+100_000)},
		{"HPEXPIRE h 100 NX FIELDS 2 a b", "*2 :0 :1", "hexpire h", fmt.Sprintf("HPEXPIREAT h %d NX FIELDS 1 b", now+100)},
		{"HPEXPIRE h 99 GT FIELDS 3 a b c", "*3 :0 :0 :0", "", ""},
		{"HPEXPIRE h 99 LT FIELDS 3 a b c", "*3 :1 :1 :1", "hexpire h", fmt.Sprintf("HPEXPIREAT h %d LT FIELDS 3 a b c", now+99)},
		{"HINCRBYFLOAT h a 1", "$1 2", "hincrbyfloat h", fmt.Sprintf("HSET h a 2; HPEXPIREAT h %d FIELDS 1 a", now+99)},
		{"HSETNX h a 1", ":0", "", ""},
		{"HPERSIST h FIELDS 3 a b none", "*3 :1 :1 :-2", "hpersist h", "same"},
		{"HPERSIST h FIELDS 1 a", "*1 :-1", "", ""},
		{"HEXPIREAT h 1 FIELDS 3 a none b", "*3 :2 :-2 :2", "hdel h", "HDEL h a; HDEL h b"},
		{"HPEXPIREAT h 0 FIELDS 1 c", "*1 :2", "hdel h, del h", "HDEL h c"},
		{"HEXPIRE h 1 FIELDS 2 a b", "*2 :-2 :-2", "", ""},

		{"HSETEX h FNX EX 10 FIELDS 2 a 1 b 2", ":1", "hset h, hexpire h", fmt.Sprintf("HSET h a 1 b 2; HPEXPIREAT h %d FIELDS 2 a b", now+10_000)},
		{"HSETEX h FNX FIELDS 2 b 1 c 2", ":0", "", ""},
		{"HSETEX h FXX FIELDS 2 b 1 c 2", ":0", "", ""},
		{"HSETEX h KEEPTTL FIELDS 2 a 3 b 2", ":1", "hset h", fmt.Sprintf("HSET h a 3 b 2; HPEXPIREAT h %d FIELDS 1 a; HPEXPIREAT h %d FIELDS 1 b", now+10_000, now+10_000)},
		{"HPTTL h FIELDS 1 a", "*1 :10000", "", ""},
		{"HSETEX h FIELDS 1 a 3", ":1", "hset h", "HSET h a 3"},
		{"HSETEX h KEEPTTL FIELDS 1 a 3", ":1", "hset h", "HSET h a 3"},
		{"HTTL h FIELDS 3 a b c", "*3 :-1 :10 :-2", "", ""},
		{"HGETEX h PERSIST FIELDS 2 a b", "*2 $1 3 $1 2", "hpersist h", "HPERSIST h FIELDS 1 b"},
		{"HGETEX h PX 5 FIELDS 2 a none", "*2 $1 3 $-1", "hexpire h", fmt.Sprintf("HPEXPIREAT h %d FIELDS 1 a", now+5)},
		{"HGETEX h FIELDS 1 a", "*1 $1 3", "", ""},
		{"HGETEX h PXAT 1 FIELDS 1 a", "*1 $1 3", "hdel h", "HDEL h a"},
		{"HGETDEL h FIELDS 2 none b", "*2 $-1 $1 2", "hdel h, del h", "HDEL h b"},
		{"HSETEX h PX 0 FIELDS 1 a 3", ":1", "hset h, hdel h, del h", "HDEL h a"},
		{"EXISTS h", ":0", "", ""},
	} {
		l.c.WantEffects = true
		l.want(step.reply, words(step.request)...)
		if got := l.told(); got != step.events {
			t.Errorf("%s: events %s, want %s", step.request, got, step.events)
		}
		want := step.effects
		if want == "same" {
			want = step.request
		}
		if got := strings.Join(l.effects, "; "); got != want {
			t.Errorf("%s: effect %s, want %s", step.request, got, want)
		}
	}
}

// TestHashLapse: a field whose time is over goes when a command asks for it.
func TestHashLapse(t *testing.T) {
	for _, size := range []int{0, 600} {
		l := newLab(t)
		l.c.WantEffects = true
		pad := size + 2
		fill := func() {
			l.do("DEL", "h")
			argv := []any{"HSET", "h", "f", "1", "g", "2"}
			for i := range size {
				argv = append(argv, "pad"+strconv.Itoa(i), "x")
			}
			l.do(argv...)
			l.do("HPEXPIRE", "h", 10, "FIELDS", 2, "f", "g")
			l.c.Now += 20
			l.told()
		}
		gone := func(request string, events string, effects ...string) {
			t.Helper()
			if got := l.told(); got != events {
				t.Errorf("%s: events %s, want %s", request, got, events)
			}
			if got, want := strings.Join(l.effects, "; "), strings.Join(effects, "; "); got != want {
				t.Errorf("%s: effect %s, want %s", request, got, want)
			}
		}
		for _, step := range []struct {
			request, reply, effect string
			left                   int // more than without f and g
		}{
			{"HGET h f", "$-1", "", 1},
			{"HEXISTS h f", ":0", "", 1},
			{"HSTRLEN h f", ":0", "", 1},
			{"HTTL h FIELDS 1 f", "*1 :-2", "", 1},
			{"HMGET h f g", "*2 $-1 $-1", "HDEL h g", 0},
			{"HRANDFIELD h 0", "*0", "HDEL h g", 0},
			{"HINCRBY h f 5", ":5", "HINCRBY h f 5", 2},
			{"HINCRBYFLOAT h f 5", "$1 5", "HSET h f 5", 2},
			{"HSETNX h f 5", ":1", "HSETNX h f 5", 2},
			{"HSETEX h FNX FIELDS 1 f 1", ":1", "HSET h f 1", 2},
			{"HSETEX h FXX FIELDS 1 f 1", ":0", "", 1},
			{"HPERSIST h FIELDS 1 f", "*1 :-2", "", 1},
			{"HEXPIRE h 10 FIELDS 1 f", "*1 :-2", "", 1},
			{"HGETEX h FIELDS 1 f", "*1 $-1", "", 1},
			{"HGETDEL h FIELDS 1 f", "*1 $-1", "", 1},
		} {
			fill()
			if got := l.do("HLEN", "h"); got != fmt.Sprintf(":%d", pad) {
				t.Errorf("HLEN: %s", got) // counts them as long as nobody has asked
			}
			l.want(step.reply, words(step.request)...)
			name, _, _ := strings.Cut(step.request, " ")
			effects := []string{"HDEL h f"}
			if step.effect != "" {
				effects = append(effects, step.effect)
			}
			events := "hexpired h"
			if size == 0 && step.left == 0 {
				events += ", del h"
			}
			if size > 0 && name == "HRANDFIELD" { // removes all in the order of the table
				effects = l.effects
			}
			switch name {
			case "HINCRBY":
				events += ", hincrby h"
			case "HINCRBYFLOAT":
				events += ", hincrbyfloat h"
			case "HSETNX":
				events += ", hset h"
			case "HSETEX":
				if step.left == 2 {
					events += ", hset h"
				}
			}
			gone(step.request, events, effects...)
			if got := l.do("HLEN", "h"); got != fmt.Sprintf(":%d", size+step.left) {
				t.Errorf("%s: HLEN %s, want %d", step.request, got, size+step.left)
			}
		}

		// HDEL sees them, lists of all do not show them, and setting a field makes it a new one.
		fill()
		l.want(":1", "HDEL", "h", "f")
		gone("HDEL", "hdel h", "HDEL h f")
		if size == 0 {
			l.want("*0", "HGETALL", "h")
			l.want("*0", "HKEYS", "h")
			l.want("*0", "HVALS", "h")
			l.want("*2 $1 0 *0", "HSCAN", "h", 0)
		}
		l.want(":1", "HSET", "h", "g", 3)
		l.want("*1 :-1", "HTTL", "h", "FIELDS", 1, "g")

		// A replica leaves them to its primary, but shows none.
		fill()
		l.c.ServeExpired = true
		l.want("$-1", "HGET", "h", "f")
		gone("HGET", "")
		l.want(fmt.Sprintf(":%d", pad), "HLEN", "h")
	}
}

func TestHashErrors(t *testing.T) {
	l := newLab(t)
	l.do("SET", "s", "v")
	l.do("HSET", "h", "f", "v", "n", 9223372036854775807, "i", "inf")
	const max_ms = 1<<46 - 1
	for _, c := range []struct{ request, reply string }{
		{"HSET s f", "-ERR wrong number of arguments for 'hset' command"},
		{"HSET s f v", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
		{"HMSET h f v g", "-ERR wrong number of arguments for 'hmset' command"},
		{"HINCRBY s f x", "-ERR value is not an integer or out of range"},
		{"HINCRBY h f 1", "-ERR hash value is not an integer"},
		{"HINCRBY h n 1", "-ERR increment or decrement would overflow"},
		{"HINCRBYFLOAT s f x", "-ERR value is not a valid float"},
		{"HINCRBYFLOAT h f 1", "-ERR hash value is not a float"},
		{"HINCRBYFLOAT h f inf", "-ERR value is NaN or Infinity"},
		{"HINCRBYFLOAT h f nan", "-ERR value is not a valid float"},
		{"HINCRBYFLOAT h i 1", "-ERR increment would produce NaN or Infinity"},
		{"HSCAN s x", "-ERR invalid cursor"},
		{"HSCAN s 0 FOO", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
		{"HSCAN none 0 FOO", "*2 $1 0 *0"},
		{"HSCAN h 0 COUNT 0", "-ERR syntax error"},
		{"HRANDFIELD h x", "-ERR value is not an integer or out of range"},
		{"HRANDFIELD h -9223372036854775808", "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807"},
		{"HRANDFIELD h -9223372036854770000 WITHVALUES", "-ERR value is out of range"},
		{"HRANDFIELD h 9223372036854770000 WITHVALUES", "-ERR value is out of range"},
		{"HRANDFIELD h 1 FOO", "-ERR syntax error"},
		{"HRANDFIELD h 1 WITHVALUES x", "-ERR syntax error"},
		{"HRANDFIELD h 0 WITHVALUES", "*0"},
		{"HEXPIRE s x FIELDS 1 f", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
		{"HEXPIRE h x FIELDS 1 f", "-ERR value is not an integer or out of range"},
		{"HEXPIRE h -1 FIELDS 1 f", "-ERR invalid expire time, must be >= 0"},
		{fmt.Sprintf("HEXPIRE h %d FIELDS 1 f", max_ms/1000), "-ERR invalid expire time in 'hexpire' command"},
		{fmt.Sprintf("HPEXPIRE h %d FIELDS 1 f", max_ms-l.c.Now+1), "-ERR invalid expire time in 'hpexpire' command"},
		{fmt.Sprintf("HPEXPIREAT h %d FIELDS 1 f", max_ms+1), "-ERR invalid expire time in 'hpexpireat' command"},
		{fmt.Sprintf("HPEXPIREAT none %d FIELDS 1 f", max_ms), "*1 :-2"},
		{"HEXPIRE h 1 NX XX FIELDS 1 f", "-ERR Mandatory argument FIELDS is missing or not at the right position"},
		{"HEXPIRE h 1 FIELDS 0 f", "-ERR Parameter `numFields` should be greater than 0"},
		{"HEXPIRE h 1 FIELDS x f", "-ERR Parameter `numFields` should be greater than 0"},
		{"HEXPIRE h 1 FIELDS 2 f", "-ERR The `numfields` parameter must match the number of arguments"},
		{"HTTL h FIELDS 0 f", "-ERR Number of fields must be a positive integer"},
		{"HTTL h FIELDS 1 f g", "-ERR The `numfields` parameter must match the number of arguments"},
		{"HPERSIST h FIELD 1 f", "-ERR Mandatory argument FIELDS is missing or not at the right position"},
		{"HGETEX h PXAT 1 1", "-ERR wrong number of arguments for 'hgetex' command"},
		{"HGETEX h PERSIST 1 FIELDS 1 a", "-ERR Mandatory argument FIELDS is missing or not at the right position"},
		{"HGETEX h EX 1 FIELDS", "-ERR wrong number of arguments for 'hgetex' command"},
		{"HGETEX h PX -1 FIELDS 1 a", "-ERR invalid expire time, must be >= 0"},
		{"HGETDEL h FIELDS -1 a", "-ERR Number of fields must be a positive integer"},
		{"HTTL h FIELDS 9223372036854775807 a", "-ERR The `numfields` parameter must match the number of arguments"},
		{"HEXPIRE h 10 FIELDS 9223372036854775807 a", "-ERR The `numfields` parameter must match the number of arguments"},
		{"HGETEX h EX 10 a", "-ERR wrong number of arguments for 'hgetex' command"},
		{"HGETEX h EX 10 a 1", "-ERR Mandatory argument FIELDS is missing or not at the right position"},
		{"HSETEX s FIELDS 1 a b c", "-ERR wrong number of arguments for 'hsetex' command"},
		{"HSETEX s NX FIELDS 1 a b", "-ERR unknown argument: NX"},
		{"HSETEX s FXX FNX FIELDS 1 a b", "-ERR Only one of FXX or FNX arguments can be specified"},
		{"HSETEX s EX 1 KEEPTTL FIELDS 1 a b", "-ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified"},
		{"HSETEX s EX FIELDS 1 a b", "-ERR value is not an integer or out of range"},
		{"HSETEX s FIELDS 0 a b", "-ERR invalid number of fields"},
		{"HSETEX s FXX KEEPTTL FIELDS 1", "-ERR wrong number of arguments for 'hsetex' command"},
		{"HSETEX s FIELDS 1 a b", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
	} {
		l.want(c.reply, words(c.request)...)
	}
	if got := l.told(); got != "set s, hset h" {
		t.Errorf("events %s", got)
	}
}

func TestHashResp3(t *testing.T) {
	l := newLab(t)
	l.do("HSET", "h", "f", "v")
	l.w.Proto = 3
	l.want("%1 $1 f $1 v", "HGETALL", "h")
	l.want("%0", "HGETALL", "none")
	l.want("*1 *2 $1 f $1 v", "HRANDFIELD", "h", 5, "WITHVALUES")
	l.want("*2 *2 $1 f $1 v *2 $1 f $1 v", "HRANDFIELD", "h", -2, "WITHVALUES")
	l.want("_", "HRANDFIELD", "none")
	l.want("_", "HGET", "h", "none")
	l.want("*0", "HRANDFIELD", "none", -2)
}

// TestEffects plays random commands about hashes and sets, and their effects on a replica that sees no time pass.
func TestEffects(t *testing.T) {
	steps := 6000
	if testing.Short() {
		steps = 1500
	}
	for seed := range uint64(4) {
		primary, replica := newLab(t), newLab(t)
		primary.c.WantEffects = true
		replica.c.Now, replica.c.ServeExpired = 1, true
		if seed%2 == 1 {
			primary.ks.Limits.HashMaxListpackEntries, primary.ks.Limits.SetMaxListpackEntries, primary.ks.Limits.SetMaxIntsetEntries = 2, 2, 2
		}
		r := rand.New(rand.NewPCG(seed, 5))
		pick := func(of ...string) string { return of[r.IntN(len(of))] }
		some := func(prefix string, n int) (list []any) {
			for range 1 + r.IntN(n) {
				list = append(list, prefix+strconv.Itoa(r.IntN(8)))
			}
			return list
		}
		one := func(request ...any) []any { return request }
		fields := func(head ...any) []any {
			names := some("f", 3)
			return append(append(head, "FIELDS", len(names)), names...)
		}
		for range steps {
			h, s, f := "h"+strconv.Itoa(r.IntN(3)), "s"+strconv.Itoa(r.IntN(3)), "f"+strconv.Itoa(r.IntN(8))
			if r.IntN(4) == 0 {
				primary.c.Now += int64(r.IntN(20))
			}
			ms := r.IntN(30)
			var request []any
			switch r.IntN(24) {
			case 0:
				request = one("HSET", h, f, r.IntN(100))
			case 1:
				request = one("HSETNX", h, f, r.IntN(100))
			case 2, 3:
				request = one("HINCRBY", h, f, r.IntN(100))
			case 4:
				request = one("HINCRBYFLOAT", h, f, 1.5)
			case 5:
				request = append(one("HDEL", h), some("f", 2)...)
			case 6, 7, 8:
				request = fields("HPEXPIRE", h, ms)
				if c := pick("", "NX", "XX", "GT", "LT"); c != "" {
					request = append(one("HPEXPIRE", h, ms, c), request[3:]...)
				}
			case 9:
				request = fields("HPERSIST", h)
			case 10:
				request = fields("HGETEX", h, "PX", ms)
			case 11:
				request = fields("HGETEX", h, "PERSIST")
			case 12:
				request = fields("HGETDEL", h)
			case 13:
				request = append(one("HMGET", h), some("f", 4)...)
			case 14:
				request = one("HRANDFIELD", h, 2)
			case 15, 16:
				request = one("HSETEX", h)
				if c := pick("", "FNX", "FXX"); c != "" {
					request = append(request, c)
				}
				if c := pick("", "KEEPTTL", "PX"); c == "PX" {
					request = append(request, c, ms)
				} else if c != "" {
					request = append(request, c)
				}
				request = append(request, "FIELDS", 1, f, r.IntN(100))
			case 17, 18, 19:
				request = append(one("SADD", s), some(pick("", "m"), 6)...)
			case 20:
				request = one("SPOP", s)
			case 21:
				request = one("SPOP", s, r.IntN(6))
			case 22:
				request = one("SMOVE", s, "s1", "m"+strconv.Itoa(r.IntN(8)))
			case 23:
				request = one(pick("SUNIONSTORE", "SINTERSTORE", "SDIFFSTORE"), s, "s0", "s1")
			}
			if reply := primary.do(request...); strings.HasPrefix(reply, "-ERR hash value is not an integer") {
				primary.do("DEL", h)
			} else if strings.HasPrefix(reply, "-") {
				t.Fatalf("%v: %s", request, reply)
			}
			for _, e := range primary.effects {
				if reply := replica.do(words(e)...); strings.HasPrefix(reply, "-") {
					t.Fatalf("%s on the replica: %s", e, reply)
				}
			}
			if a, b := primary.contents(), replica.contents(); !maps.Equal(a, b) {
				t.Fatalf("seed %d: after %v, effects %q\n%v\n%v", seed, request, primary.effects, a, b)
			}
		}
	}
}
