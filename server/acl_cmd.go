package server

import (
	"crypto/rand"
	"encoding/hex"
	"slices"

	"larder/server/acl"
	"larder/server/command"
	"larder/server/command/spec"
	"larder/server/resp"
)

func aclSetuser(c *command.Ctx) {
	s := c.Client.(*session)
	name := string(c.Args.Bytes())
	if !acl.ValidName(name) {
		c.Fail(resp.ErrUserName)
		return
	}
	var rules []string
	for _, a := range c.Args.Rest() {
		rules = append(rules, string(a))
	}
	_, err := s.srv.access.users.Set(name, rules, func(before, after *acl.User) {
		if before != nil {
			s.srv.cutListeners(before, after, s)
		}
	})
	if err != nil {
		c.Fail(resp.Error("ERR " + err.Error()))
		return
	}
	c.Reply.OK()
}

func aclDeluser(c *command.Ctx) {
	s := c.Client.(*session)
	names := c.Args.Rest()
	if slices.ContainsFunc(names, func(n []byte) bool { return string(n) == acl.DefaultName }) {
		c.Fail(resp.ErrDefaultUser)
		return
	}
	n := 0
	for _, name := range names {
		if u := s.srv.access.users.Delete(name); u != nil {
			s.srv.cutUser(u, s)
			n++
		}
	}
	c.Reply.Int(int64(n))
}

func aclGetuser(c *command.Ctx) {
	u := c.Client.(*session).srv.access.users.Get(c.Args.Bytes())
	w := c.Reply
	if u == nil {
		w.Null()
		return
	}
	rights := u.Rights()
	databases := slices.ContainsFunc(rights, func(r acl.Rights) bool { return r.Databases != "" })
	fields := 3
	if databases {
		fields = 4
	}
	describe := func(r acl.Rights) {
		w.BulkString("commands")
		w.BulkString(r.Commands)
		w.BulkString("keys")
		w.BulkString(r.Keys)
		w.BulkString("channels")
		w.BulkString(r.Channels)
		if databases {
			w.BulkString("databases")
			if r.Databases == "" {
				r.Databases = "alldbs"
			}
			w.BulkString(r.Databases)
		}
	}
	w.Map(3 + fields)
	w.BulkString("flags")
	flags := u.Flags()
	w.Set(len(flags))
	for _, f := range flags {
		w.BulkString(f)
	}
	w.BulkString("passwords")
	passwords := u.Passwords()
	w.Array(len(passwords))
	for _, p := range passwords {
		w.BulkString(p)
	}
	describe(rights[0])
	w.BulkString("selectors")
	w.Array(len(rights) - 1)
	for _, r := range rights[1:] {
		w.Map(fields)
		describe(r)
	}
}

func aclList(c *command.Ctx) {
	all := c.Client.(*session).srv.access.users.All()
	c.Reply.Array(len(all))
	for _, u := range all {
		c.Reply.BulkString("user " + u.Line())
	}
}

func aclUsers(c *command.Ctx) {
	all := c.Client.(*session).srv.access.users.All()
	c.Reply.Array(len(all))
	for _, u := range all {
		c.Reply.BulkString(u.Name())
	}
}

func aclWhoami(c *command.Ctx) {
	if s := c.Client.(*session); s.user != nil {
		c.Reply.BulkString(s.user.Name())
	} else {
		c.Reply.Null()
	}
}

// aclLoad replaces all users by those of the ACL file, or none if anything is wrong there.
func aclLoad(c *command.Ctx) {
	s := c.Client.(*session)
	if s.srv.conf.ACLFile.Get() == "" {
		c.Fail(resp.ErrNoACLFile)
		return
	}
	next, err := s.srv.readUsers()
	if err != nil {
		c.Fail(resp.Error("ERR " + err.Error()))
		return
	}
	s.srv.replaceUsers(next, s)
	c.Reply.OK()
}

// aclSave waits for the disk outside of the loop, unless it stands in a transaction.
func aclSave(c *command.Ctx) {
	s := c.Client.(*session)
	if s.srv.conf.ACLFile.Get() == "" {
		c.Fail(resp.ErrNoACLFile)
		return
	}
	write := s.srv.saveUsers()
	if !c.MayBlock {
		if write() != nil {
			c.Fail(resp.ErrACLSave)
			return
		}
		c.Reply.OK()
		return
	}
	s.ex.later(s, func() func(*resp.Writer) {
		err := write()
		return func(w *resp.Writer) {
			if err != nil {
				w.Error(resp.ErrACLSave)
				s.ex.noteError(resp.ErrACLSave)
				return
			}
			w.OK()
		}
	})
}

func aclCat(c *command.Ctx) {
	if !c.Args.More() {
		names := spec.CategoryNames()
		c.Reply.Array(len(names))
		for _, n := range names {
			c.Reply.BulkString(n)
		}
		return
	}
	if c.Args.Left() > 1 {
		c.Fail(resp.UnknownSubcommandOrArgs(c.Args.At(1), "ACL"))
		return
	}
	name := c.Args.Bytes()
	cat, known := spec.Category(string(name))
	if !known {
		c.Fail(resp.UnknownCategory(name))
		return
	}
	var names []string
	for s := range c.Client.(*session).srv.known {
		if s.Categories&cat != 0 {
			names = append(names, s.Name)
		}
	}
	slices.Sort(names)
	c.Reply.Array(len(names))
	for _, n := range names {
		c.Reply.BulkString(n)
	}
}

