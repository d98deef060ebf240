package server

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"

	"go.uber.org/zap"

	"larder/server/acl"
	"larder/server/command"
	"larder/server/config"
	"larder/server/netloop"
	"larder/server/resp"
)

// accessControl is who may do what. Users change only in a stopped world, so every executor may read them.
type accessControl struct {
	commands *acl.Commands
	users    *acl.Users
	byRow    []*acl.Command // by row ID
	log      acl.Log
	file     aclFile
	lines    atomic.Pointer[[]string] // users as CONFIG REWRITE writes them
}

// aclFile is the ACL file while it is written, which is left to the disk: of several at once the last one stays.
type aclFile struct {
	asked   atomic.Int64 // times that ACL SAVE was asked for
	mu      sync.Mutex   // held by who writes the file
	written int64        // which of them the file is of
}

// declareUsers makes the users that lines of the configuration declare.
func (srv *Server) declareUsers() error {
	declared := map[string]bool{}
	for _, u := range srv.conf.Users() {
		if !acl.ValidName(u.Name) {
			return u.Where.Fail("Spaces not allowed in ACL usernames", fmt.Sprintf("'%s' cannot be the name of a user", u.Name))
		}
		err := srv.access.users.Declare(u.Name, u.Rules, declared)
		if e, ok := err.(*acl.RuleError); ok {
			return u.Where.Fail(fmt.Sprintf("Error in user declaration '%s': %s", e.Rule, e.Reason()), fmt.Sprintf("the user '%s' cannot be declared like this", u.Name))
		}
	}
	return nil
}

// loadUsers reads the users at the start: from lines of the configuration, or from the ACL file, but not from both.
func (srv *Server) loadUsers() error {
	lines, file := srv.conf.Users(), srv.conf.ACLFile.Get()
	if err := srv.declareUsers(); err != nil {
		return err
	}
	if file != "" && len(lines) > 0 {
		//lint:ignore ST1005 operators search logs for this text
		return errors.New("Configuring Redis with users defined in redis.conf and at the same setting an ACL file path is invalid. " +
			"This setup is very likely to lead to configuration errors and security holes, please define either an ACL file " +
			"or declare users directly in your redis.conf, but not both.")
	}
	if file != "" {
		next, err := srv.readUsers()
		if err != nil {
			//lint:ignore ST1005 operators search logs for this text
			return fmt.Errorf("Aborting Redis startup because of ACL errors: %w", err)
		}
		srv.access.users.Replace(next)
	}
	for _, u := range lines {
		if user := srv.access.users.Get([]byte(u.Name)); !user.On() {
			srv.log.Info(fmt.Sprintf("The user '%s' is disabled (there is no 'on' modifier in the user description). Make sure this is not a configuration error.", u.Name))
		}
	}
	return nil
}

// readUsers reads the ACL file.
func (srv *Server) readUsers() (*acl.Users, error) {
	file := srv.conf.ACLFile.Get()
	text, err := os.ReadFile(srv.conf.Path(file))
	if err != nil {
		return nil, fmt.Errorf("Error loading ACLs, opening file '%s': %w", file, config.SystemError(err))
	}
	return srv.access.users.Parse(file, string(text))
}

// saveUsers returns what writes the users of this moment to the ACL file, and waits for the disk.
func (srv *Server) saveUsers() (write func() error) {
	path, file := srv.conf.Path(srv.conf.ACLFile.Get()), &srv.access.file
	var b strings.Builder
	for _, u := range srv.access.users.All() {
		b.WriteString("user " + u.Line() + "\n")
	}
	turn := file.asked.Add(1)
	return func() error {
		file.mu.Lock()
		defer file.mu.Unlock()
		if turn < file.written { // later ones are there already
			return nil
		}
		mode := os.FileMode(0o600)
		if info, err := os.Stat(path); err == nil {
			mode = info.Mode().Perm()
		}
		err := config.ReplaceFile(path, b.String(), mode)
		if err != nil {
			srv.log.Warn("Writing ACL file for ACL SAVE", zap.Error(err))
			return err
		}
		file.written = turn
		return nil
	}
}

// noteUsers notes the users of this moment for CONFIG REWRITE, which waits for the disk: none if they have a file of their own.
func (srv *Server) noteUsers() {
	lines := []string{}
	if srv.conf.ACLFile.Get() == "" {
		lines = srv.userLines()
	}
	srv.access.lines.Store(&lines)
}

// notedUsers are the users that were noted last.
func (srv *Server) notedUsers() []string { return *srv.access.lines.Load() }

