package persistence

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"larder/datatypes"
	"larder/keyspace"
	"larder/persistence/codec"
)

const now = 1_700_000_000_000

func newKeyspace(tb testing.TB, shards int) (*keyspace.Keyspace, *keyspace.View) {
	seed := maphash.MakeSeed()
	ks, err := keyspace.New(keyspace.Options{
		Shards: shards, Databases: 4, Seed: 1,
		Hash: func(key []byte) uint64 { return maphash.Bytes(seed, key) },
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(ks.Close)
	v := keyspace.NewView(ks)
	v.Now = now
	return ks, v
}

// fill makes n keys of all types in two databases, some of them with an expiry.
func fill(v *keyspace.View, n int, seed uint64) { fillWith(v, n, 600, seed) }

// fillWith is fill with collections of at most that many elements.
func fillWith(v *keyspace.View, n, most int, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 0))
	v.Take(v.Keyspace().All())
	defer v.Release()
	for i := range n {
		key := fmt.Appendf(nil, "key:%d", i)
		v.DB = i % 2 * 3
		size := min(most, []int{1, 3, 200, 600}[r.IntN(4)])
		elem := func() []byte { return fmt.Appendf(nil, "elem%d", r.IntN(2000)) }
		switch i / 2 % 6 {
		case 0:
			v.SetString(key, bytes.Repeat(elem(), r.IntN(20)), 0)
		case 1:
			l, _ := v.EditList(key)
			for range size {
				l.PushTail(elem())
			}
		case 2:
			s, _ := v.EditSet(key)
			for range size {
				s.Add(elem())
			}
		case 3:
			h, _ := v.EditHash(key)
			for k := range size {
				if k%7 == 1 && i%5 == 0 {
					h.SetWithExpire(elem(), elem(), now+r.Int64N(1e9), now)
				} else {
					h.Set(elem(), elem(), now)
				}
			}
		case 4:
			z, _ := v.EditZSet(key)
			for range size {
				z.Add(r.Float64()*100, elem(), 0)
			}
		case 5:
			s, _ := v.EditStream(key)
			for k := range size {
				s.Add(datatypes.StreamID{Ms: uint64(1000 + k), Seq: 1}, [][]byte{elem(), elem()})
			}
		}
		v.Settle()
		if i%3 == 0 {
			v.SetExpire(key, now+1+r.Int64N(1e9))
		}
	}
	v.DB = 0
}

// content is all that is in the value at key, in an order of its own where order means nothing.
func content(v *keyspace.View, key []byte, t datatypes.Type) string {
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	switch t {
	case datatypes.TypeString:
		s, _ := v.String(key)
		add("%q", s)
	case datatypes.TypeList:
		l, _ := v.ReadList(key)
		for it := l.Iter(0, l.Len(), false); it.Next(); {
			add("%q", it.Bytes())
		}
	case datatypes.TypeSet:
		s, _ := v.ReadSet(key)
		s.Each(func(m []byte) bool { add("%q", m); return true })
		slices.Sort(lines)
	case datatypes.TypeHash:
		h, _ := v.ReadHash(key)
		h.Each(0, func(name, value []byte, at int64) bool { add("%q %q %d", name, value, at); return true })
		slices.Sort(lines)
	case datatypes.TypeZSet:
		z, _ := v.ReadZSet(key)
		z.Each(func(m []byte, score float64) bool { add("%q %v", m, score); return true })
	case datatypes.TypeStream:
		s, _ := v.ReadStream(key)
		for it := s.Iter(datatypes.StreamID{}, datatypes.MaxStreamID, false); it.Next(); {
			it.Field()
			add("%v %q %q", it.ID(), it.Name(), it.Value())
		}
	}
	v.Settle()
	return strings.Join(lines, ",")
}

