package spec

// A KeySpec says where some of a command's keys stand: first find a place in the request, then the keys from there.
type KeySpec struct {
	Flags   KeyFlags
	Begin   Begin
	Pos     int    // BeginIndex: the place. BeginKeyword: where the search starts; negative: from the end, backwards
	Keyword string // BeginKeyword: upper case; keys start after it

	Find  Find
	Last  int // FindRange: last key, relative to the place; negative: from the end of the request
	Step  int // both: distance between two keys
	Limit int // FindRange with Last -1: only the first 1/Limit of the rest are keys; 0 and 1: all of it
	NumAt int // FindKeyNum: where the number of keys stands, relative to the place
	First int // FindKeyNum: where the first key stands, relative to the place
}

// Begin is how the place of the first key is found.
type Begin uint8

// Ways to find the place.
const (
	BeginIndex Begin = iota
	BeginKeyword
	BeginUnknown
)

// Find is how the keys are found from the place.
type Find uint8

// Ways to find the keys.
const (
	FindRange Find = iota
	FindKeyNum
	FindUnknown
)

// The constructors below keep the catalogue's entries short.

// key is a single key at pos.
func key(pos int, f KeyFlags) KeySpec { return KeySpec{Flags: f, Pos: pos, Step: 1} }

// keys are those from pos to last (from the end if negative), step apart.
func keys(pos, last, step int, f KeyFlags) KeySpec {
	return KeySpec{Flags: f, Pos: pos, Last: last, Step: step}
}

// numbered are keys whose number stands at pos, directly before them, step apart.
func numbered(pos, step int, f KeyFlags) KeySpec {
	return KeySpec{Flags: f, Pos: pos, Find: FindKeyNum, NumAt: 0, First: 1, Step: step}
}

// after is the key that follows a keyword, which is looked for from pos on.
func after(keyword string, pos int, f KeyFlags) KeySpec {
	return KeySpec{Flags: f, Begin: BeginKeyword, Keyword: keyword, Pos: pos, Step: 1}
}

// allAfter are the keys from a keyword to the end, or the first half of what stands there if limit is 2.
func allAfter(keyword string, pos, limit int, f KeyFlags) KeySpec {
	return KeySpec{Flags: f, Begin: BeginKeyword, Keyword: keyword, Pos: pos, Last: -1, Step: 1, Limit: limit}
}

// unknown are keys of which no client can know the place.
func unknown(f KeyFlags) KeySpec { return KeySpec{Flags: f, Begin: BeginUnknown, Find: FindUnknown} }

// A KeyRef is one key of a request: its index among the arguments (the name is 0) and what the command does with it.
type KeyRef struct {
	Pos   int
	Flags KeyFlags
}

// HasKeys says whether requests of this command can name keys at all.
func (s *Spec) HasKeys() bool { return s.hasKeys }

// KeyRange is the fast way to the keys of a request of argc arguments: they stand at first, first+step, … up to and
// including last. ok is false if this command's keys cannot be told this way, and AppendKeys has to be asked. A
// command without keys, or a request too short to have any, gets an empty range (first > last) and ok.
func (s *Spec) KeyRange(argc int) (first, last, step int, ok bool) {
	if !s.plain {
		return 1, 0, 1, !s.hasKeys
	}
	last = s.Last
	if last < 0 {
		last += argc
	}
	if last >= argc {
		return 1, 0, 1, true
	}
	return s.First, last, s.Step, true
}

// AppendKeys appends the keys of a request in the order in which COMMAND GETKEYS replies them. A request whose key
// arguments cannot be understood has no keys: the command answers it with an error before it looks at any. Nothing
// is allocated if dst has room.
func (s *Spec) AppendKeys(dst []KeyRef, argv [][]byte) []KeyRef {
	start := len(dst)
	whole := s.find != nil && s.ArityOK(len(argv)) // finders count on it
	if s.findFirst && whole {
		if dst = s.find(dst, argv); len(dst) > start {
			return dst
		}
	}
	ok := true
	for i := range s.Keys {
		if s.Keys[i].Flags&NotKey != 0 {
			continue
		}
		if dst, ok = s.Keys[i].append(dst, argv); !ok {
			break
		}
	}
	if ok {
		return dst
	}
	dst = dst[:start]
	if s.findFirst || !whole {
		return dst
	}
	return s.find(dst, argv)
}

