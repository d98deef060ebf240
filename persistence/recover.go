package persistence

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"strconv"
)

// Tail is the state in which a file of commands ends, for who goes on writing it.
type Tail struct {
	End   int64  // behind the last unit that is whole
	Since int64  // bytes since the last checksum line
	CRC   uint32 // of those
	Room  int64  // bytes behind End that are room for more, which is no fault; 0 if something else is there

	Batches bool // that line says that batches follow
}

// ScanResult is what Scan has found.
type ScanResult struct {
	Tail
	Size     int64 // of the file
	Torn     Torn  // what stands behind End
	Sealed   bool
	Content  int64 // where the whole units of a sealed file end in what it holds; else as End
	Commands int64 // transactions counted with all their parts
	Units    int64 // transactions counted as one
	Sums     int64 // checksum lines
	Stamps   int64 // timestamps, and the first and the last of them in Unix seconds
	First_s  int64
	Last_s   int64
}

// Cut is how many bytes stand behind the last whole unit.
func (r *ScanResult) Cut() int64 { return r.Size - r.End }

// Torn says what a file has behind its last whole unit.
type Torn uint8

// The kinds of ends.
const (
	NotTorn   Torn = iota
	TornEnd        // a command is not complete
	TornMulti      // a transaction has no EXEC
	TornZeros      // bytes that never were written: the system had made the file longer already when the power went
	TornBatch      // not all sectors of the last batch were written
)

// String says it in words.
func (t Torn) String() string {
	switch t {
	case TornEnd:
		return "the last command is not complete"
	case TornMulti:
		return "the last transaction has no EXEC"
	case TornZeros:
		return "the end is filled with zeros"
	case TornBatch:
		return "what was written last is not complete"
	}
	return "whole"
}

// A DamageError is a file of commands that is damaged before its end: nobody can tell what stood there.
type DamageError struct {
	Offset int64 // from here on
	Reason string
}

// Error makes it an error.
func (e *DamageError) Error() string {
	return fmt.Sprintf("damaged at byte %d: %s", e.Offset, e.Reason)
}

// ScanOptions say how a file of commands is looked through.
type ScanOptions struct {
	From     int64 // where the commands begin, behind a snapshot in the same file
	Keys     Keys
	Progress func(read int64) error // is called now and then; an error ends the scan
	Visit    func(it *Item) error   // is given everything but checksum lines; an error ends the scan
}

// Scan looks through a file of commands: where it ends, whether the end is torn, and whether anything before is damaged.
//
// A file is torn if it ends in the middle of a unit, with zeros, or with a part of a batch: what was being written when the
// process or the power went. Room at the end is no fault. Nothing that was acknowledged is lost with such an end, if the server waits for the disk. Everything else that
// is no command is damage, and so is what does not fit to its checksum line, and an end that seems torn but has later
// checksum lines of the file behind it. The error is then a *DamageError, and the result tells what is whole before.
func Scan(path string, o ScanOptions) (res ScanResult, err error) {
	f, err := os.Open(path)
	if err != nil {
		return res, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return res, err
	}
	return scanAll(f, info.Size(), o)
}

// scanAll is Scan for what is open.
func scanAll(f io.ReaderAt, size int64, o ScanOptions) (ScanResult, error) {
	s := &scan{o: &o, f: f, res: ScanResult{Size: size}}
	in := &Whole{In: io.NewSectionReader(f, o.From, size-o.From), Left: size - o.From}
	open, err := OpenSealed(bufio.NewReaderSize(in, logWindow), o.Keys)
	if err != nil {
		return s.res, err
	}
	if s.res.Sealed = open.Sealed(); s.res.Sealed {
		open.marks = append(open.marks, mark{0, open.at})
		s.sealed = open
		s.r = NewLogReader(open, 0, -1)
	} else {
		s.res.End, s.sumEnd, s.summed.End = o.From, o.From, o.From
		s.r = NewLogReader(open, o.From, size)
		if s.rest, err = trimmed(f, size, "#\n\x00"); err != nil {
			return s.res, err
		}
	}
	err = s.run()
	s.res.Content = s.res.End
	if s.sealed == nil && err == nil && s.res.Torn == NotTorn {
		s.res.Room = s.res.Size - s.res.End
	}
	if s.sealed != nil { // the places are those of the content until here
		s.sealed.passed(s.res.End)
		s.res.End = s.sealed.marks[0].file
	}
	return s.res, err
}

