package server

import (
	"errors"

	"go.uber.org/zap"

	"larder/server/command"
	"larder/server/config"
	"larder/server/resp"
)

func configGet(c *command.Ctx) {
	args := c.Args.Rest()
	patterns := make([]string, len(args))
	for i, a := range args {
		patterns[i] = string(a)
	}
	pairs := c.Client.(*session).srv.conf.Get(patterns...)
	c.Reply.Map(len(pairs))
	for _, p := range pairs {
		c.Reply.BulkString(p.Name)
		c.Reply.BulkString(p.Value)
	}
}

// configSet runs in a stopped world: what follows the configuration may be read by any command.
func configSet(c *command.Ctx) {
	args := c.Args.Rest()
	if len(args)%2 != 0 {
		c.Fail(resp.ErrSyntax)
		return
	}
	var pairs []config.Pair
	for i := 0; i < len(args); i += 2 {
		pairs = append(pairs, config.Pair{Name: string(args[i]), Value: string(args[i+1])})
	}
	s := c.Client.(*session)
	s.srv.setter = s.ex
	err := s.srv.conf.Set(config.Caller{Local: isLocal(s.conn), Loading: s.srv.loads()}, pairs...)
	switch {
	case errors.Is(err, config.ErrLoading):
		c.Fail(resp.ErrLoading)
	case err != nil:
		c.Fail(resp.Error("ERR " + err.Error()))
	default:
		if limit := s.srv.clientLimit(); limit > 0 {
			for _, o := range s.srv.clients.all() {
				o.ex.weigh(o)
			}
			s.ex.evictClients(limit)
		}
		c.Reply.OK()
	}
}

// configRewrite waits for the disk outside of the loop, unless it stands in a transaction.
func configRewrite(c *command.Ctx) {
	s := c.Client.(*session)
	users := s.srv.userLines()
	if !c.MayBlock {
		if e := s.srv.rewriteConfig(users); e != "" {
			c.Fail(e)
			return
		}
		c.Reply.OK()
		return
	}
	s.ex.later(s, func() func(*resp.Writer) {
		e := s.srv.rewriteConfig(users)
		return func(w *resp.Writer) {
			if e != "" {
				w.Error(e)
				s.ex.noteError(e)
				return
			}
			w.OK()
		}
	})
}

func (srv *Server) rewriteConfig(users []string) resp.Error {
	if err := srv.conf.Rewrite(config.RewriteOptions{Users: users}); err != nil {
		srv.log.Warn("CONFIG REWRITE failed", zap.Error(err))
		return resp.Error("ERR " + err.Error())
	}
	srv.log.Info("CONFIG REWRITE executed with success.")
	return ""
}

// configResetstat runs in a stopped world, so that no loop has counts that it has not handed in.
func configResetstat(c *command.Ctx) {
	srv := c.Client.(*session).srv
	for _, ex := range srv.executors {
		ex.handIn()
	}
	srv.resetStats()
	c.Reply.OK()
}

func configHelp(c *command.Ctx) {
	c.Help(
		"GET <pattern> [<pattern> ...]", "Return the parameters whose names fit, and their values.",
		"RESETSTAT", "Set the statistics that INFO reports back to zero.",
		"REWRITE", "Write the running configuration into the configuration file.",
		"SET <parameter> <value> [<parameter> <value> ...]", "Change parameters, all of them or none.",
	)
}

func init() {
	register(
		command.New("config", command.NoneOfThem, nil),
		command.New("config|get", command.NoneOfThem, configGet),
		command.New("config|help", command.NoneOfThem, configHelp),
		command.New("config|resetstat", command.World, configResetstat),
		command.New("config|rewrite", command.NoneOfThem, configRewrite),
		command.New("config|set", command.World, configSet),
	)
}
