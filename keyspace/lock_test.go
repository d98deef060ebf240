package keyspace

import (
	"testing"
	"time"
)

// Whoever waits for a shard is told so now and then: what holds it may be a script that has to be ended by somebody whom only
// the one that waits can serve.
func TestWhoWaitsForAShardIsToldSo(t *testing.T) {
	for name, wait := range map[string]func(v *View){
		"Take":      func(v *View) { v.Take(1); v.Release() },
		"TakeMore":  func(v *View) { v.TakeMore(1); v.Release() },
		"Scan":      func(v *View) { v.Scan(0, 10, func([]byte, Info) {}) },
		"CountKeys": func(v *View) { v.Keyspace().CountKeys(v.Waits) },
	} {
		t.Run(name, func(t *testing.T) {
			ks := newKeyspace(t, 2)
			holds, waits := NewView(ks), NewView(ks)
			told, done := make(chan struct{}, 1), make(chan struct{})
			waits.Waits = func() {
				select {
				case told <- struct{}{}:
				default:
				}
			}
			holds.Take(ks.All())
			go func() {
				defer close(done)
				wait(waits)
			}()
			select {
			case <-told:
			case <-time.After(3 * time.Minute):
				t.Error("nobody was told")
			}
			holds.Release()
			<-done
		})
	}
}
