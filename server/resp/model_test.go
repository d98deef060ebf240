package resp

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

// modelParse is the Reader's independent twin: it looks at all bytes at once, copies everything and remembers nothing.
// It returns the requests, and then the error, or "" when more bytes are needed.
func modelParse(in string, lim Limits) (cmds [][]string, fault string) {
	const prefix = "ERR Protocol error: "
	// line cuts the text before the terminator within the first 64 KiB, unless a zero byte comes first.
	line := func(s string, term byte) (text string, found, tooBig bool) {
		seen := s[:min(len(s), 65537)]
		k := strings.IndexByte(seen, term)
		if k >= 0 && strings.IndexByte(seen[:k], 0) >= 0 {
			k = -1
		}
		if k < 0 {
			return "", false, len(s) > 65536
		}
		return s[:k], true, false
	}
	number := func(s string) (int64, bool) {
		n, err := strconv.ParseInt(s, 10, 64)
		return n, err == nil && strconv.FormatInt(n, 10) == s
	}
	for in != "" {
		if in[0] != '*' {
			text, found, tooBig := line(in, '\n')
			if tooBig {
				return cmds, prefix + "too big inline request"
			}
			if !found {
				return cmds, ""
			}
			in = in[len(text)+1:]
			words, ok := modelSplit(strings.TrimSuffix(text, "\r"))
			if !ok {
				return cmds, prefix + "unbalanced quotes in request"
			}
			if len(words) > 0 {
				cmds = append(cmds, words)
			}
			continue
		}
		text, found, tooBig := line(in, '\r')
		if tooBig {
			return cmds, prefix + "too big mbulk count string"
		}
		if !found || len(in) < len(text)+2 {
			return cmds, ""
		}
		n, ok := number(text[1:])
		if !ok || n > int64(min(lim.MaxArgs, math.MaxInt32)) {
			return cmds, prefix + "invalid multibulk length"
		}
		if n > 10 && lim.Unauth {
			return cmds, prefix + "unauthenticated multibulk length"
		}
		in = in[len(text)+2:]
		var args []string
		for ; n > 0; n-- {
			text, found, tooBig := line(in, '\r')
			if tooBig {
				return cmds, prefix + "too big bulk count string"
			}
			if !found || len(in) < len(text)+2 {
				return cmds, ""
			}
			if in[0] != '$' {
				return cmds, prefix + "expected '$', got '" + in[:1] + "'"
			}
			size, ok := number(text[1:])
			if !ok || size < 0 || size > int64(min(lim.MaxBulk, 1<<56)) {
				return cmds, prefix + "invalid bulk length"
			}
			if size > 16384 && lim.Unauth {
				return cmds, prefix + "unauthenticated bulk length"
			}
			in = in[len(text)+2:]
			if int64(len(in)) < size+2 {
				return cmds, ""
			}
			args = append(args, in[:size])
			in = in[size+2:]
		}
		if args != nil {
			cmds = append(cmds, args)
		}
	}
	return cmds, ""
}

// modelSplit splits a typed line, one character at a time.
func modelSplit(s string) (words []string, ok bool) {
	const space = " \t\n\v\f\r"
	for {
		s = strings.TrimLeft(s, space)
		if s == "" {
			return words, true
		}
		var word []byte
		quote := byte(0)
		for {
			if s == "" {
				if quote != 0 {
					return nil, false
				}
				break
			}
			c := s[0]
			if quote == 0 {
				if strings.IndexByte(" \n\r\t", c) >= 0 {
					break
				}
				s = s[1:]
				if c == '"' || c == '\'' {
					quote = c
				} else {
					word = append(word, c)
				}
				continue
			}
			if c == quote {
				s = s[1:]
				if s != "" && strings.IndexByte(space, s[0]) < 0 {
					return nil, false
				}
				break
			}
			if quote == '"' && c == '\\' && len(s) >= 4 && s[1] == 'x' {
				if v, err := strconv.ParseUint(s[2:4], 16, 8); err == nil && s[2] != '+' {
					word = append(word, byte(v))
					s = s[4:]
					continue
				}
			}
			if quote == '"' && c == '\\' && len(s) >= 2 {
				if k := strings.IndexByte("nrtba", s[1]); k >= 0 {
					c = "\n\r\t\b\a"[k]
				} else {
					c = s[1]
				}
				s = s[1:]
			} else if quote == '\'' && strings.HasPrefix(s, `\'`) {
				c = '\''
				s = s[1:]
			}
			word = append(word, c)
			s = s[1:]
		}
		words = append(words, string(word))
	}
}

