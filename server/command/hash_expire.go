package command

import (
	"math"
	"strconv"

	"larder/datatypes"
	"larder/server/resp"
)

// Commands about the time of single fields of a hash. They come from Redis 7.4 and 8.0, which look at the key before
// they look at the arguments, so that WRONGTYPE comes before any other error; HSETEX does not.

// maxFieldExpire_ms is the latest time that a field may expire at.
const maxFieldExpire_ms = 1<<46 - 1

// fieldTime reads the time of a field: in units of unit milliseconds, from now or absolute.
func (c *Ctx) fieldTime(unit int64, absolute bool) (at_ms int64) {
	a := &c.Args
	n := a.Int()
	base := c.Now
	if absolute {
		base = 0
	}
	switch {
	case a.Bad():
	case n < 0:
		a.Wrong(resp.ErrNegativeExpire)
	case n > maxFieldExpire_ms/unit || n*unit > maxFieldExpire_ms-base:
		a.Wrong(resp.InvalidExpire(c.Row.Name))
	default:
		return n*unit + base
	}
	return 0
}

// fieldTimeOption reads one of EX, PX, EXAT and PXAT with its time.
func (c *Ctx) fieldTimeOption() (at_ms int64, ok bool) {
	a := &c.Args
	switch {
	case a.IsWith("EX", 1):
		return c.fieldTime(1000, false), true
	case a.IsWith("PX", 1):
		return c.fieldTime(1, false), true
	case a.IsWith("EXAT", 1):
		return c.fieldTime(1000, true), true
	case a.IsWith("PXAT", 1):
		return c.fieldTime(1, true), true
	}
	return 0, false
}

// fieldNames reads FIELDS numfields field [field ...], which must be all that is left. notCount is the error of a number
// that is none or not positive.
func (a *Args) fieldNames(notCount resp.Error) [][]byte {
	if !a.Is("FIELDS") {
		a.Wrong(resp.ErrFieldsMissing)
		return nil
	}
	if !a.Bad() && a.Left() == 0 {
		a.Wrong(resp.WrongArgs(a.c.Row.Name))
	}
	n := a.IntIn(1, math.MaxInt64, notCount)
	if !a.Bad() && int64(a.Left()) != n {
		a.Wrong(resp.ErrFieldsDiffer)
	}
	return a.Rest()
}

// over tells whether a time that a command sets is over already. On a replica it never is: the primary decides.
func (c *Ctx) over(at_ms int64) bool { return at_ms <= c.Now && !c.ServeExpired }

// retimed makes the effect of a command that gave fields the expiry at_ms: HPEXPIREAT. condition is NX, XX, GT, LT or
// empty.
func (c *Ctx) retimed(key []byte, at_ms int64, condition string, names [][]byte) {
	if !c.WantEffects {
		return
	}
	argv := make([][]byte, 0, 6+len(names))
	argv = append(argv, []byte("HPEXPIREAT"), key, strconv.AppendInt(nil, at_ms, 10))
	if condition != "" {
		argv = append(argv, []byte(condition))
	}
	argv = append(argv, []byte("FIELDS"), strconv.AppendInt(nil, int64(len(names)), 10))
	c.Rewrite(append(argv, names...)...)
}

// What the HEXPIRE family replies for each field.
const (
	hfeMissing   = -2
	hfeNotMet    = 0 // the condition does not hold
	hfeSet       = 1
	hfeGone      = 2 // removed, as the time is over
	hfeForever   = -1
	hfePersisted = 1
)

// hexpireIn makes a handler of the HEXPIRE family: times of unit milliseconds, from now or absolute.
func hexpireIn(unit int64, absolute bool) func(*Ctx) {
	return func(c *Ctx) {
		a := &c.Args
		key := a.Key()
		h, ok := c.EditHash(key)
		if !ok {
			return
		}
		at_ms := c.fieldTime(unit, absolute)
		condition := ""
		for _, word := range [...]string{"NX", "XX", "GT", "LT"} {
			if a.Is(word) {
				condition = word
				break
			}
		}
		names := a.fieldNames(resp.ErrNumFields)
		if !a.Done() {
			return
		}
		if c.lapse(key, h, names, 1) {
			h, _ = c.View.EditHash(key)
		}
		if !c.over(at_ms) && !c.roomForTimes(key, h, names) {
			return
		}
		h.Timed()
		c.expireFields(key, h, at_ms, condition, names)
	}
}

