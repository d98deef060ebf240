package server

import (
	"larder/keyspace"
)

// after tells everybody who has to hear of what a command did: watchers, blocked clients, keyspace notifications,
// client-side caches. The shards of the command are still held.
func (ex *executor) after() {
	events := ex.view.Events
	ex.flushTold, ex.woken = false, ex.woken[:0]
	for i := range events {
		e := &events[i]
		ex.tell(e)
	}
	ex.view.ResetEvents()
	if ex.loop == nil && len(ex.broadcast) > 0 { // the janitor has no turns
		ex.endTracking()
	}
}

// settle is after for what the server does to keys by itself, or a SCAN finds expired.
func (ex *executor) settle() {
	if len(ex.view.Events) == 0 {
		return
	}
	if ex.ctx.WantEffects {
		ex.collectGone()
	}
	ex.after()
}

func (ex *executor) tell(e *keyspace.Event) {
	switch e.Kind {
	case keyspace.Flushed, keyspace.Swapped:
		if ex.srv.tracker.count.Load() > 0 && !ex.flushTold {
			ex.flushTold = true // once, not for each shard and database
			ex.invalidateAll()
		}
		ex.wakeDatabase(e.DB)
		return
	case keyspace.FieldExpired: // the hash's own event follows
		return
	case keyspace.Notice:
		ex.notify(e)
		return
	case keyspace.Ready:
		ex.wake(e)
		ex.notify(e)
		return
	}
	if ext := ex.interest(e.Key); ext != nil {
		ext.touched(e)
	}
	ex.wake(e)
	if ex.srv.tracker.count.Load() > 0 {
		ex.invalidate(e)
	}
	ex.notify(e)
}

// wake notes that the clients who wait for a key have to look at it again.
func (ex *executor) wake(e *keyspace.Event) {
	if ext := ex.interest(e.Key); ext != nil && ext.hasBlocked(e.DB, e.Key) {
		ex.ready = append(ex.ready, dbKey{e.DB, string(e.Key)})
	}
}

// interest is what the server keeps for the shard of a key, nil if nobody wants to hear of changes in it.
func (ex *executor) interest(key []byte) *shardExt {
	sh := ex.view.ShardOf(key)
	if sh.Interest == 0 {
		return nil
	}
	return extOf(sh)
}

// dbKey names a key in one database.
type dbKey struct {
	db  int
	key string
}

// shardExt is what the server keeps for each shard, under the shard's lock.
type shardExt struct {
	watched map[dbKey][]*watchedKey
	blocked map[dbKey]*waitQueue
}

func extOf(sh *keyspace.Shard) *shardExt {
	ext, _ := sh.Ext.(*shardExt)
	if ext == nil {
		ext = &shardExt{watched: map[dbKey][]*watchedKey{}, blocked: map[dbKey]*waitQueue{}}
		sh.Ext = ext
	}
	return ext
}

// touched makes the transactions fail that watch the key.
func (x *shardExt) touched(e *keyspace.Event) {
	if len(x.watched) == 0 {
		return
	}
	for _, w := range x.watched[dbKey{e.DB, string(e.Key)}] {
		if gone := e.Kind == keyspace.Expired || e.Kind == keyspace.Removed; !gone || !w.goneBefore() {
			w.s.dirty.Store(true)
		}
	}
}

func (x *shardExt) hasBlocked(db int, key []byte) bool {
	if len(x.blocked) == 0 {
		return false
	}
	return x.blocked[dbKey{db, string(key)}] != nil
}

// beforeFlush makes the transactions fail that watch a key which is there, or comes, when the content of a database
// goes or is exchanged.
func (ex *executor) beforeFlush(sh *keyspace.Shard, db, other int) {
	ext, _ := sh.Ext.(*shardExt)
	if ext == nil {
		return
	}
	for k, list := range ext.watched {
		if k.db != db {
			continue
		}
		key := []byte(k.key)
		lapsed := sh.Lapsed(db, key, ex.now)
		changes := sh.Has(db, key, ex.now) || other >= 0 && sh.Has(other, key, ex.now)
		stale := other >= 0 && sh.Lapsed(other, key, ex.now)
		for _, w := range list {
			if changes || lapsed && !w.stale { // the latter: it was there when it was watched
				w.s.dirty.Store(true)
			}
			w.stale = stale
		}
	}
}
