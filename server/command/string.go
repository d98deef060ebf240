package command

import (
	"math"
	"strconv"

	"larder/datatypes"
	"larder/keyspace"
	"larder/server/resp"
)

// expiry is what a command's arguments say about a key's time.
type expiry struct {
	at_ms int64 // absolute; 0 none, keyspace.KeepTTL the one it has
	given bool
	kind  expiryKind
	word  []byte // the option itself
	text  []byte // the time of an option that expireTime has not read yet
}

// expiryKind is which option gave the time; its zero value is none that has one.
type expiryKind struct {
	unit     int64 // milliseconds
	absolute bool
	other    byte // 'k' for KEEPTTL, 'p' for PERSIST
}

// expireArg reads the time of an option that was read just now: in seconds or milliseconds, from now or absolute.
// The error of an impossible time names the command.
func (c *Ctx) expireArg(unit int64, absolute bool) expiry {
	n := c.Args.Int()
	if c.Args.Bad() {
		return expiry{}
	}
	at, ok := c.deadline(n, unit, absolute)
	if !ok || n <= 0 {
		c.Args.Wrong(resp.InvalidExpire(c.Row.Name))
		return expiry{}
	}
	return expiry{at_ms: at, given: true}
}

// deadline turns a time of n units of unit milliseconds into an absolute one, false if it does not fit.
func (c *Ctx) deadline(n, unit int64, absolute bool) (at_ms int64, ok bool) {
	if n > math.MaxInt64/unit || n < math.MinInt64/unit {
		return 0, false
	}
	n *= unit
	if absolute {
		return n, true
	}
	if n > math.MaxInt64-c.Now {
		return 0, false
	}
	return n + c.Now, true
}

// expireOption reads one of EX, PX, EXAT and PXAT. What stands behind it is read by the caller once all options are
// known (expireTime), because a missing or wrong key is told before an impossible time.
func (c *Ctx) expireOption(e *expiry) bool {
	a := &c.Args
	var k expiryKind
	switch {
	case a.IsWith("EX", 1):
		k = expiryKind{unit: 1000}
	case a.IsWith("PX", 1):
		k = expiryKind{unit: 1}
	case a.IsWith("EXAT", 1):
		k = expiryKind{unit: 1000, absolute: true}
	case a.IsWith("PXAT", 1):
		k = expiryKind{unit: 1, absolute: true}
	default:
		return false
	}
	if e.given && e.kind != k {
		a.Syntax()
	}
	word := a.At(a.Len() - a.Left() - 1)
	*e = expiry{given: true, kind: k, word: word, text: a.Bytes()}
	return true
}

// expireTime turns the option's text into a time. It is false if an error is the reply.
func (c *Ctx) expireTime(e *expiry) bool {
	if e.text == nil {
		return true
	}
	n, ok := datatypes.ParseInt(e.text)
	if !ok {
		c.Fail(resp.ErrNotInteger)
		return false
	}
	at, ok := c.deadline(n, e.kind.unit, e.kind.absolute)
	if !ok || n <= 0 {
		c.Fail(resp.InvalidExpire(c.Row.Name))
		return false
	}
	e.at_ms = at
	return true
}

func get(c *Ctx) {
	key := c.Args.Key()
	if !c.Args.Done() {
		return
	}
	c.replyString(key)
}

// replyString answers the string at key.
func (c *Ctx) replyString(key []byte) bool {
	val, found, ok := c.ReadString(key)
	switch {
	case !ok:
		return false
	case found:
		c.Reply.Bulk(val)
	default:
		c.Reply.Null()
	}
	return true
}

func set(c *Ctx) {
	a := &c.Args
	key, val := a.Key(), a.Bytes()
	var exp expiry
	var cond condition
	wantOld := false
	for a.More() {
		switch {
		case a.Is("NX"):
			cond.read(a, ifMissing)
		case a.Is("XX"):
			cond.read(a, ifExists)
		case c.valueCondition(&cond):
		case a.Is("GET"):
			wantOld = true
		case a.Is("KEEPTTL"):
			k := expiryKind{other: 'k'}
			if exp.given && exp.kind != k {
				a.Syntax()
			}
			exp = expiry{at_ms: keyspace.KeepTTL, given: true, kind: k}
		case c.expireOption(&exp):
		default:
			a.Syntax()
		}
	}
	if !a.Done() || !c.expireTime(&exp) {
		return
	}
	met, ok := c.meets(key, cond)
	if !ok || wantOld && !c.replyString(key) {
		return
	}
	if met {
		c.put(key, val, exp)
		if cond.when >= ifEqual {
			c.plainSet(key, val, exp)
		}
	}
	switch {
	case wantOld: // which is the reply
	case met:
		c.Reply.OK()
	default:
		c.Reply.Null()
	}
}

