package spec

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// testdata holds what real servers say about their commands, one file for each version:
//
//	info NAME⇥REPLY    COMMAND INFO without the subcommands and without remarks on key specs
//	subs NAME⇥NAMES    its subcommands
//	docs NAME⇥REPLY    COMMAND DOCS without its sentences: since, group, flags, deprecation, arguments
//	keys LINE⇥REPLY    COMMAND GETKEYSANDFLAGS of a command line, its words quoted as Go quotes them
//
// Replies are written as the type textSink below writes them. A file is made from a server that runs with
//
//	go test ./server/command/spec -run Record -record 127.0.0.1:7000
var record = flag.String("record", "", "record testdata from the server at this address")

// textSink is a Sink that writes a reply as text: [2 "bulk" 7] is an array with its length, {…} a map, <…> a set,
// +word a simple string.
type textSink struct {
	out  strings.Builder
	open []int // elements that the open aggregates still miss
	ends []byte
}

func (w *textSink) Array(n int)         { w.begin("[", ']', n) }
func (w *textSink) Set(n int)           { w.begin("<", '>', n) }
func (w *textSink) Map(n int)           { w.begin("{", '}', 2*n) }
func (w *textSink) BulkString(s string) { w.scalar(strconv.Quote(s)) }
func (w *textSink) Simple(s string)     { w.scalar("+" + s) }
func (w *textSink) Int(n int64)         { w.scalar(strconv.FormatInt(n, 10)) }

func (w *textSink) gap() {
	if w.out.Len() > 0 {
		w.out.WriteByte(' ')
	}
}

func (w *textSink) begin(open string, end byte, n int) {
	w.gap()
	w.out.WriteString(open + strconv.Itoa(n))
	w.open, w.ends = append(w.open, n+1), append(w.ends, end)
	w.done()
}

func (w *textSink) scalar(s string) {
	w.gap()
	w.out.WriteString(s)
	w.done()
}

// done counts one element, and closes what has all of its elements.
func (w *textSink) done() {
	for last := len(w.open) - 1; last >= 0; last-- {
		if w.open[last]--; w.open[last] > 0 {
			return
		}
		w.out.WriteByte(w.ends[last])
		w.open, w.ends = w.open[:last], w.ends[:last]
	}
}

// String is the text of one whole reply.
func (w *textSink) String() string {
	if len(w.open) > 0 {
		return "BROKEN: elements are missing: " + w.out.String()
	}
	return w.out.String()
}

// reply is a RESP3 value read from a server.
type reply struct {
	kind  byte
	text  string
	elems []reply
}

func readReply(r *bufio.Reader) reply {
	line, err := r.ReadString('\n')
	if err != nil {
		panic(err)
	}
	v := reply{kind: line[0], text: strings.TrimSuffix(line[1:], "\r\n")}
	n, _ := strconv.Atoi(v.text)
	switch v.kind {
	case '$', '=':
		body := make([]byte, n+2)
		if _, err := io.ReadFull(r, body); err != nil {
			panic(err)
		}
		v.text = string(body[:n])
	case '*', '~', '%':
		if v.kind == '%' {
			n *= 2
		}
		for range n {
			v.elems = append(v.elems, readReply(r))
		}
	}
	return v
}

func (v reply) write(w Sink) {
	switch v.kind {
	case '$':
		w.BulkString(v.text)
	case '+':
		w.Simple(v.text)
	case '-':
		w.Simple("error")
	case ':':
		n, _ := strconv.ParseInt(v.text, 10, 64)
		w.Int(n)
	case '*':
		w.Array(len(v.elems))
	case '~':
		w.Set(len(v.elems))
	case '%':
		w.Map(len(v.elems) / 2)
	default:
		panic("unexpected reply of kind " + string(v.kind))
	}
	for _, e := range v.elems {
		e.write(w)
	}
}

// drop removes pairs from a map.
func (v *reply) drop(names ...string) {
	for i := 0; i < len(v.elems); {
		if slices.Contains(names, v.elems[i].text) {
			v.elems = slices.Delete(v.elems, i, i+2)
		} else {
			i += 2
		}
	}
}

