package config

import (
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
)

func value(t *testing.T, s *Store, name string) string {
	t.Helper()
	pairs := s.Get(name)
	if len(pairs) != 1 {
		t.Fatalf("no directive %s", name)
	}
	return pairs[0].Value
}

func TestFieldsFollowConfigSet(t *testing.T) {
	s := New()
	must(t, s.Set(Caller{},
		Pair{"timeout", "12"}, Pair{"maxmemory", "18446744073709551615"}, Pair{"maxmemory-policy", "allkeys-lfu"}, Pair{"lazyfree-lazy-expire", "yes"},
		Pair{"maxmemory-clients", "5%"}, Pair{"save", "60 7"}, Pair{"client-output-buffer-limit", "pubsub 5 6 7"}, Pair{"requirepass", "x"},
		Pair{"notify-keyspace-events", "KA"}, Pair{"shutdown-on-sigterm", "now force"}, Pair{"bind", "::1"}))
	check := func(name string, ok bool) {
		t.Helper()
		if !ok {
			t.Errorf("field of %s does not have the new value", name)
		}
	}
	check("timeout", s.Timeout.Get() == 12)
	check("maxmemory", uint64(s.Maxmemory.Get()) == math.MaxUint64)
	check("maxmemory-policy", s.MaxmemoryPolicy.Get() == PolicyAllkeysLFU)
	check("lazyfree-lazy-expire", s.LazyfreeLazyExpire.Get())
	check("maxmemory-clients", s.MaxmemoryClients.Get() == -5)
	check("save", slices.Equal(s.Save.Get(), []SavePoint{{60, 7}}))
	check("client-output-buffer-limit", s.ClientOutputBufferLimit.Get().Pubsub == OutputLimit{5, 6, 7} && s.ClientOutputBufferLimit.Get().Replica.SoftSeconds == 60)
	check("requirepass", s.RequirePass.Get() == "x")
	check("notify-keyspace-events", s.NotifyKeyspaceEvents.Get() == EventKeyspace|EventAll)
	check("shutdown-on-sigterm", s.ShutdownOnSigterm.Get() == ShutdownNow|ShutdownForce)
	check("bind", slices.Equal(s.Bind.Get(), []string{"::1"}))
}

// A value that has been shown can be set, and then shows the same: for every directive, with Redis's way of
// refusing the immutable ones.
func TestEveryDirectiveTakesItsOwnValue(t *testing.T) {
	s := New()
	all := s.Get("*")
	for _, r := range Rows() {
		if r.Hidden {
			all = append(all, Pair{r.Name, s.Value(r)})
		}
	}
	if len(all) < 200 {
		t.Fatalf("only %d names", len(all))
	}
	for _, p := range all {
		err := s.Set(Caller{Local: true}, p)
		r := Lookup(p.Name)
		switch refused := r.Immutable && !r.own || r.Protected; {
		case refused && err == nil:
			t.Errorf("%s could be set", p.Name)
		case !refused && err != nil:
			t.Errorf("%s: %v", p.Name, err)
		}
		if got := value(t, s, p.Name); got != p.Value {
			t.Errorf("%s was %q and became %q", p.Name, p.Value, got)
		}
	}
}

func TestOwnDirectives(t *testing.T) {
	for _, c := range []struct {
		option string
		ok     bool
	}{
		{"--shards 64", true}, {"--shards 1", true}, {"--shards 48", false}, {"--shards 128", false}, {"--shards 0", true},
		{"--event-loops 0", true}, {"--event-loops 3", true}, {"--event-loops -1", false},
		{"--log-format json", true}, {"--log-format xml", false},
	} {
		err := New().Load(ParseArgs([]string{c.option}), nil)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", c.option, err)
		}
	}
	s := New()
	must(t, s.Set(Caller{}, Pair{"shards", "0"}))
	if err := s.Set(Caller{}, Pair{"shards", "32"}); err == nil || !strings.Contains(err.Error(), "can't set immutable config") {
		t.Errorf("shards could be changed: %v", err)
	}
}

