package server

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// wantStat compares a line of INFO commandstats; a * in want stands for any text without commas.
func (c *testClient) wantStat(cmd, calls string) {
	c.t.Helper()
	got := c.info("commandstats", "cmdstat_"+cmd)
	var parts []string
	for _, p := range strings.Split(got, ",") {
		if !strings.HasPrefix(p, "usec") {
			parts = append(parts, p)
		}
	}
	if got := strings.Join(parts, ","); got != calls {
		c.t.Errorf("cmdstat_%s is %q, not %q", cmd, got, calls)
	}
}

func counts(calls, rejected, failed int) string {
	return fmt.Sprintf("calls=%d,rejected_calls=%d,failed_calls=%d", calls, rejected, failed)
}

func (c *testClient) wantErrors(total int, codes ...string) {
	c.t.Helper()
	if n := c.number("stats", "total_error_replies"); n != int64(total) {
		c.t.Errorf("there were %d errors, not %d", n, total)
	}
	for _, code := range codes {
		code, n, _ := strings.Cut(code, " ")
		if got := c.info("errorstats", "errorstat_"+code); got != "count="+n {
			c.t.Errorf("errorstat_%s is %q, not count=%s", code, got, n)
		}
	}
}

func TestErrorsAreCountedOnce(t *testing.T) {
	c := startServer(t).dial()
	c.want("config resetstat", "OK")
	c.want("auth k", replyError("ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?"))
	c.wantStat("auth", counts(1, 0, 1))
	c.wantErrors(1, "ERR 1")

	// Inside EXEC: the command's error, not another one of EXEC.
	c.want("config resetstat", "OK")
	c.want("multi", "OK")
	c.want("set a b", "QUEUED")
	c.want("auth a", "QUEUED")
	c.list("exec")
	c.wantStat("set", counts(1, 0, 0))
	c.wantStat("auth", counts(1, 0, 1))
	c.wantStat("exec", counts(1, 0, 0))
	c.wantErrors(1, "ERR 1")
	c.want("exec", replyError("ERR EXEC without MULTI"))
	c.wantStat("exec", counts(2, 0, 1))
	c.wantErrors(2, "ERR 2")

	// Refused before it runs.
	c.want("config resetstat", "OK")
	c.want("set k", replyError("ERR wrong number of arguments for 'set' command"))
	c.wantStat("set", counts(0, 1, 0))
	c.want("asdf", replyError("ERR unknown command 'asdf', with args beginning with: "))
	c.wantErrors(2, "ERR 2")
	c.want("multi", "OK")
	c.want("set", replyError("ERR wrong number of arguments for 'set' command"))
	c.want("exec", replyError("EXECABORT Transaction discarded because of previous errors."))
	c.wantStat("set", counts(0, 2, 0))
	c.wantStat("multi", counts(1, 0, 0))
	c.wantStat("exec", counts(1, 0, 1))
	c.wantErrors(4, "ERR 3", "EXECABORT 1")

	c.want("set k v", "OK")
	c.want("config resetstat", "OK")
	c.want("config set maxmemory 1", "OK")
	if e, _ := c.do("set a b").(replyError); !strings.HasPrefix(string(e), "OOM ") {
		t.Errorf("beyond maxmemory SET answers %q", e)
	}
	c.wantStat("set", counts(0, 1, 0))
	c.wantErrors(1, "OOM 1")
	c.want("config resetstat", "OK")
	c.wantErrors(0)
	c.wantStat("set", "")
}

