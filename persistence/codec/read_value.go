package codec

import (
	"errors"
	"fmt"
	"math"

	"larder/datatypes"
	"larder/datatypes/listpack"
)

// slack is what an insertion may need beyond the element itself: a table's segment, a tree's node, a list's block.
const slack = 256 << 10

// Value reads the body of a value with the type byte typ into h, which is empty, and returns the reader's first error,
// or ErrEmpty. After an error h may hold a part of the value, which is the caller's to free. Strings come out as text;
// whoever wants them as integers looks whether they are.
//
// Collections take the form that their size asks for, as in Redis: by the number of elements if they come in a compact
// form, by the length of each too if they come one by one.
func (r *Reader) Value(typ byte, env *datatypes.Env, h datatypes.Holder) error {
	r.body(typ, env, h)
	if r.err == nil && len(h.Bytes()) == 0 && typ != typeString {
		return ErrEmpty
	}
	return r.err
}

func (r *Reader) body(typ byte, env *datatypes.Env, h datatypes.Holder) {
	switch typ {
	case typeString:
		s := r.String()
		copy(h.Resize(len(s)), s)
	case typeList, typeListZiplist, typeListQuicklist, typeListQuicklist2:
		r.readList(typ, env, h)
	case typeSet:
		r.readSet(env, h)
	case typeZSet, typeZSet2:
		r.readZSet(typ, env, h)
	case typeHash, typeHashTTLValkey:
		r.readHash(typ, env, h)
	case typeHashTTL, typeHashTTLPreGA:
		r.readHashTTL(typ, env, h)
	case typeHashPackTTL, typeHashPackTTLPreGA:
		if typ == typeHashPackTTL {
			r.Fixed64() // the earliest expiry, which stands in the listpack too
		}
		r.compact(typ, env, h)
	case typeSetIntset, typeSetListpack, typeZSetListpack, typeHashListpack, typeZSetZiplist, typeHashZiplist, typeHashZipmap:
		r.compact(typ, env, h)
	case typeStream, typeStream2, typeStream3:
		r.readStream(typ, env, h)
	case typeModule, typeModulePreGA:
		r.Fail(ErrModule)
	default:
		r.corrupt(fmt.Sprintf("unknown type %d", typ))
	}
}

// room makes sure that n bytes more can be stored.
func (r *Reader) room(env *datatypes.Env, n int) bool {
	if r.err == nil && !env.Arena.Reserve(2*n+slack) {
		r.err = ErrMemory
	}
	return r.err == nil
}

// check makes the fault of a compact form the error, in words by which Redis's log is searched.
func (r *Reader) check(form string, err error) {
	switch {
	case err == nil:
	case errors.Is(err, datatypes.ErrCorrupt): // sound by itself, but not for a value
		r.corrupt(form + " with dup elements, or not in pairs: integrity check failed")
	default:
		r.corrupt(form + " integrity check failed (" + err.Error() + ")")
	}
}

// formNames are what the log calls compact forms.
var formNames = map[byte]string{
	typeZSetZiplist: "Zset ziplist", typeHashZiplist: "Hash ziplist", typeSetIntset: "Intset", typeSetListpack: "Set listpack",
	typeZSetListpack: "Zset listpack", typeHashListpack: "Hash listpack", typeHashPackTTL: "Hash listpack", typeHashPackTTLPreGA: "Hash listpack",
}

// compact reads a value that is one string.
func (r *Reader) compact(typ byte, env *datatypes.Env, h datatypes.Holder) {
	b := r.String()
	if r.err != nil || !r.room(env, 8*len(b)) { // as a table its elements take more
		return
	}
	switch typ {
	case typeZSetZiplist, typeHashZiplist:
		full, err := ziplistToListpack(b)
		if err != nil {
			r.check(formNames[typ], err)
			return
		}
		b = full
	case typeHashZipmap:
		r.readZipmap(b, env, h)
		return
	}
	switch typ {
	case typeSetIntset:
		r.set.Bind(env, h)
		r.check(formNames[typ], r.set.LoadIntset(b))
	case typeSetListpack:
		r.set.Bind(env, h)
		r.check(formNames[typ], r.set.LoadListpack(b))
	case typeZSetListpack, typeZSetZiplist:
		r.zset.Bind(env, h)
		r.check(formNames[typ], r.zset.LoadListpack(b))
	default:
		r.hash.Bind(env, h)
		r.check(formNames[typ], r.hash.LoadListpack(b, typ == typeHashPackTTL || typ == typeHashPackTTLPreGA))
	}
}

