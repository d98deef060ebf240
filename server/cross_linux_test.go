package server

import (
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"
)

// Whoever is told that a client is killed finds its connection closed, on whichever loop it is: a library that looks before it
// sends its next request connects again.
func TestKilledClientsHearOfItFirst(t *testing.T) {
	ts := startServer(t, "--event-loops", "2")
	c := ts.dial()
	for range 20 {
		for range 2 { // one on each
			v := ts.dial()
			c.want("client kill id "+fmt.Sprint(v.do("client id")), 1)
			raw, err := v.nc.(*net.TCPConn).SyscallConn()
			if err != nil {
				t.Fatal(err)
			}
			n := -1
			err = raw.Read(func(fd uintptr) bool {
				n, _, err = syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
				return true
			})
			if n != 0 || err != nil {
				t.Fatalf("the connection is not closed: %d, %v", n, err)
			}
		}
	}
}

// Whoever asks who listens sees who has come and who has gone before, also right after a message that nobody heard: only
// messages take a rest from waiting for other loops.
func TestWhoListensIsAlwaysKnown(t *testing.T) {
	wait, rest := settleWait, unheardRest
	settleWait, unheardRest = time.Minute, 1<<24
	t.Cleanup(func() { settleWait, unheardRest = wait, rest }) // when the server has stopped
	ts := startServer(t, "--event-loops", "2")
	clients := ts.pair()
	for n := range 400 {
		listener, speaker := clients[n%2], clients[1-n%2]
		listener.send("unsubscribe nothing")
		speaker.want("publish news x", 0) // and with it a rest, if it has waited
		listener.read()
		for left, word := range []string{"unsubscribe", "subscribe"} {
			listener.send(word + " news")
			if v := speaker.list("pubsub numsub news"); v[1] != int64(left) {
				t.Fatalf("round %d: after %s: %v", n, word, v)
			}
			listener.read()
		}
		listener.do("unsubscribe news")
	}
}

// Whoever publishes after somebody has sent SUBSCRIBE is heard, and sees who listens, although nobody has waited for the answer.
func TestSubscribersComeFirst(t *testing.T) {
	wait, rest := settleWait, unheardRest
	settleWait, unheardRest = time.Minute, 0
	t.Cleanup(func() { settleWait, unheardRest = wait, rest }) // when the server has stopped
	ts := startServer(t, "--event-loops", "2")
	clients := ts.pair()
	for n := range 400 {
		listener, speaker := clients[n%2], clients[1-n%2]
		for _, words := range [][4]string{
			{"subscribe", "unsubscribe", "publish", "numsub"},
			{"psubscribe", "punsubscribe", "publish", ""},
			{"ssubscribe", "sunsubscribe", "spublish", "shardnumsub"},
		} {
			listener.send(words[0] + " news")
			if words[3] == "" || n%4 < 2 {
				speaker.want(words[2]+" news x", 1)
			} else if v := speaker.list("pubsub " + words[3] + " news"); v[1] != int64(1) {
				t.Fatalf("round %d: %s: %v", n, words[3], v)
			} else {
				speaker.want(words[2]+" news x", 1)
			}
			if t.Failed() {
				return
			}
			listener.read() // of the subscription
			listener.read() // the message
			listener.do(words[1] + " news")
		}
	}
}
