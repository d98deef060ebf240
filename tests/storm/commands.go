package main

import (
	"fmt"
	"strings"
)

// key is one of few keys of a kind: clients meet.
func (c *client) key(kind string) string { return fmt.Sprint(kind, ":", c.rnd.IntN(12)) }

// scripts are what EVAL is given, by the word that stands for them in a command's text.
var scripts = map[string]string{
	"@incr":   "return {redis.call('incr',KEYS[1]),redis.call('incr',KEYS[2])}",
	"@stray":  "redis.call('incr',ARGV[1]) redis.call('incr',ARGV[2]) return redis.call('get',ARGV[1])",
	"@push":   "redis.call('rpush',KEYS[1],ARGV[1]) return redis.call('llen',KEYS[1])",
	"@spin":   "local n=0 for i=1,tonumber(ARGV[1]) do n=n+i end return n",
	"@spinw":  "local n=0 for i=1,tonumber(ARGV[1]) do n=n+i end redis.call('set',KEYS[1],n) redis.call('set',ARGV[2],n) return n",
	"@ever":   "while true do end",
	"@everr":  "while true do redis.call('get',KEYS[1]) end",
	"@pub":    "redis.call('publish','ch:1',ARGV[1]) return redis.pcall('lpop',KEYS[1])",
	"@copy":   "return redis.pcall('copy',KEYS[1],KEYS[2],'REPLACE')",
	"@ren":    "return redis.pcall('rename',ARGV[1],ARGV[2])",
	"@sort":   "return redis.pcall('sort',ARGV[1],'BY','s:*','GET','n:*')",
	"@ro":     "#!lua flags=no-writes\nreturn redis.call('mget',unpack(KEYS))",
	"@flush":  "return redis.pcall('flushdb')",
	"@scan":   "return redis.pcall('scan','0','count','1000')",
	"@big":    "local t={} for i=1,2000 do t[i]=tostring(i) end redis.call('rpush',KEYS[1],unpack(t)) return 1",
	"@fail":   "redis.call('set',KEYS[1],'x') return redis.call('lpush',KEYS[1],'y')",
	"@lib":    "#!lua name=lib\nlocal n=0\nredis.register_function('f',function(k,a) n=n+1 redis.call('incr',k[1]) return n end)\nredis.register_function{function_name='g',callback=function(k,a) return redis.call('mget',unpack(k)) end,flags={'no-writes'}}\nredis.register_function('loop',function(k,a) while true do end end)",
	"@plain":  "#!lua name=plain\nredis.register_function('h',function(k,a) redis.call('incr',k[1]) return redis.call('incr',k[2]) end)",
	"@plain2": "#!lua name=plain\nredis.register_function('h',function(k,a) redis.call('incr',k[2]) redis.call('incr',a[1]) return redis.call('incr',k[1]) end)",
}

// words parts a command's text, and puts scripts in their places.
func words(text string) []string {
	list := strings.Fields(text)
	for i, w := range list {
		if body, ok := scripts[w]; ok {
			list[i] = body
		}
	}
	return list
}

