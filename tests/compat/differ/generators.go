package main

import (
	"strconv"
	"strings"
)

// The keys that scripts use: few, so that commands meet; named after the type that they mostly hold.
var keysOf = map[string][]string{
	"str":    {"k0", "k1", "k2", "k3"},
	"list":   {"l0", "l1", "l2"},
	"hash":   {"h0", "h1", "h2"},
	"set":    {"s0", "s1", "s2"},
	"zset":   {"z0", "z1", "z2"},
	"stream": {"x0", "x1"},
	"geo":    {"g0", "g1"},
	"hll":    {"p0", "p1"},
	"none":   {"none"},
}

// flatKeys hold sorted sets whose scores are all 0. No other command uses them.
var flatKeys = []string{"y0", "y1"}

// keyKinds are the names of keysOf in a fixed order: scripts depend on the seed alone.
var keyKinds = []string{"str", "list", "hash", "set", "zset", "stream", "geo", "hll", "none"}

var allKeys = func() (all []string) {
	for _, kind := range keyKinds {
		all = append(all, keysOf[kind]...)
	}
	return all
}()

func keyOf(kind string) func(*generator) []string {
	return func(g *generator) []string {
		if g.chance(0.06) {
			return []string{g.pick(allKeys...)}
		}
		return []string{g.pick(keysOf[kind]...)}
	}
}

// keyList gives "numkeys key...": mostly right, sometimes with a wrong count.
func keyList(kind string, limit int) func(*generator) []string {
	return func(g *generator) []string {
		n := 1 + g.IntN(limit)
		out := []string{itoa(n)}
		if g.chance(0.02) {
			out[0] = g.pick("0", "-1", itoa(n+1), "foo", "1")
		}
		for range n {
			out = append(out, keyOf(kind)(g)...)
		}
		return out
	}
}

func one(f func(g *generator) string) func(*generator) []string {
	return func(g *generator) []string { return []string{f(g)} }
}

func words(list ...string) func(*generator) []string {
	return func(g *generator) []string { return []string{g.pick(list...)} }
}

// generators make the words of templates.
var generators map[string]func(*generator) []string

