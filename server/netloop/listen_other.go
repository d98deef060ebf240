//go:build !linux

package netloop

import "os"

func (e *Engine) listenTCP(host string, port, _ int, tag string) (*Listener, error) {
	ip, zone, six, err := resolve(host)
	if err != nil {
		return nil, err
	}
	return e.listenTCPNet(ip, zone, six, port, tag, nil)
}

func (e *Engine) listenUnix(path string, prepare func(path string) error, _ int, tag string) (*Listener, error) {
	return e.listenUnixNet(path, prepare, tag)
}

// watch and closeFD are about descriptors, which portable listeners have none of.
func (ln *Listener) watch() error   { return os.ErrInvalid }
func (ln *Listener) closeFD() error { return os.ErrInvalid }