func TestWhoMaySet(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		allow string
		by    Caller
		want  string
	}{
		{"no", Caller{Local: true}, "can't set protected config"},
		{"local", Caller{Local: true}, ""},
		{"local", Caller{}, "can't set protected config"},
		{"yes", Caller{}, ""},
		{"yes", Caller{Loading: true}, ErrLoading.Error()},
	} {
		s := New()
		must(t, s.Load(Source{Options: "enable-protected-configs " + c.allow}, nil))
		err := s.Set(c.by, Pair{"dir", dir})
		if got := errText(err); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s, %+v: %q, want %q", c.allow, c.by, got, c.want)
		}
	}
	s := New()
	must(t, s.Load(Source{Options: "enable-protected-configs yes"}, nil))
	if err := s.Set(Caller{}, Pair{"dir", ""}); !strings.HasSuffix(errText(err), "No such file or directory") {
		t.Errorf("a folder without a name: %v", err)
	}
	if err := s.Set(Caller{Loading: true}, Pair{"appendonly", "yes"}); !errors.Is(err, ErrLoading) {
		t.Errorf("appendonly while loading: %v", err)
	}
	must(t, s.Set(Caller{Loading: true}, Pair{"loglevel", "debug"}))
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestListenersAndRollback(t *testing.T) {
	s := New()
	var calls []string
	listen := func(name string, refuse func() error, names ...string) {
		s.OnChange(func() error {
			calls = append(calls, name+"="+value(t, s, names[0]))
			return refuse()
		}, names...)
	}
	fine := func() error { return nil }
	listen("oom", fine, "oom-score-adj", "oom-score-adj-values")
	listen("port", func() error {
		if s.Port.Get() == 1 {
			return errors.New("Unable to listen on this port. Check server logs.")
		}
		return nil
	}, "port")
	listen("late", fine, "timeout")

	expect := func(what string, want ...string) {
		t.Helper()
		if !slices.Equal(calls, want) {
			t.Errorf("%s: calls %q, want %q", what, calls, want)
		}
		calls = nil
	}
	must(t, s.Set(Caller{}, Pair{"maxmemory", "5"}, Pair{"oom-score-adj-values", "1 1 1"}, Pair{"oom-score-adj", "yes"}, Pair{"port", "0"}))
	expect("all change", "oom=yes", "port=0")
	must(t, s.Set(Caller{}, Pair{"maxmemory", "6"}, Pair{"oom-score-adj", "yes"}, Pair{"port", "0"}))
	expect("nothing changes")

	err := s.Set(Caller{}, Pair{"oom-score-adj", "no"}, Pair{"maxmemory", "7"}, Pair{"port", "1"}, Pair{"timeout", "9"})
	if want := "CONFIG SET failed (possibly related to argument 'port') - Unable to listen on this port. Check server logs."; errText(err) != want {
		t.Errorf("refused with %q", errText(err))
	}
	expect("refused: all are told, then all are told again", "oom=no", "port=1", "oom=yes", "port=0", "late=0")
	for name, want := range map[string]string{"oom-score-adj": "yes", "maxmemory": "6", "port": "0", "timeout": "0"} {
		if got := value(t, s, name); got != want {
			t.Errorf("%s is %s after a refusal, was %s", name, got, want)
		}
	}
	if err := s.Set(Caller{}, Pair{"timeout", "1"}, Pair{"port", "x"}); err == nil || s.Timeout.Get() != 0 {
		t.Errorf("a value that does not parse left timeout at %d: %v", s.Timeout.Get(), err)
	}
	expect("nobody is told of what never was")

	// Certificates may change under an unchanged name.
	listen("tls", fine, "tls-cert-file")
	must(t, s.Set(Caller{}, Pair{"tls-cert-file", "a"}))
	must(t, s.Set(Caller{}, Pair{"tls-cert-file", "a"}))
	expect("read again", "tls=a", "tls=a")

	if !panics(func() { s.OnChange(fine, "nosuch") }) {
		t.Error("OnChange of an unknown name was accepted")
	}
}

