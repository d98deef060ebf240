package invariant

import "testing"

// caught runs fn and returns what it panicked with, nil if it did not.
func caught(fn func()) (v any) {
	defer func() { v = recover() }()
	fn()
	return nil
}

func TestAssertPanicsInEveryBuild(t *testing.T) {
	if v := caught(func() { Assert(true, "fine") }); v != nil {
		t.Fatalf("Assert(true) panicked: %v", v)
	}
	if v := caught(func() { Assert(false, "broken") }); v != "assertion failed: broken" {
		t.Fatalf("Assert(false) gave %v", v)
	}
}

func TestCheckPanicsOnlyWhenEnabled(t *testing.T) {
	if v := caught(func() { Check(true, "fine") }); v != nil {
		t.Fatalf("Check(true) panicked: %v", v)
	}
	v := caught(func() { Check(false, "node %d", 7) })
	if Enabled && v != "assertion failed: node 7" {
		t.Fatalf("Check(false) gave %v", v)
	}
	if !Enabled && v != nil {
		t.Fatalf("Check(false) panicked in a build without the tag: %v", v)
	}
}
