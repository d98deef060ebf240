package codec

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"larder/datatypes"
)

var update = flag.Bool("update", false, "write testdata/old.txt anew")

// ziplist builds the ziplist of the elements, as versions of Redis before 7.0 kept it.
func ziplist(elems ...string) []byte {
	z := make([]byte, ziplistFront)
	before, last := 0, ziplistFront
	for _, e := range elems {
		last = len(z)
		if before < 0xFE {
			z = append(z, byte(before))
		} else {
			z = binary.LittleEndian.AppendUint32(append(z, 0xFE), uint32(before))
		}
		z = ziplistElem(z, e)
		before = len(z) - last
	}
	z = append(z, 0xFF)
	binary.LittleEndian.PutUint32(z, uint32(len(z)))
	binary.LittleEndian.PutUint32(z[4:], uint32(last))
	binary.LittleEndian.PutUint16(z[8:], uint16(min(len(elems), 0xFFFF)))
	return z
}

func ziplistElem(z []byte, e string) []byte {
	if n, ok := datatypes.ParseInt([]byte(e)); ok {
		switch {
		case n >= 0 && n <= 12:
			return append(z, 0xF1+byte(n))
		case n == int64(int8(n)):
			return append(z, 0xFE, byte(n))
		case n == int64(int16(n)):
			return binary.LittleEndian.AppendUint16(append(z, 0xC0), uint16(n))
		case n >= -1<<23 && n < 1<<23:
			return append(z, 0xF0, byte(n), byte(n>>8), byte(n>>16))
		case n == int64(int32(n)):
			return binary.LittleEndian.AppendUint32(append(z, 0xD0), uint32(n))
		}
		return binary.LittleEndian.AppendUint64(append(z, 0xE0), uint64(n))
	}
	switch n := len(e); {
	case n < 64:
		z = append(z, byte(n))
	case n < 1<<14:
		z = append(z, 0x40|byte(n>>8), byte(n))
	default:
		z = binary.BigEndian.AppendUint32(append(z, 0x80), uint32(n))
	}
	return append(z, e...)
}

// zipmap builds the zipmap of the pairs, with free bytes behind some values as its owner would have left them.
func zipmap(pairs ...string) []byte {
	z := []byte{byte(min(len(pairs)/2, 0xFE))}
	length := func(n int) {
		if n < 0xFE {
			z = append(z, byte(n))
		} else {
			z = binary.LittleEndian.AppendUint32(append(z, 0xFE), uint32(n))
		}
	}
	for i, s := range pairs {
		length(len(s))
		if i%2 == 0 {
			z = append(z, s...)
			continue
		}
		free := i % 4 / 2 * 3
		z = append(z, byte(free))
		z = append(z, s...)
		z = append(z, "xxx"[:free]...)
	}
	return append(z, 0xFF)
}

// An oldSample is a payload in a form that is read but not written, or only by some versions.
type oldSample struct {
	name    string
	payload []byte
	typ     datatypes.Type
	content []string
}

