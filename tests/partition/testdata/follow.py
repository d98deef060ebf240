# A program that knows only Sentinel: it increments a counter until its input ends, and prints how often that worked.
# Arguments: the sentinels' addresses.
import sys, threading, time
from redis.sentinel import Sentinel
from redis.exceptions import ConnectionError, TimeoutError, ReadOnlyError, ResponseError

sentinels = [(a.split(":")[0], int(a.split(":")[1])) for a in sys.argv[1:]]
sentinel = Sentinel(sentinels, socket_timeout=1.0)
primary = sentinel.master_for("main", socket_timeout=1.0)
replica = sentinel.slave_for("main", socket_timeout=1.0)

over = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
done = failed = 0
while not over.is_set():
    try:
        primary.incr("counter")
        done += 1
        if done % 100 == 0:
            replica.get("counter")
            print(done, flush=True)
    except (ConnectionError, TimeoutError, ReadOnlyError, ResponseError):
        failed += 1
        time.sleep(0.02)
print("end", done, failed, flush=True)
