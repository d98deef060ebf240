// Package command holds what each command does: one file per family of commands, and at the foot of each the rows that
// put its handlers into the table. What a command is called, takes and touches stands in package spec.
//
// A handler reads as a sentence: parse, look up, operate, answer, say what changed.
//
//	func hset(c *Ctx) {
//		key, pairs := c.Args.Key(), c.Args.Pairs()
//		if !c.Args.Done() { // the first error is the reply
//			return
//		}
//		h, ok := c.EditHash(key)
//		if !ok { // WRONGTYPE is the reply
//			return
//		}
//		...
//		c.Changed(key, "hset")
//		c.Reply.Int(added)
//	}
//
// When a handler runs, the shards of all its keys are held, the gates of the dispatcher have let it through, and the
// number of arguments is right. It gives exactly one reply, or none if it blocks. It never waits, reads no clock
// (c.Now) and keeps nothing of its arguments: they are slices of the connection's read buffer.
package command

import (
	"math/rand/v2"

	"larder/datatypes"
	"larder/keyspace"
	"larder/persistence/codec"
	"larder/server/command/spec"
	"larder/server/resp"
)

// A Row is one command of the table.
type Row struct {
	*spec.Spec
	Run   func(*Ctx) // nil for a container, whose subcommands run
	Locks Locks

	// Choose, if it is set, gives the rule for one request instead of Locks.
	Choose func(argv [][]byte) Locks

	Copies  bool // COPY: a large value is copied ahead, see keyspace.Copying
	Renames bool // may give a large value to a key of another shard; see keyspace.Stray

	Subs []*Row // of a container

	called string // by which a table finds it, in small letters: the name, or another one by rename-command

	ID      int  // given by Table.Number
	Single  int  // where the key stands if every request has exactly one, at this place; else 0
	Many    bool // requests may have several keys, at places that their number of arguments tells
	Counted int  // where the number of keys stands that follow, if the handler takes them by itself; else 0
	Member  int  // where a member or field of the value at that key stands, 0 if none is named
	Quick   bool // takes about a microsecond: measuring each call would cost too much

	Stats Stats // kept by the dispatcher
}

// Locks tells the dispatcher which shards a command holds while it runs.
type Locks uint8

// The rules.
const (
	OfKeys     Locks = iota // those of the keys that the spec names; none if it names none
	AllOfThem               // every shard
	NoneOfThem              // none, though it may name keys: the handler takes what it needs
	World                   // every shard, and no other loop runs: for commands that look at or change other clients
)

// Ctx is what a handler works with. There is one per executing loop; it belongs to one command at a time.
type Ctx struct {
	*keyspace.View
	Args  Args
	Reply *resp.Writer
	Row   *Row

	Rand   *rand.PCG
	Client any // the session, for the commands about the server and its clients
	Conf   *Conf

	// MayBlock is false inside transactions and scripts: a blocking command then answers as if its time were over.
	MayBlock bool
	// Script is true while a script or a function calls the command.
	Script bool
	// Again is true when a blocked command runs again because one of its keys may be ready.
	Again bool
	// Obey is true for requests from the log or the primary, which have passed all checks there.
	Obey bool
	// Wait is what Block asked for; the dispatcher parks the client if it is set.
	Wait Wait

	// ReadsAll tells whether the client may read any key, as a request has to that names patterns of keys. nil: it may.
	ReadsAll func() bool
	// MostReply is how many bytes of output the client may be owed before it is closed, 0 for any number. A handler that
	// makes a reply of a size of the client's choice stops there: see Overfull. CutOff closes the client then.
	MostReply uint64
	CutOff    func(owed int)

	// AwaitBurial has the client wait for its OK until all that was dropped is given back. It is false if it cannot wait. nil:
	// nobody can.
	AwaitBurial func() bool

	// Warn writes a line to the log, for what a client's reply has no room for.
	Warn func(text string)

	WantEffects bool // somebody reads the effects: the append-only log or a replica
	effects     resp.Writer
	effectEnds  []int
	forced      Target
	rewritten   bool
	failed      bool

	scores []float64 // of one ZADD
	item   []byte    // a copy of what is taken from one value to be put into another
	found  gathered  // what a scan found before it can be replied
	places []geoFound
	buf    []byte // see scratch
	ops    []fieldOp
	dumps  *dumper

	algebra algebraSets
	streams streamScratch
	hll     datatypes.HyperLogLog
}

// Conf is the part of the configuration that handlers go by. It is replaced as a whole when the configuration changes.
type Conf struct {
	MaxBulk int64 // proto-max-bulk-len

	Dump           codec.Options // how DUMP writes
	UncheckedDumps bool          // RESTORE does not look at checksums (DEBUG SET-SKIP-CHECKSUM-VALIDATION)
}

