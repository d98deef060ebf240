// Package resp speaks the Redis protocol: it cuts requests out of received bytes and words replies.
//
//	reader.go  Reader: requests out of bytes, resumable and bounded; inline.go the requests that people type
//	args.go    Args: where the argument slices of a turn's requests stand
//	pool.go    Pool: where buffers come from and go back to
//	writer.go  Writer: replies in RESP2 and RESP3; aggregate.go arrays, maps and lengths known only afterwards
//	float.go   numbers as Redis prints them
//	errors.go  every error text of the server, worded once
//
// A request is an array of bulk strings. SET k hi is these bytes:
//
//	2a 33 0d 0a                        *3
//	24 33 0d 0a 53 45 54 0d 0a         $3 SET
//	24 31 0d 0a 6b 0d 0a               $1 k
//	24 32 0d 0a 68 69 0d 0a            $2 hi
//
// The Reader looks at a window of received bytes that somebody else owns (an event loop's big buffer, which holds what
// all ready connections of one turn sent) and yields arguments that are slices of that window: nothing is copied. What
// is left when the turn ends, the beginning of a request whose rest is still under way, is moved by Stash to a buffer
// of the connection's own, and given back as soon as the rest has come. In between the Reader remembers how far it has
// looked, so a value that arrives in a thousand pieces is looked at once. An idle connection owns no buffer.
package resp

import (
	"bytes"
	"encoding/binary"

	"larder/datatypes/invariant"
)

// Limits bounds what a client may ask the Reader to take. The Reader does not keep them: they are given with every
// call, so that a configuration change and an AUTH count at once.
type Limits struct {
	MaxBulk     int  // proto-max-bulk-len: bytes of one argument
	MaxArgs     int  // arguments of one request
	MaxBuffered int  // client-query-buffer-limit: bytes of an unfinished request, or of one argument; 0 = no limit
	Unauth      bool // the client still has to authenticate: at most 10 arguments of at most 16 KiB
}

// exceeds tells whether an argument of that size, with the end of its line, is more than may be buffered: it is refused also
// when it is there as a whole, which is a matter of chance.
func (l *Limits) exceeds(size int64) bool { return l.MaxBuffered > 0 && size > int64(l.MaxBuffered)-2 }

// Bounds that Redis fixes in its protocol.
const (
	DefaultMaxBulk     = 512 << 20
	DefaultMaxArgs     = mostArgs
	DefaultMaxBuffered = 1 << 30
	MaxLine            = 64 << 10 // an inline request, or the line before an argument
	unauthMaxArgs      = 10
	unauthMaxBulk      = 16 << 10
	unauthMaxBuffered  = 1 << 20
	mostArgs           = 1<<31 - 1 // whatever Limits say
	mostBulk           = 1 << 56
)

// DefaultLimits are Redis's.
func DefaultLimits() Limits {
	return Limits{MaxBulk: DefaultMaxBulk, MaxArgs: DefaultMaxArgs, MaxBuffered: DefaultMaxBuffered}
}

// Status is what Next has found.
type Status uint8

// What Next answers.
const (
	NeedMore      Status = iota // no whole request is left in the window
	Command                     // the request is filled in
	ProtocolError               // the client does not speak the protocol: reply with Err, then close; nothing follows
	Overflow                    // the request has passed Limits.MaxBuffered: close without a reply
)

// Request is one command as the client sent it. Args[0] is its name; there is at least one argument.
// The slices live until the turn ends (until Stash or Feed of the Reader, and Reset of the Args, are called).
type Request struct {
	Args   [][]byte
	Inline bool // typed by hand, not an array of bulks

	start, end int
	exact      bool
}

// Reader cuts requests out of the bytes of one connection. The zero Reader is ready. It is not safe for concurrent use.
type Reader struct {
	win []byte // bytes received and not given up: the turn's window, or the connection's own buffer
	pos int    // where the next request begins in win

	// Of a request whose end has not arrived: the next byte to look at (from pos), arguments still to come, and the
	// length of the argument that is arriving (-1: its length line has not come). scan is 0 between requests.
	scan int
	bulk int
	left int32

	own   bool // win belongs to the connection
	fault fault
	got   byte // the byte that stood where '$' was expected
}

