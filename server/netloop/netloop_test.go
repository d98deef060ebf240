package netloop

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestPipeline(t *testing.T) {
	each(t, nil, func(t *testing.T, s *testServer, e *Engine, addr string) {
		c := dial(t, "tcp", addr)
		defer c.Close()
		c.send("PING\r\n")
		c.want("+PONG")
		var b strings.Builder
		const n = 20000
		for i := range n {
			fmt.Fprintf(&b, "*2\r\n$4\r\nECHO\r\n$%d\r\n%d\r\n", len(fmt.Sprint(i)), i)
		}
		go io.WriteString(c.Conn, b.String())
		for i := range n {
			c.want(fmt.Sprint(i))
		}
		tr := e.Traffic()
		if want := uint64(b.Len() + 6); tr.BytesIn != want {
			t.Errorf("%d bytes counted in, want %d", tr.BytesIn, want)
		}
		if int64(tr.Turns) > s.turnEnds.Load() {
			t.Errorf("%d turns, %d ends", tr.Turns, s.turnEnds.Load())
		}
	})
}

func TestPieces(t *testing.T) {
	each(t, nil, func(t *testing.T, s *testServer, e *Engine, addr string) {
		rnd := rand.New(rand.NewPCG(1, 1))
		c := dial(t, "tcp", addr)
		defer c.Close()
		for range 20 {
			text := strings.Repeat("x", rnd.IntN(100000))
			in := fmt.Sprintf("*2\r\n$4\r\nECHO\r\n$%d\r\n%s\r\nPING\r\n", len(text), text)
			go func() {
				for in != "" {
					n := min(len(in), 1+rand.IntN(1+len(in)/4))
					io.WriteString(c.Conn, in[:n])
					in = in[n:]
				}
			}()
			c.want(text, "+PONG")
		}
	})
}

func TestHugeValue(t *testing.T) {
	each(t, nil, func(t *testing.T, s *testServer, e *Engine, addr string) {
		c := dial(t, "tcp", addr)
		defer c.Close()
		size := 24 << 20
		text := strings.Repeat("abcdefgh", size/8)
		go io.WriteString(c.Conn, fmt.Sprintf("PING\r\n*2\r\n$4\r\nECHO\r\n$%d\r\n%s\r\nPING\r\n", size, text))
		c.want("+PONG", text, "+PONG")
		conn := s.conn(c.id())
		done := make(chan bool)
		conn.Loop().Post(func() { done <- conn.Buffers() == 0 })
		wait(t, "the buffers go back", func() bool {
			if <-done {
				return true
			}
			conn.Loop().Post(func() { done <- conn.Buffers() == 0 })
			return false
		})
	})
}

// TestBackPressure sends many commands with large replies and reads none: the server must stop running them.
func TestBackPressure(t *testing.T) {
	each(t, func(o *Options) { o.OutputPause = 1 << 20 }, func(t *testing.T, s *testServer, e *Engine, addr string) {
		c := dial(t, "tcp", addr)
		defer c.Close()
		const n, size = 400, 100000
		c.send(strings.Repeat(fmt.Sprintf("BIG %d\r\n", size), n) + "PING\r\n")
		still := int64(-1)
		wait(t, "the server stops", func() bool { // no progress over several looks
			ticks := s.ticks.Load()
			wait(t, "ticks", func() bool { return s.ticks.Load() > ticks+8 })
			now := s.ran.Load()
			stopped := now == still
			still = now
			return stopped
		})
		if still >= n {
			t.Fatalf("all %d commands ran", still)
		}
		if most := s.mostPending.Load(); most > 1<<20+size+100 {
			t.Fatalf("%d bytes of output waited", most)
		}
		other := dial(t, "tcp", addr)
		defer other.Close()
		other.send("PING\r\n")
		other.want("+PONG")
		for range n {
			c.want(string(s.big[:size]))
		}
		c.want("+PONG")
	})
}

// TestWriteAllThenRead is a client that reads no reply before it has sent its last command.
func TestWriteAllThenRead(t *testing.T) {
	each(t, func(o *Options) { o.OutputPause = 64 << 20 }, func(t *testing.T, s *testServer, e *Engine, addr string) {
		c := dial(t, "tcp", addr)
		defer c.Close()
		const n = 10000
		c.send(strings.Repeat("ECHO "+strings.Repeat("y", 1000)+"\r\n", n))
		for range n {
			if len(c.reply()) != 1000 {
				t.Fatal("not the reply")
			}
		}
	})
}

