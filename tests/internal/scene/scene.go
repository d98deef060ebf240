// Package scene holds recorded conversations with a server: what was sent, and the bytes that came back.
//
// A scene file is plain text that is written by hand except for the replies, which are recorded from a real server:
//
//	# Anything after a hash at the start of a line is a comment.
//	== appending                           a scene begins; it starts on an empty server with new connections
//	! config maxmemory-policy allkeys-lru  an attribute of the scene, see below
//	SET k "a b\x00"                        a command, its arguments quoted as in redis-cli
//	    +OK                                its reply, by four blanks
//	MGET k none
//	    ["a b\x00" nil]
//	@2 APPEND k xyz                        the same on a second connection
//	    :6
//	OBJECT ENCODING s
//	    "hashtable"
//	  7.2:                                 what servers from 7.2 on reply
//	    "listpack"
//	  resp3:                               what the reply is in RESP3, where it differs
//	    ...
//
// Each scene is run twice, in RESP2 and in RESP3. A reply stands for exactly one byte sequence (notation.go), unless
// it holds matchers for parts that change from run to run: ? for any value, ... for any further elements, and a
// regular expression after a tilde, as in :~"9[0-9]" for an integer.
//
// Attributes of a scene:
//
//	! since 7.4                  only servers of this version or later run it; its replies are checked by hand
//	! proto 2                    runs in RESP2 only (or 3)
//	! config name value          CONFIG SET before the scene; what it was is set again afterwards
//
// Marks in braces before a command:
//
//	{sort}      the elements of the reply are compared in any order (of a map: the pairs)
//	{pairs}     likewise for an array of field, value, field, value
//	{contains}  like {sort}, and the reply may have more elements than are recorded
//	{scan} {scanpairs}   the same for the second element of the reply, as the SCAN family gives it
//	{n=3}       three replies belong to the command; {n=0}: none
//	{until}     the command is repeated until its reply is the expected one
//	{block}     the client is expected to block: no reply is read, and the scene goes on once INFO counts it as blocked
//	{send}      no reply is read; the scene goes on at once
//	{closed}    replies are read until the server closes the connection; the next command opens a new one
//	{save=name} keeps the reply's text: ${name} in bare words of later commands is replaced by it
//	{since=7.2} servers before that version do not run this command
//
// Words of a command: bare, "quoted with \x00 \n \" escapes", 'quoted plainly', "x"*1000 for a repeated text, and
// <f% v%>1..3 for f1 v1 f2 v2 f3 v3. Commands of the runner itself begin with a dot:
//
//	.raw "*1\r\n"      sends these bytes; one reply is read unless {n=} says otherwise
//	.read              reads one reply or push message without sending anything
//	.close             closes the connection; if it was blocked, waits until the server has noticed
package scene

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"larder/tests/internal/wire"
)

// Version of a server for which replies are recorded. Larder comes after all others: it is held to the newest ones.
type Version int

// The versions that scenes know.
const (
	V70 Version = iota
	V72
	V74
	V84
	Larder
)

var versionNames = []string{"7.0", "7.2", "7.4", "8.4", "larder"}

func (v Version) String() string { return versionNames[v] }

func parseVersion(s string) (Version, error) {
	i := slices.Index(versionNames, s)
	if i < 0 {
		return 0, fmt.Errorf("unknown version %q: one of %s", s, strings.Join(versionNames, ", "))
	}
	return Version(i), nil
}

// File is one scene file. Everything in it is kept, so that recording changes replies alone.
type File struct {
	Path   string
	Header []string // lines before the first scene
	Scenes []*Scene
}

// Scene is a conversation that starts on an empty server.
type Scene struct {
	Title  string
	Line   int
	Since  Version
	Protos []int       // 2, 3 or both
	Config [][2]string // directives set for the scene
	head   []string    // its title line and attributes, as written
	items  []item
}

// item is a step or a line without meaning (comment, blank) that is kept.
type item struct {
	text string
	step *Step
}

// Step is one command of a scene.
type Step struct {
	Line    int
	Source  string // the command line as written
	Conn    int    // connection number, from 1
	Marks   Marks
	Command string // the first word in upper case
	words   string // the rest of the line, expanded when it runs (variables)
	Replies []Reply
}

