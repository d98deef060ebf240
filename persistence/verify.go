package persistence

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"strings"
	"time"

	"larder/datatypes"
	"larder/keyspace"
	"larder/persistence/codec"
)

// SnapshotReport is what Verify has found in a snapshot.
type SnapshotReport struct {
	LoadResult
	Size      int64 // of the file
	Sealed    bool
	Aux       []Aux
	Functions [][]byte // the source of each library
	Volatile  int64    // keys that expire
	Over      int64    // of those, before now
	Types     [datatypes.TypeStream + 1]TypeReport
	Written   int // version of what Repair has written
}

// TypeReport counts the keys of one type.
type TypeReport struct {
	Keys    int64
	Bytes   int64 // in the file, keys included
	Largest int64
	Key     string // of the largest
}

// VerifyOptions say how a file is looked at.
type VerifyOptions struct {
	Keys     Keys
	Progress func(read, size int64) error

	room int64 // bytes of memory for the keys of a shard, for tests; 0: what a shard has
}

// Verify reads a snapshot as if it were loaded, every value and the checksum, and keeps nothing of it. The report is
// filled as far as that went.
func Verify(path string, o VerifyOptions) (rep SnapshotReport, err error) {
	ks, err := scratch(1, o.room)
	if err != nil {
		return rep, err
	}
	defer ks.Close()
	return rep, readInto(ks, path, o, &rep, true)
}

// Unjudged tells whether an error of Verify says nothing about the file: it could not be read, or not without a key, memory for
// what it holds is missing, or it may be whole for a server that is newer or has modules.
func Unjudged(err error) bool {
	_, system := errors.AsType[*os.PathError](err)
	_, newer := errors.AsType[VersionError](err)
	return system || newer || errors.Is(err, ErrSealed) || errors.Is(err, ErrNoKey) || errors.Is(err, codec.ErrMemory) || errors.Is(err, codec.ErrModule)
}

// Repair writes those keys of a damaged snapshot that stand before the damage as a new snapshot to the same path. What
// was there stays under another name, which is returned. All the keys have to fit into memory: where they do not, the file
// stays as it is.
func Repair(disk Disk, path string, o VerifyOptions) (rep SnapshotReport, old string, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return rep, "", err
	}
	shards := 1
	for shards < keyspace.MaxShards && int64(shards)*bytesPerShard < info.Size() {
		shards *= 2
	}
	ks, err := scratch(shards, o.room)
	if err != nil {
		return rep, "", err
	}
	defer ks.Close()
	damage := readInto(ks, path, o, &rep, false)
	if damage == nil {
		return rep, "", nil
	}
	if rep.Version == 0 || Unjudged(damage) {
		return rep, "", damage
	}
	if old, err = setAside(path); err != nil {
		return rep, "", err
	}
	rep.Written = codec.Version70
	if rep.Written < rep.Version && rep.Version <= codec.Version74 {
		rep.Written = rep.Version
	}
	err = WriteFile(disk, path, "temp-repair.rdb", false, func(f *File) error {
		so := SnapshotOptions{Checksum: true, Created: time.Now(), Functions: rep.Functions}
		for _, a := range rep.Aux { // the position is not that of a part: who went on from there would never get the rest
			if !strings.HasPrefix(a.Name, "repl-") {
				so.Aux = append(so.Aux, a)
			}
		}
		so.Options = codec.Options{Version: rep.Written, Compress: true}
		if !rep.Sealed {
			_, err := WriteStopped(f, ks, so)
			return err
		}
		w, err := NewSealWriter(f, o.Keys.Current())
		if err == nil {
			_, err = WriteStopped(w, ks, so)
		}
		if err == nil {
			err = w.Close()
		}
		return err
	})
	if err != nil && sameFile(path, old) { // it stays as it is, and needs no second name
		disk.Remove(old)
		old = ""
	}
	return rep, old, err
}

// sameFile tells whether two names are of one file.
func sameFile(a, b string) bool {
	one, err := os.Lstat(a)
	other, e := os.Lstat(b)
	return err == nil && e == nil && os.SameFile(one, other)
}

// setAside gives a file that is going to be replaced another name, by which it is found then.
func setAside(path string) (string, error) {
	for i := 1; ; i++ {
		to := fmt.Sprintf("%s.damaged-%d", path, i)
		if _, err := os.Lstat(to); errors.Is(err, os.ErrNotExist) {
			return to, os.Link(path, to)
		}
	}
}

// bytesPerShard is how much of a file goes to each shard: a shard has room for 32 GiB, and what is compressed may take several
// times as much as in the file.
const bytesPerShard = 2 << 30

func scratch(shards int, room int64) (*keyspace.Keyspace, error) {
	seed := maphash.MakeSeed()
	return keyspace.New(keyspace.Options{
		Shards: shards, Databases: 1 << 16, MaxBytes: room, Hash: func(key []byte) uint64 { return maphash.Bytes(seed, key) },
	})
}

func readInto(ks *keyspace.Keyspace, path string, o VerifyOptions, rep *SnapshotReport, discard bool) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	rep.Size = info.Size()
	open, err := OpenSealed(bufio.NewReaderSize(f, 256<<10), o.Keys)
	if err != nil {
		return err
	}
	rep.Sealed = open.Sealed()
	now := time.Now().UnixMilli()
	lo := LoadOptions{
		Now_ms: now, Checksum: true, KeepExpired: true, Replace: true, Discard: discard,
		Function: func(code []byte) error { rep.Functions = append(rep.Functions, bytes.Clone(code)); return nil },
		Aux:      func(name, value string) { rep.Aux = append(rep.Aux, Aux{name, value}) },
		Every:    1 << 20,
		Seen: func(key []byte, typ byte, expire_ms, size int64) {
			t, _ := codec.KindOf(typ)
			tr := &rep.Types[t]
			tr.Keys++
			tr.Bytes += size
			if size > tr.Largest {
				tr.Largest, tr.Key = size, string(key)
			}
			if expire_ms >= 0 {
				rep.Volatile++
				if expire_ms < now {
					rep.Over++
				}
			}
		},
	}
	if o.Progress != nil {
		lo.Progress = func(read int64) error { return o.Progress(read, rep.Size) }
	}
	v := keyspace.NewView(ks)
	v.Now = now
	rep.LoadResult, err = Load(open, rep.Size, v, lo)
	if err == nil && open.Sealed() {
		if _, e := open.Read(make([]byte, 1)); e != io.EOF {
			err = fmt.Errorf("bytes behind the end: %w", e)
		}
	}
	return err
}