// Feed gives the Reader a window of new bytes. The Reader must hold none (Buffered is 0); the window stays the caller's
// and must not change until Stash.
func (r *Reader) Feed(window []byte) {
	invariant.Check(r.pos == len(r.win), "a window was fed over %d unread bytes", len(r.win)-r.pos)
	r.win, r.pos, r.own = window, 0, false
}

// Buffered is the number of received bytes that have not been cut yet.
func (r *Reader) Buffered() int { return len(r.win) - r.pos }

// Owned is the size of the connection's own buffer in bytes, 0 when it has none.
func (r *Reader) Owned() int {
	if r.own {
		return cap(r.win)
	}
	return 0
}

// Parsed is how many of the buffered bytes have been looked at: they belong to arguments of the unfinished request that
// are there as a whole, or to the lines before them.
func (r *Reader) Parsed() int { return r.scan }

// Missing is about how many bytes the first request in the window still needs, if an argument of it does not end in the
// window; otherwise 0.
func (r *Reader) Missing() int {
	b := r.win[r.pos:]
	i, left, bulk := r.scan, int(r.left), r.bulk
	if i == 0 {
		n, at, f := length(b, 0, bad)
		if len(b) == 0 || b[0] != '*' || f != 0 || n > 64 { // requests of many arguments are not looked through
			return 0
		}
		i, left, bulk = at, int(n), -1
	}
	for ; left > 0; left-- {
		if bulk < 0 {
			if i >= len(b) || b[i] != '$' {
				return 0
			}
			n, at, f := length(b, i, bad)
			if f != 0 || n < 0 || n > mostBulk {
				return 0
			}
			i, bulk = at, int(n)
		}
		if i+bulk+2 > len(b) {
			return i + bulk + 2 - len(b)
		}
		i, bulk = i+bulk+2, -1
	}
	return 0
}

// Next cuts the next request. Its argument slices stand in a and point into the window (the arguments of a typed
// request with quotes point into a). Empty requests are skipped. The cost is linear in the bytes looked at, and no byte
// is looked at twice, except for the length lines of a request that came in pieces and lines of at most 64 KiB.
func (r *Reader) Next(lim *Limits, a *Args, req *Request) Status {
	if r.fault != 0 {
		return ProtocolError
	}
	for r.pos < len(r.win) {
		if r.scan == 0 && r.cutShort(lim, a, req) {
			return Command
		}
		var st Status
		if r.win[r.pos] == '*' {
			st = r.cutArray(lim, a, req)
		} else {
			st = r.cutInline(a, req)
		}
		switch st {
		case again:
			continue
		case NeedMore:
			n := r.Buffered()
			if lim.MaxBuffered > 0 && n > lim.MaxBuffered || lim.Unauth && n > unauthMaxBuffered {
				return Overflow
			}
		}
		return st
	}
	return NeedMore
}

// again means that an empty request was skipped, or that an unfinished one is now whole.
const again Status = 255

// The frames of short requests, as four bytes read at once (little endian): *d\r\n, $d\r\n and $dd\r, and what they look
// like without their digits.
const (
	frameCount, frameSize, frameDigit = 0x0a0d002a, 0x0a0d0024, 0xffff00ff
	frameSize2, frameDigits2          = 0x0d000024, 0xff0000ff
)

