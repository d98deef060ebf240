package persistence

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Sealed files are encrypted with AES-256-GCM, frame by frame, so that they can be written and read as streams.
//
//	4c 52 44 53 45 41 4c 31           LRDSEAL1
//	73                                kind: s a snapshot, l a log
//	03 6b 65 79                       length and name of the key
//	32 bytes                          salt: the file's own key is HKDF-SHA-256 of the key and the head
//	00 00 00 00  16 bytes             an empty frame: whoever cannot open it has the wrong key
//	00 00 10 00  4096 + 16 bytes      a frame: length of its content, content, tag
//	80 00 00 05  5 + 16 bytes         the last frame of a snapshot has the highest bit set
//
// The nonce of a frame is its number in the file and whether it is the last, so frames cannot be changed, exchanged,
// repeated or left out unnoticed, and a snapshot cannot be cut. A log has no last frame: that its end is missing cannot
// be told from a crash.
const (
	sealMagic      = "LRDSEAL1"
	sealedSnapshot = 's'
	sealedLog      = 'l'

	saltBytes  = 32
	frameBytes = 64 << 10 // of content in a frame of ours
	frameMost  = 1 << 24  // and in any that is accepted
	lastFrame  = 1 << 31
	tagBytes   = 16
)

// A Key seals and opens files.
type Key struct {
	ID     string
	secret [32]byte
}

// Keys are what a key file holds: the first one seals new files, all of them open.
type Keys []*Key

// Errors of sealed files.
var (
	ErrSealed    = errors.New("the file is encrypted, and no key was given (encryption-key-file)")
	ErrNoKey     = errors.New("the file is encrypted with a key that is not in the key file")
	ErrWrongKey  = errors.New("the key does not open the file: it is another key of the same name, or the head of the file was changed")
	ErrTampered  = errors.New("a frame of the encrypted file was changed or damaged")
	ErrSealedEnd = errors.New("the encrypted file has no end")
)

