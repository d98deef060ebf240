package server

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	logbook "go.uber.org/zap/zaptest/observer"

	"larder/server/config"
)

// patience is how long a test waits for what has to happen: longer than any machine needs, however busy.
const patience = 3 * time.Minute

// forLong is what rdb-key-save-delay is set to until something has been done: 100 s for each key.
const forLong = "100000000"

// testServer is a server of this process, listening at a port of the loopback interface.
type testServer struct {
	*Server
	t    *testing.T
	addr string
	stop func()
	logs *logbook.ObservedLogs
}

// startServer runs a server with the defaults and these options until the test is over.
func startServer(t *testing.T, options ...string) *testServer {
	t.Helper()
	return startServerWith(t, "", options...)
}

// startServerWith is startServer with a configuration file.
func startServerWith(t *testing.T, file string, options ...string) *testServer {
	t.Helper()
	for try := 0; ; try++ {
		ts, err := tryServer(t, file, options)
		if err == nil {
			return ts
		}
		if try == 5 { // the port that was free is somebody else's by now
			t.Fatal(err)
		}
	}
}

func tryServer(t *testing.T, file string, options []string) (*testServer, error) {
	t.Helper()
	port := freePort(t)
	addr := "127.0.0.1:" + port
	conf := config.New()
	args := append([]string{"--bind", "127.0.0.1", "--port", port, "--enable-debug-command", "yes", "--shards", "4", "--dir", t.TempDir()}, options...)
	if file != "" {
		args = append([]string{file}, args...)
	}
	if err := conf.Load(config.ParseArgs(args), strings.NewReader("")); err != nil {
		t.Fatal(err)
	}
	level := zap.InfoLevel
	if conf.LogLevel.Get() <= config.LogVerbose {
		level = zap.DebugLevel
	}
	core, logs := logbook.New(level)
	srv, err := New(conf, zap.New(core))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Run(ctx) }()
	select {
	case <-srv.Ready():
	case err := <-done:
		cancel()
		return nil, err
	}
	ts := &testServer{Server: srv, t: t, addr: addr, logs: logs}
	stopped := false
	ts.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(ts.stop)
	return ts, nil
}

var given sync.Map // ports that freePort has returned

// freePort is a port of the loopback at which nobody listens and which was not given before. It is below those that systems
// give to outgoing connections: nobody takes it by chance before a server listens there.
func freePort(t *testing.T) string {
	t.Helper()
	for range 1000 {
		port := strconv.Itoa(10_000 + rand.IntN(20_000))
		if _, taken := given.LoadOrStore(port, true); taken {
			continue
		}
		if ln, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			ln.Close()
			return port
		}
	}
	t.Fatal("no free port was found")
	return ""
}

// hasIPv6 tells whether this machine has IPv6.
func hasIPv6() bool {
	ln, err := net.Listen("tcp6", "[::1]:0")
	if err == nil {
		ln.Close()
	}
	return err == nil
}

// logged tells how often a text stands in the server's log.
func (ts *testServer) logged(text string) (n int) {
	for _, e := range ts.logs.All() {
		if strings.Contains(e.Message, text) {
			n++
		}
	}
	return n
}

// testClient is a connection. Its methods fail the test when the connection breaks.
type testClient struct {
	t  *testing.T
	nc net.Conn
	r  *bufio.Reader
}

func (ts *testServer) dial() *testClient {
	ts.t.Helper()
	nc, err := net.Dial("tcp", ts.addr)
	if err != nil {
		ts.t.Fatal(err)
	}
	ts.t.Cleanup(func() { nc.Close() })
	return &testClient{t: ts.t, nc: nc, r: bufio.NewReader(nc)}
}

// reply is what a server answers: string, int64, nil, replyError, or a []any of such. Maps are flat.
type replyError string

// do sends a request, its words parted by spaces, or given one by one.
func (c *testClient) do(words ...string) any {
	c.t.Helper()
	c.send(words...)
	return c.read()
}

func (c *testClient) send(words ...string) {
	c.t.Helper()
	if len(words) == 1 {
		words = strings.Fields(words[0])
	}
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(words))
	for _, w := range words {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(w), w)
	}
	if _, err := io.WriteString(c.nc, b.String()); err != nil {
		c.t.Fatal(err)
	}
}

func (c *testClient) read() any {
	c.t.Helper()
	c.nc.SetReadDeadline(time.Now().Add(patience))
	v, err := c.parse()
	if err != nil {
		c.t.Fatal(err)
	}
	return v
}

func (c *testClient) parse() (any, error) {
	line, err := c.r.ReadString('\n')
	if err != nil {
		return nil, err
	}
	kind, text := line[0], strings.TrimRight(line[1:], "\r\n")
	n, _ := strconv.ParseInt(text, 10, 64)
	switch kind {
	case '+', ',', '(', '#':
		return text, nil
	case '-':
		return replyError(text), nil
	case ':':
		return n, nil
	case '_':
		return nil, nil
	case '$', '=':
		if n < 0 {
			return nil, nil
		}
		b := make([]byte, n+2)
		if _, err := io.ReadFull(c.r, b); err != nil {
			return nil, err
		}
		return string(b[:n]), nil
	}
	if n < 0 {
		return nil, nil
	}
	if kind == '%' || kind == '|' {
		n *= 2
	}
	list := make([]any, n)
	for i := range list {
		if list[i], err = c.parse(); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// text is the reply to a request that has to be a string.
func (c *testClient) text(words ...string) string {
	c.t.Helper()
	v := c.do(words...)
	s, ok := v.(string)
	if !ok {
		c.t.Fatalf("%q answers %v", words, v)
	}
	return s
}

// list is the reply to a request that has to be an array.
func (c *testClient) list(words ...string) []any {
	c.t.Helper()
	v := c.do(words...)
	l, ok := v.([]any)
	if !ok {
		c.t.Fatalf("%q answers %v", words, v)
	}
	return l
}

// want fails the test unless the reply to a request, its words parted by spaces, is as given: a string, an int,
// nil, a replyError, or a []any.
func (c *testClient) want(request string, reply any) {
	c.t.Helper()
	if n, ok := reply.(int); ok {
		reply = int64(n)
	}
	if got := c.do(request); !reflect.DeepEqual(got, reply) {
		c.t.Errorf("%s answers %#v, not %#v", request, got, reply)
	}
}

// info is one line of INFO, "" if it is not there.
func (c *testClient) info(section, name string) string {
	c.t.Helper()
	return c.fields(section)[name]
}

// fields is a section of INFO, all of one moment.
func (c *testClient) fields(section string) map[string]string {
	c.t.Helper()
	m := map[string]string{}
	for _, line := range strings.Split(c.text("info "+section), "\r\n") {
		if name, value, ok := strings.Cut(line, ":"); ok {
			m[name] = value
		}
	}
	return m
}

// number is info for a number.
func (c *testClient) number(section, name string) int64 {
	c.t.Helper()
	n, err := strconv.ParseInt(c.info(section, name), 10, 64)
	if err != nil {
		c.t.Fatalf("INFO %s has %s:%s", section, name, c.info(section, name))
	}
	return n
}

// eventually waits until cond is true.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	end := time.Now().Add(patience)
	for !cond() {
		if time.Now().After(end) {
			t.Fatalf("%s did not happen", what)
		}
		tick := time.NewTimer(time.Millisecond)
		<-tick.C
	}
}
