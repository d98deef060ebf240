package server

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.uber.org/zap"

	"larder/keyspace"
	"larder/persistence"
	"larder/replication"
)

// logDamage is why the append-only files cannot be loaded: the last word of a server that cannot start for that.
type logDamage string

func (d logDamage) Error() string { return string(d) }

func damaged(format string, args ...any) error { return logDamage(fmt.Sprintf(format, args...)) }

// loadLogAtStart loads the append-only files, if there are any, and begins the log behind them.
func (srv *Server) loadLogAtStart() error {
	filename, dir := srv.conf.AppendFilename.Get(), srv.wantedLogDir()
	srv.aof.dir.Store(&dir)
	if err := srv.aof.hold.Take(srv.disk, srv.logDir(), filename); err != nil {
		srv.logManifestError(err)
		return errLoading
	}
	m, err := persistence.ReadManifest(srv.logDir(), filename)
	if err != nil {
		srv.logManifestError(err)
		return errLoading
	}
	srv.aof.manifest = m
	if err := srv.manifestFits(m); err != nil {
		return err
	}
	if err := srv.upgradeLog(); err != nil {
		return errLoading
	}
	began := time.Now()
	tail := persistence.Tail{End: -1}
	if !srv.aof.manifest.Empty() {
		srv.readsFile()
		tail, err = srv.loadLog(nil)
		srv.readsNothing()
		srv.repl.saved = savedPosition{} // that of the base is not the log's
		if errors.Is(err, errStopped) {
			return nil
		}
		if err != nil {
			return err
		}
		srv.log.Info(fmt.Sprintf("DB loaded from append only file: %.3f seconds", time.Since(began).Seconds()))
		srv.repl.saved = srv.aof.loaded
	}
	srv.removeLeftovers()
	if err := srv.openLogAtStart(tail); err != nil {
		return err
	}
	srv.removeHistory()
	srv.removeUnnamed()
	return nil
}

func (srv *Server) logManifestError(err error) {
	var bad *persistence.ManifestError
	switch {
	case errors.Is(err, persistence.ErrHeld):
		srv.log.Warn("Fatal error: another server that is running has the append-only log in " + srv.logDir())
		return
	case !errors.As(err, &bad):
		srv.log.Warn("Fatal error: can't open the AOF manifest file "+srv.conf.AppendFilename.Get()+".manifest for reading: "+reason(err), zap.Error(err))
		return
	}
	srv.log.Warn("\n*** FATAL AOF MANIFEST FILE ERROR ***\n")
	if bad.Text != "" {
		srv.log.Warn(fmt.Sprintf("Reading the manifest file, at line %d\n", bad.Line))
		srv.log.Warn(fmt.Sprintf(">>> '%s'\n", bad.Text))
	}
	srv.log.Warn(bad.Reason + "\n")
}

// upgradeLog moves the single file that servers before version 7 had into the folder, as its base. A crash on the way is
// no harm: it is done again.
func (srv *Server) upgradeLog() error {
	filename := srv.conf.AppendFilename.Get()
	old, m := srv.conf.Path(filename), srv.aof.manifest
	info, err := os.Stat(old)
	if errors.Is(err, os.ErrNotExist) || err == nil && info.IsDir() {
		return nil
	}
	if err != nil { // begun without it, the log would never get what it has
		srv.log.Warn("Fatal error: can't tell whether there is an old AOF file "+old+": "+reason(err), zap.Error(err))
		return err
	}
	_, missing := os.Stat(srv.logPath(filename))
	half := m.Base != nil && len(m.Incr) == 0 && m.Base.Name == filename && errors.Is(missing, os.ErrNotExist)
	if !m.Empty() && !half {
		return nil
	}
	err = srv.disk.Mkdir(srv.logDir())
	if err == nil {
		next := &persistence.Manifest{Base: &persistence.LogName{Name: filename, Seq: 1}, History: m.History}
		if err = next.Write(srv.disk, srv.logDir(), filename, &srv.aof.hold); err == nil {
			text := next.Format()
			next, _ = persistence.ParseManifest(text)
			srv.aof.manifest = next
			err = srv.disk.Rename(old, srv.logPath(filename))
		}
	}
	if err == nil {
		err = errors.Join(srv.disk.SyncDir(srv.logDir()), srv.disk.SyncDir(srv.conf.Path(".")))
	}
	if err != nil {
		srv.log.Warn(fmt.Sprintf("Error trying to move the old AOF file %s into dir %s: %s", filename, srv.conf.AppendDirname.Get(), reason(err)))
		return err
	}
	srv.log.Info(fmt.Sprintf("Successfully migrated an old-style AOF file (%s) into the AOF directory (%s).", filename, srv.conf.AppendDirname.Get()))
	return nil
}

