package main

import (
	"bytes"
	"fmt"
	"net"
	"time"
)

// link is a connection to a server on which replies stay the bytes that came: most are the same on both servers, and
// those need not be understood to be compared.
type link struct {
	nc   net.Conn
	buf  []byte
	at   int // what of buf has been given out
	busy bool
}

// answerLimit bounds how long a server may be silent.
const answerLimit = time.Minute

func dial(addr string) (*link, error) {
	nc, err := net.DialTimeout("tcp", addr, answerLimit)
	if err != nil {
		return nil, err
	}
	return &link{nc: nc}, nil
}

func (l *link) close() { l.nc.Close() }

// send sends requests; all that is read until the next send must come within the limit.
func (l *link) send(b []byte) error {
	if err := l.nc.SetDeadline(time.Now().Add(answerLimit)); err != nil {
		return err
	}
	_, err := l.nc.Write(b)
	return err
}

// frame is the next reply or push message. What was given out before stays as it is.
func (l *link) frame() ([]byte, error) {
	for {
		n, err := frameSize(l.buf[l.at:])
		if err != nil {
			return nil, err
		}
		if n > 0 {
			f := l.buf[l.at : l.at+n : l.at+n]
			l.at += n
			return f, nil
		}
		if err := l.more(); err != nil {
			return nil, err
		}
	}
}

// more reads what has come, or waits for it.
func (l *link) more() error {
	if rest := l.buf[l.at:]; cap(l.buf)-len(l.buf) < 4<<10 {
		l.buf = append(make([]byte, 0, max(64<<10, 3*len(rest))), rest...)
		l.at = 0
	}
	n, err := l.nc.Read(l.buf[len(l.buf):cap(l.buf)])
	l.buf = l.buf[:len(l.buf)+n]
	if n > 0 {
		return nil
	}
	return err
}

// silent says that nothing has come within a moment.
func (l *link) silent() bool {
	if l.at < len(l.buf) {
		return false
	}
	if err := l.nc.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		return false
	}
	_ = l.more()
	_ = l.nc.SetReadDeadline(time.Now().Add(answerLimit))
	return l.at == len(l.buf)
}

// reply is the next reply together with the push messages that came before it.
func (l *link) reply() ([]byte, error) {
	f, err := l.frame()
	if err != nil || f[0] != '>' {
		return f, err
	}
	all := bytes.Clone(f)
	for err == nil && f[0] == '>' {
		if f, err = l.frame(); err == nil {
			all = append(all, f...)
		}
	}
	return all, err
}

// until is all that comes before the answer to a PING that holds the mark.
func (l *link) until(mark string) (all []byte, err error) {
	for {
		f, err := l.frame()
		if err != nil {
			return all, err
		}
		if f[0] != '>' && bytes.Contains(f, []byte(mark)) {
			return all, nil
		}
		all = append(all, f...)
	}
}

// frameSize is how many bytes the first value of b takes; 0 if it does not end in b.
func frameSize(b []byte) (int, error) {
	end := bytes.IndexByte(b, '\n')
	if end < 0 {
		return 0, nil
	}
	line := b[1:end]
	switch b[0] {
	case '+', '-', ':', ',', '#', '(', '_':
		return end + 1, nil
	case '$', '!', '=':
		n, ok := frameCount(line)
		switch {
		case !ok:
			return 0, fmt.Errorf("malformed reply %.100q", b)
		case n < 0:
			return end + 1, nil
		case end+1+n+2 > len(b):
			return 0, nil
		}
		return end + 1 + n + 2, nil
	case '*', '~', '>', '%', '|':
		n, ok := frameCount(line)
		if !ok {
			return 0, fmt.Errorf("malformed reply %.100q", b)
		}
		if b[0] == '%' || b[0] == '|' {
			n *= 2
		}
		if b[0] == '|' { // attributes stand before what they belong to
			n++
		}
		size := end + 1
		for range max(n, 0) {
			inner, err := frameSize(b[size:])
			if inner == 0 || err != nil {
				return 0, err
			}
			size += inner
		}
		return size, nil
	}
	return 0, fmt.Errorf("malformed reply %.100q", b)
}

// frameCount reads the number of a line that ends in CR.
func frameCount(line []byte) (n int, ok bool) {
	if len(line) < 2 || line[len(line)-1] != '\r' {
		return 0, false
	}
	line = line[:len(line)-1]
	if string(line) == "-1" {
		return -1, true
	}
	for _, c := range line {
		if c < '0' || c > '9' || n > 1<<40 {
			return 0, false
		}
		n = 10*n + int(c-'0')
	}
	return n, true
}
