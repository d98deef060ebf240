package server

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// listed is the names of the clients that CLIENT LIST with these options shows, in order.
func (c *testClient) listed(options string) (names []string) {
	c.t.Helper()
	for _, line := range strings.Split(strings.TrimSpace(c.text("client list "+options)), "\n") {
		if _, after, ok := strings.Cut(line, " name="); ok {
			name, _, _ := strings.Cut(after, " ")
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func TestClientsAreSelected(t *testing.T) {
	ts := startServer(t)
	c, reader, listener := ts.dial(), ts.dial(), ts.dial()
	c.want("client setname me", "OK")
	c.want("acl setuser ann on nopass +@all ~*", "OK")
	reader.want("client setname reader", "OK")
	reader.want("client setinfo lib-name some-lib", "OK")
	reader.want("client setinfo lib-ver 1.2", "OK")
	reader.want("client capa redirect", "OK")
	reader.want("auth ann x", "OK")
	reader.want("select 3", "OK")
	reader.want("multi", "OK")
	listener.want("client setname listener", "OK")
	listener.send("subscribe news")
	listener.read()
	me, id := c.do("client id").(int64), reader.nc.LocalAddr().String()
	host, _, _ := strings.Cut(id, ":")

	for options, want := range map[string]string{
		"":                          "listener me reader",
		"skipme yes":                "listener reader",
		"skipme no":                 "listener me reader",
		"type normal":               "me reader",
		"type pubsub type normal":   "me reader",
		"not-type normal":           "listener",
		"name reader":               "reader",
		"name me name reader":       "reader",
		"not-name reader":           "listener me",
		"name nobody":               "",
		"flags x":                   "reader",
		"flags N":                   "me",
		"flags P":                   "listener",
		"flags xP":                  "",
		"flags Nx":                  "",
		"not-flags N":               "listener reader",
		"flags O":                   "",
		"lib-name some-lib":         "reader",
		"lib-ver 1.2 lib-name some": "",
		"not-lib-name some-lib":     "listener me",
		"not-lib-ver 1.2":           "listener me",
		"db 3":                      "reader",
		"not-db 3":                  "listener me",
		"db 15":                     "",
		"capa r":                    "reader",
		"not-capa r":                "listener me",
		"user ann":                  "reader",
		"not-user ann":              "listener me",
		"ip " + host:                "listener me reader",
		"not-ip " + host:            "",
		"ip 1.2.3.4":                "",
		"addr " + id:                "reader",
		"not-addr " + id:            "listener me",
		"laddr " + id:               "",
		"not-laddr " + id:           "listener me reader",
		"maxage 1000000":            "",
		"idle 1000000":              "",
		fmt.Sprint("id ", me):       "me",
		fmt.Sprint("not-id ", me):   "listener reader",
		fmt.Sprint("id 0 -7 ", me):  "me",
		fmt.Sprint("id 0 ", me, " type normal id 5 flags N"): "me",
		fmt.Sprint("ID 0 ", me, " NOT-ID ", me):              "",
		"type normal not-name me user ann db 3":              "reader",
	} {
		if got := strings.Join(c.listed(options), " "); got != want {
			t.Errorf("CLIENT LIST %s shows %q, not %q", options, got, want)
		}
	}

	for options, text := range map[string]string{
		"name":            "syntax error",
		"unheard of":      "syntax error",
		"not-":            "syntax error",
		"not-skipme yes":  "syntax error",
		"not-maxage 5":    "syntax error",
		"skipme perhaps":  "syntax error",
		"id":              "syntax error",
		"id x":            "Invalid client ID",
		"id 1 x":          "Invalid client ID",
		"type x":          "Unknown client type 'x'",
		"not-type x":      "Unknown client type 'x'",
		"user bob":        "No such user 'bob'",
		"not-user bob":    "No such user 'bob'",
		"flags NZ":        "Unknown flags found in the provided filter: NZ",
		"not-flags Q":     "Unknown flags found in the NOT-FLAGS filter: Q",
		"capa rx":         "Unknown capa found in the provided filter: rx",
		"not-capa x":      "Unknown capa found in the NOT-CAPA filter: x",
		"db x":            "DB is not an integer or out of range",
		"db 16":           "DB number should be between 0 and 15",
		"not-db -1":       "DB number should be between 0 and 15",
		"maxage x":        "maxage is not an integer or out of range",
		"maxage 0":        "maxage should be greater than 0",
		"idle x":          "idle is not an integer or out of range",
		"idle -1":         "idle should be greater than 0",
		"flags NZ skipme": "Unknown flags found in the provided filter: NZ",
	} {
		c.want("client list "+options, replyError("ERR "+text))
	}
	c.want("client kill id 10 wrong_arg", replyError("ERR syntax error"))
	c.want("client kill id 10 id x", replyError("ERR client-id should be greater than 0"))

	c.want("client kill name nobody", 0)
	c.want("client kill flags N", 0) // the one who asks is left out unless told
	c.want("client kill not-name me not-flags P", 1)
	eventually(t, "the client is gone", func() bool { return slices.Equal(c.listed(""), []string{"listener", "me"}) })
	c.want("client kill ip "+host+" flags P", 1)
	eventually(t, "the other one is gone, too", func() bool { return slices.Equal(c.listed(""), []string{"me"}) })
	c.want("client kill flags N skipme no", 1)
	if _, err := c.parse(); err == nil {
		t.Error("who has killed its own connection has it still")
	}
}

// A client that waits long enough to be idle is selected by that, and by its age.
func TestClientsAreSelectedByTime(t *testing.T) {
	ts := startServer(t)
	c, idler := ts.dial(), ts.dial()
	idler.want("client setname idler", "OK")
	eventually(t, "a client is a second old and idle", func() bool {
		return slices.Equal(c.listed("idle 1 name idler"), []string{"idler"}) && slices.Equal(c.listed("maxage 1 name idler"), []string{"idler"})
	})
	c.want("client kill idle 1 maxage 1 name idler", 1)
}
