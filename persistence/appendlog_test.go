package persistence

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// unit is a unit for the log: a command, or a transaction of several.
func unit(words ...string) []byte {
	one := func(words ...string) (b []byte) {
		b = fmt.Appendf(b, "*%d\r\n", len(words))
		for _, w := range words {
			b = fmt.Appendf(b, "$%d\r\n%s\r\n", len(w), w)
		}
		return b
	}
	if !strings.Contains(strings.Join(words, " "), " ; ") {
		return one(words...)
	}
	b := one("MULTI")
	for len(words) > 0 {
		n := 0
		for n < len(words) && words[n] != ";" {
			n++
		}
		b = append(b, one(words[:n]...)...)
		words = words[min(len(words), n+1):]
	}
	return append(b, one("EXEC")...)
}

// logWorld is a log in a folder of its own, on a disk that may fail.
type logWorld struct {
	t    *testing.T
	disk *faultyDisk
	dir  string
	log  *AppendLog
	key  *Key
	said []string
	mu   sync.Mutex
}

func newLogWorld(t *testing.T, o LogOptions, key *Key) *logWorld {
	w := &logWorld{t: t, disk: newFaultyDisk(), dir: t.TempDir(), key: key}
	o.Retry, o.Every = time.Millisecond, cmp.Or(o.Every, 5*time.Millisecond)
	o.RoomAfter = cmp.Or(o.RoomAfter, math.MaxInt) // what a test reads meanwhile does not become shorter
	o.Report = func(what string, err error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.said = append(w.said, what)
	}
	w.log = NewAppendLog(w.file("1"), o)
	t.Cleanup(func() { w.log.Close() })
	return w
}

func (w *logWorld) path(name string) string { return filepath.Join(w.dir, name) }

func (w *logWorld) file(name string) *LogFile {
	f, err := CreateLogFile(w.disk, w.path(name), w.key)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.disk.SyncDir(w.dir); err != nil {
		w.t.Fatal(err)
	}
	return f
}

// read is the units that a file has, their words parted by spaces.
func (w *logWorld) read(name string) (list []string, res ScanResult) {
	w.t.Helper()
	var keys Keys
	if w.key != nil {
		keys = Keys{w.key}
	}
	res, err := Scan(w.path(name), ScanOptions{Keys: keys, Visit: func(it *Item) error {
		if it.Argv != nil {
			words := make([]string, len(it.Argv))
			for i, a := range it.Argv {
				words[i] = string(a)
			}
			list = append(list, strings.Join(words, " "))
		}
		return nil
	}})
	if err != nil {
		w.t.Fatal(err)
	}
	return list, res
}

func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	end := time.Now().Add(time.Minute)
	for !cond() {
		if time.Now().After(end) {
			t.Fatalf("%s did not happen", what)
		}
		<-time.After(time.Millisecond)
	}
}

var testKey = &Key{ID: "k", secret: [32]byte{1, 2, 3}}

func eachLog(t *testing.T, o LogOptions, do func(t *testing.T, w *logWorld)) {
	t.Run("plain", func(t *testing.T) { do(t, newLogWorld(t, o, nil)) })
	t.Run("sealed", func(t *testing.T) { do(t, newLogWorld(t, o, testKey)) })
}