type scan struct {
	o      *ScanOptions
	f      io.ReaderAt
	r      *LogReader
	sealed *Opener
	res    ScanResult

	since  int64 // as in Tail, at the place of the reader
	crc    uint32
	sumEnd int64      // behind the last checksum line
	summed ScanResult // behind that line
	multi  bool
	batch  bool  // that line says that batches follow
	rest   int64 // where room, zeros and nothing else begin with which the file ends
	told   int64
}

const tellEvery = 1 << 20

func (s *scan) run() error {
	for {
		it, err := s.r.Next()
		switch {
		case err == io.EOF && s.sealed != nil && s.sealed.err == io.ErrUnexpectedEOF:
			if err := s.broken(errTorn); err != nil || !s.multi {
				return err
			}
			s.res.Torn = TornMulti
			return nil
		case err == io.EOF && s.inBatch() && (s.res.End > s.summed.End || s.multi):
			return s.brokenBatch(s.res.End, "a batch has no checksum line")
		case err == io.EOF && s.multi:
			s.res.Torn = TornMulti
			return nil
		case err == io.EOF:
			return nil
		case err == errTorn || err == errFormat || err == ErrTampered:
			return s.broken(err)
		case err != nil:
			return err
		}
		if bytes.HasPrefix(it.Raw, []byte("#SUM:")) {
			if err := s.sum(&it); err != nil {
				return err
			}
			continue
		}
		s.since += int64(len(it.Raw))
		s.crc = crc32.Update(s.crc, castagnoli, it.Raw)
		switch {
		case it.Argv == nil && isRoom(it.Raw): // an end, if nothing else follows
			continue
		case it.Argv == nil:
			s.stamp(it.Raw)
		default:
			s.command(it.Argv)
		}
		if !s.multi {
			s.good(it.End())
		}
		if s.o.Visit != nil {
			if err := s.o.Visit(&it); err != nil {
				return err
			}
		}
		if s.o.Progress != nil && it.At-s.told >= tellEvery {
			s.told = it.At
			if err := s.o.Progress(it.At); err != nil {
				return err
			}
		}
	}
}

func (s *scan) good(end int64) {
	s.res.Tail = Tail{End: end, Since: s.since, CRC: s.crc, Batches: s.batch}
	if s.sealed != nil {
		s.sealed.passed(end)
	}
}

func (s *scan) command(argv [][]byte) {
	s.res.Commands++
	switch {
	case !s.multi && isWord(argv, "MULTI"):
		s.multi = true
	case s.multi && isWord(argv, "EXEC"):
		s.multi = false
		s.res.Units++
	case !s.multi:
		s.res.Units++
	}
}

func isWord(argv [][]byte, word string) bool {
	return len(argv) == 1 && bytes.EqualFold(argv[0], []byte(word))
}

func (s *scan) stamp(line []byte) {
	text, ok := bytes.CutPrefix(line, []byte("#TS:"))
	if !ok {
		return
	}
	if t, err := strconv.ParseInt(string(bytes.TrimRight(text, "\r\n")), 10, 64); err == nil {
		if s.res.Stamps == 0 {
			s.res.First_s = t
		}
		s.res.Stamps++
		s.res.Last_s = t
	}
}

// A sumLine is what a checksum line says.
type sumLine struct {
	bytes   int64
	crc     uint32
	synced  int64
	batches bool // follow
	longer  bool // by one byte, which means nothing
}

