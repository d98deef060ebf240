package server

import (
	"errors"
	"os"
	"strings"

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
	ask := s.srv.asksDisk(pairs)
	if ask == nil || !c.MayBlock {
		if e := s.setConfig(pairs); e != "" {
			c.Fail(e)
			return
		}
		c.Reply.OK()
		return
	}
	s.ex.later(s, func() func(*resp.Writer) {
		s.srv.aof.preparing.Add(1)
		refused := ask()
		return func(w *resp.Writer) {
			e := s.ex.setWhenAsked(s, pairs, refused)
			if s.srv.aof.preparing.Add(-1); e != "" {
				w.Error(e)
				s.ex.noteError(e)
				return
			}
			w.OK()
		}
	})
}

// setWhenAsked sets directives when the disk has been asked.
func (ex *executor) setWhenAsked(s *session, pairs []config.Pair, refused error) resp.Error {
	srv := ex.srv
	ex.asides.serving = s
	if !ex.stopWorldUnless(ex.asides.giveUp) {
		return srv.busyOr()
	}
	defer ex.startWorld()
	if !ex.view.TakeUnless(srv.ks.All(), ex.asides.giveUp) {
		return srv.busyOr()
	}
	defer ex.view.Release()
	srv.aof.refused, ex.current = refused, s
	defer func() { srv.aof.refused, ex.current = nil, nil }()
	return s.setConfig(pairs)
}

// asksDisk is what a CONFIG SET has to ask the disk for before the world is stopped for it, nil if nothing. The error is why the
// log cannot be switched on.
func (srv *Server) asksDisk(pairs []config.Pair) (ask func() error) {
	for _, p := range pairs {
		switch strings.ToLower(p.Name) {
		case "appendonly":
			job := srv.saver.job.Load()
			if strings.EqualFold(p.Value, "yes") && srv.aof.state.Load() == logOff && !srv.loads() && (job == nil || job == srv.aof.rewriting.Load()) {
				return srv.prepareStart
			}
		case "dir":
			dir := srv.conf.Path(p.Value)
			ask = func() error {
				os.Stat(dir) // the answer is asked for again, and there then
				return nil
			}
		}
	}
	return ask
}

// prepareStart makes what the log begins with when it is switched on.
func (srv *Server) prepareStart() error {
	err := srv.prepare(logStarting)
	if err != nil {
		srv.rewriteFailed()
	}
	return err
}

// setConfig sets directives for a client. The world is stopped, and the client's executor holds all shards.
func (s *session) setConfig(pairs []config.Pair) resp.Error {
	s.srv.setter = s.ex
	err := s.srv.conf.Set(config.Caller{Local: isLocal(s.conn), Loading: s.srv.loads()}, pairs...)
	switch {
	case errors.Is(err, config.ErrLoading):
		return resp.ErrLoading
	case err != nil:
		return resp.Error("ERR " + err.Error())
	}
	if limit := s.srv.clientLimit(); limit > 0 {
		for _, o := range s.srv.clients.all() {
			o.ex.weigh(o)
		}
		s.ex.evictClients(limit)
	}
	return ""
}

// configRewrite waits for the disk outside of the loop, unless it stands in a transaction.
func configRewrite(c *command.Ctx) {
	s := c.Client.(*session)
	s.srv.noteUsers()
	if !c.MayBlock {
		if e := s.srv.rewriteConfig(); e != "" {
			c.Fail(e)
			return
		}
		c.Reply.OK()
		return
	}
	s.ex.later(s, func() func(*resp.Writer) {
		e := s.srv.rewriteConfig()
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

func (srv *Server) rewriteConfig() resp.Error {
	if err := srv.conf.Rewrite(config.RewriteOptions{Users: srv.notedUsers}); err != nil {
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
