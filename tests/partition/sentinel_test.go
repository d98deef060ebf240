package partition

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// watched is two servers without a group, with configuration files, and a redis-sentinel that looks after them.
type watched struct {
	*group
	files    []string
	sentinel string // address
}

// newWatched starts them. Every server has a password, as real ones have.
func newWatched(t *testing.T) *watched {
	program, err := exec.LookPath("redis-sentinel")
	if err != nil {
		t.Skip("there is no redis-sentinel here")
	}
	w := &watched{group: &group{t: t, dir: t.TempDir()}}
	for i := range 2 {
		n := &node{g: w.group, n: i, data: true, host: "127.0.0.1", port: freePort(t)}
		if err := os.Mkdir(n.dir(), 0o755); err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprintf("# a comment that stays\nport %d\nbind 127.0.0.1\ndir %s\nsave \"\"\nrepl-diskless-sync-delay 0\nevent-loops 1\nrequirepass secret\nmasterauth secret\n", n.port, n.dir())
		if i == 1 {
			text += fmt.Sprintf("replicaof 127.0.0.1 %d\n", w.nodes[0].port)
		}
		n.args = []string{"serve", filepath.Join(n.dir(), "larder.conf")}
		if err := os.WriteFile(n.args[1], []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		n.password = "secret"
		w.nodes, w.files = append(w.nodes, n), append(w.files, n.args[1])
		n.start()
	}
	port := freePort(t)
	w.sentinel = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	conf := filepath.Join(w.dir, "sentinel.conf")
	text := fmt.Sprintf("port %d\nbind 127.0.0.1\ndir %s\nsentinel monitor main 127.0.0.1 %d 1\nsentinel auth-pass main secret\n"+
		"sentinel down-after-milliseconds main 5000\nsentinel failover-timeout main 6000\n", port, w.dir, w.nodes[0].port)
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(w.dir, "sentinel.log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, conf)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // says how it ended, which is known
		log.Close()
		for _, n := range w.nodes {
			n.kill()
		}
		if t.Failed() {
			for _, name := range []string{"sentinel.log", "0/log", "1/log"} {
				b, _ := os.ReadFile(filepath.Join(w.dir, name))
				t.Logf("%s:\n%s", name, b[max(0, len(b)-4000):])
			}
		}
	})
	w.wait("the sentinel", func() bool { return len(w.ask("sentinel", "master", "main")) == 1 })
	w.ask("sentinel", "debug", "info-period", "500", "publish-period", "300", "default-down-after", "5000") // where it can be hurried
	return w
}

// ask is what the sentinel says of the primary or of its replicas.
func (w *watched) ask(words ...any) []map[string]string {
	c := redis.NewClient(&redis.Options{Addr: w.sentinel, MaxRetries: -1, DialerRetries: 1, DisableIdentity: true, Protocol: 2})
	defer c.Close()
	v, err := c.Do(w.t.Context(), words...).Slice()
	if err != nil {
		return nil
	}
	if len(v) > 0 {
		if _, flat := v[0].(string); flat {
			v = []any{v}
		}
	}
	var out []map[string]string
	for _, one := range v {
		m := map[string]string{}
		list, _ := one.([]any)
		for i := 0; i+1 < len(list); i += 2 {
			m[fmt.Sprint(list[i])] = fmt.Sprint(list[i+1])
		}
		out = append(out, m)
	}
	return out
}

// settledOn waits until the sentinel takes that node for the primary, and the other one for a replica that works.
func (w *watched) settledOn(n *node) {
	w.t.Helper()
	other := w.nodes[1-n.n]
	w.wait(fmt.Sprintf("node %d to be the primary, and the other one its replica", n.n), func() bool {
		m, r := w.ask("sentinel", "master", "main"), w.ask("sentinel", "replicas", "main")
		return len(m) == 1 && m[0]["port"] == strconv.Itoa(n.port) && m[0]["flags"] == "master" && slices.ContainsFunc(r, func(r map[string]string) bool {
			return r["port"] == strconv.Itoa(other.port) && r["flags"] == "slave" && r["master-port"] == strconv.Itoa(n.port) && r["master-link-status"] == "ok"
		})
	})
}

// config is a server's configuration file.
func (w *watched) config(n *node) string {
	b, err := os.ReadFile(w.files[n.n])
	if err != nil {
		w.t.Error(err)
	}
	return string(b)
}

// TestRedisSentinel: a real redis-sentinel takes Larder for what it knows. It finds the replica, makes it primary when the
// primary is killed, turns the old one into a replica when it is back, writes both configuration files, and does the same
// when it is asked to; a client that asks the sentinel follows.
func TestRedisSentinel(t *testing.T) {
	w := newWatched(t)
	ctx := t.Context()
	first, second := w.nodes[0], w.nodes[1]
	w.settledOn(first)
	c := redis.NewFailoverClient(&redis.FailoverOptions{
		MasterName: "main", SentinelAddrs: []string{w.sentinel}, Password: "secret", MaxRetries: 20, MaxRetryBackoff: 100 * time.Millisecond, DialerRetries: 1,
	})
	defer c.Close()
	set := func(value string) {
		t.Helper()
		w.wait("a write of "+value, func() bool { return c.Set(ctx, "key", value, 0).Err() == nil })
	}
	set("one")
	sc := second.client()
	defer sc.Close()
	w.wait("the replica to have it", func() bool { return sc.Get(ctx, "key").Val() == "one" })

	first.kill()
	w.wait("the replica to be made primary", func() bool {
		m := w.ask("sentinel", "master", "main")
		return len(m) == 1 && m[0]["port"] == strconv.Itoa(second.port)
	})
	if v := c.Get(ctx, "key").Val(); v != "one" {
		t.Errorf("read %q after the failover", v)
	}
	set("two")
	if text := w.config(second); strings.Contains(text, "replicaof") || !strings.Contains(text, "# a comment that stays") {
		t.Errorf("the new primary's configuration file:\n%s", text)
	}

	first.start()
	w.settledOn(second)
	w.wait("the old primary's configuration file", func() bool {
		return strings.Contains(w.config(first), fmt.Sprintf("replicaof 127.0.0.1 %d", second.port))
	})
	fc := first.client()
	defer fc.Close()
	w.wait("the old primary to have what was written", func() bool { return fc.Get(ctx, "key").Val() == "two" })

	sentinel := redis.NewSentinelClient(&redis.Options{Addr: w.sentinel})
	defer sentinel.Close()
	w.wait("the sentinel to begin a planned failover", func() bool { return sentinel.Failover(ctx, "main").Err() == nil })
	w.settledOn(first)
	set("three")
	if v := fc.Get(ctx, "key").Val(); v != "three" {
		t.Errorf("the primary has %q", v)
	}
}
