package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// DefaultBind listens on every IPv4 address, and on every IPv6 one where the machine has IPv6.
var DefaultBind = []string{"*", "-::*"}

const maxBind = 16

func parseBind(args []string) ([]string, error) {
	if len(args) > maxBind {
		return nil, wording("Too many bind addresses specified.")
	}
	if len(args) == 1 && args[0] == "" {
		args = nil
	}
	return slices.Clone(args), nil
}

func joinWords(words []string) string { return strings.Join(words, " ") }

// bindLines leaves the default out of the file altogether.
func bindLines(v any) []line {
	switch bind := v.([]string); {
	case slices.Equal(bind, DefaultBind):
		return []line{}
	case len(bind) == 0:
		return []line{{args: `""`, force: true}}
	default:
		return []line{{args: joinWords(bind), force: true}}
	}
}

// OutputLimit closes a client whose pending replies pass Hard bytes at once, or Soft bytes for SoftSeconds. 0 is none.
type OutputLimit struct {
	Hard, Soft  uint64
	SoftSeconds int64
}

// OutputLimits are the limits by class of client.
type OutputLimits struct{ Normal, Replica, Pubsub OutputLimit }

var defaultOutputLimits = OutputLimits{
	Replica: OutputLimit{256 << 20, 64 << 20, 60},
	Pubsub:  OutputLimit{32 << 20, 8 << 20, 60},
}

func (l *OutputLimits) class(name string) *OutputLimit {
	switch strings.ToLower(name) {
	case "normal":
		return &l.Normal
	case "replica", "slave":
		return &l.Replica
	case "pubsub":
		return &l.Pubsub
	}
	return nil
}

// parse is called with the present limits: classes that args do not mention keep theirs.
func (l OutputLimits) parse(args []string) (OutputLimits, error) {
	if len(args)%4 != 0 {
		return l, wording("Wrong number of arguments in buffer limit configuration.")
	}
	for ; len(args) > 0; args = args[4:] {
		class := l.class(args[0])
		if class == nil {
			return l, wording("Invalid client class specified in buffer limit configuration.")
		}
		hard, ok1 := ParseMemory(args[1])
		soft, ok2 := ParseMemory(args[2])
		seconds, err := strconv.ParseInt(cmp.Or(args[3], "0"), 10, 32)
		if !ok1 || !ok2 || err != nil || seconds < 0 {
			return l, wording("Error in hard, soft or soft_seconds setting in buffer limit configuration.")
		}
		*class = OutputLimit{hard, soft, seconds}
	}
	return l, nil
}

func (l OutputLimits) String() string {
	return fmt.Sprintf("normal %s slave %s pubsub %s", l.Normal, l.Replica, l.Pubsub)
}

func (l OutputLimit) String() string { return fmt.Sprintf("%d %d %d", l.Hard, l.Soft, l.SoftSeconds) }

func outputLimitsRow(field func(*Config) *Value[OutputLimits]) *Row {
	r := special("client-output-buffer-limit", defaultOutputLimits, field, nil, OutputLimits.String).multi()
	r.parse = func(s *Store, args []string) (any, error) { return s.ClientOutputBufferLimit.Get().parse(args) }
	r.lines = func(v any) []line {
		l, d := v.(OutputLimits), defaultOutputLimits
		one := func(name string, l, d OutputLimit) line {
			return line{fmt.Sprintf("%s %s %s %d", name, FormatMemory(l.Hard), FormatMemory(l.Soft), l.SoftSeconds), l != d}
		}
		return []line{one("normal", l.Normal, d.Normal), one("replica", l.Replica, d.Replica), one("pubsub", l.Pubsub, d.Pubsub)}
	}
	return r
}

// OOMScores are the scores for a primary, a replica and a child process, in this order.
type OOMScores [3]int

func (o OOMScores) String() string { return fmt.Sprintf("%d %d %d", o[0], o[1], o[2]) }

func parseOOMScores(args []string) (o OOMScores, err error) {
	if len(args) != len(o) {
		return o, errArgCount
	}
	for i, arg := range args {
		if o[i], err = strconv.Atoi(cmp.Or(arg, "0")); err != nil || o[i] < -2000 || o[i] > 2000 {
			return o, wording("Invalid oom-score-adj-values, elements must be between -2000 and 2000.")
		}
	}
	return o, nil
}

// Events is the set of notify-keyspace-events: classes of events and the two kinds of channels they go to.
type Events int32

// The classes, by the letters of the directive.
const (
	EventKeyspace Events = 1 << iota // K: channels __keyspace@<db>__
	EventKeyevent                    // E: channels __keyevent@<db>__
	EventGeneric                     // g
	EventString                      // $
	EventList                        // l
	EventSet                         // s
	EventHash                        // h
	EventZset                        // z
	EventExpired                     // x
	EventEvicted                     // e
	EventStream                      // t
	EventModule                      // d
	EventNew                         // n: not part of A
	EventMiss                        // m: not part of A

	EventAll = EventGeneric | EventString | EventList | EventSet | EventHash | EventZset | EventExpired | EventEvicted | EventStream | EventModule
)

