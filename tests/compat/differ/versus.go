package main

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"

	"larder/tests/internal/wire"
)

// mismatch is the first difference between two runs of a script.
type mismatch struct {
	index int    // the step of the script; its length if the difference is in what is left
	after []step // what shows it then
	args  []string
	a, b  wire.Value
}

// signature is the same for differences that probably have one cause.
func (m *mismatch) signature() string {
	return strings.ToUpper(m.args[0]) + " " + gist(m.a) + " " + gist(m.b)
}

// gist is what a reply says without what it holds: its kind, or the beginning of an error.
func gist(v wire.Value) string {
	if !v.IsError() {
		return string(v.Kind)
	}
	words := strings.Fields(v.String())
	return strings.Join(words[:min(5, len(words))], " ")
}

func (m *mismatch) String() string {
	text := fmt.Sprintf("%q: %q and %q", m.args, m.a.Append(nil), m.b.Append(nil))
	return text[:min(len(text), 2000)]
}

// tally counts what was found; all lanes share one.
type tally struct {
	mu       sync.Mutex
	expected map[string]int // intended differences, by why
	seen     map[string]int // others, by their signature
}

func newTally() *tally { return &tally{expected: map[string]int{}, seen: map[string]int{}} }

// again counts a difference and says whether it was seen before.
func (t *tally) again(signature string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seen[signature]++
	return t.seen[signature] > 1
}

func (t *tally) known(signature string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.seen[signature] > 0
}

func (t *tally) expect(why string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.expected[why]++
}

// counts are copies of what was counted.
func (t *tally) counts() (seen, expected map[string]int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.seen), maps.Clone(t.expected)
}

// versus runs scripts on two servers and compares.
type versus struct {
	a, b   *side
	tally  *tally
	keeper *keeper // not nil: b is what was kept of a
	left   int     // how many replies compared what the last script has left
}

// older is the lower of the two versions.
func (v *versus) older() int { return min(v.a.version, v.b.version) }

// takes tells whether neither server refuses any of some commands. A replica is not asked: scripts are not played on it.
func (v *versus) takes(commands string) bool {
	return v.a.takes(commands) && (v.keeper != nil || v.b.takes(commands))
}

// play runs the script on both servers at once and returns the first unintended difference, or nil.
func (v *versus) play(script []step, how manner) (*mismatch, error) {
	if v.keeper != nil {
		return v.playKept(script, how)
	}
	var ra, rb, la, lb [][]byte
	var end []step
	var ea, eb error
	var both sync.WaitGroup
	both.Go(func() { rb, _, lb, eb = v.b.play(script, how) })
	ra, end, la, ea = v.a.play(script, how)
	both.Wait()
	if err := errors.Join(ea, eb); err != nil {
		return nil, err
	}
	if m, err := v.compare(script, ra, rb); m != nil || err != nil {
		return m, err
	}
	return v.compareLeft(script, end, la, lb)
}

// compareLeft compares what is there in the end. The first difference comes before the two have read other things.
func (v *versus) compareLeft(script, end []step, la, lb [][]byte) (*mismatch, error) {
	n := min(len(la), len(lb))
	v.left = n
	m, err := v.compare(end[:n], la[:n], lb[:n])
	if m != nil {
		m.after = finding(end, m.index)
		m.index = len(script)
	}
	return m, err
}

func (v *versus) compare(script []step, ra, rb [][]byte) (*mismatch, error) {
	for i, s := range script {
		if bytes.Equal(ra[i], rb[i]) {
			continue
		}
		m, err := v.compareStep(script[:i+1], ra, rb)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", s.args, err)
		}
		// What two errors say otherwise leaves the servers in the same state: once reported, it hides nothing else.
		if m != nil && m.a.IsError() && m.b.IsError() && v.tally.known(m.signature()) {
			v.tally.again(m.signature())
			m = nil
		}
		if m != nil {
			return m, nil
		}
	}
	return nil, nil
}

