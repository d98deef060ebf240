package server

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// TestWorldStopsBetweenTwoTurns: a loop that goes from turn to turn without rest begins no further ones when the world is to stop.
func TestWorldStopsBetweenTwoTurns(t *testing.T) {
	const (
		worlds   = 10
		longTurn = 300 * time.Microsecond
	)
	ts := startServer(t, "--event-loops", "1")
	ex, janitor := ts.executors[0], ts.janitor
	var turns, late atomic.Int64
	over, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for late.Load() <= worlds {
			select {
			case <-over:
				return
			default:
			}
			ex.enter()
			turns.Add(1)
			if ex.wanted.Load() > 0 {
				late.Add(1)
			}
			for began := time.Now(); time.Since(began) < longTurn; {
			}
			ex.leave()
		}
	}()
	for range worlds {
		for before := turns.Load(); turns.Load() == before && late.Load() <= worlds; {
			runtime.Gosched()
		}
		janitor.enter()
		janitor.stopWorld()
		janitor.startWorld()
		janitor.leave()
	}
	close(over)
	<-ended
	if n := late.Load(); n > worlds { // one each may have looked a moment before
		t.Errorf("more than %d turns began while somebody waited to stop the world, which was to be done %d times", worlds, worlds)
	}
}