// roomForTimes makes sure that the fields can get an expiry or lose it, which may move each of them; if not, OOM is the reply.
func (c *Ctx) roomForTimes(key []byte, h *datatypes.Hash, names [][]byte) bool {
	if len(names) <= fewTimes || c.ReservePartsFor(key, len(names)*datatypes.MostFieldMoves) {
		return true
	}
	size := 0 // memory is short: see what it really takes
	for _, name := range names {
		size += h.FieldMoves(name, c.FieldNow())
	}
	if !c.ReservePartsFor(key, size) {
		c.Fail(resp.ErrOOM)
		return false
	}
	return true
}

// fewTimes is how many fields can move in what is reserved for every command.
const fewTimes = 8

// expireFields gives fields an expiry and answers an array with what became of each.
func (c *Ctx) expireFields(key []byte, h *datatypes.Hash, at_ms int64, condition string, names [][]byte) {
	over := c.over(at_ms)
	at_ms = max(at_ms, 1) // 0 would be none
	var told [][]byte
	set, gone := 0, 0
	c.Reply.Array(len(names))
	for i, name := range names {
		if i%stageMany == 0 && len(names) > 1 {
			h.Stage(names[i:], 1)
		}
		was, ok := h.ExpireAt(name, c.FieldNow())
		switch {
		case !ok:
			c.Reply.Int(hfeMissing)
		case condition == "NX" && was != 0,
			condition == "XX" && was == 0,
			condition == "GT" && (was == 0 || at_ms <= was), // no expiry counts as the latest of all
			condition == "LT" && was != 0 && at_ms >= was:
			c.Reply.Int(hfeNotMet)
		case over:
			h.Del(name, c.FieldNow())
			c.removedField(key, name)
			gone++
			c.Reply.Int(hfeGone)
		default:
			h.SetExpire(name, at_ms, c.FieldNow())
			set++
			if c.WantEffects {
				told = append(told, name)
			}
			c.Reply.Int(hfeSet)
		}
	}
	c.noteFields(key, "hdel", gone)
	if c.noteFields(key, "hexpire", set) {
		c.retimed(key, at_ms, condition, told)
	}
}

// noteFields says that n fields changed, under the name that notifications give it, if n is not 0.
func (c *Ctx) noteFields(key []byte, event string, n int) bool {
	if n > 0 {
		c.ChangedBy(key, event, n)
	}
	return n > 0
}

// httlIn makes a handler of the HTTL family.
func httlIn(unit int64, absolute bool) func(*Ctx) {
	return func(c *Ctx) {
		key := c.Args.Key()
		h, ok := c.ReadHash(key)
		if !ok {
			return
		}
		names := c.Args.fieldNames(resp.ErrFieldsPositive)
		if !c.Args.Done() {
			return
		}
		missing := false
		c.Reply.Array(len(names))
		for _, name := range names {
			at_ms, ok := h.ExpireAt(name, c.FieldNow())
			switch {
			case !ok:
				missing = true
				c.Reply.Int(hfeMissing)
			case at_ms == 0:
				c.Reply.Int(hfeForever)
			case absolute:
				c.Reply.Int((at_ms + unit - 1) / unit)
			default:
				c.Reply.Int((at_ms - c.Now + unit - 1) / unit)
			}
		}
		if missing {
			c.lapse(key, h, names, 1)
		}
	}
}

func hpersist(c *Ctx) {
	key := c.Args.Key()
	h, ok := c.EditHash(key)
	if !ok {
		return
	}
	names := c.Args.fieldNames(resp.ErrFieldsPositive)
	if !c.Args.Done() {
		return
	}
	if c.lapse(key, h, names, 1) {
		h, _ = c.View.EditHash(key)
	}
	if !c.roomForTimes(key, h, names) {
		return
	}
	n := 0
	c.Reply.Array(len(names))
	for _, name := range names {
		switch at_ms, ok := h.ExpireAt(name, c.FieldNow()); {
		case !ok:
			c.Reply.Int(hfeMissing)
		case at_ms == 0:
			c.Reply.Int(hfeForever)
		default:
			h.SetExpire(name, 0, c.FieldNow())
			n++
			c.Reply.Int(hfePersisted)
		}
	}
	if n > 0 {
		c.Changed(key, "hpersist")
		c.verbatim()
	}
}

