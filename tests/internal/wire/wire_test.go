package wire

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

var legal = []string{
	"+OK\r\n", "+\r\n", "-ERR no\r\n", ":0\r\n", ":-9223372036854775808\r\n", "$0\r\n\r\n", "$-1\r\n", "$3\r\na\r\n\r\n",
	"*-1\r\n", "*0\r\n", "*2\r\n:1\r\n$1\r\na\r\n", "*1\r\n*1\r\n*0\r\n", "_\r\n", ",1.5\r\n", ",inf\r\n", ",-inf\r\n", ",nan\r\n",
	"#t\r\n", "#f\r\n", "(-123456789012345678901234567890\r\n", "!5\r\nERR x\r\n", "=5\r\ntxt:a\r\n", "%1\r\n+k\r\n#t\r\n",
	"~2\r\n:1\r\n:2\r\n", ">2\r\n+a\r\n+b\r\n", "|1\r\n+a\r\n:1\r\n",
}

var illegal = []string{
	"OK\r\n", "+OK\n", "+a\rb\r\n", ":\r\n", ":01\r\n", ":+1\r\n", ":1.5\r\n", "$03\r\nabc\r\n", "$-2\r\n", "$3\r\nabcd\r\n", "!-1\r\n", "*x\r\n",
	"%-1\r\n", "#x\r\n", "_x\r\n", ",\r\n", ",x\r\n", "(\r\n", "(1x\r\n", "*1\r\n?\r\n", "\r\n", "\n", "*99999999999\r\n", "$99999999999\r\n",
}

func TestReadGivesBackTheSameBytes(t *testing.T) {
	for _, s := range legal {
		r := bufio.NewReader(strings.NewReader(s))
		v, err := Read(r)
		if err != nil {
			t.Errorf("%q: %v", s, err)
			continue
		}
		if got := string(v.Append(nil)); got != s {
			t.Errorf("%q came back as %q", s, got)
		}
		if _, err := Read(r); err != io.EOF {
			t.Errorf("%q: after the value: %v, want EOF", s, err)
		}
		for cut := 1; cut < len(s); cut++ {
			if _, err := Read(bufio.NewReader(strings.NewReader(s[:cut]))); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%q cut at %d: %v, want unexpected EOF", s, cut, err)
			}
		}
	}
}

func TestReadRefusesWhatIsNotCanonical(t *testing.T) {
	for _, s := range illegal {
		v, err := Read(bufio.NewReader(strings.NewReader(s)))
		var protocol *ProtocolError
		if !errors.As(err, &protocol) {
			t.Errorf("%q was read as %v, error %v", s, v, err)
		}
	}
	deep := strings.Repeat("*1\r\n", maxDepth+2) + ":1\r\n"
	if _, err := Read(bufio.NewReader(strings.NewReader(deep))); err == nil {
		t.Error("endless nesting was accepted")
	}
}

func TestAppendRequest(t *testing.T) {
	got := string(AppendRequest([]byte("x"), "SET", "k\r\n", ""))
	if want := "x*3\r\n$3\r\nSET\r\n$3\r\nk\r\n\r\n$0\r\n\r\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func FuzzRead(f *testing.F) {
	for _, s := range append(legal, illegal...) {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bufio.NewReader(bytes.NewReader(b))
		v, err := Read(r)
		if err != nil {
			return
		}
		out := v.Append(nil)
		if !bytes.HasPrefix(b, out) {
			t.Fatalf("%q was read as a value that stands for %q", b, out)
		}
	})
}
