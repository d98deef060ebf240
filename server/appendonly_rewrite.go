package server

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"time"

	"go.uber.org/zap"

	"larder/persistence"
	"larder/server/command"
	"larder/server/config"
	"larder/server/resp"
)

// A rewrite makes a new base: the data of one moment, written by the cursor of snapshots while commands go on. At that
// moment the log changes to a new file, so the base and what follows it belong together:
//
//	1  the new file is made and the manifest names it behind the others,    a crash here: base, old files, nothing new
//	   while nobody waits but a client that wants the rewrite
//	2  with all shards held: the log changes files, the cursor begins       base, old files, new file
//	3  the cursor writes the base to a temporary file                       the same
//	4  the base gets its name, the manifest names it; what it replaces is   new base, new file
//	   history, and removed
//
// When the log is being switched on there is nothing in the folder to build on: the new file has a temporary name until
// step 4, and the manifest does not name it before. It keeps that name beside the new one until the manifest does: who finds
// both after a crash knows that it was never part of a log.

// tempIncr is the file that the log writes to while it has no base.
func (srv *Server) tempIncr() string { return "temp-" + srv.conf.AppendFilename.Get() + ".incr" }

// writeStoppedBase writes a base while the caller knows that nothing changes.
func (srv *Server) writeStoppedBase(f *persistence.File) error {
	return srv.sealed(f, func(out io.Writer) error {
		_, err := persistence.WriteStopped(out, srv.ks, srv.baseOptions())
		return err
	})
}

func (srv *Server) baseOptions() persistence.SnapshotOptions {
	o := srv.snapshotOptions()
	o.AOFBase = true
	o.Stamp = srv.conf.AOFTimestampEnabled.Get()
	o.Commands = !srv.conf.AOFUseRDBPreamble.Get()
	return o
}

// rewrite begins a rewrite. The caller holds all shards, and no other snapshot is being written. false: what it begins with is not
// there, and it is scheduled, for when that has been made.
func (srv *Server) rewrite(ex *executor) bool {
	a := &srv.aof
	a.mu.Lock()
	defer a.mu.Unlock()
	if !srv.fits(a.next, a.state.Load()) {
		a.scheduled.Store(true)
		return false
	}
	a.scheduled.Store(false)
	if n := a.takeNext(); n.file != nil {
		srv.changeFile(n.file)
	}
	ex.handIn()
	o := srv.baseOptions()
	srv.stats.snapshots.Add(1)
	job := persistence.Begin(srv.ks, o)
	a.rewriting.Store(job)
	srv.saver.job.Store(job)
	srv.saver.backlogMax.Store(max(backlogLeast, srv.usedMemory()/backlogPart))
	a.began_ms.Store(srv.steady())
	a.rewrites.Add(1)
	w := rewriting{job: job, options: o, log: a.log.Load(), temp: a.temp, first: math.MaxInt64, dir: srv.logDir()}
	if w.log != nil && srv.conf.NoAppendfsyncOnRewrite.Get() {
		w.log.HoldSync(true)
	}
	if incr := a.manifest.Incr; a.state.Load() == logOn {
		w.first = incr[len(incr)-1].Seq
	}
	srv.log.Info("Background append only file rewriting started")
	srv.saver.background.Go(func() { srv.runRewrite(w) })
	return true
}

// rewriting is what a rewrite knows of the moment at which it has begun.
type rewriting struct {
	job     *persistence.Job
	options persistence.SnapshotOptions
	log     *persistence.AppendLog // nil: it is off
	temp    bool                   // which is being switched on, and writes to a temporary file
	first   int64                  // number of the file that the log goes on in; those before it hold what was before, if it has none all do
	dir     string                 // where they are
}

// runRewrite writes the base and gives everything its place.
func (srv *Server) runRewrite(w rewriting) {
	a, job := &srv.aof, w.job
	srv.countClosed(w.temp)
	err := srv.writeBase(w)
	if err == nil {
		srv.removeHistory()
		defer srv.logAdvanced() // who waits for a log that has been switched on finds the rewrite over
	}
	if w.log != nil {
		w.log.HoldSync(false)
	}
	if !a.rewriting.CompareAndSwap(job, nil) {
		return // whoever has aborted it knows
	}
	srv.saver.job.CompareAndSwap(job, nil)
	a.lastAhead.Store(job.Ahead())
	a.took_s.Store((srv.steady() - a.began_ms.Load() + 500) / 1000)
	if err != nil {
		if !errors.Is(err, persistence.ErrAborted) {
			srv.log.Warn("Background AOF rewrite terminated with error: "+reason(err), zap.Error(err))
		}
		srv.rewriteFailed()
		return
	}
	a.failed.Store(false)
	a.failures.Store(0)
	srv.log.Info("Background AOF rewrite terminated with success")
	srv.log.Info("Background AOF rewrite finished successfully")
}

