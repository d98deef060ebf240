package keyspace

import (
	"slices"

	"larder/datatypes"
)

// A Handle is the place of one key's value while a command reads or edits it: the datatypes.Holder of that value.
//
// The key of a handle made by Edit needs not exist: it is made when the first byte is stored, and removed by Settle
// if the value has ended up empty. The handle stays right when other keys of its database come, go and move, and when
// another handle of the same key changes it: it looks its place up again when the database has changed since.
type Handle struct {
	v    *View
	it   item
	key  []byte
	db   int
	typ  datatypes.Type
	here bool   // the entry exists
	gen  uint32 // of the database when it was looked up
	enc  datatypes.Enc
	edit bool
	typed

	large *largePart // of the value that is edited, if a walk shows it in pieces
}

// Env is what the handle's value shares with the others of its shard.
func (h *Handle) Env() *datatypes.Env { return &h.it.sh.env }

// Exists tells whether the key is there.
func (h *Handle) Exists() bool {
	h.fresh()
	return h.here
}

// Enc is the value's encoding.
func (h *Handle) Enc() datatypes.Enc {
	if h.fresh(); h.here {
		return h.it.h.enc()
	}
	return h.enc
}

// SetEnc changes the value's encoding.
func (h *Handle) SetEnc(e datatypes.Enc) {
	h.enc = e
	if h.fresh(); h.here {
		h.it.h.flags = h.it.h.flags&^(3<<2) | byte(e)<<2
		h.it.bytes()[0] = h.it.h.flags
		h.changed()
	}
}

// changed tells other handles of the database that the entry is not what it was.
func (h *Handle) changed() {
	h.it.d.gen++
	h.gen = h.it.d.gen
}

// Bytes is the value's own bytes, nil if there are none yet.
func (h *Handle) Bytes() []byte {
	if h.fresh(); !h.here {
		return nil
	}
	return h.it.value()
}

// fresh looks the key up again if entries of its database have come, gone or moved since. Another handle may have made
// the key meanwhile.
func (h *Handle) fresh() {
	if h.gen == h.it.d.gen {
		return
	}
	there := h.lookAgain()
	if there && h.it.h.typ() != h.typ || h.here && !there {
		panic("assertion failed: a key vanished under its handle")
	}
	h.here = there
}

// lookAgain finds the key's entry as it is now, and tells whether there is one.
func (h *Handle) lookAgain() bool {
	h.gen = h.it.d.gen
	if !h.it.d.ready {
		return false
	}
	slot, ok := h.it.d.t.Find(h.v.ks.hash(h.key), h.key)
	if !ok {
		return false
	}
	h.it.slot, h.it.e = slot, h.it.d.t.Entry(slot)
	h.it.h = parse(h.it.sh.arena, h.it.e)
	return true
}

// Resize gives the value n bytes; see datatypes.Holder.
func (h *Handle) Resize(n int) []byte {
	if h.fresh(); !h.here {
		if n == 0 {
			return nil
		}
		h.insert(n)
		return h.it.value()
	}
	a := h.it.sh.arena
	was := h.it.h
	switch {
	case n <= farMin && !was.far():
		if n != was.valLen {
			h.it.rebuild(n, h.it.expire())
		}
	case was.far() && n > farMin/2:
		h.resizeFar(n)
	case was.far(): // small enough to come back into the entry
		f := getFar(h.it.bytes()[was.valOff():])
		h.it.h.flags &^= farBit
		h.it.rebuild(n, h.it.expire())
		copy(h.it.bytes()[h.it.h.valOff():], a.Bytes(f.ref, f.len))
		a.Free(f.ref, f.cap)
	default: // too large to stay
		f := newFar(a, h.it.value(), farCap(n))
		f.len = n
		h.it.h.flags |= farBit
		h.it.rebuild(farSize, h.it.expire())
		f.put(h.it.bytes()[h.it.h.valOff():])
	}
	h.gen = h.it.d.gen
	return h.it.value()
}

// Extend makes a string at least n bytes long, filling up with zeros, and returns all of it.
func (h *Handle) Extend(n int) []byte {
	old := len(h.Bytes())
	if n <= old {
		return h.Bytes()
	}
	b := h.Resize(n)
	clear(b[old:])
	return b
}

// resizeFar changes the length of a value outside the entry, and its capacity when it does not fit or wastes half.
func (h *Handle) resizeFar(n int) {
	a := h.it.sh.arena
	b := h.it.bytes()[h.it.h.valOff():]
	f := getFar(b)
	switch {
	case n > f.cap:
		c := farCap(n)
		f.ref, f.cap = a.Resize(f.ref, f.cap, c), c
	case n < f.cap/2:
		f.ref, f.cap = a.Resize(f.ref, f.cap, n), n
	}
	f.len = n
	f.put(h.it.bytes()[h.it.h.valOff():])
}

func (h *Handle) insert(n int) {
	flags := flagsOf(h.typ, h.enc)
	db := h.v.DB
	h.v.DB = h.db
	if n > farMin {
		h.it = h.v.insert(h.key, flags|farBit, farSize, 0)
		a := h.it.sh.arena
		f := far{ref: a.Alloc(n), len: n, cap: n}
		f.put(h.it.bytes()[h.it.h.valOff():])
	} else {
		h.it = h.v.insert(h.key, flags, n, 0)
	}
	h.v.DB = db
	h.here, h.gen = true, h.it.d.gen
}

