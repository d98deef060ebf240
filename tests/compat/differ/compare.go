package main

import (
	"bytes"
	"math"
	"slices"
	"strconv"
	"strings"

	"larder/tests/internal/wire"
)

// equal says whether two servers' replies to the same command mean the same.
type equal func(args []string, a, b wire.Value) bool

// rules are the commands whose replies are not compared byte for byte, and why not.
var rules = map[string]equal{
	// Elements come in an order that the server chooses.
	"SMEMBERS": anyOrder, "SINTER": anyOrder, "SUNION": anyOrder, "SDIFF": anyOrder, "KEYS": anyOrder, "HKEYS": anyOrder, "HVALS": anyOrder,
	"HGETALL": pairsAnyOrder,
	"SCAN":    scanAnyOrder, "SSCAN": scanAnyOrder, "HSCAN": scanPairs, "ZSCAN": scanPairs,
	"SORT": sorted, "SORT_RO": sorted,
	"GEOSEARCH": geoSorted, "GEORADIUS": geoSorted, "GEORADIUS_RO": geoSorted, "GEORADIUSBYMEMBER": geoSorted,
	// The server chooses at random.
	"SPOP": sameShape, "SRANDMEMBER": sameShape, "HRANDFIELD": sameShape, "ZRANDMEMBER": sameShape, "RANDOMKEY": sameShape,
	// Times run differently on two servers. Those that scripts set are hundreds of seconds apart.
	"TTL": closeTo(50), "PTTL": closeTo(50_000), "EXPIRETIME": closeTo(50), "PEXPIRETIME": closeTo(50_000), "HTTL": closeTo(50), "HPTTL": closeTo(50_000), "HEXPIRETIME": closeTo(50), "HPEXPIRETIME": closeTo(50_000),
	"XADD":     autoID,
	"XPENDING": idleColumn,
	"XINFO":    streamInfo,
	"TIME":     sameShape, "LASTSAVE": sameKind, "INFO": sameKind,
	// What memory a value takes, and what a server says about itself, is its own matter.
	"MEMORY": sameKind, "OBJECT": objectInfo, "DUMP": dumped, "HELLO": sameKind, "ROLE": sameShape, "LOLWUT": sameKind, "SLOWLOG": sameKind, "CLIENT": clientInfo,
	"PUBSUB": anyOrder, "FUNCTION": anyOrderAtAll, "EVAL": evaluated, "COMMAND": commandInfo, "ACL": aclInfo,
}

func bytesEqual(_ []string, a, b wire.Value) bool { return bytes.Equal(a.Append(nil), b.Append(nil)) }

// same compares the replies to one command.
func same(args []string, a, b wire.Value) bool {
	if rule := rules[strings.ToUpper(args[0])]; rule != nil && !a.IsError() && !b.IsError() {
		return rule(args, a, b)
	}
	return bytesEqual(args, a, b)
}

func sortedGroups(elems []wire.Value, n int) [][]byte {
	var out [][]byte
	for g := range slices.Chunk(elems, n) {
		var e []byte
		for _, v := range g {
			e = v.Append(e)
		}
		out = append(out, e)
	}
	slices.SortFunc(out, bytes.Compare)
	return out
}

func sameGroups(a, b wire.Value, n int) bool {
	if a.Kind != b.Kind || a.Null != b.Null || len(a.Elems) != len(b.Elems) || len(a.Elems)%n != 0 {
		return false
	}
	return slices.EqualFunc(sortedGroups(a.Elems, n), sortedGroups(b.Elems, n), bytes.Equal)
}

func anyOrder(args []string, a, b wire.Value) bool {
	if !a.Aggregate() {
		return bytesEqual(args, a, b)
	}
	return sameGroups(a, b, 1)
}

func pairsAnyOrder(args []string, a, b wire.Value) bool {
	if !a.Aggregate() {
		return bytesEqual(args, a, b)
	}
	return sameGroups(a, b, 2)
}

