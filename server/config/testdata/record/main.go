// Record runs a real redis-server and writes what it says into the golden files of the package's tests:
//
//	go generate ./server/config        (redis-server must be on the PATH; 7.0 or later)
//
// The golden files are scripts with answers. Record reads the script, drops the old answers and puts in new ones.
//
//	defaults.txt   every directive and its default, as CONFIG GET shows it
//	set.txt        "> COMMAND" lines, each followed by its reply
//	start.txt      "# case" blocks with file|, args| and get| lines, followed by out| lines: error text or values
//	rewrite.txt    "# case" blocks with file| and set| lines, followed by new| lines: the file after CONFIG REWRITE
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"larder/server/config"
)

// preamble is what every recorded file begins with: a server that listens on a unix socket only.
const preamble = "port 0\nunixsocket %s\n"

func main() {
	log.SetFlags(0)
	recordDefaults("testdata/defaults.txt")
	recordSet("testdata/set.txt")
	recordBlocks("testdata/start.txt", "out| ", start)
	recordBlocks("testdata/rewrite.txt", "new| ", rewrite)
}

// server is a running redis-server.
type server struct {
	cmd    *exec.Cmd
	dir    string
	output bytes.Buffer
	conn   net.Conn
	in     *bufio.Reader
}

// launch starts a server on the configuration text. Without conn it ended by itself; its output says why.
func launch(text string, args ...string) *server {
	dir, err := os.MkdirTemp("", "record")
	must(err)
	s := &server{dir: dir}
	sock := filepath.Join(dir, "sock")
	must(os.WriteFile(filepath.Join(dir, "redis.conf"), []byte(fmt.Sprintf(preamble, sock)+text), 0o644))
	s.cmd = exec.Command("redis-server", append([]string{"redis.conf"}, args...)...)
	s.cmd.Dir = dir
	s.cmd.Stderr = &s.output
	must(s.cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- s.cmd.Wait() }()
	for {
		select {
		case <-ended:
			return s
		case <-time.After(10 * time.Millisecond):
		}
		if s.conn, err = net.Dial("unix", sock); err == nil {
			s.in = bufio.NewReader(s.conn)
			return s
		}
	}
}

func (s *server) stop() {
	if s.conn != nil {
		s.conn.Close()
		must(s.cmd.Process.Kill())
	}
	must(os.RemoveAll(s.dir))
}

// do sends a command and returns the lines of its reply: an error or status as it is, strings quoted.
func (s *server) do(args ...string) []string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(args))
	for _, a := range args {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(a), a)
	}
	_, err := io.WriteString(s.conn, b.String())
	must(err)
	return s.reply()
}

func (s *server) reply() []string {
	head, err := s.in.ReadString('\n')
	must(err)
	head = strings.TrimSuffix(head, "\r\n")
	switch head[0] {
	case '$':
		n, err := strconv.Atoi(head[1:])
		must(err)
		body := make([]byte, n+2)
		_, err = io.ReadFull(s.in, body)
		must(err)
		return []string{config.Quote(string(body[:n]))}
	case '*':
		n, err := strconv.Atoi(head[1:])
		must(err)
		var out []string
		for range n {
			out = append(out, s.reply()...)
		}
		return out
	}
	return []string{head[1:]}
}

// get is CONFIG GET, one "name value" line for each directive, sorted.
func (s *server) get(patterns ...string) []string {
	flat := s.do(append([]string{"CONFIG", "GET"}, patterns...)...)
	var out []string
	for i := 0; i < len(flat); i += 2 {
		name, err := strconv.Unquote(flat[i])
		must(err)
		out = append(out, name+" "+strings.ReplaceAll(flat[i+1], s.dir, "$DIR"))
	}
	slices.Sort(out)
	return out
}