func text(v reply) string {
	var w textSink
	v.write(&w)
	return w.String()
}

func TestRecord(t *testing.T) {
	if *record == "" {
		return // nothing to record: the tests below read what was recorded
	}
	conn, err := net.Dial("tcp", *record)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	r := bufio.NewReader(conn)
	do := func(args ...string) reply {
		fmt.Fprintf(conn, "*%d\r\n", len(args))
		for _, a := range args {
			fmt.Fprintf(conn, "$%d\r\n%s\r\n", len(a), a)
		}
		return readReply(r)
	}
	do("HELLO", "3")
	var version string
	for _, line := range strings.Split(do("INFO", "server").text, "\r\n") {
		if v, ok := strings.CutPrefix(line, "redis_version:"); ok {
			version = v
		}
	}
	var names []string
	for _, v := range do("COMMAND", "LIST").elems {
		names = append(names, v.text)
	}
	slices.Sort(names)
	var out strings.Builder
	for _, name := range names {
		info := do("COMMAND", "INFO", name).elems[0]
		for i := range info.elems[8].elems {
			info.elems[8].elems[i].drop("notes")
		}
		var subs []string
		for _, sub := range info.elems[9].elems {
			subs = append(subs, sub.elems[0].text)
		}
		slices.Sort(subs)
		info.elems[9].elems = nil
		fmt.Fprintf(&out, "info %s\t%s\n", name, text(info))
		fmt.Fprintf(&out, "subs %s\t%s\n", name, strings.Join(subs, " "))
		docs := do("COMMAND", "DOCS", name).elems[1]
		docs.drop("summary", "complexity", "history", "subcommands")
		fmt.Fprintf(&out, "docs %s\t%s\n", name, text(docs))
	}
	for _, argv := range keyLines(names) {
		words := make([]string, len(argv))
		for i, a := range argv {
			words[i] = strconv.Quote(a)
		}
		v := do(append([]string{"COMMAND", "GETKEYSANDFLAGS"}, argv...)...)
		fmt.Fprintf(&out, "keys %s\t%s\n", strings.Join(words, " "), text(v))
	}
	var packed bytes.Buffer
	z, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	z.Write([]byte(out.String()))
	z.Close()
	if err := os.WriteFile(filepath.Join("testdata", "redis-"+version+".txt.gz"), packed.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d commands, %d bytes, %d packed", len(names), out.Len(), packed.Len())
}

// keyLines are the command lines to ask for keys: some written by hand, and for every command with keys some of
// words that mean something to one command or another.
func keyLines(names []string) [][]string {
	var lines [][]string
	for _, l := range []string{
		"get k", "set k v", "set k v get", "set k v EX 10 GeT", "set k get", "mset a 1 b 2", "mset a 1 b", "del a b c",
		"sort k", "sort k store d", "sort k by w_* get # get o_* store d", "sort k by store store d", "sort k get store limit 0 store",
		"sort k store a store b", "sort k limit store store d", "sort k store", "sort_ro k by w_* get #", "sort_ro k",
		"eval s 0", "eval s 2 a b", "eval s 2 a", "eval s 2 a b c", "eval s -1 a", "eval s x a", "eval_ro s 1 a", "evalsha s 1 a",
		"evalsha_ro s 1 a", "fcall f 2 a b", "fcall_ro f 0", "eval s 01 a", "eval s +1 a", "eval s 99999999999999999999 a",
		"migrate h 1 k 0 5", "migrate h 1 k 0 5 copy replace", "migrate h 1 k 0 5 keys a b", "migrate h 1  0 5 keys a b",
		"migrate h 1  0 5 auth keys keys a b", "migrate h 1  0 5 auth2 keys keys keys a", "migrate h 1  0 5 copy auth p KEYS a",
		"migrate h 1  0 5 keys", "migrate h 1  0 5 keys keys",
		"xread streams a 0", "xread count 1 block 0 streams a b 0 0", "xread streams a b 0", "xread streams streams 0",
		"xread count streams streams a 0", "xreadgroup group streams c streams a >", "xreadgroup group g c count 1 noack streams a b > >",
		"xreadgroup group g streams streams k >", "xread block 1 count 1 streams a", "xread count 1 streams",
		"georadius k 1 2 3 m", "georadius k 1 2 3 m store d", "georadius k 1 2 3 m withdist count 1 STOREDIST d store e",
		"georadius k 1 2 3 store d", "georadius k 1 2 3 m store", "georadiusbymember k m 1 km storedist d", "georadiusbymember k store d m store e",
		"georadius_ro k 1 2 3 m", "geosearchstore d s frommember m byradius 1 m",
		"zunionstore d 2 a b", "zunionstore d 3 a b", "zunionstore d 0 a", "zunionstore d 2 a b weights 1 2", "zinterstore d 1 a aggregate sum",
		"zdiffstore d 2 a b", "zunion 2 a b withscores", "zinter 1 a", "zdiff 1 a b", "zintercard 2 a b limit 1", "sintercard 2 a b limit 1",
		"sintercard 0 a", "lmpop 2 a b left", "blmpop 0 2 a b left count 1", "zmpop 1 a min", "bzmpop 0 1 a min",
		"bitfield k get u8 0", "bitfield k get u8 0 set u8 0 1", "bitfield k incrby u8 0 1", "bitfield k overflow sat get u8 0",
		"bitfield k", "bitfield k get u8", "bitfield k nonsense", "bitfield k overflow", "bitfield_ro k get u8 0",
		"xgroup create k g $", "xinfo stream k full", "memory usage k samples 0", "memory usage k", "object encoding k",
		"object freq k", "blpop a b 0", "bzpopmin a b c 1", "blmove a b left right 0", "brpoplpush a b 0", "lmove a b left right",
		"copy a b replace", "rename a b", "bitop and d a b", "bitop not d a", "pfcount a b", "pfmerge d a b", "pfdebug encode k",
		"lcs a b idx", "watch a b", "touch a b", "restore k 0 v", "restore-asking k 0 v", "smove a b m", "sdiffstore d a b",
		"spublish c m", "ssubscribe c", "publish c m", "ping", "wait 0 0", "client list", "config get x", "xautoclaim k g c 0 0",
		"zrangestore d s 0 1", "getex k ex 1", "expire k 1 nx", "keys *", "scan 0", "flushall", "debug object k", "nosuch k",
		"get", "get a b", "xgroup nosuch k", "xgroup", "msetnx a 1 b 2", "sinterstore d a b", "rpoplpush a b", "zadd k 1 m",
	} {
		lines = append(lines, strings.Split(l, " "))
	}
	words := strings.Split("a b c d 0 1 2 3 4 5 -1 -2 x  GET get SET INCRBY OVERFLOW BY LIMIT STORE store STOREDIST STREAMS streams "+
		"KEYS keys AUTH AUTH2 COPY COUNT BLOCK GROUP NOACK WEIGHTS AND u8 m LEFT MIN NX EX", " ")
	rnd := rand.New(rand.NewPCG(7, 2))
	for _, name := range names {
		s, ok := Lookup(name)
		if !ok || !s.HasKeys() {
			continue
		}
		line, most := strings.Split(name, "|"), max(s.Arity, -s.Arity)
		n := 3
		if s.Flags&MovableKeys != 0 || s.find != nil {
			n = 60
		}
		for range n {
			argv := slices.Clone(line)
			for i := most + rnd.IntN(6) - 1; len(argv) < i; {
				argv = append(argv, words[rnd.IntN(len(words))])
			}
			lines = append(lines, argv)
		}
	}
	return lines
}

// recorded reads a file of testdata.
func recorded(t *testing.T, version string) (info, subs, docs, keys map[string]string) {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", "redis-"+version+".txt.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]map[string]string{"info": {}, "subs": {}, "docs": {}, "keys": {}}
	sc := bufio.NewScanner(z)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		what, reply, ok := strings.Cut(sc.Text(), "\t")
		kind, name, _ := strings.Cut(what, " ")
		if !ok || kinds[kind] == nil {
			t.Fatalf("broken line %q", sc.Text())
		}
		kinds[kind][name] = reply
	}
	info, subs, docs, keys = kinds["info"], kinds["subs"], kinds["docs"], kinds["keys"]
	if sc.Err() != nil || len(info) < 350 || len(subs) != len(info) || len(docs) != len(info) || len(keys) < 1000 {
		t.Fatalf("%v: %d infos, %d docs, %d keys", sc.Err(), len(info), len(docs), len(keys))
	}
	return info, subs, docs, keys
}

