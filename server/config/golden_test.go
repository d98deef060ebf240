package config

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The golden files hold what a real redis-server says; see testdata/record.
//go:generate go run ./testdata/record

// differences are the directives whose default is not redis-server's.
var differences = map[string]string{
	"activedefrag":               "no",        // Larder defragments by itself, so it says yes
	"active-defrag-ignore-bytes": "104857600", // and small instances, too
}

func goldenLines(t *testing.T, name string) []string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(content), "\n"), "\n")
}

// show is the reply of CONFIG GET in the form of the golden files.
func show(pairs []Pair, dir string) []string {
	out := make([]string, len(pairs))
	for i, p := range pairs {
		out[i] = p.Name + " " + strings.ReplaceAll(Quote(p.Value), dir, "$DIR")
	}
	slices.Sort(out)
	return out
}

func TestDefaultsAreRedis(t *testing.T) {
	s := New()
	known := map[string]bool{}
	for _, l := range goldenLines(t, "defaults.txt") {
		name, want, _ := strings.Cut(l, " ")
		known[name] = true
		got := s.Get(name)
		if len(got) != 1 {
			t.Errorf("there is no directive %s", name)
			continue
		}
		if theirs, ok := differences[name]; ok {
			if want != Quote(theirs) || got[0].Value == theirs {
				t.Errorf("%s is listed as different but is not: %s here, %s there", name, got[0].Value, want)
			}
			continue
		}
		if Quote(got[0].Value) != want {
			t.Errorf("%s is %q, redis-server has %s", name, got[0].Value, want)
		}
	}
	// The other way round: what redis-server does not have is Larder's or from its relatives, and does not surprise
	// who sets every directive to the value that it has.
	for _, r := range Rows() {
		if r.Name == "port" || r.Name == "unixsocket" || r.Name == "dir" || known[r.Name] {
			continue
		}
		if r.Immutable && !r.own {
			t.Errorf("%s is unknown to redis-server and cannot be set to the value it has", r.Name)
		}
	}
}

func TestConfigSetAndGetAsRedis(t *testing.T) {
	s := New()
	lines := goldenLines(t, "set.txt")
	cases := 0
	for i := 0; i < len(lines); i++ {
		if !strings.HasPrefix(lines[i], "> ") {
			continue
		}
		command := lines[i]
		var want []string
		for i+1 < len(lines) && lines[i+1] != "" && !strings.HasPrefix(lines[i+1], "> ") {
			i++
			want = append(want, lines[i])
		}
		args, err := SplitArgs(command[2:])
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		if args[0] == "GET" {
			got = show(s.Get(args[1:]...), "$none")
		} else {
			got = []string{"OK"}
			if err := s.Set(Caller{Local: true}, pairsOf(args[1:])...); err != nil {
				got = []string{"ERR " + strings.Replace(err.Error(), ", flush-before-load", "", 1)} // which Valkey has added
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s\n got %q\nwant %q", command, got, want)
		}
		cases++
	}
	if cases < 150 {
		t.Errorf("only %d commands in the golden file", cases)
	}
}

func pairsOf(words []string) []Pair {
	var pairs []Pair
	for i := 0; i+1 < len(words); i += 2 {
		pairs = append(pairs, Pair{words[i], words[i+1]})
	}
	return pairs
}

// blocks calls fn for each "# case" of a golden file.
func blocks(t *testing.T, name string, fn func(t *testing.T, block map[string][]string)) {
	var title string
	block := map[string][]string{}
	count := 0
	finish := func() {
		if len(block) > 0 {
			b := block
			t.Run(title, func(t *testing.T) { fn(t, b) })
			count++
		}
		block = map[string][]string{}
	}
	for _, l := range goldenLines(t, name) {
		if strings.HasPrefix(l, "# ") {
			finish()
			title = l[2:]
		} else if key, value, ok := strings.Cut(l, "|"); ok {
			block[key] = append(block[key], strings.TrimPrefix(value, " "))
		}
	}
	finish()
	if count < 10 {
		t.Errorf("only %d cases in %s", count, name)
	}
}

// startFile writes the lines to a file as the recorder did and returns its path.
func startFile(t *testing.T, lines []string) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "redis.conf")
	text := fmt.Sprintf("port 0\nunixsocket %s/sock\n", dir) + strings.Join(lines, "\n")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestStartAsRedis(t *testing.T) {
	blocks(t, "start.txt", func(t *testing.T, block map[string][]string) {
		args := []string{startFile(t, block["file"])}
		for _, l := range block["args"] {
			words, err := SplitArgs(l)
			if err != nil {
				t.Fatal(err)
			}
			args = append(args, words...)
		}
		s := New()
		var got []string
		if err := s.Load(ParseArgs(args), nil); err != nil {
			got = strings.Split(strings.ReplaceAll(err.Error(), "(Redis "+CompatVersion+")", "(Redis VERSION)"), "\n")
			// Behind Redis's text stands a line of ours.
			got = got[:min(len(got), len(block["out"]))]
		} else if len(block["get"]) > 0 {
			got = show(s.Get(strings.Fields(block["get"][0])...), "$none")
		}
		if !slices.Equal(got, block["out"]) {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(block["out"], "\n"))
		}
	})
}

func TestRewriteAsRedis(t *testing.T) {
	blocks(t, "rewrite.txt", func(t *testing.T, block map[string][]string) {
		path := startFile(t, append(block["file"], ""))
		s := New()
		if err := s.Load(Source{File: path}, nil); err != nil {
			t.Fatal(err)
		}
		// The recorder ran in the file's directory.
		must(t, s.Adopt("dir", filepath.Dir(path)))
		for _, l := range block["set"] {
			words, err := SplitArgs(l)
			if err != nil {
				t.Fatal(err)
			}
			must(t, s.Set(Caller{}, pairsOf(words)...))
		}
		must(t, s.Rewrite(RewriteOptions{Users: func() []string { return []string{"default on nopass sanitize-payload ~* &* +@all"} }}))
		content, err := os.ReadFile(path)
		must(t, err)
		got := strings.Split(strings.ReplaceAll(string(bytes.TrimSuffix(content, []byte("\n"))), filepath.Dir(path), "$DIR"), "\n")
		if i := slices.Index(got, signature); i >= 0 {
			slices.Sort(got[i+1:])
		}
		if !slices.Equal(got, block["new"]) {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(block["new"], "\n"))
		}
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