// Marks are what stands in braces before a command.
type Marks struct {
	Order Order
	N     int // replies that belong to the command; -1: as the command's name says
	Until bool
	Block bool
	Send  bool
	Close bool // {closed}
	Save  string
	Since Version
}

// Reply is what is expected of servers from a version on, in one protocol or both.
type Reply struct {
	Since  Version
	Proto  int // 2: RESP2, and RESP3 unless another Reply says otherwise; 3
	Values []Pattern
	Closed bool // the server closes the connection
	source []string
}

// Steps are the scene's commands in order.
func (s *Scene) Steps() []*Step {
	var steps []*Step
	for _, it := range s.items {
		if it.step != nil {
			steps = append(steps, it.step)
		}
	}
	return steps
}

// Expected is the reply that a server of this version gives in this protocol; nil if none is recorded.
func (s *Step) Expected(v Version, proto int) *Reply {
	var best *Reply
	for i := range s.Replies {
		r := &s.Replies[i]
		if r.Since > v || r.Proto > proto {
			continue
		}
		if best == nil || r.Since > best.Since || (r.Since == best.Since && r.Proto > best.Proto) {
			best = r
		}
	}
	return best
}

// ReplyCount is how many replies belong to the step.
func (s *Step) ReplyCount() int {
	switch {
	case s.Marks.N >= 0:
		return s.Marks.N
	case s.Marks.Block || s.Marks.Send || s.Command == ".CLOSE":
		return 0
	case strings.HasSuffix(s.Command, "SUBSCRIBE"):
		args, err := expand(s.words, nil)
		return max(1, len(args)-1+boolInt(err != nil))
	}
	return 1
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Load reads a scene file.
func Load(path string) (*File, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	f, err := Parse(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s:%w", path, err)
	}
	f.Path = path
	return f, nil
}

// Parse reads the text of a scene file. Errors begin with the line number.
func Parse(text string) (*File, error) {
	p := &parser{file: &File{}}
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		p.line = i + 1
		if err := p.take(line); err != nil {
			return nil, fmt.Errorf("%d: %w", p.line, err)
		}
	}
	if err := p.endReply(); err != nil {
		return nil, fmt.Errorf("%d: %w", p.line, err)
	}
	return p.file, nil
}

type parser struct {
	file  *File
	scene *Scene
	step  *Step
	reply *Reply // whose lines are being gathered
	line  int
}

func (p *parser) take(line string) error {
	switch {
	case strings.HasPrefix(line, "    "):
		return p.replyLine(line)
	case strings.HasPrefix(line, "  "):
		return p.tagLine(line)
	}
	if err := p.endReply(); err != nil {
		return err
	}
	switch {
	case strings.HasPrefix(line, "== "):
		p.scene = &Scene{Title: strings.TrimSpace(line[3:]), Line: p.line, Protos: []int{2, 3}, head: []string{line}}
		p.step = nil
		p.file.Scenes = append(p.file.Scenes, p.scene)
		return nil
	case p.scene == nil:
		if line != "" && line[0] != '#' {
			return fmt.Errorf("command before the first scene: %q", line)
		}
		p.file.Header = append(p.file.Header, line)
		return nil
	case strings.HasPrefix(line, "! "):
		return p.attribute(line)
	case line == "" || line[0] == '#':
		p.scene.items = append(p.scene.items, item{text: line})
		return nil
	}
	step, err := parseStep(line)
	if err != nil {
		return err
	}
	step.Line = p.line
	p.step = step
	p.scene.items = append(p.scene.items, item{step: step})
	return nil
}

func (p *parser) attribute(line string) error {
	if len(p.scene.items) > 0 {
		return fmt.Errorf("attribute after the scene's first command: %q", line)
	}
	p.scene.head = append(p.scene.head, line)
	name, rest, _ := strings.Cut(strings.TrimSpace(line[2:]), " ")
	var err error
	switch name {
	case "since":
		p.scene.Since, err = parseVersion(rest)
	case "proto":
		var n int
		n, err = strconv.Atoi(rest)
		p.scene.Protos = []int{n}
	case "config":
		key, value, _ := strings.Cut(rest, " ")
		p.scene.Config = append(p.scene.Config, [2]string{key, value})
	default:
		err = fmt.Errorf("unknown attribute %q", name)
	}
	return err
}