func TestBlockedCommandsAreCountedWhenTheyAreOver(t *testing.T) {
	ts := startServer(t)
	c, b := ts.dial(), ts.dial()
	id := fmt.Sprint(b.do("client id"))
	c.want("config resetstat", "OK")
	block := func(request string) {
		b.send(request)
		eventually(t, "blocking", func() bool { return c.number("clients", "blocked_clients") == 1 })
	}
	block("blpop l 0")
	c.wantStat("blpop", "")
	c.want("rpush l x", 1)
	if got := b.read(); fmt.Sprint(got) != "[l x]" {
		t.Errorf("BLPOP answers %v", got)
	}
	c.wantStat("blpop", counts(1, 0, 0))
	block("blpop l 0")
	c.want("client unblock "+id+" error", 1)
	if got := b.read(); got != replyError("UNBLOCKED client unblocked via CLIENT UNBLOCK") {
		t.Errorf("an unblocked BLPOP answers %v", got)
	}
	c.wantStat("blpop", counts(2, 0, 1))
	c.wantErrors(1, "UNBLOCKED 1")
	b.want("blpop l 0.01", nil)
	c.wantStat("blpop", counts(3, 0, 1))
}

func TestErrorCodesAreBounded(t *testing.T) {
	c := startServer(t).dial()
	for n := range 2 * maxErrorCodes {
		c.do("debug", "error", fmt.Sprintf("CODE%d text", n))
	}
	c.wantErrors(2*maxErrorCodes, "CODE0 1", fmt.Sprintf("%s %d", otherErrors, maxErrorCodes))
	if n := strings.Count(c.text("info errorstats"), "errorstat_"); n != maxErrorCodes+1 {
		t.Errorf("%d codes are told apart", n)
	}
	c.do("get")
	c.do("debug", "error", "CODE0 again")
	c.wantErrors(2*maxErrorCodes+2, "CODE0 2", "ERR 1", fmt.Sprintf("%s %d", otherErrors, maxErrorCodes))
}

// TestErrorCodesAreNames: a code that a client has made up ends no name of a field.
func TestErrorCodesAreNames(t *testing.T) {
	c := startServer(t).dial()
	c.do("debug", "error", "A:B#C=D text")
	c.wantErrors(1, "A_B_C=D 1")
}

