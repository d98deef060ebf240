package server

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"larder/persistence"
	"larder/persistence/codec"
	"larder/server/command"
	"larder/server/config"
	"larder/server/resp"
)

// snapshots is what the server knows of its snapshots. INFO reads it.
type snapshots struct {
	lastSave  atomic.Int64 // Unix seconds of the last one that succeeded, or of the start
	savedAt   atomic.Int64 // lastSave on the clock of executor.nanos: save points do not go by one that may be set
	triedAt   atomic.Int64 // when the last one was begun, on that clock
	took_ms   atomic.Int64 // how long the last one in the background took, -1 for none
	failed    atomic.Bool  // the last one in the background did
	saves     atomic.Uint64
	lastAhead atomic.Int64 // Job.Ahead of the last one in the background
	scheduled atomic.Bool  // one in the background is wanted as soon as that is possible

	// job is the snapshot that is being written in the background. It is set by who holds all shards.
	job        atomic.Pointer[persistence.Job]
	ending     sync.Mutex // held by who ends it, until its changes are counted off
	changes    int64      // that it has and the one before has not; of who has ending
	background sync.WaitGroup
	moments    atomic.Int64 // of snapshots, in their order; counted by who holds all shards
	place      sync.Mutex   // held by who gives a file its place
	placed     int64        // the moment of the file that is there; of who has place
	backlogMax atomic.Int64

	loaded loadState
}

// codecOptions say how values are written.
func (srv *Server) codecOptions() codec.Options {
	return codec.Options{Version: int(srv.conf.RDBVersion.Get()), Compress: srv.conf.RDBCompression.Get()}
}

// snapshotPath is where snapshots are.
func (srv *Server) snapshotPath() string { return srv.conf.Path(srv.conf.DBFilename.Get()) }

func (srv *Server) snapshotOptions() persistence.SnapshotOptions {
	o := persistence.SnapshotOptions{
		Options:    srv.codecOptions(),
		Checksum:   srv.conf.RDBChecksum.Get(),
		Created:    time.Now(),
		RedisVer:   RedisVersion,
		UsedMemory: srv.usedMemory(),
		Functions:  srv.functionCodes(),
		Aux:        srv.positionAux(),
		KeyDelay:   srv.keySaveDelay,
	}
	switch srv.conf.MaxmemoryPolicy.Get() {
	case config.PolicyAllkeysLRU, config.PolicyVolatileLRU:
		o.Access = persistence.IdleTimes
	case config.PolicyAllkeysLFU, config.PolicyVolatileLFU:
		o.Access = persistence.Frequencies
	}
	return o
}

// keySaveDelay is how long a snapshot in the background waits for each key.
func (srv *Server) keySaveDelay() time.Duration {
	return time.Duration(srv.conf.RDBKeySaveDelay.Get()) * time.Microsecond
}

// save writes a snapshot while the caller holds all shards, and counts the changes from then on.
func (srv *Server) save(ex *executor) error {
	ex.handIn() // what this turn has changed is saved with the rest
	st := &srv.saver
	st.saves.Add(1)
	srv.noteTry()
	dirty := srv.dirty.Load()
	err := srv.placeSnapshot(srv.snapshotPath(), st.moments.Add(1), func(out io.Writer) error {
		_, err := persistence.WriteStopped(out, srv.ks, srv.snapshotOptions())
		return err
	})
	if err != nil {
		return err
	}
	srv.saved(dirty)
	st.failed.Store(false)
	return nil
}

// placeSnapshot has write make the file at path of a snapshot of a moment, unless there is one of a later moment.
func (srv *Server) placeSnapshot(path string, moment int64, write func(out io.Writer) error) error {
	st := &srv.saver
	st.place.Lock()
	defer st.place.Unlock()
	if moment < st.placed {
		return nil
	}
	err := persistence.WriteFile(srv.disk, path, tempSnapshot(), srv.conf.RDBSaveIncrementalFsync.Get(),
		func(f *persistence.File) error { return srv.sealed(f, write) })
	if err != nil {
		srv.log.Warn("Write error while saving DB to the disk", zap.String("file", path), zap.Error(err))
		return err
	}
	st.placed = moment
	srv.log.Info("DB saved on disk")
	return nil
}

