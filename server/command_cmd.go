package server

import (
	"bytes"
	"slices"
	"strings"

	"larder/server/command"
	"larder/server/command/spec"
	"larder/server/glob"
	"larder/server/resp"
)

// rowNamed finds a command by its name in any case, subcommands as "client|list"; nil if there is none.
func (srv *Server) rowNamed(name []byte) *command.Row {
	name, sub, isSub := bytes.Cut(name, []byte("|"))
	row := srv.table.Lookup(name)
	if row == nil || !isSub {
		return row
	}
	return row.Sub(sub)
}

// topRows is all commands that are no subcommands, by name.
func (srv *Server) topRows() []*command.Row {
	list := slices.Clone(srv.table.Rows())
	slices.SortFunc(list, func(a, b *command.Row) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// knows tells whether a subcommand of the catalogue has a row.
func (srv *Server) knows(s *spec.Spec) bool { return srv.known[s] }

func commandAll(c *command.Ctx) {
	if c.Args.More() {
		c.Fail(resp.UnknownSubcommand(c.Args.Bytes(), c.Row.Name))
		return
	}
	c.Client.(*session).srv.replyInfoOfAll(c)
}

func (srv *Server) replyInfoOfAll(c *command.Ctx) {
	list := srv.topRows()
	c.Reply.Array(len(list))
	for _, row := range list {
		row.WriteInfo(c.Reply, srv.knows)
	}
}

func commandInfo(c *command.Ctx) {
	srv := c.Client.(*session).srv
	if !c.Args.More() {
		srv.replyInfoOfAll(c)
		return
	}
	names := c.Args.Rest()
	c.Reply.Array(len(names))
	for _, name := range names {
		if row := srv.rowNamed(name); row != nil {
			row.WriteInfo(c.Reply, srv.knows)
		} else {
			c.Reply.Null()
		}
	}
}

func commandDocs(c *command.Ctx) {
	srv := c.Client.(*session).srv
	var list []*command.Row
	if c.Args.More() {
		for _, name := range c.Args.Rest() {
			if row := srv.rowNamed(name); row != nil {
				list = append(list, row)
			}
		}
	} else {
		list = srv.topRows()
	}
	c.Reply.Map(len(list))
	for _, row := range list {
		c.Reply.BulkString(row.Name)
		row.WriteDocs(c.Reply, srv.knows)
	}
}

func commandCount(c *command.Ctx) {
	c.Reply.Int(int64(len(c.Client.(*session).srv.table.Rows())))
}

func commandList(c *command.Ctx) {
	a := &c.Args
	passes := func(*command.Row) bool { return true }
	if a.More() {
		switch {
		case a.Left() != 3 || !a.Is("FILTERBY"):
			a.Syntax()
		case a.Is("MODULE"): // there are none
			a.Bytes()
			passes = func(*command.Row) bool { return false }
		case a.Is("ACLCAT"):
			cat, known := spec.Category(string(a.Bytes()))
			passes = func(r *command.Row) bool { return known && r.Categories&cat != 0 }
		case a.Is("PATTERN"):
			pattern := a.Bytes()
			passes = func(r *command.Row) bool { return glob.Match(pattern, []byte(r.Name), true) }
		default:
			a.Syntax()
		}
	}
	if !a.Done() {
		return
	}
	n := 0
	at := c.Reply.Defer()
	show := func(r *command.Row) {
		if passes(r) {
			c.Reply.BulkString(r.Name)
			n++
		}
	}
	for _, row := range c.Client.(*session).srv.topRows() {
		show(row)
		for _, sub := range row.Subs {
			show(sub)
		}
	}
	c.Reply.SetArray(at, n)
}

// commandGetKeys makes the handler of COMMAND GETKEYS, or of GETKEYSANDFLAGS.
func commandGetKeys(withFlags bool) func(*command.Ctx) {
	return func(c *command.Ctx) {
		argv := c.Args.Rest()
		row, _ := c.Client.(*session).srv.table.Find(argv)
		switch {
		case row == nil:
			c.Fail(resp.ErrInvalidCommand)
			return
		case !row.HasKeys():
			c.Fail(resp.ErrNoKeyArguments)
			return
		case !row.ArityOK(len(argv)):
			c.Fail(resp.ErrInvalidArity)
			return
		}
		refs := row.AppendKeys(nil, argv)
		if len(refs) == 0 && !row.Has(spec.NoMandatoryKeys) {
			c.Fail(resp.ErrInvalidArguments)
			return
		}
		c.Reply.Array(len(refs))
		for _, r := range refs {
			if withFlags {
				c.Reply.Array(2)
			}
			c.Reply.Bulk(argv[r.Pos])
			if withFlags {
				spec.WriteKeyFlags(c.Reply, r.Flags)
			}
		}
	}
}

func commandHelp(c *command.Ctx) {
	c.Help(
		"(no subcommand)", "Describe all commands.",
		"COUNT", "Return how many commands there are.",
		"DOCS [<command-name> ...]", "Return the documentation of some or all commands.",
		"GETKEYS <command> [<arg> ...]", "Return the keys of a whole request.",
		"GETKEYSANDFLAGS <command> [<arg> ...]", "Return the keys of a whole request and what it would do with each.",
		"INFO [<command-name> ...]", "Describe some or all commands.",
		"LIST [FILTERBY (MODULE <module>|ACLCAT <category>|PATTERN <pattern>)]", "Name the commands, all or those that pass the filter.",
	)
}

func init() {
	register(
		command.New("command", command.NoneOfThem, commandAll),
		command.New("command|count", command.NoneOfThem, commandCount),
		command.New("command|docs", command.NoneOfThem, commandDocs),
		command.New("command|getkeys", command.NoneOfThem, commandGetKeys(false)),
		command.New("command|getkeysandflags", command.NoneOfThem, commandGetKeys(true)),
		command.New("command|help", command.NoneOfThem, commandHelp),
		command.New("command|info", command.NoneOfThem, commandInfo),
		command.New("command|list", command.NoneOfThem, commandList),
	)
}
