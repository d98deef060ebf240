package spec

// A Sink takes a reply piece by piece, as the writer of the RESP protocol does: Array, Map and Set announce how many
// elements (pairs, for Map) follow.
type Sink interface {
	Array(n int)
	Map(n int)
	Set(n int)
	BulkString(s string)
	Simple(s string)
	Int(n int64)
}

// WriteInfo replies one element of COMMAND INFO. Of a container's subcommands it lists those for which known is
// true: a catalogue may have more than a server runs.
func (s *Spec) WriteInfo(w Sink, known func(*Spec) bool) {
	w.Array(10)
	w.BulkString(s.Name)
	w.Int(int64(s.Arity))
	writeNames(w, bitNames(uint32(s.Flags&shownFlags), flagNames), "")
	w.Int(int64(s.First))
	w.Int(int64(s.Last))
	w.Int(int64(s.Step))
	writeNames(w, bitNames(uint32(s.Categories), categoryNames), "@")
	w.Set(len(s.Tips))
	for _, t := range s.Tips {
		w.BulkString(t)
	}
	w.Set(len(s.Keys))
	for i := range s.Keys {
		s.Keys[i].write(w)
	}
	subs := s.knownSubcommands(known)
	if len(s.Subcommands) == 0 {
		w.Set(0) // not an array: so does Redis
	} else {
		w.Array(len(subs))
	}
	for _, sub := range subs {
		sub.WriteInfo(w, known)
	}
}

// WriteKeyFlags replies the flags of one key, as COMMAND GETKEYSANDFLAGS does.
func WriteKeyFlags(w Sink, f KeyFlags) { writeNames(w, bitNames(uint32(f), keyFlagNames), "") }

func (s *Spec) knownSubcommands(known func(*Spec) bool) []*Spec {
	var subs []*Spec
	for _, sub := range s.Subcommands {
		if known(sub) {
			subs = append(subs, sub)
		}
	}
	return subs
}

func writeNames(w Sink, names []string, prefix string) {
	w.Set(len(names))
	for _, n := range names {
		w.Simple(prefix + n)
	}
}

func (k *KeySpec) write(w Sink) {
	type field struct {
		name  string
		value int
	}
	search := func(part, kind string, keyword string, fields ...field) {
		w.BulkString(part)
		w.Map(2)
		w.BulkString("type")
		w.BulkString(kind)
		w.BulkString("spec")
		n := len(fields)
		if keyword != "" {
			n++
		}
		w.Map(n)
		if keyword != "" {
			w.BulkString("keyword")
			w.BulkString(keyword)
		}
		for _, f := range fields {
			w.BulkString(f.name)
			w.Int(int64(f.value))
		}
	}
	w.Map(3)
	w.BulkString("flags")
	WriteKeyFlags(w, k.Flags)
	switch k.Begin {
	case BeginIndex:
		search("begin_search", "index", "", field{"index", k.Pos})
	case BeginKeyword:
		search("begin_search", "keyword", k.Keyword, field{"startfrom", k.Pos})
	case BeginUnknown:
		search("begin_search", "unknown", "")
	}
	switch k.Find {
	case FindRange:
		search("find_keys", "range", "", field{"lastkey", k.Last}, field{"keystep", k.Step}, field{"limit", k.Limit})
	case FindKeyNum:
		search("find_keys", "keynum", "", field{"keynumidx", k.NumAt}, field{"firstkey", k.First}, field{"keystep", k.Step})
	case FindUnknown:
		search("find_keys", "unknown", "")
	}
}

// WriteDocs replies what COMMAND DOCS has to say about a command, without its name.
func (s *Spec) WriteDocs(w Sink, known func(*Spec) bool) {
	var docFlags []string
	if s.DeprecatedSince != "" {
		docFlags = append(docFlags, "deprecated")
	}
	if s.System {
		docFlags = append(docFlags, "syscmd")
	}
	texts := [...]struct{ name, text string }{
		{"summary", s.Summary}, {"since", s.Since}, {"group", s.Group.String()}, {"complexity", s.Complexity},
		{"deprecated_since", s.DeprecatedSince}, {"replaced_by", s.ReplacedBy},
	}
	args, subs := s.Arguments(), s.knownSubcommands(known)
	n := 0
	for _, has := range []bool{len(docFlags) > 0, len(args) > 0, len(subs) > 0} {
		if has {
			n++
		}
	}
	for _, t := range texts {
		if t.text != "" {
			n++
		}
	}
	w.Map(n)
	for _, t := range texts {
		if t.name == "deprecated_since" && len(docFlags) > 0 { // where Redis puts them
			w.BulkString("doc_flags")
			writeNames(w, docFlags, "")
		}
		if t.text != "" {
			w.BulkString(t.name)
			w.BulkString(t.text)
		}
	}
	if len(args) > 0 {
		w.BulkString("arguments")
		writeArgs(w, args)
	}
	if len(subs) > 0 {
		w.BulkString("subcommands")
		w.Map(len(subs))
		for _, sub := range subs {
			w.BulkString(sub.Name)
			sub.WriteDocs(w, known)
		}
	}
}

func writeArgs(w Sink, args []Arg) {
	w.Array(len(args))
	for i := range args {
		a := &args[i]
		group := a.Type == ArgOneOf || a.Type == ArgBlock
		display := a.Display
		if display == "" && !group {
			display = a.Name
		}
		texts := [...]struct{ name, text string }{
			{"name", a.Name}, {"type", a.Type.String()}, {"display_text", display}, {"token", a.Token}, {"since", a.Since},
			{"deprecated_since", a.DeprecatedSince},
		}
		var flags []string
		for _, f := range []struct {
			set  bool
			name string
		}{{a.Optional, "optional"}, {a.Multiple, "multiple"}, {a.MultipleToken, "multiple_token"}} {
			if f.set {
				flags = append(flags, f.name)
			}
		}
		n := 0
		for _, has := range []bool{a.KeySpec >= 0, len(flags) > 0, group} {
			if has {
				n++
			}
		}
		shown := func(name, text string) bool { return text != "" || name == "token" && a.Type == ArgPureToken }
		for _, t := range texts {
			if shown(t.name, t.text) {
				n++
			}
		}
		w.Map(n)
		for _, t := range texts {
			if shown(t.name, t.text) {
				w.BulkString(t.name)
				w.BulkString(t.text)
			}
			if t.name == "display_text" && a.KeySpec >= 0 {
				w.BulkString("key_spec_index")
				w.Int(int64(a.KeySpec))
			}
		}
		if len(flags) > 0 {
			w.BulkString("flags")
			writeNames(w, flags, "")
		}
		if group {
			w.BulkString("arguments")
			writeArgs(w, a.Args)
		}
	}
}
