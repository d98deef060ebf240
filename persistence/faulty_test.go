package persistence

import (
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"

	"larder/persistence/powerloss"
)

// faultyDisk is a disk that fails when it is told to, and knows what would be left of it if the power went.
type faultyDisk struct {
	mu     sync.Mutex
	fail   func(op, name string) error // op: open, stat, write, sync, truncate, rename, remove, syncdir
	short  bool                        // a write that fails has written half
	space  int64                       // bytes that a file may have; 0: any
	synced map[string]int64            // what the disk has of each file
	over   map[string]*powerloss.Overwritten
	undo   map[string][]func() // what losing the power undoes in a folder
	syncs  int

	waits map[string][]*int64 // what those who wait for the disk will have of each file
}

func newFaultyDisk() *faultyDisk {
	return &faultyDisk{synced: map[string]int64{}, over: map[string]*powerloss.Overwritten{}, undo: map[string][]func(){},
		waits: map[string][]*int64{}}
}

func (d *faultyDisk) set(fail func(op, name string) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail = fail
}

func (d *faultyDisk) check(op, name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fail == nil {
		return nil
	}
	return d.fail(op, name)
}

func (d *faultyDisk) OpenFile(name string, flag int, perm fs.FileMode) (DiskFile, error) {
	if err := d.check("open", name); err != nil {
		return nil, err
	}
	_, missing := os.Stat(name)
	f, err := OS.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if missing != nil {
		d.synced[name] = 0
		d.over[name] = &powerloss.Overwritten{}
		d.later(name, func() { os.Remove(name) })
	}
	return &faultyFile{f, d}, nil
}

func (d *faultyDisk) later(name string, undo func()) {
	dir := filepath.Dir(name)
	d.undo[dir] = append(d.undo[dir], undo)
}

func (d *faultyDisk) Rename(from, to string) error {
	if err := d.check("rename", to); err != nil {
		return err
	}
	before, missing := os.ReadFile(to)
	if err := os.Rename(from, to); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.synced[to] = d.synced[from]
	d.later(to, func() {
		os.Rename(to, from)
		if missing == nil {
			os.WriteFile(to, before, 0o644)
		}
	})
	return nil
}

func (d *faultyDisk) Link(from, to string) error {
	if err := d.check("link", to); err != nil {
		return err
	}
	if err := os.Link(from, to); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.synced[to] = d.synced[from]
	d.later(to, func() { os.Remove(to) })
	return nil
}

func (d *faultyDisk) Remove(name string) error {
	if err := d.check("remove", name); err != nil {
		return err
	}
	return os.Remove(name)
}

func (d *faultyDisk) Mkdir(name string) error { return OS.Mkdir(name) }

func (d *faultyDisk) SyncDir(name string) error {
	if err := d.check("syncdir", name); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.undo, name)
	return nil
}

// losePower leaves what the disk is sure to have, and of the rest some.
func (d *faultyDisk) losePower(rnd *rand.Rand) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for name, over := range d.over {
		odds := rnd.IntN(5)
		if _, err := over.Lose(name, func() bool { return rnd.IntN(4) < odds }); err != nil {
			panic(err)
		}
	}
	for name, size := range d.synced {
		info, err := os.Stat(name)
		if err != nil || info.Size() <= size {
			continue
		}
		os.Truncate(name, size+rnd.Int64N(info.Size()-size+1))
		if rnd.IntN(2) == 0 { // the system knew the length already, but not the bytes
			os.Truncate(name, info.Size())
		}
	}
	for _, list := range d.undo {
		for i := len(list) - 1; i >= 0; i-- {
			list[i]()
		}
	}
}

type faultyFile struct {
	DiskFile
	d *faultyDisk
}

func (f *faultyFile) Write(p []byte) (int, error) {
	if err := f.d.check("write", f.Name()); err != nil {
		if f.d.short {
			n, _ := f.DiskFile.Write(p[:len(p)/2])
			return n, err
		}
		return 0, err
	}
	return f.DiskFile.Write(p)
}

