package server

import "larder/server/command"

// There are no modules: MODULE answers as a redis-server without any, to which none can be added.

func moduleList(c *command.Ctx) { c.Reply.Array(0) }

func moduleLoad(c *command.Ctx) {
	c.Warn("Module " + string(c.Args.At(2)) + " failed to load: this server runs no code of others")
	c.Fail("ERR Error loading the extension. Please check the server logs.")
}

func moduleUnload(c *command.Ctx) {
	c.Fail("ERR Error unloading module: no such module with that name")
}

func moduleHelp(c *command.Ctx) {
	c.Help("LIST", "Return a list of loaded modules.",
		"LOAD <path> [<arg> ...]", "Load a module library from <path>, passing to it any optional arguments.",
		"LOADEX <path> [[CONFIG NAME VALUE] [CONFIG NAME VALUE]] [ARGS ...]",
		"Load a module library from <path>, while passing it module configurations and optional arguments.",
		"UNLOAD <name>", "Unload a module.")
}

func init() {
	register(
		command.New("module", command.NoneOfThem, nil),
		command.New("module|list", command.NoneOfThem, moduleList),
		command.New("module|load", command.NoneOfThem, moduleLoad),
		command.New("module|loadex", command.NoneOfThem, moduleLoad),
		command.New("module|unload", command.NoneOfThem, moduleUnload),
		command.New("module|help", command.NoneOfThem, moduleHelp),
	)
}
