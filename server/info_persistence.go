package server

import "time"

func infoPersistence(w *infoWriter) {
	st := &w.srv.saver
	loading := w.srv.loading.Load()
	w.flag("loading", loading)
	w.flag("async_loading", w.srv.loadingAside.Load())
	var keys, total, ahead int64
	current := int64(-1)
	if job := st.job.Load(); job != nil {
		keys, total = job.Progress()
		ahead = job.Ahead()
	}
	w.int("current_cow_peak", ahead)
	w.int("current_cow_size", ahead)
	w.zeros("current_cow_size_age")
	job := w.srv.saving()
	if job != nil {
		current = int64((w.srv.age() - time.Duration(st.triedAt.Load())) / time.Second)
	}
	w.fixed("current_fork_perc", 100*float64(keys)/float64(max(1, total)), 2)
	w.int("current_save_keys_processed", keys)
	w.int("current_save_keys_total", total)
	w.int("rdb_changes_since_last_save", w.srv.dirty.Load())
	w.flag("rdb_bgsave_in_progress", job != nil)
	w.int("rdb_last_save_time", st.lastSave.Load())
	w.outcome("rdb_last_bgsave_status", !st.failed.Load())
	took := st.took_ms.Load()
	if took > 0 {
		took /= 1000
	}
	w.int("rdb_last_bgsave_time_sec", took)
	w.int("rdb_current_bgsave_time_sec", current)
	w.uint("rdb_saves", st.saves.Load())
	w.int("rdb_last_cow_size", st.lastAhead.Load())
	w.int("rdb_last_load_keys_expired", st.loaded.expired.Load())
	w.int("rdb_last_load_keys_loaded", st.loaded.keys.Load())
	a, rewriting := &w.srv.aof, int64(-1)
	if a.rewriting.Load() != nil {
		rewriting = (w.srv.steady() - a.began_ms.Load()) / 1000
	}
	l := a.log.Load()
	w.flag("aof_enabled", a.state.Load() != logOff)
	w.flag("aof_rewrite_in_progress", rewriting >= 0)
	w.flag("aof_rewrite_scheduled", a.scheduled.Load())
	w.int("aof_last_rewrite_time_sec", a.took_s.Load())
	w.int("aof_current_rewrite_time_sec", rewriting)
	w.outcome("aof_last_bgrewrite_status", !a.failed.Load())
	w.uint("aof_rewrites", a.rewrites.Load())
	w.int("aof_rewrites_consecutive_failures", a.failures.Load())
	w.outcome("aof_last_write_status", l == nil || !l.Failing())
	w.int("aof_last_cow_size", a.lastAhead.Load())
	w.zeros("module_fork_in_progress", "module_fork_last_cow_size")
	switch starting := a.state.Load() == logStarting; {
	case l != nil:
		w.int("aof_current_size", w.srv.logSize())
		w.int("aof_base_size", a.baseSize.Load())
		w.flag("aof_pending_rewrite", starting)
		w.int("aof_buffer_length", l.Pending())
		w.flag("aof_pending_bio_fsync", l.Syncing())
		w.uint("aof_delayed_fsync", l.Delayed())
	case starting: // it has no file yet
		w.zeros("aof_current_size", "aof_base_size")
		w.flag("aof_pending_rewrite", true)
		w.zeros("aof_buffer_length", "aof_pending_bio_fsync", "aof_delayed_fsync")
	}
	infoBackups(w)
	if loading || w.srv.loadingAside.Load() {
		infoLoading(w, &st.loaded)
	}
}

// infoLoading says how far the loading of a file is. The time that is left is guessed from the time that went by.
func infoLoading(w *infoWriter, st *loadState) {
	began, total, read := st.began_ms.Load(), st.total.Load(), st.read.Load()
	perc, eta := 0.0, int64(1)
	if total > 0 && read > 0 {
		perc = 100 * float64(read) / float64(total)
		passed := max(0, time.Now().UnixMilli()-began)
		eta = int64(float64(passed) / 1000 * float64(total-read) / float64(read))
	}
	w.int("loading_start_time", began/1000)
	w.int("loading_total_bytes", total)
	w.int("loading_rdb_used_mem", st.memory.Load())
	w.int("loading_loaded_bytes", read)
	w.fixed("loading_loaded_perc", perc, 2)
	w.int("loading_eta_seconds", eta)
}

// flag writes 1 or 0.
func (w *infoWriter) flag(name string, on bool) {
	n := int64(0)
	if on {
		n = 1
	}
	w.int(name, n)
}

// outcome writes how the last attempt at something ended.
func (w *infoWriter) outcome(name string, ok bool) {
	if ok {
		w.text(name, "ok")
	} else {
		w.text(name, "err")
	}
}
