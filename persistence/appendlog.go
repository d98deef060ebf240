package persistence

import (
	"io"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// SyncPolicy says when the log waits for the disk.
type SyncPolicy int32

// The policies of appendfsync.
const (
	SyncNo SyncPolicy = iota
	SyncAlways
	SyncEverysec
)

// An AppendLog writes what it is given to files, behind the back of those who give it. Appending copies and never waits;
// a goroutine writes all that has gathered at once, so many commands share one write and, under SyncAlways, one wait for
// the disk (group commit). Who must not go on before the disk has something compares the position that Append has
// returned with Written or Synced, and is told by Advanced when these have moved.
//
//	Append ---> queue of chunks ---> writer ---> file          Written moves
//	                                   |
//	                                   +--> Sync (always)      Synced moves
//	                     syncer ----------> Sync (everysec)    Synced moves
//
// A wait for the disk costs the same for one unit and for a thousand, and clients that wait for a reply send nothing
// meanwhile. So under SyncAlways the writer gives those who have just been answered a moment to come back before it
// begins the next wait; see gather.
//
// A disk that fails loses nothing: what was not written is kept and tried again, what was written but perhaps not kept
// by the disk is cut off and written again under SyncAlways; under the other policies Suspect tells that the files have
// to be rewritten. Err is the fault for as long as it lasts.
//
// Between units the log says how many bytes stand since the last such line, their CRC-32C, and up to which byte of the
// file the disk is known to have everything:
//
//	#SUM:16421:5e1f09a3:131072\r\n
//
// Lines that begin with # are skipped by redis-server. They tell a damaged middle from a torn tail; see Scan. A plus at the
// end of one says that the file is written in batches, over room that was made for them; see logroom.go.
type AppendLog struct {
	opt    LogOptions
	policy atomic.Int32
	stamps atomic.Bool

	mu       sync.Mutex
	moved    *sync.Cond // written, synced or tries have changed, or the log ended
	queue    []*logChunk
	free     []*logChunk
	file     *LogFile // where what is appended goes
	end      int64    // position of what was appended last
	units    int      // in queue
	hurry    int      // calls of Flush
	writing  *LogFile // where the writer is; changed by the writer, under mu
	stamp    int64    // second that was noted last
	cuts     int      // times that something written was cut off
	switched int64    // doubts that there were when the file was last changed
	tries    uint64   // rounds of the writer and the syncer that ended, well or not
	writeErr error
	syncErr  error
	closed   bool
	ended    bool // the writer has

	pending  atomic.Int64 // bytes in queue and in the writer's hands
	written  atomic.Int64
	synced   atomic.Int64
	size     atomic.Int64 // of the file that is written
	delayed  atomic.Uint64
	syncing  atomic.Int64 // since when the disk is waited for, Unix milliseconds, 0: it is not
	doubts   atomic.Int64 // times that what was written before may have been lost
	trusted  atomic.Int64 // of them, those about files that are not needed any more
	failing  atomic.Bool
	stalled  atomic.Bool
	stall    *time.Timer  // runs while a batch is being written
	crowd    atomic.Int64 // units that gather waits for, 0: it does not wait
	together gathering    // the writer's
	pace     pace         // the writer's
	delay    atomic.Int64
	held     atomic.Bool // SyncEverysec does not wait for the disk
	wake     chan struct{}
	syncWake chan struct{}
	running  sync.WaitGroup

	syncs sync.Mutex // held by who waits for the disk, until he has noted the answer: the system tells of a fault once
}

// LogOptions say how a log is written.
type LogOptions struct {
	Policy    SyncPolicy
	Stamps    bool                         // timestamps once a second: #TS:1700000000
	Now       func() time.Time             // for them; nil is time.Now
	Advanced  func()                       // Written, Synced or Err has changed; called by the log's own goroutines, must not wait
	Report    func(what string, err error) // faults of the disk and the end of them, for the server's log
	Retry     time.Duration                // how long a fault is left alone; 0 is 100 ms
	Every     time.Duration                // between two waits for the disk under SyncEverysec; 0 is a second
	From      int64                        // position that the log begins at: where the one before it has ended
	Stall     time.Duration                // after which a write that is not done is said to be stalled; 0 is 10 ms
	RoomAfter int                          // batches within a second after which room is made for more; 0 is a good many
	Big       Buffers                      // for units of more than a megabyte; nil is the Go heap
}

const (
	sumEvery  = 16 << 10        // bytes of log for each checksum line
	sumIdle   = 5 * time.Second // and at rest after so long
	kickAbove = 256 << 10       // bytes that wait without a Kick
	slowSync  = 2 * time.Second // a wait for the disk that is counted as delayed
)

// NewAppendLog starts a log into a file. Close has to follow.
func NewAppendLog(file *LogFile, o LogOptions) *AppendLog {
	l := newAppendLog(file, o)
	l.running.Go(l.write)
	l.running.Go(l.sync)
	return l
}

// newAppendLog makes a log that writes nothing yet.
func newAppendLog(file *LogFile, o LogOptions) *AppendLog {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Advanced == nil {
		o.Advanced = func() {}
	}
	if o.Report == nil {
		o.Report = func(string, error) {}
	}
	if o.Retry == 0 {
		o.Retry = 100 * time.Millisecond
	}
	if o.Every == 0 {
		o.Every = time.Second
	}
	if o.Stall == 0 {
		o.Stall = 10 * time.Millisecond
	}
	if o.RoomAfter == 0 {
		o.RoomAfter = roomAfter
	}
	l := &AppendLog{opt: o, file: file, writing: file, wake: make(chan struct{}, 1), syncWake: make(chan struct{}, 1)}
	l.moved = sync.NewCond(&l.mu)
	l.policy.Store(int32(o.Policy))
	l.stamps.Store(o.Stamps)
	l.size.Store(file.size)
	l.end = o.From
	l.written.Store(o.From)
	l.synced.Store(o.From)
	l.stall = time.AfterFunc(time.Hour, l.noteStall)
	l.stall.Stop()
	return l
}

// Append takes a unit: requests in the protocol's form that are done all or none. It copies p, never waits, and returns
// the position just behind the unit. The writer begins when Kick is called, or much has gathered.
func (l *AppendLog) Append(p []byte) (end int64) {
	l.mu.Lock()
	if l.stamps.Load() {
		if now := l.opt.Now().Unix(); now > l.stamp {
			l.stamp = now
			l.add(strconv.AppendInt([]byte("#TS:"), now, 10), []byte("\r\n"))
		}
	}
	l.add(p, nil)
	l.units++
	end = l.end
	l.mu.Unlock()
	if l.pending.Load() > kickAbove {
		l.Kick()
	}
	return end
}

// Kick has everything that was appended written.
func (l *AppendLog) Kick() {
	if l.pending.Load() == 0 {
		return
	}
	if crowd := l.crowd.Load(); crowd > 0 && !l.gathered(crowd) {
		return
	}
	signal(l.wake)
}

func (l *AppendLog) gathered(crowd int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return int64(l.units) >= crowd
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Switch has all that is appended from now on go to another file. The one before is closed when it has everything.
func (l *AppendLog) Switch(to *LogFile) (before *LogFile) {
	l.mu.Lock()
	before = l.file
	var c *logChunk
	if k := len(l.queue); k > 0 && l.queue[k-1].file == l.file {
		c = l.queue[k-1]
	} else {
		c = l.newChunk()
		c.end = l.end
		l.queue = append(l.queue, c)
	}
	c.last = true
	l.file = to
	l.switched = l.doubts.Load()
	l.stamp = 0
	l.mu.Unlock()
	signal(l.wake)
	return before
}

// Drop says that a file that was switched from is needed no more, whatever it lacks: something else that the disk has
// tells the same.
func (l *AppendLog) Drop(f *LogFile) {
	f.dropped.Store(true)
	signal(l.wake)
}

// SetDelay makes the log wait before each write, for tests.
func (l *AppendLog) SetDelay(d time.Duration) { l.delay.Store(int64(d)) }

// HoldSync keeps SyncEverysec from waiting for the disk, for as long as it is on.
func (l *AppendLog) HoldSync(on bool) { l.held.Store(on) }

// SetPolicy changes the policy. What was written before is waited for under the new one.
func (l *AppendLog) SetPolicy(p SyncPolicy) {
	l.policy.Store(int32(p))
	signal(l.wake)
}

func (l *AppendLog) always() bool { return SyncPolicy(l.policy.Load()) == SyncAlways }

// SetStamps turns timestamps on or off.
func (l *AppendLog) SetStamps(on bool) { l.stamps.Store(on) }

// End is the position of what was appended last.
func (l *AppendLog) End() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.end
}

// Written is the position up to which everything has been given to the system: it survives the end of the process.
func (l *AppendLog) Written() int64 { return l.written.Load() }

// Synced is the position up to which the disk has everything.
func (l *AppendLog) Synced() int64 { return l.synced.Load() }

// Pending is how many bytes wait to be written.
func (l *AppendLog) Pending() int64 { return l.pending.Load() }

// Size is how many bytes the current file has, without those that wait.
func (l *AppendLog) Size() int64 { return l.size.Load() }

// Delayed counts the rounds of writing that found the disk still busy with what was written two seconds before.
func (l *AppendLog) Delayed() uint64 { return l.delayed.Load() }

// ForgetDelayed has Delayed begin anew.
func (l *AppendLog) ForgetDelayed() { l.delayed.Store(0) }

// Syncing tells whether the disk is being waited for in the background.
func (l *AppendLog) Syncing() bool { return l.syncing.Load() != 0 }

// Stalled tells whether what is being written has not come through for long enough that nobody should wait for it who
// does not have to: Written stands still. It ends with the first write that comes through in time.
func (l *AppendLog) Stalled() bool { return l.stalled.Load() }

// Failing tells whether Err is set, without a lock.
func (l *AppendLog) Failing() bool { return l.failing.Load() }

// Suspect tells whether a wait for the disk has failed, so that what was written before may be missing in the files. It
// stays until Trust.
func (l *AppendLog) Suspect() bool { return l.doubts.Load() > l.trusted.Load() }

// Trust ends Suspect as far as it is about files before the last Switch: they are no longer needed.
func (l *AppendLog) Trust() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trusted.Store(l.switched)
}

