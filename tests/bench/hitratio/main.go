// Hitratio runs traces through the eviction of the server: the real policies on the real keyspace, next to models of what
// redis-server does and to Belady's optimum.
//
//	go run ./tests/bench/hitratio TRACE...                      every policy, caches of 0.1 to 25 % of the objects
//	go run ./tests/bench/hitratio -bytes TRACE...               caches of so many bytes, where the trace has sizes
//	go run ./tests/bench/hitratio -policies allkeys-lru,allkeys-s3fifo -shards 1 TRACE...
//	go run ./tests/bench/hitratio -json cells.json -png plot.png TRACE...
//
// Each request is a GET, and a SET of the object if that was a miss. readTrace says which formats are read.
//
// Columns: redis-lru and redis-lfu are models of redis-server with 5 samples, redis-lru-10 and redis-lfu-10 with 10; the
// others are policies of this server; optimum needs to know the future. "closure" is the share of the way from redis-lru
// to the optimum.
//
// Clocks: for LRU a second goes by with each request, so that its resolution never matters; under LFU a thousand requests
// are a second (-rate), of which 60 let the counters decay.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"

	"larder/eviction"
)

// cell is one trace in one cache.
type cell struct {
	Trace    string             `json:"trace"`
	Capacity int64              `json:"capacity"` // objects or bytes
	Share    float64            `json:"share"`    // of the footprint
	Hits     map[string]float64 `json:"object_hit_ratio"`
	Bytes    map[string]float64 `json:"byte_hit_ratio"`
}

const best = "optimum"

type options struct {
	policies []string
	shares   []float64
	least    int64
	shards   int
	samples  int
	bytes    bool
	rate     int
	seed     uint64
	limit    int
	bySize   bool
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "hitratio:", err)
		os.Exit(1)
	}
}

func run() error {
	var o options
	policies := flag.String("policies", "allkeys-lru,allkeys-lfu,allkeys-random,allkeys-s3fifo", "policies of the server, comma-separated")
	shares := flag.String("shares", "0.1,0.3,1,3,5,10,25", "sizes of the cache, in percent of what the trace touches")
	flag.Int64Var(&o.least, "least", 500, "smallest cache, in objects of average size")
	flag.IntVar(&o.shards, "shards", 16, "shards of the keyspace; the server has that many on up to two processors")
	flag.IntVar(&o.samples, "samples", 5, "maxmemory-samples of our own policies")
	flag.BoolVar(&o.bytes, "bytes", false, "the cache is so many bytes, not objects; for traces with sizes")
	flag.BoolVar(&o.bySize, "by-size", false, "s3fifo-by-size: large objects have to be used more than small ones")
	flag.IntVar(&o.rate, "rate", 1000, "requests per second, for policies that count in minutes")
	flag.Uint64Var(&o.seed, "seed", 1, "of all random choices")
	flag.IntVar(&o.limit, "requests", 1_000_000, "requests of each trace, at most")
	withModels := flag.Bool("models", true, "measure the models of redis-server and the optimum, too")
	format := flag.String("format", "", "format of the traces, where the guess is wrong")
	jsonOut := flag.String("json", "", "file for all cells")
	pngOut := flag.String("png", "hitratio.png", "file for the plot; empty: none")
	flag.Parse()
	if flag.NArg() == 0 {
		flag.Usage()
		return fmt.Errorf("no trace is named")
	}
	for p := range strings.SplitSeq(*policies, ",") {
		if eviction.ByName(p) == nil {
			return fmt.Errorf("there is no policy %q", p)
		}
		o.policies = append(o.policies, p)
	}
	for s := range strings.SplitSeq(*shares, ",") {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return fmt.Errorf("-shares: %w", err)
		}
		o.shares = append(o.shares, f)
	}
	if !*withModels {
		models = nil
	}
	var cells []*cell
	for _, path := range flag.Args() {
		t, err := readTrace(path, *format, o.limit)
		if err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "%s: %d requests, %d objects\n", t.name, len(t.accesses), t.keys)
		c, err := o.measure(t)
		if err != nil {
			return err
		}
		cells = append(cells, c...)
	}
	if len(cells) == 0 {
		return fmt.Errorf("no trace is large enough for a cache of %d objects at these -shares", o.least)
	}
	o.print(cells)
	if *jsonOut != "" {
		b, err := json.MarshalIndent(cells, "", " ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(*jsonOut, b, 0o644); err != nil {
			return err
		}
	}
	if *pngOut != "" {
		if err := plot(*pngOut, cells, o.columns()); err != nil {
			return err
		}
		fmt.Println("plot:", *pngOut)
	}
	return nil
}

var models = []string{"redis-lru", "redis-lru-10", "redis-lfu", "redis-lfu-10"}

// columns are the names of all that is measured.
func (o *options) columns() []string {
	if models == nil {
		return o.policies
	}
	return append(append(slices.Clone(models), o.policies...), best)
}