// loadLog loads base and files of commands. ex holds all shards, or is nil: then the loading takes what it needs, and
// several goroutines. tail is where the last file of commands ends, with an End below 0 if nothing can be appended to
// it.
func (srv *Server) loadLog(ex *executor) (tail persistence.Tail, err error) {
	m := srv.aof.manifest
	if m == nil {
		if m, err = persistence.ReadManifest(srv.logDir(), srv.conf.AppendFilename.Get()); err != nil {
			srv.logManifestError(err)
			return tail, err
		}
		srv.aof.manifest = m
	}
	files := m.Incr
	if m.Base != nil {
		files = append([]persistence.LogName{*m.Base}, files...)
	}
	total := int64(0)
	for _, f := range files {
		info, err := os.Stat(srv.logPath(f.Name))
		if err != nil {
			return tail, damaged("The append log file %s doesn't exist: %s", f.Name, reason(err))
		}
		total += info.Size()
	}
	st := &srv.saver.loaded
	st.begin(time.Now(), total)
	ld := &logLoader{srv: srv, ex: ex}
	defer ld.end()
	tail.End = -1
	for i, f := range files {
		base := m.Base != nil && i == 0
		began := time.Now()
		ld.behind = files[i+1:]
		tail, err = ld.file(f.Name, base && strings.HasSuffix(f.Name, ".rdb"))
		if err != nil {
			return tail, err
		}
		kind := "incr"
		if base {
			kind, tail.End = "base", -1
		}
		srv.log.Info(fmt.Sprintf("DB loaded from %s file %s: %.3f seconds", kind, f.Name, time.Since(began).Seconds()))
		if ld.salvaged {
			if rest := files[i+1:]; len(rest) > 0 {
				srv.log.Warn(fmt.Sprintf("The files behind the damaged one are left out, beginning with %s", rest[0].Name))
			}
			tail.End = -1
			break
		}
	}
	if ld.salvaged { // the damage leaves the files with the next base
		srv.aof.salvaged = ex == nil
		srv.aof.scheduled.Store(ex != nil)
	}
	srv.aof.loaded = ld.position()
	return tail, nil
}

// A logLoader loads one file after the other.
type logLoader struct {
	srv      *Server
	ex       *executor // nil: the loading takes the shards
	re       *replay
	done     int64 // bytes of the files before
	behind   []persistence.LogName
	salvaged bool
	place    placeReader
}

// position is the position of what was loaded, if the files say it and nothing is missing.
func (ld *logLoader) position() savedPosition {
	if !ld.place.ok || ld.salvaged || ld.re != nil && ld.re.errors.Load() > 0 {
		return savedPosition{}
	}
	return savedPosition{id: ld.place.p.ID, at: ld.place.p.At, db: ld.place.p.DB}
}

func (ld *logLoader) end() {
	if ld.re != nil {
		ld.re.end()
	}
}

func (ld *logLoader) progress(read int64) error {
	ld.srv.saver.loaded.read.Store(ld.done + read)
	select {
	case <-ld.srv.stopping:
		return errStopped
	default:
		return nil
	}
}