// userLines are the users as lines of the configuration.
func (srv *Server) userLines() (lines []string) {
	for _, u := range srv.access.users.All() {
		words := strings.Split(u.Line(), " ")
		for i, w := range words {
			if w == "" || strings.ContainsAny(w, "\"'\\") || strings.ContainsFunc(w, func(r rune) bool { return r < ' ' || r > '~' }) {
				words[i] = config.Quote(w)
			}
		}
		lines = append(lines, strings.Join(words, " "))
	}
	return lines
}

// openToAll tells whether a connection needs no password: it is the default user at once.
func (srv *Server) openToAll() bool {
	u := srv.access.users.Default()
	return u.NoPass() && u.On()
}

// welcome makes a session what it is before it says who it is.
func (srv *Server) welcome(s *session) {
	s.user, s.authed = srv.access.users.Default(), srv.openToAll()
	if u := srv.certifiedUser(s.conn); u != nil {
		s.user, s.authed = u, true
	}
}

// stranger tells whether the client still has to log in before it may do anything.
func (s *session) stranger() bool { return !s.authed && !s.srv.openToAll() }

// userName is what CLIENT LIST has for the user.
func (s *session) userName() string {
	if s.user == nil {
		return "(superuser)"
	}
	return s.user.Name()
}

// login makes the session somebody else's if name and password are right.
func (s *session) login(c *command.Ctx, name, password []byte) bool {
	u := s.srv.access.users.Login(name, password)
	if u == nil {
		s.ex.logDenied(s, acl.Event{Why: acl.DeniedAuth, Context: s.ex.accessContext(s), Object: string(c.Args.At(0)), User: string(name)})
		return false
	}
	s.authed, s.user = true, u
	return true
}

// check asks the user's rules about a request.
func (ex *executor) check(u *acl.User, row *command.Row, argv [][]byte, db int) (acl.Verdict, int) {
	if u == nil || u.Free() {
		return acl.Allowed, 0
	}
	return u.Check(acl.Request{Command: ex.srv.access.byRow[row.ID], Argv: argv, DB: db}, &ex.checks)
}

// accessContext is where the request came from that runs.
func (ex *executor) accessContext(s *session) acl.Context {
	if ex.inTransaction || s.multi != nil {
		return acl.Multi
	}
	return acl.TopLevel
}

// checkAccess tells whether the session's user may run a request: nothing if so, else the error to reply. What is
// refused is noted in the ACL log.
func (ex *executor) checkAccess(s *session, row *command.Row, argv [][]byte) resp.Error {
	v, at := ex.check(s.user, row, argv, s.db)
	if v == acl.Allowed {
		return ""
	}
	ex.logRequest(s, v, row, argv, at, ex.accessContext(s))
	if ex.inTransaction {
		return resp.ExecNoPerm(map[acl.Verdict]string{
			acl.DeniedCommand:  "no permission to execute the command or subcommand",
			acl.DeniedKey:      "no permission to touch the specified keys",
			acl.DeniedChannel:  "no permission to access one of the channels used as arguments",
			acl.DeniedDatabase: "no permission to access the database",
		}[v])
	}
	return resp.NoPerm(ex.whyNot(s.user, v, row, nil))
}

// checkScript is checkAccess for what a script of the session's calls: it is the session's database that the next command of the
// script is about, for SELECT may have been the last one.
func (ex *executor) checkScript(s *session, row *command.Row, argv [][]byte) resp.Error {
	v, at := ex.check(s.user, row, argv, s.db)
	if v == acl.Allowed {
		return ""
	}
	ex.logRequest(s, v, row, argv, at, acl.Script)
	return resp.Error("ERR ACL failure in script: " + ex.whyNot(s.user, v, row, nil))
}

// maySend tells whether the session's user may run a request, without a note in the log.
func (ex *executor) maySend(s *session, row *command.Row, argv [][]byte) bool {
	v, _ := ex.check(s.user, row, argv, s.db)
	return v == acl.Allowed
}

// refusesWaiter answers a blocked client whose user has lost the right to its command meanwhile.
func (ex *executor) refusesWaiter(w *waiter, out *resp.Writer) bool {
	v, at := ex.check(w.s.user, w.row, w.argv, w.db)
	if v == acl.Allowed {
		return false
	}
	ex.logRequest(w.s, v, w.row, w.argv, at, acl.TopLevel)
	e := resp.NoPerm(ex.whyNot(w.s.user, v, w.row, nil))
	out.Error(e)
	ex.noteError(e)
	ex.note(w.row).rejected++
	return true
}

