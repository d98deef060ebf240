package persistence

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"larder/keyspace"
	"larder/persistence/codec"
)

// LoadOptions say how a snapshot is read.
type LoadOptions struct {
	Now_ms      int64
	Checksum    bool // compare the checksum if the file has one
	KeepExpired bool // keys whose time is over are loaded too: the file belongs to a primary or to a log
	Replace     bool // a key that is there already is replaced; else it is an error
	Discard     bool // every value is read and none is kept
	Workers     int  // how many goroutines fill the shards, if the loader takes them; 0 or 1: none but the caller's

	Function func(code []byte) error                           // is given each library of functions; nil ignores them
	Aux      func(name, value string)                          // is given what the file says of itself
	Seen     func(key []byte, typ byte, expire_ms, size int64) // is given each key that was read, its expiry or -1, and its bytes
	Skipped  func(key []byte)                                  // is given the keys of empty collections, which are left out
	Shown    func(key []byte) string                           // is how errors name a key; nil: as it is
	Progress func(read int64) error                            // is called about every Every bytes; an error ends the loading
	Lapsed   func(db int, key []byte)                          // is given the keys that are left out because their time is over
	Every    int64
	KeyDelay time.Duration // is waited after each key, for tests
}

// LoadResult counts what was found.
type LoadResult struct {
	Version              int
	Keys, Expired, Empty int64
	Bytes                int64
	Unchecked            bool // the checksum was not compared
	NoChecksum           bool // the file has none
}

// Errors of Load that say more than that the file is damaged.
var (
	ErrSignature = errors.New("Wrong signature trying to load DB from file") //lint:ignore ST1005 operators search logs for this text
	ErrChecksum  = errors.New("RDB CRC error")
)

// VersionError is a version of the format that is not understood.
type VersionError int

// Error makes it an error.
func (v VersionError) Error() string {
	return "Can't handle RDB format version " + strconv.Itoa(int(v))
}

// DatabaseError is a database that is not there, or a key that comes twice.
type DatabaseError string

// Error makes it an error.
func (e DatabaseError) Error() string { return string(e) }

// loadBatch is how many bytes are read while the shards are held.
const loadBatch = 256 << 10

// Load reads a snapshot of size bytes (-1 if unknown) into the databases of v's keyspace. If v holds no shard they are
// taken and released in turns, else v must hold all of them. The error tells at which byte the fault was noticed; what
// was loaded until then stays.
//
// Memory beyond the data: two buffers of at most the longest string, and, with several workers, up to 32 KiB for each shard and for
// each of 256 packs that are on their way.
func Load(src io.Reader, size int64, v *keyspace.View, o LoadOptions) (res LoadResult, err error) {
	l := &loader{placer: placer{r: codec.NewReader(src, size), v: v, ks: v.Keyspace(), o: &o}, mine: v.Held() == 0}
	from, noTouch, live := v.DB, v.NoTouch, v.AllLive
	v.DB, v.NoTouch, v.AllLive = 0, true, true // what is there is there, though its time may be over: else it would be there twice
	switch {
	case l.mine && o.Workers > 1 && o.KeyDelay == 0:
		err = l.runWithCrew()
	case l.mine:
		v.Take(l.ks.All())
		err = l.run()
		v.Release()
	default:
		err = l.run()
	}
	v.DB, v.NoTouch, v.AllLive = from, noTouch, live
	l.res.Bytes = l.r.Pos()
	if err != nil {
		err = fmt.Errorf("%w (at byte %d)", err, l.res.Bytes)
	}
	return l.res, err
}

// A loader reads a file from beginning to end. It places keys itself, or has a crew for that.
type loader struct {
	placer
	mine  bool  // the loader takes the shards and releases them
	crew  *crew // nil: the loader does it all
	told  int64 // where Progress was called
	held  int64 // where the shards were taken
	slept int64 // keys that KeyDelay was waited for
	next  facts
}

// facts are what a file says of a key before it comes.
type facts struct {
	expire int64 // Unix milliseconds, -1 if not said
	idle   int64 // seconds, -1 if not said
	freq   int64 // -1 if not said
}

var noFacts = facts{-1, -1, -1}

func (l *loader) run() error {
	if err := l.header(); err != nil {
		return err
	}
	l.next = noFacts
	for {
		op := l.r.Byte()
		if err := l.r.Err(); err != nil {
			return err
		}
		if op == codec.OpEOF {
			return l.end()
		}
		done, err := l.operation(op)
		if err == nil && !done {
			if typ := codec.TypeIn(l.res.Version, op); l.crew != nil {
				err = l.crew.give(l, typ, l.next)
			} else {
				err = l.place(typ, l.next)
			}
			l.next = noFacts
		}
		if err == nil {
			err = l.r.Err()
		}
		if err == nil {
			err = l.pause()
		}
		if err != nil {
			return err
		}
	}
}

