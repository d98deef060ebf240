package command

import (
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"larder/datatypes"
	"larder/keyspace"
	"larder/server/resp"
)

// A lab runs handlers without a server: it does what the dispatcher does around them and nothing else.
type lab struct {
	t     testing.TB
	ks    *keyspace.Keyspace
	c     *Ctx
	table *Table
	w     resp.Writer

	events  []string // "name key" of each event since the last call of told
	quiet   bool     // events also has those that watchers do not mind
	effects []string // requests, joined by blanks, of the last command
}

func newLab(t testing.TB) *lab {
	t.Helper()
	return newLabOf(t, 0)
}

// newLabOf is newLab with shards of at most maxBytes; 0 is the default.
func newLabOf(t testing.TB, maxBytes int64) *lab {
	t.Helper()
	seed := maphash.MakeSeed()
	ks, err := keyspace.New(keyspace.Options{Shards: 4, Databases: 2, Seed: 1, MaxBytes: maxBytes,
		Hash: func(key []byte) uint64 { return maphash.Bytes(seed, key) }})
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{t: t, ks: ks, table: NewTable(Rows())}
	l.table.Number()
	l.w.Proto = 2
	l.c = &Ctx{View: keyspace.NewView(ks), Reply: &l.w, Rand: rand.NewPCG(1, 2), Conf: &Conf{MaxBulk: 512 << 20}}
	l.c.Now = 1_700_000_000_000
	l.c.Record = true
	t.Cleanup(func() {
		l.check()
		ks.Close()
	})
	return l
}

// args makes the arguments of a request from words; numbers may be given as such.
func (l *lab) args(words ...any) [][]byte {
	argv := make([][]byte, len(words))
	for i, w := range words {
		argv[i] = fmt.Append(nil, w)
	}
	return argv
}

// run runs one request and leaves the reply in l.w.
func (l *lab) run(argv [][]byte) {
	row, _ := l.table.Find(argv)
	if row == nil {
		l.t.Fatalf("no command %q", argv[0])
	}
	if !row.ArityOK(len(argv)) {
		l.w.Error(resp.WrongArgs(row.Name))
		return
	}
	c := l.c
	c.Take(l.ks.All())
	c.Begin(row, argv)
	row.Run(c)
	c.Release()
}

// do runs a request and returns the reply, its lines joined by blanks.
func (l *lab) do(words ...any) string {
	l.t.Helper()
	argv := l.args(words...)
	l.w.Empty()
	dirty := l.c.Dirty
	l.run(argv)
	l.effects = l.effects[:0]
	if l.c.Dirty != dirty && l.c.WantEffects {
		l.effects = requests(l.c.Effect())
	}
	for _, e := range l.c.Events {
		switch e.Kind {
		case keyspace.Notice, keyspace.Ready:
			if l.quiet && e.Name != "new" && e.Name != "keymiss" {
				l.events = append(l.events, "("+e.Name+" "+string(e.Key)+")")
			}
		default:
			l.events = append(l.events, e.Name+" "+string(e.Key))
		}
	}
	l.c.ResetEvents()
	return strings.ReplaceAll(strings.TrimSuffix(string(l.w.Bytes()), "\r\n"), "\r\n", " ")
}

// want is do with the reply that is expected.
func (l *lab) want(reply string, words ...any) {
	l.t.Helper()
	if got := l.do(words...); got != reply {
		l.t.Errorf("%v: %s, want %s", words, got, reply)
	}
}

// told returns the events since the last call.
func (l *lab) told() string {
	s := strings.Join(l.events, ", ")
	l.events = l.events[:0]
	return s
}

// requests reads requests in the protocol's form.
func requests(b []byte) (list []string) {
	s := string(b)
	number := func() int {
		line, rest, _ := strings.Cut(s, "\r\n")
		s = rest
		n, err := strconv.Atoi(line[1:])
		if err != nil {
			panic(err)
		}
		return n
	}
	for len(s) > 0 {
		words := make([]string, number())
		for i := range words {
			n := number()
			words[i] = s[:n]
			s = s[n+2:]
		}
		list = append(list, strings.Join(words, " "))
	}
	return list
}

// check looks at every value.
func (l *lab) check() {
	c := l.c
	c.Take(l.ks.All())
	defer c.Release()
	var keys []string
	c.EachKey(func(key []byte, _ keyspace.Info) bool {
		keys = append(keys, string(key))
		return true
	})
	for _, key := range keys {
		var err error
		switch typ, _ := c.Type([]byte(key)); typ {
		case datatypes.TypeHash:
			x, _ := c.View.ReadHash([]byte(key))
			err = x.Check()
		case datatypes.TypeSet:
			x, _ := c.View.ReadSet([]byte(key))
			err = x.Check()
		case datatypes.TypeStream:
			x, _ := c.View.ReadStream([]byte(key))
			err = x.Check()
		}
		if err != nil {
			l.t.Errorf("%q: %v", key, err)
		}
		c.Settle()
	}
	for i := range l.ks.Shards() {
		if err := l.ks.Shard(i).Arena().Check(); err != nil {
			l.t.Errorf("shard %d: %v", i, err)
		}
	}
}

// contents is everything in the database, in a form that can be compared.
func (l *lab) contents() map[string]string {
	c := l.c
	c.Take(l.ks.All())
	defer c.Release()
	all := map[string]string{}
	c.EachKey(func(key []byte, in keyspace.Info) bool {
		all[string(key)] = in.Type.String() + " " + strconv.FormatInt(in.Expire_ms, 10)
		return true
	})
	for key, head := range all {
		var items []string
		switch head, _, _ := strings.Cut(head, " "); head {
		case "hash":
			x, _ := c.View.ReadHash([]byte(key))
			x.Each(0, func(name, value []byte, at_ms int64) bool {
				items = append(items, fmt.Sprintf("%q=%q@%d", name, value, at_ms))
				return true
			})
		case "set":
			x, _ := c.View.ReadSet([]byte(key))
			x.Each(func(member []byte) bool {
				items = append(items, strconv.Quote(string(member)))
				return true
			})
		case "string":
			b, _ := c.View.PeekString([]byte(key))
			items = append(items, strconv.Quote(string(b)))
		}
		slices.Sort(items)
		all[key] = head + " " + strings.Join(items, " ")
		c.Settle()
	}
	return all
}
