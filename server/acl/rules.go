package acl

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"larder/server/command/spec"
)

// A RuleError says which rule cannot be applied, and why.
type RuleError struct {
	Rule   string
	reason reason
}

// reason is why a rule cannot be applied, in the words that operators know.
type reason string

const (
	unknownCommand reason = "Unknown command or category name in ACL"
	syntaxError    reason = "Syntax error"
	afterAllKeys   reason = "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. Try 'resetkeys' to start with an empty list of patterns"
	afterAllChans  reason = "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any effect. Try 'resetchannels' to start with an empty list of channels"
	noSuchPassword reason = "The password you are trying to remove from the user does not exist"
	badHash        reason = "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"
	subcommandArg  reason = "Allowing first-arg of a subcommand is not supported"
	badDatabase    reason = "Database ids are numbers from 0 on, parted by commas"
	duplicateUser  reason = "Duplicate user found. A user can only be defined once in config files"
	unmatched      reason = "unmatched parenthesis"
)

// Error is the text that ACL SETUSER replies.
func (e *RuleError) Error() string {
	if e.reason == unmatched {
		return fmt.Sprintf("Unmatched parenthesis in acl selector starting at '%s'.", printed(e.Rule))
	}
	return fmt.Sprintf("Error in ACL SETUSER modifier '%s': %s", printed(e.Rule), e.reason)
}

// Reason is why, without the rule.
func (e *RuleError) Reason() string {
	if e.reason == unmatched {
		return string(syntaxError)
	}
	return string(e.reason)
}

// printed is what of a rule goes into an error: nothing behind a zero byte.
func printed(rule string) string {
	text, _, _ := strings.Cut(rule, "\x00")
	return text
}

// merge joins what stands in parentheses, spread over several words, to one rule each. open is the word in which a
// parenthesis opens that is never closed.
func merge(words []string) (rules []string, open string) {
	joined := ""
	for _, w := range words {
		switch {
		case open != "":
			joined += " " + w
			if strings.HasSuffix(w, ")") {
				rules = append(rules, joined)
				open = ""
			}
		case strings.HasPrefix(w, "(") && !strings.HasSuffix(w, ")"):
			open, joined = w, w
		default:
			rules = append(rules, w)
		}
	}
	return rules, open
}

// apply applies one rule to a user. An empty one does nothing.
func (us *Users) apply(u *User, rule string) error {
	why := us.applyTo(u, rule)
	if why != "" {
		return &RuleError{Rule: rule, reason: why}
	}
	return nil
}

func (us *Users) applyTo(u *User, rule string) reason {
	if rule == "" {
		return ""
	}
	switch strings.ToLower(rule) {
	case "on":
		u.on = true
		return ""
	case "off":
		u.on = false
		return ""
	case "skip-sanitize-payload":
		u.skipSanitize = true
		return ""
	case "sanitize-payload":
		u.skipSanitize = false
		return ""
	case "nopass":
		u.nopass, u.passwords = true, nil
		return ""
	case "resetpass":
		u.nopass, u.passwords = false, nil
		return ""
	case "clearselectors":
		u.selectors = u.selectors[:1:1]
		return ""
	case "reset":
		name := u.name
		*u = *us.newUser(name)
		return ""
	}
	switch rule[0] {
	case '>', '#', '<', '!':
		return u.applyPassword(rule)
	case '(':
		if rule[len(rule)-1] == ')' {
			return us.applySelector(u, rule[1:len(rule)-1])
		}
	}
	return u.selectors[0].apply(us.commands, rule)
}

// applyPassword adds a password (>text, #hash) or removes one (<text, !hash).
func (u *User) applyPassword(rule string) reason {
	var hash [sha256.Size]byte
	switch rule[0] {
	case '>', '<':
		hash = sha256.Sum256([]byte(rule[1:]))
	default:
		var ok bool
		if hash, ok = parseHash(rule[1:]); !ok {
			return badHash
		}
	}
	at := slices.Index(u.passwords, hash)
	if rule[0] == '<' || rule[0] == '!' {
		if at < 0 {
			return noSuchPassword
		}
		u.passwords = slices.Delete(u.passwords, at, at+1)
		return ""
	}
	if at < 0 {
		u.passwords = append(u.passwords, hash)
	}
	u.nopass = false
	return ""
}

// parseHash reads 64 hexadecimal digits, which have to be small letters: a hash has one form only.
func parseHash(text string) (hash [sha256.Size]byte, ok bool) {
	if len(text) != 2*sha256.Size || strings.ContainsAny(text, "ABCDEF") {
		return hash, false
	}
	_, err := hex.Decode(hash[:], []byte(text))
	return hash, err == nil
}