// maxGenpass is the most bits that ACL GENPASS makes up.
const maxGenpass = 4096

func aclGenpass(c *command.Ctx) {
	if c.Args.Left() > 1 {
		c.Fail(resp.UnknownSubcommandOrArgs(c.Args.At(1), "ACL"))
		return
	}
	bits := int64(256)
	if c.Args.More() {
		bits = c.Args.Int()
	}
	if !c.Args.Done() {
		return
	}
	if bits <= 0 || bits > maxGenpass {
		c.Fail(resp.ErrGenpassBits)
		return
	}
	digits := int(bits+3) / 4
	b := make([]byte, (digits+1)/2)
	rand.Read(b)
	c.Reply.BulkString(hex.EncodeToString(b)[:digits])
}

func aclLog(c *command.Ctx) {
	a := &c.Args
	s := c.Client.(*session)
	l := &s.srv.access.log
	if a.Left() > 1 {
		c.Fail(resp.UnknownSubcommandOrArgs(a.At(1), "ACL"))
		return
	}
	n := int64(10)
	if a.More() {
		if a.Is("RESET") {
			l.Reset()
			c.Reply.OK()
			return
		}
		n = a.Int()
	}
	if !a.Done() {
		return
	}
	w := c.Reply
	entries := l.Latest(int(min(n, 1<<31)))
	w.Array(len(entries))
	for _, e := range entries {
		w.Map(10)
		w.BulkString("count")
		w.Int(e.Count)
		w.BulkString("reason")
		w.BulkString(e.Why.String())
		w.BulkString("context")
		w.BulkString(e.Context.String())
		w.BulkString("object")
		w.BulkString(e.Object)
		w.BulkString("username")
		w.BulkString(e.User)
		w.BulkString("age-seconds")
		w.Double(float64(s.ex.now-e.At_ms) / 1000)
		w.BulkString("client-info")
		w.BulkString(e.Client)
		w.BulkString("entry-id")
		w.Int(e.ID)
		w.BulkString("timestamp-created")
		w.Int(e.Created_ms)
		w.BulkString("timestamp-last-updated")
		w.Int(e.At_ms)
	}
}

// aclDryrun tells whether a user could run a request. That it could not is no error of this command.
func aclDryrun(c *command.Ctx) {
	s := c.Client.(*session)
	srv := s.srv
	name, argv := c.Args.Bytes(), c.Args.Rest()
	u := srv.access.users.Get(name)
	if u == nil {
		c.Fail(resp.UserNotFound(name))
		return
	}
	row, _ := srv.table.Find(argv)
	switch {
	case row == nil:
		c.Fail(resp.CommandNotFound(argv[0]))
		return
	case !row.ArityOK(len(argv)):
		c.Fail(resp.WrongArgs(row.Name))
		return
	}
	v, at := s.ex.check(u, row, argv, s.db)
	if v == acl.Allowed {
		c.Reply.OK()
		return
	}
	c.Reply.BulkString(s.ex.whyNot(u, v, row, argv[at]))
}

func aclHelp(c *command.Ctx) {
	c.Help(
		"CAT [<category>]", "Name the categories, or the commands of one of them.",
		"DELUSER <username> [<username> ...]", "Remove users and close their connections.",
		"DRYRUN <username> <command> [<arg> ...]", "Tell whether a user could run a command, without running it.",
		"GETUSER <username>", "Return the rules of a user.",
		"GENPASS [<bits>]", "Make up a password of 256 bits, or as many as are asked for.",
		"LIST", "Return all users as they would stand in the configuration file.",
		"LOAD", "Read the users from the ACL file again.",
		"LOG [<count> | RESET]", "Return what was refused, or forget it.",
		"SAVE", "Write the users into the ACL file.",
		"SETUSER <username> <attribute> [<attribute> ...]", "Make a user, or change its rules.",
		"USERS", "Name all users.",
		"WHOAMI", "Return the user of this connection.",
	)
}

func init() {
	register(
		command.New("acl", command.NoneOfThem, nil),
		command.New("acl|cat", command.NoneOfThem, aclCat),
		command.New("acl|deluser", command.World, aclDeluser),
		command.New("acl|dryrun", command.NoneOfThem, aclDryrun),
		command.New("acl|genpass", command.NoneOfThem, aclGenpass),
		command.New("acl|getuser", command.NoneOfThem, aclGetuser),
		command.New("acl|help", command.NoneOfThem, aclHelp),
		command.New("acl|list", command.NoneOfThem, aclList),
		command.New("acl|load", command.World, aclLoad),
		command.New("acl|log", command.NoneOfThem, aclLog),
		command.New("acl|save", command.NoneOfThem, aclSave),
		command.New("acl|setuser", command.World, aclSetuser),
		command.New("acl|users", command.NoneOfThem, aclUsers),
		command.New("acl|whoami", command.NoneOfThem, aclWhoami),
	)
}