// open gives a handle on key for a value of type t. edit makes it one that may store.
func (v *View) open(key []byte, t datatypes.Type, edit bool) (*Handle, Status) {
	h := v.nextHandle()
	it := &h.it
	var ok bool
	if edit {
		if ok = v.seek(it, key); ok { // as in meet, which would be a call more
			v.touch(it, key)
		}
	} else {
		ok = v.look(it, key)
	}
	if ok && it.h.typ() != t {
		return nil, WrongType
	}
	v.used++
	h.bind(v, key, t, ok, edit)
	if ok && edit {
		it.before()
		h.large = it.edited()
	}
	if !ok {
		return h, Missing
	}
	return h, Found
}

// RoomToEdit makes sure that the collection that was opened last, for editing, can be changed, beyond what the change brings. It is
// false if the system refuses the memory.
func (v *View) RoomToEdit() bool {
	h := v.handles[v.used-1]
	return !h.here || h.it.h.enc() == datatypes.EncRoot || h.it.h.valLen <= editFree && !h.it.h.far() || v.roomToEdit(h)
}

// editFree is the size in bytes up to which any collection can become a structure in what is reserved for every command.
const editFree = 2 << 10

func (v *View) roomToEdit(h *Handle) bool {
	bytes, count := datatypes.EditNeeds(h.it.h.enc(), h.typ, h.it.value())
	return v.ks.ReserveMany(1<<h.it.sh.id, bytes, count)
}

// source opens the value at key to be copied: that is neither a read nor an edit. The key exists and has the type.
func (v *View) source(key []byte, t datatypes.Type) *Handle {
	h := v.nextHandle()
	v.seek(&h.it, key)
	v.used++
	h.bind(v, key, t, true, false)
	return h
}

// nextHandle is one that no value is opened with.
func (v *View) nextHandle() *Handle {
	if v.used == len(v.handles) {
		v.handles = append(v.handles, new(Handle))
	}
	return v.handles[v.used]
}

// bind makes the handle, whose item was looked up, one on the key.
func (h *Handle) bind(v *View, key []byte, t datatypes.Type, here, edit bool) {
	h.v, h.key, h.db, h.typ, h.here, h.gen, h.enc, h.edit = v, key, v.DB, t, here, h.it.d.gen, 0, edit
	h.large = nil
}

// Before shows the walk what of a large value it has not seen yet; see datatypes.Holder.
func (h *Handle) Before(member []byte) {
	if h.large != nil {
		h.large.before(h, member)
	}
}

// Settle ends the edits of a command: values that ended up empty are removed, with the event "del" in the place it
// has in Redis, after the command's own. Handles are dead afterwards.
func (v *View) Settle() {
	for _, h := range v.handles[:v.used] {
		v.settle(h)
	}
	if v.used = 0; len(v.handles) > handlesKept {
		v.handles = slices.Clone(v.handles[:handlesKept])
	}
}

// handlesKept is how many handles are kept for the next command: one over very many keys must not cost memory for ever.
const handlesKept = 256

// empty tells whether a collection has nothing in it any more: it then has no bytes either.
func (h *Handle) empty() bool { return h.typ != datatypes.TypeStream && len(h.Bytes()) == 0 }

func (v *View) settle(h *Handle) {
	if !h.edit || !h.here || h.typ == datatypes.TypeString {
		return
	}
	h.edit = false
	if h.gen != h.it.d.gen && (!h.lookAgain() || h.it.h.typ() != h.typ) {
		return // another handle of the key has been settled, or the command removed it
	}
	if !h.empty() {
		if h.typ == datatypes.TypeHash {
			h.it.noteDue()
		}
		return
	}
	db := v.DB
	v.DB = h.db
	v.event(h.it.sh, Removed, h.key, "del")
	v.drop(&h.it)
	v.DB = db
	h.here = false
}

// EditBytes opens the string at key for editing in place; see Handle.
func (v *View) EditBytes(key []byte) (*Handle, Status) {
	h, st := v.OpenBytes(key)
	if st != WrongType {
		h.MakeRaw()
	}
	return h, st
}

// OpenBytes is EditBytes for a command that may still fail: until MakeRaw, which comes before any edit, the value keeps the encoding
// that it has.
func (v *View) OpenBytes(key []byte) (*Handle, Status) {
	return v.open(key, datatypes.TypeString, true)
}

// TextLen is the length of the string, be it stored as an integer or not.
func (h *Handle) TextLen() int {
	if h.Enc() != datatypes.EncInt {
		return len(h.Bytes())
	}
	text, _ := h.v.text(&h.it)
	return len(text)
}

// MakeRaw makes the value bytes that can be edited.
func (h *Handle) MakeRaw() {
	if h.Enc() == datatypes.EncInt {
		text, _ := h.v.text(&h.it)
		copy(h.Resize(len(text)), text)
	}
	h.SetEnc(datatypes.EncRaw)
}
