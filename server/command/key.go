package command

import (
	"bytes"
	"math"
	"strconv"

	"larder/datatypes"
	"larder/keyspace"
	"larder/server/glob"
	"larder/server/resp"
)

func del(c *Ctx) {
	n := int64(0)
	for _, key := range c.Args.Rest() {
		if c.Delete(key) {
			c.Gone(key, "del")
			n++
		}
	}
	c.Reply.Int(n)
}

// rewriteRemoval makes the removal of a key the command's effect, by a name that tells a replica how to free it.
func (c *Ctx) rewriteRemoval(key []byte, lazy bool) {
	name := []byte("DEL")
	if lazy {
		name = []byte("UNLINK")
	}
	c.Rewrite(name, key)
}

func exists(c *Ctx) {
	n := int64(0)
	for _, key := range c.Args.Rest() {
		if c.Exists(key) {
			n++
		}
	}
	c.Reply.Int(n)
}

// touch is about the time of access itself, also for those whose other commands leave it as it is.
func touch(c *Ctx) {
	noTouch := c.NoTouch
	c.NoTouch = false
	n := int64(0)
	for _, key := range c.Args.Rest() {
		if c.Touch(key) {
			n++
		}
	}
	c.NoTouch = noTouch
	c.Reply.Int(n)
}

func typeOf(c *Ctx) {
	if in, ok := c.Ask(c.Args.Key()); ok {
		c.Reply.Simple(in.Type.String())
	} else {
		c.Reply.Simple("none")
	}
}

func randomkey(c *Ctx) {
	if key, ok := c.Random(c.Rand64); ok {
		c.Reply.Bulk(key)
	} else {
		c.Reply.Null()
	}
}

func keys(c *Ctx) {
	pattern := c.Args.Bytes()
	all := string(pattern) == "*"
	n := 0
	at := c.Reply.Defer()
	c.EachKey(func(key []byte, _ keyspace.Info) bool {
		if all || glob.Match(pattern, key, false) {
			c.Reply.Bulk(key)
			n++
		}
		return true
	})
	c.Reply.SetArray(at, n)
}

// scanOptions are what the commands of the SCAN family have in common.
type scanOptions struct {
	cursor   uint64
	pattern  []byte
	count    int
	noValues bool
	noScores bool
	typ      []byte
}

// readScan reads the cursor and the options that follow it.
func (c *Ctx) readScan(allowType, allowNoValues, allowNoScores bool) (o scanOptions) {
	a := &c.Args
	var ok bool
	if o.cursor, ok = parseCursor(a.Bytes()); !ok {
		a.Wrong(resp.ErrInvalidCursor)
	}
	o.count = 10
	for a.More() {
		switch {
		case a.IsWith("COUNT", 1):
			n := a.Int()
			if n < 1 {
				a.Syntax()
			}
			o.count = int(min(n, 1<<30))
		case a.IsWith("MATCH", 1):
			if o.pattern = a.Bytes(); string(o.pattern) == "*" {
				o.pattern = nil
			}
		case allowType && a.IsWith("TYPE", 1):
			o.typ = a.Bytes()
		case a.Is("NOVALUES"):
			if o.noValues = true; !allowNoValues {
				a.Wrong(resp.ErrNoValues)
			}
		case a.Is("NOSCORES"):
			if o.noScores = true; !allowNoScores {
				a.Wrong(resp.ErrNoScores)
			}
		default:
			a.Syntax()
		}
	}
	return o
}

// parseCursor reads a cursor as Redis does, with C's strtoul: a sign is allowed and a negative number is its two's
// complement, nothing at all is 0, and a NUL is the end.
func parseCursor(b []byte) (cursor uint64, ok bool) {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	if len(b) == 0 {
		return 0, true
	}
	negative := b[0] == '-'
	if negative || b[0] == '+' {
		b = b[1:]
	}
	cursor, err := strconv.ParseUint(string(b), 10, 64)
	if negative {
		cursor = -cursor
	}
	return cursor, err == nil
}