func (f *faultyFile) WriteAt(p []byte, at int64) (int, error) {
	err := f.d.check("write", f.Name())
	if err != nil && !f.d.short {
		return 0, err
	}
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if f.d.space > 0 && at+int64(len(p)) > f.d.space {
		err = syscall.ENOSPC
	}
	if over := f.d.over[f.Name()]; over != nil {
		if err := over.Before(f.Name(), at, int64(len(p)), f.d.synced[f.Name()]); err != nil {
			return 0, err
		}
	}
	if err != nil {
		n, _ := f.DiskFile.WriteAt(p[:len(p)/2], at)
		return n, err
	}
	return f.DiskFile.WriteAt(p, at)
}

func (f *faultyFile) Sync() error {
	f.d.mu.Lock()
	info, err := f.DiskFile.Stat()
	over := f.d.over[f.Name()]
	if over == nil {
		over = &powerloss.Overwritten{}
	}
	waiting := over.Wait()
	size := new(int64)
	if err == nil {
		*size = info.Size()
	}
	f.d.waits[f.Name()] = append(f.d.waits[f.Name()], size)
	f.d.mu.Unlock()
	if err == nil {
		err = f.d.check("sync", f.Name())
	}
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	f.d.waits[f.Name()] = slices.DeleteFunc(f.d.waits[f.Name()], func(p *int64) bool { return p == size })
	if over.Done(waiting, err == nil); err == nil {
		f.d.syncs++
		f.d.synced[f.Name()] = *size
	}
	return err
}

func (f *faultyFile) Stat() (fs.FileInfo, error) {
	if err := f.d.check("stat", f.Name()); err != nil {
		return nil, err
	}
	return f.DiskFile.Stat()
}

func (f *faultyFile) Truncate(size int64) error {
	if err := f.d.check("truncate", f.Name()); err != nil {
		return err
	}
	f.d.mu.Lock()
	f.d.synced[f.Name()] = min(f.d.synced[f.Name()], size)
	for _, p := range f.d.waits[f.Name()] {
		*p = min(*p, size)
	}
	if over := f.d.over[f.Name()]; over != nil {
		over.Cut(size)
	}
	f.d.mu.Unlock()
	return f.DiskFile.Truncate(size)
}

// TestFaultyDiskIsCutDuringAWait cuts a file while somebody waits for the disk: what was cut off is not there, whatever its length
// was when the wait began.
func TestFaultyDiskIsCutDuringAWait(t *testing.T) {
	d := newFaultyDisk()
	f, err := d.OpenFile(filepath.Join(t.TempDir(), "f"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	f.WriteAt(make([]byte, 5000), 0)
	waits, cut := make(chan struct{}), make(chan struct{})
	d.set(func(op, _ string) error {
		if op == "sync" {
			d.mu.Unlock()
			close(waits)
			<-cut
			d.mu.Lock()
		}
		return nil
	})
	go func() {
		<-waits
		f.Truncate(1000)
		close(cut)
	}()
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	d.set(nil)
	if n, err := f.WriteAt([]byte("x"), 900); n != 1 || err != nil {
		t.Errorf("%d bytes are written, and %v", n, err)
	}
	if got := d.synced[f.Name()]; got != 1000 {
		t.Errorf("the disk is taken to have %d bytes", got)
	}
}

func TestFaultyDiskLosesPower(t *testing.T) {
	dir := t.TempDir()
	d := newFaultyDisk()
	write := func(name, text string, sync bool) {
		f, err := d.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		f.Write([]byte(text))
		if sync {
			f.Sync()
		}
		f.Close()
	}
	write("kept", "abc", true)
	d.SyncDir(dir)
	write("kept", "def", false)
	write("unnamed", "x", true)
	d.losePower(rand.New(rand.NewPCG(1, 1)))
	if b, _ := os.ReadFile(filepath.Join(dir, "kept")); len(b) < 3 || string(b[:3]) != "abc" {
		t.Errorf("the file that was synced has %q", b)
	}
	if _, err := os.Stat(filepath.Join(dir, "unnamed")); err == nil {
		t.Error("a file is there whose folder was not synced")
	}
}
