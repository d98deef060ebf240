package persistence

import (
	"larder/datatypes"
	"larder/datatypes/decimal"
	"larder/keyspace"
	"larder/persistence/codec"
)

// pieces is the record of one large value, which grows while records of other entries are written: what it has so far is
// kept, and goes into the queue as a whole when it is complete. There may be many of them at a time, most with the few elements that
// commands were about to change, so they have no writer of their own. The one that the walk is in the midst of goes into the
// queue chunk by chunk.
type pieces struct {
	s     *saver
	whole []chunk // that are full
	last  []byte  // and what follows
	kept  int64   // bytes of all that
	codec codec.Pieces
	room  []byte // for blocks
	text  []byte // of a string
	tail  []byte // what follows the nodes of a stream

	// Of commands instead of a snapshot:
	key    []byte
	name   string // of the command that adds elements
	width  int    // how many arguments an element is
	left   int    // elements that are still to come
	here   int    // of them those that the command at hand has room for
	at_ms  int64  // the key's expiry
	expire []byte // commands that give the fields of the last one their expiries
}

// Begin is called by the walk with an entry that comes in pieces.
func (s *saver) Begin(db int, e *keyspace.Entry) keyspace.Pieces {
	if s.piece.w == nil {
		s.piece = recordWriter{w: codec.NewWriter(nil, s.job.opt.Options), opt: &s.job.opt, clock: s.clock}
	}
	p := &pieces{s: s}
	w := &s.piece
	t := e.Type()
	blocks := t == datatypes.TypeList || t == datatypes.TypeString || t == datatypes.TypeStream
	if blocks && s.job.opt.Commands { // of it only parts would be commands
		return nil
	}
	w.db = -1
	w.database(db)
	switch {
	case blocks:
		w.facts(e)
		w.w.BeginBlocks(e.Key(), t, e.Env(), e.Holder())
		if t == datatypes.TypeString {
			p.text = make([]byte, 0, len(e.Holder().Bytes()))
		}
		if t == datatypes.TypeStream {
			p.take()
			w.w.EndStream(e.Env(), e.Holder())
			p.tail = append(p.tail, w.w.Bytes()...)
			p.keeps(len(p.tail))
			w.w.Reset()
		}
	case s.job.opt.Commands:
		p.beginCommands(e)
	default:
		w.facts(e)
		p.codec = w.w.BeginPieces(e.Key(), t, e.Env(), e.Holder())
	}
	p.take()
	return p
}

// keeps counts bytes that are kept.
func (p *pieces) keeps(n int) {
	if !p.s.walks {
		p.s.job.ahead.Add(int64(n))
	}
	p.kept += int64(n)
	p.s.job.queue.kept.Add(int64(n))
}

// release hands over what is full.
func (p *pieces) release() []chunk {
	n := sizeOf(p.whole)
	p.kept -= n
	p.s.job.queue.kept.Add(-n)
	whole := p.whole
	p.whole = nil
	return whole
}

// take keeps what has been written.
func (p *pieces) take() {
	w := p.s.piece.w
	b := w.Bytes()
	p.keeps(len(b))
	if len(b) >= codec.ChunkBytes { // an element that is large: it is not copied once more
		p.keepLast()
		p.cut(b)
	} else if p.last = append(p.last, b...); len(p.last) >= codec.ChunkBytes {
		p.keepLast()
	}
	w.Reset()
	if len(p.whole) > 0 && p.s.walks && p.s.stream == nil {
		p.s.stream = p
	}
}

// cut keeps copies of bytes in full chunks.
func (p *pieces) cut(b []byte) {
	for len(b) > 0 {
		n := min(len(b), codec.ChunkBytes)
		c := chunks.Get().(*[]byte)
		*c = append((*c)[:0], b[:n]...)
		p.whole = append(p.whole, chunk{b: c})
		b = b[n:]
	}
}

func (p *pieces) keepLast() {
	p.cut(p.last)
	p.last = p.last[:0]
}

// roomBytes is how much memory for blocks of a list is taken at once.
const roomBytes = 256 << 10

