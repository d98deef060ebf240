package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"larder/server"
)

// The tests run this program in processes of its own: the test binary is the program when told so.
const beLarder = "LARDER_TEST_IS_THE_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(beLarder) != "" {
		main()
	}
	os.Exit(m.Run())
}

// patience is how long a test waits for what must happen.
const patience = 2 * time.Minute

// program prepares a run of larder; name is argv[0].
func program(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*patience)
	t.Cleanup(cancel)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Args[0] = name
	cmd.Env = append(os.Environ(), beLarder+"=1")
	cmd.Dir = t.TempDir()
	return cmd
}

// once runs larder to its end.
func once(t *testing.T, cmd *exec.Cmd) (stdout, stderr string, code int) {
	t.Helper()
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errOut.String(), cmd.ProcessState.ExitCode()
}

func TestWordsAndHelp(t *testing.T) {
	for _, c := range []struct {
		line   string
		code   int
		stdout string // patterns
		stderr string
	}{
		{"larder version", 0, `^Larder server v=\d+\.\d+\.\d+ .*redis=7\.2\.4 bits=\d+ go.*\n$`, `^$`},
		{"larder --version", 0, `^Larder server v=`, `^$`},
		{"larder -v", 0, `^Larder server v=`, `^$`},
		{"larder", 0, `larder serve --port 7000`, `^$`},
		{"larder help", 0, `Available Commands`, `^$`},
		{"larder help serve", 0, `SIGTERM`, `^$`},
		{"larder serve --help", 0, `\[redis\.conf \| -\] \[--directive value \.\.\.\]\n`, `^$`},
		{"larder help directives", 0, `(?s)  port +6379\n.*  databases +16 +at start\n.*These do nothing here:.*:\n    .*socket-mark-id`, `^$`},
		{"larder sreve", 1, `^$`, `unknown command "sreve"(.|\n)*serve`},
		{"larder version now", 1, `^$`, `unknown command "now"`},
		{"larder ./nosuch.conf", 1, `^$`, `Fatal error, can't open config file '.*/nosuch.conf': No such file or directory`},
		{"larder --prot 7", 1, `^$`, `(?s)\*\*\* FATAL CONFIG FILE ERROR.*did you mean 'port'\?`},
		{"larder serve --port x", 1, `^$`, `argument couldn't be parsed into an integer`},
		{"redis-server -v", 0, `^Redis server v=7\.2\.4 sha=\S+ malloc=\S+ bits=\d+ build=\S+\n$`, `^$`},
		{"/usr/bin/redis-server --version", 0, `^Redis server v=7\.2\.4 `, `^$`},
		{"redis-server --help", 1, `^$`, `Usage: redis-server`},
		{"valkey-server -v", 0, `^Redis server v=7\.2\.4 `, `^$`},
		{"valkey-server version", 1, `^$`, `can't open config file '.*/version'`},
		{"redis-check-rdb nosuch.rdb", 1, `^$`, `^larder: nosuch.rdb: .* no such file`},
		{"/usr/bin/valkey-check-rdb nosuch.rdb", 1, `^$`, `^larder: nosuch.rdb: .* no such file`},
		{"valkey-check-aof --truncate-to-timestamp 0 log", 1, `^$`, `0 is no moment`},
		{"redis-check-aof", 1, `^$`, `accepts 1 arg`},
		{"redis-sentinel sentinel.conf", 1, `^$`, `redis-sentinel: Larder is no sentinel`},
		{"valkey-sentinel", 1, `^$`, `valkey-sentinel: Larder is no sentinel`},
		{"redis-server sentinel.conf --port 0 --sentinel", 1, `^$`, `redis-server: Larder is no sentinel`},
		{"redis-server --invalid", 1, `^$`, `Bad directive or wrong number of arguments`},
		{"redis-server version", 1, `^$`, `can't open config file '.*/version'`},
		{"larder serve --port 0 --aclfile nosuch.acl", 1, `# Aborting Redis startup because of ACL errors: .*opening file 'nosuch.acl': No such file or directory\n$`, `^$`},
		{"redis-server --port 0 --logfile /nonexistent/log", 1, `^$`, `(?s)FATAL CONFIG FILE ERROR.*\nCan't open the log file: No such file or directory`},
	} {
		words := strings.Fields(c.line)
		stdout, stderr, code := once(t, program(t, words[0], words[1:]...))
		if code != c.code {
			t.Errorf("%s: exit code %d, want %d", c.line, code, c.code)
		}
		for what, text := range map[string][2]string{"standard output": {stdout, c.stdout}, "standard error": {stderr, c.stderr}} {
			if !regexp.MustCompile(text[1]).MatchString(text[0]) {
				t.Errorf("%s: %s does not fit %s:\n%s", c.line, what, text[1], text[0])
			}
		}
	}
}

// running is a server that was started.
type running struct {
	t     *testing.T
	cmd   *exec.Cmd
	sock  string
	lines chan string // of standard output
	log   strings.Builder
}