// AppendNotKeys appends the arguments that are no keys but are sent to the node where a key of that name would be:
// the channels of sharded publish and subscribe.
func (s *Spec) AppendNotKeys(dst []KeyRef, argv [][]byte) []KeyRef {
	for i := range s.Keys {
		if s.Keys[i].Flags&NotKey != 0 {
			dst, _ = s.Keys[i].append(dst, argv)
		}
	}
	return dst
}

// append is false if the spec cannot tell the keys of this request, or not all of them.
func (k *KeySpec) append(dst []KeyRef, argv [][]byte) ([]KeyRef, bool) {
	argc := len(argv)
	first := k.Pos
	switch k.Begin {
	case BeginKeyword:
		if first = k.search(argv); first == 0 {
			return dst, true // the keyword is not there, nor are its keys
		}
	case BeginUnknown:
		return dst, false
	}
	last := 0
	switch k.Find {
	case FindRange:
		switch {
		case k.Last >= 0:
			last = first + k.Last
		case k.Limit == 0:
			last = argc + k.Last
		default:
			last = first + (argc-first)/k.Limit + k.Last
		}
	case FindKeyNum:
		at := first + k.NumAt
		if at >= argc {
			return dst, false
		}
		n, ok := number(argv[at], argc)
		if !ok {
			return dst, false
		}
		first += k.First
		last = first + (n-1)*k.Step
	case FindUnknown:
		return dst, false
	}
	if first == argc && last == argc-1 && k.Find == FindRange {
		return dst, true // all that follow, and none does: PFMERGE key
	}
	if first >= argc || last >= argc || last < first {
		return dst, false
	}
	for i := first; i <= last; i += k.Step {
		dst = append(dst, KeyRef{i, k.Flags})
	}
	return dst, k.Flags&Incomplete == 0
}

// search returns the index after the keyword, 0 if it is not there. As in Redis the very last argument is not looked
// at when searching forwards, nor the first after the name when searching backwards.
func (k *KeySpec) search(argv [][]byte) int {
	if k.Pos > 0 {
		for i := k.Pos; i < len(argv)-1; i++ {
			if is(argv[i], k.Keyword) {
				return i + 1
			}
		}
		return 0
	}
	for i := len(argv) + k.Pos; i > 1; i-- {
		if is(argv[i], k.Keyword) {
			return i + 1
		}
	}
	return 0
}

// is compares an argument with an upper-case ASCII word, whatever the argument's case.
func is(arg []byte, word string) bool {
	if len(arg) != len(word) {
		return false
	}
	for i, c := range arg {
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		if c != word[i] {
			return false
		}
	}
	return true
}

// number reads how many keys follow: plain decimal digits, more than none and less than most. More than that cannot be
// right in a request of most arguments.
func number(arg []byte, most int) (int, bool) {
	n := 0
	for _, c := range arg {
		if c < '0' || c > '9' || n >= most {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, n > 0 && n < most && arg[0] != '0'
}

// legacyRange folds key specs into first, last and step. Specs at fixed places that follow one another are joined;
// plain is false if that leaves any key out, or if what it names are not keys.
func legacyRange(ks []KeySpec) (first, last, step int, plain bool) {
	if len(ks) == 1 && ks[0].Begin == BeginIndex && ks[0].Find == FindRange {
		k := &ks[0]
		first, last, step = k.Pos, k.Last, k.Step
		if last >= 0 {
			last += first
		}
		return first, last, step, k.Flags&(Incomplete|NotKey) == 0
	}
	plain = true
	for i := range ks {
		k := &ks[i]
		if k.Flags&(Incomplete|NotKey) != 0 {
			plain = false
		}
		if k.Begin != BeginIndex || k.Find != FindRange || k.Step != 1 || (last != 0 && last != k.Pos-1) {
			plain = false
			continue
		}
		end := k.Last
		if end >= 0 {
			end += k.Pos
		}
		if first == 0 || k.Pos < first {
			first = k.Pos
		}
		if last >= 0 && (end < 0 || end > last) { // the end of the request lies behind any fixed place
			last = end
		}
		step = 1
	}
	return first, last, step, plain && first != 0
}
