package clients

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The interpreters that Debian's packages are installed for.
const (
	python = "/usr/bin/python3"
	ruby   = "/usr/bin/ruby"
	php    = "/usr/bin/php"
)

// has tells whether a library of Python is installed. With -live it has to be.
func has(t *testing.T, library string) bool {
	t.Helper()
	return found(t, library, exec.Command(python, "-c", "import "+library).Run())
}

// found tells whether a library was found, from what looking for it has given.
func found(t *testing.T, library string, err error) bool {
	t.Helper()
	if err != nil && *live {
		t.Fatalf("no library %s (%v): .ci/install-redis installs it", library, err)
	}
	if err != nil {
		t.Logf("no library %s (%v)", library, err)
	}
	return err == nil
}

func TestRedisPy(t *testing.T) {
	if has(t, "redis") {
		runProgram(t, start(t), exec.Command(python, program(t, "redis_py.py")))
	}
}

func TestKombu(t *testing.T) {
	if has(t, "kombu") {
		runProgram(t, start(t), exec.Command(python, program(t, "kombu_queue.py")))
	}
}

func TestRQ(t *testing.T) {
	if has(t, "rq") {
		runProgram(t, start(t), exec.Command(python, program(t, "rq_jobs.py")))
	}
}

func TestHiredis(t *testing.T) {
	cc, err := exec.LookPath("cc")
	if _, e := os.Stat("/usr/include/hiredis/hiredis.h"); err != nil || e != nil {
		if *live {
			t.Fatalf("no C compiler (%v) or no hiredis (%v): .ci/install-redis installs hiredis", err, e)
		}
		t.Logf("no C compiler (%v) or no hiredis (%v)", err, e)
		return
	}
	bin := filepath.Join(t.TempDir(), "hiredis_client")
	if out, err := exec.Command(cc, "-o", bin, program(t, "hiredis_client.c"), "-lhiredis").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	runProgram(t, start(t), exec.Command(bin))
}

func TestSidekiq(t *testing.T) {
	if found(t, "sidekiq", exec.Command(ruby, "-e", "require 'sidekiq'").Run()) {
		runProgram(t, start(t), exec.Command(ruby, program(t, "sidekiq_jobs.rb")))
	}
}

func TestPHPRedis(t *testing.T) {
	if found(t, "phpredis", exec.Command(php, "-r", "exit(extension_loaded('redis') ? 0 : 1);").Run()) {
		runProgram(t, start(t), exec.Command(php, program(t, "phpredis_client.php")))
	}
}
