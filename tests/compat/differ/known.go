package main

import (
	"bytes"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"larder/tests/internal/wire"
)

// difference is a way in which two servers may differ on purpose.
type difference struct {
	why string
	// before is the version of the older server below which the difference is there; 0: it is larder's own.
	before int
	match  func(args []string, a, b wire.Value) bool
}

// known are the intended differences. Larder behaves as Redis 7.2 does; next to an older or a newer server some replies differ.
// In match, a is larder's reply (or the newer server's) and b the older server's.
var known = []difference{
	{"Redis ends texts in errors at a NUL byte", 0, func(_ []string, a, b wire.Value) bool {
		text, _, cut := bytes.Cut(a.Text, []byte{0})
		return a.IsError() && b.IsError() && cut && bytes.HasPrefix(b.Text, bytes.TrimSpace(text))
	}},
	{"Redis writes scores in ZSCAN with seventeen digits", 0, func(args []string, a, b wire.Value) bool {
		return strings.EqualFold(args[0], "ZSCAN") && sameNumbersAnyOrder(args, a, b)
	}},
	{"Lua's compiler words its errors in other ways than the one that Redis has", 0, func(_ []string, a, b wire.Value) bool {
		const text = "Error compiling script (new function): user_script:"
		return a.IsError() && b.IsError() && bytes.Contains(a.Text, []byte(text)) && bytes.Contains(b.Text, []byte(text))
	}},
	{"distances of two servers differ in the last digit: they have other sines", 0, func(args []string, a, b wire.Value) bool {
		return strings.HasPrefix(strings.ToUpper(args[0]), "Z") && !numbersWithin(a, b, 0) && numbersWithin(a, b, lastDigit)
	}},
	{"a BITFIELD all of whose writes fail has made the string longer, which Redis tells nobody", 0, func(args []string, a, b wire.Value) bool {
		return heardMore(args, a, b, "setbit")
	}},
	{"since 7.2 lists that fit into one block are listpacks", 702, func(args []string, a, b wire.Value) bool {
		return isObject(args, "ENCODING") && a.String() == "listpack" && b.String() == "quicklist"
	}},
	{"Redis makes a sorted set large for SORT, and for as many members as a command names", 0, func(args []string, a, b wire.Value) bool {
		return isObject(args, "ENCODING") && a.String() == "listpack" && b.String() == "skiplist"
	}},
	{"larder writes small sets as Redis 7.0 reads them, too: one that has only numbers left is loaded as such", 0, func(args []string, a, b wire.Value) bool {
		return isObject(args, "ENCODING") && a.String() == "intset" && b.String() == "listpack"
	}},
	{"PFMERGE may have no source, of which COMMAND GETKEYS knows nothing in Redis", 0, func(args []string, a, b wire.Value) bool {
		return strings.EqualFold(args[0], "COMMAND") && len(args) == 4 && strings.EqualFold(args[2], "PFMERGE") && b.IsError()
	}},
	{"of a HyperLogLog that ends in the middle of a run Redis decodes the byte behind it, too", 0, func(args []string, a, b wire.Value) bool {
		runs := bytes.Fields(b.Text)
		return strings.EqualFold(args[0], "PFDEBUG") && len(runs) > 0 && bytes.HasPrefix(runs[len(runs)-1], []byte("Z:")) &&
			bytes.HasPrefix(a.Text, bytes.TrimSuffix(b.Text, runs[len(runs)-1]))
	}},
	{"COMMAND GETKEYS takes 1.5 for one key in Redis, though the command itself refuses it", 0, func(args []string, a, b wire.Value) bool {
		return strings.EqualFold(args[0], "COMMAND") && slices.ContainsFunc(args, func(s string) bool {
			_, err := strconv.Atoi(s)
			digits := strings.TrimLeft(s, " ")
			return err != nil && len(digits) > 0 && digits[0] >= '0' && digits[0] <= '9'
		})
	}},
	{"a sorted set that Redis has made large for SORT keeps the sign of -0, which a compact one forgets", 0, func(args []string, a, b wire.Value) bool {
		return bytes.Contains(b.Append(nil), []byte("-0\r\n")) && numbersWithin(a, b, 0)
	}},
	{"Redis takes a list for larger before LINSERT has found its place", 0, func(args []string, a, b wire.Value) bool {
		return isObject(args, "ENCODING") && a.String() == "listpack" && b.String() == "quicklist"
	}},
	{"since 7.2 floating-point numbers are written with as few digits as they need", 702, func(args []string, a, b wire.Value) bool {
		return numbersWithin(a, b, 0) || sameNumbersAnyOrder(args, a, b)
	}},
	{"since 7.2 scores in listpacks have as few digits as they need", 702, func(args []string, a, b wire.Value) bool {
		return strings.EqualFold(args[0], "DUMP") && bytes.HasPrefix(a.Text, []byte{17}) && bytes.HasPrefix(b.Text, []byte{17})
	}},
	{"since 7.2 a consumer is made when its client blocks", 702, func(args []string, a, b wire.Value) bool {
		return heardMore(args, a, b, "xgroup-createconsumer")
	}},
	{"since 7.2 what is told of a blocked client's command comes before what is told of the one that served it", 702, func(args []string, a, b wire.Value) bool {
		return strings.HasPrefix(args[0], "(what connection") && sameGroups(withoutMore(a), withoutMore(b), 1)
	}},
	{"since 7.2 small sets are listpacks", 702, func(args []string, a, b wire.Value) bool {
		return isObject(args, "ENCODING") && a.String() == "listpack" && b.String() == "hashtable"
	}},
	{"since 7.2 a set keeps the compact encoding that its elements had", 702, func(args []string, a, b wire.Value) bool {
		encodings := []string{"intset", "listpack", "hashtable"}
		return isObject(args, "ENCODING") && slices.Contains(encodings, a.String()) && slices.Contains(encodings, b.String())
	}},
	{"since 7.2 a new sorted set's encoding is chosen by the number of arguments", 702, func(args []string, a, b wire.Value) bool {
		return isObject(args, "ENCODING") && a.String() == "skiplist" && b.String() == "listpack"
	}},
	{"since 7.2 errors of blocking timeouts, of XREAD and of scripts are worded otherwise", 702, func(args []string, a, b wire.Value) bool {
		return a.IsError() && b.IsError() && slices.Contains([]string{"BLPOP", "BRPOP", "BLMOVE", "BRPOPLPUSH", "BLMPOP", "BZPOPMIN", "BZPOPMAX", "BZMPOP", "XREAD", "XREADGROUP", "LPOS", "EVAL"}, strings.ToUpper(args[0]))
	}},
	{"since 7.4 BITCOUNT and BITPOS look at their arguments before they look for the key", 704, func(args []string, a, b wire.Value) bool {
		return slices.Contains([]string{"BITCOUNT", "BITPOS"}, strings.ToUpper(args[0])) && a.IsError() && (slices.Contains([]string{"0", "-1"}, b.String()) || bytes.HasPrefix(b.Text, []byte("WRONGTYPE")))
	}},
	{"since 7.4 XREAD knows the ID +", 704, func(args []string, a, b wire.Value) bool {
		return strings.HasPrefix(strings.ToUpper(args[0]), "XREAD") && slices.Contains(args, "+") && strings.Contains(string(b.Text), "Invalid stream ID")
	}},
	{"since 7.2 LPOS refuses a rank that has no opposite", 702, func(args []string, a, b wire.Value) bool {
		return strings.EqualFold(args[0], "LPOS") && slices.Contains(args, strconv.FormatInt(math.MinInt64, 10)) && a.IsError()
	}},
	{"since 7.2 ZRANK and ZREVRANK know WITHSCORE", 702, func(args []string, a, b wire.Value) bool {
		return a.IsError() && b.IsError() && slices.Contains([]string{"ZRANK", "ZREVRANK"}, strings.ToUpper(args[0]))
	}},
	{"since 7.2 blocking commands may be called from scripts", 702, func(args []string, a, b wire.Value) bool {
		return strings.EqualFold(args[0], "EVAL") && bytes.Contains(b.Text, []byte("not allowed from script"))
	}},
}