// applySelector adds a selector with the rules that stand in parentheses.
func (us *Users) applySelector(u *User, rules string) reason {
	s := us.newSelector()
	for _, rule := range strings.FieldsFunc(rules, partsRules) {
		if why := s.apply(us.commands, rule); why != "" {
			return why
		}
	}
	u.selectors = append(u.selectors, s)
	return ""
}

// partsRules tells what parts the rules in parentheses. Nothing else does: a key may have what Unicode calls a space.
func partsRules(r rune) bool { return strings.ContainsRune(" \t\r\n", r) }

// apply applies a rule about commands, keys, channels or databases.
func (s *selector) apply(cs *Commands, rule string) reason {
	switch strings.ToLower(rule) {
	case "allkeys", "~*":
		s.allKeys, s.keys = true, nil
		return ""
	case "resetkeys":
		s.allKeys, s.keys = false, nil
		return ""
	case "allchannels", "&*":
		s.allChannels, s.channels = true, nil
		return ""
	case "resetchannels":
		s.allChannels, s.channels = false, nil
		return ""
	case "alldbs":
		s.allDBs, s.dbs = true, nil
		return ""
	case "resetdbs":
		s.allDBs, s.dbs = false, nil
		return ""
	case "allcommands", "+@all":
		s.setAll(true)
		return ""
	case "nocommands", "-@all":
		s.setAll(false)
		return ""
	}
	switch {
	case rule[0] == '~' || rule[0] == '%':
		return s.applyKeys(rule)
	case rule[0] == '&':
		return s.applyChannels(rule[1:])
	case len(rule) > 2 && strings.EqualFold(rule[:3], "db="):
		return s.applyDBs(rule[3:])
	case len(rule) > 1 && (rule[0] == '+' || rule[0] == '-') && rule[1] == '@':
		cat, known := spec.Category(rule[2:])
		if !known {
			return unknownCommand
		}
		s.note(rule[1:], rule[0] == '+')
		s.setCategory(cs, cat, rule[0] == '+')
		return ""
	case rule[0] == '+':
		return s.applyAllow(cs, rule[1:])
	case rule[0] == '-':
		c := cs.Get(rule[1:])
		if c == nil {
			return unknownCommand
		}
		s.set(c, false)
		s.note(c.Name(), false)
		return ""
	}
	return syntaxError
}

// applyKeys adds a key pattern: ~pattern, or with what may be done %R~pattern, %W~pattern, %RW~pattern.
func (s *selector) applyKeys(rule string) reason {
	if s.allKeys {
		return afterAllKeys
	}
	may := readWrite
	letters, pattern, found := strings.Cut(rule[1:], "~")
	if rule[0] == '~' {
		pattern = rule[1:]
	} else {
		may = 0
		for _, c := range []byte(letters) {
			bit := access(0)
			switch c {
			case 'R', 'r':
				bit = read
			case 'W', 'w':
				bit = write
			}
			if bit == 0 || may&bit != 0 {
				return syntaxError
			}
			may |= bit
		}
		if !found || may == 0 {
			return syntaxError
		}
	}
	if hasSpace(pattern) {
		return syntaxError
	}
	s.addKeys(pattern, may)
	return ""
}

func (s *selector) applyChannels(pattern string) reason {
	switch {
	case s.allChannels:
		return afterAllChans
	case hasSpace(pattern):
		return syntaxError
	}
	s.addChannels(pattern)
	return ""
}

// applyDBs adds databases: numbers, parted by commas. They are the only ones from then on.
func (s *selector) applyDBs(list string) reason {
	for _, word := range strings.Split(list, ",") {
		db, err := strconv.ParseUint(word, 10, 31)
		if err != nil || word[0] == '+' {
			return badDatabase
		}
		s.addDB(int(db))
	}
	s.allDBs = false
	return ""
}

// applyAllow allows a command, a subcommand, or a command with a certain first argument.
func (s *selector) applyAllow(cs *Commands, name string) reason {
	at := strings.LastIndexByte(name, '|')
	if at < 0 {
		c := cs.Get(name)
		if c == nil {
			return unknownCommand
		}
		s.set(c, true)
		s.note(c.Name(), true)
		return ""
	}
	c, arg := cs.Get(name[:at]), name[at+1:]
	switch {
	case c == nil:
		return unknownCommand
	case c.spec.Container != nil:
		return subcommandArg
	case arg == "" || hasSpace(arg):
		return syntaxError
	case len(c.subs) == 0:
		s.allowFirstArg(c, arg)
	default:
		sub := cs.Get(name)
		if sub == nil {
			return unknownCommand
		}
		s.set(sub, true)
	}
	s.note(name, true)
	return ""
}
