// Differ plays random command scripts on two servers and compares every reply and what is left in the end.
//
//	go run ./tests/compat/differ -seed 7 -commands 1000000       larder, built from this tree, next to redis-server
//	go run ./tests/compat/differ -b /path/redis-server -families 'zset|geo'    any version: newer commands are played if both have them
//	go run ./tests/compat/differ -b larder -limits-b tiny        larder with itself: encodings make no difference
//	go run ./tests/compat/differ -kept all                       larder with its replica, snapshot and log
//	go run ./tests/compat/differ -keywords                       keys, groups and members have the names of options
//
// Scripts are made from a seed by the templates in families.go. Each case is a script of some hundred commands on an
// empty server, in RESP2 or RESP3; commands of one connection are sent together, in some cases one by one. Where the servers differ, the script is made smaller and printed as a scene that
// can be put into testdata. What differs on purpose stands in known.go. The exit code is 1 if there was a difference.
package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"sync"
	"syscall"
	"time"

	"larder/tests/internal/peer"
	"larder/tests/internal/wire"
)

type options struct {
	seed             uint64
	commands         int
	caseSize         int
	a, b             string
	limitsA, limitsB string
	families         string
	proto            int
	maxDifferences   int
	ignoreEncoding   bool
	only             int // the one case to play; -1: all
	kept             string
	lanes            int
	limit            time.Duration
	verbose          bool
	keywords         bool
}

// limitSets are settings of the borders between encodings.
var limitSets = map[string][][2]string{
	"default": nil,
	"tiny": {
		{"hash-max-listpack-entries", "2"}, {"hash-max-listpack-value", "8"}, {"set-max-intset-entries", "2"},
		{"zset-max-listpack-entries", "2"}, {"zset-max-listpack-value", "8"}, {"list-max-listpack-size", "2"},
		{"stream-node-max-entries", "2"},
	},
	"none": {
		{"hash-max-listpack-entries", "0"}, {"set-max-intset-entries", "0"}, {"zset-max-listpack-entries", "0"}, {"list-max-listpack-size", "1"}, {"stream-node-max-entries", "1"},
	},
}

// since72 are limits that only servers from 7.2 on know.
var since72 = map[string][][2]string{
	"tiny": {{"set-max-listpack-entries", "2"}, {"set-max-listpack-value", "8"}},
	"none": {{"set-max-listpack-entries", "0"}},
}

func main() {
	var o options
	flag.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()), "seed of the scripts")
	flag.IntVar(&o.commands, "commands", 100_000, "commands to play, about")
	flag.IntVar(&o.caseSize, "case", 400, "commands of one case")
	flag.StringVar(&o.a, "a", "larder", "first server: larder (built from this tree) or a path")
	flag.StringVar(&o.b, "b", "redis-server", "second server: larder or a path")
	flag.StringVar(&o.limitsA, "limits-a", "", "borders of encodings of the first server: default, tiny, none; empty: in turn, the same for both")
	flag.StringVar(&o.limitsB, "limits-b", "", "borders of encodings of the second server")
	flag.StringVar(&o.families, "families", "", "regular expression that names families of commands; empty: all")
	flag.IntVar(&o.proto, "resp", 0, "protocol, 2 or 3; 0: in turn")
	flag.IntVar(&o.maxDifferences, "differences", 5, "different differences after which to stop")
	flag.BoolVar(&o.ignoreEncoding, "ignore-encoding", false, "do not compare OBJECT ENCODING")
	flag.IntVar(&o.only, "only", -1, "play only the case of this number, again and again until -commands is reached")
	flag.StringVar(&o.kept, "kept", "", "play on one larder and compare with what was kept: a list of replica, snapshot, log, rewritten; or all")
	flag.IntVar(&o.lanes, "lanes", 4, "cases that are played side by side, each on servers of its own")
	flag.DurationVar(&o.limit, "for", 0, "time after which to stop, if the commands are not played by then; 0: none")
	flag.BoolVar(&o.verbose, "v", false, "report progress")
	flag.BoolVar(&o.keywords, "keywords", false, "call keys, groups and members as options are called")
	flag.Parse()
	differences, err := run(o, func(format string, args ...any) { fmt.Printf(format, args...) })
	peer.RemoveBuild()
	if err != nil {
		fmt.Fprintln(os.Stderr, "differ:", err)
		os.Exit(2)
	}
	if differences > 0 {
		os.Exit(1)
	}
}

// run plays cases until the number of commands is reached and returns how many differences were found.
func run(o options, printf func(string, ...any)) (differences int, err error) {
	wanted, err := regexp.Compile("^(" + cmp.Or(o.families, ".*") + ")$")
	if err != nil {
		return 0, err
	}
	begin := start
	if o.kept != "" {
		begin = startKept
	}
	o.lanes = max(o.lanes, 1)
	pairs, stop, err := begin(o)
	if err != nil {
		return 0, err
	}
	defer stop()
	if o.ignoreEncoding || o.kept != "" {
		rules["OBJECT"] = sameKind
		known = append(known, difference{"compact sorted sets forget the sign of -0, large ones keep it", 0, func(args []string, a, b wire.Value) bool {
			return numbersWithin(a, b, 0) || sameNumbersAnyOrder(args, a, b)
		}})
	}
	if pairs[0][0].a.valkey || pairs[0][0].b.valkey {
		known = append(known, valkeyKnown...)
	}
	r := &runner{options: o, printf: printf, began: time.Now(), tally: pairs[0][0].tally}
	plays := func(name string) bool {
		return wanted.MatchString(name) && (name != byBlocks || o.limitsA == o.limitsB)
	}
	if r.families = loadFamilies(plays, pairs[0][0].older(), pairs[0][0].takes); len(r.families) == 0 {
		return 0, fmt.Errorf("no family matches %q", o.families)
	}
	times := pairs[0][0].takes("HPEXPIRETIME none FIELDS 1 a")
	for _, alike := range pairs {
		for _, v := range alike {
			v.a.times, v.b.times = times, times
		}
		pool := make(chan *versus, len(alike))
		for _, v := range alike {
			pool <- v
		}
		r.pools = append(r.pools, pool)
	}
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(interrupted)
	go func() {
		<-interrupted
		r.fail(errors.New("interrupted"))
	}()
	var lanes sync.WaitGroup
	for range o.lanes {
		lanes.Go(r.lane)
	}
	lanes.Wait()
	seconds := time.Since(r.began).Seconds()
	printf("# seed %d: %d commands in %d cases, %d differences, %.0f commands a second; %d replies about what they left\n", o.seed, r.played, r.cases, r.differences, float64(r.played)/seconds, r.read)
	seen, expected := r.tally.counts()
	for _, signature := range slices.Sorted(maps.Keys(seen)) {
		printf("# difference, %d times: %s\n", seen[signature], signature)
	}
	for _, why := range slices.Sorted(maps.Keys(expected)) {
		printf("# intended, %d times: %s\n", expected[why], why)
	}
	return r.differences, r.err
}

