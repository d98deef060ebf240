package server

import (
	"strings"
	"syscall"
	"testing"
)

// fullDisk is a replica of primary whose disk has become full, and which has given its log up.
func fullDisk(t *testing.T) (disk *badDisk, primary, replica *testServer, options []string) {
	dir := t.TempDir()
	disk = newBadDisk(t)
	primary = startServer(t, "--repl-diskless-sync-delay", "0")
	options = []string{"--dir", dir, "--appendonly", "yes", "--save", ""}
	replica = startServer(t, options...)
	replica.follow(primary)
	p, r := primary.dial(), replica.dial()
	eventually(t, "the replica's log", func() bool {
		return r.info("replication", "master_link_status") == "up" && replica.aof.state.Load() == logOn
	})
	disk.set(func(op, name string) error {
		if op == "write" && strings.HasPrefix(name, dir) {
			return syscall.ENOSPC
		}
		return nil
	})
	big := strings.Repeat("v", 1<<20)
	for range 3 * logCrowdedAbove / len(big) / 2 {
		p.want("set k "+big, "OK")
	}
	p.want("set last one", "OK")
	eventually(t, "the replica to follow", func() bool { return r.do("get last") == "one" })
	eventually(t, "the log to be given up", func() bool {
		l := replica.aof.log.Load()
		return replica.logged("begins anew") > 0 && (l == nil || l.Pending() <= logCrowdedAbove)
	})
	return disk, primary, replica, options
}

// TestReplicaOnFullDisk: a replica whose disk is full follows its primary, without keeping all that the disk does not take, and
// has a log again when there is room.
func TestReplicaOnFullDisk(t *testing.T) {
	disk, primary, replica, options := fullDisk(t)
	p, r := primary.dial(), replica.dial()
	disk.set(nil)
	eventually(t, "a log again", func() bool {
		replica.aof.failures.Store(0) // else it is tried a minute later
		return replica.aof.state.Load() == logOn
	})
	p.want("set last two", "OK")
	eventually(t, "the replica to follow", func() bool { return r.do("get last") == "two" })
	want := digest(r)
	replica.stop()
	if got := digest(startServer(t, options...).dial()); got != want {
		t.Error("the data differs")
	}
}

// TestPrimaryWithoutItsLog: one that becomes a primary then acknowledges nothing until the disk takes what it has.
func TestPrimaryWithoutItsLog(t *testing.T) {
	disk, _, replica, _ := fullDisk(t)
	r := replica.dial()
	r.want("replicaof no one", "OK")
	if v := r.do("set k v"); !isError(v, "MISCONF ") {
		t.Errorf("a write is answered %v", v)
	}
	disk.set(nil)
	eventually(t, "a log again", func() bool {
		replica.aof.failures.Store(0) // else it is tried a minute later
		return replica.aof.state.Load() == logOn
	})
	r.want("set k v", "OK")
}
