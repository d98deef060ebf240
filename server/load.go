package server

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"larder/keyspace"
	"larder/persistence"
	"larder/server/command"
	"larder/server/resp"
	"larder/server/script"
)

// loadState is how far the loading of a file is, or how the last one ended.
type loadState struct {
	began_ms    atomic.Int64
	total, read atomic.Int64 // bytes
	memory      atomic.Int64 // that the file says its server had used
	keys        atomic.Int64
	expired     atomic.Int64
}

// begin notes that a file of that size is going to be read.
func (st *loadState) begin(at time.Time, size int64) {
	st.began_ms.Store(at.UnixMilli())
	st.total.Store(size)
	st.read.Store(0)
	st.memory.Store(0)
}

// loadSnapshot reads the snapshot file into the databases. A file that is not there is no error. v holds either no
// shard, or all of them; replace says that keys which are there already are replaced.
func (srv *Server) loadSnapshot(v *keyspace.View, replace bool) error {
	path := srv.snapshotPath()
	f, in, size, err := srv.openSealed(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		srv.log.Warn("Fatal error: can't open the RDB file for reading", zap.String("file", path), zap.Error(err))
		return err
	}
	defer f.Close()
	st, began := &srv.saver.loaded, time.Now()
	st.begin(began, size)
	o := srv.loadOptions(began)
	o.Replace = replace
	// A replica's primary says when they go, in the history that this is a part of, and so does the one that a group finds.
	o.KeepExpired = srv.conf.ReplicaOf.Get().Host != "" || srv.group.Load() != nil
	if v.Held() == 0 { // the start, not DEBUG RELOAD
		o.Lapsed = srv.noteLapsed
		srv.readsFile()
		defer srv.readsNothing()
	} else if !replace && srv.journal.active.Load() != 0 { // who has the rest from the journal has to hear of their end, too
		o.KeepExpired = true
	}
	_, err = srv.loadRDB(in, size, v, o)
	return err
}

// loadOptions say how snapshots are read.
func (srv *Server) loadOptions(began time.Time) persistence.LoadOptions {
	st, skipped := &srv.saver.loaded, 0
	return persistence.LoadOptions{
		Now_ms:   srv.timeOfDay_ms(began),
		Checksum: srv.conf.RDBChecksum.Get() && !srv.skipChecksums.Load(),
		Aux:      srv.noteAux,
		Shown:    srv.shownKey,
		Skipped: func(key []byte) {
			if skipped++; skipped <= 10 {
				srv.log.Info("rdbLoadObject skipping empty key: " + srv.shownKey(key))
			}
		},
		Progress: func(read int64) error {
			st.read.Store(read)
			select {
			case <-srv.stopping:
				return errStopped
			default:
				return nil
			}
		},
		Every:    srv.conf.LoadingProcessEventsIntervalBytes.Get(),
		Workers:  runtime.GOMAXPROCS(0),
		KeyDelay: time.Duration(srv.conf.KeyLoadDelay.Get()) * time.Microsecond,
	}
}

// loadRDB reads a snapshot.
func (srv *Server) loadRDB(in io.Reader, size int64, v *keyspace.View, o persistence.LoadOptions) (persistence.LoadResult, error) {
	st := &srv.saver.loaded
	libraries := srv.functions.set.Load() // none, unless DEBUG RELOAD is to keep what is there
	o.Function = func(code []byte) error {
		set, err := srv.addFunctions(libraries, code, o.Replace)
		if err == nil {
			libraries = set
		}
		return err
	}
	res, err := persistence.Load(in, size, v, o)
	if err == nil {
		srv.functions.set.Store(libraries)
	}
	st.keys.Store(res.Keys)
	st.expired.Store(res.Expired)
	if err != nil {
		srv.logLoadError(err)
		return res, err
	}
	if res.NoChecksum {
		srv.log.Info("RDB file was saved with checksum disabled: no check performed.")
	}
	line := fmt.Sprintf("Done loading RDB, keys loaded: %d, keys expired: %d", res.Keys, res.Expired)
	if res.Empty > 0 {
		line += fmt.Sprintf(", empty keys skipped: %d", res.Empty)
	}
	srv.log.Info(line + ".")
	return res, nil
}

// errStopped ends a loading that nobody waits for any more.
var errStopped = errors.New("the server is stopping")

