package script

import (
	"maps"
	"slices"
	"strings"
)

// Libraries is a set of libraries. It never changes: whoever adds or removes something gets another set.
type Libraries struct {
	libs      map[string]*Library
	functions map[string]*Function // by name in small letters
}

// Function finds a function by its name in any case, nil if there is none.
func (s *Libraries) Function(name []byte) *Function {
	if f := s.functions[string(name)]; f != nil {
		return f
	}
	return s.functions[strings.ToLower(string(name))]
}

// Count is the number of libraries and of functions.
func (s *Libraries) Count() (libraries, functions int) { return len(s.libs), len(s.functions) }

// All lists the libraries by their names.
func (s *Libraries) All() []*Library {
	list := make([]*Library, 0, len(s.libs))
	for _, name := range slices.Sorted(maps.Keys(s.libs)) {
		list = append(list, s.libs[name])
	}
	return list
}

// Has tells whether there is a library of this name.
func (s *Libraries) Has(name string) bool { return s.libs[name] != nil }

// Without is the set without one library.
func (s *Libraries) Without(name string) *Libraries {
	n := &Libraries{libs: maps.Clone(s.libs), functions: maps.Clone(s.functions)}
	if lib := n.libs[name]; lib != nil {
		delete(n.libs, name)
		for _, f := range lib.Functions {
			delete(n.functions, strings.ToLower(f.Name))
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
	if n.libs == nil {
		n.libs, n.functions = map[string]*Library{}, map[string]*Function{}
	}
	for _, f := range lib.Functions {
		if n.functions[strings.ToLower(f.Name)] != nil {
			return nil, faultf("Function %s already exists", f.Name)
		}
	}
	n.libs[lib.Name] = lib
	for _, f := range lib.Functions {
		n.functions[strings.ToLower(f.Name)] = f
	}
	return n, nil
}

// Join is the set with all libraries of another one.
func (s *Libraries) Join(o *Libraries, replace bool) (*Libraries, error) {
	n := s
	if replace {
		for name := range o.libs {
			n = n.Without(name)
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

// Bytes is about what the set takes.
func (s *Libraries) Bytes() (n int) {
	for _, lib := range s.libs {
		n += len(lib.Code) + libraryOverhead + len(lib.Functions)*functionMemory
	}
	return n
}

const libraryOverhead = 400
