package replication

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

const idA, idB = "5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e", "b01dfaceb01dfaceb01dfaceb01dfaceb01dface"

// words is a request as text.
func words(req []byte) string {
	var w []string
	for i, l := range strings.Split(strings.TrimSuffix(string(req), "\r\n"), "\r\n") {
		if i > 0 && i%2 == 0 {
			w = append(w, l)
		}
	}
	return strings.Join(w, " ")
}

// TestLink holds whole conversations: what comes, what is sent, and how it ends.
func TestLink(t *testing.T) {
	for _, c := range []struct {
		name string
		opt  LinkOptions
		talk string // "> sent" and "< came", by commas
		out  Outcome
		err  error
	}{
		{"new replica", LinkOptions{Port: 7000},
			"> PING,< +PONG,> REPLCONF listening-port 7000,< +OK,> REPLCONF capa eof capa psync2,< +OK,> PSYNC ? -1,< ,< +FULLRESYNC " + idA + " 12",
			Outcome{Full: true, ID: idA, At: 12}, nil},
		{"with a password and an address", LinkOptions{Port: 7000, Password: "pw", AnnounceIP: "10.0.0.1", ID: idA, At: 40},
			"> PING,< -NOAUTH Authentication required.,> AUTH pw,< +OK,> REPLCONF listening-port 7000,< -ERR what?,> REPLCONF ip-address 10.0.0.1,< +OK,> REPLCONF capa eof capa psync2,< +OK,> PSYNC " + idA + " 41,< +CONTINUE " + idB,
			Outcome{ID: idB, At: 40}, nil},
		{"with a user", LinkOptions{Port: 1, User: "u", Password: "pw", ID: idA},
			"> PING,< +PONG,> AUTH u pw,< +OK,> REPLCONF listening-port 1,< +OK,> REPLCONF capa eof capa psync2,< +OK,> PSYNC " + idA + " 1,< +CONTINUE",
			Outcome{ID: idA}, nil},
		{"wrong password", LinkOptions{Password: "pw"}, "> PING,< +PONG,> AUTH pw,< -WRONGPASS no", Outcome{}, ErrRefused},
		{"no server", LinkOptions{}, "> PING,< HTTP/1.1 400 Bad Request", Outcome{}, ErrRefused},
		{"not now", LinkOptions{},
			"> PING,< +PONG,> REPLCONF listening-port 0,< +OK,> REPLCONF capa eof capa psync2,< +OK,> PSYNC ? -1,< -NOMASTERLINK no", Outcome{}, ErrNotNow},
		{"loading", LinkOptions{},
			"> PING,< +PONG,> REPLCONF listening-port 0,< +OK,> REPLCONF capa eof capa psync2,< +OK,> PSYNC ? -1,< -LOADING wait", Outcome{}, ErrNotNow},
		{"an old server", LinkOptions{},
			"> PING,< +PONG,> REPLCONF listening-port 0,< -ERR unknown,> REPLCONF capa eof capa psync2,< -ERR unknown,> PSYNC ? -1,< -ERR unknown command,> SYNC",
			Outcome{Full: true, At: -1}, nil},
		{"no permission", LinkOptions{},
			"> PING,< +PONG,> REPLCONF listening-port 0,< +OK,> REPLCONF capa eof capa psync2,< +OK,> PSYNC ? -1,< -NOPERM no", Outcome{}, ErrRefused},
		{"a continuation of nothing", LinkOptions{},
			"> PING,< +PONG,> REPLCONF listening-port 0,< +OK,> REPLCONF capa eof capa psync2,< +OK,> PSYNC ? -1,< +CONTINUE", Outcome{}, ErrRefused},
		{"a short name", LinkOptions{},
			"> PING,< +PONG,> REPLCONF listening-port 0,< +OK,> REPLCONF capa eof capa psync2,< +OK,> PSYNC ? -1,< +FULLRESYNC abc 1", Outcome{}, ErrRefused},
		{"no number", LinkOptions{},
			"> PING,< +PONG,> REPLCONF listening-port 0,< +OK,> REPLCONF capa eof capa psync2,< +OK,> PSYNC ? -1,< +FULLRESYNC " + idA + " x", Outcome{}, ErrRefused},
		{"handing over", LinkOptions{ID: idA, At: 7, Failover: true},
			"> PING,< +PONG,> REPLCONF listening-port 0,< +OK,> REPLCONF capa eof capa psync2,< +OK,> PSYNC " + idA + " 8 FAILOVER,< +CONTINUE " + idB, Outcome{ID: idB, At: 7}, nil},
		{"handing over to somebody who does not want it", LinkOptions{ID: idA, At: 7, Failover: true},
			"> PING,< +PONG,> REPLCONF listening-port 0,< +OK,> REPLCONF capa eof capa psync2,< +OK,> PSYNC " + idA + " 8 FAILOVER,< -ERR no", Outcome{}, ErrNoFailover},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := NewLink(c.opt)
			sent := l.Hello()
			var err error
			for _, turn := range strings.Split(c.talk, ",") {
				side, text := turn[:2], turn[2:]
				if side == "> " {
					if got := words(sent); got != text {
						t.Fatalf("sends %q, not %q", got, text)
					}
					sent = nil
					continue
				}
				if len(sent) > 0 {
					t.Fatalf("sends %q", words(sent))
				}
				if sent, err = l.Line(text); err != nil {
					break
				}
			}
			out, done := l.Done()
			if !errors.Is(err, c.err) || done != (c.err == nil) || out != c.out {
				t.Errorf("ends with %+v, %v, %v; not %+v, %v", out, done, err, c.out, c.err)
			}
		})
	}
}

