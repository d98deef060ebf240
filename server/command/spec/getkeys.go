package spec

// A finder tells the keys of a request where the command's key specs cannot: because they are incomplete, because what
// happens to a key depends on the other arguments, or because they can be led astray. Shards are taken and access is
// checked by what AppendKeys says, so it must not miss a key that the command goes on to use.
type finder func(dst []KeyRef, argv [][]byte) []KeyRef

// setKeys: SET reads the old value only when asked to. Any argument that spells GET counts, even if it is the value
// of another option: the command fails anyhow. With IFEQ and its like what is there decides.
func setKeys(dst []KeyRef, argv [][]byte) []KeyRef {
	flags := OW | Update
	for _, arg := range argv[min(3, len(argv)):] {
		switch {
		case is(arg, "GET"):
			return append(dst, KeyRef{1, RW | Access | Update})
		case len(arg) > 3 && arg[0]|0x20 == 'i' && (is(arg, "IFEQ") || is(arg, "IFNE") || is(arg, "IFDEQ") || is(arg, "IFDNE")):
			flags = RW | Update
		}
	}
	return append(dst, KeyRef{1, flags})
}

// delexKeys: without a condition DELEX does not look at what it removes.
func delexKeys(dst []KeyRef, argv [][]byte) []KeyRef {
	if len(argv) < 4 {
		return append(dst, KeyRef{1, RM | Delete})
	}
	return append(dst, KeyRef{1, RW | Delete})
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
			i++
			store = i
		}
	}
	if store > 0 {
		dst = append(dst, KeyRef{store, OW | Update})
	}
	return dst
}

// georadiusKeys: GEORADIUS and GEORADIUSBYMEMBER, whose options begin at the given index, name one key, and one more
// after each STORE and STOREDIST. The key specs know only the first of each, the command goes by the last.
func georadiusKeys(options int) finder {
	return func(dst []KeyRef, argv [][]byte) []KeyRef {
		dst = append(dst, KeyRef{1, RO | Access})
		for i := options; i+1 < len(argv); i++ {
			switch {
			case is(argv[i], "STORE"), is(argv[i], "STOREDIST"):
				dst = append(dst, KeyRef{i + 1, OW | Update})
				i++
			case is(argv[i], "COUNT"):
				i++
			}
		}
		return dst
	}
}

// xreadKeys: XREAD and XREADGROUP name as many keys as IDs after STREAMS. A group or a consumer may be called STREAMS,
// too, which the key spec does not know. A request that is not well formed has no keys here.
func xreadKeys(dst []KeyRef, argv [][]byte) []KeyRef {
	for i := 1; i < len(argv); i++ {
		switch {
		case is(argv[i], "COUNT"), is(argv[i], "BLOCK"), is(argv[i], "CLAIM"):
			i++
		case is(argv[i], "GROUP"):
			i += 2
		case is(argv[i], "NOACK"):
		case is(argv[i], "STREAMS"):
			first, n := i+1, len(argv)-i-1
			if n%2 != 0 {
				return dst
			}
			for j := range n / 2 {
				dst = append(dst, KeyRef{first + j, RO | Access})
			}
			return dst
		default:
			return dst
		}
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
