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
	"SCAN":    scanAnyOrder, "SSCAN": scanAnyOrder, "HSCAN": hscan, "ZSCAN": scanPairs,
	"SORT": sorted, "SORT_RO": sorted,
	"GEOSEARCH": geoSorted, "GEORADIUS": geoSorted, "GEORADIUS_RO": geoSorted, "GEORADIUSBYMEMBER": geoSorted,
	// The server chooses at random.
	"SPOP": sameShape, "SRANDMEMBER": sameShape, "HRANDFIELD": sameShape, "ZRANDMEMBER": sameShape, "RANDOMKEY": sameShape,
	// Times run differently on two servers.
	"TTL": closeTo(2), "PTTL": closeTo(2000), "EXPIRETIME": closeTo(2), "PEXPIRETIME": closeTo(2000), "HTTL": closeTo(2), "HPTTL": closeTo(2000), "HEXPIRETIME": closeTo(2), "HPEXPIRETIME": closeTo(2000),
	"XADD":     autoID,
	"XPENDING": idleColumn,
	"XINFO":    streamInfo,
	// What memory a value takes, and how it is written to a file, is the server's own matter.
	"MEMORY": sameShape, "DUMP": sameKind, "OBJECT": objectInfo,
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

func scanPairs(args []string, a, b wire.Value) bool { return scanned(args, a, b, pairsAnyOrder) }

func hscan(args []string, a, b wire.Value) bool {
	if hasWord(args, "NOVALUES") {
		return scanAnyOrder(args, a, b)
	}
	return scanPairs(args, a, b)
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

func geoSorted(args []string, a, b wire.Value) bool {
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
