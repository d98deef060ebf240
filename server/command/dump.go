package command

import (
	"errors"
	"math"
	"strconv"

	"larder/datatypes"
	"larder/keyspace"
	"larder/persistence/codec"
	"larder/server/resp"
)

// A dumper is what DUMP and RESTORE need and keep from one command to the next. It is made when it is first used.
type dumper struct {
	w      *codec.Writer
	r      codec.Reader
	holder datatypes.MemHolder
}

func (c *Ctx) dumper() *dumper {
	if c.dumps == nil {
		c.dumps = &dumper{w: codec.NewWriter(nil, codec.Options{})}
	}
	return c.dumps
}

func dump(c *Ctx) {
	e, ok := c.Read(c.Args.Key())
	if !ok {
		c.Reply.Null()
		return
	}
	c.Reply.Bulk(c.payload(&e))
	c.dumper().w.Reset()
}

// payload is a value as DUMP replies it, until the writer is reset.
func (c *Ctx) payload(e *keyspace.Entry) []byte {
	w := c.dumper().w
	w.Options = c.Conf.Dump
	return w.Dump(e.Type(), e.Env(), e.Holder())
}

// Dumped gives fn the value at key as DUMP replies it, and its absolute expiry, 0 for none; it is false if there is none.
// The payload is fn's only while it runs.
func (c *Ctx) Dumped(key []byte, fn func(payload []byte, at_ms int64)) bool {
	e, ok := c.Read(key)
	if ok {
		fn(c.payload(&e), e.Expire_ms())
		c.dumper().w.Reset()
	}
	return ok
}

// SnapshotLen is how many bytes the value at key takes in a snapshot, without its type; it is 0 if there is none. The key
// is not touched. O(bytes of the value).
func (c *Ctx) SnapshotLen(key []byte) int {
	e, ok := c.Peek(key)
	if !ok {
		return 0
	}
	n := len(c.payload(&e)) - codec.DumpOverhead
	c.dumper().w.Reset()
	return n
}

// What is said of payloads that RESTORE refuses.
const (
	errPayload    resp.Error = "ERR DUMP payload version or checksum are wrong"
	errBadData    resp.Error = "ERR Bad data format"
	errInvalidTTL resp.Error = "ERR Invalid TTL value, must be >= 0"
	errIdletime   resp.Error = "ERR Invalid IDLETIME value, must be >= 0"
	errFreq       resp.Error = "ERR Invalid FREQ value, must be >= 0 and <= 255"
)

// maxIdle is the longest time since an access, in seconds, that an access word can tell.
const maxIdle = 1 << 23

// A restoring is what the arguments of RESTORE say.
type restoring struct {
	key, ttl, payload []byte
	replace, absolute bool
	idle, freq        int64 // -1 if not said
}

func (c *Ctx) readRestore() (o restoring) {
	a := &c.Args
	o.key, o.ttl, o.payload = a.Key(), a.Bytes(), a.Bytes()
	o.idle, o.freq = -1, -1
	for a.More() {
		switch {
		case a.Is("REPLACE"):
			o.replace = true
		case a.Is("ABSTTL"):
			o.absolute = true
		case o.freq < 0 && a.IsWith("IDLETIME", 1):
			if o.idle = a.Int(); o.idle < 0 {
				a.Wrong(errIdletime)
			}
		case o.idle < 0 && a.IsWith("FREQ", 1):
			if o.freq = a.Int(); o.freq < 0 || o.freq > 255 {
				a.Wrong(errFreq)
			}
		default:
			a.Syntax()
		}
	}
	return o
}

func restore(c *Ctx) {
	o := c.readRestore()
	if !c.Args.Done() {
		return
	}
	if !o.replace && c.Meet(o.key) {
		c.Fail(resp.ErrBusyKey)
		return
	}
	ttl, ok := datatypes.ParseInt(o.ttl)
	switch {
	case !ok:
		c.Fail(resp.ErrNotInteger)
		return
	case ttl < 0:
		c.Fail(errInvalidTTL)
		return
	}
	at := ttl
	if ttl != 0 && !o.absolute {
		at = c.Now + min(ttl, math.MaxInt64-c.Now)
	}
	d := c.dumper()
	d.holder.SetEnc(datatypes.EncBlob)
	d.holder.Resize(0)
	typ, err := d.r.OpenDump(o.payload, c.Conf.UncheckedDumps)
	if err == codec.ErrPayload {
		c.Fail(errPayload)
		return
	}
	t, known := codec.KindOf(typ)
	if err != nil || !known {
		c.Fail(errBadData)
		return
	}
	var text []byte
	if t == datatypes.TypeString {
		text = d.r.String()
		if err = d.r.Err(); err == nil && !c.ReserveFor(o.key, len(text)) {
			err = codec.ErrMemory
		}
	} else {
		err = d.r.Value(typ, c.EnvOf(o.key), &d.holder)
	}
	if err != nil {
		c.Discard(o.key, t, &d.holder)
		if errors.Is(err, codec.ErrMemory) {
			c.Fail(resp.ErrOOM)
		} else {
			if c.Warn != nil {
				c.Warn("RESTORE: " + err.Error())
			}
			c.Fail(errBadData)
		}
		return
	}
	removed := o.replace && c.Delete(o.key)
	if at != 0 && at <= c.Now && !c.ServeExpired {
		c.Discard(o.key, t, &d.holder)
		if removed {
			c.Gone(o.key, "del")
			c.rewriteRemoval(o.key, c.Keyspace().LazyFree.ServerDel)
		}
		c.Reply.OK()
		return
	}
	how := keyspace.Loaded{Expire_ms: at}
	switch clock := c.Clock(); {
	case clock.LFU && o.freq >= 0:
		how.Access, how.HasAccess = clock.FreqWord(uint8(o.freq), c.Now), true
	case !clock.LFU && o.idle >= 0:
		how.Access, how.HasAccess = clock.IdleWord(min(o.idle, maxIdle), c.Now), true
	}
	if t == datatypes.TypeString {
		c.LoadString(o.key, text, how)
	} else {
		c.Load(o.key, t, &d.holder, how)
	}
	c.Changed(o.key, "restore")
	if c.WantEffects && ttl != 0 && !o.absolute {
		argv := append([][]byte{}, c.Args.All()...)
		argv[2] = strconv.AppendInt(nil, at, 10)
		c.Rewrite(append(argv, []byte("ABSTTL"))...)
	}
	c.Reply.OK()
}

func init() {
	Register(
		row("dump", dump),
		row("restore", restore),
		row("restore-asking", restore),
	)
}