// put stores a string and says so. The effect is a SET with an absolute time.
func (c *Ctx) put(key, val []byte, exp expiry) {
	if exp.at_ms > 0 && exp.at_ms <= c.Now && !c.ServeExpired {
		// The time is over already: what remains is that the old value is gone. Listeners hear of all that would have
		// happened.
		if c.Delete(key) {
			c.Gone(key, "set")
			c.rewriteRemoval(key, c.Keyspace().LazyFree.Expire)
		} else {
			c.Notice(key, "new")
			c.Notice(key, "set")
		}
		c.Notice(key, "expire")
		c.Notice(key, "expired")
		c.ShardOf(key).Stats.Expired++
		return
	}
	c.SetString(key, val, exp.at_ms)
	c.Changed(key, "set")
	if exp.at_ms > 0 {
		c.Event(key, "expire")
		if c.WantEffects {
			word := []byte("PXAT")
			if exp.kind.absolute && exp.kind.unit == 1 { // as the client has it
				word = exp.word
			}
			c.Rewrite([]byte("SET"), key, val, word, strconv.AppendInt(nil, exp.at_ms, 10))
		}
	}
}

// plainSet makes SET the effect of a command that put a string without a time, and that Redis 7 does not know: it may be
// a replica, or read the log.
func (c *Ctx) plainSet(key, val []byte, exp expiry) {
	switch {
	case exp.at_ms == keyspace.KeepTTL:
		c.Rewrite([]byte("SET"), key, val, []byte("KEEPTTL"))
	case exp.at_ms == 0:
		c.Rewrite([]byte("SET"), key, val)
	}
}

func setnx(c *Ctx) {
	key, val := c.Args.Key(), c.Args.Bytes()
	if !c.Args.Done() {
		return
	}
	if c.Meet(key) {
		c.Reply.Int(0)
		return
	}
	c.put(key, val, expiry{})
	c.Reply.Int(1)
}

func setexIn(unit int64) func(*Ctx) {
	return func(c *Ctx) {
		key := c.Args.Key()
		exp := c.expireArg(unit, false)
		val := c.Args.Bytes()
		if !c.Args.Done() {
			return
		}
		c.put(key, val, exp)
		c.Reply.OK()
	}
}

func getset(c *Ctx) {
	key, val := c.Args.Key(), c.Args.Bytes()
	if !c.Args.Done() || !c.replyString(key) {
		return
	}
	c.SetString(key, val, 0)
	c.Changed(key, "set")
	c.Rewrite([]byte("SET"), key, val)
}

func getdel(c *Ctx) {
	key := c.Args.Key()
	if !c.Args.Done() || !c.replyString(key) {
		return
	}
	if c.Delete(key) {
		c.Gone(key, "del")
		c.Rewrite([]byte("DEL"), key)
	}
}

func getex(c *Ctx) {
	a := &c.Args
	key := a.Key()
	var exp expiry
	for a.More() {
		switch {
		case a.Is("PERSIST"):
			k := expiryKind{other: 'p'}
			if exp.given && exp.kind != k {
				a.Syntax()
			}
			exp = expiry{given: true, kind: k}
		case c.expireOption(&exp):
		default:
			a.Syntax()
		}
	}
	if !a.Done() {
		return
	}
	val, found, ok := c.ReadString(key)
	switch {
	case !ok:
		return
	case !found:
		c.Reply.Null()
		return
	case !c.expireTime(&exp):
		return
	}
	c.Reply.Bulk(val)
	if !exp.given {
		return
	}
	in, ok := c.Stat(key)
	switch {
	case !ok:
	case exp.at_ms == 0:
		if in.Expire_ms != 0 {
			c.SetExpire(key, 0)
			c.Changed(key, "persist")
			c.Rewrite([]byte("PERSIST"), key)
		}
	case exp.at_ms <= c.Now && !c.ServeExpired:
		c.Delete(key)
		c.Gone(key, "del")
		c.rewriteRemoval(key, c.Keyspace().LazyFree.Expire)
	default:
		c.SetExpire(key, exp.at_ms)
		c.Changed(key, "expire")
		c.Rewrite([]byte("PEXPIREAT"), key, strconv.AppendInt(nil, exp.at_ms, 10))
	}
}

