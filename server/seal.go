package server

import (
	"errors"
	"fmt"
	"io"
	"os"

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