// file loads a file: a snapshot, commands, or a snapshot with commands behind it. rdb says that its name promises a snapshot:
// whatever begins otherwise, be it empty, is damaged and no log that ends early.
func (ld *logLoader) file(name string, rdb bool) (tail persistence.Tail, err error) {
	srv, path := ld.srv, ld.srv.logPath(name)
	f, in, size, err := srv.openSealed(path)
	if err != nil {
		return tail, damaged("Fatal error: can't open the append log file %s for reading: %s", name, reason(err))
	}
	defer f.Close()
	defer func() { ld.done += size }()
	if size == 0 && !rdb {
		return tail, nil
	}
	br := bufio.NewReaderSize(in, 64<<10)
	from := int64(0)
	sig, err := br.Peek(persistence.SignatureSize)
	switch {
	case persistence.BeginsSnapshot(sig):
		if from, err = ld.snapshot(br, name, size); err != nil {
			return tail, err
		}
		if in != io.Reader(f) { // nothing can stand behind a sealed snapshot
			return tail, nil
		}
	case rdb && err != nil && err != io.EOF:
		return tail, damaged("Error reading the RDB base file %s, AOF loading aborted: %s", name, err)
	case rdb:
		return tail, damaged("Error reading the RDB base file %s, AOF loading aborted: no snapshot stands there", name)
	case errors.As(err, new(*os.PathError)): // of the disk: a snapshot may stand there
		return tail, damaged("Unrecoverable error reading the append only file %s: %s", name, reason(err))
	}
	return ld.commands(path, name, from)
}

func (ld *logLoader) snapshot(in io.Reader, name string, size int64) (end int64, err error) {
	srv, oldStyle := ld.srv, name == ld.srv.conf.AppendFilename.Get()
	if oldStyle {
		srv.log.Info("Reading RDB preamble from AOF file...")
	} else {
		srv.log.Info("Reading RDB base file on AOF loading...")
	}
	o := srv.loadOptions(time.Now())
	o.KeepExpired = true // the commands behind it know of them
	o.Progress = ld.progress
	srv.repl.saved = savedPosition{}
	res, err := srv.loadRDB(in, size, ld.view(), o)
	base := srv.repl.saved
	ld.place = placeReader{persistence.LogPosition{ID: base.id, At: base.at, DB: base.db}, len(base.id) == replication.IDLen}
	if err != nil {
		what := "base file"
		if oldStyle {
			what = "preamble"
		}
		if !errors.Is(err, errStopped) {
			return 0, damaged("Error reading the RDB %s of the AOF file %s, AOF loading aborted", what, name)
		}
		return 0, err
	}
	if oldStyle && res.Bytes < size {
		srv.log.Info("Reading the remaining AOF tail...")
	}
	return res.Bytes, nil
}

// commands loads the commands of a file, from a place on.
func (ld *logLoader) commands(path, name string, from int64) (tail persistence.Tail, err error) {
	srv := ld.srv
	res, err := persistence.Scan(path, persistence.ScanOptions{From: from, Keys: srv.keys, Progress: func(int64) error { return ld.progress(0) }})
	var damage *persistence.DamageError
	switch {
	case errors.As(err, &damage):
		if !srv.conf.AOFSalvage.Get() {
			return tail, damaged("Bad file format reading the append only file %s: %s. Make a backup of your AOF file, then use "+
				"\"larder check aof --fix %s\", or start once with aof-salvage yes to keep the %d bytes before.", name, damage.Error(), name, res.End)
		}
		srv.log.Warn(fmt.Sprintf("!!! The append only file %s is %s. aof-salvage is on: %d bytes before are loaded, %d bytes are left out !!!",
			name, damage.Error(), res.End, res.Cut()))
		ld.salvaged = true
	case err != nil:
		if !errors.Is(err, errStopped) {
			err = damaged("Unrecoverable error reading the append only file %s: %s", name, reason(err))
		}
		return tail, err
	}
	if err := ld.run(path, from, res); err != nil {
		return tail, err
	}
	if res.Torn == persistence.NotTorn || ld.salvaged {
		return res.Tail, nil
	}
	if res.Torn == persistence.TornMulti {
		srv.log.Warn("Revert incomplete MULTI/EXEC transaction in AOF file " + name)
	}
	if !srv.conf.AOFLoadTruncated.Get() {
		return tail, damaged("Unexpected end of file reading the append only file %s: %s, at byte %d of %d. You can: "+
			"1) Make a backup of your AOF file, then use \"larder check aof --fix\". "+
			"2) Alternatively you can set the 'aof-load-truncated' configuration option to yes and restart the server.", name, res.Torn, res.End, res.Size)
	}
	srv.log.Warn("!!! Warning: short read while loading the AOF file " + name + "!!!")
	srv.log.Warn(fmt.Sprintf("!!! Truncating the AOF %s at offset %d !!!", name, res.End))
	if !ld.nothingBehind() {
		return tail, damaged("Fatal error: the truncated file is not the last file")
	}
	if err := persistence.CutFile(srv.disk, path, res.End); err != nil {
		return tail, damaged("Error truncating the AOF file %s: %s", name, reason(err))
	}
	srv.log.Warn(fmt.Sprintf("AOF %s loaded anyway because aof-load-truncated is enabled: %s, %d bytes were cut off", name, res.Torn, res.Cut()))
	return res.Tail, nil
}

