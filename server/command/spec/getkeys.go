package spec

// A finder tells the keys of a request where the command's key specs cannot.
type finder func(dst []KeyRef, argv [][]byte) []KeyRef

// setKeys: SET reads the old value only when asked to.
func setKeys(dst []KeyRef, argv [][]byte) []KeyRef {
	for i := 3; i < len(argv); i++ {
		if is(argv[i], "GET") {
			return append(dst, KeyRef{1, RW | Access | Update})
		}
	}
	return append(dst, KeyRef{1, OW | Update})
}
