package command

import (
	"encoding/binary"
	"encoding/hex"
	"math"

	"larder/keyspace"
	"larder/server/resp"
)

// condition is what a key has to hold for a command to change it.
type condition struct {
	when    when
	operand []byte // the string, or the digest of one, that the key's is compared with
}

type when uint8

const (
	always when = iota
	ifMissing
	ifExists
	ifEqual
	ifUnequal
	ifDigest // the digest of the string is equal
	ifNotDigest
)

// read notes a condition. A second one has to be the same.
func (k *condition) read(a *Args, w when) {
	if k.when != always && k.when != w {
		a.Syntax()
	}
	k.when = w
	switch w {
	case ifEqual, ifUnequal, ifDigest, ifNotDigest:
		k.operand = a.Bytes()
	}
}

// valueCondition reads one of IFEQ, IFNE, IFDEQ and IFDNE.
func (c *Ctx) valueCondition(k *condition) bool {
	a := &c.Args
	switch {
	case a.IsWith("IFEQ", 1):
		k.read(a, ifEqual)
	case a.IsWith("IFNE", 1):
		k.read(a, ifUnequal)
	case a.IsWith("IFDEQ", 1):
		k.read(a, ifDigest)
	case a.IsWith("IFDNE", 1):
		k.read(a, ifNotDigest)
	default:
		return false
	}
	return true
}

// meets tells whether key meets the condition. It is not ok if the reply is an error.
func (c *Ctx) meets(key []byte, k condition) (met, ok bool) {
	switch k.when {
	case always:
		return true, true
	case ifMissing:
		return !c.Meet(key), true
	case ifExists:
		return c.Has(key), true // if so, to replace its value touches it
	}
	val, st := c.PeekString(key)
	switch st {
	case keyspace.WrongType:
		c.wrongType()
		return false, false
	case keyspace.Missing:
		return k.when == ifUnequal || k.when == ifNotDigest, true // whatever it is compared with
	}
	switch k.when {
	case ifEqual, ifUnequal:
		met = string(val) == string(k.operand)
	default:
		if len(k.operand) != digestLen {
			c.Fail(resp.ErrDigest)
			return false, false
		}
		d := digestOf(val)
		met = sameName(k.operand, string(d[:]))
	}
	return met == (k.when == ifEqual || k.when == ifDigest), true
}

const digestLen = 16

// digestOf is the digest of a string as DIGEST replies it: 16 hexadecimal digits.
func digestOf(val []byte) (text [digestLen]byte) {
	var sum [8]byte
	binary.BigEndian.PutUint64(sum[:], xxh3(val))
	hex.Encode(text[:], sum[:])
	return text
}

func digest(c *Ctx) {
	key := c.Args.Key()
	if !c.Args.Done() {
		return
	}
	val, found, ok := c.ReadString(key)
	switch {
	case !ok:
	case found:
		d := digestOf(val)
		c.Reply.Bulk(d[:])
	default:
		c.Reply.Null()
	}
}

// deleteIf removes a key that meets the condition.
func (c *Ctx) deleteIf(key []byte, k condition) {
	met, ok := c.meets(key, k)
	switch {
	case !ok:
	case met && c.Delete(key):
		c.Gone(key, "del")
		c.Rewrite([]byte("DEL"), key)
		c.Reply.Int(1)
	default:
		c.Reply.Int(0)
	}
}

func delifeq(c *Ctx) {
	key := c.Args.Key()
	k := condition{when: ifEqual, operand: c.Args.Bytes()}
	if c.Args.Done() {
		c.deleteIf(key, k)
	}
}

func delex(c *Ctx) {
	a := &c.Args
	key := a.Key()
	switch a.Left() {
	case 0:
		if a.Done() {
			c.deleteIf(key, condition{})
		}
		return
	case 2:
	default:
		a.Wrong(resp.WrongArgs(c.Row.Name))
		a.Done()
		return
	}
	// The key is looked at before the condition: one that is not there meets none, whatever it says.
	switch _, st := c.PeekString(key); st {
	case keyspace.Missing:
		c.Reply.Int(0)
		return
	case keyspace.WrongType:
		c.Fail(resp.ErrDelexType)
		return
	}
	var k condition
	if !c.valueCondition(&k) {
		a.Wrong(resp.ErrDelexCondition)
	}
	if a.Done() {
		c.deleteIf(key, k)
	}
}

func msetex(c *Ctx) {
	a := &c.Args
	n := a.IntOr(resp.ErrInvalidNumKeys)
	if !a.Bad() && (n < 1 || n > math.MaxInt32) {
		a.Wrong(resp.ErrInvalidNumKeys)
	}
	if !a.Bad() && n > int64(a.Left()/2) {
		a.Wrong(resp.ErrKeyValuePairs)
	}
	if a.Bad() {
		a.Done()
		return
	}
	pairs := a.Take(2 * int(n))
	var exp expiry
	var cond condition
	for a.More() {
		switch {
		case a.Is("NX"):
			cond.read(a, ifMissing)
		case a.Is("XX"):
			cond.read(a, ifExists)
		case a.Is("KEEPTTL"):
			if exp.given {
				a.Syntax()
			}
			exp = expiry{at_ms: keyspace.KeepTTL, given: true}
		case c.expireOption(&exp):
		default:
			a.Syntax()
		}
	}
	if !a.Done() || !c.expireTime(&exp) {
		return
	}
	for i := 0; i < len(pairs); i += 2 {
		if met, _ := c.meets(pairs[i], cond); !met {
			c.Reply.Int(0)
			return
		}
	}
	for i := 0; i < len(pairs); i += 2 {
		c.put(pairs[i], pairs[i+1], exp)
		c.plainSet(pairs[i], pairs[i+1], exp)
	}
	c.Reply.Int(1)
}

func init() {
	Register(
		row("delifeq", delifeq),
		row("delex", delex),
		row("digest", digest),
		row("msetex", msetex),
	)
}