// The server's own codes are known, so that scripts which make up theirs do not hide them.
func TestOwnErrorCodes(t *testing.T) {
	files, err := filepath.Glob("resp/*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	n := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`Error(?: *=|\() *"([A-Z]{2,}) `).FindAllSubmatch(text, -1) {
			if n++; !slices.Contains(ownCodes, string(m[1])) {
				t.Errorf("%s: %s is no known code", file, m[1])
			}
		}
	}
	if n < 100 {
		t.Errorf("only %d errors were found", n)
	}
}

// Quick commands are not all timed, yet all counted.
func TestQuickCommandsAreWeighed(t *testing.T) {
	c := startServer(t).dial()
	c.want("config resetstat", "OK")
	const n = 1000
	for range n {
		c.do("get nothing")
	}
	c.wantStat("get", counts(n, 0, 0))
	h := c.list("latency histogram get")
	if got := h[1].([]any)[1]; got != int64(n) {
		t.Errorf("the histogram has %v calls", got)
	}
	steps := h[1].([]any)[3].([]any)
	if last := steps[len(steps)-1]; last != int64(n) {
		t.Errorf("the last step has %v calls", last)
	}
	if text := c.info("latencystats", "latency_percentiles_usec_get"); !strings.HasPrefix(text, "p50=") || strings.Count(text, "=") != 3 {
		t.Errorf("latency_percentiles_usec_get is %q", text)
	}
	c.want("config set latency-tracking-info-percentiles", replyError("ERR wrong number of arguments for 'config|set' command"))
	c.do("config", "set", "latency-tracking-info-percentiles", "0 99.95")
	if text := c.info("latencystats", "latency_percentiles_usec_get"); !strings.HasPrefix(text, "p0=") || !strings.Contains(text, ",p99.95=") {
		t.Errorf("latency_percentiles_usec_get is %q", text)
	}
	c.want("config set latency-tracking no", "OK")
	c.want("config resetstat", "OK")
	c.do("get nothing")
	if text := c.info("latencystats", "latency_percentiles_usec_get"); text != "" {
		t.Errorf("with latency-tracking no there is %q", text)
	}
}

// What a walk over the keys finds to be expired is removed when the walk is over.
func TestWalksRemoveExpiredKeys(t *testing.T) {
	for _, walk := range []string{"scan 0 count 100", "keys *", "scan 0 count 100 type list"} {
		ts := startServer(t)
		c, sub := ts.dial(), ts.dial()
		c.want("debug set-active-expire 0", "OK")
		c.want("config set notify-keyspace-events Ex", "OK")
		sub.do("psubscribe *")
		c.want("set stays v", "OK")
		c.want("set goes v px 1", "OK")
		for range 10 {
			c.want("debug sleep 0.001", "OK")
		}
		c.want("dbsize", 2)
		c.do(walk)
		c.want("dbsize", 1)
		if n := c.number("stats", "expired_keys"); n != 1 {
			t.Errorf("%s: %d keys have expired", walk, n)
		}
		if m := sub.read().([]any); m[3] != "goes" {
			t.Errorf("%s: the message is %v", walk, m)
		}
		c.want("exists stays", 1)
	}
}

// TestWhatCountsAsARead runs each command on keys that are there and on keys that are not. What counts as a hit, as a
// miss and as an event of a miss is as in redis-server 7.0 and 7.2: a look-up of what is about to change does not.
func TestWhatCountsAsARead(t *testing.T) {
	ts := startServer(t)
	c, ear := ts.dial(), ts.dial()
	c.want("config set notify-keyspace-events Em", "OK")
	ear.send("subscribe __keyevent@0__:keymiss __keyevent@0__:end")
	ear.read()
	ear.read()
	for _, tt := range []struct {
		request              string
		hits, misses, events int64
	}{
		{"get s", 1, 1, 1},
		{"exists s s", 2, 2, 2},
		{"ttl s", 1, 1, 1},
		{"pexpiretime s", 1, 1, 1},
		{"type s", 1, 1, 1},
		{"touch s", 1, 1, 1},
		{"object encoding s", 1, 1, 0},
		{"object refcount s", 1, 1, 0},
		{"debug object s", 0, 0, 0},
		{"debug object l", 0, 0, 0},
		{"incr s", 0, 0, 0},
		{"decrby s 2", 0, 0, 0},
		{"incrbyfloat s 0.5", 0, 0, 0},
		{"append s x", 0, 0, 0},
		{"rename s d", 0, 0, 0},
		{"renamenx s d", 0, 0, 0},
		{"copy s d", 1, 1, 1},
		{"expire s 100", 0, 0, 0},
		{"lpop l", 0, 0, 0},
		{"sort l alpha", 1, 1, 1},
		{"xread streams x 0", 2, 2, 2},
		{"xread block 1 streams x $", 2, 2, 2}, // though it looks once more when it stands in line
		{"xreadgroup group g c streams x >", 2, 1, 1},
		{"xack x g 1-1", 1, 1, 1},
		{"xclaim x g c 0 1-1", 1, 1, 1},
		{"xautoclaim x g c 0 0", 1, 1, 1},
		{"xadd x 2-1 f v", 0, 0, 0},
	} {
		for _, there := range []bool{true, false} {
			c.want("flushall", "OK")
			hits, misses, events := int64(0), tt.misses, tt.events
			if there {
				hits, misses, events = tt.hits, 0, 0
				c.want("set s 10", "OK")
				c.want("rpush l a b", 2)
				c.want("xadd x 1-1 f v", "1-1")
				c.want("xgroup create x g 0", "OK")
			}
			c.want("config resetstat", "OK")
			c.do(tt.request)
			if h, m := c.number("stats", "keyspace_hits"), c.number("stats", "keyspace_misses"); h != hits || m != misses {
				t.Errorf("%s, there: %v: %d hits and %d misses, want %d and %d", tt.request, there, h, m, hits, misses)
			}
			c.want("publish __keyevent@0__:end all", 1)
			heard := int64(0)
			for ear.read().([]any)[1] != "__keyevent@0__:end" {
				heard++
			}
			if heard != events {
				t.Errorf("%s, there: %v: %d misses are told, want %d", tt.request, there, heard, events)
			}
		}
	}
}
