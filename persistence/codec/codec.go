// Package codec turns values into the bytes that RDB files, DUMP and the snapshot of a full synchronisation carry, and
// back. It knows values, not keys: whoever calls it says where a value lives (a datatypes.Holder).
//
//	codec.go         the numbers of the format
//	writer.go        lengths, strings and numbers, written in chunks of bounded size
//	write_value.go   a value of each type; write_stream.go streams
//	reader.go        lengths, strings and numbers, read from memory or from a file, nothing of it believed
//	read_value.go    a value of each type in every form since Redis 2.6; read_stream.go streams
//	ziplist.go       the compact forms of old versions: ziplist and zipmap
//	skip.go          passing over what modules left in a file
//	dump.go          a single value with its footer, as DUMP replies it
//	lzf.go crc64.go  compression and checksum
//
// A value is a type byte, in files the key, and a body that depends on the type. The sorted set {ada: 1, bob: 2.5}
// as DUMP replies it:
//
//	11                              type 17: a sorted set as a listpack
//	17                              a string of 23 bytes: the listpack
//	   17 00 00 00 04 00            its size and its 4 elements
//	   83 61 64 61 04               "ada"
//	   01 01                        1
//	   83 62 6F 62 04               "bob"
//	   83 32 2E 35 04               "2.5"
//	   FF
//	0A 00                           footer: version 10 of the format
//	xx xx xx xx xx xx xx xx         CRC64 of all bytes before, little endian
//
// A length is one byte up to 63, two up to 16383 (01xxxxxx xxxxxxxx), else 80 and four or 81 and eight bytes, big
// endian. A string is a length and that many bytes, or, when the first byte is
//
//	C0, C1, C2   the decimal form of the integer of 1, 2 or 4 bytes that follows, little endian
//	C3           compressed: length of the LZF stream, length of the text, the stream
//
// # Versions
//
// Which forms are written depends on the version that the reader has to understand: 10 is Redis 7.0, 11 Redis 7.2 and
// Valkey 8, 12 Redis 7.4. Version 10 has no listpack for sets, and no active time of a stream's consumers; both are
// left out then. Fields of a hash that expire exist only since version 12; as nothing may be lost silently, a hash that has
// such fields is written in those forms whatever the version, and older servers refuse it.
//
// Valkey 9 has gone its own way: its version is 80, its files begin with VALKEY080, and 22 is its form of a hash with fields
// that expire. That is read, and never written.
package codec

import (
	"errors"
	"fmt"

	"larder/datatypes"
)

// Versions of the format that can be written, and the last one that can be read.
const (
	Version70   = 10 // Redis 7.0
	Version72   = 11 // Redis 7.2, Valkey 8
	Version74   = 12 // Redis 7.4
	LastVersion = Version74
)

// VersionValkey9 is the version of Valkey 9, which is read as well.
const VersionValkey9 = 80

// Readable tells whether what is of a version can be read.
func Readable(version int) bool {
	return version >= 1 && version <= LastVersion || version == VersionValkey9
}

// The types of values.
const (
	typeString           = 0
	typeList             = 1 // strings
	typeSet              = 2 // strings
	typeZSet             = 3 // strings, scores as text
	typeHash             = 4 // strings in pairs
	typeZSet2            = 5 // strings, scores as doubles
	typeModulePreGA      = 6
	typeModule           = 7
	typeHashZipmap       = 9
	typeListZiplist      = 10
	typeSetIntset        = 11
	typeZSetZiplist      = 12
	typeHashZiplist      = 13
	typeListQuicklist    = 14 // ziplists
	typeStream           = 15
	typeHashListpack     = 16
	typeZSetListpack     = 17
	typeListQuicklist2   = 18 // listpacks, or single items
	typeStream2          = 19 // with counters of entries
	typeSetListpack      = 20 // version 11
	typeStream3          = 21 // version 11: with the active time of consumers
	typeHashTTLPreGA     = 22 // triples of expiry, field, value
	typeHashPackTTLPreGA = 23 // a listpack of triples
	typeHashTTL          = 24 // version 12: the earliest expiry, then triples relative to it
	typeHashPackTTL      = 25 // version 12: the earliest expiry, then a listpack of triples
	typeHashTTLValkey    = 26 // here only, 22 in Valkey 9: triples of field, value, expiry
	typeNone             = 8  // stands for nothing in any version
)

