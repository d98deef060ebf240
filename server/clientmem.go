package server

import (
	"slices"

	"go.uber.org/zap"

	"larder/server/netloop"
)

// clientLimit is what maxmemory-clients allows all clients together, in bytes; 0 is no limit. A negative directive is a
// percentage of maxmemory.
func (srv *Server) clientLimit() int64 {
	n := srv.conf.MaxmemoryClients.Get()
	if n < 0 {
		return srv.ks.MaxMemory() / 100 * -n
	}
	return n
}

// weighClients adds up what the loop's clients cost.
func (ex *executor) weighClients() {
	total, longIn, longOut := int64(0), 0, 0
	ex.loop.Each(func(c *netloop.Conn) {
		if s, _ := c.User.(*session); s != nil {
			total += int64(s.memory())
			longIn, longOut = max(longIn, c.In.Buffered()), max(longOut, c.Pending())
		}
	})
	ex.clientMem.Store(total)
	ex.longIn.Store(int64(longIn))
	ex.longOut.Store(int64(longOut))
}

// clientMemory is what all clients cost in bytes, as of every loop's last tick.
func (srv *Server) clientMemory() (total int64) {
	for _, ex := range srv.executors {
		total += ex.clientMem.Load()
	}
	return total
}

// evictClients closes the largest clients until the rest is within maxmemory-clients. Those that asked not to be
// evicted are left alone, and not counted.
func (ex *executor) evictClients() {
	limit := ex.srv.clientLimit()
	if limit <= 0 || ex.srv.clientMemory() <= limit {
		return
	}
	ex.stopWorld()
	defer ex.startWorld()
	type weighed struct {
		s *session
		n int64
	}
	var list []weighed
	total := int64(0)
	for _, s := range ex.srv.clients.all() {
		if s.noEvict || s.conn.Closing() {
			continue
		}
		n := int64(s.memory())
		list = append(list, weighed{s, n})
		total += n
	}
	slices.SortFunc(list, func(a, b weighed) int { return int(b.n - a.n) })
	for _, w := range list {
		if total <= limit {
			return
		}
		total -= w.n
		ex.srv.stats.evictedClients.Add(1)
		ex.srv.log.Info("Evicting client", zap.Int64("id", w.s.id), zap.String("addr", w.s.conn.RemoteAddr()), zap.Int64("bytes", w.n))
		w.s.conn.Kill(netloop.ErrKilled)
	}
}