// cutShort cuts a request of up to nine arguments that is there as a whole and in its exact form, which is what nearly
// all requests are. It answers false, and has done nothing, for every other one.
func (r *Reader) cutShort(lim *Limits, a *Args, req *Request) bool {
	b := r.win[r.pos:]
	if len(b) < 4 || lim.Unauth {
		return false
	}
	head := binary.LittleEndian.Uint32(b)
	n := int(head>>8&0xff) - '0'
	if head&frameDigit != frameCount || n < 1 || n > min(9, lim.MaxArgs) {
		return false
	}
	args := a.take(n)
	i := 4
	for k := range args {
		if len(b)-i < 6 {
			a.giveBack(args)
			return false
		}
		head := binary.LittleEndian.Uint32(b[i:])
		size := int(head>>8&0xff) - '0'
		switch {
		case head&frameDigit == frameSize && uint(size) <= 9:
			i += 4
		case head&frameDigits2 == frameSize2 && uint(size-1) <= 8 && head>>16&0xff-'0' <= 9 && b[i+4] == '\n':
			size = size*10 + int(head>>16&0xff) - '0'
			i += 5
		default:
			long, at, f := length(b, i, bad)
			if f != 0 || head&0xff != '$' || long < 0 || b[at-1] != '\n' || lim.exceeds(long) {
				a.giveBack(args)
				return false
			}
			size, i = int(long), at
		}
		end := i + size
		if size > lim.MaxBulk || size > len(b)-2-i || b[end] != '\r' || b[end+1] != '\n' {
			a.giveBack(args)
			return false
		}
		args[k] = b[i:end:end]
		i = end + 2
	}
	req.Args, req.Inline, req.exact = args, false, true
	req.start, req.end = r.pos, r.pos+i
	r.pos += i
	return true
}

// cutArray cuts an array of bulks that begins at pos. When its end is not there yet it remembers how far it came; a
// request that came in pieces is cut from its beginning once it is whole, so that no argument has to be remembered.
func (r *Reader) cutArray(lim *Limits, a *Args, req *Request) Status {
	b := r.win[r.pos:]
	i, left, bulk, exact := r.scan, int(r.left), r.bulk, true
	var args [][]byte
	if i == 0 {
		n, at, f := length(b, 0, tooBigCount)
		switch {
		case f == wait:
			return NeedMore
		case f == bad || f == 0 && n > int64(min(lim.MaxArgs, mostArgs)):
			return r.fail(badCount)
		case f != 0:
			return r.fail(f)
		case n > unauthMaxArgs && lim.Unauth:
			return r.fail(unauthCount)
		case n <= 0:
			r.pos += at
			return again
		}
		exact = b[at-1] == '\n'
		i, left, bulk = at, int(n), -1
		// An argument takes at least six bytes ($0, empty): no room is taken for arguments that cannot be here yet.
		if left*6 <= len(b)-i {
			args = a.take(left)
		}
	}
	n := 0
	for left > 0 {
		if bulk < 0 {
			size, at, f := length(b, i, tooBigLength)
			switch {
			case f == wait:
				return r.unfinished(a, args, i, left, bulk)
			case f == tooBigLength:
				return r.fail(f)
			case b[i] != '$':
				r.got = b[i]
				return r.fail(notDollar)
			case f == bad || size < 0 || size > int64(min(lim.MaxBulk, mostBulk)):
				return r.fail(badLength)
			case size > unauthMaxBulk && lim.Unauth:
				return r.fail(unauthLength)
			}
			exact = exact && b[at-1] == '\n'
			i, bulk = at, int(size)
		}
		end := i + bulk
		if len(b) < end+2 {
			return r.unfinished(a, args, i, left, bulk)
		}
		if lim.exceeds(int64(bulk)) {
			a.giveBack(args)
			return Overflow
		}
		if args != nil {
			args[n] = b[i:end:end]
			n++
			exact = exact && b[end] == '\r' && b[end+1] == '\n'
		}
		i, bulk = end+2, -1
		left--
	}
	r.scan = 0
	if args == nil {
		return again
	}
	*req = Request{Args: args, start: r.pos, end: r.pos + i, exact: exact}
	r.pos += i
	return Command
}

// unfinished remembers how far the request at pos has been looked at.
func (r *Reader) unfinished(a *Args, args [][]byte, scan, left, bulk int) Status {
	a.giveBack(args)
	r.scan, r.left, r.bulk = scan, int32(left), bulk
	return NeedMore
}

