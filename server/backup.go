package server

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/robfig/cron/v3"
	"go.uber.org/zap"

	"larder/persistence"
)

// backups are snapshots that are written to backup-dir at the times of backup-schedule, under names that tell when, and
// of which the latest backup-retention stay:
//
//	backups/larder-20260301T040000Z.rdb
//
// A backup gets its name when it is complete, has been read back and found whole.
type backups struct {
	schedule cron.Schedule // nil: none; the janitor's, changed in a stopped world
	next     time.Time
	looked   time.Time // when it was last looked at, as the clock was then

	job    atomic.Pointer[persistence.Job] // which is also the saver's
	next_s atomic.Int64
	last_s atomic.Int64 // when the last good one was begun
	took_s atomic.Int64
	bytes  atomic.Int64
	failed atomic.Bool
}

// backupTime is how a backup's name tells when it was begun.
const backupTime = "20060102T150405Z"

// followBackupConfig takes over the schedule.
func (srv *Server) followBackupConfig() error {
	b, text := &srv.backup, strings.TrimSpace(srv.conf.BackupSchedule.Get())
	b.schedule = nil
	b.next_s.Store(0)
	if text == "" {
		return nil
	}
	s, err := cron.ParseStandard(text)
	if err != nil {
		return fmt.Errorf("backup-schedule: %w", err)
	}
	next := s.Next(time.Now())
	if next.IsZero() { // which would be over already, time and again
		return fmt.Errorf("backup-schedule: there is no such time in the next five years: '%s'", text)
	}
	b.schedule, b.next = s, next
	b.next_s.Store(next.Unix())
	return nil
}

// followClock looks for an earlier time for the next backup when the clock was set back: what was next by a clock that was ahead
// may be far away.
func (b *backups) followClock(now time.Time) {
	if b.schedule != nil && now.Before(b.looked) {
		if next := b.schedule.Next(now); next.Before(b.next) {
			b.next = next
			b.next_s.Store(next.Unix())
		}
	}
	b.looked = now
}

// followBackups begins a backup if one is due and nothing else is being saved. The janitor calls it.
func (srv *Server) followBackups(ex *executor) {
	b := &srv.backup
	b.followClock(time.UnixMilli(ex.now))
	if b.schedule == nil || ex.now < b.next.UnixMilli() || srv.saver.job.Load() != nil || srv.ended.Load() {
		return
	}
	ex.view.Take(srv.ks.All())
	defer ex.view.Release()
	if srv.saver.job.Load() != nil || srv.ended.Load() {
		return
	}
	now := time.Now()
	b.next = b.schedule.Next(now)
	b.next_s.Store(b.next.Unix())
	ex.handIn()
	srv.saver.backlogMax.Store(max(backlogLeast, srv.usedMemory()/backlogPart))
	job, dir := persistence.Begin(srv.ks, srv.snapshotOptions()), srv.backupDir()
	b.job.Store(job)
	srv.saver.job.Store(job)
	srv.log.Info("Backup started")
	srv.saver.background.Go(func() {
		path, size, err := srv.writeBackup(job, dir, now)
		if !b.job.CompareAndSwap(job, nil) {
			return
		}
		srv.saver.job.CompareAndSwap(job, nil)
		b.failed.Store(err != nil)
		if err != nil {
			srv.log.Warn("Backup failed: "+reason(err), zap.Error(err))
			return
		}
		b.last_s.Store(now.Unix())
		b.took_s.Store(int64(time.Since(now).Seconds()))
		b.bytes.Store(size)
		srv.log.Info("Backup written and verified", zap.String("file", path), zap.Int64("bytes", size))
		srv.dropOldBackups(path)
	})
}

func (srv *Server) backupDir() string { return srv.conf.Path(srv.conf.BackupDir.Get()) }

