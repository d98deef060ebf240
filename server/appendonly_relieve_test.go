package server

import (
	"strings"
	"syscall"
	"testing"
)

// TestReplicaOnFullDisk: a replica whose disk is full follows its primary, without keeping all that the disk does not take, and
// has a log again when there is room.
func TestReplicaOnFullDisk(t *testing.T) {
	disk, dir := newBadDisk(t), t.TempDir()
	primary := startServer(t, "--repl-diskless-sync-delay", "0")
	options := []string{"--dir", dir, "--appendonly", "yes", "--save", ""}
	replica := startServer(t, options...)
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