func (l *loader) header() error {
	b := l.r.Raw(9)
	if b == nil {
		return l.r.Err()
	}
	digits, valkey := bytes.CutPrefix(b, []byte(signatureValkey))
	if !valkey {
		var redis bool
		if digits, redis = bytes.CutPrefix(b, []byte(signature)); !redis {
			return ErrSignature
		}
	}
	l.res.Version, _ = strconv.Atoi(string(digits))
	if !codec.Readable(l.res.Version) || valkey != (l.res.Version == codec.VersionValkey9) {
		return VersionError(l.res.Version)
	}
	return nil
}

// How snapshots begin; the version follows.
const (
	signature       = "REDIS"
	signatureValkey = "VALKEY"
)

// SignatureSize is how many bytes BeginsSnapshot looks at.
const SignatureSize = len(signature)

// BeginsSnapshot tells whether a file that begins with b is a snapshot, or has one at its beginning.
func BeginsSnapshot(b []byte) bool {
	return len(b) >= SignatureSize && (string(b[:SignatureSize]) == signature || string(b[:SignatureSize]) == signatureValkey[:SignatureSize])
}

// maxIdle_s is the longest time since an access that an access word can tell.
const maxIdle_s = 1 << 23

// operation does what op says unless it is the type of a value.
func (l *loader) operation(op byte) (done bool, err error) {
	r := l.r
	switch op {
	case codec.OpExpire:
		l.next.expire = int64(int32(r.Fixed32())) * 1000
	case codec.OpExpireMs:
		l.next.expire = int64(r.Fixed64())
	case codec.OpFreq:
		l.next.freq = int64(r.Byte())
	case codec.OpIdle:
		l.next.idle = int64(min(r.Len(), maxIdle_s))
	case codec.OpSelectDB:
		db := r.Len()
		if db >= uint64(l.ks.Databases()) {
			return true, DatabaseError(fmt.Sprintf("the file was written by a server with more than %d databases", l.ks.Databases()))
		}
		l.v.DB = int(db)
	case codec.OpResizeDB:
		r.Len()
		r.Len()
	case codec.OpSlotInfo:
		r.Len()
		r.Len()
		r.Len()
	case codec.OpSlotImport:
		if l.res.Version != codec.VersionValkey9 {
			return false, nil
		}
		r.String()
		for n := r.Count(2); n > 0; n-- {
			r.Len()
			r.Len()
		}
	case codec.OpAux:
		name := string(r.String())
		value := string(r.String())
		if l.o.Aux != nil && r.Err() == nil {
			l.o.Aux(name, value)
		}
	case codec.OpFunction:
		code := r.String()
		if l.o.Function != nil && r.Err() == nil {
			return true, l.o.Function(code)
		}
	case codec.OpFunctionPre:
		return true, errors.New("functions in a form that was never released")
	case codec.OpModuleAux:
		r.SkipModuleAux() // data beside the keys, of no meaning without the module
	default:
		return false, nil
	}
	return true, nil
}

// pause lets others have the shards for a moment, and says how far the loading is.
func (l *loader) pause() error {
	at := l.r.Pos()
	if l.mine && l.crew == nil && (at-l.held >= loadBatch || l.o.KeyDelay > 0) {
		l.held = at
		l.v.Release()
		defer func() { l.v.Take(l.ks.All()) }()
	}
	if l.o.KeyDelay > 0 {
		time.Sleep(l.o.KeyDelay * time.Duration(l.res.Keys-l.slept))
		l.slept = l.res.Keys
	}
	if l.o.Progress != nil && at-l.told >= l.o.Every {
		l.told = at
		return l.o.Progress(at)
	}
	return nil
}

// end reads the checksum.
func (l *loader) end() error {
	if l.res.Version < 5 {
		return nil
	}
	want := l.r.Sum()
	got := l.r.Fixed64()
	switch {
	case l.r.Err() != nil:
		return l.r.Err()
	case !l.o.Checksum:
		l.res.Unchecked = true
	case got == 0:
		l.res.NoChecksum = true
	case got != want:
		return fmt.Errorf("%w: expected %x but got %x", ErrChecksum, got, want)
	}
	return nil
}