// rewriteFailed notes a rewrite that came to nothing. A log that was being switched on tries again.
func (srv *Server) rewriteFailed() {
	a := &srv.aof
	a.failed.Store(true)
	a.failures.Add(1)
	a.mu.Lock()
	starting, temp := a.state.Load() == logStarting, a.temp
	if starting {
		a.scheduled.Store(true)
	}
	a.mu.Unlock()
	if starting && temp { // until then the log goes on without a name
		a.folder.Lock()
		defer a.folder.Unlock()
		srv.dropTempIncr(srv.logDir(), a.rewriting.Load() != nil) // the next one may have begun meanwhile
	}
}

// countClosed sums up the files that the log does not write any more.
func (srv *Server) countClosed(temp bool) {
	a := &srv.aof
	a.folder.Lock()
	defer a.folder.Unlock()
	srv.noteClosedSize(temp)
}

// writeBase does steps 3 and 4. When the rewrite is aborted in the midst of step 4 that is finished all the same: base and files are
// of one moment, whatever has become of the log since.
func (srv *Server) writeBase(w rewriting) error {
	a, job, o, l := &srv.aof, w.job, w.options, w.log
	f, err := persistence.CreateFile(srv.disk, srv.logPath(srv.tempBase()), srv.conf.AOFRewriteIncrementalFsync.Get())
	if err != nil {
		job.Abort()
		job.Run(nil)
		return err
	}
	defer f.Discard()
	err = srv.sealed(f, func(out io.Writer) error { return job.Run(out) })
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		return err
	}
	a.folder.Lock()
	defer a.folder.Unlock()
	// A rewrite while the log is off does not keep the next one from being prepared in another folder.
	if a.rewriting.Load() != job || srv.logDir() != w.dir {
		return persistence.ErrAborted
	}
	filename := srv.conf.AppendFilename.Get()
	m := a.manifest.Clone()
	base := m.NewBase(filename, !o.Commands).Name
	m.Retire(w.first)
	if err := f.Commit(srv.logPath(base)); err != nil {
		return err
	}
	temp, incr := w.temp, ""
	if temp {
		incr = srv.logPath(m.NewIncr(filename).Name)
		if err := srv.nameTempIncr(incr); err != nil {
			srv.disk.Remove(srv.logPath(base))
			return err
		}
		if err := srv.disk.SyncDir(srv.logDir()); err != nil {
			srv.unnameTempIncr(incr)
			srv.disk.Remove(srv.logPath(base))
			return err
		}
	}
	if temp {
		if err := l.Flush(); err != nil { // until now its disk has not mattered to anybody
			srv.log.Warn("The append-only file cannot be written yet", zap.Error(err))
		}
	}
	if err := m.Write(srv.disk, srv.logDir(), filename, &srv.aof.hold); err != nil {
		switch srv.manifestIs(m) {
		case no:
			if temp {
				srv.unnameTempIncr(incr)
			}
			srv.disk.Remove(srv.logPath(base))
			return err
		case maybe: // then the files of both stay where they are, until a manifest has its place that names them as history
			a.setManifest(a.manifest.Doubting(m))
			return err
		}
	}
	if temp {
		srv.disk.Remove(srv.logPath(srv.tempIncr()))
	}
	srv.followBase(m, w)
	srv.noteClosedSize(false)
	a.baseSize.Store(srv.logSize())
	return nil
}

