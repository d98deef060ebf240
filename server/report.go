package server

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"
	"unicode"

	"larder/server/command"
)

// reportWait is how long the report of a crash waits for the loops, to look at what they have: one of them may be what
// hangs.
const reportWait = 2 * time.Second

// ReportCrash writes to the log what somebody wants to know who asks why the process ends: where all goroutines are, and
// what INFO and CLIENT LIST would say. The caller ends the process.
func (srv *Server) ReportCrash(sig syscall.Signal) {
	srv.log.Warn("=== REDIS BUG REPORT START: Cut & paste starting from here ===")
	srv.log.Warn(fmt.Sprintf("Redis %s crashed by signal: %d (%s), Larder %s, commit %s, %s", RedisVersion, int(sig), sig, Version, Commit, runtime.Version()))
	srv.log.Warn("------ STACK TRACE ------\n" + stacks())
	info, clients := srv.figuresAtEnd()
	srv.log.Warn("------ INFO OUTPUT ------\n" + info)
	srv.log.Warn("------ CLIENT LIST OUTPUT ------\n" + clients)
	srv.log.Warn("=== REDIS BUG REPORT END. Make sure to include from START to END. ===")
}

// ReportStacks writes to the log where all goroutines are, for somebody who wonders what the server does; it goes on.
func (srv *Server) ReportStacks() {
	srv.log.Warn("------ STACK TRACE ------\n" + stacks() + "------ STACK TRACE DONE ------")
}

// stacks says where all goroutines are.
func stacks() string {
	for size := 1 << 20; ; size *= 2 {
		b := make([]byte, size)
		if n := runtime.Stack(b, true); n < size || size >= stacksMost {
			return string(b[:n])
		}
	}
}

const stacksMost = 64 << 20

// figuresAtEnd is INFO and CLIENT LIST for a process that is about to end. If the loops or the shards cannot be had, it is
// what can be told without them. Nothing that it holds is given back.
func (srv *Server) figuresAtEnd() (info, clients string) {
	ex := newExecutor(srv, nil, 0)
	ex.enter()
	end := time.Now().Add(reportWait)
	giveUp := func() bool { return time.Now().After(end) }
	w := &infoWriter{srv: srv, now: time.Now().UnixMilli()}
	set := sectionsAll
	if srv.conf.HideUserDataFromLog.Get() {
		set &^= sectionsNamed([][]byte{[]byte("HOTKEYS")})
	}
	if !ex.stopWorldUnless(giveUp) {
		set &^= sectionsOfShards
		clients = "(the event loops do not answer)\n"
	} else if !ex.view.TakeUnless(srv.ks.All(), giveUp) {
		set &^= sectionsOfShards
	}
	told := make(chan string, 1)
	go func() {
		w.sections(set)
		told <- string(w.buf)
	}()
	select {
	case info = <-told:
	case <-time.After(reportWait):
		info = "(something that it asks for does not answer)\n"
	}
	if clients == "" {
		var lines []byte
		for _, s := range srv.clients.all() {
			lines = append(s.describe(lines, int64(srv.age())), '\n')
		}
		clients = string(lines)
	}
	return info, clients
}

// debugSegfault ends the process as an access to memory that is not there does.
func debugSegfault(c *command.Ctx, _ *Server) {
	c.Client.(*session).conn.Suspend()
	_ = syscall.Kill(os.Getpid(), syscall.SIGSEGV) // it is the process's own
}

func debugPanic(c *command.Ctx, _ *Server) {
	panic(fmt.Sprintf("Panic called at Unix time %d", c.Now/1000))
}

func init() {
	debugCommands["segfault"] = debugCommand{0, 0, "SEGFAULT", "End the process with SIGSEGV.", debugSegfault}
	debugCommands["panic"] = debugCommand{0, 0, "PANIC", "End the process with a panic.", debugPanic}
}

// oneLine is text that somebody else has chosen, for a message of the log: without control characters it makes no lines of its own
// there, and does nothing to the terminal of who reads it.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '_'
		}
		return r
	}, text)
}
