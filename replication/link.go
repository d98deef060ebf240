package replication

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A State is how far a replica's link to its primary is.
type State uint8

// The states of a link, in their order.
const (
	StateNone       State = iota // there is no link: the server is a primary
	StateConnect                 // it has to connect
	StateConnecting              // the connection is being made
	StateHandshake               // requests and replies up to the reply to PSYNC
	StateTransfer                // a snapshot is coming
	StateConnected               // the stream is coming
)

var stateNames = [...]string{"none", "connect", "connecting", "handshake", "sync", "connected"}

// String is the word that ROLE has for the state.
func (s State) String() string { return stateNames[s] }

// LinkOptions are what a replica says of itself, and what it has.
type LinkOptions struct {
	User, Password string // Password "": no AUTH; User "": that of the default user
	Port           int    // where the replica listens
	AnnounceIP     string // "": the primary goes by the connection
	ID             string // history of the data that the replica has; "" if it has none
	At             int64  // and its position in it
	Failover       bool   // the other side has to become a primary by this request
}

// A Link is the replica's side of the conversation with a primary, until the stream or a snapshot comes. It is told each
// line that came, and says what to send:
//
//	> PING                                     < +PONG
//	> AUTH …                                   < +OK
//	> REPLCONF listening-port 6380             < +OK, or an error that does not matter
//	> REPLCONF ip-address …                    < +OK
//	> REPLCONF capa eof capa psync2            < +OK
//	> PSYNC 5ca1ab1e… 41                       < +CONTINUE [new history]       the stream follows
//	                                           < +FULLRESYNC b01dface… 2000    a snapshot follows
//
// To a server that does not know PSYNC it says SYNC, to which a snapshot is the answer.
type Link struct {
	opt     LinkOptions
	step    step
	outcome Outcome
	// Refused are replies that do not end the conversation but may interest a person.
	Refused []string
}

type step uint8

const (
	stepPing step = iota
	stepAuth
	stepPort
	stepIP
	stepCapa
	stepSync
	stepDone
)

// An Outcome is what a conversation has led to.
type Outcome struct {
	Full bool   // a snapshot follows, of the history ID at the position At
	ID   string // of the primary; "" if it has said none: an old one
	At   int64  // -1 if it has said none
}

// Errors that end a conversation.
var (
	// ErrNotNow is a primary that cannot serve replicas now; it is worth trying again.
	ErrNotNow = errors.New("the primary cannot serve replicas now")
	// ErrRefused is a primary that does not want us, or not with these credentials.
	ErrRefused = errors.New("the primary has refused")
	// ErrNoFailover is a replica that has not become a primary as it was asked to.
	ErrNoFailover = errors.New("the replica has not taken over")
	// ErrTakenOver is a replica that is a primary already when it is asked to become one.
	ErrTakenOver = fmt.Errorf("%w: it is a primary", ErrNoFailover)
)

// Asked tells whether PSYNC was sent, and not answered so far.
func (l *Link) Asked() bool { return l.step == stepSync }

// NewLink begins a conversation.
func NewLink(o LinkOptions) *Link { return &Link{opt: o} }

// Hello is what to send first.
func (l *Link) Hello() []byte { return request("PING") }

// Done tells whether the conversation is over, and with which outcome.
func (l *Link) Done() (Outcome, bool) { return l.outcome, l.step == stepDone }