// saved notes that a snapshot is on the disk, and dirty changes with it.
func (srv *Server) saved(dirty int64) {
	srv.dirty.Add(-dirty)
	now := time.Now()
	srv.saver.lastSave.Store(now.Unix())
	srv.saver.savedAt.Store(int64(now.Sub(srv.started)))
}

// noteTry notes that a snapshot is begun.
func (srv *Server) noteTry() {
	srv.saver.triedAt.Store(int64(srv.age()))
}

// bgsave begins a snapshot that is written in the background. The caller holds all shards: it is a snapshot of this
// moment. No other is being written.
func (srv *Server) bgsave(ex *executor) {
	ex.handIn()
	st := &srv.saver
	st.scheduled.Store(false)
	st.saves.Add(1)
	srv.noteTry()
	st.backlogMax.Store(max(backlogLeast, srv.usedMemory()/backlogPart))
	srv.stats.snapshots.Add(1)
	job := persistence.Begin(srv.ks, srv.snapshotOptions())
	st.job.Store(job)
	srv.noteChanges()
	moment, path := st.moments.Add(1), srv.snapshotPath() // CONFIG SET may change it before the other goroutine runs
	srv.log.Info("Background saving started")
	st.background.Go(func() {
		began := time.Now()
		err := srv.runJob(job, path, moment, nil)
		st.took_ms.Store(time.Since(began).Milliseconds())
		st.lastAhead.Store(job.Ahead())
		srv.jobEnded(job, err)
	})
}

// What a snapshot may have waiting for the disk before writes wait: this part of the data, at least so many bytes.
const (
	backlogPart  = 20
	backlogLeast = 16 << 20
)

// runJob writes the file of a job that was begun at a moment. Before it gets its place at path, named is told where it is, unless
// it is nil.
func (srv *Server) runJob(job *persistence.Job, path string, moment int64, named func(temp string) error) error {
	st := &srv.saver
	temp := filepath.Join(filepath.Dir(path), srv.tempBackground())
	f, err := persistence.CreateFile(srv.disk, temp, srv.conf.RDBSaveIncrementalFsync.Get())
	if err != nil {
		job.Abort()
		job.Run(nil)
		return err
	}
	defer f.Discard()
	if err = srv.sealed(f, func(out io.Writer) error { return job.Run(out) }); err == nil {
		err = f.Sync()
	}
	if err == nil && named != nil {
		err = named(temp)
	}
	if err != nil {
		return err
	}
	st.place.Lock()
	defer st.place.Unlock()
	if st.job.Load() != job || moment < st.placed {
		return persistence.ErrAborted
	}
	if err := f.Commit(path); err != nil {
		return err
	}
	st.placed = moment
	return nil
}

// noteChanges notes which changes the snapshot in the background has that begins.
func (srv *Server) noteChanges() {
	srv.saver.ending.Lock()
	defer srv.saver.ending.Unlock()
	srv.saver.changes = srv.dirty.Load()
}

// forgetChanges begins to count anew; so does the snapshot that is being written.
func (srv *Server) forgetChanges() {
	srv.saver.ending.Lock()
	defer srv.saver.ending.Unlock()
	srv.dirty.Store(0)
	srv.saver.changes = 0
}

// jobEnded notes how a snapshot in the background ended, unless somebody has aborted it.
func (srv *Server) jobEnded(job *persistence.Job, err error) {
	st := &srv.saver
	st.ending.Lock()
	defer st.ending.Unlock()
	if !st.job.CompareAndSwap(job, nil) {
		return
	}
	st.failed.Store(err != nil)
	if err != nil {
		srv.log.Warn("Write error while saving DB to the disk", zap.Error(err))
		srv.log.Warn("Background saving error")
		return
	}
	srv.saved(st.changes)
	srv.log.Info("DB saved on disk")
	srv.log.Info("Background saving terminated with success")
}

// abortSave ends a snapshot that is being written in the background. Its file may be getting its place this moment: who has a later
// one to put there comes after it. The caller holds all shards.
func (srv *Server) abortSave() {
	srv.saver.ending.Lock()
	defer srv.saver.ending.Unlock()
	job := srv.saving()
	if job == nil || !srv.saver.job.CompareAndSwap(job, nil) {
		return
	}
	srv.log.Warn("There is a background save in progress. It is ended.")
	job.End()
}