func (r *Reader) fail(f fault) Status {
	r.fault, r.scan = f, 0
	return ProtocolError
}

// length reads the line at b[i:], a type byte and a decimal number, and returns the number and where the next line
// begins. Like Redis it takes any byte behind the carriage return, and knows no leading zeros and no plus sign.
// It answers wait when the line has no end yet, tooBig when it can have none within MaxLine, and bad for a non-number.
func length(b []byte, i int, tooBig fault) (n int64, next int, f fault) {
	j := i + 1
	for j < len(b) && b[j]-'0' <= 9 && j < i+18 {
		n = n*10 + int64(b[j]-'0')
		j++
	}
	if j+1 < len(b) && b[i] != 0 && b[j] == '\r' && j > i+1 && (b[i+1] != '0' || j == i+2) {
		return n, j + 2, 0
	}
	line := b[i:]
	if len(line) > MaxLine+1 {
		line = line[:MaxLine+1]
	}
	end := bytes.IndexByte(line, '\r')
	// A zero byte hides what follows it, as it does from Redis.
	if zero := bytes.IndexByte(line, 0); end < 0 || zero >= 0 && zero < end {
		if len(line) > MaxLine {
			return 0, 0, tooBig
		}
		return 0, 0, wait
	}
	if i+end+1 >= len(b) {
		return 0, 0, wait
	}
	n, ok := ParseInt(line[min(1, end):end])
	if !ok {
		return 0, 0, bad
	}
	return n, i + end + 2, 0
}

// Unread puts a request back, and with it everything cut after it: Next yields it again. It must be one of this turn.
// A server uses it when it has cut a batch ahead and then may run only a part of it.
func (r *Reader) Unread(req *Request) {
	invariant.Check(req.start < req.end && req.end <= r.pos, "a request of another turn was put back")
	r.pos, r.scan, r.fault = req.start, 0, 0
}

// Raw is the request as it was sent, when that is an array of bulks in its one exact form; otherwise nil.
// It lives as long as the arguments.
func (r *Reader) Raw(req *Request) []byte {
	if !req.exact || req.end > len(r.win) {
		return nil
	}
	return r.win[req.start:req.end:req.end]
}

// Sent is the request as it was sent, in whatever form. It lives as long as the arguments.
func (r *Reader) Sent(req *Request) []byte { return r.win[req.start:req.end:req.end] }

// Size is the number of bytes that the request took on the wire.
func (q *Request) Size() int { return q.end - q.start }

// Take takes n bytes as they stand, outside any request, and gives them up: the payload of a link that has left the
// request protocol. It returns fewer when fewer are there. They live until Stash.
func (r *Reader) Take(n int) []byte {
	n = min(n, r.Buffered())
	b := r.win[r.pos : r.pos+n : r.pos+n]
	r.pos += n
	r.scan = 0
	return b
}

// fault is why a request was refused. Zero is none.
type fault uint8

const (
	badCount fault = iota + 1
	unauthCount
	tooBigCount
	notDollar
	badLength
	unauthLength
	tooBigLength
	unbalanced
	tooBigInline

	wait fault = 254 // not a fault: the line has no end yet
	bad  fault = 255 // not a number
)

// Err is the reply to what Next refused with ProtocolError.
func (r *Reader) Err() string {
	switch r.fault {
	case badCount:
		return "ERR Protocol error: invalid multibulk length"
	case unauthCount:
		return "ERR Protocol error: unauthenticated multibulk length"
	case tooBigCount:
		return "ERR Protocol error: too big mbulk count string"
	case notDollar:
		return "ERR Protocol error: expected '$', got '" + string([]byte{r.got}) + "'"
	case badLength:
		return "ERR Protocol error: invalid bulk length"
	case unauthLength:
		return "ERR Protocol error: unauthenticated bulk length"
	case tooBigLength:
		return "ERR Protocol error: too big bulk count string"
	case unbalanced:
		return "ERR Protocol error: unbalanced quotes in request"
	case tooBigInline:
		return "ERR Protocol error: too big inline request"
	}
	return ""
}
