package main

import (
	"bytes"
	"slices"
	"strings"

	"larder/tests/internal/wire"
)

// valkeyKnown are the intended differences from Valkey 8, looked for only next to it: a Redis that did so would be wrong.
var valkeyKnown = []difference{
	{"Valkey does not say Redis in its errors", 0, func(_ []string, a, b wire.Value) bool {
		return a.Kind == b.Kind && len(b.Elems) == 0 && (a.IsError() || bytes.HasPrefix(a.Text, []byte("ERR "))) &&
			valkeyWords.Replace(string(a.Text)) == valkeyWords.Replace(string(b.Text))
	}},
	{"Valkey 8 gives a transaction up for a MULTI or WATCH within it", 0, func(args []string, a, b wire.Value) bool {
		return slices.Contains([]string{"MULTI", "WATCH"}, strings.ToUpper(args[0])) && b.String() == "ERR Command not allowed inside a transaction" ||
			strings.EqualFold(args[0], "EXEC") && bytes.HasPrefix(b.Text, []byte("EXECABORT Transaction discarded because of previous"))
	}},
	{"Valkey 8 refuses to end subscriptions of a client that has none", 0, func(_ []string, _, b wire.Value) bool {
		return bytes.Contains(b.Append(nil), []byte("NOSUB '"))
	}},
	{"Valkey 8 counts the bits of a string from a place on, and takes the end for a number before it finds the syntax wrong", 0, func(args []string, a, b wire.Value) bool {
		return strings.EqualFold(args[0], "BITCOUNT") && len(args) == 3 && a.String() == "ERR syntax error"
	}},
	{"Valkey 8 gives no entry for the ID + if the last one was deleted and the client would block", 0, func(args []string, _, b wire.Value) bool {
		return strings.EqualFold(args[0], "XREAD") && slices.Contains(args, "+") && b.IsNil()
	}},
	{"Valkey 8 refuses to scan for types that there are not", 0, func(args []string, _, b wire.Value) bool {
		return strings.EqualFold(args[0], "SCAN") && bytes.HasPrefix(b.Text, []byte("ERR unknown type name"))
	}},
	{"Valkey 8 takes READONLY and READWRITE of all clients, larder of those that follow redirections", 0, func(args []string, _, b wire.Value) bool {
		return slices.Contains([]string{"READONLY", "READWRITE"}, strings.ToUpper(args[0])) && b.String() == "OK"
	}},
}

// valkeyWords takes the words out of an error that Valkey has left out or put in their place.
var valkeyWords = strings.NewReplacer("Lua redis lib command", "command", "redis lib ", "", "Command", "command", "Redis ", "", " Please use EVAL.", "", "redis.", "", "server.", "")
