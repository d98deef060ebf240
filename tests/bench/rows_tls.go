package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"larder/server/tlsconf/testcert"
	"larder/tests/internal/peer"
	"larder/tests/internal/wire"
)

const tlsSection = "TLS"

// newPerSecond is how many TLS connections a second begin next to the plain load of tls/handshakes.
const newPerSecond = 160

func tlsRows() []row {
	return []row{
		{name: "tls/GET P=16", measure: func(s *settings, t *table) error { return withTLS(s, t, "tls/GET P=16", tlsSpeed) }},
		{name: "tls/handshakes", measure: func(s *settings, t *table) error { return withTLS(s, t, "tls/handshakes", besideHandshakes) }},
	}
}

// withTLS starts the servers with a TLS port, one after the other, and measures each.
func withTLS(s *settings, t *table, row string, measure func(s *settings, t *table, row string, server *peer.Server, addr string, conf *tls.Config) error) error {
	closeFleets()
	dir, err := os.MkdirTemp("", "larder-tls-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	ca, err := testcert.New(dir)
	if err != nil {
		return err
	}
	cert, err := ca.Issue(testcert.Options{Name: "server"})
	if err != nil {
		return err
	}
	conf, err := ca.Client(testcert.Cert{})
	if err != nil {
		return err
	}
	for _, p := range s.peers {
		if p.Speak != peer.Redis {
			continue
		}
		port, err := peer.FreePort()
		if err != nil {
			return err
		}
		server, err := s.start(p, "tls-port "+strconv.Itoa(port), "tls-auth-clients no",
			"tls-cert-file "+cert.CertFile, "tls-key-file "+cert.KeyFile, "tls-ca-cert-file "+ca.File)
		if err != nil {
			return fmt.Errorf("%s: %w (was it built with TLS?)", p.Name, err)
		}
		for range s.rounds {
			if err = measure(s, t, row, server, net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), conf); err != nil {
				break
			}
		}
		server.Stop()
		if err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
	}
	switch row {
	case "tls/GET P=16":
		t.expect(row, ratioAtMost("server µs/request", 1))
	case "tls/handshakes":
		t.expect(row, atLeast("share of the plain load that is left", 0.9))
	}
	return nil
}

// tlsSpeed reads keys over 50 connections, 16 requests at a time. The clients encrypt in this process, and take as much of
// the processors as the server does: what the server needs for a request is the figure to go by.
func tlsSpeed(s *settings, t *table, row string, server *peer.Server, addr string, conf *tls.Config) error {
	const depth = 16
	if err := feed(server, 10_000, func(b []byte, i int) []byte { return appendSet(b, peer.Redis, key(nil, i), value32) }); err != nil {
		return err
	}
	conns := make([]*tls.Conn, clients)
	for i := range conns {
		c, err := tls.Dial("tcp", addr, conf)
		if err != nil {
			return err
		}
		defer c.Close()
		conns[i] = c
	}
	replyLen := depth * len("$32\r\n"+string(value32)+"\r\n")
	before, err := server.CPU()
	if err != nil {
		return err
	}
	began := time.Now()
	var requests atomic.Int64
	var all sync.WaitGroup
	errs := make(chan error, clients)
	for i, c := range conns {
		all.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 3))
			reply := make([]byte, replyLen)
			var b []byte
			for time.Since(began) < s.duration {
				b = b[:0]
				for range depth {
					b = appendGet(b, peer.Redis, randomKey(r, 10_000))
				}
				if _, err := c.Write(b); err != nil {
					errs <- err
					return
				}
				if _, err := io.ReadFull(c, reply); err != nil {
					errs <- err
					return
				}
				requests.Add(depth)
			}
		})
	}
	all.Wait()
	elapsed := time.Since(began)
	after, err := server.CPU()
	select {
	case err = <-errs:
	default:
	}
	if err != nil {
		return err
	}
	n := float64(requests.Load())
	t.add(tlsSection, row, "requests/s", server.Program.Name, n/elapsed.Seconds())
	t.add(tlsSection, row, "server µs/request", server.Program.Name, float64((after-before).Microseconds())/n)
	return nil
}

// besideHandshakes measures a plain load alone, and again while new TLS connections come in.
func besideHandshakes(s *settings, t *table, row string, server *peer.Server, addr string, conf *tls.Config) error {
	ring := buildRing(200_000, 1, func(b []byte, r *rand.Rand) []byte { return appendGet(b, peer.Redis, randomKey(r, 10_000)) })
	if err := feed(server, 10_000, func(b []byte, i int) []byte { return appendSet(b, peer.Redis, key(nil, i), value32) }); err != nil {
		return err
	}
	o := loadOptions{addr: server.Addr, conns: clients, pipeline: 16, ring: ring, duration: s.duration, replyLen: len("$32\r\n" + string(value32) + "\r\n")}
	alone, err := run(o)
	if err != nil {
		return err
	}
	stop, done := handshakes(addr, conf)
	beside, err := run(o)
	stop()
	made := <-done
	if err != nil {
		return err
	}
	t.add(tlsSection, row, "new connections/s", server.Program.Name, float64(made)/beside.elapsed.Seconds())
	t.add(tlsSection, row, "share of the plain load that is left", server.Program.Name, beside.perSecond()/alone.perSecond())
	t.add(tlsSection, row, "p99 ms", server.Program.Name, float64(beside.latency.quantile(0.99))/1e6)
	return nil
}

// handshakes begins newPerSecond TLS connections a second, on goroutines of their own. done gives how many were served.
func handshakes(addr string, conf *tls.Config) (stop func(), done <-chan int) {
	ctx, cancel := context.WithCancel(context.Background())
	out := make(chan int, 1)
	go func() {
		var made atomic.Int64
		var all sync.WaitGroup
		ticks := time.NewTicker(time.Second / newPerSecond)
		defer ticks.Stop()
		for {
			select {
			case <-ctx.Done():
				all.Wait()
				out <- int(made.Load())
				return
			case <-ticks.C:
				all.Go(func() {
					if pingOnce(addr, conf) == nil {
						made.Add(1)
					}
				})
			}
		}
	}()
	return cancel, out
}

// pingOnce connects, says PING and goes.
func pingOnce(addr string, conf *tls.Config) error {
	c, err := tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, "tcp", addr, conf)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Write(wire.AppendRequest(nil, "PING")); err != nil {
		return err
	}
	b := make([]byte, len("+PONG\r\n"))
	if _, err := io.ReadFull(c, b); err != nil {
		return err
	}
	if !strings.HasPrefix(string(b), "+PONG") {
		return errors.New("PING is answered " + string(b))
	}
	return nil
}
