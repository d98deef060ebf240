package server

import (
	"fmt"
	"strings"

	"larder/server/command"
)

func memoryDoctor(c *command.Ctx) {
	m, _ := c.Client.(*session).srv.memory(nil)
	m.bound = memoryBound()
	c.Reply.Verbatim("txt", m.report())
}

// report says in plain words whether the figures look as they should.
func (m *memoryFigures) report() string {
	list := m.ofLimit()
	const small = 5 << 20
	if m.used < small && len(list) == 0 {
		return "This server is nearly empty: its figures say nothing yet. Ask again when there is data in it.\n"
	}
	if m.peak > m.used*3/2 && m.used >= small {
		list = append(list, fmt.Sprintf("At its peak the server took %s, now it takes %s. What was given up may still be part of "+
			"the process for a while; MEMORY PURGE hands back at once what can be handed back.", humanBytes(m.peak), humanBytes(m.used)))
	}
	if ratio(m.active, m.used) > 1.4 && m.active-m.used > 10<<20 {
		list = append(list, fmt.Sprintf("Pages in use hold %s for %s of data: they are fragmented. Defragmentation closes such gaps "+
			"while the server has nothing else to do; see activedefrag.", humanBytes(m.active), humanBytes(m.used)))
	}
	if ratio(m.rss, m.resident) > 1.1 && m.rss-m.resident > 10<<20 {
		list = append(list, fmt.Sprintf("The process takes %s more than its allocators account for.", humanBytes(m.rss-m.resident)))
	}
	if m.clients > m.used/4 && m.clients > 10<<20 {
		list = append(list, fmt.Sprintf("Clients take %s, mostly for requests that are not complete and replies that nobody reads. "+
			"CLIENT LIST shows which (tot-mem); client-output-buffer-limit and maxmemory-clients bound it.", humanBytes(m.clients)))
	}
	if m.logBuffer > m.used/4 && m.logBuffer > 10<<20 {
		list = append(list, fmt.Sprintf("%s wait to be written to the append-only file: the disk does not keep up.", humanBytes(m.logBuffer)))
	}
	if len(list) == 0 {
		return "Nothing about the memory of this server looks unusual.\n"
	}
	return "What looks unusual:\n\n * " + strings.Join(list, "\n\n * ") + "\n"
}

// nearLimit is how close to its limit the data is said to have reached it: what is evicted makes room for a little more than
// what comes.
const nearLimit = 0.99

// ofLimit is what is to be said of maxmemory, and of the memory of the machine or of the process's group.
func (m *memoryFigures) ofLimit() (list []string) {
	say := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	if m.bound > 0 && m.limit > m.bound {
		say("maxmemory is %s, but the machine, or the group of processes that this one belongs to, has %s: the system will end the "+
			"process before the limit is reached.", humanBytes(m.limit), humanBytes(m.bound))
	}
	if m.bound > 0 && m.limit == 0 && m.rss > m.bound/10*9 {
		say("The process takes %s of the %s that it may have at most, and there is no maxmemory: the system will end it.",
			humanBytes(m.rss), humanBytes(m.bound))
	}
	if m.limit == 0 || float64(max(m.counted, m.pressing)) < nearLimit*float64(m.limit) {
		return list
	}
	switch {
	case m.follows:
		say("The data takes %s, and maxmemory is %s. A replica removes nothing by itself (replica-ignore-maxmemory): its primary "+
			"should have no more, or a limit.", humanBytes(m.counted), humanBytes(m.limit))
	case !m.evicts:
		say("maxmemory, %s, is reached, and maxmemory-policy is %s: writes that need memory are refused.", humanBytes(m.limit), m.policy)
	case m.onlyVolatile && !m.anyVolatile():
		say("maxmemory, %s, is reached, and maxmemory-policy is %s, but no key has a time to live: there is nothing to remove, and "+
			"writes that need memory are refused.", humanBytes(m.limit), m.policy)
	}
	return list
}

// anyVolatile tells whether there is a key that expires.
func (m *memoryFigures) anyVolatile() bool {
	for _, d := range m.databases {
		if d.volatile > 0 {
			return true
		}
	}
	return false
}