// Err is why nothing can be written or kept at the moment.
func (l *AppendLog) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err()
}

func (l *AppendLog) err() error {
	if l.writeErr != nil {
		return l.writeErr
	}
	return l.syncErr
}

// Flush waits until the disk has everything that was appended, or the next attempt at that has failed.
func (l *AppendLog) Flush() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hurry++
	defer func() { l.hurry-- }()
	want, tries := l.end, l.tries
	for l.synced.Load() < want && !l.ended {
		if err := l.err(); err != nil && l.tries > tries+1 {
			return err
		}
		signal(l.wake)
		signal(l.syncWake)
		l.moved.Wait()
	}
	if l.synced.Load() < want {
		return io.ErrClosedPipe
	}
	return nil
}

// Close writes everything if the disk lets it, and ends the log.
func (l *AppendLog) Close() error {
	err := l.Flush()
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	signal(l.wake)
	signal(l.syncWake)
	l.running.Wait()
	return err
}

// write is the writer's goroutine.
func (l *AppendLog) write() {
	tick := time.NewTicker(l.opt.Every)
	defer tick.Stop()
	for {
		l.gather()
		l.mu.Lock()
		batch, units, closed := l.queue, l.units, l.closed
		l.queue, l.units = nil, 0
		l.mu.Unlock()
		if len(batch) > 0 {
			l.stall.Reset(l.opt.Stall)
			if d := l.delay.Load(); d > 0 {
				time.Sleep(time.Duration(d))
			}
			began := time.Now()
			if !l.writeBatch(batch) {
				l.mu.Lock()
				rest := l.queue
				l.queue, l.units = nil, 0
				l.mu.Unlock()
				l.recycle(rest)
				l.finish(false)
				return
			}
			ended := time.Now()
			l.together.spare, l.together.units = min(ended.Sub(began)/4, gatherAtMost), units
			l.together.ways.note(began, ended, units)
			if l.stall.Stop() {
				l.stalled.Store(false)
			}
			continue
		}
		if closed {
			l.finish(true)
			return
		}
		select {
		case <-l.wake:
		case <-tick.C:
			l.rest()
		}
		if l.always() && l.synced.Load() < l.written.Load() { // the policy has changed
			l.syncOnce()
		}
	}
}

