package wire

import (
	"bufio"
	"errors"
	"net"
	"os"
	"time"
)

// Conn is one connection to a server. It is not safe for use by several goroutines, except that one may send while
// another receives.
type Conn struct {
	nc      net.Conn
	r       *bufio.Reader
	Timeout time.Duration // for each send and each reply; 0 waits forever
}

// DefaultTimeout is how long a new Conn waits for a reply: far longer than any reply takes on a busy machine, and
// short enough that a server which does not answer is named by the test, not by the test runner's own limit.
const DefaultTimeout = time.Minute

// Dial connects to "host:port", or to a unix socket where addr begins with "/".
func Dial(addr string) (*Conn, error) {
	network := "tcp"
	if addr != "" && addr[0] == '/' {
		network = "unix"
	}
	nc, err := net.DialTimeout(network, addr, DefaultTimeout)
	if err != nil {
		return nil, err
	}
	return Over(nc), nil
}

// Over makes a Conn of a connection that somebody else has made, as by TLS.
func Over(nc net.Conn) *Conn {
	return &Conn{nc: nc, r: bufio.NewReaderSize(nc, 1<<16), Timeout: DefaultTimeout}
}

// Close closes the connection.
func (c *Conn) Close() error { return c.nc.Close() }

// LocalAddr is the client's own "host:port", which CLIENT LIST shows as addr.
func (c *Conn) LocalAddr() string { return c.nc.LocalAddr().String() }

// Send sends one command and does not wait.
func (c *Conn) Send(args ...string) error { return c.SendRaw(AppendRequest(nil, args...)) }

// SendRaw sends bytes as they are.
func (c *Conn) SendRaw(b []byte) error {
	if c.Timeout > 0 {
		if err := c.nc.SetWriteDeadline(time.Now().Add(c.Timeout)); err != nil {
			return err
		}
	}
	_, err := c.nc.Write(b)
	return err
}

// Receive waits for one reply or push message.
func (c *Conn) Receive() (Value, error) {
	var deadline time.Time
	if c.Timeout > 0 {
		deadline = time.Now().Add(c.Timeout)
	}
	if err := c.nc.SetReadDeadline(deadline); err != nil {
		return Value{}, err
	}
	return Read(c.r)
}

// Do sends one command and returns its reply. An error reply is a Value, not an error.
func (c *Conn) Do(args ...string) (Value, error) {
	if err := c.Send(args...); err != nil {
		return Value{}, err
	}
	return c.Receive()
}

// Pending says whether bytes have arrived that nobody has read. It waits at most wait for them.
func (c *Conn) Pending(wait time.Duration) (bool, error) {
	if c.r.Buffered() > 0 {
		return true, nil
	}
	if err := c.nc.SetReadDeadline(time.Now().Add(wait)); err != nil {
		return false, err
	}
	_, err := c.r.Peek(1)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return false, nil
	}
	return err == nil, err
}

// ReceiveSome waits for bytes and returns what has come, as it is; the slice lives until the next call.
func (c *Conn) ReceiveSome() ([]byte, error) {
	if err := c.nc.SetReadDeadline(time.Now().Add(DefaultTimeout)); err != nil {
		return nil, err
	}
	if _, err := c.r.Peek(1); err != nil {
		return nil, err
	}
	b, err := c.r.Peek(c.r.Buffered())
	if err != nil {
		return nil, err
	}
	_, err = c.r.Discard(len(b))
	return b, err
}
