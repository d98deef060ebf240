//go:build !invariant

package arena

// debug is empty in builds without the tag invariant; see debug_on.go for what it does there.
type debug struct{}

func (*debug) init()                                        {}
func (*debug) allocated(*Arena, Ref, int)                   {}
func (*debug) freed(*Arena, Ref, int)                       {}
func (*debug) resized(Ref, int, int)                        {}
func (*debug) check(*Arena, func(Ref) bool) error           { return nil }
func (*Arena) poison(Ref, int)                              {}
func (*Arena) checkPoison(first uint32, slot uint16, n int) {}