func (r *Reader) readList(typ byte, env *datatypes.Env, h datatypes.Holder) {
	l := &r.list
	l.Bind(env, h)
	if typ == typeListZiplist {
		r.ziplistItems(r.String(), env)
		l.Loaded()
		return
	}
	for n := r.Count(1); n > 0 && r.err == nil; n-- {
		container := uint64(nodePacked)
		switch typ {
		case typeList:
			container = nodePlain
		case typeListQuicklist2:
			container = r.Len()
		}
		s := r.String()
		if !r.room(env, len(s)) {
			return
		}
		switch {
		case container == nodePlain:
			if len(s) == 0 && typ == typeListQuicklist2 {
				r.corrupt("Quicklist integrity check failed: an empty node")
				return
			}
			l.PushTail(s)
		case container != nodePacked:
			r.corrupt("Quicklist integrity check failed: unknown kind of node")
		case typ == typeListQuicklist:
			r.ziplistItems(s, env)
		default:
			b, err := listpack.ParseRedis(s)
			if r.check("Listpack", err); err == nil {
				l.AppendListpack(b)
			}
		}
	}
	l.Loaded()
}

// ziplistItems appends the items of a ziplist to the list.
func (r *Reader) ziplistItems(s []byte, env *datatypes.Env) {
	if r.err != nil || !r.room(env, 2*len(s)) {
		return
	}
	full, err := ziplistToListpack(s)
	if r.check("Ziplist", err); err == nil {
		b, err := listpack.ParseRedis(full)
		if r.check("Ziplist", err); err == nil {
			r.list.AppendListpack(b)
		}
	}
}

func (r *Reader) readSet(env *datatypes.Env, h datatypes.Holder) {
	x := &r.set
	x.Bind(env, h)
	n := r.Count(1)
	for i := range n {
		s := r.String()
		if !r.room(env, len(s)) {
			return
		}
		if i == 0 {
			x.Hint(n, s)
		}
		if !x.Add(s) {
			r.corrupt("a member twice")
		}
	}
}

func (r *Reader) readZSet(typ byte, env *datatypes.Env, h datatypes.Holder) {
	z := &r.zset
	z.Bind(env, h)
	n := r.Count(2)
	for i := range n {
		s := r.hold(r.String())
		var score float64
		if typ == typeZSet2 {
			score = math.Float64frombits(r.Fixed64())
		} else {
			score = r.textScore()
		}
		if score != score {
			r.corrupt("a score that is not a number")
		}
		if !r.room(env, len(s)) {
			return
		}
		if i == 0 {
			z.Hint(n, len(s))
		}
		if score == 0 && math.Signbit(score) { // a listpack would forget the sign, and the set may turn out to be large
			z.Hint(0, math.MaxInt)
		}
		if _, out := z.Add(score, s, 0); out != datatypes.ZAdded {
			r.corrupt("a member twice")
			return
		}
	}
	if n > 0 && r.err == nil {
		z.Compact()
	}
}

// textScore reads a score in the form of old versions: a byte that is the length of its text, or 253 for no number, 254
// for infinity, 255 for the negative one.
func (r *Reader) textScore() float64 {
	switch n := r.Byte(); n {
	case 253:
		return math.NaN()
	case 254:
		return math.Inf(1)
	case 255:
		return math.Inf(-1)
	default:
		f, ok := datatypes.ParseFloatLoose(r.next(int(n)))
		if !ok {
			return math.NaN()
		}
		return f
	}
}

// readHash reads a hash without expiries, or one of Valkey 9: behind each value stands a fixed number, -1 for none, that may lie
// further ahead than Redis allows.
func (r *Reader) readHash(typ byte, env *datatypes.Env, h datatypes.Holder) {
	x := &r.hash
	x.Bind(env, h)
	least := 2 // bytes of a field
	if typ == typeHashTTLValkey {
		least += 8
	}
	n := r.Count(least)
	x.Hint(n)
	for range n {
		name := r.hold(r.String())
		value := r.String()
		if !r.room(env, len(name)+len(value)) {
			return
		}
		if !x.Set(name, value, 0) {
			r.corrupt("a field twice")
			return
		}
		if typ != typeHashTTLValkey {
			continue
		}
		if at := int64(r.Fixed64()); at != -1 && r.err == nil {
			x.SetExpire(name, min(max(at, 1), lastExpiry), 0)
		}
	}
}

// lastExpiry is the latest expiry of a field that Redis knows of, in Unix milliseconds.
const lastExpiry = 1<<46 - 1

func (r *Reader) readHashTTL(typ byte, env *datatypes.Env, h datatypes.Holder) {
	x := &r.hash
	x.Bind(env, h)
	first := uint64(1) // those of the older form are absolute
	if typ == typeHashTTL {
		first = r.Fixed64()
	}
	n := r.Count(3)
	x.Hint(n)
	for range n {
		at := r.Len()
		if at != 0 {
			if at > lastExpiry || first > lastExpiry || at+first-1 > lastExpiry {
				r.corrupt("a field that expires too late")
			}
			at += first - 1
		}
		name := r.hold(r.String())
		value := r.String()
		if !r.room(env, len(name)+len(value)) {
			return
		}
		created := false
		if at != 0 {
			created = x.SetWithExpire(name, value, int64(at), 0)
		} else {
			created = x.Set(name, value, 0)
		}
		if !created {
			r.corrupt("a field twice")
			return
		}
	}
}