// TestAppendTogether appends from many goroutines, each of which waits until the disk has its unit.
func TestAppendTogether(t *testing.T) {
	var moved = make(chan struct{}, 1)
	eachLog(t, LogOptions{Policy: SyncAlways, Advanced: func() { signal(moved) }}, func(t *testing.T, w *logWorld) {
		const writers, each = 8, 200
		var all sync.WaitGroup
		for i := range writers {
			all.Go(func() {
				for k := range each {
					end := w.log.Append(unit("SET", fmt.Sprintf("k%d", i), strconv.Itoa(k)))
					w.log.Kick()
					eventually(t, "the disk's answer", func() bool { return w.log.Synced() >= end })
				}
			})
		}
		all.Wait()
		list, res := w.read("1")
		next := [writers]int{}
		for _, cmd := range list {
			var i, k int
			if n, _ := fmt.Sscanf(cmd, "SET k%d %d", &i, &k); n != 2 || k != next[i] {
				t.Fatalf("%q, and not value %d", cmd, next[i])
			}
			next[i]++
		}
		if len(list) != writers*each || res.Torn != NotTorn || w.log.Pending() != 0 {
			t.Errorf("%d commands, %v, %d bytes wait", len(list), res.Torn, w.log.Pending())
		}
		if w.disk.syncs >= writers*each {
			t.Errorf("%d units took %d waits for the disk", writers*each, w.disk.syncs)
		}
	})
}

// TestGather has the writer wait for clients that come back, and not for those that do not.
func TestGather(t *testing.T) {
	w := newLogWorld(t, LogOptions{}, nil)
	unhurried := func(units int, spare time.Duration) *AppendLog {
		l := newAppendLog(w.file("other"), LogOptions{Policy: SyncAlways})
		t.Cleanup(func() { l.file.Close() })
		l.together.units, l.together.spare = units, spare
		l.Append(unit("SET", "k", "v"))
		l.Kick()
		return l
	}
	begun := func(l *AppendLog) (done chan struct{}) {
		done = make(chan struct{})
		go func() {
			l.gather()
			close(done)
		}()
		eventually(t, "waiting", func() bool { return l.crowd.Load() > 0 })
		return done
	}

	l := unhurried(15, time.Hour) // and one that came meanwhile: 16, of which two may dawdle
	done := begun(l)
	for range 12 {
		l.Append(unit("SET", "k", "v"))
		l.Kick()
	}
	select {
	case <-done:
		t.Fatal("13 of 16 were enough")
	case <-time.After(10 * time.Millisecond):
	}
	l.Append(unit("SET", "k", "v"))
	l.Kick()
	<-done
	if l.together.pass != 0 || l.crowd.Load() != 0 {
		t.Errorf("it has helped, and %d batches go without", l.together.pass)
	}

	l = unhurried(15, time.Hour)
	done = begun(l)
	go l.Flush()
	<-done // Flush does not wait for anybody to come back
	l.mu.Lock()
	l.ended = true
	l.moved.Broadcast()
	l.mu.Unlock()

	l = unhurried(15, time.Microsecond)
	for fails := range 3 {
		l.together.units = 15
		l.gather()
		if l.together.pass != 1<<fails {
			t.Fatalf("nobody came for the %dth time, and %d batches go without", fails+1, l.together.pass)
		}
		for l.together.pass > 0 {
			l.together.units = 15
			l.gather()
		}
	}
}

// TestStall tells that a write takes long, and when one has come through in time again.
func TestStall(t *testing.T) {
	told := make(chan struct{}, 1)
	w := newLogWorld(t, LogOptions{Stall: 20 * time.Millisecond, Advanced: func() { signal(told) }}, nil)
	stuck := make(chan struct{})
	w.disk.set(func(op, name string) error {
		if op == "write" {
			<-stuck
		}
		return nil
	})
	w.log.Append(unit("SET", "k", "v"))
	w.log.Kick()
	<-told
	if !w.log.Stalled() || w.log.Written() != 0 {
		t.Errorf("stalled: %v, written %d", w.log.Stalled(), w.log.Written())
	}
	close(stuck)
	eventually(t, "a write in time", func() bool {
		w.log.Append(unit("SET", "k", "v"))
		return w.log.Flush() == nil && !w.log.Stalled()
	})
}

