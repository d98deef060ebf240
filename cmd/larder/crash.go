package main

import (
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"go.uber.org/zap"

	"larder/server"
	"larder/server/config"
	"larder/server/log"
)

// handleCrashes has the log file get what there is to be known when the process crashes, as long as crash-log-enabled says
// so: the report of the server when it is told to by a signal, as somebody does whose server hangs; what the Go runtime
// writes to standard error when it fails by itself. The function it returns ends the handling.
func handleCrashes(conf *config.Store, control *log.Control, logger *zap.Logger, srv *server.Server) (end func()) {
	debug.SetTraceback("all")
	signals := make(chan os.Signal, 1)
	follow := func() error {
		if conf.CrashLogEnabled.Get() {
			signal.Notify(signals, syscall.SIGABRT, syscall.SIGSEGV, syscall.SIGBUS, syscall.SIGFPE, syscall.SIGILL)
		} else {
			signal.Stop(signals)
		}
		control.OnOpen(func(f *os.File) {
			if !conf.CrashLogEnabled.Get() {
				f = nil
			}
			if err := debug.SetCrashOutput(f, debug.CrashOptions{}); err != nil {
				logger.Warn("The log file will not have a report if the process crashes", zap.Error(err))
			}
		})
		return nil
	}
	_ = follow() // it never fails
	conf.OnChange(follow, "crash-log-enabled")
	done := make(chan struct{})
	go func() {
		select {
		case <-done:
		case sig := <-signals:
			srv.ReportCrash(sig.(syscall.Signal))
			_ = debug.SetCrashOutput(nil, debug.CrashOptions{}) // the report has it all
			dieOf(sig)
		}
	}()
	return func() {
		signal.Stop(signals)
		close(done)
	}
}

// dieOf ends the process by a signal: whoever started it sees that it crashed, and the system keeps its memory if it is
// set to.
func dieOf(sig os.Signal) {
	debug.SetTraceback("crash")
	signal.Reset(sig)
	_ = syscall.Kill(os.Getpid(), sig.(syscall.Signal)) // it is our own
	select {}
}
