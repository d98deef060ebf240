//go:build !linux

package netloop

import "net"

// duplicate is for event loops, of which there are none here.
func duplicate(int) (net.Conn, error) { return nil, ErrInUse }
