package server

import (
	"net"
	"testing"
)

// TestReplicationRates has a primary and a replica tell what goes over their link.
func TestReplicationRates(t *testing.T) {
	primary, replica := startServer(t), startServer(t)
	host, port, err := net.SplitHostPort(primary.addr)
	if err != nil {
		t.Fatal(err)
	}
	p, r := primary.dial(), replica.dial()
	r.want("replicaof "+host+" "+port, "OK")
	eventually(t, "the link", func() bool { return r.info("replication", "master_link_status") == "up" })
	eventually(t, "traffic on both sides", func() bool {
		p.want("set k v", "OK")
		return p.info("stats", "instantaneous_output_repl_kbps") != "0.00" && r.info("stats", "instantaneous_input_repl_kbps") != "0.00"
	})
	r.want("replicaof no one", "OK")
	for _, c := range []*testClient{p, r} {
		eventually(t, "the end of the traffic", func() bool {
			return c.info("stats", "instantaneous_output_repl_kbps") == "0.00" && c.info("stats", "instantaneous_input_repl_kbps") == "0.00"
		})
	}
}