// What a command that takes long has written so far is not sent: the command may take it back. Somebody may just have been
// writing an earlier reply to its client.
func TestUnfinishedReplyStays(t *testing.T) {
	each(t, func(o *Options) { o.Loops = 1 }, func(t *testing.T, s *testServer, e *Engine, addr string) {
		theirs, ours := net.Pipe() // a write to it returns when it is read
		e.Serve(theirs, nil)
		c := &client{ours, t, newReader(ours)}
		defer c.Close()
		c.SetDeadline(time.Now().Add(patience))
		conn := s.conn(c.id())
		const size = 300000
		c.send(fmt.Sprintf("BIG %d\r\n", size))
		c.send("LONG\r\n") // to the one who reads while the other one writes
		wait(t, "the long command", s.longRuns.Load)
		c.want(string(s.big[:size]))
		wait(t, "the end of writing", func() bool {
			conn.loop.mu.Lock()
			defer conn.loop.mu.Unlock()
			return conn.BytesOut > size
		})
		s.longEnds.Store(true)
		c.want("+DONE")
	})
}

func TestHalfClosed(t *testing.T) {
	each(t, nil, func(t *testing.T, s *testServer, e *Engine, addr string) {
		for range 5 {
			c := dial(t, "tcp", addr)
			id := c.id()
			c.send("PING\r\nBIG 2000000\r\nPING\r\nPIN")
			c.Conn.(*net.TCPConn).CloseWrite()
			c.want("+PONG", string(s.big[:2000000]), "+PONG")
			c.ends()
			c.Close()
			wait(t, "closed", func() bool { _, ok := s.why.Load(uint64(id)); return ok })
			if why, _ := s.why.Load(uint64(id)); why != "EOF" {
				t.Fatalf("closed because of %v", why)
			}
		}
	})
}

// The handler is told of clients that do not take what a closing connection owes them, of no others, and of each once.
func TestLingers(t *testing.T) {
	each(t, nil, func(t *testing.T, s *testServer, e *Engine, addr string) {
		const size = 20_000_000 // more than the system takes
		leave := []func(c *client){
			func(c *client) { c.send("BYE\r\n") },
			func(c *client) { c.send("NONSENSE\r\n"); c.Conn.(*net.TCPConn).CloseWrite() },
		}
		for i, how := range leave {
			c := dial(t, "tcp", addr)
			c.send(fmt.Sprintf("BIG %d\r\n", size))
			how(c)
			wait(t, "lingering", func() bool { return s.lingered.Load() == int64(i+1) })
			if len(c.reply()) != size {
				t.Error("not all of it came")
			}
			c.reply()
			c.ends()
			c.Close()
		}
		for range 20 {
			c := dial(t, "tcp", addr)
			c.send("PING\r\nBYE\r\n")
			c.want("+PONG", "+OK")
			c.ends()
			c.Close()
		}
		if n := s.lingered.Load(); n != int64(len(leave)) && !e.opt.Portable { // a portable loop goes by how long it takes
			t.Errorf("told of %d", n)
		}
	})
}

// Who is suspended briefly, and has closed its sending side, is served to the end; but not beyond a request that really waits.
func TestHalfClosedForAMoment(t *testing.T) {
	each(t, nil, func(t *testing.T, s *testServer, e *Engine, addr string) {
		for _, last := range []string{"ECHO b\r\n", "WAIT\r\nECHO b\r\n"} {
			c := dial(t, "tcp", addr)
			id := c.id()
			conn := s.conn(id)
			ran := s.ran.Load()
			c.send("PING\r\nMOMENT\r\nECHO a\r\nMOMENT\r\n" + last)
			c.want("+PONG")
			wait(t, "it waits", func() bool { return s.ran.Load() == ran+2 })
			c.Conn.(*net.TCPConn).CloseWrite()
			ended := make(chan bool)
			wait(t, "its end is seen", func() bool {
				conn.Loop().Post(func() { ended <- conn.is(stEOF) })
				return <-ended
			})
			conn.Wake()
			c.want("+WOKEN", "a")
			wait(t, "it waits", func() bool { return s.ran.Load() == ran+4 })
			conn.Wake()
			if last[0] == 'E' {
				c.want("+WOKEN", "b")
				c.ends()
			}
			wait(t, "closed", func() bool { _, ok := s.why.Load(uint64(id)); return ok })
			if why, _ := s.why.Load(uint64(id)); why != "EOF" {
				t.Fatalf("closed because of %v", why)
			}
		}
	})
}

