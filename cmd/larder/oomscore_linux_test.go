package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/zap"

	"larder/server/config"
)

func TestOOMScore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "oom_score_adj")
	if err := os.WriteFile(path, []byte("100\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	score := func() string {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(content))
	}
	conf := config.New()
	o := &oomScore{conf: conf, log: zap.NewNop(), path: path}
	conf.OnChange(o.apply, "oom-score-adj", "oom-score-adj-values")
	set := func(words ...string) error {
		var pairs []config.Pair
		for i := 0; i < len(words); i += 2 {
			pairs = append(pairs, config.Pair{Name: words[i], Value: words[i+1]})
		}
		return conf.Set(config.Caller{}, pairs...)
	}
	for _, c := range []struct {
		set  []string
		want string
	}{
		{[]string{"oom-score-adj-values", "10 20 30"}, "100"}, // switched off
		{[]string{"oom-score-adj", "yes"}, "110"},
		{[]string{"oom-score-adj-values", "15 20 30"}, "115"},
		{[]string{"oom-score-adj", "absolute"}, "15"},
		{[]string{"oom-score-adj-values", "-2000 20 30"}, "-1000"},
		{[]string{"oom-score-adj", "relative", "oom-score-adj-values", "2000 20 30"}, "1000"},
		{[]string{"oom-score-adj", "no"}, "100"},
		{[]string{"oom-score-adj-values", "1 2 3"}, "100"},
	} {
		if err := set(c.set...); err != nil {
			t.Fatal(err)
		}
		if got := score(); got != c.want {
			t.Errorf("after %q the score is %s, want %s", c.set, got, c.want)
		}
	}
	for _, c := range []struct {
		replica bool
		want    string
	}{{true, "120"}, {true, "120"}, {false, "110"}} {
		if err := set("oom-score-adj", "yes", "oom-score-adj-values", "10 20 30"); err != nil {
			t.Fatal(err)
		}
		o.setRole(c.replica)
		if got := score(); got != c.want {
			t.Errorf("the score is %s, want %s", got, c.want)
		}
	}
	if err := set("oom-score-adj", "no"); err != nil {
		t.Fatal(err)
	}
	o.path = filepath.Join(path, "not-there")
	err := set("oom-score-adj", "yes")
	if err == nil || !strings.HasSuffix(err.Error(), "Failed to set current oom_score_adj. Check server logs.") {
		t.Errorf("a score that cannot be set: %v", err)
	}
	if conf.OOMScoreAdj.Get() != config.OOMNo {
		t.Error("the value was not put back")
	}
}
