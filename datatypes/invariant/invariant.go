// Package invariant holds the assertions of the project: statements about our own code that are true unless we made
// a mistake. What the world gets wrong (input, files, memory that runs out) is an error value, never an assertion.
//
// There are two kinds:
//
//	Check   what is too dear to look at on every request; looked at only in builds with the tag "invariant"
//	Assert  what costs next to nothing compared to going on with a broken structure; looked at in every build
//
// A check that needs work of its own stands behind the constant, so that the other builds carry none of it:
//
//	if invariant.Enabled {
//		invariant.Check(n.sorted(), "node %d out of order", id)
//	}
package invariant

import "fmt"

// Check panics with the formatted message when ok is false and the build has the tag "invariant". In other builds it
// is inlined to nothing; its arguments are still evaluated unless they are free of side effects, so calls on a hot
// path stand behind `if invariant.Enabled`.
func Check(ok bool, msg string, args ...any) {
	if Enabled && !ok {
		fail(msg, args)
	}
}

// Assert panics with "assertion failed: " and msg when ok is false, in every build.
func Assert(ok bool, msg string) {
	if !ok {
		fail(msg, nil)
	}
}

//go:noinline
func fail(msg string, args []any) {
	if len(args) > 0 {
		msg = fmt.Sprintf(msg, args...)
	}
	panic("assertion failed: " + msg)
}
