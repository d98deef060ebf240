// Package metrics shows what the server knows about itself to Prometheus, and its health to whoever looks after it.
//
//	metrics.go   Page: what one look at the server gathers; the collector
//	names.go     how the fields of INFO are called as metrics
//	http.go      the HTTP server: /metrics, /healthz, /readyz
//
// Most figures are those of INFO under the names that redis_exporter gives them, so that its dashboards and alerts work.
// The server hands over INFO's lines, and names.go says what becomes of each:
//
//	keyspace_hits:12                                     redis_keyspace_hits_total 12
//	cmdstat_get:calls=9,usec=13,usec_per_call=1.44,...   redis_commands_total{cmd="get"} 9
//	                                                     redis_commands_duration_seconds_total{cmd="get"} 1.3e-05
//	db0:keys=5,expires=2,avg_ttl=800                     redis_db_keys{db="db0"} 5
//
// What only Larder has is named larder_*. The number of series is bounded: labels are commands, error codes, loops and
// shards, of which there is a fixed number, and databases and replicas, of which the first MaxLabels are shown.
package metrics

import (
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// MaxLabels bounds the databases, and the replicas, that are shown one by one.
const MaxLabels = 128

// A Page is what one look at the server gathers. Its methods take what is given once; a name that is given twice with
// the same labels keeps the first value.
type Page struct {
	Asked time.Time // when somebody asked for it: others may have had their turn first

	out      chan<- prometheus.Metric
	seen     map[string]bool
	instance map[string]string // fields that become labels
	counts   map[string]int    // of labelled fields
}

// Gauge shows a value that goes up and down. labels are names and values in turn.
func (p *Page) Gauge(name, help string, value float64, labels ...string) {
	p.add(prometheus.GaugeValue, name, help, value, labels)
}

// Counter shows a value that only grows, but for a restart or CONFIG RESETSTAT.
func (p *Page) Counter(name, help string, value float64, labels ...string) {
	p.add(prometheus.CounterValue, name, help, value, labels)
}

func (p *Page) add(kind prometheus.ValueType, name, help string, value float64, labels []string) {
	names, values := p.split(name, labels)
	if names == nil {
		return
	}
	p.out <- prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, names, nil), kind, value, values...)
}

// split parts the names of labels from their values; it gives no names where the series was there already. Clients choose some of
// the values (the code of a script's error, a replica's name), and one that is no UTF-8 would take all other metrics along.
func (p *Page) split(name string, labels []string) (names, values []string) {
	id := name
	names = []string{}
	for i := 0; i+1 < len(labels); i += 2 {
		value := strings.ToValidUTF8(labels[i+1], "\uFFFD")
		names = append(names, labels[i])
		values = append(values, value)
		id += "\x00" + value
	}
	if p.seen[id] {
		return nil, nil
	}
	p.seen[id] = true
	return names, values
}

// Histogram shows counts by upper bound, each with all that is below it.
func (p *Page) Histogram(name, help string, count uint64, sum float64, buckets map[float64]uint64, labels ...string) {
	if names, values := p.split(name, labels); names != nil {
		p.out <- prometheus.MustNewConstHistogram(prometheus.NewDesc(name, help, names, nil), count, sum, buckets, values...)
	}
}

// Summary shows values by quantile, in percent as redis_exporter has them.
func (p *Page) Summary(name, help string, count uint64, sum float64, quantiles map[float64]float64, labels ...string) {
	if names, values := p.split(name, labels); names != nil {
		p.out <- prometheus.MustNewConstSummary(prometheus.NewDesc(name, help, names, nil), count, sum, quantiles, values...)
	}
}

// collector makes metrics of what the server tells.
type collector struct {
	mu   sync.Mutex // one look at a time
	tell func(*Page)
	runs uint64
	took time.Duration // all looks together
}

// Describe leaves the collector unchecked: which series there are depends on what was asked of the server.
func (c *collector) Describe(chan<- *prometheus.Desc) {}

// Collect is one look at the server.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	asked := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tell == nil {
		return
	}
	began := time.Now()
	p := &Page{Asked: asked, out: out, seen: map[string]bool{}, instance: map[string]string{}, counts: map[string]int{}}
	p.Gauge("redis_up", "Information about the Redis instance", 1)
	c.tell(p)
	p.finish()
	last := time.Since(began)
	c.runs++
	c.took += last
	p.Counter("redis_exporter_scrapes_total", "How often the metrics were read", float64(c.runs))
	p.Gauge("redis_exporter_last_scrape_duration_seconds", "How long this reading took", last.Seconds())
	p.Counter("larder_metrics_seconds_total", "How long all readings of the metrics took", c.took.Seconds())
}

// end waits for a look that is being taken, and makes it the last one.
func (c *collector) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tell = nil
}