// nothingBehind tells whether no command stands in the files behind this one. A rewrite names the next file before the log has
// written the last bytes of the one before, and nothing is written to it before the disk has those: so a crash may leave this.
func (ld *logLoader) nothingBehind() bool {
	for _, f := range ld.behind {
		res, err := persistence.Scan(ld.srv.logPath(f.Name), persistence.ScanOptions{Keys: ld.srv.keys})
		if err != nil || res.Torn != persistence.NotTorn || res.Content > 0 {
			return false
		}
	}
	return true
}

// run does the commands of a file that has been looked through.
func (ld *logLoader) run(path string, from int64, res persistence.ScanResult) error {
	f, in, _, err := ld.srv.openSealed(path)
	if err != nil {
		return err
	}
	defer f.Close()
	size := int64(-1)
	if in == io.Reader(f) {
		in, size = &persistence.Whole{In: io.NewSectionReader(f, from, res.End-from), Left: res.End - from}, res.End
	} else {
		in = &persistence.Whole{In: in, Left: res.Content}
	}
	if ld.re == nil {
		ld.re = newReplay(ld.srv, ld.ex)
	}
	ld.re.reselect()
	r := persistence.NewLogReader(in, from, size)
	for told := from; ; {
		it, err := r.Next()
		if err == io.EOF {
			return ld.refused(ld.re.flush(), path)
		}
		if err != nil {
			return fmt.Errorf("the append only file has changed since it was looked through: %w", err)
		}
		if it.Argv == nil {
			ld.place.note(it.Raw)
			continue
		}
		ld.place.command(it.Argv, len(it.Raw))
		if err := ld.re.do(it.Argv, it.Raw); err != nil {
			return ld.refused(err, path)
		}
		if it.At-told >= 1<<20 {
			told = it.At
			if err := ld.progress(it.At); err != nil {
				return err
			}
		}
	}
}

// refused words why a file cannot be replayed to its end.
func (ld *logLoader) refused(err error, path string) error {
	name := filepath.Base(path)
	var unknown unknownInLog
	var stray strayDatabase
	switch {
	case errors.As(err, &unknown):
		return damaged("Unknown command '%s' reading the append only file %s", string(unknown), name)
	case errors.As(err, &stray):
		return damaged("The append only file %s was written by a server with more than %d databases: it selects '%s'", name, ld.srv.ks.Databases(), string(stray))
	case errors.Is(err, errReplayMemory):
		return damaged("Out of memory reading the append only file %s", name)
	}
	return err
}

// unknownInLog is a command that this server does not have.
type unknownInLog string

func (u unknownInLog) Error() string { return "unknown command " + string(u) }

// view is what the data goes to: one that holds all shards, or none.
func (ld *logLoader) view() *keyspace.View {
	if ld.ex != nil {
		return ld.ex.view
	}
	return keyspace.NewView(ld.srv.ks)
}