// split feeds a Reader the bytes in pieces, the way a loop does, and collects what it cuts. next chooses a number below
// its argument. Every way of receiving is used: a window, a small rest moved in front, a large one received behind.
func split(t *testing.T, in string, lim Limits, next func(n int) int) (cmds [][]string, fault string, most int) {
	t.Helper()
	var r Reader
	var a Args
	var pool Pool
	window := make([]byte, len(in)+stashSmall)
	data := []byte(in)
	used := 0
	for {
		n := min(len(data), 1+next(max(len(data), 1)))
		if next(3) > 0 {
			n = min(n, 1+next(40+len(in)/256))
		}
		piece := data[:n]
		data = data[n:]
		clear(window[:min(len(window), used)]) // what is overwritten must not be needed any more
		used = r.Buffered() + n
		switch {
		case r.Buffered() == 0:
			r.Feed(window[:copy(window, piece)])
		case r.Small() && next(4) > 0:
			k := r.MoveTo(window, &pool)
			r.Feed(window[:k+copy(window[k:], piece)])
		default:
			for len(piece) > 0 {
				space := r.Space(&pool)
				if len(space) == 0 {
					t.Fatal("no space")
				}
				k := copy(space, piece)
				r.Filled(k)
				piece = piece[k:]
			}
		}
		a.Reset()
		var q Request
		var batch []Request
	cut:
		for {
			st := r.Next(&lim, &a, &q)
			switch st {
			case Command:
				batch = append(batch, q)
				if next(8) == 0 { // put some back, as a server does that has cut ahead
					back := next(len(batch))
					r.Unread(&batch[back])
					batch = batch[:back]
				}
				if next(16) == 0 {
					break cut // leave the rest for another turn
				}
			case NeedMore:
				break cut
			case ProtocolError:
				for _, q := range batch {
					cmds = append(cmds, toStrings(q.Args))
				}
				r.Close(&pool)
				return cmds, r.Err(), most
			default:
				t.Fatalf("status %d", st)
			}
		}
		for _, q := range batch {
			cmds = append(cmds, toStrings(q.Args))
			if raw := r.Raw(&q); raw != nil && string(raw) != encode(q.Args) {
				t.Fatalf("raw %q of %q", raw, q.Args)
			}
		}
		r.Stash(&pool)
		most = max(most, r.Owned())
		if r.Buffered() == 0 && r.Owned() != 0 {
			t.Fatal("an idle reader owns a buffer")
		}
		if len(data) == 0 {
			break
		}
	}
	for { // what was left for another turn
		a.Reset()
		var q Request
		switch r.Next(&lim, &a, &q) {
		case Command:
			cmds = append(cmds, toStrings(q.Args))
			continue
		case ProtocolError:
			return cmds, r.Err(), most
		}
		return cmds, "", most
	}
}

func toStrings(args [][]byte) []string {
	s := make([]string, len(args))
	for i, a := range args {
		s[i] = string(a)
	}
	return s
}

func encode(args [][]byte) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(args))
	for _, a := range args {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(a), a)
	}
	return b.String()
}