// measure runs a trace through caches of all sizes.
func (o *options) measure(t *trace) ([]*cell, error) {
	unit := !o.bytes || !t.sized
	whole, least := int64(t.keys), o.least
	if !unit {
		whole, least = t.bytes, o.least*t.bytes/int64(t.keys)
	}
	var cells []*cell
	for _, s := range o.shares {
		if n := int64(s / 100 * float64(whole)); n >= least {
			cells = append(cells, &cell{Trace: t.name, Capacity: n, Share: s, Hits: map[string]float64{}, Bytes: map[string]float64{}})
		}
	}
	type job struct {
		c    *cell
		name string
	}
	jobs := make(chan job)
	var mu sync.Mutex
	var failed error
	var workers sync.WaitGroup
	for range runtime.NumCPU() {
		workers.Go(func() {
			for j := range jobs {
				r, err := o.one(t, j.c.Capacity, unit, j.name)
				mu.Lock()
				if err != nil {
					failed = err
				}
				j.c.Hits[j.name], j.c.Bytes[j.name] = r.ratio(), r.byteRatio()
				mu.Unlock()
			}
		})
	}
	for _, c := range cells {
		for _, name := range o.columns() {
			jobs <- job{c, name}
		}
	}
	close(jobs)
	workers.Wait()
	return cells, failed
}

func (o *options) one(t *trace, capacity int64, unit bool, name string) (result, error) {
	const start = 1_700_000_000_000
	fine := func(i int) int64 { return start + int64(i)*1000 }
	coarse := func(i int) int64 { return start + int64(i)*1000/int64(o.rate) }
	switch name {
	case best:
		return optimum(t, capacity, unit), nil
	case "redis-lru":
		return runRedis(t, capacity, unit, false, 5, fine, o.seed), nil
	case "redis-lru-10":
		return runRedis(t, capacity, unit, false, 10, fine, o.seed), nil
	case "redis-lfu":
		return runRedis(t, capacity, unit, true, 5, coarse, o.seed), nil
	case "redis-lfu-10":
		return runRedis(t, capacity, unit, true, 10, coarse, o.seed), nil
	}
	clock := coarse
	if eviction.ByName(name).Words != eviction.WordsLFU {
		clock = fine
	}
	return runLarder(t, capacity, unit, name, o.shards, o.samples, o.bySize, clock, o.seed)
}

// closure is the share of the way from one ratio to the optimum; false if there is no way to go.
func closure(c *cell, name, from string) (float64, bool) {
	base := c.Hits[from]
	if from == "" {
		base = max(c.Hits["redis-lru"], c.Hits["redis-lfu"])
	}
	gap := c.Hits[best] - base
	return (c.Hits[name] - base) / gap, gap > 0.1
}

func (o *options) print(cells []*cell) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	header := "trace\tsize\t%\t" + strings.Join(o.columns(), "\t") + "\t"
	fmt.Fprintln(w, "object hit ratio, %\n"+header)
	for _, c := range cells {
		fmt.Fprintf(w, "%s\t%d\t%g\t", c.Trace, c.Capacity, c.Share)
		for _, p := range o.columns() {
			fmt.Fprintf(w, "%.2f\t", c.Hits[p])
		}
		fmt.Fprintln(w)
	}
	w.Flush()
	if slices.ContainsFunc(cells, func(c *cell) bool { return differ(c) }) {
		w = tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintln(w, "\nbyte hit ratio, %\n"+header)
		for _, c := range cells {
			if !differ(c) {
				continue
			}
			fmt.Fprintf(w, "%s\t%d\t%g\t", c.Trace, c.Capacity, c.Share)
			for _, p := range o.columns() {
				fmt.Fprintf(w, "%.2f\t", c.Bytes[p])
			}
			fmt.Fprintln(w)
		}
		w.Flush()
	}
	fmt.Printf("\n%d cells\n", len(cells))
	if models == nil {
		return
	}
	w = tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\tmean\tclosure from redis-lru\tfrom the better of redis-lru and redis-lfu\tat least redis-lru - 0.1\t")
	fmt.Fprintln(w, "\t\tmedian (mean)\tmedian (mean)\tof the cells\t")
	for _, p := range o.columns() {
		mean, good := 0.0, 0
		var lru, both []float64
		for _, c := range cells {
			mean += c.Hits[p] / float64(len(cells))
			if x, ok := closure(c, p, "redis-lru"); ok {
				lru = append(lru, x)
			}
			if x, ok := closure(c, p, ""); ok {
				both = append(both, x)
			}
			if c.Hits[p] >= c.Hits["redis-lru"]-0.1 {
				good++
			}
		}
		fmt.Fprintf(w, "%s\t%.2f\t%.3f (%.3f)\t%.3f (%.3f)\t%.1f %%\t\n", p, mean, median(lru), average(lru), median(both), average(both), 100*float64(good)/float64(len(cells)))
	}
	w.Flush()
	for _, pair := range [][2]string{{"allkeys-lru", "redis-lru-10"}, {"allkeys-lfu", "redis-lfu-10"}} {
		if slices.Contains(o.policies, pair[0]) {
			sum, worst, name := 0.0, 0.0, ""
			for _, c := range cells {
				d := c.Hits[pair[0]] - c.Hits[pair[1]]
				if sum += d; d < worst {
					worst, name = d, fmt.Sprintf(" (%s, %d)", c.Trace, c.Capacity)
				}
			}
			fmt.Printf("%s next to %s: %+.2f points on average, at worst %+.2f%s\n", pair[0], pair[1], sum/float64(len(cells)), worst, name)
		}
	}
}

// differ tells whether a cell's objects have sizes: then its two ratios are not the same.
func differ(c *cell) bool {
	return c.Bytes[best] != c.Hits[best]
}

func median(x []float64) float64 {
	if len(x) == 0 {
		return 0
	}
	x = slices.Clone(x)
	slices.Sort(x)
	return (x[(len(x)-1)/2] + x[len(x)/2]) / 2
}

func average(x []float64) (mean float64) {
	for _, f := range x {
		mean += f / float64(len(x))
	}
	return mean
}