// differences are replies that are not as a server's, with the reason. A difference that is none is an error, too.
type differences struct {
	t    *testing.T
	want map[string]string
	seen map[string]bool
}

func (d *differences) compare(name, ours, theirs string) {
	d.t.Helper()
	if ours == theirs {
		return
	}
	if d.seen[name] = true; d.want[name] == "" {
		d.t.Errorf("%s:\nours   %s\ntheirs %s", name, ours, theirs)
	}
}

func (d *differences) finish() {
	d.t.Helper()
	for name, why := range d.want {
		if !d.seen[name] {
			d.t.Errorf("%s does not differ (%s)", name, why)
		}
	}
}

func TestInfoAsRedis72(t *testing.T) {
	info, subs, _, _ := recorded(t, "7.2.6")
	compareInfo(t, info, subs, map[string]string{
		"subs client":  "CLIENT CAPA is Valkey's",
		"subs cluster": "CLUSTER SLOT-STATS is Valkey's",
		"subs script":  "SCRIPT SHOW is Valkey's",
	})
}

func TestInfoAsRedis70(t *testing.T) {
	info, subs, _, _ := recorded(t, "7.0.15")
	const (
		scripts = "7.0 refused blocking commands from scripts; 7.2 lets them run and answers as if their time were over"
		tips    = "7.2 has other tips for proxies"
	)
	compareInfo(t, info, subs, map[string]string{
		"subs client":             "7.2 has NO-TOUCH and SETINFO, Valkey has CAPA",
		"subs cluster":            "7.2 has MYSHARDID, Valkey has SLOT-STATS",
		"subs script":             "SCRIPT SHOW is Valkey's",
		"blmove":                  scripts,
		"blpop":                   scripts,
		"brpop":                   scripts,
		"brpoplpush":              scripts,
		"bzpopmax":                scripts,
		"bzpopmin":                scripts,
		"wait":                    scripts,
		"acl|deluser":             tips,
		"acl|save":                tips,
		"acl|setuser":             tips,
		"client|setname":          tips,
		"config|resetstat":        tips,
		"config|rewrite":          tips,
		"latency|reset":           tips,
		"msetnx":                  tips,
		"randomkey":               tips,
		"scan":                    tips,
		"cluster|shards":          "7.2 allows it while loading",
		"cluster|slots":           "7.2 allows it while loading",
		"command|getkeys":         "7.2 allows commands without arguments",
		"command|getkeysandflags": "7.2 allows commands without arguments",
		"zrank":                   "WITHSCORE came with 7.2",
		"zrevrank":                "WITHSCORE came with 7.2",
	})
}

