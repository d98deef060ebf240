package main

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"
)

// The load generator. One thread serves all connections in turn: it waits for a connection's replies, notes the time,
// sends the connection's next batch and goes on to the next one. There is no event loop, because with every
// connection always having requests under way the next one in turn is ready as a rule, and a blocking read costs less
// than asking which is. Requests are built before; replies are counted, not parsed, where their length is known.
//
// What a batch costs the generator is a send, a receive and two looks at the clock. So it is far from being the limit
// with any server that runs on one processor; the share of time that it was busy is reported with each figure.

// ring is a row of prebuilt requests, drawn at random from the keys of the workload. Batches are slices of it.
type ring struct {
	bytes   []byte
	offsets []uint32 // of each request, and the end of the last
}

// ringBytes bounds a ring: larger than the processor's caches, so that a server's keys are cold as in real use.
const ringBytes = 48 << 20

// buildRing builds up to count requests.
func buildRing(count int, seed uint64, request func(b []byte, r *rand.Rand) []byte) *ring {
	r := rand.New(rand.NewPCG(seed, 1))
	g := &ring{}
	for range count {
		if len(g.bytes) > ringBytes {
			break
		}
		g.offsets = append(g.offsets, uint32(len(g.bytes)))
		g.bytes = request(g.bytes, r)
	}
	g.offsets = append(g.offsets, uint32(len(g.bytes)))
	return g
}

func (g *ring) len() int { return len(g.offsets) - 1 }

// batch is the n requests from the i-th on.
func (g *ring) batch(i, n int) []byte { return g.bytes[g.offsets[i]:g.offsets[i+n]] }

// loadOptions say what one measurement does.
type loadOptions struct {
	addr     string
	conns    int
	pipeline int
	ring     *ring
	inOrder  bool // send the ring once, from its start to its end, instead of random pieces of it
	duration time.Duration
	requests int // stop after about so many; 0: after the duration
	replyLen int // bytes of each reply, when they are all the same; 0: replies are read
	errorsOK bool
}

// loadResult is what one measurement saw.
type loadResult struct {
	requests int
	elapsed  time.Duration
	latency  histogram // of batches, from the send to the last reply
	busy     float64   // share of the time that the generator was busy
}

func (r *loadResult) perSecond() float64 { return float64(r.requests) / r.elapsed.Seconds() }

type loadConn struct {
	fd      int
	sent    int64 // when the batch under way was sent, in ns
	waiting int   // replies still to come
	skip    skipper
}

var clockStart = time.Now()

func now() int64 { return int64(time.Since(clockStart)) }

// run makes one measurement.
func run(o loadOptions) (*loadResult, error) {
	defer withoutCollector()()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	conns := make([]*loadConn, o.conns)
	for i := range conns {
		fd, err := dialRaw(o.addr)
		if err != nil {
			return nil, err
		}
		defer closeRaw(fd)
		conns[i] = &loadConn{fd: fd}
	}
	l := &loader{loadOptions: o, rand: rand.New(rand.NewPCG(uint64(now()), 7)), result: &loadResult{}, buf: make([]byte, 256<<10)}
	busyBefore, began := threadTime(), now()
	l.deadline = began + int64(o.duration)
	if err := l.loop(conns); err != nil {
		return nil, err
	}
	l.result.elapsed = time.Duration(now() - began)
	l.result.busy = float64(threadTime()-busyBefore) / float64(l.result.elapsed)
	return l.result, nil
}

// withoutCollector collects garbage and then has none collected until the function that it returns is called: the collector
// would have to wait for a thread that sits in a read, and would be measured. Within one such stretch others do nothing.
func withoutCollector() (again func()) {
	before := debug.SetGCPercent(-1)
	if before < 0 {
		return func() {}
	}
	runtime.GC()
	return func() { debug.SetGCPercent(before) }
}

type loader struct {
	loadOptions
	rand     *rand.Rand
	result   *loadResult
	buf      []byte
	next     int // position in the ring, when it is sent in order
	sent     int
	deadline int64
}

