// Package compat holds larder to what redis-server does, byte for byte.
//
// testdata holds conversations with real servers (package scene describes the format). The tests play them on larder,
// built from this tree:
//
//	go test ./tests/compat                        larder against the recorded replies
//	go test ./tests/compat -run 'Scenes/string'   one file
//	go test ./tests/compat -live                  also redis-server from PATH against them: is what is recorded true?
//	go test ./tests/compat -record                records again from redis-server on PATH
//	go test ./tests/compat -record -recorders /a/redis-server,/b/redis-server   from several versions, oldest first
//	go test ./tests/compat -server redis-server   plays them on another server instead of larder
package compat

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"larder/tests/internal/peer"
	"larder/tests/internal/scene"
)

var (
	live      = flag.Bool("live", false, "play the scenes on redis-server, too, when it is on PATH")
	record    = flag.Bool("record", false, "record the replies anew")
	fresh     = flag.Bool("fresh", false, "with -record: forget what is recorded by the same versions, matchers excepted")
	recorders = flag.String("recorders", "redis-server", "servers to record from, comma-separated, oldest version first")
	server    = flag.String("server", "", "play the scenes on this server instead of larder")
)

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if *server == "" && !*record {
		peer.RemoveBuild()
	}
	os.Exit(code)
}

// directives open what scenes test and a production server keeps shut.
var directives = []string{"enable-debug-command yes", "enable-protected-configs yes", "appendonly no", "hz 100"}

func start(t *testing.T, p peer.Program) (*peer.Server, *scene.Target) {
	t.Helper()
	s, err := peer.Start(p, peer.Options{Directives: directives})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	target, err := scene.NewTarget(s.Addr, p.Name == "larder")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { target.Close() })
	return s, target
}

func files(t *testing.T) []*scene.File {
	t.Helper()
	paths, err := filepath.Glob("testdata/*.scene")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scenes in testdata: %v", err)
	}
	var all []*scene.File
	for _, path := range paths {
		f, err := scene.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, f)
	}
	return all
}

// TestScenes plays every scene on larder, or on the server that -server names.
func TestScenes(t *testing.T) {
	if *record {
		recordAll(t)
		return
	}
	var p peer.Program
	var err error
	if *server != "" {
		found, ok := peer.Find(*server)
		if !ok {
			t.Fatalf("no server %q", *server)
		}
		p = found
	} else if p, err = peer.Build(); err != nil {
		t.Fatal(err)
	}
	play(t, p)
}

// TestScenesLive plays every scene on redis-server: what is recorded must be true of the server that is installed.
func TestScenesLive(t *testing.T) {
	if !*live {
		return
	}
	p, ok := peer.Find("redis-server")
	if !ok {
		t.Fatal("-live needs redis-server on PATH")
	}
	play(t, p)
}

func play(t *testing.T, p peer.Program) {
	s, target := start(t, p)
	for _, f := range files(t) {
		t.Run(strings.TrimSuffix(filepath.Base(f.Path), ".scene"), func(t *testing.T) {
			for _, sc := range f.Scenes {
				if sc.Since > target.Version {
					continue
				}
				for _, proto := range sc.Protos {
					t.Run(fmt.Sprintf("%s/resp%d", strings.ReplaceAll(sc.Title, " ", "_"), proto), func(t *testing.T) {
						playScene(t, target, f, sc, proto)
					})
					if !s.Running() {
						t.Fatalf("the server ended in scene %q\n%s", sc.Title, s.Tail())
					}
				}
			}
		})
	}
}

// maxReports bounds what one scene reports: after a first difference others often follow from it.
const maxReports = 4

// disturbed is how long a scene takes in which times to live, as recorded, may not be true any more: TTL rounds to the next second.
// On a busy machine any scene may; it is played again then if it has gone wrong, so often at most.
const (
	disturbed = 400 * time.Millisecond
	mostPlays = 6
)

func playScene(t *testing.T, target *scene.Target, f *scene.File, sc *scene.Scene, proto int) {
	var outcomes []scene.Outcome
	for plays := 1; ; plays++ {
		began := time.Now()
		var err error
		if outcomes, err = target.Run(sc, proto); err != nil {
			t.Fatalf("%s:%d: %v", f.Path, sc.Line, err)
		}
		took := time.Since(began)
		i := slices.IndexFunc(outcomes, func(o scene.Outcome) bool { return !o.OK() })
		if i < 0 || took < disturbed || plays == mostPlays {
			break
		}
		o := outcomes[i]
		t.Logf("%s:%d: %s: played again, as it took %v\n  wanted:\n%s\n  got:\n%s", f.Path, o.Step.Line, o.Step.Source, took, o.Wanted, o.Observed)
	}
	wrong := 0
	for _, o := range outcomes {
		if o.OK() {
			continue
		}
		if wrong++; wrong <= maxReports {
			t.Errorf("%s:%d: %s\n  wanted:\n%s\n  got:\n%s", f.Path, o.Step.Line, o.Step.Source, o.Wanted, o.Observed)
		}
	}
	if wrong > maxReports {
		t.Errorf("%s:%d: %d more differences in this scene", f.Path, sc.Line, wrong-maxReports)
	}
}

func recordAll(t *testing.T) {
	all := files(t)
	var targets []*scene.Target
	for _, path := range strings.Split(*recorders, ",") {
		p, ok := peer.Find(path)
		if !ok {
			t.Fatalf("no server %q", path)
		}
		_, target := start(t, p)
		targets = append(targets, target)
	}
	for _, f := range all {
		t.Run(strings.TrimSuffix(filepath.Base(f.Path), ".scene"), func(t *testing.T) {
			if *fresh {
				f.Forget(targets[len(targets)-1].Version)
			}
			for _, target := range targets {
				notes, err := f.Record(target)
				for _, n := range notes {
					t.Log(n)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(f.Path, []byte(f.Text()), 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
}
