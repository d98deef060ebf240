package server

import (
	"time"

	"larder/server/command"
	"larder/server/config"
	"larder/server/resp"
)

func timeNow(c *command.Ctx) {
	now := time.Now()
	// A script's time stands still, until the script is a slow one: others are served then, and one that waits for a time
	// comes to its end.
	if s, ok := c.Client.(*session); ok && s.ex.scripting.run != nil && !s.ex.scripting.run.busy() {
		r := s.ex.scripting.run
		if r.began.IsZero() {
			r.began = now.Add(r.start - s.srv.age())
		}
		now = r.began
	}
	c.Reply.Array(2)
	c.Reply.BulkInt(now.Unix())
	c.Reply.BulkInt(int64(now.Nanosecond() / 1000))
}

// shutdown writes the last snapshot if that is asked for and ends the server. There is no reply but to say that it could
// not: the client sees its connection close.
func shutdown(c *command.Ctx) {
	a := &c.Args
	var save, noSave, now, force, abort bool
	for a.More() {
		switch {
		case a.Is("SAVE"):
			save = true
		case a.Is("NOSAVE"):
			noSave = true
		case a.Is("NOW"):
			now = true
		case a.Is("FORCE"):
			force = true
		case a.Is("ABORT"):
			abort = true
		default:
			a.Syntax()
		}
	}
	if save && noSave || abort && (save || noSave || now || force) {
		a.Syntax()
	}
	if !a.Done() {
		return
	}
	if abort {
		if srv := c.Client.(*session).srv; srv.signals.forget() || srv.stayOpen() {
			srv.log.Info("Shutdown manually aborted.")
			c.Reply.OK()
		} else {
			c.Fail(resp.ErrNoShutdown)
		}
		return
	}
	var how config.Shutdown
	for flag, set := range map[config.Shutdown]bool{
		config.ShutdownSave: save, config.ShutdownNosave: noSave, config.ShutdownNow: now, config.ShutdownForce: force,
	} {
		if set {
			how |= flag
		}
	}
	s := c.Client.(*session)
	if s.srv.handsOver(how) {
		s.srv.awaitClosing(s)
		go s.srv.shutdownUnless(s.srv.repl.closing.beginHanding(), how)
		return
	}
	if s.srv.closeLater(s.ex, how, s) {
		return
	}
	if !s.srv.end(s.ex, how) {
		c.Fail(resp.ErrShutdownFailed)
		return
	}
	s.conn.Suspend()
}

func lolwut(c *command.Ctx) {
	if a := &c.Args; a.IsWith("VERSION", 1) {
		a.Int()
		a.Rest() // what picture it is to be: there is one
		if !a.Done() {
			return
		}
	}
	c.Reply.Verbatim("txt", drawLarder(c.Rand64)+"\nRedis ver. "+RedisVersion+", Larder ver. "+Version+"\n")
}

func init() {
	register(
		command.New("time", command.NoneOfThem, timeNow),
		command.New("shutdown", command.World, shutdown),
		command.New("lolwut", command.NoneOfThem, lolwut),
	)
}
