// Pair starts a primary, a replica and a witness on this machine, writes to the pair through a client that knows nothing
// but Sentinel, kills the primary with -9 in the middle, and shows on a small live chart how long nothing could be
// written. `make pair` runs it; -stay leaves the group running to be played with.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
)

var (
	binary  = flag.String("larder", "bin/larder", "the program")
	port    = flag.Int("port", 7000, "the first of the ports: clients at +0 and +1, failover at +10, +11 and +12, sentinel at +20, +21 and +22")
	profile = flag.String("profile", "default", "failover-profile: default, tight or wide")
	safety  = flag.String("write-safety", "async", "write-safety of both nodes")
	length  = flag.Duration("length", 10*time.Second, "how long the demonstration takes")
	stay    = flag.Bool("stay", false, "leave the group running until Ctrl-C")
)

func main() {
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// pair is the group's processes: two data nodes and a witness.
type pair struct {
	dir   string
	procs [3]*exec.Cmd
}

func (p *pair) addr(offset int) string { return "127.0.0.1:" + strconv.Itoa(*port+offset) }

func (p *pair) start(i int) error {
	var peers []string
	for o := range p.procs {
		if o != i {
			peers = append(peers, p.addr(10+o))
		}
	}
	dir := filepath.Join(p.dir, strconv.Itoa(i))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	args := []string{"serve", "--port", strconv.Itoa(*port + i), "--dir", dir, "--failover-group", "pair", "--failover-listen", p.addr(10 + i),
		"--failover-peers", strings.Join(peers, " "), "--sentinel-port", strconv.Itoa(*port + 20 + i), "--failover-profile", *profile, "--write-safety", *safety}
	if i == 2 {
		args = []string{"witness", "--group", "pair", "--listen", p.addr(12), "--peers", strings.Join(peers, ","), "--dir", dir,
			"--sentinel-port", strconv.Itoa(*port + 22), "--profile", *profile}
	}
	out, err := os.OpenFile(filepath.Join(dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := exec.Command(*binary, args...)
	cmd.Stdout, cmd.Stderr = out, out
	p.procs[i] = cmd
	return cmd.Start()
}

func (p *pair) kill(i int) {
	if c := p.procs[i]; c != nil && c.Process != nil {
		_ = c.Process.Kill()
		_ = c.Wait() // says how it ended, which is known
	}
}

func run(ctx context.Context, out io.Writer) error {
	logging.Disable()
	dir, err := os.MkdirTemp("", "larder-pair-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	p := &pair{dir: dir}
	for i := range p.procs {
		if err := p.start(i); err != nil {
			return err
		}
		defer p.kill(i)
	}
	c := redis.NewFailoverClient(&redis.FailoverOptions{
		MasterName: "pair", SentinelAddrs: []string{p.addr(20), p.addr(21), p.addr(22)}, MaxRetries: -1, DialerRetries: 1,
		DialTimeout: 200 * time.Millisecond, ReadTimeout: 500 * time.Millisecond,
	})
	defer c.Close()
	fmt.Fprintf(out, "a pair: clients at %s and %s, Sentinel at %s, %s and %s (group \"pair\")\n", p.addr(0), p.addr(1), p.addr(20), p.addr(21), p.addr(22))
	if err := ready(ctx, c); err != nil {
		return err
	}
	if err := show(ctx, out, c, p); err != nil {
		return err
	}
	if *stay && ctx.Err() == nil {
		fmt.Fprintf(out, "the group runs on; Ctrl-C ends it. Try: redis-cli -p %d sentinel failover pair\n", *port+22)
		<-ctx.Done()
	}
	return nil
}

// ready waits until there is a primary with a replica that has everything.
func ready(ctx context.Context, c *redis.Client) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		info, err := c.Info(ctx, "replication").Result()
		if err == nil && strings.Contains(info, "state=online") {
			break
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("there is no pair: %w", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
	select { // the replica has to say that it has caught up
	case <-ctx.Done():
	case <-time.After(time.Second):
	}
	return nil
}

// column is the time that one character of the chart stands for.
const column = 100 * time.Millisecond

// show writes to the pair, draws, and kills the primary after a third of the time.
func show(ctx context.Context, out io.Writer, c *redis.Client, p *pair) error {
	ctx, cancel := context.WithTimeout(ctx, *length)
	defer cancel()
	var done, failed, last, gap atomic.Int64 // last: when a write last succeeded; gap: the longest time without
	began := time.Now()
	for id := range 4 {
		go func() {
			for n := 0; ctx.Err() == nil; n++ {
				if err := c.Set(ctx, fmt.Sprintf("key:%d:%d", id, n%1000), n, 0).Err(); err != nil {
					failed.Add(1)
					time.Sleep(5 * time.Millisecond)
					continue
				}
				now := int64(time.Since(began))
				if d := now - last.Swap(now); d > gap.Load() {
					gap.Store(d)
				}
				done.Add(1)
			}
		}()
	}
	fmt.Fprintf(out, "writes per %v, live; the primary is killed at the arrow\n", column)
	bars := []rune(" ▁▂▃▄▅▆▇█")
	line, most, before := []rune{}, int64(1), int64(0)
	killed, dead := false, 0
	t := time.NewTicker(column)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			fmt.Fprintf(out, "\n%d writes acknowledged, %d attempts failed; the longest time without a write was %v\n",
				done.Load(), failed.Load(), time.Duration(gap.Load()).Round(time.Millisecond))
			return nil
		case <-t.C:
		}
		n := done.Load() - before
		before += n
		most = max(most, n)
		r := bars[min(int64(len(bars)-1), (n*int64(len(bars)-1)+most-1)/most)]
		if !killed && time.Since(began) > *length/3 {
			addr := strings.TrimSpace(primary(ctx, p))
			for i := range 2 {
				if strings.HasSuffix(addr, ":"+strconv.Itoa(*port+i)) {
					p.kill(i)
					killed, dead = true, i
					r = '↓'
				}
			}
		}
		if killed && time.Since(began) > *length*3/4 && p.procs[dead].ProcessState != nil {
			if err := p.start(dead); err != nil { // it comes back as a replica
				return err
			}
		}
		line = append(line, r)
		fmt.Fprintf(out, "\r%s %6d/s", string(line[max(0, len(line)-100):]), n*int64(time.Second/column))
	}
}

// primary asks the witness who is primary.
func primary(ctx context.Context, p *pair) string {
	s := redis.NewSentinelClient(&redis.Options{Addr: p.addr(22)})
	defer s.Close()
	addr, err := s.GetMasterAddrByName(ctx, "pair").Result()
	if err != nil || len(addr) != 2 {
		return ""
	}
	return addr[0] + ":" + addr[1]
}
