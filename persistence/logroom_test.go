package persistence

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// roomWorld is a log that makes room from the first batch on, and has done so.
func roomWorld(t *testing.T, o LogOptions) *logWorld {
	o.Policy, o.RoomAfter, o.Every = SyncAlways, 1, time.Hour
	w := newLogWorld(t, o, nil)
	w.put("SET", "first", "1")
	if b := w.bytes("1"); !bytes.HasSuffix(b, []byte("###\n")) || len(b)%roomAlign != 0 {
		t.Fatalf("no room was made: %d bytes", len(b))
	}
	return w
}

// put appends a unit and waits until the disk has it.
func (w *logWorld) put(words ...string) {
	w.t.Helper()
	w.log.Append(unit(words...))
	if err := w.log.Flush(); err != nil {
		w.t.Fatal(err)
	}
}

func (w *logWorld) bytes(name string) []byte {
	w.t.Helper()
	b, err := os.ReadFile(w.path(name))
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// TestRoom: batches are written over the room, each with a line of its own, and what is left of it is no fault. Whoever
// reads annotations in pieces of 1,023 bytes, as redis-server does, finds the same commands.
func TestRoom(t *testing.T) {
	w := roomWorld(t, LogOptions{})
	size := len(w.bytes("1"))
	for i := range 50 {
		w.put("SET", "k", strconv.Itoa(i))
	}
	b := w.bytes("1")
	if len(b) != size || bytes.Count(b, []byte("+\r\n")) != 52 {
		t.Errorf("%d bytes, and %d of one batch; %d lines say that batches follow", len(b), size, bytes.Count(b, []byte("+\r\n")))
	}
	list, res := w.read("1")
	if len(list) != 51 || res.Torn != NotTorn || res.Room == 0 || res.End+res.Room != int64(len(b)) {
		t.Errorf("%d commands, %+v", len(list), res)
	}
	r, n := NewLogReader(bytes.NewReader(b), 0, int64(len(b))), 0
	for {
		it, err := r.Next()
		if err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if len(it.Raw) > noteLine {
			t.Fatalf("an annotation of %d bytes", len(it.Raw))
		}
		if it.Argv != nil {
			n++
		}
	}
	if n != 51 {
		t.Errorf("%d commands", n)
	}
}

// TestRoomPieces has room of all lengths: no piece of it is an end of line alone.
func TestRoomPieces(t *testing.T) {
	w := roomWorld(t, LogOptions{})
	longer := 0
	for i := range 1500 {
		w.put("SET", "k", strings.Repeat("x", i%7))
		if b := w.bytes("1"); bytes.HasSuffix(bytes.TrimRight(b, "#\n"), []byte("++\r")) {
			longer++
		}
		if i%50 == 0 || longer == 1 {
			if list, res := w.read("1"); len(list) != i+2 || res.Torn != NotTorn {
				t.Fatalf("%d commands after %d, %+v", len(list), i+1, res)
			}
			longer += longer % 2
		}
	}
	if longer == 0 {
		t.Error("no line had to be longer")
	}
}

// TestRoomGrows writes much more than the room that is made at once, in batches of all sizes.
func TestRoomGrows(t *testing.T) {
	w := roomWorld(t, LogOptions{})
	rnd := rand.New(rand.NewPCG(5, 6))
	for i := range 60 {
		n := rnd.IntN(4000)
		if i%9 == 8 {
			n = rnd.IntN(3 * roomMost)
		}
		w.put("SET", strconv.Itoa(i), strings.Repeat("#\n", n))
		if list, res := w.read("1"); len(list) != i+2 || res.Torn != NotTorn {
			t.Fatalf("%d commands after %d, %+v", len(list), i+1, res)
		}
	}
	if err := w.log.Close(); err != nil {
		t.Fatal(err)
	}
	if list, res := w.read("1"); len(list) != 61 || res.Room != 0 || res.Torn != NotTorn || res.End != res.Size {
		t.Errorf("%d commands after the end, %+v", len(list), res)
	}
}

// TestRoomGivenBack: who rests, waits for the disk no more or goes on elsewhere needs no room, and neither does what is
// left by a process that was killed.
func TestRoomGivenBack(t *testing.T) {
	t.Run("rest", func(t *testing.T) {
		w := newLogWorld(t, LogOptions{Policy: SyncAlways, RoomAfter: 1}, nil)
		w.put("SET", "a", "1")
		eventually(t, "the end of the room", func() bool { b := w.bytes("1"); return len(b) > 0 && b[len(b)-1] != '#' && len(b) < roomLeast })
		if list, res := w.read("1"); len(list) != 1 || res.Room != 0 || res.Torn != NotTorn {
			t.Errorf("%q, %+v", list, res)
		}
	})
	t.Run("policy", func(t *testing.T) {
		w := roomWorld(t, LogOptions{})
		w.log.SetPolicy(SyncEverysec)
		w.put("SET", "a", "1")
		if list, res := w.read("1"); len(list) != 2 || res.Room != 0 || res.Torn != NotTorn {
			t.Errorf("%q, %+v", list, res)
		}
	})
	t.Run("switch", func(t *testing.T) {
		w := roomWorld(t, LogOptions{})
		w.log.Switch(w.file("2"))
		w.put("SET", "a", "1")
		if list, res := w.read("1"); len(list) != 1 || res.Room != 0 || res.Torn != NotTorn {
			t.Errorf("%q, %+v", list, res)
		}
		if list, res := w.read("2"); len(list) != 1 || res.Room == 0 || res.Torn != NotTorn {
			t.Errorf("the other file: %q, %+v", list, res)
		}
	})
	t.Run("killed", func(t *testing.T) {
		w := roomWorld(t, LogOptions{})
		if err := os.WriteFile(w.path("left"), w.bytes("1"), 0o644); err != nil {
			t.Fatal(err)
		}
		_, res := w.read("left")
		f, err := OpenLogFile(w.disk, w.path("left"), res.Tail)
		if err != nil {
			t.Fatal(err)
		}
		if left := w.bytes("left"); int64(len(left)) != res.End {
			t.Errorf("%d bytes are left, %+v", len(left), res)
		}
		w.log.SetPolicy(SyncEverysec)
		w.log.Switch(f)
		w.put("SET", "a", "1")
		if err := w.log.Close(); err != nil {
			t.Fatal(err)
		}
		if list, again := w.read("left"); len(list) != 2 || again.Torn != NotTorn || again.Sums != res.Sums+1 {
			t.Errorf("%q, %+v", list, again)
		}
	})
}

// TestWrittenBehindRoom is a file that another server has read and written on.
func TestWrittenBehindRoom(t *testing.T) {
	w := roomWorld(t, LogOptions{})
	b := w.bytes("1")
	for range 3 {
		b = append(b, unit("SET", "other", "1")...)
	}
	res, err := scanBytes(t, b, nil)
	if err != nil || res.Torn != NotTorn || res.Commands != 4 || res.End != int64(len(b)) {
		t.Fatalf("%+v, %v", res, err)
	}
	res, err = scanBytes(t, b[:len(b)-5], nil)
	if err != nil || res.Torn != TornEnd || res.Commands != 3 {
		t.Errorf("torn: %+v, %v", res, err)
	}
	if err := os.WriteFile(w.path("other"), b, 0o644); err != nil {
		t.Fatal(err)
	}
	_, res = w.read("other")
	f, err := OpenLogFile(w.disk, w.path("other"), res.Tail)
	if err != nil {
		t.Fatal(err)
	}
	w.log.Switch(f)
	for i := range 20 {
		w.put("SET", "mine", strconv.Itoa(i))
		if list, res := w.read("other"); len(list) != 5+i || res.Torn != NotTorn {
			t.Fatalf("%d commands, %+v", len(list), res)
		}
	}
}

// TestBatchesFollowNoMore: what is written when batches are announced no more is not cut off with an end that is torn, though the
// last line before says that batches follow.
func TestBatchesFollowNoMore(t *testing.T) {
	tear := func(t *testing.T, b []byte, commands int64) {
		t.Helper()
		res, err := scanBytes(t, append(bytes.Clone(b), make([]byte, 600)...), nil)
		if err != nil || res.Torn != TornZeros || res.Commands != commands || res.End != int64(len(b)) {
			t.Errorf("of %d bytes: %+v, %v", len(b), res, err)
		}
	}
	reopen := func(t *testing.T, w *logWorld, b []byte) *LogFile {
		t.Helper()
		if err := os.WriteFile(w.path("left"), b, 0o644); err != nil {
			t.Fatal(err)
		}
		_, res := w.read("left")
		f, err := OpenLogFile(w.disk, w.path("left"), res.Tail)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	t.Run("policy", func(t *testing.T) {
		w := roomWorld(t, LogOptions{})
		w.log.SetPolicy(SyncEverysec)
		for i := range int64(3) {
			w.put("SET", "a", "1")
			tear(t, w.bytes("1"), 2+i)
		}
	})
	t.Run("start", func(t *testing.T) {
		room := roomWorld(t, LogOptions{}).bytes("1")
		w := newLogWorld(t, LogOptions{Policy: SyncAlways}, nil)
		w.log.Switch(reopen(t, w, room))
		for i := range int64(3) {
			w.put("SET", "a", "1")
			tear(t, w.bytes("left"), 2+i)
		}
	})
	other := func(t *testing.T) (w *logWorld, b []byte) { // another server has written on
		w = roomWorld(t, LogOptions{})
		_, res := w.read("1")
		return w, append(w.bytes("1")[:res.End:res.End], unit("SET", "other", "1")...)
	}
	t.Run("start behind others", func(t *testing.T) {
		w, b := other(t)
		reopen(t, w, b).Close()
		tear(t, w.bytes("left"), 2)
	})
	t.Run("start on a full disk", func(t *testing.T) {
		w, b := other(t)
		w.disk.space = int64(len(b)) + 5
		f := reopen(t, w, b)
		if left := w.bytes("left"); !bytes.Equal(left, b) {
			t.Errorf("%d bytes became %d", len(b), len(left))
		}
		w.disk.space = 0
		w.log.SetPolicy(SyncEverysec)
		w.log.Switch(f)
		w.put("SET", "a", "1")
		tear(t, w.bytes("left"), 3)
	})
	t.Run("refused", func(t *testing.T) { // the first line after the batches fails, and is cut off
		w := roomWorld(t, LogOptions{})
		w.log.SetPolicy(SyncEverysec)
		_, before := w.read("1")
		w.disk.mu.Lock()
		w.disk.space = before.End + 20
		w.disk.mu.Unlock()
		w.log.Append(unit("SET", "a", "1"))
		w.log.Kick()
		eventually(t, "the fault", w.log.Failing)
		w.disk.mu.Lock()
		w.disk.space = 0
		w.disk.mu.Unlock()
		w.put("SET", "b", "1")
		tear(t, w.bytes("1"), 3)
	})
}

// TestRoomEndsBeforeBatchesDo: as long as the disk may still have room behind the commands, batches are announced.
func TestRoomEndsBeforeBatchesDo(t *testing.T) {
	var ops []string
	fail := error(nil)
	w := roomWorld(t, LogOptions{})
	w.disk.set(func(op, _ string) error { // the disk's mutex is held
		if ops = append(ops, op); op == "sync" {
			return fail
		}
		return nil
	})
	first := func(what string, n int) {
		t.Helper()
		w.disk.mu.Lock()
		fail, ops = nil, nil
		if what == "refused" {
			fail = syscall.EIO
		}
		w.disk.mu.Unlock()
		w.log.Append(unit("SET", what, "1"))
		w.log.Kick()
		end := w.log.End()
		eventually(t, "the write", func() bool { return w.log.Written() >= end })
		w.disk.mu.Lock()
		got := strings.Join(ops, " ")
		w.disk.mu.Unlock()
		if want := []string{"truncate sync write", "sync write", "write"}[n]; !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, not %s", what, got, want)
		}
		if b := w.bytes("1"); bytes.HasSuffix(b, []byte("+\r\n")) != (what == "refused") {
			t.Errorf("%s: the file ends with %q", what, b[len(b)-20:])
		}
	}
	w.log.SetPolicy(SyncEverysec)
	first("refused", 0)
	first("taken", 1)
	first("later", 2)
}

// TestEachChunkHasALine: who waits for the disk in the midst of a batch may be told that a part of it is there.
func TestEachChunkHasALine(t *testing.T) {
	w := roomWorld(t, LogOptions{})
	w.log.Append(unit("SET", "a", "1"))
	w.put("SET", "b", strings.Repeat("x", chunkMax))
	if n := bytes.Count(w.bytes("1"), []byte("+\r\n")); n != 4 {
		t.Errorf("%d lines say that batches follow", n)
	}
}

// TestRoomOnFullDisk: without space there is no room, and as long as batches fit nobody is told of a fault.
func TestRoomOnFullDisk(t *testing.T) {
	w := roomWorld(t, LogOptions{})
	w.disk.mu.Lock()
	w.disk.space = int64(len(w.bytes("1"))) + 5000
	w.disk.mu.Unlock()
	n := 0
	for ; w.log.Size() < w.disk.space-20_000; n++ {
		w.put("SET", strconv.Itoa(n), strings.Repeat("x", 9000))
	}
	if len(w.said) > 0 {
		t.Errorf("after %d bytes of %d: %q", w.log.Size(), w.disk.space, w.said)
	}
	w.log.Append(unit("SET", "more", strings.Repeat("x", 30_000)))
	w.log.Kick()
	eventually(t, "the fault", w.log.Failing)
	w.disk.mu.Lock()
	w.disk.space = 0
	w.disk.mu.Unlock()
	w.put("SET", "last", "1")
	if list, res := w.read("1"); len(list) != n+3 || res.Torn != NotTorn {
		t.Errorf("%d commands, not %d, %+v", len(list), n+3, res)
	}
}

// TestRoomDamage changes bytes of a log with room: what the disk had is damaged, wherever that is, but for sectors of the
// last batch that still are room.
func TestRoomDamage(t *testing.T) {
	w := roomWorld(t, LogOptions{})
	var ends []int
	for i := range 8 {
		w.put("SET", strconv.Itoa(i), strings.Repeat("v", 1500))
		_, res := w.read("1")
		ends = append(ends, int(res.End))
	}
	whole := w.bytes("1")
	var lines [][2]int // the places of checksum lines, which no checksum is about
	for at := 0; at < ends[len(ends)-1]; {
		end := at + bytes.IndexByte(whole[at:], '\n') + 1
		if whole[at] == '#' {
			lines = append(lines, [2]int{at, end})
		}
		at = end
	}
	for at := range ends[len(ends)-1] {
		if slices.ContainsFunc(lines, func(l [2]int) bool { return l[0] <= at && at < l[1] }) {
			continue
		}
		if at%23 > 0 {
			continue
		}
		b := bytes.Clone(whole)
		b[at] ^= 4
		res, err := scanBytes(t, b, nil)
		var damage *DamageError
		if !errors.As(err, &damage) && int(res.End) != ends[len(ends)-2] {
			t.Fatalf("byte %d: %+v, %v", at, res, err)
		}
	}
	for at := sector; at < ends[len(ends)-1]; at += sector {
		if at < ends[len(ends)-2] && at+sector > ends[len(ends)-2] {
			continue // half of it was there
		}
		b := bytes.Clone(whole)
		copy(b[at:min(at+sector, ends[len(ends)-1])], bytes.Repeat([]byte("#"), sector))
		res, err := scanBytes(t, b, nil)
		if last := at >= ends[len(ends)-2]; (err == nil) != last || last && (res.Torn != TornBatch || int(res.End) != ends[len(ends)-2]) {
			t.Errorf("no sector at %d of %d: %+v, %v", at, ends[len(ends)-1], res, err)
		}
	}
}

// TestRoomPowerLoss lets the power go while batches are written over room, again and again on the same file: what was
// said to be on the disk is there, nothing is there that was not written, and everything before is there with it.
func TestRoomPowerLoss(t *testing.T) {
	torn := 0 // batches
	for seed := range uint64(40) {
		rnd := rand.New(rand.NewPCG(seed, 8))
		w := newLogWorld(t, LogOptions{Policy: SyncAlways, RoomAfter: 1}, nil)
		var all []string // what was appended
		for life := range 6 {
			path := w.path("log")
			var err error
			var f *LogFile
			if life == 0 {
				f = w.file("log")
			} else if f, err = OpenLogFile(w.disk, path, w.reopen(&all, &torn)); err != nil {
				t.Fatal(err)
			}
			after := 1
			if life%2 == 1 {
				after = math.MaxInt // the life before has announced batches, this one has none
			}
			log := NewAppendLog(f, LogOptions{Policy: SyncAlways, RoomAfter: after, Retry: time.Millisecond})
			first := len(all)
			var ends []int64
			add := func() {
				n := rnd.IntN(60)
				if rnd.IntN(3) == 0 {
					n = rnd.IntN(5000)
				}
				if rnd.IntN(20) == 0 {
					n = rnd.IntN(60_000)
				}
				v := fmt.Sprint(len(all), strings.Repeat([]string{"#", "v", "\x00"}[rnd.IntN(3)], n))
				all = append(all, "SET k "+v)
				ends = append(ends, log.Append(unit("SET", "k", v)))
			}
			for range rnd.IntN(12) {
				for range rnd.IntN(6) {
					add()
				}
				if err := log.Flush(); err != nil {
					t.Fatal(err)
				}
			}
			w.disk.set(func(op, name string) error { // writes come to the system, and no further
				if op == "write" {
					return nil
				}
				return syscall.EIO
			})
			for range 1 + rnd.IntN(9) {
				add()
			}
			log.Kick()
			eventually(t, "the last write", func() bool { return log.Failing() })
			synced := log.Synced()
			done := first
			for i, end := range ends {
				if end <= synced {
					done = first + i + 1
				}
			}
			w.disk.set(func(op, name string) error { return syscall.EIO }) // or it would be written again without power
			log.Close()
			w.disk.losePower(rnd)
			w.disk.set(nil)
			list, res := w.read("log")
			if list = list[:res.Commands]; len(list) < done {
				t.Fatalf("seed %d, life %d: %d units of %d are there, %d were acknowledged", seed, life, len(list), len(all), done)
			}
			for i := range list {
				if list[i] != all[i] {
					t.Fatalf("seed %d, life %d: unit %d is not what was written", seed, life, i)
				}
			}
		}
	}
	if torn < 20 {
		t.Errorf("%d times was something torn", torn)
	}
}

// reopen makes the log whole, as a server does at its start; all is what there is then.
func (w *logWorld) reopen(all *[]string, torn *int) Tail {
	_, res := w.read("log")
	*all = (*all)[:res.Commands]
	if res.Torn != NotTorn {
		*torn++
		if err := CutFile(w.disk, w.path("log"), res.End); err != nil {
			w.t.Fatal(err)
		}
	}
	return res.Tail
}

// TestLineThatIsCut: the checksum line that a log at rest gets comes through by half, and what did cannot be cut off: the next command
// does not stand behind half of a line.
func TestLineThatIsCut(t *testing.T) {
	w := newLogWorld(t, LogOptions{}, nil)
	f := w.file("2")
	l := newAppendLog(f, LogOptions{Policy: SyncNo, Retry: time.Millisecond})
	write := func(words ...string) {
		l.Append(unit(words...))
		batch := l.queue
		l.queue, l.units = nil, 0
		l.writeBatch(batch)
	}
	write("SET", "a", "1")
	f.moved = time.Now().Add(-sumIdle)
	w.disk.short = true
	w.disk.set(func(op, _ string) error {
		if op == "write" || op == "truncate" {
			return syscall.EIO
		}
		return nil
	})
	before := f.size
	l.rest()
	if f.size == before {
		t.Fatal("nothing of the line has come through")
	}
	w.disk.set(nil)
	write("SET", "b", "2")
	l.finish(true)
	if list, res := w.read("2"); len(list) != 2 || res.Torn != NotTorn || res.Sums != 2 {
		t.Errorf("the file has %q, %+v", list, res)
	}
}