// command is one of all kinds. None waits for longer than half a second.
func (c *client) command() string {
	r, key := c.rnd, c.key
	num := func() string { return fmt.Sprint(r.IntN(1000)) }
	val := func() string { return strings.Repeat("v", 1+r.IntN(1<<r.IntN(12))) }
	wait := func() string { return choose(r, "0.01", "0.05", "0.2", "0.5") }
	ms := func() string { return choose(r, "1", "10", "100", "500") }
	any := func() string { return key(choose(r, "s", "n", "l", "h", "t", "z", "x")) }
	cmd := func(of ...string) string { return choose(r, of...) }
	switch r.IntN(20) {
	case 0, 1:
		return cmd("SET "+key("s")+" "+val(), "GET "+key("s"), "APPEND "+key("s")+" "+val(), "SET "+key("s")+" "+val()+" PX "+ms(),
			"MSET "+key("s")+" 1 "+key("s")+" 2 "+key("n")+" 3", "MGET "+key("s")+" "+key("n")+" "+key("s"), "SETRANGE "+key("s")+" "+num()+" x",
			"INCR "+key("n"), "INCRBYFLOAT "+key("n")+" 1.5", "GETDEL "+key("s"), "GETEX "+key("s")+" PX "+ms(), "MSETNX "+key("s")+" 1 "+key("s")+" 2")
	case 2:
		return cmd("LPUSH "+key("l")+" "+val()+" "+val(), "RPUSH "+key("l")+" "+num(), "LPOP "+key("l"), "RPOP "+key("l")+" 3", "LTRIM "+key("l")+" 0 20",
			"LMOVE "+key("l")+" "+key("l")+" LEFT RIGHT", "LRANGE "+key("l")+" 0 -1", "LMPOP 2 "+key("l")+" "+key("l")+" LEFT COUNT 2")
	case 3:
		return cmd("HSET "+key("h")+" "+num()+" "+val(), "HGETALL "+key("h"), "HDEL "+key("h")+" "+num(), "HINCRBY "+key("h")+" n 1", "HPEXPIRE "+key("h")+" "+ms()+" FIELDS 1 n")
	case 4:
		return cmd("SADD "+key("t")+" "+num()+" "+num(), "SPOP "+key("t"), "SUNIONSTORE "+key("t")+" "+key("t")+" "+key("t"), "SMOVE "+key("t")+" "+key("t")+" "+num(), "SINTER "+key("t")+" "+key("t"))
	case 5:
		return cmd("ZADD "+key("z")+" "+num()+" "+num(), "ZPOPMIN "+key("z"), "ZUNIONSTORE "+key("z")+" 2 "+key("z")+" "+key("z"), "ZRANGESTORE "+key("z")+" "+key("z")+" 0 -1", "ZRANGE "+key("z")+" 0 -1")
	case 6:
		return cmd("XADD "+key("x")+" MAXLEN 100 * f "+num(), "XRANGE "+key("x")+" - +", "XGROUP CREATE "+key("x")+" g $ MKSTREAM", "XGROUP DESTROY "+key("x")+" g",
			"XREADGROUP GROUP g c COUNT 2 STREAMS "+key("x")+" >", "XAUTOCLAIM "+key("x")+" g c 0 0", "XTRIM "+key("x")+" MAXLEN 3")
	case 7, 8:
		return cmd("BLPOP "+key("l")+" "+key("l")+" "+wait(), "BRPOP "+key("l")+" "+wait(), "BLMOVE "+key("l")+" "+key("l")+" LEFT RIGHT "+wait(),
			"BLMPOP "+wait()+" 2 "+key("l")+" "+key("l")+" LEFT", "BRPOPLPUSH "+key("l")+" "+key("l")+" "+wait(), "BZPOPMIN "+key("z")+" "+key("z")+" "+wait(),
			"BZMPOP "+wait()+" 2 "+key("z")+" "+key("z")+" MAX", "XREAD BLOCK "+ms()+" STREAMS "+key("x")+" "+key("x")+" $ $",
			"XREADGROUP GROUP g c BLOCK "+ms()+" STREAMS "+key("x")+" >", "WAIT "+num()+" "+ms(), "WAIT 1 "+ms(), "WAITAOF 1 0 "+ms(), "WAITAOF 0 1 "+ms())
	case 9, 10:
		return cmd("DEL "+any()+" "+any()+" "+any(), "UNLINK "+any()+" "+any(), "RENAME "+any()+" "+any(), "RENAMENX "+any()+" "+any(), "COPY "+any()+" "+any()+" REPLACE",
			"COPY "+any()+" "+any()+" DB 1 REPLACE", "MOVE "+any()+" 1", "PEXPIRE "+any()+" "+ms(), "PERSIST "+any(), "TOUCH "+any()+" "+any(), "OBJECT ENCODING "+any(),
			"SORT "+key("t")+" BY s:* GET n:*", "SORT "+key("l")+" ALPHA STORE "+key("l"), "SORT "+key("z")+" BY nosort", "BITOP OR "+key("s")+" "+key("s")+" "+key("n"),
			"PFMERGE "+key("p")+" "+key("p"), "PFADD "+key("p")+" "+num(), "SCAN 0 COUNT 100", "KEYS *", "RANDOMKEY", "DBSIZE", "DUMP "+any(), "MEMORY USAGE "+any())
	case 11, 12:
		return cmd("EVAL @incr 2 "+key("n")+" "+key("n"), "EVAL @stray 0 "+key("n")+" "+key("n"), "EVAL @push 1 "+key("l")+" "+num(), "EVAL @pub 1 "+key("l")+" "+num(),
			"EVAL @copy 2 "+any()+" "+any(), "EVAL @ren 0 "+any()+" "+any(), "EVAL @sort 0 "+key("t"), "EVAL @ro 2 "+key("s")+" "+key("n"), "EVAL @scan 0",
			"EVAL @fail 1 "+key("s"), "EVAL_RO @ro 1 "+key("s"), "EVALSHA 0123456789012345678901234567890123456789 0")
	case 13:
		return cmd("EVAL @spin 0 "+num()+"00", "EVAL @spinw 1 "+key("n")+" "+num()+"00 "+key("n"), "EVAL @big 1 "+key("l"), "EVAL @big 1 b:1")
	case 14:
		return cmd("FCALL f 1 "+key("n"), "FCALL_RO g 2 "+key("n")+" "+key("s"), "FCALL h 2 "+key("n")+" "+key("n")+" "+key("n"), "FUNCTION STATS", "FUNCTION LIST", "FUNCTION DUMP")
	case 15:
		return cmd("PUBLISH ch:1 "+num(), "PUBLISH nobody "+num(), "SPUBLISH ch:1 x", "PUBSUB NUMSUB ch:1", "PUBSUB CHANNELS", "PUBSUB NUMPAT")
	case 16:
		return cmd("CLIENT LIST", "CLIENT INFO", "CLIENT GETNAME", "CLIENT SETNAME n"+num(), "CLIENT ID", "CLIENT TRACKINGINFO", "CLIENT CACHING YES", "INFO", "INFO clients",
			"COMMAND COUNT", "SLOWLOG GET 3", "LATENCY LATEST", "ROLE", "LASTSAVE", "TIME", "ACL WHOAMI", "ACL LOG 2", "MEMORY STATS", "CONFIG GET max*", "SCRIPT EXISTS x")
	case 17: // large values: COPY and RENAME of them go in steps
		return cmd("COPY big:1 big:2 REPLACE", "COPY big:2 big:1 REPLACE", "RENAME big:1 big:3", "RENAME big:3 big:1", "DEL big:2", "ZADD big:1 "+num()+" "+num(), "ZREM big:1 "+num(),
			"ZUNIONSTORE big:2 1 big:1", "COPY big:1 big:1 DB 1 REPLACE", "UNLINK big:3", "ZCARD big:1", "EXPIRE big:2 1", "EVAL @copy 2 big:1 big:2", "ZPOPMIN big:1", "MOVE big:2 1")
	case 18:
		return cmd("UNWATCH", "WATCH "+any(), "PING", "ECHO x", "SELECT "+fmt.Sprint(r.IntN(2)))
	}
	return cmd("DEBUG SLEEP 0.00"+num(), "OBJECT FREQ "+any(), "EVAL @flush 0", "GETRANGE "+key("s")+" 0 10", "EXPIRETIME "+any(), "LPOS "+key("l")+" x", "NOSUCH x")
}