func (p *parser) replyLine(line string) error {
	if p.step == nil {
		return fmt.Errorf("reply without a command: %q", line)
	}
	if p.reply == nil {
		p.reply = &Reply{Since: p.base(), Proto: 2}
	}
	p.reply.source = append(p.reply.source, line)
	return nil
}

// base is the version that a reply without a tag is recorded from.
func (p *parser) base() Version { return max(p.scene.Since, p.step.Marks.Since) }

// tagLine reads "  7.2:", "  resp3:" or "  7.2 resp3:".
func (p *parser) tagLine(line string) error {
	if err := p.endReply(); err != nil {
		return err
	}
	words, ok := strings.CutSuffix(strings.TrimSpace(line), ":")
	if !ok || p.step == nil {
		return fmt.Errorf("neither a reply nor a tag: %q", line)
	}
	p.reply = &Reply{Since: p.base(), Proto: 2}
	for _, w := range strings.Fields(words) {
		if w == "resp3" {
			p.reply.Proto = 3
			continue
		}
		v, err := parseVersion(w)
		if err != nil {
			return err
		}
		p.reply.Since = v
	}
	return nil
}

func (p *parser) endReply() error {
	r := p.reply
	if r == nil {
		return nil
	}
	p.reply = nil
	if err := r.parse(); err != nil {
		return fmt.Errorf("reply above: %w", err)
	}
	for _, other := range p.step.Replies {
		if other.Since == r.Since && other.Proto == r.Proto {
			return fmt.Errorf("two replies for the same version and protocol")
		}
	}
	p.step.Replies = append(p.step.Replies, *r)
	return nil
}

func (r *Reply) parse() error {
	lines := r.source
	if n := len(lines); n > 0 && strings.TrimSpace(lines[n-1]) == "(closed)" {
		r.Closed = true
		lines = lines[:n-1]
	}
	if len(lines) == 1 && strings.TrimSpace(lines[0]) == "(none)" {
		return nil
	}
	values, err := ParsePatterns(lines)
	if err != nil {
		return err
	}
	if len(values) == 0 && !r.Closed {
		return fmt.Errorf("empty; write (none) where nothing is expected")
	}
	r.Values = values
	return nil
}

// Text is the file as it is written to disk.
func (f *File) Text() string {
	var b strings.Builder
	line := func(s string) { b.WriteString(s); b.WriteByte('\n') }
	for _, h := range f.Header {
		line(h)
	}
	for _, s := range f.Scenes {
		for _, h := range s.head {
			line(h)
		}
		for _, it := range s.items {
			if it.step == nil {
				line(it.text)
				continue
			}
			line(it.step.Source)
			for _, r := range it.step.Replies {
				if tag := r.tag(max(s.Since, it.step.Marks.Since)); tag != "" {
					line("  " + tag + ":")
				}
				for _, l := range r.source {
					line(l)
				}
			}
		}
	}
	return b.String()
}

func (r *Reply) tag(base Version) string {
	var words []string
	if r.Since != base {
		words = append(words, r.Since.String())
	}
	if r.Proto == 3 {
		words = append(words, "resp3")
	}
	return strings.Join(words, " ")
}

// Observed is what a server did in answer to a step.
type Observed struct {
	Proto   int // 2 or 3
	Values  []wire.Value
	Closed  bool  // the connection was closed where a reply was awaited
	Failure error // no reply in time, or bytes that are no reply
}

func (o *Observed) String() string {
	lines := FormatValues(o.Values, o.Proto)
	if o.Closed {
		lines = append(lines, "    (closed)")
	}
	if o.Failure != nil {
		lines = append(lines, "    "+o.Failure.Error())
	}
	if len(lines) == 0 {
		lines = []string{"    (none)"}
	}
	return strings.Join(lines, "\n")
}

func (r *Reply) String() string {
	if r == nil {
		return "    nothing recorded"
	}
	return strings.Join(r.source, "\n")
}
