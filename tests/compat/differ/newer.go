package main

// newerTexts are families of what came after Redis 7.2. A server that has one of these things need not have all that came
// before: the forks have gone different ways. So each family asks for what it uses.
//
// Times of fields that are short end while the connection blocks on a key that is not there, long enough for a server that
// looks for such fields only now and then.
var newerTexts = []familyText{
	{"hashttl", 10, 0, "HTTL none FIELDS 1 a", `
		HEXPIRE {hash} {ttl} [NX|XX] {fields}
		HPEXPIRE {hash} {ttl_ms} [NX|XX] {fields}
		HEXPIREAT {hash} {at} [NX|XX|GT|LT] {fields}
		HPEXPIREAT {hash} {at_ms} [NX|XX|GT|LT] {fields}
		HPEXPIREAT {hash} {at_ms} [NX|XX|GT|LT] FIELDS 1 {field}
		(HEXPIRE|HPEXPIRE) {hash} 0 [NX|XX|LT] FIELDS 1 {field}
		(HEXPIREAT|HPEXPIREAT) {hash} (0|1|1000|1500000000) [NX|XX|GT|LT] {fields}
		HPERSIST {hash} {fields}
		(HTTL|HPTTL|HEXPIRETIME|HPEXPIRETIME) {hash} {fields}
		(HEXPIRE|HPEXPIRE|HEXPIREAT|HPEXPIREAT) {key} {word} [NX] {fields}
		(HEXPIRE|HPEXPIRE|HEXPIREAT|HPEXPIREAT) {hash} (9223372036854775807|9223372036854775|281474976711|281474976710655|-1|foo|1.5) {fields}
		(HEXPIREAT|HPEXPIREAT) {hash} {at} (NX XX|GT LT|NX NX|foo|FIELDS|) FIELDS (0|1|2|-1|foo|9223372036854775808) {field} [{field}]
		(HTTL|HPTTL|HEXPIRETIME|HPEXPIRETIME|HPERSIST) {hash} (FIELDS|FIELD|) (0|1|2|-1|foo) {field} [{field}]
		(HTTL|HPTTL|HEXPIRETIME|HPEXPIRETIME|HPERSIST) {key} {fields}
		HSET {hash} ({field} {val})+
		HSET {hash} {many_fv}
		HDEL {hash} {field}+
		HINCRBY {hash} {field} {num}
		HINCRBYFLOAT {hash} {field} {float}
		HSETNX {hash} {field} {val}
		HMGET {hash} {field}+
		HLEN {hash}
		HRANDFIELD {hash} [100|100 WITHVALUES|-3]
		HGETALL {hash}
		HSCAN {hash} 0 COUNT 10000
		OBJECT ENCODING {hash}
		COPY {hash} {hash} [DB {db}] [REPLACE]
		RENAME {hash} {hash}
		MOVE {hash} {db}
		DUMP {hash} ; RESTORE {hash@a} 0 {dumped} REPLACE ; HPEXPIRETIME {@a} {fields} ; OBJECT ENCODING {@a}
		HSET {hash@h} {field@f} {val} ; HEXPIREAT {@h} {at} FIELDS 1 {@f} ; HPEXPIRETIME {@h} FIELDS 1 {@f} ; HSET {@h} {@f} {val} ; HTTL {@h} FIELDS 1 {@f}
		MULTI ; HPEXPIREAT {hash@h} {at_ms} {fields} ; HPEXPIRETIME {@h} {fields} ; HPERSIST {@h} {fields} ; HLEN {@h} ; EXEC
		MULTI ; HEXPIREAT {hash@h} 1 {fields} ; HGETALL {@h} ; EXISTS {@h} ; EXEC
		EVAL "return&redis.call('hexpireat',KEYS[1],ARGV[1],'FIELDS',1,ARGV[2])" 1 {hash} {at} {field}
		EVAL "redis.call('hset',KEYS[1],ARGV[1],'v')&redis.call('hexpireat',KEYS[1],ARGV[2],'FIELDS',1,ARGV[1])&return&redis.call('hpexpiretime',KEYS[1],'FIELDS',1,ARGV[1])" 1 {hash} {field} {at}
		EVAL_RO "return&redis.pcall('hpersist',KEYS[1],'FIELDS',1,'a')" 1 {hash}
		SORT (l0|z0|s0) BY h*->f GET h*->name
		WATCH {hash@a} ; 2:HPEXPIREAT {@a} {at_ms} [NX|XX] {fields} ; MULTI ; PING ; EXEC
		WATCH {hash@a} ; 2:HPERSIST {@a} {fields} ; MULTI ; PING ; EXEC
		WATCH {hash@a} ; 2:HEXPIREAT {@a} 1 {fields} ; MULTI ; PING ; EXEC
		7> CLIENT TRACKING ON ; 7> HMGET {hash@h} {field}+ ; 7~ ; HPEXPIREAT {@h} {at_ms} {fields} ; 7~ ; 7> HTTL {@h} {fields} ; 7~ ; HPERSIST {@h} {fields} ; 7~ ; 7> HLEN {@h} ; 7~ ; HEXPIREAT {@h} 1 {fields} ; 7~ ; 7> CLIENT TRACKING OFF ; 7~ ; 7x
		COMMAND GETKEYSANDFLAGS (HEXPIRE|HPEXPIREAT) {hash} {at} {fields}
		COMMAND GETKEYSANDFLAGS (HTTL|HPERSIST|HPEXPIRETIME) {hash} {fields}`},
	{"hashttl ends", 0, 0, "HTTL none FIELDS 1 a", `
		HSET {hash@h} {field@f} {val} ; HPEXPIRE {@h} 50 FIELDS 1 {@f} ; BLPOP nokey 0.5 ; HEXISTS {@h} {@f} ; HLEN {@h} ; HTTL {@h} FIELDS 1 {@f} ; HSET {@h} {@f} new ; HPTTL {@h} FIELDS 1 {@f}
		HPEXPIRE {hash@h} 50 {fields} ; BLPOP nokey 0.5 ; HLEN {@h} ; HGETALL {@h} ; EXISTS {@h} ; OBJECT ENCODING {@h}
		DEL {hash@h} ; HSET {@h} a 1 b 2 ; HPEXPIRE {@h} 50 FIELDS 2 a b ; BLPOP nokey 0.5 ; EXISTS {@h} ; TYPE {@h} ; HGETALL {@h}
		HPEXPIRE {hash@h} 50 {fields} ; WATCH {@h} ; 2:BLPOP nokey 0.5 ; MULTI ; HLEN {@h} ; EXEC
		HPEXPIRE {hash@h} 50 {fields} ; COPY {@h} {hash@i} REPLACE ; RENAME {@h} {hash@j} ; BLPOP nokey 0.5 ; HGETALL {@i} ; HGETALL {@j}`},
	{"hashgetex", 5, 0, "HGETEX none FIELDS 1 a", `
		HGETEX {hash} [EX {ttl}|PX {ttl_ms}|EXAT {at}|PXAT {at_ms}|PERSIST|EXAT 1] {fields}
		HGETEX {key} (EX|PX|EXAT|PXAT) {word} {fields}
		HGETEX {hash} (EX 10 PX 10|PERSIST EX 10|KEEPTTL|foo|EX|FIELDS|) FIELDS (0|1|2|-1|foo) {field} [{field}]
		HSETEX {hash} [FNX|FXX] [EX {ttl}|PX {ttl_ms}|EXAT {at}|PXAT {at_ms}|KEEPTTL|EXAT 1] {fields_v}
		HSETEX {hash} [EX {ttl}|PX {ttl_ms}|EXAT {at}|PXAT {at_ms}|KEEPTTL] [FNX|FXX] {fields_v}
		HSETEX {key} (EX|PX|EXAT|PXAT) {word} {fields_v}
		HSETEX {hash} (FNX FXX|EX 10 KEEPTTL|PERSIST|NX|foo|EX|FIELDS|) FIELDS (0|1|2|-1|foo) {field} {val} [{field} {val}] [{field}]
		HGETDEL {hash} {fields}
		HGETDEL {key} {fields}
		HGETDEL {hash} (FIELDS|FIELD|) (0|1|2|-1|foo) {field} [{field}]
		MULTI ; HSETEX {hash@h} EXAT {at} {fields_v} ; HGETEX {@h} PERSIST {fields} ; HGETDEL {@h} {fields} ; EXEC
		EVAL "return&redis.pcall('hsetex',KEYS[1],'EXAT',ARGV[1],'FIELDS',1,ARGV[2],'v')" 1 {hash} {at} {field}
		WATCH {hash@a} ; 2:HGETEX {@a} [EXAT {at}|PERSIST|EXAT 1] {fields} ; MULTI ; PING ; EXEC
		WATCH {hash@a} ; 2:HGETDEL {@a} {fields} ; MULTI ; PING ; EXEC
		WATCH {hash@a} ; 2:HSETEX {@a} [FNX|FXX] [EXAT 1] {fields_v} ; MULTI ; PING ; EXEC
		COMMAND GETKEYSANDFLAGS (HGETEX|HGETDEL) {hash} {fields}
		COMMAND GETKEYSANDFLAGS HSETEX {hash} {fields_v}`},
	{"hscan novalues", 1, 0, "HSET h0 a 1 ; HSCAN h0 0 NOVALUES", `
		HSCAN {hash} 0 [COUNT 10000] NOVALUES [MATCH {pattern}] COUNT 10000
		(SSCAN {set}|ZSCAN {zset}|SCAN) 0 COUNT 10000 NOVALUES`},
	{"zscan noscores", 1, 0, "ZADD z0 1 a ; ZSCAN z0 0 NOSCORES", `
		ZSCAN {zset} 0 COUNT 10000 NOSCORES [MATCH {pattern}]
		(SSCAN {set}|HSCAN {hash}|SCAN) 0 COUNT 10000 NOSCORES`},
	{"string if equal", 3, 0, "SET none v IFEQ x", `
		SET {str} {val} IFEQ {val} [GET] [EX {ttl}|PX {ttl_ms}|EXAT {at}|PXAT {at_ms}|KEEPTTL]
		SET {str@k} {val@v} ; SET {@k} {val} IFEQ {@v} [GET] [EXAT {at}|KEEPTTL] ; TTL {@k}
		SET {key} {val} [GET] [EXAT {at}] IFEQ {num}
		SET {str} {val} (IFEQ|IFEQ a IFEQ b|NX IFEQ a|IFEQ a EX foo|IFEQ a EX 0|IFEQ a foo)
		WATCH {str@k} ; 2:SET {@k} {val} IFEQ {val} ; MULTI ; PING ; EXEC`},
	{"string if", 3, 0, "SET none v IFNE x", `
		SET {str} {val} IFNE {val} [GET] [EX {ttl}|PX {ttl_ms}|EXAT {at}|PXAT {at_ms}|KEEPTTL]
		SET {key} {val} [GET] [EXAT {at}] (IFNE {num}|IFDEQ 0000000000000000|IFDNE 0000000000000000)
		SET {key} {val} [EXAT {at}] (IFDEQ {digest}|IFDNE {digest})
		SET {str} {val} (IFNE|IFNE a IFEQ b|NX IFNE a|IFDEQ|IFDEQ foo|IFDNE 00)
		WATCH {str@k} ; 2:SET {@k} {val} IFNE {val} ; MULTI ; PING ; EXEC`},
	{"delex", 3, 0, "DELEX none", `
		DELEX {str} [IFEQ {val}|IFNE {val}|IFDEQ {digest}|IFDNE {digest}]
		SET {str@k} {val@v} ; DELEX {@k} (IFEQ|IFNE) {@v} ; EXISTS {@k}
		DELEX {key} [(IFEQ|IFNE) {num}|IFDEQ foo|foo|foo bar|IFEQ a b|IFEQ a IFNE b]
		DIGEST {key}
		SET {str@k} {val} ; DIGEST {@k}
		MSETEX 2 {str} {val} {str} {val} [NX|XX] [EX {ttl}|PX {ttl_ms}|EXAT {at}|PXAT {at_ms}|KEEPTTL|EXAT 1]
		MSETEX {small} ({key} {val})+ [NX|XX] [EXAT {at}|KEEPTTL]
		MSETEX (0|-1|foo|1|9223372036854775807|2147483648) {str} {val} [NX XX|EX|EX foo|EX 0|EX 10 PX 10|EX 10 KEEPTTL|NX NX|foo]
		COMMAND GETKEYSANDFLAGS MSETEX {small} ({str} {val})+ [NX]
		COMMAND GETKEYSANDFLAGS (DELEX|DIGEST) {str}
		WATCH {str@k} ; 2:DELEX {@k} [IFEQ {val}|IFNE {val}] ; MULTI ; PING ; EXEC
		WATCH {str@k} ; 2:MSETEX 2 {str} {val} {@k} {val} [NX|XX] ; MULTI ; PING ; EXEC
		MULTI ; MSETEX 1 {str@k} {val} EXAT {at} ; EXPIRETIME {@k} ; DELEX {@k} IFEQ {val} ; EXEC`},
	{"delifeq", 1, 0, "DELIFEQ none x", `
		DELIFEQ {str} {val}
		SET {str@k} {val@v} ; DELIFEQ {@k} {@v} ; EXISTS {@k}
		DELIFEQ {key} {num}
		WATCH {str@k} ; 2:DELIFEQ {@k} {val} ; MULTI ; PING ; EXEC`},
	{"xread last", 1, 0, "XREAD STREAMS none +", `
		XREAD [COUNT {count}] STREAMS {stream} (+|{id})
		XREAD STREAMS {stream} {stream} + {id}
		XREAD BLOCK 1 STREAMS {stream} +
		XREADGROUP GROUP {group} {who} STREAMS {stream} +`},
	{"stream refs", 3, 0, "XDELEX none IDS 1 1-1", `
		XDELEX {stream} [KEEPREF|DELREF|ACKED] IDS 1 {id}
		XDELEX {stream} (KEEPREF|DELREF|ACKED) IDS 3 {id} {id} {id}
		XACKDEL {stream} {group} [KEEPREF|DELREF|ACKED] IDS 2 {id} {id}
		XACKDEL {key} {group} (IDS 2 1-1|IDS 0 1-1|IDS foo 1-1|ACKED|KEEPREF ACKED IDS 1 1-1|IDS 1 foo|IDS 1 1-1 foo)
		XTRIM {stream} (MAXLEN|MINID) [=] (0|1|2|3) (KEEPREF|DELREF|ACKED)
		XADD {stream} (KEEPREF|DELREF|ACKED) MAXLEN (0|1|2|5) {id} f {val}
		XREADGROUP GROUP {group} {who} [COUNT 2] STREAMS {stream} > ; XPENDING {stream} {group}
		XREADGROUP GROUP {group@g} {who} COUNT 3 STREAMS {stream@s} > ; XDELEX {@s} DELREF IDS 1 {id} ; XACKDEL {@s} {@g} ACKED IDS 1 {id} ; XPENDING {@s} {@g}
		COMMAND GETKEYSANDFLAGS (XDELEX|XACKDEL) {stream} g IDS 1 1-1`},
	{"xreadgroup claim", 2, 0, "XGROUP CREATE claims g $ MKSTREAM ; XREADGROUP GROUP g c CLAIM 0 STREAMS claims >", `
		XREADGROUP GROUP {group} {who} [COUNT 2] [NOACK] CLAIM 1000000 STREAMS {stream} >
		XREADGROUP GROUP {group} {who} CLAIM (foo|-1|1.5|9223372036854775807) STREAMS {stream} (>|0)
		XREADGROUP GROUP {group} {who} BLOCK 1 CLAIM 1000000 STREAMS {stream} >
		XREAD CLAIM 5 STREAMS {stream} 0`},
	{"bitop newer", 2, 0, "BITOP ONE d none", `
		BITOP (DIFF|DIFF1|ANDOR|ONE) {str} {str} {str}+
		BITOP (DIFF|DIFF1|ANDOR|ONE) {str} {str}
		BITOP (DIFF|ONE) {key} {key} {key}`},
}
