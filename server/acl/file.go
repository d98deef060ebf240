package acl

import (
	"errors"
	"fmt"
	"strings"
)

// Parse reads the text of an ACL file: lines of the form "user NAME RULE ..." and empty ones. file is its name, for the
// error, which lists everything that is wrong. If the text has no default user there is one that may do everything.
func (us *Users) Parse(file, text string) (*Users, error) {
	next := &Users{commands: us.commands, byName: map[string]*User{}, AllChannels: us.AllChannels}
	var faults strings.Builder
	for i, line := range strings.Split(text, "\n") {
		line = strings.Trim(line, " \t\r\n")
		if line != "" {
			next.parseLine(&faults, file, i+1, words(line))
		}
	}
	if faults.Len() > 0 {
		faults.WriteString("WARNING: ACL errors detected, no change to the previously active ACL rules was performed")
		return nil, errors.New(faults.String())
	}
	if next.byName[DefaultName] == nil {
		next.addDefault()
	}
	return next, nil
}

// words cuts a line at its spaces. The second word is the name of a user, which may be empty.
func words(line string) []string {
	var list []string
	for _, w := range strings.Split(line, " ") {
		if w = strings.Trim(w, "\t\r\n"); w != "" || len(list) == 1 {
			list = append(list, w)
		}
	}
	return list
}

func (us *Users) parseLine(faults *strings.Builder, file string, number int, line []string) {
	if line[0] != "user" || len(line) < 2 {
		fmt.Fprintf(faults, "%s:%d should start with user keyword followed by the username. ", file, number)
		return
	}
	name := line[1]
	switch {
	case !ValidName(name):
		fmt.Fprintf(faults, "'%s:%d: username '%s' contains invalid characters. ", file, number, name)
		return
	case us.byName[name] != nil:
		fmt.Fprintf(faults, "WARNING: Duplicate user '%s' found on line %d. ", name, number)
		return
	}
	u := us.newUser(name)
	us.byName[name] = u
	rules, open := merge(line[2:])
	if open != "" {
		fmt.Fprintf(faults, "%s:%d: Unmatched parenthesis in selector definition.", file, number)
	}
	told := false
	for _, rule := range rules {
		switch why := us.applyTo(u, rule); {
		case why == unknownCommand: // names of commands are no secrets
			fmt.Fprintf(faults, "%s:%d: Error in applying operation '%s': %s. ", file, number, rule, why)
		case why != "" && !told:
			fmt.Fprintf(faults, "%s:%d: %s. ", file, number, why)
			told = true
		}
	}
	u.settle()
}

// Replace makes the set what next is. The default user stays the same *User. All others are new, whatever their rules.
func (us *Users) Replace(next *Users) {
	d := us.Default()
	d.take(next.Default())
	us.byName = next.byName
	us.byName[DefaultName] = d
}

// Declare applies the rules of a line in the configuration file, which may stand there once for each user. A default user
// begins from nothing, too. declared is the names that had a line before.
func (us *Users) Declare(name string, rules []string, declared map[string]bool) error {
	if declared[name] {
		return &RuleError{Rule: name, reason: duplicateUser}
	}
	declared[name] = true
	merged, open := merge(rules)
	if open != "" {
		return &RuleError{Rule: open, reason: unmatched}
	}
	u := us.newUser(name)
	for _, rule := range merged {
		if err := us.apply(u, rule); err != nil {
			return err
		}
	}
	u.settle()
	us.byName[name] = u
	return nil
}
