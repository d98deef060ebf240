package server

import (
	"larder/keyspace"
	"larder/server/command"
)

// RENAME of a large value to a key of another shard makes that key a stray (see keyspace.Stray), which takes a stopped world and
// is done in no time, where a copy would keep two shards for long. In a script, which cannot stop the world in its midst, the
// value is copied.

// renamesFar tells whether a request, or a transaction that is to be executed, wants that.
func (ex *executor) renamesFar(s *session, row *command.Row, argv [][]byte) bool {
	switch {
	case row.Renames:
		return len(argv) == 3 && ex.isFar(s.db, argv[1], argv[2])
	case row.Name != "exec" || s.multi == nil || !s.multi.renames || s.multi.failed:
		return false
	}
	db := s.db
	for _, q := range s.multi.queue {
		if q.row.Renames && len(q.argv) == 3 && ex.isFar(db, q.argv[1], q.argv[2]) {
			return true
		}
	}
	return false
}

// isFar looks whether the value at src is a large one, and dst a key of another shard. No shard is held before.
func (ex *executor) isFar(db int, src, dst []byte) bool {
	ks, v := ex.srv.ks, ex.view
	from, to := ks.ShardOf(ks.Hash(src)), ks.ShardOf(ks.Hash(dst))
	if from == to || !v.TakeUnless(1<<from|1<<to, ex.asides.giveUp) {
		return false
	}
	v.DB = db
	ex.listen()
	far := v.Far(src, dst)
	ex.settle() // src may have expired
	ex.release()
	return far
}

// strayed takes those along who watch a key or wait for it, which from now on belongs to another shard. The world is stopped,
// all shards are held.
func (ex *executor) strayed(key string, from, to int) {
	ks := ex.srv.ks
	a, b := ks.Shard(from), ks.Shard(to)
	if a == b || a.Interest == 0 {
		return
	}
	x, y := extOf(a), extOf(b)
	n := 0
	for db := range ks.Databases() {
		k := dbKey{db, key}
		if list := x.watched[k]; list != nil {
			y.watched[k] = list
			delete(x.watched, k)
			n += len(list)
		}
		if q := x.blocked[k]; q != nil {
			y.blocked[k] = q
			delete(x.blocked, k)
			for p := q.first; p != nil; p = p.next {
				n++
			}
		}
	}
	a.Interest -= n
	b.Interest += n
}

// forgetStrays sends those of the strays home that are gone, some at a time.
func (j *janitor) forgetStrays() {
	srv, ex := j.srv, j.ex
	lost, looks := 0, 0
	for h, s := range srv.ks.Strays() { // in another order each time
		if looks++; looks > strayLooks {
			break
		}
		j.hold(s.Shard, func(*keyspace.Shard) bool {
			if srv.ks.Lost(h, s) {
				lost++
			}
			return false
		})
	}
	if lost == 0 || srv.loading.Load() {
		return
	}
	srv.inWorldOf(ex, func() {
		if srv.loading.Load() { // who loads has asked for shards already
			return
		}
		ex.view.Strayed = ex.strayed
		ex.view.ForgetStrays()
		ex.view.Strayed = nil
	})
}

// strayLooks is how many strays are looked for at once.
const strayLooks = 256
