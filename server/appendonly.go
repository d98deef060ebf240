package server

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"

	"go.uber.org/zap"

	"larder/persistence"
	"larder/server/command"
	"larder/server/config"
	"larder/server/netloop"
)

// appendOnly is the append-only log: the journal's effects in files, from which a restart gets all the data back.
//
//	appendonly.go           switching it on and off, what INFO and the gates ask
//	appendonly_next.go      the file that it goes on in
//	appendonly_rewrite.go   a new base, so that the files do not grow for ever
//	appendonly_load.go      loading it
//	appendonly_hold.go      replies that wait for the disk
//
// The folder's files and what package persistence makes of them: see its manifest.go and appendlog.go.
type appendOnly struct {
	log   atomic.Pointer[persistence.AppendLog] // nil while the log is off
	state atomic.Int32                          // logOff, logOn, logStarting

	mu       sync.Mutex // for what follows; nobody takes a shard while holding it
	manifest *persistence.Manifest
	before   []*persistence.LogFile // that the log has written before its file, since the last base
	hold     persistence.Hold       // no other server has the folder's log
	next     *persistence.LogFile   // that the log goes on in with the next rewrite, if it was made already
	temp     bool                   // the log writes to the temporary file of a start that has no base yet

	closedSize atomic.Int64 // bytes of base and files that are not written any more
	baseSize   atomic.Int64 // bytes of all files after the last rewrite, or the start

	preparing atomic.Bool                     // next is being made
	prepared  atomic.Bool                     // next is there
	rewriting atomic.Pointer[persistence.Job] // the rewrite's, which is also the saver's
	began_ms  atomic.Int64
	took_s    atomic.Int64
	lastAhead atomic.Int64 // Job.Ahead of the last rewrite

	loaded    savedPosition // of the files that were loaded last
	scheduled atomic.Bool
	rewrites  atomic.Uint64
	failures  atomic.Int64 // rewrites in a row that failed
	failed    atomic.Bool  // the last rewrite did
	retryAt   int64        // seconds of the steady clock before which no rewrite begins by itself; the janitor's
	delay_min int64

	acked, ackNext, ackEnd atomic.Int64 // see syncedOffset

	// enabledAt is where the log stood when it was enabled. What stands before was acknowledged without waiting for the disk: the
	// log is whole on the disk only once the disk has that place.
	enabledAt atomic.Int64

	awaits bool // data that could not be loaded has taken the place of what the folder has; see pauseLog

	last atomic.Int64 // where the log before this one has ended: clients keep positions for as long as they live
}

// The states of the log.
const (
	logOff      int32 = iota
	logOn             // everything since the base is in the folder
	logStarting       // it has been switched on; the folder is complete after the first rewrite
)

func (srv *Server) logDir() string { return srv.conf.Path(srv.conf.AppendDirname.Get()) }

func (srv *Server) logPath(name string) string { return filepath.Join(srv.logDir(), name) }

func (srv *Server) logOptions() persistence.LogOptions {
	return persistence.LogOptions{
		Policy:   syncPolicies[srv.conf.Appendfsync.Get()],
		Stamps:   srv.conf.AOFTimestampEnabled.Get(),
		Advanced: srv.logAdvanced,
		Report:   srv.logReport,
		From:     srv.aof.last.Load(),
		Big:      netloop.NewBig(),
	}
}

var syncPolicies = map[config.Fsync]persistence.SyncPolicy{
	config.FsyncNo: persistence.SyncNo, config.FsyncAlways: persistence.SyncAlways, config.FsyncEverysec: persistence.SyncEverysec,
}

// logReport puts a fault of the disk, or the end of one, into the log.
func (srv *Server) logReport(what string, err error) {
	if err == nil {
		srv.log.Warn(what)
		return
	}
	srv.log.Warn(what+": "+reason(err), zap.Error(err))
}

// reason is what the system says is wrong, without the file's name.
func reason(err error) string {
	var no syscall.Errno
	if errors.As(err, &no) {
		return errnoText(no)
	}
	return err.Error()
}

// errnoText is the system's text as C programs have it: with a capital.
func errnoText(no syscall.Errno) string {
	b := []byte(no.Error())
	if len(b) > 0 && b[0] >= 'a' && b[0] <= 'z' {
		b[0] -= 'a' - 'A'
	}
	return string(b)
}

// logFault is why the log cannot be written, "" if it can.
func (srv *Server) logFault() string {
	l := srv.aof.log.Load()
	if l == nil || !l.Failing() {
		return ""
	}
	err := l.Err()
	if err == nil {
		return ""
	}
	return reason(err)
}

// logCrowdedAbove is how many bytes may wait for a slow disk before writes wait, too.
const logCrowdedAbove = 64 << 20

