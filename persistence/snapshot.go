// Package persistence keeps the data on disk: snapshots, which are RDB files that redis-server reads and writes too.
//
//	snapshot.go   the parts of a snapshot, in the order in which they are written
//	job.go        writing one while the data goes on changing
//	file.go       a file that appears under its name only when it is complete and on the disk
//	load.go       reading a snapshot of any version since Redis 2.6 into a keyspace; place.go one key of it, crew.go
//	              with several goroutines
//
// A snapshot with the key foo, which holds "bar" and expires, in database 0:
//
//	52 45 44 49 53 30 30 31 30        REDIS0010: the version of the format
//	FA 09 redis-ver 05 7.2.4 …        what can be said of the file: pairs of strings
//	FE 00                             database 0
//	FB 01 01                          keys, and how many of them expire
//	FC 00 10 00 00 18 01 00 00        expires at 0x11800001000 ms
//	00 03 foo 03 bar                  type, key, value (package codec)
//	FF                                the end
//	xx xx xx xx xx xx xx xx           CRC64 of all bytes before, little endian, or 0 if nobody wanted one
package persistence

import (
	"fmt"
	"io"
	"time"

	"larder/keyspace"
	"larder/persistence/codec"
)

// AccessInfo says what of the access words goes into a snapshot.
type AccessInfo uint8

// The kinds of access words; see package eviction.
const (
	NoAccess AccessInfo = iota
	IdleTimes
	Frequencies
)

// SnapshotOptions say how a snapshot is written and what it says of itself.
type SnapshotOptions struct {
	codec.Options
	Checksum   bool
	Access     AccessInfo
	Created    time.Time
	RedisVer   string // the version of Redis that the server stands for
	UsedMemory int64
	AOFBase    bool                 // the snapshot is the base of an append-only log
	Aux        []Aux                // more to say of the file
	Functions  [][]byte             // the source of each library of functions
	Commands   bool                 // not a snapshot but commands that make the same
	Stamp      bool                 // they begin with a line that says when
	KeyDelay   func() time.Duration // waited for after each key, for tests; it is asked again while a job waits
}

// Aux is what a snapshot says of itself under a name. Readers ignore names that they do not know.
type Aux struct{ Name, Value string }

// A Snapshot writes one: NewSnapshot, then Database and Entry in turn, then End. The entries may come in any order, as
// long as each key comes once; databases may come again.
type Snapshot struct {
	recordWriter
	sum *summed
}

// A recordWriter writes keys with their values and what is said of them.
type recordWriter struct {
	w       *codec.Writer
	opt     *SnapshotOptions
	clock   accessClock
	db      int // that was named last, -1 for none
	keys    int64
	num     []byte // a line of a command
	digits  []byte // a number of one
	shipped int64  // what w had written when its bytes were last passed on as a whole
}

// accessClock reads access words.
type accessClock interface {
	Idle(word uint32, now_ms int64) int64
	Count(word uint32, now_ms int64) uint32
}

// summed passes on what is written and keeps its checksum.
type summed struct {
	out io.Writer
	on  bool
	crc uint64
}

func (s *summed) Write(p []byte) (int, error) {
	if s.on {
		s.crc = codec.CRC64(s.crc, p)
	}
	return s.out.Write(p)
}

// NewSnapshot writes to out what stands before the keys.
func NewSnapshot(out io.Writer, ks *keyspace.Keyspace, o SnapshotOptions) *Snapshot {
	sum := &summed{out: out, on: o.Checksum}
	s := &Snapshot{recordWriter{w: codec.NewWriter(sum, o.Options), opt: &o, clock: &ks.Clock, db: -1}, sum}
	if o.Commands {
		if o.Stamp {
			s.w.Raw(fmt.Appendf(nil, "#TS:%d\r\n", o.Created.Unix()))
		}
		for _, code := range o.Functions {
			s.functionCommand(code)
		}
		return s
	}
	s.w.Raw(fmt.Appendf(nil, "REDIS%04d", o.Version))
	s.aux("redis-ver", o.RedisVer)
	s.auxInt("redis-bits", 64)
	s.auxInt("ctime", o.Created.Unix())
	s.auxInt("used-mem", o.UsedMemory)
	for _, a := range o.Aux {
		s.aux(a.Name, a.Value)
	}
	base := int64(0)
	if o.AOFBase {
		base = 1
	}
	s.auxInt("aof-base", base)
	for _, code := range o.Functions {
		s.w.Byte(codec.OpFunction)
		s.w.String(code)
	}
	return s
}

