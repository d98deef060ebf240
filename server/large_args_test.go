package server

import (
	"testing"

	"golang.org/x/sys/unix"

	"larder/keyspace"
	"larder/server/command"
	"larder/server/resp"
)

// TestTooLargeArguments: a write is refused that would keep more than the length of a value can tell, or a key that a snapshot
// could not be loaded with. The arguments are address space that nobody touches.
func TestTooLargeArguments(t *testing.T) {
	space, err := unix.Mmap(-1, 0, keyspace.MaxValue+1, unix.PROT_READ, unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_NORESERVE)
	if err != nil {
		t.Skip("no address space: ", err)
	}
	defer unix.Munmap(space)
	small, key, value := []byte("x"), space[:keyspace.MaxKey], space[:keyspace.MaxValue]
	largeKey := space[:keyspace.MaxKey+1]
	table := command.NewTable(command.Rows())
	for _, c := range []struct {
		argv [][]byte
		want resp.Error
	}{
		{[][]byte{[]byte("set"), key, value}, ""},
		{[][]byte{[]byte("set"), small, space}, resp.ErrStringTooBig},
		{[][]byte{[]byte("mset"), small, small, small, space}, resp.ErrStringTooBig},
		{[][]byte{[]byte("hset"), small, space, small}, resp.ErrStringTooBig},
		{[][]byte{[]byte("rpush"), small, small, space}, resp.ErrStringTooBig},
		{[][]byte{[]byte("xadd"), small, []byte("*"), small, space}, resp.ErrStringTooBig},
		{[][]byte{[]byte("set"), largeKey, small}, resp.ErrKeyTooBig},
		{[][]byte{[]byte("rename"), small, largeKey}, resp.ErrKeyTooBig},
		{[][]byte{[]byte("sadd"), small, largeKey}, ""},
	} {
		row, _ := table.Find(c.argv)
		if got := tooLarge(row, c.argv); got != c.want {
			t.Errorf("%s of %d arguments: %q, want %q", c.argv[0], len(c.argv), got, c.want)
		}
	}
}

// A limit beyond what a value can be is taken, as redis-server takes it.
func TestLongestArgument(t *testing.T) {
	ts := startServer(t)
	c := ts.dial()
	c.want("config set proto-max-bulk-len 10gb", "OK") // a redis.conf may say so; see keyspace.MaxValue
}
