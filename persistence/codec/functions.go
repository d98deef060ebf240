package codec

import (
	"encoding/binary"
	"errors"
)

// DumpFunctions writes libraries of functions as FUNCTION DUMP replies them: as they stand in a snapshot, with the footer
// of DUMP.
func DumpFunctions(codes [][]byte, o Options) []byte {
	w := NewWriter(nil, o)
	for _, code := range codes {
		w.Byte(OpFunction)
		w.String(code)
	}
	b := append([]byte(nil), w.Bytes()...)
	b = binary.LittleEndian.AppendUint16(b, uint16(o.Version))
	return binary.LittleEndian.AppendUint64(b, CRC64(0, b))
}

// What is wrong with a payload of functions, in the words of FUNCTION RESTORE.
var (
	errFunctionPayload = errors.New("DUMP payload version or checksum are wrong")
	errFunctionOld     = errors.New("Pre-GA function format not supported")
	errFunctionType    = errors.New("given type is not a function")
	errFunctionShort   = errors.New("failed loading the given functions payload")
)

// RestoreFunctions reads what DumpFunctions, or a Redis, has written. unchecked leaves the checksum out.
func RestoreFunctions(payload []byte, unchecked bool) (codes [][]byte, err error) {
	if _, sound := footer(payload, unchecked); !sound {
		return nil, errFunctionPayload
	}
	n := len(payload) - footerBytes
	var r Reader
	r.ReadBytes(payload[:n:n])
	for r.Pos() < int64(n) {
		switch r.Byte() {
		case OpFunction:
		case OpFunctionPre:
			return nil, errFunctionOld
		default:
			return nil, errFunctionType
		}
		code := r.String()
		if r.Err() != nil {
			return nil, errFunctionShort
		}
		codes = append(codes, append([]byte(nil), code...))
	}
	return codes, nil
}
