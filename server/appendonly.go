package server

import (
	"bytes"
	"errors"
	"math"
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
//	appendonly.go           its start, what INFO and the gates ask
//	appendonly_switch.go    switching it on and off
//	appendonly_next.go      the file that it goes on in
//	appendonly_rewrite.go   a new base, so that the files do not grow for ever
//	appendonly_load.go      loading it
//	appendonly_hold.go      replies that wait for the disk
//
// The folder's files and what package persistence makes of them: see its manifest.go and appendlog.go.
type appendOnly struct {
	log   atomic.Pointer[persistence.AppendLog] // nil while the log is off
	state atomic.Int32                          // logOff, logOn, logStarting

	// folder is held by who changes the folder's files. He waits for the disk, so nobody waits for him who holds a shard.
	folder sync.Mutex
	dir    atomic.Pointer[string] // the folder, nil before there is a log; changed by who has folder
	hold   persistence.Hold       // no other server has the folder's log; of who has folder

	// mu is for what follows, and to change log or state. Nobody waits for the disk, or for a shard, while holding it.
	mu       sync.Mutex
	manifest *persistence.Manifest  // that the folder has; changed by who has folder, too
	before   []*persistence.LogFile // that the log has written before its file, since the last base
	next     *nextFile              // what the next rewrite begins with, if that is there already
	temp     bool                   // the log writes to the temporary file of a start that has no base yet

	closedSize atomic.Int64 // bytes of base and files that are not written any more
	baseSize   atomic.Int64 // bytes of all files after the last rewrite, or the start

	preparing atomic.Int32                    // next is being made, or about to be used, by so many
	prepared  atomic.Bool                     // next is there
	rewriting atomic.Pointer[persistence.Job] // the rewrite's, which is also the saver's
	began_ms  atomic.Int64                    // on the steady clock
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

	ending  atomic.Pointer[endingLog] // a log that was switched off and is being closed
	refused error                     // why CONFIG SET cannot switch the log on; of who changes the configuration

	// relieved is why the disk did not take the log that relieveLog has given up, until there is another one. A replica goes on without;
	// one that has become a primary since acknowledges nothing before.
	relieved atomic.Pointer[string]

	awaits bool // data that could not be loaded has taken the place of what the folder has; see pauseLog

	salvaged bool // damage has kept a part of what the files have from being loaded; of the start

	last atomic.Int64 // where the log before this one has ended: clients keep positions for as long as they live
}

// The states of the log.
const (
	logOff      int32 = iota
	logOn             // everything since the base is in the folder
	logStarting       // it has been switched on; the folder is complete after the first rewrite
)

// logDir is the folder that the log is in. A dir that is set later is where the next start looks for it, and where it begins
// when it is switched on again.
func (srv *Server) logDir() string {
	if dir := srv.aof.dir.Load(); dir != nil {
		return *dir
	}
	return srv.wantedLogDir()
}

// wantedLogDir is the folder by the configuration.
func (srv *Server) wantedLogDir() string { return srv.conf.Path(srv.conf.AppendDirname.Get()) }

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
	if why := srv.aof.relieved.Load(); why != nil && l == nil && !srv.repl.replica.Load() {
		return *why
	}
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
// file ends. Behind damaged files nothing would be found again: the log goes on behind a base of what was saved of them.
func (srv *Server) openLogAtStart(tail persistence.Tail) error {
	a := &srv.aof
	a.folder.Lock()
	defer a.folder.Unlock()
	if err := srv.disk.Mkdir(srv.logDir()); err != nil {
		return srv.logFatal("Can't open or create append-only dir "+srv.conf.AppendDirname.Get(), err)
	}
	if err := srv.disk.SyncDir(srv.conf.Path(".")); err != nil {
		return srv.logFatal("Fail to fsync the folder of the append-only dir", err)
	}
	m, filename := a.manifest.Clone(), srv.conf.AppendFilename.Get()
	if m.Empty() || a.salvaged {
		name := m.NewBase(filename, srv.conf.AOFUseRDBPreamble.Get()).Name
		m.Retire(math.MaxInt64)
		srv.ks.Lock(srv.ks.All())
		err := persistence.WriteFile(srv.disk, srv.logPath(name), srv.tempBase(), false, func(f *persistence.File) error {
			return srv.writeStoppedBase(f)
		})
		srv.ks.Unlock(srv.ks.All())
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
	a.setManifest(m)
	srv.noteClosedSize(false)
	l := persistence.NewAppendLog(file, srv.logOptions())
	a.log.Store(l)
	a.state.Store(logOn)
	a.baseSize.Store(srv.logSize())
	return nil
}

// setManifest notes that the folder has a manifest. folder is held, or the server starts.
func (a *appendOnly) setManifest(m *persistence.Manifest) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.manifest = m
}

// logFatal logs why the server cannot have its log.
func (srv *Server) logFatal(what string, err error) error {
	srv.log.Warn(what+": "+reason(err), zap.Error(err))
	return errLoading
}

// noteClosedSize sums up the files that are not written any more. folder is held, or the server starts.
func (srv *Server) noteClosedSize(temp bool) {
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
		if i < len(a.manifest.Incr)-1 || temp {
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

// followDir says where the log is if that is not where dir says.
func (srv *Server) followDir() {
	if at, wanted := srv.logDir(), srv.wantedLogDir(); srv.aof.state.Load() != logOff && at != wanted {
		srv.log.Warn("The append-only log stays in " + at + " until it is switched off and on again. The next start looks for it in " + wanted + ".")
	}
}

// followLogConfig takes over what CONFIG SET has changed about the log.
func (srv *Server) followLogConfig() {
	if l := srv.aof.log.Load(); l != nil {
		o := srv.logOptions()
		l.SetPolicy(o.Policy)
		l.SetStamps(o.Stamps)
	}
}
