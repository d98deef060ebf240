package server

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"time"

	"larder/keyspace"
	"larder/persistence"
	"larder/replication"
	"larder/server/config"
	"larder/server/script"
)

// takeSnapshot reads the snapshot that a primary sends and makes it the data of this server, instead of what is there.
// How depends on repl-diskless-load:
//
//	disabled        to a file first, while the old data is still served; then the old data goes and the file is loaded
//	on-empty-db     the same
//	swapdb          straight from the connection into a second keyspace, while the old data is served if both are the same
//	                history; then they change places
//	flush-before-load   straight from the connection, after the old data is gone; in a group as disabled
//
// Where there is no old data it is always straight from the connection: nothing can be lost by it, and receiving and loading
// take place at the same time, so that the primary has to keep what is written for a shorter time. A member of a group loads it
// beside, because until it is complete it must not pass for data of the primary's history.
func (l *link) takeSnapshot(nc net.Conn, in *bufio.Reader, out replication.Outcome) error {
	srv := l.srv
	line := ""
	for line == "" { // the primary says by empty lines that it is at it
		var err error
		if line, err = readLine(in); err != nil {
			return err
		}
	}
	h, err := replication.ParseHeader(line)
	if err != nil {
		return err
	}
	if out.At >= 0 {
		srv.log.Info(fmt.Sprintf("Full resync from master: %s:%d", out.ID, out.At))
	}
	l.total.Store(h.Size)
	l.read.Store(0)
	body := replication.NewPayload(in, h)
	src := &progressReader{r: body, l: l, nc: nc}
	how := srv.conf.ReplDisklessLoad.Get()
	empty, member := srv.empty(), srv.group.Load() != nil
	aside := how == config.DisklessLoadSwapDB || empty && member
	direct := aside || empty || how == config.DisklessLoadFlush && !member
	if !direct {
		srv.log.Info("MASTER <-> REPLICA sync: receiving the snapshot to disk")
		stored, err := l.store(src)
		if err != nil {
			return err
		}
		defer stored.file.Close()
		h.Size = stored.size
		src = &progressReader{r: stored.in, l: l, nc: nc, whole: true}
	} else {
		srv.log.Info("MASTER <-> REPLICA sync: receiving the snapshot to parser")
	}
	end := func() error { return nil }
	if direct {
		end = body.Finish
	}
	load := l.loadInstead
	if aside {
		load = l.loadAside
	}
	if err := load(src, h.Size, out, end); err != nil {
		return err
	}
	srv.log.Info("MASTER <-> REPLICA sync: Finished with success")
	return nil
}

// store writes the snapshot to a file, to be read from its beginning.
func (l *link) store(src io.Reader) (*passage, error) {
	return l.srv.newPassage("temp-sync-*.rdb", func(out io.Writer) error {
		_, err := io.CopyBuffer(struct{ io.Writer }{out}, src, make([]byte, 256<<10))
		return err
	})
}

// progressReader counts what is read of a snapshot, ends when the link does, and lets the primary know that this side is
// alive.
type progressReader struct {
	r     io.Reader
	l     *link
	nc    net.Conn
	told  time.Time
	whole bool // everything is here already
}

func (p *progressReader) Read(b []byte) (int, error) {
	if p.l.givesUp(p.whole) {
		return 0, net.ErrClosed
	}
	n, err := p.r.Read(b)
	if p.l.read.Add(int64(n)) > 0 && err != nil && err != io.EOF && !errors.Is(err, os.ErrDeadlineExceeded) && !p.whole {
		p.l.cut.Store(true)
	}
	if now := time.Now(); now.Sub(p.told) > time.Second {
		p.told = now
		p.nc.SetWriteDeadline(now.Add(time.Second))
		p.nc.Write([]byte("\n")) // if that fails, reading will too
	}
	return n, err
}

// givesUp tells whether a snapshot is not to be loaded to its end. In a group one that is here as a whole is, also when its
// primary is gone meanwhile: the old data has been given up for it, and it may be the last copy of what was acknowledged.
func (l *link) givesUp(whole bool) bool {
	if whole && l.srv.group.Load() != nil {
		return l.srv.ended.Load()
	}
	return l.dead.Load()
}