// eventLetters is in the order in which CONFIG GET shows them; A stands before all.
var eventLetters = []struct {
	letter byte
	event  Events
}{
	{'A', EventAll},
	{'g', EventGeneric}, {'$', EventString}, {'l', EventList}, {'s', EventSet}, {'h', EventHash}, {'z', EventZset}, {'x', EventExpired}, {'e', EventEvicted},
	{'t', EventStream}, {'d', EventModule}, {'n', EventNew}, {'K', EventKeyspace}, {'E', EventKeyevent}, {'m', EventMiss},
}

func parseEvents(letters string) (events Events, err error) {
	for i := range len(letters) {
		known := false
		for _, l := range eventLetters {
			if letters[i] == l.letter {
				events |= l.event
				known = true
			}
		}
		if !known {
			return 0, wording("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")
		}
	}
	return events, nil
}

// String is the canonical form: A for all classes that it stands for.
func (e Events) String() string {
	var out []byte
	for _, l := range eventLetters {
		if l.event != 0 && e&l.event == l.event {
			out = append(out, l.letter)
			e &^= l.event
		}
	}
	return string(out)
}

func eventsRow(field func(*Config) *Enum[Events]) *Row {
	r := enum("notify-keyspace-events", Events(0), nil, field)
	r.parse = func(_ *Store, args []string) (any, error) { return parseEvents(args[0]) }
	r.format = func(v any) string { return v.(Events).String() }
	r.lines = func(v any) []line { return []line{{args: Quote(v.(Events).String()), force: v.(Events) != 0}} }
	return r
}

// SavePoint asks for a snapshot after Seconds in which there were at least Changes writes.
type SavePoint struct{ Seconds, Changes int64 }

func parseSave(args []string) ([]SavePoint, error) {
	if len(args) == 1 && args[0] == "" {
		args = nil
	}
	points := make([]SavePoint, 0, len(args)/2)
	for ; len(args) >= 2; args = args[2:] {
		seconds, err1 := strconv.ParseInt(cmp.Or(args[0], "0"), 10, 64)
		changes, err2 := strconv.ParseInt(cmp.Or(args[1], "0"), 10, 32)
		if err1 != nil || err2 != nil || seconds < 1 || changes < 0 {
			return nil, errSave
		}
		points = append(points, SavePoint{seconds, changes})
	}
	if len(args) != 0 {
		return nil, errSave
	}
	return points, nil
}

var errSave = wording("Invalid save parameters")

func formatSave(points []SavePoint) string {
	words := make([]string, len(points))
	for i, p := range points {
		words[i] = fmt.Sprintf("%d %d", p.Seconds, p.Changes)
	}
	return joinWords(words)
}

func saveRow(field func(*Config) *Value[[]SavePoint]) *Row {
	r := special("save", []SavePoint{{3600, 1}, {300, 100}, {60, 10000}}, field, parseSave, formatSave).multi()
	r.merge = func(old, more any) any {
		if len(more.([]SavePoint)) == 0 {
			return more
		}
		return slices.Concat(old.([]SavePoint), more.([]SavePoint))
	}
	r.lines = func(v any) []line {
		var lines []line
		for _, p := range v.([]SavePoint) {
			lines = append(lines, line{fmt.Sprintf("%d %d", p.Seconds, p.Changes), true})
		}
		if lines == nil {
			lines = []line{{`""`, true}}
		}
		return lines
	}
	return r
}

// Address is the primary to follow; Host is "" for a server that is a primary itself.
type Address struct {
	Host string
	Port int
}

func (a Address) String() string {
	if a.Host == "" {
		return ""
	}
	return a.Host + " " + strconv.Itoa(a.Port)
}

func parseReplicaOf(args []string) (Address, error) {
	if len(args) != 2 {
		return Address{}, errArgCount
	}
	if strings.EqualFold(args[0], "no") && strings.EqualFold(args[1], "one") {
		return Address{}, nil
	}
	port, err := strconv.Atoi(cmp.Or(args[1], "0"))
	if err != nil || port < 0 || port > 65535 {
		return Address{}, wording("Invalid master port")
	}
	return Address{args[0], port}, nil
}

func replicaOfRow(field func(*Config) *Value[Address]) *Row {
	r := special("replicaof", Address{}, field, parseReplicaOf, Address.String).multi()
	r.lines = func(v any) []line {
		if v.(Address).Host == "" {
			return []line{}
		}
		return []line{{v.(Address).String(), true}}
	}
	return r
}

func parsePercentiles(args []string) ([]float64, error) {
	if len(args) == 1 && args[0] == "" {
		args = nil
	}
	out := make([]float64, len(args))
	for i, arg := range args {
		p, err := strconv.ParseFloat(arg, 64)
		switch {
		case err != nil || p != p:
			return nil, wording("Invalid latency-tracking-info-percentiles parameters")
		case p < 0 || p > 100:
			return nil, errors.New("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]")
		}
		out[i] = p
	}
	return out, nil
}

func formatPercentiles(percentiles []float64) string {
	words := make([]string, len(percentiles))
	for i, p := range percentiles {
		words[i] = strings.TrimSuffix(strings.TrimRight(strconv.FormatFloat(p, 'f', 6, 64), "0"), ".")
	}
	return joinWords(words)
}

func percentilesRow(field func(*Config) *Value[[]float64]) *Row {
	r := special("latency-tracking-info-percentiles", []float64{50, 99, 99.9}, field, parsePercentiles, formatPercentiles).multi()
	r.lines = func(v any) []line {
		return []line{{cmp.Or(formatPercentiles(v.([]float64)), `""`), true}}
	}
	return r
}
