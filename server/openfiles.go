package server

import (
	"fmt"
	"strconv"
	"syscall"
	"time"

	"go.uber.org/zap"
)

// reservedFiles is how many descriptors the server wants for itself: listeners, three for each loop, files.
func (srv *Server) reservedFiles() int64 { return max(32, 26+3*int64(srv.loops)) }

// openFiles makes room for n clients as far as the system lets it, and returns for how many there is room.
func (srv *Server) openFiles(n int64) int64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		srv.log.Warn("Unable to obtain the current NOFILE limit, the maxclients directive may be too high", zap.Error(err))
		return n
	}
	want, had := uint64(n+srv.reservedFiles()), limit.Cur
	if had >= want {
		return n
	}
	raised := limit
	raised.Cur = min(want, limit.Max)
	if limit.Max < want { // only the superuser may raise both
		higher := syscall.Rlimit{Cur: want, Max: want}
		if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &higher) == nil {
			raised = higher
		}
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &raised); err != nil {
		raised.Cur = had
	}
	if raised.Cur >= want {
		srv.log.Info(fmt.Sprintf("Increased maximum number of open files to %d (it was originally set to %d).", raised.Cur, had))
		return n
	}
	return max(0, int64(raised.Cur)-srv.reservedFiles())
}

// fitMaxClients lowers maxclients to what the system allows. It is called at the start.
func (srv *Server) fitMaxClients() error {
	asked, own := srv.conf.MaxClients.Get(), srv.reservedFiles()
	room := srv.openFiles(asked)
	switch {
	case room >= asked:
		return nil
	case room < 1:
		//lint:ignore ST1005 operators search logs for this text
		return fmt.Errorf("Your current 'ulimit -n' is not enough for the server to start. Please increase your open file limit to at least %d. Exiting.", own+1)
	}
	srv.log.Warn(fmt.Sprintf("You requested maxclients of %d requiring at least %d max file descriptors.", asked, asked+own))
	srv.log.Warn(fmt.Sprintf("Current maximum open files is %d. maxclients has been reduced to %d to compensate for low ulimit. If you need higher maxclients increase 'ulimit -n'.", room+own, room))
	return srv.conf.Adopt("maxclients", strconv.FormatInt(room, 10))
}

// roomAtDoor is how many connections may be in the midst of their handshake: they have descriptors, and take the places of clients
// that are still to come.
func (srv *Server) roomAtDoor() int {
	return int(srv.conf.MaxClients.Get()) - srv.clients.count()
}

// followMaxClients refuses a CONFIG SET maxclients that the system does not allow.
func (srv *Server) followMaxClients() error {
	asked := srv.conf.MaxClients.Get()
	if room := srv.openFiles(asked); room < asked {
		return fmt.Errorf("The operating system is not able to handle the specified number of clients, try with %d", room) //lint:ignore ST1005 clients read this text
	}
	return nil
}

// acceptWarnEvery is how often the log says that clients cannot be let in, while that goes on.
const acceptWarnEvery = 10 * time.Second

// warnAccepting says in the log that clients could not be let in since the last look, and why.
func (j *janitor) warnAccepting(now time.Time) {
	times, err := j.srv.engine.AcceptError()
	if times == j.refused || now.Sub(j.refusedTold) < acceptWarnEvery {
		return
	}
	j.refused, j.refusedTold = times, now
	j.srv.log.Warn("Accepting client connection: "+reason(err), zap.Error(err))
}