// empty tells whether there are neither keys nor functions.
func (srv *Server) empty() bool {
	empty := len(srv.functions.set.Load().All()) == 0
	srv.ks.Lock(srv.ks.All())
	for db := range srv.ks.Databases() {
		keys, _ := srv.ks.Counts(srv.ks.All(), db)
		empty = empty && keys == 0
	}
	srv.ks.Unlock(srv.ks.All())
	return empty
}

// putInPlace makes the data of another keyspace this server's, and tells everybody whom it concerns. The old data is the
// other keyspace's then. The world is stopped, all shards are held.
func (srv *Server) putInPlace(ex *executor, other *keyspace.Keyspace) {
	srv.abortSave()
	srv.abortRewrite()
	srv.abortBackup()
	srv.abortCopy()
	v := ex.view
	v.Flushed(true)
	away := srv.ks.Strays()
	srv.ks.Exchange(other)
	for h, s := range away {
		ex.strayed(s.Key, s.Shard, srv.ks.ShardOf(h))
	}
	v.Flushed(false)
	ex.after()
	v.ResetEvents()
	srv.dirty.Store(0)
	srv.repl.forgetLocal()
}

// loadInstead loads the snapshot in the place of what is there. Clients are told to wait meanwhile.
func (l *link) loadInstead(src *progressReader, size int64, out replication.Outcome, end func() error) error {
	srv := l.srv
	fresh, err := srv.ks.Fresh(rand.Uint64())
	if err != nil {
		return err
	}
	dead, done := false, func() {}
	srv.inWorldDo(func(ex *executor) {
		if dead = l.dead.Load(); dead {
			return
		}
		srv.log.Info("MASTER <-> REPLICA sync: Flushing old data")
		srv.beginLoading() // before, so that nobody takes the old position for that of what is to come
		done = srv.replacing()
		srv.putInPlace(ex, fresh)
		srv.functions.set.Store(&script.Libraries{})
		srv.adopt(out)
	})
	fresh.Close() // the old data: its memory goes back as a whole
	if dead {
		return net.ErrClosed
	}
	srv.log.Info("MASTER <-> REPLICA sync: Loading DB in memory")
	db, functions, err := l.load(src, size, keyspace.NewView(srv.ks), src.whole)
	if err == nil {
		err = end()
	}
	if err == nil {
		done()
	} else {
		fresh, _ := srv.ks.Fresh(rand.Uint64())
		srv.forgetHalf(fresh)
	}
	srv.inWorldDo(func(ex *executor) {
		srv.repl.setStreamDB(db)
		if err == nil {
			srv.functions.set.Store(functions)
		}
		srv.endLoading()
		switch {
		case err == nil:
			srv.replaced(ex)
		case !srv.ended.Load(): // else it is closed as it is
			srv.wakeAll(ex)
			srv.pauseLog()
		}
	})
	if err == nil && l.dead.Load() {
		err = net.ErrClosed
	}
	return err
}

// forgetHalf forgets what has come of a snapshot that does not come to its end, and that it was the primary's: nobody may go
// on from there. The empty keyspace that takes its place is closed then; it is nil where the system has refused the memory.
func (srv *Server) forgetHalf(fresh *keyspace.Keyspace) {
	srv.inWorldDo(func(ex *executor) {
		if fresh != nil {
			srv.putInPlace(ex, fresh)
		} else {
			srv.forgetAll(ex)
		}
		srv.repl.setHistory(replication.NewHistory(newRunID())) // nobody has what we have: nothing
		srv.backlogAt(0, 0)
		srv.dropBacklog()
		if g := srv.group.Load(); g != nil { // it has none of those any more with which it was started
			g.keys.Store(0)
		}
	})
	if fresh != nil {
		fresh.Close()
	}
}

