package netloop

// settleRounds bounds how many turns Settle waits for a loop that gets bytes in each of them.
const settleRounds = 24

// AtRest tells whether the loop has handed over all that had arrived at its sockets before the call, and sent the replies: it
// sleeps, and nothing has come that will wake it. Any goroutine may call it.
func (l *Loop) AtRest() bool {
	return !l.begun.Load() || l.count.Load() == 0 || l.asleep()
}

// Settle makes the loop call done once it has handed over what had arrived at its sockets before the call, and sent
// the replies: after a turn that began later, or after that one of the next turns in which nothing came in. It answers
// false, and done is never called, when there is nothing to wait for. Any goroutine may call it.
//
// A client that has sent something on one connection, and then something on another that another loop serves, expects
// the second to be served later, as a server with one loop would do it.
func (l *Loop) Settle(done func()) bool {
	if l.AtRest() {
		return false
	}
	rounds, seen := 0, l.reads.Load()
	var again func()
	again = func() {
		n := l.reads.Load()
		quiet := n == seen
		seen = n
		// What was posted while a turn was under way is done at the beginning of the next, whose sockets were asked
		// before: the one after that has everything.
		if rounds++; rounds >= 3 && quiet || rounds >= settleRounds || !l.Post(again) {
			done()
		}
	}
	return l.Post(again)
}
