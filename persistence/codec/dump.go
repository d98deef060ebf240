package codec

import (
	"encoding/binary"
	"errors"

	"larder/datatypes"
)

// ErrPayload says that a payload is not of a version that can be read, or that its checksum is wrong.
var ErrPayload = errors.New("payload version or checksum are wrong")

// footerBytes is the version and the checksum behind a value.
const footerBytes = 2 + 8

// DumpOverhead is what a payload has beside the value: the type before it and the footer.
const DumpOverhead = 1 + footerBytes

// Dump writes a value as DUMP replies it. The writer is one that keeps everything, and empty.
func (w *Writer) Dump(t datatypes.Type, env *datatypes.Env, h datatypes.Holder) []byte {
	w.Value(t, env, h)
	version := w.Version
	if typ := w.buf[0]; typ == typeHashTTL || typ == typeHashPackTTL {
		version = max(version, Version74)
	}
	w.buf = binary.LittleEndian.AppendUint16(w.buf, uint16(version))
	w.Fixed64(CRC64(0, w.buf))
	return w.buf
}

// footer is the version that a payload says it is of. sound is false if that cannot be read, or if the checksum is wrong.
// unchecked leaves the checksum out.
func footer(payload []byte, unchecked bool) (version int, sound bool) {
	n := len(payload) - footerBytes
	if n < 0 {
		return 0, false
	}
	version = int(binary.LittleEndian.Uint16(payload[n:]))
	if version != 0 && !Readable(version) {
		return 0, false
	}
	return version, unchecked || CRC64(0, payload[:n+2]) == binary.LittleEndian.Uint64(payload[n+2:])
}

// OpenDump checks the footer of a payload as DUMP replies it and makes the reader stand behind the type byte, which it
// returns. unchecked leaves the checksum out.
func (r *Reader) OpenDump(payload []byte, unchecked bool) (typ byte, err error) {
	version, sound := footer(payload, unchecked)
	if !sound {
		return 0, ErrPayload
	}
	n := len(payload) - footerBytes
	r.ReadBytes(payload[:n:n])
	typ = TypeIn(version, r.Byte())
	return typ, r.err
}