// allKeys lists what each key is: its database, type, expiry and content.
func allKeys(v *keyspace.View) (lines []string) {
	v.Take(v.Keyspace().All())
	defer v.Release()
	for db := range v.Keyspace().Databases() {
		v.DB = db
		types := map[string]datatypes.Type{}
		v.EachKey(func(key []byte, in keyspace.Info) bool {
			lines = append(lines, fmt.Sprintf("%d %s %v %d", db, key, in.Type, in.Expire_ms))
			types[string(key)] = in.Type
			return true
		})
		for k, t := range types {
			lines = append(lines, fmt.Sprintf("%d %s is %s", db, k, content(v, []byte(k), t)))
		}
	}
	v.DB = 0
	slices.Sort(lines)
	return lines
}

func options(version int) SnapshotOptions {
	return SnapshotOptions{
		Options: codec.Options{Version: version, Compress: version%2 == 0}, Checksum: true, Created: time.UnixMilli(now), RedisVer: "7.2.4",
	}
}

func snapshot(tb testing.TB, v *keyspace.View, o SnapshotOptions) []byte {
	var b bytes.Buffer
	v.Take(v.Keyspace().All())
	defer v.Release()
	if _, err := WriteStopped(&b, v.Keyspace(), o); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func load(b []byte, v *keyspace.View, o LoadOptions) (LoadResult, error) {
	o.Now_ms, o.Checksum = now, true
	return Load(bytes.NewReader(b), int64(len(b)), v, o)
}

func check(t *testing.T, v *keyspace.View) {
	t.Helper()
	v.Take(v.Keyspace().All())
	v.Release()
	if err := v.Keyspace().Check(); err != nil {
		t.Error(err)
	}
}

func TestSnapshotComesBack(t *testing.T) {
	for _, version := range []int{codec.Version70, codec.Version72, codec.Version74} {
		_, v := newKeyspace(t, 4)
		fill(v, 200, uint64(version))
		want := allKeys(v)
		o := options(version)
		o.Functions = [][]byte{[]byte("#!lua name=a"), []byte("#!lua name=b")}
		o.Aux = []Aux{{"repl-id", "abc"}, {"repl-offset", "77"}}
		b := snapshot(t, v, o)
		for _, way := range []struct {
			src     io.Reader
			size    int64
			workers int
		}{
			{bytes.NewReader(b), int64(len(b)), 0},
			{bytes.NewReader(b), int64(len(b)), 3},
			{iotest.HalfReader(bytes.NewReader(b)), -1, 0},
			{iotest.HalfReader(bytes.NewReader(b)), -1, 100},
		} {
			_, to := newKeyspace(t, 8)
			var functions, aux []string
			var told []int64
			res, err := Load(way.src, way.size, to, LoadOptions{
				Now_ms: now, Checksum: true, Every: 1000, Workers: way.workers,
				Function: func(code []byte) error { functions = append(functions, string(code)); return nil },
				Aux:      func(name, value string) { aux = append(aux, name+"="+value) },
				Progress: func(n int64) error { told = append(told, n); return nil },
			})
			if err != nil {
				t.Fatal(err)
			}
			if res.Keys != 200 || res.Version != version || res.Bytes != int64(len(b)) || res.Expired+res.Empty != 0 {
				t.Errorf("%+v", res)
			}
			if got := allKeys(to); !slices.Equal(got, want) {
				t.Errorf("version %d: other keys", version)
			}
			if to.Held() != 0 || to.DB != 0 {
				t.Error("the view is not as it was")
			}
			if !slices.Equal(functions, []string{"#!lua name=a", "#!lua name=b"}) {
				t.Errorf("%q", functions)
			}
			if s := strings.Join(aux, " "); s != "redis-ver=7.2.4 redis-bits=64 ctime=1700000000 used-mem=0 repl-id=abc repl-offset=77 aof-base=0" {
				t.Errorf("%q", s)
			}
			if len(told) < 10 || !slices.IsSorted(told) {
				t.Errorf("told of %d steps", len(told))
			}
			check(t, to)
		}
	}
}

// What the file says of a key's accesses and its expiry.
func TestKeyFacts(t *testing.T) {
	_, v := newKeyspace(t, 1)
	v.Take(1)
	v.SetString([]byte("old"), []byte("x"), now-5)
	v.SetString([]byte("new"), []byte("x"), now)
	v.SetString([]byte("word"), []byte("x"), 0)
	v.SetAccess([]byte("word"), v.Clock().IdleWord(500, now))
	v.Release()
	o := options(codec.Version70)
	o.Access = IdleTimes
	b := snapshot(t, v, o)

	_, to := newKeyspace(t, 1)
	res, err := load(b, to, LoadOptions{})
	if err != nil || res.Keys != 2 || res.Expired != 1 {
		t.Fatal(res, err)
	}
	to.Take(1)
	if in, _ := to.Stat([]byte("word")); to.Clock().Idle(in.Access, now) != 500 {
		t.Errorf("idle for %d seconds", to.Clock().Idle(in.Access, now))
	}
	to.Release()

	_, to = newKeyspace(t, 1)
	if res, err := load(b, to, LoadOptions{KeepExpired: true}); err != nil || res.Keys != 3 {
		t.Fatal(res, err)
	}

	for _, at := range []int64{0, -2, math.MinInt64} { // before the beginning of time is no "never" either
		var rdb bytes.Buffer
		rdb.WriteString("REDIS0010\xFC")
		binary.Write(&rdb, binary.LittleEndian, at)
		rdb.WriteString("\x00\x01k\x01v\xFF\x00\x00\x00\x00\x00\x00\x00\x00")
		_, to = newKeyspace(t, 1)
		if res, err := load(rdb.Bytes(), to, LoadOptions{KeepExpired: true}); err != nil || res.Keys != 1 {
			t.Fatal(at, res, err)
		}
		to.Take(1)
		if to.Now = now; to.Has([]byte("k")) {
			t.Errorf("a key that has expired at %d is there", at)
		}
		to.Release()
	}

	lfu, v := newKeyspace(t, 1)
	lfu.Clock.LFU = true
	v.Take(1)
	v.SetString([]byte("word"), []byte("x"), 0)
	v.SetAccess([]byte("word"), v.Clock().FreqWord(99, now))
	v.Release()
	o.Access = Frequencies
	b = snapshot(t, v, o)
	other, to := newKeyspace(t, 1)
	other.Clock.LFU = true
	if _, err := load(b, to, LoadOptions{}); err != nil {
		t.Fatal(err)
	}
	to.Take(1)
	if in, _ := to.Stat([]byte("word")); to.Clock().Count(in.Access, now) != 99 {
		t.Errorf("counts %d", to.Clock().Count(in.Access, now))
	}
	to.Release()
}

// A key that is there: replaced or refused.
func TestLoadOverKeys(t *testing.T) {
	_, v := newKeyspace(t, 2)
	fill(v, 60, 3)
	b := snapshot(t, v, options(codec.Version70))
	want := allKeys(v)
	if _, err := load(b, v, LoadOptions{}); !errors.As(err, new(DatabaseError)) {
		t.Errorf("%v", err)
	}
	var refused DatabaseError
	if _, err := load(b, v, LoadOptions{Shown: func([]byte) string { return "?" }}); !errors.As(err, &refused) || !strings.HasPrefix(string(refused), "RDB has duplicated key '?' in DB ") {
		t.Errorf("%v", err)
	}
	v.Take(v.Keyspace().All())
	res, err := load(b, v, LoadOptions{Replace: true}) // by one who holds the shards already
	if err != nil || res.Keys != 60 || v.Held() != v.Keyspace().All() {
		t.Error(res, err)
	}
	v.Release()
	if !slices.Equal(allKeys(v), want) {
		t.Error("other keys")
	}
	check(t, v)
}

// Files that end early or have a bit changed are refused; nothing breaks.
func TestDamagedFiles(t *testing.T) {
	_, v := newKeyspace(t, 1)
	fillWith(v, 24, 50, 5)
	b := snapshot(t, v, options(codec.Version72))
	_, to := newKeyspace(t, 1)
	r := rand.New(rand.NewPCG(1, 1))
	for range 300 {
		n := r.IntN(len(b))
		workers := n % 2 * 3
		if _, err := load(b[:n], to, LoadOptions{Replace: true, Workers: workers}); err == nil {
			t.Fatalf("%d of %d bytes pass", n, len(b))
		}
		bad := bytes.Clone(b)
		bad[n] ^= 1 << r.IntN(8)
		if _, err := load(bad, to, LoadOptions{Replace: true, Workers: workers}); err == nil {
			t.Fatalf("byte %d changed, and nobody sees it", n)
		}
	}
	check(t, to)
	zero := bytes.Clone(b)
	clear(zero[len(b)-8:])
	if res, err := load(zero, to, LoadOptions{Replace: true}); err != nil || !res.NoChecksum {
		t.Error(res, err)
	}
}

func TestOperations(t *testing.T) {
	file := func(version string, parts ...string) []byte {
		return []byte("REDIS" + version + strings.Join(parts, ""))
	}
	valkey := func(version string, parts ...string) []byte {
		return []byte("VALKEY" + version + strings.Join(parts, ""))
	}
	const end = "\xFF\x00\x00\x00\x00\x00\x00\x00\x00"
	_, v := newKeyspace(t, 1)
	for _, c := range []struct {
		file []byte
		keys int64
		err  string
	}{
		{file("0003", "\xFE\x00", "\x00\x01a\x01b", "\xFF"), 1, ""}, // before checksums
		{file("0012", "\xF4\x05\x01\x00", "\xFB\x01\x00", "\x00\x01b\x01b", end), 1, ""},
		{file("0009", "\xF7\x81\x00\x00\x00\x00\x00\x00\x04\x01\x02\x02\x05\x03abc\x01\x07\x03\x00\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00", "\x00\x01c\x01b", end), 1, ""},
		{file("0009", "\xFD\xFF\xFF\xFF\x7F", "\x00\x01d\x01b", end), 1, ""},
		{file("0010", "\x02\x01e\x00", end), 0, ""}, // an empty set
		{file("0010", "\xFE\x04"), 0, "databases"},
		{file("0010", "\x07\x01f\x81\x00\x00\x00\x00\x00\x00\x04\x01\x00", end), 0, "module"},
		{file("0010", "\x08\x01f"), 0, "unknown type"},
		{file("0010", "\xF6"), 0, "never released"},
		{file("0013"), 0, "RDB format version 13"},
		{file("0000"), 0, "RDB format version 0"},
		{file("00a1"), 0, "RDB format version"},
		{valkey("080", "\xFA\x0Avalkey-ver\x059.0.0", "\xF3\x03job\x02\x00\x05\x40\x7F\x41\x00", "\xF4\x05\x01\x00", "\xFE\x00\xFB\x02\x00",
			"\x16\x01g\x02\x01f\x01v\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01t\x01w\x00\x20\x4A\xA9\xD1\x01\x00\x00", "\x00\x01h\x01b", end), 2, ""},
		{valkey("080", "\x17\x01g"), 0, "unknown type"},
		{valkey("080", "\xF3\x03job\x81\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"), 0, "unexpected end"},
		{valkey("011"), 0, "RDB format version 11"},
		{valkey("081"), 0, "RDB format version 81"},
		{file("0080"), 0, "RDB format version 80"},
		{file("0012", "\xF3\x03job"), 0, "unknown type"},
		{[]byte("PARIS0010"), 0, "Wrong signature"},
		{[]byte("REDIS"), 0, "unexpected end"},
	} {
		if _, err := load(c.file, v, LoadOptions{Workers: 2, Replace: true}); (err == nil) != (c.err == "") {
			t.Errorf("%q, by a crew: %v", c.file, err)
		}
		res, err := load(c.file, v, LoadOptions{Replace: true})
		if res.Keys != c.keys || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%q: %d keys, %v", c.file, res.Keys, err)
		}
	}
}

