package persistence

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"larder/datatypes/words"
)

// A Manifest says of which files an append-only log consists: the base, which holds everything up to a moment, and then
// the commands since, in one file or several. Files of earlier bases are history until they are deleted. It is a text
// file as redis-server has it since version 7, in the folder of the files:
//
//	file appendonly.aof.2.base.rdb seq 2 type b
//	file appendonly.aof.1.incr.aof seq 1 type h
//	file appendonly.aof.2.incr.aof seq 2 type i
//	#SUM:8d2f0c11
//
// The last line is the CRC-32C of the others. redis-server skips it, and leaves it out when it writes the file; so may
// who changes the file by hand. It has no end, which is all that tells a line that was cut.
type Manifest struct {
	Base    *LogName
	History []LogName
	Incr    []LogName

	Summed bool // it was read, and had its checksum

	baseSeq, incrSeq int64 // the highest that were given
}

// LogName is a file that a manifest names.
type LogName struct {
	Name string
	Seq  int64
}

// Empty tells whether the manifest names nothing to load.
func (m *Manifest) Empty() bool { return m.Base == nil && len(m.Incr) == 0 }

// ManifestError is a manifest that cannot be understood.
type ManifestError struct {
	Line   int
	Text   string
	Reason string
}

// Error makes it an error.
func (e *ManifestError) Error() string {
	if e.Text == "" {
		return e.Reason
	}
	return fmt.Sprintf("line %d: %s: '%s'", e.Line, e.Reason, e.Text)
}

const manifestLine = 1024 // bytes at most

// ParseManifest reads a manifest.
func ParseManifest(text []byte) (*Manifest, error) {
	m := &Manifest{}
	if len(text) == 0 {
		return nil, &ManifestError{Reason: "Found an empty AOF manifest"}
	}
	whole := text
	for n := 1; len(text) > 0; n++ {
		line, rest, ended := bytes.Cut(text, []byte("\n"))
		before := whole[:len(whole)-len(text)]
		text = rest
		if line = trimLine(line); len(line) > 0 && line[0] == '#' {
			if sum, ok := bytes.CutPrefix(line, manifestSum); !ok {
				continue
			} else if wrong := checkManifest(before, sum); wrong != "" || len(rest) > 0 {
				return nil, &ManifestError{n, string(line), cmp.Or(wrong, sumNotLast)}
			}
			m.Summed = true
			continue
		}
		bad := func(reason string) error { return &ManifestError{n, string(line), reason} }
		if !ended || len(line) >= manifestLine {
			return nil, bad("The AOF manifest file contains too long line")
		}
		if line = bytes.Trim(line, " \t\r"); len(line) == 0 {
			return nil, &ManifestError{n, " ", badManifest}
		}
		if wrong := m.addLine(string(line)); wrong != "" {
			return nil, bad(wrong)
		}
	}
	return m, nil
}

// manifestSum begins the line with the checksum.
var manifestSum = []byte("#SUM:")

// checkManifest compares the lines before the one with the checksum.
func checkManifest(lines, sum []byte) (wrong string) {
	if string(sum) != string(sumOf(lines)) {
		return fmt.Sprintf("The AOF manifest file is damaged: its bytes 0 to %d do not have their checksum (whoever has changed it by hand takes this line away)", len(lines)-1)
	}
	return ""
}

func sumOf(lines []byte) []byte {
	return fmt.Appendf(nil, "%08x", crc32.Checksum(lines, castagnoli))
}

func trimLine(line []byte) []byte { return bytes.TrimSuffix(line, []byte("\r")) }

// What can be wrong with a line, worded as operators search logs for it.
const (
	badManifest    = "Invalid AOF manifest file format"
	badManifestDir = "File can't be a path, just a filename"
	twoBases       = "Found duplicate base file information"
	badSequence    = "Found a non-monotonic sequence number"
	unknownType    = "Unknown AOF file type"
	sumNotLast     = "Lines stand behind the checksum of the AOF manifest file"
)