// hgetex replies fields and changes when they expire.
func hgetex(c *Ctx) {
	a := &c.Args
	key := a.Key()
	h, ok := c.EditHash(key)
	if !ok {
		return
	}
	persist := a.Is("PERSIST")
	at_ms, timed := int64(0), false
	if !persist {
		if at_ms, timed = c.fieldTimeOption(); timed && !a.Bad() && a.Left() < 2 {
			a.Wrong(resp.WrongArgs(c.Row.Name))
		}
	}
	names := a.fieldNames(resp.ErrFieldsPositive)
	if !a.Done() {
		return
	}
	if c.lapse(key, h, names, 1) {
		h, _ = c.View.EditHash(key)
	}
	over := timed && c.over(at_ms)
	if (persist || timed && !over) && !c.roomForTimes(key, h, names) {
		return
	}
	if timed {
		at_ms = max(at_ms, 1)
	}
	var told [][]byte
	set, gone := 0, 0
	c.Reply.Array(len(names))
	for _, name := range names {
		value, was, ok := h.GetWithExpire(name, c.FieldNow())
		if !ok {
			c.Reply.Null()
			continue
		}
		c.Reply.Bulk(value)
		switch {
		case over:
			h.Del(name, c.FieldNow())
			c.removedField(key, name)
			gone++
			continue
		case !timed && (!persist || was == 0):
			continue
		}
		h.SetExpire(name, at_ms, c.FieldNow())
		set++
		if c.WantEffects {
			told = append(told, name)
		}
	}
	c.noteFields(key, "hdel", gone)
	if persist {
		if c.noteFields(key, "hpersist", set) && c.WantEffects {
			argv := [][]byte{[]byte("HPERSIST"), key, []byte("FIELDS"), strconv.AppendInt(nil, int64(set), 10)}
			c.Rewrite(append(argv, told...)...)
		}
	} else if c.noteFields(key, "hexpire", set) {
		c.retimed(key, at_ms, "", told)
	}
}

func hgetdel(c *Ctx) {
	key := c.Args.Key()
	h, ok := c.EditHash(key)
	if !ok {
		return
	}
	names := c.Args.fieldNames(resp.ErrFieldsPositive)
	if !c.Args.Done() {
		return
	}
	if c.lapse(key, h, names, 1) {
		h, _ = c.View.EditHash(key)
	}
	gone := 0
	c.Reply.Array(len(names))
	for _, name := range names {
		value, ok := h.Get(name, c.FieldNow())
		if !ok {
			c.Reply.Null()
			continue
		}
		c.Reply.Bulk(value)
		h.Del(name, c.FieldNow())
		c.removedField(key, name)
		gone++
	}
	c.noteFields(key, "hdel", gone)
}

// hsetexOptions is what HSETEX says besides its fields.
type hsetexOptions struct {
	onlyNew, onlyOld bool // FNX, FXX: none of the fields may be there, or all must be
	keep, timed      bool
	at_ms            int64
}

// read reads the options and the pairs of fields and values behind FIELDS, which come last.
func (o *hsetexOptions) read(c *Ctx) (pairs [][]byte) {
	a := &c.Args
	for a.More() {
		switch {
		case a.Is("FIELDS"):
			if a.Left() < 3 {
				a.Wrong(resp.WrongArgs(c.Row.Name))
			}
			n := a.IntIn(1, 1<<31-1, resp.ErrFieldCount)
			if !a.Bad() && int64(a.Left()) != 2*n {
				a.Wrong(resp.WrongArgs(c.Row.Name))
			}
			return a.Rest()
		case o.condition(a):
		case o.time(c):
		default:
			a.Wrong(resp.Error("ERR unknown argument: " + string(a.Bytes())))
		}
	}
	a.Wrong(resp.ErrNoFields)
	return nil
}

func (o *hsetexOptions) condition(a *Args) bool {
	had := o.onlyNew || o.onlyOld
	switch {
	case a.Is("FNX"):
		o.onlyNew = true
	case a.Is("FXX"):
		o.onlyOld = true
	default:
		return false
	}
	if had {
		a.Wrong(resp.ErrOneOfFXXFNX)
	}
	return true
}

