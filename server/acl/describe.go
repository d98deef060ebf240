package acl

import (
	"encoding/hex"
	"strconv"
	"strings"
)

// Flags are the words for what the user is apart from its rights.
func (u *User) Flags() []string {
	flags := []string{"off"}
	if u.on {
		flags[0] = "on"
	}
	if u.nopass {
		flags = append(flags, "nopass")
	}
	if u.skipSanitize {
		return append(flags, "skip-sanitize-payload")
	}
	return append(flags, "sanitize-payload")
}

// Passwords are the hashes of the passwords, in hexadecimal digits.
func (u *User) Passwords() []string {
	list := make([]string, len(u.passwords))
	for i := range u.passwords {
		list[i] = hex.EncodeToString(u.passwords[i][:])
	}
	return list
}

// Rights are the rules of one selector by what they are about. Each is a line of words.
type Rights struct {
	Commands, Keys, Channels string
	Databases                string // empty if there are no such rules: all databases
}

// Rights are those of all selectors, the root first.
func (u *User) Rights() []Rights {
	list := make([]Rights, len(u.selectors))
	for i, s := range u.selectors {
		list[i] = Rights{Commands: s.describeCommands(), Keys: s.describeKeys(), Channels: s.describeChannels(), Databases: s.describeDBs()}
	}
	return list
}

// String is the rules that make the user what it is when they are applied to a new one.
func (u *User) String() string {
	words := u.Flags()
	for _, p := range u.Passwords() {
		words = append(words, "#"+p)
	}
	words = append(words, u.selectors[0].describe())
	for _, s := range u.selectors[1:] {
		words = append(words, "("+s.describe()+")")
	}
	return strings.Join(words, " ")
}

// Line is the user as it stands in a file, without the word user at the beginning.
func (u *User) Line() string { return u.name + " " + u.String() }

func (s *selector) describe() string {
	words := make([]string, 0, 4)
	if keys := s.describeKeys(); keys != "" {
		words = append(words, keys)
	}
	if !s.allChannels {
		words = append(words, "resetchannels")
	}
	if channels := s.describeChannels(); channels != "" {
		words = append(words, channels)
	}
	if dbs := s.describeDBs(); dbs != "" {
		words = append(words, dbs)
	}
	return strings.Join(append(words, s.describeCommands()), " ")
}

func (s *selector) describeCommands() string {
	first := "-@all"
	if s.future {
		first = "+@all"
	}
	return strings.Join(append([]string{first}, s.rules...), " ")
}

func (s *selector) describeKeys() string {
	if s.allKeys {
		return "~*"
	}
	words := make([]string, len(s.keys))
	for i, k := range s.keys {
		words[i] = [...]string{read: "%R~", write: "%W~", readWrite: "~"}[k.access] + k.pattern
	}
	return strings.Join(words, " ")
}

func (s *selector) describeChannels() string {
	if s.allChannels {
		return "&*"
	}
	words := make([]string, len(s.channels))
	for i, p := range s.channels {
		words[i] = "&" + p
	}
	return strings.Join(words, " ")
}

func (s *selector) describeDBs() string {
	if s.allDBs {
		return ""
	}
	if len(s.dbs) == 0 {
		return "resetdbs"
	}
	words := make([]string, len(s.dbs))
	for i, db := range s.dbs {
		words[i] = strconv.Itoa(db)
	}
	return "db=" + strings.Join(words, ",")
}