func (o *scanOptions) matches(name []byte) bool {
	return o.pattern == nil || glob.Match(o.pattern, name, false)
}

func scan(c *Ctx) {
	o := c.readScan(true, false, false)
	if !c.Args.Done() {
		return
	}
	wanted, known := datatypes.TypeString, true
	if o.typ != nil {
		wanted, known = typeNamed(o.typ)
	}
	c.found.reset()
	next := c.Scan(o.cursor, o.count, func(key []byte, in keyspace.Info) {
		if o.matches(key) && (o.typ == nil || known && in.Type == wanted) {
			c.found.add(key)
		}
	})
	c.replyScan(next)
}

// replyScan answers a cursor and what was found.
func (c *Ctx) replyScan(next uint64) {
	c.Reply.Array(2)
	var num [20]byte
	c.Reply.Bulk(strconv.AppendUint(num[:0], next, 10))
	c.Reply.Array(len(c.found.ends))
	c.found.each(c.Reply.Bulk)
}

// gathered is a list of byte strings in one buffer, for what is found before it can be replied.
type gathered struct {
	buf  []byte
	ends []int
}

func (g *gathered) reset() {
	if g.buf, g.ends = g.buf[:0], g.ends[:0]; cap(g.buf) > 1<<20 {
		*g = gathered{}
	}
}

func (g *gathered) add(b []byte) {
	g.buf = append(g.buf, b...)
	g.ends = append(g.ends, len(g.buf))
}

func (g *gathered) each(fn func([]byte)) {
	from := 0
	for _, end := range g.ends {
		fn(g.buf[from:end])
		from = end
	}
}

// typeNamed finds a type by the name that TYPE replies, in any case.
func typeNamed(name []byte) (datatypes.Type, bool) {
	for t := datatypes.TypeString; t <= datatypes.TypeStream; t++ {
		if sameName(name, t.String()) {
			return t, true
		}
	}
	return 0, false
}

func rename(c *Ctx) {
	src, dst := c.Args.Key(), c.Args.Key()
	if c.Args.Done() && c.rename(src, dst, false) {
		c.Reply.OK()
	}
}

func renamenx(c *Ctx) {
	src, dst := c.Args.Key(), c.Args.Key()
	if !c.Args.Done() {
		return
	}
	if c.rename(src, dst, true) {
		c.Reply.Int(1)
	} else if !c.Failed() {
		c.Reply.Int(0)
	}
}

func (c *Ctx) rename(src, dst []byte, onlyNew bool) bool {
	switch {
	case !c.Meet(src):
		c.Fail(resp.ErrNoSuchKey)
		return false
	case string(src) == string(dst):
		return !onlyNew
	case onlyNew && c.Meet(dst):
		return false
	}
	if !c.RoomFor(src, dst, true) {
		c.Fail(resp.ErrOOM)
		return false
	}
	c.Rename(src, dst)
	c.Gone(src, "rename_from")
	c.Changed(dst, "rename_to")
	c.Dirty-- // one change, of two keys
	return true
}

func renaming(name string, run func(*Ctx)) *Row {
	r := row(name, run)
	r.Renames = true
	return r
}

func move(c *Ctx) {
	key, db := c.Args.Key(), c.Args.Int32(resp.ErrNotInteger, "")
	if !c.Args.Done() {
		return
	}
	if db < 0 || db >= int64(c.Keyspace().Databases()) {
		c.Fail(resp.ErrDBIndex)
		return
	}
	if int(db) == c.DB {
		c.Fail(resp.ErrSameObject)
		return
	}
	if !c.Move(key, int(db)) {
		c.Reply.Int(0)
		return
	}
	c.Gone(key, "move_from")
	from := c.DB
	c.DB = int(db)
	c.Changed(key, "move_to")
	c.DB = from
	c.Dirty--
	c.Reply.Int(1)
}

func copying(name string, run func(*Ctx)) *Row {
	r := row(name, run)
	r.Copies = true
	return r
}