func compare(t *testing.T, in string, lim Limits, next func(int) int) {
	t.Helper()
	want, wantFault := modelParse(in, lim)
	got, fault, most := split(t, in, lim, next)
	if fmt.Sprint(len(got), fault) != fmt.Sprint(len(want), wantFault) {
		t.Fatalf("%.300q:\ngot %d requests and %q,\nwant %d and %q\n%.300q\n%.300q", in, len(got), fault, len(want), wantFault, got, want)
	}
	for i := range want {
		if fmt.Sprintf("%q", got[i]) != fmt.Sprintf("%q", want[i]) {
			t.Fatalf("%.300q: request %d: got %.300q, want %.300q", in, i, got[i], want[i])
		}
	}
	if most > 4*len(in)+2*stashSlack {
		t.Fatalf("%d bytes owned for %d received", most, len(in))
	}
}

// tokens are what protocol streams are made of, right and wrong.
var tokens = []string{"*", "$", "1", "2", "3", "0", "-1", "10", "11", "\r\n", "\r\n", "\r\n", "\n", "\r", " ", "a", "PING", "\"", "'", "\\", "\\x4", "\\x41",
	"\\n", "\x00", "\v", "*1\r\n$4\r\nPING\r\n", "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", "$3\r\nSET\r\n", "*3\r\n", "*0\r\n", "*-5\r\n", "$0\r\n\r\n",
	"ECHO 'a b'\r\n", "+1", "01", "99999999999999999999", "2147483648", "*1048577\r\n", "$536870913\r\n", "$16385\r\n", "$9223372036854775807\r\n",
	"$99999999999999999\r\n"}

func TestReaderAgainstModel(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	rounds := 20000
	if testing.Short() {
		rounds = 5000
	}
	for range rounds {
		var b strings.Builder
		for range rnd.IntN(20) {
			b.WriteString(tokens[rnd.IntN(len(tokens))])
		}
		lim := DefaultLimits()
		lim.Unauth = rnd.IntN(4) == 0
		if rnd.IntN(4) == 0 {
			lim.MaxBulk, lim.MaxArgs = rnd.IntN(20), 1+rnd.IntN(3)
		} else if rnd.IntN(4) == 0 {
			lim.MaxBulk, lim.MaxArgs, lim.MaxBuffered = math.MaxInt, math.MaxInt, math.MaxInt
		}
		compare(t, b.String(), lim, rnd.IntN)
	}
}

// TestReaderLarge has arguments and lines on both sides of every border.
func TestReaderLarge(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for _, n := range []int{16383, 16384, 16385, 65535, 65536, 65537, 70000, 200000, 1 << 20} {
		for _, unauth := range []bool{false, true} {
			lim := DefaultLimits()
			lim.Unauth = unauth
			body := strings.Repeat("v", n)
			for _, in := range []string{
				fmt.Sprintf("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n%s\r\nPING\r\n", n, body),
				"SET k " + body + "\r\nPING\r\n",
				"*" + body + "\r\n",
				"*" + body,
				"*1\r\n$" + body,
				"*1\r\n$" + body + "\r\n",
				"*1\r\n" + body,
				body,
				body + "\n",
				body[:n-1] + "\n",
			} {
				for range 3 {
					small := rnd.IntN(2) == 0
					compare(t, in, lim, func(k int) int {
						if !small && k > 1000 {
							k = 1000 + (k-1000)/2
						}
						return rnd.IntN(k)
					})
				}
			}
		}
	}
	for _, n := range []int{1, 10, 11, 255, 256, 257, 70000} {
		var b strings.Builder
		fmt.Fprintf(&b, "*%d\r\n", n)
		for i := range n {
			s := strconv.Itoa(i)
			fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(s), s)
		}
		compare(t, b.String()+b.String(), DefaultLimits(), rnd.IntN)
	}
}

func FuzzReader(f *testing.F) {
	for i, tok := range tokens {
		f.Add([]byte(tok+strings.Join(tokens[i:], "")), uint64(i))
	}
	f.Fuzz(func(t *testing.T, in []byte, seed uint64) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		lim := DefaultLimits()
		lim.Unauth = seed&1 != 0
		compare(t, string(in), lim, rnd.IntN)
	})
}