func compareInfo(t *testing.T, info, subs map[string]string, reasons map[string]string) {
	t.Helper()
	d := differences{t, reasons, map[string]bool{}}
	for name, theirs := range info {
		s, ok := Lookup(name)
		if !ok {
			t.Errorf("no %s in the catalogue", name)
			continue
		}
		var w textSink
		s.WriteInfo(&w, func(*Spec) bool { return false })
		d.compare(name, w.String(), theirs)
		var names []string
		for _, sub := range s.Subcommands {
			names = append(names, sub.Name)
		}
		d.compare("subs "+name, strings.Join(names, " "), subs[name])
	}
	d.finish()
}

func TestDocsAsRedis72(t *testing.T) {
	_, _, docs, _ := recorded(t, "7.2.6")
	d := differences{t, map[string]string{
		"set":         "IFEQ is Valkey's 8.1",
		"bitop":       "DIFF, DIFF1, ANDOR and ONE came with 8.2",
		"xadd":        "KEEPREF, DELREF and ACKED came with 8.2",
		"xtrim":       "likewise",
		"xreadgroup":  "CLAIM came with 8.4",
		"client|kill": "MAXAGE came with 7.4, what is behind it with Valkey 8.1",
		"client|list": "what is behind ID is Valkey's 8.1",
		"hscan":       "NOVALUES came with 7.4",
		"zscan":       "NOSCORES is Valkey's 8.0",
		"bitcount":    "the end became optional with Valkey 8.0",
		"bgsave":      "CANCEL is Valkey's 8.1",

		"geosearch":      "BYPOLYGON is Valkey's 9.0",
		"geosearchstore": "BYPOLYGON is Valkey's 9.0",
	}, map[string]bool{}}
	for name, theirs := range docs {
		s, ok := Lookup(name)
		if !ok {
			t.Errorf("no %s in the catalogue", name)
			continue
		}
		bare := *s
		bare.Summary, bare.Complexity, bare.Subcommands = "", "", nil
		var w textSink
		bare.WriteDocs(&w, nil)
		d.compare(name, w.String(), theirs)
	}
	d.finish()
}