func recordDefaults(path string) {
	s := launch("")
	defer s.stop()
	lines := s.get("*", "key-load-delay", "rdb-key-save-delay", "use-exit-on-panic", "watchdog-period", "loading-process-events-interval-bytes",
		"cluster-ping-interval", "aof-disable-auto-gc")
	lines = slices.DeleteFunc(lines, func(l string) bool {
		return strings.HasPrefix(l, "port ") || strings.HasPrefix(l, "unixsocket ") || strings.HasPrefix(l, "dir ")
	})
	write(path, lines)
}

func recordSet(path string) {
	s := launch("")
	defer s.stop()
	var out []string
	for _, l := range read(path) {
		if !strings.HasPrefix(l, "> ") {
			if l == "" || l[0] == '#' {
				out = append(out, l)
			}
			continue
		}
		out = append(out, l)
		args, err := config.SplitArgs(l[2:])
		must(err)
		if strings.EqualFold(args[0], "get") {
			out = append(out, s.get(args[1:]...)...)
		} else {
			out = append(out, s.do(append([]string{"CONFIG"}, args...)...)...)
		}
	}
	write(path, out)
}

// recordBlocks runs each "# case" block and puts the answer, each line with the prefix, at its end.
func recordBlocks(path, prefix string, run func(block map[string][]string) []string) {
	var out []string
	block := map[string][]string{}
	finish := func() {
		if len(block) > 0 {
			for _, l := range run(block) {
				out = append(out, strings.TrimRight(prefix+l, " "))
			}
			out = append(out, "")
		}
		block = map[string][]string{}
	}
	for _, l := range read(path) {
		key, value, found := strings.Cut(l, "|")
		switch {
		case strings.HasPrefix(l, "# "):
			finish()
			out = append(out, l)
		case found && !strings.HasPrefix(prefix, key):
			block[key] = append(block[key], strings.TrimPrefix(value, " "))
			out = append(out, l)
		}
	}
	finish()
	write(path, out)
}

var version = regexp.MustCompile(`\(Redis [0-9.]+\)`)

func start(block map[string][]string) []string {
	var args []string
	for _, l := range block["args"] {
		words, err := config.SplitArgs(l)
		must(err)
		args = append(args, words...)
	}
	s := launch(strings.Join(block["file"], "\n"), args...)
	defer s.stop()
	switch {
	case s.conn != nil && len(block["get"]) == 0:
		return []string{"(starts)"}
	case s.conn != nil:
		return s.get(strings.Fields(block["get"][0])...)
	}
	text := version.ReplaceAllString(strings.TrimSpace(s.output.String()), "(Redis VERSION)")
	return strings.Split(text, "\n")
}

func rewrite(block map[string][]string) []string {
	s := launch(strings.Join(block["file"], "\n") + "\n")
	defer s.stop()
	for _, l := range block["set"] {
		args, err := config.SplitArgs(l)
		must(err)
		if reply := s.do(append([]string{"CONFIG", "SET"}, args...)...); reply[0] != "OK" {
			log.Panicf("CONFIG SET %s: %s", l, reply)
		}
	}
	if reply := s.do("CONFIG", "REWRITE"); reply[0] != "OK" {
		log.Panic(reply)
	}
	content, err := os.ReadFile(filepath.Join(s.dir, "redis.conf"))
	must(err)
	lines := strings.Split(strings.ReplaceAll(string(content), s.dir, "$DIR"), "\n")
	// What was appended stands in the order of a hash table whose seed is random.
	if i := slices.Index(lines, "# Generated by CONFIG REWRITE"); i >= 0 {
		appended := lines[i+1 : len(lines)-1]
		slices.Sort(appended)
	}
	return lines[:len(lines)-1]
}

func read(path string) []string {
	content, err := os.ReadFile(path)
	must(err)
	return strings.Split(strings.TrimSuffix(string(content), "\n"), "\n")
}

func write(path string, lines []string) {
	must(os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o644))
}

func must(err error) {
	if err != nil {
		panic(err) // so that deferred functions stop the server
	}
}
