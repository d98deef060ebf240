package server

import (
	"fmt"
	"sync/atomic"
	"time"
)

// watchdog looks, while watchdog-period is set, whether something keeps clients waiting for longer than that, and writes
// once for each such time where all goroutines are.
type watchdog struct {
	on      atomic.Bool
	changed chan struct{} // receives when the period has changed
}

func (srv *Server) followWatchdog() {
	srv.watchdog.on.Store(srv.conf.WatchdogPeriod.Get() > 0)
	select {
	case srv.watchdog.changed <- struct{}{}:
	default:
	}
}

// looksInPeriod is how often the watchdog looks in the time that it allows.
const looksInPeriod = 4

// keepWatch runs until the server stops.
func (srv *Server) keepWatch() {
	reported := map[string]int64{} // of what keeps clients waiting, when the last one that is in the log began
	for {
		var timer <-chan time.Time
		period := time.Duration(srv.conf.WatchdogPeriod.Get()) * time.Millisecond
		if period > 0 {
			timer = time.After(max(period/looksInPeriod, time.Millisecond))
		}
		select {
		case <-srv.stopping:
			return
		case <-srv.watchdog.changed:
		case <-timer:
			srv.watch(period, reported)
		}
	}
}

// watch looks once.
func (srv *Server) watch(period time.Duration, reported map[string]int64) {
	look := func(what string, began int64, took time.Duration) {
		if began == 0 || took < period || reported[what] == began {
			return
		}
		reported[what] = began
		srv.log.Warn(fmt.Sprintf("--- WATCHDOG TIMER EXPIRED ---\n%s for %d ms\n%s--------", what, took.Milliseconds(), stacks()))
	}
	now := srv.age()
	for i, ex := range srv.executors {
		if ex.loop != nil {
			began := ex.watched.Load()
			look(fmt.Sprintf("event loop %d has been in one turn", i), began, now-time.Duration(began))
		}
	}
	if srv.loads() {
		began := srv.saver.loaded.began_ms.Load()
		look("data is being loaded", began, time.Since(time.UnixMilli(began)))
	}
}