func TestCloses(t *testing.T) {
	each(t, nil, func(t *testing.T, s *testServer, e *Engine, addr string) {
		for in, want := range map[string]string{
			"PING\r\nBYE\r\nPING\r\n":           "+PONG +OK",
			"PING\r\n*1\r\n$-1\r\nPING\r\n":     "+PONG -ERR Protocol error: invalid bulk length",
			"BIG 3000000\r\nBYE\r\n":            string(s.big[:3000000]) + " +OK",
			"DROP\r\nPING\r\n":                  "",
			"ECHO 'a\r\n":                       "-ERR Protocol error: unbalanced quotes in request",
			strings.Repeat("x", 66000) + "\r\n": "-ERR Protocol error: too big inline request",
		} {
			c := dial(t, "tcp", addr)
			c.send(in)
			for want != "" {
				reply := c.reply()
				if !strings.HasPrefix(want, reply) {
					t.Fatalf("%.40q: got %.60q, want %.60q", in, reply, want)
				}
				want = strings.TrimPrefix(want[len(reply):], " ")
			}
			c.ends()
			c.Close()
		}
	})
}

func TestManyConnections(t *testing.T) {
	each(t, nil, func(t *testing.T, s *testServer, e *Engine, addr string) {
		n := 500
		if testing.Short() {
			n = 100
		}
		clients := make([]*client, n)
		for i := range clients {
			clients[i] = dial(t, "tcp", addr)
		}
		for range 3 {
			for i, c := range clients {
				c.send(fmt.Sprintf("ECHO %d\r\nPING\r\n", i))
			}
			for i, c := range clients {
				c.want(fmt.Sprint(i), "+PONG")
			}
		}
		if e.Conns() != n {
			t.Errorf("%d connections are counted", e.Conns())
		}
		loops := map[int]int{}
		s.conns.Range(func(_, c any) bool { loops[c.(*Conn).Loop().Index]++; return true })
		for k, m := range loops {
			if m < n/len(loops)-1 || m > n/len(loops)+1 {
				t.Errorf("loop %d has %d of %d connections", k, m, n)
			}
		}
		for i, c := range clients {
			if i%2 == 0 {
				c.Close()
			}
		}
		wait(t, "half of them close", func() bool { return e.Conns() == n/2 })
		for i, c := range clients {
			if i%2 == 1 {
				c.send("PING\r\n")
				c.want("+PONG")
				c.Close()
			}
		}
		wait(t, "all close", func() bool { return e.Conns() == 0 })
	})
}

// TestIdleOwnsNothing looks at buffers after traffic.
func TestIdleOwnsNothing(t *testing.T) {
	each(t, nil, func(t *testing.T, s *testServer, e *Engine, addr string) {
		c := dial(t, "tcp", addr)
		defer c.Close()
		conn := s.conn(c.id())
		size := make(chan int)
		buffers := func() int { conn.Loop().Post(func() { size <- conn.Buffers() }); return <-size }
		c.send(strings.Repeat("BIG 50000\r\n", 20))
		for range 20 {
			c.reply()
		}
		wait(t, "nothing is kept", func() bool { return buffers() == 0 })
		c.send("*2\r\n$4\r\nECHO\r\n$1000000\r\nabc")
		wait(t, "a little is kept", func() bool { return buffers() > 0 })
		if n := buffers(); n > 256 {
			t.Fatalf("%d bytes are kept for the beginning of a request", n)
		}
	})
}

