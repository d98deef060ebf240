package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"larder/persistence"
	"larder/replication"
	"larder/server/config"
	"larder/server/netloop"
)

// A link is a replica's connection to its primary, made again whenever it breaks until stop ends it. Its goroutine
// connects, holds the conversation (package replication) and takes a snapshot in; then the connection becomes a client
// like others, whose requests the loops cut and obey. When that client is gone the goroutine begins again.
type link struct {
	srv      *Server
	addr     config.Address
	handOver atomic.Bool // the other side has to become a primary by the first PSYNC
	unsure   bool        // it was asked to, and the link broke before the answer

	ctx    context.Context
	cancel context.CancelFunc
	over   chan struct{} // closed when the goroutine has ended
	before *link         // whose goroutine may still be ending; nil if there was none
	lost   chan error    // receives when the client is gone
	dead   atomic.Bool   // stop was called: nothing of it counts any more

	state   atomic.Uint32
	heard   atomic.Int64 // when the primary last sent something, on the steady clock
	down    atomic.Int64 // since when the link is down, on the steady clock; 0: it is not
	session atomic.Pointer[session]

	got atomic.Int64 // the position up to which the stream has been read; what is obeyed may be less

	// Of the snapshot that is coming, in bytes; total -1 if it is not known.
	total, read atomic.Int64

	cut     atomic.Bool  // the connection broke in the midst of the snapshot
	starved atomic.Int32 // why the loop has closed the connection: what became of a request for which there was no memory

	mu sync.Mutex
	nc net.Conn // what is open

	held  []byte // of the loop that serves the client: requests since MULTI
	raw   []byte // and the request that runs
	noted uint64 // bytes that have come on the client's connection, as far as has been taken note of

	counted uint64 // bytes that are going to come there and have been counted as replication's input
}

// retryEvery is how long a link that could not be made waits for the next attempt.
var retryEvery = time.Second

// retryLink is retryEvery, or less where a group waits for its members to find each other.
func (srv *Server) retryLink() time.Duration {
	if g := srv.group.Load(); g != nil {
		return min(retryEvery, g.profile.Interval/2)
	}
	return retryEvery
}

func newLink(srv *Server, addr config.Address, handOver bool) *link {
	l := &link{srv: srv, addr: addr, over: make(chan struct{}), lost: make(chan error, 1)}
	l.handOver.Store(handOver)
	l.before = srv.repl.last.Swap(l)
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.state.Store(uint32(replication.StateConnect))
	l.down.Store(l.srv.steady())
	return l
}

// State is how far the link is.
func (l *link) State() replication.State { return replication.State(l.state.Load()) }

func (l *link) setState(s replication.State) { l.state.Store(uint32(s)) }

// downFor is how long the link has been down, 0 if it is up.
func (l *link) downFor() time.Duration {
	since := l.down.Load()
	if since == 0 {
		return 0
	}
	return max(time.Millisecond, time.Duration(l.srv.steady()-since)*time.Millisecond)
}

// stop ends the link. From now on nothing that the primary says is obeyed. It does not wait for the goroutine.
func (l *link) stop() {
	if l.dead.Swap(true) {
		return
	}
	l.cancel()
	l.mu.Lock()
	if l.nc != nil {
		l.nc.Close()
	}
	l.mu.Unlock()
	if s := l.session.Load(); s != nil {
		s.conn.Kill(netloop.ErrKilled)
	}
}

// run is the goroutine. Only one of them works at a time.
func (l *link) run() {
	defer close(l.over)
	srv := l.srv
	if l.before != nil {
		<-l.before.over
		l.before = nil
	}
	select { // a group may name the primary while this server's own data is still being loaded: nothing may come between
	case <-srv.ready:
	case <-l.ctx.Done():
		return
	case <-srv.stopping:
		return
	}
	said, saidAt := "", time.Time{}
	for !l.dead.Load() {
		err := l.once()
		if l.dead.Load() {
			return
		}
		if l.down.Load() == 0 {
			l.down.Store(l.srv.steady())
		}
		state := l.State()
		l.setState(replication.StateConnect)
		if l.handOver.Load() {
			srv.failoverLinkFailed(l, err)
			if l.dead.Load() {
				return
			}
		}
		select {
		case <-srv.stopping: // nobody hears of the end of another client
			return
		default:
		}
		if how := l.starved.Swap(notStarved); how != notStarved {
			l.afterStarving(how)
			continue
		}
		if err == errLinkLost { // it was up: try again at once
			srv.log.Info("Reconnecting to MASTER " + oneLine(l.addr.String()))
			continue
		}
		var timeout net.Error
		switch {
		case !errors.As(err, &timeout) || !timeout.Timeout():
			if text := err.Error(); text != said || time.Since(saidAt) >= retryEvery { // in a group it is tried often
				said, saidAt = text, time.Now()
				srv.log.Warn("MASTER <-> REPLICA sync: "+oneLine(text), zap.String("primary", l.addr.String()))
			}
		case state == replication.StateTransfer:
			srv.log.Warn("Timeout receiving bulk data from MASTER... If the problem persists try to set the 'repl-timeout' parameter in redis.conf to a larger value.")
		default:
			srv.log.Warn("Timeout connecting to the MASTER...")
		}
		if l.cut.Load() { // the primary is there, or was a moment ago: it has begun to send
			continue
		}
		if errors.As(err, new(persistence.DatabaseError)) { // the next one will say the same
			l.rests(retryBeyond)
			continue
		}
		l.rests(srv.retryLink())
	}
}

