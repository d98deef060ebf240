package main

import (
	"os"
	"reflect"
	"runtime"
	"strings"
	"testing"
)

func TestFileMapping(t *testing.T) {
	const file = "/usr/bin/larder"
	for line, ok := range map[string]bool{
		"00400000-013f1000 r-xp 00000000 08:01 1835081                            /usr/bin/larder\n": true,
		"013f1000-01e9c000 r--p 00ff1000 08:01 1835081                            /usr/bin/larder\n": true,
		"01e9c000-01f00000 rw-p 01a9c000 08:01 1835081                            /usr/bin/larder\n": false, // what was written would be lost
		"00400000-013f1000 r-xp 00000000 08:01 1835081                            /usr/bin/other\n":  false,
		"7ffd5c000000-7ffd5c021000 r--p 00000000 00:00 0                          [vvar]\n":          false,
		"c000000000-c000400000 rw-p 00000000 00:00 0\n":                                              false,
		"x-y r-xp 00000000 08:01 1835081 /usr/bin/larder\n":                                          false,
		"": false,
	} {
		m, code, is := fileMapping(line, file)
		if is != ok || ok && m.to-m.from == 0 || code != (ok && strings.Contains(line, "r-xp")) {
			t.Errorf("%q: %x %v %v", line, m, code, is)
		}
	}
	dropStartPages() // and everything is still there
	if _, _, ok := fileMapping("00400000-013f1000 r-xp 00000000 08:01 1 "+file, file); !ok {
		t.Error("a mapping is not known any more")
	}
}

func TestRequestCode(t *testing.T) {
	in := reflect.ValueOf(runtime.GC).Pointer()
	out := reflect.ValueOf(os.Readlink).Pointer()
	if !isRequestCode(in) || isRequestCode(out) {
		t.Error("the runtime is no code of requests, or os is")
	}
	page := uintptr(os.Getpagesize())
	code := span{in &^ (page - 1), in&^(page-1) + 64*page}
	last := code.from
	for _, r := range requestCode(code) {
		if r.from < last || r.to <= r.from || r.to > code.to || !isRequestCode(r.from) {
			t.Errorf("run %x of %x", r, code)
		}
		last = r.to + page // runs do not touch each other
	}
	if last == code.from {
		t.Error("no page of the runtime's code")
	}
}
