package server

import "testing"

// A message waits for what other loops do, for somebody might listen by then. One of them begins a pause meanwhile: when that has
// been answered no message is published any more.
func TestPauseOvertakesMessage(t *testing.T) {
	wait := settleWait
	settleWait = patience
	t.Cleanup(func() { settleWait = wait }) // when the server has stopped
	ts := startServer(t, "--event-loops", "2")
	speaks, pauses := ts.dialAt(0), ts.dialAt(1)
	id := speaks.do("client id").(int64)
	entered, left := make(chan struct{}), make(chan struct{})
	ts.executors[1].loop.Post(func() {
		close(entered)
		<-left
	})
	<-entered
	pauses.send("client pause 3600000 write")
	speaks.send("publish news x")
	eventually(t, "waiting for the other loop", func() bool {
		ts.settling.mu.Lock()
		defer ts.settling.mu.Unlock()
		return len(ts.settling.list) == 1
	})
	close(left)
	if v := pauses.read(); v != "OK" {
		t.Fatal(v)
	}
	published := func() bool { return pauses.info("commandstats", "cmdstat_publish") != "" }
	eventually(t, "an end of the waiting", func() (ended bool) {
		ts.inWorldDo(func(*executor) { ended = ts.clients.find(id).paused })
		return ended || published()
	})
	if published() {
		t.Error("a message is published in a pause that was answered before")
	}
	pauses.want("client unpause", "OK")
	if v := speaks.read(); v != int64(0) {
		t.Error(v)
	}
}