// TypeIn is what this package calls the type that a byte stands for in something of a version.
func TypeIn(version int, typ byte) byte {
	switch valkey := version == VersionValkey9; {
	case valkey && typ == typeHashTTLPreGA:
		return typeHashTTLValkey
	case valkey && typ > typeHashTTLPreGA, typ >= typeHashTTLValkey:
		return typeNone
	}
	return typ
}

// What stands in a file where a type of a value could.
const (
	OpSlotImport  = 243 // Valkey 9: slots that a cluster's node was being given: a name, and pairs of lengths
	OpSlotInfo    = 244 // three lengths about a slot of a cluster
	OpFunction    = 245 // a library of functions, as a string
	OpFunctionPre = 246 // the same in a form that no release wrote
	OpModuleAux   = 247
	OpIdle        = 248 // of the next key: seconds since its last access
	OpFreq        = 249 // of the next key: its LFU counter, one byte
	OpAux         = 250 // a name and a value about the file
	OpResizeDB    = 251 // how many keys come, and how many of them expire
	OpExpireMs    = 252 // of the next key: 8 bytes, Unix milliseconds
	OpExpire      = 253 // of the next key: 4 bytes, Unix seconds
	OpSelectDB    = 254
	OpEOF         = 255
)

// How a list's node is stored.
const (
	nodePlain  = 1 // a single item
	nodePacked = 2 // a listpack
)

// The first bytes of strings that are not plain, and of long lengths.
const (
	strInt8  = 0xC0
	strInt16 = 0xC1
	strInt32 = 0xC2
	strLZF   = 0xC3
	len32    = 0x80
	len64    = 0x81
)

// maxString is the longest string that is read: what a key's value may be.
const maxString = 4<<30 - 64<<10

// Errors of reading. Those of the compact forms are wrapped in ErrCorrupt.
var (
	// ErrCorrupt says that the bytes cannot be what they claim to be.
	ErrCorrupt = errors.New("malformed value")
	// ErrShort says that the bytes end in the middle.
	ErrShort = errors.New("unexpected end of data")
	// ErrEmpty says that a collection has no elements. Some versions of Redis have written such keys; they are left out
	// when a file is loaded.
	ErrEmpty = errors.New("empty key")
	// ErrModule says that the value belongs to a module of Redis.
	ErrModule = errors.New("value of a module")
	// ErrMemory says that the system gives no memory for the value.
	ErrMemory = errors.New("out of memory")
)

// kinds says which type of value each type byte stands for, plus one; 0 for none.
var kinds = [...]datatypes.Type{
	typeString: 1 + datatypes.TypeString,
	typeList:   1 + datatypes.TypeList, typeListZiplist: 1 + datatypes.TypeList, typeListQuicklist: 1 + datatypes.TypeList,
	typeListQuicklist2: 1 + datatypes.TypeList,
	typeSet:            1 + datatypes.TypeSet, typeSetIntset: 1 + datatypes.TypeSet, typeSetListpack: 1 + datatypes.TypeSet,
	typeZSet: 1 + datatypes.TypeZSet, typeZSet2: 1 + datatypes.TypeZSet, typeZSetZiplist: 1 + datatypes.TypeZSet,
	typeZSetListpack: 1 + datatypes.TypeZSet,
	typeHash:         1 + datatypes.TypeHash, typeHashZipmap: 1 + datatypes.TypeHash, typeHashZiplist: 1 + datatypes.TypeHash,
	typeHashListpack: 1 + datatypes.TypeHash, typeHashTTL: 1 + datatypes.TypeHash, typeHashPackTTL: 1 + datatypes.TypeHash,
	typeHashTTLPreGA: 1 + datatypes.TypeHash, typeHashPackTTLPreGA: 1 + datatypes.TypeHash, typeHashTTLValkey: 1 + datatypes.TypeHash,
	typeStream: 1 + datatypes.TypeStream, typeStream2: 1 + datatypes.TypeStream, typeStream3: 1 + datatypes.TypeStream,
}

// KindOf is the type of the value that follows a type byte; ok is false for bytes that stand for no value, or for one
// that belongs to a module.
func KindOf(typ byte) (t datatypes.Type, ok bool) {
	if int(typ) >= len(kinds) || kinds[typ] == 0 {
		return 0, false
	}
	return kinds[typ] - 1, true
}

// IsModule tells whether the type byte is that of a module's value.
func IsModule(typ byte) bool { return typ == typeModule || typ == typeModulePreGA }

// corruptf is ErrCorrupt with what is wrong.
func corruptf(what string) error { return fmt.Errorf("%w: %s", ErrCorrupt, what) }
