//go:build !race && !heaparena

package server

import (
	"os"
	"regexp"
	"testing"
)

// hugeMappings counts the mappings of this process that may have huge pages.
func hugeMappings(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Skip(err)
	}
	return len(regexp.MustCompile(`(?m)^VmFlags:.* hg\b`).FindAll(b, -1))
}

func TestDisableTHPNoAsksForHugePages(t *testing.T) {
	before := hugeMappings(t)
	startServer(t, "--shards", "2")
	if n := hugeMappings(t); n != before {
		t.Errorf("%d mappings more may have huge pages, and nobody has asked", n-before)
	}
	startServer(t, "--shards", "2", "--disable-thp", "no")
	n := hugeMappings(t)
	if _, err := os.Stat("/sys/kernel/mm/transparent_hugepage"); err == nil && n <= before {
		t.Error("no mapping may have huge pages")
	}
}
