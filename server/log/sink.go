package log

import (
	"os"
	"sync"
	"time"
)

// checkEvery is how long a log file that was moved away may go unnoticed.
const checkEvery = time.Second

// sink is the file that lines go to.
type sink struct {
	path string // "" is standard output
	now  func() time.Time

	mu      sync.Mutex
	file    *os.File
	checked time.Time // when file was last known to be the one at path
	opened  func(*os.File)
}

func openSink(path string, now func() time.Time) (*sink, error) {
	s := &sink{path: path, now: now, file: os.Stdout}
	return s, s.reopen()
}

// Write appends one line. It is called by zap with a whole line.
func (s *sink) Write(line []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.path != "" && s.now().Sub(s.checked) >= checkEvery && !s.inPlace() {
		_ = s.open() // else the old file is better than none
	}
	return s.file.Write(line)
}

// Sync does nothing: lines are not buffered here, and waiting for the disk would stall who logs.
func (s *sink) Sync() error { return nil }

// inPlace reports whether the open file is the one at path.
func (s *sink) inPlace() bool {
	s.checked = s.now()
	there, err := os.Stat(s.path)
	if err != nil {
		return false
	}
	here, err := s.file.Stat()
	return err == nil && os.SameFile(here, there)
}

func (s *sink) reopen() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open()
}

func (s *sink) open() error {
	if s.path == "" {
		return nil
	}
	file, err := os.OpenFile(s.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if s.file != os.Stdout {
		s.file.Close()
	}
	s.file = file
	s.checked = s.now()
	if s.opened != nil {
		s.opened(file)
	}
	return nil
}

func (s *sink) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.path == "" {
		return nil
	}
	return s.file.Close()
}
