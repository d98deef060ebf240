package main

import "strings"

// family is a group of commands that scripts draw from together.
type family struct {
	name      string
	weight    int
	since     int // version that both servers must have, as 704 for 7.4; 0: any
	templates []template
}

// familyTexts are the templates, one a line. Commands by lexicographical range have keys of their own, whose scores are
// all 0: what they do to others is undefined. Relative times to live are long, so that nothing expires while a script
// runs; conditions GT and LT are only tried on absolute times, because relative ones differ between two servers.
var familyTexts = []struct {
	name   string
	weight int
	since  int
	text   string
}{
	{"string", 20, 0, `
		SET {str} {val} [NX|XX] [GET] [EX {ttl}|PX {ttl_ms}|EXAT {at}|PXAT {at_ms}|KEEPTTL]
		SET {key} {val}
		SET {str} {num}
		GET {str}
		GETSET {str} {val}
		GETDEL {str}
		GETEX {str} [EX {ttl}|PX {ttl_ms}|EXAT {at}|PXAT {at_ms}|PERSIST|EXAT 1]
		SETNX {str} {val}
		SETEX {str} {ttl} {val}
		PSETEX {str} {ttl_ms} {val}
		MSET ({str} {val})+
		MSETNX ({str} {val})+
		MGET {key}+
		APPEND {str} {val}
		STRLEN {str}
		GETRANGE {str} {index} {index}
		SUBSTR {str} {index} {index}
		SETRANGE {str} {small} {val}
		SETRANGE {str} {bit} {val}
		INCR {str}
		DECR {str}
		INCRBY {str} {num}
		DECRBY {str} {num}
		INCRBYFLOAT {str} {float}
		LCS {str} {str} [LEN|IDX] [MINMATCHLEN {small}] [WITHMATCHLEN]`},
	{"bitmap", 8, 0, `
		SETBIT {str} {bit} (0|1)
		GETBIT {str} {bit}
		BITCOUNT {str} [{byte} {byte}|{byte} {byte} BYTE|{bit} {bit} BIT|{byte} {byte} BIT]
		BITPOS {str} (0|1) [{byte}|{byte} {byte}|{byte} {byte} BIT|{bit} {bit} BIT]
		BITOP (AND|OR|XOR) {str} {str}+
		BITOP NOT {str} {str}
		BITFIELD {str} (GET {bits} {bits_at}|SET {bits} {bits_at} {mid}|INCRBY {bits} {bits_at} {mid}|OVERFLOW (WRAP|SAT|FAIL))+
		BITFIELD_RO {str} (GET {bits} {bits_at})+`},
	{"generic", 12, 0, `
		DEL {key}+
		UNLINK {key}+
		EXISTS {key}+
		TOUCH {key}+
		TYPE {key}
		RENAME {key} {key}
		RENAMENX {key} {key}
		COPY {key} {key} [DB {db}] [REPLACE]
		KEYS {pattern}
		DBSIZE
		RANDOMKEY
		SCAN 0 COUNT 10000 [MATCH {pattern}] [TYPE (string|list|hash|set|zset|stream|foo)]
		OBJECT ENCODING {key}
		OBJECT REFCOUNT {key}
		OBJECT FREQ {key}
		MEMORY USAGE {key}
		DUMP {key}
		EXPIRE {key} {ttl} [NX|XX]
		PEXPIRE {key} {ttl_ms} [NX|XX]
		EXPIREAT {key} {at} [NX|XX|GT|LT]
		PEXPIREAT {key} {at_ms} [NX|XX|GT|LT]
		EXPIRE {key} (0|-1|-100)
		EXPIREAT {key} {past} [NX|XX|GT|LT]
		PERSIST {key}
		TTL {key}
		PTTL {key}
		EXPIRETIME {key}
		PEXPIRETIME {key}
		SORT (l0|l1|l2|z0|z1|s0|s1) [BY {by}] [LIMIT {offset} {limit}] [GET {get}] [GET {get}] [ASC|DESC]
		SORT (l0|l1|l2|z0|z1|s0|s1) ALPHA [LIMIT {offset} {limit}] [GET {get}] [ASC|DESC] [STORE {list}]
		SORT (l0|l1|z0|s0) [BY {by}] [GET {get}] [ASC|DESC] STORE {list}
		SORT (l0|l1|z0|s0) BY {by} ALPHA [GET {get}] [DESC]
		SORT_RO (l0|l1|z0|s0) BY nosort [GET #]
		SELECT {db}
		MOVE {key} {db}
		ECHO {val}
		PING [{val}]
		FLUSHDB [SYNC|ASYNC]
		SWAPDB {db} {db}`},
	{"list", 14, 0, `
		LPUSH {list} {item}+
		RPUSH {list} {item}+
		RPUSH {list} {many}
		LPUSHX {list} {item}+
		RPUSHX {list} {item}+
		LPOP {list} [{count}]
		RPOP {list} [{count}]
		LLEN {list}
		LRANGE {list} {index} {index}
		LRANGE {list} 0 -1
		LINDEX {list} {place}
		LSET {list} {place} {val}
		LINSERT {list} (BEFORE|AFTER) {item} {val}
		LREM {list} {index} {item}
		LTRIM {list} {index} {index}
		LPOS {list} {item} [RANK (1|2|-1|-2|0)] [COUNT {count}] [MAXLEN {small}]
		LMOVE {list} {list} {lside} {lside}
		RPOPLPUSH {list} {list}
		LMPOP {lists} {lside} [COUNT {count}]
		BLPOP {list} {list} 0.01
		BRPOP {list} 0.01
		BLMOVE {list} {list} {lside} {lside} 0.01
		BRPOPLPUSH {list} {list} 0.01
		BLMPOP 0.01 {lists} {lside} [COUNT {count}]`},
	{"hash", 14, 0, `
		HSET {hash} ({field} {val})+
		HSET {hash} {many_fv}
		HMSET {hash} ({field} {val})+
		HSETNX {hash} {field} {val}
		HGET {hash} {field}
		HMGET {hash} {field}+
		HDEL {hash} {field}+
		HDEL {hash} {many}
		HLEN {hash}
		HSTRLEN {hash} {field}
		HEXISTS {hash} {field}
		HGETALL {hash}
		HKEYS {hash}
		HVALS {hash}
		HINCRBY {hash} {field} {num}
		HINCRBYFLOAT {hash} {field} {float}
		HRANDFIELD {hash} [{count}|-3|{count} WITHVALUES]
		HSCAN {hash} 0 COUNT 10000 [MATCH {pattern}]`},
	{"set", 14, 0, `
		SADD {set} {member}+
		SADD {set} {num}+
		SADD {set} {many}
		SREM {set} {member}+
		SREM {set} {many}
		SMEMBERS {set}
		SCARD {set}
		SISMEMBER {set} {member}
		SMISMEMBER {set} {member}+
		SMOVE {set} {set} {member}
		SPOP {set@a} [{count}] ; DEL {@a}
		SRANDMEMBER {set} [{count}|-5]
		SINTER {set}+
		SUNION {set}+
		SDIFF {set}+
		SINTERSTORE {set} {set}+
		SUNIONSTORE {set} {set}+
		SDIFFSTORE {set} {set}+
		SINTERCARD {sets} [LIMIT {count}]
		SSCAN {set} 0 COUNT 10000 [MATCH {pattern}]`},
	{"zset", 18, 0, `
		ZADD {zset} [NX|XX|GT|LT|XX GT|XX LT|NX GT] [CH] ({score} {member})+
		ZADD {zset} [NX|XX|GT|LT] [CH] INCR {score} {member}
		ZADD {zset} {many_sm}
		ZINCRBY {zset} {score} {member}
		ZREM {zset} {member}+
		ZCARD {zset}
		ZSCORE {zset} {member}
		ZMSCORE {zset} {member}+
		ZRANK {zset} {member}
		ZREVRANK {zset} {member}
		ZRANGE {zset} {index} {index} [REV] [WITHSCORES]
		ZRANGE {zset} {smin} {smax} BYSCORE [REV] [LIMIT {offset} {limit}] [WITHSCORES]
		ZREVRANGE {zset} {index} {index} [WITHSCORES]
		ZRANGEBYSCORE {zset} {smin} {smax} [WITHSCORES] [LIMIT {offset} {limit}]
		ZREVRANGEBYSCORE {zset} {smax} {smin} [WITHSCORES] [LIMIT {offset} {limit}]
		ZCOUNT {zset} {smin} {smax}
		ZRANGESTORE {zset} {zset} ({index} {index} [REV]|{smin} {smax} BYSCORE [REV] [LIMIT {offset} {limit}])
		ZREMRANGEBYRANK {zset} {index} {index}
		ZREMRANGEBYSCORE {zset} {smin} {smax}
		ZPOPMIN {zset} [{count}]
		ZPOPMAX {zset} [{count}]
		ZMPOP {zsets} (MIN|MAX) [COUNT {count}]
		BZPOPMIN {zset} {zset} 0.01
		BZPOPMAX {zset} 0.01
		BZMPOP 0.01 {zsets} (MIN|MAX) [COUNT {count}]
		ZUNION {zsets_w} [AGGREGATE (SUM|MIN|MAX)] [WITHSCORES]
		ZINTER {zsets_w} [AGGREGATE (SUM|MIN|MAX)] [WITHSCORES]
		ZDIFF {zsets} [WITHSCORES]
		ZUNIONSTORE {zset} {zsets_w} [AGGREGATE (SUM|MIN|MAX)]
		ZINTERSTORE {zset} {zsets_w} [AGGREGATE (SUM|MIN|MAX)]
		ZDIFFSTORE {zset} {zsets}
		ZINTERCARD {zsets} [LIMIT {count}]
		ZRANDMEMBER {zset} [{count}|-4|{count} WITHSCORES]
		ZSCAN {zset} 0 COUNT 10000 [MATCH {pattern}]`},
	{"lex", 4, 0, `
		ZADD {flat} (0 {member})+
		ZADD {flat} 0 a 0 b 0 c 0 d 0 e
		ZREM {flat} {member}+
		ZRANGE {flat} {lex} {lex} BYLEX [REV] [LIMIT {offset} {limit}]
		ZRANGE {flat} {lex} (foo|) BYLEX
		ZRANGE {flat} {lex} {lex} BYLEX (WITHSCORES|LIMIT 1|LIMIT 0 foo|BYSCORE)
		ZRANGEBYLEX {flat} {lex} {lex} [LIMIT {offset} {limit}]
		ZREVRANGEBYLEX {flat} {lex} {lex} [LIMIT {offset} {limit}]
		ZLEXCOUNT {flat} {lex} {lex}
		ZLEXCOUNT {flat} ({lex} foo|foo {lex}|{lex})
		ZREMRANGEBYLEX {flat} {lex} {lex}
		ZRANGESTORE {flat} {flat} {lex} {lex} BYLEX [LIMIT {offset} {limit}]
		ZPOPMIN {flat}
		ZRANK {flat} {member}
		ZRANGE {flat} 0 -1`},
	{"geo", 6, 0, `
		GEOADD {geo} [NX|XX] [CH] ({lon} {lat} {geo_m})+
		GEOADD {geo} ({lon} {lat} {geo_m})+
		GEOPOS {geo} {geo_m}+
		GEOHASH {geo} {geo_m}+
		GEODIST {geo} {geo_m} {geo_m} [{unit}]
		GEOSEARCH {geo} (FROMMEMBER {geo_m}|FROMLONLAT {lon} {lat}) (BYRADIUS {radius} {unit}|BYBOX {radius} {radius} {unit}) (ASC|DESC|COUNT {count}) [WITHDIST] [WITHCOORD] [WITHHASH]
		GEOSEARCH {geo} (FROMMEMBER {geo_m}|FROMLONLAT {lon} {lat}) (BYRADIUS {radius} {unit}|BYBOX {radius} {radius} {unit}) [WITHDIST]
		GEOSEARCHSTORE {geo} {geo} (FROMMEMBER {geo_m}|FROMLONLAT {lon} {lat}) (BYRADIUS {radius} {unit}|BYBOX {radius} {radius} {unit}) [COUNT {count}] [STOREDIST]
		GEORADIUS {geo} {lon} {lat} {radius} {unit} [WITHDIST] [WITHCOORD] (ASC|DESC)
		GEORADIUS_RO {geo} {lon} {lat} {radius} {unit} COUNT {count}
		GEORADIUSBYMEMBER {geo} {geo_m} {radius} {unit} [STORE {geo}|STOREDIST {geo}]
		ZRANGE {geo} 0 -1 WITHSCORES
		ZREM {geo} {geo_m}+`},
	{"hyperloglog", 4, 0, `
		PFADD {hll} {member}+
		PFADD {hll} {many}
		PFADD {hll}
		PFCOUNT {hll}+
		PFMERGE {hll} {hll}+
		GET {hll}`},
	{"stream", 14, 0, `
		XADD {stream} [NOMKSTREAM] [MAXLEN {count}|MINID {id}|MAXLEN = {count}] {new_id} ({field} {val})+
		XADD {stream} {new_id} ({field} {val})+
		XADD {stream@a} * {field} {val} ; DEL {@a}
		XLEN {stream}
		XRANGE {stream} {id_or} {id_or} [COUNT {count}]
		XREVRANGE {stream} {id_or} {id_or} [COUNT {count}]
		XRANGE {stream} - +
		XDEL {stream} {id}+
		XTRIM {stream} (MAXLEN|MINID) {small}
		XTRIM {stream} MINID {id}
		XREAD [COUNT {count}] STREAMS {stream} {stream} {id} {id}
		XREAD [COUNT {count}] STREAMS {stream} ($|{id})
		XREAD BLOCK 5 STREAMS {stream} ($|{id})
		XGROUP CREATE {stream} {group} ($|0|{id}) [MKSTREAM] [ENTRIESREAD {num}]
		XGROUP SETID {stream} {group} ($|0|{id}) [ENTRIESREAD {num}]
		XGROUP DESTROY {stream} {group}
		XGROUP CREATECONSUMER {stream} {group} {who}
		XGROUP DELCONSUMER {stream} {group} {who}
		XGROUP CREATECONSUMER {stream@s} {group@g} {who@w} ; XREADGROUP GROUP {@g} {@w} [COUNT {count}] [NOACK] STREAMS {@s} >
		XGROUP CREATECONSUMER {stream@s} {group@g} {who@w} ; XREADGROUP GROUP {@g} {@w} [COUNT {count}] STREAMS {@s} (0|{id})
		XGROUP CREATECONSUMER x0 {group@g} {who@w} ; XGROUP CREATECONSUMER x1 {@g} {@w} ; XREADGROUP GROUP {@g} {@w} STREAMS x0 x1 > >
		XACK {stream} {group} {id}+
		XPENDING {stream} {group}
		XPENDING {stream} {group} [IDLE 0] {id_or} {id_or} {count} [{who}]
		XGROUP CREATECONSUMER {stream@s} {group@g} {who@w} ; XCLAIM {@s} {@g} {@w} 0 {id}+ [IDLE 100000|RETRYCOUNT {small}|FORCE|JUSTID|LASTID {id}]
		XGROUP CREATECONSUMER {stream@s} {group@g} {who@w} ; XCLAIM {@s} {@g} {@w} 10000000 {id}
		XGROUP CREATECONSUMER {stream@s} {group@g} {who@w} ; XAUTOCLAIM {@s} {@g} {@w} 0 {id} [COUNT {count}] [JUSTID]
		XINFO STREAM {stream}
		XINFO STREAM {stream} FULL [COUNT {count}]
		XINFO GROUPS {stream}
		XINFO CONSUMERS {stream} {group}`},
	// Before 7.2 XSETID took IDs below the highest deleted one.
	{"stream-ids", 1, 702, `
		XSETID {stream} {new_id} [ENTRIESADDED {num} MAXDELETEDID {id}]`},
	{"transaction", 4, 0, `
		MULTI ; SET {str} {val} ; INCR {str} ; GET {str} ; EXEC
		MULTI ; LPUSH {list} {item}+ ; LRANGE {list} 0 -1 ; SMEMBERS {set} ; HGETALL {hash} ; EXEC
		MULTI ; ZADD {zset} {score} {member} ; ZRANGE {zset} 0 -1 WITHSCORES ; FOO ; EXEC
		MULTI ; RENAME {key} {key} ; COPY {key} {key} ; TYPE {key} ; TTL {key} ; EXEC
		MULTI ; DEL {key} ; DISCARD
		MULTI ; SUNIONSTORE {set} {set}+ ; SCARD {set} ; BLPOP {list} 0 ; BZPOPMIN {zset} 0 ; EXEC
		MULTI ; XADD {stream} {new_id} a b ; XLEN {stream} ; XINFO STREAM {stream} ; EXEC
		WATCH {key@a} ; 2:TOUCH {@a} ; MULTI ; PING ; EXEC
		WATCH {str@a} ; 2:SET {@a} {val} ; MULTI ; SET {@a} mine ; EXEC
		WATCH {key@a} ; 2:DEL {@a} ; MULTI ; PING ; EXEC
		WATCH {key@a} {key} ; 2:EXPIRE {@a} {ttl} ; MULTI ; TYPE {@a} ; EXEC
		WATCH {key} ; UNWATCH ; EXEC
		WATCH {key} ; MULTI ; WATCH {key} ; EXEC
		WATCH {key@a} ; 2:RENAME {key} {@a} ; MULTI ; PING ; EXEC
		WATCH {key@a} ; 2:SUNIONSTORE {@a} {set} ; MULTI ; PING ; EXEC`},
	{"blocking", 2, 0, `
		SELECT 0 ; DEL {list@a} ; 2!BLPOP {@a} 0 ; RPUSH {@a} {item}+ ; 2<
		SELECT 0 ; DEL {list@a} ; 2!BRPOP nokey {@a} 0 ; LPUSH {@a} {item}+ ; 2<
		SELECT 0 ; DEL {list@a} ; 2!BLPOP {@a} 0 ; 3!BRPOP {@a} 0 ; RPUSH {@a} 1 2 3 ; 2< ; 3<
		SELECT 0 ; DEL l0 l1 ; 2!BLMOVE l0 l1 {lside} {lside} 0 ; 3!BLPOP l1 0 ; RPUSH l0 {item} ; RPUSH l1 x ; 2< ; 3<
		SELECT 0 ; DEL {list@a} ; 2!BLMPOP 0 2 nokey {@a} {lside} COUNT (1|2|5) ; RPUSH {@a} {item}+ ; DEL {@a} ; RPUSH {@a} 1 ; 2<
		SELECT 0 ; DEL {list@a} ; 2!BLPOP {@a} 0 ; MULTI ; RPUSH {@a} {item}+ ; LPUSH {@a} {item} ; EXEC ; 2<
		SELECT 0 ; DEL {list@a} ; 2!BLPOP {@a} 0 ; SET {@a} v ; DEL {@a} ; RPUSH {@a} {item} ; 2<
		SELECT 0 ; DEL {zset@a} ; 2!BZPOPMIN {@a} 0 ; 3!BZPOPMAX {@a} 0 ; ZADD {@a} 1 a 2 b 3 c ; 2< ; 3<
		SELECT 0 ; DEL {zset@a} ; 2!BZMPOP 0 1 {@a} (MIN|MAX) COUNT (1|2) ; ZADD {@a} 5 q ; 2<
		SELECT 0 ; DEL z0 z1 ; 2!BZPOPMIN z0 0 ; ZADD z1 {score} {member} ; ZUNIONSTORE z0 1 z1 ; ZADD z0 1 a ; 2<
		SELECT 0 ; DEL {stream@a} ; 2!XREAD BLOCK 0 STREAMS {@a} $ ; 3!XREAD COUNT 1 BLOCK 0 STREAMS nokey {@a} $ 0 ; XADD {@a} 1000000-1 a b ; 2< ; 3< ; DEL {@a}
		SELECT 0 ; DEL {stream@a} ; XGROUP CREATE {@a} ga $ MKSTREAM ; 2!XREADGROUP GROUP ga bob BLOCK 0 STREAMS {@a} > ; XADD {@a} 1000000-1 a b ; 2< ; XPENDING {@a} ga ; DEL {@a}
		SELECT 0 ; DEL l0 l1 ; 2!BLPOP l0 0 ; RPUSH l1 {item}+ ; RENAME l1 l0 ; 2<
		SELECT 0 ; DEL l0 ; 2!BLPOP l0 0 ; SELECT 1 ; DEL l0 ; RPUSH l0 {item}+ ; MOVE l0 0 ; SELECT 0 ; 2<
		SELECT 0 ; DEL l0 l1 ; 2!BRPOPLPUSH l0 l1 0 ; RPUSH l1 3 1 2 ; SORT l1 STORE l0 ; 2<`},
	{"script", 6, 700, `
		EVAL "return&redis.call('set',KEYS[1],ARGV[1])" 1 {str} {val}
		EVAL "return&redis.call('get',KEYS[1])" 1 {str}
		EVAL "return&redis.pcall('incr',KEYS[1])" 1 {str}
		EVAL "redis.call('rpush',KEYS[1],ARGV[1])&return&redis.call('lrange',KEYS[1],0,-1)" 1 {list} {item}
		EVAL "local&v=redis.call('hget',KEYS[1],ARGV[1])&return&redis.call('hset',KEYS[1],ARGV[1],(v&or&'')..'x')" 1 {hash} {field}
		EVAL "return&{redis.call('zadd',KEYS[1],ARGV[1],ARGV[2]),redis.call('zscore',KEYS[1],ARGV[2])}" 1 {zset} {score} {member}
		EVAL "redis.call('del',ARGV[1])&return&redis.call('exists',KEYS[1])" 1 {str} {str}
		EVAL "return&#redis.call('keys','*')" 0
		EVAL_RO "return&redis.call('strlen',KEYS[1])" 1 {str}
		EVAL_RO "return&redis.call('set',KEYS[1],'x')" 1 {str}
		EVAL "return&cjson.encode({redis.call('type',KEYS[1]),ARGV[1]})" 1 {str} {val}
		EVAL "return&cmsgpack.pack({redis.call('exists',KEYS[1]),ARGV[1]})" 1 {str} {val}
		MULTI ; EVAL "return&redis.call('append',KEYS[1],ARGV[1])" 1 {str} {val} ; EVAL "return&redis.call('strlen',ARGV[1])" 0 {str} ; EXEC
		SCRIPT EXISTS 0000000000000000000000000000000000000000`},
	{"newer", 3, 702, `
		ZRANK {zset} {member} WITHSCORE
		ZREVRANK {zset} {member} WITHSCORE
		XCLAIM {stream} {group} {who} 10000000 {id}
		XAUTOCLAIM {stream} {group} {who} 10000000 {id}
		XREADGROUP GROUP {group} {who} [COUNT {count}] [NOACK] STREAMS {stream} >
		XREADGROUP GROUP {group} {who} BLOCK 5 STREAMS {stream} >
		XREADGROUP GROUP {group} {who} [COUNT {count}] STREAMS {stream} {stream} (>|0) >`},
	{"hashttl", 8, 704, `
		HEXPIRE {hash} {ttl} [NX|XX] FIELDS 2 {field} {field}
		HPEXPIRE {hash} {ttl_ms} FIELDS 1 {field}
		HEXPIREAT {hash} {at} [NX|XX|GT|LT] FIELDS 3 {field} {field} {field}
		HPEXPIREAT {hash} {at_ms} [NX|XX|GT|LT] FIELDS 1 {field}
		HEXPIRE {hash} 0 FIELDS 1 {field}
		HEXPIREAT {hash} 1 FIELDS 1 {field}
		HPERSIST {hash} FIELDS 2 {field} {field}
		HTTL {hash} FIELDS 2 {field} {field}
		HPTTL {hash} FIELDS 1 {field}
		HEXPIRETIME {hash} FIELDS 2 {field} {field}
		HPEXPIRETIME {hash} FIELDS 1 {field}
		HSET {hash} {field} {val}
		HGETALL {hash}
		HINCRBY {hash} {field} 1
		HSETNX {hash} {field} {val}
		HSCAN {hash} 0 COUNT 10000 NOVALUES
		COPY {hash} {hash} REPLACE`},
	{"hashgetex", 4, 800, `
		HGETEX {hash} [EX {ttl}|PX {ttl_ms}|EXAT {at}|PXAT {at_ms}|PERSIST|EXAT 1] FIELDS 2 {field} {field}
		HSETEX {hash} [FNX|FXX] [EX {ttl}|PX {ttl_ms}|EXAT {at}|PXAT {at_ms}|KEEPTTL|EXAT 1] FIELDS 2 {field} {val} {field} {val}
		HGETDEL {hash} FIELDS 2 {field} {field}`},
}

// loadFamilies parses the templates of those families that both servers know.
func loadFamilies(wanted func(name string) bool, version int) []family {
	var out []family
	for _, f := range familyTexts {
		if f.since > version || !wanted(f.name) {
			continue
		}
		fam := family{name: f.name, weight: f.weight, since: f.since}
		for _, line := range strings.Split(strings.TrimSpace(f.text), "\n") {
			fam.templates = append(fam.templates, parseTemplate(strings.TrimSpace(line)))
		}
		out = append(out, fam)
	}
	return out
}
