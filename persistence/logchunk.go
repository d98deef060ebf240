package persistence

// A logChunk is what the writer of an AppendLog writes at once: units that have gathered, or a long one alone.
type logChunk struct {
	file *LogFile
	data []byte
	size int64 // of what was appended
	end  int64
	last bool // nothing more comes for file
	big  bool // data is from LogOptions.Big
}

const (
	chunkMax  = 1 << 20  // bytes of units that are written at once; one unit may be longer
	chunkKept = 64 << 10 // memory that a chunk keeps for the next time
)

// Buffers makes memory outside of the Go heap: a value of half a gigabyte should be gone when it is in the file, not at some
// later collection.
type Buffers interface {
	Get(n int) []byte // len 0, cap >= n; nil if there is none
	Put(b []byte)     // takes back what Get has given
}

// add puts a unit, in one or two parts, behind what waits. mu is held.
func (l *AppendLog) add(p, more []byte) {
	n := len(p) + len(more)
	var c *logChunk
	if k := len(l.queue); k > 0 && l.queue[k-1].file == l.file && len(l.queue[k-1].data)+n <= chunkMax {
		c = l.queue[k-1]
	} else {
		c = l.newChunk()
		l.queue = append(l.queue, c)
	}
	if n > chunkMax { // once for all, with a checksum line
		l.makeRoom(c, n+logLine)
	}
	c.data = append(append(c.data, p...), more...)
	l.end += int64(n)
	c.end = l.end
	c.size += int64(n)
	l.pending.Add(int64(n))
}

// makeRoom gives a chunk that has nothing yet room for n bytes.
func (l *AppendLog) makeRoom(c *logChunk, n int) {
	if l.opt.Big != nil {
		if b := l.opt.Big.Get(n); b != nil {
			c.data, c.big = b, true
			return
		}
	}
	c.data = withRoom(c.data, n)
}

func (l *AppendLog) newChunk() *logChunk {
	if n := len(l.free); n > 0 {
		c := l.free[n-1]
		l.free = l.free[:n-1]
		*c = logChunk{file: l.file, data: c.data[:0]}
		return c
	}
	return &logChunk{file: l.file}
}

func (l *AppendLog) recycle(chunks []*logChunk) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range chunks {
		if c.big {
			l.opt.Big.Put(c.data)
		}
		if c.big || cap(c.data) > chunkKept {
			c.data, c.big = nil, false
		}
		c.file = nil
		if len(l.free) < 8 {
			l.free = append(l.free, c)
		}
	}
}
