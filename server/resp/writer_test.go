package resp

import (
	"bytes"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"larder/datatypes/decimal"
)

func TestWriterForms(t *testing.T) {
	for _, c := range []struct {
		what         string
		write        func(w *Writer)
		resp2, resp3 string
	}{
		{"ok", func(w *Writer) { w.OK() }, "+OK\r\n", ""},
		{"simple", func(w *Writer) { w.Simple("a\r\nb") }, "+a  b\r\n", ""},
		{"error", func(w *Writer) { w.Error("ERR a\nb\r") }, "-ERR a b \r\n", ""},
		{"int", func(w *Writer) { w.Int(7); w.Int(-7); w.Int(10); w.Int(math.MinInt64) }, ":7\r\n:-7\r\n:10\r\n:-9223372036854775808\r\n", ""},
		{"uint", func(w *Writer) { w.Uint(math.MaxUint64) }, ":18446744073709551615\r\n", ""},
		{"bulk", func(w *Writer) { w.Bulk([]byte("a\r\nb")); w.Bulk(nil) }, "$4\r\na\r\nb\r\n$0\r\n\r\n", ""},
		{"bulk string", func(w *Writer) { w.BulkString("hello world") }, "$11\r\nhello world\r\n", ""},
		{"bulk int", func(w *Writer) { w.BulkInt(-12) }, "$3\r\n-12\r\n", ""},
		{"null", func(w *Writer) { w.Null() }, "$-1\r\n", "_\r\n"},
		{"null array", func(w *Writer) { w.NullArray() }, "*-1\r\n", "_\r\n"},
		{"bool", func(w *Writer) { w.Bool(true); w.Bool(false) }, ":1\r\n:0\r\n", "#t\r\n#f\r\n"},
		{"double", func(w *Writer) { w.Double(3.25); w.Double(math.Inf(-1)) }, "$4\r\n3.25\r\n$4\r\n-inf\r\n", ",3.25\r\n,-inf\r\n"},
		{"human double", func(w *Writer) { w.HumanDouble(1e-7) }, "$9\r\n0.0000001\r\n", ",0.0000001\r\n"},
		{"big number", func(w *Writer) { w.BigNumber("123") }, "$3\r\n123\r\n", "(123\r\n"},
		{"verbatim", func(w *Writer) { w.Verbatim("txt", "hi") }, "$2\r\nhi\r\n", "=6\r\ntxt:hi\r\n"},
		{"array", func(w *Writer) { w.Array(0); w.Array(12) }, "*0\r\n*12\r\n", ""},
		{"map", func(w *Writer) { w.Map(6) }, "*12\r\n", "%6\r\n"},
		{"set", func(w *Writer) { w.Set(3) }, "*3\r\n", "~3\r\n"},
		{"push", func(w *Writer) { w.Push(3) }, "*3\r\n", ">3\r\n"},
		{"attribute", func(w *Writer) {
			if w.Attribute(1) {
				w.Simple("ttl")
				w.Int(1)
			}
			w.OK()
		}, "+OK\r\n", "|1\r\n+ttl\r\n:1\r\n+OK\r\n"},
		{"deferred", func(w *Writer) {
			outer := w.Defer()
			w.Int(1)
			inner := w.Defer()
			w.Int(2)
			w.Int(3)
			w.SetMap(inner, 1)
			set := w.Defer()
			w.SetSet(set, 0)
			w.SetArray(outer, 1234567)
			w.OK()
		}, "*1234567\r\n:1\r\n*2\r\n:2\r\n:3\r\n*0\r\n+OK\r\n", "*1234567\r\n:1\r\n%1\r\n:2\r\n:3\r\n~0\r\n+OK\r\n"},
		{"raw", func(w *Writer) { w.Raw([]byte("+a\r\n")); w.RawString("+b\r\n") }, "+a\r\n+b\r\n", ""},
	} {
		if c.resp3 == "" {
			c.resp3 = c.resp2
		}
		for proto, want := range map[int]string{2: c.resp2, 3: c.resp3} {
			w := Writer{Proto: proto}
			c.write(&w)
			if got := string(w.Bytes()); got != want {
				t.Errorf("%s in RESP%d: got %q, want %q", c.what, proto, got, want)
			}
		}
	}
}

func TestWriterCountsErrors(t *testing.T) {
	w := Writer{Proto: 2}
	w.Error(ErrSyntax)
	w.Error(ErrWrongType)
	if w.ErrCount != 2 || w.LastErr.Code() != "WRONGTYPE" || Error("oops").Code() != "ERR" {
		t.Fatal(w.ErrCount, w.LastErr)
	}
}

