package server

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"larder/persistence"
	"larder/replication"
	"larder/server/command"
	"larder/server/netloop"
)

// A transfer is one snapshot on its way to one or more replicas. Its bytes go through a stream of their own, so that the
// replicas share them; the slowest of them sets the pace. Two forms, see package replication: of unknown length, straight
// from the data (repl-diskless-sync), or of known length, from a file that is written first and has no name.
//
// The snapshot is that of the position at: what a replica reads from the backlog afterwards begins there.
type transfer struct {
	srv    *Server
	stream *replication.Stream
	job    *persistence.Job // nil if there are no keys to be sent
	at     int64
	mark   string // "" with a known length
	kept   bool   // the file takes the place of the last snapshot, too
	path   string // which is here
	moment int64  // see snapshots.moments
	peers  []*peer
	over   atomic.Bool   // all is in the stream
	taken  chan struct{} // receives when a replica has taken something
	ended  atomic.Bool
}

// sendAhead is how many bytes of a snapshot may wait for the slowest replica.
const sendAhead = 4 << 20

// moved says that a replica has taken something, or is gone.
func (t *transfer) moved() {
	select {
	case t.taken <- struct{}{}:
	default:
	}
}

// Write appends to the stream, and waits while the slowest replica is far behind.
func (t *transfer) Write(p []byte) (int, error) {
	t.stream.Append(p)
	t.wake()
	var failed <-chan struct{}
	if t.job != nil {
		failed = t.job.Failed()
	}
	for t.stream.Behind() > sendAhead {
		select {
		case <-t.taken:
		case <-failed: // nobody is to wait for a replica that would get half of it
			return 0, persistence.ErrAborted
		case <-t.srv.stopping:
			return 0, errStopped
		}
	}
	if t.stream.Readers() == 0 {
		return 0, errNobody
	}
	return len(p), nil
}

var errNobody = errors.New("no replica is waiting for it any more")

func (t *transfer) wake() {
	for _, p := range t.peers {
		p.wake(nil)
	}
}

// joinOrBegin lets a new replica share a snapshot that is being sent, if it can, or begins one if nothing has to be waited
// for. All shards are held.
func (srv *Server) joinOrBegin(ex *executor, p *peer) {
	r := &srv.repl
	r.mu.Lock()
	t := r.transfer
	r.mu.Unlock()
	if t != nil {
		// The others wait for a file: the stream since its beginning is there for everybody.
		if t.mark == "" && t.fits(p) {
			r.mu.Lock()
			if t.stream.End() == 0 && r.transfer == t && !p.ended.Load() { // begins may come at any time until mu is held
				if reader := r.backlog.Load().Reader(t.at); reader != nil {
					t.peers = append(append([]*peer(nil), t.peers...), p)
					srv.enlist(ex, t, p, reader)
				}
			}
			r.mu.Unlock()
		}
		return
	}
	srv.beginTransfer(ex)
}

// fits tells whether the replica wants what the transfer sends.
func (t *transfer) fits(p *peer) bool {
	q := t.peers[0]
	return q.caps.noKeys == p.caps.noKeys && q.caps.noFunctions == p.caps.noFunctions && t.srv.diskless(p) == (t.mark != "")
}

// diskless tells whether the replica is sent a snapshot of unknown length.
func (srv *Server) diskless(p *peer) bool {
	return p.caps.eof && srv.conf.ReplDisklessSync.Get()
}

// waitingPeers is the replicas that the next snapshot is for: the first one and those that want the same. It is nil if
// they should wait for others to come.
func (srv *Server) waitingPeers(now_ms int64) (list []*peer) {
	longest := int64(0)
	for _, p := range srv.repl.list() {
		if p.phase.Load() != peerWaitStart || p.ended.Load() {
			continue
		}
		if len(list) > 0 {
			t := transfer{srv: srv, peers: list}
			if srv.diskless(list[0]) {
				t.mark = "x"
			}
			if !t.fits(p) {
				continue
			}
		}
		list = append(list, p)
		longest = max(longest, now_ms-p.heard_ms.Load())
	}
	if len(list) == 0 || !srv.diskless(list[0]) {
		return list
	}
	delay, most := srv.syncDelay_ms(), srv.conf.ReplDisklessSyncMaxReplicas.Get()
	if longest < delay && (most == 0 || int64(len(list)) < most) {
		return nil
	}
	return list
}