// flushedAll follows FLUSHALL: a snapshot of what was there is worth nothing any more, and one of nothing is written, so
// that a restart does not bring it back. It is so small that it is made at once, and the disk gets it while nobody waits but the
// client. All shards are held.
func (srv *Server) flushedAll(ex *executor) {
	srv.abortSave()
	if len(srv.conf.Save.Get()) == 0 {
		return
	}
	ex.handIn()
	st := &srv.saver
	st.saves.Add(1)
	srv.noteTry()
	path, moment, dirty := srv.snapshotPath(), st.moments.Add(1), srv.dirty.Load()
	var b bytes.Buffer
	if _, err := persistence.WriteStopped(&b, srv.ks, srv.snapshotOptions()); err != nil {
		srv.log.Warn("Write error while saving DB to the disk", zap.Error(err))
		return
	}
	srv.dirty.Add(-dirty) // FLUSHALL, too: no change is left to be saved
	ex.current.await(srv.leaveToDisk(func() {
		err := srv.placeSnapshot(path, moment, func(out io.Writer) error {
			_, err := out.Write(b.Bytes())
			return err
		})
		if err != nil {
			srv.dirty.Add(max(1, dirty))
			return
		}
		srv.saved(0)
		st.failed.Store(false)
	}))
}

// saving is the snapshot that is being written in the background, nil if there is none, or the append-only log's next
// base is written, a backup or the copy for a debugger.
func (srv *Server) saving() *persistence.Job {
	job := srv.saver.job.Load()
	if job == srv.aof.rewriting.Load() || job == srv.backup.job.Load() || job == srv.debugs.job.Load() {
		return nil
	}
	return job
}

// crowded tells whether so much waits to be written to a snapshot, or to the append-only log, that commands which change data have to wait: each of
// them may add to it what it is about to change.
func (srv *Server) crowded() bool {
	job := srv.saver.job.Load()
	return job != nil && job.Backlog() > srv.saver.backlogMax.Load() || srv.logCrowded()
}

// writesRefused tells whether clients may not write because nothing that they write would be saved.
func (srv *Server) writesRefused() bool {
	return srv.saver.failed.Load() && srv.conf.StopWritesOnBgsaveError.Get() && len(srv.conf.Save.Get()) > 0
}

// unsaved is the error for a write that would not be saved, "" if it would.
func (srv *Server) unsaved() resp.Error {
	if srv.writesRefused() {
		return resp.ErrMisconfRDB
	}
	if why := srv.logFault(); why != "" {
		return resp.MisconfAOF(why)
	}
	return ""
}

// unsavedScript is the error for a script that may write.
func (srv *Server) unsavedScript() resp.Error {
	if srv.writesRefused() {
		return resp.ErrMisconfRDBScript
	}
	if why := srv.logFault(); why != "" {
		return resp.MisconfAOFScript(why)
	}
	return ""
}

// errSaveFailed is all that a client is told; the log says why.
const (
	errSaveFailed resp.Error = "ERR"
	errSaving     resp.Error = "ERR Background save already in progress"
	errNoSaving   resp.Error = "ERR Background saving is currently not in progress or scheduled"
	errRewriting  resp.Error = "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to schedule a BGSAVE whenever possible."
)

func save(c *command.Ctx) {
	s := c.Client.(*session)
	switch {
	case s.srv.saving() != nil:
		c.Fail(errSaving)
	case s.srv.save(s.ex) != nil:
		c.Fail(errSaveFailed)
	default:
		c.Reply.OK()
	}
}

// bgsave begins a snapshot at once, but inside a transaction, half of which must not be saved: after that.
func bgsave(c *command.Ctx) {
	a := &c.Args
	schedule := a.Is("SCHEDULE")
	cancel := !schedule && a.Is("CANCEL")
	if !a.Done() {
		return
	}
	s := c.Client.(*session)
	switch {
	case cancel:
		cancelSave(c, s.srv)
	case s.srv.saving() != nil:
		c.Fail(errSaving)
	case s.srv.saver.job.Load() != nil && !schedule:
		c.Fail(errRewriting)
	case s.ex.inTransaction || s.srv.saver.job.Load() != nil:
		s.srv.saver.scheduled.Store(true)
		c.Reply.Simple("Background saving scheduled")
	default:
		s.srv.bgsave(s.ex)
		c.Reply.Simple("Background saving started")
	}
}

