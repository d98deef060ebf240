"""RQ: jobs that a worker of the same process takes and runs."""
import os
import sys

import redis
import rq

host, port = sys.argv[1], int(sys.argv[2])
print("library rq " + rq.version.VERSION)


def check(name, run):
    try:
        run()
        print("ok " + name)
    except Exception as e:
        print("FAILED %s: %s: %s" % (name, type(e).__name__, e))


def same(got, want):
    if got != want:
        raise AssertionError("%r instead of %r" % (got, want))


connection = redis.Redis(host=host, port=port)
q = rq.Queue("default", connection=connection)


def work():
    """Lets a worker do what there is, with its output out of the way of the results."""
    sys.stdout.flush()
    out, quiet = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    try:
        rq.SimpleWorker([q], connection=connection).work(burst=True, logging_level="ERROR")
    finally:
        os.dup2(out, 1)


def connect():
    same(connection.ping(), True)
    same(q.count, 0)


def queue():
    jobs = [q.enqueue("math.pow", 2, i) for i in range(10)]
    after = q.enqueue("operator.neg", 5, depends_on=jobs[-1])
    bad = q.enqueue("math.sqrt", -1)
    same(q.count, 11)
    work()
    same([j.result for j in jobs], [2.0 ** i for i in range(10)])
    same(after.result, -5)
    bad.refresh()
    same(bad.get_status(), "failed")
    same(q.failed_job_registry.count, 1)
    same(q.finished_job_registry.count, 11)
    same(q.count, 0)


check("connect", connect)
check("queue", queue)