// rests waits until it is time for the next attempt.
func (l *link) rests(wait time.Duration) {
	select {
	case <-l.ctx.Done():
	case <-l.srv.stopping:
	case <-time.After(wait):
	}
}

// errUnproven is a primary that has not shown the group's lease to this server yet.
var errUnproven = errors.New("the primary has still to show that it is")

// errLinkLost is the end of a link that has been up.
var errLinkLost = errors.New("the connection with the primary is lost")

// once connects and returns when the connection has ended.
func (l *link) once() error {
	srv := l.srv
	timeout := time.Duration(srv.conf.ReplTimeout.Get()) * time.Second
	l.setState(replication.StateConnecting)
	l.heard.Store(l.srv.steady())
	l.cut.Store(false)
	ctx, cancel := context.WithTimeout(l.ctx, timeout)
	nc, err := srv.dial(ctx, net.JoinHostPort(l.addr.Host, strconv.Itoa(l.addr.Port)), srv.conf.TLSReplication.Get())
	cancel()
	if err != nil {
		return fmt.Errorf("error condition on socket for SYNC: %w", err)
	}
	l.mu.Lock()
	l.nc = nc
	dead := l.dead.Load()
	l.mu.Unlock()
	if dead {
		nc.Close()
		return net.ErrClosed
	}
	in := bufio.NewReaderSize(timedReader{nc, l}, 64<<10)
	if !l.mayReplace() {
		nc.Close()
		return errUnproven
	}
	out, err := l.converse(nc, in)
	if err == nil && l.handOver.Swap(false) {
		srv.failoverAccepted(l)
	}
	if err == nil && out.Full {
		l.setState(replication.StateTransfer)
		err = l.takeSnapshot(nc, in, out)
	} else if err == nil {
		l.resumed(out)
	}
	if err != nil {
		nc.Close()
		return err
	}
	return l.stream(nc, in)
}

// timedReader reads from the primary, which has to say something now and then.
type timedReader struct {
	nc net.Conn
	l  *link
}

func (t timedReader) Read(p []byte) (int, error) {
	for began := time.Now(); ; {
		t.nc.SetReadDeadline(time.Now().Add(time.Second)) // repl-timeout may change meanwhile
		n, err := t.nc.Read(p)
		if n > 0 {
			t.l.heard.Store(t.l.srv.steady())
			t.l.srv.repl.bytesIn.Add(uint64(n))
		} else if errors.Is(err, os.ErrDeadlineExceeded) && time.Since(began) < time.Duration(t.l.srv.conf.ReplTimeout.Get())*time.Second {
			continue
		}
		return n, err
	}
}

// converse holds the conversation up to its outcome.
func (l *link) converse(nc net.Conn, in *bufio.Reader) (out replication.Outcome, err error) {
	srv, conf := l.srv, l.srv.conf
	host, port := srv.announced()
	o := replication.LinkOptions{
		User: conf.MasterUser.Get(), Password: conf.MasterAuth.Get(),
		Port: port, AnnounceIP: host, Failover: l.handOver.Load(),
	}
	if srv.repl.backlog.Load() != nil {
		o.ID, o.At = srv.repl.history.Load().ID, srv.repl.offset()
		srv.log.Info("Trying a partial resynchronization (request " + o.ID + ":" + itoa(o.At+1) + ").")
	}
	l.setState(replication.StateHandshake)
	conv := replication.NewLink(o)
	send := conv.Hello()
	defer func() {
		l.unsure = l.unsure || o.Failover && err != nil && conv.Asked() && !errors.Is(err, replication.ErrNoFailover)
	}()
	for {
		if len(send) > 0 {
			nc.SetWriteDeadline(time.Now().Add(time.Duration(conf.ReplTimeout.Get()) * time.Second))
			if _, err := nc.Write(send); err != nil {
				return out, err
			}
		}
		if out, done := conv.Done(); done {
			for _, line := range conv.Refused {
				srv.log.Info("(Non critical) Master does not understand: " + line)
			}
			return out, nil
		}
		line, err := readLine(in)
		if err != nil {
			return out, err
		}
		if send, err = conv.Line(line); err != nil {
			return out, err
		}
	}
}

// readLine reads a line without its end.
func readLine(in *bufio.Reader) (string, error) {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return "", err
	}
	return strings.TrimRight(string(line), "\r\n"), nil
}