// loadAside loads the snapshot beside the data, and lets both change places when it is complete. If it is of the
// history that the data is of, clients may read the data meanwhile.
func (l *link) loadAside(src *progressReader, size int64, out replication.Outcome, end func() error) error {
	srv := l.srv
	aside, err := srv.ks.Fresh(rand.Uint64())
	if err != nil {
		return err
	}
	defer aside.Close()
	srv.inWorldDo(func(*executor) { aside.Like(srv.ks) })
	over := srv.endLoading
	if out.ID == srv.repl.history.Load().ID {
		srv.loadingAside.Store(true)
		over = func() { srv.loadingAside.Store(false) }
	} else {
		srv.beginLoading()
	}
	srv.log.Info("MASTER <-> REPLICA sync: Loading DB in memory")
	db, functions, err := l.load(src, size, keyspace.NewView(aside), false)
	if err == nil {
		err = end()
	}
	srv.inWorldDo(func(ex *executor) {
		defer over() // last: what is said of the position meanwhile is neither the old data's nor the new one's
		if err == nil && l.dead.Load() {
			err = net.ErrClosed
		}
		if err != nil {
			return
		}
		srv.log.Info("MASTER <-> REPLICA sync: Swapping active DB with loaded DB")
		srv.putInPlace(ex, aside)
		srv.functions.set.Store(functions)
		srv.adopt(out)
		srv.repl.setStreamDB(db)
		srv.replaced(ex)
	})
	return err
}

// adopt makes the primary's history this server's, at the position of its snapshot. All shards are held.
func (srv *Server) adopt(out replication.Outcome) {
	r := &srv.repl
	id, at := out.ID, out.At
	if at < 0 { // an old primary that has said neither: nobody can go on from here
		id, at = newRunID(), 0
	}
	r.setHistory(replication.NewHistory(id))
	srv.dropPeers()
	srv.backlogAt(at, 0)
}

// backlogAt begins a new backlog at a position. All shards are held.
func (srv *Server) backlogAt(at int64, db int) {
	srv.repl.setStreamDB(db)
	srv.startBacklog(at)
}

// setStreamDB notes which database the primary's stream has selected.
func (r *replicas) setStreamDB(db int) {
	r.streamDB.Store(int32(db))
}

// load reads a snapshot into the view's keyspace; see givesUp for whole. It returns the database that the stream has selected
// at that position, and the snapshot's functions.
func (l *link) load(src io.Reader, size int64, v *keyspace.View, whole bool) (db int, libraries *script.Libraries, err error) {
	srv := l.srv
	st, began := &srv.saver.loaded, time.Now()
	st.begin(began, max(0, size))
	libraries = &script.Libraries{}
	res, err := persistence.Load(src, size, v, persistence.LoadOptions{
		Now_ms:      srv.timeOfDay_ms(began),
		Checksum:    srv.conf.RDBChecksum.Get() && !srv.skipChecksums.Load(),
		KeepExpired: true,
		Shown:       srv.shownKey,
		Function: func(code []byte) error {
			set, err := srv.addFunctions(libraries, code, false)
			if err == nil {
				libraries = set
			}
			return err
		},
		Aux: func(name, value string) {
			if name == "repl-stream-db" {
				fmt.Sscan(value, &db)
			}
			srv.noteAux(name, value)
		},
		Progress: func(read int64) error {
			st.read.Store(read)
			if l.givesUp(whole) {
				return net.ErrClosed
			}
			return nil
		},
		Every:    srv.conf.LoadingProcessEventsIntervalBytes.Get(),
		Workers:  runtime.GOMAXPROCS(0),
		KeyDelay: time.Duration(srv.conf.KeyLoadDelay.Get()) * time.Microsecond,
	})
	st.keys.Store(res.Keys)
	st.expired.Store(res.Expired)
	if err != nil {
		srv.log.Warn(fmt.Sprintf("Internal error in RDB reading offset %d -> %v", st.read.Load(), err))
		return 0, nil, fmt.Errorf("Failed trying to load the MASTER synchronization DB: %w", err) //lint:ignore ST1005 operators search logs for this text
	}
	if db < 0 || db >= srv.ks.Databases() {
		db = 0
	}
	srv.log.Info(fmt.Sprintf("Done loading RDB, keys loaded: %d, keys expired: %d.", res.Keys, res.Expired))
	return db, libraries, nil
}

// replaced follows the replacement of all data by a snapshot of the primary. The world is stopped, all shards are held.
func (srv *Server) replaced(ex *executor) {
	srv.wakeAll(ex)
	srv.restartLog()
}

// wakeAll lets clients that are blocked look at what there is now. The world is stopped, all shards are held.
func (srv *Server) wakeAll(ex *executor) {
	ex.woken = ex.woken[:0] // those whom it has woken before have looked at what there was then
	for db := range srv.ks.Databases() {
		ex.wakeDatabase(db)
	}
}
