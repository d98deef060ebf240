//go:build failpoints

package persistence

import (
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"sync"
	"syscall"
)

// In a build with the tag failpoints the process kills itself at a chosen moment: LARDER_FAILPOINT=n means just before,
// or if n is odd just after, the n-th half of all waits for the disk, renames, removals and truncations. With
// LARDER_POWER_LOSS=1 files lose what nobody has waited for.
func withFailpoints(d Disk) Disk {
	at, err := strconv.Atoi(os.Getenv("LARDER_FAILPOINT"))
	if err != nil {
		return d
	}
	return &failpoints{Disk: d, at: at, power: os.Getenv("LARDER_POWER_LOSS") == "1", synced: map[string]int64{}}
}

type failpoints struct {
	Disk
	power  bool
	mu     sync.Mutex
	at     int // points that are left
	synced map[string]int64
}

// around passes a point before and one after what do does.
func (d *failpoints) around(what, name string, do func() error) error {
	d.point("before", what, name)
	err := do()
	d.point("after", what, name)
	return err
}

func (d *failpoints) point(when, what, name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.at--; d.at != 0 {
		return
	}
	fmt.Fprintf(os.Stderr, "killed %s %s of %s\n", when, what, name)
	if d.power {
		for path, size := range d.synced {
			if info, err := os.Stat(path); err == nil && info.Size() > size {
				os.Truncate(path, size)
			}
		}
	}
	syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

func (d *failpoints) OpenFile(name string, flag int, perm fs.FileMode) (DiskFile, error) {
	f, err := d.Disk.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	size := int64(0)
	if info, err := f.Stat(); err == nil {
		size = info.Size()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.synced[name] = size
	return &failpointFile{f, d}, nil
}

func (d *failpoints) Rename(from, to string) error {
	return d.around("rename", to, func() error {
		d.mu.Lock() // else the power may go in between, and the file is cut to the size of the one before it
		defer d.mu.Unlock()
		err := d.Disk.Rename(from, to)
		d.synced[to] = d.synced[from]
		delete(d.synced, from)
		return err
	})
}

func (d *failpoints) Remove(name string) error {
	return d.around("remove", name, func() error {
		d.mu.Lock()
		delete(d.synced, name)
		d.mu.Unlock()
		return d.Disk.Remove(name)
	})
}

func (d *failpoints) SyncDir(name string) error {
	return d.around("syncdir", name, func() error { return d.Disk.SyncDir(name) })
}

type failpointFile struct {
	DiskFile
	d *failpoints
}

func (f *failpointFile) Sync() error {
	return f.d.around("sync", f.Name(), func() error {
		info, err := f.Stat()
		if err != nil {
			return err
		}
		if err := f.DiskFile.Sync(); err != nil {
			return err
		}
		f.d.mu.Lock()
		defer f.d.mu.Unlock()
		if _, there := f.d.synced[f.Name()]; there {
			f.d.synced[f.Name()] = max(f.d.synced[f.Name()], info.Size())
		}
		return nil
	})
}

func (f *failpointFile) Truncate(size int64) error {
	return f.d.around("truncate", f.Name(), func() error {
		f.d.mu.Lock()
		f.d.synced[f.Name()] = min(f.d.synced[f.Name()], size)
		f.d.mu.Unlock()
		return f.DiskFile.Truncate(size)
	})
}