// runner hands cases to lanes.
type runner struct {
	options
	families []family
	pools    []chan *versus // by setting of the limits: couples of servers that play nothing now
	tally    *tally
	printf   func(string, ...any)
	began    time.Time

	mu          sync.Mutex
	next        uint64 // number of the next case
	played      int    // commands of scripts
	read        int    // replies that compared what scripts have left
	cases       int
	differences int
	err         error
}

// lane plays one case after the other until there have been enough of them.
func (r *runner) lane() {
	for {
		r.mu.Lock()
		number := r.next
		r.next++
		over := r.played >= r.commands || r.limit > 0 && time.Since(r.began) > r.limit || r.differences >= r.maxDifferences || r.err != nil
		r.mu.Unlock()
		if over {
			return
		}
		if r.only >= 0 {
			number = uint64(r.only)
		}
		pool := r.pools[number/2%uint64(len(r.pools))]
		v := <-pool
		err := r.play(v, number)
		pool <- v
		if err != nil {
			r.fail(fmt.Errorf("seed %d, case %d: %w", r.seed, number, err))
		}
	}
}

func (r *runner) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = errors.Join(r.err, err)
}

// play plays a case, and tells how the servers differ in it.
func (r *runner) play(v *versus, number uint64) error {
	c := newCase(r.seed, number, r.caseSize, r.families, r.proto)
	if r.keywords {
		c.disguise(rand.New(rand.NewPCG(r.seed, number)))
	}
	script := flatten(c.units)
	m, err := v.play(script, c.manner)
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.cases++
	r.played += len(script)
	r.read += v.left
	if r.verbose && r.cases%200 == 0 {
		r.printf("# %d commands, %.0f a second\n", r.played, float64(r.played)/time.Since(r.began).Seconds())
	}
	r.mu.Unlock()
	if m == nil || r.tally.again(m.signature()) { // the latter is printed above
		return nil
	}
	small, last := v.shrink(c.units, c.manner, m.signature(), 600)
	title := fmt.Sprintf("difference in case %d of seed %d", number, r.seed)
	if last == nil {
		r.tell("# %s: %s\n# It did not come again when the case was repeated.\n", title, m)
		return nil
	}
	// Many scripts lead to one small one.
	cause := "-> " + last.signature()
	if len(small) > 0 {
		cause = "-> " + small[len(small)-1][0].name() + ": " + last.signature()
	}
	if !r.tally.again(cause) {
		r.tell("%s\n", v.report(title, small, last, c.proto))
	}
	return nil
}

// tell prints a difference.
func (r *runner) tell(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.differences++
	r.printf(format, args...)
}

// start starts the servers: for each setting of the limits as many pairs as its share of the lanes.
func start(o options) (pairs [][]*versus, stop func(), err error) {
	var servers []*peer.Server
	stop = func() {
		for _, s := range servers {
			s.Stop()
		}
	}
	defer func() {
		if err != nil {
			stop()
		}
	}()
	open := func(name, limits string) (*side, error) {
		p, err := program(name)
		if err != nil {
			return nil, err
		}
		s, err := peer.Start(p, peer.Options{Directives: []string{"enable-debug-command yes", "hz 100"}})
		if err != nil {
			return nil, err
		}
		servers = append(servers, s)
		set, ok := limitSets[limits]
		if !ok {
			return nil, fmt.Errorf("unknown limits %q", limits)
		}
		return newSide(fmt.Sprintf("%s (%s limits)", p.Name, limits), s.Addr, set, since72[limits])
	}
	choices := [][2]string{{"default", "default"}, {"tiny", "tiny"}}
	if o.limitsA != "" || o.limitsB != "" {
		choices = [][2]string{{cmp.Or(o.limitsA, "default"), cmp.Or(o.limitsB, "default")}}
	}
	all := newTally()
	for _, c := range choices {
		var alike []*versus
		for range (o.lanes + len(choices) - 1) / len(choices) {
			v := &versus{tally: all}
			if v.a, err = open(o.a, c[0]); err != nil {
				return nil, stop, err
			}
			if v.b, err = open(o.b, c[1]); err != nil {
				return nil, stop, err
			}
			alike = append(alike, v)
		}
		pairs = append(pairs, alike)
	}
	return pairs, stop, nil
}

func program(name string) (peer.Program, error) {
	if name == "larder" {
		return peer.Build()
	}
	p, ok := peer.Find(name)
	if !ok {
		return p, fmt.Errorf("no server %q", name)
	}
	return p, nil
}
