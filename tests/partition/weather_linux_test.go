package partition

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// weather is a network between the members of a group that this test carries the packets of, through a TUN device in each
// namespace: it can lose them, keep them for a while and let them overtake each other, in each direction for itself.
type weather struct {
	mu    sync.Mutex
	links map[[2]*node]link
	nodes map[[4]byte]*node
	ports map[*node]*os.File
}

// link is how packets of one member to another fare.
type link struct {
	cut           bool
	loss          float64
	delay, jitter time.Duration
}

// newWeather lays the network between the members, who have an address each on the bridge already.
func newWeather(t *testing.T, nodes []*node) (*weather, error) {
	w := &weather{links: map[[2]*node]link{}, nodes: map[[4]byte]*node{}, ports: map[*node]*os.File{}}
	for _, n := range nodes {
		port, err := tunIn(n.space)
		if err != nil {
			return nil, err
		}
		t.Cleanup(func() { port.Close() })
		w.ports[n] = port
		w.nodes[[4]byte(net.ParseIP(n.host).To4())] = n
		n.g.must("ip", "-n", n.space, "link", "set", "air", "up")
		for _, o := range nodes {
			if o != n {
				n.g.must("ip", "-n", n.space, "route", "add", o.host+"/32", "dev", "air", "src", n.host)
			}
		}
	}
	for n, port := range w.ports {
		go w.carry(n, port)
	}
	return w, nil
}

// tunIn makes the TUN device "air" in a network namespace.
func tunIn(space string) (*os.File, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(home)
	there, err := unix.Open("/run/netns/"+space, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(there)
	if err := unix.Setns(there, unix.CLONE_NEWNET); err != nil {
		return nil, err
	}
	defer func() {
		if err := unix.Setns(home, unix.CLONE_NEWNET); err != nil {
			panic(fmt.Sprint("the thread is lost in a namespace: ", err))
		}
	}()
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	req, err := unix.NewIfreq("air")
	if err == nil {
		req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, req)
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), "/dev/net/tun"), nil
}

// carry takes what n sends to where it is meant for.
func (w *weather) carry(n *node, from *os.File) {
	buf := make([]byte, 64<<10)
	for {
		size, err := from.Read(buf)
		if err != nil {
			return // the test is over
		}
		if size < 20 || buf[0]>>4 != 4 {
			continue
		}
		w.mu.Lock()
		o := w.nodes[[4]byte(buf[16:20])]
		l := w.links[[2]*node{n, o}]
		w.mu.Unlock()
		if o == nil || l.cut || rand.Float64() < l.loss {
			continue
		}
		packet, to := append([]byte(nil), buf[:size]...), w.ports[o]
		if wait := l.delay + time.Duration(rand.Int64N(int64(l.jitter)+1)); wait > 0 {
			time.AfterFunc(wait, func() { _, _ = to.Write(packet) }) // the test may be over
		} else {
			_, _ = to.Write(packet)
		}
	}
}

// set changes how packets fare from n to o.
func (w *weather) set(n, o *node, change func(l *link)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.links[[2]*node{n, o}]
	change(&l)
	w.links[[2]*node{n, o}] = l
}

// clear makes everything well.
func (w *weather) clear() {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.links)
}