// Wait is a command's wish to be parked until one of its keys may be ready.
type Wait struct {
	Set         bool
	Keys        [][]byte // slices of the arguments
	Argv        [][]byte // what is to be run again instead of the request, if that meant a moment ("$" of XREAD); else nil
	OnNoKey     bool     // that a key is gone ends the waiting
	Deadline_ms int64    // Unix milliseconds, 0 for ever
	Retry_ms    int64    // Unix milliseconds: when there may be something though no key was changed, 0: never
	Timeout     TimeoutReply
}

// TimeoutReply is what a blocked command answers when its time is over.
type TimeoutReply uint8

// The replies of commands whose time is over.
const (
	ReplyNullArray TimeoutReply = iota
	ReplyRerun                  // the command runs once more with MayBlock false
)

// Block parks the client until one of keys may be ready, then the command is run again from its beginning. When the time is
// over the answer is onTimeout; with MayBlock false it is over at once, and the answer a null array.
func (c *Ctx) Block(keys [][]byte, deadline_ms int64, onTimeout TimeoutReply) {
	if !c.MayBlock {
		c.Reply.NullArray()
		return
	}
	c.Wait = Wait{Set: true, Keys: keys, Deadline_ms: deadline_ms, Timeout: onTimeout}
}

// Begin makes the context ready for one command with the arguments argv, the command's name included.
func (c *Ctx) Begin(row *Row, argv [][]byte) {
	c.Row = row
	// One by one: a literal would be put together elsewhere and copied.
	c.Args.argv, c.Args.pos, c.Args.err, c.Args.c = argv, 1, "", c
	if row.Container != nil {
		c.Args.pos = 2
	}
	c.Wait.Set = false
	if c.effects.Len() > 0 {
		c.effects.Empty()
	}
	if cap(c.item) > scratchKept {
		c.item = nil
	}
	c.effectEnds, c.rewritten = c.effectEnds[:0], false
	c.forced = 0
	c.failed = false
}

// Rand64 is a random number from the context's own source.
func (c *Ctx) Rand64() uint64 { return c.Rand.Uint64() }

// Fail replies an error. Only the first one of a command counts.
func (c *Ctx) Fail(e resp.Error) {
	if !c.failed {
		c.failed = true
		c.Reply.Error(e)
	}
}

// Overfull tells whether the reply has become so long that the client is closed instead of getting it. What a script asks for is no
// reply to the client. It is for what makes replies: what changes data does all that it was asked for.
func (c *Ctx) Overfull() bool {
	if most := c.mostReply(); most == 0 || uint64(c.Reply.Len()) <= most {
		return false
	}
	c.CutOff(c.Reply.Len())
	return true
}

func (c *Ctx) mostReply() uint64 {
	if c.Script {
		return 0
	}
	return c.MostReply
}

// Failed tells whether the command has replied an error by Fail.
func (c *Ctx) Failed() bool { return c.failed }

// Rewrite replaces the command, as the append-only log and replicas see it, by another: relative times become
// absolute, random choices the chosen. Called several times, all of them are the effect, in order.
func (c *Ctx) Rewrite(argv ...[]byte) {
	c.rewritten = true
	if c.WantEffects {
		writeRequest(&c.effects, argv)
		c.effectEnds = append(c.effectEnds, c.effects.Len())
	}
}

// RewriteString is Rewrite for words.
func (c *Ctx) RewriteString(words ...string) {
	c.rewritten = true
	if c.WantEffects {
		c.effects.Array(len(words))
		for _, w := range words {
			c.effects.BulkString(w)
		}
		c.effectEnds = append(c.effectEnds, c.effects.Len())
	}
}

// NoEffect says that replicas and the log need not hear of the command though it counts as a change.
func (c *Ctx) NoEffect() { c.rewritten = true }

// Target is a set of those who read effects.
type Target uint8

// The readers of effects.
const (
	ToLog Target = 1 << iota
	ToReplicas
)

// Propagate gives the command's effect to readers though it has changed no key.
func (c *Ctx) Propagate(to Target) { c.forced = to }

// Forced is what Propagate was told.
func (c *Ctx) Forced() Target { return c.forced }

// Nested says that the command has run others and has no effect besides theirs.
func (c *Ctx) Nested() {
	c.effects.Empty()
	c.effectEnds = c.effectEnds[:0]
	c.rewritten = true
	c.forced = 0
}

// Rewritten tells whether the effect is something else than the command itself, or nothing.
func (c *Ctx) Rewritten() bool { return c.rewritten }

