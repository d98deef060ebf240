package command

import (
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"strconv"

	"larder/datatypes"
	"larder/datatypes/decimal"
	"larder/keyspace"
)

// A Digest is Redis's own fingerprint of data, by which its tests compare servers (DEBUG DIGEST): equal for equal data
// on either server. Parts whose order matters are mixed in, those in no order are added by exclusive or.
type Digest [sha1.Size]byte

// add brings b in regardless of order.
func (d *Digest) add(b []byte) {
	sum := sha1.Sum(b)
	for i, x := range sum {
		d[i] ^= x
	}
}

// mix brings b in as the next of several parts.
func (d *Digest) mix(b []byte) {
	d.add(b)
	*d = sha1.Sum(d[:])
}

func (d *Digest) mixUint(n uint32) {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], n)
	d.mix(b[:])
}

// typeNumbers are those of Redis's objects.
var typeNumbers = [...]uint32{
	datatypes.TypeString: 0, datatypes.TypeList: 1, datatypes.TypeSet: 2, datatypes.TypeZSet: 3, datatypes.TypeHash: 4,
	datatypes.TypeStream: 6,
}

// value brings the value at key in, which is there.
func (d *Digest) value(c *Ctx, key []byte, in keyspace.Info) {
	d.mixUint(typeNumbers[in.Type])
	switch in.Type {
	case datatypes.TypeString:
		val, _ := c.PeekString(key)
		d.mix(val)
	case datatypes.TypeList:
		list, _ := c.ReadList(key)
		for it := list.Iter(0, list.Len(), false); it.Next(); {
			d.mix(it.Bytes())
		}
	case datatypes.TypeSet:
		set, _ := c.ReadSet(key)
		set.Each(func(member []byte) bool {
			d.add(member)
			return true
		})
	case datatypes.TypeHash:
		hash, _ := c.ReadHash(key)
		hash.Each(c.FieldNow(), func(name, value []byte, at_ms int64) bool {
			var pair Digest
			pair.mix(name)
			pair.mix(value)
			if at_ms != 0 {
				pair.add([]byte("!!hexpire!!"))
			}
			d.add(pair[:])
			return true
		})
	case datatypes.TypeZSet:
		zset, _ := c.ReadZSet(key)
		var text [32]byte
		zset.Each(func(member []byte, score float64) bool {
			var pair Digest
			pair.mix(member)
			pair.mix(decimal.Append17(text[:0], score))
			d.add(pair[:])
			return true
		})
	case datatypes.TypeStream:
		stream, _ := c.ReadStream(key)
		var text []byte
		for it := stream.Iter(datatypes.StreamID{}, datatypes.MaxStreamID, false); it.Next(); {
			text = append(strconv.AppendUint(text[:0], it.ID().Ms, 10), '.')
			d.mix(strconv.AppendUint(text, it.ID().Seq, 10))
			for it.Field() {
				d.mix(it.Name())
				d.mix(it.Value())
			}
		}
	}
	if in.Expire_ms != 0 {
		d.add([]byte("!!expire!!"))
	}
}

// DigestOf is the digest of the value at key, 20 zero bytes if there is none.
func (c *Ctx) DigestOf(key []byte) (d Digest) {
	in, ok := c.Stat(key)
	if !ok {
		return d
	}
	noTouch := c.NoTouch
	c.NoTouch = true
	d.value(c, key, in)
	c.NoTouch = noTouch
	c.Settle()
	return d
}

// DigestOfAll is the digest of all databases. All shards are held. O(bytes of all data).
func (c *Ctx) DigestOfAll() (total Digest) {
	from, noTouch := c.DB, c.NoTouch
	c.NoTouch = true
	for db := range c.Keyspace().Databases() {
		c.DB = db
		if c.Len() == 0 {
			continue
		}
		total.mixUint(uint32(db))
		c.EachKey(func(key []byte, in keyspace.Info) bool {
			var d Digest
			d.mix(key)
			d.value(c, key, in)
			total.add(d[:])
			c.Settle()
			return true
		})
	}
	c.DB, c.NoTouch = from, noTouch
	return total
}

// String is the digest in hexadecimal, as it is replied.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }
