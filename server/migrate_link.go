package server

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"larder/server/resp"
)

// moves is what the migrations of a server share: connections that are kept for the next one for a while, and whether
// clients' writes wait for one of them.
type moves struct {
	pausing atomic.Int32
	mu      sync.Mutex
	links   map[*moveLink]bool          // all that are open
	idle    map[migrateTarget]*moveLink // of them, those that are kept; db is 0 in the targets
	ended   bool
}

const (
	idleMoves   = 64 // connections that are kept
	idleMoveFor = 10 * time.Second
)

// migrateTarget is where keys move to.
type migrateTarget struct {
	addr           string
	auth           bool
	user, password string
	db             int64
}

// A moveLink is a connection to a target. It belongs to one migration at a time.
type moveLink struct {
	net.Conn
	in      *bufio.Reader
	db      int64 // that is selected there, -1 if not known
	timeout time.Duration
	opened  time.Time
	last    atomic.Int64 // how long after that bytes went either way: the time of day may be set
	timer   *time.Timer  // ends it while it is idle
}

// pause makes clients' writes wait, or go on.
func (m *moves) pause(srv *Server, on bool) {
	if on {
		m.pausing.Add(1)
		return
	}
	m.pausing.Add(-1)
	srv.unparkAll()
}

// transfer sends what is ready of a migration and notes what has arrived. A connection that was kept may be dead: then a
// new one is tried. It waits for the target as long as that says something at least once in timeout.
func (srv *Server) transfer(m *migration, timeout time.Duration) resp.Error {
	defer func() { // not before: the next connection has to send them again
		for _, k := range m.keys {
			k.ready = false
		}
	}()
	for {
		l := srv.moves.take(m.to)
		kept := l != nil
		if !kept {
			var e resp.Error
			if l, e = srv.openMove(m.to, timeout); e != "" {
				return e
			}
		}
		if (m.held || m.db == int(m.to.db)) && srv.isSelf(l) { // it would wait for itself, or lose what it moves
			srv.moves.drop(l)
			return errMigrateRead
		}
		l.timeout = timeout
		e, heard := l.send(m)
		if e == "" && m.refusal == "" {
			srv.moves.keep(m.to, l)
			return ""
		}
		srv.moves.drop(l)
		if e == "" || !kept || heard || e == errMigrateSilent {
			if e == errMigrateSilent {
				e = errMigrateRead
			}
			return e
		}
	}
}

// errMigrateSilent is errMigrateRead of a target that is there but says nothing.
const errMigrateSilent resp.Error = "silent"

func (srv *Server) openMove(to migrateTarget, timeout time.Duration) (*moveLink, resp.Error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	nc, err := srv.dial(ctx, to.addr, srv.conf.TLSCluster.Get())
	if name := (*net.DNSError)(nil); errors.As(err, &name) {
		return nil, errMigrateConnect
	} else if err != nil { // Redis connects in the background, and finds out when it writes
		return nil, errMigrateWrite
	}
	l := &moveLink{Conn: nc, db: -1, opened: time.Now()}
	l.in = bufio.NewReader(timedLink{l})
	if !srv.moves.add(l) {
		return nil, errMigrateConnect
	}
	return l, ""
}

// add takes note of an open link; it is closed at once if the server is stopping.
func (m *moves) add(l *moveLink) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ended {
		l.Close()
		return false
	}
	if m.links == nil {
		m.links = map[*moveLink]bool{}
	}
	m.links[l] = true
	return true
}

// drop closes a link.
func (m *moves) drop(l *moveLink) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.close(l)
}

// close is drop with mu held.
func (m *moves) close(l *moveLink) {
	delete(m.links, l)
	l.Close()
}

// isSelf tells whether a link leads to this server.
func (srv *Server) isSelf(l *moveLink) bool {
	here, ok := l.LocalAddr().(*net.TCPAddr)
	there, ok2 := l.RemoteAddr().(*net.TCPAddr)
	return ok && ok2 && here.IP.Equal(there.IP) && (int64(there.Port) == srv.conf.Port.Get() || int64(there.Port) == srv.conf.TLSPort.Get())
}

// take gives a kept connection to the target, nil if there is none.
func (m *moves) take(to migrateTarget) *moveLink {
	to.db = 0
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.idle[to]
	if l != nil {
		l.timer.Stop()
		delete(m.idle, to)
	}
	return l
}

// keep keeps a connection for the next migration.
func (m *moves) keep(to migrateTarget, l *moveLink) {
	to.db = 0
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.idle == nil {
		m.idle = map[migrateTarget]*moveLink{}
	}
	if m.idle[to] != nil || len(m.idle) == idleMoves || m.ended {
		m.close(l)
		return
	}
	m.idle[to] = l
	l.timer = time.AfterFunc(idleMoveFor, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.idle[to] == l {
			delete(m.idle, to)
			m.close(l)
		}
	})
}

// kept is how many connections are kept.
func (m *moves) kept() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.idle)
}

