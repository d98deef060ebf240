/* What applications do with hiredis, feature by feature. */
#include <hiredis/hiredis.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *host;
static int port;
static char why[512];

#define CHECK(cond) do { if (!(cond)) { snprintf(why, sizeof why, "line %d: %s", __LINE__, #cond); return 0; } } while (0)

static redisContext *dial(void) {
    redisContext *c = redisConnect(host, port);
    if (c == NULL || c->err) {
        printf("FAILED connect: %s\n", c ? c->errstr : "no memory");
        exit(1);
    }
    return c;
}

/* text is the reply of a command as a string; it lives until the next call. */
static const char *text(redisContext *c, const char *format, ...) {
    static char buf[256];
    va_list ap;
    va_start(ap, format);
    redisReply *r = redisvCommand(c, format, ap);
    va_end(ap);
    if (r == NULL) return "(no reply)";
    switch (r->type) {
    case REDIS_REPLY_INTEGER: snprintf(buf, sizeof buf, "%lld", r->integer); break;
    case REDIS_REPLY_NIL: strcpy(buf, "(nil)"); break;
    case REDIS_REPLY_ARRAY: snprintf(buf, sizeof buf, "(%zu)", r->elements); break;
    default: snprintf(buf, sizeof buf, "%s", r->str);
    }
    freeReplyObject(r);
    return buf;
}

#define SAME(want, ...) CHECK(strcmp(text(__VA_ARGS__), want) == 0)

static int connects(void) {
    redisContext *c = dial();
    SAME("PONG", c, "PING");
    SAME("OK", c, "SET %s %b", "k", "a\0b", (size_t)3);
    redisReply *r = redisCommand(c, "GET k");
    CHECK(r && r->len == 3 && memcmp(r->str, "a\0b", 3) == 0);
    freeReplyObject(r);
    SAME("WRONGTYPE Operation against a key holding the wrong kind of value", c, "LPUSH k x");
    redisFree(c);
    return 1;
}

static int pipelines(void) {
    redisContext *c = dial();
    redisReply *r;
    for (int i = 0; i < 1000; i++) CHECK(redisAppendCommand(c, "INCR pipe") == REDIS_OK);
    for (int i = 1; i <= 1000; i++) {
        CHECK(redisGetReply(c, (void **)&r) == REDIS_OK && r->integer == i);
        freeReplyObject(r);
    }
    redisFree(c);
    return 1;
}

static int publishes(void) {
    redisContext *s = dial(), *p = dial();
    redisReply *r = redisCommand(s, "SUBSCRIBE news");
    CHECK(r && r->elements == 3);
    freeReplyObject(r);
    SAME("1", p, "PUBLISH news hello");
    CHECK(redisGetReply(s, (void **)&r) == REDIS_OK && strcmp(r->element[2]->str, "hello") == 0);
    freeReplyObject(r);
    redisFree(s);
    redisFree(p);
    return 1;
}

static int transacts(void) {
    redisContext *c = dial(), *d = dial();
    SAME("OK", c, "MULTI");
    SAME("QUEUED", c, "SET n 1");
    SAME("(1)", c, "EXEC");
    SAME("OK", c, "WATCH n");
    SAME("2", d, "INCR n");
    SAME("OK", c, "MULTI");
    SAME("QUEUED", c, "SET n 1");
    SAME("(nil)", c, "EXEC");
    redisFree(c);
    redisFree(d);
    return 1;
}

static int streams(void) {
    redisContext *c = dial();
    SAME("5-1", c, "XADD st 5-1 a 1");
    SAME("OK", c, "XGROUP CREATE st g 0");
    SAME("(1)", c, "XREADGROUP GROUP g c STREAMS st >");
    SAME("1", c, "XACK st g 5-1");
    redisFree(c);
    return 1;
}

static int locks(void) {
    redisContext *c = dial();
    SAME("OK", c, "SET lock me NX PX 60000");
    SAME("(nil)", c, "SET lock you NX PX 60000");
    SAME("1", c, "DEL lock");
    redisFree(c);
    return 1;
}

static int queues(void) {
    redisContext *c = dial();
    SAME("2", c, "LPUSH q a b");
    SAME("a", c, "LMOVE q working RIGHT LEFT");
    SAME("1", c, "LREM working 1 a");
    redisFree(c);
    return 1;
}

static int blocks(void) {
    redisContext *c = dial(), *d = dial();
    redisReply *r;
    int done = 0;
    CHECK(redisAppendCommand(c, "BLPOP bq 10") == REDIS_OK);
    while (!done) CHECK(redisBufferWrite(c, &done) == REDIS_OK);
    while (strstr(text(d, "INFO clients"), "blocked_clients:1") == NULL) { }
    SAME("1", d, "RPUSH bq x");
    CHECK(redisGetReply(c, (void **)&r) == REDIS_OK && strcmp(r->element[1]->str, "x") == 0);
    freeReplyObject(r);
    redisFree(c);
    redisFree(d);
    return 1;
}

static int scripts(void) {
    redisContext *c = dial();
    SAME("7", c, "EVAL %s 1 %s 3", "return redis.call('incrby', KEYS[1], ARGV[1]) + 4", "counter");
    redisFree(c);
    return 1;
}

static int reconnects(void) {
    redisContext *c = dial(), *d = dial();
    char id[32];
    snprintf(id, sizeof id, "%s", text(c, "CLIENT ID"));
    SAME("1", d, "CLIENT KILL ID %s", id);
    SAME("(no reply)", c, "PING");
    CHECK(redisReconnect(c) == REDIS_OK);
    SAME("PONG", c, "PING");
    redisFree(c);
    redisFree(d);
    return 1;
}

int main(int argc, char **argv) {
    struct { const char *name; int (*run)(void); } all[] = {
        {"connect", connects}, {"pipeline", pipelines}, {"pub/sub", publishes}, {"transaction", transacts},
        {"stream", streams}, {"lock", locks}, {"queue", queues}, {"blocking", blocks}, {"script", scripts}, {"reconnect", reconnects},
    };
    if (argc != 3) return 2;
    host = argv[1];
    port = atoi(argv[2]);
    printf("library hiredis %d.%d.%d\n", HIREDIS_MAJOR, HIREDIS_MINOR, HIREDIS_PATCH);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (all[i].run()) printf("ok %s\n", all[i].name);
        else printf("FAILED %s: %s\n", all[i].name, why);
    }
    return 0;
}
