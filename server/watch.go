package server

import (
	"slices"

	"larder/keyspace"
	"larder/server/command"
	"larder/server/resp"
)

// watch makes the next EXEC fail if one of the keys changes before it.
func watch(c *command.Ctx) {
	s := c.Client.(*session)
	if s.multi != nil {
		c.Fail(resp.ErrWatchInMulti)
		return
	}
	keys := c.Args.Rest()
	for _, key := range keys {
		c.Has(key) // a key whose time is over goes now, and everybody is told, before there is a watch that it would spoil
	}
	s.ex.settle()
	for _, key := range keys {
		s.watch(c.View, key)
	}
	c.Reply.OK()
}

func (s *session) watch(v *keyspace.View, key []byte) {
	name := dbKey{v.DB, string(key)}
	for _, w := range s.watched {
		if w.dbKey == name {
			return
		}
	}
	sh := v.ShardOf(key)
	ext := extOf(sh)
	w := &watchedKey{dbKey: name, s: s, stale: sh.Lapsed(v.DB, key, v.Now)}
	ext.watched[name] = append(ext.watched[name], w)
	sh.Interest++
	if len(s.watched) == 0 {
		s.srv.stats.watching.Add(1)
	}
	s.watched = append(s.watched, w)
}

// watchedKey is a key that a session watches. Whoever holds the key's shard finds it there: the session's own list of them is
// for its loop alone.
type watchedKey struct {
	dbKey
	s     *session
	stale bool // its time is over and it is still there, which is no key to anybody: neither is its going a change. Under the shard
}

// unwatch forgets all watched keys.
func unwatch(c *command.Ctx) {
	s := c.Client.(*session)
	s.ex.unwatchSoon(s)
	c.Reply.OK()
}

// watchedSet is the shards of the watched keys.
func (s *session) watchedSet() (set keyspace.Set) {
	ks := s.srv.ks
	for _, w := range s.watched {
		set |= 1 << ks.ShardOf(ks.Hash([]byte(w.key)))
	}
	return set
}

// watches is how many keys the client watches.
func (s *session) watches() int {
	if s.voided {
		return 0
	}
	return len(s.watched)
}

// isDirty tells whether the client's next EXEC fails because of a key that it watches.
func (s *session) isDirty() bool { return s.dirty.Load() && !s.voided }

// unwatchSoon is unwatchAll for a client that is told so and goes on: a script that keeps the server busy, and has the keys' shards,
// is not waited for. What is left then goes before the client watches, or executes, anything again. It is true if nothing is left.
func (ex *executor) unwatchSoon(s *session) bool {
	switch {
	case len(s.watched) == 0 || ex.view.Held() != 0 && !ex.asides.on:
		ex.unwatchAll(s)
	case ex.asides.on || !ex.view.TakeUnless(s.watchedSet(), ex.asides.giveUp):
		s.voided = true
	default:
		s.unwatchHeld()
		ex.view.Release()
	}
	return !s.voided
}

// unwatchAll forgets the session's watched keys. Who calls it holds all shards, or none.
func (ex *executor) unwatchAll(s *session) {
	if ex.view.Held() != 0 {
		s.unwatchHeld()
	} else if len(s.watched) > 0 {
		ex.view.Take(s.watchedSet())
		s.unwatchHeld()
		ex.view.Release()
	}
	s.dirty.Store(false)
}

// unwatchHeld is unwatchAll with the keys' shards held.
func (s *session) unwatchHeld() {
	ks := s.srv.ks
	for _, w := range s.watched {
		sh := ks.Shard(ks.ShardOf(ks.Hash([]byte(w.key))))
		ext := extOf(sh)
		list := ext.watched[w.dbKey]
		if i := slices.Index(list, w); i >= 0 {
			list = slices.Delete(list, i, i+1)
		}
		if len(list) == 0 {
			delete(ext.watched, w.dbKey)
		} else {
			ext.watched[w.dbKey] = list
		}
		sh.Interest--
	}
	if len(s.watched) > 0 {
		s.srv.stats.watching.Add(-1)
	}
	s.watched, s.voided = nil, false
	s.dirty.Store(false)
}

// goneBefore tells whether the time of a watched key, which goes now, was over before: its going is no change. It was when
// SWAPDB brought it in place of none, or when it was watched where nobody but a primary, or only the end of a pause, removes it.
func (w *watchedKey) goneBefore() bool {
	was := w.stale
	w.stale = false
	return was
}

// watchedChanged tells whether a watched key has changed, or its time is over. The keys' shards are held.
func (s *session) watchedChanged(v *keyspace.View) bool {
	if s.dirty.Load() {
		return true
	}
	for _, w := range s.watched {
		sh := v.ShardOf([]byte(w.key))
		if !w.stale && sh.Lapsed(w.db, []byte(w.key), v.Now) {
			return true
		}
	}
	return false
}
