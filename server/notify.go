package server

import (
	"strconv"

	"larder/keyspace"
	"larder/server/config"
)

// eventClasses is the class of each event that is not generic: the letter of notify-keyspace-events that lets it pass.
var eventClasses = func() map[string]config.Events {
	m := map[string]config.Events{}
	for class, names := range map[config.Events][]string{
		config.EventString: {"set", "setrange", "incrby", "incrbyfloat", "append", "setbit", "pfadd"},
		config.EventList:   {"lpush", "rpush", "lpop", "rpop", "linsert", "lset", "lrem", "ltrim", "sortstore"},
		config.EventSet:    {"sadd", "srem", "spop", "sinterstore", "sunionstore", "sdiffstore"},
		config.EventHash:   {"hset", "hincrby", "hincrbyfloat", "hdel", "hexpire", "hpersist", "hexpired"},
		config.EventZset: {"zadd", "zincr", "zrem", "zremrangebyscore", "zremrangebyrank", "zremrangebylex", "zdiffstore", "zinterstore",
			"zunionstore", "zrangestore", "zpopmin", "zpopmax", "geosearchstore", "georadiusstore"},
		config.EventStream: {"xadd", "xtrim", "xdel", "xsetid", "xgroup-create", "xgroup-createconsumer", "xgroup-delconsumer",
			"xgroup-destroy", "xgroup-setid", "xautoclaim", "xclaim", "xreadgroup"},
		config.EventExpired: {"expired"},
		config.EventEvicted: {"evicted"},
		config.EventNew:     {"new"},
		config.EventMiss:    {"keymiss"},
	} {
		for _, name := range names {
			m[name] = class
		}
	}
	return m
}()

func classOf(event string) config.Events {
	if c, ok := eventClasses[event]; ok {
		return c
	}
	return config.EventGeneric
}

// notify publishes a keyspace event on the channels that notify-keyspace-events asks for.
func (ex *executor) notify(e *keyspace.Event) {
	flags := ex.srv.conf.NotifyKeyspaceEvents.Get()
	if flags == 0 || e.Name == "" || flags&classOf(e.Name) == 0 || ex.srv.hubs.plain.Quiet() {
		return
	}
	var room [64]byte
	if flags&config.EventKeyspace != 0 {
		channel := append(room[:0], "__keyspace@"...)
		channel = strconv.AppendInt(channel, int64(e.DB), 10)
		channel = append(channel, "__:"...)
		channel = append(channel, e.Key...)
		ex.publish(ex.srv.hubs.plain, "message", channel, []byte(e.Name))
	}
	if flags&config.EventKeyevent != 0 {
		channel := append(room[:0], "__keyevent@"...)
		channel = strconv.AppendInt(channel, int64(e.DB), 10)
		channel = append(channel, "__:"...)
		channel = append(channel, e.Name...)
		ex.publish(ex.srv.hubs.plain, "message", channel, e.Key)
	}
}
