package datatypes

import (
	"errors"
	"fmt"

	"larder/datatypes/arena"
	"larder/datatypes/intset"
	"larder/datatypes/listpack"
	"larder/datatypes/table"
)

// Check looks at the whole hash and says what is inconsistent.
func (x *Hash) Check() error {
	if x.isTable() {
		return x.checkTable()
	}
	b := x.h.Bytes()
	if err := listpack.Validate(b); err != nil {
		return err
	}
	if !distinctElements(b, x.width()) {
		return fmt.Errorf("hash: %d elements by %d, or a field twice", listpack.Len(b), x.width())
	}
	if x.width() == 3 && !inOrder(b) {
		return errors.New("hash: fields not in the order of their expiry")
	}
	return nil
}

func (x *Hash) checkTable() (err error) {
	t := x.table()
	a := x.env.Arena
	if t.Len() == 0 {
		return errors.New("hash: empty table")
	}
	t.Each(func(_ table.Slot, e arena.Ref) bool {
		f := openField(a, e)
		switch {
		case f.kind > fieldFar:
			err = fmt.Errorf("hash: field %q has kind %d", f.text, f.kind)
		case f.kind == fieldFar:
			if r, n := f.far(); r == 0 || n <= farValue {
				err = fmt.Errorf("hash: field %q has a far value of %d bytes", f.text, n)
			}
		case f.kind == fieldLong && (len(f.value) <= fieldShortMax || len(f.value) > farValue):
			err = fmt.Errorf("hash: field %q has a long value of %d bytes", f.text, len(f.value))
		}
		return err == nil
	})
	if err != nil {
		return err
	}
	return t.CheckExpiry(func(e arena.Ref) int64 { return openField(a, e).expire })
}

// Check looks at the whole set and says what is inconsistent.
func (x *Set) Check() error {
	switch b := x.h.Bytes(); x.h.Enc() {
	case EncRoot:
		t := x.table()
		if t.Len() == 0 {
			return errors.New("set: empty table")
		}
		return t.Check()
	case EncInt:
		return intset.Validate(b)
	default:
		if err := listpack.Validate(b); err != nil {
			return err
		}
		if !distinctElements(b, 1) {
			return errors.New("set: a member twice")
		}
		return nil
	}
}
