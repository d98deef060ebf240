package persistence

import (
	"bytes"
	"time"
)

// A wait for the disk takes longer if the file has become longer: the system has to note its length and where its new
// blocks are, and on most file systems that is a second trip to the disk. So a log that waits for the disk all the time
// (SyncAlways, many batches a second) is given room ahead, and its batches are written over that:
//
//	...EC\r\n | #SUM:812:5e1f09a3:90112+\r\n | ############ ... ####\n
//	 commands   the plus: batches follow       room, ends at a multiple of roomAlign
//
//	...EC\r\n | #SUM:812:5e1f09a3:90112+\r\n | *3\r\n$3\r\nSET...#SUM:64:0cc175b9:90150+\r\n | ###### ... ####\n
//	                                           a batch ends with a line of its own
//
// The room is one long annotation wherever it begins, so that redis-server reads such a file as it is, too, and may write
// behind it: therefore the end of line, and see badRoom. It is given back when the log rests, ends, goes on in another file,
// or waits for the disk no more; what the loss of a process leaves of it is cut off at the next start.
//
// When the power goes in the midst of a batch, any of its sectors may have come to the disk, and the others are still
// room, also before bytes that look whole. So each batch ends with a checksum line as long as batches are announced, and
// counts as a whole or not at all: Scan goes back to the last line that fits if what follows it lacks sectors or its own
// line, and no later line knows that the disk had it; see scan.brokenBatch. The line behind the first units that are
// written when batches are announced no more, also after a start, has no plus, and is written with them: until then the
// last line of the file still says that batches follow, and whatever has no line of its own could be cut off.
//
// Tried: to have the system reserve the blocks (fallocate), which saves half of it: that a block is in use has to be noted,
// too. To keep the room as zeros, which no redis-server would load.
const (
	roomAlign  = 64 << 10    // where room ends
	roomStep   = 512 << 10   // made at once
	roomLeast  = 64 << 10    // behind each batch
	roomMost   = 128 << 10   // a batch that is longer gets no room before: it would be written twice
	roomPeriod = time.Second // in which there have to be roomAfter batches
	sector     = 512         // bytes that a disk writes as a whole or not
)

// pace tells whether batches come so fast that room is worth it.
type pace struct {
	batches int
	from    time.Time
}

// steady counts a batch, and tells whether there were after of them within a period.
func (p *pace) steady(now time.Time, after int) bool {
	if p.batches == 0 || now.Sub(p.from) > roomPeriod {
		p.batches, p.from = 0, now
	}
	p.batches++
	return p.batches >= after
}

// makeReady has the file ready for n bytes, under SyncAlways if always. An error is one of writing.
func (l *AppendLog) makeReady(f *LogFile, n int, always bool) error {
	if err := l.endLine(f); err != nil {
		return err
	}
	switch {
	case f.seal != nil:
		return nil
	case always && f.batched && n <= roomMost:
		if f.room >= f.size+int64(n)+roomLeast || f.extendRoom() == nil {
			return nil
		}
	case always && !f.batched && l.pace.steady(time.Now(), l.opt.RoomAfter):
		if l.announce(f) == nil {
			return nil
		}
		l.pace = pace{} // not again for a while
	}
	return l.endRoom(f, always)
}

// announce says that batches follow, and makes the first room. When it returns nil, the disk has both.
func (l *AppendLog) announce(f *LogFile) error {
	since, crc, said := f.since, f.crc, f.said
	f.batched = true
	line := f.sum(nil, f.size)
	end := f.size + int64(len(line))
	f.room = end
	_, err := f.f.WriteAt(line, f.size)
	if err == nil {
		err = f.writeRoom(end, end)
	}
	if err == nil {
		l.syncs.Lock()
		defer l.syncs.Unlock()
		if err = f.f.Sync(); err != nil {
			l.doubt(f, f.size)
		}
	}
	if err != nil {
		f.batched, f.since, f.crc, f.said = false, since, crc, said
		return err
	}
	f.size = end
	l.noteSynced(f, f.size)
	return nil
}

// extendRoom puts more room behind the file, in the place of its last end of line.
func (f *LogFile) extendRoom() error { return f.writeRoom(max(f.size, f.room-1), f.size) }

// writeRoom writes room from a place on, for a file whose commands end at end. What it leaves is noted even if it fails. It goes in
// pieces: all of it at once would be half a megabyte of garbage each time.
func (f *LogFile) writeRoom(at, end int64) error {
	to := (end + roomLeast + roomStep + roomAlign - 1) / roomAlign * roomAlign
	if badRoom(end, to) {
		to += roomAlign
	}
	f.room = to
	p := bytes.Repeat([]byte("#"), roomAlign)
	for at < to {
		if left := to - at; left <= roomAlign {
			p = p[:left]
			p[left-1] = '\n'
		}
		if _, err := f.f.WriteAt(p, at); err != nil {
			return err
		}
		at += int64(len(p))
	}
	return nil
}

// badRoom tells whether room between two places cannot be read: redis-server reads it in pieces of noteLine bytes, of which
// the last one would be the end of line alone, which it does not take for an annotation.
func badRoom(from, to int64) bool { return to > from && (to-1-from)%noteLine == 0 }

// endRoom makes the file end where what was written ends. After that batches are not told from each other, unless they
// still are announced, or the disk does not take the new end: room that came back when the power goes, behind a line that
// announces nothing, would be no torn batch, but damage.
func (l *AppendLog) endRoom(f *LogFile, announced bool) error {
	if err := l.endLine(f); err != nil {
		return err
	}
	if err := f.dropRoom(); err != nil || announced || !f.batched {
		return err
	}
	l.syncs.Lock()
	defer l.syncs.Unlock()
	if err := f.f.Sync(); err != nil {
		l.doubt(f, f.size)
		return nil
	}
	l.noteSynced(f, f.size)
	f.batched = false
	return nil
}

// rest follows a moment without anything to write: the last bytes get their checksum line, too.
func (l *AppendLog) rest() {
	f := l.writing
	if f.batched && time.Since(f.moved) >= l.opt.Every {
		l.endRoom(f, false)
	}
	if f.seal != nil || f.since == 0 || time.Since(f.moved) < sumIdle || l.failing.Load() {
		return
	}
	since, crc, said, at := f.since, f.crc, f.said, f.size
	out := f.sum(nil, at)
	if l.writeAll(f, &out) != nil { // somebody who has more to write will tell
		if f.size > at {
			f.owed = out
		} else {
			f.since, f.crc, f.said = since, crc, said
		}
		return
	}
	l.size.Store(f.size)
	signal(l.syncWake)
}

// endLine writes what is owed: a command behind half of a line would be lost in it.
func (l *AppendLog) endLine(f *LogFile) error {
	if len(f.owed) == 0 {
		return nil
	}
	err := l.writeAll(f, &f.owed)
	if err == nil {
		f.owed = nil
	}
	return err
}

// dropRoom makes the file end where what was written ends.
func (f *LogFile) dropRoom() error {
	if f.room > f.size {
		if err := f.f.Truncate(f.size); err != nil {
			return err
		}
	}
	f.room = 0
	return nil
}

// isRoom tells whether an annotation is nothing but room.
func isRoom(raw []byte) bool {
	return len(raw) >= 2 && raw[0] == '#' && allOf(bytes.TrimSuffix(raw, []byte("\n")), '#')
}
