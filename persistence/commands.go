package persistence

import (
	"strconv"

	"larder/datatypes"
	"larder/datatypes/decimal"
	"larder/datatypes/listpack"
	"larder/keyspace"
)

// A base can also be written as commands, for readers that know no snapshots: what a client would send to make the
// value, several items with each command, then the expiry.
//
//	SET key value              RPUSH key item …        SADD key member …       ZADD key score member …
//	HMSET key field value …    XADD key id field …     XSETID, XGROUP CREATE, XGROUP CREATECONSUMER, XCLAIM
//	PEXPIREAT key ms           HPEXPIREAT key ms FIELDS 1 field

// itemsPerCommand is how many items one command has.
const itemsPerCommand = 64

// begin writes the head of a command with n arguments, of which the first is given.
func (w *recordWriter) begin(n int, name string) {
	w.line('*', n)
	w.bulkString(name)
}

func (w *recordWriter) line(kind byte, n int) {
	w.num = append(strconv.AppendInt(append(w.num[:0], kind), int64(n), 10), '\r', '\n')
	w.w.Raw(w.num)
}

func (w *recordWriter) bulk(p []byte) {
	w.line('$', len(p))
	w.w.Raw(p)
	w.w.Raw(crlf)
}

func (w *recordWriter) bulkString(s string) {
	w.num = append(strconv.AppendInt(append(w.num[:0], '$'), int64(len(s)), 10), '\r', '\n')
	w.num = append(append(w.num, s...), '\r', '\n')
	w.w.Raw(w.num)
}

func (w *recordWriter) bulkInt(n int64) {
	w.digits = strconv.AppendInt(w.digits[:0], n, 10)
	w.bulk(w.digits)
}

func (w *recordWriter) bulkID(id datatypes.StreamID) {
	w.digits = strconv.AppendUint(append(strconv.AppendUint(w.digits[:0], id.Ms, 10), '-'), id.Seq, 10)
	w.bulk(w.digits)
}

var crlf = []byte("\r\n")

// entryCommands writes what makes an entry.
func (w *recordWriter) entryCommands(e *keyspace.Entry) {
	key, env, h := e.Key(), e.Env(), e.Holder()
	switch e.Type() {
	case datatypes.TypeString:
		w.begin(3, "SET")
		w.bulk(key)
		if h.Enc() == datatypes.EncInt {
			w.bulkInt(datatypes.StoredInt(h.Bytes()))
		} else {
			w.bulk(h.Bytes())
		}
	case datatypes.TypeList:
		var x datatypes.List
		x.Bind(env, h)
		items := w.batches("RPUSH", key, x.Len(), 1)
		var num [20]byte
		x.Each(func(item listpack.Elem) bool {
			items()
			w.bulk(item.Bytes(num[:]))
			return w.w.Err() == nil
		})
	case datatypes.TypeSet:
		var x datatypes.Set
		x.Bind(env, h)
		items := w.batches("SADD", key, x.Len(), 1)
		x.Each(func(member []byte) bool {
			items()
			w.bulk(member)
			return w.w.Err() == nil
		})
	case datatypes.TypeZSet:
		var x datatypes.ZSet
		x.Bind(env, h)
		items := w.batches("ZADD", key, x.Len(), 2)
		x.Each(func(member []byte, score float64) bool {
			items()
			w.digits = decimal.Append17(w.digits[:0], score)
			w.bulk(w.digits)
			w.bulk(member)
			return w.w.Err() == nil
		})
	case datatypes.TypeHash:
		w.hashCommands(key, env, h)
	case datatypes.TypeStream:
		w.streamCommands(key, env, h)
	}
	if at := e.Expire_ms(); at != 0 {
		w.expireKey(key, at)
	}
	w.keys++
}

func (w *recordWriter) expireKey(key []byte, at_ms int64) {
	w.begin(3, "PEXPIREAT")
	w.bulk(key)
	w.bulkInt(at_ms)
}

func (w *recordWriter) expireField(key, name []byte, at_ms int64) {
	w.begin(6, "HPEXPIREAT")
	w.bulk(key)
	w.bulkInt(at_ms)
	w.bulkString("FIELDS")
	w.bulkString("1")
	w.bulk(name)
}

