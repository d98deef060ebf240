// Bench measures larder next to every server of its kind that is found on PATH, in one run: make bench.
//
//	go run ./tests/bench                       all that takes a few minutes
//	go run ./tests/bench -list                 names of all rows
//	go run ./tests/bench -run 'speed/GET'      rows by regular expression
//	go run ./tests/bench -all                  also what takes long: 20 million keys and the like
//	go run ./tests/bench -quick                fewer and shorter measurements
//	go run ./tests/bench -run scale/ -plot scale.svg   how cost grows with keys, connections, processors, as a picture
//	go run ./tests/bench -json figures.json    every single measurement, for other programs
//
// Servers run on processor 0, the load on processor 1 (-server-cpus, -load-cpu). The servers of a row are measured in
// turn, A B C A B C ..., and medians are compared, so that what else the machine does strikes all alike. The load
// generator is our own (load.go), because redis-benchmark costs more per request than a fast server; its rows are there
// as well, as redis-benchmark/....
//
// A figure's ratio is larder's to redis-server's. "met" says whether the row's target holds.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"

	"larder/tests/internal/peer"
)

type settings struct {
	run        *regexp.Regexp
	quick, all bool
	rounds     int
	duration   time.Duration
	serverCPUs []int
	loadCPU    int
	keys       int // of the memory rows
	growth     int // keys of the growth row
	peers      []peer.Program
}

func main() {
	if err := bench(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench() error {
	var (
		s          settings
		pattern    = flag.String("run", "", "regular expression: rows to measure")
		list       = flag.Bool("list", false, "list the rows and do nothing")
		plot       = flag.String("plot", "", "file for a picture of the scale rows: .svg or .png")
		jsonOut    = flag.String("json", "", "file for all measurements")
		binary     = flag.String("larder", "bin/larder", "the server under test")
		others     = flag.String("peers", "", "comma-separated servers to compare with; empty: every one on PATH; none: no other")
		serverCPUs = flag.String("server-cpus", "0", "processors of the servers, comma-separated; empty: any")
	)
	flag.BoolVar(&s.quick, "quick", false, "fewer and shorter measurements")
	flag.BoolVar(&s.all, "all", false, "also rows that take minutes each")
	flag.IntVar(&s.rounds, "rounds", 0, "measurements of each row and server; 0: 5, or 3 with -quick")
	flag.DurationVar(&s.duration, "duration", 0, "length of one measurement; 0: 1s, or 300ms with -quick")
	flag.IntVar(&s.loadCPU, "load-cpu", 1, "processor of the load generator; -1: any")
	flag.IntVar(&s.keys, "keys", 0, "keys of the memory rows; 0: 5 million, or 1 million with -quick")
	flag.IntVar(&s.growth, "growth-keys", 0, "keys of the growth row; 0: 20 million, or 2 million with -quick")
	flag.Parse()
	var err error
	if s.run, err = regexp.Compile(*pattern); err != nil {
		return err
	}
	if *list {
		for _, r := range allRows() {
			fmt.Println(r.name)
		}
		return nil
	}
	s.defaults(*serverCPUs)
	if s.peers, err = findPeers(*binary, *others); err != nil {
		return err
	}
	if s.loadCPU >= 0 {
		if err := peer.Pin(s.loadCPU); err != nil {
			return err
		}
	}
	runtime.GOMAXPROCS(loadThreads)
	table := newTable(s.peers)
	err = measureAll(&s, *pattern != "", table)
	table.print(os.Stdout)
	if *plot != "" {
		err = errors.Join(err, plotScales(*plot, table))
	}
	if *jsonOut != "" {
		b, jsonErr := json.MarshalIndent(table.samples, "", " ")
		if jsonErr == nil {
			jsonErr = os.WriteFile(*jsonOut, append(b, '\n'), 0o644)
		}
		if err == nil {
			err = jsonErr
		}
	}
	return err
}

// loadThreads is how many threads of the load generator may run at once. By itself the Go runtime would let there be one for the
// one processor that this process is bound to, and a probe would wait for its turn while the generator sits in a read: some
// milliseconds now and then, which would look like the server's.
const loadThreads = 4

func (s *settings) defaults(serverCPUs string) {
	pick := func(v *int, normal, quick int) {
		if *v == 0 {
			if *v = normal; s.quick {
				*v = quick
			}
		}
	}
	pick(&s.rounds, 5, 3)
	pick(&s.keys, 5_000_000, 1_000_000)
	pick(&s.growth, 20_000_000, 2_000_000)
	if s.duration == 0 {
		if s.duration = time.Second; s.quick {
			s.duration = 300 * time.Millisecond
		}
	}
	for _, c := range strings.Split(serverCPUs, ",") {
		if n, err := strconv.Atoi(c); err == nil {
			s.serverCPUs = append(s.serverCPUs, n)
		}
	}
	if runtime.NumCPU() < 2 { // pinning would make server and load wait for each other
		s.serverCPUs, s.loadCPU = nil, -1
	}
}

func findPeers(binary, others string) ([]peer.Program, error) {
	larder, ok := peer.Find(binary)
	if !ok {
		return nil, fmt.Errorf("no server at %s: build it first (make build)", binary)
	}
	programs := []peer.Program{larder}
	if others == "" {
		return distinct(append(programs, peer.Others()...)), nil
	}
	for _, name := range strings.Split(others, ",") {
		if name == "none" {
			continue
		}
		p, ok := peer.Find(name)
		if !ok {
			return nil, fmt.Errorf("no server %q", name)
		}
		programs = append(programs, p)
	}
	return distinct(programs), nil
}

// distinct gives the first server another name where a server is compared with itself.
func distinct(programs []peer.Program) []peer.Program {
	for _, p := range programs[1:] {
		if p.Name == programs[0].Name {
			programs[0].Name += "*"
			break
		}
	}
	return programs
}

// row is one line of work: it measures all servers that it makes sense for.
type row struct {
	name    string
	slow    bool // only with -all, or when named by -run
	measure func(s *settings, t *table) error
}

// measureAll goes through the rows. A row that fails is reported, and the others go on.
func measureAll(s *settings, named bool, t *table) error {
	failed := 0
	for _, r := range allRows() {
		if !s.run.MatchString(r.name) || r.slow && !s.all && !named {
			continue
		}
		began := time.Now()
		fmt.Fprintf(os.Stderr, "%s ...", r.name)
		if err := r.measure(s, t); err != nil {
			failed++
			fmt.Fprintf(os.Stderr, " %v\n", err)
			continue
		}
		fmt.Fprintf(os.Stderr, " %.1fs\n", time.Since(began).Seconds())
	}
	closeFleets()
	if failed > 0 {
		return fmt.Errorf("%d rows failed", failed)
	}
	return nil
}

func allRows() []row {
	var rows []row
	rows = append(rows, speedRows()...)
	rows = append(rows, redisBenchmarkRows()...)
	rows = append(rows, familyRows()...)
	rows = append(rows, largeRows()...)
	rows = append(rows, valueRows()...)
	rows = append(rows, unixRows()...)
	rows = append(rows, memoryRows()...)
	rows = append(rows, tlsRows()...)
	rows = append(rows, logRows()...)
	rows = append(rows, snapshotRows()...)
	rows = append(rows, replicaRows()...)
	rows = append(rows, clientRows()...)
	rows = append(rows, otherRows()...)
	rows = append(rows, limitRows()...)
	rows = append(rows, scaleRows()...)
	return rows
}
