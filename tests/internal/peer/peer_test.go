package peer

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// Servers are started in folders of their own: a program that was named from here must be found from there.
func TestAProgramIsFoundFromEverywhere(t *testing.T) {
	if p := At("bin/larder"); !filepath.IsAbs(p.Path) || p.Name != "larder" {
		t.Errorf("%+v", p)
	}
}

// TestStartAnswersAndStops runs against whatever servers the machine has besides larder.
func TestStartAnswersAndStops(t *testing.T) {
	for _, p := range Others() {
		t.Run(p.Name, func(t *testing.T) {
			s, err := Start(p, Options{})
			if err != nil {
				t.Fatal(err)
			}
			rss, err := s.RSS()
			if err != nil || rss < 1<<20 || rss > 1<<30 {
				t.Errorf("RSS %d, %v", rss, err)
			}
			cpu, err := s.CPU()
			if err != nil || cpu <= 0 || cpu > 10*time.Second {
				t.Errorf("CPU %v, %v", cpu, err)
			}
			if s.StartUp <= 0 {
				t.Errorf("start-up time %v", s.StartUp)
			}
			if p.Speak == Redis {
				c, err := s.Dial()
				if err != nil {
					t.Fatal(err)
				}
				if v, err := c.Do("PING"); err != nil || v.String() != "PONG" {
					t.Errorf("PING: %v, %v", v, err)
				}
				c.Close()
			}
			s.Stop()
			if s.Running() {
				t.Error("still running after Stop")
			}
			if _, err := os.Stat(s.Dir); !os.IsNotExist(err) {
				t.Errorf("folder left behind: %v", err)
			}
		})
	}
}

func TestAServerThatCannotStartIsReported(t *testing.T) {
	for _, p := range Others() {
		if p.Speak != Redis {
			continue
		}
		if s, err := Start(p, Options{Directives: []string{"no-such-directive yes"}}); err == nil {
			s.Stop()
			t.Errorf("%s: an unknown directive was accepted", p.Name)
		}
	}
}

// A server that has somebody else's port is not taken for the one that was to be started there.
func TestSomebodyElsesServerIsNone(t *testing.T) {
	for _, p := range Others() {
		if p.Speak != Redis {
			continue
		}
		s, err := Start(p, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Stop()
		other := &Server{Program: p, Addr: s.Addr, cmd: exec.Command("sleep", "60")}
		if err := other.cmd.Start(); err != nil {
			t.Fatal(err)
		}
		defer other.cmd.Wait()
		defer other.cmd.Process.Kill()
		if other.ping() || !s.ping() {
			t.Errorf("%s: process %d of the server is taken for %d", p.Name, s.PID(), other.PID())
		}
	}
}

// TestPortsAreGivenOnce: who asks for several gets different ones, though none of them is used yet.
func TestPortsAreGivenOnce(t *testing.T) {
	seen := map[int]bool{}
	for range 300 {
		port, err := FreePort()
		if err != nil || seen[port] {
			t.Fatalf("port %d, %v", port, err)
		}
		seen[port] = true
	}
}