// CopyOf reads the arguments of COPY, which is sent with database db selected. known is false if it will be refused: to is
// only known not to be negative.
func CopyOf(argv [][]byte, db int) (src, dst []byte, to int, replace, known bool) {
	if len(argv) < 3 {
		return nil, nil, 0, false, false
	}
	to = db
	for i := 3; i < len(argv); i++ {
		switch {
		case EqualFold(argv[i], "REPLACE"):
			replace = true
		case EqualFold(argv[i], "DB") && i+1 < len(argv):
			i++
			n, ok := datatypes.ParseInt(argv[i])
			if !ok || n < 0 || n > math.MaxInt32 {
				return nil, nil, 0, false, false
			}
			to = int(n)
		default:
			return nil, nil, 0, false, false
		}
	}
	return argv[1], argv[2], to, replace, to != db || string(argv[1]) != string(argv[2])
}

func copyKey(c *Ctx) {
	a := &c.Args
	src, dst := a.Key(), a.Key()
	db, replace := int64(c.DB), false
	for a.More() {
		switch {
		case a.Is("REPLACE"):
			replace = true
		case a.IsWith("DB", 1):
			if db = a.Int32(resp.ErrNotInteger, ""); !a.Bad() && (db < 0 || db >= int64(c.Keyspace().Databases())) {
				a.Wrong(resp.ErrDBIndex)
			}
		default:
			a.Syntax()
		}
	}
	if !a.Done() {
		return
	}
	if int(db) == c.DB && string(src) == string(dst) {
		c.Fail(resp.ErrSameObject)
		return
	}
	from := c.DB
	if !c.Touch(src) {
		c.Reply.Int(0)
		return
	}
	c.DB = int(db)
	taken := c.Meet(dst)
	c.DB = from
	if taken && !replace {
		c.Reply.Int(0)
		return
	}
	if !c.RoomFor(src, dst, false) {
		c.Fail(resp.ErrOOM)
		return
	}
	c.Copy(src, dst, int(db))
	c.DB = int(db)
	c.Changed(dst, "copy_to")
	c.DB = from
	c.Reply.Int(1)
}

// expireIn makes a handler of the EXPIRE family: times of unit milliseconds, from now or absolute.
func expireIn(unit int64, absolute bool) func(*Ctx) {
	return func(c *Ctx) {
		a := &c.Args
		key := a.Key()
		at := a.pos
		a.Bytes() // what is wrong with the options is told before what is wrong with the time
		var nx, xx, gt, lt bool
		for a.More() {
			switch {
			case a.Is("NX"):
				nx = true
			case a.Is("XX"):
				xx = true
			case a.Is("GT"):
				gt = true
			case a.Is("LT"):
				lt = true
			default:
				a.Wrong(resp.UnsupportedOption(a.Peek()))
			}
		}
		switch {
		case nx && (xx || gt || lt):
			a.Wrong(resp.ErrExpireNXWith)
		case gt && lt:
			a.Wrong(resp.ErrExpireGTLT)
		}
		if !a.Done() {
			return
		}
		n, ok := datatypes.ParseInt(a.At(at))
		if !ok {
			c.Fail(resp.ErrNotInteger)
			return
		}
		at_ms, ok := c.deadline(n, unit, absolute)
		if !ok {
			c.Fail(resp.InvalidExpire(c.Row.Name))
			return
		}
		in, ok := c.About(key)
		had := in.Expire_ms
		switch {
		case !ok,
			nx && had != 0,
			xx && had == 0,
			gt && (had == 0 || at_ms <= had), // a key without expiry lives for ever
			lt && had != 0 && at_ms >= had:
			c.Reply.Int(0)
			return
		}
		if at_ms <= c.Now && !c.ServeExpired {
			c.Delete(key)
			c.Gone(key, "del")
			c.rewriteRemoval(key, c.Keyspace().LazyFree.Expire)
		} else {
			c.SetExpire(key, max(at_ms, 1))
			c.Changed(key, "expire")
			if c.WantEffects {
				c.Rewrite([]byte("PEXPIREAT"), key, strconv.AppendInt(nil, at_ms, 10))
			}
		}
		c.Reply.Int(1)
	}
}

