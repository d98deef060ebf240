package server

import (
	"bytes"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"larder/keyspace"
	"larder/persistence"
	"larder/server/command"
	"larder/server/config"
	"larder/server/resp"
)

// Redis debugs a script in a child process, which has a copy of the data because it was forked. Here a second server is
// made in this process: it takes the data as a replica would, straight from a snapshot, listens nowhere, keeps and
// replicates nothing, and is thrown away with the session. The client's connection becomes a connection of that server,
// where the client's EVAL is the first thing that it says; here the client is gone.
//
// The copy takes as much memory as the data: it is not made where that is not there.

// debugSessions are the sessions in copies.
type debugSessions struct {
	count   atomic.Int32
	running sync.WaitGroup
	bound   func() int64                    // the memory that the process may take, 0 if it is not known
	job     atomic.Pointer[persistence.Job] // the snapshot that fills a copy, which is also the saver's
}

// mostCopies is how many sessions may have a copy of the data at once.
const mostCopies = 4

const (
	errManyCopies resp.Error = "ERR too many scripts are debugged in copies of the data; SCRIPT DEBUG SYNC needs none"
	errCopyMemory resp.Error = "ERR there is no memory for a copy of the data in which to debug; SCRIPT DEBUG SYNC needs none"
)

// debugCopy is what the copy of a server knows of the client that it is made for.
type debugCopy struct {
	user     string // its line in an ACL file
	name     string
	db       int
	protocol int
	replica  bool
	over     chan struct{} // closed when its connection is
}

// debugInCopy hands the client over to a copy of the server.
func (ex *executor) debugInCopy(c *command.Ctx) {
	srv, s := ex.srv, c.Client.(*session)
	if srv.debugs.count.Add(1) > mostCopies {
		srv.debugs.count.Add(-1)
		c.Fail(errManyCopies)
		return
	}
	if bound := srv.debugs.bound(); bound > 0 && srv.process().rss+srv.ks.Resident() > bound {
		srv.debugs.count.Add(-1)
		c.Fail(errCopyMemory)
		return
	}
	ahead := ex.sentAhead(s)
	nc, err := s.conn.Detach()
	if err != nil {
		srv.debugs.count.Add(-1)
		c.Fail(errEvalPipeline)
		return
	}
	d := &debugCopy{
		name: s.name, db: s.db, protocol: s.protocol, replica: srv.repl.replica.Load(), over: make(chan struct{}),
	}
	if s.user != nil {
		d.user = s.user.Line()
	}
	var say resp.Writer
	argv := c.Args.All()
	say.Array(len(argv))
	for _, a := range argv {
		say.Bulk(a)
	}
	first := append(bytes.Clone(say.Bytes()), ahead...)
	srv.log.Info("A script is debugged in a copy of the data", zap.String("client", s.conn.RemoteAddr()))
	srv.debugs.running.Go(func() {
		defer srv.debugs.count.Add(-1)
		srv.debugAside(d, nc, first)
		srv.log.Info("The copy of the data in which a script was debugged is gone")
	})
}

// debugAside makes the copy, and lets it serve the connection until that is over.
func (srv *Server) debugAside(d *debugCopy, nc net.Conn, first []byte) {
	cp, err := srv.copyForDebugger(d)
	if err != nil {
		srv.log.Warn("A copy of the data for the debugger could not be made", zap.Error(err))
		nc.SetWriteDeadline(time.Now().Add(time.Second))
		io.WriteString(nc, "-ERR can't make a copy of the data to debug in: "+strings.NewReplacer("\r", " ", "\n", " ").Replace(err.Error())+"\r\n")
		nc.Close()
		return
	}
	defer cp.ks.Close()
	if err := cp.engine.Start(); err != nil {
		nc.Close()
		return
	}
	cp.engine.Serve(&debugConn{Conn: nc, first: first}, nil)
	select {
	case <-d.over:
	case <-srv.stopping:
		cp.ended.Store(true)
		cp.endDebugging()
	}
	cp.engine.Stop(time.Second)
}

