package main

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"sync"

	"go.uber.org/zap"

	"larder/server/config"
)

// oomScorePath is where the kernel keeps how willing it is to kill this process when memory runs out.
const oomScorePath = "/proc/self/oom_score_adj"

// oomScore sets the process's oom_score_adj and puts it back.
type oomScore struct {
	conf    *config.Store
	log     *zap.Logger
	path    string
	mu      sync.Mutex
	base    int // the score before we changed it
	changed bool
	replica bool
}

// followOOMScore keeps the process's score at what oom-score-adj and oom-score-adj-values say for the role that setRole was
// last told.
func followOOMScore(conf *config.Store, logger *zap.Logger) (setRole func(replica bool), err error) {
	o := &oomScore{conf: conf, log: logger, path: oomScorePath}
	conf.OnChange(o.apply, "oom-score-adj", "oom-score-adj-values")
	_ = o.apply() // a system that forbids it is no reason not to serve; the log has it
	return o.setRole, nil
}

// setRole chooses the score of a replica, or of a primary.
func (o *oomScore) setRole(replica bool) {
	o.mu.Lock()
	changes := o.replica != replica
	o.replica = replica
	o.mu.Unlock()
	if changes {
		_ = o.apply()
	}
}

// apply writes the score that the configuration asks for.
func (o *oomScore) apply() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	mode := o.conf.OOMScoreAdj.Get()
	if mode == config.OOMNo && !o.changed {
		return nil
	}
	if !o.changed {
		text, err := os.ReadFile(o.path)
		if err == nil {
			o.base, err = strconv.Atoi(strings.TrimSpace(string(text)))
		}
		if err != nil {
			o.log.Warn("Unable to read oom_score_adj", zap.Error(err))
			return errOOMScore
		}
	}
	score := o.base
	if mode != config.OOMNo {
		values := o.conf.OOMScoreAdjValues.Get() // the third is for child processes, of which there are none
		score = values[0]
		if o.replica {
			score = values[1]
		}
		if mode == config.OOMRelative {
			score += o.base
		}
		score = min(max(score, -1000), 1000)
	}
	o.changed = mode != config.OOMNo
	if err := os.WriteFile(o.path, []byte(strconv.Itoa(score)+"\n"), 0o644); err != nil {
		o.log.Warn("Unable to write oom_score_adj", zap.Error(err))
		return errOOMScore
	}
	return nil
}

//lint:ignore ST1005 clients read this text
var errOOMScore = errors.New("Failed to set current oom_score_adj. Check server logs.")
