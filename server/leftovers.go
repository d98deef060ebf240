package server

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"

	"go.uber.org/zap"

	"larder/persistence"
	"larder/server/config"
)

// Files have a temporary name until they are whole. Those in the background have a number, too: one that was given up is
// still being closed when the next one begins. Redis's SAVE calls its file like tempSnapshot, the others are called like
// nobody else's.
func tempSnapshot() string { return fmt.Sprintf("temp-%d.rdb", os.Getpid()) }

func (srv *Server) tempBackground() string { return srv.tempName("temp-bg-%d-%d.rdb") }
func (srv *Server) tempBase() string       { return srv.tempName("temp-rewriteaof-bg-%d-%d.aof") }
func (srv *Server) tempBackup() string     { return srv.tempName("temp-%d-%d.backup") }

func (srv *Server) tempName(format string) string {
	return fmt.Sprintf(format, os.Getpid(), srv.temps.Add(1))
}

// The same names, with the number of the process that has given them.
var (
	tempsOfSave       = regexp.MustCompile(`^temp-(\d+)\.rdb$`)
	tempsOfBackground = regexp.MustCompile(`^temp-(?:bg-(\d+)(?:-\d+)?|sync-\d+|repl-\d+|repair)\.rdb$`)
	tempsOfBase       = regexp.MustCompile(`^temp-rewriteaof-bg-(\d+)(?:-\d+)?\.aof$`)
	tempsOfBackup     = regexp.MustCompile(`^temp-(\d+)(?:-\d+)?\.backup$`)
)

// Abandon removes what a process leaves that ends at once, in the middle of a snapshot.
func (srv *Server) Abandon() {
	own := strconv.Itoa(os.Getpid())
	srv.eachTemp(func(path, pid string) {
		if pid == own {
			os.Remove(path)
		}
	})
}

// eachTemp calls fn with each temporary file of the server's folders, and the number of the process that its name tells, "" if
// it tells none.
func (srv *Server) eachTemp(fn func(path, pid string)) {
	for _, place := range []struct {
		dir   string
		names *regexp.Regexp
	}{
		{filepath.Dir(srv.snapshotPath()), tempsOfSave},
		{filepath.Dir(srv.snapshotPath()), tempsOfBackground},
		{srv.logDir(), tempsOfBase},
		{srv.backupDir(), tempsOfBackup},
	} {
		entries, _ := os.ReadDir(place.dir) // a folder that is not there has none
		for _, e := range entries {
			m := place.names.FindStringSubmatch(e.Name())
			if m != nil {
				fn(filepath.Join(place.dir, e.Name()), m[1])
			}
		}
	}
}

// removeLeftovers removes the temporary files that processes which were killed have left, when the data is loaded: nothing of
// them is of use to anybody, and each may be as large as the data. What might be somebody else's stays.
func (srv *Server) removeLeftovers() {
	removed := func(path string) {
		srv.log.Info("Removed a temporary file that was left behind", zap.String("file", path))
	}
	remove := func(path string) {
		if persistence.RemoveLeftover(srv.disk, path) {
			removed(path)
		}
	}
	replaced := []string{srv.conf.File()} // by CONFIG REWRITE and ACL SAVE
	if name := srv.conf.ACLFile.Get(); name != "" {
		replaced = append(replaced, srv.conf.Path(name))
	}
	for _, path := range replaced {
		for _, name := range config.RemoveTemps(path, lives) {
			removed(name)
		}
	}
	srv.eachTemp(func(path, pid string) {
		if !tempsOfSave.MatchString(filepath.Base(path)) || !lives(pid) {
			remove(path)
		}
	})
	if srv.conf.Appendonly.Get() { // then the folder is this server's and nobody else's
		remove(srv.logPath("temp-" + srv.conf.AppendFilename.Get() + ".manifest"))
		remove(srv.logPath(srv.tempIncr()))
	}
}

// lives tells whether a process other than this one has the number, as far as can be seen.
func lives(pid string) bool {
	n, err := strconv.Atoi(pid)
	return err != nil || n != os.Getpid() && syscall.Kill(n, 0) != syscall.ESRCH
}

