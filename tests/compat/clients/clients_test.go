// Package clients runs real client libraries against larder, as they come from their registries.
//
//	go test ./tests/compat/clients                the Go libraries, and those that Debian has installed
//	go test ./tests/compat/clients -live          also those of npm, fetched into a temporary folder
//	go test -v ./tests/compat/clients -live -table   prints the matrix that README shows
//	go test ./tests/compat/clients -on redis-server   runs them on another server: do the programs say the truth?
//
// Each library has a program that does what applications do with it, feature by feature, against a server that was
// started without any option for clients. For libraries of other languages the program stands in testdata; it is given
// the server's host and port, and writes a line for each feature: "ok NAME", or "FAILED NAME: what went wrong".
package clients

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"larder/tests/internal/peer"
)

var (
	live  = flag.Bool("live", false, "fetch the libraries of npm, too")
	table = flag.Bool("table", false, "print the matrix")
	on    = flag.String("on", "", "run the libraries on this server instead of larder")
)

// features are the columns of the matrix.
var features = []string{"connect", "RESP3", "pipeline", "pub/sub", "transaction", "stream", "lock", "queue", "blocking", "script", "reconnect"}

// matrix collects what the tests of this process have seen: true for each feature that works.
var matrix = struct {
	mu   sync.Mutex
	rows map[string]map[string]bool
}{rows: map[string]map[string]bool{}}

func note(library, feature string, ok bool) {
	matrix.mu.Lock()
	defer matrix.mu.Unlock()
	if matrix.rows[library] == nil {
		matrix.rows[library] = map[string]bool{}
	}
	matrix.rows[library][feature] = ok
}

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if *table {
		printMatrix()
	}
	peer.RemoveBuild()
	os.Exit(code)
}

func printMatrix() {
	fmt.Println("| | " + strings.Join(features, " | ") + " |")
	fmt.Println("|---" + strings.Repeat("|---", len(features)) + "|")
	var names []string
	for name := range matrix.rows {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		line := "| " + name
		for _, f := range features {
			ok, tried := matrix.rows[name][f]
			switch {
			case !tried:
				line += " | "
			case ok:
				line += " | yes"
			default:
				line += " | no"
			}
		}
		fmt.Println(line + " |")
	}
}

// start runs a server for one library, without an option that a client would need.
func start(t *testing.T) (addr string) {
	t.Helper()
	p, err := peer.Build()
	if *on != "" {
		var ok bool
		if p, ok = peer.Find(*on); !ok {
			t.Fatalf("no server %q", *on)
		}
	} else if err != nil {
		t.Fatal(err)
	}
	s, err := peer.Start(p, peer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s.Addr
}

// try runs the check of one feature of a Go library.
func try(t *testing.T, library, feature string, check func(t *testing.T)) {
	ok := t.Run(feature, check)
	note(library, feature, ok)
}

// runProgram runs a program of another language and takes its lines as results. The first line names the library with
// its version.
func runProgram(t *testing.T, addr string, cmd *exec.Cmd) {
	t.Helper()
	host, port, _ := net.SplitHostPort(addr)
	cmd.Args = append(cmd.Args, host, port)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	library, results := "", 0
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		line := lines.Text()
		if name, ok := strings.CutPrefix(line, "library "); ok {
			library = name
			continue
		}
		word, rest, _ := strings.Cut(line, " ")
		name, why, _ := strings.Cut(rest, ": ")
		switch {
		case word == "ok" && slices.Contains(features, name):
			note(library, name, true)
			results++
		case word == "FAILED":
			note(library, name, false)
			t.Errorf("%s: %s: %s", library, name, why)
			results++
		default:
			t.Errorf("%s wrote %q", cmd.Path, line)
		}
	}
	if err != nil || results == 0 {
		t.Fatalf("%s: %v, %d results\n%s\n%s", strings.Join(cmd.Args, " "), err, results, out, stderr.Bytes())
	}
}

// program is a file of testdata.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}
