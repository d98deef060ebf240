package main

import (
	"fmt"
	"math/rand/v2"

	"larder/tests/internal/peer"
	"larder/tests/internal/wire"
)

// fleet is all servers running side by side, with the same data. Rows that need the same data share one.
type fleet struct {
	servers []*peer.Server
	done    map[string]bool // fills that are in
}

var fleets = map[string]*fleet{}

func closeFleets() {
	for name, f := range fleets {
		f.close()
		delete(fleets, name)
	}
}

func (f *fleet) close() {
	for _, s := range f.servers {
		s.Stop()
	}
}

// open returns the fleet of that name, started when it is first asked for; others are stopped, for their memory.
// memcached is part of it only where it can do the same.
func (s *settings) open(name string, memcached bool, directives ...string) (*fleet, error) {
	if f := fleets[name]; f != nil {
		return f, nil
	}
	closeFleets()
	f := &fleet{done: map[string]bool{}}
	for _, p := range s.peers {
		if p.Speak == peer.Memcached && !memcached {
			continue
		}
		server, err := s.start(p, directives...)
		if err != nil {
			f.close()
			return nil, err
		}
		f.servers = append(f.servers, server)
	}
	fleets[name] = f
	return f, nil
}

func (s *settings) start(p peer.Program, directives ...string) (*peer.Server, error) {
	return peer.Start(p, peer.Options{CPUs: s.serverCPUs, Directives: directives, MemoryMiB: 8192})
}

// fill makes the same data on all servers, once.
func (f *fleet) fill(name string, fill func(s *peer.Server) error) error {
	if f.done[name] {
		return nil
	}
	for _, s := range f.servers {
		if err := fill(s); err != nil {
			return fmt.Errorf("filling %s: %w", s.Program.Name, err)
		}
	}
	f.done[name] = true
	return nil
}

// feed sends count requests over one connection, many at a time, and counts the replies.
func feed(s *peer.Server, count int, request func(b []byte, i int) []byte) error {
	c, err := wire.Dial(s.Addr)
	if err != nil {
		return err
	}
	defer c.Close()
	const batch = 500
	var buf []byte
	var skip skipper
	memcached := s.Program.Speak == peer.Memcached
	for i := 0; i < count; i += batch {
		n := min(batch, count-i)
		buf = buf[:0]
		for j := range n {
			buf = request(buf, i+j)
		}
		if err := c.SendRaw(buf); err != nil {
			return err
		}
		for done := 0; done < n; {
			b, err := c.ReceiveSome()
			if err != nil {
				return err
			}
			if memcached {
				done += countLines(b)
				continue
			}
			k, err := skip.take(b, false)
			if err != nil {
				return err
			}
			done += k
		}
	}
	return nil
}

func countLines(b []byte) (n int) {
	for _, c := range b {
		if c == '\n' {
			n++
		}
	}
	return n
}

// key is the name that redis-benchmark gives to a key: 16 bytes.
func key(b []byte, i int) []byte { return fmt.Appendf(b, "key:%012d", i) }

// appendSet and appendGet write the request in the server's own protocol.
func appendSet(b []byte, speak peer.Protocol, k, v []byte) []byte {
	if speak == peer.Memcached {
		b = fmt.Appendf(b, "ms %s %d\r\n", k, len(v))
		return append(append(b, v...), "\r\n"...)
	}
	return appendCommand(b, []byte("SET"), k, v)
}

func appendGet(b []byte, speak peer.Protocol, k []byte) []byte {
	if speak == peer.Memcached {
		return fmt.Appendf(b, "mg %s v\r\n", k)
	}
	return appendCommand(b, []byte("GET"), k)
}

func appendCommand(b []byte, args ...[]byte) []byte {
	b = fmt.Appendf(b, "*%d\r\n", len(args))
	for _, a := range args {
		b = fmt.Appendf(b, "$%d\r\n", len(a))
		b = append(append(b, a...), "\r\n"...)
	}
	return b
}

// words writes a command of texts.
func words(b []byte, args ...string) []byte { return wire.AppendRequest(b, args...) }

// randomKey is a key below n.
func randomKey(r *rand.Rand, n int) []byte { return key(nil, r.IntN(n)) }