func TestKill(t *testing.T) {
	each(t, nil, func(t *testing.T, s *testServer, e *Engine, addr string) {
		idle, slow, waiting := dial(t, "tcp", addr), dial(t, "tcp", addr), dial(t, "tcp", addr)
		ids := []int64{idle.id(), slow.id(), waiting.id()}
		slow.send(strings.Repeat("BIG 4000000\r\n", 20)) // more than sockets take
		waiting.send("WAIT\r\n")
		wait(t, "output waits", func() bool { return s.mostPending.Load() > 0 && s.ran.Load() > 4 })
		boom := errors.New("boom")
		var all sync.WaitGroup
		for range 4 {
			for _, id := range ids {
				if c, ok := s.conns.Load(uint64(id)); ok {
					all.Add(1)
					go func() { defer all.Done(); c.(*Conn).Kill(boom) }()
				}
			}
		}
		all.Wait()
		for _, id := range ids {
			wait(t, "it is closed", func() bool { why, _ := s.why.Load(uint64(id)); return why == "boom" })
		}
		idle.ends()
		waiting.ends()
		for _, c := range []*client{idle, slow, waiting} {
			c.Close()
		}
	})
}

func TestSuspend(t *testing.T) {
	each(t, nil, func(t *testing.T, s *testServer, e *Engine, addr string) {
		c := dial(t, "tcp", addr)
		conn := s.conn(c.id())
		for range 50 {
			ran := s.ran.Load()
			c.send("PING\r\nWAIT\r\nECHO a\r\nWAIT\r\nECHO b\r\n")
			c.want("+PONG")
			wait(t, "it waits", func() bool { return s.ran.Load() == ran+2 })
			c.send("ECHO c\r\n") // sent ahead
			go conn.Wake()
			c.want("+WOKEN", "a")
			wait(t, "it waits", func() bool { return s.ran.Load() == ran+4 })
			go conn.Wake()
			c.want("+WOKEN", "b", "c")
		}
		// A client that waits and goes away is noticed, also when it has sent something ahead.
		for i := range 2 {
			c := dial(t, "tcp", addr)
			id := c.id()
			ran := s.ran.Load()
			c.send("WAIT\r\n" + strings.Repeat("PING\r\n", i))
			wait(t, "it waits", func() bool { return s.ran.Load() == ran+1 })
			c.Close()
			wait(t, "it is closed", func() bool { _, ok := s.why.Load(uint64(id)); return ok })
		}
		// One that sends without end while it waits is not read without end.
		ran := s.ran.Load()
		c.send("WAIT\r\n")
		wait(t, "it waits", func() bool { return s.ran.Load() == ran+1 })
		const n = 3000
		text := strings.Repeat("0123456789", 100)
		sent := make(chan bool)
		go func() { io.WriteString(c.Conn, strings.Repeat("ECHO "+text+"\r\n", n)); close(sent) }()
		size := make(chan int)
		wait(t, "input is kept", func() bool {
			conn.Loop().Post(func() { size <- conn.In.Buffered() })
			return <-size >= 1<<20
		})
		conn.Loop().Post(func() { size <- conn.In.Owned() })
		if n := <-size; n > 4<<20 {
			t.Fatalf("%d bytes are kept for a suspended connection", n)
		}
		conn.Wake()
		c.want("+WOKEN")
		for range n {
			c.want(text)
		}
		<-sent
		c.Close()
	})
}

func TestWakes(t *testing.T) {
	each(t, nil, func(t *testing.T, s *testServer, e *Engine, addr string) {
		const n, rounds = 20, 200
		clients := make([]*client, n)
		conns := make([]*Conn, n)
		for i := range clients {
			clients[i] = dial(t, "tcp", addr)
			defer clients[i].Close()
			conns[i] = s.conn(clients[i].id())
		}
		var all sync.WaitGroup
		var posted atomic.Int64
		for g := range 4 {
			all.Add(1)
			go func() {
				defer all.Done()
				rnd := rand.New(rand.NewPCG(uint64(g), 1))
				for range rounds {
					c := conns[rnd.IntN(n)]
					c.Wake()
					c.Loop().Post(func() { // a push from elsewhere
						c.Out().Simple("PUSH")
						posted.Add(1)
					})
				}
			}()
		}
		all.Wait()
		wait(t, "all posts are done", func() bool { return posted.Load() == 4*rounds })
		if s.woken.Load() == 0 {
			t.Error("nobody was woken")
		}
		pushes := 0
		for _, c := range clients {
			c.send("PING\r\n")
			for c.reply() == "+PUSH" {
				pushes++
			}
		}
		if pushes != 4*rounds {
			t.Fatalf("%d pushes arrived", pushes)
		}
	})
}

