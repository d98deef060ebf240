package spec

// A finder tells the keys of a request where the command's key specs cannot: because they are incomplete, or because
// what happens to a key depends on the other arguments.
type finder func(dst []KeyRef, argv [][]byte) []KeyRef

// setKeys: SET reads the old value only when asked to. Any argument that spells GET counts, even if it is the value
// of another option: the command fails anyhow.
func setKeys(dst []KeyRef, argv [][]byte) []KeyRef {
	for _, arg := range argv[min(3, len(argv)):] {
		if is(arg, "GET") {
			return append(dst, KeyRef{1, RW | Access | Update})
		}
	}
	return append(dst, KeyRef{1, OW | Update})
}

// bitfieldKeys: BITFIELD only reads as long as all its operations are GET. What it cannot understand counts as a
// write.
func bitfieldKeys(dst []KeyRef, argv [][]byte) []KeyRef {
	for i := 2; i < len(argv); {
		switch left := len(argv) - i - 1; {
		case is(argv[i], "GET") && left >= 2:
			i += 3
		case is(argv[i], "OVERFLOW") && left >= 1:
			i += 2
		default:
			return append(dst, KeyRef{1, RW | Access | Update})
		}
	}
	return append(dst, KeyRef{1, RO | Access})
}

// firstKey: SORT_RO names one key; BY and GET name patterns of keys.
func firstKey(dst []KeyRef, argv [][]byte) []KeyRef { return append(dst, KeyRef{1, RO | Access}) }

// sortKeys: SORT names one key, and one more after the last STORE.
func sortKeys(dst []KeyRef, argv [][]byte) []KeyRef {
	dst = append(dst, KeyRef{1, RO | Access})
	store := 0
	for i := 2; i < len(argv); i++ {
		switch {
		case is(argv[i], "LIMIT"):
			i += 2
		case is(argv[i], "GET"), is(argv[i], "BY"):
			i++
		case is(argv[i], "STORE") && i+1 < len(argv):
			store = i + 1
		}
	}
	if store > 0 {
		dst = append(dst, KeyRef{store, OW | Update})
	}
	return dst
}

// migrateKeys: MIGRATE names one key, or an empty one and then many at the end after KEYS.
func migrateKeys(dst []KeyRef, argv [][]byte) []KeyRef {
	const flags = RW | Access | Delete
	for i := 6; i < len(argv); i++ {
		switch {
		case is(argv[i], "AUTH"):
			i++
		case is(argv[i], "AUTH2"):
			i += 2
		case is(argv[i], "KEYS"):
			if len(argv[3]) > 0 {
				return dst // one or many, but not both
			}
			for j := i + 1; j < len(argv); j++ {
				dst = append(dst, KeyRef{j, flags})
			}
			return dst
		}
	}
	return append(dst, KeyRef{3, flags})
}