// resumed takes note that the stream goes on where this server's data ends.
func (l *link) resumed(out replication.Outcome) {
	srv := l.srv
	srv.log.Info("Successful partial resynchronization with master.")
	srv.inWorldDo(func(ex *executor) {
		if l.dead.Load() {
			return
		}
		if h := srv.repl.history.Load(); out.ID != h.ID {
			srv.log.Info("Master replication ID changed to " + out.ID)
			srv.repl.setHistory(h.Fork(out.ID, srv.repl.offset()))
			srv.dropPeers() // they have to learn the new name
		}
	})
}

// stream makes the connection a client and waits for its end.
func (l *link) stream(nc net.Conn, in *bufio.Reader) error {
	rest, _ := in.Peek(in.Buffered())
	nc.SetDeadline(time.Time{})
	l.got.Store(l.srv.repl.offset())
	if l.srv.conf.ReplDisableTCPNodelay.Get() {
		if tcp, ok := nc.(*net.TCPConn); ok {
			_ = tcp.SetNoDelay(false) // a matter of taste
		}
	}
	l.noted, l.counted = 0, uint64(len(rest))
	l.srv.engine.Adopt(nc, append([]byte(nil), rest...), l)
	select {
	case err := <-l.lost:
		l.srv.log.Info("Connection with master lost.", zap.Error(err))
	case <-l.srv.stopping:
	}
	return errLinkLost
}

// dial connects to another server of the kind, by TLS if secure is set. Where it cannot start from bind-source-addr, which may be
// of the other family or not this machine's at the moment, it starts from where the system likes.
func (srv *Server) dial(ctx context.Context, addr string, secure bool) (net.Conn, error) {
	d := net.Dialer{LocalAddr: srv.linkSource(ctx)}
	nc, err := d.DialContext(ctx, "tcp", addr)
	if d.LocalAddr != nil && cannotStart(err) {
		nc, err = new(net.Dialer).DialContext(ctx, "tcp", addr)
	}
	if err != nil {
		return nil, err
	}
	return srv.secureLink(ctx, nc, secure)
}

// linkSource is bind-source-addr, nil if there is none or its name is not found at once.
func (srv *Server) linkSource(ctx context.Context) net.Addr {
	from := srv.conf.BindSourceAddr.Get()
	if from == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	found, err := net.DefaultResolver.LookupIPAddr(ctx, from)
	if err != nil || len(found) == 0 {
		return nil
	}
	return &net.TCPAddr{IP: found[0].IP, Zone: found[0].Zone}
}

// cannotStart tells whether a connection failed because of the address that it was to start from.
func cannotStart(err error) bool {
	sys, family := (*os.SyscallError)(nil), (*net.AddrError)(nil)
	return errors.As(err, &sys) && sys.Syscall == "bind" || errors.As(err, &family)
}

// opened makes the session of a connection to a primary.
func (l *link) opened(s *session) {
	s.link, s.authed, s.user = l, true, nil // the primary has checked what its clients may do
	s.db = int(l.srv.repl.streamDB.Load())
	l.held, l.raw = l.held[:0], nil
	l.session.Store(s)
	if l.dead.Load() {
		s.close()
		return
	}
	l.setState(replication.StateConnected)
	l.down.Store(0)
	l.heard.Store(s.ex.steady())
	s.ack() // the primary waits for it before it sends more
	l.srv.log.Info("MASTER <-> REPLICA sync: Master accepted the link")
	if node := l.srv.guard.node.Load(); node != nil {
		node.Linked()
	}
}

// closed follows the end of the client.
func (l *link) closed(why error) {
	l.down.Store(l.srv.steady())
	l.setState(replication.StateConnect)
	l.session.Store(nil)
	select {
	case l.lost <- why:
	default: // the server is stopping: nobody waits, and a loop never does
	}
}

// cron tells the primary the position, and gives it up when it has not been heard of for too long.
func (l *link) cron(now_ms, timeout_ms int64) {
	s := l.session.Load()
	if s == nil {
		return
	}
	if now_ms-l.heard.Load() > timeout_ms {
		l.srv.log.Warn("MASTER timeout: no data nor PING received...")
		s.conn.Kill(netloop.ErrKilled)
		return
	}
	s.ex.post(func() {
		if !s.conn.Closing() {
			l.hears(s)
			s.ack()
		}
	})
}

// hears takes note of what has come from the primary: a request that is long in coming is no silence, and neither is what waits for
// the end of a pause. The client's loop calls it.
func (l *link) hears(s *session) {
	n := s.conn.BytesIn - l.noted
	if n == 0 {
		return
	}
	l.noted += n
	l.heard.Store(s.ex.steady())
	l.got.Add(int64(n))
	before := min(n, l.counted)
	l.counted -= before
	l.srv.repl.bytesIn.Add(n - before)
}

// ack tells the primary up to where its writes have been done.
func (s *session) ack() {
	w, srv := s.out(), s.srv
	disk, onDisk := srv.syncedOffset()
	if onDisk {
		w.Array(5)
	} else {
		w.Array(3)
	}
	w.BulkString("REPLCONF")
	w.BulkString("ACK")
	w.BulkInt(srv.repl.offset())
	if onDisk {
		w.BulkString("FACK")
		w.BulkInt(disk)
	}
}
