package config

import (
	"errors"
	"strconv"
	"strings"
)

// SafetyKind is when a write is acknowledged.
type SafetyKind int32

const (
	SafetyAsync   SafetyKind = iota // at once, as Redis does
	SafetyBounded                   // at once, but refused while the oldest write that no replica has is too old
	SafetySync                      // when enough replicas have it
)

// Safety is the directive write-safety: async, bounded <milliseconds> or sync <replicas>.
type Safety struct {
	Kind     SafetyKind
	Bound_ms int64 // of SafetyBounded
	Replicas int   // of SafetySync
}

func (s Safety) String() string {
	switch s.Kind {
	case SafetyBounded:
		return "bounded " + strconv.FormatInt(s.Bound_ms, 10)
	case SafetySync:
		return "sync " + strconv.Itoa(s.Replicas)
	}
	return "async"
}

var errSafety = errors.New("argument(s) must be 'async', 'bounded <milliseconds>' or 'sync <replicas>'")

// ParseSafety reads the words of the directive. Bounds are 1 ms to a day, and 1 to 64 replicas.
func ParseSafety(args []string) (Safety, error) {
	number := int64(0)
	if len(args) == 2 {
		var err error
		if number, err = strconv.ParseInt(args[1], 10, 64); err != nil || number < 1 {
			return Safety{}, errSafety
		}
	}
	switch {
	case len(args) == 1 && strings.EqualFold(args[0], "async"):
		return Safety{}, nil
	case len(args) == 2 && strings.EqualFold(args[0], "bounded") && number <= 86_400_000:
		return Safety{Kind: SafetyBounded, Bound_ms: number}, nil
	case len(args) == 2 && strings.EqualFold(args[0], "sync") && number <= 64:
		return Safety{Kind: SafetySync, Replicas: int(number)}, nil
	}
	return Safety{}, errSafety
}

func safetyRow(field func(*Config) *Value[Safety]) *Row {
	return special("write-safety", Safety{}, field, ParseSafety, Safety.String).multi()
}

// Profile names how fast a failover group reacts.
type Profile int32

const (
	ProfileDefault Profile = iota
	ProfileTight
	ProfileWide
)

var profileWords = []word[Profile]{{"default", ProfileDefault}, {"tight", ProfileTight}, {"wide", ProfileWide}}

// String is the word of the directive.
func (p Profile) String() string { return formatWords(profileWords, p) }

func peersRow(field func(*Config) *Value[[]string]) *Row {
	r := special("failover-peers", []string{}, field, func(args []string) ([]string, error) {
		var peers []string
		for _, a := range args {
			peers = append(peers, strings.Fields(a)...)
		}
		return peers, nil
	}, joinWords).multi()
	r.lines = func(v any) []line {
		if len(v.([]string)) == 0 {
			return []line{}
		}
		return []line{{joinWords(v.([]string)), true}}
	}
	return r
}