func (l *loader) loop(conns []*loadConn) error {
	active := 0
	for _, c := range conns {
		if l.more(now()) {
			if err := l.send(c); err != nil {
				return err
			}
			active++
		}
	}
	for active > 0 {
		for _, c := range conns {
			if c.waiting == 0 {
				continue
			}
			t, err := l.receive(c)
			if err != nil {
				return err
			}
			if !l.more(t) {
				active--
				continue
			}
			if err := l.send(c); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *loader) more(t int64) bool {
	switch {
	case l.inOrder:
		return l.next < l.ring.len()
	case l.requests > 0:
		return l.sent < l.requests
	}
	return t < l.deadline
}

func (l *loader) send(c *loadConn) error {
	n := l.pipeline
	at := l.next
	if l.inOrder {
		n = min(n, l.ring.len()-at)
		l.next += n
	} else {
		at = l.rand.IntN(l.ring.len() - n + 1)
	}
	l.sent += n
	c.waiting = n
	c.sent = now()
	b := l.ring.batch(at, n)
	for len(b) > 0 {
		k, err := writeRaw(c.fd, b)
		if err != nil {
			return fmt.Errorf("sending: %w", err)
		}
		b = b[k:]
	}
	return nil
}

var errClosed = errors.New("the server closed the connection")

// receive waits for all replies of the batch under way and notes how long it took.
func (l *loader) receive(c *loadConn) (int64, error) {
	n := c.waiting
	missing := n * l.replyLen
	for {
		k, err := readRaw(c.fd, l.buf)
		if err != nil {
			return 0, fmt.Errorf("receiving: %w", err)
		}
		if k == 0 {
			return 0, errClosed
		}
		b := l.buf[:k]
		if l.replyLen > 0 {
			if b[0] == '-' || missing < k || missing == k && b[k-1] != '\n' {
				return 0, fmt.Errorf("unexpected reply: %.80q", b)
			}
			if missing -= k; missing == 0 {
				break
			}
			continue
		}
		done, err := c.skip.take(b, l.errorsOK)
		if err != nil {
			return 0, err
		}
		if c.waiting -= done; c.waiting == 0 {
			break
		}
		if c.waiting < 0 {
			return 0, fmt.Errorf("more replies than requests: %.80q", b)
		}
	}
	c.waiting = 0
	t := now()
	l.result.latency.add(t - c.sent)
	l.result.requests += n
	return t, nil
}

// skipper counts RESP replies in a stream that comes in pieces, without keeping them.
type skipper struct {
	line  []byte // a line whose end has not come yet
	bulk  int    // bytes of a bulk string, with its CR LF, still to come
	stack []int  // values still to come in each open aggregate
}

// take counts the replies that end in b.
func (s *skipper) take(b []byte, errorsOK bool) (done int, err error) {
	for len(b) > 0 {
		if s.bulk > 0 {
			k := min(s.bulk, len(b))
			s.bulk -= k
			b = b[k:]
			if s.bulk == 0 {
				done += s.end()
			}
			continue
		}
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			s.line = append(s.line, b...)
			return done, nil
		}
		line := b[:i+1]
		if len(s.line) > 0 {
			s.line = append(s.line, line...)
			line = s.line
			s.line = s.line[:0]
		}
		b = b[i+1:]
		if len(line) < 3 {
			return done, fmt.Errorf("empty line where a reply should begin")
		}
		switch line[0] {
		case '-':
			if !errorsOK {
				return done, fmt.Errorf("error reply: %.100s", bytes.TrimSpace(line))
			}
		case '$', '=', '!', '*', '~', '%', '>':
			n, err := strconv.Atoi(string(line[1 : len(line)-2]))
			if err != nil {
				return done, fmt.Errorf("reply that is not RESP: %.40q", line)
			}
			if n >= 0 && (line[0] == '$' || line[0] == '=' || line[0] == '!') {
				s.bulk = n + 2
				continue
			}
			if line[0] == '%' {
				n *= 2
			}
			if n > 0 && line[0] != '$' {
				s.stack = append(s.stack, n)
				continue
			}
		}
		done += s.end()
	}
	return done, nil
}

// end closes a value and the aggregates that end with it; it returns 1 if that was the whole reply.
func (s *skipper) end() int {
	for len(s.stack) > 0 {
		top := len(s.stack) - 1
		s.stack[top]--
		if s.stack[top] > 0 {
			return 0
		}
		s.stack = s.stack[:top]
	}
	return 1
}

// hostPort splits "127.0.0.1:7000" for a raw socket.
func hostPort(addr string) (ip [4]byte, port int, err error) {
	a, err := net.ResolveTCPAddr("tcp4", addr)
	if err != nil {
		return ip, 0, err
	}
	copy(ip[:], a.IP.To4())
	return ip, a.Port, nil
}