// Line takes a line that came, without its end, and returns what to send. Empty lines are the primary's way to say
// that it needs more time.
func (l *Link) Line(line string) (send []byte, err error) {
	if strings.TrimSpace(line) == "" {
		return nil, nil
	}
	switch l.step {
	case stepPing:
		// A server that wants AUTH first says so, which is an answer, too.
		if line[0] != '+' && !hasAnyPrefix(line, "-NOAUTH", "-NOPERM", "-ERR operation not permitted") {
			return nil, refused("PING", line)
		}
		if l.opt.Password != "" {
			l.step = stepAuth
			if l.opt.User != "" {
				return request("AUTH", l.opt.User, l.opt.Password), nil
			}
			return request("AUTH", l.opt.Password), nil
		}
		return l.sayPort(), nil
	case stepAuth:
		if line[0] == '-' {
			return nil, fmt.Errorf("%w: Unable to AUTH to MASTER: %s", ErrRefused, line)
		}
		return l.sayPort(), nil
	case stepPort:
		l.note(line)
		if l.opt.AnnounceIP != "" {
			l.step = stepIP
			return request("REPLCONF", "ip-address", l.opt.AnnounceIP), nil
		}
		return l.sayCapa(), nil
	case stepIP:
		l.note(line)
		return l.sayCapa(), nil
	case stepCapa:
		l.note(line)
		l.step = stepSync
		return l.psync(), nil
	case stepSync:
		return l.answer(line)
	}
	return nil, fmt.Errorf("%w: the line %q where none was expected", ErrRefused, line)
}

func (l *Link) sayPort() []byte {
	l.step = stepPort
	return request("REPLCONF", "listening-port", strconv.Itoa(l.opt.Port))
}

func (l *Link) sayCapa() []byte {
	l.step = stepCapa
	return request("REPLCONF", "capa", "eof", "capa", "psync2")
}

func (l *Link) psync() []byte {
	id, from := l.opt.ID, strconv.FormatInt(l.opt.At+1, 10)
	if id == "" {
		id, from = "?", "-1"
	}
	if l.opt.Failover {
		return request("PSYNC", id, from, "FAILOVER")
	}
	return request("PSYNC", id, from)
}

func (l *Link) note(line string) {
	if line[0] == '-' {
		l.Refused = append(l.Refused, line)
	}
}

// answer takes the reply to PSYNC.
func (l *Link) answer(line string) (send []byte, err error) {
	words := strings.Fields(line)
	switch {
	case words[0] == "+FULLRESYNC":
		if len(words) != 3 || len(words[1]) != IDLen {
			return nil, refused("PSYNC", line)
		}
		at, e := strconv.ParseInt(words[2], 10, 64)
		if e != nil || at < 0 {
			return nil, refused("PSYNC", line)
		}
		l.outcome, l.step = Outcome{Full: true, ID: words[1], At: at}, stepDone
	case words[0] == "+CONTINUE":
		id := l.opt.ID
		if len(words) > 1 && len(words[1]) == IDLen {
			id = words[1]
		}
		if l.opt.ID == "" {
			return nil, refused("PSYNC", line)
		}
		l.outcome, l.step = Outcome{ID: id, At: l.opt.At}, stepDone
	case l.opt.Failover && strings.Contains(line, "can't be sent to a master"):
		return nil, fmt.Errorf("%w: %s", ErrTakenOver, line)
	case l.opt.Failover:
		return nil, fmt.Errorf("%w: %s", ErrNoFailover, line)
	case hasAnyPrefix(line, "-NOMASTERLINK", "-LOADING"):
		return nil, fmt.Errorf("%w: %s", ErrNotNow, line[1:])
	case line[0] == '-' && !strings.HasPrefix(line, "-ERR"):
		return nil, refused("PSYNC", line)
	default: // an old server, to which PSYNC means nothing
		l.note(line)
		l.outcome, l.step = Outcome{Full: true, At: -1}, stepDone
		return request("SYNC"), nil
	}
	return nil, nil
}

func refused(what, line string) error {
	return fmt.Errorf("%w: the reply to %s was %q", ErrRefused, what, line)
}

func hasAnyPrefix(s string, prefixes ...string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}

// request writes a request in the protocol's form.
func request(words ...string) []byte {
	b := fmt.Appendf(nil, "*%d\r\n", len(words))
	for _, w := range words {
		b = fmt.Appendf(b, "$%d\r\n%s\r\n", len(w), w)
	}
	return b
}
