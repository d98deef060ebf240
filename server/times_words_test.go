package server

import (
	"strconv"
)

// What timesModel asks for: each of these is one command on the model and on the primary.

var (
	optionNames = [4]string{"ex", "px", "exat", "pxat"}
	expireNames = [4]string{"expire", "pexpire", "expireat", "pexpireat"}
	fieldNames  = [4]string{"hexpire", "hpexpire", "hexpireat", "hpexpireat"}
)

// onString is a command on a key that has a string, or none.
func (m *timesModel) onString(db int, key string) {
	all := m.dbs[db]
	v := all[key]
	var text any
	if v != nil {
		text = v.text
	}
	value := strconv.Itoa(m.step)
	switch m.rnd.IntN(8) {
	case 0, 1:
		next := &timedValue{text: value, at: forever}
		words, reply := []string{"set", key, value}, any("OK")
		condition := m.rnd.IntN(6)
		switch condition {
		case 0:
			words = append(words, "nx")
		case 1:
			words = append(words, "xx")
		}
		switch m.rnd.IntN(4) {
		case 0:
			words = append(words, "keepttl")
			if v != nil {
				next.at = v.at
			}
		case 1, 2:
			next.at = m.later(false)
			option, n := m.words(next.at, optionNames)
			words = append(words, option, n)
		}
		if condition == 0 && v != nil || condition == 1 && v == nil {
			reply = nil
		} else {
			all[key] = next
		}
		m.ask(db, reply, words...)
	case 2:
		m.ask(db, text, "get", key)
	case 3:
		words := []string{"getex", key}
		switch m.rnd.IntN(3) {
		case 0:
			words = append(words, "persist")
			if v != nil {
				v.at = forever
			}
		case 1:
			at := m.later(false)
			option, n := m.words(at, optionNames)
			words = append(words, option, n)
			if v != nil {
				v.at = at
			}
		}
		m.ask(db, text, words...)
	case 4:
		delete(all, key)
		m.ask(db, text, "getdel", key)
	case 5:
		if v == nil {
			v = &timedValue{at: forever}
			all[key] = v
		}
		v.text += "+"
		m.ask(db, int64(len(v.text)), "append", key, "+")
	case 6:
		all[key] = &timedValue{text: value, at: forever}
		m.ask(db, "OK", "mset", key, value)
	default:
		all[key] = &timedValue{text: value, at: forever}
		m.ask(db, text, "getset", key, value)
	}
}

// onHash is a command on a key that has a hash, or none.
func (m *timesModel) onHash(db int, key string) {
	all := m.dbs[db]
	v := all[key]
	made := func() *timedValue {
		if all[key] == nil {
			all[key] = &timedValue{fields: map[string]timedField{}, at: forever}
		}
		return all[key]
	}
	f, value := "f"+strconv.Itoa(m.rnd.IntN(5)), strconv.Itoa(m.step)
	x, there := timedField{}, false
	if v != nil {
		x, there = v.fields[f]
	}
	var text any
	if there {
		text = x.text
	}
	switch m.rnd.IntN(11) {
	case 0, 1:
		made().fields[f] = timedField{value, forever}
		m.ask(db, oneUnless(there), "hset", key, f, value)
	case 2:
		if !there {
			made().fields[f] = timedField{value, forever}
		}
		m.ask(db, oneUnless(there), "hsetnx", key, f, value)
	case 3:
		n, _ := strconv.Atoi(x.text)
		if x.text = strconv.Itoa(n + 3); !there {
			x.at = forever
		}
		made().fields[f] = x
		m.ask(db, int64(n+3), "hincrby", key, f, "3")
	case 4:
		if there {
			delete(v.fields, f)
			m.dropEmpty(db, key)
		}
		m.ask(db, oneUnless(!there), "hdel", key, f)
	case 5:
		m.ask(db, text, "hget", key, f)
	case 6, 7:
		m.expireField(db, key, f)
	case 8:
		reply := int64(-2)
		switch {
		case there && x.at == forever:
			reply = -1
		case there:
			reply = 1
			v.fields[f] = timedField{x.text, forever}
		}
		m.ask(db, []any{reply}, "hpersist", key, "fields", "1", f)
	case 9:
		words := []string{"hgetex", key}
		switch m.rnd.IntN(3) {
		case 0:
			words = append(words, "persist")
			x.at = forever
		case 1:
			x.at = m.later(true)
			option, n := m.words(x.at, optionNames)
			if n[0] == '-' {
				n, x.at = "0", m.now
			}
			words = append(words, option, n)
		}
		if there {
			m.putField(db, key, f, x)
		}
		m.ask(db, []any{text}, append(words, "fields", "1", f)...)
	default:
		words, reply := []string{"hsetex", key}, int64(1)
		condition := m.rnd.IntN(6)
		switch condition {
		case 0:
			words = append(words, "fnx")
		case 1:
			words = append(words, "fxx")
		}
		next := timedField{value, forever}
		switch m.rnd.IntN(3) {
		case 0:
			words = append(words, "keepttl")
			if there {
				next.at = x.at
			}
		case 1:
			next.at = m.later(false)
			option, n := m.words(next.at, optionNames)
			words = append(words, option, n)
		}
		if condition == 0 && there || condition == 1 && !there {
			reply = 0
		} else {
			made().fields[f] = next
		}
		m.ask(db, reply, append(words, "fields", "1", f, value)...)
	}
}

