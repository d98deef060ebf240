package failover

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"hash/fnv"
	"os"
	"slices"

	"github.com/hashicorp/raft"
)

// What a member remembers it must not remember wrongly: with a vote forgotten or a primary misread there may be two of
// them. bbolt has checksums for its two meta pages only, takes the older one if the newer one is damaged, and follows
// whatever a damaged page says until it panics or the processor faults. So before it opens the file all of it is looked
// through here: each page is used once or free once, all references are within their page, keys are in order, and what
// Raft keeps has a checksum of its own.
//
// A file that was never damaged always passes: bbolt writes only to pages that are free, waits for the disk, and then
// changes one of the meta pages by a piece that a disk writes as a whole or not at all.

// damaged says what is wrong with the file.
type damaged struct{ what string }

func (d *damaged) Error() string { return d.what }

func damage(format string, args ...any) error { return &damaged{fmt.Sprintf(format, args...)} }

const (
	metaMagic   = 0xED0CDAED
	metaVersion = 2
	pageHead    = 16 // id 8, flags 2, count 2, overflow 4
	metaSize    = 64
	elemSize    = 16 // of a branch: pos 4, ksize 4, page 8; of a leaf: flags 4, pos 4, ksize 4, vsize 4
	bucketHead  = 16 // root page 8, sequence 8

	branchPage   = 0x01
	leafPage     = 0x02
	metaPage     = 0x04
	freelistPage = 0x10
	bucketEntry  = 0x01
)

var native = binary.NativeEndian

// pages is a file of bbolt that is looked through.
type pages struct {
	all   []byte
	size  uint64
	count uint64
	used  []bool

	last, least []byte // the key before in this bucket, and what the page above says that keys begin with
}

// examine looks through the file and says what is damaged.
func examine(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	b := make([]byte, info.Size())
	if _, err := f.ReadAt(b, 0); err != nil {
		return err
	}
	return (&pages{all: b}).walk()
}

// walk goes through all pages.
func (p *pages) walk() error {
	if len(p.all) == 0 {
		return damage("it is empty, or was not there")
	}
	head, err := p.meta()
	if err != nil {
		return err
	}
	root, freelist := native.Uint64(head[16:]), native.Uint64(head[32:])
	p.count = native.Uint64(head[40:])
	if p.count > uint64(len(p.all))/p.size {
		return damage("it has %d bytes of %d", len(p.all), p.count*p.size)
	}
	p.used = make([]bool, p.count)
	p.used[0], p.used[1] = true, true
	if err := p.tree("", root); err != nil {
		return err
	}
	if err := p.free(freelist); err != nil {
		return err
	}
	for id, used := range p.used {
		if !used {
			return damage("page %d is neither used nor free", id)
		}
	}
	return nil
}

// meta is the content of the newer one of the two meta pages, both of which have to be whole.
func (p *pages) meta() (newer []byte, err error) {
	if len(p.all) < pageHead+metaSize {
		return nil, damage("it has %d bytes", len(p.all))
	}
	p.size = uint64(native.Uint32(p.all[pageHead+8:]))
	if p.size < 512 || p.size&(p.size-1) != 0 || uint64(len(p.all)) < 2*p.size {
		return nil, damage("it does not begin with a meta page, or has %d bytes only", len(p.all))
	}
	for id := range uint64(2) {
		page := p.all[id*p.size:]
		m := page[pageHead : pageHead+metaSize]
		sum := fnv.New64a()
		sum.Write(m[:56])
		if native.Uint64(page) != id || native.Uint16(page[8:]) != metaPage || native.Uint32(m) != metaMagic || native.Uint32(m[4:]) != metaVersion ||
			native.Uint64(m[56:]) != sum.Sum64() || uint64(native.Uint32(m[8:])) != p.size {
			return nil, damage("meta page %d has a wrong checksum", id)
		}
		if newer == nil || native.Uint64(m[48:]) > native.Uint64(newer[48:]) {
			newer = m
		}
	}
	return newer, nil
}

// page takes a page that has to be there once, with those behind it that belong to it.
func (p *pages) page(id uint64) ([]byte, error) {
	if id < 2 || id >= p.count {
		return nil, damage("there is no page %d", id)
	}
	b := p.all[id*p.size:]
	n := 1 + uint64(native.Uint32(b[12:]))
	if native.Uint64(b) != id || n > p.count-id {
		return nil, damage("page %d is not what it should be", id)
	}
	for i := id; i < id+n; i++ {
		if p.used[i] {
			return nil, damage("page %d is used twice", i)
		}
		p.used[i] = true
	}
	return b[:n*p.size], nil
}

// free looks through the list of pages that are free.
func (p *pages) free(id uint64) error {
	b, err := p.page(id)
	if err != nil {
		return err
	}
	n, list := uint64(native.Uint16(b[10:])), b[pageHead:]
	if n == 0xFFFF {
		n, list = native.Uint64(list), list[8:]
	}
	if native.Uint16(b[8:]) != freelistPage || n > uint64(len(list))/8 {
		return damage("page %d is no list of free pages", id)
	}
	for i := range n {
		at := native.Uint64(list[8*i:])
		if at < 2 || at >= p.count || p.used[at] {
			return damage("page %d is not free", at)
		}
		p.used[at] = true
	}
	return nil
}

// values are what stands by itself in the file, beside the log.
var values = []string{string(bootKey), "CurrentTerm", "LastVoteTerm", "LastVoteCand"}

