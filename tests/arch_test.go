// Package tests holds the source to its plan. The programs and suites of tests that need a running server stand in
// the folders below.
//
// The plan has floors: cmd stands on server, server on its commands, on persistence and on replication, all of them on
// keyspace, keyspace on datatypes and eviction. Whoever imports something new says so here, in one line, or finds that
// the thing belongs elsewhere.
package tests

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

const module = "larder/"

// maxLines is how long a file may get before it is two.
const maxLines = 700

// arrows says which packages of this module each package may import. A name ending in /... stands for the package and
// all below it. The first entry that fits a package counts.
var arrows = []struct{ from, to string }{
	{"cmd/...", "server server/config server/log persistence/... replication/..."},

	{"server/command/spec", ""},
	{"server/command", "keyspace datatypes datatypes/decimal persistence/codec server/command/spec server/glob server/resp"},
	{"server/netloop", "server/resp"},
	{"server/resp", "datatypes/decimal datatypes/words"},
	{"server/glob", ""},
	{"server/config", "server/glob datatypes/words"},
	{"server/log", ""},
	{"server/tlsconf", "server/tlsconf/testcert"}, // its tests make certificates
	{"server/metrics", ""},
	{"server/tlsconf/testcert", ""},
	{"server/acl", "server/command/spec server/glob"},
	{"server/pubsub", "server/glob"},
	{"server/script/...", "server/resp datatypes/decimal datatypes/words"},
	{"server", "server/... keyspace eviction persistence/... replication/... datatypes/words"},

	{"replication/failover/...", "replication"},
	{"replication", "keyspace persistence/codec"},
	{"persistence/codec", "datatypes/..."},
	{"persistence/powerloss", ""},
	{"persistence", "keyspace persistence/codec persistence/powerloss datatypes datatypes/decimal datatypes/listpack datatypes/words"},

	{"keyspace", "datatypes/... eviction"},
	{"eviction", ""},

	{"datatypes/invariant", ""},
	{"datatypes/decimal", ""},
	{"datatypes/words", ""},
	{"datatypes/arena", ""},
	{"datatypes/table", "datatypes/arena"},
	{"datatypes/btree", "datatypes/arena"},
	{"datatypes/listpack", ""},
	{"datatypes/intset", ""},
	{"datatypes", "datatypes/..."},

	{"tests/internal/...", "tests/internal/..."},
	{"tests/...", "tests/... server/... keyspace persistence/... replication/... datatypes/... eviction"},
}

// everywhere may be imported by every package: it has no floor.
var everywhere = []string{"datatypes/invariant"}

// outside says where each outside dependency lives. Test files may use what is marked so anywhere.
var outside = []struct {
	module, rooms string
	tests         bool
}{
	{"github.com/spf13/cobra", "cmd/...", false},
	{"go.uber.org/zap", "cmd/... server server/log", false},
	{"github.com/robfig/cron/v3", "server", false},
	{"github.com/tidwall/redcon", "server/resp", false},
	{"golang.org/x/sys", "datatypes/arena server/netloop replication/failover tests/...", true}, // the system's own calls: memory and sockets
	{"github.com/hashicorp/raft", "replication/failover", false},
	{"github.com/hashicorp/raft-boltdb/v2", "replication/failover", false},
	{"github.com/hashicorp/go-hclog", "replication/failover", false},
	{"go.etcd.io/bbolt", "replication/failover", false},
	{"github.com/anishathalye/porcupine", "tests/partition", false},
	{"github.com/redis/go-redis/v9", "tests/...", false},
	{"github.com/redis/rueidis", "tests/...", false},
	{"github.com/gomodule/redigo", "tests/compat/clients", false}, // a client, and what stands on clients
	{"github.com/hibiken/asynq", "tests/compat/clients", false},
	{"github.com/centrifugal/centrifuge", "tests/compat/clients", false},
	{"github.com/yuin/gopher-lua", "server/script", false},
	{"github.com/prometheus/client_golang", "server/metrics", false},
	{"github.com/prometheus/common", "", true}, // reads what the above has written
	{"github.com/prometheus/client_model", "", true},
	{"pgregory.net/rapid", "", true},
	{"github.com/klauspost/compress", "tests/bench/hitratio", false}, // traces come compressed
	{"github.com/ulikunitz/xz", "tests/bench/hitratio", false},
	{"gonum.org/v1/plot", "tests/internal/chart", false}, // pictures of what was measured
}

// unsafeRooms are the packages that may import unsafe, and unsafeFiles what may do so elsewhere.
var (
	unsafeRooms = "datatypes/..."
	unsafeFiles = map[string]string{
		"server/netloop/sys_linux.go": "recv and send without the scheduler's hooks take addresses",
	}
)

// longFiles are longer than maxLines, for a reason.
var longFiles = map[string]string{}