func init() {
	generators = map[string]func(*generator) []string{
		"key": func(g *generator) []string { return []string{g.pick(allKeys...)} },
		"str": keyOf("str"), "list": keyOf("list"), "hash": keyOf("hash"), "set": keyOf("set"), "zset": keyOf("zset"),
		"stream": keyOf("stream"), "geo": keyOf("geo"), "hll": keyOf("hll"),
		"flat":    words(flatKeys...),
		"zsets":   func(g *generator) []string { return keyList(g.pick("zset", "zset", "zset", "set"), 3)(g) },
		"zsets_w": weighted,
		"sets":    keyList("set", 3),
		"lists":   keyList("list", 3),

		"val":    one((*generator).value),
		"dumped": words(lastDump),
		"soup":   one(func(g *generator) string { return g.pick(soupCommands...) }),
		"word": one(func(g *generator) string {
			switch g.IntN(4) {
			case 0:
				return g.pick(junk...)
			case 1:
				return g.number()
			}
			return g.pick(allKeys...)
		}),
		"known":  func(g *generator) []string { return g.ordinary() },
		"keys_n": keyList("str", 2),
		"json":   words("{}", "[]", `{"a":[1,{"b":null}],"c":"\u00e9\n"}`, "[[[[1]]]]", "{", "[1,]", `"x"`, "1", "nul", "[1.0,10000000000000000,0.1,1e300]"),
		"text": one(func(g *generator) string {
			return g.pick("", "hello world", "ohmytext", "mynewtext", strings.Repeat(g.pick("ab", "abc"), g.IntN(40)), g.field())
		}),
		"num": one((*generator).number),
		"mid": one(func(g *generator) string {
			return strconv.FormatInt(g.Int64N(1<<uint(1+g.IntN(62)))-g.Int64N(1<<uint(1+g.IntN(62))), 10)
		}), // Redis overflows with larger ones
		"float":  one((*generator).float),
		"field":  one((*generator).field),
		"fields": func(g *generator) []string { return g.fields(one((*generator).field)) },
		"fields_v": func(g *generator) []string {
			return g.fields(func(g *generator) []string { return []string{g.field(), g.value()} })
		},
		"digest":  words("0000000000000000", "ffffffffffffffff", "FFFFFFFFFFFFFFFF", "0123456789abcdef", "012345678", "000000000000000g", ""),
		"member":  one((*generator).field),
		"item":    one((*generator).field),
		"score":   one((*generator).score),
		"geo_m":   func(g *generator) []string { return []string{"m" + itoa(g.IntN(25))} },
		"index":   one((*generator).index),
		"place":   func(g *generator) []string { return []string{itoa(g.IntN(16) - 6)} },
		"small":   func(g *generator) []string { return []string{itoa(g.IntN(6))} },
		"count":   words("0", "1", "2", "3", "10", "100"),
		"limit":   words("0", "1", "2", "5", "-1"),
		"offset":  words("0", "0", "1", "2", "10", "-1"),
		"ttl":     func(g *generator) []string { return []string{itoa(1000 + 100*g.IntN(10000))} },
		"ttl_ms":  func(g *generator) []string { return []string{itoa(1000000 + 100000*g.IntN(10000))} },
		"at":      func(g *generator) []string { return []string{itoa(33177117420 + g.IntN(20))} },
		"at_ms":   func(g *generator) []string { return []string{itoa(33177117420000 + g.IntN(20))} },
		"past":    words("1", "-1", "0", "1000", "1500000000"),
		"smin":    one(func(g *generator) string { return g.scoreBound() }),
		"smax":    one(func(g *generator) string { return g.scoreBound() }),
		"lex":     one((*generator).lexBound),
		"bit":     one((*generator).bitOffset),
		"byte":    one((*generator).index),
		"pattern": words("*", "k*", "?0", "[kl]*", "[^k]?", "*1", "none*", "h\\0", "", "f*", "*f*", "[a-c]*"),
		"bits":    one(func(g *generator) string { return g.pick("u", "i") + itoa(1+g.IntN(64)) }),
		"bits_at": one(func(g *generator) string { return g.pick("", "#") + itoa(g.IntN(40)) }),
		"id":      one((*generator).streamID),
		"new_id":  one((*generator).newStreamID),
		"id_or":   one(func(g *generator) string { return g.pick("-", "+", "0", "("+g.streamID(), g.streamID(), g.streamID()) }),
		"group":   words("ga", "ga", "gb"),
		"who":     words("alice", "bob", "carol"),
		"lon":     one(func(g *generator) string { return coordinate(g, 180) }),
		"lat":     one(func(g *generator) string { return coordinate(g, 85) }),
		"radius":  words("0", "1", "50", "200.5", "1000", "20000"),
		"unit":    words("m", "km", "ft", "mi"),
		"db":      words("0", "0", "1", "2"),
		"lside":   words("LEFT", "RIGHT", "left"),
		"many":    many(func(g *generator, i int) []string { return []string{"member" + itoa(i)} }),
		"many_fv": many(func(g *generator, i int) []string { return []string{"field" + itoa(i), g.value()} }),
		"many_sm": many(func(g *generator, i int) []string { return []string{itoa(g.IntN(50)), "member" + itoa(i)} }),
		"by":      words("w_*", "k*", "h*->f", "h*->name", "nope_*", "l*"),
		"get":     words("#", "k*", "h*->f", "w_*", "nope"),
	}
}