// end closes all links: migrations that are under way fail.
func (m *moves) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ended = true
	for _, l := range m.idle {
		l.timer.Stop()
	}
	for l := range m.links {
		l.Close()
	}
	m.links, m.idle = nil, nil
}

// send sends the keys that are ready, and reads the replies meanwhile. heard tells whether the target has answered anything.
func (l *moveLink) send(m *migration) (e resp.Error, heard bool) {
	auth, sel := m.to.auth, l.db != m.to.db // passwords change
	l.moved()
	type answer struct {
		err   error
		heard bool
	}
	answers := make(chan answer, 1)
	go func() {
		heard, err := l.replies(m, auth, sel)
		answers <- answer{err, heard}
	}()
	err := l.requests(m, auth, sel)
	if err != nil {
		l.Close() // ends the reading
	}
	a := <-answers
	switch {
	case err != nil:
		return errMigrateWrite, a.heard
	case errors.Is(a.err, os.ErrDeadlineExceeded):
		return errMigrateSilent, a.heard
	case a.err != nil:
		return errMigrateRead, a.heard
	}
	l.db = m.to.db
	return "", true
}

// requests writes what is to be sent.
func (l *moveLink) requests(m *migration, auth, sel bool) error {
	w := requestWriter{bufio.NewWriterSize(timedLink{l}, 64<<10)}
	if auth && m.to.user != "" {
		w.request("AUTH", m.to.user, m.to.password)
	} else if auth {
		w.request("AUTH", m.to.password)
	}
	if sel {
		w.request("SELECT", strconv.FormatInt(m.to.db, 10))
	}
	for _, k := range m.keys {
		switch {
		case !k.ready:
		case k.payload == nil:
			w.begin(2, "DEL")
			w.bulk(k.name)
		default:
			ttl := int64(0)
			if k.at_ms != 0 {
				ttl = max(1, k.at_ms-time.Now().UnixMilli())
			}
			n := 4
			if m.replaces || k.owned {
				n = 5
			}
			w.begin(n, "RESTORE")
			w.bulk(k.name)
			w.bulk(strconv.AppendInt(nil, ttl, 10))
			w.bulk(k.payload)
			if n == 5 {
				w.bulk([]byte("REPLACE"))
			}
		}
	}
	return w.Flush()
}

// replies reads the answers and notes which keys have arrived.
func (l *moveLink) replies(m *migration, auth, sel bool) (heard bool, err error) {
	refused := false
	read := func() (ok bool) {
		var line string
		if line, err = readLine(l.in); err != nil {
			return false
		}
		heard = true
		if ok = len(line) > 0 && line[0] != '-'; !ok && m.refusal == "" && len(line) > 0 {
			m.refusal = line[1:]
		}
		return ok
	}
	for _, wanted := range []bool{auth, sel} {
		if wanted && !read() {
			refused = true
		}
		if err != nil {
			return heard, err
		}
	}
	for _, k := range m.keys {
		if !k.ready {
			continue
		}
		ok := read()
		if err != nil {
			return heard, err
		}
		k.arrived = ok && !refused
	}
	return heard, nil
}

// requestWriter writes requests in the protocol's form.
type requestWriter struct{ *bufio.Writer }

func (w requestWriter) request(words ...string) {
	w.begin(len(words), words[0])
	for _, s := range words[1:] {
		w.bulk([]byte(s))
	}
}

// begin begins a request of n words.
func (w requestWriter) begin(n int, name string) {
	w.WriteString("*" + strconv.Itoa(n) + "\r\n")
	w.bulk([]byte(name))
}

func (w requestWriter) bulk(b []byte) {
	w.WriteString("$" + strconv.Itoa(len(b)) + "\r\n")
	w.Write(b)
	w.WriteString("\r\n")
}

// moved notes that bytes went either way.
func (l *moveLink) moved() { l.last.Store(int64(time.Since(l.opened))) }

// until is when the other end will have been silent for too long.
func (l *moveLink) until() time.Time { return l.opened.Add(time.Duration(l.last.Load()) + l.timeout) }

// timedLink is a link whose other end has to take or say something once in its timeout.
type timedLink struct{ l *moveLink }

// moveChunk is how much is written at a time, so that a slow target is told from a silent one.
const moveChunk = 64 << 10

func (t timedLink) Write(p []byte) (n int, err error) {
	for err == nil && n < len(p) {
		t.l.SetWriteDeadline(time.Now().Add(t.l.timeout))
		var k int
		k, err = t.l.Conn.Write(p[n:min(len(p), n+moveChunk)])
		n += k
		t.l.moved()
	}
	return n, err
}

func (t timedLink) Read(p []byte) (int, error) {
	for {
		until := t.l.until()
		t.l.SetReadDeadline(until)
		n, err := t.l.Conn.Read(p)
		switch {
		case n > 0:
			t.l.moved()
		case errors.Is(err, os.ErrDeadlineExceeded) && t.l.until().After(until):
			continue
		}
		return n, err
	}
}