func (l *sumLine) append(p []byte) []byte {
	plus := ""
	if l.batches {
		plus = "+"
	}
	if l.longer {
		plus += "+"
	}
	return fmt.Appendf(p, "#SUM:%d:%08x:%d%s\r\n", l.bytes, l.crc, l.synced, plus)
}

func parseSum(line []byte) (l sumLine, ok bool) {
	line, ok = bytes.CutSuffix(line, []byte("\r\n"))
	if !ok {
		return l, false
	}
	line, l.batches = bytes.CutSuffix(line, []byte("+"))
	line, l.longer = bytes.CutSuffix(line, []byte("+"))
	n, err := fmt.Sscanf(string(line)+"\n", "#SUM:%d:%08x:%d\n", &l.bytes, &l.crc, &l.synced)
	return l, err == nil && n == 3 && (l.bytes > 0 || l.bytes == 0 && l.batches)
}

// sum compares a checksum line with what was read.
func (s *scan) sum(it *Item) error {
	l, ok := parseSum(it.Raw)
	if !ok {
		return &DamageError{it.At, "a checksum line that cannot be read"}
	}
	if (l.bytes != s.since || l.crc != s.crc) && s.inBatch() {
		return s.brokenBatch(s.sumEnd, fmt.Sprintf("the bytes before byte %d do not have their checksum", it.At))
	}
	switch {
	case l.bytes != s.since:
		s.res.Tail = s.summed.Tail
		return &DamageError{s.sumEnd, fmt.Sprintf("%d bytes stand before the checksum line at byte %d, which is about %d", s.since, it.At, l.bytes)}
	case l.crc != s.crc:
		s.res.Tail = s.summed.Tail
		return &DamageError{s.sumEnd, fmt.Sprintf("the %d bytes before byte %d do not have their checksum", l.bytes, it.At)}
	}
	s.res.Sums++
	s.since, s.crc, s.sumEnd, s.batch = 0, 0, it.End(), l.batches
	if !s.multi {
		s.good(it.End())
		s.summed = s.res
	}
	return nil
}

// broken decides what it means that at the reader's place there is no whole command.
func (s *scan) broken(why error) error {
	if s.sealed != nil {
		return s.brokenSeal(why)
	}
	at := s.r.At()
	if s.inBatch() {
		return s.brokenBatch(at, "no command stands there: "+why.Error())
	}
	zeros, err := trimmed(s.f, s.res.Size, "\x00")
	if err != nil {
		return err
	}
	if zeros < s.res.Size && zeros <= at { // nothing but zeros
		s.res.Torn = TornZeros
		return nil
	}
	later, ok, err := s.laterSum(at)
	if err != nil {
		return err
	}
	hole := false
	if ok && later.synced <= at {
		if hole, err = s.zeroAt(at); err != nil {
			return err
		}
	}
	switch {
	case hole: // the disk never had it, though it has what came later
		s.res.Torn = TornZeros
		return nil
	case ok:
		s.res.Tail = s.summed.Tail
		return &DamageError{at, "no command stands there, and checksum lines follow: " + why.Error()}
	case why == errTorn:
		s.res.Torn = TornEnd
		return nil
	}
	if zeros < s.res.Size { // a command that is not complete, then zeros?
		r := NewLogReader(io.NewSectionReader(s.f, at, zeros-at), at, zeros)
		if _, err := r.Next(); err == errTorn {
			s.res.Torn = TornZeros
			return nil
		}
	}
	return &DamageError{at, "no command stands there"}
}

