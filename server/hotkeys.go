package server

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"larder/eviction"
	"larder/keyspace"
	"larder/server/command"
	"larder/server/config"
)

// HOTKEYS tells which keys are used most and which take most memory. Both are always known, about: see eviction.Hot and
// keyspace.Shard.LookForBig.
const reportedKeys = 32

// hotKeys is the keys that are used most, most used first. view takes the shards one by one; nil: all of them are held.
func (srv *Server) hotKeys(view *keyspace.View, now_ms int64) (list []eviction.HotKey) {
	srv.eachShard(view, func(_ int, sh *keyspace.Shard) { list = append(list, sh.HotKeys(now_ms)...) })
	slices.SortFunc(list, func(a, b eviction.HotKey) int { return cmp.Compare(b.PerSecond, a.PerSecond) })
	return list[:min(len(list), reportedKeys)]
}

// bigKeys is the keys that take most memory, likewise.
func (srv *Server) bigKeys(view *keyspace.View, now_ms int64) (list []keyspace.BigKey) {
	srv.eachShard(view, func(_ int, sh *keyspace.Shard) { list = append(list, sh.BigKeys(now_ms)...) })
	slices.SortFunc(list, func(a, b keyspace.BigKey) int { return cmp.Compare(b.Bytes, a.Bytes) })
	return list[:min(len(list), reportedKeys)]
}

// hotkeys is HOTKEYS [COUNT count].
func hotkeys(c *command.Ctx) {
	count := int64(reportedKeys)
	if c.Args.IsWith("COUNT", 1) {
		if count = c.Args.Int(); count <= 0 {
			c.Args.Syntax()
		}
	}
	if !c.Args.Done() {
		return
	}
	srv, w := c.Client.(*session).srv, c.Reply
	hot, large := srv.hotKeys(nil, c.Now), srv.bigKeys(nil, c.Now)
	w.Map(2)
	w.BulkString("by-accesses")
	hot = hot[:min(int64(len(hot)), count)]
	w.Array(len(hot))
	for _, k := range hot {
		w.Map(3)
		w.BulkString("db")
		w.Int(int64(k.DB))
		w.BulkString("key")
		w.Bulk(k.Key)
		w.BulkString("accesses-per-second")
		w.Double(float64(int64(k.PerSecond*100)) / 100)
	}
	w.BulkString("by-bytes")
	large = large[:min(int64(len(large)), count)]
	w.Array(len(large))
	for _, k := range large {
		w.Map(4)
		w.BulkString("db")
		w.Int(int64(k.DB))
		w.BulkString("key")
		w.Bulk(k.Key)
		w.BulkString("type")
		w.BulkString(k.Type.String())
		w.BulkString("bytes")
		w.Int(int64(k.Bytes))
	}
}

// infoHotkeys is the section of INFO.
func infoHotkeys(w *infoWriter) {
	for i, k := range w.srv.hotKeys(w.view, w.now) {
		w.text("hot_key_"+strconv.Itoa(i), "db="+strconv.Itoa(k.DB)+",accesses_per_sec="+strconv.FormatFloat(k.PerSecond, 'f', 1, 64)+
			",key="+config.Quote(string(k.Key)))
	}
	for i, k := range w.srv.bigKeys(w.view, w.now) {
		w.text("big_key_"+strconv.Itoa(i), "db="+strconv.Itoa(k.DB)+",bytes="+strconv.Itoa(k.Bytes)+",type="+k.Type.String()+
			",key="+config.Quote(string(k.Key)))
	}
}

// lookForBig looks at some keys of some shards, when it is time for that. It returns when it wants to go on, not after latest.
func (j *janitor) lookForBig(latest time.Time) time.Time {
	start := time.Now()
	switch {
	case j.resting():
		return latest
	case start.Before(j.bigNext):
		return earlier(latest, j.bigNext)
	}
	for range j.shards {
		i := j.bigTurn
		if !j.hold(i, func(s *keyspace.Shard) bool { return s.LookForBig() }) {
			j.bigTurn = (i + 1) % len(j.shards)
		}
		if time.Since(start) > bigStretch {
			j.bigNext = start.Add(bigEvery)
			return earlier(latest, j.bigNext)
		}
	}
	j.bigNext = latest
	return latest
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// Looking for big keys takes a hundredth of a processor, in pieces that a client whose loop is on the same processor does
// not feel: it was a millisecond at a time, which was what one insertion of 10,000 waited for.
const (
	bigStretch = 200 * time.Microsecond
	bigEvery   = 100 * bigStretch
)

func init() { register(command.New("hotkeys", command.AllOfThem, hotkeys)) }
