package datatypes

// MemHolder keeps a value's own bytes in plain Go memory: for temporaries (the result of a union before it is stored)
// and for tests. The zero MemHolder is an empty value. What the value keeps in the arena is freed by FreeStep, not by
// dropping the holder.
type MemHolder struct {
	b   []byte
	enc Enc
}

// Enc is the value's encoding.
func (m *MemHolder) Enc() Enc { return m.enc }

// SetEnc changes the value's encoding.
func (m *MemHolder) SetEnc(e Enc) { m.enc = e }

// Bytes is the value's own bytes.
func (m *MemHolder) Bytes() []byte { return m.b }

// Before does nothing: nobody walks through a temporary.
func (m *MemHolder) Before([]byte) {}

// Resize gives the value n bytes; see Holder. The capacity is kept, so that a holder can be used again and again.
func (m *MemHolder) Resize(n int) []byte {
	if n > cap(m.b) {
		b := make([]byte, n, n+n/2)
		copy(b, m.b)
		m.b = b
	}
	m.b = m.b[:n]
	return m.b
}
