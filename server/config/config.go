// Package config is Larder's configuration: the directives of redis.conf, where their values stand while the server
// runs, and what CONFIG GET, SET and REWRITE do with them.
//
// Each directive is one Row of the tables in rows_*.go, next to the field of Config that holds its value:
//
//	Timeout Int // seconds after which an idle client is closed; 0 is never
//	integer("timeout", 0, 0, math.MaxInt32, func(c *Config) *Int { return &c.Timeout }),
//
// A Store is a Config together with what changes it. Event loops read fields directly, at the cost of one load:
//
//	store := config.New()
//	err := store.Load(config.ParseArgs(os.Args[1:])) // a file, standard input, --timeout 300
//	if idle > store.Timeout.Get() { ... }
//
// The way of a value: a line of the file, an argument of CONFIG SET and an option of the command line are all cut
// into words (split.go) and given to the row's parse function, which checks and converts; only then is the field
// stored. CONFIG SET stores all of its values or none: whoever has to act on a change (open a port, say) registers
// with OnChange and may refuse, upon which everything is put back.
//
// Files: config.go the store, row.go what a row is, value.go the fields, rows_*.go the tables, words.go the
// enumerations, special.go directives with a form of their own, number.go sizes and numbers, load.go files and
// args.go the command line, rewrite.go CONFIG REWRITE, nearest.go suggestions for misspelt names.
package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"larder/server/glob"
)

// CompatVersion is the version of redis-server whose configuration and replies Larder follows.
const CompatVersion = "7.2.4"

// Config holds the present value of every directive. Its fields may be read at any time from any goroutine.
type Config struct {
	Network
	Server
	Access
	Memory
	Encoding
	Persistence
	Replication
	Cluster
	Newer
	TLS
}

// rows are all directives, in the order in which CONFIG GET and REWRITE give them.
var rows = slices.Concat(networkRows, serverRows, accessRows, memoryRows, encodingRows, persistenceRows, replicationRows, clusterRows, tlsRows, newerRows)

// byName finds a row by its name or alias in lower case.
var byName = func() map[string]*Row {
	m := make(map[string]*Row, 2*len(rows))
	for _, r := range rows {
		m[r.Name] = r
		if r.Alias != "" {
			m[r.Alias] = r
		}
	}
	return m
}()

// Lookup finds a directive by its name or alias in any case; nil if there is none.
func Lookup(name string) *Row { return byName[strings.ToLower(name)] }

// Rows returns all directives. The slice and the rows are shared and must not be changed.
func Rows() []*Row { return rows }

// Store is a Config and all that changes it. Fields are read without a lock; changes come one after the other.
type Store struct {
	Config

	mu        sync.Mutex // held by whoever changes values
	rewriting sync.Mutex // held by whoever writes the file; mu may be taken with it
	listeners []listener

	file    string // absolute path of the configuration file; "" if there is none
	renames []Rename
	users   []User
	ignored []Ignored
	given   map[*Row]bool     // by Load
	derived map[string]string // see Derive
}

type listener struct {
	rows  []*Row
	apply func() error
	keep  func() (restore func()) // of OnChangeKeeping, else nil
}

// New returns a store with every directive at its default.
func New() *Store {
	s := &Store{derived: map[string]string{}}
	for _, r := range rows {
		r.store(&s.Config, r.def)
	}
	if dir, err := os.Getwd(); err == nil {
		s.Dir.set(dir)
	}
	return s
}

// Copy is a store with the same values, for a second server of this process: without a file, without users, and nobody
// hears of its changes.
func (s *Store) Copy() *Store {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := New()
	for _, r := range rows {
		r.store(&c.Config, r.load(&s.Config))
	}
	c.renames = s.renames
	return c
}

// File is the absolute path of the configuration file that was loaded, "" if there was none.
func (s *Store) File() string { return s.file }

// Path resolves a path of the configuration against the directive dir.
func (s *Store) Path(path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(s.Dir.Get(), path)
}

// Value is the value of r as CONFIG GET shows it.
func (s *Store) Value(r *Row) string { return r.format(r.load(&s.Config)) }

// OnChange has apply called whenever a CONFIG SET changes one of the named directives: once for each CONFIG SET,
// after all of its values were stored. An error refuses the CONFIG SET; it is the reason that the client reads. Then
// all values are put back and every apply function that the CONFIG SET concerned is called again, to undo.
//
// Functions run in the order of the CONFIG SET's arguments, one CONFIG SET at a time, and must not call Set.
// OnChange panics on a name that does not exist. Call it before the server serves.
func (s *Store) OnChange(apply func() error, names ...string) {
	l := listener{apply: apply}
	for _, name := range names {
		r := Lookup(name)
		if r == nil {
			panic("config: OnChange of unknown directive " + name)
		}
		l.rows = append(l.rows, r)
	}
	s.listeners = append(s.listeners, l)
}

// OnChangeKeeping is OnChange for what does not follow from the directives alone: others may have changed it since. keep is called
// before a CONFIG SET that concerns it is applied, and what it returns puts things back as they were, in place of apply.
func (s *Store) OnChangeKeeping(keep func() (restore func()), apply func() error, names ...string) {
	s.OnChange(apply, names...)
	s.listeners[len(s.listeners)-1].keep = keep
}

// Pair is a directive by one of its names, and its value.
type Pair struct{ Name, Value string }