// TestAppendEverysec waits for the disk by itself, and not at all under SyncNo.
func TestAppendEverysec(t *testing.T) {
	w := newLogWorld(t, LogOptions{Policy: SyncEverysec}, nil)
	end := w.log.Append(unit("SET", "a", "1"))
	w.log.Kick()
	eventually(t, "a wait for the disk", func() bool { return w.log.Synced() >= end })

	w.log.SetPolicy(SyncNo)
	end = w.log.Append(unit("SET", "a", "2"))
	w.log.Kick()
	eventually(t, "a write", func() bool { return w.log.Written() >= end })
	if err := w.log.Flush(); err != nil || w.log.Synced() < end {
		t.Errorf("after Flush: %v", err)
	}
	end = w.log.Append(unit("SET", "a", "3"))
	w.log.Kick()
	eventually(t, "a write", func() bool { return w.log.Written() >= end })
	w.log.SetPolicy(SyncAlways)
	eventually(t, "a wait for the disk after the policy has changed", func() bool { return w.log.Synced() >= end })
}

// TestAppendToFullDisk fills the disk: nothing is lost and nothing is there twice when there is room again.
func TestAppendToFullDisk(t *testing.T) {
	for _, short := range []bool{false, true} {
		for _, truncates := range []bool{false, true} {
			eachLog(t, LogOptions{Policy: SyncAlways}, func(t *testing.T, w *logWorld) {
				w.disk.short = short
				for round := range 20 {
					w.disk.set(func(op, _ string) error {
						if op == "write" || op == "truncate" && !truncates {
							return syscall.ENOSPC
						}
						return nil
					})
					end := w.log.Append(unit("RPUSH", "l", strconv.Itoa(round)))
					w.log.Kick()
					eventually(t, "the fault", w.log.Failing)
					if err := w.log.Err(); !errors.Is(err, syscall.ENOSPC) {
						t.Fatalf("the fault is %v", err)
					}
					if err := w.log.Flush(); err == nil || w.log.Synced() >= end {
						t.Fatal("Flush says that the full disk has everything")
					}
					w.log.Append(unit("RPUSH", "l", "more"))
					w.disk.set(nil)
					eventually(t, "recovery", func() bool { return !w.log.Failing() })
					if err := w.log.Flush(); err != nil {
						t.Fatal(err)
					}
				}
				list, _ := w.read("1")
				for i, cmd := range list {
					if want := "RPUSH l " + strconv.Itoa(i/2); i%2 == 0 && cmd != want || i%2 == 1 && cmd != "RPUSH l more" {
						t.Fatalf("command %d is %q", i, cmd)
					}
				}
				if len(list) != 40 || len(w.said) != 40 {
					t.Errorf("%d commands; it was said %q", len(list), w.said)
				}
			})
		}
	}
}

// TestAppendSyncFails: what the disk may have dropped is written again before anybody is told that it is there.
func TestAppendSyncFails(t *testing.T) {
	w := newLogWorld(t, LogOptions{Policy: SyncAlways}, nil)
	bad := true
	writes := 0
	w.disk.set(func(op, _ string) error {
		if op == "write" {
			writes++
		}
		if op == "sync" && bad {
			return syscall.EIO
		}
		return nil
	})
	end := w.log.Append(unit("SET", "a", "1"))
	w.log.Kick()
	eventually(t, "the fault", w.log.Failing)
	if w.log.Synced() >= end {
		t.Error("the disk is said to have what it has not")
	}
	w.disk.mu.Lock()
	bad = false
	w.disk.mu.Unlock()
	if err := w.log.Flush(); err != nil {
		eventually(t, "recovery", func() bool { return w.log.Synced() >= end })
	}
	if list, _ := w.read("1"); len(list) != 1 || writes < 2 {
		t.Errorf("%q after %d writes", list, writes)
	}
	eventually(t, "the end of the fault", func() bool { return !w.log.Failing() }) // which is noted last

	w.log.SetPolicy(SyncEverysec)
	w.disk.mu.Lock()
	bad = true
	w.disk.mu.Unlock()
	w.log.Append(unit("SET", "a", "2"))
	w.log.Kick()
	eventually(t, "the fault", w.log.Failing)
	w.disk.set(nil)
	eventually(t, "recovery", func() bool { return !w.log.Failing() })
	if !w.log.Suspect() {
		t.Error("files are trusted after the disk has failed to keep them")
	}
}

