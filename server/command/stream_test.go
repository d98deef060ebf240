package command

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"larder/datatypes"
)

// streamText is all that is in the stream at a key and has to be the same on a replica. When a consumer was seen, and
// how many entries a group has read, is not told to replicas, as in Redis.
func (l *lab) streamText(key string) string {
	c := l.c
	c.Take(l.ks.All())
	defer c.Release()
	s, st := c.View.ReadStream([]byte(key))
	if st != 0 && s.Len() == 0 && s.LastID().IsZero() && s.GroupCount() == 0 {
		return "nothing"
	}
	if err := s.Check(); err != nil {
		l.t.Fatalf("%q: %v", key, err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d first %v last %v deleted %v added %d\n", s.Len(), s.FirstID(), s.LastID(), s.MaxDeletedID(), s.EntriesAdded())
	for it := s.Iter(datatypes.StreamID{}, datatypes.MaxStreamID, false); it.Next(); {
		fmt.Fprintf(&b, "%v", it.ID())
		for it.Field() {
			fmt.Fprintf(&b, " %q=%q", it.Name(), it.Value())
		}
		b.WriteByte('\n')
	}
	for i := range s.GroupCount() {
		g := s.GroupAt(i)
		fmt.Fprintf(&b, "group %q last %v read %d\n", g.Name(), g.LastID(), g.EntriesRead())
		for it := g.PendingIter(datatypes.StreamID{}, datatypes.MaxStreamID); it.Next(); {
			e := it.Entry()
			fmt.Fprintf(&b, "  %v %q %d times, %d\n", e.ID, e.Consumer.Name(), e.Deliveries, e.DeliveredAt)
		}
		for j := range g.ConsumerCount() {
			who := g.ConsumerAt(j)
			fmt.Fprintf(&b, "  %q %d\n", who.Name(), who.PendingCount())
		}
	}
	return b.String()
}

// Whatever commands do to a stream, their effects do the same to an equal stream, even if the clock there differs.
func TestStreamEffects(t *testing.T) {
	runs, steps := 40, 300
	if testing.Short() {
		runs = 8
	}
	for seed := range runs {
		rnd := rand.New(rand.NewPCG(uint64(seed), 5))
		from, to := newLab(t), newLab(t)
		from.c.WantEffects, to.c.Obey = true, true
		for _, l := range []*lab{from, to} {
			l.limits(func(x *datatypes.Limits) { x.StreamNodeMaxEntries = 4 })
		}
		to.c.Now += 1 << 30
		var log []string
		for range steps {
			from.c.Now += rnd.Int64N(4)
			words := streamRequest(rnd, from.c.Now)
			dirty := from.c.Dirty
			reply := from.do(words...)
			log = append(log, fmt.Sprint(words, " ", reply))
			if strings.HasPrefix(reply, "-") && from.c.Dirty != dirty {
				t.Fatalf("seed %d: %v changed something and failed: %s", seed, words, reply)
			}
			for _, request := range from.effects {
				var again []any
				for _, w := range strings.Split(request, " ") {
					again = append(again, w)
				}
				if reply := to.do(again...); strings.HasPrefix(reply, "-") {
					t.Fatalf("seed %d: the effect %q of %v fails: %s", seed, request, words, reply)
				}
			}
			if a, b := from.streamText("s"), to.streamText("s"); a != b {
				t.Fatalf("seed %d: after\n%s\neffects %q: the stream is\n%s\nand by its effects\n%s", seed, strings.Join(log[max(0, len(log)-12):], "\n"), from.effects, a, b)
			}
		}
	}
}

// limits changes the borders of the encodings.
func (l *lab) limits(change func(*datatypes.Limits)) {
	for i := range l.ks.Shards() {
		change(l.ks.Shard(i).Env().Limits)
	}
}

// streamRequest is a random request about the stream "s". IDs are small, so that they meet.
func streamRequest(rnd *rand.Rand, now int64) (words []any) {
	one := func(list ...any) any { return list[rnd.IntN(len(list))] }
	id := func() any {
		return one(fmt.Sprint(rnd.IntN(60)), fmt.Sprint(rnd.IntN(60), "-", rnd.IntN(3)), fmt.Sprint(now, "-", rnd.IntN(3)))
	}
	ids := func() (list []any) {
		for range rnd.IntN(4) + 1 {
			list = append(list, id())
		}
		return list
	}
	trim := func() []any {
		how := []any{"MAXLEN", rnd.IntN(30)}
		if rnd.IntN(2) == 0 {
			how = []any{"MINID", id()}
		}
		if op := one("", "=", "~"); op != "" {
			how = []any{how[0], op, how[1]}
			if op == "~" && rnd.IntN(2) == 0 {
				how = append(how, "LIMIT", rnd.IntN(12))
			}
		}
		if refs := one("", "", "", "KEEPREF", "DELREF", "ACKED"); refs != "" {
			how = append(how, refs)
		}
		return how
	}
	deletion := func(words ...any) []any {
		if refs := one("", "KEEPREF", "DELREF", "ACKED"); refs != "" {
			words = append(words, refs)
		}
		list := ids()
		return append(append(words, "IDS", len(list)), list...)
	}
	group, who := one("g", "h"), one("alice", "bob", "carol")
	switch rnd.IntN(25) {
	case 0, 1, 2, 3, 4, 5:
		words = []any{"XADD", "s"}
		if rnd.IntN(8) == 0 {
			words = append(words, "NOMKSTREAM")
		}
		if rnd.IntN(3) == 0 {
			words = append(words, trim()...)
		}
		return append(words, one("*", "*", id(), fmt.Sprint(rnd.IntN(60), "-*")), one("f", "g"), rnd.IntN(100))
	case 6:
		return append([]any{"XTRIM", "s"}, trim()...)
	case 7:
		return append([]any{"XDEL", "s"}, ids()...)
	case 8:
		return append([]any{"XACK", "s", group}, ids()...)
	case 9, 10:
		words = []any{"XGROUP", "CREATE", "s", group, one("$", "0", id())}
		if rnd.IntN(3) == 0 {
			words = append(words, "MKSTREAM")
		}
		return words
	case 11:
		return []any{"XGROUP", "SETID", "s", group, one("$", "0", "-", id())}
	case 12:
		return []any{"XGROUP", one("CREATECONSUMER", "DELCONSUMER"), "s", group, who}
	case 13:
		if rnd.IntN(6) == 0 {
			return []any{"XGROUP", "DESTROY", "s", group}
		}
		return []any{"XSETID", "s", id(), "ENTRIESADDED", rnd.IntN(100)}
	case 14, 15, 16, 17:
		words = []any{"XREADGROUP", "GROUP", group, who}
		if rnd.IntN(2) == 0 {
			words = append(words, "COUNT", rnd.IntN(5))
		}
		if rnd.IntN(4) == 0 {
			words = append(words, "NOACK")
		}
		if rnd.IntN(3) == 0 {
			words = append(words, "CLAIM", rnd.IntN(20))
		}
		return append(words, "STREAMS", "s", ">")
	case 18, 19:
		words = append([]any{"XCLAIM", "s", group, who, rnd.IntN(3)}, ids()...)
		for _, option := range [][]any{{"FORCE"}, {"JUSTID"}, {"RETRYCOUNT", 7}, {"IDLE", 5}, {"TIME", now - 9}, {"LASTID", id()}} {
			if rnd.IntN(4) == 0 {
				words = append(words, option...)
			}
		}
		return words
	case 20:
		words = []any{"XAUTOCLAIM", "s", group, who, rnd.IntN(3), one("-", id()), "COUNT", rnd.IntN(4) + 1}
		if rnd.IntN(2) == 0 {
			words = append(words, "JUSTID")
		}
		return words
	case 21:
		return deletion("XDELEX", "s")
	case 22:
		return deletion("XACKDEL", "s", group)
	}
	if rnd.IntN(20) == 0 {
		return []any{"DEL", "s"}
	}
	return []any{"XLEN", "s"}
}

func TestStreamEffectTexts(t *testing.T) {
	l := newLab(t)
	l.c.WantEffects = true
	l.limits(func(x *datatypes.Limits) { x.StreamNodeMaxEntries = 2 })
	want := func(effect string, words ...any) {
		t.Helper()
		if reply := l.do(words...); strings.HasPrefix(reply, "-") {
			t.Errorf("%v: %s", words, reply)
		}
		if got := strings.Join(l.effects, "; "); got != effect {
			t.Errorf("%v has the effect\n%s, want\n%s", words, got, effect)
		}
	}
	want("XADD s 1-1 f v", "XADD", "s", "1-1", "f", "v")
	want("XADD s 1-2 f v", "XADD", "s", "1-*", "f", "v")
	want("XADD s 1700000000000-0 f v", "XADD", "s", "*", "f", "v")
	want("XADD s MAXLEN = 2 1700000000000-1 f v", "XADD", "s", "MAXLEN", "~", "2", "*", "f", "v")
	want("XADD s MAXLEN = 1 1700000000000-2 f v", "XADD", "s", "NOMKSTREAM", "MAXLEN", "1", "*", "f", "v")
	want("xadd s maxlen 1 2000000000000-2 f v", "xadd", "s", "maxlen", "1", "2000000000000-2", "f", "v")
	want("XTRIM s MINID = 18446744073709551615-18446744073709551615", "XTRIM", "s", "MINID", "~", "3000000000000")
	want("", "XTRIM", "s", "MAXLEN", "~", "5")
	want("XADD s 2000000000000-3 f v", "XADD", "s", "2000000000000-*", "f", "v")
	want("XGROUP CREATE s g 0", "XGROUP", "CREATE", "s", "g", "0")
	want("XCLAIM s g bob 0 2000000000000-3 TIME 1700000000000 RETRYCOUNT 1 FORCE JUSTID LASTID 2000000000000-3; XGROUP SETID s g 2000000000000-3 ENTRIESREAD 7",
		"XREADGROUP", "GROUP", "g", "bob", "STREAMS", "s", ">")
	want("XGROUP CREATECONSUMER s g eve", "XREADGROUP", "GROUP", "g", "eve", "STREAMS", "s", ">")
	want("", "XREADGROUP", "GROUP", "g", "bob", "STREAMS", "s", "0")
	want("XGROUP SETID s g 0", "XGROUP", "SETID", "s", "g", "0")
	want("XGROUP CREATECONSUMER s g dan; XGROUP SETID s g 2000000000000-3 ENTRIESREAD 7",
		"XREADGROUP", "GROUP", "g", "dan", "NOACK", "STREAMS", "s", ">")
	want("XCLAIM s g eve 0 2000000000000-3 TIME 1700000000000 RETRYCOUNT 3 FORCE JUSTID LASTID 2000000000000-3",
		"XAUTOCLAIM", "s", "g", "eve", "0", "-")
	want("XCLAIM s g bob 0 2000000000000-3 TIME 1700000000000 RETRYCOUNT 4 FORCE JUSTID LASTID 2000000000000-3",
		"XREADGROUP", "GROUP", "g", "bob", "CLAIM", "0", "STREAMS", "s", ">")
	want("XGROUP CREATE s h 0", "XGROUP", "CREATE", "s", "h", "0")
	want("", "XDELEX", "s", "ACKED", "IDS", "2", "2000000000000-3", "7-7")
	want("XACK s g 2000000000000-3", "XACKDEL", "s", "g", "ACKED", "IDS", "2", "2000000000000-3", "7-7")
	want("XDEL s 2000000000000-3", "XDELEX", "s", "IDS", "1", "2000000000000-3")
	for _, id := range []string{"4000000000000-1", "4000000000000-2", "4000000000000-3"} {
		l.do("XADD", "s", id, "f", "v")
	}
	l.do("XREADGROUP", "GROUP", "g", "bob", "STREAMS", "s", ">")
	l.do("XREADGROUP", "GROUP", "h", "bob", "NOACK", "STREAMS", "s", ">")
	want("XTRIM s MAXLEN = 2; XACK s g 4000000000000-1", "XTRIM", "s", "DELREF", "MAXLEN", "2")
	l.do("XACK", "s", "g", "4000000000000-3")
	want("XADD s 4000000000000-4 f v; XDEL s 4000000000000-3", "XADD", "s", "ACKED", "MAXLEN", "0", "4000000000000-*", "f", "v")
	want("XADD s MAXLEN = 2 4000000000000-5 f v", "XADD", "s", "KEEPREF", "MAXLEN", "2", "4000000000000-5", "f", "v")
	want("XTRIM s MAXLEN = 1", "XTRIM", "s", "MAXLEN", "1", "KEEPREF")
	l.do("XADD", "s", "4000000000000-6", "f", "v")
	l.do("XREADGROUP", "GROUP", "g", "bob", "STREAMS", "s", ">")
	want("XDEL s 4000000000000-6; XACK s g 4000000000000-6", "XDELEX", "s", "DELREF", "IDS", "1", "4000000000000-6")
}

func TestStreamEvents(t *testing.T) {
	l := newLab(t)
	for _, x := range []struct{ request, events string }{
		{"XADD s 1-1 f v", "xadd s"},
		{"XADD s MAXLEN 1 1-2 f v", "xadd s, xtrim s"},
		{"XADD s 1-2 f v", ""},
		{"XADD none NOMKSTREAM * f v", ""},
		{"XTRIM s MAXLEN 0", "xtrim s"},
		{"XTRIM s MAXLEN 0", ""},
		{"XADD s 1-3 f v", "xadd s"},
		{"XDEL s 1-3 1-9", "xdel s"},
		{"XDEL s 1-3", ""},
		{"XADD s 1-4 f v", "xadd s"},
		{"XDELEX s IDS 1 1-4", "xdel s"},
		{"XDELEX s IDS 1 1-4", ""},
		{"XSETID s 5-5", "(xsetid s)"},
		{"XGROUP CREATE s g 0", "(xgroup-create s)"},
		{"XGROUP CREATE s g 0", ""},
		{"XGROUP CREATE new g 0 MKSTREAM", "xgroup-create new"},
		{"XGROUP SETID s g $", "(xgroup-setid s)"},
		{"XGROUP CREATECONSUMER s g bob", "(xgroup-createconsumer s)"},
		{"XGROUP CREATECONSUMER s g bob", ""},
		{"XREADGROUP GROUP g eve STREAMS s >", "(xgroup-createconsumer s)"},
		{"XADD s 6-6 f v", "xadd s"},
		{"XREADGROUP GROUP g eve STREAMS s >", ""},
		{"XCLAIM s g dan 0 6-6", "(xgroup-createconsumer s)"},
		{"XACK s g 6-6", ""},
		{"XADD s 6-7 f v", "xadd s"},
		{"XREADGROUP GROUP g eve NOACK STREAMS s >", ""},
		{"XADD s ACKED MAXLEN 1 6-8 f v", "xadd s, xtrim s"},
		{"XREADGROUP GROUP g eve STREAMS s >", ""},
		{"XACKDEL s g ACKED IDS 1 6-8", "xdel s"},
		{"XACKDEL s g IDS 1 6-8", ""},
		{"XGROUP DELCONSUMER s g bob", "(xgroup-delconsumer s)"},
		{"XGROUP DELCONSUMER s g bob", ""},
		{"XGROUP DESTROY s g", "(xgroup-destroy s)"},
		{"XGROUP DESTROY s g", ""},
	} {
		var words []any
		for _, w := range strings.Fields(x.request) {
			words = append(words, w)
		}
		l.quiet = true // those that watchers do not mind are shown in brackets
		l.do(words...)
		if got := l.told(); got != x.events {
			t.Errorf("%s: events %s, want %s", x.request, got, x.events)
		}
	}
}

// What "$" stands for is what it was when the request came first.
func TestStreamBlockKeepsIDs(t *testing.T) {
	l := newLab(t)
	l.do("XADD", "a", "1-1", "f", "v")
	l.do("XADD", "b", "7-7", "f", "v")
	l.c.MayBlock = true
	l.w.Empty()
	argv := l.args("XREAD", "BLOCK", "1000", "STREAMS", "a", "b", "none", "$", "7-7", "$")
	l.run(argv)
	wait := l.c.Wait
	if !wait.Set || wait.Deadline_ms != l.c.Now+1000 || len(l.w.Bytes()) > 0 {
		t.Fatalf("wait %+v, reply %q", wait, l.w.Bytes())
	}
	if got, want := fmt.Sprintf("%s", wait.Argv), "[XREAD BLOCK 1000 STREAMS a b none 1-1 7-7 0-0]"; got != want {
		t.Errorf("runs again as %s, want %s", got, want)
	}
	if got, want := fmt.Sprintf("%s", wait.Keys), "[a b none]"; got != want {
		t.Errorf("waits for %s, want %s", got, want)
	}
	l.c.MayBlock = false
	l.c.Wait.Set = false
	l.do("XADD", "none", "3-3", "f", "v")
	if got, want := l.do("XREAD", "STREAMS", "a", "b", "none", "1-1", "7-7", "0-0"), "*1 *2 $4 none *1 *2 $3 3-3 *2 $1 f $1 v"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// A waiter passes over keys that hold something else by now; a group's waiter is told.
func TestStreamWaitersOfOtherTypes(t *testing.T) {
	l := newLab(t)
	l.do("SET", "s", "text")
	l.c.MayBlock, l.c.Again = true, true
	l.w.Empty()
	l.run(l.args("XREAD", "BLOCK", "0", "STREAMS", "s", "5-5"))
	if !l.c.Wait.Set || len(l.w.Bytes()) > 0 {
		t.Errorf("XREAD does not go on waiting: %q", l.w.Bytes())
	}
	l.c.Wait.Set = false
	l.want("-WRONGTYPE Operation against a key holding the wrong kind of value", "XREADGROUP", "GROUP", "g", "bob", "BLOCK", "0", "STREAMS", "s", ">")
	l.do("DEL", "s")
	l.want("-NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option", "XREADGROUP", "GROUP", "g", "bob", "BLOCK", "0", "STREAMS", "s", ">")
}

// Commands allocate nothing once their buffers are warm.
func TestStreamAllocates(t *testing.T) {
	l := newLab(t)
	for i := range 50 {
		l.do("XADD", "s", fmt.Sprint(i+1, "-1"), "field", i)
	}
	l.do("XGROUP", "CREATE", "s", "g", "0")
	for _, argv := range [][][]byte{
		l.args("XADD", "s", "MAXLEN", "~", "1000", "*", "field", "value"),
		l.args("XRANGE", "s", "-", "+"),
		l.args("XREAD", "COUNT", "20", "STREAMS", "s", "10-0"),
		l.args("XREADGROUP", "GROUP", "g", "bob", "STREAMS", "s", ">"),
		l.args("XCLAIM", "s", "g", "bob", "0", "5-1", "6-1"),
		l.args("XPENDING", "s", "g", "-", "+", "10"),
		l.args("XACK", "s", "g", "7-1"),
		l.args("XINFO", "STREAM", "s", "FULL"),
	} {
		if n := testing.AllocsPerRun(20, func() {
			l.w.Empty()
			l.run(argv)
			l.c.ResetEvents()
		}); n > 0 {
			t.Errorf("%s allocates %v times", argv[0], n)
		}
	}
}

// That a script may not block is told with the command's name as the script has spelled it.
func TestBlockInScript(t *testing.T) {
	l := newLab(t)
	l.c.Script = true
	l.want("-ERR XrEad command is not allowed with BLOCK option from scripts", "XrEad", "BLOCK", 0, "STREAMS", "s", "$")
	l.want("-ERR XREADGROUP command is not allowed with BLOCK option from scripts",
		"XREADGROUP", "GROUP", "g", "bob", "BLOCK", 0, "STREAMS", "s", ">")
}
