package crash

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"larder/tests/internal/peer"
)

// TestCrashReport ends a server in all ways in which one crashes, and looks into its log.
func TestCrashReport(t *testing.T) {
	program, err := peer.Build()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(peer.RemoveBuild)
	type end func(s *peer.Server) error
	ask := func(request ...string) end {
		return func(s *peer.Server) error {
			c, err := s.Dial()
			if err != nil {
				return err
			}
			defer c.Close()
			_, _ = c.Do(request...) // the answer is the end of the connection
			return nil
		}
	}
	signal := func(sig syscall.Signal) end {
		return func(s *peer.Server) error { return syscall.Kill(s.PID(), sig) }
	}
	report := []string{"crashed by signal: %d ", "------ STACK TRACE ------\ngoroutine ", "main.main()", "------ INFO OUTPUT ------\n# Server",
		"\ndb0:keys=1", "------ CLIENT LIST OUTPUT ------\nid=", "cmd=set user=default", "REDIS BUG REPORT END"}
	for _, x := range []struct {
		name string
		end  end
		sig  syscall.Signal
		want []string
	}{
		{"SIGABRT", signal(syscall.SIGABRT), syscall.SIGABRT, report},
		{"SIGSEGV", signal(syscall.SIGSEGV), syscall.SIGSEGV, report},
		{"DEBUG SEGFAULT", ask("DEBUG", "SEGFAULT"), syscall.SIGSEGV, report},
		{"a panic", ask("DEBUG", "PANIC"), 0, []string{"panic: Panic called at Unix time ", "server.debugPanic(", "main.main()"}},
		{"none is wanted", func(s *peer.Server) error {
			if err := ask("CONFIG", "SET", "crash-log-enabled", "no")(s); err != nil {
				return err
			}
			return signal(syscall.SIGABRT)(s)
		}, 0, nil},
	} {
		t.Run(x.name, func(t *testing.T) {
			s, err := peer.Start(program, peer.Options{Dir: t.TempDir(), Directives: []string{"logfile the.log", "enable-debug-command yes"}})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Kill()
			c, err := s.Dial()
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := c.Do("SET", "k", "v"); err != nil {
				t.Fatal(err)
			}
			if err := x.end(s); err != nil {
				t.Fatal(err)
			}
			tick := time.NewTicker(5 * time.Millisecond)
			defer tick.Stop()
			for end := time.Now().Add(time.Minute); s.Running(); <-tick.C {
				if time.Now().After(end) {
					t.Fatal("it goes on")
				}
			}
			b, err := os.ReadFile(filepath.Join(s.Dir, "the.log"))
			if err != nil {
				t.Fatal(err)
			}
			text := strings.ReplaceAll(string(b), "\r\n", "\n")
			for _, want := range x.want {
				if strings.Contains(want, "%d") {
					want = fmt.Sprintf(want, int(x.sig))
				}
				if !strings.Contains(text, want) {
					t.Errorf("the log has no %q:\n%s", want, text)
				}
			}
			if x.want == nil && strings.Contains(text, "goroutine ") {
				t.Errorf("the log has a report:\n%s", text)
			}
		})
	}
}