// newerKnown are the differences of servers that came after 7.2 to larder, which does as 7.2 does.
var newerKnown = []difference{
	{"since 7.4 commands that store a set overwrite their key, before they changed it", 0, func(args []string, a, b wire.Value) bool {
		return strings.EqualFold(args[0], "COMMAND") && len(args) > 2 && strings.HasSuffix(strings.ToUpper(args[2]), "STORE") &&
			bytes.Equal(bytes.Replace(a.Append(nil), []byte("RW"), []byte("OW"), 1), b.Append(nil))
	}},
	{"since 7.4 a cursor may have blanks before it, and an empty text is none", 0, func(args []string, a, b wire.Value) bool {
		const text = "ERR invalid cursor"
		return strings.HasSuffix(strings.ToUpper(args[0]), "SCAN") && (b.String() == text || a.String() == text && slices.Contains(args, " 1"))
	}},
	{"7.4 refuses to give the last entry of a stream that never had one", 0, func(args []string, _, b wire.Value) bool {
		return strings.EqualFold(args[0], "XREAD") && slices.Contains(args, "+") && b.String() == "ERR the stream last element ID is 0-0"
	}},
	{"8.4 takes SET with IFEQ and then NX, but not the other way round; larder refuses both", 0, func(args []string, a, b wire.Value) bool {
		return strings.EqualFold(args[0], "SET") && a.String() == "ERR syntax error" && (hasWord(args, "NX") || hasWord(args, "XX"))
	}},
	{"8.4 tells of the expiry that MSETEX gives before it tells of the string", 0, func(args []string, a, b wire.Value) bool {
		return strings.HasPrefix(args[0], "(what connection") && bytes.Contains(a.Append(nil), []byte("expire")) && sameGroups(a, b, 1)
	}},
	{"8.4 makes a hash large for a value that HSETEX sets and removes at once", 0, func(args []string, a, b wire.Value) bool {
		return isObject(args, "ENCODING") && len(args) == 3 && strings.HasPrefix(args[2], "h") && strings.HasPrefix(a.String(), "listpack") && b.String() == "hashtable"
	}},
	{"since 7.4 LREM refuses a count that has no opposite", 0, func(args []string, _, b wire.Value) bool {
		return strings.EqualFold(args[0], "LREM") && slices.Contains(args, strconv.FormatInt(math.MinInt64, 10)) && b.IsError()
	}},
	{"since 8.2 a bound of scores has no blank before it", 0, func(args []string, _, b wire.Value) bool {
		return slices.Contains(args, " 1") && b.String() == "ERR min or max is not a float"
	}},
	{"8.4 knows only the first of MSETEX's keys", 0, func(args []string, a, b wire.Value) bool {
		return strings.EqualFold(args[0], "COMMAND") && hasWord(args, "MSETEX")
	}},
	{"since 8.2 it depends on the key, too, whether a string is embedded", 0, func(args []string, a, b wire.Value) bool {
		return isObject(args, "ENCODING") && a.String() == "embstr" && b.String() == "raw"
	}},
	{"since 7.4 a message of XREAD names the ID +, too", 0, func(args []string, a, b wire.Value) bool {
		return strings.EqualFold(args[0], "XREAD") && a.IsError() && b.IsError() && bytes.Contains(b.Text, []byte("'+'"))
	}},
	{"since 8.2 coordinates are written with as few digits as they need", 0, func(args []string, a, b wire.Value) bool {
		return strings.HasPrefix(strings.ToUpper(args[0]), "GEO") && numbersWithin(a, b, lastDigit)
	}},
	{"since 7.4.2 a group's lag is known more often", 0, func(args []string, a, b wire.Value) bool {
		return strings.EqualFold(args[0], "XINFO") && bytes.Contains(a.Append(nil), []byte("$3\r\nlag\r\n"))
	}},
	{"7.4 takes a negative offset for one from the other end if the sorted set is large", 0, func(args []string, a, b wire.Value) bool {
		at := slices.IndexFunc(args, func(s string) bool { return strings.EqualFold(s, "LIMIT") })
		return at >= 0 && at+1 < len(args) && strings.HasPrefix(args[at+1], "-") && strings.HasPrefix(strings.ToUpper(args[0]), "Z")
	}},
	{"a hash none of whose fields has a time is kept as one without", 0, func(args []string, a, b wire.Value) bool {
		return isObject(args, "ENCODING") && a.String() == "listpack" && b.String() == "listpackex"
	}},
	{"7.4 may tell of fields that are over under the name of a key that has moved", 0, func(args []string, a, b wire.Value) bool {
		garbled := slices.ContainsFunc(b.Elems, func(f wire.Value) bool {
			text := f.Append(nil)
			return bytes.Contains(text, []byte("hexpired")) && bytes.ContainsFunc(text, func(r rune) bool { return r == utf8.RuneError || r < ' ' && r != '\r' && r != '\n' })
		})
		return garbled && sameGroups(without(a, "hexpired"), without(b, "hexpired"), 1)
	}},
	{"since 7.4 XREAD may block in a script: it does not", 0, func(args []string, a, _ wire.Value) bool {
		return strings.EqualFold(args[0], "EVAL") && bytes.Contains(a.Text, []byte("command is not allowed with BLOCK option from scripts"))
	}},
}

