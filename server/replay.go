package server

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"larder/keyspace"
	"larder/persistence"
	"larder/server/command"
	"larder/server/command/spec"
	"larder/server/resp"
)

// A replay does the commands of a log. Most of them touch one shard: these go to a worker of that shard, in packs, so
// that shards are filled side by side, each in the order of the file. A command that touches several shards, or none,
// waits until all packs are done, and is done alone. Transactions are no different: nobody looks meanwhile, and the log
// has been found whole before.
//
//	log -> reader -> packs by shard -> worker shard%n -> shard
//
// Nothing expires while a log is replayed: it says itself what has gone.
type replay struct {
	srv     *Server
	own     *executor // holds all shards, and does everything by itself; nil: the replay takes them
	alone   *replayer
	workers []*replayer
	packs   []*replayPack // by shard, being filled
	free    chan *replayPack
	pending sync.WaitGroup // packs that are with workers
	lead    *persistence.Lead
	running sync.WaitGroup // workers
	db      int
	delay   time.Duration // after each command, for tests
	errors  atomic.Int64
	full    atomic.Bool // the system has refused memory for a command: what follows makes no sense
}

// errReplayMemory ends a replay: with what does not fit left out, the next rewrite would be of less than the log has.
var errReplayMemory = errors.New("out of memory")

// strayDatabase is a database that a log names and that is not there: what is of it belongs nowhere.
type strayDatabase string

func (d strayDatabase) Error() string { return "there is no database " + string(d) }

const (
	replayBytes   = 32 << 10
	replayRecords = keyspace.BatchSize
	replayAhead   = 256 // packs that may be with workers
)

type replayPack struct {
	shard   int
	data    []byte
	args    []int // ends of arguments in data
	records []replayRecord
}

type replayRecord struct {
	row  *command.Row
	db   int
	hash uint64
	args int // end in args
}

// A replayer runs commands of a log.
type replayer struct {
	ex    *executor
	reply resp.Writer
	pool  resp.Pool
	s     *session
	argv  [][]byte
	in    chan *replayPack
}

func newReplay(srv *Server, own *executor) *replay {
	r := &replay{srv: srv, own: own, packs: make([]*replayPack, srv.ks.Shards())}
	r.delay = time.Duration(srv.conf.KeyLoadDelay.Get()) * time.Microsecond
	r.alone = newReplayer(srv, own)
	if own != nil || r.delay > 0 {
		return r
	}
	n := min(runtime.GOMAXPROCS(0), srv.ks.Shards())
	r.free = make(chan *replayPack, srv.ks.Shards()+replayAhead)
	r.lead = persistence.NewLead(replayAhead)
	for range n {
		w := newReplayer(srv, nil)
		w.in = make(chan *replayPack, replayAhead) // sending never waits: all of them may be of one worker
		r.workers = append(r.workers, w)
		r.running.Go(func() {
			for p := range w.in {
				w.runPack(r, p)
				r.pending.Done()
				select {
				case r.free <- p:
				default:
				}
				r.lead.Done()
			}
		})
	}
	return r
}

// newReplayer makes one that runs commands with the shards that own holds, or takes them.
func newReplayer(srv *Server, own *executor) *replayer {
	w := &replayer{}
	w.reply.Init(2, &w.pool)
	w.ex = newExecutor(srv, nil, rand.Uint64())
	w.ex.mute = command.ToLog | command.ToReplicas
	if own != nil {
		w.ex.view = own.view
		w.ex.ctx.View = own.view
		w.ex.inTransaction = true // scripts find their shards taken
		w.ex.within = own
	}
	w.s = &session{srv: srv, ex: w.ex, authed: true, protocol: 2}
	w.ex.setTime()
	w.ex.ctx.Obey = true
	return w
}

// reselect begins a file: it says itself which database is meant.
func (r *replay) reselect() { r.db = 0 }

// do does one command. The arguments need not stay.
func (r *replay) do(argv [][]byte, raw []byte) error {
	if r.full.Load() {
		return errReplayMemory
	}
	row, _ := r.srv.table.Find(argv)
	if row == nil || row.Run == nil {
		return unknownInLog(argv[0])
	}
	switch row.Name {
	case "multi", "exec":
		return nil
	case "select":
		n, err := strconv.Atoi(string(argv[min(1, len(argv)-1)]))
		if err != nil || n < 0 || n >= r.srv.ks.Databases() {
			return strayDatabase(argv[min(1, len(argv)-1)])
		}
		r.db = n
		return nil
	}
	if !row.ArityOK(len(argv)) {
		r.failed(row, argv, resp.WrongArgs(row.Name))
		return nil
	}
	if len(r.workers) > 0 && row.Single > 0 && row.Single < len(argv) && len(raw) < replayBytes {
		r.give(row, argv)
		return nil
	}
	if err := r.flush(); err != nil {
		return err
	}
	w := r.alone
	if row.Renames && w.isFar(r, argv) {
		r.rename(row, argv)
		return nil
	}
	set := w.ex.locksOf(row, argv)
	if row.Locks == command.NoneOfThem && row.Has(spec.Write) {
		set = r.srv.ks.All()
	}
	if r.own == nil && set != 0 {
		w.ex.view.Take(set)
		defer w.ex.view.Release()
	}
	w.run(r, row, argv, r.db)
	if r.delay > 0 {
		time.Sleep(r.delay)
	}
	return nil
}