// EffectEnds is where each request of a rewritten effect ends.
func (c *Ctx) EffectEnds() []int { return c.effectEnds }

// Effect is the command as replicas and the log have to see it: requests in the protocol's form. It is valid until
// the next Begin.
func (c *Ctx) Effect() []byte {
	if !c.rewritten {
		c.effects.Empty()
		writeRequest(&c.effects, c.Args.argv)
	}
	return c.effects.Bytes()
}

// writeRequest writes a request in the protocol's form.
func writeRequest(w *resp.Writer, argv [][]byte) {
	w.Array(len(argv))
	for _, a := range argv {
		w.Bulk(a)
	}
}

// scratch is n bytes of any content to work with, until the next call or the end of the command.
func (c *Ctx) scratch(n int) []byte {
	if n > scratchKept {
		return make([]byte, n)
	}
	if cap(c.buf) < n {
		c.buf = make([]byte, n)
	}
	return c.buf[:n]
}

// scratchKept is the size in bytes up to which scratch keeps its memory for the next command.
const scratchKept = 64 << 10

// reserve makes sure that the string at key can grow to size bytes; if not, OOM is the reply. What a command's own
// request brings was reserved by the dispatcher.
func (c *Ctx) reserve(key []byte, size int) bool {
	ks := c.Keyspace()
	if size <= scratchKept || ks.Reserve(1<<ks.ShardOf(ks.Hash(key)), size) {
		return true
	}
	c.Fail(resp.ErrOOM)
	return false
}

// room is the memory of a shard that a result takes as it grows: it is reserved some steps ahead.
type room struct {
	key  []byte // in whose shard the result is made
	made *datatypes.MemHolder
	n    int  // elements that were put into it
	left int  // bytes that it may take until more has to be reserved
	full bool // the shard has no more
}

// resultStep is how many bytes are reserved at a time.
const resultStep = 64 << 10

// takes tells whether the result can take an element of size bytes.
func (r *room) takes(c *Ctx, size int) bool {
	r.n++
	r.left -= size
	return r.left >= 0 || r.more(c, size, 1)
}

// more reserves a step beyond an element of size bytes and n elements in all. As long as the result is compact it has nothing in
// the shard yet, and all of it is still to come at once.
func (r *room) more(c *Ctx, size, n int) bool {
	left := resultStep + size + n*memberCost
	if r.left = 0; r.made.Enc() != datatypes.EncRoot {
		size, n = size+len(r.made.Bytes()), n+r.n
	}
	ks := c.Keyspace()
	if r.full = r.full || !ks.ReserveMany(1<<ks.ShardOf(ks.Hash(r.key)), resultStep+size, n); !r.full {
		r.left = left
	}
	return !r.full
}

// wrongType replies the error of a key of another type.
func (c *Ctx) wrongType() { c.Fail(resp.ErrWrongType) }

// ReadString gives the string at key, nil and false in found if there is none. ok is false if the key holds
// something else, which is the reply then. The bytes are valid until the shard changes or another integer value is
// read.
func (c *Ctx) ReadString(key []byte) (val []byte, found, ok bool) {
	val, st := c.View.String(key)
	if st == keyspace.WrongType {
		c.wrongType()
		return nil, false, false
	}
	return val, st == keyspace.Found, true
}

// row is a command of the catalogue with its handler, for Register.
func row(name string, run func(*Ctx)) *Row { return &Row{Spec: spec.Must(name), Run: run} }

// locking is row for a command that does not simply hold its keys' shards.
func locking(name string, locks Locks, run func(*Ctx)) *Row {
	return &Row{Spec: spec.Must(name), Run: run, Locks: locks}
}

// families is every row of this package, in the order of its files.
var families []*Row

// Register adds a family's rows. It is called from the foot of each family's file.
func Register(rows ...*Row) { families = append(families, rows...) }

// Rows is every row that was registered.
func Rows() []*Row { return families }

// choosing is row for a command whose arguments decide which shards it holds.
func choosing(name string, choose func(argv [][]byte) Locks, run func(*Ctx)) *Row {
	return &Row{Spec: spec.Must(name), Run: run, Choose: choose}
}

// LocksFor is the rule for one request.
func (r *Row) LocksFor(argv [][]byte) Locks {
	if r.Choose != nil {
		return r.Choose(argv)
	}
	return r.Locks
}

// Choosing is New for a command whose arguments decide which shards it holds.
func Choosing(name string, choose func(argv [][]byte) Locks, run func(*Ctx)) *Row {
	return choosing(name, choose, run)
}

// New makes a row for a command of the catalogue, for families that stand outside of this package.
func New(name string, locks Locks, run func(*Ctx)) *Row { return locking(name, locks, run) }
