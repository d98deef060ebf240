package server

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"larder/persistence"
)

// readKeys reads encryption-key-file. Without one, files are as redis-server has them.
func (srv *Server) readKeys() error {
	path := srv.conf.EncryptionKeyFile.Get()
	if path == "" {
		srv.keys = nil
		return nil
	}
	b, err := os.ReadFile(srv.conf.Path(path))
	if err != nil {
		return fmt.Errorf("encryption-key-file: %w", err)
	}
	keys, err := persistence.ParseKeys(b)
	if err != nil {
		return fmt.Errorf("encryption-key-file %s: %w", path, err)
	}
	srv.keys = keys
	return nil
}

// sealed has write fill a file, encrypted if there is a key.
func (srv *Server) sealed(f io.Writer, write func(out io.Writer) error) error {
	key := srv.keys.Current()
	if key == nil {
		return write(f)
	}
	w, err := persistence.NewSealWriter(f, key)
	if err != nil {
		return errors.Join(err, write(failedWriter{err})) // a snapshot that nobody runs would never end
	}
	return errors.Join(write(w), w.Close())
}

// failedWriter is a file that could not be begun.
type failedWriter struct{ err error }

func (f failedWriter) Write([]byte) (int, error) { return 0, f.err }

// openSealed opens a file that may be encrypted. size is what its content has at most.
func (srv *Server) openSealed(path string) (f *os.File, in io.Reader, size int64, err error) {
	if f, err = os.Open(path); err != nil {
		return nil, nil, 0, err
	}
	info, err := f.Stat()
	if err == nil {
		size = info.Size()
		var o *persistence.Opener
		if o, err = persistence.OpenSealed(f, srv.keys); err == nil {
			in = o
			if !o.Sealed() {
				_, err = f.Seek(0, io.SeekStart)
				in = f
			}
		}
	}
	if err != nil {
		f.Close()
		return nil, nil, 0, err
	}
	return f, in, size, nil
}

// A passage is a file without a name, which lives as long as it is open: a snapshot on its way to replicas, or from the primary.
// It is encrypted as the others are if there is a key: that its name is gone does not make the disk forget what stood there.
type passage struct {
	file *os.File
	in   io.Reader // what is in it
	size int64     // of that
}

// newPassage has fill write a file in the folder of snapshots, under a name that is given up at once. fill is called in any case.
func (srv *Server) newPassage(name string, fill func(out io.Writer) error) (*passage, error) {
	f, err := os.CreateTemp(filepath.Dir(srv.snapshotPath()), name)
	if err != nil {
		_ = fill(failedWriter{err}) // which can only tell the same
		return nil, err
	}
	os.Remove(f.Name())
	p := &passage{file: f, in: f}
	err = srv.sealed(f, func(out io.Writer) error { return fill(&countingWriter{out, &p.size}) })
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err == nil && srv.keys.Current() != nil {
		p.in, err = persistence.OpenSealed(f, srv.keys)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return p, nil
}

// countingWriter counts what is written.
type countingWriter struct {
	io.Writer
	n *int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	*c.n += int64(n)
	return n, err
}
