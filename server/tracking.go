package server

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"larder/keyspace"
	"larder/server/command"
	"larder/server/command/spec"
	"larder/server/resp"
)

// tracker knows which clients may have which keys in caches of their own (CLIENT TRACKING).
//
// In the default mode it remembers the keys that a client reads and tells it, once, when one of them changes. In the
// broadcasting mode it remembers nothing but prefixes, and tells of every change of a key that begins so. As in Redis
// a key means the key of that name in any database.
type tracker struct {
	count atomic.Int32 // clients with tracking on

	mu       sync.Mutex
	clients  map[int64]*tracks
	keys     map[string]map[int64]struct{} // who has read which key
	items    int                           // pairs in keys
	prefixes map[string]map[int64]*tracks
}

// tracks is how one client is tracked. It is replaced as a whole.
type tracks struct {
	s                            *session
	bcast, optin, optout, noloop bool
	redirect                     int64       // ID of the client that is told instead, 0 for the client itself
	broken                       atomic.Bool // that client is gone; set by whoever finds out
	prefixes                     []string
}

func newTracker() tracker {
	return tracker{clients: map[int64]*tracks{}, keys: map[string]map[int64]struct{}{}, prefixes: map[string]map[int64]*tracks{}}
}

// totals is what is remembered: keys, pairs of a key and a client, and prefixes.
func (t *tracker) totals() (keys, items, prefixes int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.keys), t.items, len(t.prefixes)
}

// caching is what CLIENT CACHING said about the next command.
type caching uint8

const (
	cachingUnsaid caching = iota
	cachingYes
	cachingNo
)

func clientTracking(c *command.Ctx) {
	a := &c.Args
	s := c.Client.(*session)
	t := &tracks{s: s}
	on := false
	switch {
	case a.Is("ON"):
		on = true
	case a.Is("OFF"):
	default:
		a.Syntax()
	}
	for a.More() {
		switch {
		case a.IsWith("REDIRECT", 1):
			if t.redirect != 0 {
				a.Wrong("ERR A client can only redirect to a single other client")
			}
			t.redirect = a.Int()
			if !a.Bad() && s.srv.clients.find(t.redirect) == nil {
				a.Wrong("ERR The client ID you want redirect to does not exist")
			}
		case a.Is("BCAST"):
			t.bcast = true
		case a.Is("OPTIN"):
			t.optin = true
		case a.Is("OPTOUT"):
			t.optout = true
		case a.Is("NOLOOP"):
			t.noloop = true
		case a.IsWith("PREFIX", 1):
			t.prefixes = append(t.prefixes, string(a.Bytes()))
		default:
			a.Syntax()
		}
	}
	if !a.Done() {
		return
	}
	if !on {
		s.ex.stopTracking(s)
		c.Reply.OK()
		return
	}
	if e := t.wrong(s.tracks); e != "" {
		c.Fail(e)
		return
	}
	if t.bcast && len(t.prefixes) == 0 {
		t.prefixes = []string{""}
	}
	if old := s.tracks; old != nil {
		t.prefixes = append(slices.Clone(old.prefixes), t.prefixes...)
	}
	s.srv.tracker.start(t)
	s.tracks = t
	s.srv.setRecording()
	c.Reply.OK()
}

// wrong is the error of options that do not go together.
func (t *tracks) wrong(old *tracks) resp.Error {
	switch {
	case !t.bcast && len(t.prefixes) > 0:
		return "ERR PREFIX option requires BCAST mode to be enabled"
	case t.bcast && (t.optin || t.optout):
		return "ERR OPTIN and OPTOUT are not compatible with BCAST"
	case t.optin && t.optout:
		return "ERR You can't specify both OPTIN mode and OPTOUT mode"
	case old != nil && old.bcast != t.bcast:
		return "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it with a different mode."
	case old != nil && (old.optin && t.optout || old.optout && t.optin):
		return "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it with a different mode."
	}
	all := t.prefixes
	if old != nil {
		for _, p := range t.prefixes {
			for _, q := range old.prefixes {
				if strings.HasPrefix(p, q) || strings.HasPrefix(q, p) {
					return overlap(p, q, "an existing prefix")
				}
			}
		}
	}
	for i, p := range all {
		for _, q := range all[i+1:] {
			if strings.HasPrefix(p, q) || strings.HasPrefix(q, p) {
				return overlap(p, q, "another provided prefix")
			}
		}
	}
	return ""
}

func overlap(p, q, with string) resp.Error {
	return resp.Error("ERR Prefix '" + p + "' overlaps with " + with + " '" + q + "'. Prefixes for a single client must not overlap.")
}

