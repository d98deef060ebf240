// Package peer starts server processes for tests and benches: larder itself and the servers it is compared with.
//
// Every server runs on a free loopback port in a temporary folder of its own, saves nothing unless told to, and ends
// with the test. A start is complete when the server answers PING (memcached: "version"):
//
//	program, err := peer.Build()                                  // bin/larder of this tree
//	s, err := peer.Start(program, peer.Options{Directives: []string{"maxmemory 100mb"}})
//	defer s.Stop()
//	c, err := s.Dial()
package peer

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"larder/tests/internal/wire"
)

// Program is a server that can be started.
type Program struct {
	Name  string // "larder", "redis-server", "valkey-server", "memcached"
	Path  string
	Speak Protocol
}

// Protocol is what a program's clients talk.
type Protocol int

// The protocols. Redis programs are started with a configuration file, memcached with flags.
const (
	Redis Protocol = iota
	Memcached
)

// Options say how a server is started. The zero value is a plain server on any processor.
type Options struct {
	Directives []string // lines of redis.conf; they stand after the defaults and so override them
	CPUs       []int    // processors that the process may use; empty: all of this process
	Dir        string   // folder to run in, kept by Stop; empty: a temporary one that Stop removes
	Env        []string // additions to the environment, "NAME=value"
	MemoryMiB  int      // memcached's -m; 0: 4096
}

// Server is a running server process.
type Server struct {
	Program Program
	Addr    string // 127.0.0.1:port
	Dir     string
	StartUp time.Duration // from the start of the process to the answer to the first PING

	cmd     *exec.Cmd
	exited  chan struct{} // closed once the process has ended and been waited for
	waitErr error
	output  *os.File
	keepDir bool
}

// startLimit bounds the time until the first PONG: a server that loads a large file may need it.
const startLimit = 3 * time.Minute

// Find looks for a server on PATH.
func Find(name string) (Program, bool) {
	path, err := exec.LookPath(name)
	if err != nil {
		return Program{}, false
	}
	return At(path), true
}

// At is the server program at a path; its name tells what it speaks.
func At(path string) Program {
	if abs, err := filepath.Abs(path); err == nil { // it is started in another folder
		path = abs
	}
	p := Program{Name: filepath.Base(path), Path: path}
	if p.Name == "memcached" {
		p.Speak = Memcached
	}
	return p
}

// Others are the servers to compare with that are found on PATH, redis-server first.
func Others() []Program {
	var found []Program
	for _, name := range []string{"redis-server", "valkey-server", "keydb-server", "memcached"} {
		if p, ok := Find(name); ok {
			found = append(found, p)
		}
	}
	return found
}

// built is where Build put the binary of this process; empty before.
var built string

var build = sync.OnceValues(func() (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "larder-build-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "larder")
	built = path
	cmd := exec.Command("go", "build", "-o", path, "./cmd/larder")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build ./cmd/larder: %w\n%s", err, out)
	}
	return path, nil
})

// Build builds larder from this tree, once per process, and returns the program. The environment variable LARDER_BIN
// names a ready binary instead. RemoveBuild removes what Build left.
func Build() (Program, error) {
	path := os.Getenv("LARDER_BIN")
	if path == "" {
		var err error
		if path, err = build(); err != nil {
			return Program{}, err
		}
	}
	return Program{Name: "larder", Path: path}, nil
}

// RemoveBuild removes the binary that Build made in this process, if any. No Build may be under way.
func RemoveBuild() {
	if built != "" {
		os.RemoveAll(filepath.Dir(built))
	}
}

// Root is the folder of go.mod at or above the working directory.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("no go.mod above the working directory")
		}
		dir = up
	}
}

// Start starts the program and waits until it answers.
func Start(p Program, o Options) (*Server, error) {
	// Between the choice of a free port and the server's bind another process may take it: try again with another.
	var err error
	for range 3 {
		var s *Server
		if s, err = start(p, o); err == nil {
			return s, nil
		}
	}
	return nil, err
}

func start(p Program, o Options) (_ *Server, err error) {
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	s := &Server{Program: p, Addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), Dir: o.Dir, keepDir: o.Dir != "", exited: make(chan struct{})}
	if s.Dir == "" {
		if s.Dir, err = os.MkdirTemp("", "peer-"); err != nil {
			return nil, err
		}
	}
	defer func() {
		if err != nil {
			s.cleanUp()
		}
	}()
	if s.output, err = os.Create(filepath.Join(s.Dir, "server.out")); err != nil {
		return nil, err
	}
	args, err := s.arguments(port, o)
	if err != nil {
		return nil, err
	}
	s.cmd = exec.Command(p.Path, args...)
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = s.Dir, s.output, s.output
	s.cmd.Env = append(os.Environ(), o.Env...)
	began := time.Now()
	if err := startOn(s.cmd, o.CPUs); err != nil {
		return nil, fmt.Errorf("%s: %w", p.Path, err)
	}
	go func() {
		s.waitErr = s.cmd.Wait()
		close(s.exited)
	}()
	if err := s.waitReady(began); err != nil {
		s.Kill()
		return nil, err
	}
	return s, nil
}