func (o *hsetexOptions) time(c *Ctx) bool {
	a := &c.Args
	unit, absolute, had := int64(0), false, o.keep || o.timed
	switch {
	case a.Is("KEEPTTL"):
		o.keep = true
	case a.Is("EX"):
		unit = 1000
	case a.Is("PX"):
		unit = 1
	case a.Is("EXAT"):
		unit, absolute = 1000, true
	case a.Is("PXAT"):
		unit, absolute = 1, true
	default:
		return false
	}
	switch {
	case had:
		a.Wrong(resp.ErrOneOfExpire)
	case unit > 0 && !a.More():
		a.Wrong(resp.ErrNoExpireTime)
	case unit > 0:
		o.timed, o.at_ms = true, c.fieldTime(unit, absolute)
	}
	return true
}

// hsetex sets fields together with one expiry, under a condition.
func hsetex(c *Ctx) {
	key := c.Args.Key()
	var o hsetexOptions
	pairs := o.read(c)
	if !c.Args.Done() {
		return
	}
	h, ok := c.editFields(key, pairs, 2)
	if !ok {
		return
	}
	if o.onlyNew || o.onlyOld {
		for i := 0; i < len(pairs); i += 2 {
			if h.Exists(pairs[i], c.FieldNow()) == o.onlyNew {
				c.Reply.Int(0)
				return
			}
		}
	}
	over := o.timed && c.over(o.at_ms)
	there := !over || c.Has(key)
	if o.timed {
		o.at_ms = max(o.at_ms, 1)
	}
	if !over {
		h.Hint(len(pairs) / 2)
	}
	for i := 0; i < len(pairs); i += 2 {
		name, value := pairs[i], pairs[i+1]
		switch {
		case over: // it would be set and removed at once
			h.Del(name, c.FieldNow())
			c.removedField(key, name)
		case o.timed:
			h.SetWithExpire(name, value, o.at_ms, c.FieldNow())
		case o.keep:
			h.SetKeepTTL(name, value, c.FieldNow())
		default:
			h.Set(name, value, c.FieldNow())
		}
	}
	if !there { // the key is made for the fields, and goes with them
		c.Notice(key, "new")
	}
	c.ChangedBy(key, "hset", len(pairs)/2)
	switch {
	case over:
		c.Event(key, "hdel")
		if !there {
			c.Event(key, "del")
		}
	case o.timed:
		c.Event(key, "hexpire")
		fallthrough
	default:
		c.hsetexEffect(&o, h, key, pairs)
	}
	c.Reply.Int(1)
}

// hsetexEffect makes the effect of HSETEX of commands that Redis 7.4 knows, which replicas may be and read the log: HSET, and
// the times that it removes.
func (c *Ctx) hsetexEffect(o *hsetexOptions, h *datatypes.Hash, key []byte, pairs [][]byte) {
	if !c.WantEffects {
		return
	}
	argv := make([][]byte, 0, 5+len(pairs))
	argv = append(argv, []byte("HSET"), key)
	c.Rewrite(append(argv, pairs...)...)
	if !o.timed && !o.keep {
		return
	}
	names := make([][]byte, 0, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		names = append(names, pairs[i])
	}
	if o.timed {
		c.retimed(key, o.at_ms, "", names)
		return
	}
	for i, name := range names {
		if at_ms, _ := h.ExpireAt(name, c.FieldNow()); at_ms != 0 {
			c.retimed(key, at_ms, "", names[i:i+1])
		}
	}
}

func init() {
	Register(
		row("hexpire", hexpireIn(1000, false)),
		row("hpexpire", hexpireIn(1, false)),
		row("hexpireat", hexpireIn(1000, true)),
		row("hpexpireat", hexpireIn(1, true)),
		row("httl", httlIn(1000, false)),
		row("hpttl", httlIn(1, false)),
		row("hexpiretime", httlIn(1000, true)),
		row("hpexpiretime", httlIn(1, true)),
		row("hpersist", hpersist),
		row("hgetex", hgetex),
		row("hgetdel", hgetdel),
		row("hsetex", hsetex),
	)
}