// tree goes through the pages of a bucket, in the order of their keys.
func (p *pages) tree(bucket string, id uint64) error {
	b, err := p.page(id)
	if err != nil {
		return err
	}
	if native.Uint16(b[8:]) != branchPage {
		_, err := p.leaf(bucket, id, b)
		return err
	}
	n := int(native.Uint16(b[10:]))
	end := pageHead + n*elemSize
	if n == 0 || end > len(b) {
		return damage("page %d has %d entries", id, n)
	}
	for i := range n {
		at := pageHead + i*elemSize
		key, err := packed(b, at, &end, native.Uint32(b[at:]), native.Uint32(b[at+4:]))
		if err != nil || p.last != nil && bytes.Compare(p.last, key) >= 0 {
			return damage("page %d has a wrong entry %d", id, i)
		}
		p.least = key
		if err := p.tree(bucket, native.Uint64(b[at+8:])); err != nil {
			return err
		}
	}
	return nil
}

// leaf goes through the entries of a page, or of the page that a small bucket has in its entry, and returns where they end.
func (p *pages) leaf(bucket string, id uint64, b []byte) (end int, err error) {
	n := int(native.Uint16(b[10:]))
	end = pageHead + n*elemSize
	if native.Uint16(b[8:]) != leafPage || end > len(b) {
		return 0, damage("page %d is not what it should be", id)
	}
	for i := range n {
		at := pageHead + i*elemSize
		flags, pos, ksize, vsize := native.Uint32(b[at:]), native.Uint32(b[at+4:]), native.Uint32(b[at+8:]), native.Uint32(b[at+12:])
		key, err := packed(b, at, &end, pos, ksize)
		if err == nil && (p.last != nil && bytes.Compare(p.last, key) >= 0 || bytes.Compare(key, p.least) < 0) {
			err = errPlace
		}
		var value []byte
		if err == nil {
			p.last = key
			value, err = packed(b, at, &end, pos+ksize, vsize)
		}
		switch {
		case err != nil:
		case flags == 0 && (bucket == "logs" && len(key) == 8 || bucket == "conf" && slices.Contains(values, string(key))):
		case flags == bucketEntry && bucket == "" && len(value) >= bucketHead:
			err = p.bucket(string(key), id, value)
		default:
			err = errPlace
		}
		if errors.Is(err, errPlace) {
			err = damage("page %d has a wrong entry %d", id, i)
		}
		if err != nil {
			return 0, err
		}
	}
	if n == 0 && slices.ContainsFunc(b[pageHead:], func(c byte) bool { return c != 0 }) {
		return 0, damage("page %d has lost its entries", id)
	}
	return end, nil
}

// bucket goes through a bucket: its entry names its first page, or has all of it.
func (p *pages) bucket(name string, id uint64, entry []byte) error {
	if name != "logs" && name != "conf" {
		return errPlace
	}
	last, least := p.last, p.least
	p.last, p.least = nil, nil
	defer func() { p.last, p.least = last, least }()
	if root := native.Uint64(entry); root != 0 {
		return p.tree(name, root)
	}
	page := entry[bucketHead:]
	if len(page) < pageHead || native.Uint64(page) != 0 || native.Uint32(page[12:]) != 0 {
		return errPlace
	}
	end, err := p.leaf(name, id, page)
	if err == nil && end != len(page) {
		err = errPlace
	}
	return err
}

var errPlace = errors.New("this is not its place")

// packed is what stands at a distance from an entry. What a page has stands one behind the other, so where it has to be is known.
func packed(b []byte, at int, end *int, pos, size uint32) ([]byte, error) {
	from := uint64(at) + uint64(pos)
	if from != uint64(*end) || from+uint64(size) > uint64(len(b)) {
		return nil, errPlace
	}
	*end += int(size)
	return b[from:*end], nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(parts ...[]byte) (sum []byte) {
	n := uint32(0)
	for _, p := range parts {
		n = crc32.Update(n, castagnoli, p)
	}
	return binary.BigEndian.AppendUint32(nil, n)
}

// seal puts a zero and a checksum behind a value. Members of earlier versions have written none, and read numbers and
// addresses with it as without.
func seal(key, value []byte) []byte {
	return append(append(bytes.Clone(value), 0), checksum(key, value)...)
}

const sealSize = 5

func unseal(key, b []byte) ([]byte, error) {
	n := len(b) - sealSize
	if n < 0 || b[n] != 0 {
		return b, nil
	}
	if !bytes.Equal(b[n+1:], checksum(key, b[:n])) {
		return nil, damage("the value %s has a wrong checksum", key)
	}
	return b[:n], nil
}

func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func unsealNumber(key, b []byte) (uint64, error) {
	if len(b) == 8+sealSize {
		if b[8] != 0 || !bytes.Equal(b[9:], checksum(key, b[:8])) {
			return 0, damage("the value %s has a wrong checksum", key)
		}
	} else if len(b) != 8 {
		return 0, damage("the value %s has %d bytes", key, len(b))
	}
	return binary.BigEndian.Uint64(b), nil
}

// sumOf is the checksum of an entry of the log.
func sumOf(l *raft.Log) []byte {
	return checksum(number(l.Index), number(l.Term), []byte{byte(l.Type)}, l.Data)
}

// unsealLog takes the checksum of an entry away. Those of earlier versions have none.
func unsealLog(l *raft.Log) error {
	if len(l.Extensions) > 0 && !bytes.Equal(l.Extensions, sumOf(l)) {
		return damage("entry %d of its log has a wrong checksum", l.Index)
	}
	l.Extensions = nil
	return nil
}