// paths that only mean something on one machine. The home folders of examples are written /home/you.
var machinePath = regexp.MustCompile(`(^|[\s"'=(\x60])/(` + "work|root|mnt|Users" + `|home/[^/\s]+)/`)

// violations reads a source tree and lists what is not as planned, one sentence each.
func violations(tree fs.FS) ([]string, error) {
	v := &house{used: map[string]bool{}, documented: map[string]bool{}}
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		switch {
		case d.IsDir() && (name == ".git" || name == "bin"):
			return fs.SkipDir
		case d.IsDir() || name == ".git": // which is a file in a second work tree
			return nil
		}
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		return v.file(name, text)
	})
	if err != nil {
		return nil, err
	}
	v.finish()
	slices.Sort(v.list)
	return v.list, nil
}

type house struct {
	list       []string
	used       map[string]bool // exceptions that were needed
	documented map[string]bool // packages: has one of their files a package comment?
}

func (v *house) add(format string, args ...any) {
	v.list = append(v.list, fmt.Sprintf(format, args...))
}

func (v *house) file(name string, text []byte) error {
	binary := slices.Contains(text, 0)
	if !binary && name != "tests/arch_test.go" {
		for i, line := range strings.Split(string(text), "\n") {
			if at := machinePath.FindString(line); at != "" && !strings.Contains(at, "/home/you/") {
				v.add("%s:%d names a folder of one machine: %s", name, i+1, strings.TrimSpace(at))
			}
		}
	}
	if path.Ext(name) != ".go" {
		return nil
	}
	if lines := strings.Count(string(text), "\n"); lines > maxLines {
		if v.used[name] = true; longFiles[name] == "" {
			v.add("%s has %d lines, more than %d", name, lines, maxLines)
		}
	}
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	pkg, test := path.Dir(name), strings.HasSuffix(name, "_test.go")
	recorder := strings.Contains(pkg, "/testdata")
	if !recorder {
		v.documented[pkg] = v.documented[pkg] || f.Doc != nil && len(f.Doc.Text()) > 40
		v.imports(name, pkg, test, f)
	}
	v.words(name, test, set, f)
	return nil
}

// imports holds a file's imports to the tables.
func (v *house) imports(name, pkg string, test bool, f *ast.File) {
	allowed, known := "", false
	for _, a := range arrows {
		if fits(pkg, a.from) {
			allowed, known = a.to, true
			break
		}
	}
	if !known {
		v.add("%s: the plan has no room %s", name, pkg)
	}
	for _, spec := range f.Imports {
		what, _ := strconv.Unquote(spec.Path.Value)
		host, _, _ := strings.Cut(what, "/")
		switch {
		case what == "unsafe":
			if !anyFits(pkg, unsafeRooms) {
				if v.used[name] = true; unsafeFiles[name] == "" {
					v.add("%s imports unsafe", name)
				}
			}
		case what == "C":
			v.add("%s imports C", name)
		case strings.HasPrefix(what, module):
			to := strings.TrimPrefix(what, module)
			if to != pkg && !slices.Contains(everywhere, to) && !anyFits(to, allowed) {
				v.add("%s: %s must not import %s", name, pkg, to)
			}
		case strings.Contains(host, "."):
			if !outsideAllowed(what, pkg, test) {
				v.add("%s: %s has no place in %s", name, what, pkg)
			}
		}
	}
}

// words looks for what nobody should leave behind.
func (v *house) words(name string, test bool, set *token.FileSet, f *ast.File) {
	for _, group := range f.Comments {
		for _, c := range group.List {
			for _, word := range []string{"TO" + "DO", "FIX" + "ME", "not imple" + "mented"} {
				if strings.Contains(c.Text, word) {
					v.add("%s: a %s", set.Position(c.Pos()), word)
				}
			}
		}
	}
	if !test {
		return
	}
	ast.Inspect(f, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok || sel.Sel.Name != "Sleep" {
			return true
		}
		if pkg, ok := sel.X.(*ast.Ident); ok && pkg.Name == "time" {
			v.add("%s: a test sleeps; let it wait for what it waits for", set.Position(n.Pos()))
		}
		return true
	})
}

func (v *house) finish() {
	for pkg, has := range v.documented {
		if !has {
			v.add("package %s has no comment that explains it", pkg)
		}
	}
	for _, table := range []map[string]string{longFiles, unsafeFiles} {
		for name := range table {
			if !v.used[name] {
				v.add("%s is no exception any more", name)
			}
		}
	}
}

// fits tells whether a package is the one named, or below it if the name ends in /... .
func fits(pkg, name string) bool {
	base, below := strings.CutSuffix(name, "/...")
	return pkg == base || below && strings.HasPrefix(pkg, base+"/")
}

func anyFits(pkg, names string) bool {
	for _, n := range strings.Fields(names) {
		if fits(pkg, n) {
			return true
		}
	}
	return false
}

func outsideAllowed(what, pkg string, test bool) bool {
	for _, d := range outside {
		if what == d.module || strings.HasPrefix(what, d.module+"/") {
			return anyFits(pkg, d.rooms) || test && d.tests
		}
	}
	return false
}

