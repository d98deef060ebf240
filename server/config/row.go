package config

import (
	"errors"
	"strings"
)

// Row is one directive: its names, what it accepts, where its value stands and how it is written.
// The tables in rows_*.go are lists of rows; everything else in this package is driven by them.
type Row struct {
	Name  string
	Alias string // a second name; CONFIG GET shows both, CONFIG REWRITE writes Name

	Immutable   bool   // only the file and the command line set it
	Protected   bool   // CONFIG SET needs enable-protected-configs
	DenyLoading bool   // CONFIG SET is refused while the dataset is being loaded
	Sensitive   bool   // the value is a secret: not for MONITOR, SLOWLOG and logs
	Hidden      bool   // CONFIG GET shows it by its exact name only
	Multi       bool   // takes several arguments
	NoEffect    string // why setting it changes nothing; "" for a directive that works

	quiet  bool // the alias is answered to its name only, and to no pattern: clients set all that they are shown
	own    bool // Larder's: CONFIG SET to the value it has is fine even when immutable
	always bool // listeners hear of every CONFIG SET, since what the value names may have changed

	def    any                                        // the default, as parse returns it
	parse  func(s *Store, args []string) (any, error) // checks only
	load   func(c *Config) any
	store  func(c *Config, v any)
	format func(v any) string      // for CONFIG GET; setting what it returned changes nothing
	lines  func(v any) []line      // what CONFIG REWRITE writes; nil is one line with what format says
	merge  func(old, more any) any // what a second line in the same file makes of the first; nil: replaces it
}

// A line is what one line of the file says behind the directive's name.
type line struct {
	args  string
	force bool // write it even where the file did not mention the directive
}

// Default is the value as CONFIG GET shows it on a server that was started without a file.
func (r *Row) Default() string { return r.format(r.def) }

// The methods below complete a row in the tables, so that a row reads as one sentence.

func (r *Row) alias(name string) *Row       { r.Alias = name; return r }
func (r *Row) quietAlias(name string) *Row  { r.Alias, r.quiet = name, true; return r }
func (r *Row) immutable() *Row              { r.Immutable = true; return r }
func (r *Row) protected() *Row              { r.Protected = true; return r }
func (r *Row) denyLoading() *Row            { r.DenyLoading = true; return r }
func (r *Row) sensitive() *Row              { r.Sensitive = true; return r }
func (r *Row) hidden() *Row                 { r.Hidden = true; return r }
func (r *Row) noEffect(because string) *Row { r.NoEffect = because; return r }
func (r *Row) larder() *Row                 { r.own = true; return r }
func (r *Row) reread() *Row                 { r.always = true; return r }

// clamp adjusts a checked number to what the server can do instead of refusing it.
func (r *Row) clamp(low, high int64) *Row {
	parse := r.parse
	r.parse = func(s *Store, args []string) (any, error) {
		v, err := parse(s, args)
		if err != nil {
			return nil, err
		}
		return min(max(v.(int64), low), high), nil
	}
	return r
}

// valid adds a check of the parsed value.
func valid[T any](r *Row, check func(T) error) *Row {
	parse := r.parse
	r.parse = func(s *Store, args []string) (any, error) {
		v, err := parse(s, args)
		if err == nil {
			err = check(v.(T))
		}
		return v, err
	}
	return r
}

func boolean(name string, def bool, field func(*Config) *Bool) *Row {
	return &Row{
		Name: name, def: def,
		parse: func(_ *Store, args []string) (any, error) {
			switch {
			case strings.EqualFold(args[0], "yes"):
				return true, nil
			case strings.EqualFold(args[0], "no"):
				return false, nil
			}
			return nil, errors.New("argument must be 'yes' or 'no'")
		},
		load:  func(c *Config) any { return field(c).Get() },
		store: func(c *Config, v any) { field(c).set(v.(bool)) },
		format: func(v any) string {
			if v.(bool) {
				return "yes"
			}
			return "no"
		},
	}
}

func numeric(name string, def int64, n number, field func(*Config) *Int) *Row {
	return &Row{
		Name: name, def: def,
		parse:  func(_ *Store, args []string) (any, error) { return n.parse(args[0]) },
		load:   func(c *Config) any { return field(c).Get() },
		store:  func(c *Config, v any) { field(c).set(v.(int64)) },
		format: func(v any) string { return n.format(v.(int64)) },
		lines: func(v any) []line {
			return []line{{args: n.formatForFile(v.(int64)), force: v.(int64) != def}}
		},
	}
}

