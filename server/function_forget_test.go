package server

import (
	"fmt"
	"runtime"
	"testing"
)

// TestFunctionsForgotten: what the engines have made of libraries goes with these, whether the libraries keep a state or not.
func TestFunctionsForgotten(t *testing.T) {
	ts := startServer(t, "--event-loops", "1")
	c := ts.dial()
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	const libraries, size = 40, 1 << 20
	for _, state := range []string{"local t = s", "local t = {s}"} {
		before := heap()
		for i := range libraries {
			text := fmt.Sprintf("#!lua name=lib%d\nlocal s = 'x' for i = 1, 20 do s = s .. s end "+state+
				" redis.register_function('f%d', function() return t ~= nil end)", i, i)
			if got := c.do("function", "load", text); got != fmt.Sprint("lib", i) {
				t.Fatal(got)
			}
			if got := c.do("fcall", fmt.Sprint("f", i), "0"); got != int64(1) {
				t.Fatal(got)
			}
		}
		if now := heap(); now < before+libraries*size {
			t.Errorf("%d bytes with the libraries, %d before", now, before)
		}
		for i := range libraries {
			c.want(fmt.Sprint("function delete lib", i), "OK")
		}
		eventually(t, "the end of what was loaded", func() bool { return heap() < before+libraries*size/4 })
	}
}