// scanned compares what a SCAN of some kind gives. A cursor that the server has not given itself means what the encoding
// makes of it.
func scanned(args []string, a, b wire.Value, inner equal) bool {
	at := 2
	if strings.EqualFold(args[0], "SCAN") {
		at = 1
	}
	if at < len(args) && args[at] != "0" {
		return sameKind(args, a, b)
	}
	if len(a.Elems) != 2 || len(b.Elems) != 2 {
		return bytesEqual(args, a, b)
	}
	return bytesEqual(args, a.Elems[0], b.Elems[0]) && inner(args, a.Elems[1], b.Elems[1])
}

func scanAnyOrder(args []string, a, b wire.Value) bool { return scanned(args, a, b, anyOrder) }

// scanPairs is for what has pairs, of which the second ones may not be wanted.
func scanPairs(args []string, a, b wire.Value) bool {
	if hasWord(args, "NOVALUES") || hasWord(args, "NOSCORES") {
		return scanAnyOrder(args, a, b)
	}
	return scanned(args, a, b, pairsAnyOrder)
}

func hasWord(args []string, word string) bool {
	return slices.ContainsFunc(args, func(s string) bool { return strings.EqualFold(s, word) })
}

// sorted compares what SORT gives. Without a pattern to sort by, a set has no order; of equals by an ALPHA pattern
// any may come first. Redis compares texts up to their first NUL, as C's strcoll does, so those with one are equals,
// too.
func sorted(args []string, a, b wire.Value) bool {
	switch {
	case byNothing(args) && hasWord(args, "LIMIT"):
		return len(a.Elems) == len(b.Elems)
	case byNothing(args) || hasWord(args, "BY") && hasWord(args, "ALPHA"):
		return anyOrder(args, a, b)
	case hasWord(args, "ALPHA") && (holdsNUL(a) || holdsNUL(b)):
		if hasWord(args, "LIMIT") {
			return len(a.Elems) == len(b.Elems)
		}
		return anyOrder(args, a, b)
	}
	return bytesEqual(args, a, b)
}

// byNothing tells whether SORT is told not to sort, by a pattern that holds no "*".
func byNothing(args []string) bool {
	at := slices.IndexFunc(args, func(s string) bool { return strings.EqualFold(s, "BY") })
	return at >= 0 && at+1 < len(args) && !strings.Contains(args[at+1], "*")
}

func holdsNUL(v wire.Value) bool {
	return bytes.IndexByte(v.Text, 0) >= 0 || slices.ContainsFunc(v.Elems, holdsNUL)
}

// geoSorted compares what is found around a place. Of many equally far away, as members are that were not added as places,
// any may come first.
func geoSorted(args []string, a, b wire.Value) bool {
	if slices.ContainsFunc(a.Elems, func(e wire.Value) bool { return bytes.HasPrefix(e.Text, []byte("member")) }) {
		return sameShape(args, a, b)
	}
	if hasWord(args, "ASC") || hasWord(args, "DESC") || hasWord(args, "COUNT") {
		return bytesEqual(args, a, b)
	}
	return anyOrder(args, a, b)
}

func sameKind(_ []string, a, b wire.Value) bool { return a.Kind == b.Kind && a.IsNil() == b.IsNil() }

// sameShape compares types and lengths, but not texts.
func sameShape(args []string, a, b wire.Value) bool {
	if a.Kind != b.Kind || a.Null != b.Null || len(a.Elems) != len(b.Elems) {
		return false
	}
	for i := range a.Elems {
		if !sameShape(args, a.Elems[i], b.Elems[i]) {
			return false
		}
	}
	return true
}

// closeTo allows positive integers to differ.
func closeTo(limit int64) equal {
	var rule equal
	rule = func(args []string, a, b wire.Value) bool {
		if a.Aggregate() && a.Kind == b.Kind && len(a.Elems) == len(b.Elems) {
			for i := range a.Elems {
				if !rule(args, a.Elems[i], b.Elems[i]) {
					return false
				}
			}
			return true
		}
		x, okA := a.Int()
		y, okB := b.Int()
		if okA && okB && x > 0 && y > 0 {
			return max(x, y)-min(x, y) <= limit
		}
		return bytesEqual(args, a, b)
	}
	return rule
}

