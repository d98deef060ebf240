package compat

import (
	"slices"
	"strings"
	"testing"

	"larder/tests/internal/peer"
	"larder/tests/internal/scene"
	"larder/tests/internal/wire"
)

// absent are the commands that larder does not have yet. Scenes in which one of them stands are left out until it does;
// TestAbsentCommands makes sure that none stays on the list for longer.
var absent = []string{
	"CLUSTER", "MIGRATE", "MODULE",
}

// beyond names the first absent command of a scene, "" if there is none.
func beyond(sc *scene.Scene) string {
	for _, st := range sc.Steps() {
		for _, name := range absent {
			if st.Command == name || st.Command == "COMMAND" && slices.Contains(strings.Fields(st.Source), name) {
				return name
			}
		}
	}
	return ""
}

func TestAbsentCommands(t *testing.T) {
	p, err := peer.Build()
	if err != nil {
		t.Fatal(err)
	}
	s, err := peer.Start(p, peer.Options{Directives: directives})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	c, err := wire.Dial(s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, name := range absent {
		v, err := c.Do("COMMAND", "INFO", name)
		if err != nil {
			t.Fatal(err)
		}
		if len(v.Elems) != 1 || v.Elems[0].Aggregate() && len(v.Elems[0].Elems) > 0 {
			t.Errorf("larder has %s now: take it off the list", name)
		}
	}
}