// soupCommands take any words, and wait for nothing: none gives a short life to a key or does what depends on chance.
var soupCommands = strings.Fields(`APPEND BITCOUNT BITFIELD BITFIELD_RO BITOP BITPOS COPY DBSIZE DECR DECRBY DEL ECHO EXISTS EXPIREAT EXPIRETIME
	GEOADD GEODIST GEOHASH GEOPOS GEORADIUS GEORADIUSBYMEMBER GEORADIUS_RO GEOSEARCH GEOSEARCHSTORE GET GETBIT GETDEL GETRANGE GETSET HDEL HEXISTS HGET
	HGETALL HINCRBY HINCRBYFLOAT HKEYS HLEN HMGET HMSET HSET HSETNX HSTRLEN HVALS INCR INCRBY INCRBYFLOAT LINDEX LINSERT LLEN LMOVE LMPOP
	LPOP LPOS LPUSH LPUSHX LRANGE LREM LTRIM MGET MOVE MSET MSETNX PERSIST PEXPIREAT PEXPIRETIME PFADD PFCOUNT PFMERGE PING PTTL
	RENAME RENAMENX RPOP RPOPLPUSH RPUSH RPUSHX SADD SCARD SDIFF SDIFFSTORE SETBIT SETNX SETRANGE SINTER SINTERCARD SINTERSTORE SISMEMBER
	SMEMBERS SMISMEMBER SMOVE SREM STRLEN SUBSTR SUNION SUNIONSTORE TOUCH TTL TYPE UNLINK XACK XADD XDEL XGROUP XINFO XLEN XPENDING
	XRANGE XREVRANGE XTRIM ZADD ZCARD ZCOUNT ZDIFF ZDIFFSTORE ZINCRBY ZINTER ZINTERCARD ZINTERSTORE ZMPOP ZMSCORE ZPOPMAX ZPOPMIN
	ZRANGEBYSCORE ZRANGESTORE ZRANK ZREM ZREMRANGEBYRANK ZREMRANGEBYSCORE ZREVRANGE ZREVRANGEBYSCORE ZREVRANK ZSCORE ZUNION ZUNIONSTORE
	OBJECT SWAPDB KEYS LCS RANDOMKEY XCLAIM XAUTOCLAIM FOO`)

// ordinary is a command with good words, as an argument of others.
func (g *generator) ordinary() []string {
	for {
		f := g.families[g.IntN(len(g.families))]
		u := g.unit(f.templates[g.IntN(len(f.templates))])
		if len(u[0].args) > 0 && u[0].args[0] != "COMMAND" && u[0].args[0] != "SET" {
			return u[0].args
		}
	}
}

// fields gives "FIELDS numfields field...", sometimes with a wrong count.
func (g *generator) fields(element func(*generator) []string) []string {
	n := 1 + g.IntN(3)
	out := []string{"FIELDS", itoa(n)}
	if g.chance(0.02) {
		out[1] = itoa(n + 1)
	}
	for range n {
		out = append(out, element(g)...)
	}
	return out
}

// many gives enough elements to pass the default limits of compact encodings.
func many(element func(*generator, int) []string) func(*generator) []string {
	return func(g *generator) []string {
		var out []string
		from := g.IntN(300)
		for i := range 20 + g.IntN(150) {
			out = append(out, element(g, from+i)...)
		}
		return out
	}
}

// weighted gives "numkeys key... [WEIGHTS weight...]".
func weighted(g *generator) []string {
	out := generators["zsets"](g)
	if g.chance(0.4) {
		out = append(out, "WEIGHTS")
		for range len(out) - 2 {
			out = append(out, g.pick("1", "2", "0", "-1", "0.5", "-0.25", "3"))
		}
		if g.chance(0.03) {
			out = append(out, g.pick("foo", "1", "inf", "nan"))
		}
	}
	return out
}

