package server

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"larder/datatypes/words"
	"larder/server/command"
	"larder/server/command/spec"
	"larder/server/resp"
)

// monitors is the clients that watch every command go by.
type monitors struct {
	count atomic.Int32
	mu    sync.Mutex
	list  []*session
}

func monitor(c *command.Ctx) {
	s := c.Client.(*session)
	if !c.MayBlock {
		c.Fail(resp.ErrMonitorBlocking)
		return
	}
	if s.monitor { // it has been told, and is told no more
		return
	}
	c.Reply.OK()
	s.monitor = true
	m := &s.srv.monitors
	m.mu.Lock()
	m.list = append(m.list, s)
	m.count.Store(int32(len(m.list)))
	m.mu.Unlock()
}

// stopMonitor ends MONITOR.
func (ex *executor) stopMonitor(s *session) {
	if !s.monitor {
		return
	}
	s.monitor = false
	m := &ex.srv.monitors
	m.mu.Lock()
	defer m.mu.Unlock()
	if i := slices.Index(m.list, s); i >= 0 {
		m.list = slices.Delete(m.list, i, i+1)
	}
	m.count.Store(int32(len(m.list)))
}

// show tells the monitors of a command. Commands of operators are not shown, nor what may hold a password.
func (ex *executor) show(s *session, row *command.Row, argv [][]byte) {
	if row.Has(spec.Admin) {
		return
	}
	from := s.conn.RemoteAddr()
	if s.conn.Listener != nil && s.conn.Listener.Network == "unix" {
		from = "unix:" + s.conn.Listener.Addr
	}
	if ex.scripting.run != nil {
		from = "lua"
	}
	line := fmt.Appendf(nil, "+%d.%06d [%d %s]", ex.now/1000, ex.now%1000*1000, s.db, from)
	for i, a := range argv {
		line = append(line, ' ')
		if isSecret(row, argv, i) {
			line = words.AppendQuoted(line, redacted)
		} else {
			line = words.AppendQuoted(line, a)
		}
	}
	line = append(line, "\r\n"...)
	m := &ex.srv.monitors
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, o := range m.list {
		o.deliver(ex, line)
	}
}
