// Package acl knows who may do what: users, their passwords, and the rules by which a request of theirs is let through.
// It does no input or output and takes no locks: whoever changes a set of users keeps all others out meanwhile.
//
//	acl.go       Users: all users by name, log-in
//	commands.go  the commands that rules may name, and their numbers
//	rules.go     one rule after the other is applied to a user
//	selector.go  a selector: which commands, keys, channels and databases belong together
//	check.go     may this user run this request?
//	describe.go  users as rules again
//	file.go      the text of an ACL file
//	log.go       what was refused
//
// A user is a list of selectors, of which one has to allow a request in full. The first is the root: what rules outside
// of parentheses change. With these rules
//
//	on >secret ~app:* +@read (%R~stats:* +get)
//
// the root allows GET app:1, the second selector GET stats:1, and nothing allows SET app:1 or MGET app:1 stats:1.
package acl

import (
	"crypto/sha256"
	"crypto/subtle"
	"slices"
	"strings"
)

// DefaultName is the user of connections that have not said who they are. It cannot be removed.
const DefaultName = "default"

// Users is all users by name. The set has a default user from the beginning.
type Users struct {
	commands *Commands
	byName   map[string]*User

	// AllChannels says that new users may use every channel (acl-pubsub-default allchannels).
	AllChannels bool
}

// A User is a name, passwords and what they give access to. A *User stands for the same user until it is deleted, whatever
// happens to its rules.
type User struct {
	name string

	on, nopass   bool
	skipSanitize bool
	passwords    [][sha256.Size]byte
	selectors    []*selector // the first is the root

	free bool // one selector allows everything
}

// NewUsers is a set with nobody but the default user, who may do everything and needs no password.
func NewUsers(commands *Commands) *Users {
	us := &Users{commands: commands, byName: map[string]*User{}}
	us.addDefault()
	return us
}

func (us *Users) addDefault() {
	u := us.newUser(DefaultName)
	for _, rule := range []string{"+@all", "~*", "&*", "on", "nopass"} {
		if err := us.apply(u, rule); err != nil {
			panic("assertion failed: " + err.Error())
		}
	}
	u.settle()
	us.byName[DefaultName] = u
}

// newUser is a user as the rule reset leaves it: off, without passwords and rights.
func (us *Users) newUser(name string) *User {
	return &User{name: name, selectors: []*selector{us.newSelector()}}
}

// Name is the user's name.
func (u *User) Name() string { return u.name }

// Free tells whether the user may run any request, so that none has to be checked.
func (u *User) Free() bool { return u.free }

// On tells whether one can log in as the user. Connections that have stay when it is switched off.
func (u *User) On() bool { return u.on }

// NoPass tells whether any password will do.
func (u *User) NoPass() bool { return u.nopass }

// settle brings up to date what follows from the rules.
func (u *User) settle() {
	u.free = slices.ContainsFunc(u.selectors, func(s *selector) bool {
		return s.allCommands && s.allKeys && s.allChannels && s.allDBs
	})
}

// clone is a copy that shares nothing with u.
func (u *User) clone() *User {
	c := *u
	c.passwords = slices.Clone(u.passwords)
	c.selectors = make([]*selector, len(u.selectors))
	for i, s := range u.selectors {
		c.selectors[i] = s.clone()
	}
	return &c
}

// take makes u have the rules of o, but keep its name.
func (u *User) take(o *User) {
	name := u.name
	*u = *o.clone()
	u.name = name
}

// Get is the user of a name, nil if there is none.
func (us *Users) Get(name []byte) *User { return us.byName[string(name)] }

// Default is the default user.
func (us *Users) Default() *User { return us.byName[DefaultName] }

// All is every user, by name.
func (us *Users) All() []*User {
	list := make([]*User, 0, len(us.byName))
	for _, u := range us.byName {
		list = append(list, u)
	}
	slices.SortFunc(list, func(a, b *User) int { return strings.Compare(a.name, b.name) })
	return list
}

// ValidName tells whether a user may be called so: rules are words of a line.
func ValidName(name string) bool { return !hasSpace(name) }

// hasSpace tells whether a text could not stand as one word of a line of rules.
func hasSpace(s string) bool { return strings.ContainsAny(s, " \t\n\v\f\r\x00") }

// Set applies rules to the user of a name, who is made if need be. All of them are applied or none; the error is of type
// *RuleError. check, if not nil, is called with the user as it was (nil for a new one) and as it will be, just before the
// change.
func (us *Users) Set(name string, rules []string, check func(before, after *User)) (*User, error) {
	u := us.byName[name]
	var next *User
	if u != nil {
		next = u.clone()
	} else {
		next = us.newUser(name)
	}
	merged, open := merge(rules)
	if open != "" {
		return nil, &RuleError{Rule: open, reason: unmatched}
	}
	for _, rule := range merged {
		if err := us.apply(next, rule); err != nil {
			return nil, err
		}
	}
	next.settle()
	if check != nil {
		check(u, next)
	}
	if u == nil {
		us.byName[name] = next
		return next, nil
	}
	u.take(next)
	return u, nil
}

// Delete removes a user and returns it, nil if there is none of that name. The default user stays.
func (us *Users) Delete(name []byte) *User {
	u := us.byName[string(name)]
	if u == nil || u.name == DefaultName {
		return nil
	}
	delete(us.byName, u.name)
	return u
}

// SetDefaultPassword gives the default user one password, or with an empty one lets everybody be the default user: the
// directive requirepass.
func (us *Users) SetDefaultPassword(password string) {
	u := us.Default()
	u.passwords, u.nopass = nil, password == ""
	if password != "" {
		u.passwords = [][sha256.Size]byte{sha256.Sum256([]byte(password))}
	}
}

// KeepDefaultPassword returns what gives the default user the passwords of now again.
func (us *Users) KeepDefaultPassword() (restore func()) {
	u := us.Default()
	passwords, nopass := slices.Clone(u.passwords), u.nopass
	return func() { u.passwords, u.nopass = passwords, nopass }
}

// Login is the user of a name if it is on and the password is right, else nil. It takes the same time for every password,
// and about the same whether or not there is such a user.
func (us *Users) Login(name, password []byte) *User {
	hash := sha256.Sum256(password)
	u := us.byName[string(name)]
	if u == nil {
		return nil
	}
	right := 0
	for i := range u.passwords {
		right |= subtle.ConstantTimeCompare(u.passwords[i][:], hash[:])
	}
	if !u.on || !u.nopass && right == 0 {
		return nil
	}
	return u
}
