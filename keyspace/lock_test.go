package keyspace

import (
	"strconv"
	"testing"
	"time"

	"larder/eviction"
)

// Whoever waits for a shard is told so now and then: what holds it may be a script that has to be ended by somebody whom only
// the one that waits can serve.
func TestWhoWaitsForAShardIsToldSo(t *testing.T) {
	for name, wait := range map[string]func(v *View){
		"Take":      func(v *View) { v.Take(1); v.Release() },
		"TakeMore":  func(v *View) { v.TakeMore(1); v.Release() },
		"Scan":      func(v *View) { v.Scan(0, 10, func([]byte, Info) {}) },
		"CountKeys": func(v *View) { v.Keyspace().CountKeys(v.Waits, nil) },
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

// TestEvictionGivesAShardUp: who looks for what may leave does not wait for a shard when he is told not to, and holds none then.
func TestEvictionGivesAShardUp(t *testing.T) {
	for name, find := range map[string]func(v *View) bool{
		"Evict":   func(v *View) bool { return v.Evict(5) },
		"Squeeze": func(v *View) bool { return v.Squeeze() },
	} {
		t.Run(name, func(t *testing.T) {
			for _, policy := range policyNames {
				ks := newKeyspace(t, 2)
				ks.SetPolicy(eviction.ByName(policy))
				holds, finds := NewView(ks), NewView(ks)
				holds.Take(ks.All())
				holds.Now, finds.Now = 1_700_000_000_000, 1_700_000_000_000
				for i := range 100 {
					holds.SetString([]byte(strconv.Itoa(i)), []byte("value"), holds.Now+1000)
				}
				holds.Release()
				ks.CountKeys(nil, nil)
				holds.Take(ks.All())
				finds.GiveUp = func() bool { return true }
				if find(finds) || finds.Held() != 0 {
					t.Errorf("%s: found, with %b held", policy, finds.Held())
				}
				holds.Release()
				if name == "Evict" && !find(finds) {
					t.Errorf("%s: nothing was found later", policy)
				}
				finds.Release()
			}
		})
	}
}
