package command

import "testing"

// TestChangesCounted compares what commands add to rdb_changes_since_last_save with what Redis adds.
func TestChangesCounted(t *testing.T) {
	l := newLab(t)
	l.do("RPUSH", "l", "a", "b", "c")
	l.do("GEOADD", "g", 13, 38, "a", 13.1, 38, "b", 13.2, 38, "c")
	for _, step := range []struct {
		want    int
		request []any
	}{
		{0, []any{"LTRIM", "l", 0, -1}},
		{1, []any{"LTRIM", "l", 0, -2}},
		{2, []any{"LTRIM", "l", 5, 9}},
		{3, []any{"GEOSEARCHSTORE", "d", "g", "FROMLONLAT", 13, 38, "BYRADIUS", 500, "km"}},
		{1, []any{"GEOSEARCHSTORE", "d", "g", "FROMLONLAT", 0, 0, "BYRADIUS", 5, "km"}},
		{0, []any{"GEOSEARCHSTORE", "d", "g", "FROMLONLAT", 0, 0, "BYRADIUS", 5, "km"}},
		{1, []any{"SWAPDB", 0, 0}},
	} {
		before := l.c.Dirty
		l.do(step.request...)
		if got := l.c.Dirty - before; got != step.want {
			t.Errorf("%v counts as %d changes, want %d", step.request, got, step.want)
		}
	}
}
