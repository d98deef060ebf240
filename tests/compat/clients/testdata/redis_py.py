"""What applications do with redis-py, feature by feature."""
import sys
import threading
import time

import redis

host, port = sys.argv[1], int(sys.argv[2])
print("library redis-py " + redis.__version__)


def check(name, run):
    try:
        run()
        print("ok " + name)
    except Exception as e:  # whatever it is, it is the result
        print("FAILED %s: %s: %s" % (name, type(e).__name__, e))


def same(got, want):
    if got != want:
        raise AssertionError("%r instead of %r" % (got, want))


def client(**more):
    return redis.Redis(host=host, port=port, decode_responses=True, **more)


r = client()


def connect():
    same(r.ping(), True)
    same(r.set("k", "v", ex=100), True)
    same(r.get("k"), "v")
    same(r.info("server")["redis_mode"], "standalone")
    same(r.client_setname("py"), True)
    same(r.client_list()[0]["name"], "py")
    same(r.config_get("maxmemory"), {"maxmemory": "0"})
    same(r.hset("h", mapping={"a": 1, "b": 2}), 2)
    same(r.hgetall("h"), {"a": "1", "b": "2"})
    same(r.zadd("z", {"x": 1.5, "y": 2}), 2)
    same(r.zrange("z", 0, -1, withscores=True), [("x", 1.5), ("y", 2.0)])
    same(sorted(r.scan_iter("[hkz]")), ["h", "k", "z"])
    same(r.command_count() > 200, True)
    same(r.memory_usage("k") > 0, True)


def pipeline():
    p = r.pipeline(transaction=False)
    for i in range(1000):
        p.set("p:%d" % i, i)
        p.get("p:%d" % i)
    got = p.execute()
    same(got[1::2], [str(i) for i in range(1000)])
    p = r.pipeline(transaction=False)
    p.set("s", "text").incr("s").get("s")
    got = p.execute(raise_on_error=False)
    same((got[0], type(got[1]).__name__, got[2]), (True, "ResponseError", "text"))


def pubsub():
    p = r.pubsub()
    p.subscribe("news")
    p.psubscribe("n*")
    same([p.get_message(timeout=60)["type"] for _ in range(2)], ["subscribe", "psubscribe"])
    same(r.publish("news", "hello"), 2)
    got = [p.get_message(timeout=60) for _ in range(2)]
    same([(m["type"], m["data"]) for m in got], [("message", "hello"), ("pmessage", "hello")])
    same(r.pubsub_numsub("news"), [("news", 1)])
    p.unsubscribe()
    p.punsubscribe()
    p.close()


def transaction():
    r.set("n", 1)
    with r.pipeline() as p:
        p.watch("n")
        n = int(p.get("n"))
        p.multi()
        p.set("n", n + 1).get("n")
        same(p.execute(), [True, "2"])
    with r.pipeline() as p:
        p.watch("n")
        r.incr("n")
        p.multi()
        p.set("n", 100)
        try:
            p.execute()
            raise AssertionError("EXEC went through although the key had changed")
        except redis.WatchError:
            pass
    def twice(p):
        n = int(p.get("n"))
        p.multi()
        p.set("n", 2 * n)

    same(r.transaction(twice, "n"), [True])
    same(r.get("n"), "6")


def stream():
    ids = [r.xadd("st", {"i": i}) for i in range(3)]
    same(r.xgroup_create("st", "g", id="0"), True)
    got = r.xreadgroup("g", "c", {"st": ">"}, count=2)
    same(got, [["st", [(ids[0], {"i": "0"}), (ids[1], {"i": "1"})]]])
    same(r.xack("st", "g", ids[0]), 1)
    same(r.xpending("st", "g")["pending"], 1)
    same([e[0] for e in r.xclaim("st", "g", "d", 0, [ids[1]])], [ids[1]])
    same(r.xautoclaim("st", "g", "e", 0)[1][0][0], ids[1])
    same(r.xinfo_groups("st")[0]["pending"], 1)
    same(r.xinfo_stream("st")["length"], 3)


def lock():
    if not r.set("lock", "me", nx=True, px=60000):
        raise AssertionError("the lock is taken")
    same(r.set("lock", "you", nx=True, px=60000), None)
    same(r.set("lock", "me", xx=True, get=True, px=60000), "me")
    same(0 < r.pttl("lock") <= 60000, True)
    same(r.delete("lock"), 1)


def script():
    same(r.eval("return {KEYS[1], ARGV[1], redis.call('get', KEYS[1])}", 1, "k", "a"), ["k", "a", "v"])
    s = r.register_script("return redis.call('incrby', KEYS[1], ARGV[1])")
    same((s(keys=["counter"], args=[5]), s(keys=["counter"], args=[5])), (5, 10))
    l = r.lock("the lock", timeout=60, blocking=False)  # released and prolonged by scripts
    same(l.acquire(), True)
    same(r.lock("the lock", timeout=60, blocking=False).acquire(), False)
    same(l.extend(10), True)
    l.release()
    same(r.exists("the lock"), 0)


def queue():
    same(r.lpush("q", "a", "b", "c"), 3)
    same(r.lmove("q", "working", "RIGHT", "LEFT"), "a")
    same(r.rpoplpush("q", "working"), "b")
    same(r.lrange("working", 0, -1), ["b", "a"])
    same(r.lrem("working", 1, "a"), 1)


def blocking():
    got = []
    waiter = threading.Thread(target=lambda: got.append(client().blpop(["bq1", "bq2"], timeout=100)))
    waiter.start()
    while r.info("clients")["blocked_clients"] != 1:
        time.sleep(0.01)
    r.rpush("bq2", "x")
    waiter.join()
    same(got, [("bq2", "x")])
    same(r.blpop("bq1", timeout=0.05 if redis.__version__ >= "4" else 1), None)
    same(r.bzpopmin("z", timeout=1), ("z", "x", 1.5))


def reconnect():
    c = client()
    me = c.client_id()
    same(r.client_kill_filter(_id=me), 1)
    same(c.set("after", "x"), True)
    same(c.client_id() != me, True)


check("connect", connect)
check("pipeline", pipeline)
check("pub/sub", pubsub)
check("transaction", transaction)
check("stream", stream)
check("lock", lock)
check("queue", queue)
check("blocking", blocking)
check("script", script)
check("reconnect", reconnect)
