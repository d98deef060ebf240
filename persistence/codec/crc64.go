package codec

import "encoding/binary"

// The checksum of RDB files and of DUMP: CRC64 with the polynomial of Jones, reflected, starting at 0 and not inverted.
// Go's hash/crc64 inverts, and works byte by byte for other polynomials than its own two.

// crcPoly is 0xad93d23594c935a9 with its bits in reverse order.
const crcPoly = 0x95ac9329ac4bc9b5

// crcTable[k][b] is what byte b, followed by k zero bytes, adds to the checksum: eight bytes are taken in one step.
var crcTable = func() *[8][256]uint64 {
	var t [8][256]uint64
	for b := range t[0] {
		c := uint64(b)
		for range 8 {
			c = c>>1 ^ crcPoly&-(c&1)
		}
		t[0][b] = c
	}
	for k := 1; k < len(t); k++ {
		for b := range t[k] {
			c := t[k-1][b]
			t[k][b] = c>>8 ^ t[0][byte(c)]
		}
	}
	return &t
}()

// CRC64 is the checksum of what crc is the checksum of, 0 for nothing, followed by p.
func CRC64(crc uint64, p []byte) uint64 {
	t := crcTable
	for len(p) >= 8 {
		c := crc ^ binary.LittleEndian.Uint64(p)
		crc = t[7][byte(c)] ^ t[6][byte(c>>8)] ^ t[5][byte(c>>16)] ^ t[4][byte(c>>24)] ^
			t[3][byte(c>>32)] ^ t[2][byte(c>>40)] ^ t[1][byte(c>>48)] ^ t[0][c>>56]
		p = p[8:]
	}
	for _, b := range p {
		crc = crc>>8 ^ t[0][byte(crc)^b]
	}
	return crc
}
