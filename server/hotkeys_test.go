package server

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestHotkeys: the command and the section of INFO name the keys that are used, and the large ones.
func TestHotkeys(t *testing.T) {
	ts := startServer(t)
	c := ts.dial()
	if got := fmt.Sprint(c.do("hotkeys")); got != "[by-accesses [] by-bytes []]" {
		t.Errorf("an empty server tells of %s", got)
	}
	c.do("set", "big", strings.Repeat("x", 100_000))
	c.do("set", "with blank\n", "1")
	tells := func(ask func() string, wants ...string) {
		t.Helper()
		eventually(t, "that both are told of", func() bool {
			for range 500 { // what is hot cools down
				c.do("get", "with blank\n")
			}
			text := ask()
			return !slices.ContainsFunc(wants, func(want string) bool { return !strings.Contains(text, want) })
		})
	}
	tells(func() string { return fmt.Sprint(c.do("hotkeys", "count", "1")) }, "key with blank\n accesses-per-second", "key big type string bytes")
	tells(func() string { return c.text("info", "hotkeys") }, "# Hotkeys\r\n", "\r\nhot_key_0:db=0,accesses_per_sec=", `,key="with blank\n"`,
		"\r\nbig_key_0:db=0,bytes=", `,type=string,key="big"`)
	for _, request := range []string{"hotkeys count 0", "hotkeys count", "hotkeys nonsense", "hotkeys count 1 2"} {
		if _, bad := c.do(strings.Fields(request)...).(replyError); !bad {
			t.Errorf("%s was accepted", request)
		}
	}
}
