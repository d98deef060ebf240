package persistence

import (
	"sync"
	"sync/atomic"
	"testing"
)

// One that hands out is never further ahead than it may be, and comes to an end, whatever the pace of those who do the work.
func TestLead(t *testing.T) {
	for _, most := range []int{2, 3, 16, 257} {
		l := NewLead(most)
		work := make(chan int, most)
		var ahead atomic.Int64
		var done sync.WaitGroup
		for range 3 {
			done.Go(func() {
				for n := range work {
					if ahead.Load() > int64(most) {
						t.Errorf("%d pieces are out, of at most %d", ahead.Load(), most)
					}
					for range n % 7 * 100 {
						_ = ahead.Load()
					}
					ahead.Add(-1)
					l.Done()
				}
			})
		}
		for n := range 20_000 {
			l.More()
			ahead.Add(1)
			work <- n
		}
		close(work)
		done.Wait()
		if n := l.ahead.Load(); n != 0 {
			t.Errorf("%d pieces are out in the end", n)
		}
	}
}
