package netloop

import (
	"net"
	"strconv"
)

// Listeners of the portable loops. The backlog is what the system gives to net.Listen.

func (e *Engine) listenTCPNet(ip net.IP, zone string, six bool, port int, tag string, door Door) (*Listener, error) {
	network, host := "tcp4", ip.String()
	if six {
		network = "tcp6"
		if zone != "" {
			host += "%" + zone
		}
	}
	nl, err := e.listenNet(network, net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return nil, err
	}
	return e.listenOn(nl, "tcp", tag, door)
}

func (e *Engine) listenUnixNet(path string, prepare func(path string) error, tag string) (*Listener, error) {
	nl, err := e.listenNet("unix", path)
	if err != nil {
		return nil, err
	}
	if err := prepare(path); err != nil {
		nl.Close()
		return nil, err
	}
	return e.Listen(nl, tag)
}
