//go:build !linux

package main

import (
	"errors"

	"go.uber.org/zap"

	"larder/server/config"
)

// followOOMScore refuses oom-score-adj: only Linux has a score.
func followOOMScore(conf *config.Store, _ *zap.Logger) (setRole func(replica bool), err error) {
	apply := func() error {
		if conf.OOMScoreAdj.Get() != config.OOMNo {
			return errors.New("oom-score-adj is only known to Linux")
		}
		return nil
	}
	conf.OnChange(apply, "oom-score-adj")
	return func(bool) {}, apply()
}
