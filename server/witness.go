package server

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"

	"go.uber.org/zap"

	quorum "larder/replication/failover"
)

// WitnessOptions are what `larder witness` is told.
type WitnessOptions struct {
	Group, Secret    string
	Listen, Announce string // the failover port, and how others reach it if that differs
	Peers            []string
	Dir              string // where it remembers what it voted for
	Profile          string // default, tight or wide
	SentinelPort     int    // 0 for none
	Bind             []string
	Password         string // of the sentinel port
}

// RunWitness is a member of a failover group that has no data: it votes, so that a pair has a majority without the node
// that is lost, and tells clients who is primary. It runs until ctx is done.
func RunWitness(ctx context.Context, o WitnessOptions, log *zap.Logger) error {
	profile, ok := quorum.Profiles[o.Profile]
	switch {
	case !ok:
		return errors.New("the profile is one of default, tight and wide")
	case o.Group == "":
		return errors.New("--group says which group this witness belongs to")
	case o.Listen == "":
		return errFailoverListen
	case len(o.Peers) == 0:
		return errFailoverPeers
	}
	if o.Announce == "" {
		o.Announce = o.Listen
	}
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return err
	}
	ln, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return err
	}
	host, _, _ := net.SplitHostPort(o.Announce)
	w := &witness{host: host, sentinel: &sentinel{group: o.Group, port: o.SentinelPort, password: func() string { return o.Password }}}
	node, err := quorum.Start(quorum.Options{
		Group: o.Group, Secret: o.Secret, ID: o.Announce, Peers: o.Peers, Dir: filepath.Join(o.Dir, "failover"), Profile: profile, Watcher: w,
		Log: func(s string) { log.Info(s) }, Warn: func(s string) { log.Warn(s) },
	}, ln)
	if err != nil {
		ln.Close()
		return err
	}
	w.sentinel.node = node
	if o.SentinelPort != 0 {
		if err := startSentinel(w.sentinel, o.Bind); err != nil {
			node.Stop()
			return err
		}
	}
	log.Info("Witness of group " + o.Group + " is ready")
	<-ctx.Done()
	if o.SentinelPort != 0 {
		w.sentinel.stop()
	}
	node.Stop()
	log.Info("Witness ends")
	return nil
}

// witness tells the clients of a witness's sentinel port what changes.
type witness struct {
	host     string
	sentinel *sentinel
	last     *quorum.State
}

// Report is quorum.Watcher's.
func (w *witness) Report(r *quorum.Report) {
	r.Member.Host, r.Member.Sentinel = w.host, w.sentinel.port
}

// Changed is quorum.Watcher's.
func (w *witness) Changed(s *quorum.State) {
	before := w.last
	w.last = s
	if before != nil {
		w.sentinel.switched(before, s)
	}
}
