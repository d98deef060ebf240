package server

import (
	"larder/server/command"
	"larder/server/command/spec"
)

// noCluster answers the commands of a cluster's nodes as a redis-server does that is none.
func noCluster(c *command.Ctx) { c.Fail("ERR This instance has cluster support disabled") }

// readsHere makes the handler of READONLY and READWRITE. They are for clients that follow redirections: who may also read
// from a replica is not sent to its primary for that. Others are told what a server that is no cluster's node tells them.
func readsHere(on bool) func(c *command.Ctx) {
	return func(c *command.Ctx) {
		s := c.Client.(*session)
		if !s.noted.redirect {
			noCluster(c)
			return
		}
		s.noted.readsHere = on
		c.Reply.OK()
	}
}

func init() {
	register(
		command.New("asking", command.NoneOfThem, noCluster),
		command.New("readonly", command.NoneOfThem, readsHere(true)),
		command.New("readwrite", command.NoneOfThem, readsHere(false)),
		command.New("cluster", command.NoneOfThem, nil),
	)
	for _, s := range spec.Must("cluster").Subcommands {
		register(command.New(s.Name, command.NoneOfThem, noCluster))
	}
}