// TestWriterPooled writes replies of all sizes through a Writer with a pool while they are sent in pieces, next to one
// that keeps all in one slice.
func TestWriterPooled(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	big := bytes.Repeat([]byte("0123456789abcdef"), 40000)
	for round := range 300 {
		var pool Pool
		var w, plain Writer
		w.Init(2+round%2, &pool)
		plain.Init(2+round%2, nil)
		var sent []byte
		for range rnd.IntN(60) {
			switch rnd.IntN(9) {
			case 0:
				b := big[:rnd.IntN(len(big))]
				w.Bulk(b)
				plain.Bulk(b)
			case 1, 2, 3:
				b := big[:rnd.IntN(3000)]
				w.Bulk(b)
				plain.Bulk(b)
			case 4:
				d, e := w.Defer(), plain.Defer()
				for range rnd.IntN(100) {
					n := rnd.IntN(5000)
					w.Bulk(big[:n])
					plain.Bulk(big[:n])
				}
				n := rnd.IntN(1 << rnd.IntN(31))
				w.SetMap(d, n)
				plain.SetMap(e, n)
			case 5:
				m, k := w.Mark(), plain.Mark()
				n := rnd.IntN(300000)
				w.Bulk(big[:n])
				w.OK()
				plain.Bulk(big[:n])
				plain.OK()
				if rnd.IntN(2) == 0 {
					w.Truncate(m)
					plain.Truncate(k)
				}
			case 6:
				limit := rnd.IntN(500000)
				var got []byte
				for _, b := range w.Buffers(nil, limit) {
					got = append(got, b...)
				}
				if len(got) != min(limit, w.Len()) {
					t.Fatalf("%d bytes for a limit of %d, %d wait", len(got), limit, w.Len())
				}
				n := len(got) - rnd.IntN(1+len(got)/8)
				w.Advance(n)
				sent = append(sent, got[:n]...)
			case 7:
				n := rnd.IntN(1 + w.Len())
				before := w.Len()
				for _, b := range w.Take(nil, n) {
					sent = append(sent, b...)
					pool.Put(b)
				}
				if w.Len() != before-n {
					t.Fatalf("%d taken of %d leave %d", n, before, w.Len())
				}
			case 8:
				w.Int(5)
				plain.Int(5)
			}
			if w.Len() != plain.Len()-len(sent) {
				t.Fatalf("Len is %d, want %d", w.Len(), plain.Len()-len(sent))
			}
		}
		for _, b := range w.Buffers(nil, math.MaxInt) {
			sent = append(sent, b...)
		}
		if !bytes.Equal(sent, plain.Bytes()) {
			t.Fatal("what was sent differs")
		}
		w.Reset()
		if w.Len() != 0 || w.Owned() != 0 {
			t.Fatal("an empty writer owns buffers")
		}
	}
}

func TestWriterAllocates(t *testing.T) {
	var pool Pool
	var w Writer
	w.Init(3, &pool)
	value := make([]byte, 3000)
	if n := testing.AllocsPerRun(100, func() {
		d := w.Defer()
		for range 50 {
			w.Bulk(value)
			w.Double(1.5)
			w.Int(5000)
			w.Error(ErrWrongType)
		}
		w.SetArray(d, 50)
		w.Reset()
	}); n > 1 { // the list of full buffers
		t.Fatalf("%v allocations per turn", n)
	}
	if n := testing.AllocsPerRun(100, func() { w.Bulk(value[:2000]); w.OK(); w.Reset() }); n != 0 {
		t.Fatalf("%v allocations per reply", n)
	}
}

func TestPoolTrims(t *testing.T) {
	var p Pool
	var held [][]byte
	for range 100 {
		held = append(held, p.Get(4096))
	}
	for _, b := range held {
		p.Put(b)
	}
	if p.Kept() != 100*4096 {
		t.Fatal(p.Kept())
	}
	for range 30 {
		p.Trim()
		p.Put(p.Get(4096)) // one is in use
	}
	if p.Kept() > 2*4096 {
		t.Fatalf("%d bytes are kept that nobody needs", p.Kept())
	}
	for n := range 5000 {
		if b := p.Get(n); cap(b) < n || len(b) != 0 {
			t.Fatal(n)
		}
	}
}