// compareStep compares the replies to the last step, whose bytes differ.
func (v *versus) compareStep(script []step, ra, rb [][]byte) (*mismatch, error) {
	i := len(script) - 1
	fa, err := frames(ra[i])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", v.a.name, err)
	}
	fb, err := frames(rb[i])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", v.b.name, err)
	}
	s := script[i]
	args := s.args
	switch s.kind {
	case collect:
		if sameHeard(told(script), fa, fb) {
			return nil, nil
		}
		return v.judge(i, []string{"(what connection " + itoa(s.conn) + " has heard)"}, list(fa), list(fb)), nil
	case await:
		args = asked(script)
	}
	if len(fa) != len(fb) {
		return v.judge(i, args, list(fa), list(fb)), nil
	}
	last := len(fa) - 1
	for j := range last { // push messages
		if m := v.judge(i, []string{"(push)"}, fa[j], fb[j]); m != nil {
			return m, nil
		}
	}
	a, b := fa[last], fb[last]
	if s.name() == "EXEC" && a.Aggregate() && a.Kind == b.Kind && len(a.Elems) == len(b.Elems) {
		if inner := queued(script, ra); len(inner) == len(a.Elems) {
			for j := range inner {
				if m := v.judge(i, inner[j], a.Elems[j], b.Elems[j]); m != nil {
					return m, nil
				}
			}
			return nil, nil
		}
	}
	return v.judge(i, args, a, b), nil
}

// told is the commands that were sent on the last step's connection since all was read that came to it.
func told(script []step) (commands [][]string) {
	last := len(script) - 1
	for _, s := range script[:last] {
		switch {
		case s.conn != script[last].conn:
		case s.kind == tell:
			commands = append(commands, s.args)
		default:
			commands = nil
		}
	}
	return commands
}

// sameHeard tells whether two servers have told a connection the same: the replies to these commands may differ as those to
// others may, a time by a moment for one, and all between them is the same.
func sameHeard(commands [][]string, a, b []wire.Value) bool {
	if len(a) != len(b) {
		return false
	}
	replies := 0
	for i := range a {
		args := []string{"(push)"}
		if a[i].Kind != '>' {
			if replies == len(commands) {
				return false
			}
			args = commands[replies]
			replies++
		}
		if a[i].Kind != b[i].Kind || !same(args, a[i], b[i]) {
			return false
		}
	}
	return replies == len(commands)
}

// asked is the command whose reply the last step awaits.
func asked(script []step) []string {
	last := script[len(script)-1]
	for i := len(script) - 2; i >= 0; i-- {
		if script[i].conn == last.conn && script[i].kind != await {
			return script[i].args
		}
	}
	return []string{"?"}
}

// queued are the commands that the EXEC of the last step answers for.
func queued(script []step, replies [][]byte) (inner [][]string) {
	last := len(script) - 1
	for i := last - 1; i >= 0; i-- {
		if script[i].conn != script[last].conn {
			continue
		}
		if script[i].name() == "MULTI" && string(replies[i]) == "+OK\r\n" {
			break
		}
		if string(replies[i]) == "+QUEUED\r\n" {
			inner = append([][]string{script[i].args}, inner...)
		}
	}
	return inner
}

// judge gives the difference between two replies to a command, unless it is one that may be.
func (v *versus) judge(index int, args []string, a, b wire.Value) *mismatch {
	if same(args, a, b) {
		return nil
	}
	x, y := a, b
	if v.a.version < v.b.version {
		x, y = b, a
	}
	if why := intended(args, x, y, v.older()); why != "" {
		v.tally.expect(why)
		return nil
	}
	return &mismatch{index: index, args: args, a: a, b: b}
}

func list(frames []wire.Value) wire.Value { return wire.Value{Kind: '*', Elems: frames} }

// frames are the values that stand one after the other in b.
func frames(b []byte) (out []wire.Value, err error) {
	for len(b) > 0 {
		n, err := frameSize(b)
		if err != nil || n == 0 {
			return nil, errors.Join(err, fmt.Errorf("malformed reply %.100q", b))
		}
		v, err := wire.Parse(b[:n])
		if err != nil {
			return nil, err
		}
		out, b = append(out, v), b[n:]
	}
	return out, nil
}
