package main

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"
	"time"

	"larder/tests/internal/peer"
)

// A keeper is a way in which data outlives the commands that made it: a replica, a snapshot, the append-only log. With
// -kept a script is played on one larder only, and what it has left is compared with what was kept.
type keeper struct {
	name string
	// keep makes v.b answer for what was kept. It is called when the script is over, and what is there has been read
	// before if v.a is v.b.
	keep func(v *versus) error
}

var keepers = []keeper{
	{"replica", func(v *versus) error { return v.b.follows(v.a) }},
	{"snapshot", func(v *versus) error { _, err := v.a.call("DEBUG", "RELOAD"); return err }},
	{"log", func(v *versus) error { _, err := v.a.call("DEBUG", "LOADAOF"); return err }},
	{"rewritten", func(v *versus) error {
		if _, err := v.a.call("BGREWRITEAOF"); err != nil {
			return err
		}
		if err := v.a.until("persistence", "aof_rewrite_in_progress", "0"); err != nil {
			return err
		}
		_, err := v.a.call("DEBUG", "LOADAOF")
		return err
	}},
}

// playKept runs a script on the first server, and compares what it leaves with what is kept.
func (v *versus) playKept(script []step, how manner) (*mismatch, error) {
	_, end, la, err := v.a.play(script, how)
	if err != nil {
		return nil, err
	}
	if err = v.keeper.keep(v); err != nil {
		return nil, err
	}
	_, lb, err := v.b.read(how)
	if err != nil {
		return nil, err
	}
	return v.compareLeft(script, end, la, lb)
}

// read reads what is there.
func (s *side) read(how manner) (end []step, left [][]byte, err error) {
	p := s.player(how)
	defer func() { err = errors.Join(err, p.end(err == nil)) }()
	return p.contents()
}

// keptLimit bounds how long a replica may need for what one script has done.
const keptLimit = 2 * time.Minute

// field is a line of INFO.
func (s *side) field(section, name string) (string, error) {
	info, err := s.call("INFO", section)
	if err != nil {
		return "", err
	}
	m := regexp.MustCompile(`(?m)^` + name + `:(.*?)\r?$`).FindStringSubmatch(info.String())
	if m == nil {
		return "", fmt.Errorf("%s: no %s in INFO %s", s.name, name, section)
	}
	return m[1], nil
}

// until waits until a line of INFO has a value.
func (s *side) until(section, name, value string) error {
	for began := time.Now(); ; {
		v, err := s.field(section, name)
		if err != nil || v == value {
			return err
		}
		if time.Since(began) > keptLimit {
			return fmt.Errorf("%s: %s stays %s", s.name, name, v)
		}
	}
}

// follows waits until the replica s has all that its primary has.
func (s *side) follows(primary *side) error {
	if err := s.until("replication", "master_link_status", "up"); err != nil {
		return err
	}
	offset, err := primary.field("replication", "master_repl_offset")
	if err != nil {
		return err
	}
	return s.until("replication", "slave_repl_offset", offset)
}

// startKept starts the servers for the keepers that -kept names.
func startKept(o options) (pairs [][]*versus, stop func(), err error) {
	names := strings.Split(o.kept, ",")
	var servers []*peer.Server
	stop = func() {
		for _, s := range servers {
			s.Stop()
		}
	}
	defer func() {
		if err != nil {
			stop()
		}
	}()
	p, err := peer.Build()
	if err != nil {
		return nil, stop, err
	}
	open := func(directives ...string) (*side, error) {
		s, err := peer.Start(p, peer.Options{Directives: append([]string{"enable-debug-command yes", "hz 500"}, directives...)})
		if err != nil {
			return nil, err
		}
		servers = append(servers, s)
		return newSide(p.Name, s.Addr, nil, nil)
	}
	all := newTally()
	for i := range keepers {
		k := &keepers[i]
		if o.kept != "all" && !slices.Contains(names, k.name) {
			continue
		}
		v := &versus{tally: all, keeper: k}
		pairs = append(pairs, []*versus{v})
		var extra []string
		if k.name == "log" || k.name == "rewritten" {
			extra = []string{"appendonly yes", "appendfsync no"}
		}
		if v.a, err = open(extra...); err != nil {
			return nil, stop, err
		}
		v.a.name = "what was there"
		v.b = v.a
		if k.name == "replica" {
			host, port, _ := net.SplitHostPort(servers[len(servers)-1].Addr)
			if v.b, err = open("replicaof " + host + " " + port); err != nil {
				return nil, stop, err
			}
			v.b.name = "what the replica has"
		}
	}
	return pairs, stop, nil
}