// heardMore is a difference in what a connection has heard: all of a's frames but some that tell of event come from b, too.
func heardMore(args []string, a, b wire.Value, event string) bool {
	if !strings.HasPrefix(args[0], "(what connection") {
		return false
	}
	rest := b.Elems
	for _, f := range a.Elems {
		if len(rest) > 0 && bytes.Equal(f.Append(nil), rest[0].Append(nil)) {
			rest = rest[1:]
		} else if !bytes.Contains(f.Append(nil), []byte(event)) {
			return false
		}
	}
	return len(rest) == 0
}

// withoutMore is what a connection has heard without what older servers do not tell.
func withoutMore(v wire.Value) wire.Value { return without(v, "setbit", "xgroup-createconsumer") }

// without is what a connection has heard but for some events.
func without(v wire.Value, events ...string) wire.Value {
	v.Elems = slices.DeleteFunc(slices.Clone(v.Elems), func(f wire.Value) bool {
		text := f.Append(nil)
		return slices.ContainsFunc(events, func(e string) bool { return bytes.Contains(text, []byte(e)) })
	})
	return v
}

func isObject(args []string, sub string) bool {
	return len(args) > 1 && strings.EqualFold(args[0], "OBJECT") && strings.EqualFold(args[1], sub)
}

func sameNumbersAnyOrder(args []string, a, b wire.Value) bool {
	switch strings.ToUpper(args[0]) {
	case "ZSCAN":
		if len(a.Elems) == 2 && len(b.Elems) == 2 {
			a, b = a.Elems[1], b.Elems[1]
		}
	case "SMEMBERS", "SUNION", "SINTER", "SDIFF", "HVALS", "HGETALL":
	default:
		return false
	}
	return numbersWithin(sortPairs(a), sortPairs(b), 0)
}

func sortPairs(v wire.Value) wire.Value {
	if !v.Aggregate() || len(v.Elems)%2 != 0 {
		return v
	}
	var pairs [][]wire.Value
	for p := range slices.Chunk(v.Elems, 2) {
		pairs = append(pairs, p)
	}
	slices.SortFunc(pairs, func(x, y []wire.Value) int { return bytes.Compare(x[0].Append(nil), y[0].Append(nil)) })
	v.Elems = slices.Concat(pairs...)
	return v
}

// intended finds why a difference is expected; "" if it is not.
func intended(args []string, a, b wire.Value, older int) string {
	for _, d := range slices.Concat(known, newerKnown) {
		if (d.before == 0 || older < d.before) && d.match(args, a, b) {
			return d.why
		}
	}
	return ""
}
