package clients

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// python is the interpreter that Debian's packages are installed for.
const python = "/usr/bin/python3"

// has tells whether a Python library is installed for it. With -live it has to be.
func has(t *testing.T, library string) bool {
	t.Helper()
	if err := exec.Command(python, "-c", "import "+library).Run(); err != nil {
		if *live {
			t.Fatalf("%s has no library %s: .ci/install-redis installs it", python, library)
		}
		t.Logf("%s has no library %s", python, library)
		return false
	}
	return true
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
