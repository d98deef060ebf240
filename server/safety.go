package server

import (
	"larder/server/command"
	"larder/server/config"
	"larder/server/resp"
)

// clientWriteSafety is CLIENT WRITE-SAFETY: without an argument it says the connection's mode; with one it sets it, or
// goes back to the server's with DEFAULT.
//
//	async          a write is acknowledged at once
//	bounded <ms>   at once, but refused while the oldest write that no replica has is older
//	sync <n>       when n replicas have it; reads wait for what they have read, too
func clientWriteSafety(c *command.Ctx) {
	s := c.Client.(*session)
	srv := s.srv
	var words []string
	for _, a := range c.Args.Rest() {
		words = append(words, string(a))
	}
	switch {
	case len(words) == 0:
		c.Reply.BulkString(s.safetyMode().String())
		return
	case len(words) == 1 && isWord([]byte(words[0]), "DEFAULT"):
		s.safety = nil
	default:
		mode, err := config.ParseSafety(words)
		if err != nil {
			c.Fail(resp.Error("ERR " + err.Error()))
			return
		}
		s.safety = &mode
		srv.guard.modes.Add(1)
		srv.guard.update(srv)
		if mode.Kind == config.SafetySync {
			srv.guard.rely(mode.Replicas)
		}
	}
	c.Reply.OK()
}

func init() {
	register(command.New("client|write-safety", command.NoneOfThem, clientWriteSafety))
}