func autoID(args []string, a, b wire.Value) bool {
	if slices.Contains(args, "*") {
		return a.Kind == b.Kind && a.IsNil() == b.IsNil()
	}
	return bytesEqual(args, a, b)
}

// idleColumn compares XPENDING's rows without the milliseconds that entries have been idle.
func idleColumn(args []string, a, b wire.Value) bool {
	if len(args) == 3 || len(a.Elems) != len(b.Elems) {
		return bytesEqual(args, a, b)
	}
	for i := range a.Elems {
		x, y := a.Elems[i].Elems, b.Elems[i].Elems
		if len(x) != 4 || len(y) != 4 || !bytesEqual(args, x[0], y[0]) || !bytesEqual(args, x[1], y[1]) || !bytesEqual(args, x[3], y[3]) {
			return bytesEqual(args, a, b)
		}
	}
	return true
}

// volatileInfo are fields of XINFO that depend on time, or on how a server keeps streams.
var volatileInfo = []string{"idle", "inactive", "seen-time", "active-time", "radix-tree-keys", "radix-tree-nodes"}

// streamInfo compares XINFO's replies field by field, without the volatile ones and the times in pending lists.
func streamInfo(args []string, a, b wire.Value) bool {
	return bytesEqual(args, stripInfo(a, ""), stripInfo(b, ""))
}

func stripInfo(v wire.Value, under string) wire.Value {
	if !v.Aggregate() {
		return v
	}
	if (under == "pending" || under == "pel") && len(v.Elems) >= 3 && v.Elems[len(v.Elems)-2].Kind == ':' {
		v.Elems = slices.Clone(v.Elems)
		v.Elems[len(v.Elems)-2] = wire.Value{Kind: ':', Text: []byte("0")}
		return v
	}
	out := wire.Value{Kind: v.Kind}
	named := v.Kind == '%' || len(v.Elems)%2 == 0 && len(v.Elems) > 0 && isInfoName(v.Elems[0])
	for i := 0; i < len(v.Elems); i++ {
		if !named {
			out.Elems = append(out.Elems, stripInfo(v.Elems[i], under))
			continue
		}
		name, value := v.Elems[i], v.Elems[i+1]
		i++
		if slices.Contains(volatileInfo, name.String()) {
			continue
		}
		out.Elems = append(out.Elems, name, stripInfo(value, name.String()))
	}
	return out
}

// isInfoName says whether a flat array begins like XINFO's: with a field's name that no identifier looks like.
func isInfoName(v wire.Value) bool {
	switch v.String() {
	case "length", "name":
		return v.Kind == '$'
	}
	return false
}

// dumped compares what DUMP gives, for types of which both servers write the same: strings and small values that are
// kept compact. Each is one text, which may be compressed, and after it come a version and a checksum, ten bytes in all.
func dumped(args []string, a, b wire.Value) bool {
	if a.IsNil() || b.IsNil() || len(a.Text) < 12 || len(b.Text) < 12 {
		return bytesEqual(args, a, b)
	}
	x, y := a.Text[:len(a.Text)-10], b.Text[:len(b.Text)-10]
	if x[0] == y[0] && bytes.IndexByte([]byte{0, 11, 16, 17, 20}, x[0]) >= 0 {
		if bytes.Equal(x, y) {
			return true
		}
		p, q := slices.Clone(unpacked(x[1:])), slices.Clone(unpacked(y[1:]))
		if x[0] == 16 || x[0] == 20 { // the fields may have been in a table before, in the server's order
			slices.Sort(p)
			slices.Sort(q)
		}
		return bytes.Equal(p, q)
	}
	return true
}

// unpacked is what a text of a file stands for; a number stays as it is.
func unpacked(b []byte) []byte {
	if b[0] < 0xc0 {
		_, at := fileLength(b, 0)
		return b[at:]
	}
	if b[0] != 0xc3 {
		return b
	}
	_, at := fileLength(b, 1)
	size, at := fileLength(b, at)
	out := make([]byte, 0, size)
	for at < len(b) {
		c := int(b[at])
		at++
		if c < 32 { // c+1 bytes as they are
			out = append(out, b[at:at+c+1]...)
			at += c + 1
			continue
		}
		n := c >> 5
		if n == 7 {
			n += int(b[at])
			at++
		}
		from := len(out) - (c&31)<<8 - int(b[at]) - 1
		at++
		for i := range n + 2 {
			out = append(out, out[from+i])
		}
	}
	return out
}

