package server

import (
	"math"
	"testing"
)

// TestWaitCountsWhoLetItGoOn: a replica that leaves between its acknowledgement and the answer of WAITAOF is counted, as it was
// what the client waited for; afterwards it is not.
func TestWaitCountsWhoLetItGoOn(t *testing.T) {
	ts := startServer(t)
	s := &session{srv: ts.Server}
	need := &ackNeed{onDisk: true, local: 1, replicas: 1, log: math.MaxInt64}
	s.acks = &ackWait{s: s, need: *need, heard: ackHave{local: 1, replicas: 1}}
	if have := s.counted(need); have != (ackHave{1, 1}) {
		t.Errorf("one replica and the disk had it, and %+v is counted", have)
	}
	more := &ackNeed{replicas: 2, feed: math.MaxInt64}
	if have := s.counted(more); have.enough(more) {
		t.Errorf("%+v is enough for two replicas", have)
	}
	ts.endAckWait(s)
	if have := s.counted(need); have.replicas != 0 {
		t.Errorf("%+v is counted after the end of the waiting", have)
	}
}

// Redis words the range without a verb, and has other words for what is no number.
func TestWaitAOFNamesItsRange(t *testing.T) {
	c := startServer(t).dial()
	c.want("waitaof 2 0 0", replyError("ERR value is out of range, value must between 0 and 1"))
	c.want("waitaof foo 0 0", replyError("ERR value is not an integer or out of range"))
}