func mget(c *Ctx) {
	keys := c.Args.Rest()
	c.Reply.Array(len(keys))
	for _, key := range keys {
		if c.Overfull() {
			return // the same large value may have been asked for a million times
		}
		if val, st := c.String(key); st == keyspace.Found {
			c.Reply.Bulk(val)
		} else {
			c.Reply.Null()
		}
	}
}

func mset(c *Ctx) {
	pairs := c.Args.Pairs()
	if !c.Args.Done() {
		return
	}
	c.setAll(pairs, 0)
	c.Reply.OK()
}

func msetnx(c *Ctx) {
	pairs := c.Args.Pairs()
	if !c.Args.Done() {
		return
	}
	for i := 0; i < len(pairs); i += 2 {
		if c.Meet(pairs[i]) {
			c.Reply.Int(0)
			return
		}
	}
	c.setAll(pairs, 0)
	c.Reply.Int(1)
}

func (c *Ctx) setAll(pairs [][]byte, at_ms int64) {
	for i := 0; i < len(pairs); i += 2 {
		c.SetString(pairs[i], pairs[i+1], at_ms)
		c.Changed(pairs[i], "set")
	}
}

func incrBy(sign int64) func(*Ctx) {
	return func(c *Ctx) {
		key := c.Args.Key()
		if c.Args.Done() {
			c.incr(key, sign)
		}
	}
}

func incrby(c *Ctx) {
	key, n := c.Args.Key(), c.Args.Int()
	if c.Args.Done() {
		c.incr(key, n)
	}
}

func decrby(c *Ctx) {
	key, n := c.Args.Key(), c.Args.Int()
	if !c.Args.Done() {
		return
	}
	if n == math.MinInt64 {
		c.Fail(resp.ErrDecrOverflow)
		return
	}
	c.incr(key, -n)
}

func (c *Ctx) incr(key []byte, by int64) {
	n, text, isInt, st := c.Integer(key)
	switch {
	case st == keyspace.WrongType:
		c.Fail(resp.ErrWrongType)
		return
	case st == keyspace.Found && !isInt:
		var ok bool
		if n, ok = datatypes.ParseInt(text); !ok {
			c.Fail(resp.ErrNotInteger)
			return
		}
	}
	if by > 0 && n > math.MaxInt64-by || by < 0 && n < math.MinInt64-by {
		c.Fail(resp.ErrOverflow)
		return
	}
	n += by
	c.SetInteger(key, n)
	c.Changed(key, "incrby")
	c.Reply.Int(n)
}

func incrbyfloat(c *Ctx) {
	key, arg := c.Args.Key(), c.Args.Bytes()
	if !c.Args.Done() {
		return
	}
	n, text, isInt, st := c.Integer(key)
	sum, ok := datatypes.LongOfInt(n), true
	if st == keyspace.Found && !isInt {
		sum, ok = datatypes.ParseLong(text)
	}
	switch {
	case st == keyspace.WrongType:
		c.wrongType()
		return
	case !ok:
		c.Fail(resp.ErrNotFloat)
		return
	}
	by, ok := datatypes.ParseLong(arg)
	if !ok {
		c.Fail(resp.ErrNotFloat)
		return
	}
	if sum, ok = sum.Add(by); !ok || sum.IsInf() {
		c.Fail(resp.ErrNaNOrInfinity)
		return
	}
	text = sum.AppendHuman(nil)
	c.SetText(key, text, keyspace.KeepTTL)
	c.Changed(key, "incrbyfloat")
	c.Rewrite([]byte("SET"), key, text, []byte("KEEPTTL"))
	c.Reply.Bulk(text)
}

