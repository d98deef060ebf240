package server

// While data is loaded that takes the place of what there is, or at the start, most commands are answered with -LOADING. A
// small snapshot is loaded in less time than a client needs to try again, so nobody is told before loadPatience_ms is over:
// until then requests wait for the end.
const loadPatience_ms = 100

// startPatience_ms is the same at the start while no file is being read: it is not known yet whether there is one, or the log is
// being made ready. A server that has nothing to load says LOADING to nobody, be the disk ever so slow or the machine busy.
const startPatience_ms = 10000

// beginLoading and endLoading are around the loading.
func (srv *Server) beginLoading() {
	srv.readsFile()
	srv.loading.Store(true)
}

// beginStart is beginLoading from the first client on, until it is known what there is.
func (srv *Server) beginStart() {
	srv.readsNothing()
	srv.loading.Store(true)
}

// readsFile and readsNothing tell whether it is a file that clients wait for.
func (srv *Server) readsFile()    { srv.patience_ms.Store(srv.steady() + loadPatience_ms) }
func (srv *Server) readsNothing() { srv.patience_ms.Store(srv.steady() + startPatience_ms) }

func (srv *Server) endLoading() {
	srv.loading.Store(false)
	srv.unparkAll()
}

// loads tells whether data is being loaded, in the place of what there is or beside it: half of it is in a file, or on its way.
func (srv *Server) loads() bool { return srv.loading.Load() || srv.loadingAside.Load() }

// loadsBriefly tells whether data is being loaded and has not been for long.
func (srv *Server) loadsBriefly(now_ms int64) bool {
	return srv.loading.Load() && now_ms < srv.patience_ms.Load()
}

// parkForLoading puts a request back until the data is loaded, or it has taken too long.
func (ex *executor) parkForLoading(s *session, rq *request) {
	ex.park(s, rq)
	ex.parkedLoading = true
	ex.tickAt(ex.srv.patience_ms.Load())
	if !ex.srv.loading.Load() { // it has ended in between, and nobody may come by again
		ex.post(ex.unpark)
	}
}

// unparkLoaded lets all parked clients go on if nobody has to wait for the loading any more.
func (ex *executor) unparkLoaded() {
	if ex.srv.loadsBriefly(ex.steady()) {
		ex.tickAt(ex.srv.patience_ms.Load())
		return
	}
	ex.parkedLoading = false
	ex.resumeParked()
}
