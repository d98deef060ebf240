package resp

// Args is where the argument slices of a turn's requests stand. One belongs to a loop and is Reset when a turn begins,
// so that cutting a request allocates nothing. The zero Args is ready.
type Args struct {
	slots []([]byte)
	used  int
	text  []byte // words that had quotes
}

// argsKeep is the number of slots that are kept from turn to turn; a request with more arguments takes its own.
const argsKeep = 64 << 10

// Reset forgets all requests: their arguments are gone.
func (a *Args) Reset() {
	clear(a.slots[:a.used]) // or large buffers would stay alive through forgotten slices
	a.used = 0
	if len(a.slots) > argsKeep {
		a.slots = nil
	}
	if cap(a.text) > MaxLine {
		a.text = nil
	}
	a.text = a.text[:0]
}

// take returns n slots. When there is no room for them a new array begins: slots handed out before stay where they are.
func (a *Args) take(n int) [][]byte {
	if len(a.slots)-a.used < n {
		a.slots, a.used = make([][]byte, max(256, n, min(2*len(a.slots), argsKeep))), 0
	}
	s := a.slots[a.used : a.used+n : a.used+n]
	a.used += n
	return s
}

// giveBack returns the slots that were taken last.
func (a *Args) giveBack(s [][]byte) {
	clear(s)
	a.used -= len(s)
}

// room returns an empty slice that can take n bytes; keep makes its bytes stay.
func (a *Args) room(n int) []byte {
	if cap(a.text)-len(a.text) < n {
		a.text = make([]byte, 0, max(1024, n))
	}
	return a.text[len(a.text):]
}

func (a *Args) keep(b []byte) { a.text = a.text[:len(a.text)+len(b)] }