// ttlIn makes a handler of the TTL family.
func ttlIn(unit int64, absolute bool) func(*Ctx) {
	return func(c *Ctx) {
		in, ok := c.Ask(c.Args.Key())
		switch {
		case !ok:
			c.Reply.Int(-2)
		case in.Expire_ms == 0:
			c.Reply.Int(-1)
		case absolute:
			c.Reply.Int(int64((uint64(in.Expire_ms) + uint64(unit)/2) / uint64(unit))) // the sum may be above the largest int64
		default:
			c.Reply.Int((max(0, in.Expire_ms-c.Now) + unit/2) / unit)
		}
	}
}

func persist(c *Ctx) {
	key := c.Args.Key()
	if in, ok := c.About(key); !ok || in.Expire_ms == 0 {
		c.Reply.Int(0)
		return
	}
	c.SetExpire(key, 0)
	c.Changed(key, "persist")
	c.Reply.Int(1)
}

func dbsize(c *Ctx) { c.Reply.Int(int64(c.Len())) }

// flushMode reads the optional ASYNC or SYNC.
func (c *Ctx) flushMode() (sync bool) {
	a := &c.Args
	sync = !c.Keyspace().LazyFree.UserFlush
	switch {
	case a.Is("ASYNC"):
		sync = false
	case a.Is("SYNC"):
		sync = true
	}
	return sync
}

func flushdb(c *Ctx) {
	sync := c.flushMode()
	if !c.Args.Done() {
		return
	}
	c.Dirty += max(1, c.Flush(c.DB))
	c.flushed(sync)
}

func flushall(c *Ctx) {
	sync := c.flushMode()
	if !c.Args.Done() {
		return
	}
	n := 0
	for db := range c.Keyspace().Databases() {
		n += c.Flush(db)
	}
	c.Dirty += max(1, n)
	c.flushed(sync)
}

// flushed replies to a flush. If it is to be over when the client hears of it, and there is too much to give back at once, the
// client waits and nobody else. As in redis-server since 7.4 that counts as freed lazily, and what a transaction frees does not.
func (c *Ctx) flushed(sync bool) {
	if sync && c.Bury(flushAtOnce, c.MayBlock) && c.MayBlock && c.AwaitBurial != nil && c.AwaitBurial() {
		return
	}
	c.Reply.OK()
}

// flushAtOnce is how many allocations a flush gives back while it holds the shards.
const flushAtOnce = 8192

func swapdb(c *Ctx) {
	i := c.Args.Int32(resp.ErrFirstDBIndex, resp.ErrFirstDBIndex)
	j := c.Args.Int32(resp.ErrSecondDBIndex, resp.ErrSecondDBIndex)
	if !c.Args.Done() {
		return
	}
	n := int64(c.Keyspace().Databases())
	if i < 0 || i >= n || j < 0 || j >= n {
		c.Fail(resp.ErrDBIndex)
		return
	}
	if i != j {
		c.Swap(int(i), int(j))
	}
	c.Dirty++
	c.Reply.OK()
}

func init() {
	Register(
		row("del", del),
		row("unlink", del),
		row("exists", exists),
		row("touch", touch),
		row("type", typeOf),
		locking("randomkey", AllOfThem, randomkey),
		locking("keys", AllOfThem, keys),
		locking("scan", NoneOfThem, scan),
		renaming("rename", rename),
		renaming("renamenx", renamenx),
		row("move", move),
		copying("copy", copyKey),
		row("expire", expireIn(1000, false)),
		row("pexpire", expireIn(1, false)),
		row("expireat", expireIn(1000, true)),
		row("pexpireat", expireIn(1, true)),
		row("ttl", ttlIn(1000, false)),
		row("pttl", ttlIn(1, false)),
		row("expiretime", ttlIn(1000, true)),
		row("pexpiretime", ttlIn(1, true)),
		row("persist", persist),
		locking("dbsize", AllOfThem, dbsize),
		locking("flushdb", AllOfThem, flushdb),
		locking("flushall", AllOfThem, flushall),
		locking("swapdb", AllOfThem, swapdb),
	)
}
