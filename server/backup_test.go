package server

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestBackups writes them on schedule, and keeps as many as wanted.
func TestBackups(t *testing.T) {
	dir := t.TempDir()
	ts := startServer(t, "--dir", dir, "--backup-retention", "2")
	c := ts.dial()
	fillAll(c)
	want := digest(c)
	if got := c.do("config", "set", "backup-schedule", "@every 1s"); got != "OK" { // no backup has half of the data
		t.Fatal(got)
	}
	var names []string
	seen := map[string]bool{}
	eventually(t, "three backups", func() bool {
		names, _ = filepath.Glob(filepath.Join(dir, "backups", "larder-*.rdb"))
		for _, n := range names {
			seen[n] = true
		}
		return len(seen) >= 3
	})
	eventually(t, "the removal of old ones", func() bool {
		names, _ = filepath.Glob(filepath.Join(dir, "backups", "larder-*.rdb"))
		return len(names) == 2
	})
	if got := c.info("persistence", "backup_last_status"); got != "ok" || c.number("persistence", "backup_last_time") == 0 {
		t.Errorf("the last backup is %s", got)
	}
	c.want("config set backup-schedule wrong", replyError("ERR CONFIG SET failed (possibly related to argument 'backup-schedule') - backup-schedule: expected exactly 5 fields, found 1: [wrong]"))
	if got := c.do("config", "set", "backup-schedule", "0 0 30 2 *"); got != replyError("ERR CONFIG SET failed (possibly related to argument 'backup-schedule') - backup-schedule: there is no such time in the next five years: '0 0 30 2 *'") {
		t.Errorf("the thirtieth of February: %v", got)
	}
	ts.stop()
	names, _ = filepath.Glob(filepath.Join(dir, "backups", "larder-*.rdb"))
	ts = startServer(t, "--dir", filepath.Join(dir, "backups"), "--dbfilename", filepath.Base(names[0]))
	if digest(ts.dial()) != want {
		t.Error("the backup has other data")
	}
}

// TestBackupsOfAnotherClock: a clock that was ahead and is set back leaves neither a backup that is never due nor one that stays
// in the place of those that are made now.
func TestBackupsOfAnotherClock(t *testing.T) {
	dir := t.TempDir()
	ts := startServer(t, "--dir", dir, "--backup-retention", "1", "--backup-schedule", "@every 1h")
	ahead := filepath.Join(dir, "backups", "larder-29990101T000000Z.rdb")
	if err := errors.Join(os.Mkdir(filepath.Dir(ahead), 0o755), os.WriteFile(ahead, nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	b := &ts.backup
	later := time.Now().AddDate(10, 0, 0)
	ts.inWorldDo(func(*executor) { b.next, b.looked = later.Add(time.Hour), later })
	ts.nudgeReplication()
	eventually(t, "a time that comes", func() bool {
		n := b.next_s.Load()
		return n > time.Now().Unix() && n <= time.Now().Add(time.Hour).Unix()
	})
	ts.inWorldDo(func(*executor) { b.next = time.Now() })
	ts.nudgeReplication()
	eventually(t, "a backup, alone", func() bool {
		names, _ := filepath.Glob(filepath.Join(dir, "backups", "larder-*.rdb"))
		return len(names) == 1 && names[0] != ahead
	})
}

// TestBackupsInAnyFolder: a folder whose name would be a pattern is one like others.
func TestBackupsInAnyFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "[prod] *")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	ts := startServer(t, "--dir", dir, "--backup-retention", "1", "--backup-schedule", "@every 1s")
	removed := func() int { return ts.logged("Old backup removed") }
	eventually(t, "the removal of old backups", func() bool { return removed() >= 2 })
}

// TestBackupIsMadeAgain: a backup that a shutdown has ended, which could not be, is made afterwards; it is not left for another day.
func TestBackupIsMadeAgain(t *testing.T) {
	disk, dir := newBadDisk(t), t.TempDir()
	ts := startServer(t, "--dir", dir, "--backup-schedule", "@every 100h", "--rdb-key-save-delay", forLong)
	c := ts.dial()
	c.want("set k v", "OK")
	ts.inWorldDo(func(*executor) { ts.backup.next = time.Now() })
	ts.nudgeReplication()
	eventually(t, "the backup", func() bool { return ts.backup.job.Load() != nil })
	disk.set(func(op, name string) error {
		if name == filepath.Join(dir, tempSnapshot()) {
			return syscall.EIO
		}
		return nil
	})
	c.want("shutdown save", replyError("ERR Errors trying to SHUTDOWN. Check logs."))
	disk.set(nil)
	c.want("config set rdb-key-save-delay 0", "OK")
	ts.nudgeReplication()
	eventually(t, "the next one", func() bool { return ts.logged("Backup written and verified") == 1 })
	if ts.logged("Backup started") != 2 {
		t.Error("it was not ended")
	}
}

// TestBackupsOutlivePower: before a backup has its name, the disk knows of the folder that it is in.
func TestBackupsOutlivePower(t *testing.T) {
	disk, dir := newBadDisk(t), t.TempDir()
	known, early := false, false
	disk.set(func(op, name string) error {
		known = known || op == "syncdir" && name == dir
		early = early || op == "rename" && !known
		return nil
	})
	ts := startServer(t, "--dir", dir, "--backup-schedule", "@every 1s")
	eventually(t, "a backup", func() bool { return ts.logged("Backup written and verified") > 0 })
	disk.set(nil)
	if early {
		t.Error("the disk does not know of the folder")
	}
}

// TestBackupsUnderAFolderOfOthers: the folder above the one for backups need not be one that this user may read.
func TestBackupsUnderAFolderOfOthers(t *testing.T) {
	disk, dir := newBadDisk(t), t.TempDir()
	disk.set(func(op, name string) error {
		if op == "syncdir" && name == dir {
			return &os.PathError{Op: "open", Path: dir, Err: syscall.EACCES}
		}
		return nil
	})
	ts := startServer(t, "--backup-dir", filepath.Join(dir, "backups"), "--backup-schedule", "@every 1s")
	eventually(t, "a backup", func() bool { return ts.logged("Backup written and verified") > 0 })
}