// logCrowded tells whether the disk is so far behind that writes have to wait.
func (srv *Server) logCrowded() bool {
	l := srv.aof.log.Load()
	return l != nil && l.Pending() > logCrowdedAbove && !l.Failing()
}

// kickLog has everything written that the turn has appended.
func (srv *Server) kickLog() {
	if l := srv.aof.log.Load(); l != nil {
		l.Kick()
	}
}

// logSize is how many bytes the log's files have.
func (srv *Server) logSize() int64 {
	size := srv.aof.closedSize.Load()
	if l := srv.aof.log.Load(); l != nil {
		size += l.Size()
	}
	return size
}

// openLogAtStart begins the log after everything has been loaded, or nothing was there to load. tail is where its last
// file ends.
func (srv *Server) openLogAtStart(tail persistence.Tail) error {
	a := &srv.aof
	if err := srv.disk.Mkdir(srv.logDir()); err != nil {
		return srv.logFatal("Can't open or create append-only dir "+srv.conf.AppendDirname.Get(), err)
	}
	if err := srv.disk.SyncDir(srv.conf.Path(".")); err != nil {
		return srv.logFatal("Fail to fsync the folder of the append-only dir", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	m, filename := a.manifest.Clone(), srv.conf.AppendFilename.Get()
	if m.Empty() {
		name := m.NewBase(filename, srv.conf.AOFUseRDBPreamble.Get()).Name
		err := persistence.WriteFile(srv.disk, srv.logPath(name), srv.tempBase(), false, func(f *persistence.File) error {
			return srv.writeStoppedBase(f)
		})
		if err != nil {
			return srv.logFatal("Can't write the AOF base file "+name, err)
		}
		srv.log.Info("Creating AOF base file " + name + " on server start")
	}
	var file *persistence.LogFile
	var err error
	opened := ""
	if n := len(m.Incr); n > 0 && srv.keys.Current() == nil && tail.End >= 0 {
		opened = m.Incr[n-1].Name
		if file, err = persistence.OpenLogFile(srv.disk, srv.logPath(opened), tail); err == nil {
			srv.log.Info("Opening AOF incr file " + opened + " on server start")
		}
	} else {
		opened = m.NewIncr(filename).Name
		if file, err = persistence.CreateLogFile(srv.disk, srv.logPath(opened), srv.keys.Current()); err == nil {
			srv.log.Info("Creating AOF incr file " + opened + " on server start")
		}
	}
	if err != nil {
		return srv.logFatal("Can't open the append-only file "+opened, err)
	}
	err = srv.disk.SyncDir(srv.logDir())
	if err == nil && !bytes.Equal(m.Format(), a.manifest.Format()) { // what a full disk has already asks for no room
		err = m.Write(srv.disk, srv.logDir(), filename, &srv.aof.hold)
	}
	if err != nil {
		file.Close()
		return srv.logFatal("Can't write the AOF manifest file", err)
	}
	a.manifest = m
	srv.noteClosedSize()
	l := persistence.NewAppendLog(file, srv.logOptions())
	a.log.Store(l)
	a.state.Store(logOn)
	a.baseSize.Store(srv.logSize())
	return nil
}

// logFatal logs why the server cannot have its log.
func (srv *Server) logFatal(what string, err error) error {
	srv.log.Warn(what+": "+reason(err), zap.Error(err))
	return errLoading
}

// noteClosedSize sums up the files that are not written any more. mu is held.
func (srv *Server) noteClosedSize() {
	a := &srv.aof
	sum := int64(0)
	add := func(name string) {
		if info, err := os.Stat(srv.logPath(name)); err == nil {
			sum += info.Size()
		}
	}
	if a.manifest.Base != nil {
		add(a.manifest.Base.Name)
	}
	for i, f := range a.manifest.Incr {
		if i < len(a.manifest.Incr)-1 || a.temp {
			add(f.Name)
		}
	}
	a.closedSize.Store(sum)
}

// attachLog makes the journal feed the log. All shards are held.
func (srv *Server) attachLog() {
	if l := srv.aof.log.Load(); l != nil {
		srv.journal.attach(command.ToLog, l)
	}
}

// setAppendonly follows CONFIG SET appendonly. The world is stopped and ex holds all shards.
func (srv *Server) setAppendonly(ex *executor, on bool) error {
	a := &srv.aof
	switch {
	case on && a.state.Load() == logOff:
		a.awaits = false
		if job := srv.saver.job.Load(); job != nil && job != a.rewriting.Load() {
			a.state.Store(logStarting)
			a.scheduled.Store(true)
			srv.log.Info("AOF was enabled but there is already another background operation. An AOF background was scheduled to start when possible.")
			return nil
		}
		if ex.inTransaction {
			a.state.Store(logStarting)
			a.scheduled.Store(true)
			srv.log.Info("AOF was enabled during a transaction. An AOF background was scheduled to start when possible.")
			return nil
		}
		if a.rewriting.Load() != nil {
			srv.log.Info("AOF was enabled but there is already an AOF rewriting in background. Stopping background AOF and starting a rewrite now.")
			srv.abortRewrite()
		}
		a.state.Store(logStarting)
		if !srv.rewrite(ex) {
			a.state.Store(logOff)
			a.scheduled.Store(false) // nobody is to try again
			srv.log.Warn("Redis needs to enable the AOF but can't trigger a background AOF rewrite operation. Check the above logs for more info about the error.")
			return errors.New("Unable to turn on AOF. Check server logs.") //lint:ignore ST1005 clients know this text
		}
	case !on:
		a.awaits = false
		if a.state.Load() != logOff {
			srv.stopLog()
		}
	}
	return nil
}

// stopLog switches the log off. What it was given is on the disk then, if the disk lets it. All shards are held.
func (srv *Server) stopLog() {
	a := &srv.aof
	srv.journal.detach(command.ToLog)
	a.state.Store(logOff)
	a.scheduled.Store(false)
	srv.abortRewrite()
	a.acked.Store(0) // the next log may be of another history, where these would be anything
	a.ackNext.Store(0)
	a.ackEnd.Store(0)
	l := a.log.Swap(nil)
	if l != nil {
		if err := l.Close(); err != nil {
			srv.log.Warn("Fail to fsync the AOF file: "+reason(err), zap.Error(err))
		}
		a.last.Store(l.End())
	}
	a.mu.Lock()
	if a.temp {
		srv.removeTempIncr()
	}
	a.temp, a.before = false, nil
	srv.dropNext()
	a.mu.Unlock()
	srv.logAdvanced() // nobody waits for a log that is not there
}

// restartLog follows data that came as a whole, from a primary: what the folder has is not its history. The world is
// stopped and ex holds all shards.
func (srv *Server) restartLog(ex *executor) {
	a := &srv.aof
	if a.state.Load() == logOff && !a.awaits {
		return
	}
	srv.stopLog()
	a.awaits = false
	a.state.Store(logStarting)
	if srv.saver.job.Load() != nil {
		a.scheduled.Store(true)
	} else {
		srv.rewrite(ex)
	}
}

// relieveLog gives up what the disk does not take of a primary's writes when that is more than memory should hold: they are in the
// next base, which is written as soon as the disk takes it. Clients' own writes are refused before it comes to that. The janitor
// calls it, without shards.
func (srv *Server) relieveLog(ex *executor) {
	over := func() bool {
		l := srv.aof.log.Load()
		return l != nil && l.Failing() && l.Pending() > logCrowdedAbove && srv.repl.replica.Load()
	}
	if !over() || srv.ended.Load() {
		return
	}
	srv.inWorldOf(ex, func() {
		if over() {
			srv.log.Warn("The disk does not take what the primary sends. The AOF begins anew when it does.")
			srv.restartLog(ex)
		}
	})
}

// pauseLog follows a snapshot of the primary that could not be loaded: there is no data now, and what the folder has is better
// than that for whoever starts with it. The log goes on with the next data that come, or when this server is nobody's replica
// any more. The world is stopped.
func (srv *Server) pauseLog() {
	if a := &srv.aof; a.state.Load() != logOff {
		srv.stopLog()
		a.awaits = true
	}
}

// resumeLog begins the log that pauseLog has ended with the data that there is. The world is stopped, ex holds all shards.
func (srv *Server) resumeLog(ex *executor) {
	if srv.aof.awaits {
		srv.restartLog(ex)
	}
}

// endLog brings everything to the disk at the end of the server. All shards are held.
func (srv *Server) endLog() {
	a := &srv.aof
	l := a.log.Load()
	if l == nil {
		return
	}
	if p, ok := srv.position(); ok {
		l.Append(persistence.LogPosition{ID: p.id, At: p.at, DB: p.db}.Line())
	}
	srv.log.Info("Calling fsync() on the AOF file.")
	if err := l.Flush(); err != nil {
		srv.log.Warn("Fail to fsync the AOF file: "+reason(err), zap.Error(err))
	}
}

// closeLog ends the log's goroutines, when nothing can be appended any more, and lets others have it.
func (srv *Server) closeLog() {
	if l := srv.aof.log.Load(); l != nil {
		l.Close()
	}
	srv.aof.mu.Lock()
	defer srv.aof.mu.Unlock()
	srv.dropNext()
	srv.aof.hold.Release()
}

// followLogConfig takes over what CONFIG SET has changed about the log.
func (srv *Server) followLogConfig() {
	if l := srv.aof.log.Load(); l != nil {
		o := srv.logOptions()
		l.SetPolicy(o.Policy)
		l.SetStamps(o.Stamps)
	}
}
