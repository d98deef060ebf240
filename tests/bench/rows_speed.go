package main

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"larder/tests/internal/peer"
	"larder/tests/internal/wire"
)

const clients = 50

// speed is a row of the load generator: requests of one kind, at one pipeline depth.
type speed struct {
	section, row string
	fleet        string
	pipeline     int
	conns        int    // 0: clients
	processors   int    // of the servers, the first ones; 0: as the settings say
	requests     int    // of one measurement; 0: as many as fit into the duration
	data         string // name of the data that fill makes, once for all rows of the fleet
	fill         func(s *peer.Server) error
	prepare      func(s *peer.Server, requests int) error // before each measurement
	request      func(b []byte, speak peer.Protocol, r *rand.Rand) []byte
	fixed        bool     // all replies have the length of the first
	memcached    bool     // memcached can do it, too
	unix         bool     // through unixSocket
	ringSize     int      // requests to build; 0: 200,000
	directives   []string // of the fleet's servers
	targets      []target
}

func (w *speed) measure(s *settings, t *table) error {
	if w.processors > 0 {
		local := *s
		local.serverCPUs = nil
		for n := range w.processors {
			local.serverCPUs = append(local.serverCPUs, n)
		}
		s = &local
	}
	f, err := s.open(w.fleet, w.memcached || w.fleet == speedFleet, w.directives...)
	if err != nil {
		return err
	}
	if w.fill != nil {
		if err := f.fill(w.data, w.fill); err != nil {
			return err
		}
	}
	rings := map[peer.Protocol]*ring{}
	size := w.ringSize
	if size == 0 {
		size = 200_000
	}
	for round := range s.rounds {
		for _, server := range f.servers {
			speak := server.Program.Speak
			if speak == peer.Memcached && !w.memcached {
				continue
			}
			if rings[speak] == nil {
				rings[speak] = buildRing(size, 1, func(b []byte, r *rand.Rand) []byte { return w.request(b, speak, r) })
			}
			if err := w.once(s, t, server, rings[speak], round); err != nil {
				return fmt.Errorf("%s: %w", server.Program.Name, err)
			}
		}
	}
	t.expect(w.row, w.targets...)
	return nil
}

func (w *speed) once(s *settings, t *table, server *peer.Server, g *ring, round int) error {
	conns := clients
	if w.conns > 0 {
		conns = w.conns
	}
	addr := server.Addr
	if w.unix {
		addr = filepath.Join(server.Dir, unixSocket)
	}
	o := loadOptions{addr: addr, conns: conns, pipeline: w.pipeline, ring: g, duration: s.duration, requests: w.requests}
	if s.quick && o.requests > 0 {
		o.requests = max(o.requests/4, conns*w.pipeline)
	}
	if w.prepare != nil {
		if err := w.prepare(server, o.requests); err != nil {
			return err
		}
	}
	if w.fixed {
		n, err := replyLength(server, g)
		if err != nil {
			return err
		}
		o.replyLen = n
	}
	if round == 0 && o.requests == 0 { // warm up
		warm := o
		warm.duration = s.duration / 4
		if _, err := run(warm); err != nil {
			return err
		}
	}
	before, err := server.CPU()
	if err != nil {
		return err
	}
	r, err := run(o)
	if err != nil {
		return err
	}
	after, err := server.CPU()
	if err != nil {
		return err
	}
	name := server.Program.Name
	add := func(figure string, v float64) { t.add(w.section, w.row, figure, name, v) }
	add("requests/s", r.perSecond())
	add("server CPU us/request", float64((after-before).Nanoseconds())/1e3/float64(r.requests))
	for _, q := range []struct {
		name string
		q    float64
	}{{"p50 us", 0.5}, {"p99 us", 0.99}, {"p99.9 us", 0.999}} {
		add(q.name, float64(r.latency.quantile(q.q))/1e3)
	}
	add("load busy %", r.busy*100)
	return nil
}

// replyLength asks once and measures the answer.
func replyLength(server *peer.Server, g *ring) (int, error) {
	c, err := server.Dial()
	if err != nil {
		return 0, err
	}
	defer c.Close()
	if err := c.SendRaw(g.batch(0, 1)); err != nil {
		return 0, err
	}
	if server.Program.Speak == peer.Memcached {
		return memcachedReplyLength(c)
	}
	v, err := c.Receive()
	if err != nil {
		return 0, err
	}
	if v.IsError() || v.IsNil() {
		return 0, fmt.Errorf("the first reply is %s", v)
	}
	return len(v.Append(nil)), nil
}

