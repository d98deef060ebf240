package replication

import (
	"sync"
	"sync/atomic"
)

// A Stream is bytes that are appended at its end and read by any number of readers, each from its own position. It
// keeps the last bytes, so many as it was told, and all that a reader has still to read. What readers get is the
// stream's own memory: a byte is kept once, however many read it.
//
//	start                                            end
//	  |  chunk  |  chunk  |  chunk  |  chunk  |  chu..|
//	       ^ reader                      ^ reader
//
// Any goroutine may use it; a reader belongs to one at a time.
type Stream struct {
	mu          sync.Mutex
	first, last *chunk
	keep        int64
	readers     int
	size        int64    // of all chunks, with what they have room for
	free        [][]byte // memory of chunks that are gone
	end         atomic.Int64
}

// chunk is a piece of the stream. Its bytes never change once they are written, until it is gone and nobody is in it.
type chunk struct {
	at      int64 // position of the first byte
	data    []byte
	next    *chunk
	readers int  // that are in it
	left    bool // a reader was closed in it, and somebody may still look at what that has given
}

func (c *chunk) end() int64 { return c.at + int64(len(c.data)) }

// size is the memory that it takes.
func (c *chunk) size() int64 { return int64(cap(c.data)) + chunkOverhead }

// Chunks have a part of what is kept, so that what is kept is about that, within bounds.
const (
	chunkLeast = 16 << 10 // as the least that repl-backlog-size may be
	chunkMost  = 256 << 10
	chunkPart  = 16
)

// NewStream begins a stream at a position, which keeps that many bytes.
func NewStream(at, keep int64) *Stream {
	s := &Stream{keep: keep}
	s.first = &chunk{at: at}
	s.last = s.first
	s.size = s.first.size()
	s.end.Store(at)
	return s
}

// Append adds a copy of p and returns the new end. It never waits for readers.
func (s *Stream) Append(p []byte) (end int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	end = s.end.Load() + int64(len(p))
	for len(p) > 0 {
		room := cap(s.last.data) - len(s.last.data)
		if room == 0 {
			c := &chunk{at: s.last.end(), data: s.memory()}
			s.last.next, s.last = c, c
			s.size += c.size()
			room = cap(c.data)
		}
		n := min(room, len(p))
		s.last.data = append(s.last.data, p[:n]...)
		p = p[n:]
	}
	s.end.Store(end)
	s.trim()
	return end
}

// trim forgets chunks that nobody reads and that are not to be kept.
func (s *Stream) trim() {
	end := s.end.Load()
	for c := s.first; c.readers == 0 && c.next != nil && end-c.end() >= s.keep; c = s.first {
		s.first = c.next
		s.size -= c.size()
		if cap(c.data) > 0 && !c.left && (len(s.free)+1)*cap(c.data) <= freeMost {
			s.free = append(s.free, c.data[:0])
		}
	}
}

// memory is room for a chunk.
func (s *Stream) memory() []byte {
	if n := len(s.free); n > 0 {
		b := s.free[n-1]
		s.free = s.free[:n-1]
		return b
	}
	return make([]byte, 0, max(chunkLeast, min(s.keep/chunkPart, chunkMost)))
}

// freeMost is how much memory of chunks is kept for the next ones: as much as may be on its way of a snapshot, the chunks of
// which are small. Left to the garbage collector they were a tenth of what a primary takes at the most during a
// full synchronization.
const freeMost = 4 << 20

// SetKeep changes how many bytes are kept.
func (s *Stream) SetKeep(keep int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keep = keep
	s.trim()
	s.free = nil // of another size
}

// End is the position after the last byte.
func (s *Stream) End() int64 { return s.end.Load() }

// Start is the position of the first byte that is still there.
func (s *Stream) Start() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.first.at
}

// Readers is how many readers there are.
func (s *Stream) Readers() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.readers
}

// Behind is how many bytes the slowest reader has still to read, 0 without readers.
func (s *Stream) Behind() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := s.first; c != nil; c = c.next {
		if c.readers > 0 {
			return s.end.Load() - c.at
		}
	}
	return 0
}

// Size is the memory that the stream takes, in bytes: chunks with what they have room for.
func (s *Stream) Size() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.size
}

// chunkOverhead is what a chunk takes besides its bytes.
const chunkOverhead = 64

// A Reader is somebody's place in a stream.
type Reader struct {
	s      *Stream
	c      *chunk
	off    int
	closed bool
}

// Reader makes a reader at a position. It is nil if the bytes from there on are not there any more, or not yet.
func (s *Stream) Reader(at int64) *Reader {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at < s.first.at || at > s.end.Load() {
		return nil
	}
	c := s.first
	for c.next != nil && at >= c.end() {
		c = c.next
	}
	c.readers++
	s.readers++
	return &Reader{s: s, c: c, off: int(at - c.at)}
}

// Next is up to most bytes that come next, none if the reader is at the end or closed. They stay as they are until the next
// call. The reader is behind them afterwards.
func (r *Reader) Next(most int) []byte {
	s := r.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.closed {
		return nil
	}
	for r.off == len(r.c.data) && r.c.next != nil {
		r.c.readers--
		r.c, r.off = r.c.next, 0
		r.c.readers++
		s.trim()
	}
	n := min(most, len(r.c.data)-r.off)
	b := r.c.data[r.off : r.off+n : r.off+n]
	r.off += n
	return b
}

// Pos is the position of the next byte.
func (r *Reader) Pos() int64 { return r.c.at + int64(r.off) }

// Left is how many bytes are there to be read. Any goroutine may call it, and gets a number of about now.
func (r *Reader) Left() int64 {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	return r.s.end.Load() - r.Pos()
}

// Close ends the reader. It may be called again, and by any goroutine, also while another one is in Next or looks at what
// that has given.
func (r *Reader) Close() {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	if r.closed {
		return
	}
	r.closed = true
	r.c.left = true
	r.c.readers--
	r.s.readers--
	r.s.trim()
}