// An unnamedFile is a file of the append-only folder, called like those of the log, that the manifest does not name.
type unnamedFile struct {
	name string
	seq  int64
	base bool
	info fs.FileInfo
}

// readDir is a variable for tests, in which the disk fails.
var readDir = os.ReadDir

// unnamedFiles lists them.
func (srv *Server) unnamedFiles(m *persistence.Manifest) (list []unnamedFile, err error) {
	named := map[string]bool{}
	for _, f := range append(append([]persistence.LogName(nil), m.History...), m.Incr...) {
		named[f.Name] = true
	}
	if m.Base != nil {
		named[m.Base.Name] = true
	}
	entries, err := readDir(srv.logDir())
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // a folder that is not there has none
		return nil, err
	}
	for _, e := range entries {
		rest, ours := strings.CutPrefix(e.Name(), srv.conf.AppendFilename.Get()+".")
		number, kind, _ := strings.Cut(rest, ".")
		seq, err := strconv.ParseInt(number, 10, 64)
		if !ours || named[e.Name()] || err != nil || !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) { // gone meanwhile
			continue
		}
		if err != nil {
			return nil, err
		}
		switch kind {
		case "base.rdb", "base.aof":
			list = append(list, unnamedFile{e.Name(), seq, true, info})
		case "incr.aof":
			list = append(list, unnamedFile{e.Name(), seq, false, info})
		}
	}
	return list, nil
}

// manifestFits looks for files that are newer than the manifest. A rewrite that a crash has interrupted leaves a base, and a
// file of commands without any: the manifest is on the disk before something is written there. So commands that it does not
// name are those of a manifest that was lost, or of which an older one has come back.
func (srv *Server) manifestFits(m *persistence.Manifest) error {
	begun, _ := os.Stat(srv.logPath(srv.tempIncr())) // a log that was being switched on: see writeBase
	list, err := srv.unnamedFiles(m)
	if err != nil { // what it does not find now it would remove later on
		return damaged("Fatal error: can't look through the append only folder %s: %s", srv.logDir(), reason(err))
	}
	for _, f := range list {
		if !f.newer(m) {
			continue
		}
		if m.Empty() && f.seq > 1 {
			return damaged("The append only folder has the file %s but no manifest %s.manifest, which a first start does not leave. "+
				"Bring the manifest back, or move the files away to begin with nothing.", f.name, srv.conf.AppendFilename.Get())
		}
		if f.base || begun != nil && os.SameFile(begun, f.info) {
			continue
		}
		res, err := persistence.Scan(srv.logPath(f.name), persistence.ScanOptions{Keys: srv.keys})
		if err != nil && f.info.Size() <= srv.keys.HeadMost() {
			continue // of a head the disk may have anything until it was waited for, and nothing is behind it
		}
		if err != nil || res.Content > 0 {
			return damaged("The append only file %s has %d bytes, but the manifest %s.manifest does not name it: the manifest is not there, or is older than the file. "+
				"Bring the right manifest back, or move the file away to start without what it has.", f.name, f.info.Size(), srv.conf.AppendFilename.Get())
		}
	}
	return nil
}

// newer tells whether the file comes behind all that the manifest names.
func (f *unnamedFile) newer(m *persistence.Manifest) bool {
	if f.base {
		return m.Base == nil || f.seq > m.Base.Seq
	}
	return len(m.Incr) == 0 || f.seq > m.Incr[len(m.Incr)-1].Seq
}

// removeUnnamed removes what a rewrite that was interrupted has left, when what the manifest names is loaded. Older files are
// history that a crash has kept from being removed, if the manifest is as this server has written it.
func (srv *Server) removeUnnamed() {
	m := srv.aof.manifest
	list, _ := srv.unnamedFiles(m) // what cannot be listed now the next start removes
	for _, f := range list {
		if !f.newer(m) && (!m.Summed || srv.conf.AOFDisableAutoGC.Get()) {
			continue
		}
		if persistence.RemoveLeftover(srv.disk, srv.logPath(f.name)) {
			srv.log.Info("Removed a file that no manifest names", zap.String("file", f.name))
		}
	}
}
