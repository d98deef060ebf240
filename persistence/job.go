package persistence

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"larder/datatypes"
	"larder/keyspace"
	"larder/persistence/codec"
)

// A Job writes a snapshot while the data goes on changing. What it writes is the data of the moment of Begin.
//
//	walker      goes through the shards, each a little at a time, and shows their entries to
//	savers      one for each shard, which turn entries into bytes; commands that are about to change an entry have it
//	            shown to them, too, on their own goroutine
//	queue       of whole records in chunks; the walker waits while it is long, commands never do
//	Run         writes what is in the queue
//
// A shard is held for some ten microseconds at a time. Large values come in pieces (pieces.go): of a hash, a set or a sorted set a
// command that is about to change an element has some eight written, of a list, a stream or a string what is left of it.
type Job struct {
	ks     *keyspace.Keyspace
	opt    SnapshotOptions
	savers []*saver
	dbs    []dbCount
	total  int64
	keys   atomic.Int64
	ahead  atomic.Int64 // bytes of memory of the entries that were written because they were about to change
	queue  queue
	walkID keyspace.WalkID
}

type dbCount struct{ db, keys, volatile int }

const (
	walkBudget = 64      // entries that are shown while a shard is held once
	queueHigh  = 4 << 20 // bytes in the queue from which on the walker waits
)

// ErrAborted is the error of a job that somebody has aborted.
var ErrAborted = errors.New("the snapshot was aborted")

// Begin begins a job. All shards are held: that is the moment of the snapshot. Run has to follow.
func Begin(ks *keyspace.Keyspace, o SnapshotOptions) *Job {
	j := &Job{ks: ks, opt: o}
	j.queue.init()
	for db := range ks.Databases() {
		if keys, volatile := ks.Counts(ks.All(), db); keys > 0 {
			j.dbs = append(j.dbs, dbCount{db, keys, volatile})
			j.total += int64(keys)
		}
	}
	j.walkID = ks.BeginWalk(func(int) keyspace.Saver {
		s := &saver{job: j, recordWriter: recordWriter{opt: &j.opt, clock: &ks.Clock, db: -1}}
		s.w = codec.NewWriter(s, o.Options)
		j.savers = append(j.savers, s)
		return s
	})
	return j
}

// Progress is how many keys have been saved, of how many.
func (j *Job) Progress() (keys, total int64) { return j.keys.Load(), j.total }

// Ahead is how much memory the entries took that commands have changed before the walk came to them: what a process that
// forks would have had to copy, give or take the pages.
func (j *Job) Ahead() int64 { return j.ahead.Load() }

// Backlog is how many bytes wait to be written, those included that are kept until their record is complete.
func (j *Job) Backlog() int64 { return j.queue.size.Load() + j.queue.kept.Load() }

// Abort makes Run return ErrAborted soon, if it has not ended. Any goroutine may call it, with or without shards held.
func (j *Job) Abort() { j.queue.fail(ErrAborted) }

// Failed is closed when the job has been aborted, or out has failed: what it writes is of no use any more.
func (j *Job) Failed() <-chan struct{} { return j.queue.stop }

// End is Abort for a caller who holds all shards: at once no shard is in the job's walk any more.
func (j *Job) End() {
	j.Abort()
	for i := range j.ks.Shards() {
		j.ks.Shard(i).EndWalk(j.walkID)
	}
}

// Run writes the snapshot to out. It returns when all is written, or with the first error of out. No shard is held by
// the caller. After Abort out may be nil.
func (j *Job) Run(out io.Writer) error {
	if out == nil || j.queue.failed() != nil {
		out = io.Discard
	}
	s := NewSnapshot(out, j.ks, j.opt)
	for _, c := range j.dbs {
		s.Database(c.db, c.keys, c.volatile)
	}
	err := s.w.Flush()
	if err != nil {
		j.queue.fail(err)
	}
	var walker sync.WaitGroup
	walker.Go(j.walk)
	for {
		item, ok := j.queue.next()
		if !ok {
			break
		}
		for _, c := range item {
			if err := c.write(s); err != nil {
				j.queue.fail(err)
			}
			j.queue.done(c)
		}
	}
	walker.Wait()
	if err := j.queue.failed(); err != nil {
		return err
	}
	return s.End()
}