// noteStall says that a batch takes long.
func (l *AppendLog) noteStall() {
	l.stalled.Store(true)
	l.opt.Advanced()
}

// writeBatch brings chunks to their files, however long that takes; false if the log was closed before the disk has taken them.
func (l *AppendLog) writeBatch(batch []*logChunk) bool {
	for len(batch) > 0 {
		n := 0 // the chunks of one file
		for n < len(batch) && batch[n].file == batch[0].file {
			n++
		}
		if f := batch[0].file; f != l.writing {
			l.mu.Lock()
			l.writing = f
			l.size.Store(f.size)
			l.mu.Unlock()
		}
		if !l.writeFile(l.writing, batch[:n]) {
			l.recycle(batch)
			return false
		}
		if batch[n-1].last {
			l.leave()
		}
		l.recycle(batch[:n])
		batch = batch[n:]
	}
	if since := l.syncing.Load(); since != 0 && time.Now().UnixMilli()-since > slowSync.Milliseconds() {
		l.delayed.Add(1)
	}
	return true
}

// writeFile writes chunks that belong to one file, again and again until that has succeeded; false if the log was
// closed meanwhile.
func (l *AppendLog) writeFile(f *LogFile, chunks []*logChunk) bool {
	outs := make([][]byte, len(chunks))
	size := logLine
	for _, c := range chunks {
		size += len(c.data) + logLine
	}
	for err := l.makeReady(f, size, l.always()); err != nil; err = l.endRoom(f, l.always()) {
		if f.dropped.Load() {
			break
		}
		if l.noteWrite(err); !l.pauseUnlessClosed() {
			return false
		}
	}
	at := f.size
	for i, c := range chunks {
		plain := c.data
		if f.finish(c, at); c.big && f.seal != nil {
			l.opt.Big.Put(plain)
			c.big = false
		}
		outs[i] = c.data
		at += int64(len(c.data))
	}
	end := chunks[len(chunks)-1].end
	from, before := f.size, l.written.Load() // where the batch stands in the file, and what was written before it
	for done := 0; ; {
		var err error
		for err == nil && done < len(outs) && !f.dropped.Load() {
			if err = l.writeAll(f, &outs[done]); err == nil {
				l.written.Store(max(l.written.Load(), chunks[done].end))
				l.size.Store(f.size)
				done++
			}
		}
		switch {
		case f.dropped.Load():
			err = nil
			l.written.Store(end)
			l.advance(end)
		case err == nil && l.always():
			if err = l.syncBatch(f, from, before); err == nil {
				l.advance(end)
				break
			}
			done = 0
			for i, c := range chunks {
				outs[i] = c.data
			}
		}
		l.noteWrite(err)
		if err == nil {
			for _, c := range chunks {
				l.pending.Add(-c.size)
			}
			l.opt.Advanced()
			return true
		}
		if !l.pauseUnlessClosed() {
			return false
		}
	}
}

