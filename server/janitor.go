package server

import (
	"time"
)

// The janitor does what has to be done between commands: it removes keys whose time is over, frees large values step
// by step, merges tables and gives memory back. It takes one shard at a time and keeps it for less than janitorHold.
const (
	janitorEvery = 10 * time.Millisecond
	sweepBudget  = 128 // keys removed while a shard is held once
	buryBudget   = 512 // allocations freed while a shard is held once
	tendBudget   = 8   // steps of merging tables
)

// keepHouse runs until the server stops.
func (srv *Server) keepHouse() {
	tick := time.NewTicker(janitorEvery)
	defer tick.Stop()
	for n := uint64(0); ; n++ {
		select {
		case <-srv.stopping:
			return
		case <-tick.C:
		}
		if n%uint64(sampleEvery/janitorEvery) == 0 {
			srv.sample()
		}
		if !srv.cronPaused.Load() {
			start := time.Now()
			srv.clean(n)
			srv.stats.house_ns.Add(int64(time.Since(start)))
		}
	}
}

// clean goes once through all shards.
func (srv *Server) clean(round uint64) {
	ex := srv.janitor
	ex.enter()
	defer ex.leave()
	ex.setTime()
	for i := range srv.ks.Shards() {
		if srv.activeExpire.Load() {
			for more := true; more; {
				start := time.Now()
				more = ex.sweep(i)
				srv.stats.sweep_ns.Add(int64(time.Since(start)))
				srv.latency.note("expire-cycle", start)
			}
		}
		for more := true; more; {
			ex.view.Take(1 << i)
			sh := srv.ks.Shard(i)
			more = sh.Bury(buryBudget)
			if (round+uint64(i))%tendEvery == 0 {
				sh.Tend(tendBudget)
			}
			ex.view.Release()
		}
	}
	ex.handIn()
	if len(ex.ready) > 0 {
		ex.serveBlocked()
	}
}

// tendEvery is how many rounds pass between two looks at a shard's tables.
const tendEvery = 16

// sweep removes due keys of one shard and tells whether there are more.
func (ex *executor) sweep(i int) bool {
	ex.view.Take(1 << i)
	defer ex.view.Release()
	dirty := ex.view.Dirty
	_, more := ex.view.Sweep(i, sweepBudget)
	if ex.view.Dirty != dirty || len(ex.view.Events) > 0 {
		ex.after(nil, nil, dirty)
	}
	return more
}