// memcachedReplyLength reads one reply: "HD", or "VA <n>" and n bytes on a line of their own.
func memcachedReplyLength(c *wire.Conn) (int, error) {
	var reply []byte
	for {
		b, err := c.ReceiveSome()
		if err != nil {
			return 0, err
		}
		reply = append(reply, b...)
		line, rest, whole := bytes.Cut(reply, []byte("\r\n"))
		var n int
		switch {
		case !whole:
			continue
		case string(line) == "HD":
			return len(reply), nil
		}
		if _, err := fmt.Sscanf(string(line), "VA %d", &n); err != nil {
			return 0, fmt.Errorf("the first reply is %.40q", line)
		}
		if len(rest) >= n+2 {
			return len(reply), nil
		}
	}
}

// The keys of the speed rows.
const (
	speedKeys  = 1_000_000
	speedValue = 32
	speedFleet = "strings"
)

var value32 = bytes.Repeat([]byte("v"), speedValue)

func fillStrings(count int, value []byte) func(s *peer.Server) error {
	return func(s *peer.Server) error {
		return feed(s, count, func(b []byte, i int) []byte { return appendSet(b, s.Program.Speak, key(nil, i), value) })
	}
}

var fillSpeed = fillStrings(speedKeys, value32)

func getSpeed(b []byte, speak peer.Protocol, r *rand.Rand) []byte {
	return appendGet(b, speak, randomKey(r, speedKeys))
}

func setSpeed(b []byte, speak peer.Protocol, r *rand.Rand) []byte {
	return appendSet(b, speak, randomKey(r, speedKeys), value32)
}

func setRing(b []byte, r *rand.Rand) []byte { return setSpeed(b, peer.Redis, r) }

func speedRows() []row {
	var rows []row
	for _, p := range []struct {
		depth           int
		rate, cpu, tail float64
	}{{1, 1.1, 0.9, 1.0}, {16, 2.5, 0.4, 0.6}, {64, 4, 0.3, 0.4}} {
		for _, op := range []struct {
			name    string
			request func([]byte, peer.Protocol, *rand.Rand) []byte
		}{{"SET", setSpeed}, {"GET", getSpeed}} {
			w := &speed{
				section: "Strings: 50 clients, 1M keys, values of 32 bytes", row: fmt.Sprintf("speed/%s/P%d", op.name, p.depth),
				fleet: speedFleet, pipeline: p.depth, data: speedFleet, fill: fillSpeed, request: op.request, fixed: true, memcached: true,
				targets: []target{ratioAtLeast("requests/s", p.rate), ratioAtMost("server CPU us/request", p.cpu), ratioAtMost("p99 us", p.tail)},
			}
			rows = append(rows, row{name: w.row, measure: w.measure})
		}
	}
	setEX := &speed{
		section: "SET with a time to live", row: "setex/SET EX/P16", fleet: speedFleet, pipeline: 16, data: speedFleet, fill: fillSpeed, fixed: true,
		request: func(b []byte, _ peer.Protocol, r *rand.Rand) []byte {
			return words(b, "SET", string(randomKey(r, speedKeys)), string(value32), "EX", strconv.Itoa(3600+r.IntN(1000)))
		},
	}
	set := &speed{section: setEX.section, row: "setex/SET/P16", fleet: speedFleet, pipeline: 16, data: speedFleet, fill: fillSpeed, fixed: true, request: setSpeed}
	rows = append(rows, row{name: "setex", measure: func(s *settings, t *table) error {
		// The two commands take turns, so that they can be compared. Plain SETs come last in each round: they take
		// the times to live away again.
		rounds := *s
		rounds.rounds = 1
		for range s.rounds {
			for _, w := range []*speed{setEX, set} {
				if err := w.measure(&rounds, t); err != nil {
					return err
				}
			}
		}
		for _, p := range t.peers {
			if p.Speak == peer.Redis {
				t.add(setEX.section, "setex", "SET EX / SET", p.Name, t.find(setEX.row, "requests/s", p.Name)/t.find(set.row, "requests/s", p.Name))
			}
		}
		t.expect("setex", atLeast("SET EX / SET", 0.85))
		return nil
	}})
	return slices.Concat(rows, scriptRows(), programRows())
}

// unixSocket is the name of the socket in a server's folder.
const unixSocket = "bench.sock"

// unixRows are the speed rows again, through a unix socket.
func unixRows() []row {
	var rows []row
	for _, depth := range []int{1, 16} {
		for _, op := range []struct {
			name    string
			request func([]byte, peer.Protocol, *rand.Rand) []byte
		}{{"SET", setSpeed}, {"GET", getSpeed}} {
			w := &speed{
				section: "The same through a unix socket", row: fmt.Sprintf("unix/%s/P%d", op.name, depth), unix: true,
				fleet: "unix", pipeline: depth, data: speedFleet, fill: fillSpeed, request: op.request, fixed: true,
				directives: []string{"unixsocket " + unixSocket}, targets: []target{ratioAtLeast("requests/s", 1)},
			}
			rows = append(rows, row{name: w.row, measure: w.measure})
		}
	}
	return rows
}