// writeAll writes what is left of a chunk. A part of it that came through before an error is cut off again, or if that
// does not work left as it is and not written twice.
func (l *AppendLog) writeAll(f *LogFile, out *[]byte) error {
	n, err := f.f.WriteAt(*out, f.size)
	if err == nil && n < len(*out) {
		err = io.ErrShortWrite
	}
	if err != nil {
		if n > 0 && f.f.Truncate(f.size) != nil {
			f.size += int64(n)
			*out = (*out)[n:]
		} else if n > 0 {
			f.room = 0
		}
		return err
	}
	f.size += int64(n)
	return nil
}

// leave closes the file that is being written: it gets nothing more.
func (l *AppendLog) leave() {
	f := l.writing
	f.dropRoom()
	l.syncs.Lock()
	if err := f.f.Sync(); err == nil {
		l.noteSynced(f, f.size)
		l.advance(l.written.Load())
	} else if !f.dropped.Load() {
		l.doubts.Add(1)
		l.opt.Report("Fail to fsync the AOF file", err)
	}
	f.f.Close()
	l.mu.Lock()
	l.writing = l.file
	if len(l.queue) > 0 {
		l.writing = l.queue[0].file
	}
	l.size.Store(l.writing.size)
	l.mu.Unlock()
	l.syncs.Unlock() // not before: the syncer would come upon a closed file, and who waits in Flush for its answer would get none
	l.opt.Advanced()
}

// finish ends the writing. whole says that the file has all that was for it: what comes behind a gap is worth nothing, and the
// checksum would be one of bytes that are not there.
func (l *AppendLog) finish(whole bool) {
	f := l.writing
	if whole && f.seal == nil && f.since > 0 && l.endLine(f) == nil {
		out := f.sum(nil, f.size)
		l.writeAll(f, &out)
	}
	f.dropRoom()
	f.f.Sync()
	f.f.Close()
	l.mu.Lock()
	l.ended = true
	l.moved.Broadcast()
	l.mu.Unlock()
	signal(l.syncWake)
}

// advance moves Synced forward and tells who waits.
func (l *AppendLog) advance(to int64) {
	l.mu.Lock()
	l.synced.Store(max(l.synced.Load(), to))
	l.moved.Broadcast()
	l.mu.Unlock()
}

// noteWrite notes how a round of writing ended.
func (l *AppendLog) noteWrite(err error) {
	l.note(&l.writeErr, err, "Error writing to the AOF file", "AOF write error looks solved, the server can write again.")
}

func (l *AppendLog) note(place *error, err error, bad, good string) {
	l.mu.Lock()
	before := *place
	*place = err
	l.tries++
	l.failing.Store(l.err() != nil)
	l.moved.Broadcast()
	l.mu.Unlock()
	switch {
	case err != nil && (before == nil || before.Error() != err.Error()):
		l.opt.Report(bad, err)
	case err == nil && before != nil:
		l.opt.Report(good, nil)
	case err == nil:
		return
	}
	l.opt.Advanced()
}

// pauseUnlessClosed leaves a disk alone that has failed; false if the log was closed.
func (l *AppendLog) pauseUnlessClosed() bool {
	t := time.NewTimer(l.opt.Retry)
	defer t.Stop()
	for {
		l.mu.Lock()
		closed := l.closed
		l.mu.Unlock()
		if closed {
			return false
		}
		select {
		case <-t.C:
			return true
		case <-l.wake: // Flush wants to know at once
			l.mu.Lock()
			closed = l.closed
			l.mu.Unlock()
			return !closed
		}
	}
}
