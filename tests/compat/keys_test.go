package compat

import (
	"hash/maphash"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"larder/keyspace"
	"larder/server/command"
	"larder/server/resp"
	"larder/tests/internal/scene"
)

// optionWords are what keys, groups and members are called, and what stands where options do.
var optionWords = strings.Fields(`STREAMS GROUP COUNT BLOCK NOACK CLAIM STORE STOREDIST BY GET LIMIT ALPHA DESC KEYS WEIGHTS AGGREGATE WITHSCORES MATCH FIELDS
	FNX FXX NX XX EX PX PXAT KEEPTTL PERSIST MAXLEN MINID NOMKSTREAM LEFT RIGHT MIN MAX REPLACE DB ASC 0 1 2 3 - + > $ * # ( [ JUSTID IDLE FROMMEMBER FROMLONLAT
	BYRADIUS BYBOX ANY LEN IDX SUM IFEQ IFDEQ IFNE IDS KEEPREF DELREF ACKED ABSTTL COPY AND OR NOT DIFF REV BYSCORE BYLEX WITHCOORD a b c k l h s z x p`)

// TestCommandsReadTheKeysTheyName: whatever its words are, a command looks at no shard but those of the keys that its key specification finds in
// the request. By these the server locks, and asks what a user may do: a command that reads another key ends the server, or reads what
// it must not. The requests are those of the scenes, with words changed for options and options put between them.
func TestCommandsReadTheKeysTheyName(t *testing.T) {
	table := command.NewTable(command.Rows())
	table.Number()
	forms := scenesRequests(t, table)
	byName, options := map[string][][]string{}, map[string][]string{} // and what looks like an option in the forms of a command
	for _, form := range forms {
		name := strings.ToUpper(form[0])
		byName[name] = append(byName[name], form)
		for _, w := range form[1:] {
			if len(w) > 1 && w == strings.ToUpper(w) && w != strings.ToLower(w) && len(w) < 20 && !slices.Contains(options[name], w) {
				options[name] = append(options[name], w)
			}
		}
	}
	k := newKeyed(t)
	rnd := rand.New(rand.NewPCG(3, 14))
	ran := 0
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		forms, tries := byName[name], 400
		row, _ := table.Find(bytesOf(forms[0]))
		if _, _, _, fixed := row.KeyRange(len(forms[0])); !fixed { // its keys are searched for
			tries = 30_000
		}
		if testing.Short() {
			tries /= 10
		}
		for range tries {
			argv := slices.Clone(forms[rnd.IntN(len(forms))])
			for range 1 + rnd.IntN(4) {
				argv = altered(rnd, argv, options[name])
			}
			row, _ := table.Find(bytesOf(argv))
			if row == nil || row.Run == nil || !row.ArityOK(len(argv)) || row.LocksFor(bytesOf(argv)) != command.OfKeys {
				continue
			}
			ran++
			if why := k.run(row, argv); why != nil {
				t.Fatalf("%q: %v", argv, why)
			}
		}
	}
	t.Logf("%d requests of %d forms; %d failed, %d wrote", ran, len(forms), k.failed, k.wrote)
	if ran < len(forms) {
		t.Errorf("only %d requests of %d forms have run", ran, len(forms))
	}
	if k.wrote == 0 || k.failed == ran {
		t.Errorf("of %d requests %d have failed, %d have changed something", ran, k.failed, k.wrote)
	}
}

// scenesRequests is the requests of the scenes that name keys.
func scenesRequests(t *testing.T, table *command.Table) (forms [][]string) {
	files, err := filepath.Glob("testdata/*.scene")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenes: %v", err)
	}
	for _, file := range files {
		f, err := scene.Load(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range f.Scenes {
			for _, step := range s.Steps() {
				argv, err := step.Args(map[string]string{})
				if err != nil || len(argv) == 0 || len(argv) > 40 {
					continue // it needs what an earlier reply said, or is long
				}
				if row, _ := table.Find(bytesOf(argv)); row != nil && row.ArityOK(len(argv)) && len(row.AppendKeys(nil, bytesOf(argv))) > 0 {
					forms = append(forms, argv)
				}
			}
		}
	}
	return forms
}

// altered is a request with one thing changed: a word, or two; something put in, or taken out, or exchanged.
func altered(rnd *rand.Rand, argv, options []string) []string {
	word := func() string {
		if len(options) > 0 && rnd.IntN(3) > 0 {
			return options[rnd.IntN(len(options))]
		}
		return optionWords[rnd.IntN(len(optionWords))]
	}
	at := func() int { return 1 + rnd.IntN(len(argv)-1) }
	if len(argv) < 2 {
		return argv
	}
	switch rnd.IntN(6) {
	case 0, 1:
		argv[at()] = word()
	case 2:
		argv = slices.Insert(argv, at(), word(), strconv.Itoa(rnd.IntN(3)))
	case 3:
		argv = slices.Insert(argv, at(), word())
	case 4:
		i, j := at(), at()
		argv[i], argv[j] = argv[j], argv[i]
	case 5:
		i := at()
		argv = slices.Delete(argv, i, min(i+1+rnd.IntN(2), len(argv)))
	}
	return argv
}

func bytesOf(words []string) (argv [][]byte) {
	for _, w := range words {
		argv = append(argv, []byte(w))
	}
	return argv
}

// keyed is a keyspace of many shards, in which commands run with those of their keys only.
type keyed struct {
	ks            *keyspace.Keyspace
	c             *command.Ctx
	w             resp.Writer
	failed, wrote int
}

func newKeyed(t *testing.T) *keyed {
	seed := maphash.MakeSeed()
	ks, err := keyspace.New(keyspace.Options{Shards: keyspace.MaxShards, Databases: 16, Seed: 1, Hash: func(key []byte) uint64 { return maphash.Bytes(seed, key) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ks.Close() })
	k := &keyed{ks: ks}
	k.w.Proto = 2
	k.c = &command.Ctx{View: keyspace.NewView(ks), Reply: &k.w, Rand: rand.NewPCG(1, 2), Conf: &command.Conf{MaxBulk: 1 << 20}, WantEffects: true}
	k.c.Now = 1_700_000_000_000
	return k
}

func (k *keyed) run(row *command.Row, words []string) (why any) {
	argv := bytesOf(words)
	var set keyspace.Set
	for _, ref := range row.AppendKeys(nil, argv) {
		set |= 1 << k.ks.ShardOf(k.ks.Hash(argv[ref.Pos]))
	}
	k.w.Empty()
	dirty := k.c.Dirty
	defer func() { why = recover() }()
	if set != 0 {
		k.c.Take(set)
		defer k.c.Release()
	}
	k.c.Begin(row, argv)
	row.Run(k.c)
	if k.c.Dirty != dirty {
		k.wrote++
		_ = k.c.Effect()
	}
	k.c.ResetEvents()
	if strings.HasPrefix(string(k.w.Bytes()), "-") {
		k.failed++
	}
	return nil
}