// noteAux logs what a snapshot says of itself.
func (srv *Server) noteAux(name, value string) {
	number := func() int64 {
		var n int64
		fmt.Sscan(value, &n)
		return n
	}
	switch name {
	case "redis-ver":
		srv.log.Info("Loading RDB produced by version " + value)
	case "ctime":
		srv.log.Info(fmt.Sprintf("RDB age %d seconds", max(0, time.Now().Unix()-number())))
	case "used-mem":
		srv.saver.loaded.memory.Store(number())
		srv.log.Info(fmt.Sprintf("RDB memory usage when created %.2f Mb", float64(number())/(1<<20)))
	case "repl-id", "repl-offset", "repl-stream-db":
		srv.repl.noteSaved(name, value)
	case "aof-base":
		if number() != 0 {
			srv.log.Info("RDB is base AOF")
		}
	default:
		if name != "" && name[0] == '%' {
			srv.log.Info(fmt.Sprintf("RDB '%s': %s", name, value))
		}
	}
}

func (srv *Server) logLoadError(err error) {
	var version persistence.VersionError
	var database persistence.DatabaseError
	switch {
	case errors.Is(err, errStopped):
		srv.log.Info("Loading was given up: the server is stopping")
	case errors.Is(err, persistence.ErrSignature), errors.As(err, &version), errors.As(err, &database):
		srv.log.Warn(err.Error())
	case errors.Is(err, persistence.ErrChecksum):
		srv.log.Warn("Wrong RDB checksum. Aborting now: " + err.Error())
	default:
		srv.log.Warn("Internal error in RDB reading: " + err.Error())
		srv.log.Warn("Short read or OOM loading DB. Unrecoverable error, aborting now.", zap.Error(err))
		srv.log.Warn("Terminating server after rdb file reading failure.")
	}
}

// errLoading is the server's last word when it cannot load its data.
var errLoading = errors.New("Fatal error loading the DB, check server logs. Exiting.") //lint:ignore ST1005 operators search logs for this text

// loadAtStart reads the snapshot file before the first client is served. Clients are told to wait meanwhile.
func (srv *Server) loadAtStart() error {
	srv.saver.lastSave.Store(srv.started.Unix())
	srv.saver.took_ms.Store(-1)
	srv.aof.took_s.Store(-1)
	if err := srv.readKeys(); err != nil {
		srv.log.Warn(err.Error())
		return errLoading
	}
	if err := srv.followBackupConfig(); err != nil {
		srv.log.Warn(err.Error())
		return errLoading
	}
	if srv.conf.Appendonly.Get() {
		if err := srv.loadLogAtStart(); err != nil {
			return err
		}
		srv.adoptSaved()
		ex := srv.janitor
		ex.enter()
		defer ex.leave()
		ex.view.Take(srv.ks.All())
		srv.attachLog()
		ex.view.Release()
		return nil
	}
	if _, err := os.Stat(srv.snapshotPath()); errors.Is(err, os.ErrNotExist) {
		srv.removeLeftovers()
		return nil
	}
	began := time.Now()
	err := srv.loadSnapshot(keyspace.NewView(srv.ks), false)
	if err != nil {
		if errors.Is(err, errStopped) {
			return nil
		}
		return errLoading
	}
	srv.removeLeftovers()
	srv.adoptSaved()
	srv.log.Info(fmt.Sprintf("DB loaded from disk: %.3f seconds", time.Since(began).Seconds()))
	return nil
}

// debugReload saves the data, forgets it and loads it again. It runs in a stopped world.
func debugReload(c *command.Ctx, srv *Server) {
	a := &c.Args
	var merge, noFlush, noSave bool
	for a.More() {
		switch {
		case a.Is("MERGE"):
			merge = true
		case a.Is("NOFLUSH"):
			noFlush = true
		case a.Is("NOSAVE"):
			noSave = true
		default:
			a.Wrong("ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.")
		}
	}
	if !a.Done() {
		return
	}
	if srv.loads() { // half of it would take the place of the file that the other half is in
		c.Fail(resp.ErrLoading)
		return
	}
	s := c.Client.(*session)
	srv.abortSave()
	if !noSave && srv.save(s.ex) != nil {
		c.Fail(errSaveFailed)
		return
	}
	if !noFlush {
		srv.forgetAll(s.ex)
	}
	if srv.loadSnapshot(s.ex.view, merge) != nil {
		c.Fail("ERR Error trying to load the RDB dump, check server logs.")
		return
	}
	srv.log.Info("DB reloaded by DEBUG RELOAD")
	c.Reply.OK()
}

// forgetAll empties all databases without telling anybody. The executor holds all shards.
func (srv *Server) forgetAll(ex *executor) {
	v := ex.view
	v.BeforeFlush = nil
	for db := range srv.ks.Databases() {
		v.Flush(db)
	}
	srv.functions.set.Store(&script.Libraries{})
	v.BeforeFlush = ex.beforeFlush
	v.ResetEvents()
	for i := range srv.ks.Shards() {
		for srv.ks.Shard(i).Bury(buryBudget) {
		}
	}
}
