package server

import (
	"cmp"
	"errors"

	"go.uber.org/zap"

	"larder/persistence"
	"larder/server/command"
)

// Switching the log on and off changes what is in memory, with all shards held, and leaves the disk to others: a log that is
// switched off is closed behind everybody's back, and one that is switched on begins with a rewrite, whose file is made before.
// Who has asked for it hears of it when the disk has done its part; nobody else waits.

// setAppendonly follows CONFIG SET appendonly. The world is stopped and ex holds all shards.
func (srv *Server) setAppendonly(ex *executor, on bool) error {
	a := &srv.aof
	switch {
	case on && a.state.Load() == logOff:
		a.awaits = false
		if job := srv.saver.job.Load(); job != nil && job != a.rewriting.Load() {
			srv.scheduleStart()
			srv.log.Info("AOF was enabled but there is already another background operation. An AOF background was scheduled to start when possible.")
			return nil
		}
		if ex.inTransaction {
			srv.scheduleStart()
			srv.log.Info("AOF was enabled during a transaction. An AOF background was scheduled to start when possible.")
			return nil
		}
		if a.refused != nil {
			srv.log.Warn("Redis needs to enable the AOF but can't trigger a background AOF rewrite operation. Check the above logs for more info about the error.")
			return errors.New("Unable to turn on AOF. Check server logs.") //lint:ignore ST1005 clients know this text
		}
		if a.rewriting.Load() != nil {
			srv.log.Info("AOF was enabled but there is already an AOF rewriting in background. Stopping background AOF and starting a rewrite now.")
			srv.abortRewrite()
		}
		srv.scheduleStart()
		srv.rewrite(ex) // if its file is there
	case !on:
		a.awaits = false
		if a.state.Load() != logOff {
			ex.current.await(srv.stopLog())
		}
	}
	return nil
}

// scheduleStart has the log begin with the next rewrite. All shards are held.
func (srv *Server) scheduleStart() {
	a := &srv.aof
	a.mu.Lock()
	defer a.mu.Unlock()
	a.state.Store(logStarting)
	a.scheduled.Store(true)
}

// endingLog is a log that is being closed.
type endingLog struct {
	log    *persistence.AppendLog
	before *endingLog    // that has not ended yet when this one was switched off
	done   chan struct{} // closed when both are
}

// first is the one that has to end first.
func (e *endingLog) first() *endingLog {
	for e.before != nil {
		select {
		case <-e.before.done:
			return e
		default:
			e = e.before
		}
	}
	return e
}

// awaitEnd waits until what was switched off is closed.
func (a *appendOnly) awaitEnd() {
	for e := a.ending.Load(); e != nil; e = a.ending.Load() {
		<-e.done
	}
}

// stopLog switches the log off. When the task is over what it was given is on the disk, if the disk lets it. All shards are held.
func (srv *Server) stopLog() *task {
	a := &srv.aof
	srv.journal.detach(command.ToLog)
	srv.abortRewrite()
	a.acked.Store(0) // the next log may be of another history, where these would be anything
	a.ackNext.Store(0)
	a.ackEnd.Store(0)
	a.relieved.Store(nil)
	a.mu.Lock()
	a.state.Store(logOff)
	a.scheduled.Store(false)
	l, temp, dir := a.log.Swap(nil), a.temp, srv.logDir()
	a.temp, a.before = false, nil
	old := a.takeNext()
	var e *endingLog
	if l != nil {
		a.last.Store(l.End())
		e = &endingLog{log: l, before: a.ending.Load(), done: make(chan struct{})}
		a.ending.Store(e)
	}
	a.mu.Unlock()
	if l == nil && old == nil {
		srv.logAdvanced()
		return nil
	}
	return srv.leaveToDisk(func() {
		if e != nil {
			srv.closeEnding(e)
		}
		if srv.dropNext(old); temp {
			srv.removeTempIncr(dir)
		}
	})
}

// closeEnding closes a log that was switched off.
func (srv *Server) closeEnding(e *endingLog) {
	if err := e.log.Close(); err != nil {
		srv.log.Warn("Fail to fsync the AOF file: "+reason(err), zap.Error(err))
	}
	if e.before != nil {
		<-e.before.done
	}
	close(e.done)
	srv.aof.ending.CompareAndSwap(e, nil)
}

// restartLog follows data that came as a whole, from a primary: what the folder has is not its history. The world is stopped, all
// shards are held.
func (srv *Server) restartLog() {
	a := &srv.aof
	if a.state.Load() == logOff && !a.awaits {
		return
	}
	srv.stopLog()
	a.awaits = false
	a.failures.Store(0) // of the data that was there before
	srv.scheduleStart()
	if srv.saver.job.Load() == nil {
		srv.prepareRewrite()
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
			why := cmp.Or(srv.logFault(), "the log was given up") // the disk may take it again since
			srv.restartLog()
			srv.aof.relieved.Store(&why)
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

// resumeLog begins the log that pauseLog has ended with the data that there is. The world is stopped, all shards are held.
func (srv *Server) resumeLog() {
	if srv.aof.awaits {
		srv.restartLog()
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
	a := &srv.aof
	if l := a.log.Load(); l != nil {
		l.Close()
	}
	a.folder.Lock()
	defer a.folder.Unlock()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.takeNext().drop()
	a.hold.Release()
}