func TestProgressEndsLoading(t *testing.T) {
	_, v := newKeyspace(t, 1)
	fill(v, 60, 3)
	b := snapshot(t, v, options(codec.Version70))
	_, to := newKeyspace(t, 1)
	stop := errors.New("stop")
	if _, err := load(b, to, LoadOptions{Every: 100, Progress: func(int64) error { return stop }}); !errors.Is(err, stop) {
		t.Error(err)
	}
}

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "dump.rdb")
	put := func(content string, fail error) error {
		return WriteFile(OS, path, "temp.rdb", true, func(f *File) error {
			if _, err := f.Write([]byte(content)); err != nil {
				return err
			}
			if _, err := os.Stat(filepath.Join(dir, "temp.rdb")); err != nil {
				t.Error(err)
			}
			return fail
		})
	}
	check := func(want string) {
		t.Helper()
		got, err := os.ReadFile(path)
		if err != nil || string(got) != want {
			t.Errorf("%.20q, %v", got, err)
		}
		if names, _ := filepath.Glob(filepath.Join(dir, "*")); len(names) != 1 {
			t.Errorf("%q", names)
		}
	}
	if err := put("one", nil); err != nil {
		t.Fatal(err)
	}
	check("one")
	if err := put("two", io.ErrClosedPipe); !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
	check("one")
	long := strings.Repeat("x", 2*SyncEvery)
	if err := put(long, nil); err != nil {
		t.Fatal(err)
	}
	check(long)
	if err := WriteFile(OS, filepath.Join(dir, "none", "x"), "temp", false, func(*File) error { return nil }); err == nil {
		t.Error("a folder that is not there")
	}
}

