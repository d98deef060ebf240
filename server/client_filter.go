package server

import (
	"fmt"
	"math"
	"net"
	"strconv"
	"strings"

	"larder/server/acl"
	"larder/server/command"
	"larder/server/resp"
)

// filter is what CLIENT LIST and CLIENT KILL select by. The zero filter lets everybody pass.
type filter struct {
	want, not criteria // everything that want names has to fit, and nothing that not names may
	skipSelf  bool
	maxAge_s  int64 // a client passes that is as old or older; 0: any
	idle_s    int64 // a client passes that has been idle for so long or longer; 0: any
	self      *session
}

// criteria are what a client may have; what is not named is the zero value. A second value takes the place of the
// first, but for IDs, which are a set.
type criteria struct {
	ids      map[int64]struct{}
	addr     []byte // IP:port, as laddr
	laddr    []byte
	ip       []byte
	user     *acl.User
	class    class
	hasClass bool
	name     []byte
	flags    []byte // all of these letters
	libName  []byte
	libVer   []byte
	capa     []byte // all of these letters
	db       int
	hasDB    bool
}

const (
	knownFlags = "OSMPxbtRBdcuAUreTIN" // that Redis or Valkey have; Larder has no A, I, r and u
	knownCapa  = "r"
)

// filterWords are the options of a filter with a value, those that NOT- may precede first.
var filterWords = [...]string{"ID", "ADDR", "LADDR", "IP", "TYPE", "USER", "NAME", "FLAGS", "LIB-NAME", "LIB-VER", "DB", "CAPA", "MAXAGE", "IDLE", "SKIPME"}

const negatable = len(filterWords) - 3

// filterWord is the option that an argument names, in upper case, "" for none; not tells of a NOT- before it.
func filterWord(arg []byte) (word string, not bool) {
	list := filterWords[:]
	if len(arg) > 4 && command.EqualFold(arg[:4], "NOT-") {
		arg, not, list = arg[4:], true, list[:negatable]
	}
	for _, w := range list {
		if command.EqualFold(arg, w) {
			return w, not
		}
	}
	return "", false
}

// parse takes an option and its value from the arguments, of which there is one at least. kill says whose errors about
// IDs are due: LIST takes any number for one, and a word behind it that is no option for a wrong one.
func (f *filter) parse(c *command.Ctx, kill bool) {
	a := &c.Args
	word, not := filterWord(a.Bytes())
	if word == "" || !a.More() {
		a.Syntax()
		return
	}
	k, where := &f.want, "provided"
	if not {
		k, where = &f.not, "NOT-"+word
	}
	switch word {
	case "ID":
		k.parseIDs(a, kill)
	case "ADDR":
		k.addr = a.Bytes()
	case "LADDR":
		k.laddr = a.Bytes()
	case "IP":
		k.ip = a.Bytes()
	case "TYPE":
		name := a.Bytes()
		if k.class, k.hasClass = clientType(name); !k.hasClass {
			a.Wrong(resp.UnknownClientType(name))
		}
	case "USER":
		name := a.Bytes()
		if k.user = f.self.srv.access.users.Get(name); k.user == nil {
			a.Wrong(resp.NoSuchUser(name))
		}
	case "NAME":
		k.name = a.Bytes()
	case "FLAGS":
		k.flags = letters(a, knownFlags, "flags", where)
	case "LIB-NAME":
		k.libName = a.Bytes()
	case "LIB-VER":
		k.libVer = a.Bytes()
	case "DB":
		const notInteger = "ERR DB is not an integer or out of range"
		databases := c.Keyspace().Databases()
		k.db, k.hasDB = int(a.Int32(notInteger, notInteger)), true
		if k.db < 0 || k.db >= databases {
			a.Wrong(resp.Error(fmt.Sprintf("ERR DB number should be between 0 and %d", databases-1)))
		}
	case "CAPA":
		k.capa = letters(a, knownCapa, "capa", where)
	case "MAXAGE":
		f.maxAge_s = seconds(a, "maxage")
	case "IDLE":
		f.idle_s = seconds(a, "idle")
	case "SKIPME":
		switch {
		case a.Is("YES"):
			f.skipSelf = true
		case a.Is("NO"):
			f.skipSelf = false
		default:
			a.Syntax()
		}
	}
}

