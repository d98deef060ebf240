package server

// evictAtOnce bounds how many keys one command makes room by: what is still too much is left to the next ones.
const evictAtOnce = 64

// makeRoom evicts keys while the data is beyond maxmemory, and tells whether there is room for more: it is within the
// limit, or it was possible to evict as many as one command should. No shard is held before.
func (ex *executor) makeRoom() bool {
	srv := ex.srv
	if !srv.outOfMemory() {
		return true
	}
	if srv.repl.replica.Load() && srv.conf.ReplicaIgnoreMaxmemory.Get() {
		return true
	}
	if !srv.ks.Policy.Evicts() || srv.pause.active(ex.now) || srv.failoverPaused() {
		return false
	}
	samples := int(srv.conf.MaxmemorySamples.Get())
	for range evictAtOnce {
		if !ex.view.Evict(samples) {
			return false
		}
		ex.settle()
		ex.release()
		if !srv.outOfMemory() {
			return true
		}
	}
	return true
}
