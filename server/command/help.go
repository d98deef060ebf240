package command

import "strings"

// Help answers a container's HELP: usages of its subcommands, each followed by what it does.
func (c *Ctx) Help(lines ...string) {
	name := c.Row.Name
	if c.Row.Container != nil {
		name = c.Row.Container.Name
	}
	c.Reply.Array(len(lines) + 3)
	c.Reply.Simple(strings.ToUpper(name) + " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:")
	for i, l := range lines {
		if i%2 == 1 {
			l = "    " + l
		}
		c.Reply.Simple(l)
	}
	c.Reply.Simple("HELP")
	c.Reply.Simple("    Print this help.")
}