// Get is CONFIG GET: each pattern is a name or alias in any case, or with * ? [ a glob pattern over all of them that
// are not hidden. No name comes twice. It costs O(patterns * directives).
func (s *Store) Get(patterns ...string) []Pair {
	var pairs []Pair
	seen := map[string]bool{}
	add := func(name string, r *Row) {
		if key := strings.ToLower(name); !seen[key] {
			seen[key] = true
			pairs = append(pairs, Pair{name, s.Value(r)})
		}
	}
	for _, pattern := range patterns {
		if !strings.ContainsAny(pattern, "[*?") {
			if r := Lookup(pattern); r != nil {
				add(pattern, r)
			}
			continue
		}
		for _, r := range rows {
			if !r.Hidden && glob.Match([]byte(pattern), []byte(r.Name), true) {
				add(r.Name, r)
			}
			if !r.Hidden && r.Alias != "" && !r.quiet && glob.Match([]byte(pattern), []byte(r.Alias), true) {
				add(r.Alias, r)
			}
		}
	}
	return pairs
}

// Caller is what CONFIG SET must know of the connection and the server.
type Caller struct {
	Local   bool // the connection came over the unix socket or from this machine
	Loading bool // the dataset is being loaded
}

// ErrLoading is returned by Set for a directive that cannot be changed while the dataset is being loaded. Clients get
// the server's LOADING error for it.
var ErrLoading = errors.New("dataset is being loaded")

// change is one value on its way into the store.
type change struct {
	name     string // as the caller has it, in lower case
	row      *Row
	old, new any
}

// Set is CONFIG SET: all of the pairs take effect, or none. The error's text is what follows "ERR " in the reply.
func (s *Store) Set(by Caller, pairs ...Pair) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	changes, err := s.admit(by, pairs)
	if err != nil {
		return err
	}
	for i, p := range pairs {
		c := &changes[i]
		c.old = c.row.load(&s.Config)
		c.new, err = c.row.parse(s, splitValue(c.row, p.Value))
		if err == nil && c.row.Immutable && c.row.format(c.new) != c.row.format(c.old) {
			err = errImmutable
		}
		if err != nil {
			return setError(c.name, err)
		}
	}
	for _, c := range changes {
		c.row.store(&s.Config, c.new)
	}
	if err := s.apply(changes); err != nil {
		return err
	}
	for _, c := range changes {
		delete(s.derived, c.row.Name)
	}
	return nil
}

var errImmutable = errors.New("can't set immutable config")

// admit finds the rows of the pairs and refuses what may not be set; the first fault is the one that is reported.
// A directive and its alias count as two, of which the later wins.
func (s *Store) admit(by Caller, pairs []Pair) ([]change, error) {
	changes := make([]change, len(pairs))
	for i, p := range pairs {
		r := Lookup(p.Name)
		switch {
		case r == nil:
			return nil, wording(fmt.Sprintf("Unknown option or number of arguments for CONFIG SET - '%s'", p.Name))
		case r.Immutable && !r.own:
			return nil, setError(p.Name, errImmutable)
		case r.Protected && !s.EnableProtectedConfigs.Get().Allows(by.Local):
			return nil, setError(p.Name, errors.New("can't set protected config"))
		case r.DenyLoading && by.Loading:
			return nil, ErrLoading
		}
		name := strings.ToLower(p.Name)
		if slices.ContainsFunc(changes[:i], func(c change) bool { return c.name == name }) {
			return nil, setError(p.Name, errors.New("duplicate parameter"))
		}
		changes[i] = change{name: name, row: r}
	}
	return changes, nil
}

// apply tells the listeners of changes that have been stored, and takes everything back if one refuses.
func (s *Store) apply(changes []change) error {
	concerned := s.concerned(changes)
	undo := make([]func() error, len(concerned))
	for i, n := range concerned {
		l := &s.listeners[n.listener]
		undo[i] = l.apply
		if l.keep != nil {
			restore := l.keep()
			undo[i] = func() error { restore(); return nil }
		}
	}
	for _, n := range concerned {
		err := s.listeners[n.listener].apply()
		if err == nil {
			continue
		}
		for _, c := range changes {
			c.row.store(&s.Config, c.old)
		}
		for _, restore := range undo {
			if failed := restore(); failed != nil {
				err = fmt.Errorf("%w (restoring the previous settings failed: %v)", err, failed)
			}
		}
		return setError(n.name, err)
	}
	return nil
}

// notice is a listener with the first changed directive that concerns it.
type notice struct {
	listener int
	name     string
}

func (s *Store) concerned(changes []change) []notice {
	var out []notice
	for _, c := range changes {
		if !c.row.always && c.row.format(c.old) == c.row.format(c.new) {
			continue
		}
		for i, l := range s.listeners {
			if slices.Contains(l.rows, c.row) && !slices.ContainsFunc(out, func(n notice) bool { return n.listener == i }) {
				out = append(out, notice{i, c.name})
			}
		}
	}
	return out
}

func setError(name string, err error) error {
	return fmt.Errorf("CONFIG SET failed (possibly related to argument '%s') - %w", name, err)
}

// splitValue makes the arguments of a directive from the one argument that CONFIG SET has for it.
func splitValue(r *Row, value string) []string {
	switch {
	case !r.Multi:
		return []string{value}
	case value == "":
		return nil
	}
	return strings.Split(value, " ")
}

// Adopt stores a value that the server itself has arrived at: a primary named by REPLICAOF, a maxclients that the
// system does not allow. It ignores who may set the directive and tells no listener.
func (s *Store) Adopt(name, value string) error { return s.adopt(name, value, false) }

// Derive is Adopt for what follows from the surroundings as they are now. It is no part of the configuration until
// somebody sets something else: the next start derives it again.
func (s *Store) Derive(name, value string) error { return s.adopt(name, value, true) }

func (s *Store) adopt(name, value string, derived bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := Lookup(name)
	if r == nil {
		return fmt.Errorf("unknown directive '%s'", name)
	}
	v, err := r.parse(s, splitValue(r, value))
	if err == nil {
		r.store(&s.Config, v)
		if derived {
			s.derived[r.Name] = r.format(v)
		}
	}
	return err
}
