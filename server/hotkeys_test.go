package server

import (
	"fmt"
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
	eventually(t, "that both are told of", func() bool {
		for range 500 { // what is hot cools down
			c.do("get", "with blank\n")
		}
		reply := fmt.Sprint(c.do("hotkeys", "count", "1"))
		return strings.Contains(reply, "key with blank\n accesses-per-second") && strings.Contains(reply, "key big type string bytes")
	})
	info := c.do("info", "hotkeys").(string)
	for _, want := range []string{"# Hotkeys\r\n", "\r\nhot_key_0:db=0,accesses_per_sec=", `,key="with blank\n"`, "\r\nbig_key_0:db=0,bytes=", `,type=string,key="big"`} {
		if !strings.Contains(info, want) {
			t.Errorf("%q is not in %q", want, info)
		}
	}
	for _, request := range []string{"hotkeys count 0", "hotkeys count", "hotkeys nonsense", "hotkeys count 1 2"} {
		if _, bad := c.do(strings.Fields(request)...).(replyError); !bad {
			t.Errorf("%s was accepted", request)
		}
	}
}