func TestHold(t *testing.T) {
	each(t, nil, func(t *testing.T, s *testServer, e *Engine, addr string) {
		c := dial(t, "tcp", addr)
		defer c.Close()
		conn := s.conn(c.id())
		for range 20 {
			ran := s.ran.Load()
			c.send("PING\r\nHOLD\r\nECHO x\r\n")
			c.want("+PONG")
			wait(t, "it ran", func() bool { return s.ran.Load() == ran+3 })
			c.SetReadDeadline(time.Now().Add(5 * time.Millisecond))
			if b, err := c.r.ReadByte(); err == nil {
				t.Fatalf("%q came through", b)
			}
			c.SetReadDeadline(time.Now().Add(patience))
			conn.Wake()
			c.want("+HELD", "x")
		}
	})
}

func TestPauseReading(t *testing.T) {
	each(t, nil, func(t *testing.T, s *testServer, e *Engine, addr string) {
		c := dial(t, "tcp", addr)
		defer c.Close()
		conn := s.conn(c.id())
		for range 5 {
			c.send("PAUSE\r\nECHO same\r\n") // what came along is served
			c.want("+OK", "same")
			c.send("PING\r\n")
			ticks := s.ticks.Load()
			wait(t, "ticks", func() bool { return s.ticks.Load() > ticks+3 })
			in := e.Traffic().BytesIn
			conn.Wake()
			c.want("+PONG")
			if e.Traffic().BytesIn != in+6 {
				t.Fatal("a paused connection was read")
			}
		}
	})
}

// TestBorrow has somebody else talk with a client: in the midst of a turn, and after the connection has been given away.
func TestBorrow(t *testing.T) {
	each(t, nil, func(t *testing.T, s *testServer, e *Engine, addr string) {
		c := dial(t, "tcp", addr)
		defer c.Close()
		c.send("TALK\r\n")
		c.want("+hello")
		c.send("something\r\n")
		c.want("+something", "+TALKED")
		c.ends()
		c = dial(t, "tcp", addr)
		defer c.Close()
		c.send("LEAVE\r\n")
		c.want("+hello")
		wait(t, "the connection is nobody's", func() bool { return e.Conns() == 0 })
		c.send("something\r\n")
		c.want("+something")
		c.ends()
		c = dial(t, "tcp", addr)
		defer c.Close()
		c.send("PING\r\nTALK\r\nLEAVE\r\nPING\r\n")
		c.want("+PONG", "-ERR "+ErrInUse.Error(), "-ERR "+ErrInUse.Error(), "+PONG")
	})
}

// TestDetached has bytes wait at a connection that was given away: they are not the loop's, and wake it no more.
func TestDetached(t *testing.T) {
	each(t, nil, func(t *testing.T, s *testServer, e *Engine, addr string) {
		c := dial(t, "tcp", addr)
		defer c.Close()
		c.send("LEAVE 1\r\n")
		nc := <-s.given
		defer nc.Close()
		wait(t, "the connection is nobody's", func() bool { return e.Conns() == 0 })
		c.send("something\r\n")
		for _, l := range e.loops {
			wait(t, "the loop sleeps", func() bool { return l.Portable() || l.asleep() })
		}
		if b, err := bufio.NewReader(nc).ReadString('\n'); b != "something\r\n" || err != nil {
			t.Fatal(b, err)
		}
	})
}

func TestDrained(t *testing.T) {
	each(t, nil, func(t *testing.T, s *testServer, e *Engine, addr string) {
		c := dial(t, "tcp", addr)
		defer c.Close()
		for _, n := range []int{1, 1000, 15000000} {
			c.send(fmt.Sprintf("DRAIN %d\r\n", n))
			c.want(string(s.big[:n]), "+DRAINED")
		}
	})
}

// TestLastWords lets connections write to others when they close. Nothing but that must be needed to send it.
func TestLastWords(t *testing.T) {
	each(t, func(o *Options) { o.TickEvery = time.Hour }, func(t *testing.T, s *testServer, e *Engine, addr string) {
		stays := dial(t, "tcp", addr)
		defer stays.Close()
		id := stays.id()
		for range 10 {
			goes := dial(t, "tcp", addr)
			goes.send(fmt.Sprintf("TELL %d\r\n", id))
			goes.want("+OK")
			goes.Close()
			stays.want("+GONE")
		}
	})
}

