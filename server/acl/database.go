package acl

import (
	"slices"
	"strconv"
	"strings"

	"larder/server/command/spec"
)

// databases tells whether the selector has all databases that a request touches: the client's own if the command is about
// keys, and those that its arguments name. If not, at is the argument that names one, or 0.
func (s *selector) databases(r Request) (at int, ok bool) {
	c, argv := r.Command.spec, r.Argv
	switch c.Name {
	case "select":
		return s.databaseAt(argv, 1)
	case "swapdb":
		if at, ok := s.databaseAt(argv, 1); !ok {
			return at, false
		}
		return s.databaseAt(argv, 2)
	case "flushall":
		return 0, false // only who has all may empty all
	case "move":
		if at, ok := s.databaseAt(argv, 2); !ok {
			return at, false
		}
	case "copy":
		for i := 3; i+1 < len(argv); i++ {
			if strings.EqualFold(string(argv[i]), "DB") {
				if at, ok := s.databaseAt(argv, i+1); !ok {
					return at, false
				}
				i++
			}
		}
	}
	if c.HasKeys() || c.Categories&spec.CatKeyspace != 0 || c.Has(spec.ArbitraryKeys) {
		return 0, s.hasDB(r.DB)
	}
	return 0, true
}

// databaseAt tells whether the selector has the database that an argument names. What is no number is for the command to
// complain about.
func (s *selector) databaseAt(argv [][]byte, at int) (int, bool) {
	if at >= len(argv) {
		return 0, true
	}
	db, err := strconv.Atoi(string(argv[at]))
	return at, err != nil || s.hasDB(db)
}

func (s *selector) hasDB(db int) bool {
	_, found := slices.BinarySearch(s.dbs, db)
	return s.allDBs || found
}