// walk goes through all shards, in turns, until each of them has shown all it has. Whatever happens, no shard is in the
// walk afterwards.
func (j *Job) walk() {
	open := keyspace.Set(j.ks.All())
	for open != 0 {
		for i := range j.ks.Shards() {
			if open&(1<<i) == 0 {
				continue
			}
			more, streams := j.step(i, open == 1<<i) // the same one as before
			for more && streams {
				more, streams = j.step(i, true)
			}
			if !more {
				open &^= 1 << i
			}
		}
	}
	j.queue.close()
}

// step is a step through shard i. again: the step before was in the same one. It tells whether there is more, and whether the
// saver is in the midst of a value that goes into the queue as it comes: until that ends nothing else is to be begun.
func (j *Job) step(i int, again bool) (more, streams bool) {
	ok := j.queue.room()
	if again {
		j.ks.GiveWay(1 << i)
	}
	j.ks.Lock(1 << i)
	sh, s := j.ks.Shard(i), j.savers[i]
	before := s.keys
	s.walks = true
	if more = ok && sh.WalkStep(j.walkID, walkBudget); !more {
		sh.EndWalk(j.walkID)
	}
	s.walks = false
	s.endStep(!more)
	streams = s.stream != nil
	shown := s.keys - before
	j.ks.Unlock(1 << i)
	j.delay(shown)
	return more, streams
}

// delay waits as long as some keys shall take.
func (j *Job) delay(keys int64) {
	if j.opt.KeyDelay == nil || keys == 0 {
		return
	}
	const look = 50 * time.Millisecond
	for began := time.Now(); ; {
		left := j.opt.KeyDelay()*time.Duration(keys) - time.Since(began)
		if left <= 0 || !j.queue.wait(min(left, look)) {
			return
		}
	}
}

// A saver turns the entries of one shard into records. It is only used while the shard is held.
type saver struct {
	recordWriter
	job   *Job
	walks bool    // it is the walk that shows entries, not a command
	chunk []chunk // of the records that are being gathered

	piece  recordWriter // of elements of large values, one by one; made when it is first needed
	stream *pieces      // whose chunks go into the queue before it is complete; nil if there is none
}

// Save is called by the walk with each entry.
func (s *saver) Save(db int, e *keyspace.Entry) {
	s.database(db)
	s.entry(e)
	s.job.keys.Add(1)
	if !s.walks {
		s.job.ahead.Add(int64(e.Memory()))
	}
	if s.w.Written()-s.shipped >= codec.ChunkBytes {
		s.ship()
	}
}

// Write gathers a piece of what the codec has written: it may be memory of the shard.
func (s *saver) Write(p []byte) (int, error) {
	c := chunks.Get().(*[]byte)
	*c = append((*c)[:0], p...)
	s.chunk = append(s.chunk, chunk{b: c})
	return len(p), nil
}

// ship puts what was gathered into the queue: whole records, which begin by naming their database.
func (s *saver) ship() {
	s.w.Flush()
	s.shipped = s.w.Written()
	if len(s.chunk) > 0 {
		s.job.queue.put(s.chunk)
		s.chunk = nil
	}
	s.db = -1
}

// endStep follows a step of the walk: what little was gathered waits for more unless this was the last step.
func (s *saver) endStep(last bool) {
	if p := s.stream; p != nil && len(p.whole) > 0 {
		s.job.queue.stream(p.release())
	}
	if last {
		s.ship()
	}
}

// A chunk is a piece of a record.
type chunk struct {
	b      *[]byte
	form   form
	master datatypes.StreamID // of a node
}

// form is what is still to be done with a chunk when it is written.
type form uint8

