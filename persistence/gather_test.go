package persistence

import (
	"math/rand/v2"
	"testing"
	"time"
)

// TestContest: of two ways the better one is used most of the time, also after the world has changed, and whatever comes
// between.
func TestContest(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var c contest
	now := time.Unix(1700000000, 0)
	share := func(with, without time.Duration, batches int) float64 { // of batches of the better way
		better := 0
		for range batches {
			took := with
			if c.without {
				took = without
			}
			if (took == with) == (with < without) {
				better++
			}
			began := now
			now = now.Add(took + took*time.Duration(rnd.IntN(20)-10)/100) // a batch is not like another
			c.note(began, now, 50)
			if rnd.IntN(400) == 0 {
				now = now.Add(time.Minute)
			}
		}
		return float64(better) / float64(batches)
	}
	for _, world := range [][2]time.Duration{
		{time.Millisecond, 2 * time.Millisecond}, {time.Millisecond, 700 * time.Microsecond},
		{20 * time.Millisecond, 40 * time.Millisecond}, {100 * time.Microsecond, 50 * time.Microsecond},
	} {
		share(world[0], world[1], 2000)
		if s := share(world[0], world[1], 20_000); s < 0.85 {
			t.Errorf("%v with, %v without: %.2f of all batches went the better way", world[0], world[1], s)
		}
	}
	share(time.Millisecond, time.Millisecond, 2000) // nothing to choose, and nothing that fails
}