func TestYield(t *testing.T) {
	each(t, nil, func(t *testing.T, s *testServer, e *Engine, addr string) {
		s.perTurn.Store(2)
		a, b := dial(t, "tcp", addr), dial(t, "tcp", addr)
		a.send(strings.Repeat("PING\r\n", 5000))
		b.send("PING\r\n")
		b.want("+PONG")
		for range 5000 {
			a.want("+PONG")
		}
		// What was sent before the end is still run, two by two.
		a.send(strings.Repeat("PING\r\n", 501))
		a.Conn.(*net.TCPConn).CloseWrite()
		for range 501 {
			a.want("+PONG")
		}
		a.ends()
		a.Close()
		b.Close()
	})
}

func TestTicks(t *testing.T) {
	each(t, func(o *Options) { o.TickEvery = time.Hour }, func(t *testing.T, s *testServer, e *Engine, addr string) {
		c := dial(t, "tcp", addr)
		defer c.Close()
		l := s.conn(c.id()).Loop()
		asked, set := make(chan time.Time, 1), make(chan bool)
		l.Post(func() {
			s.onTick = func(l *Loop) { asked <- l.Now() }
			close(set)
		})
		<-set
		for range 3 {
			due := time.Now().Add(30 * time.Millisecond)
			c.send("TICK 30\r\nTICK 60000\r\n") // later than what was asked for: no matter
			c.want("+OK", "+OK")
			if at := <-asked; at.Before(due) || at.After(due.Add(50*time.Second)) {
				t.Fatalf("the tick came %v after it was due", at.Sub(due))
			}
		}
	})
}

func TestRefusal(t *testing.T) {
	each(t, nil, func(t *testing.T, s *testServer, e *Engine, addr string) {
		s.setOnOpened(func(c *Conn) {
			if e.Conns() > 2 {
				c.Out().Error("ERR max number of clients reached")
				c.CloseAfterReply()
			}
		})
		a, b := dial(t, "tcp", addr), dial(t, "tcp", addr)
		a.id()
		b.id()
		for range 5 {
			c := dial(t, "tcp", addr)
			c.want("-ERR max number of clients reached")
			c.ends()
			c.Close()
		}
		a.Close()
		wait(t, "one is closed", func() bool { return e.Conns() == 1 })
		c := dial(t, "tcp", addr)
		c.id()
		c.Close()
		b.Close()
	})
}

// TestStop lets what waits go out, and ends when it is out.
func TestStop(t *testing.T) {
	each(t, nil, func(t *testing.T, s *testServer, e *Engine, addr string) {
		reads, waiting := dial(t, "tcp", addr), dial(t, "tcp", addr)
		reads.id()
		waiting.id()
		ran := s.ran.Load()
		reads.send("BIG 8000000\r\n")
		waiting.send("WAIT\r\n")
		wait(t, "they run", func() bool { return s.ran.Load() == ran+2 })
		start := time.Now()
		stopped := make(chan bool)
		go func() { e.Stop(patience); close(stopped) }()
		reads.want(string(s.big[:8000000]))
		reads.ends()
		waiting.ends()
		<-stopped
		if time.Since(start) >= patience {
			t.Error("it has waited for nobody")
		}
		reads.Close()
		waiting.Close()
		if _, err := net.Dial("tcp", addr); err == nil {
			t.Error("a stopped server accepts")
		}
		if _, err := e.ListenTCP([]string{"127.0.0.1"}, 0, 5, ""); !errors.Is(err, ErrShutdown) {
			t.Errorf("listening after the end: %v", err)
		}
		if e.loops[0].Post(func() {}) {
			t.Error("an ended loop takes a Post")
		}
	})
}

// TestStopCutsOff has a client not take what waits for it: it has the time that Stop is given, and no more.
func TestStopCutsOff(t *testing.T) {
	each(t, nil, func(t *testing.T, s *testServer, e *Engine, addr string) {
		stuck := dial(t, "tcp", addr)
		defer stuck.Close()
		ran := s.ran.Load()
		stuck.send(strings.Repeat("BIG 20000000\r\n", 2))
		wait(t, "it runs", func() bool { return s.ran.Load() == ran+2 })
		start := time.Now()
		e.Stop(time.Second)
		if d := time.Since(start); d < 900*time.Millisecond {
			t.Errorf("stopped after %v", d)
		}
	})
}