// integer is a plain signed number, low to high inclusive.
func integer(name string, def, low, high int64, field func(*Config) *Int) *Row {
	return numeric(name, def, number{min: low, max: high}, field)
}

// unsigned is a plain number whose bounds Redis compares without a sign.
func unsigned(name string, def, low, high int64, field func(*Config) *Int) *Row {
	return numeric(name, def, number{min: low, max: high, unsigned: true}, field)
}

// memory is a size in bytes.
func memory(name string, def, low, high int64, field func(*Config) *Int) *Row {
	return numeric(name, def, number{min: low, max: high, memory: true}, field)
}

// memoryUnsigned is a size in bytes whose bounds Redis compares without a sign; high -1 is no bound.
func memoryUnsigned(name string, def, low, high int64, field func(*Config) *Int) *Row {
	return numeric(name, def, number{min: low, max: high, memory: true, unsigned: true}, field)
}

func text(name, def string, field func(*Config) *String) *Row {
	return &Row{
		Name: name, def: def,
		parse:  func(_ *Store, args []string) (any, error) { return args[0], nil },
		load:   func(c *Config) any { return field(c).Get() },
		store:  func(c *Config, v any) { field(c).set(v.(string)) },
		format: func(v any) string { return v.(string) },
		lines: func(v any) []line {
			return []line{{args: Quote(v.(string)), force: v.(string) != def}}
		},
	}
}

// optional is a text that is absent when empty: REWRITE then leaves no line.
func optional(name string, field func(*Config) *String) *Row {
	r := text(name, "", field)
	r.lines = func(v any) []line {
		if v.(string) == "" {
			return []line{}
		}
		return []line{{args: Quote(v.(string)), force: true}}
	}
	return r
}

// word is one value of an enumeration; several words may mean the same.
type word[T ~int32] struct {
	name  string
	value T
}

func enum[T ~int32](name string, def T, words []word[T], field func(*Config) *Enum[T]) *Row {
	return &Row{
		Name: name, def: def,
		parse:  func(_ *Store, args []string) (any, error) { return parseWords(words, args, false) },
		load:   func(c *Config) any { return field(c).Get() },
		store:  func(c *Config, v any) { field(c).set(v.(T)) },
		format: func(v any) string { return formatWords(words, v.(T)) },
	}
}

// flagWords is an enumeration of which several words may be given, each one bit (or none).
func flagWords[T ~int32](name string, def T, words []word[T], field func(*Config) *Enum[T]) *Row {
	r := enum(name, def, words, field)
	r.Multi = true
	r.parse = func(_ *Store, args []string) (any, error) { return parseWords(words, args, true) }
	return r
}

func parseWords[T ~int32](words []word[T], args []string, several bool) (T, error) {
	var value T
	ok := len(args) == 1 || several && len(args) > 0
	for _, arg := range args {
		found := false
		for _, w := range words {
			if strings.EqualFold(arg, w.name) {
				value |= w.value
				found = true
			}
		}
		ok = ok && found
	}
	if !ok {
		var names []string
		for _, w := range words {
			if !strings.HasSuffix(w.name, "-s3fifo") { // of our own: the text is Redis's
				names = append(names, w.name)
			}
		}
		return 0, errors.New("argument(s) must be one of the following: " + strings.Join(names, ", "))
	}
	return value, nil
}

func formatWords[T ~int32](words []word[T], value T) string {
	for _, w := range words {
		if w.value == value {
			return w.name
		}
	}
	var names []string
	for _, w := range words {
		if w.value != 0 && value&w.value == w.value {
			names = append(names, w.name)
			value &^= w.value
		}
	}
	return strings.Join(names, " ")
}

// special is a directive with a form of its own.
func special[T any](name string, def T, field func(*Config) *Value[T], parse func([]string) (T, error), format func(T) string) *Row {
	return &Row{
		Name: name, def: def,
		parse:  func(_ *Store, args []string) (any, error) { return parse(args) },
		load:   func(c *Config) any { return field(c).Get() },
		store:  func(c *Config, v any) { field(c).set(v.(T)) },
		format: func(v any) string { return format(v.(T)) },
	}
}

func (r *Row) multi() *Row { r.Multi = true; return r }
