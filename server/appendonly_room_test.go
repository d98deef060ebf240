package server

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// TestLogTakesMoreThanThereIs: a start for which the system has not the memory fails, whatever the commands of the log are: what
// does not fit would be missing from the next base. Nothing is lost by it.
func TestLogTakesMoreThanThereIs(t *testing.T) {
	const keys, size = 300, 50_000
	value := strings.Repeat("v", size)
	for _, c := range []struct {
		name  string
		write func(key string) []string
	}{
		{"packs", func(key string) []string { return []string{"set", key, value} }},
		{"alone", func(key string) []string { return []string{"mset", key, value, "other", "1"} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			options := []string{"--dir", dir, "--appendonly", "yes", "--shards", "1", "--auto-aof-rewrite-percentage", "0"}
			ts := startServer(t, options...)
			cl := ts.dial()
			for i := range keys {
				cl.do(c.write(fmt.Sprint("key", i))...)
			}
			n := cl.do("dbsize")
			ts.stop()
			folder := filepath.Join(dir, "appendonlydir")
			before := names(t, folder)
			shardBytes = keys * size / 2
			failsToStart(t, options...)
			shardBytes = 0
			if got := names(t, folder); got != before {
				t.Errorf("the folder has %s now, it had %s", got, before)
			}
			startServer(t, options...).dial().want("dbsize", n)
		})
	}
}

// TestLogOfMoreDatabases: what the log has of a database that is not there any more belongs to no other one.
func TestLogOfMoreDatabases(t *testing.T) {
	dir := t.TempDir()
	options := []string{"--dir", dir, "--appendonly", "yes"}
	ts := startServer(t, options...)
	c := ts.dial()
	c.want("set k 0", "OK")
	c.want("select 12", "OK")
	c.want("set k 12", "OK")
	ts.stop()
	failsToStart(t, append(options, "--databases", "4")...)
	c = startServer(t, options...).dial()
	c.want("get k", "0")
	c.want("select 12", "OK")
	c.want("get k", "12")
}