// arguments writes the configuration file and returns the command line.
func (s *Server) arguments(port int, o Options) ([]string, error) {
	if s.Program.Speak == Memcached {
		memory := o.MemoryMiB
		if memory == 0 {
			memory = 4096
		}
		args := []string{"-l", "127.0.0.1", "-p", strconv.Itoa(port), "-U", "0", "-m", strconv.Itoa(memory), "-t", strconv.Itoa(max(1, len(o.CPUs)))}
		if os.Getuid() == 0 {
			args = append(args, "-u", "root")
		}
		return args, nil
	}
	lines := []string{"bind 127.0.0.1", "port " + strconv.Itoa(port), "dir .", `save ""`, "appendonly no", "daemonize no"}
	lines = append(lines, o.Directives...)
	path := filepath.Join(s.Dir, "server.conf")
	return []string{path}, os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600)
}

// waitReady asks PING until the answer is PONG and no file is being loaded any more.
func (s *Server) waitReady(began time.Time) error {
	for pause := time.Millisecond; time.Since(began) < startLimit; pause = min(pause*5/4, 50*time.Millisecond) {
		if s.ping() {
			s.StartUp = time.Since(began)
			return nil
		}
		select {
		case <-s.exited:
			return fmt.Errorf("%s ended at its start: %v\n%s", s.Program.Name, s.waitErr, s.Tail())
		case <-time.After(pause):
		}
	}
	return fmt.Errorf("%s does not answer within %v\n%s", s.Program.Name, startLimit, s.Tail())
}

func (s *Server) ping() bool {
	c, err := s.Dial()
	if err != nil {
		return false
	}
	defer c.Close()
	c.Timeout = 5 * time.Second
	if s.Program.Speak == Memcached {
		return c.SendRaw([]byte("version\r\n")) == nil && !errors.Is(pendingError(c), io.EOF)
	}
	v, err := c.Do("PING")
	if err != nil || v.Kind != '+' { // an error reply: LOADING, or a password that the test gave
		return false
	}
	// Somebody else's server may have taken the port first: then this one is about to find out, and to end.
	v, err = c.Do("INFO", "server")
	if err != nil {
		return false
	}
	_, rest, told := strings.Cut(v.String(), "\nprocess_id:")
	id, _, _ := strings.Cut(rest, "\r")
	return !told || id == strconv.Itoa(s.PID())
}

func pendingError(c *wire.Conn) error {
	_, err := c.Pending(c.Timeout)
	return err
}

// Dial opens a connection to the server.
func (s *Server) Dial() (*wire.Conn, error) { return wire.Dial(s.Addr) }

// PID is the process's number.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Running says whether the process has not ended yet.
func (s *Server) Running() bool {
	select {
	case <-s.exited:
		return false
	default:
		return true
	}
}

// Tail is the end of what the server has written to its output.
func (s *Server) Tail() string {
	b, err := os.ReadFile(filepath.Join(s.Dir, "server.out"))
	if err != nil {
		return ""
	}
	return string(b[max(0, len(b)-2000):])
}

// Stop ends the server with SIGTERM (SIGKILL after a minute) and removes its temporary folder.
func (s *Server) Stop() { s.end(syscall.SIGTERM) }

// Kill ends the server with SIGKILL, as a crash would, and removes its temporary folder.
func (s *Server) Kill() { s.end(syscall.SIGKILL) }

func (s *Server) end(how os.Signal) {
	// The error says that the process has ended already: nothing is left to do.
	_ = s.cmd.Process.Signal(how)
	select {
	case <-s.exited:
	case <-time.After(time.Minute):
		_ = s.cmd.Process.Kill()
		<-s.exited
	}
	s.cleanUp()
}

func (s *Server) cleanUp() {
	if s.output != nil {
		s.output.Close()
	}
	if !s.keepDir {
		os.RemoveAll(s.Dir)
	}
}

// Where FreePort looks: below what systems give to outgoing connections.
const (
	lowestPort  = 10_000
	highestPort = 30_000
)

var given sync.Map // ports that FreePort has returned

// FreePort is a port of the loopback at which nobody listens and which this process was not given before. Nobody's outgoing
// connection takes it by chance, neither before a server listens there nor while it is started again.
func FreePort() (int, error) {
	for range 1000 {
		port := lowestPort + rand.IntN(highestPort-lowestPort)
		if _, taken := given.LoadOrStore(port, true); taken {
			continue
		}
		if l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			return port, l.Close()
		}
	}
	return 0, errors.New("no free port was found")
}