// ParseKeys reads a key file: either 32 bytes, which are the only key, or lines of a name and 32 bytes in hexadecimal or
// base64. Empty lines and lines that begin with # are skipped.
func ParseKeys(file []byte) (Keys, error) {
	if len(file) == 32 && !printable(file) {
		return Keys{{ID: "key", secret: [32]byte(file)}}, nil
	}
	var keys Keys
	for i, line := range strings.Split(string(file), "\n") {
		words := strings.Fields(line)
		if len(words) == 0 || words[0][0] == '#' {
			continue
		}
		if len(words) == 1 {
			words = []string{"key", words[0]}
		}
		k := &Key{ID: words[0]}
		if len(words) != 2 || len(k.ID) > 255 {
			return nil, fmt.Errorf("line %d of the key file is not a name and a key", i+1)
		}
		b, err := hex.DecodeString(words[1])
		if err != nil {
			b, err = base64.StdEncoding.DecodeString(words[1])
		}
		if err != nil || len(b) != len(k.secret) {
			return nil, fmt.Errorf("line %d of the key file: the key %s is not 32 bytes in hexadecimal or base64", i+1, k.ID)
		}
		copy(k.secret[:], b)
		for _, other := range keys {
			if other.ID == k.ID {
				return nil, fmt.Errorf("line %d of the key file names the key %s a second time", i+1, k.ID)
			}
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil, errors.New("the key file has no key")
	}
	return keys, nil
}

func printable(p []byte) bool {
	for _, b := range p {
		if b < 0x20 && b != '\n' && b != '\r' && b != '\t' || b > 0x7e {
			return false
		}
	}
	return true
}

// Current is the key that seals new files, nil if there is none.
func (k Keys) Current() *Key {
	if len(k) == 0 {
		return nil
	}
	return k[0]
}

func (k Keys) find(id string) *Key {
	for _, key := range k {
		if key.ID == id {
			return key
		}
	}
	return nil
}

// A sealer makes the frames of one file.
type sealer struct {
	aead  cipher.AEAD
	frame uint64
}

// newSealer begins a sealed file: head is what stands at its beginning.
func newSealer(k *Key, kind byte) (s *sealer, head []byte, err error) {
	head = append([]byte(sealMagic), kind, byte(len(k.ID)))
	head = append(head, k.ID...)
	at := len(head)
	head = append(head, make([]byte, saltBytes)...)
	rand.Read(head[at:])
	if s, err = k.forFile(head); err != nil {
		return nil, nil, err
	}
	return s, s.seal(head, nil, false), nil
}

// HeadMost is the most bytes that the head of a sealed file takes: one that is no longer has no content, whatever became of its
// head; 0 if nothing is sealed.
func (keys Keys) HeadMost() (most int64) {
	for _, k := range keys {
		most = max(most, int64(len(sealMagic)+2+len(k.ID)+saltBytes+4+tagBytes))
	}
	return most
}

// forFile derives the key of the file with that head.
func (k *Key) forFile(head []byte) (*sealer, error) {
	secret, err := hkdf.Key(sha256.New, k.secret[:], head, "larder sealed file", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return &sealer{aead: aead}, nil
}

func (s *sealer) nonce(last bool) []byte {
	n := make([]byte, 12)
	binary.BigEndian.PutUint64(n[3:], s.frame)
	if last {
		n[11] = 1
	}
	return n
}

// opens tells whether p, content and tag, is the frame that comes so many after the next one.
func (s *sealer) opens(ahead uint64, p []byte) bool {
	then := sealer{aead: s.aead, frame: s.frame + ahead}
	_, err := s.aead.Open(nil, then.nonce(false), p, nil)
	return err == nil
}

// seal appends a frame to p.
func (s *sealer) seal(p, content []byte, last bool) []byte {
	size := uint32(len(content))
	if last {
		size |= lastFrame
	}
	p = binary.BigEndian.AppendUint32(p, size)
	p = s.aead.Seal(p, s.nonce(last), content, nil)
	s.frame++
	return p
}

// withRoom is p with room for n bytes more. slices.Grow makes what it appends, too, where the compiler leaves that in.
func withRoom(p []byte, n int) []byte {
	if cap(p)-len(p) >= n {
		return p
	}
	return append(make([]byte, 0, len(p)+n), p...)
}

// frames appends content in frames of a good size.
func (s *sealer) frames(p, content []byte) []byte {
	p = withRoom(p, len(content)+(len(content)/frameBytes+1)*(4+tagBytes))
	for len(content) > 0 {
		n := min(len(content), frameBytes)
		p = s.seal(p, content[:n], false)
		content = content[n:]
	}
	return p
}

// A SealWriter seals what is written to it. Close writes the last frame and does not close what is below.
type SealWriter struct {
	out io.Writer
	s   *sealer
	buf []byte // content of the frame that is being filled
	tmp []byte
	err error
}

// NewSealWriter begins a sealed snapshot.
func NewSealWriter(out io.Writer, k *Key) (*SealWriter, error) {
	s, head, err := newSealer(k, sealedSnapshot)
	if err != nil {
		return nil, err
	}
	if _, err := out.Write(head); err != nil {
		return nil, err
	}
	return &SealWriter{out: out, s: s, buf: make([]byte, 0, frameBytes)}, nil
}

func (w *SealWriter) Write(p []byte) (n int, err error) {
	for len(p) > 0 && w.err == nil {
		if len(w.buf) == cap(w.buf) {
			w.emit(false)
		}
		k := min(len(p), cap(w.buf)-len(w.buf))
		w.buf = append(w.buf, p[:k]...)
		p, n = p[k:], n+k
	}
	return n, w.err
}

func (w *SealWriter) emit(last bool) {
	w.tmp = w.s.seal(w.tmp[:0], w.buf, last)
	w.buf = w.buf[:0]
	if _, err := w.out.Write(w.tmp); err != nil && w.err == nil {
		w.err = err
	}
}

// Close ends the snapshot.
func (w *SealWriter) Close() error {
	if w.err == nil {
		w.emit(true)
	}
	return w.err
}

// An Opener reads a file that may be sealed. For one that is not it passes the bytes on.
type Opener struct {
	in     io.Reader
	s      *sealer // nil: the file is not sealed
	kind   byte
	buf    []byte
	rest   []byte // of the frame that was opened
	at     int64  // in the file: behind the last good frame
	last   bool
	err    error
	sealed bool
	opened int64  // bytes of content in the frames until at
	marks  []mark // ends of frames: the last one that the reader has passed, then those ahead; nil: nobody wants them
}

// A mark is a place in the content, and where in the file the frame ends whose last byte stands before it.
type mark struct{ content, file int64 }

// passed says that the reader needs no marks before a place in the content.
func (o *Opener) passed(content int64) {
	n := 0
	for n+1 < len(o.marks) && o.marks[n+1].content <= content {
		n++
	}
	o.marks = o.marks[n:]
}

// OpenSealed reads the head of a file. Whatever is wrong with the key is told here, before anything else is read.
func OpenSealed(in io.Reader, keys Keys) (*Opener, error) {
	o := &Opener{in: in}
	head := make([]byte, len(sealMagic))
	n, err := io.ReadFull(in, head)
	if string(head[:n]) != sealMagic {
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return nil, err
		}
		o.in = io.MultiReader(bytes.NewReader(head[:n]), in)
		return o, nil
	}
	o.sealed = true
	if len(keys) == 0 {
		return nil, ErrSealed
	}
	var more [2]byte
	if _, err := io.ReadFull(in, more[:]); err != nil {
		return nil, headError(err)
	}
	o.kind = more[0]
	rest := make([]byte, int(more[1])+saltBytes)
	if _, err := io.ReadFull(in, rest); err != nil {
		return nil, headError(err)
	}
	head = append(append(head, more[:]...), rest...)
	id := string(rest[:more[1]])
	k := keys.find(id)
	if k == nil {
		return nil, fmt.Errorf("%w: %q", ErrNoKey, id)
	}
	if o.s, err = k.forFile(head); err != nil {
		return nil, err
	}
	o.at = int64(len(head))
	switch err := o.open(); {
	case err == ErrTampered || err == nil && (len(o.rest) > 0 || o.last):
		return nil, ErrWrongKey
	case err != nil:
		return nil, headError(err)
	}
	return o, nil
}

// headError is why the head of a sealed file could not be read: a disk that fails is neither a missing end nor a wrong key.
func headError(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return ErrSealedEnd
	}
	return err
}