// TestLinkAfterTheEnd is a primary that goes on talking.
func TestLinkAfterTheEnd(t *testing.T) {
	l := NewLink(LinkOptions{})
	for _, line := range []string{"+PONG", "+OK", "+OK", "+FULLRESYNC " + idA + " 1"} {
		if _, err := l.Line(line); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.Line("+OK"); !errors.Is(err, ErrRefused) {
		t.Errorf("a line after the end: %v", err)
	}
}

func TestHeader(t *testing.T) {
	mark := strings.Repeat("m", MarkLen)
	for line, want := range map[string]Header{"$0": {}, "$12": {Size: 12}, "$EOF:" + mark: {Size: -1, Mark: mark}} {
		if h, err := ParseHeader(line); err != nil || h != want {
			t.Errorf("%q is %+v, %v", line, h, err)
		}
	}
	for _, line := range []string{"", "12", "$", "$-1", "$x", "$EOF:short", "-ERR no", "+OK"} {
		if h, err := ParseHeader(line); err == nil {
			t.Errorf("%q is %+v", line, h)
		}
	}
}

// pieces gives a text in pieces of random lengths.
type pieces struct {
	text []byte
	rnd  *rand.Rand
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.text) == 0 {
		return 0, io.EOF
	}
	n := min(len(b), len(p.text), 1+p.rnd.IntN(100))
	copy(b, p.text[:n])
	p.text = p.text[n:]
	return n, nil
}

// TestPayload reads snapshots in pieces, of both forms, and what ends too early.
func TestPayload(t *testing.T) {
	mark := strings.Repeat("0123456789", 4)
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		body := make([]byte, rnd.IntN(1000))
		for i := range body { // much of it looks like the mark
			body[i] = byte('0' + (i+rnd.IntN(20)/19)%10)
		}
		for _, h := range []Header{{Size: int64(len(body))}, {Size: -1, Mark: mark}} {
			text := body
			if h.Size < 0 {
				if bytes.Contains(append(body[:len(body):len(body)], mark[:MarkLen-1]...), []byte(mark)) {
					continue // then it would not have been chosen
				}
				text = append(body[:len(body):len(body)], mark...)
			}
			p := NewPayload(&pieces{text, rnd}, h)
			got, err := io.ReadAll(iotestReader{p, rnd})
			if err != nil || !bytes.Equal(got, body) {
				t.Fatalf("seed %d, %+v: %d bytes of %d, %v", seed, h, len(got), len(body), err)
			}
			if p.Bytes() != int64(len(body)) || p.Finish() != nil {
				t.Fatalf("%d bytes counted", p.Bytes())
			}
			if len(text) > 0 {
				cut := text[:rnd.IntN(len(text))]
				if _, err := io.ReadAll(NewPayload(&pieces{cut, rnd}, h)); !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Fatalf("seed %d, %+v: cut at %d of %d: %v", seed, h, len(cut), len(text), err)
				}
			}
		}
	}
}

// iotestReader reads with buffers of random sizes.
type iotestReader struct {
	r   io.Reader
	rnd *rand.Rand
}

func (r iotestReader) Read(b []byte) (int, error) { return r.r.Read(b[:min(len(b), 1+r.rnd.IntN(64))]) }

// TestFinish is a snapshot whose own end is not where the sender ends it.
func TestFinish(t *testing.T) {
	mark := strings.Repeat("x", MarkLen)
	p := NewPayload(strings.NewReader("snapshot and more"+mark), Header{Size: -1, Mark: mark})
	if _, err := io.ReadFull(p, make([]byte, 8)); err != nil {
		t.Fatal(err)
	}
	if err := p.Finish(); err != ErrMark {
		t.Errorf("bytes behind the end: %v", err)
	}
	p = NewPayload(strings.NewReader("snapshot"+mark), Header{Size: -1, Mark: mark})
	if _, err := io.ReadFull(p, make([]byte, 8)); err != nil {
		t.Fatal(err)
	}
	if err := p.Finish(); err != nil {
		t.Errorf("the mark at the end: %v", err)
	}
}

func FuzzLink(f *testing.F) {
	f.Add("+PONG\n+OK\n+OK\n+CONTINUE", true)
	f.Add("+\n0\n0\n ", false)
	f.Add("+PONG\n+OK\n+OK\n+FULLRESYNC "+idA+" 5", false)
	f.Fuzz(func(t *testing.T, talk string, knows bool) {
		o := LinkOptions{Port: 1}
		if knows {
			o.ID, o.At = idA, 10
		}
		l := NewLink(o)
		for _, line := range strings.Split(talk, "\n") {
			if _, err := l.Line(line); err != nil {
				return
			}
			if out, done := l.Done(); done {
				if out.Full && out.ID != "" && (len(out.ID) != IDLen || out.At < 0) || !out.Full && (!knows || out.At != 10) {
					t.Fatalf("%+v", out)
				}
				return
			}
		}
	})
}
