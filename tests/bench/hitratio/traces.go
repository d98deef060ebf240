package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// access is one request of a trace. Keys are numbered in the order in which they first come.
type access struct {
	key  uint32
	size uint32 // bytes of the object, 1 if the trace does not say
}

// trace is what a file says.
type trace struct {
	name     string
	accesses []access
	keys     int   // different ones
	bytes    int64 // sum of the sizes that the keys had first
	sized    bool
}

// builder numbers keys.
type builder struct {
	t     *trace
	ids   map[uint64]uint32
	limit int
}

// add takes one request, and tells whether more are wanted.
func (b *builder) add(key uint64, size int64) bool {
	id, ok := b.ids[key]
	size = min(max(size, 1), 1<<31)
	if !ok {
		id = uint32(len(b.ids))
		b.ids[key] = id
		b.t.bytes += size
	}
	b.t.accesses = append(b.t.accesses, access{id, uint32(size)})
	return len(b.t.accesses) < b.limit
}

// readTrace reads up to limit requests of a file, in one of the formats that go by what the file holds:
//
//	start count ignored number     text, 4 columns (ARC): keys start to start+count-1
//	time key size                  text, 3 columns (AdaptSize): the object is (key, size)
//	key size                       text, 2 columns
//	key                            text, 1 column (LIRS); lines "*" are left out
//	version,time,op,size,lbn       CSV with a header naming its columns; the key is lbn, or obj_id, or key
//	{"hash_ids":[...]}             JSON lines (Mooncake): each of the ids
//	big-endian int32 or int64      anything that is not text (cache2k, Corda)
//
// Any of them may be compressed by gzip, xz or zstd. format names one where the guess is wrong: arc, adaptsize, lirs,
// csv, mooncake, int32, int64.
func readTrace(path, format string, limit int) (*trace, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := decompressed(bufio.NewReaderSize(f, 1<<16))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	name := filepath.Base(path)
	for _, ext := range []string{".gz", ".xz", ".zst", ".trace", ".lis", ".csv", ".jsonl"} {
		name = strings.TrimSuffix(name, ext)
	}
	t := &trace{name: name}
	b := &builder{t: t, ids: map[uint64]uint32{}, limit: limit}
	in := bufio.NewReaderSize(r, 1<<20)
	head, _ := in.Peek(1 << 16)
	if format == "" {
		format = guess(head)
	}
	switch format {
	case "int32":
		err = readNumbers(in, b, 4)
	case "int64":
		err = readNumbers(in, b, 8)
	case "mooncake":
		err = readMooncake(in, b)
	case "csv":
		err = readCSV(in, b)
	case "arc", "adaptsize", "sized", "lirs":
		err = readColumns(in, b, format)
	default:
		err = fmt.Errorf("there is no format %q", format)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(t.accesses) == 0 {
		return nil, fmt.Errorf("%s: no requests", path)
	}
	t.keys = len(b.ids)
	return t, nil
}

func decompressed(r *bufio.Reader) (io.Reader, error) {
	magic, _ := r.Peek(6)
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		return gzip.NewReader(r)
	case bytes.HasPrefix(magic, []byte{0xfd, '7', 'z', 'X', 'Z', 0}):
		return xz.NewReader(r)
	case bytes.HasPrefix(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return zstd.NewReader(r)
	}
	return r, nil
}

// guess finds out the format from the beginning of a file.
func guess(head []byte) string {
	for _, c := range head {
		if c < 9 || c > 126 || c > 13 && c < 32 {
			return guessWidth(head)
		}
	}
	for line := range bytes.Lines(head) {
		line = bytes.TrimSpace(line)
		switch {
		case len(line) == 0 || line[0] == '*' || line[0] == '#':
			continue
		case line[0] == '{':
			return "mooncake"
		case bytes.IndexByte(line, ',') > 0:
			return "csv"
		}
		switch len(bytes.Fields(line)) {
		case 4:
			return "arc"
		case 3:
			return "adaptsize"
		case 2:
			return "sized"
		}
		return "lirs"
	}
	return "lirs"
}

// guessWidth tells keys of 8 bytes from keys of 4 bytes: in the former every other half is nearly always the same.
func guessWidth(head []byte) string {
	same, n := 0, 0
	for i := 8; i+8 <= len(head); i += 8 {
		n++
		if bytes.Equal(head[i:i+4], head[i-8:i-4]) {
			same++
		}
	}
	if n > 0 && same*10 > n*9 {
		return "int64"
	}
	return "int32"
}

func readNumbers(r io.Reader, b *builder, width int) error {
	buf := make([]byte, width)
	for {
		if _, err := io.ReadFull(r, buf); err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				return nil
			}
			return err
		}
		key := uint64(0)
		if width == 4 {
			key = uint64(binary.BigEndian.Uint32(buf))
		} else {
			key = binary.BigEndian.Uint64(buf)
		}
		if !b.add(key, 1) {
			return nil
		}
	}
}

func readMooncake(r io.Reader, b *builder) error {
	d := json.NewDecoder(r)
	for {
		var line struct {
			HashIDs []uint64 `json:"hash_ids"`
		}
		if err := d.Decode(&line); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		for _, id := range line.HashIDs {
			if !b.add(id, 1) {
				return nil
			}
		}
	}
}

func readCSV(r *bufio.Reader, b *builder) error {
	lines := bufio.NewScanner(r)
	keyAt, sizeAt := -1, -1
	for first := true; lines.Scan(); first = false {
		f := strings.Split(lines.Text(), ",")
		if first {
			for i, name := range f {
				switch strings.ToLower(strings.TrimSpace(name)) {
				case "lbn", "obj_id", "key", "id", "object":
					keyAt = i
				case "size", "obj_size":
					sizeAt = i
				}
			}
			if keyAt < 0 {
				return errors.New("no column is called lbn, obj_id, key, id or object")
			}
			b.t.sized = sizeAt >= 0
			continue
		}
		if keyAt >= len(f) {
			continue
		}
		size := int64(1)
		if sizeAt >= 0 && sizeAt < len(f) {
			size, _ = strconv.ParseInt(strings.TrimSpace(f[sizeAt]), 10, 64)
		}
		if !b.add(number(f[keyAt]), size) {
			break
		}
	}
	return lines.Err()
}

func readColumns(r io.Reader, b *builder, format string) error {
	lines := bufio.NewScanner(r)
	b.t.sized = format == "adaptsize" || format == "sized"
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) == 0 || strings.HasPrefix(f[0], "*") || strings.HasPrefix(f[0], "#") {
			continue
		}
		more := true
		switch {
		case format == "arc" && len(f) >= 2:
			start, count := number(f[0]), number(f[1])
			for i := range count {
				if more = b.add(start+i, 1); !more {
					break
				}
			}
		case format == "adaptsize" && len(f) >= 3:
			size := number(f[2])
			more = b.add(number(f[1])*0x9e3779b97f4a7c15^size, int64(size))
		case format == "sized" && len(f) >= 2:
			more = b.add(number(f[0]), int64(number(f[1])))
		case format == "lirs":
			more = b.add(number(f[0]), 1)
		}
		if !more {
			break
		}
	}
	return lines.Err()
}

// number is a key: an integer as it is, anything else by its hash.
func number(s string) uint64 {
	s = strings.TrimSpace(s)
	if n, err := strconv.ParseUint(s, 10, 64); err == nil {
		return n
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return uint64(n)
	}
	h := fnv.New64a()
	h.Write([]byte(s))
	return h.Sum64()
}
