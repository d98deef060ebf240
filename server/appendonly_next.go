package server

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"go.uber.org/zap"

	"larder/persistence"
	"larder/server/command"
)

// nextFile is what a rewrite begins with. It is made before, without a shard, however long the disk takes for that; then the
// rewrite begins with all shards held, and waits for nothing.
type nextFile struct {
	state int32                // of the log that it is for
	dir   string               // the folder
	file  *persistence.LogFile // that the log goes on in; nil if the log is off
}

// drop closes a file that no log has been given. It is empty.
func (n *nextFile) drop() {
	if n != nil && n.file != nil {
		n.file.Close()
	}
}

// fits tells whether a rewrite may begin with what was prepared, which may be nil, when the log has a state: one that begins anew
// begins in the folder that dir names by now.
func (srv *Server) fits(n *nextFile, state int32) bool {
	return n != nil && n.state == state && (state == logOn || n.dir == srv.wantedLogDir())
}

// takeNext takes what was prepared. mu is held.
func (a *appendOnly) takeNext() *nextFile {
	n := a.next
	a.next = nil
	a.prepared.Store(false)
	return n
}

// dropStale drops what was prepared for a log that has been switched on or off since, or is to begin elsewhere.
func (srv *Server) dropStale() {
	a := &srv.aof
	if !a.prepared.Load() {
		return
	}
	a.mu.Lock()
	var old *nextFile
	if a.next != nil && !srv.fits(a.next, a.state.Load()) {
		old = a.takeNext()
	}
	a.mu.Unlock()
	if old != nil {
		srv.leaveToDisk(func() { srv.dropNext(old) })
	}
}

// dropNext is drop for a file that may have a temporary name.
func (srv *Server) dropNext(n *nextFile) {
	if n.drop(); n != nil && n.state == logStarting {
		srv.removeTempIncr(n.dir)
	}
}

// prepareRewrite makes what the next rewrite begins with, for one that no client waits for.
func (srv *Server) prepareRewrite() {
	a := &srv.aof
	a.preparing.Add(1)
	srv.saver.background.Go(func() {
		defer a.preparing.Add(-1)
		if srv.prepare(a.state.Load()) != nil {
			srv.rewriteFailed()
		}
	})
}

// rewriteIsNext tells whether a rewrite is about to begin: no other snapshot does before.
func (srv *Server) rewriteIsNext() bool {
	return srv.aof.preparing.Load() > 0 || srv.aof.prepared.Load()
}

// prepare makes what a rewrite begins with when the log has a state, unless that is there already. It waits for the disk; the
// caller holds no shard.
func (srv *Server) prepare(state int32) error {
	a := &srv.aof
	a.awaitEnd() // of who has the temporary file
	a.folder.Lock()
	defer a.folder.Unlock()
	if srv.ended.Load() { // somebody else may have the folder by now
		return errStopped
	}
	a.mu.Lock()
	old := a.next
	now := a.state.Load()
	late := state != now && (state != logStarting || now == logOn) || a.rewriting.Load() != nil && (a.log.Load() != nil || state == logOff)
	there := srv.fits(old, state)
	if old != nil && !there && !late {
		a.takeNext()
	}
	temp := a.temp
	a.mu.Unlock()
	if late || there { // somebody was quicker
		return nil
	}
	if old.drop(); old != nil && old.state == logStarting {
		srv.disk.Remove(filepath.Join(old.dir, srv.tempIncr()))
	}
	n, err := srv.makeNext(state, temp)
	if err != nil {
		srv.log.Warn("Can't begin an AOF rewrite: "+reason(err), zap.Error(err))
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.next = n
	a.prepared.Store(true)
	return nil
}

// makeNext is prepare for who has the folder. temp says that the log writes to a temporary file.
func (srv *Server) makeNext(state int32, temp bool) (*nextFile, error) {
	a := &srv.aof
	if dir := srv.wantedLogDir(); state != logOn && dir != srv.logDir() {
		if temp {
			srv.disk.Remove(srv.logPath(srv.tempIncr()))
		}
		a.hold.Release()
		a.setManifest(nil)
		a.dir.Store(&dir)
	} else if a.dir.Load() == nil {
		a.dir.Store(&dir)
	}
	if err := a.hold.Take(srv.disk, srv.logDir(), srv.conf.AppendFilename.Get()); err != nil {
		return nil, err
	}
	if a.manifest == nil {
		m, err := persistence.ReadManifest(srv.logDir(), srv.conf.AppendFilename.Get())
		if err != nil {
			return nil, err
		}
		a.setManifest(m)
	}
	if err := srv.makeLogDir(); err != nil {
		return nil, err
	}
	n := &nextFile{state: state, dir: srv.logDir()}
	if state == logOff {
		return n, nil
	}
	var err error
	n.file, err = srv.makeFile(state == logStarting)
	return n, err
}

// makeLogDir makes the folder of the log if it is not there.
func (srv *Server) makeLogDir() error {
	if err := srv.disk.Mkdir(srv.logDir()); err != nil {
		return err
	}
	return srv.disk.SyncDir(filepath.Dir(srv.logDir()))
}

// makeFile makes the next file, which the manifest names unless temp. folder is held.
func (srv *Server) makeFile(temp bool) (*persistence.LogFile, error) {
	a := &srv.aof
	filename := srv.conf.AppendFilename.Get()
	m := a.manifest.Clone()
	name := srv.tempIncr()
	if !temp {
		name = m.NewIncr(filename).Name
	} else if err := srv.disk.Remove(srv.logPath(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err // emptied, it might be a file of the log under its other name
	}
	file, err := persistence.CreateLogFile(srv.disk, srv.logPath(name), srv.keys.Current())
	if err != nil {
		return nil, fmt.Errorf("the append-only file %s: %w", name, err)
	}
	named := false // by the manifest that the folder has, for all we know
	if err = srv.disk.SyncDir(srv.logDir()); err == nil && !temp {
		if err = m.Write(srv.disk, srv.logDir(), filename, &a.hold); err != nil {
			named = srv.manifestIs(m) != no
		}
	}
	if err != nil {
		file.Close()
		if !named {
			srv.disk.Remove(srv.logPath(name))
		}
		return nil, err
	}
	srv.log.Info("Creating AOF incr file " + name + " on background rewrite")
	a.setManifest(m)
	return file, nil
}

// changeFile makes the log go on in a new file. mu and all shards are held.
func (srv *Server) changeFile(file *persistence.LogFile) {
	a := &srv.aof
	l := a.log.Load()
	if l == nil {
		l = persistence.NewAppendLog(file, srv.logOptions())
		a.log.Store(l)
		srv.attachLog()
	} else {
		a.closedSize.Add(l.Size()) // counted anew when the rewrite has begun
		before := l.Switch(file)
		if a.before = append(a.before, before); a.temp {
			l.Drop(before) // of a start that came to nothing
		}
		srv.journal.reselect(command.ToLog)
	}
	a.temp = a.state.Load() == logStarting
}