// start runs a server that listens on a unix socket only.
func start(t *testing.T, cmd *exec.Cmd) *running {
	t.Helper()
	r := &running{t: t, cmd: cmd, sock: filepath.Join(cmd.Dir, "sock"), lines: make(chan string, 1000)}
	cmd.Args = append(cmd.Args, "--port", "0", "--unixsocket", r.sock)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	go func() {
		defer close(r.lines)
		for in := bufio.NewScanner(out); in.Scan(); {
			r.lines <- in.Text()
		}
	}()
	return r
}

// await reads the log up to a line that contains text.
func (r *running) await(text string) {
	r.t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case line, ok := <-r.lines:
			if !ok {
				r.t.Fatalf("the log ended before %q:\n%s", text, r.log.String())
			}
			r.log.WriteString(line + "\n")
			if strings.Contains(line, text) {
				return
			}
		case <-timeout:
			r.t.Fatalf("waited in vain for %q:\n%s", text, r.log.String())
		}
	}
}

// ping asks the server for a sign of life.
func ping(sock string) error {
	conn, err := net.Dial("unix", sock)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := io.WriteString(conn, "PING\r\n"); err != nil {
		return err
	}
	reply, err := bufio.NewReader(conn).ReadString('\n')
	if err == nil && reply != "+PONG\r\n" {
		err = fmt.Errorf("reply %q", reply)
	}
	return err
}

// stop sends a signal and waits for the end.
func (r *running) stop(sig os.Signal) {
	r.t.Helper()
	if err := r.cmd.Process.Signal(sig); err != nil {
		r.t.Fatal(err)
	}
	r.await("bye bye")
	for line := range r.lines {
		r.log.WriteString(line + "\n")
	}
	if err := r.cmd.Wait(); err != nil {
		r.t.Errorf("ended with %v:\n%s", err, r.log.String())
	}
}

