package server

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"larder/persistence"
)

// badDisk fails or stops when it is told to.
type badDisk struct {
	persistence.Disk
	mu   sync.Mutex
	gone *sync.Cond
	fail func(op, name string) error // may wait on gone
}

func newBadDisk(t *testing.T) *badDisk {
	d := &badDisk{Disk: persistence.OS}
	d.gone = sync.NewCond(&d.mu)
	persistence.OS = d
	t.Cleanup(func() { persistence.OS = d.Disk })
	return d
}

func (d *badDisk) set(fail func(op, name string) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail = fail
	d.gone.Broadcast()
}

func (d *badDisk) check(op, name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fail == nil {
		return nil
	}
	return d.fail(op, name)
}

func (d *badDisk) OpenFile(name string, flag int, perm fs.FileMode) (persistence.DiskFile, error) {
	if err := d.check("open", name); err != nil {
		return nil, err
	}
	f, err := d.Disk.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return badFile{f, d}, nil
}

func (d *badDisk) Rename(from, to string) error {
	if err := d.check("rename", to); err != nil {
		return err
	}
	return d.Disk.Rename(from, to)
}

func (d *badDisk) Link(from, to string) error {
	if err := d.check("link", to); err != nil {
		return err
	}
	return d.Disk.Link(from, to)
}

func (d *badDisk) Remove(name string) error {
	if err := d.check("remove", name); err != nil {
		return err
	}
	return d.Disk.Remove(name)
}

func (d *badDisk) Mkdir(name string) error {
	if err := d.check("mkdir", name); err != nil {
		return err
	}
	return d.Disk.Mkdir(name)
}

func (d *badDisk) SyncDir(name string) error {
	if err := d.check("syncdir", name); err != nil {
		return err
	}
	return d.Disk.SyncDir(name)
}

// errHalf has a write write half.
var errHalf = errors.New("half of it")

type badFile struct {
	persistence.DiskFile
	d *badDisk
}

func (f badFile) Write(p []byte) (int, error) {
	if err := f.d.check("write", f.Name()); err != nil {
		return 0, err
	}
	return f.DiskFile.Write(p)
}

func (f badFile) WriteAt(p []byte, at int64) (int, error) {
	err := f.d.check("write", f.Name())
	if err == errHalf {
		n, _ := f.DiskFile.WriteAt(p[:len(p)/2], at)
		return n, syscall.ENOSPC
	}
	if err != nil {
		return 0, err
	}
	return f.DiskFile.WriteAt(p, at)
}

func (f badFile) Sync() error {
	if err := f.d.check("sync", f.Name()); err != nil {
		return err
	}
	return f.DiskFile.Sync()
}

func (f badFile) Truncate(size int64) error {
	if err := f.d.check("truncate", f.Name()); err != nil {
		return err
	}
	return f.DiskFile.Truncate(size)
}

// freezeAt makes the disk of a folder stop answering with the nth call from now on that is no write. reached tells whether that has
// come; thaw has the disk go on.
func (d *badDisk) freezeAt(n int, dir string) (reached func() bool, thaw func()) {
	calls, frozen := 0, true
	d.set(func(op, name string) error {
		if strings.HasPrefix(name, dir) && op != "write" {
			calls++
		}
		for frozen && calls >= n && strings.HasPrefix(name, dir) {
			d.gone.Wait()
		}
		return nil
	})
	return func() bool {
			d.mu.Lock()
			defer d.mu.Unlock()
			return calls >= n
		}, func() {
			d.mu.Lock()
			defer d.mu.Unlock()
			frozen = false
			d.gone.Broadcast()
		}
}

