package spec

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func args(words ...string) [][]byte {
	argv := make([][]byte, len(words))
	for i, w := range words {
		argv[i] = []byte(w)
	}
	return argv
}

// TestKeyRangeNamesTheSameKeys compares the fast way with the thorough one, for all commands and lengths.
func TestKeyRangeNamesTheSameKeys(t *testing.T) {
	fast := 0
	for _, s := range everySpec() {
		fewest := max(s.Arity, -s.Arity)
		for argc := fewest; argc <= fewest+8; argc++ {
			if !s.ArityOK(argc) {
				continue
			}
			argv := args(make([]string, argc)...)
			first, last, step, ok := s.KeyRange(argc)
			if !ok {
				if !s.HasKeys() {
					t.Fatalf("%s has no keys, and no range", s.Name)
				}
				continue
			}
			fast++
			var want []int
			for _, r := range s.AppendKeys(nil, argv) {
				want = append(want, r.Pos)
			}
			var got []int
			for i := first; i <= last; i += step {
				got = append(got, i)
			}
			slices.Sort(want) // COMMAND GETKEYS may have another order
			if !slices.Equal(got, want) {
				t.Errorf("%s of %d arguments: range %d to %d by %d, keys %v", s.Name, argc, first, last, step, want)
			}
		}
	}
	if fast < 1000 {
		t.Fatalf("only %d ranges", fast)
	}
}

func TestKeysStayInsideTheRequest(t *testing.T) {
	words := args("", "0", "1", "2", "3", "9", "-1", "4294967297", "99999999999999999999", "STORE", "KEYS", "STREAMS", "GET", "BY", "LIMIT", "AUTH2", "x")
	rnd := rand.New(rand.NewPCG(1, 1))
	for _, s := range everySpec() {
		for range 200 {
			argv := make([][]byte, rnd.IntN(10)) // also fewer than the command takes
			for i := range argv {
				argv[i] = words[rnd.IntN(len(words))]
			}
			if s.find != nil && !s.ArityOK(len(argv)) {
				continue // finders are asked only after the number of arguments was found to be right
			}
			refs := s.AppendNotKeys(s.AppendKeys(nil, argv), argv)
			seen := map[int]bool{}
			for _, r := range refs {
				if r.Pos < 1 || r.Pos >= len(argv) {
					t.Fatalf("%s %q: key at %d", s.Name, argv, r.Pos)
				}
				seen[r.Pos] = true
			}
			first, last, step, ok := s.KeyRange(len(argv))
			for i := first; ok && i <= last; i += step {
				if i < 1 || i >= len(argv) {
					t.Fatalf("%s of %d: range to %d", s.Name, len(argv), last)
				}
			}
		}
	}
}