// TestEarlierBytesAreDoubted: a wait for the disk that fails may have cost what was written before under another policy, too.
func TestEarlierBytesAreDoubted(t *testing.T) {
	for _, rooms := range []int{math.MaxInt, 1} {
		w := newLogWorld(t, LogOptions{Policy: SyncNo, RoomAfter: rooms}, nil)
		end := w.log.Append(unit("SET", "a", "1"))
		w.log.Kick()
		eventually(t, "the first one", func() bool { return w.log.Written() >= end })
		failed := false
		w.disk.set(func(op, _ string) error {
			if op == "write" {
				w.log.policy.Store(int32(SyncAlways))
			}
			if op == "sync" && !failed {
				failed = true
				return syscall.EIO
			}
			return nil
		})
		if rooms == 1 {
			w.log.policy.Store(int32(SyncAlways)) // while the writer sleeps
		}
		end = w.log.Append(unit("SET", "b", "2"))
		w.log.Kick()
		eventually(t, "the second one", func() bool { return w.log.Synced() >= end })
		if !w.log.Suspect() {
			t.Error("the first one is trusted")
		}
	}
}

// TestFlushFails: a wait for the disk that somebody has asked for, and that has failed, does not count for ever where nobody else waits
// for the disk, or who does has come further meanwhile.
func TestFlushFails(t *testing.T) {
	for _, policy := range []SyncPolicy{SyncNo, SyncAlways} {
		w := newLogWorld(t, LogOptions{Policy: SyncNo}, nil)
		w.disk.set(func(op, _ string) error {
			if op == "sync" {
				return syscall.EIO
			}
			return nil
		})
		w.log.Append(unit("SET", "a", "1"))
		if w.log.Flush() == nil || !w.log.Failing() {
			t.Error("the fault is not told")
		}
		w.log.policy.Store(int32(policy))
		w.disk.set(nil)
		w.log.Append(unit("SET", "b", "2"))
		w.log.Kick()
		eventually(t, "recovery", func() bool { return !w.log.Failing() })
	}
}

// TestTrustIsAboutOldFiles: what happens to the file that the log goes on in is not made good by a new base.
func TestTrustIsAboutOldFiles(t *testing.T) {
	w := newLogWorld(t, LogOptions{Policy: SyncEverysec}, nil)
	fault := func() {
		t.Helper()
		w.disk.set(func(op, _ string) error {
			if op == "sync" {
				return syscall.EIO
			}
			return nil
		})
		w.log.Append(unit("INCR", "n"))
		w.log.Kick()
		eventually(t, "the fault", w.log.Failing)
		w.disk.set(nil)
		eventually(t, "recovery", func() bool { return !w.log.Failing() })
	}
	fault()
	w.log.Switch(w.file("2"))
	if err := w.log.Flush(); err != nil {
		t.Fatal(err)
	}
	w.log.Trust()
	if w.log.Suspect() {
		t.Error("a file that is no longer needed is doubted")
	}
	w.log.Switch(w.file("3"))
	fault()
	w.log.Trust()
	if !w.log.Suspect() {
		t.Error("the file that is needed is trusted")
	}
}

// TestUncutBatch: a batch that the disk has not kept, and does not let go either, is written once more in its own place.
func TestUncutBatch(t *testing.T) {
	eachLog(t, LogOptions{Policy: SyncAlways}, func(t *testing.T, w *logWorld) {
		writes, syncs := 0, 0
		w.disk.set(func(op, _ string) error {
			switch op {
			case "write":
				writes++
			case "sync":
				if syncs++; syncs <= 2 {
					return syscall.EIO
				}
			case "truncate":
				return syscall.EIO
			}
			return nil
		})
		end := w.log.Append(unit("SET", "a", "1"))
		w.log.Kick()
		eventually(t, "the disk", func() bool { return w.log.Synced() >= end })
		w.disk.mu.Lock()
		if writes != 3 {
			t.Errorf("%d writes", writes)
		}
		w.disk.mu.Unlock()
		w.log.Append(unit("SET", "b", "2"))
		if err := w.log.Close(); err != nil {
			t.Fatal(err)
		}
		if list, _ := w.read("1"); len(list) != 2 {
			t.Errorf("the file has %q", list)
		}
	})
}