// programs are scripts as applications have them: two that ask for little, and one that computes.
var programs = []struct{ name, text string }{
	{"release-a-lock", "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) else return 0 end"},
	{"limit-a-rate", "local n = redis.call('incr', KEYS[2]) if n == 1 then redis.call('expire', KEYS[2], 60) end return n <= tonumber(ARGV[2]) and 1 or 0"},
	{"compute", `local parts, sum = {}, 0
for word in string.gmatch(ARGV[3], '[^,]+') do parts[#parts + 1] = word end
for i, word in ipairs(parts) do
	local name, n = word:match('^(%a+):(%d+)$')
	if name and tonumber(n) % 2 == 0 then sum = sum + tonumber(n) else parts[i] = string.upper(word) end
end
local job = cjson.decode('{"id":1,"tags":["a","b"],"left":{"tries":3}}')
for i = 1, 50 do job.left.tries = job.left.tries + i end
job.sum = sum
return {table.concat(parts, ','), cjson.encode(job)}`},
}

// programRows run them.
func programRows() []row {
	var rows []row
	for _, program := range programs {
		sum := sha1.Sum([]byte(program.text))
		sha := hex.EncodeToString(sum[:])
		w := &speed{
			section: "Scripts as applications have them", row: "script/" + program.name, fleet: speedFleet, pipeline: 16, data: speedFleet,
			fill: fillSpeed, fixed: true,
			prepare: func(s *peer.Server, _ int) error { return ask(s, "SCRIPT", "LOAD", program.text) },
			request: func(b []byte, _ peer.Protocol, r *rand.Rand) []byte {
				key := string(randomKey(r, speedKeys))
				return words(b, "EVALSHA", sha, "2", key, "rate:"+key[len(key)-4:], "no value of a key", "1000", "ab:12,cd:7,ef:100,x,gh:41")
			},
		}
		rows = append(rows, row{name: w.row, measure: w.measure})
	}
	return rows
}