func TestFormatDouble(t *testing.T) {
	for _, c := range []struct {
		f           float64
		want, human string
	}{
		{0, "0", "0"},
		{math.Copysign(0, -1), "-0", "0"},
		{1, "1", "1"},
		{-5, "-5", "-5"},
		{3.5, "3.5", "3.5"},
		{0.1, "0.1", "0.10000000000000001"},
		{-0.25, "-0.25", "-0.25"},
		{1e17, "100000000000000000", "100000000000000000"},
		{4611686018427387904, "4611686018427387904", "4611686018427387904"},
		{1e19, "1e+19", "10000000000000000000"},
		{1.5e300, "1.5e+300", ""},
		{1e21, "1e+21", "1000000000000000000000"},
		{1e-5, "0.00001", "0.00001"},
		{1e-6, "0.000001", "0.000001"},
		{1e-7, "1e-7", "0.0000001"},
		{1.234e-5, "1.234e-5", "0.00001234"},
		{1e-10, "1e-10", "0.0000000001"},
		{-1.5e-100, "-1.5e-100", "0"},
		{math.MaxFloat64, "1.7976931348623157e+308", ""},
		{5e-324, "5e-324", "0"},
		{3.0000000000000004, "3.0000000000000004", "3.00000000000000044"},
		{math.Inf(1), "inf", "inf"},
		{math.Inf(-1), "-inf", "-inf"},
		{math.NaN(), "nan", "nan"},
	} {
		if got := string(decimal.Append(nil, c.f)); got != c.want {
			t.Errorf("Append(%g) = %s, want %s", c.f, got, c.want)
		}
		if got := string(FormatHuman(nil, c.f)); c.human != "" && got != c.human {
			t.Errorf("FormatHuman(%g) = %s, want %s", c.f, got, c.human)
		}
	}
}

// TestIntDigits writes the numbers around every power of ten.
func TestIntDigits(t *testing.T) {
	var w Writer
	for n := int64(1); n > 0 && n < math.MaxInt64/10; n *= 10 {
		for _, v := range []int64{n - 1, n, n + 1, -n, 7 * n} {
			w.Empty()
			if w.Int(v); string(w.Bytes()) != ":"+strconv.FormatInt(v, 10)+"\r\n" {
				t.Errorf("%d is written as %q", v, w.Bytes())
			}
		}
	}
}

func TestParseInt(t *testing.T) {
	for in, want := range map[string]int64{"0": 0, "1": 1, "-1": -1, "9223372036854775807": math.MaxInt64, "-9223372036854775808": math.MinInt64, "10": 10} {
		if n, ok := ParseInt([]byte(in)); !ok || n != want {
			t.Errorf("%q: %d %v", in, n, ok)
		}
	}
	for _, in := range []string{"", "-", "+1", "01", "-0", "00", " 1", "1 ", "1a", "9223372036854775808", "-9223372036854775809", "18446744073709551616",
		"99999999999999999999", "-99999999999999999999", "100000000000000000000"} {
		if n, ok := ParseInt([]byte(in)); ok {
			t.Errorf("%q is taken as %d", in, n)
		}
	}
}

func TestErrorTexts(t *testing.T) {
	long := []byte(strings.Repeat("x", 200))
	for _, c := range []struct {
		got  Error
		want string
	}{
		{WrongArgs("client|id"), "ERR wrong number of arguments for 'client|id' command"},
		{UnknownCommand([][]byte{[]byte("foo")}), "ERR unknown command 'foo', with args beginning with: "},
		{UnknownCommand([][]byte{[]byte("foo"), []byte("a"), []byte("b c")}), "ERR unknown command 'foo', with args beginning with: 'a' 'b c' "},
		{UnknownCommand([][]byte{long, long, long}), "ERR unknown command '" + string(long[:128]) + "', with args beginning with: '" + string(long[:128]) + "' "},
		{UnknownSubcommand([]byte("nope"), "client"), "ERR unknown subcommand 'nope'. Try CLIENT HELP."},
		{InvalidExpire("set"), "ERR invalid expire time in 'set' command"},
	} {
		if string(c.got) != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

// TestEmptyKeepsNothingLarge: a scratch pad that had to hold a large value once is small again, and goes on.
func TestEmptyKeepsNothingLarge(t *testing.T) {
	w := Writer{Proto: 2}
	w.Bulk(make([]byte, 10_000))
	w.Empty()
	if w.Owned() == 0 {
		t.Error("a small buffer is not kept")
	}
	w.Bulk(make([]byte, 10<<20))
	if w.Empty(); w.Owned() > scratchKept {
		t.Errorf("%d bytes are kept", w.Owned())
	}
	w.Int(5)
	if got := string(w.Bytes()); got != ":5\r\n" {
		t.Errorf("afterwards it says %q", got)
	}
}
