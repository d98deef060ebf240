package keyspace

import (
	"larder/datatypes"
	"larder/datatypes/arena"
	"larder/datatypes/table"
)

// sweepLate_ms is how long a key whose time is over may wait for others of its segment, so that one visit removes them
// together.
const sweepLate_ms = 25

// Sweep removes keys and hash fields of shard i whose time is over, in all databases, up to about budget of them, and
// tells whether more are due. The view holds the shard. How late the oldest of them was is noted in the shard's
// statistics.
//
// It is cheap when nothing is due: tables know the earliest time at which they have to be looked at, and shards when
// that is: see Due.
func (v *View) Sweep(i, budget int) (removed int, more bool) {
	sh := v.ks.shards[i]
	if v.ServeExpired { // only a primary removes, and not while clients are paused
		return 0, false
	}
	from := v.DB
	defer func() { v.DB = from }()
	lag, due := int64(0), int64(never)
	for n := range sh.dbs {
		d := &sh.dbs[n]
		if !d.ready {
			continue
		}
		if at := d.t.MinExpire(); at >= v.Now-sweepLate_ms {
			due = min(due, at)
			continue
		}
		v.DB = n
		var keys, fields int
		keys, fields, lag, more = v.sweepDB(sh, d, budget-removed, lag)
		if removed += keys + fields; more {
			due = 0
			break
		}
		due = min(due, d.t.MinExpire())
	}
	sh.setDue(due)
	if lag > 0 {
		sh.Stats.ExpireLag_ms = lag
	}
	return removed, more
}

// Due is the shards that Sweep has something to do in at now_ms, and the time at which there will be something next,
// as far as is known. No shard needs to be held.
func (ks *Keyspace) Due(now_ms int64) (s Set, next_ms int64) {
	next_ms = never
	for i, sh := range ks.shards {
		at := sh.due.Load()
		if at >= never-sweepLate_ms {
			continue
		}
		if at += sweepLate_ms + 1; at <= now_ms {
			s |= 1 << i
		} else {
			next_ms = min(next_ms, at)
		}
	}
	return s, next_ms
}

// WakeAt tells the keyspace when the sweeper is going to look next, in Unix milliseconds. Whoever makes something that
// is due earlier sends to Wake. The sweeper calls it before it asks Due for the last time.
func (ks *Keyspace) WakeAt(at_ms int64) { ks.wakeAt.Store(at_ms) }

// Wake is received from when something is due before the time that WakeAt has told.
func (ks *Keyspace) Wake() <-chan struct{} { return ks.wake }

// alarm wakes the sweeper if it would come too late for what expires at at_ms.
func (ks *Keyspace) alarm(at_ms int64) {
	if at_ms < ks.wakeAt.Load()-sweepLate_ms {
		select {
		case ks.wake <- struct{}{}:
		default:
		}
	}
}

func (v *View) sweepDB(sh *Shard, d *database, budget int, lag int64) (keys, fields int, late int64, more bool) {
	v.due.reset()
	more = d.t.ExpireDue(v.Now-1, v.Now-1-sweepLate_ms, budget,
		func(e arena.Ref) int64 {
			it := item{sh: sh, d: d, e: e, h: parse(sh.arena, e)}
			return it.due()
		},
		func(slot table.Slot, e arena.Ref) {
			it := item{sh: sh, d: d, slot: slot, e: e, h: parse(sh.arena, e)}
			if at := it.expire(); at != 0 && v.expired(at) {
				lag = max(lag, v.Now-at)
				v.expire(&it)
				keys++
				return
			}
			v.due.add(it.key())
		})
	// Hashes of which only fields are over stay; removing fields may move them, so it is done after the sweep.
	v.due.each(func(key []byte) {
		n, left := v.expireFields(key, budget-keys-fields)
		fields += n
		more = more || left
	})
	return keys, fields, lag, more
}

// expireFields removes fields of the hash at key whose time is over.
func (v *View) expireFields(key []byte, budget int) (n int, more bool) {
	n, more = v.ExpireDueFields(key, budget, func(name []byte) { v.fieldGone(key, name) })
	v.Settle()
	return n, more
}

// ExpireDueFields removes fields of the hash at key whose time is over, about budget of them at most. It calls fn with
// each before it goes, and tells how many there were and whether there are more. Handles of the key are dead then. While the hash is
// being copied they stay.
func (v *View) ExpireDueFields(key []byte, budget int, fn func(name []byte)) (n int, more bool) {
	if v.isCopied(key) {
		return 0, false
	}
	h := v.trim(key)
	if h == nil {
		return 0, false
	}
	n, more = h.hash.DeleteExpired(v.Now, max(1, budget), fn)
	v.fieldsExpired(h, n)
	return n, more
}

// ExpireFields removes those of the hash's fields names[0], names[step], … whose time is over, because a command came
// upon them. It calls fn with each before it goes. Handles of the key are dead then. While the hash is being copied, and the command
// changes nothing else in it, they stay.
func (v *View) ExpireFields(key []byte, names [][]byte, step int, fn func(name []byte)) {
	if v.isCopied(key) {
		return
	}
	h := v.trim(key)
	if h == nil {
		return
	}
	n := 0
	for i := 0; i < len(names); i += step {
		if at, ok := h.hash.ExpireAt(names[i], 0); ok && at != 0 && v.expired(at) {
			fn(names[i])
			h.hash.Del(names[i], 0)
			n++
		}
	}
	v.fieldsExpired(h, n)
}

// trim opens the hash at key for the removal of fields whose time is over, which is no use of the key. It is nil if there is none.
func (v *View) trim(key []byte) *Handle {
	h := v.nextHandle()
	if !v.seek(&h.it, key) || h.it.h.typ() != datatypes.TypeHash {
		return nil
	}
	h.it.before()
	v.used++
	h.bind(v, key, datatypes.TypeHash, true, true)
	h.large = h.it.large()
	h.hash.Bind(h.Env(), h)
	return h
}

// fieldsExpired notes that n fields of the hash are gone because their time was over.
func (v *View) fieldsExpired(h *Handle, n int) {
	if n > 0 {
		h.it.sh.Stats.FieldsExpired += uint64(n)
		v.Changed(h.key, "hexpired")
	}
}

// names is a list of keys in one buffer.
type names struct {
	buf  []byte
	ends []int
}

func (n *names) reset() { n.buf, n.ends = n.buf[:0], n.ends[:0] }

func (n *names) add(b []byte) {
	n.buf = append(n.buf, b...)
	n.ends = append(n.ends, len(n.buf))
}

func (n *names) each(fn func([]byte)) {
	from := 0
	for _, end := range n.ends {
		fn(n.buf[from:end:end])
		from = end
	}
}
