package server

import (
	"larder/server/command"
	"larder/server/command/spec"
)

// noCluster answers the commands of a cluster's nodes as a redis-server does that is none.
func noCluster(c *command.Ctx) { c.Fail("ERR This instance has cluster support disabled") }

func init() {
	register(
		command.New("asking", command.NoneOfThem, noCluster),
		command.New("readonly", command.NoneOfThem, noCluster),
		command.New("readwrite", command.NoneOfThem, noCluster),
		command.New("cluster", command.NoneOfThem, nil),
	)
	for _, s := range spec.Must("cluster").Subcommands {
		register(command.New(s.Name, command.NoneOfThem, noCluster))
	}
}
