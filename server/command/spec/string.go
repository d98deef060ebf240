package spec

var stringCommands = []Spec{
	{Name: "get", Group: String, Since: "1.0.0", Arity: 2, Flags: ReadOnly | Fast, Categories: CatString,
		Keys:       []KeySpec{key(1, RO|Access)},
		Complexity: "O(1)",
		Summary:    "Returns the string stored under a key.",
		Syntax:     `key@0`},
	{Name: "set", Group: String, Since: "1.0.0", Arity: -3, Flags: Write | DenyOOM, Categories: CatString,
		Keys: []KeySpec{key(1, RW|Access|Update|VariableFlags)}, find: setKeys,
		Complexity: "O(1)",
		Summary:    "Stores a string under a key, whatever was there before.",
		Syntax: `key@0 value [condition=NX|XX]{2.6.12} [GET]{6.2.0} ` +
			`[expiration=EX seconds:int{2.6.12}|PX milliseconds:int{2.6.12}|EXAT unix-time-seconds:time{6.2.0}|` +
			`PXAT unix-time-milliseconds:time{6.2.0}|KEEPTTL{6.0.0}]`},
}
