package script

import (
	"bytes"
	"maps"
	"slices"
	"strings"
)

// Libraries is a set of libraries. It never changes: whoever adds or removes something gets another set, which shares
// with this one all but a small part.
type Libraries struct {
	libs      parted[*Library]
	functions parted[*Function] // by name in small letters
}

// parts is in how many maps a parted one is: a change copies one of them.
const parts = 128

// parted is a map from names in parts, which copies of it share until they change.
type parted[V any] struct {
	part [parts]map[string]V
	n    int
}

func partOf(name []byte) int {
	h := uint32(0)
	for _, c := range name {
		h = h*31 + uint32(c)
	}
	return int(h % parts)
}

func (m *parted[V]) get(name []byte) V { return m.part[partOf(name)][string(name)] }

// set makes name stand for v, in m alone.
func (m *parted[V]) set(name string, v V) {
	i := partOf([]byte(name))
	p := maps.Clone(m.part[i])
	if p == nil {
		p = map[string]V{}
	}
	before := len(p)
	p[name] = v
	m.part[i] = p
	m.n += len(p) - before
}

// remove takes name out of m alone.
func (m *parted[V]) remove(name string) {
	i := partOf([]byte(name))
	p := maps.Clone(m.part[i])
	delete(p, name)
	m.n += len(p) - len(m.part[i])
	m.part[i] = p
}

// Function finds a function by its name in any case, nil if there is none.
func (s *Libraries) Function(name []byte) *Function {
	if f := s.functions.get(name); f != nil {
		return f
	}
	return s.functions.get(bytes.ToLower(name))
}

// Count is the number of libraries and of functions.
func (s *Libraries) Count() (libraries, functions int) { return s.libs.n, s.functions.n }

// All lists the libraries by their names.
func (s *Libraries) All() []*Library {
	list := make([]*Library, 0, s.libs.n)
	for _, p := range s.libs.part {
		list = slices.AppendSeq(list, maps.Values(p))
	}
	slices.SortFunc(list, func(a, b *Library) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// Has tells whether there is a library of this name.
func (s *Libraries) Has(name string) bool { return s.libs.get([]byte(name)) != nil }

// Without is the set without one library.
func (s *Libraries) Without(name string) *Libraries {
	n := &Libraries{libs: s.libs, functions: s.functions}
	if lib := n.libs.get([]byte(name)); lib != nil {
		n.libs.remove(name)
		for _, f := range lib.Functions {
			n.functions.remove(strings.ToLower(f.Name))
		}
	}
	return n
}

// With is the set with one more library, instead of one of the same name if replace is true.
func (s *Libraries) With(lib *Library, replace bool) (*Libraries, error) {
	if s.Has(lib.Name) && !replace {
		return nil, faultf("Library '%s' already exists", lib.Name)
	}
	n := s.Without(lib.Name)
	for _, f := range lib.Functions {
		if n.functions.get(bytes.ToLower([]byte(f.Name))) != nil {
			return nil, faultf("Function %s already exists", f.Name)
		}
	}
	n.libs.set(lib.Name, lib)
	for _, f := range lib.Functions {
		n.functions.set(strings.ToLower(f.Name), f)
	}
	return n, nil
}

// Join is the set with all libraries of another one.
func (s *Libraries) Join(o *Libraries, replace bool) (*Libraries, error) {
	n := s
	if replace {
		for _, lib := range o.All() {
			n = n.Without(lib.Name)
		}
	}
	for _, lib := range o.All() {
		if n.Has(lib.Name) {
			return nil, faultf("Library %s already exists", lib.Name)
		}
		var err error
		if n, err = n.With(lib, false); err != nil {
			return nil, err
		}
	}
	return n, nil
}

// Bytes is about what the set takes outside of engines.
func (s *Libraries) Bytes() (n int) {
	for _, lib := range s.All() {
		n += len(lib.Code) + libraryOverhead + len(lib.Functions)*functionOverhead
	}
	return n
}

const (
	libraryOverhead  = 400
	functionOverhead = 200
)
