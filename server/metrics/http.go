package metrics

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Options say what a Server shows.
type Options struct {
	// Tell puts what the server knows on a page. Only one call runs at a time.
	Tell func(*Page)
	// Alive tells whether the server does its work at all; if not, why. It answers within a second or so.
	Alive func() error
	// Ready tells whether clients should be sent here; if not, why.
	Ready func() error
}

// Limits of the HTTP server. Readers are few and known; whoever else connects must not cost much.
const (
	maxReaders   = 4 // of /metrics at a time
	readTimeout  = 5 * time.Second
	writeTimeout = 30 * time.Second
	idleTimeout  = 2 * time.Minute
	maxHeader    = 16 << 10
	maxConns     = 64
)

// A Server answers HTTP requests. It listens nowhere at first.
type Server struct {
	mux       *http.ServeMux
	collector *collector

	mu      sync.Mutex
	serving *http.Server
	ports   []net.Listener
	hosts   []string // where ports listen, as asked for
	port    int
}

// New makes a Server.
func New(o Options) *Server {
	reg := prometheus.NewRegistry()
	s := &Server{mux: http.NewServeMux(), collector: &collector{tell: o.Tell}}
	reg.MustRegister(s.collector, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	s.mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{MaxRequestsInFlight: maxReaders, EnableOpenMetrics: true}))
	s.mux.HandleFunc("GET /healthz", verdict(o.Alive))
	s.mux.HandleFunc("GET /readyz", verdict(o.Ready))
	s.mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, "Larder\n\n/metrics  figures for Prometheus\n/healthz  whether the server lives\n/readyz   whether to send clients here\n")
	})
	return s
}

// verdict answers 200 ok, or 503 and why not.
func verdict(check func() error) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		if err := check(); err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, err.Error()+"\n")
			return
		}
		_, _ = io.WriteString(w, "ok\n")
	}
}

// Listen answers at these addresses and this port from now on, and nowhere else; 0 is nowhere. An address that begins
// with "-" may be one that this machine does not have. If an address fails it is listened where it was before.
func (s *Server) Listen(hosts []string, port int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if port == 0 || len(hosts) == 0 {
		s.close()
		return nil
	}
	if port == s.port { // "*" and an address of this machine exclude each other at one port: the old ones have to go first
		s.shut()
	}
	ports, err := open(hosts, port)
	if err != nil {
		if port != s.port {
			return err
		}
		hosts = s.hosts
		var again error
		if ports, again = open(hosts, port); again != nil {
			return errors.Join(err, again)
		}
	}
	s.shut()
	if s.serving == nil {
		s.serving = &http.Server{
			Handler: s.mux, ReadHeaderTimeout: readTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
			MaxHeaderBytes: maxHeader,
		}
	}
	for _, ln := range ports {
		go func(srv *http.Server) { _ = srv.Serve(ln) }(s.serving) // ends when the listener is closed
	}
	s.ports, s.hosts, s.port = ports, hosts, port
	return err
}

// open listens at addresses, all of them or none.
func open(hosts []string, port int) (ports []net.Listener, err error) {
	for _, host := range hosts {
		host, optional := strings.CutPrefix(host, "-")
		network := "tcp"
		switch {
		case host == "*":
			host, network = "0.0.0.0", "tcp4"
		case host == "::*":
			host, network = "::", "tcp6"
		case strings.Contains(host, ":"):
			network = "tcp6"
		default: // 0.0.0.0 is all of IPv4; for package net it is IPv6, too
			if _, err := netip.ParseAddr(host); err == nil {
				network = "tcp4"
			}
		}
		ln, err := net.Listen(network, net.JoinHostPort(host, strconv.Itoa(port)))
		if err != nil && optional {
			continue
		}
		if err != nil {
			for _, ln := range ports {
				ln.Close()
			}
			return nil, err
		}
		ports = append(ports, &counted{Listener: ln, room: make(chan struct{}, maxConns)})
	}
	if len(ports) == 0 {
		return nil, errors.New("no address to listen on")
	}
	return ports, nil
}

// shut closes the listeners.
func (s *Server) shut() {
	for _, ln := range s.ports {
		ln.Close()
	}
	s.ports = nil
}

// Addr is where the Server listens first, "" if nowhere.
func (s *Server) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.ports) == 0 {
		return ""
	}
	return s.ports[0].Addr().String()
}

// Close ends everything. Nobody looks at the server any more when it returns.
func (s *Server) Close() {
	s.mu.Lock()
	s.close()
	s.mu.Unlock()
	s.collector.end()
}

// close stops listening. Requests that came before are still answered; it does not wait for that.
func (s *Server) close() {
	if s.serving == nil {
		return
	}
	s.shut()
	go func(old *http.Server) {
		ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
		defer cancel()
		_ = old.Shutdown(ctx)
	}(s.serving)
	s.serving, s.hosts, s.port = nil, nil, 0
}

// counted serves no more than maxConns connections at a time and hangs up on others.
type counted struct {
	net.Listener
	room chan struct{}
}

// Accept waits for a connection that there is room for.
func (l *counted) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case l.room <- struct{}{}:
			return &guest{Conn: c, leave: sync.OnceFunc(func() { <-l.room })}, nil
		default:
			c.Close()
		}
	}
}

type guest struct {
	net.Conn
	leave func()
}

// Close makes room for another one.
func (g *guest) Close() error {
	g.leave()
	return g.Conn.Close()
}