func TestKeysAsRedis72(t *testing.T) {
	_, _, _, keys := recorded(t, "7.2.6")
	compareKeys(t, keys, sloppy)
}

// Redis takes a number of keys that the command itself refuses, and looks for words where the command does not. Ours
// must tell what the command will use.
var sloppy = map[string]string{
	`keys "eval" "s" "01" "a"`:                         "EVAL refuses the number",
	`keys "eval" "s" "+1" "a"`:                         "EVAL refuses the number",
	`keys "xread" "count" "streams" "streams" "a" "0"`: "the first streams is a count",
	`keys "georadius" "k" "1" "2" "3" "m" "withdist" "count" "1" "STOREDIST" "d" "store" "e"`: "in the order of the request",
	`keys "georadius" "GROUP" "NOACK" "COPY" "AUTH" "d" "STORE" "store" "store" "WEIGHTS"`:    "the last STORE counts",
}

func TestKeysAsRedis70(t *testing.T) {
	_, _, _, keys := recorded(t, "7.0.15")
	reasons := maps.Clone(sloppy)
	reasons[`keys "zrank" "LEFT" "EX" "u8" "AND" ""`] = "WITHSCORE came with 7.2"
	reasons[`keys "zrevrank" "NOACK" "streams" "NX"`] = "WITHSCORE came with 7.2"
	compareKeys(t, keys, reasons)
}

func compareKeys(t *testing.T, keys map[string]string, reasons map[string]string) {
	t.Helper()
	d := differences{t, reasons, map[string]bool{}}
	var refs []KeyRef
	for line, theirs := range keys {
		var argv [][]byte
		for rest := line; rest != ""; rest = strings.TrimPrefix(rest, " ") {
			quoted, err := strconv.QuotedPrefix(rest)
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			word, _ := strconv.Unquote(quoted)
			argv, rest = append(argv, []byte(word)), rest[len(quoted):]
		}
		d.compare("keys "+line, keysReply(argv, &refs), theirs)
	}
	d.finish()
}

// keysReply is what COMMAND GETKEYSANDFLAGS replies to a command line; all errors read the same.
func keysReply(argv [][]byte, refs *[]KeyRef) string {
	const refused = "+error"
	s, ok := Lookup(strings.ToLower(string(argv[0])))
	if ok && len(s.Subcommands) > 0 && len(argv) > 1 {
		if s, ok = Lookup(s.Name + "|" + strings.ToLower(string(argv[1]))); !ok {
			return refused
		}
	}
	if !ok || !s.HasKeys() || !s.ArityOK(len(argv)) {
		return refused
	}
	*refs = s.AppendKeys((*refs)[:0], argv)
	if len(*refs) == 0 && !s.Has(NoMandatoryKeys) {
		return refused
	}
	var w textSink
	w.Array(len(*refs))
	for _, r := range *refs {
		w.Array(2)
		w.BulkString(string(argv[r.Pos]))
		WriteKeyFlags(&w, r.Flags)
	}
	return w.String()
}
