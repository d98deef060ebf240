package acl

import "sync"

// Context is where a request came from that was refused.
type Context uint8

// The contexts.
const (
	TopLevel Context = iota
	Multi
	Script
)

// String is the word that ACL LOG has for it.
func (c Context) String() string { return [...]string{"toplevel", "multi", "lua"}[c] }

// String is the word that ACL LOG has for what was refused.
func (v Verdict) String() string {
	return [...]string{"allowed", "command", "key", "auth", "database", "channel"}[v]
}

// An Event is something that was refused.
type Event struct {
	Why     Verdict
	Context Context
	Object  string // the command, key or channel
	User    string
	Client  string // the client as CLIENT LIST describes it
	At_ms   int64  // Unix time
}

// An Entry of the log is an event and how often its like has happened.
type Entry struct {
	Event
	ID         int64
	Count      int64
	Created_ms int64
}

// Log remembers what was refused, the latest first. It may be used from several goroutines.
type Log struct {
	mu      sync.Mutex
	entries []*Entry // the latest last
	next    int64
	max     int
}

const (
	likeWithin_ms = 60_000 // events that are further apart are never one entry
	likeAmong     = 10     // the latest entries, to one of which an event may be added
)

// Add remembers an event.
func (l *Log) Add(e Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.max == 0 {
		l.trim()
		return
	}
	for i := len(l.entries) - 1; i >= max(0, len(l.entries)-likeAmong); i-- {
		old := l.entries[i]
		apart := max(e.At_ms-old.At_ms, old.At_ms-e.At_ms)
		if old.Why == e.Why && old.Context == e.Context && old.Object == e.Object && old.User == e.User && apart <= likeWithin_ms {
			old.Count++
			old.Client, old.At_ms = e.Client, e.At_ms
			copy(l.entries[i:], l.entries[i+1:])
			l.entries[len(l.entries)-1] = old
			return
		}
	}
	l.entries = append(l.entries, &Entry{Event: e, ID: l.next, Count: 1, Created_ms: e.At_ms})
	l.next++
	l.trim()
}

// Latest are the last n entries, the latest first.
func (l *Log) Latest(n int) []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	n = max(0, min(n, len(l.entries)))
	list := make([]Entry, n)
	for i := range list {
		list[i] = *l.entries[len(l.entries)-1-i]
	}
	return list
}

// Reset forgets all entries. IDs go on.
func (l *Log) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = nil
}

// SetMax changes how many entries are kept. Those that are too many by that stay until the next one comes.
func (l *Log) SetMax(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.max = n
}

func (l *Log) trim() {
	if n := len(l.entries) - l.max; n > 0 {
		clear(l.entries[:n])
		l.entries = l.entries[n:]
	}
}
