package acl

import "testing"

// What a check costs: a user who may do everything, and others by what has to be looked at.
func BenchmarkCheck(b *testing.B) {
	for _, c := range []struct {
		name  string
		rules []string
	}{
		{"free", []string{"~*", "&*", "+@all"}},
		{"commands", []string{"~*", "+@all", "-@admin"}},
		{"keys", []string{"~app:*", "+@all"}},
		{"second selector", []string{"~a:*", "+@all", "(~app:* +@all)"}},
	} {
		b.Run(c.name, func(b *testing.B) {
			u, err := NewUsers(everything).Set("ann", c.rules, nil)
			if err != nil {
				b.Fatal(err)
			}
			r := Request{Command: everything.Get("set"), Argv: bytesOf([]string{"set", "app:user:1234", "value"})}
			var sc Scratch
			b.ReportAllocs()
			for b.Loop() {
				if !u.Free() {
					if v, _ := u.Check(r, &sc); v != Allowed {
						b.Fatal(v)
					}
				}
			}
		})
	}
}