// isFar tells whether a RENAME wants a stopped world. No pack is with a worker.
func (w *replayer) isFar(r *replay, argv [][]byte) bool {
	v, ks := w.ex.view, r.srv.ks
	if r.own == nil {
		set := w.ex.shardsOf(argv[1:])
		v.Take(set)
		defer v.Release()
	}
	v.DB, v.AllLive, v.ServeExpired = r.db, true, true
	return ks.Shards() > 1 && v.Far(argv[1], argv[2])
}

// rename does a RENAME of which the new key becomes a stray.
func (r *replay) rename(row *command.Row, argv [][]byte) {
	do := func(own *executor, w *replayer) {
		own.view.Strayed = own.strayed
		w.run(r, row, argv, r.db)
		own.view.Strayed = nil
	}
	if r.own != nil {
		do(r.own, r.alone)
		return
	}
	r.srv.inWorldDo(func(ex *executor) {
		live := ex.view.AllLive
		do(ex, newReplayer(r.srv, ex))
		ex.view.AllLive = live
		ex.follow()
	})
}

// give puts a command into the pack of its shard.
func (r *replay) give(row *command.Row, argv [][]byte) {
	h := r.srv.ks.Hash(argv[row.Single])
	shard := r.srv.ks.ShardOf(h)
	p := r.packs[shard]
	if p == nil {
		select {
		case p = <-r.free:
			p.shard, p.data, p.args, p.records = shard, p.data[:0], p.args[:0], p.records[:0]
		default:
			p = &replayPack{shard: shard}
		}
		r.packs[shard] = p
	}
	for _, a := range argv {
		p.data = append(p.data, a...)
		p.args = append(p.args, len(p.data))
	}
	p.records = append(p.records, replayRecord{row, r.db, h, len(p.args)})
	if len(p.data) >= replayBytes || len(p.records) == replayRecords {
		r.send(shard)
	}
}

func (r *replay) send(shard int) {
	p := r.packs[shard]
	r.packs[shard] = nil
	r.pending.Add(1)
	r.lead.More()
	r.workers[shard%len(r.workers)].in <- p
}

// flush waits until everything has been done. The error is that it could not.
func (r *replay) flush() error {
	for i, p := range r.packs {
		if p != nil {
			r.send(i)
		}
	}
	r.pending.Wait()
	if r.full.Load() {
		return errReplayMemory
	}
	return nil
}

// end ends the workers. What was not flushed is not done.
func (r *replay) end() {
	for _, w := range r.workers {
		close(w.in)
	}
	r.running.Wait()
	if r.own != nil {
		r.own.setTime()
		r.own.view.AllLive = false
	}
	if n := r.errors.Load(); n > 0 {
		r.srv.log.Warn(fmt.Sprintf("%d commands of the append only files have replied an error", n))
	}
}

func (w *replayer) runPack(r *replay, p *replayPack) {
	ex := w.ex
	ex.view.Take(1 << p.shard)
	defer ex.view.Release()
	for i := range p.records {
		ex.srv.ks.Stage(&ex.staged, p.records[i].db, p.records[i].hash)
	}
	ex.staged.Load()
	at, arg := 0, 0
	for i := range p.records {
		rec := &p.records[i]
		w.argv = w.argv[:0]
		for ; arg < rec.args; arg++ {
			w.argv = append(w.argv, p.data[at:p.args[arg]:p.args[arg]])
			at = p.args[arg]
		}
		ex.view.Hint(w.argv[rec.row.Single], rec.hash)
		w.run(r, rec.row, w.argv, rec.db)
	}
}

// run does a command with its shards held.
func (w *replayer) run(r *replay, row *command.Row, argv [][]byte, db int) {
	ex, c := w.ex, &w.ex.ctx
	v := ex.view
	v.DB, v.AllLive, v.ServeExpired = db, true, true
	w.s.db = db
	c.Client, c.Reply, c.MayBlock, c.Again = w.s, &w.reply, false, false
	ex.run(row, argv, nil)
	ex.unit.reset()
	if ex.starved {
		r.full.Store(true)
	}
	if c.Failed() {
		r.failed(row, argv, w.reply.LastErr)
	}
	w.reply.Empty()
}

// failed notes a command that replies an error: it did the same when it was logged, or the data is not what it was then.
func (r *replay) failed(row *command.Row, argv [][]byte, e resp.Error) {
	if r.errors.Add(1) <= 10 {
		key := ""
		if row.Single > 0 && row.Single < len(argv) {
			key = r.srv.shownKey(argv[row.Single])
		}
		r.srv.log.Warn(fmt.Sprintf("A command of the append only file, %s %q, replies: %s", row.Name, key, r.srv.shownError(e)))
	}
}