// TestNothingBehindAGap closes a log whose disk has room again that moment: what it has is what was first.
func TestNothingBehindAGap(t *testing.T) {
	for range 30 {
		w := newLogWorld(t, LogOptions{Policy: SyncNo}, nil)
		w.disk.set(func(op, _ string) error {
			if op != "write" {
				return nil
			}
			w.log.mu.Lock()
			defer w.log.mu.Unlock()
			if w.log.closed {
				return nil
			}
			return syscall.ENOSPC
		})
		w.log.Append(unit("SET", "a", "1"))
		w.log.Kick()
		eventually(t, "the fault", w.log.Failing)
		w.log.Append(unit("SET", "b", "2"))
		w.log.Close()
		if list, _ := w.read("1"); len(list) == 1 && list[0] == "SET b 2" {
			t.Fatalf("the file has %q", list)
		}
	}
}

// TestSwitch goes from file to file while others append.
func TestSwitch(t *testing.T) {
	eachLog(t, LogOptions{Policy: SyncEverysec}, func(t *testing.T, w *logWorld) {
		next, stop := 0, make(chan struct{})
		var order sync.Mutex
		var all sync.WaitGroup
		for range 2 {
			all.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					order.Lock()
					w.log.Append(unit("SET", "k", strconv.Itoa(next)))
					next++
					order.Unlock()
					w.log.Kick()
				}
			})
		}
		cuts := []int{0}
		for i := range 5 {
			f := w.file(strconv.Itoa(i + 2))
			eventually(t, "writing", func() bool { order.Lock(); defer order.Unlock(); return next > cuts[i]+100 })
			order.Lock()
			w.log.Switch(f)
			cuts = append(cuts, next)
			order.Unlock()
		}
		close(stop)
		all.Wait()
		cuts = append(cuts, next)
		if err := w.log.Close(); err != nil {
			t.Fatal(err)
		}
		for i := range 6 {
			list, res := w.read(strconv.Itoa(i + 1))
			if len(list) != cuts[i+1]-cuts[i] || res.Torn != NotTorn {
				t.Errorf("file %d has %d commands, %v, want %d", i+1, len(list), res.Torn, cuts[i+1]-cuts[i])
			}
			for k, cmd := range list {
				if cmd != "SET k "+strconv.Itoa(cuts[i]+k) {
					t.Fatalf("file %d, command %d: %q", i+1, k, cmd)
				}
			}
		}
	})
}

// TestDrop: a file that cannot be written keeps nobody waiting once it is not needed.
func TestDrop(t *testing.T) {
	w := newLogWorld(t, LogOptions{Policy: SyncAlways}, nil)
	first := w.path("1")
	w.disk.set(func(op, name string) error {
		if name == first && op == "write" {
			return syscall.EIO
		}
		return nil
	})
	lost := w.log.Append(unit("SET", "a", "1"))
	w.log.Kick()
	eventually(t, "the fault", w.log.Failing)
	old := w.log.Switch(w.file("2"))
	w.log.Append(unit("SET", "b", "1"))
	w.log.Drop(old)
	eventually(t, "recovery", func() bool { return !w.log.Failing() && w.log.Synced() > lost })
	if list, _ := w.read("2"); len(list) != 1 {
		t.Errorf("the new file has %q", list)
	}
}

