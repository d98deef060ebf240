package command

import "testing"

// TestMinusZero follows a score of -0 through commands that make a set of it: the small form has no -0, and whether a result
// begins as one is up to what Redis knows of its size before.
func TestMinusZero(t *testing.T) {
	l := newLab(t)
	l.ks.Limits.ZSetMaxListpackEntries = 2
	l.want(":3", "ZADD", "z", 1, "a", 2, "b", 3, "c")
	l.want("$2 -0", "ZINCRBY", "z", "-0", "m")
	l.want(":4", "ZRANGESTORE", "d", "z", 0, -1)
	l.want("$2 -0", "ZSCORE", "d", "m")
	l.want(":4", "ZRANGESTORE", "d", "z", "-inf", "+inf", "BYSCORE")
	l.want("$1 0", "ZSCORE", "d", "m") // its size was not known when the first member came
	l.ks.Limits.ZSetMaxListpackEntries = 128
	l.want(":1", "ZADD", "n", -7, "a")
	l.want("*2 $1 a $2 -0", "ZUNION", 2, "n", "n", "WEIGHTS", -1, 0, "AGGREGATE", "MIN", "WITHSCORES")
	l.want("*2 $1 a $2 -0", "ZUNION", 3, "n", "n", "n", "WEIGHTS", 0, -1, 0, "AGGREGATE", "MIN", "WITHSCORES")
	l.want("*2 $1 a $2 -0", "ZUNION", 2, "n", "n", "WEIGHTS", 0, 0, "WITHSCORES")
}