// followBase notes that the folder has a new base. folder is held.
func (srv *Server) followBase(m *persistence.Manifest, w rewriting) {
	a, l := &srv.aof, w.log
	a.mu.Lock()
	defer a.mu.Unlock()
	a.manifest = m
	if l == nil || a.log.Load() != l { // the log was off, or has been switched off meanwhile
		return
	}
	a.temp = false
	for _, old := range a.before {
		l.Drop(old)
	}
	l.Trust()
	a.before = nil
	if a.state.Load() == logStarting {
		a.enabledAt.Store(math.MaxInt64) // nobody may go by the place before
		a.state.Store(logOn)
		srv.log.Info("AOF is now enabled")
		a.enabledAt.Store(l.End()) // whoever waits for nothing has written before
	}
}

// nameTempIncr gives the file of a start the name that it will have in the manifest.
func (srv *Server) nameTempIncr(path string) error {
	temp := srv.logPath(srv.tempIncr())
	if err := srv.disk.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) { // of a start that came to nothing
		return err
	}
	if srv.disk.Link(temp, path) == nil {
		return nil
	}
	return srv.disk.Rename(temp, path) // a file system without links
}

// unnameTempIncr takes back what nameTempIncr has done: a start would not know what to make of commands that no manifest names.
func (srv *Server) unnameTempIncr(path string) {
	srv.disk.Rename(path, srv.logPath(srv.tempIncr())) // without links it has no other name; with them nothing happens
	srv.disk.Remove(path)
}

// manifestIs tells whether the folder has that manifest after writing it has failed: it may have its place, though the disk
// has not said so.
func (srv *Server) manifestIs(m *persistence.Manifest) answer {
	there, err := persistence.ReadManifest(srv.logDir(), srv.conf.AppendFilename.Get())
	switch {
	case err != nil:
		return maybe
	case bytes.Equal(there.Format(), m.Format()):
		return yes
	}
	return no
}

// answer is what is known of a question.
type answer uint8

const (
	no answer = iota
	yes
	maybe
)

// removeHistory removes the files that a manifest has retired.
func (srv *Server) removeHistory() {
	a := &srv.aof
	a.folder.Lock()
	defer a.folder.Unlock()
	if len(a.manifest.History) == 0 || srv.conf.AOFDisableAutoGC.Get() {
		return
	}
	if srv.disk.SyncDir(srv.logDir()) != nil { // the manifest that needs them may be the one that the disk has
		return
	}
	for _, f := range a.manifest.History {
		if !srv.removeRetired(f.Name) {
			return
		}
	}
	srv.forgetHistory()
}