func (tr *tracker) start(t *tracks) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if tr.clients[t.s.id] == nil {
		tr.count.Add(1)
	}
	tr.clients[t.s.id] = t
	slices.Sort(t.prefixes)
	t.prefixes = slices.Compact(t.prefixes)
	for _, p := range t.prefixes {
		if tr.prefixes[p] == nil {
			tr.prefixes[p] = map[int64]*tracks{}
		}
		tr.prefixes[p][t.s.id] = t
	}
}

// stopTracking ends tracking for a client. The keys that it has read are forgotten when they change, or when nobody is
// tracked any more: then changes are not looked at.
func (ex *executor) stopTracking(s *session) {
	t := s.tracks
	if t == nil {
		return
	}
	s.tracks, s.caching = nil, cachingUnsaid
	tr := &ex.srv.tracker
	tr.mu.Lock()
	delete(tr.clients, s.id)
	for _, p := range t.prefixes {
		delete(tr.prefixes[p], s.id)
		if len(tr.prefixes[p]) == 0 {
			delete(tr.prefixes, p)
		}
	}
	if tr.count.Add(-1) == 0 {
		clear(tr.keys)
		tr.items = 0
	}
	tr.mu.Unlock()
	ex.srv.setRecording()
}

// remember notes the keys that a tracked client's command has read. Their shards are held.
func (ex *executor) remember(s *session, row *command.Row, argv [][]byte) {
	t := s.tracks
	if t.bcast || !row.Has(spec.ReadOnly) || t.optin && s.caching != cachingYes || t.optout && s.caching == cachingNo {
		return
	}
	tr := &ex.srv.tracker
	tr.mu.Lock()
	defer tr.mu.Unlock()
	ex.keysOf(row, argv, func(key []byte, _ spec.KeyFlags) {
		m := tr.keys[string(key)]
		if m == nil {
			m = map[int64]struct{}{}
			tr.keys[string(key)] = m
		}
		if _, ok := m[s.id]; !ok {
			m[s.id] = struct{}{}
			tr.items++
		}
	})
}