// whyNot words a verdict. The key or channel is named only if what is not nil: not to whoever may not know it.
func (ex *executor) whyNot(u *acl.User, v acl.Verdict, row *command.Row, what []byte) string {
	switch v {
	case acl.DeniedCommand:
		return "User " + u.Name() + " has no permissions to run the '" + row.Name + "' command"
	case acl.DeniedDatabase:
		if what != nil {
			return "User " + u.Name() + " has no permissions to access database '" + string(what) + "'"
		}
		return "No permissions to access database"
	}
	kind := "key"
	if v == acl.DeniedChannel {
		kind = "channel"
	}
	if what == nil {
		return "No permissions to access a " + kind
	}
	return "User " + u.Name() + " has no permissions to access the '" + string(what) + "' " + kind
}

// logRequest notes a request that was refused.
func (ex *executor) logRequest(s *session, v acl.Verdict, row *command.Row, argv [][]byte, at int, from acl.Context) {
	object := row.Name
	if v != acl.DeniedCommand && at > 0 {
		object = string(argv[at])
	}
	ex.logDenied(s, acl.Event{Why: v, Context: from, Object: object, User: s.user.Name()})
}

// logDenied notes what was refused to a session, which may be another loop's only if it is blocked.
func (ex *executor) logDenied(s *session, e acl.Event) {
	st := &ex.srv.stats
	switch e.Why {
	case acl.DeniedAuth:
		st.authFailures.Add(1)
	case acl.DeniedCommand:
		st.deniedCommands.Add(1)
	case acl.DeniedKey:
		st.deniedKeys.Add(1)
	case acl.DeniedChannel:
		st.deniedChannels.Add(1)
	case acl.DeniedDatabase:
		st.deniedDBs.Add(1)
	}
	if s.ex == ex {
		e.Client = s.info(ex.nanos)
	} else {
		e.Client = fmt.Sprintf("id=%d addr=%s user=%s", s.id, s.conn.RemoteAddr(), s.userName())
	}
	e.At_ms = ex.now
	ex.srv.access.log.Add(e)
}

// readsAll tells whether the client whose command runs may read any key.
func (ex *executor) readsAll() bool {
	c := &ex.ctx
	s, _ := c.Client.(*session)
	if s == nil || s.user == nil {
		return true
	}
	return s.user.ReadsAll(acl.Request{Command: ex.srv.access.byRow[c.Row.ID], Argv: c.Args.All(), DB: c.DB}, &ex.checks)
}

// cutUser ends the connections of a user who is gone. The world is stopped.
func (srv *Server) cutUser(u *acl.User, self *session) {
	for _, s := range srv.clients.all() {
		if s.user == u {
			s.logout(self)
		}
	}
}

// logout ends the connection of somebody who is nobody any more.
func (s *session) logout(self *session) {
	s.user, s.authed = s.srv.access.users.Default(), false
	s.cut(self)
}

// cut ends the connection. The world is stopped. The one who asks, if somebody does, is closed only once it has its reply.
func (s *session) cut(self *session) {
	switch self {
	case s:
		s.ex.depart(s)
	case nil:
		s.conn.Kill(netloop.ErrKilled)
	default:
		self.ex.condemn(s)
	}
}

// cutListeners ends the connections of subscribers who may not hear any more what they listen to. The world is stopped.
func (srv *Server) cutListeners(before, after *acl.User, self *session) {
	for _, s := range srv.clients.all() {
		if s.user == before && s.overhears(before, after) {
			s.cut(self)
		}
	}
}

// overhears tells whether the session listens to something that its user might hear before and may not after.
func (s *session) overhears(before, after *acl.User) bool {
	lost := func(names map[string]struct{}, pattern bool) bool {
		for name := range names {
			if before.MayHear(name, pattern) && !after.MayHear(name, pattern) {
				return true
			}
		}
		return false
	}
	return lost(s.sub.patterns, true) || lost(s.sub.channels, false) || lost(s.sub.sharded, false)
}

// replaceUsers makes the users those of another set. Connections go on as the user of the same name; only those whose user
// is gone, or who listen to what they may not hear any more, are cut off. The world is stopped.
func (srv *Server) replaceUsers(next *acl.Users, self *session) {
	users := srv.access.users
	if o := next.Default(); o != nil {
		srv.cutListeners(users.Default(), o, self)
	}
	users.Replace(next)
	for _, s := range srv.clients.all() {
		before := s.user
		if before == nil || before == users.Default() {
			continue
		}
		after := users.Get([]byte(before.Name()))
		if after == nil {
			s.logout(self)
			continue
		}
		if s.overhears(before, after) {
			s.cut(self)
		}
		s.user = after
	}
}