// answers returns a channel that is closed when so many replies have come.
func (c *testClient) answers(n int) chan struct{} {
	all := make(chan struct{})
	go func() {
		defer close(all)
		for range n {
			c.parse()
		}
	}()
	return all
}

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// TestFrozenDisk has the disk stop answering at each call that an operation on the log or on snapshots makes: others read and write
// meanwhile, whoever starts with the folder as it stands then has all that was there before, and when the disk answers again the
// operation comes to its end and nothing is lost.
func TestFrozenDisk(t *testing.T) {
	log := []string{"--appendonly", "yes", "--save", ""}
	idle := func(c *testClient) bool {
		f := c.fields("persistence")
		return f["aof_rewrite_in_progress"] == "0" && f["aof_rewrite_scheduled"] == "0" && f["rdb_bgsave_in_progress"] == "0" &&
			(f["aof_enabled"] == "0" || f["aof_pending_rewrite"] == "0")
	}
	logged := func(c *testClient) bool { return c.info("persistence", "aof_enabled") == "1" && idle(c) }
	cases := []struct {
		name    string
		options []string
		before  []string // requests
		asks    []string // requests of the client that waits
		meddles []string // requests of somebody else, while the disk stands
		over    func(c *testClient) bool
		forgets bool // what was there before may be gone
		empties bool // what they meddle with takes all data away
		ends    []string
	}{
		{name: "rewrite", options: log, asks: []string{"bgrewriteaof"}, over: idle},
		{name: "rewrite without a log", options: []string{"--save", ""}, asks: []string{"bgrewriteaof"}, over: idle, forgets: true,
			ends: []string{"config set appendonly yes"}},
		{name: "off", options: log, asks: []string{"config set appendonly no"}, over: idle, ends: []string{"config set appendonly yes"}},
		{name: "off in a transaction", options: log, asks: []string{"multi", "config set appendonly no", "exec"}, over: idle,
			ends: []string{"config set appendonly yes"}},
		{name: "on", options: []string{"--save", ""}, asks: []string{"config set appendonly yes"}, over: logged, forgets: true},
		{name: "on in a transaction", options: []string{"--save", ""}, asks: []string{"multi", "config set appendonly yes", "exec"}, over: logged, forgets: true},
		{name: "off and on", options: log, asks: []string{"config set appendonly no", "config set appendonly yes"}, over: logged},
		{name: "off during a rewrite", options: log, asks: []string{"bgrewriteaof"}, meddles: []string{"config set appendonly no"}, over: idle,
			ends: []string{"config set appendonly yes"}},
		{name: "off during a start", options: []string{"--save", ""}, asks: []string{"config set appendonly yes"}, meddles: []string{"config set appendonly no"}, over: idle,
			forgets: true, ends: []string{"config set appendonly yes"}},
		{name: "history", options: log, before: []string{"config set aof-disable-auto-gc yes", "bgrewriteaof"}, asks: []string{"config set aof-disable-auto-gc no"}, over: idle},
		{name: "flushall", options: []string{"--save", "3600 1"}, before: []string{"save"}, asks: []string{"flushall"}, over: idle, forgets: true, ends: []string{"save"}},
		{name: "flushall in a script", options: []string{"--save", "3600 1"}, before: []string{"save"}, asks: []string{"eval return(redis.call('flushall')) 0"}, over: idle,
			forgets: true, ends: []string{"save"}},
		{name: "flushall during a snapshot", options: []string{"--save", "3600 1"}, before: []string{"save"}, asks: []string{"bgsave"}, meddles: []string{"flushall"}, over: idle,
			forgets: true, empties: true, ends: []string{"save"}},
		{name: "cancel", options: []string{"--save", "3600 1"}, before: []string{"save"}, asks: []string{"bgsave"}, meddles: []string{"bgsave cancel"}, over: idle, ends: []string{"save"}},
	}
	disk := newBadDisk(t)
	for _, x := range cases {
		t.Run(x.name, func(t *testing.T) {
			for n, reaches := 1, true; reaches; n++ {
				if testing.Short() && n > 2 {
					return
				}
				disk.set(nil)
				dir := t.TempDir()
				options := append([]string{"--dir", dir, "--appendfsync", "no", "--aof-use-rdb-preamble", []string{"yes", "no"}[n%2]}, x.options...)
				ts := startServer(t, options...)
				c, asks, meddles := ts.dial(), ts.dial(), ts.dial()
				c.want("mset k v a 1 b 2", "OK")
				c.want("rpush l 1 2 3", 3)
				c.want("hset h f v g w", 2)
				for _, r := range x.before {
					c.do(r)
					eventually(t, r, func() bool { return idle(c) })
				}
				eventually(t, "all is written", func() bool {
					l := ts.aof.log.Load()
					return l == nil || l.Pending() == 0
				})
				reached, thaw := disk.freezeAt(n, dir)
				for _, r := range x.asks {
					asks.send(r)
				}
				answered := asks.answers(len(x.asks))
				eventually(t, "the disk to stand, or the end", func() bool {
					reaches = reached()
					return reaches || isClosed(answered) && x.over(c)
				})
				meddled := make(chan struct{})
				close(meddled)
				if reaches {
					for _, r := range x.meddles {
						meddles.send(r)
					}
					meddled = meddles.answers(len(x.meddles))
					if x.empties { // before the answer, for which the disk is needed
						eventually(t, "emptiness", func() bool { return c.do("dbsize") == int64(0) })
					}
					for i := range 5 {
						c.want(fmt.Sprintf("set n%d %d", n, i), "OK")
						c.want(fmt.Sprintf("get n%d", n), fmt.Sprint(i))
						c.do("info persistence")
					}
					copied := t.TempDir()
					if err := os.CopyFS(copied, os.DirFS(dir)); err != nil { // what kill -9 leaves
						t.Fatal(err)
					}
					disk.set(nil)
					thaw()
					if !x.forgets {
						again := startServer(t, append(append([]string{}, options...), "--dir", copied)...)
						again.dial().want("get k", "v")
						again.stop()
					}
				}
				thaw()
				eventually(t, "the end", func() bool { return isClosed(answered) && isClosed(meddled) && (x.over(c) || reaches && idle(c)) })
				for _, r := range x.ends {
					c.want(r, "OK")
				}
				eventually(t, "the end", func() bool { return idle(c) })
				c.want("set last one", "OK")
				on := "yes"
				if c.info("persistence", "aof_enabled") == "0" {
					c.want("save", "OK")
					on = "no"
				}
				want := digest(c)
				ts.stop()
				again := startServer(t, append(append([]string{}, options...), "--appendonly", on)...)
				if got := digest(again.dial()); got != want {
					t.Fatalf("call %d: the data differs", n)
				}
				again.stop()
				if left, _ := filepath.Glob(filepath.Join(dir, "appendonlydir", "temp-*")); len(left) > 0 {
					t.Errorf("call %d: files are left: %v", n, left)
				}
			}
		})
	}
}

