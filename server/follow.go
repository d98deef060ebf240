package server

import (
	"strings"

	"larder/server/command"
	"larder/server/config"
	"larder/server/resp"
)

// followConfig takes over what the configuration says now, and again whenever CONFIG SET changes it.
func (srv *Server) followConfig() {
	c := srv.conf
	srv.activeExpire.Store(true)
	follow := func(apply func() error, names ...string) {
		c.OnChange(apply, names...)
		if err := apply(); err != nil {
			panic("assertion failed: the configuration cannot be applied: " + err.Error())
		}
	}
	follow(func() error {
		srv.commandConf.Store(&command.Conf{MaxBulk: c.ProtoMaxBulkLen.Get()})
		lim := resp.Limits{
			MaxBulk: int(c.ProtoMaxBulkLen.Get()), MaxArgs: resp.DefaultMaxArgs, MaxBuffered: int(c.ClientQueryBufferLimit.Get()),
		}
		un := lim
		un.Unauth = true
		srv.limits.Store(&lim)
		srv.unauthLimits.Store(&un)
		return nil
	}, "proto-max-bulk-len", "client-query-buffer-limit")
	follow(func() error { srv.ks.SetMaxMemory(c.Maxmemory.Get()); return nil }, "maxmemory")
	follow(func() error {
		l := c.ClientOutputBufferLimit.Get()
		srv.outputLimits.Store(&l)
		return nil
	}, "client-output-buffer-limit")
	follow(func() error { srv.setRecording(); return nil }, "notify-keyspace-events")
	c.OnChange(srv.relisten, "port", "bind")
}

// outOfMemory tells whether the data has passed maxmemory.
func (srv *Server) outOfMemory() bool {
	limit := srv.ks.MaxMemory()
	return limit > 0 && srv.usedMemory() > limit
}

// usedMemory is what the data takes, in bytes.
func (srv *Server) usedMemory() int64 {
	n := int64(0)
	for i := range srv.ks.Shards() {
		n += srv.ks.Shard(i).Used()
	}
	return n
}

// renameCommand applies a rename-command line: the command is known by another name, or not at all.
func (srv *Server) renameCommand(r config.Rename) error {
	row := srv.table.Lookup([]byte(r.From))
	if row == nil || !srv.table.Remove(row.Name) {
		return r.Where.Fail("No such command in rename-command", "")
	}
	to := strings.ToLower(r.To)
	if to == "" {
		return nil
	}
	if srv.table.Lookup([]byte(to)) != nil {
		return r.Where.Fail("Target command name already exists", "")
	}
	srv.table.Add(to, row)
	return nil
}

// setRecording asks for every change to be recorded while somebody hears of changes wherever they happen.
func (srv *Server) setRecording() {
	srv.recording.Store(srv.conf.NotifyKeyspaceEvents.Get() != 0 || srv.tracker.count.Load() > 0)
}