// Block is a block of a list or the next part of a string. It is only copied: to put it into its form takes ten times as long, and is
// left to who writes.
func (p *pieces) Block(b []byte) {
	if p.text != nil {
		p.keeps(len(b))
		p.text = append(p.text, b...)
		return
	}
	p.keep(b, listBlock)
}

// Node is a node of a stream.
func (p *pieces) Node(master datatypes.StreamID, b []byte) {
	p.keep(b, streamNode)
	p.whole[len(p.whole)-1].master = master
}

// keep keeps a copy of what is to be put into its form.
func (p *pieces) keep(b []byte, as form) {
	p.keeps(len(b))
	p.keepLast()
	if len(b) > cap(p.room)-len(p.room) {
		p.room = make([]byte, 0, max(roomBytes, len(b)))
	}
	at := len(p.room)
	p.room = append(p.room, b...)
	kept := p.room[at:len(p.room):len(p.room)]
	p.whole = append(p.whole, chunk{b: &kept, form: as})
	if p.s.walks && p.s.stream == nil {
		p.s.stream = p
	}
}

// Field is a field of a hash.
func (p *pieces) Field(name, value []byte, expire_ms int64) {
	w := &p.s.piece
	if p.name == "" {
		p.codec.Field(name, value, expire_ms)
	} else {
		p.next()
		w.bulk(name)
		w.bulk(value)
		if expire_ms != 0 {
			p.expireField(name, expire_ms)
		}
		if p.here == 0 {
			w.w.Raw(p.expire)
			p.expire = p.expire[:0]
		}
	}
	p.take()
}

// Member is a member of a set.
func (p *pieces) Member(member []byte) {
	if p.name == "" {
		p.codec.Member(member)
	} else {
		p.next()
		p.s.piece.bulk(member)
	}
	p.take()
}

// Scored is a member of a sorted set.
func (p *pieces) Scored(member []byte, score float64) {
	w := &p.s.piece
	if p.name == "" {
		p.codec.Scored(member, score)
	} else {
		p.next()
		w.digits = decimal.Append17(w.digits[:0], score)
		w.bulk(w.digits)
		w.bulk(member)
	}
	p.take()
}

// End follows the last element: the record is complete.
func (p *pieces) End() {
	if p.name != "" {
		p.endCommands()
		p.take()
	}
	p.last = append(p.last, p.tail...)
	p.keepLast()
	if p.text != nil {
		p.whole = append(p.whole, chunk{b: &p.text, form: text})
	}
	if p.s.stream == p {
		p.s.stream = nil
		p.s.job.queue.endStream(p.release())
	} else {
		p.s.job.queue.put(p.release())
	}
	p.s.job.keys.Add(1)
	p.s.keys++
}

// beginCommands takes note of what the commands are to be.
func (p *pieces) beginCommands(e *keyspace.Entry) {
	p.key, p.at_ms = append([]byte(nil), e.Key()...), e.Expire_ms()
	p.left = datatypes.WalkSize(e.Type(), e.Env(), e.Holder())
	switch e.Type() {
	case datatypes.TypeHash:
		p.name, p.width = "HMSET", 2
	case datatypes.TypeSet:
		p.name, p.width = "SADD", 1
	default:
		p.name, p.width = "ZADD", 2
	}
}

// next begins another command if the one at hand is full.
func (p *pieces) next() {
	if p.here == 0 {
		p.here = min(p.left, itemsPerCommand)
		p.s.piece.begin(2+p.here*p.width, p.name)
		p.s.piece.bulk(p.key)
	}
	p.here--
	p.left--
}

// expireField keeps the command that gives a field its expiry until the one that makes it is complete.
func (p *pieces) expireField(name []byte, at_ms int64) {
	p.take()
	p.s.piece.expireField(p.key, name, at_ms)
	p.expire = append(p.expire, p.s.piece.w.Bytes()...)
	p.s.piece.w.Reset()
}

func (p *pieces) endCommands() {
	if p.at_ms != 0 {
		p.s.piece.expireKey(p.key, p.at_ms)
	}
}