const (
	asItIs     form = iota
	listBlock       // it is a listpack, of a list
	streamNode      // the same, of a stream
	text            // it is a string
)

// write writes the chunk into a snapshot.
func (c chunk) write(s *Snapshot) error {
	switch c.form {
	case listBlock:
		s.w.ListBlock(*c.b)
	case streamNode:
		s.w.StreamNode(c.master, *c.b)
	case text:
		s.w.String(*c.b)
	default:
		_, err := s.sum.Write(*c.b)
		return err
	}
	return s.w.Flush()
}

// chunks are buffers of ChunkBytes.
var chunks = sync.Pool{New: func() any {
	b := make([]byte, 0, codec.ChunkBytes)
	return &b
}}

// A queue is records that wait to be written. A long one may come in parts (stream): until its last part is there, what others put
// waits aside.
type queue struct {
	mu    sync.Mutex
	moved *sync.Cond // something has changed
	items [][]chunk
	size  atomic.Int64 // bytes, those aside included
	kept  atomic.Int64 // bytes of records that are still to come; see pieces

	streams   bool // a record has come in part
	aside     [][]chunk
	asideSize int64

	end  bool
	err  error
	stop chan struct{} // closed with the first error
}

func (q *queue) init() {
	q.moved = sync.NewCond(&q.mu)
	q.stop = make(chan struct{})
}

// put appends an item. It never waits.
func (q *queue) put(item []chunk) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err != nil {
		return
	}
	n := sizeOf(item)
	q.size.Add(n)
	if q.streams {
		q.aside, q.asideSize = append(q.aside, item), q.asideSize+n
		return
	}
	q.items = append(q.items, item)
	q.moved.Broadcast()
}

// sizeOf is how many bytes the chunks have.
func sizeOf(item []chunk) (n int64) {
	for _, c := range item {
		n += int64(len(*c.b))
	}
	return n
}

// stream appends a part of a record that is not complete. There is no other one of that kind.
func (q *queue) stream(part []chunk) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.appendPart(part)
}

func (q *queue) appendPart(part []chunk) {
	if q.err != nil {
		return
	}
	q.streams = true
	q.size.Add(sizeOf(part))
	q.items = append(q.items, part)
	q.moved.Broadcast()
}

// endStream appends the last part, and what waits aside.
func (q *queue) endStream(part []chunk) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.appendPart(part)
	q.items = append(q.items, q.aside...)
	q.streams, q.aside, q.asideSize = false, nil, 0
}

// next is the first item. It waits for one, and is false when there will be none any more.
func (q *queue) next() (item []chunk, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.items) == 0 && !q.end && q.err == nil {
		q.moved.Wait()
	}
	if len(q.items) == 0 || q.err != nil {
		return nil, false
	}
	item = q.items[0]
	if q.items = q.items[1:]; len(q.items) == 0 {
		q.items = nil
	}
	return item, true
}

// done gives a chunk back that has been written.
func (q *queue) done(c chunk) {
	n := int64(len(*c.b))
	if c.form == asItIs {
		chunks.Put(c.b)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	left := q.size.Add(-n) - q.asideSize
	if left < queueHigh && left+n >= queueHigh {
		q.moved.Broadcast()
	}
}

// room waits until the queue is short. What waits aside does not count: it goes on only when the walker does. It is false after an error.
func (q *queue) room() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.size.Load()-q.asideSize >= queueHigh && q.err == nil {
		q.moved.Wait()
	}
	return q.err == nil
}

// wait waits that long, or until there is an error.
func (q *queue) wait(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-q.stop:
		return false
	}
}

// fail makes err the queue's error unless there is one, and forgets what waits.
func (q *queue) fail(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err == nil {
		q.err = err
		q.items, q.aside = nil, nil
		close(q.stop)
		q.moved.Broadcast()
	}
}

func (q *queue) failed() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.err
}

// close says that nothing more comes.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.end = true
	q.moved.Broadcast()
}
