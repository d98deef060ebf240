package spec

// MULTI, EXEC and what goes with them.
var transactionsCommands = []Spec{
	{Name: "discard", Group: Transactions, Since: "2.0.0", Arity: 1,
		Flags: NoScript | Loading | Stale | Fast | AllowBusy, Categories: CatTransaction,
		Summary:    "Drops a transaction.",
		Complexity: "O(N) in the number of queued commands."},
	{Name: "exec", Group: Transactions, Since: "1.2.0", Arity: 1,
		Flags: NoScript | Loading | Stale | SkipSlowlog, Categories: CatTransaction,
		Summary:    "Runs a transaction.",
		Complexity: "Depends on the queued commands."},
	{Name: "multi", Group: Transactions, Since: "1.2.0", Arity: 1,
		Flags: NoScript | Loading | Stale | Fast | AllowBusy, Categories: CatTransaction,
		Summary:    "Begins a transaction.",
		Complexity: "O(1)"},
	{Name: "unwatch", Group: Transactions, Since: "2.2.0", Arity: 1,
		Flags: NoScript | Loading | Stale | Fast | AllowBusy, Categories: CatTransaction,
		Summary:    "Forgets the keys watched by this connection.",
		Complexity: "O(1)"},
	{Name: "watch", Group: Transactions, Since: "2.2.0", Arity: -2,
		Flags: NoScript | Loading | Stale | Fast | AllowBusy, Categories: CatTransaction,
		Keys:       []KeySpec{keys(1, -1, 1, RO)},
		Summary:    "Watches keys, so that the transaction fails if one of them is changed.",
		Complexity: "O(1) for every key.",
		Syntax:     `key@0...`},
}