func TestStamps(t *testing.T) {
	now := time.Unix(1700000000, 0)
	w := newLogWorld(t, LogOptions{Stamps: true, Now: func() time.Time { return now }}, nil)
	w.log.Append(unit("SET", "a", "1"))
	w.log.Append(unit("SET", "a", "2"))
	now = now.Add(3 * time.Second)
	w.log.Append(unit("SET", "a", "3"))
	w.log.SetStamps(false)
	now = now.Add(time.Second)
	w.log.Append(unit("SET", "a", "4"))
	if err := w.log.Flush(); err != nil {
		t.Fatal(err)
	}
	b, _ := os.ReadFile(w.path("1"))
	if !strings.HasPrefix(string(b), "#TS:1700000000\r\n*3") || strings.Count(string(b), "#TS:") != 2 {
		t.Errorf("%q", b)
	}
	if _, res := w.read("1"); res.Stamps != 2 || res.First_s != 1700000000 || res.Last_s != 1700000003 {
		t.Errorf("%+v", res)
	}
}

// TestPowerLoss lets the power go at random moments: what the disk was said to have is there, and no half units.
func TestPowerLoss(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for _, key := range []*Key{nil, testKey} {
		for range 30 {
			w := newLogWorld(t, LogOptions{Policy: SyncAlways}, key)
			done := int64(-1)
			units := 20 + rnd.IntN(200)
			var ends []int64
			for i := range units {
				n := strconv.Itoa(i)
				ends = append(ends, w.log.Append(unit("SET", "a", n, ";", "SET", "b", n)))
				if rnd.IntN(4) == 0 {
					w.log.Kick()
				}
				if rnd.IntN(10) == 0 {
					w.log.Flush()
				}
			}
			w.disk.set(func(string, string) error { return syscall.EIO }) // nothing reaches the disk from here on
			synced := w.log.Synced()
			for i, end := range ends {
				if end <= synced {
					done = int64(i)
				}
			}
			w.disk.losePower(rnd)
			list, res := w.read("1")
			if got := int64(res.Units) - 1; got < done || len(list) > 0 && res.Torn != TornMulti && len(list)%4 != 0 && res.Torn != TornEnd && res.Torn != TornZeros {
				t.Fatalf("%d units of %d are there, %d were acknowledged; %v", got, units, done, res.Torn)
			}
			w.disk.set(nil)
		}
	}
}

// closingFile calls a function when it was closed.
type closingFile struct {
	DiskFile
	closed func()
	synced func(err error)
}

func (f *closingFile) Close() error {
	err := f.DiskFile.Close()
	f.closed()
	return err
}

func (f *closingFile) Sync() error {
	err := f.DiskFile.Sync()
	f.synced(err)
	return err
}

// TestFlushWhileAFileIsLeft: who wants everything on the disk, that moment when the writer leaves a file which the disk has not
// kept, hears of it though nobody appends anything more.
func TestFlushWhileAFileIsLeft(t *testing.T) {
	w := newLogWorld(t, LogOptions{Policy: SyncNo}, nil)
	first := w.path("1")
	w.disk.set(func(op, name string) error {
		if op == "sync" && name == first {
			return syscall.EIO
		}
		return nil
	})
	missed, flushed := make(chan struct{}, 1), make(chan error, 1)
	f := w.log.file
	f.f = &closingFile{DiskFile: f.f, synced: func(err error) {
		if errors.Is(err, os.ErrClosed) {
			signal(missed)
		}
	}, closed: func() {
		go func() { flushed <- w.log.Flush() }()
		eventually(t, "somebody who waits", func() bool {
			w.log.mu.Lock()
			defer w.log.mu.Unlock()
			return w.log.hurry > 0
		})
		if w.log.syncs.TryLock() { // the syncer may come upon the file: it does
			w.log.syncs.Unlock()
			<-missed
		}
	}}
	w.log.Append(unit("SET", "a", "1"))
	w.log.Switch(w.file("2"))
	eventually(t, "an answer", func() bool {
		select {
		case <-flushed:
			return true
		default:
			return false
		}
	})
}