// TestStartDuringTheEndOfARewrite has the log switched on while a rewrite that has begun without one changes the manifest: that
// comes to its end, and takes files out of the manifest that the new rewrite has seen there.
func TestStartDuringTheEndOfARewrite(t *testing.T) {
	disk, dir := newBadDisk(t), t.TempDir()
	options := []string{"--dir", dir, "--appendonly", "yes", "--appendfsync", "no", "--save", ""}
	ts := startServer(t, options...)
	c := ts.dial()
	c.want("set k v", "OK")
	c.want("config set appendonly no", "OK")
	base, manifest := make(chan struct{}), make(chan struct{}) // the disk stands there
	thawed := map[chan struct{}]bool{}
	stand := func(at chan struct{}) {
		if !isClosed(at) {
			close(at)
		}
		for !thawed[at] {
			disk.gone.Wait()
		}
	}
	thaw := func(at chan struct{}) {
		disk.mu.Lock()
		defer disk.mu.Unlock()
		thawed[at] = true
		disk.gone.Broadcast()
	}
	disk.set(func(op, name string) error {
		switch {
		case op == "sync" && strings.Contains(name, "temp-rewriteaof"):
			stand(base)
		case op == "rename" && strings.HasSuffix(name, ".manifest"):
			stand(manifest)
		}
		return nil
	})
	c.want("bgrewriteaof", "Background append only file rewriting started")
	<-base
	if err := ts.prepare(logStarting); err != nil { // before the rewrite takes the folder
		t.Fatal(err)
	}
	thaw(base)
	<-manifest
	ts.inWorldDo(func(ex *executor) {
		if err := ts.setAppendonly(ex, true); err != nil {
			t.Error(err)
		}
	})
	c.want("set after 1", "OK")
	thaw(manifest)
	eventually(t, "the log", func() bool { return c.info("persistence", "aof_pending_rewrite") == "0" })
	want := digest(c)
	ts.stop()
	if got := digest(startServer(t, options...).dial()); got != want {
		t.Error("the data differs")
	}
}