// invalidate tells the clients that may have a key that has changed.
func (ex *executor) invalidate(e *keyspace.Event) {
	tr := &ex.srv.tracker
	by := ex.current
	if e.Kind == keyspace.Expired || e.Kind == keyspace.Evicted {
		by = nil // nobody's doing: NOLOOP does not count
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	for p := range tr.prefixes {
		if strings.HasPrefix(string(e.Key), p) {
			ex.broadcast = append(ex.broadcast, broadcast{prefix: p, key: string(e.Key), by: by})
		}
	}
	ids := tr.keys[string(e.Key)]
	if ids == nil {
		return
	}
	delete(tr.keys, string(e.Key))
	tr.items -= len(ids)
	for id := range ids {
		t := tr.clients[id]
		if t == nil || t.bcast || t.noloop && t.s == by {
			continue
		}
		ex.sendInvalidation(t, []string{string(e.Key)})
	}
}

// broadcast is a change that the clients of a prefix are told of at the end of the turn.
type broadcast struct {
	prefix, key string
	by          *session
}

// endTracking sends what has been collected during the turn, and keeps the table within its limit.
func (ex *executor) endTracking() {
	tr := &ex.srv.tracker
	if len(ex.broadcast) > 0 {
		tr.mu.Lock()
		ex.sendBroadcasts(tr)
		tr.mu.Unlock()
	}
	limit := int(ex.srv.conf.TrackingTableMaxKeys.Get())
	if limit == 0 {
		return
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	for len(tr.keys) > limit {
		for key, ids := range tr.keys { // the order of a map is as good as random
			delete(tr.keys, key)
			tr.items -= len(ids)
			for id := range ids {
				if t := tr.clients[id]; t != nil && !t.bcast {
					ex.sendInvalidation(t, []string{key})
				}
			}
			break
		}
	}
}

func (ex *executor) sendBroadcasts(tr *tracker) {
	byPrefix := map[string][]broadcast{}
	for _, b := range ex.broadcast {
		byPrefix[b.prefix] = append(byPrefix[b.prefix], b)
	}
	if clear(ex.broadcast); cap(ex.broadcast) > broadcastKept {
		ex.broadcast = nil
	}
	ex.broadcast = ex.broadcast[:0]
	for _, p := range slices.Sorted(maps.Keys(byPrefix)) {
		for _, t := range tr.prefixes[p] {
			if keys := t.toHear(byPrefix[p]); len(keys) > 0 {
				ex.sendInvalidation(t, keys)
			}
		}
	}
}

// broadcastKept is for how many changes of one turn there is room in the next one.
const broadcastKept = 1024

// toHear is the keys that a client is to be told of, each once. There may be very many: one command changes as many as it
// names.
func (t *tracks) toHear(list []broadcast) (keys []string) {
	seen := make(map[string]struct{}, len(list))
	for _, b := range list {
		if t.noloop && b.by == t.s {
			continue
		}
		if _, ok := seen[b.key]; !ok {
			seen[b.key] = struct{}{}
			keys = append(keys, b.key)
		}
	}
	slices.Sort(keys) // the order in which Redis has them
	return keys
}

// invalidateAll tells everybody that all keys are gone.
func (ex *executor) invalidateAll() {
	tr := &ex.srv.tracker
	tr.mu.Lock()
	defer tr.mu.Unlock()
	clear(tr.keys)
	tr.items = 0
	for _, t := range tr.clients {
		ex.sendInvalidation(t, nil)
	}
}

// sendInvalidation tells a tracked client, or the one that it redirects to, of keys that it must not use any more; nil
// is all of them. The tracker's mu is held.
func (ex *executor) sendInvalidation(t *tracks, keys []string) {
	to := t.s
	if t.redirect != 0 {
		if to = ex.srv.clients.find(t.redirect); to == nil {
			t.broken.Store(true)
			if t.s.pushProto.Load() == 3 {
				w := &ex.pushes
				w.Empty()
				w.Proto = 3
				w.Push(2)
				w.BulkString("tracking-redir-broken")
				w.Int(t.redirect)
				t.s.deliver(ex, w.Bytes())
			}
			return
		}
	}
	w := &ex.pushes
	w.Empty()
	w.Proto = int(to.pushProto.Load())
	switch {
	case w.Proto == 3:
		w.Push(2)
		w.BulkString("invalidate")
	case t.redirect != 0 && ex.srv.hubs.plain.Listens(invalidateChannel, to):
		w.Array(3)
		w.BulkString("message")
		w.BulkString(invalidateChannel)
	default:
		return // a client of RESP2 can be told nothing but through another that has subscribed
	}
	if keys == nil {
		w.Null()
	} else {
		w.Array(len(keys))
		for _, k := range keys {
			w.BulkString(k)
		}
	}
	to.deliver(ex, w.Bytes())
}

const invalidateChannel = "__redis__:invalidate"

func clientCaching(c *command.Ctx) {
	s := c.Client.(*session)
	t := s.tracks
	if t == nil {
		c.Fail("ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled")
		return
	}
	switch {
	case c.Args.Is("YES"):
		if !t.optin {
			c.Fail("ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.")
			return
		}
		s.caching = cachingYes
	case c.Args.Is("NO"):
		if !t.optout {
			c.Fail("ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.")
			return
		}
		s.caching = cachingNo
	default:
		c.Fail(resp.ErrSyntax)
		return
	}
	c.Reply.OK()
}

// isClientCommand tells whether a command, nil for an unknown one, is one of CLIENT's.
func isClientCommand(row *command.Row) bool {
	return row != nil && row.Container != nil && row.Container.Name == "client"
}

func clientGetredir(c *command.Ctx) {
	if t := c.Client.(*session).tracks; t != nil {
		c.Reply.Int(t.redirect)
	} else {
		c.Reply.Int(-1)
	}
}

func clientTrackingInfo(c *command.Ctx) {
	s := c.Client.(*session)
	t := s.tracks
	var flags []string
	add := func(on bool, name string) {
		if on {
			flags = append(flags, name)
		}
	}
	if t == nil {
		flags = []string{"off"}
		t = &tracks{redirect: -1}
	} else {
		flags = []string{"on"}
		add(t.bcast, "bcast")
		if t.optin {
			flags = append(flags, "optin")
			add(s.caching == cachingYes, "caching-yes")
		}
		if t.optout {
			flags = append(flags, "optout")
			add(s.caching == cachingNo, "caching-no")
		}
		add(t.noloop, "noloop")
		add(t.broken.Load(), "broken_redirect")
	}
	w := c.Reply
	w.Map(3)
	w.BulkString("flags")
	w.Set(len(flags))
	for _, f := range flags {
		w.BulkString(f)
	}
	w.BulkString("redirect")
	w.Int(t.redirect)
	w.BulkString("prefixes")
	w.Array(len(t.prefixes))
	for _, p := range t.prefixes {
		w.BulkString(p)
	}
}