func (s *Snapshot) aux(name, value string) {
	s.w.Byte(codec.OpAux)
	s.w.String([]byte(name))
	s.w.String([]byte(value))
}

func (s *Snapshot) auxInt(name string, value int64) {
	s.w.Byte(codec.OpAux)
	s.w.String([]byte(name))
	s.w.Int(value)
}

// Database says that the entries that follow are of database db, and how many there will be if this is the first time
// that it is said.
func (s *Snapshot) Database(db, keys, volatile int) {
	if s.opt.Commands { // they name their database when they come
		return
	}
	s.database(db)
	if keys > 0 {
		s.w.Byte(codec.OpResizeDB)
		s.w.Len(uint64(keys))
		s.w.Len(uint64(volatile))
	}
}

func (s *recordWriter) database(db int) {
	if s.db != db && s.opt.Commands {
		s.selectCommand(db)
		s.db = db
	} else if s.db != db {
		s.w.Byte(codec.OpSelectDB)
		s.w.Len(uint64(db))
		s.db = db
	}
}

// Entry writes a key with its value. The shard is held. It returns false when there has been an error, which End reports.
func (s *Snapshot) Entry(e *keyspace.Entry) bool {
	s.entry(e)
	return s.w.Err() == nil
}

func (s *recordWriter) entry(e *keyspace.Entry) {
	if s.opt.Commands {
		s.entryCommands(e)
		return
	}
	s.facts(e)
	s.w.Entry(e.Key(), e.Type(), e.Env(), e.Holder())
	s.keys++
}

// facts writes what is said of an entry before its type.
func (s *recordWriter) facts(e *keyspace.Entry) {
	w := s.w
	if at := e.Expire_ms(); at != 0 {
		w.Byte(codec.OpExpireMs)
		w.Fixed64(uint64(at))
	}
	switch s.opt.Access {
	case IdleTimes:
		w.Byte(codec.OpIdle)
		w.Len(uint64(s.clock.Idle(e.Access(), s.opt.Created.UnixMilli())))
	case Frequencies:
		w.Byte(codec.OpFreq)
		w.Byte(byte(s.clock.Count(e.Access(), s.opt.Created.UnixMilli())))
	}
}

// End writes what stands behind the keys and returns the first error of all that was written.
func (s *Snapshot) End() error {
	if s.opt.Commands {
		return s.w.Flush()
	}
	s.w.Byte(codec.OpEOF)
	if err := s.w.Flush(); err != nil {
		return err
	}
	s.w.Fixed64(s.sum.crc)
	return s.w.Flush()
}

// WriteStopped writes a snapshot of all databases to out. All shards are held from beginning to end, so nothing changes
// meanwhile.
func WriteStopped(out io.Writer, ks *keyspace.Keyspace, o SnapshotOptions) (keys int64, err error) {
	s := NewSnapshot(out, ks, o)
	for db := range ks.Databases() {
		keys, volatile := ks.Counts(ks.All(), db)
		if keys == 0 {
			continue
		}
		s.Database(db, keys, volatile)
		s.database(db)
		for i := range ks.Shards() {
			ok := true
			ks.Shard(i).Entries(db, func(e *keyspace.Entry) bool {
				if ok = s.Entry(e); o.KeyDelay != nil {
					time.Sleep(o.KeyDelay())
				}
				return ok
			})
			if !ok {
				return s.keys, s.w.Err()
			}
		}
	}
	return s.keys, s.End()
}
