package server

import "time"

func infoPersistence(w *infoWriter) {
	st := &w.srv.saver
	loading := w.srv.loading.Load()
	w.flag("loading", loading)
	w.flag("async_loading", w.srv.loadingAside.Load())
	w.zeros("current_cow_peak", "current_cow_size", "current_cow_size_age")
	var keys, total int64
	current := int64(-1)
	job := st.job.Load()
	if job != nil {
		keys, total = job.Progress()
		current = (time.Now().UnixMilli() - st.lastTry.Load()) / 1000
	}
	w.fixed("current_fork_perc", 0, 2)
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
	w.zeros("rdb_last_cow_size")
	w.int("rdb_last_load_keys_expired", st.loaded.expired.Load())
	w.int("rdb_last_load_keys_loaded", st.loaded.keys.Load())
	w.zeros("aof_enabled", "aof_rewrite_in_progress", "aof_rewrite_scheduled")
	w.int("aof_last_rewrite_time_sec", -1)
	w.int("aof_current_rewrite_time_sec", -1)
	w.text("aof_last_bgrewrite_status", "ok")
	w.zeros("aof_rewrites", "aof_rewrites_consecutive_failures")
	w.text("aof_last_write_status", "ok")
	w.zeros("aof_last_cow_size", "module_fork_in_progress", "module_fork_last_cow_size")
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
		passed := time.Now().UnixMilli() - began
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