// batches cuts n items into commands: what it returns is called before each item, which is width arguments.
func (w *recordWriter) batches(name string, key []byte, n, width int) (next func()) {
	here := 0
	return func() {
		if here == 0 {
			here = min(n, itemsPerCommand)
			w.begin(2+here*width, name)
			w.bulk(key)
		}
		here--
		n--
	}
}

func (w *recordWriter) hashCommands(key []byte, env *datatypes.Env, h datatypes.Holder) {
	var x datatypes.Hash
	x.Bind(env, h)
	items := w.batches("HMSET", key, x.Len(), 2)
	x.Each(0, func(name, value []byte, _ int64) bool {
		items()
		w.bulk(name)
		w.bulk(value)
		return w.w.Err() == nil
	})
	if x.MinExpire() == 0 {
		return
	}
	x.Each(0, func(name, _ []byte, at_ms int64) bool {
		if at_ms != 0 {
			w.expireField(key, name, at_ms)
		}
		return w.w.Err() == nil
	})
}

func (w *recordWriter) streamCommands(key []byte, env *datatypes.Env, h datatypes.Holder) {
	var x datatypes.Stream
	x.Bind(env, h)
	if x.Len() == 0 { // an entry that goes again at once, for a stream without any
		w.begin(7, "XADD")
		w.bulk(key)
		w.bulkString("MAXLEN")
		w.bulkString("0")
		id := x.LastID()
		if id == (datatypes.StreamID{}) {
			id.Seq = 1
		}
		w.bulkID(id)
		w.bulkString("x")
		w.bulkString("y")
	}
	for it := x.Iter(datatypes.StreamID{}, datatypes.MaxStreamID, false); it.Next() && w.w.Err() == nil; {
		w.begin(3+2*it.FieldCount(), "XADD")
		w.bulk(key)
		w.bulkID(it.ID())
		for it.Field() {
			w.bulk(it.Name())
			w.bulk(it.Value())
		}
	}
	w.begin(7, "XSETID")
	w.bulk(key)
	w.bulkID(x.LastID())
	w.bulkString("ENTRIESADDED")
	w.bulkInt(int64(x.EntriesAdded()))
	w.bulkString("MAXDELETEDID")
	w.bulkID(x.MaxDeletedID())
	for i := range x.GroupCount() {
		w.groupCommands(key, x.GroupAt(i))
	}
}

func (w *recordWriter) groupCommands(key []byte, g datatypes.StreamGroup) {
	w.begin(7, "XGROUP")
	w.bulkString("CREATE")
	w.bulk(key)
	w.bulk(g.Name())
	w.bulkID(g.LastID())
	w.bulkString("ENTRIESREAD")
	w.bulkInt(g.EntriesRead())
	for i := range g.ConsumerCount() {
		c := g.ConsumerAt(i)
		w.begin(5, "XGROUP")
		w.bulkString("CREATECONSUMER")
		w.bulk(key)
		w.bulk(g.Name())
		w.bulk(c.Name())
		for it := c.PendingIter(datatypes.StreamID{}, datatypes.MaxStreamID); it.Next() && w.w.Err() == nil; {
			e := it.Entry()
			w.begin(12, "XCLAIM")
			w.bulk(key)
			w.bulk(g.Name())
			w.bulk(c.Name())
			w.bulkString("0")
			w.bulkID(e.ID)
			w.bulkString("TIME")
			w.bulkInt(e.DeliveredAt)
			w.bulkString("RETRYCOUNT")
			w.bulkInt(e.Deliveries)
			w.bulkString("JUSTID")
			w.bulkString("FORCE")
		}
	}
}

// selectCommand names the database of what follows.
func (w *recordWriter) selectCommand(db int) {
	w.begin(2, "SELECT")
	w.bulkString(strconv.Itoa(db))
}

// functionCommand writes a library of functions.
func (w *recordWriter) functionCommand(code []byte) {
	w.begin(3, "FUNCTION")
	w.bulkString("LOAD")
	w.bulk(code)
}
