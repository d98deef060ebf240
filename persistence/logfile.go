package persistence

import (
	"fmt"
	"hash/crc32"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// A LogFile is one file of a log while it is written.
type LogFile struct {
	f    DiskFile
	size int64 // what the file has, without what failed

	since int64 // bytes since the last checksum line, and their checksum
	crc   uint32
	moved time.Time // when since last changed

	mu      sync.Mutex
	synced  int64       // what the disk is known to have
	dropped atomic.Bool // nobody needs it any more
	seal    *sealer
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// CreateLogFile makes a new file for a log, or a sealed one with key. Its name is on the disk when SyncDir has been
// called for the folder.
func CreateLogFile(disk Disk, path string, key *Key) (*LogFile, error) {
	f, err := disk.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	lf := &LogFile{f: f, moved: time.Now()}
	if key != nil {
		var head []byte
		if lf.seal, head, err = newSealer(key, sealedLog); err == nil {
			_, err = f.Write(head)
			lf.size = int64(len(head))
		}
	}
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	lf.synced = lf.size
	return lf, nil
}

// OpenLogFile opens a file that Scan has read to its end, to append to it. A sealed file is never appended to.
func OpenLogFile(disk Disk, path string, tail Tail) (*LogFile, error) {
	f, err := disk.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.Size() != tail.End {
		err = fmt.Errorf("the file has %d bytes now, not %d", info.Size(), tail.End)
	}
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &LogFile{f: f, size: tail.End, since: tail.Since, crc: tail.CRC, synced: tail.End, moved: time.Now()}, nil
}

// Close closes a file that no log has been given.
func (f *LogFile) Close() error { return f.f.Close() }

// finish makes of a chunk what is written: sealed, or with a checksum line where one is due.
func (f *LogFile) finish(c *logChunk) {
	if f.seal != nil {
		c.data = f.seal.frames(nil, c.data)
		return
	}
	f.since += int64(len(c.data))
	f.crc = crc32.Update(f.crc, castagnoli, c.data)
	f.moved = time.Now()
	if f.since >= sumEvery || c.last && f.since > 0 {
		c.data = f.sum(c.data)
	}
}

// sum appends a checksum line.
func (f *LogFile) sum(p []byte) []byte {
	f.mu.Lock()
	synced := f.synced
	f.mu.Unlock()
	p = fmt.Appendf(p, "#SUM:%d:%08x:%d\r\n", f.since, f.crc, synced)
	f.since, f.crc = 0, 0
	return p
}

func (f *LogFile) setSynced(to int64) {
	f.mu.Lock()
	f.synced = max(f.synced, to)
	f.mu.Unlock()
}