// oldSamples makes payloads of every old form out of the same elements.
func oldSamples() (all []oldSample) {
	elems := []string{
		"0", "12", "13", "-1", "127", "-128", "128", "-32768", "40000", "-8388608", "8388608", "-2147483648", "2147483648",
		"9223372036854775807", "-9223372036854775808", "", "a", "hello world", strings.Repeat("b", 63), strings.Repeat("c", 64), strings.Repeat("d", 250),
		strings.Repeat("e", 300), "007", "1.5", "last", "end",
	}
	long := append(slices.Clone(elems), strings.Repeat("f", 17000))
	str := func(w *Writer, s string) { w.parts(nil, []byte(s), nil) }
	add := func(name string, version uint16, typ byte, t datatypes.Type, content []string, body func(w *Writer)) {
		w := NewWriter(nil, Options{Version: Version70})
		w.Byte(typ)
		body(w)
		w.buf = binary.LittleEndian.AppendUint16(w.buf, version)
		w.Fixed64(CRC64(0, w.buf))
		all = append(all, oldSample{name, w.buf, t, content})
	}
	quoted := func(elems []string) (out []string) {
		for _, e := range elems {
			out = append(out, strconv.Quote(e))
		}
		return out
	}
	sorted := func(lines []string) []string {
		lines = slices.Clone(lines)
		slices.Sort(lines)
		return lines
	}
	pairs := func(elems []string) (out []string) {
		for i := 0; i+1 < len(elems); i += 2 {
			out = append(out, fmt.Sprintf("%q %q 0", elems[i], elems[i+1]))
		}
		return sorted(out)
	}

	add("list of strings (2.6)", 6, typeList, datatypes.TypeList, quoted(long), func(w *Writer) {
		w.Len(uint64(len(long)))
		for _, e := range long {
			w.String([]byte(e))
		}
	})
	add("list, ziplist (2.6)", 6, typeListZiplist, datatypes.TypeList, quoted(long), func(w *Writer) { str(w, string(ziplist(long...))) })
	add("list, quicklist of ziplists (3.2)", 7, typeListQuicklist, datatypes.TypeList, quoted(append(slices.Clone(elems), long...)), func(w *Writer) {
		w.Len(3)
		str(w, string(ziplist(elems...)))
		str(w, string(ziplist()))
		str(w, string(ziplist(long...)))
	})
	add("set of strings (2.6)", 6, typeSet, datatypes.TypeSet, sorted(quoted(elems)), func(w *Writer) {
		w.Len(uint64(len(elems)))
		for _, e := range elems {
			w.String([]byte(e))
		}
	})
	for _, width := range []int{2, 4, 8} {
		n := []int64{-1 << (8*width - 1), -1, 0, 1, 1<<(8*width-1) - 1}
		var content []string
		for _, v := range n {
			content = append(content, strconv.Quote(strconv.FormatInt(v, 10)))
		}
		add(fmt.Sprintf("set, intset of %d bytes (2.6)", width), 6, typeSetIntset, datatypes.TypeSet, sorted(content), func(w *Writer) {
			b := binary.LittleEndian.AppendUint32(nil, uint32(width))
			b = binary.LittleEndian.AppendUint32(b, uint32(len(n)))
			for _, v := range n {
				b = append(b, binary.LittleEndian.AppendUint64(nil, uint64(v))[:width]...)
			}
			str(w, string(b))
		})
	}
	add("hash of strings (2.6)", 6, typeHash, datatypes.TypeHash, pairs(elems), func(w *Writer) {
		w.Len(uint64(len(elems) / 2))
		for _, e := range elems {
			w.String([]byte(e))
		}
	})
	add("hash, zipmap (2.4)", 2, typeHashZipmap, datatypes.TypeHash, pairs(elems), func(w *Writer) { str(w, string(zipmap(elems...))) })
	add("hash, ziplist (2.6)", 6, typeHashZiplist, datatypes.TypeHash, pairs(elems), func(w *Writer) { str(w, string(ziplist(elems...))) })

	scores := []string{"a", "-inf", "", "-3.5", "7", "0", "b", "0.10000000000000001", "c", "5", "42", "1e+100", "d", "inf"}
	want := []string{`"a" -Inf`, `"" -3.5`, `"7" 0`, `"b" 0.1`, `"c" 5`, `"42" 1e+100`, `"d" +Inf`}
	add("zset, ziplist (2.6)", 6, typeZSetZiplist, datatypes.TypeZSet, want, func(w *Writer) { str(w, string(ziplist(scores...))) })
	add("zset, scores as text (2.6)", 6, typeZSet, datatypes.TypeZSet, want, func(w *Writer) {
		w.Len(uint64(len(scores) / 2))
		for i := 0; i < len(scores); i += 2 {
			str(w, scores[i])
			switch s := scores[i+1]; s {
			case "inf":
				w.Byte(254)
			case "-inf":
				w.Byte(255)
			default:
				w.Byte(byte(len(s)))
				w.buf = append(w.buf, s...)
			}
		}
	})
	for i, typ := range []byte{typeStream, typeStream2, typeStream3} {
		add([]string{"stream (5.0)", "stream (7.0)", "stream (7.2)"}[i], []uint16{9, 10, 11}[i], typ, datatypes.TypeStream, oldStream(typ), func(w *Writer) { writeOldStream(w, typ) })
	}
	add("hash with times, release candidate (7.4)", 12, typeHashTTLPreGA, datatypes.TypeHash, []string{`"a" "1" 0`, `"b" "2" 2000000000000`}, func(w *Writer) {
		w.Len(2)
		w.Len(0)
		str(w, "a")
		w.String([]byte("1"))
		w.Len(2000000000000)
		str(w, "b")
		w.String([]byte("2"))
	})
	add("hash with times (7.4)", 12, typeHashTTL, datatypes.TypeHash, []string{`"a" "1" 0`, `"b" "2" 2000000000000`, `"c" "3" 2000000000999`}, func(w *Writer) {
		w.Fixed64(2000000000000)
		w.Len(3)
		for i, ttl := range []uint64{0, 1, 1000} {
			w.Len(ttl)
			str(w, "abc"[i:i+1])
			w.String([]byte("123"[i : i+1]))
		}
	})
	pack := "\x1d\x00\x00\x00\x06\x00" + "\x81b\x02\x02\x01\xF4\x00\x20\x4A\xA9\xD1\x01\x00\x00\x09" + "\x81a\x02\x01\x01\x00\x01\xFF"
	add("hash with times, listpack, release candidate (7.4)", 12, typeHashPackTTLPreGA, datatypes.TypeHash, []string{`"a" "1" 0`, `"b" "2" 2000000000000`}, func(w *Writer) { str(w, pack) })
	add("hash with times, listpack (7.4)", 12, typeHashPackTTL, datatypes.TypeHash, []string{`"a" "1" 0`, `"b" "2" 2000000000000`}, func(w *Writer) {
		w.Fixed64(2000000000000)
		str(w, pack)
	})
	return all
}