// beginTransfer begins a snapshot for those who wait, if there are any and nothing else is being saved. All shards are
// held.
func (srv *Server) beginTransfer(ex *executor) {
	r := &srv.repl
	r.mu.Lock()
	busy := r.transfer != nil
	r.mu.Unlock()
	if busy || srv.ended.Load() || srv.failing() {
		return
	}
	list := srv.waitingPeers(ex.steady())
	if len(list) == 0 {
		return
	}
	first := list[0]
	if !first.caps.noKeys && srv.saver.job.Load() != nil {
		return
	}
	ex.handIn()
	t := &transfer{srv: srv, stream: replication.NewStream(0, 0), taken: make(chan struct{}, 1)}
	o := srv.snapshotOptions()
	if first.caps.noFunctions {
		o.Functions = nil
	}
	r.mu.Lock()
	list = slices.DeleteFunc(list, func(p *peer) bool { return p.ended.Load() }) // meanwhile: nobody waits for a loop to rest
	if len(list) == 0 {
		r.mu.Unlock()
		return
	}
	b := r.backlog.Load()
	t.at = b.End()
	t.peers = list
	r.transfer = t
	for _, p := range list {
		srv.enlist(ex, t, p, b.Reader(t.at))
	}
	r.mu.Unlock()
	if !r.replica.Load() {
		srv.journal.reselect(command.ToReplicas)
	}
	var job *persistence.Job
	if !first.caps.noKeys {
		srv.stats.snapshots.Add(1)
		job = persistence.Begin(srv.ks, o)
		srv.saver.job.Store(job)
		srv.noteTry()
		srv.noteChanges()
		srv.saver.backlogMax.Store(math.MaxInt64) // clients never wait for a slow replica; see checkTransfer
	}
	diskless := srv.diskless(first)
	r.mu.Lock()
	t.job, t.path, t.moment = job, srv.snapshotPath(), srv.saver.moments.Add(1)
	t.kept = !diskless && job != nil && len(srv.conf.Save.Get()) > 0 && srv.keys.Current() == nil
	t.deserted() // they may all have left by now
	r.mu.Unlock()
	if diskless {
		t.mark = newRunID()
		for _, p := range list {
			p.phase.Store(peerSending)
		}
		srv.log.Info("Starting BGSAVE for SYNC with target: replicas sockets")
		srv.log.Info("Background RDB transfer started by pid " + itoa(int64(os.Getpid())))
	} else {
		srv.log.Info("Starting BGSAVE for SYNC with target: disk")
	}
	srv.saver.background.Go(func() { t.run(o) })
}

// enlist makes a replica take part in a transfer, and tells it so. mu is held, and the replica has not ended: when it does,
// what it reads from is closed.
func (srv *Server) enlist(ex *executor, t *transfer, p *peer, reader *replication.Reader) {
	p.of, p.reader, p.bulk = t, reader, t.stream.Reader(0)
	if !p.caps.old {
		p.s.deliver(ex, fmt.Appendf(nil, "+FULLRESYNC %s %d\r\n", srv.repl.history.Load().ID, t.at))
	}
	p.phase.Store(peerWaitEnd)
}

// run writes the snapshot.
func (t *transfer) run(o persistence.SnapshotOptions) {
	srv, began := t.srv, time.Now()
	srv.repl.sending.Add(1)
	srv.boundGarbage()
	var err error
	if t.mark != "" {
		err = t.straight(o)
	} else {
		err = t.overDisk(o)
	}
	if t.job != nil {
		srv.saver.took_ms.Store(time.Since(began).Milliseconds())
		srv.saver.lastAhead.Store(t.job.Ahead())
		srv.saver.job.CompareAndSwap(t.job, nil)
	}
	r := &srv.repl
	r.mu.Lock()
	r.transfer = nil
	peers := slices.DeleteFunc(slices.Clone(t.peers), func(p *peer) bool { return p.ended.Load() })
	r.mu.Unlock()
	switch {
	case err == nil:
		t.over.Store(true)
		t.wake()
	case len(peers) == 0 && (errors.Is(err, errNobody) || errors.Is(err, persistence.ErrAborted)): // nothing has failed
		t.ended.Store(true)
		if t.mark == "" {
			srv.log.Info("The snapshot for replicas was given up: the last of them is gone.")
		}
	default:
		t.ended.Store(true)
		srv.log.Warn("SYNC failed. BGSAVE child returned an error", zap.Error(err))
		for _, p := range peers {
			p.s.conn.Kill(netloop.ErrKilled)
			srv.endPeer(p)
		}
	}
	srv.nudgeReplication()
	srv.repl.sending.Add(-1)
	srv.boundGarbage()
}