func (g *generator) value() string {
	switch g.IntN(20) {
	case 0:
		return ""
	case 1:
		return "\x00\xff\r\n"
	case 2:
		return strings.Repeat(g.pick("x", "ab", "\x00"), 10+g.IntN(60))
	case 3:
		return strings.Repeat("long value ", 20+g.IntN(60))
	case 4, 5, 6, 7, 8:
		return g.number()
	case 9, 10:
		return g.float()
	case 11:
		return g.pick("01", "+1", " 1", "1 ", "-0", "0x10", "1e3", "nan", "inf", "-inf", "1.0", "9223372036854775808")
	case 12:
		if g.chance(0.1) {
			return strings.Repeat("v", 5000+g.IntN(8000))
		}
	}
	return g.pick("a", "b", "c", "foo", "bar", "hello world", "v1", "v2")
}

func (g *generator) number() string {
	switch g.IntN(12) {
	case 0:
		return g.pick("9223372036854775807", "-9223372036854775808", "9223372036854775806", "-9223372036854775807")
	case 1:
		return g.pick("2147483648", "-2147483649", "32768", "-32769", "127", "128", "-128", "-129", "4096", "8191", "8192", "1000000")
	case 2:
		return strconv.FormatInt(g.Int64()-g.Int64(), 10)
	}
	return itoa(g.IntN(40) - 15)
}

func (g *generator) float() string {
	if g.chance(0.1) {
		return g.pick("1e3", "5.0e-2", "1e17", "-1e17", "0.1", "3.0", "1.23456789012345678", "1e-10", "-0", "12345678901234567890")
	}
	return strconv.FormatFloat(float64(g.IntN(4000)-2000)/4, 'f', -1, 64)
}

// field is a small member, field or list item.
func (g *generator) field() string {
	switch g.IntN(14) {
	case 0:
		return ""
	case 1:
		return "\x00\xff"
	case 2:
		return strings.Repeat("m", 60+g.IntN(10))
	case 3, 4, 5:
		return itoa(g.IntN(20))
	case 6:
		return g.number()
	}
	return g.pick("a", "b", "c", "d", "e", "f", "g", "name", "f1", "f2")
}

func (g *generator) score() string {
	switch g.IntN(25) {
	case 0:
		return g.pick("inf", "-inf", "+inf")
	case 1:
		return g.pick("0.1", "3.14159", "1e10", "-1e10", "1e-5", "1e17", "-0", "1e21", "0.30000000000000004")
	}
	return strconv.FormatFloat(float64(g.IntN(60)-20)/2, 'f', -1, 64)
}

func (g *generator) scoreBound() string {
	return g.pick("", "", "(") + g.pick("-inf", "+inf", g.score(), g.score(), g.score(), g.score())
}

func (g *generator) lexBound() string {
	return g.pick("-", "+", "["+g.field(), "("+g.field(), "["+g.field(), "("+g.field())
}

func (g *generator) index() string {
	if g.chance(0.04) {
		return g.pick("9223372036854775807", "-9223372036854775808", "1000000", "-1000000")
	}
	return itoa(g.IntN(16) - 6)
}

func (g *generator) bitOffset() string {
	if g.chance(0.05) {
		return g.pick("100000", "-1", "4294967296")
	}
	return itoa(g.IntN(300))
}

// streamID names an entry that may be there.
func (g *generator) streamID() string {
	if g.chance(0.05) {
		return g.pick("0", "0-0", "18446744073709551615", "5", "foo", "-1")
	}
	return itoa(max(0, g.streamMS-g.IntN(12))) + "-" + itoa(g.IntN(3))
}

func (g *generator) newStreamID() string {
	if g.chance(0.1) {
		return g.streamID()
	}
	if g.chance(0.7) {
		g.streamMS++
	}
	if g.chance(0.2) {
		return itoa(g.streamMS) + "-*"
	}
	return itoa(g.streamMS) + "-" + itoa(g.IntN(3))
}

func coordinate(g *generator, limit float64) string {
	if g.chance(0.03) {
		return g.pick("0", "181", "-181", "86", "foo", "180", "-85.05112878")
	}
	return strconv.FormatFloat((g.Float64()*2-1)*limit, 'f', 6, 64)
}