func TestServe(t *testing.T) {
	cmd := program(t, "redis-server", "redis.conf")
	conf := "always-show-logo yes\ndir ./\nlogfile ''\nsave ''\nio-threads 4\n"
	if err := os.WriteFile(filepath.Join(cmd.Dir, "redis.conf"), []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	r := start(t, cmd)
	r.await(" PID: " + strconv.Itoa(cmd.Process.Pid))
	r.await("Server initialized")
	r.await("Ready to accept connections")
	if err := ping(r.sock); err != nil {
		t.Error(err)
	}
	r.stop(syscall.SIGTERM)
	for _, want := range []string{
		`(?m)^\d+:M \d\d \w{3} \d{4} \d\d:\d\d:\d\d\.\d{3} \* Ready to accept connections`,
		`(?m)# .*/redis\.conf, line 5: 'io-threads' has no effect: event-loops says`,
		`(?m)# Received SIGTERM scheduling shutdown\.\.\.$`,
	} {
		if !regexp.MustCompile(want).MatchString(r.log.String()) {
			t.Errorf("nothing in the log is like %s:\n%s", want, r.log.String())
		}
	}
}

func TestServeFromStandardInputUntilCtrlC(t *testing.T) {
	cmd := program(t, "larder", "-", "--loglevel", "verbose")
	cmd.Stdin = strings.NewReader("log-format json\n")
	r := start(t, cmd)
	r.await(`"msg":"Ready to accept connections`)
	r.stop(syscall.SIGINT)
	if !strings.Contains(r.log.String(), `"level":"warning"`) || strings.Contains(r.log.String(), " PID: ") {
		t.Errorf("the log is\n%s", r.log.String())
	}
}

func TestPortInUse(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	port := strconv.Itoa(ln.Addr().(*net.TCPAddr).Port)
	stdout, _, code := once(t, program(t, "larder", "serve", "--bind", "127.0.0.1", "--port", port))
	if code != 1 || !strings.Contains(stdout, "# Failed listening on port "+port) {
		t.Errorf("exit code %d and\n%s", code, stdout)
	}
}

func TestLogFileIsOpenedAgainOnHangup(t *testing.T) {
	cmd := program(t, "larder", "serve", "--logfile", "log")
	path := filepath.Join(cmd.Dir, "log")
	r := start(t, cmd)
	awaitFile(t, path, "Ready to accept connections")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	awaitFile(t, path, "")
	if err := ping(r.sock); err != nil {
		t.Errorf("hanging up ended the server: %v", err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	awaitFile(t, path, "bye bye")
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// SIGALRM is harmless also before the watchdog has been on.
func TestStacksOnAlarm(t *testing.T) {
	cmd := program(t, "larder", "serve")
	r := start(t, cmd)
	r.await("Ready to accept connections")
	if err := cmd.Process.Signal(syscall.SIGALRM); err != nil {
		t.Fatal(err)
	}
	r.await("Received SIGALRM")
	r.await("goroutine ")
	r.await("STACK TRACE DONE")
	if err := ping(r.sock); err != nil {
		t.Errorf("SIGALRM ended the server: %v", err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	r.await("bye bye")
}

// await polls a condition until it holds.
func await(t *testing.T, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !cond(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func awaitFile(t *testing.T, path, text string) {
	t.Helper()
	await(t, fmt.Sprintf("%q in %s", text, path), func() bool {
		content, err := os.ReadFile(path)
		return err == nil && strings.Contains(string(content), text)
	})
}

func TestSystemdIsToldWhenReady(t *testing.T) {
	name := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	cmd := program(t, "larder", "serve", "--supervised", "auto", "--daemonize", "yes")
	cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+name)
	r := start(t, cmd)
	buf := make([]byte, 200)
	n, err := conn.Read(buf)
	if err != nil || !strings.Contains(string(buf[:n]), "READY=1\n") {
		t.Fatalf("systemd heard %q, %v", buf[:n], err)
	}
	if err := ping(r.sock); err != nil {
		t.Errorf("ready, but %v", err)
	}
	r.stop(syscall.SIGTERM)
	if n, err = conn.Read(buf); err != nil || string(buf[:n]) != "STOPPING=1\n" {
		t.Errorf("at the end systemd heard %q, %v", buf[:n], err)
	}
}

func TestDaemonize(t *testing.T) {
	dir := t.TempDir()
	sock, pidfile, logfile := filepath.Join(dir, "sock"), filepath.Join(dir, "pid"), filepath.Join(dir, "log")
	cmd := program(t, "redis-server", "-", "--daemonize", "yes")
	cmd.Stdin = strings.NewReader(fmt.Sprintf("port 0\nunixsocket %s\npidfile %s\nlogfile %s\n", sock, pidfile, logfile))
	stdout, stderr, code := once(t, cmd)
	if code != 0 || stdout != "" || stderr != "" {
		t.Fatalf("exit code %d, %s%s", code, stdout, stderr)
	}
	awaitFile(t, logfile, "Ready to accept connections")
	text, err := os.ReadFile(pidfile)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid == cmd.Process.Pid {
		t.Fatalf("the pid file says %q, the caller was %d", text, cmd.Process.Pid)
	}
	if err := ping(sock); err != nil {
		t.Error(err)
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	awaitFile(t, logfile, "bye bye")
	await(t, "the pid file to go", func() bool { _, err := os.Stat(pidfile); return err != nil })
}

// What is wrong with a user or a renamed command is told where the program was called, also if the server was to go on in the
// background and write its log elsewhere.
func TestMistakesAreToldBeforeTheBackground(t *testing.T) {
	for line, want := range map[string]string{
		"user bob on foo":         "Error in user declaration 'foo': Syntax error\nstandard input, line 1: the user 'bob' cannot be declared like this\n",
		"user 'b b' on":           "Spaces not allowed in ACL usernames\nstandard input, line 1: 'b b' cannot be the name of a user\n",
		"rename-command NOPE x":   "No such command in rename-command\nstandard input, line 1: there is no command 'NOPE'\n",
		"rename-command KEYS get": "Target command name already exists\nstandard input, line 1: there is a command 'get' already\n",
		"logfile /nowhere/at/all": "Can't open the log file: No such file or directory\n",
		"include /nowhere/at/all": "Fatal error, can't open config file '/nowhere/at/all': No such file or directory (included by standard input, line 1)\n",
		"user default on \nuser":  "'user' takes at least one argument\n",
	} {
		cmd := program(t, "larder", "serve", "-", "--port", "0")
		cmd.Stdin = strings.NewReader(line + "\n")
		if !strings.HasPrefix(line, "logfile") {
			cmd.Args = append(cmd.Args, "--daemonize", "yes", "--logfile", filepath.Join(cmd.Dir, "log"))
		}
		stdout, stderr, code := once(t, cmd)
		if code != 1 || stdout != "" || !strings.HasSuffix(stderr, want) {
			t.Errorf("%s: exit code %d, %s%s", line, code, stdout, stderr)
		}
	}
}

// A log file that cannot be opened is told where the program was called: in the background there is nowhere to tell it.
func TestNoLogFileInTheBackground(t *testing.T) {
	cmd := program(t, "redis-server", "--port", "0", "--daemonize", "yes", "--logfile", "nowhere/log")
	stdout, stderr, code := once(t, cmd)
	if want := "Can't open the log file: No such file or directory\n"; code != 1 || stdout != "" || !strings.HasSuffix(stderr, want) {
		t.Errorf("exit code %d, %s%s", code, stdout, stderr)
	}
}

func TestMeansServe(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.WriteFile("larderconf", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	root := rootCommand("larder", nil, io.Discard, io.Discard)
	for line, want := range map[string]bool{
		"": false, "serve": false, "version": false, "help": false, "completion bash": false, "--help": false, "-h": false, "--version": false, "-v": false, "sreve": false,
		"-": true, "--port 1": true, "larderconf": true, "x.conf": true, "/x/y": true, "larderconf --port 1": true,
	} {
		if got := meansServe(root, strings.Fields(line)); got != want {
			t.Errorf("%q: %v", line, got)
		}
	}
}

func TestBannerNamesTheProcess(t *testing.T) {
	if text := banner(6379); !strings.Contains(text, fmt.Sprintf(" PID: %d\n", os.Getpid())) || !strings.Contains(text, server.Version) {
		t.Error(text)
	}
}