func TestSourceIsAsPlanned(t *testing.T) {
	root, err := os.Getwd()
	for err == nil {
		if _, gone := os.Stat(path.Join(root, "go.mod")); gone == nil {
			break
		}
		if root == path.Dir(root) {
			t.Fatal("no go.mod above the tests")
		}
		root = path.Dir(root)
	}
	list, err := violations(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range list {
		t.Error(l)
	}
}

// TestViolationsAreSeen builds small trees with one thing wrong in each.
func TestViolationsAreSeen(t *testing.T) {
	const doc = "// Package p is there to be looked at, and that is all it does.\npackage p\n"
	for _, c := range []struct{ name, text, want string }{
		{"datatypes/x.go", doc, ""},
		{"keyspace/x.go", doc + `import _ "larder/datatypes/arena"`, ""},
		{"keyspace/x.go", doc + `import _ "larder/server"`, "keyspace must not import server"},
		{"keyspace/x_test.go", doc + `import _ "larder/server/command"`, "keyspace must not import server/command"},
		{"datatypes/x.go", doc + `import _ "larder/keyspace"`, "datatypes must not import keyspace"},
		{"datatypes/arena/x.go", doc + `import _ "larder/datatypes"`, "datatypes/arena must not import datatypes"},
		{"datatypes/arena/x.go", doc + `import _ "larder/datatypes/invariant"`, ""},
		{"server/resp/x.go", doc + `import _ "larder/datatypes/invariant"`, ""},
		{"server/command/x.go", doc + `import _ "larder/server"`, "server/command must not import server"},
		{"server/command/spec/x.go", doc + `import _ "larder/server/resp"`, "server/command/spec must not import server/resp"},
		{"server/x.go", doc + `import _ "larder/tests"`, "server must not import tests"},
		{"server/x.go", doc + `import _ "go.uber.org/zap"`, ""},
		{"server/x.go", doc + `import _ "go.uber.org/zap/zapcore"`, ""},
		{"keyspace/x.go", doc + `import _ "go.uber.org/zap"`, "go.uber.org/zap has no place in keyspace"},
		{"server/command/x.go", doc + `import _ "go.uber.org/zap"`, "no place in server/command"},
		{"server/x.go", doc + `import _ "github.com/tidwall/redcon"`, "no place in server"},
		{"server/x.go", doc + `import _ "github.com/nobody/knows"`, "no place in server"},
		{"server/x.go", doc + `import _ "pgregory.net/rapid"`, "no place in server"},
		{"server/x_test.go", doc + `import _ "pgregory.net/rapid"`, ""},
		{"server/x.go", doc + `import _ "unsafe"`, "server/x.go imports unsafe"},
		{"datatypes/table/x.go", doc + `import _ "unsafe"`, ""},
		{"datatypes/x.go", doc + `import "C"`, "imports C"},
		{"somewhere/x.go", doc, "no room somewhere"},
		{"eviction/x.go", "package p\n", "package eviction has no comment"},
		{"eviction/x.go", doc + strings.Repeat("\n", maxLines), "more than 700"},
		{"eviction/x.go", doc + "// TO" + "DO: the rest\n", "a TO" + "DO"},
		{"eviction/x_test.go", doc + "import \"time\"\nfunc f() { time.Sleep(1) }\n", "a test sleeps"},
		{"eviction/x.go", doc + "import \"time\"\nfunc f() { time.Sleep(1) }\n", ""},
		{"notes.md", "see /ro" + "ot/notes for more\n", "notes.md:1 names a folder of one machine"},
		{"notes.md", "in /home/you/larder, or https://example.org/work/\n", ""},
		{"bin/x.go", "rubbish", ""},
		{".git/x.go", "rubbish", ""},
		{".git", "gitdir: /ro" + "ot/other\n", ""},
	} {
		tree := fstest.MapFS{c.name: {Data: []byte(c.text)}}
		for name := range unsafeFiles {
			tree[name] = &fstest.MapFile{Data: []byte(doc + `import _ "unsafe"`)}
		}
		list, err := violations(tree)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		switch {
		case c.want == "" && len(list) > 0:
			t.Errorf("%s with %q: %q", c.name, c.text, list)
		case c.want != "" && (len(list) != 1 || !strings.Contains(list[0], c.want)):
			t.Errorf("%s with %.80q: %q, want %q", c.name, c.text, list, c.want)
		}
	}
	if _, err := violations(fstest.MapFS{"server/x.go": {Data: []byte("rubbish")}}); err == nil {
		t.Error("a file that is no Go is not seen")
	}
	if list, _ := violations(fstest.MapFS{"eviction/x.go": {Data: []byte(doc)}}); len(unsafeFiles) > 0 && len(list) == 0 {
		t.Error("exceptions that are not needed are not seen")
	}
}
