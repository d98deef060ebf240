"""Celery's messaging library, which keeps queues in lists and what is not acknowledged in a hash and a sorted set."""
import socket
import sys

import kombu

host, port = sys.argv[1], int(sys.argv[2])
print("library kombu " + kombu.__version__)


def check(name, run):
    try:
        run()
        print("ok " + name)
    except Exception as e:
        print("FAILED %s: %s: %s" % (name, type(e).__name__, e))


def same(got, want):
    if got != want:
        raise AssertionError("%r instead of %r" % (got, want))


connection = kombu.Connection("redis://%s:%d/0" % (host, port))


def connect():
    connection.ensure_connection(max_retries=1)
    same(connection.connected, True)


def queue():
    with connection.SimpleQueue("jobs") as q:
        for i in range(100):
            q.put({"n": i})
        same(len(q), 100)
        for i in range(100):
            m = q.get(timeout=60)
            same(m.payload, {"n": i})
            m.ack()
        try:
            q.get(block=False)
            raise AssertionError("a message too many")
        except q.Empty:
            pass


def blocking():
    got = []
    exchange = kombu.Exchange("work", type="topic")
    with connection.channel() as channel:
        first = kombu.Queue("first", exchange, routing_key="a.*", channel=channel)
        second = kombu.Queue("second", exchange, routing_key="#.b", channel=channel)
        first.declare()
        second.declare()

        def take(body, message):
            got.append(body)
            message.ack()

        with kombu.Consumer(channel, [first, second], callbacks=[take]):
            producer = kombu.Producer(channel)
            producer.publish({"x": 1}, exchange=exchange, routing_key="a.b")  # to both
            producer.publish({"x": 2}, exchange=exchange, routing_key="c.b")
            while len(got) < 3:
                connection.drain_events(timeout=60)
            try:
                connection.drain_events(timeout=0.2)
                raise AssertionError("a message too many: %r" % got)
            except socket.timeout:
                pass
    same(sorted(m["x"] for m in got), [1, 1, 2])


def pubsub():
    got = []
    exchange = kombu.Exchange("all", type="fanout", durable=False)
    with connection.channel() as channel:
        q = kombu.Queue("listener", exchange, channel=channel, exclusive=True)
        q.declare()
        with kombu.Consumer(channel, [q], callbacks=[lambda body, m: got.append(body)], no_ack=True):
            with kombu.Connection(connection.as_uri(include_password=True)) as other:
                producer = kombu.Producer(other.channel(), exchange=exchange)
                for _ in range(300):
                    producer.publish("hello", routing_key="")  # to nobody until the subscription is there
                    try:
                        connection.drain_events(timeout=0.2)
                    except socket.timeout:
                        pass
                    if got:
                        break
    same(set(got), {"hello"})


check("connect", connect)
check("queue", queue)
check("blocking", blocking)
check("pub/sub", pubsub)
