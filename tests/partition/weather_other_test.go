//go:build !linux

package partition

import (
	"errors"
	"testing"
	"time"
)

type weather struct{}

type link struct {
	cut           bool
	loss          float64
	delay, jitter time.Duration
}

func newWeather(*testing.T, []*node) (*weather, error) {
	return nil, errors.New("only on Linux")
}

func (w *weather) set(_, _ *node, _ func(l *link)) {}
func (w *weather) clear()                          {}
