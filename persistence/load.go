package persistence

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"larder/datatypes"
	"larder/keyspace"
	"larder/persistence/codec"
)

// LoadOptions say how a snapshot is read.
type LoadOptions struct {
	Now_ms      int64
	Checksum    bool // compare the checksum if the file has one
	KeepExpired bool // keys whose time is over are loaded too: the file belongs to a primary or to a log
	Replace     bool // a key that is there already is replaced; else it is an error

	Function func(code []byte) error  // is given each library of functions; nil ignores them
	Aux      func(name, value string) // is given what the file says of itself
	Skipped  func(key []byte)         // is given the keys of empty collections, which are left out
	Progress func(read int64) error   // is called about every ProgressEvery bytes; an error ends the loading
	Every    int64                    // bytes between two calls of Progress
	KeyDelay time.Duration            // is waited after each key, for tests
}

// LoadResult counts what was found.
type LoadResult struct {
	Version               int
	Keys, Expired, Empty  int64
	Bytes                 int64
	Unchecked, NoChecksum bool // the checksum was not compared; it was not there
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
// Memory beyond the data: two buffers of at most the longest string.
func Load(src io.Reader, size int64, v *keyspace.View, o LoadOptions) (res LoadResult, err error) {
	l := &loader{r: codec.NewReader(src, size), v: v, ks: v.Keyspace(), o: o, res: &res}
	l.mine = v.Held() == 0
	from, noTouch := v.DB, v.NoTouch
	v.DB, v.NoTouch = 0, true
	if l.mine {
		v.Take(l.ks.All())
	}
	err = l.run()
	if l.mine {
		v.Release()
	}
	v.DB, v.NoTouch = from, noTouch
	res.Bytes = l.r.Pos()
	if err != nil {
		err = fmt.Errorf("%w (at byte %d)", err, res.Bytes)
	}
	return res, err
}

type loader struct {
	r    *codec.Reader
	v    *keyspace.View
	ks   *keyspace.Keyspace
	o    LoadOptions
	res  *LoadResult
	mine bool // the loader takes the shards and releases them

	told, held int64 // where Progress was called, and where the shards were taken
	holder     datatypes.MemHolder
	key        []byte

	// of the next key
	expire int64 // -1: none
	idle   int64
	freq   int64
}

func (l *loader) run() error {
	if err := l.header(); err != nil {
		return err
	}
	l.forget()
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
			err = l.entry(op)
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
	if string(b[:5]) != "REDIS" {
		return ErrSignature
	}
	l.res.Version, _ = strconv.Atoi(string(b[5:]))
	if l.res.Version < 1 || l.res.Version > codec.LastVersion {
		return VersionError(l.res.Version)
	}
	return nil
}

// forget ends what was said of the next key.
func (l *loader) forget() { l.expire, l.idle, l.freq = -1, -1, -1 }

// operation does what op says unless it is the type of a value.
func (l *loader) operation(op byte) (done bool, err error) {
	r := l.r
	switch op {
	case codec.OpExpire:
		l.expire = int64(int32(r.Fixed32())) * 1000
	case codec.OpExpireMs:
		l.expire = int64(r.Fixed64())
	case codec.OpFreq:
		l.freq = int64(r.Byte())
	case codec.OpIdle:
		l.idle = int64(min(r.Len(), maxIdle_s))
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

// maxIdle_s is the longest time since an access that an access word can tell.
const maxIdle_s = 1 << 23

// entry reads a key and its value.
func (l *loader) entry(typ byte) error {
	r, v := l.r, l.v
	t, ok := codec.KindOf(typ)
	if !ok {
		if codec.IsModule(typ) {
			name := string(r.String())
			return fmt.Errorf("%w: the key %q holds data of the module %q", codec.ErrModule, name, r.SkipModuleValue(typ))
		}
		return fmt.Errorf("unknown type of value %d", typ)
	}
	l.key = append(l.key[:0], r.String()...)
	if r.Err() != nil {
		return r.Err()
	}
	if len(l.key) > keyspace.MaxKey {
		return fmt.Errorf("a key of %d bytes", len(l.key))
	}
	how := keyspace.Loaded{Expire_ms: max(0, l.expire)}
	over := l.expire != -1 && l.expire < l.o.Now_ms && !l.o.KeepExpired
	switch clock := v.Clock(); {
	case clock.LFU && l.freq >= 0:
		how.Access, how.HasAccess = clock.FreqWord(uint8(l.freq), l.o.Now_ms), true
	case !clock.LFU && l.idle >= 0:
		how.Access, how.HasAccess = clock.IdleWord(l.idle, l.o.Now_ms), true
	}
	if l.expire == 0 { // at the beginning of time: long over, but not "never"
		how.Expire_ms = 1
	}
	l.forget()
	v.Hint(l.key, l.ks.Hash(l.key))
	if !over && v.Has(l.key) {
		if !l.o.Replace {
			return DatabaseError(fmt.Sprintf("RDB has duplicated key '%s' in DB %d", l.key, v.DB))
		}
		v.Delete(l.key)
	}
	if t == datatypes.TypeString {
		return l.text(how, over)
	}
	l.holder.SetEnc(datatypes.EncBlob)
	l.holder.Resize(0)
	switch err := r.Value(typ, v.EnvOf(l.key), &l.holder); {
	case errors.Is(err, codec.ErrEmpty):
		l.res.Empty++
		if l.o.Skipped != nil {
			l.o.Skipped(l.key)
		}
		return nil
	case err != nil:
		v.Discard(l.key, t, &l.holder)
		return err
	case over:
		v.Discard(l.key, t, &l.holder)
		l.res.Expired++
		return nil
	}
	if !v.ReserveFor(l.key, len(l.holder.Bytes())) {
		v.Discard(l.key, t, &l.holder)
		return codec.ErrMemory
	}
	v.Load(l.key, t, &l.holder, how)
	l.loaded()
	return nil
}

// text reads a string.
func (l *loader) text(how keyspace.Loaded, over bool) error {
	r, v := l.r, l.v
	if !over && r.Long(func(n int) []byte {
		if n > keyspace.MaxValue || !v.ReserveFor(l.key, n) {
			return nil
		}
		return v.LoadBytes(l.key, n, how)
	}) {
		if r.Err() != nil && v.Has(l.key) {
			v.Delete(l.key)
		} else {
			l.loaded()
		}
		return r.Err()
	}
	s := r.String()
	switch {
	case r.Err() != nil:
		return r.Err()
	case over:
		l.res.Expired++
		return nil
	case !v.ReserveFor(l.key, len(s)):
		return codec.ErrMemory
	}
	v.LoadString(l.key, s, how)
	l.loaded()
	return nil
}

func (l *loader) loaded() {
	l.res.Keys++
	if len(l.v.Events) > 0 {
		l.v.ResetEvents() // nobody hears of keys that were always there
	}
	if l.o.KeyDelay > 0 {
		time.Sleep(l.o.KeyDelay)
	}
}

// pause lets others have the shards for a moment, and says how far the loading is.
func (l *loader) pause() error {
	at := l.r.Pos()
	if l.mine && (at-l.held >= loadBatch || l.o.KeyDelay > 0) {
		l.held = at
		l.v.Release()
		defer func() { l.v.Take(l.ks.All()) }()
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