// copyForDebugger makes a server with the data of this one, at a moment of its own choice.
func (srv *Server) copyForDebugger(d *debugCopy) (*Server, error) {
	conf := srv.conf.Copy()
	for _, o := range []config.Pair{
		{Name: "event-loops", Value: "1"}, {Name: "save", Value: ""}, {Name: "appendonly", Value: "no"},
		{Name: "min-replicas-to-write", Value: "0"}, {Name: "write-safety", Value: "async"}, {Name: "watchdog-period", Value: "0"},
	} {
		if err := conf.Adopt(o.Name, o.Value); err != nil {
			return nil, err
		}
	}
	cp, err := build(conf, srv.log, d)
	if err != nil {
		return nil, err
	}
	cp.repl.replica.Store(d.replica)
	if d.user != "" {
		words := strings.Split(d.user, " ") // the name may be empty, and what else is a space elsewhere is a part of words
		err = cp.access.users.Declare(words[0], words[1:], map[string]bool{})
	}
	if err == nil {
		err = srv.fill(cp)
	}
	if err != nil {
		cp.engine.Stop(0)
		cp.ks.Close()
		return nil, err
	}
	return cp, nil
}

// fill gives the copy the data.
func (srv *Server) fill(cp *Server) error {
	job := srv.beginCopy()
	if job == nil {
		return errStopped
	}
	out, in := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := job.Run(in)
		in.CloseWithError(err)
		done <- err
	}()
	_, err := persistence.Load(out, -1, keyspace.NewView(cp.ks), persistence.LoadOptions{
		Now_ms: time.Now().UnixMilli(), KeepExpired: true, Workers: 2, Every: 1 << 20, Shown: srv.shownKey,
		Progress: func(int64) error {
			select {
			case <-srv.stopping:
				return errStopped
			default:
				return nil
			}
		},
	})
	out.CloseWithError(io.ErrClosedPipe) // nobody reads on
	if runErr := <-done; err == nil {
		err = runErr
	}
	srv.debugs.job.CompareAndSwap(job, nil)
	srv.saver.job.CompareAndSwap(job, nil)
	return err
}

// beginCopy begins the snapshot for a copy as soon as no other one is being written; nil if the server ends before that.
func (srv *Server) beginCopy() (job *persistence.Job) {
	t := time.NewTicker(10 * time.Millisecond)
	defer t.Stop()
	for {
		if srv.saver.job.Load() == nil {
			srv.inWorldDo(func(ex *executor) {
				if srv.saver.job.Load() != nil || srv.ended.Load() || srv.loading.Load() {
					return
				}
				o := srv.snapshotOptions()
				o.Checksum, o.Functions = false, nil
				srv.saver.backlogMax.Store(max(backlogLeast, srv.usedMemory()/backlogPart))
				job = persistence.Begin(srv.ks, o)
				srv.debugs.job.Store(job)
				srv.saver.job.Store(job)
			})
		}
		if job != nil {
			return job
		}
		select {
		case <-srv.stopping:
			return nil
		case <-t.C:
		}
	}
}

// abortCopy ends the snapshot for a copy. All shards are held.
func (srv *Server) abortCopy() {
	if job := srv.debugs.job.Swap(nil); job != nil {
		srv.saver.job.CompareAndSwap(job, nil)
		job.End()
	}
}

// adopt makes the copy's only session what the client was.
func (d *debugCopy) adopt(s *session) {
	name, _, _ := strings.Cut(d.user, " ")
	s.user, s.authed = s.srv.access.users.Get([]byte(name)), true
	s.name, s.db, s.debug = d.name, d.db, debugSync
	s.setProto(d.protocol)
}

// debugConn is the client's connection for the copy: what it has said already comes first.
type debugConn struct {
	net.Conn
	first []byte
}

// Read is net.Conn's.
func (c *debugConn) Read(p []byte) (int, error) {
	if len(c.first) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.first)
	c.first = c.first[n:]
	return n, nil
}
