package server

import (
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

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
	c.Reply.OK()
	if s.monitor {
		return
	}
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
			line = appendQuoted(line, redacted)
		} else {
			line = appendQuoted(line, a)
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

// appendQuoted writes bytes as a quoted string in which everything that is not printable is escaped.
func appendQuoted(dst, b []byte) []byte {
	dst = append(dst, '"')
	for _, c := range b {
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, `\n`...)
		case c == '\r':
			dst = append(dst, `\r`...)
		case c == '\t':
			dst = append(dst, `\t`...)
		case c == '\a':
			dst = append(dst, `\a`...)
		case c == '\b':
			dst = append(dst, `\b`...)
		case c < ' ' || c > '~':
			dst = append(dst, `\x`...)
			if c < 16 {
				dst = append(dst, '0')
			}
			dst = strconv.AppendUint(dst, uint64(c), 16)
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}
