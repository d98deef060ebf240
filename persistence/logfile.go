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
	owed  []byte    // of a checksum line whose beginning stands at the end, and does not go

	room    int64 // where the file ends, if that is behind size: see logroom.go
	batched bool  // batches are announced, and each ends with a checksum line that says so
	said    bool  // the last checksum line says that batches follow, also when they do not any more

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

// OpenLogFile opens a file that Scan has read to its end, to append to it. A sealed file is never appended to. What stands
// behind a line that says that batches follow gets its own line here: else it would be cut off together with the first
// batch, if the power goes in the midst of that.
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
	lf := &LogFile{f: f, size: tail.End, since: tail.Since, crc: tail.CRC, said: tail.Batches, synced: tail.End, moved: time.Now()}
	if err == nil && lf.said && lf.since > 0 {
		err = lf.endBatches()
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return lf, nil
}

// endBatches writes a line that does not say that batches follow, and waits for the disk. Without space for it the file stays
// as it is: a full disk keeps no server from its start.
func (f *LogFile) endBatches() error {
	since, crc, said := f.since, f.crc, f.said
	line := f.sum(nil, f.size)
	if _, err := f.f.WriteAt(line, f.size); err != nil {
		f.since, f.crc, f.said = since, crc, said
		return f.f.Truncate(f.size)
	}
	f.size += int64(len(line))
	if err := f.f.Sync(); err != nil {
		return err
	}
	f.synced = f.size
	return nil
}

// Close closes a file that no log has been given.
func (f *LogFile) Close() error { return f.f.Close() }

// finish makes of a chunk what is written at a place of the file: sealed, or with a checksum line where one is due. Behind a
// line that says that batches follow that is every chunk: the syncer may come between two of a batch, and what it has
// waited for is acknowledged. The first line after the batches is written together with what it is about, for the same reason.
func (f *LogFile) finish(c *logChunk, at int64) {
	if f.seal != nil {
		c.data = f.seal.frames(nil, c.data)
		return
	}
	f.since += int64(len(c.data))
	f.crc = crc32.Update(f.crc, castagnoli, c.data)
	f.moved = time.Now()
	if f.since >= sumEvery || f.since > 0 && (c.last || f.batched || f.said) {
		c.data = f.sum(c.data, at)
	}
}

// sum appends a checksum line to p, which is going to stand at a place of the file.
func (f *LogFile) sum(p []byte, at int64) []byte {
	f.mu.Lock()
	l := sumLine{bytes: f.since, crc: f.crc, synced: f.synced, batches: f.batched}
	f.mu.Unlock()
	f.since, f.crc, f.said = 0, 0, f.batched
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