// removeRetired removes a file of the history, and tells whether it is gone.
func (srv *Server) removeRetired(name string) bool {
	srv.log.Info("Removing the history file " + name + " in the background")
	err := srv.disk.Remove(srv.logPath(name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		srv.log.Warn("Can't remove the history file "+name+": "+reason(err), zap.Error(err))
		return false
	}
	return true
}

// forgetHistory writes the manifest without its history. folder is held.
func (srv *Server) forgetHistory() bool {
	m := srv.aof.manifest.Clone()
	m.History = nil
	if err := m.Write(srv.disk, srv.logDir(), srv.conf.AppendFilename.Get(), &srv.aof.hold); err != nil {
		srv.log.Warn("Can't write the AOF manifest file: "+reason(err), zap.Error(err))
		return false
	}
	srv.aof.setManifest(m)
	return true
}

// followAutoGC removes the history that was kept until now, when aof-disable-auto-gc goes off. The world is stopped.
func (srv *Server) followAutoGC() {
	a := &srv.aof
	if srv.conf.AOFDisableAutoGC.Get() {
		return
	}
	srv.setter.current.await(srv.leaveToDisk(func() {
		a.folder.Lock()
		defer a.folder.Unlock()
		if a.manifest == nil || len(a.manifest.History) == 0 || srv.disk.SyncDir(srv.logDir()) != nil {
			return
		}
		gone := a.manifest.History
		if !srv.forgetHistory() {
			return
		}
		for _, f := range gone {
			srv.removeRetired(f.Name)
		}
	}))
}

// removeTempIncr removes the file of a start that came to nothing from a folder, unless another start has one of that name there.
func (srv *Server) removeTempIncr(dir string) {
	a := &srv.aof
	a.folder.Lock()
	defer a.folder.Unlock()
	a.mu.Lock()
	used := a.temp
	a.mu.Unlock()
	srv.dropTempIncr(dir, used)
}

// dropTempIncr is removeTempIncr for who has the folder; used says that the log writes to such a file, and needs its name.
func (srv *Server) dropTempIncr(dir string, used bool) {
	a := &srv.aof
	a.mu.Lock()
	taken := dir == srv.logDir() && (used || a.next != nil && a.next.state == logStarting)
	a.mu.Unlock()
	if taken {
		return
	}
	srv.log.Info("Removing the temp incr aof file " + srv.tempIncr() + " in the background")
	srv.disk.Remove(filepath.Join(dir, srv.tempIncr()))
}

// abortRewrite ends a rewrite. All shards are held.
func (srv *Server) abortRewrite() {
	a := &srv.aof
	job := a.rewriting.Swap(nil)
	if job == nil {
		return
	}
	srv.log.Info("Killing running AOF rewrite child")
	srv.saver.job.CompareAndSwap(job, nil)
	job.End()
}

func bgrewriteaof(c *command.Ctx) {
	s := c.Client.(*session)
	srv, a := s.srv, &s.srv.aof
	switch {
	case a.rewriting.Load() != nil:
		c.Fail(errRewritingLog)
	case srv.saver.job.Load() != nil || !c.MayBlock:
		srv.scheduleRewrite(c.Reply)
	default:
		s.ex.later(s, func() func(*resp.Writer) {
			a.preparing.Add(1)
			err := srv.prepare(a.state.Load())
			if err != nil {
				srv.rewriteFailed()
			}
			return func(w *resp.Writer) {
				s.ex.rewriteByHand(w, err)
				a.preparing.Add(-1)
			}
		})
	}
}

// scheduleRewrite has a rewrite begin as soon as that is possible.
func (srv *Server) scheduleRewrite(w *resp.Writer) {
	srv.aof.scheduled.Store(true)
	srv.aof.failures.Store(0) // who asks by hand does not wait
	w.Simple("Background append only file rewriting scheduled")
}

const (
	errRewritingLog resp.Error = "ERR Background append only file rewriting already in progress"
	errNoRewrite    resp.Error = "ERR Can't execute an AOF background rewriting. Please check the server logs for more information."
)

// rewriteByHand begins the rewrite that a client has asked for, when what it begins with was made, or could not be.
func (ex *executor) rewriteByHand(w *resp.Writer, err error) {
	srv := ex.srv
	if err != nil {
		w.Error(errNoRewrite)
		ex.noteError(errNoRewrite)
		return
	}
	if !ex.view.TakeUnless(srv.ks.All(), ex.asides.giveUp) { // a script takes long
		srv.scheduleRewrite(w)
		return
	}
	defer ex.view.Release()
	switch {
	case srv.aof.rewriting.Load() != nil:
		w.Error(errRewritingLog)
		ex.noteError(errRewritingLog)
	case srv.saver.job.Load() != nil || srv.loads() || srv.ended.Load() || !srv.rewrite(ex):
		srv.scheduleRewrite(w)
	default:
		w.Simple("Background append only file rewriting started")
	}
}

// followRewrites begins a rewrite if one is scheduled, or the files have grown enough. The janitor calls it.
func (srv *Server) followRewrites(ex *executor) {
	a := &srv.aof
	if srv.saver.job.Load() != nil || srv.ended.Load() || a.preparing.Load() > 0 {
		return
	}
	srv.dropStale()
	if !a.prepared.Load() {
		if srv.rewriteIsDue(ex.steady() / 1000) {
			srv.prepareRewrite()
		}
		return
	}
	ex.view.Take(srv.ks.All())
	defer ex.view.Release()
	if srv.saver.job.Load() == nil && !srv.ended.Load() {
		srv.rewrite(ex)
	}
}

func (srv *Server) rewriteIsDue(now_s int64) bool {
	a := &srv.aof
	if a.scheduled.Load() {
		return !srv.rewritesLimited(now_s)
	}
	l := a.log.Load()
	if l == nil || a.state.Load() != logOn {
		return false
	}
	if l.Suspect() && !l.Failing() {
		if srv.rewritesLimited(now_s) {
			return false
		}
		srv.log.Warn("The disk may have lost what it had been given. Starting automatic rewriting of AOF.")
		return true
	}
	perc, size, base := srv.conf.AutoAOFRewritePercentage.Get(), srv.logSize(), max(1, a.baseSize.Load())
	if perc == 0 || size <= srv.conf.AutoAOFRewriteMinSize.Get() {
		return false
	}
	growth := size*100/base - 100
	if growth < perc || srv.rewritesLimited(now_s) {
		return false
	}
	srv.log.Info(fmt.Sprintf("Starting automatic rewriting of AOF on %d%% growth", growth))
	return true
}

// limitAfter is after how many failures in a row rewrites wait: a minute, then two, four, at most an hour.
const limitAfter = 3

func (srv *Server) rewritesLimited(now_s int64) bool {
	a := &srv.aof
	if a.failures.Load() < limitAfter {
		a.delay_min, a.retryAt = 0, 0
		return false
	}
	if a.retryAt != 0 {
		if now_s < a.retryAt {
			return true
		}
		a.retryAt = 0
		return false
	}
	a.delay_min = min(max(1, 2*a.delay_min), 60)
	a.retryAt = now_s + a.delay_min*60
	srv.log.Warn(fmt.Sprintf("Background AOF rewrite has repeatedly failed and triggered the limit, will retry in %d minutes", a.delay_min))
	return true
}

func init() {
	register(command.New("bgrewriteaof", command.AllOfThem, bgrewriteaof))
	debugCommands["aof-flush-sleep"] = debugCommand{1, 1, "AOF-FLUSH-SLEEP <microseconds>", "Wait before each write to the append-only file.", func(c *command.Ctx, srv *Server) {
		us := c.Args.Int()
		if !c.Args.Done() {
			return
		}
		if l := srv.aof.log.Load(); l != nil {
			l.SetDelay(time.Duration(us) * time.Microsecond)
		}
		c.Reply.OK()
	}}
	debugCommands["loadaof"] = debugCommand{0, 0, "LOADAOF", "Forget the data and load the append-only file.", debugLoadAOF}
}

// debugLoadAOF begins in a stopped world.
func debugLoadAOF(c *command.Ctx, srv *Server) {
	if srv.loads() { // two loadings would fill the same databases
		c.Fail(resp.ErrLoading)
		return
	}
	s := c.Client.(*session)
	if l := srv.aof.log.Load(); l != nil {
		if err := l.Flush(); err != nil {
			c.Fail(resp.Error("ERR " + reason(err)))
			return
		}
	}
	srv.abortRewrite()
	a := &srv.aof
	a.awaitEnd()
	if err := srv.rereadManifest(); err != nil {
		srv.logManifestError(err)
		c.Fail("ERR Error trying to load the AOF files, check server logs.")
		return
	}
	if a.state.Load() == logStarting {
		a.scheduled.Store(true)
	}
	dirty := s.ex.view.Dirty
	srv.forgetAll(s.ex)
	srv.beginLoading()
	if !s.ex.inTransaction && !c.Script { // else what comes next may need the world to stand still
		s.ex.startWorld() // for the others to hear that they have to wait
	}
	_, err := srv.loadLog(s.ex)
	srv.endLoading()
	s.ex.view.Dirty = dirty // nothing of it is a change
	s.ex.view.ResetEvents()
	if err != nil {
		srv.log.Warn(err.Error())
		c.Fail("ERR Error trying to load the AOF files, check server logs.")
		return
	}
	srv.forgetChanges()
	srv.log.Info("Append Only File loaded by DEBUG LOADAOF")
	c.Reply.OK()
}

// rereadManifest takes over the manifest that the folder has.
func (srv *Server) rereadManifest() error {
	a := &srv.aof
	a.folder.Lock()
	defer a.folder.Unlock()
	m, err := persistence.ReadManifest(srv.logDir(), srv.conf.AppendFilename.Get())
	if err == nil {
		a.setManifest(m)
	}
	return err
}

// shutdownRewrite tells whether a rewrite keeps the server from ending: while the log is being switched on, it is the
// only one that has the data.
func (srv *Server) shutdownRewrite(how config.Shutdown) (refuse bool) {
	a := &srv.aof
	running := a.rewriting.Load() != nil
	if !running && !srv.rewriteIsNext() {
		return false
	}
	if a.state.Load() == logStarting {
		if how&config.ShutdownForce == 0 {
			srv.log.Warn("Writing initial AOF, can't exit.")
			return true
		}
		srv.log.Warn("Writing initial AOF. Exit anyway.")
	}
	if running {
		srv.log.Warn("There is a child rewriting the AOF. Killing it!")
		srv.abortRewrite()
	}
	return false
}
