package server

import (
	"os"
	"path/filepath"
	"testing"
)

// TestSnapshotStaysWhereItWasBegun: dir and dbfilename are those of the moment of the snapshot, whatever is set while it is written.
func TestSnapshotStaysWhereItWasBegun(t *testing.T) {
	for name, begin := range map[string]func(srv *Server, ex *executor){
		"BGSAVE":   func(srv *Server, ex *executor) { srv.bgsave(ex) },
		"FLUSHALL": func(srv *Server, ex *executor) { srv.flushedAll(ex) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			ts := startServer(t, "--dir", dir, "--save", "3600 1")
			ts.dial().want("set a 1", "OK")
			ts.inWorldDo(func(ex *executor) {
				begin(ts.Server, ex)
				if err := ts.conf.Adopt("dbfilename", "later.rdb"); err != nil {
					t.Error(err)
				}
			})
			eventually(t, "the snapshot", func() bool { return ts.saver.job.Load() == nil && ts.logged("DB saved on disk") > 0 })
			if _, err := os.Stat(filepath.Join(dir, "dump.rdb")); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(filepath.Join(dir, "later.rdb")); err == nil {
				t.Error("it has the name that was set after it was begun")
			}
		})
	}
}
