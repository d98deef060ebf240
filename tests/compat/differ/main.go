// Differ plays random command scripts on two servers and compares every reply and what is left in the end.
//
//	go run ./tests/compat/differ -seed 7 -commands 1000000       larder, built from this tree, next to redis-server
//	go run ./tests/compat/differ -b /path/redis-server -families 'zset|geo'
//	go run ./tests/compat/differ -b larder -limits-b tiny        larder with itself: encodings make no difference
//	go run ./tests/compat/differ -kept all                       larder with its replica, snapshot and log
//
// Scripts are made from a seed by the templates in families.go. Each case is a script of some hundred commands on an
// empty server, in RESP2 or RESP3. Where the servers differ, the script is made smaller and printed as a scene that
// can be put into testdata. What differs on purpose stands in known.go. The exit code is 1 if there was a difference.
package main

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
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
	verbose          bool
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
	flag.BoolVar(&o.verbose, "v", false, "report progress")
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
	families := loadFamilies(wanted.MatchString, pairs[0].older())
	if len(families) == 0 {
		return 0, fmt.Errorf("no family matches %q", o.families)
	}
	began, played := time.Now(), 0
	for number := uint64(0); played < o.commands && differences < o.maxDifferences; number++ {
		if o.only >= 0 {
			number = uint64(o.only)
		}
		g := newGenerator(o.seed, number, families)
		var units []unit
		for n := 0; n < o.caseSize; {
			u := g.next()
			units = append(units, u)
			n += len(u)
		}
		v := pairs[number/2%uint64(len(pairs))]
		proto := cmp.Or(o.proto, 2+int(number%2))
		script := append(flatten(units), contents()...)
		m, err := v.play(script, proto)
		if err != nil {
			return differences, fmt.Errorf("seed %d, case %d: %w", o.seed, number, err)
		}
		played += len(script)
		if m != nil {
			v.seen[m.signature()]++
			if v.seen[m.signature()] > 1 {
				continue // it is printed above
			}
			differences++
			small, last := v.shrink(units, proto, 600)
			if last == nil {
				printf("# seed %d, case %d: %s\n# The difference did not come again when the case was repeated.\n", o.seed, number, m)
				continue
			}
			// Many scripts lead to one small one.
			cause := "-> " + last.signature()
			if len(small) > 0 {
				cause = "-> " + small[len(small)-1][0].name() + ": " + last.signature()
			}
			if v.seen[cause]++; v.seen[cause] > 1 {
				differences--
				continue
			}
			printf("%s\n", v.report(fmt.Sprintf("difference in case %d of seed %d", number, o.seed), small, last, proto))
		}
		if o.verbose && number%200 == 199 {
			printf("# %d commands, %.0f a second\n", played, float64(played)/time.Since(began).Seconds())
		}
	}
	printf("# seed %d: %d commands, %d differences, %.0f commands a second\n", o.seed, played, differences, float64(played)/time.Since(began).Seconds())
	for _, signature := range slices.Sorted(maps.Keys(pairs[0].seen)) {
		printf("# difference, %d times: %s\n", pairs[0].seen[signature], signature)
	}
	for _, v := range pairs {
		for _, why := range slices.Sorted(maps.Keys(v.expected)) {
			printf("# intended, %d times: %s\n", v.expected[why], why)
		}
	}
	return differences, nil
}

// start starts the servers: a pair for each setting of the limits.
func start(o options) (pairs []*versus, stop func(), err error) {
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
		s, err := peer.Start(p, peer.Options{Directives: []string{"enable-debug-command yes", "hz 500"}})
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
	seen := map[string]int{}
	for _, c := range choices {
		v := &versus{expected: map[string]int{}, seen: seen}
		if v.a, err = open(o.a, c[0]); err != nil {
			return nil, stop, err
		}
		if v.b, err = open(o.b, c[1]); err != nil {
			return nil, stop, err
		}
		pairs = append(pairs, v)
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
