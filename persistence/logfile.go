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

	room    int64 // where the file ends, if that is behind size: see logroom.go
	batched bool  // the last checksum line says that batches follow

	mu      sync.Mutex
	synced  int64       // what the disk is known to have
	dropped atomic.Bool // nobody needs it any more
	seal    *sealer
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// CreateLogFile makes a new file for a log, or a sealed one with key. Its name is on the disk when SyncDir has been
// called for the folder.
func CreateLogFile(disk Disk, path string, key *Key) (*LogFile, error) {
	f, err := disk.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	lf := &LogFile{f: f, moved: time.Now()}
	if key != nil {
		var head []byte
		if lf.seal, head, err = newSealer(key, sealedLog); err == nil {
			_, err = f.WriteAt(head, 0)
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
	f, err := disk.OpenFile(path, os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.Size() != tail.End+tail.Room {
		err = fmt.Errorf("the file has %d bytes now, not %d", info.Size(), tail.End+tail.Room)
	}
	if err == nil && tail.Room > 0 {
		err = f.Truncate(tail.End)
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

// finish makes of a chunk what is written at a place of the file: sealed, or with a checksum line where one is due. ends: no
// other chunk of its batch follows.
func (f *LogFile) finish(c *logChunk, at int64, ends bool) {
	if f.seal != nil {
		c.data = f.seal.frames(nil, c.data)
		return
	}
	f.since += int64(len(c.data))
	f.crc = crc32.Update(f.crc, castagnoli, c.data)
	f.moved = time.Now()
	if f.since >= sumEvery || f.since > 0 && (c.last || f.batched && ends) {
		c.data = f.sum(c.data, at)
	}
}

// sum appends a checksum line to p, which is going to stand at a place of the file.
func (f *LogFile) sum(p []byte, at int64) []byte {
	f.mu.Lock()
	l := sumLine{bytes: f.since, crc: f.crc, synced: f.synced, batches: f.batched}
	f.mu.Unlock()
	f.since, f.crc = 0, 0
	n := len(p)
	if p = l.append(p); f.batched && badRoom(at+int64(len(p)), f.room) {
		l.longer = true
		p = l.append(p[:n])
	}
	return p
}

func (f *LogFile) setSynced(to int64) {
	f.mu.Lock()
	f.synced = max(f.synced, to)
	f.mu.Unlock()
}
