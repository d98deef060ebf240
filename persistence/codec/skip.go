package codec

import "fmt"

// What modules write says of each part what it is, so that it can be passed over by those who do not know the module.
const (
	moduleEnd    = 0
	moduleInt    = 1
	moduleUint   = 2
	moduleFloat  = 3
	moduleDouble = 4
	moduleString = 5
)

// SkipModuleAux passes over what a module has left in a file beside the keys, after OpModuleAux, and returns the
// module's name.
func (r *Reader) SkipModuleAux() (name string) {
	id := r.Len()
	if r.Len() != moduleUint {
		r.corrupt("data of a module without the time of its loading")
	}
	r.Len() // before or after the keys
	r.skipModule()
	return moduleName(id)
}

// SkipModuleValue passes over the value of a module, which stands behind a type byte for which IsModule is true, and
// returns the module's name.
func (r *Reader) SkipModuleValue(typ byte) (name string) {
	if typ != typeModule {
		r.Fail(ErrModule)
		return ""
	}
	id := r.Len()
	r.skipModule()
	return moduleName(id)
}

func (r *Reader) skipModule() {
	for r.err == nil {
		switch op := r.Len(); op {
		case moduleEnd:
			return
		case moduleInt, moduleUint:
			r.Len()
		case moduleFloat:
			r.next(4)
		case moduleDouble:
			r.next(8)
		case moduleString:
			r.String()
		default:
			r.corrupt(fmt.Sprintf("unknown part %d in the data of a module", op))
		}
	}
}

// moduleName is the name in the upper 54 bits of a module's number: nine characters of six bits.
func moduleName(id uint64) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	var b [9]byte
	id >>= 10
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = letters[id&63]
		id >>= 6
	}
	return string(b[:])
}