// mostString is how many bytes a string may be made long: those of proto-max-bulk-len for a client. What the primary or the
// log says was within the limit where it was first done, which may have been another.
func (c *Ctx) mostString() int64 {
	if c.Obey {
		return keyspace.MaxValue
	}
	return min(c.Conf.MaxBulk, keyspace.MaxValue)
}

// tooLong replies the error of a string that would become longer than it may.
func (c *Ctx) tooLong(size int64) bool {
	if size <= c.mostString() {
		return false
	}
	c.Fail(resp.ErrStringTooBig)
	return true
}

func appendTo(c *Ctx) {
	key, tail := c.Args.Key(), c.Args.Bytes()
	if !c.Args.Done() {
		return
	}
	h, st := c.OpenBytes(key)
	if st == keyspace.WrongType {
		c.Fail(resp.ErrWrongType)
		return
	}
	if st == keyspace.Missing {
		c.SetString(key, tail, 0)
		c.Changed(key, "append")
		c.Reply.Int(int64(len(tail)))
		return
	}
	old := h.TextLen()
	if c.tooLong(int64(old) + int64(len(tail))) {
		return
	}
	if !c.reserve(key, old+len(tail)) {
		return
	}
	h.MakeRaw()
	copy(h.Resize(old + len(tail))[old:], tail)
	c.Changed(key, "append")
	c.Reply.Int(int64(old + len(tail)))
}

func strlen(c *Ctx) {
	key := c.Args.Key()
	if !c.Args.Done() {
		return
	}
	if val, _, ok := c.ReadString(key); ok {
		c.Reply.Int(int64(len(val)))
	}
}

func setrange(c *Ctx) {
	key, offset, val := c.Args.Key(), c.Args.Int(), c.Args.Bytes()
	if !c.Args.Done() {
		return
	}
	if offset < 0 {
		c.Fail(resp.ErrOffsetRange)
		return
	}
	if len(val) == 0 { // nothing to write: the key is not even made
		c.Meet(key)
		old, st := c.PeekString(key)
		if st == keyspace.WrongType {
			c.wrongType()
			return
		}
		c.Reply.Int(int64(len(old)))
		return
	}
	if in, ok := c.Stat(key); ok && in.Type != datatypes.TypeString {
		c.wrongType()
		return
	}
	if offset > math.MaxInt64-int64(len(val)) || c.tooLong(offset+int64(len(val))) {
		if !c.Failed() {
			c.Fail(resp.ErrStringTooBig)
		}
		return
	}
	if !c.reserve(key, int(offset)+len(val)) {
		return
	}
	h, _ := c.EditBytes(key)
	b := h.Extend(int(offset) + len(val))
	copy(b[offset:], val)
	c.Changed(key, "setrange")
	c.Reply.Int(int64(len(b)))
}

func getrange(c *Ctx) {
	key, start, end := c.Args.Key(), c.Args.Int(), c.Args.Int()
	if !c.Args.Done() {
		return
	}
	val, _, ok := c.ReadString(key)
	if !ok {
		return
	}
	from, to := span(start, end, int64(len(val)))
	c.Reply.Bulk(val[from:to])
}

// span turns a range of which both ends are included and may count from the end into one of slice indexes.
func span(start, end, size int64) (from, to int64) {
	if start < 0 && end < 0 && start > end {
		return 0, 0
	}
	if start < 0 {
		start = max(0, start+size)
	}
	if end < 0 {
		end = max(0, end+size)
	}
	end = min(end, size-1)
	if start > end || size == 0 {
		return 0, 0
	}
	return start, end + 1
}

func init() {
	Register(
		row("get", get),
		row("set", set),
		row("setnx", setnx),
		row("setex", setexIn(1000)),
		row("psetex", setexIn(1)),
		row("getset", getset),
		row("getdel", getdel),
		row("getex", getex),
		row("mget", mget),
		row("mset", mset),
		row("msetnx", msetnx),
		row("incr", incrBy(1)),
		row("decr", incrBy(-1)),
		row("incrby", incrby),
		row("decrby", decrby),
		row("incrbyfloat", incrbyfloat),
		row("append", appendTo),
		row("strlen", strlen),
		row("setrange", setrange),
		row("getrange", getrange),
		row("substr", getrange),
	)
}