func panics(f func()) (yes bool) {
	defer func() { yes = recover() != nil }()
	f()
	return false
}

func TestAdopt(t *testing.T) {
	s := New()
	s.OnChange(func() error { return errors.New("listener called") }, "replicaof", "maxclients")
	must(t, s.Adopt("replicaof", "localhost 7000"))
	must(t, s.Adopt("maxclients", "100"))
	if s.ReplicaOf.Get() != (Address{"localhost", 7000}) || s.MaxClients.Get() != 100 {
		t.Error("values were not adopted")
	}
	must(t, s.Adopt("replicaof", "no one"))
	if s.ReplicaOf.Get().Host != "" {
		t.Error("still a replica")
	}
	if s.Adopt("nosuch", "1") == nil || s.Adopt("maxclients", "x") == nil {
		t.Error("nonsense was adopted")
	}
}

func TestReadingWhileSetting(t *testing.T) {
	s := New()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 200 {
				if n := len(s.Save.Get()); n != 3 && n != 1 {
					t.Errorf("a save list of %d", n)
				}
				if l := s.ClientOutputBufferLimit.Get(); l.Normal.Hard != 2*l.Normal.Soft {
					t.Errorf("limits torn: %+v", l)
				}
				s.Get("*")
			}
		})
	}
	for i := range 200 {
		soft, hard := FormatMemory(uint64(i)), FormatMemory(uint64(2*i))
		must(t, s.Set(Caller{}, Pair{"save", "5 6"}, Pair{"client-output-buffer-limit", "normal " + hard + " " + soft + " 1"}))
	}
	wg.Wait()
}

// A directive that works must not be listed as ignored and the other way round; the tables cannot know, but they
// must at least say something of every directive that is left out.
func TestNoEffectSaysWhy(t *testing.T) {
	for _, r := range Rows() {
		if r.NoEffect != "" && len(r.NoEffect) < 10 {
			t.Errorf("%s: %q is no reason", r.Name, r.NoEffect)
		}
	}
	if Lookup("PORT") == nil || Lookup("port").NoEffect != "" {
		t.Error("port has no effect")
	}
}

func TestMemory(t *testing.T) {
	for _, c := range []struct {
		text  string
		bytes uint64
		ok    bool
	}{
		{"0", 0, true}, {"", 0, true}, {"kb", 0, true}, {"17", 17, true}, {"1b", 1, true}, {"2K", 2000, true}, {"2kB", 2048, true}, {"3m", 3e6, true}, {"3MB", 3 << 20, true},
		{"1g", 1e9, true}, {"1gb", 1 << 30, true}, {"18446744073709551615", math.MaxUint64, true}, {"18446744073709551616", math.MaxUint64, true},
		{"17179869183gb", 17179869183 << 30, true}, {"17179869184gb", 0, false}, {"18446744073709551615k", 0, false},
		{"-1", 0, false}, {"+1", 0, false}, {"1tb", 0, false}, {"1 mb", 0, false}, {strings.Repeat("0", 128), 0, false}, {strings.Repeat("0", 126) + "5", 5, true},
	} {
		if got, ok := ParseMemory(c.text); ok != c.ok || ok && got != c.bytes {
			t.Errorf("%q: %d %v, want %d %v", c.text, got, ok, c.bytes, c.ok)
		}
	}
	for _, n := range []uint64{0, 1, 1000, 1023, 1024, 1025, 1 << 20, 1<<20 + 1024, 5 << 30, math.MaxUint64} {
		if got, ok := ParseMemory(FormatMemory(n)); !ok || got != n {
			t.Errorf("%d is written as %s and read as %d", n, FormatMemory(n), got)
		}
	}
}