// ask sends one command, which has to be taken.
func ask(s *peer.Server, args ...string) error {
	c, err := wire.Dial(s.Addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if v, err := c.Do(args...); err != nil || v.IsError() {
		return fmt.Errorf("%s: %v %v", args[0], v, err)
	}
	return nil
}

// scriptRows are a script and a function of one GET each, next to what the GET alone costs.
func scriptRows() []row {
	const script, library = "return redis.call('get', KEYS[1])",
		"#!lua name=bench\nredis.register_function{function_name='get', callback=function(keys) return redis.call('get', keys[1]) end, flags={'no-writes'}}"
	sum := sha1.Sum([]byte(script))
	sha := hex.EncodeToString(sum[:])
	prepare := func(s *peer.Server, _ int) error {
		return errors.Join(ask(s, "SCRIPT", "LOAD", script), ask(s, "FUNCTION", "LOAD", "REPLACE", library))
	}
	var rows []row
	for _, op := range [][]string{{"EVALSHA", sha}, {"FCALL", "get"}} {
		for _, depth := range []int{1, 16} {
			w := &speed{
				section: "A script and a function of one GET", row: fmt.Sprintf("script/%s/P%d", op[0], depth),
				fleet: speedFleet, pipeline: depth, data: speedFleet, fill: fillSpeed, fixed: true, prepare: prepare,
				request: func(b []byte, _ peer.Protocol, r *rand.Rand) []byte {
					return words(b, op[0], op[1], "1", string(randomKey(r, speedKeys)))
				},
				targets: []target{ratioAtLeast("requests/s", 1), ratioAtMost("server CPU us/request", 1)},
			}
			rows = append(rows, row{name: w.row, measure: w.measure})
		}
	}
	return rows
}

// redisBenchmarkRows are what users will run themselves. The tool itself is the limit in many of them.
func redisBenchmarkRows() []row {
	var rows []row
	add := func(name, section, test string, depth int, rate float64, size int) {
		rows = append(rows, row{name: name, measure: func(s *settings, t *table) error {
			return redisBenchmark(s, t, section, name, test, depth, rate, size)
		}})
	}
	for _, d := range []struct {
		depth int
		rate  float64
	}{{16, 1.6}, {64, 3}} {
		for _, test := range []string{"set", "get"} {
			add(fmt.Sprintf("redis-benchmark/%s/P%d", strings.ToUpper(test), d.depth), "redis-benchmark, strings", test, d.depth, d.rate, speedValue)
		}
	}
	for _, test := range []string{"lpush", "rpush", "lpop", "rpop", "sadd", "hset", "spop", "zadd", "zpopmin", "lrange_100", "lrange_300", "lrange_500", "lrange_600", "mset", "xadd"} {
		add("redis-benchmark/"+strings.ToUpper(test)+"/P16", "redis-benchmark, its other default tests", test, 16, 1.5, 3)
	}
	return rows
}

func redisBenchmark(s *settings, t *table, section, name, test string, depth int, rate float64, size int) error {
	path, err := exec.LookPath("redis-benchmark")
	if err != nil {
		return err
	}
	f, err := s.open(speedFleet, true)
	if err != nil {
		return err
	}
	if err := f.fill(speedFleet, fillSpeed); err != nil {
		return err
	}
	count := 60_000 * depth
	switch {
	case strings.HasPrefix(test, "lrange"):
		count = 150_000
	case test == "mset":
		count = 300_000
	case section != "redis-benchmark, strings":
		count = 600_000
	}
	if s.quick {
		count /= 3
	}
	for range s.rounds {
		for _, server := range f.servers {
			if server.Program.Speak != peer.Redis {
				continue
			}
			if strings.HasSuffix(test, "pop") || strings.HasPrefix(test, "zpop") { // there must be something to pop
				if err := preparePops(server, test, count); err != nil {
					return err
				}
			}
			if err := redisBenchmarkOnce(s, t, path, section, name, test, depth, size, count, server); err != nil {
				return fmt.Errorf("%s: %w", server.Program.Name, err)
			}
		}
	}
	t.expect(name, ratioAtLeast("requests/s", rate))
	return nil
}

func redisBenchmarkOnce(s *settings, t *table, path, section, name, test string, depth, size, count int, server *peer.Server) error {
	port := server.Addr[strings.LastIndexByte(server.Addr, ':')+1:]
	args := []string{"-h", "127.0.0.1", "-p", port, "-n", strconv.Itoa(count), "-c", strconv.Itoa(clients), "-P", strconv.Itoa(depth), "-d", strconv.Itoa(size), "-r", strconv.Itoa(speedKeys), "--csv"}
	if test == "xadd" { // not every version of the tool has it as a test
		args = append(args, "XADD", "mystream", "*", "myfield", "xxx")
	} else {
		args = append(args, "-t", test)
	}
	cmd := exec.Command(path, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	before, err := server.CPU()
	if err != nil {
		return err
	}
	cpus := []int{s.loadCPU}
	if s.loadCPU < 0 {
		cpus = nil
	}
	if err := peer.StartPinned(cmd, cpus...); err != nil {
		return err
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("%w: %s", err, out.String())
	}
	after, err := server.CPU()
	if err != nil {
		return err
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	cells := strings.Split(lines[len(lines)-1], ",")
	if len(lines) < 2 || len(cells) < 7 {
		return fmt.Errorf("unexpected output: %s", lines[len(lines)-1])
	}
	cell := func(i int) float64 {
		v, parseErr := strconv.ParseFloat(strings.Trim(cells[i], `"`), 64)
		if parseErr != nil {
			err = parseErr
		}
		return v
	}
	t.add(section, name, "requests/s", server.Program.Name, cell(1))
	t.add(section, name, "p99 ms", server.Program.Name, cell(6))
	t.add(section, name, "server CPU us/request", server.Program.Name, float64((after-before).Nanoseconds())/1e3/float64(count))
	return err
}

// preparePops tops up what a popping test takes from.
func preparePops(server *peer.Server, test string, count int) error {
	c, err := server.Dial()
	if err != nil {
		return err
	}
	defer c.Close()
	c.Timeout = time.Minute
	kind := map[string][3]string{"lpop": {"LLEN", "mylist", "RPUSH"}, "rpop": {"LLEN", "mylist", "RPUSH"}, "spop": {"SCARD", "myset", "SADD"}, "zpopmin": {"ZCARD", "myzset", "ZADD"}}[test]
	v, err := c.Do(kind[0], kind[1])
	if err != nil {
		return err
	}
	have, _ := v.Int()
	need := count + 1000 - int(have)
	for at := 0; at < need; at += 100 {
		args := []string{kind[2], kind[1]}
		for i := at; i < min(at+100, need); i++ {
			switch test {
			case "lpop", "rpop":
				args = append(args, "xxx")
			case "spop":
				args = append(args, fmt.Sprintf("element:%012d", i))
			default:
				args = append(args, strconv.Itoa(i), fmt.Sprintf("element:%012d", i))
			}
		}
		if err := c.Send(args...); err != nil {
			return err
		}
		if _, err := c.Receive(); err != nil {
			return err
		}
	}
	if test == "spop" || test == "zpopmin" { // members that were there already do not count
		v, err := c.Do(kind[0], kind[1])
		if have, _ := v.Int(); err == nil && int(have) < count/2 {
			err = fmt.Errorf("%s holds %d members, %d are needed", kind[1], have, count)
		}
		return err
	}
	return nil
}
