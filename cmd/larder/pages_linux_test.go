package main

import "testing"

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
		if from, to, is := fileMapping(line, file); is != ok || ok && to-from == 0 {
			t.Errorf("%q: %x-%x %v", line, from, to, is)
		}
	}
	dropStartPages() // and everything is still there
	if _, _, ok := fileMapping("00400000-013f1000 r-xp 00000000 08:01 1 "+file, file); !ok {
		t.Error("a mapping is not known any more")
	}
}
