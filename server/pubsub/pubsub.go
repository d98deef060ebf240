// Package pubsub keeps who listens to which channel. It knows nothing of messages, protocols or connections: a
// subscriber is whatever type the server uses for its clients.
//
// A Hub may be used from several goroutines. Publishing holds it for reading, so publishers run side by side;
// subscribing holds it for writing. A subscriber's own list of names (Names) is kept by the server, in the subscriber.
package pubsub

import (
	"slices"
	"sync"

	"larder/server/glob"
)

// Hub is one space of names: the channels, or the sharded channels.
type Hub[S comparable] struct {
	mu       sync.RWMutex
	channels map[string]*listeners[S]
	patterns map[string]*listeners[S]
	order    []string // patterns, in the order of their first subscription
}

// listeners is the subscribers of one name: a slice to walk quickly, and each one's place in it.
type listeners[S comparable] struct {
	list []S
	at   map[S]int
}

// NewHub makes a hub without subscribers.
func NewHub[S comparable]() *Hub[S] {
	return &Hub[S]{channels: map[string]*listeners[S]{}, patterns: map[string]*listeners[S]{}}
}

func (l *listeners[S]) add(s S) bool {
	if _, ok := l.at[s]; ok {
		return false
	}
	l.at[s] = len(l.list)
	l.list = append(l.list, s)
	return true
}

// remove moves the last subscriber into the place of the one that leaves.
func (l *listeners[S]) remove(s S) bool {
	i, ok := l.at[s]
	if !ok {
		return false
	}
	last := len(l.list) - 1
	l.list[i] = l.list[last]
	l.at[l.list[i]] = i
	var none S
	l.list[last] = none
	l.list = l.list[:last]
	delete(l.at, s)
	return true
}

func subscribe[S comparable](m map[string]*listeners[S], name string, s S) (added, first bool) {
	l := m[name]
	if l == nil {
		l = &listeners[S]{at: map[S]int{}}
		m[name] = l
		first = true
	}
	return l.add(s), first
}

func unsubscribe[S comparable](m map[string]*listeners[S], name string, s S) (removed, last bool) {
	l := m[name]
	if l == nil || !l.remove(s) {
		return false, false
	}
	if len(l.list) == 0 {
		delete(m, name)
		return true, true
	}
	return true, false
}

// Subscribe makes s listen to a channel, and tells whether it did not before. O(1).
func (h *Hub[S]) Subscribe(channel string, s S) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	added, _ := subscribe(h.channels, channel, s)
	return added
}

// Unsubscribe ends Subscribe, and tells whether s listened. O(1).
func (h *Hub[S]) Unsubscribe(channel string, s S) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	removed, _ := unsubscribe(h.channels, channel, s)
	return removed
}

// SubscribePattern makes s listen to all channels that fit a glob pattern, and tells whether it did not before.
func (h *Hub[S]) SubscribePattern(pattern string, s S) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	added, first := subscribe(h.patterns, pattern, s)
	if first {
		h.order = append(h.order, pattern)
	}
	return added
}

// UnsubscribePattern ends SubscribePattern, and tells whether s listened. O(patterns) for the last of a pattern.
func (h *Hub[S]) UnsubscribePattern(pattern string, s S) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	removed, last := unsubscribe(h.patterns, pattern, s)
	if last {
		i := slices.Index(h.order, pattern)
		h.order = slices.Delete(h.order, i, i+1)
	}
	return removed
}

// Publish calls fn for every subscriber of the channel, and then for those of each pattern that fits it; pattern is
// nil for the former. It returns the number of calls. fn may not subscribe or unsubscribe.
func (h *Hub[S]) Publish(channel []byte, fn func(s S, pattern *string)) int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	n := 0
	if l := h.channels[string(channel)]; l != nil {
		for _, s := range l.list {
			fn(s, nil)
		}
		n = len(l.list)
	}
	for i, p := range h.order {
		if !glob.Match([]byte(p), channel, false) {
			continue
		}
		l := h.patterns[p]
		for _, s := range l.list {
			fn(s, &h.order[i])
		}
		n += len(l.list)
	}
	return n
}

// Heard tells whether anybody would hear a message of that channel.
func (h *Hub[S]) Heard(channel []byte) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.channels[string(channel)] != nil ||
		slices.ContainsFunc(h.order, func(p string) bool { return glob.Match([]byte(p), channel, false) })
}

// Quiet tells whether nobody listens to anything.
func (h *Hub[S]) Quiet() bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return len(h.channels) == 0 && len(h.order) == 0
}

// Channels is the names of all channels with subscribers that fit a pattern; nil fits all.
func (h *Hub[S]) Channels(pattern []byte) []string {
	h.mu.RLock()
	defer h.mu.RUnlock()
	var names []string
	for name := range h.channels {
		if pattern == nil || glob.Match(pattern, []byte(name), false) {
			names = append(names, name)
		}
	}
	return names
}

// Count is the number of subscribers of a channel, those by pattern not counted.
func (h *Hub[S]) Count(channel []byte) int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if l := h.channels[string(channel)]; l != nil {
		return len(l.list)
	}
	return 0
}

// Listens tells whether s listens to a channel by its name.
func (h *Hub[S]) Listens(channel string, s S) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	l := h.channels[channel]
	if l == nil {
		return false
	}
	_, ok := l.at[s]
	return ok
}

// Totals is the number of channels, and of patterns, that have subscribers.
func (h *Hub[S]) Totals() (channels, patterns int) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return len(h.channels), len(h.order)
}
