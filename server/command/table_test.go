package command

import (
	"testing"
)

// TestManyKeys names the commands whose keys are looked up ahead one by one, and some whose are not.
func TestManyKeys(t *testing.T) {
	table := NewTable(Rows())
	table.Number()
	for name, many := range map[string]bool{
		"mget": true, "mset": true, "msetnx": true, "del": true, "exists": true, "unlink": true, "touch": true,
		"sinter": true, "sunionstore": true, "pfcount": true, "rename": true, "lmove": true,
		"get": false, "set": false, "zunion": false, "keys": false, "ping": false, "flushall": false,
	} {
		row := table.Lookup([]byte(name))
		if row == nil {
			if many {
				t.Errorf("there is no %s", name)
			}
			continue
		}
		if row.Many != many {
			t.Errorf("%s: many keys is %v", name, row.Many)
		}
		if row.Many && row.Single != 0 {
			t.Errorf("%s has one key and many", name)
		}
	}
}