// addLine takes one line over. Pairs that are not known are skipped, for the sake of versions to come.
func (m *Manifest) addLine(line string) (wrong string) {
	list, ok := words.Split(line)
	if !ok || len(list) < 6 || len(list)%2 != 0 {
		return badManifest
	}
	var f LogName
	var typ byte
	for i := 0; i < len(list); i += 2 {
		switch strings.ToLower(list[i]) {
		case "file":
			f.Name = list[i+1]
			if strings.ContainsAny(f.Name, `/\`) {
				return badManifestDir
			}
		case "seq":
			f.Seq, _ = strconv.ParseInt(list[i+1], 10, 64)
		case "type":
			if list[i+1] != "" {
				typ = list[i+1][0]
			}
		}
	}
	if f.Name == "" || f.Seq == 0 || typ == 0 {
		return badManifest
	}
	switch typ {
	case 'b':
		if m.Base != nil {
			return twoBases
		}
		m.Base, m.baseSeq = &f, f.Seq
	case 'h':
		m.History = append(m.History, f)
	case 'i':
		if f.Seq <= m.incrSeq {
			return badSequence
		}
		m.Incr, m.incrSeq = append(m.Incr, f), f.Seq
	default:
		return unknownType
	}
	return ""
}

// Format is the manifest as it stands in its file, before the checksum.
func (m *Manifest) Format() []byte {
	var b []byte
	line := func(f LogName, typ byte) {
		b = fmt.Appendf(b, "file %s seq %d type %c\n", quoteName(f.Name), f.Seq, typ)
	}
	if m.Base != nil {
		line(*m.Base, 'b')
	}
	for _, f := range m.History {
		line(f, 'h')
	}
	for _, f := range m.Incr {
		line(f, 'i')
	}
	return b
}

// Clone is a copy to be changed.
func (m *Manifest) Clone() *Manifest {
	c := *m
	c.History = append([]LogName(nil), m.History...)
	c.Incr = append([]LogName(nil), m.Incr...)
	if m.Base != nil {
		base := *m.Base
		c.Base = &base
	}
	return &c
}

// NewBase names the next base file; what the manifest had is history. rdb says that the file is a snapshot.
func (m *Manifest) NewBase(filename string, rdb bool) LogName {
	if m.Base != nil {
		m.History = append([]LogName{*m.Base}, m.History...)
	}
	ext := ".aof"
	if rdb {
		ext = ".rdb"
	}
	f := m.free(&m.baseSeq, func(seq int64) string { return fmt.Sprintf("%s.%d.base%s", filename, seq, ext) })
	m.Base = &f
	return f
}

// NewIncr names the next file of commands.
func (m *Manifest) NewIncr(filename string) LogName {
	f := m.free(&m.incrSeq, func(seq int64) string { return fmt.Sprintf("%s.%d.incr.aof", filename, seq) })
	m.Incr = append(m.Incr, f)
	return f
}

// free is the next name that no history has: its file is going to be removed. A manifest that was read begins its numbers
// behind the files that are in use.
func (m *Manifest) free(seq *int64, name func(seq int64) string) LogName {
	for {
		*seq++
		f := LogName{name(*seq), *seq}
		if !slices.ContainsFunc(m.History, func(old LogName) bool { return old.Name == f.Name }) {
			return f
		}
	}
}

// Doubting is the manifest when it is not known whether another one, made of it, has taken its place: what that one names besides is
// history. So nothing else gets these names, and the files go when the next manifest has its place, whichever was there before.
func (m *Manifest) Doubting(next *Manifest) *Manifest {
	c := m.Clone()
	known := func(f LogName) bool {
		return c.Base != nil && c.Base.Name == f.Name || slices.ContainsFunc(slices.Concat(c.History, c.Incr), func(old LogName) bool { return old.Name == f.Name })
	}
	files := next.Incr
	if next.Base != nil {
		files = append([]LogName{*next.Base}, files...)
	}
	for _, f := range files {
		if !known(f) {
			c.History = append([]LogName{f}, c.History...)
		}
	}
	return c
}

// Retire makes history of all files of commands whose numbers are below first.
func (m *Manifest) Retire(first int64) {
	var kept []LogName
	for _, f := range m.Incr {
		if f.Seq < first {
			m.History = append([]LogName{f}, m.History...)
		} else {
			kept = append(kept, f)
		}
	}
	m.Incr = kept
}

// ReadManifest reads the manifest file of an append-only folder. A file that is not there is an empty manifest.
func ReadManifest(dir, filename string) (*Manifest, error) {
	text, err := os.ReadFile(manifestPath(dir, filename))
	if errors.Is(err, os.ErrNotExist) {
		return &Manifest{}, nil
	}
	if err != nil {
		return nil, err
	}
	return ParseManifest(text)
}

// Write puts the manifest into its place in the folder, for which h has to have the log, and has it from then on. When it returns
// nil the disk has it.
func (m *Manifest) Write(disk Disk, dir, filename string, h *Hold) error {
	path := manifestPath(dir, filename)
	f, err := CreateFile(disk, filepath.Join(dir, "temp-"+filepath.Base(path)), false)
	if err != nil {
		return err
	}
	defer f.Discard()
	if err := h.Take(disk, dir, filename); err != nil { // now that nobody else can write one
		return err
	}
	lines := m.Format()
	if _, err := f.Write(slices.Concat(lines, manifestSum, sumOf(lines))); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return h.place(f, path)
}

func manifestPath(dir, filename string) string { return filepath.Join(dir, filename+".manifest") }

// quoteName writes a name that has anything unusual in quotes.
func quoteName(name string) string {
	plain := true
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c >= 0x7f || c == '"' || c == '\'' || c == '\\' {
			plain = false
		}
	}
	if plain {
		return name
	}
	return words.Quote(name)
}