// cancelSave ends the snapshot that is being written in the background, or forgets the one that is wanted.
func cancelSave(c *command.Ctx, srv *Server) {
	switch {
	case srv.saving() != nil:
		srv.abortSave()
		c.Reply.Simple("Background saving cancelled")
	case srv.saver.scheduled.CompareAndSwap(true, false):
		c.Reply.Simple("Scheduled background saving cancelled")
	default:
		c.Fail(errNoSaving)
	}
}

func lastsave(c *command.Ctx) { c.Reply.Int(c.Client.(*session).srv.saver.lastSave.Load()) }

// retrySave is how long a save point waits after a snapshot that failed.
const retrySave = 5 * time.Second

// followSavePoints begins a snapshot if a save point is reached, or a client wanted one. The janitor calls it.
func (srv *Server) followSavePoints(ex *executor) {
	if srv.saver.job.Load() != nil || !srv.saveIsDue(ex.nanos) {
		return
	}
	ex.view.Take(srv.ks.All())
	defer ex.view.Release()
	if srv.saver.job.Load() == nil && !srv.ended.Load() {
		srv.bgsave(ex)
	}
}

// saveIsDue tells whether a snapshot is wanted by a client or by a save point.
func (srv *Server) saveIsDue(nanos int64) bool {
	st, dirty := &srv.saver, srv.dirty.Load()
	if st.scheduled.Load() {
		return true
	}
	if dirty == 0 || st.failed.Load() && nanos-st.triedAt.Load() < int64(retrySave) {
		return false
	}
	for _, p := range srv.conf.Save.Get() {
		if dirty >= p.Changes && (nanos-st.savedAt.Load())/int64(time.Second) > p.Seconds {
			srv.log.Info(fmt.Sprintf("%d changes in %d seconds. Saving...", p.Changes, p.Seconds))
			return true
		}
	}
	return false
}

// saveAtEnd writes the last snapshot, if how or the save points ask for one, and tells whether the server may end. The
// caller holds all shards.
func (srv *Server) saveAtEnd(ex *executor, how config.Shutdown) bool {
	srv.abortSave()
	if srv.shutdownRewrite(how) {
		srv.log.Warn("Errors trying to shut down the server. Check the logs for more information.")
		return false
	}
	srv.abortBackup()
	srv.abortCopy()
	srv.endLog()
	if srv.loading.Load() || how&config.ShutdownNosave != 0 {
		return true
	}
	if how&config.ShutdownSave == 0 && len(srv.conf.Save.Get()) == 0 {
		return true
	}
	srv.log.Info("Saving the final RDB snapshot before exiting.")
	if srv.save(ex) == nil {
		return true
	}
	if how&config.ShutdownForce != 0 {
		srv.log.Warn("Error trying to save the DB. Exit anyway.")
		return true
	}
	srv.log.Warn("Error trying to save the DB, can't exit.")
	srv.log.Warn("Errors trying to shut down the server. Check the logs for more information.")
	return false
}

func init() {
	register(
		command.New("save", command.AllOfThem, save),
		command.New("bgsave", command.AllOfThem, bgsave),
		command.New("lastsave", command.NoneOfThem, lastsave),
	)
	debugCommands["reload"] = debugCommand{0, 3, "RELOAD [MERGE] [NOFLUSH] [NOSAVE]", "Save the data, forget it and load it again.", debugReload}
	debugCommands["set-skip-checksum-validation"] = debugCommand{
		1, 1, "SET-SKIP-CHECKSUM-VALIDATION <0|1>", "Leave the checksums of snapshots and of RESTORE's payloads unchecked, or check them.",
		func(c *command.Ctx, srv *Server) {
			debugSwitch(c, func(on bool) {
				srv.skipChecksums.Store(on)
				srv.publishCommandConf()
			})
		},
	}
}
