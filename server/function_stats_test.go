package server

import (
	"fmt"
	"io"
	"strings"
	"testing"
)

// FUNCTION STATS tells the words of the request that runs on another loop, and nothing else: the memory in which they stand is
// used for the next requests as soon as it is over.
func TestFunctionStatsTellsOneRequest(t *testing.T) {
	ts := startServer(t, "--event-loops", "2")
	asks := ts.dialAt(1)
	if got := asks.do("function", "load", "#!lua name=l\nlocal function f() end "+
		"redis.register_function('first', f) redis.register_function('other', f)"); got != "l" {
		t.Fatal(got)
	}
	words := map[any]string{"first": "111", "other": "222"}
	const many = 10_000 // to tell them takes longer than the function runs
	for name, word := range words {
		calls := ts.dialAt(0)
		request := fmt.Sprintf("*%d\r\n$5\r\nFCALL\r\n$5\r\n%s\r\n$1\r\n0\r\n", 3+many, name) + strings.Repeat("$3\r\n"+word+"\r\n", many)
		go io.Copy(io.Discard, calls.nc)
		go func() {
			for {
				if _, err := io.WriteString(calls.nc, request); err != nil {
					return // the test is over
				}
			}
		}()
	}
	seen := 0
	eventually(t, "calls that run", func() bool {
		for range 100 {
			run, _ := asks.list("function stats")[1].([]any)
			if run == nil {
				continue
			}
			seen++
			name := run[1]
			for i, word := range run[3].([]any) {
				if i > 2 && word != words[name] {
					t.Fatalf("word %d of the request of %v is %.100v", i, name, word)
				}
			}
		}
		return seen >= 10
	})
}