// TestReaderBoundsMemory announces much and sends little.
func TestReaderBoundsMemory(t *testing.T) {
	lim := DefaultLimits()
	var pool Pool
	var a Args
	var q Request
	for _, head := range []string{"*2\r\n$3\r\nGET\r\n$536870912\r\n", "*1048576\r\n$3\r\nDEL\r\n"} {
		var r Reader
		r.Feed([]byte(head))
		if st := r.Next(&lim, &a, &q); st != NeedMore {
			t.Fatal(st)
		}
		r.Stash(&pool)
		for range 1000 {
			for in := "$1\r\n1\r\n"; in != ""; {
				n := copy(r.Space(&pool), in)
				r.Filled(n)
				in = in[n:]
			}
			if st := r.Next(&lim, &a, &q); st != NeedMore {
				t.Fatal(st)
			}
			r.Stash(&pool)
		}
		if r.Owned() > 4*7000+2*stashSlack || a.used > 0 || len(a.slots) > 256 {
			t.Fatalf("%d bytes and %d slots for 7000 bytes received", r.Owned(), len(a.slots))
		}
	}
	lim.MaxBuffered = 5000
	var r Reader
	r.Feed(append([]byte("*2\r\n$3\r\nGET\r\n$536870912\r\n"), bytes.Repeat([]byte("x"), 5000)...))
	if st := r.Next(&lim, &a, &q); st != Overflow {
		t.Fatal(st)
	}
}

// TestReaderLinear receives a large value in many pieces and counts what is moved.
func TestReaderLinear(t *testing.T) {
	const size = 32 << 20
	lim := DefaultLimits()
	var pool Pool
	var a Args
	var q Request
	var r Reader
	r.Feed([]byte(fmt.Sprintf("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n", size)))
	grown := 0
	for got := 0; got < size+2; {
		if st := r.Next(&lim, &a, &q); st != NeedMore {
			t.Fatal(st)
		}
		r.Stash(&pool)
		before := r.Owned()
		space := r.Space(&pool)
		if r.Owned() != before {
			grown += r.Buffered()
		}
		n := min(len(space), 1<<10, size+2-got)
		r.Filled(n)
		got += n
	}
	if st := r.Next(&lim, &a, &q); st != Command || len(q.Args[2]) != size {
		t.Fatal(st)
	}
	if grown > size {
		t.Fatalf("%d bytes were moved", grown)
	}
	r.Stash(&pool)
	if r.Owned() != 0 {
		t.Fatal("the buffer stays")
	}
}

func TestReaderAllocates(t *testing.T) {
	lim := DefaultLimits()
	var pool Pool
	var a Args
	var q Request
	var r Reader
	in := []byte(strings.Repeat("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\nhi\r\n", 100) + "*3\r\n$3\r\nSET\r\n$1")
	window := make([]byte, 1<<20)
	turn := func() {
		a.Reset()
		n := r.MoveTo(window, &pool)
		r.Feed(window[:n+copy(window[n:], in[:len(in)-n])])
		for r.Next(&lim, &a, &q) == Command {
		}
		r.Stash(&pool)
	}
	turn()
	r.Close(&pool)
	if n := testing.AllocsPerRun(100, func() { turn(); r.Close(&pool) }); n != 0 {
		t.Fatalf("%v allocations per turn", n)
	}
}

func BenchmarkReaderSet(b *testing.B) {
	lim := DefaultLimits()
	var a Args
	var q Request
	var r Reader
	one := "*3\r\n$3\r\nSET\r\n$16\r\nkey:000000012345\r\n$32\r\n01234567890123456789012345678901\r\n"
	in := []byte(strings.Repeat(one, 64))
	b.SetBytes(int64(len(one)))
	for i := 0; i < b.N; i += 64 {
		a.Reset()
		r.Feed(in)
		for r.Next(&lim, &a, &q) == Command {
		}
		r.Stash(nil)
	}
}
