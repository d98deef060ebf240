package scene

import (
	"fmt"
	"slices"
	"strings"

	"larder/tests/internal/wire"
)

// Record plays the file's scenes on a server and writes its replies into the file's steps, for the server's version
// and from there on. Replies that still match are left as they are written, so matchers survive. Scenes and steps for
// later versions are left alone. Record with the oldest server first: what a later one does otherwise is added to it.
//
// The notes tell what a person should look at: hand-written matchers that did not match and were replaced.
func (f *File) Record(t *Target) (notes []string, err error) {
	for _, s := range f.Scenes {
		if s.Since > t.Version {
			continue
		}
		for _, proto := range s.Protos {
			outcomes, err := t.Run(s, proto)
			if err != nil {
				return notes, fmt.Errorf("%s:%d: %w", f.Path, s.Line, err)
			}
			for _, o := range outcomes {
				if o.Observed.Failure != nil {
					return notes, fmt.Errorf("%s:%d: %s\n%s", f.Path, o.Step.Line, o.Step.Source, o.Observed)
				}
				if note := o.Step.record(s, t.Version, proto, &o); note != "" {
					notes = append(notes, fmt.Sprintf("%s:%d: %s: %s", f.Path, o.Step.Line, o.Step.Source, note))
				}
			}
		}
	}
	return notes, nil
}

func (s *Step) record(scene *Scene, v Version, proto int, o *Outcome) (note string) {
	if s.ReplyCount() == 0 && !o.Observed.Closed {
		return ""
	}
	if o.Wanted.Match(o.Observed, s.Marks.Order) {
		return ""
	}
	base := max(scene.Since, s.Marks.Since)
	since := v
	if len(s.Replies) == 0 || v == V70 {
		since = base
	}
	fresh := s.newReply(since, proto, o.Observed)
	if proto == 3 && s.Expected(v, 2) == nil {
		fresh.Proto = 2
	}
	for i := range s.Replies {
		if old := &s.Replies[i]; old.Since == fresh.Since && old.Proto == fresh.Proto {
			if old.hasMatcher() {
				note = "its matchers did not match and were replaced"
			}
			*old = fresh
			return note
		}
	}
	s.Replies = append(s.Replies, fresh)
	slices.SortFunc(s.Replies, func(a, b Reply) int {
		if a.Since != b.Since {
			return int(a.Since - b.Since)
		}
		return a.Proto - b.Proto
	})
	return ""
}

func (s *Step) newReply(since Version, proto int, o *Observed) Reply {
	r := Reply{Since: since, Proto: proto, Closed: o.Closed}
	for _, v := range o.Values {
		r.source = append(r.source, FormatValues([]wire.Value{Arrange(v, s.Marks.Order)}, proto)...)
	}
	if o.Closed {
		r.source = append(r.source, "    (closed)")
	}
	if len(r.source) == 0 {
		r.source = []string{"    (none)"}
	}
	if err := r.parse(); err != nil {
		panic(fmt.Sprintf("a reply that was just written cannot be read: %v\n%s", err, strings.Join(r.source, "\n")))
	}
	if !r.Match(o, s.Marks.Order) {
		panic("a reply does not match its own notation:\n" + strings.Join(r.source, "\n"))
	}
	return r
}

func (r *Reply) hasMatcher() bool {
	var has func([]Pattern) bool
	has = func(ps []Pattern) bool {
		return slices.ContainsFunc(ps, func(p Pattern) bool { return p.any || p.rest || p.re != nil || has(p.Elems) })
	}
	return has(r.Values)
}

// Forget removes the recorded replies that a new recording by servers up to version v would give again. Replies with
// matchers, and those of steps that are repeated until they match, were written by hand and stay.
func (f *File) Forget(v Version) {
	for _, s := range f.Scenes {
		for _, step := range s.Steps() {
			if step.Marks.Until {
				continue
			}
			step.Replies = slices.DeleteFunc(step.Replies, func(r Reply) bool { return r.Since <= v && !r.hasMatcher() })
		}
	}
}