func TestAppendKeys(t *testing.T) {
	for _, c := range []struct {
		line []string
		want []KeyRef
	}{
		{[]string{"msetex", "2", "a", "1", "b", "2", "NX"}, []KeyRef{{2, OW | Update}, {4, OW | Update}}},
		{[]string{"msetex", "3", "a", "1", "b", "2"}, nil},
		{[]string{"hsetex", "k", "FIELDS", "1", "f", "v"}, []KeyRef{{1, RW | Update}}},
		{[]string{"delex", "k"}, []KeyRef{{1, RM | Delete}}},
		{[]string{"delifeq", "k", "v"}, []KeyRef{{1, RM | Delete}}}, // as Valkey 9 has it
		{[]string{"delex", "k", "IFEQ", "v"}, []KeyRef{{1, RW | Delete}}},
		{[]string{"set", "k", "v", "ifdne", "x"}, []KeyRef{{1, RW | Update}}},
		{[]string{"spublish", "c", "m"}, nil},
		{[]string{"dbsize"}, nil},
		// Words that are options in one place and arguments in another: the keys are those that the command uses.
		{[]string{"sort", "k", "STORE", "get", "STORE", "d"}, []KeyRef{{1, RO | Access}, {5, OW | Update}}},
		{[]string{"georadius", "k", "1", "2", "3", "m", "STORE", "STORE", "STORE", "d"},
			[]KeyRef{{1, RO | Access}, {7, OW | Update}, {9, OW | Update}}},
		{[]string{"georadiusbymember", "k", "STORE", "1", "m", "storedist", "d"}, []KeyRef{{1, RO | Access}, {6, OW | Update}}},
		{[]string{"xreadgroup", "COUNT", "1", "GROUP", "STREAMS", "STREAMS", "STREAMS", "k", ">"}, []KeyRef{{7, RO | Access}}},
		{[]string{"xreadgroup", "COUNT", "1", "GROUP", "g", "STREAMS", "CLAIM", "0", "STREAMS", "k", ">"}, []KeyRef{{9, RO | Access}}},
		{[]string{"xreadgroup", "claim", "5", "GROUP", "STREAMS", "c", "NOACK", "STREAMS", "j", "k", ">", "0"}, []KeyRef{{8, RO | Access}, {9, RO | Access}}},
		{[]string{"xreadgroup", "GROUP", "g", "c", "NOACK", "BLOCK", "0", "STREAMS", "STREAMS", "b", ">", ">"},
			[]KeyRef{{8, RO | Access}, {9, RO | Access}}},
		// Redis tells no key here, so there the ACL rules about keys do not hold PFMERGE back.
		{[]string{"pfmerge", "d"}, []KeyRef{{1, RW | Access | Insert}}},
		{[]string{"pfmerge", "d", "a"}, []KeyRef{{1, RW | Access | Insert}, {2, RO | Access}}},
	} {
		s := Must(c.line[0])
		if got := s.AppendKeys(nil, args(c.line...)); !slices.Equal(got, c.want) {
			t.Errorf("%v: %v, want %v", c.line, got, c.want)
		}
	}
	before := []KeyRef{{7, RO}}
	if got := Must("eval").AppendKeys(before, args("eval", "s", "2", "a")); !slices.Equal(got, before) {
		t.Errorf("what stood before is lost: %v", got)
	}
	if got := Must("ssubscribe").AppendNotKeys(nil, args("ssubscribe", "a", "b")); len(got) != 2 || got[0].Pos != 1 {
		t.Errorf("ssubscribe goes by %v", got)
	}
}

// TestKeysOfShortRequests: a request may be asked about that is too short to run (redis.acl_check_cmd), and has no keys then that it
// does not have.
func TestKeysOfShortRequests(t *testing.T) {
	for _, s := range All() {
		for n := 1; n < 8; n++ {
			argv := args(strings.Split(s.Name+strings.Repeat(" 1", 7), " ")[:n]...)
			for _, r := range s.AppendKeys(nil, argv) {
				if r.Pos >= n {
					t.Errorf("%s of %d words has a key at %d", s.Name, n, r.Pos)
				}
			}
		}
	}
}

func TestKeysAllocateNothing(t *testing.T) {
	lines := [][][]byte{
		args("get", "k"), args("mset", "a", "1", "b", "2"), args("set", "k", "v", "GET"), args("zunionstore", "d", "2", "a", "b"),
		args("xread", "STREAMS", "a", "b", "0", "0"), args("sort", "k", "STORE", "d"), args("eval", "s", "1", "k"),
		args("migrate", "h", "1", "", "0", "1", "KEYS", "a", "b"), args("bitfield", "k", "GET", "u8", "0"),
	}
	dst := make([]KeyRef, 0, 16)
	sum := 0
	if n := testing.AllocsPerRun(100, func() {
		for _, argv := range lines {
			s := catalogue[string(argv[0])]
			_, last, _, _ := s.KeyRange(len(argv))
			dst = s.AppendKeys(dst[:0], argv)
			sum += last + len(dst)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkKeyRange(b *testing.B) {
	s, sum := Must("mget"), 0
	for b.Loop() {
		first, last, _, _ := s.KeyRange(4)
		sum += first + last
	}
}

func BenchmarkAppendKeys(b *testing.B) {
	s, argv, dst := Must("zunionstore"), args("zunionstore", "d", "2", "a", "b"), make([]KeyRef, 0, 8)
	for b.Loop() {
		dst = s.AppendKeys(dst[:0], argv)
	}
}