// writeOldStream writes a stream of two entries, of which one was delivered.
func writeOldStream(w *Writer, typ byte) {
	w.Len(1)
	w.Len(16)
	w.rawID(datatypes.StreamID{Ms: 1000, Seq: 0})
	// The master entry: 2 entries, none deleted, 1 field "f", end. Then two entries with the same fields.
	w.parts(nil, []byte("\x28\x00\x00\x00\x0F\x00"+"\x02\x01\x00\x01\x01\x01\x81f\x02\x00\x01"+"\x02\x01\x00\x01\x00\x01\x81a\x02\x04\x01"+"\x02\x01\x05\x01\x02\x01\x81b\x02\x04\x01"+"\xFF"), nil)
	w.Len(2)
	w.streamID(datatypes.StreamID{Ms: 1005, Seq: 2})
	if typ != typeStream {
		w.streamID(datatypes.StreamID{Ms: 1000, Seq: 0})
		w.streamID(datatypes.StreamID{Ms: 900, Seq: 1})
		w.Len(5)
	}
	w.Len(1)
	w.parts(nil, []byte("grp"), nil)
	w.streamID(datatypes.StreamID{Ms: 1000, Seq: 0})
	if typ != typeStream {
		w.Len(4)
	}
	w.Len(1)
	w.rawID(datatypes.StreamID{Ms: 1000, Seq: 0})
	w.Fixed64(1700000000000)
	w.Len(3)
	w.Len(1)
	w.parts(nil, []byte("bob"), nil)
	w.Fixed64(1700000000001)
	if typ == typeStream3 {
		w.Fixed64(1700000000000)
	}
	w.Len(1)
	w.rawID(datatypes.StreamID{Ms: 1000, Seq: 0})
}

func oldStream(typ byte) []string {
	counters, group, consumer := `2 1005-2 1000-0 900-1 5`, `"grp" 1000-0 4`, `- "bob" 1700000000001 1700000000001`
	switch typ {
	case typeStream:
		counters, group = `2 1005-2 1000-0 0-0 2`, `"grp" 1000-0 1`
	case typeStream3:
		consumer = `- "bob" 1700000000001 1700000000000`
	}
	return []string{`1000-0 "f" "a"`, `1005-2 "f" "b"`, counters, group, consumer, `-- 1000-0 1700000000000 3`}
}