// writeBackup writes a backup, reads it back and gives it its name.
func (srv *Server) writeBackup(job *persistence.Job, dir string, began time.Time) (path string, size int64, err error) {
	if err = srv.disk.Mkdir(dir); err == nil {
		err = srv.disk.SyncDir(filepath.Dir(dir)) // a folder that is lost with the power takes its backups along
		if errors.Is(err, os.ErrPermission) {     // it was not made here: this user may not even look into the one above
			err = nil
		}
	}
	if err != nil {
		job.Abort()
		job.Run(nil)
		return "", 0, err
	}
	path = filepath.Join(dir, "larder-"+began.UTC().Format(backupTime)+".rdb")
	temp := filepath.Join(dir, srv.tempBackup())
	f, err := persistence.CreateFile(srv.disk, temp, srv.conf.RDBSaveIncrementalFsync.Get())
	if err != nil {
		job.Abort()
		job.Run(nil)
		return "", 0, err
	}
	defer f.Discard()
	if err = srv.sealed(f, func(out io.Writer) error { return job.Run(out) }); err == nil {
		err = f.Sync()
	}
	if err != nil {
		return "", 0, err
	}
	rep, err := persistence.Verify(temp, persistence.VerifyOptions{Keys: srv.keys, Progress: func(int64, int64) error {
		select {
		case <-srv.stopping:
			return errStopped
		default:
			return nil
		}
	}})
	if err == nil {
		err = f.Commit(path)
	}
	return path, rep.Size, err
}

// dropOldBackups leaves the latest ones, of which the one at newest was just written: those whose names are later were made by
// a clock that was ahead, and go first.
func (srv *Server) dropOldBackups(newest string) {
	keep := int(srv.conf.BackupRetention.Get())
	if keep == 0 {
		return
	}
	dir := filepath.Dir(newest)
	entries, err := os.ReadDir(dir) // the folder's name may be anything, no pattern that has to match
	if err != nil {
		srv.log.Warn("Can't list the old backups: "+reason(err), zap.Error(err))
		return
	}
	var names []string
	for _, e := range entries {
		stamp, ours := strings.CutPrefix(e.Name(), "larder-")
		stamp, whole := strings.CutSuffix(stamp, ".rdb")
		if _, err := time.Parse(backupTime, stamp); err == nil && ours && whole {
			names = append(names, e.Name())
		}
	}
	if len(names) <= keep {
		return
	}
	newest = filepath.Base(newest)
	slices.SortFunc(names, func(a, b string) int {
		if aheadA, aheadB := a > newest, b > newest; aheadA != aheadB {
			if aheadA {
				return -1
			}
			return 1
		}
		return strings.Compare(a, b)
	})
	for _, name := range names[:len(names)-keep] {
		name = filepath.Join(dir, name)
		if err := srv.disk.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
			srv.log.Warn("Can't remove the old backup: "+reason(err), zap.Error(err))
			continue
		}
		srv.log.Info("Old backup removed", zap.String("file", name))
	}
}

// abortBackup ends a backup when the server may end, or its data are exchanged. If it goes on, the backup is made as soon as that is
// possible, not with the next one. The world is stopped, all shards are held.
func (srv *Server) abortBackup() {
	b := &srv.backup
	job := b.job.Swap(nil)
	if job == nil {
		return
	}
	srv.log.Warn("There is a backup in progress. It is ended.")
	srv.saver.job.CompareAndSwap(job, nil)
	job.End()
	b.next = time.Now()
	b.next_s.Store(b.next.Unix())
}

func infoBackups(w *infoWriter) {
	b := &w.srv.backup
	if w.srv.conf.BackupSchedule.Get() == "" {
		return
	}
	w.flag("backup_in_progress", b.job.Load() != nil)
	w.int("backup_next_time", b.next_s.Load())
	w.int("backup_last_time", b.last_s.Load())
	w.outcome("backup_last_status", !b.failed.Load())
	w.int("backup_last_time_sec", b.took_s.Load())
	w.int("backup_last_bytes", b.bytes.Load())
}