// parseIDs takes the numbers up to the next option.
func (k *criteria) parseIDs(a *command.Args, kill bool) {
	bad, lowest := resp.Error("ERR Invalid client ID"), int64(math.MinInt64)
	if kill {
		bad, lowest = "ERR client-id should be greater than 0", 1
	}
	for first := true; a.More(); first = false {
		if _, err := strconv.ParseInt(string(a.Peek()), 10, 64); err != nil && !first {
			if word, _ := filterWord(a.Peek()); kill || word != "" {
				return
			}
		}
		if k.ids == nil {
			k.ids = map[int64]struct{}{}
		}
		k.ids[a.IntIn(lowest, math.MaxInt64, bad)] = struct{}{}
	}
}

// letters takes a value that consists of known letters.
func letters(a *command.Args, known, what, where string) []byte {
	value := a.Bytes()
	for _, letter := range value {
		if strings.IndexByte(known, letter) < 0 {
			a.Wrong(resp.Error("ERR Unknown " + what + " found in the " + where + " filter: " + string(value)))
			break
		}
	}
	return value
}

// seconds takes a time that is greater than 0.
func seconds(a *command.Args, what string) int64 {
	notInteger := resp.Error("ERR " + what + " is not an integer or out of range")
	n := a.IntOr(notInteger)
	if n > 1<<62 {
		a.Wrong(notInteger)
	} else if n < 1 {
		a.Wrong(resp.Error("ERR " + what + " should be greater than 0"))
	}
	return n
}

func (f *filter) passes(s *session, nanos int64) bool {
	if f.skipSelf && s == f.self ||
		f.maxAge_s > 0 && int64(s.age(nanos).Seconds()) < f.maxAge_s ||
		f.idle_s > 0 && int64(s.idle(nanos).Seconds()) < f.idle_s {
		return false
	}
	for _, t := range criterions {
		if t.named(&f.want) && !t.fits(&f.want, s) || t.named(&f.not) && t.fits(&f.not, s) {
			return false
		}
	}
	return true
}

// A criterion tells whether criteria name it, and whether a client fits what they say.
type criterion struct {
	named func(k *criteria) bool
	fits  func(k *criteria, s *session) bool
}

var criterions = [...]criterion{
	{func(k *criteria) bool { return k.ids != nil }, func(k *criteria, s *session) bool {
		_, is := k.ids[s.id]
		return is
	}},
	{func(k *criteria) bool { return k.hasClass }, func(k *criteria, s *session) bool { return s.class() == k.class }},
	{func(k *criteria) bool { return k.user != nil }, func(k *criteria, s *session) bool { return s.user == k.user }},
	{func(k *criteria) bool { return k.hasDB }, func(k *criteria, s *session) bool { return int(s.db) == k.db }},
	{func(k *criteria) bool { return k.addr != nil }, func(k *criteria, s *session) bool { return string(k.addr) == s.conn.RemoteAddr() }},
	{func(k *criteria) bool { return k.laddr != nil }, func(k *criteria, s *session) bool { return string(k.laddr) == s.localAddr() }},
	{func(k *criteria) bool { return k.ip != nil }, func(k *criteria, s *session) bool {
		host, port, err := net.SplitHostPort(s.conn.RemoteAddr())
		return err == nil && port != "0" && host == string(k.ip) // the port of a Unix socket is 0
	}},
	{func(k *criteria) bool { return k.name != nil }, func(k *criteria, s *session) bool { return s.name != "" && s.name == string(k.name) }},
	{func(k *criteria) bool { return k.libName != nil }, func(k *criteria, s *session) bool { return s.libName != "" && s.libName == string(k.libName) }},
	{func(k *criteria) bool { return k.libVer != nil }, func(k *criteria, s *session) bool { return s.libVer != "" && s.libVer == string(k.libVer) }},
	{func(k *criteria) bool { return k.flags != nil }, func(k *criteria, s *session) bool {
		has := s.flags()
		for _, letter := range k.flags {
			if strings.IndexByte(has, letter) < 0 {
				return false
			}
		}
		return true
	}},
	{func(k *criteria) bool { return k.capa != nil }, func(k *criteria, s *session) bool {
		return len(k.capa) == 0 || s.noted.redirect // there is no other letter
	}},
}