// write writes the snapshot to out.
func (t *transfer) write(out io.Writer, o persistence.SnapshotOptions) error {
	if t.job != nil {
		return t.job.Run(out)
	}
	return persistence.NewSnapshot(out, t.srv.ks, o).End()
}

// straight sends the snapshot while it is made.
func (t *transfer) straight(o persistence.SnapshotOptions) error {
	if _, err := t.Write([]byte("$EOF:" + t.mark + "\r\n")); err != nil {
		t.giveUp()
		return err
	}
	err := t.write(t, o)
	if err == nil {
		_, err = t.Write([]byte(t.mark))
	}
	if n := t.stream.Readers(); n > 0 {
		t.srv.log.Info("Diskless rdb transfer, done reading from pipe, " + itoa(int64(n)) + " replicas still up.")
	} else {
		t.srv.log.Warn("Diskless rdb transfer, last replica dropped, killing fork child.")
	}
	return err
}

// overDisk writes the snapshot to a file, which it then sends.
func (t *transfer) overDisk(o persistence.SnapshotOptions) error {
	srv := t.srv
	write := t.namelessFile
	if t.kept {
		write = t.keptFile
	}
	p, err := write(o)
	if err != nil {
		return err
	}
	defer p.file.Close()
	if t.job != nil { // another snapshot may begin
		srv.saver.job.CompareAndSwap(t.job, nil)
	}
	t.begins(fmt.Appendf(nil, "$%d\r\n", p.size))
	_, err = io.CopyBuffer(struct{ io.Writer }{t}, struct{ io.Reader }{p.in}, make([]byte, 256<<10))
	return err
}

// begins sends the head of a file. From here on nobody can join.
func (t *transfer) begins(head []byte) {
	r := &t.srv.repl
	r.mu.Lock()
	t.stream.Append(head)
	for _, p := range t.peers {
		p.phase.CompareAndSwap(peerWaitEnd, peerSending)
	}
	r.mu.Unlock()
	t.wake()
}

// namelessFile writes the snapshot to a file that lives as long as it is open.
func (t *transfer) namelessFile(o persistence.SnapshotOptions) (*passage, error) {
	return t.srv.newPassage("temp-repl-*.rdb", func(out io.Writer) error { return t.write(out, o) })
}

// keptFile writes the snapshot to the file of the last one: with save points, what goes to the disk anyway is as good as
// what they would write.
func (t *transfer) keptFile(persistence.SnapshotOptions) (*passage, error) {
	p := &passage{}
	err := t.srv.runJob(t.job, t.path, t.moment, func(temp string) (err error) {
		p.file, err = os.Open(temp)
		return err
	})
	if !errors.Is(err, persistence.ErrAborted) {
		t.srv.jobEnded(t.job, err)
	}
	if err == nil {
		var info os.FileInfo
		if info, err = p.file.Stat(); err == nil {
			p.in, p.size = p.file, info.Size()
		}
	}
	if err != nil && p.file != nil {
		p.file.Close()
	}
	return p, err
}

// giveUp ends the job that nobody is going to run.
func (t *transfer) giveUp() {
	if t.job != nil {
		t.job.Abort()
		t.job.Run(nil)
	}
}

// deserted ends the snapshot when its last replica is gone, unless it is good for something else. mu is held.
func (t *transfer) deserted() {
	if t.job == nil || t.kept {
		return
	}
	for _, p := range t.peers {
		if !p.ended.Load() {
			return
		}
	}
	t.job.Abort()
}

// checkTransfer ends a snapshot of which more waits for the replicas than client-output-buffer-limit allows for one: what is
// changed ahead of the snapshot is kept for them. The janitor calls it.
func (srv *Server) checkTransfer() {
	r := &srv.repl
	r.mu.Lock()
	t := r.transfer
	r.mu.Unlock()
	limit := srv.outputLimits.Load().Replica.Hard
	if t != nil && t.job != nil && limit > 0 && uint64(t.job.Backlog()) > max(limit, uint64(backlogLeast)) {
		t.job.Abort()
	}
}

// nudgeReplication makes the janitor look whether replicas wait for something.
func (srv *Server) nudgeReplication() {
	select {
	case srv.repl.nudge <- struct{}{}:
	default:
	}
}
