package persistence

import (
	"sync"
	"sync/atomic"

	"larder/keyspace"
	"larder/persistence/codec"
)

// A crew fills shards side by side. One goroutine reads the file: it only measures records, hashes their keys and
// copies them into a pack for their shard. Full packs go to the worker of the shard, which takes the shard once for all
// of a pack and looks all of its keys up together. Long records the reader places by itself, in their shard.
//
//	file -> reader -> packs by shard -> worker shard%n -> shard
//
// The records of a shard are placed in the order of the file. The reader is several times as fast as a worker.
type crew struct {
	workers []*worker
	lead    *Lead   // of the reader, in packs
	packs   []*pack // by shard, being filled
	free    chan *pack
	done    sync.WaitGroup
	failed  atomic.Pointer[error] // the first one
	key     codec.Reader          // reads the keys
}

const (
	packBytes   = 32 << 10
	packRecords = keyspace.BatchSize
	packsAhead  = 256 // that may be on their way
)

// A pack is records of one shard.
type pack struct {
	shard   int
	data    []byte
	records []record
}

type record struct {
	typ   byte
	db    int
	hash  uint64
	end   int // in data
	facts facts
}

type worker struct {
	placer
	reader codec.Reader
	in     chan *pack
	batch  keyspace.Batch
}

// runWithCrew is run with o.Workers workers.
func (l *loader) runWithCrew() error {
	c := &crew{packs: make([]*pack, l.ks.Shards()), free: make(chan *pack, l.ks.Shards()+packsAhead), lead: NewLead(packsAhead)}
	l.crew = c
	if lapsed := l.o.Lapsed; lapsed != nil {
		var one sync.Mutex
		l.o.Lapsed = func(db int, key []byte) {
			one.Lock()
			defer one.Unlock()
			lapsed(db, key)
		}
	}
	if skipped := l.o.Skipped; skipped != nil {
		var one sync.Mutex
		l.o.Skipped = func(key []byte) {
			one.Lock()
			defer one.Unlock()
			skipped(key)
		}
	}
	for range min(l.o.Workers, l.ks.Shards()) {
		w := &worker{in: make(chan *pack, packsAhead)} // sending never waits: all of them may be of one worker
		w.placer = placer{r: &w.reader, v: keyspace.NewView(l.ks), ks: l.ks, o: l.o}
		w.v.NoTouch, w.v.Now = true, l.v.Now
		c.workers = append(c.workers, w)
		c.done.Go(func() { w.work(c) })
	}
	err := l.run()
	for _, p := range c.packs {
		if p != nil && err == nil {
			c.send(p)
		}
	}
	for _, w := range c.workers {
		close(w.in)
	}
	c.done.Wait()
	for _, w := range c.workers {
		l.res.Keys += w.res.Keys
		l.res.Expired += w.res.Expired
		l.res.Empty += w.res.Empty
	}
	if first := c.failed.Load(); first != nil {
		return *first
	}
	return err
}

// give passes the next record on.
func (c *crew) give(l *loader, typ byte, f facts) error {
	if first := c.failed.Load(); first != nil {
		return *first
	}
	raw, ok := l.r.Record(typ)
	if !ok {
		return l.placeAlone(typ, f)
	}
	c.key.ReadBytes(raw)
	key := c.key.String()
	if c.key.Err() != nil || len(key) > keyspace.MaxKey {
		return codec.ErrCorrupt
	}
	h := l.ks.Hash(key)
	shard := l.ks.ShardOf(h)
	p := c.packs[shard]
	if p == nil {
		p = c.newPack(shard)
		c.packs[shard] = p
	}
	p.data = append(p.data, raw...)
	p.records = append(p.records, record{typ, l.v.DB, h, len(p.data), f})
	if len(p.data) >= packBytes || len(p.records) == packRecords {
		c.packs[shard] = nil
		c.send(p)
	}
	return nil
}

func (c *crew) newPack(shard int) *pack {
	select {
	case p := <-c.free:
		p.shard, p.data, p.records = shard, p.data[:0], p.records[:0]
		return p
	default:
		return &pack{shard: shard}
	}
}

func (c *crew) send(p *pack) {
	c.lead.More()
	c.workers[p.shard%len(c.workers)].in <- p
}

// placeAlone reads a record from the file itself, which stands behind the type byte.
func (l *loader) placeAlone(typ byte, f facts) error {
	if err := l.readKey(typ); err != nil {
		return err
	}
	h := l.ks.Hash(l.key)
	shard := l.ks.ShardOf(h)
	if p := l.crew.packs[shard]; p != nil {
		l.crew.packs[shard] = nil
		l.crew.send(p)
	}
	l.v.Take(1 << shard)
	defer l.v.Release()
	return l.placeValue(typ, h, f)
}

// work places packs until there are no more. After an error it only takes them.
func (w *worker) work(c *crew) {
	for p := range w.in {
		if c.failed.Load() == nil {
			if err := w.placeAll(p); err != nil {
				c.failed.CompareAndSwap(nil, &err)
			}
		}
		select {
		case c.free <- p:
		default:
		}
		c.lead.Done()
	}
}

func (w *worker) placeAll(p *pack) error {
	w.v.Take(1 << p.shard)
	defer w.v.Release()
	for i := range p.records {
		w.ks.Stage(&w.batch, p.records[i].db, p.records[i].hash)
	}
	w.batch.Load()
	from := 0
	for i := range p.records {
		rec := &p.records[i]
		w.v.DB = rec.db
		w.reader.ReadBytes(p.data[from:rec.end:rec.end])
		from = rec.end
		if err := w.readKey(rec.typ); err != nil {
			return err
		}
		if err := w.placeValue(rec.typ, rec.hash, rec.facts); err != nil {
			return err
		}
	}
	return nil
}