// A disk that gets full is an error, wherever in the snapshot that happens.
func TestWriteErrors(t *testing.T) {
	ks, v := newKeyspace(t, 1)
	fill(v, 200, 3)
	v.Take(ks.All())
	defer v.Release()
	for limit := range 3 {
		w := &fullDisk{left: limit * codec.ChunkBytes}
		if _, err := WriteStopped(w, ks, options(codec.Version70)); !errors.Is(err, errFull) {
			t.Errorf("%v", err)
		}
	}
}

var errFull = errors.New("no space left")

type fullDisk struct{ left int }

func (f *fullDisk) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errFull
	}
	return len(p), nil
}

// FuzzLoad gives the loader files of any kind.
func FuzzLoad(f *testing.F) {
	_, v := newKeyspace(f, 1)
	fillWith(v, 12, 4, 1)
	for version := codec.Version70; version <= codec.Version74; version++ {
		f.Add(snapshot(f, v, options(version)))
	}
	f.Add([]byte("VALKEY080\xF3\x03job\x01\x00\x05\x16\x01g\x01\x01f\x01v\x00\x20\x4A\xA9\xD1\x01\x00\x00\xFF\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Add([]byte("REDIS0003\xFE\x00\x00\x01a\x01b\xFF"))
	f.Add([]byte("REDIS0012\xF4\x05\x01\x00\xFB\x01\x00\x00\x01b\x01b\xFF\x00\x00\x00\x00\x00\x00\x00\x00"))
	ks, to := newKeyspace(f, 1)
	f.Fuzz(func(t *testing.T, b []byte) {
		Load(bytes.NewReader(b), int64(len(b)), to, LoadOptions{Now_ms: now, Replace: true, Workers: len(b) % 3})
		check(t, to)
		to.Take(1)
		for db := range ks.Databases() {
			to.Flush(db)
		}
		to.Release()
		sh := ks.Shard(0)
		for sh.Bury(1 << 20) {
		}
		if n := sh.Arena().Stats().LiveBytes; n != 0 {
			t.Fatalf("%d bytes are left over", n)
		}
	})
}

// TestKeyDelay waits for each key, and others have the shards meanwhile.
func TestKeyDelay(t *testing.T) {
	_, from := newKeyspace(t, 4)
	fill(from, 40, 1)
	file := snapshot(t, from, options(codec.Version70))
	for delay := 20 * time.Millisecond; ; delay *= 4 { // on a busy machine it may be over before anybody has looked
		ks, v := newKeyspace(t, 4)
		loaded := make(chan int64)
		go func() {
			res, err := load(file, v, LoadOptions{KeyDelay: delay})
			if err != nil {
				t.Error(err)
			}
			loaded <- res.Keys
		}()
		other := keyspace.NewView(ks)
		other.Now = now
		seen := 0
		for seen == 0 {
			seen = len(allKeys(other)) / 2
		}
		all := <-loaded
		if int64(seen) < all {
			return
		}
		if delay > time.Second || all == 0 {
			t.Fatalf("the shards were free when all %d keys were there, %d", all, seen)
		}
	}
}
