package main

import (
	"slices"
	"strings"
)

// family is a group of commands that scripts draw from together.
type family struct {
	name      string
	weight    int
	templates []template
}

type familyText struct {
	name   string
	weight int    // 0: a tenth of 1, for what waits half a second
	since  int    // version that both servers must have, as 702 for 7.2; 0: any
	asks   string // commands that neither server may refuse; empty: none
	text   string
}

// familyTexts are the templates, one a line. Commands by lexicographical range have keys of their own, whose scores are
// all 0: what they do to others is undefined. Relative times to live are long, so that nothing expires while a script
// runs; conditions GT and LT are only tried on absolute times, because relative ones differ between two servers.
var familyTexts = []familyText{
	{"string", 20, 0, "", `
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
		SET {str@a} {text} ; SET {str@b} {text} ; LCS {@a} {@b} [LEN|IDX] [MINMATCHLEN {small}] [WITHMATCHLEN]
		LCS {list} {str} [LEN|IDX]`},
	{"bitmap", 8, 0, "", `
		SETBIT {str} {bit} (0|1)
		GETBIT {str} {bit}
		BITCOUNT {str} [{byte} {byte}|{byte} {byte} BYTE|{bit} {bit} BIT|{byte} {byte} BIT]
		BITPOS {str} (0|1) [{byte}|{byte} {byte}|{byte} {byte} BIT|{bit} {bit} BIT]
		BITOP (AND|OR|XOR) {str} {str}+
		BITOP NOT {str} {str}
		BITFIELD {str} (GET {bits} {bits_at}|SET {bits} {bits_at} {mid}|INCRBY {bits} {bits_at} {mid}|OVERFLOW (WRAP|SAT|FAIL))+
		BITFIELD_RO {str} (GET {bits} {bits_at})+`},
	{"generic", 12, 0, "", `
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
	{"list", 14, 0, "", `
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
		BLPOP {list} {list} 0.001
		BRPOP {list} 0.001
		BLMOVE {list} {list} {lside} {lside} 0.001
		BRPOPLPUSH {list} {list} 0.001
		BLMPOP 0.001 {lists} {lside} [COUNT {count}]`},
	{"hash", 14, 0, "", `
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
	{"set", 14, 0, "", `
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
	{"zset", 18, 0, "", `
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
		BZPOPMIN {zset} {zset} 0.001
		BZPOPMAX {zset} 0.001
		BZMPOP 0.001 {zsets} (MIN|MAX) [COUNT {count}]
		ZUNION {zsets_w} [AGGREGATE (SUM|MIN|MAX)] [WITHSCORES]
		ZINTER {zsets_w} [AGGREGATE (SUM|MIN|MAX)] [WITHSCORES]
		ZDIFF {zsets} [WITHSCORES]
		ZUNIONSTORE {zset} {zsets_w} [AGGREGATE (SUM|MIN|MAX)]
		ZINTERSTORE {zset} {zsets_w} [AGGREGATE (SUM|MIN|MAX)]
		ZDIFFSTORE {zset} {zsets}
		ZINTERCARD {zsets} [LIMIT {count}]
		ZRANDMEMBER {zset} [{count}|-4|{count} WITHSCORES]
		ZSCAN {zset} 0 COUNT 10000 [MATCH {pattern}]`},
	{"lex", 4, 0, "", `
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
	{"geo", 6, 0, "", `
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
		GEORADIUSBYMEMBER_RO {geo} {geo_m} {radius} {unit} [WITHDIST] (ASC|DESC)
		GEORADIUS {geo} {lon} {lat} {radius} {unit} (STORE|STOREDIST) {geo} [COUNT {count}]
		GEORADIUS {geo} {lon} {lat} {radius} {unit} (STORE {geo} WITHDIST|COUNT 0|COUNT -1|COUNT 1 ANY|ANY|STORE {geo} STOREDIST {geo}|foo) [ASC]
		GEORADIUS_RO {geo} {lon} {lat} {radius} {unit} STORE {geo}
		GEOSEARCH {geo} (FROMMEMBER {geo_m}|FROMLONLAT {lon} {lat}|) (BYRADIUS {radius} {unit}|BYBOX {radius} {radius} {unit}|) ASC (COUNT 100 ANY|ANY|COUNT 0|COUNT -1|WITHDIST WITHDIST|STOREDIST|BYRADIUS 1 m|)
		GEOSEARCH {geo} FROMLONLAT {lon} {lat} (BYRADIUS -1 m|BYRADIUS nan m|BYBOX -1 1 m|BYBOX 1 foo m|BYRADIUS 1 foo|BYRADIUS inf m) ASC
		GEOSEARCHSTORE {geo} {geo} FROMMEMBER {geo_m} BYBOX {radius} {radius} km (ASC|DESC|COUNT 2 ANY|WITHDIST|COUNT 1)
		GEOADD {geo} (NX XX|CH CH|foo) 1 1 {geo_m}
		GEOADD {geo} {lon} {lat} {geo_m} {lon}
		GEORADIUSBYMEMBER {geo} {geo_m} {radius} {unit} [STORE {geo}|STOREDIST {geo}]
		ZRANGE {geo} 0 -1 WITHSCORES
		ZREM {geo} {geo_m}+`},
	{"hyperloglog", 4, 0, "", `
		PFADD {hll} {member}+
		PFADD {hll} {many}
		PFADD {hll}
		PFCOUNT {hll}+
		PFMERGE {hll} {hll}+
		GET {hll}`},
	{"stream", 14, 0, "", `
		XADD {stream} [NOMKSTREAM] [MAXLEN {count}|MINID {id}|MAXLEN = {count}] {new_id} ({field} {val})+
		XADD {stream} {new_id} ({field} {val})+
		XADD {stream@a} * {field} {val} ; DEL {@a}
		XTRIM {stream} (MAXLEN|MINID) = {small} [LIMIT (0|1|2|100|-1)]
		XADD {stream} (MAXLEN {small} MINID {id}|NOMKSTREAM|MAXLEN -1|MAXLEN foo|LIMIT 1|MAXLEN = 1 LIMIT 1) {new_id} a b
		XADD {stream} {new_id} (a|a b c)
		XREADGROUP GROUP {group} {who} [COUNT {count}] STREAMS {stream} {stream} 0 {id}
		XREADGROUP GROUP {group} {who} STREAMS {stream} ($|+|foo|> >)
		XREAD (COUNT -1|COUNT foo|BLOCK foo|BLOCK -1|COUNT 0) STREAMS {stream} 0
		XPENDING {stream} {group} (IDLE 0 - +|IDLE foo - + 1|- + -1|- + foo|- +|IDLE 10000000 - + 10)
		XGROUP CREATE {stream} {group} {id} (ENTRIESREAD -1|ENTRIESREAD -5|ENTRIESREAD foo|MKSTREAM MKSTREAM|foo)
		XINFO STREAM {stream} (FULL COUNT -1|FULL foo|foo|FULL COUNT)
		XACK {stream} {group} (foo|0|-1)
		XLEN {stream}
		XRANGE {stream} {id_or} {id_or} [COUNT {count}]
		XREVRANGE {stream} {id_or} {id_or} [COUNT {count}]
		XRANGE {stream} - +
		XDEL {stream} {id}+
		XTRIM {stream} (MAXLEN|MINID) {small}
		XTRIM {stream} MINID {id}
		XREAD [COUNT {count}] STREAMS {stream} {stream} {id} {id}
		XREAD [COUNT {count}] STREAMS {stream} ($|{id})
		XREAD BLOCK 1 STREAMS {stream} ($|{id})
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
	// How much goes depends on how many entries a block has.
	{byBlocks, 1, 0, "", `
		XADD {stream} [NOMKSTREAM] (MAXLEN|MINID) ~ {small} [LIMIT (0|1|2|100|-1)] {new_id} {field} {val}
		XTRIM {stream} (MAXLEN|MINID) ~ {small} [LIMIT (0|1|2|100|-1)]`},
	// Words in places where they make sense or not: which of several errors comes first.
	{"soup", 6, 0, "", `
		{soup}
		{soup} {word}
		{soup} {word} {word}
		{soup} {word} {word} {word}
		{soup} {word} {word} {word} {word}
		{soup} {word}+`},
	{"dump", 4, 0, "", `
		DUMP {key}
		DUMP {key} ; RESTORE {key} 0 {dumped} [REPLACE]
		DUMP {key} ; RESTORE {key} 0 {dumped} REPLACE
		DUMP {str} ; RESTORE {key} {ttl_ms} {dumped} [REPLACE] [IDLETIME 100|FREQ 7|FREQ 256|IDLETIME -1|IDLETIME 1 FREQ 1]
		DUMP {zset} ; RESTORE {zset} (1000|0|1) {dumped} ABSTTL [REPLACE]
		DUMP {hash} ; RESTORE {hash} {at_ms} {dumped} REPLACE ABSTTL ; HGETALL {hash}
		DUMP {stream} ; RESTORE {stream} 0 {dumped} REPLACE
		RESTORE {key} (0|-1|foo) (foo|) [REPLACE] [ABSTTL|foo]
		DEBUG STRINGMATCH-LEN 1000 {pattern}`},
	{"pubsub", 1, 0, "", `
		4> SUBSCRIBE ch1 ; 4~ ; PUBLISH ch1 {val} ; 4~ ; PUBLISH ch2 {val} ; 4> UNSUBSCRIBE ch1 ; 4~
		4> SUBSCRIBE ch1 ch2 ch1 ; 5> PSUBSCRIBE c?1 ; 4~ ; 5~ ; PUBLISH (ch1|ch2|ch3) {val} ; PUBSUB NUMSUB ch1 ch2 ch3 ; PUBSUB NUMPAT ; 4~ ; 5~ ; 4> UNSUBSCRIBE ch2 ch1 ; 5> PUNSUBSCRIBE none c?1 ; 4~ ; 5~
		4> SSUBSCRIBE sh1 ; 4~ ; SPUBLISH sh1 {val} ; PUBLISH sh1 {val} ; PUBSUB SHARDCHANNELS ; PUBSUB SHARDNUMSUB sh1 sh2 ; 4~ ; 4> SUNSUBSCRIBE sh1 ; 4~
		4> SUBSCRIBE ch1 ; 4> GET {str} ; 4> PING ; 4> PING {val} ; 4> SSUBSCRIBE sh2 ; 4> FOO ; 4> SUBSCRIBE ; 4~ ; PUBSUB CHANNELS [ch*] ; 4> UNSUBSCRIBE ch1 ; 4> SUNSUBSCRIBE sh2 ; 4~ ; 4> UNSUBSCRIBE ; 4> PUNSUBSCRIBE ; 4> SUNSUBSCRIBE ; 4> PUNSUBSCRIBE foo ; 4~
		5> PSUBSCRIBE {pattern} ; 5~ ; PUBLISH {key} {val} ; PUBSUB CHANNELS ; 5> PUNSUBSCRIBE ; 5~
		4> SUBSCRIBE ch1 ; 4~ ; MULTI ; PUBLISH ch1 a ; PUBLISH ch1 b ; EXEC ; EVAL "return&redis.call('publish','ch1',ARGV[1])" 0 {val} ; 4~ ; 4> RESET ; 4~ ; PUBLISH ch1 c
		PUBSUB (NUMSUB|CHANNELS|NUMPAT|SHARDCHANNELS|foo|NUMPAT foo|SHARDNUMSUB)
		6> CLIENT REPLY SKIP ; 6> SET {str} {val} ; 6> GET {str} ; 6~
		6> CLIENT REPLY OFF ; 6> SET {str} {val} ; 6> INCR {str} ; 6> CLIENT REPLY ON ; 6~
		6> CLIENT REPLY (foo|ON) ; 6~`},
	{"tracking", 1, 0, "", `
		7> CLIENT TRACKING ON [NOLOOP] ; 7> GET {str@a} ; 7~ ; SET {@a} {val} ; 7~ ; SET {@a} {val} ; 7~ ; 7> CLIENT TRACKING OFF ; 7~ ; 7x
		7> CLIENT TRACKING ON ; 7> MGET {str@a} {str@b} ; 7> HGET {hash@h} a ; 7> LRANGE {list@l} 0 -1 ; 7~ ; DEL {@b} ; HSET {@h} {field} {val} ; RPUSH {@l} x ; APPEND {@a} x ; 7~ ; 7> SET {@a} mine ; 7~ ; 7> CLIENT TRACKING OFF ; 7~ ; 7x
		7> CLIENT TRACKING ON OPTIN ; 7> GET {str@a} ; 7> CLIENT CACHING YES ; 7> GET {str@b} ; 7~ ; SET {@a} 1 ; SET {@b} 1 ; 7~ ; 7> CLIENT TRACKING OFF ; 7~ ; 7x
		7> CLIENT TRACKING ON OPTOUT ; 7> GET {str@a} ; 7> CLIENT CACHING NO ; 7> GET {str@b} ; 7~ ; SET {@a} 1 ; SET {@b} 1 ; 7~ ; 7> CLIENT TRACKING OFF ; 7~ ; 7x
		7> CLIENT TRACKING ON BCAST [PREFIX k|PREFIX k PREFIX l|PREFIX k0 PREFIX k] ; 7~ ; SET {key@a} {val} ; 7~ ; RPUSH {list} {item} ; 7~ ; 7> CLIENT TRACKINGINFO ; 7> CLIENT TRACKING OFF ; 7~ ; 7x
		7> CLIENT TRACKING ON (OPTIN OPTOUT|PREFIX a|OPTIN BCAST|foo|REDIRECT 0|REDIRECT foo|REDIRECT 999999) ; 7> CLIENT TRACKINGINFO ; 7> CLIENT GETREDIR ; 7> CLIENT CACHING (YES|NO|foo) ; 7> CLIENT TRACKING OFF ; 7~ ; 7x
		7> CLIENT TRACKING ON ; 7> GET {str@a} ; 7~ ; MULTI ; SET {@a} 1 ; INCR {@a} ; EXEC ; 7~ ; 7> GET {@a} ; 7~ ; RENAME {key} {@a} ; 7~ ; 7> CLIENT TRACKING OFF ; 7~ ; 7x
		7> CLIENT TRACKING ON ; 7> SCARD none ; 7> GET {str@a} ; 7~ ; FLUSHDB ; 7~ ; EXPIRE {@a} {ttl} ; SETEX {@a} {ttl} 1 ; 7~ ; 7> CLIENT TRACKING OFF ; 7~ ; 7x
		7> CLIENT TRACKING ON ; 7> EVAL "return&redis.call('get',KEYS[1])" 1 {str@a} ; 7> ZSCORE {zset@z} a ; 7~ ; GETDEL {@a} ; ZADD {@z} 1 a ; 7~ ; 7> CLIENT TRACKING OFF ; 7~ ; 7x`},
	{"conversion", 5, 700, "", `
		EVAL "return&{1,2.9,'a',nil,3}" 0
		EVAL "return&{1,2.9,'a',false,true,{1,{2}},-0.5}" 0
		EVAL ("return&3.99"|"return&-3.99"|"return&true"|"return&false"|"return&nil"|"return&{}"|"return&'x'"|"return&1e15"|"return&0/0"|"return&2^53"|"return&''") 0
		EVAL ("return&redis.status_reply('FINE')"|"return&redis.error_reply('MY&ERR')"|"return&redis.error_reply('-MY&ERR')"|"return&redis.error_reply('one')"|"return&{ok='x'}"|"return&{err='x'}"|"return&{err='MY&x'}"|"return&{double=3.5}"|"return&{double=1e20}"|"return&{map={a=1}}"|"return&{set={a=true}}"|"return&{big_number='123'}"|"return&{verbatim_string={string='a',format='txt'}}"|"return&{ok=1}"|"return&{foo=1}") 0
		EVAL "redis.setresp(3)&return&redis.call('hgetall',KEYS[1])" 1 {hash}
		EVAL "redis.setresp(3)&local&r=redis.call('zscore',KEYS[1],ARGV[1])&return&{type(r),r}" 1 {zset} {member}
		EVAL "redis.setresp(3)&return&redis.call('get',KEYS[1])" 1 {str}
		EVAL "redis.setresp(3)&local&r=redis.call('smembers',KEYS[1])&local&n=0&if&r.set&then&for&k&in&pairs(r.set)&do&n=n+1&end&end&return&n" 1 {set}
		EVAL "redis.setresp(tonumber(ARGV[1]))&return&1" 0 (2|3|4)
		EVAL "return&redis.call(ARGV[1],KEYS[1])" 1 {key} (get|llen|scard|hlen|zcard|xlen|strlen|type|ttl|foo|incr|hget|GET|mget)
		EVAL "return&redis.pcall(ARGV[1],KEYS[1])" 1 {key} (get|llen|incr|foo|hget|lpop|del|bitcount)
		EVAL "return&redis.pcall(ARGV[1],KEYS[1]).err" 1 {key} (get|incr|foo|hget|lpop)
		EVAL "local&r=redis.call(ARGV[1],KEYS[1],'0','-1')&return&#r" 1 {key} (lrange|zrange|getrange)
		EVAL "error(ARGV[1])" 0 {text}
		EVAL "error({err='MY&e'})" 0
		EVAL "return&foo" 0
		EVAL "foo=1" 0
		EVAL "return&redis.call()" 0
		EVAL "return&redis.call('set',KEYS[1],{})" 1 {str}
		EVAL "return&redis.call('set',KEYS[1],1.5)" 1 {str}
		EVAL "redis.call('set',KEYS[1],ARGV[1])&return&redis.call('get',KEYS[1])" 1 {str} {val}
		EVAL "return&redis.call('set',KEYS[1],1e20)" 1 {str}
		EVAL "return&redis.call('set',KEYS[1],12345678901234567)" 1 {str}
		EVAL "return&tostring(tonumber(ARGV[1]))" 0 {val}
		EVAL "return&tonumber(ARGV[1])" 0 {num}
		EVAL "return&{#KEYS,#ARGV,KEYS[1],ARGV[1],ARGV[2]}" ({keys_n}|-1|foo|99) {val}+
		EVAL "return&cjson.encode(cjson.decode(ARGV[1]))" 0 ("[1,2.5,null,true,\'x\']"|[1,2.5,-0,1e30,null,true]|{json})
		EVAL "return&cjson.encode({tonumber(ARGV[1]),ARGV[1]})" 0 {val}
		EVAL "return&cmsgpack.unpack(cmsgpack.pack(ARGV[1],tonumber(ARGV[1])))" 0 {val}
		EVAL "return&cmsgpack.pack({tonumber(ARGV[1])})" 0 {num}
		EVAL "return&struct.pack('>I4hBs',1,2,3,ARGV[1])" 0 {text}
		EVAL "return&bit.tohex(bit.bxor(tonumber(ARGV[1]),255))" 0 {place}
		EVAL "return&redis.sha1hex(ARGV[1])" 0 {val}
		EVAL "return&string.format('%5.2f/%d/%s/%q/%x/%g',1.5,3,'abc','a b',255,1e20)" 0
		EVAL "return&{string.find(ARGV[1],'(%w+)'),string.rep('a',3),ARGV[1]:upper(),ARGV[1]:len()}" 0 {text}
		EVAL "local&t={};for&w&in&string.gmatch(ARGV[1],'%a+')&do&t[#t+1]=w&end&return&t" 0 {text}
		EVAL "return&redis.call('multi')" 0
		EVAL "return&redis.call('subscribe','a')" 0
		EVAL "redis.call('select',ARGV[1])&return&redis.call('dbsize')" 0 (0|1|99)
		EVAL "redis.replicate_commands()&return&redis.call('exists',KEYS[1])" 1 {key}
		EVAL "for&i=1,5&do&redis.call('rpush',KEYS[1],i)&end&return&redis.call('lrange',KEYS[1],0,-1)" 1 {list}
		EVAL_RO "return&redis.pcall('set',KEYS[1],'x')" 1 {str}
		EVAL "#!lua&flags=no-writes\nreturn&redis.call('set',KEYS[1],'x')" 1 {str}
		EVAL "#!lua\nreturn&redis.call('set','other','x')" 0
		EVAL "#!lua&name=foo\nreturn&1" 0
		EVAL "#!lua&flags=foo\nreturn&1" 0
		EVALSHA 0000000000000000000000000000000000000000 0
		EVALSHA foo (0|1|foo)
		SCRIPT LOAD "return&redis.call('get',KEYS[1])" ; EVALSHA d3c21d0c2b9ca22f82737626a27bcaf5d288f99f 1 {str} ; SCRIPT EXISTS d3c21d0c2b9ca22f82737626a27bcaf5d288f99f foo ; EVALSHA_RO D3C21D0C2B9CA22F82737626A27BCAF5D288F99F 1 {str}
		SCRIPT (FLUSH|FLUSH SYNC|FLUSH foo|KILL|foo|EXISTS|LOAD)`},
	{"function", 2, 700, "", `
		FUNCTION LOAD [REPLACE] "#!lua&name=mylib\nredis.register_function('f1',function(keys,args)&return&redis.call('set',keys[1],args[1])&end)\nredis.register_function{function_name='f2',callback=function(keys,args)&return&redis.call('get',keys[1])&end,flags={'no-writes'}}"
		FUNCTION LOAD [REPLACE] ("#!lua&name=mylib\nredis.register_function('g1',function(keys,args)&return&{#keys,#args,args[1]}&end)"|"#!lua&name=lib2\nredis.register_function('g1',function(keys,args)&return&{#keys,#args,args[1]}&end)"|"#!lua&name=bad-name\nredis.register_function('g1',function(keys,args)&return&{#keys,#args,args[1]}&end)")
		FUNCTION LOAD ("#!lua&name=x\nfoo("|"no&header"|"#!lua\nreturn&1"|"#!foo&name=x\nreturn"|"#!lua&name=x\nreturn&1"|"#!lua&name=x&foo=1\nreturn"|"#!lua&name=x\nredis.call('get','a')"|"#!lua&name=x\nredis.register_function('a')")
		FCALL (f1|f2|g1|F1|nope) 1 {str} {val}
		FCALL_RO (f1|f2|g1) 1 {str} {val}
		FCALL (f2|g1) (0|-1|foo|9) {val}+
		FUNCTION LIST [LIBRARYNAME (mylib|*|foo)] WITHCODE
		FUNCTION DELETE (mylib|lib2|none)
		FUNCTION STATS
		FUNCTION (FLUSH|FLUSH ASYNC|FLUSH foo|KILL|foo|LIST foo|DELETE|LOAD|RESTORE x)
		MULTI ; FCALL f1 1 {str} {val} ; FCALL f2 1 {str} ; EXEC`},
	{"client", 2, 0, "", `
		CLIENT (GETNAME|SETNAME {unit}|SETNAME abc|NO-EVICT ON|NO-EVICT OFF|NO-EVICT foo|GETREDIR|TRACKINGINFO|foo|KILL|UNBLOCK 999999|UNBLOCK foo|KILL ID 999999|KILL TYPE foo|KILL 1.2.3.4:5|LIST TYPE foo|LIST ID 999999|UNPAUSE|REPLY|CACHING YES)
		(TIME|LASTSAVE|ROLE|READONLY|READWRITE|ASKING|WAIT 0 0|WAIT foo 0|LOLWUT foo bar)
		HELLO (4|foo|1|3 foo|3 SETNAME|3 AUTH a)
		HELLO (2|3) [SETNAME foo]
		6~ ; 6> (AUTH foo|AUTH default foo|AUTH a b c|AUTH default) ; 6~
		ACL (WHOAMI|GETUSER none|DELUSER default|SETUSER|CAT foo|DRYRUN default GET a|DRYRUN none GET a|DRYRUN default foo|GENPASS 0|GENPASS foo|foo|LOG foo|LIST foo|USERS)
		CONFIG (GET maxmemory-policy|GET foo|GET|SET foo bar|SET maxmemory foo|SET|SET maxmemory-policy foo|GET slowlog-max-len|GET appendfsync|SET hz foo|RESETSTAT foo|foo)
		OBJECT (ENCODING|FREQ {key}|IDLETIME {key}|REFCOUNT {key}|foo {key}|ENCODING {key} {key}|IDLETIME none)
		(MEMORY|SLOWLOG|LATENCY|DEBUG|XINFO|XGROUP|OBJECT|SCRIPT|FUNCTION|PUBSUB|CLIENT|CONFIG|COMMAND|ACL|MODULE) foo
		(MEMORY USAGE|MEMORY USAGE {key} SAMPLES (0|5|-1|foo)|SLOWLOG GET foo|SLOWLOG GET -2|LATENCY HISTORY|LATENCY RESET foo|LATENCY LATEST foo|MODULE LIST foo|MODULE UNLOAD x|INFO foo|CLUSTER INFO|CLUSTER foo)
		SELECT (0|1|2|16|-1|foo|99999999999999999999)
		PFADD {hll@h} {member}+ ; PFDEBUG (GETREG|ENCODING|DECODE|TODENSE|foo) {@h}
		PFDEBUG (GETREG|ENCODING|foo) (none|l0)
		PFSELFTEST foo`},
	// Before 7.2 XSETID took IDs below the highest deleted one.
	{"stream-ids", 1, 702, "", `
		XSETID {stream} {new_id} [ENTRIESADDED {num} MAXDELETEDID {id}]`},
	{"transaction", 4, 0, "", `
		MULTI ; SET {str} {val} ; INCR {str} ; GET {str} ; EXEC
		MULTI ; LPUSH {list} {item}+ ; LRANGE {list} 0 -1 ; SMEMBERS {set} ; HGETALL {hash} ; EXEC
		MULTI ; ZADD {zset} {score} {member} ; ZRANGE {zset} 0 -1 WITHSCORES ; FOO ; EXEC
		MULTI ; RENAME {key} {key} ; COPY {key} {key} ; TYPE {key} ; TTL {key} ; EXEC
		MULTI ; DEL {key} ; DISCARD
		MULTI ; SUNIONSTORE {set} {set}+ ; SCARD {set} ; BLPOP {list} 0 ; BZPOPMIN {zset} 0 ; EXEC
		MULTI ; XADD {stream} {new_id} a b ; XLEN {stream} ; XINFO STREAM {stream} ; EXEC
		MULTI ; MULTI ; WATCH {key} ; DISCARD ; DISCARD ; EXEC
		MULTI ; GET ; SET {str} {val} ; EXEC
		MULTI ; SELECT {db} ; SET {str} {val} ; SWAPDB 0 1 ; DBSIZE ; MOVE {key} {db} ; EXEC
		MULTI ; FLUSHDB ; DBSIZE ; SPOP none ; XREAD BLOCK 0 STREAMS x0 $ ; BLMOVE none none LEFT LEFT 0 ; BRPOPLPUSH none l0 0 ; EXEC
		MULTI ; EVAL "return&redis.pcall('incr',KEYS[1])" 1 {str} ; CLIENT GETNAME ; OBJECT ENCODING {key} ; HELLO 3 ; EXEC
		MULTI ; UNWATCH ; PING ; SORT {list} STORE {list} ; EXEC
		WATCH {str@a} ; 2:FLUSHALL ; MULTI ; PING ; EXEC
		WATCH {str@a} ; 2:SWAPDB 0 1 ; MULTI ; PING ; EXEC
		WATCH {str@a} ; 2:COPY {key} {@a} REPLACE ; 2:EXPIREAT {@a} 1 ; MULTI ; GET {@a} ; EXEC
		WATCH {str@a} ; 2:GETEX {@a} PERSIST ; 2:SORT {list} STORE {@a} ; MULTI ; TYPE {@a} ; EXEC
		WATCH {str@a} ; SET {@a} 1 ; MULTI ; GET {@a} ; EXEC
		WATCH {key@a} ; 2:SELECT 1 ; 2:SET {@a} 1 ; 2:SELECT 0 ; MULTI ; PING ; EXEC
		WATCH {list@a} ; 2:LTRIM {@a} 0 -1 ; MULTI ; PING ; EXEC
		WATCH {hash@a} ; 2:HDEL {@a} {field} ; MULTI ; PING ; EXEC
		WATCH {zset@a} ; 2:ZADD {@a} XX 1 {member} ; MULTI ; PING ; EXEC
		WATCH {set@a} ; 2:SREM {@a} {member} ; 2:SADD {@a} {member} ; MULTI ; PING ; EXEC
		WATCH {key@a} ; 2:TOUCH {@a} ; MULTI ; PING ; EXEC
		WATCH {str@a} ; 2:SET {@a} {val} ; MULTI ; SET {@a} mine ; EXEC
		WATCH {key@a} ; 2:DEL {@a} ; MULTI ; PING ; EXEC
		WATCH {key@a} {key} ; 2:EXPIRE {@a} {ttl} ; MULTI ; TYPE {@a} ; EXEC
		WATCH {key} ; UNWATCH ; EXEC
		WATCH {key} ; MULTI ; WATCH {key} ; EXEC
		WATCH {key@a} ; 2:RENAME {key} {@a} ; MULTI ; PING ; EXEC
		WATCH {key@a} ; 2:SUNIONSTORE {@a} {set} ; MULTI ; PING ; EXEC`},
	{"blocking", 2, 0, "", `
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
		SELECT 0 ; DEL l0 l1 l2 ; 2!BLMOVE l0 l1 LEFT RIGHT 0 ; 3!BLMOVE l1 l2 LEFT RIGHT 0 ; RPUSH l0 {item} ; 2< ; 3<
		SELECT 0 ; DEL l0 z0 ; 2!BLPOP l0 0 ; 3!BZPOPMIN z0 0 ; FLUSHALL ; SWAPDB 0 1 ; SWAPDB 0 1 ; EVAL "redis.call('rpush','l0','a')&redis.call('zadd','z0',1,'b')" 0 ; 2< ; 3<
		SELECT 0 ; DEL l0 ; 2!BLPOP l0 0 ; SELECT 1 ; DEL l0 ; RPUSH l0 {item} ; SWAPDB 0 1 ; SELECT 0 ; 2< ; DEL l0
		SELECT 0 ; DEL {stream@a} ; XGROUP CREATE {@a} ga $ MKSTREAM ; 2!XREADGROUP GROUP ga bob BLOCK 0 STREAMS {@a} > ; DEL {@a} ; 2<
		SELECT 0 ; DEL {stream@a} ; XGROUP CREATE {@a} ga $ MKSTREAM ; 2!XREADGROUP GROUP ga bob BLOCK 0 STREAMS {@a} > ; XGROUP DESTROY {@a} ga ; 2<
		SELECT 0 ; DEL {stream@a} ; XGROUP CREATE {@a} ga $ MKSTREAM ; 2!XREADGROUP GROUP ga bob BLOCK 0 STREAMS {@a} > ; 3!XREADGROUP GROUP ga carol COUNT 1 BLOCK 0 NOACK STREAMS {@a} > ; MULTI ; XADD {@a} 1000000-1 a b ; XADD {@a} 1000000-2 a b ; EXEC ; XADD {@a} 1000000-3 a b ; 2< ; 3< ; XPENDING {@a} ga - + 10 ; DEL {@a}
		SELECT 0 ; DEL {zset@a} ; 2!BZPOPMIN {@a} 0 ; GEOADD {@a} 1 1 m ; 2< ; DEL {@a}
		SELECT 0 ; DEL {list@a} none ; 2!BLMPOP 0 1 {@a} LEFT COUNT 2 ; DUMP {@a} ; RPUSH none a b c ; DUMP none ; RESTORE {@a} 0 {dumped} ; 2< ; DEL none {@a}
		SELECT 0 ; DEL {list@a} none ; 2!BLPOP {@a} 0 ; RPUSH none a b ; COPY none {@a} ; 2< ; DEL none
		SELECT 0 ; DEL l0 l1 ; 2!BRPOPLPUSH l0 l1 0 ; RPUSH l1 3 1 2 ; SORT l1 STORE l0 ; 2<`},
	{"script", 6, 700, "", `
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
	{"newer", 6, 702, "", `
		4> MULTI ; 4> SUBSCRIBE ch1 ; 4> PUBLISH ch1 hello ; 4> UNSUBSCRIBE ch1 ; 4> EXEC ; 4~
		COMMAND GETKEYS {known}
		COMMAND GETKEYSANDFLAGS {known}
		COMMAND (GETKEYS|GETKEYS foo|GETKEYS GET|INFO foo|foo|LIST FILTERBY foo bar|LIST FILTERBY ACLCAT foo|COUNT foo|DOCS foo)
		XCLAIM {stream} {group} {who} (0|-1|foo) {id} (TIME 1000|TIME foo|IDLE -5|RETRYCOUNT -1|RETRYCOUNT foo|FORCE JUSTID|LASTID foo|foo)
		XAUTOCLAIM {stream} {group} {who} (0|-1|foo) ({id}|-|foo) [COUNT (0|-1|foo|1)] [JUSTID]
		WAITAOF (0 0 0|5 0 0|foo 0 0|1 0 1)
		ZRANK {zset} {member} WITHSCORE
		ZREVRANK {zset} {member} WITHSCORE
		XCLAIM {stream} {group} {who} 10000000 {id}
		XAUTOCLAIM {stream} {group} {who} 10000000 {id}
		XREADGROUP GROUP {group} {who} [COUNT {count}] [NOACK] STREAMS {stream} >
		XREADGROUP GROUP {group} {who} BLOCK 1 STREAMS {stream} >
		XREADGROUP GROUP {group} {who} [COUNT {count}] STREAMS {stream} {stream} (>|0) >`},
}

// byBlocks is the family of which two servers with different limits do not do the same.
const byBlocks = "stream by blocks"

// loadFamilies parses the templates of those families that are wanted, and that both servers have: they are of this version,
// and do not refuse what the family asks.
func loadFamilies(wanted func(name string) bool, version int, takes func(command string) bool) []family {
	var out []family
	for _, f := range slices.Concat(familyTexts, newerTexts) {
		if f.since > version || !wanted(f.name) || f.asks != "" && !takes(f.asks) {
			continue
		}
		fam := family{name: f.name, weight: max(10*f.weight, 1)}
		for _, line := range strings.Split(strings.TrimSpace(f.text), "\n") {
			fam.templates = append(fam.templates, parseTemplate(strings.TrimSpace(line)))
		}
		out = append(out, fam)
	}
	return out
}
