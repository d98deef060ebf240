package server

import (
	"math/rand/v2"
	"strconv"

	"go.uber.org/zap"

	"larder/server/command"
	"larder/server/glob"
	"larder/server/resp"
)

// debugListpack tells of a value that is one listpack. Redis prints it to its output; here it is a line of the log.
func debugListpack(c *command.Ctx, srv *Server) {
	key := c.Args.Bytes()
	in, ok := c.Stat(key)
	if !ok {
		c.Fail(resp.ErrNoSuchKey)
		return
	}
	if encoding, _ := c.Encoding(key); encoding != "listpack" && encoding != "listpackex" {
		c.Fail(resp.ErrNotListpack)
		return
	}
	srv.log.Info("DEBUG LISTPACK", zap.String("key", srv.shownKey(key)), zap.Int("bytes", in.Size))
	c.Reply.Simple("Listpack structure printed on stdout")
}

// debugSDSLen tells how long a key and its string are. Neither has room to spare here.
func debugSDSLen(c *command.Ctx, _ *Server) {
	key := c.Args.Bytes()
	in, ok := c.Stat(key)
	if !ok {
		c.Fail(resp.ErrNoSuchKey)
		return
	}
	if encoding, _ := c.Encoding(key); encoding != "raw" && encoding != "embstr" {
		c.Fail(resp.ErrNotSDS)
		return
	}
	n, m := strconv.Itoa(len(key)), strconv.Itoa(in.Size)
	c.Reply.Simple("key_sds_len:" + n + ", key_sds_avail:0, key_zmalloc: " + n + ", val_sds_len:" + m + ", val_sds_avail:0, val_zmalloc: " + m)
}

// debugTableOf describes the table that a large value is kept in.
func debugTableOf(c *command.Ctx, _ *Server) {
	key := c.Args.Bytes()
	c.Args.Is("FULL")
	if _, ok := c.Stat(key); !ok {
		c.Fail(resp.ErrNoSuchKey)
		return
	}
	elements, ok := c.InTable(key)
	if !ok {
		c.Fail(resp.ErrNoTable)
		return
	}
	c.Reply.Verbatim("txt", "Hash table 0 stats (main hash table):\n number of elements: "+strconv.Itoa(elements)+
		"\n in buckets of 12 elements; a table grows and shrinks bucket by bucket and has no chains\n")
}

// debugGlob matches names against patterns, both made by chance.
func debugGlob(c *command.Ctx, _ *Server) {
	const rounds, longest = 100_000, 32
	rnd := rand.New(c.Rand)
	random := func(letters string) []byte {
		b := make([]byte, rnd.IntN(longest))
		for i := range b {
			b[i] = letters[rnd.IntN(len(letters))]
		}
		return b
	}
	for range rounds {
		glob.Match(random("*?[]^-\\abc"), random("abc-^]\\"), rnd.IntN(2) == 0)
	}
	c.Reply.Simple("Apparently Redis did not crash: test passed")
}

// debugClientEviction tells how much memory the clients take that may be evicted, by its order of magnitude.
func debugClientEviction(c *command.Ctx, srv *Server) {
	if srv.clientLimit() <= 0 {
		c.Fail(resp.ErrNoClientLimit)
		return
	}
	const first, last = 15, 33 // powers of two, as in Redis: below 32 KiB all are one, so are they beyond 4 GiB
	var number, bytes [last - first + 1]int
	for _, s := range srv.clients.all() {
		if s.noEvict {
			continue
		}
		n, i := s.memory(), 0
		for i < last-first && n >= 1<<(first+i) {
			i++
		}
		number[i]++
		bytes[i] += n
	}
	text := ""
	for i := range number {
		from, to := 0, "+"
		if i > 0 {
			from = 1 << (first + i - 1)
		}
		if i < last-first {
			to = " - " + pad(1<<(first+i)-1)
		}
		text += "bucket " + pad(from) + to + ": tot-mem: " + pad(bytes[i]) + ", clients: " + strconv.Itoa(number[i]) + "\n"
	}
	c.Reply.Verbatim("txt", text)
}

// pad is a number in ten places.
func pad(n int) string {
	s := strconv.Itoa(n)
	for len(s) < 10 {
		s = " " + s
	}
	return s
}