// Sealed tells whether the file is.
func (o *Opener) Sealed() bool { return o.sealed }

// At is the place in the file behind the last frame that was opened.
func (o *Opener) At() int64 { return o.at }

// Read gives the content. At the end of a log that is torn it ends as if the file ended there; At tells where.
func (o *Opener) Read(p []byte) (int, error) {
	if !o.sealed {
		return o.in.Read(p)
	}
	for len(o.rest) == 0 {
		if o.err == nil && o.last {
			o.err = io.EOF
		}
		if o.err == nil {
			o.err = o.open()
		}
		if o.err != nil {
			return 0, o.err
		}
	}
	n := copy(p, o.rest)
	o.rest = o.rest[n:]
	return n, nil
}

// open reads the next frame. The error is io.EOF at the end of a log, io.ErrUnexpectedEOF where a log is torn,
// ErrSealedEnd where a snapshot is, ErrTampered for a frame that does not open.
func (o *Opener) open() error {
	var word [4]byte
	if n, err := io.ReadFull(o.in, word[:]); err != nil {
		return o.short(n, err)
	}
	size := binary.BigEndian.Uint32(word[:])
	last := size&lastFrame != 0
	if size &^= lastFrame; size > frameMost {
		return ErrTampered
	}
	want := int(size) + tagBytes
	if cap(o.buf) < want {
		o.buf = make([]byte, want)
	}
	o.buf = o.buf[:want]
	if n, err := io.ReadFull(o.in, o.buf); err != nil {
		return o.short(n+1, err)
	}
	content, err := o.s.aead.Open(o.buf[:0], o.s.nonce(last), o.buf, nil)
	if err != nil {
		return ErrTampered
	}
	o.s.frame++
	o.at += int64(4 + want)
	o.rest, o.last = content, last
	o.opened += int64(len(content))
	if o.marks != nil {
		o.marks = append(o.marks, mark{o.opened, o.at})
	}
	return nil
}

func (o *Opener) short(n int, err error) error {
	switch {
	case err != io.EOF && err != io.ErrUnexpectedEOF:
		return err
	case o.kind == sealedSnapshot:
		return ErrSealedEnd
	case n == 0:
		return io.EOF
	}
	return io.ErrUnexpectedEOF
}