// Payloads in every old form are read. testdata/old.txt has the same payloads for tests that give them to other servers.
func TestOldForms(t *testing.T) {
	env := newEnv(t)
	var file strings.Builder
	for _, s := range oldSamples() {
		fmt.Fprintf(&file, "%s\n%s\n", s.name, hex.EncodeToString(s.payload))
		for _, limit := range []int{2, 8, 512} {
			env.Limits.HashMaxListpackEntries, env.Limits.SetMaxListpackEntries, env.Limits.ZSetMaxListpackEntries = limit, limit, limit
			env.Limits.SetMaxIntsetEntries, env.Limits.ListMaxListpackSize = limit, limit
			var r Reader
			if _, err := r.OpenDump(s.payload, false); err != nil {
				t.Fatalf("%s: %v", s.name, err)
			}
			r.ReadBytes(s.payload)
			v, err := read(&r, env)
			if err != nil {
				t.Errorf("%s: %v", s.name, err)
				continue
			}
			if got := v.content(); v.t != s.typ || !slices.Equal(got, s.content) {
				t.Errorf("%s:\n%q\nnot\n%q", s.name, got, s.content)
			}
			if err := v.check(); err != nil {
				t.Errorf("%s: %v", s.name, err)
			}
			if r.Pos() != int64(len(s.payload)-footerBytes) {
				t.Errorf("%s: %d bytes of %d read", s.name, r.Pos(), len(s.payload)-footerBytes)
			}
		}
	}
	path := filepath.Join("testdata", "old.txt")
	if *update {
		if err := os.WriteFile(path, []byte(file.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	recorded, err := os.ReadFile(path)
	if err != nil || string(recorded) != file.String() {
		t.Errorf("%s is not what the samples are (%v); -update writes it", path, err)
	}
}

// What Valkey 9 has dumped is read: its hashes with times have the type byte of a form of Redis, and everything behind that is
// neither's.
func TestValkeyForms(t *testing.T) {
	env := newEnv(t)
	payload := func(version uint16, typ byte, body func(w *Writer)) []byte {
		w := NewWriter(nil, Options{Version: Version70})
		w.Byte(typ)
		body(w)
		w.buf = binary.LittleEndian.AppendUint16(w.buf, version)
		w.Fixed64(CRC64(0, w.buf))
		return w.buf
	}
	hash := func(fields ...int64) func(w *Writer) {
		return func(w *Writer) {
			w.Len(uint64(len(fields)))
			for i, at := range fields {
				w.String(fmt.Appendf(nil, "f%d", i))
				w.String(fmt.Appendf(nil, "%d", i*1000))
				w.Fixed64(uint64(at))
			}
		}
	}
	many := make([]int64, 40)
	var lines []string
	for i := range many {
		many[i] = -1
		want := int64(0)
		if i%3 == 0 {
			many[i], want = 2000000000000+int64(i), 2000000000000+int64(i)
		}
		lines = append(lines, fmt.Sprintf(`"f%d" "%d" %d`, i, i*1000, want))
	}
	slices.Sort(lines)
	for _, c := range []struct {
		payload []byte
		want    []string // nil: refused
	}{
		{payload(VersionValkey9, 22, hash(-1, 2000000000000)), []string{`"f0" "0" 0`, `"f1" "1000" 2000000000000`}},
		{payload(VersionValkey9, 22, hash(0, 1<<50)), []string{`"f0" "0" 1`, fmt.Sprintf(`"f1" "1000" %d`, int64(lastExpiry))}},
		{payload(VersionValkey9, 22, hash(many...)), lines},
		{payload(VersionValkey9, typeHash, func(w *Writer) { w.Len(1); w.String([]byte("a")); w.String([]byte("b")) }), []string{`"a" "b" 0`}},
		{payload(VersionValkey9, 23, hash(-1)), nil},
		{payload(VersionValkey9, typeHashTTL, hash(-1)), nil},
		{payload(VersionValkey9, typeHashTTLValkey, hash(-1)), nil},
		{payload(Version74, typeHashTTLValkey, hash(-1)), nil},
		{payload(VersionValkey9-1, typeString, func(w *Writer) { w.String([]byte("a")) }), nil},
		{payload(VersionValkey9+1, typeString, func(w *Writer) { w.String([]byte("a")) }), nil},
		{payload(VersionValkey9, 22, func(w *Writer) { hash(-1, -1)(w); w.buf = w.buf[:len(w.buf)-1] }), nil},
		{payload(VersionValkey9, 22, func(w *Writer) {
			w.Len(2)
			for range 2 {
				w.String([]byte("a"))
				w.String([]byte("b"))
				w.Fixed64(1)
			}
		}), nil},
	} {
		var r Reader
		typ, err := r.OpenDump(c.payload, false)
		v := &value{env: env, t: datatypes.TypeHash}
		if _, ok := KindOf(typ); err == nil && !ok {
			err = fmt.Errorf("type %d", typ)
		}
		if err == nil {
			err = r.Value(typ, env, &v.h)
		}
		if c.want == nil {
			if err == nil {
				t.Errorf("% x is %q", c.payload, v.content())
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", c.want, err)
			continue
		}
		if got := v.content(); !slices.Equal(got, c.want) {
			t.Errorf("%q\nnot\n%q", got, c.want)
		}
		if err := v.check(); err != nil {
			t.Errorf("%q: %v", c.want, err)
		}
	}
	codes, err := RestoreFunctions(payload(VersionValkey9, OpFunction, func(w *Writer) { w.String([]byte("code")) }), false)
	if err != nil || len(codes) != 1 || string(codes[0]) != "code" {
		t.Errorf("functions: %q, %v", codes, err)
	}
}

// Every single byte of a ziplist and a zipmap counts: a change is refused or gives another sequence, and nothing breaks.
func TestDamagedZiplists(t *testing.T) {
	env := newEnv(t)
	env.Limits.HashMaxListpackEntries = 512
	for name, z := range map[string][]byte{
		"ziplist": ziplist("a", "5", strings.Repeat("b", 70), "100000", "-7", strings.Repeat("c", 260)),
		"zipmap":  zipmap("a", "5", "b", strings.Repeat("c", 260), "d", "x"),
	} {
		for i := range z {
			for bit := range 8 {
				bad := bytes.Clone(z)
				bad[i] ^= 1 << bit
				for _, b := range [][]byte{bad, bad[:i], z[i:]} {
					typ := byte(typeHashZiplist)
					if name == "zipmap" {
						typ = typeHashZipmap
					}
					w := NewWriter(nil, Options{Version: Version70})
					w.Byte(typ)
					w.parts(nil, b, nil)
					var r Reader
					r.ReadBytes(w.Bytes())
					if v, err := read(&r, env); err == nil {
						if err := v.check(); err != nil {
							t.Fatalf("%s, byte %d: %v", name, i, err)
						}
						v.free()
					}
				}
			}
		}
	}
}

func TestZiplistAgainstItsBuilder(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	env := newEnv(t)
	for range 300 {
		var elems []string
		for range r.IntN(40) + 1 {
			elems = append(elems, string(text(r)))
		}
		w := NewWriter(nil, Options{Version: Version70})
		w.Byte(typeListZiplist)
		w.parts(nil, ziplist(elems...), nil)
		var rd Reader
		rd.ReadBytes(w.Bytes())
		v, err := read(&rd, env)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for it := v.list().Iter(0, len(elems), false); it.Next(); {
			got = append(got, string(it.Bytes()))
		}
		if !slices.Equal(got, elems) {
			t.Fatalf("%q\nbecame\n%q", elems, got)
		}
		v.free()
	}
}

// FuzzRestore gives the reader payloads of any kind. What it accepts is a sound value, and comes back when written.
func FuzzRestore(f *testing.F) {
	seedEnv := newEnv(f)
	for _, typ := range allTypes {
		for seed := range 6 {
			v := random(seedEnv, typ, rand.New(rand.NewPCG(uint64(seed), 9)))
			p := NewWriter(nil, Options{Version: Version70 + seed%3, Compress: seed%2 == 0}).Dump(typ, seedEnv, &v.h)
			f.Add(p[:len(p)-footerBytes], seed%2 == 0)
		}
	}
	for _, s := range oldSamples() {
		f.Add(s.payload[:len(s.payload)-footerBytes], true)
	}
	env := newEnv(f)
	limits := *env.Limits
	f.Fuzz(func(t *testing.T, payload []byte, small bool) {
		*env.Limits = limits
		if !small {
			*env.Limits = datatypes.DefaultLimits()
		}
		defer func() {
			if n := env.Arena.Stats().LiveBytes; n != 0 {
				t.Fatalf("%d bytes are left over", n)
			}
		}()
		var r Reader
		r.ReadBytes(payload)
		v, err := read(&r, env)
		if v == nil {
			return
		}
		if err != nil {
			v.free()
			return
		}
		if err := v.check(); err != nil {
			t.Fatalf("accepted: %v", err)
		}
		o := Options{Version: Version74, Compress: small}
		r.ReadBytes(NewWriter(nil, o).Dump(v.t, env, &v.h))
		again, err := read(&r, env)
		if err != nil {
			t.Fatalf("written: %v", err)
		}
		compare(t, "written", v, again, o)
		v.free()
		again.free()
	})
}