// brokenSeal is broken for a sealed file: a frame that opens holds whole bytes, so it is the frame that is torn, or not.
func (s *scan) brokenSeal(why error) error {
	at := s.sealed.At()
	zeros, err := trimmed(s.f, s.res.Size, "\x00")
	if err != nil {
		return err
	}
	torn := NotTorn
	if why == errTorn && s.sealed.err != ErrTampered {
		torn = TornEnd
	} else if size, err := s.frameAt(at); err != nil {
		return err
	} else if zeros < min(s.res.Size, at+size) { // a frame ends with its tag, which is hardly ever 0
		torn = TornZeros
	}
	goesOn := false
	if torn != NotTorn {
		if goesOn, err = s.sealGoesOn(zeros); err != nil {
			return err
		}
	}
	if torn == NotTorn || goesOn {
		return &DamageError{at, ErrTampered.Error()}
	}
	s.res.Torn = torn
	return nil
}

// sealGoesOn tells whether the frame that seems to be torn is not: it ends where the file does, before its zeros, or the next
// one follows, and only its length says otherwise, which nothing vouches for.
func (s *scan) sealGoesOn(zeros int64) (bool, error) {
	const around, most = 4 + tagBytes, 4 + tagBytes + frameBytes
	buf, err := s.look(s.sealed.at, 2*most)
	if err != nil {
		return false, err
	}
	for at := around; at <= min(len(buf), most); at++ {
		if over := s.sealed.at + int64(at) - zeros; over >= 0 && over < 4 && s.sealed.s.opens(0, buf[4:at]) { // a tag may end with zeros
			return true, nil
		}
		next := buf[at:]
		if len(next) < around {
			continue
		}
		if size := int64(binary.BigEndian.Uint32(next)); size > 0 && size <= int64(len(next)-around) && s.sealed.s.opens(1, next[4:around+size]) {
			return true, nil
		}
	}
	return false, nil
}

// frameAt is how long the frame at a place of the file says it is.
func (s *scan) frameAt(at int64) (int64, error) {
	b, err := s.look(at, 4)
	var word [4]byte
	copy(word[:], b)
	return 4 + int64(binary.BigEndian.Uint32(word[:])&^lastFrame) + tagBytes, err
}

// look reads n bytes at a place, or fewer if the file ends before. What a disk does not give is no evidence of anything.
func (s *scan) look(at int64, n int) ([]byte, error) {
	b := make([]byte, n)
	k, err := s.f.ReadAt(b, at)
	if err == io.EOF {
		err = nil
	}
	return b[:k], err
}

// inBatch tells whether the reader is behind a line that says that batches follow, and where the last one ends there is room.
func (s *scan) inBatch() bool { return s.batch && s.res.Size-s.rest >= sector }

// brokenBatch decides what it means that what follows the last checksum line is no batch with a line of its own. If no
// later line knows that the disk has had it, and sectors or that line are missing, then the power went while it was
// written, and nobody has been told that it is there.
func (s *scan) brokenBatch(at int64, why string) error {
	later, ok, err := s.laterSum(s.sumEnd)
	if err != nil {
		return err
	}
	hole := false
	if ok && later.synced <= s.sumEnd {
		if hole, err = s.hole(s.sumEnd, s.rest); err != nil {
			return err
		}
	}
	s.res = s.summed
	if ok && !hole {
		return &DamageError{at, why}
	}
	s.res.Torn = TornBatch
	return nil
}

// hole tells whether between two places a sector, or the rest of the first one, was never written: there still is room, or
// zeros. That the last sector was not would be seen by the line that is missing.
func (s *scan) hole(from, to int64) (bool, error) {
	buf := make([]byte, 128*sector)
	for at := from; at < to; {
		n := min(to-at, int64(len(buf))-at%sector)
		if _, err := s.f.ReadAt(buf[:n], at); err == io.EOF {
			return false, ErrShort
		} else if err != nil {
			return false, err
		}
		for p := buf[:n]; len(p) > 0; {
			k := int(sector - at%sector)
			if k > len(p) {
				return false, nil
			}
			if allOf(p[:k], '#') || allOf(p[:k], 0) {
				return true, nil
			}
			p, at = p[k:], at+int64(k)
		}
	}
	return false, nil
}

