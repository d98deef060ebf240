package server

import (
	"errors"
	"fmt"
	"os"

	"go.uber.org/zap"

	"larder/persistence"
	"larder/server/command"
)

// prepareRewrite makes the file that the log goes on in with the next rewrite. The disk may take its time for that: a rewrite that
// nobody has asked for keeps nobody waiting.
func (srv *Server) prepareRewrite() {
	a := &srv.aof
	a.preparing.Store(true)
	srv.saver.background.Go(func() {
		defer a.preparing.Store(false)
		if err := srv.makeNext(); err != nil {
			a.scheduled.Store(false)
			srv.log.Warn("Can't begin an AOF rewrite: "+reason(err), zap.Error(err))
			srv.rewriteFailed()
		}
	})
}

func (srv *Server) makeNext() error {
	a := &srv.aof
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.state.Load() != logOn || a.rewriting.Load() != nil { // somebody was quicker
		return nil
	}
	err := srv.makeLogDir()
	if err == nil {
		err = srv.makeFile(false)
	}
	a.prepared.Store(err == nil)
	return err
}

// makeLogDir makes the folder of the log if it is not there.
func (srv *Server) makeLogDir() error {
	if err := srv.disk.Mkdir(srv.logDir()); err != nil {
		return err
	}
	return srv.disk.SyncDir(srv.conf.Path("."))
}

// makeFile makes the next file, which the manifest names unless temp. mu is held.
func (srv *Server) makeFile(temp bool) error {
	a := &srv.aof
	filename := srv.conf.AppendFilename.Get()
	m := a.manifest.Clone()
	name := srv.tempIncr()
	if !temp {
		name = m.NewIncr(filename).Name
	} else if err := srv.disk.Remove(srv.logPath(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err // emptied, it might be a file of the log under its other name
	}
	file, err := persistence.CreateLogFile(srv.disk, srv.logPath(name), srv.keys.Current())
	if err != nil {
		return fmt.Errorf("the append-only file %s: %w", name, err)
	}
	named := false // by the manifest that the folder has, for all we know
	if err = srv.disk.SyncDir(srv.logDir()); err == nil && !temp {
		if err = m.Write(srv.disk, srv.logDir(), filename, &srv.aof.hold); err != nil {
			named = srv.manifestIs(m) != no
		}
	}
	if err != nil {
		file.Close()
		if !named {
			srv.disk.Remove(srv.logPath(name))
		}
		return err
	}
	srv.log.Info("Creating AOF incr file " + name + " on background rewrite")
	a.manifest = m
	a.next = file
	return nil
}

// changeFile makes the log go on in a new file. mu and all shards are held.
func (srv *Server) changeFile() error {
	a := &srv.aof
	temp := a.state.Load() == logStarting
	if a.next == nil {
		if err := srv.makeFile(temp); err != nil {
			return err
		}
	}
	file := a.next
	a.next = nil
	a.prepared.Store(false)
	l := a.log.Load()
	if l == nil {
		l = persistence.NewAppendLog(file, srv.logOptions())
		a.log.Store(l)
		srv.attachLog()
	} else {
		before := l.Switch(file)
		if a.before = append(a.before, before); a.temp {
			l.Drop(before) // of a start that came to nothing
		}
		srv.journal.reselect(command.ToLog)
	}
	a.temp = temp
	srv.noteClosedSize()
	return nil
}

// dropNext closes the file that was made for a rewrite which does not come. It is empty. mu is held.
func (srv *Server) dropNext() {
	if a := &srv.aof; a.next != nil {
		a.next.Close()
		a.next = nil
		a.prepared.Store(false)
	}
}