// expireField is one of the HEXPIRE family, for a field that may not be there.
func (m *timesModel) expireField(db int, key, f string) {
	x, there := timedField{}, false
	if v := m.dbs[db][key]; v != nil {
		x, there = v.fields[f]
	}
	at := m.later(true)
	name, n := m.words(at, fieldNames)
	if n[0] == '-' {
		n, at = "0", m.now
	}
	words := []string{name, key, n}
	condition := [5]string{"", "nx", "xx", "gt", "lt"}[m.rnd.IntN(5)]
	if at == x.at { // which of them is the later one is a matter of milliseconds
		condition = ""
	}
	if condition != "" {
		words = append(words, condition)
	}
	reply := int64(1)
	switch {
	case !there:
		reply = -2
	case !meets(condition, x.at, at):
		reply = 0
	case at <= m.now:
		reply = 2
		fallthrough
	default:
		m.putField(db, key, f, timedField{x.text, at})
	}
	m.ask(db, []any{reply}, append(words, "fields", "1", f)...)
}

// putField gives a field that is there its value and its time, which may be over.
func (m *timesModel) putField(db int, key, f string, x timedField) {
	v := m.dbs[db][key]
	if v.fields[f] = x; x.at <= m.now {
		delete(v.fields, f)
		m.dropEmpty(db, key)
	}
}

// meets tells whether a time may take the place of another.
func meets(condition string, was, at int) bool {
	switch condition {
	case "nx":
		return was == forever
	case "xx":
		return was != forever
	case "gt":
		return at > was
	case "lt":
		return at < was
	}
	return true
}

// onKey is a command on keys of any kind.
func (m *timesModel) onKey(db int) {
	kind := []string{"s", "h"}[m.rnd.IntN(2)]
	key, to, other := m.name(kind), m.name(kind), m.rnd.IntN(2)
	all := m.dbs[db]
	v := all[key]
	switch m.rnd.IntN(8) {
	case 0, 1:
		at := m.later(true)
		name, n := m.words(at, expireNames)
		words := []string{name, key, n}
		condition := [5]string{"", "nx", "xx", "gt", "lt"}[m.rnd.IntN(5)]
		if v != nil && at == v.at {
			condition = ""
		}
		if condition != "" {
			words = append(words, condition)
		}
		set := v != nil && meets(condition, v.at, at)
		if set {
			if v.at = at; at <= m.now {
				delete(all, key)
			}
		}
		m.ask(db, oneUnless(!set), words...)
	case 2:
		timed := v != nil && v.at != forever
		if timed {
			v.at = forever
		}
		m.ask(db, oneUnless(!timed), "persist", key)
	case 3:
		delete(all, key)
		m.ask(db, oneUnless(v == nil), "del", key)
	case 4:
		if v != nil && key != to {
			delete(all, key)
			all[to] = v
			m.ask(db, "OK", "rename", key, to)
		}
	case 5:
		if db != other {
			moved := v != nil && m.dbs[other][key] == nil
			if moved {
				delete(all, key)
				m.dbs[other][key] = v
			}
			m.ask(db, oneUnless(!moved), "move", key, strconv.Itoa(other))
		}
	case 6:
		if db != other || key != to {
			words := []string{"copy", key, to, "db", strconv.Itoa(other)}
			replace := m.rnd.IntN(2) == 0
			if replace {
				words = append(words, "replace")
			}
			copied := v != nil && (replace || m.dbs[other][to] == nil)
			if copied {
				m.dbs[other][to] = v.clone()
			}
			m.ask(db, oneUnless(!copied), words...)
		}
	default:
		if v != nil {
			m.p.do("select", strconv.Itoa(db))
			payload, c := m.p.text("dump", key), v.clone()
			c.at = m.later(false)
			name, n := m.words(c.at, [4]string{"", "relative", "", "absttl"})
			words := []string{"restore", to, n, payload, "replace"}
			switch name {
			case "": // it was in seconds
				words[2], c.at = "0", forever
			case "absttl":
				words = append(words, name)
			}
			all[to] = c
			m.ask(db, "OK", words...)
		}
	}
}

func (v *timedValue) clone() *timedValue {
	c := *v
	if v.fields != nil {
		c.fields = map[string]timedField{}
		for f, x := range v.fields {
			c.fields[f] = x
		}
	}
	return &c
}

// oneUnless is the reply of commands that tell how many.
func oneUnless(none bool) int64 {
	if none {
		return 0
	}
	return 1
}
