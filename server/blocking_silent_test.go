package server

import (
	"fmt"
	"testing"

	"larder/server/command"
)

// A blocking command finds nothing, and something right after it stands in line, as another loop writes between. Its client wants no
// replies (CLIENT REPLY OFF), but is told that the key has changed which it reads.
func TestSilentClientServedAtOnceIsTold(t *testing.T) {
	ts := startServer(t, "--event-loops", "1")
	c := ts.dial()
	c.do("hello 3")
	c.want("rpush k a b", 2)
	s := ts.clients.find(c.do("client id").(int64))
	c.want("client tracking on", "OK")
	c.list("lrange k 0 -1")
	c.send("client reply off")
	ex := ts.executors[0]
	eventually(t, "silence", func() (silent bool) {
		ts.inWorldDo(func(*executor) { silent = s.replyOff })
		return silent
	})
	argv := [][]byte{[]byte("blpop"), []byte("k"), []byte("0")}
	found, _ := ts.table.Find(argv)
	row := &command.Row{Spec: found.Spec, ID: found.ID, Locks: command.AllOfThem}
	row.Run = func(c *command.Ctx) {
		if c.Again {
			found.Run(c)
			return
		}
		c.Wait = command.Wait{Set: true, Keys: argv[1:2]}
	}
	done := make(chan struct{})
	ex.post(func() {
		defer close(done)
		rq := request{s: s, row: row}
		rq.Args = argv
		ex.perform(s, row, &rq)
	})
	<-done
	c.send("client reply on")
	if got := fmt.Sprint(c.read()); got != "[invalidate [k]]" {
		t.Errorf("the client is told %s", got)
	}
}