func allOf(p []byte, b byte) bool { return bytes.Count(p, []byte{b}) == len(p) }

// trimmed is where the bytes of set begin with which a file of size bytes ends.
func trimmed(f io.ReaderAt, size int64, set string) (int64, error) {
	buf := make([]byte, 64<<10)
	for size > 0 {
		n := min(size, int64(len(buf)))
		if _, err := f.ReadAt(buf[:n], size-n); err == io.EOF { // what buf has is not what stands there
			return 0, ErrShort
		} else if err != nil {
			return 0, err
		}
		if rest := bytes.TrimRight(buf[:n], set); len(rest) > 0 {
			return size - n + int64(len(rest)), nil
		}
		size -= n
	}
	return 0, nil
}

// zeroAt tells whether many zeros stand at a place, or little behind it: the rest of a command may still be there.
func (s *scan) zeroAt(at int64) (bool, error) {
	const many = 512
	b, err := s.look(at, 8192)
	return err == nil && bytes.Contains(b, make([]byte, many)), err
}

// laterSum finds a checksum line behind a place that nobody can have written but this log: it fits to the place of the
// last one, or its bytes have the checksum. Of several it returns the one that knows most of the disk.
func (s *scan) laterSum(at int64) (found sumLine, any bool, err error) {
	const overlap = logLine
	buf := make([]byte, 256<<10)
	for pos := at; pos < s.res.Size; {
		n, err := s.f.ReadAt(buf, pos)
		if err != nil && err != io.EOF {
			return found, any, err
		}
		for i := 0; i < n; {
			k := bytes.Index(buf[i:n], []byte("\n#SUM:"))
			if k < 0 {
				break
			}
			i += k + 1
			l, ok := parseSum(firstLine(buf[i:min(n, i+logLine)]))
			line := pos + int64(i)
			if ok = ok && l.bytes > 0; ok && line-l.bytes != s.sumEnd {
				if ok, err = s.fits(line, l, at); err != nil {
					return found, any, err
				}
			}
			if ok && (!any || l.synced > found.synced) {
				found, any = l, true
			}
		}
		if n < len(buf) {
			break
		}
		pos += int64(n) - overlap
	}
	return found, any, nil
}

func firstLine(p []byte) []byte { return p[:bytes.IndexByte(p, '\n')+1] }

// fits tells whether the bytes before a checksum line, of which none stands before from, have the checksum.
func (s *scan) fits(line int64, l sumLine, from int64) (bool, error) {
	if line-l.bytes < from || l.bytes > 64<<20 {
		return false, nil
	}
	p, err := s.look(line-l.bytes, int(l.bytes))
	return err == nil && int64(len(p)) == l.bytes && crc32.Checksum(p, castagnoli) == l.crc, err
}

// ErrShort is a file that ends before the place where it has to: it has been cut meanwhile, or whoever keeps it does not give
// all of it. That is no torn end, and nothing may be made of it.
var ErrShort = errors.New("the file is shorter than it has to be")

// A Whole reads as many bytes as there have to be, and then ends: an end before that is ErrShort.
type Whole struct {
	In   io.Reader
	Left int64
}

func (w *Whole) Read(p []byte) (int, error) {
	switch {
	case w.Left == 0:
		return 0, io.EOF
	case w.Left < 0: // it has been cut before the place where it was to begin
		return 0, ErrShort
	}
	n, err := w.In.Read(p[:min(int64(len(p)), w.Left)])
	w.Left -= int64(n)
	if w.Left > 0 && (err == io.EOF || err == io.ErrUnexpectedEOF) {
		err = ErrShort
	}
	return n, err
}

// CutFile makes a file end at a place and waits until the disk has that.
func CutFile(disk Disk, path string, end int64) error {
	f, err := disk.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(end), f.Sync(), f.Close())
}