// fileLength reads a length as files have it, and where it ends.
func fileLength(b []byte, at int) (n, end int) {
	switch b[at] >> 6 {
	case 0:
		return int(b[at]), at + 1
	case 1:
		return int(b[at]&0x3f)<<8 | int(b[at+1]), at + 2
	}
	return int(b[at+1])<<24 | int(b[at+2])<<16 | int(b[at+3])<<8 | int(b[at+4]), at + 5
}

// evaluated compares what scripts give: those that read all of a hash or set have it in the server's order.
func evaluated(args []string, a, b wire.Value) bool {
	if len(args) > 1 && (strings.Contains(args[1], "hgetall") || strings.Contains(args[1], "smembers")) {
		return anyOrderAtAll(args, a, b)
	}
	return bytesEqual(args, a, b)
}

// anyOrderAtAll compares what two replies hold, whatever the order at each depth.
func anyOrderAtAll(args []string, a, b wire.Value) bool {
	return bytesEqual(args, inOrder(a), inOrder(b))
}

// inOrder is a value whose elements, and theirs, are sorted by their bytes.
func inOrder(v wire.Value) wire.Value {
	if !v.Aggregate() {
		return v
	}
	elems := make([]wire.Value, len(v.Elems))
	for i, e := range v.Elems {
		elems[i] = inOrder(e)
	}
	slices.SortFunc(elems, func(x, y wire.Value) int { return bytes.Compare(x.Append(nil), y.Append(nil)) })
	v.Elems = elems
	return v
}

func clientInfo(args []string, a, b wire.Value) bool {
	if len(args) > 1 && slices.Contains([]string{"ID", "INFO", "LIST"}, strings.ToUpper(args[1])) {
		return sameKind(args, a, b)
	}
	return bytesEqual(args, a, b)
}

// commandInfo compares what COMMAND GETKEYS gives; the rest depends on which commands there are.
func commandInfo(args []string, a, b wire.Value) bool {
	if len(args) > 1 && strings.HasPrefix(strings.ToUpper(args[1]), "GETKEYS") {
		return bytesEqual(args, a, b)
	}
	return sameKind(args, a, b)
}

func aclInfo(args []string, a, b wire.Value) bool {
	if len(args) > 1 && slices.Contains([]string{"WHOAMI", "DRYRUN", "DELUSER"}, strings.ToUpper(args[1])) {
		return bytesEqual(args, a, b)
	}
	return sameKind(args, a, b)
}

// objectInfo compares OBJECT ENCODING and FREQ as they are, and only the kind of the rest.
func objectInfo(args []string, a, b wire.Value) bool {
	if len(args) > 1 && strings.EqualFold(args[1], "ENCODING") {
		return bytesEqual(args, a, b)
	}
	return sameKind(args, a, b)
}

// lastDigit is how far two numbers are from each other, as a part of them, that differ in the last of 53 bits.
const lastDigit = 0x1p-52

// numbersWithin says whether two replies differ only in floating-point numbers: in how the same ones are written, or by
// no more than a part of them.
func numbersWithin(a, b wire.Value, part float64) bool {
	if a.Kind != b.Kind || a.Null != b.Null || len(a.Elems) != len(b.Elems) {
		return false
	}
	for i := range a.Elems {
		if !numbersWithin(a.Elems[i], b.Elems[i], part) {
			return false
		}
	}
	if bytes.Equal(a.Text, b.Text) {
		return true
	}
	x, errX := strconv.ParseFloat(string(a.Text), 64)
	y, errY := strconv.ParseFloat(string(b.Text), 64)
	return errX == nil && errY == nil && (x == y || math.Abs(x-y) <= part*math.Abs(x))
}
