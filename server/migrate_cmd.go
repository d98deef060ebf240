package server

import (
	"bytes"
	"net"
	"slices"
	"time"

	"larder/keyspace"
	"larder/server/command"
	"larder/server/resp"
)

// A migration is one MIGRATE under way. The target may be slow, so nothing waits for it but the client: the values are
// written down while the keys' shards are held, sent by a goroutine of its own, and when the target has them the shards are
// held again. A key goes if it is still what was sent. What has changed meanwhile goes over once more; what was removed
// meanwhile is removed there too. So at every moment one of the two servers is the one that has the key for good, and
// no write is lost.
//
//	written down ──> sent ──> as it was:  removed here, the log and the replicas see a DEL
//	     ^                └─> changed:    written down again, replaces what is there
//	     └────────────────────┘
//
// Keys that change faster than they travel are caught in the last round: clients' writes wait meanwhile, as for a
// failover. Inside a transaction or a script there is one round only, with the shards held.
type migration struct {
	to               migrateTarget
	timeout          time.Duration // that the target may be silent
	copies, replaces bool
	db               int // here
	keys             []*moving
	refusal          string // the first error that the target has answered, without its "-"
	round            int
	held             bool // the shards stay held while it travels: there is one round
	pausing          bool // writes wait for this round
}

// moving is one key of a migration.
type moving struct {
	name    []byte
	payload []byte // as DUMP; nil: the key is gone here and has to go there too
	at_ms   int64  // absolute expiry, 0 for none
	owned   bool   // the target has it from us, so it may be replaced
	ready   bool   // to be sent in the next round
	arrived bool   // in this round
}

const (
	migrateTimeout = time.Second     // if the client says 0
	pauseRounds    = 8               // from here on writes wait
	lastRound      = pauseRounds + 4 // so often at most
	pauseTimeout   = time.Second     // and for a target that is silent so long
)

// What MIGRATE answers.
const (
	errMigrateConnect resp.Error = "IOERR error or timeout connecting to the client"
	errMigrateWrite   resp.Error = "IOERR error or timeout writing to target instance"
	errMigrateRead    resp.Error = "IOERR error or timeout reading from target instance"
	errMigrateKeys    resp.Error = "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string"
	errMigrateHot     resp.Error = "IOERR the keys change faster than they can be moved"
)

func migrate(c *command.Ctx) {
	s := c.Client.(*session)
	m := readMigration(c)
	if !c.Args.Done() {
		return
	}
	m.db = c.DB
	m.writeDown(c)
	if len(m.keys) == 0 {
		c.Reply.Simple("NOKEY")
		return
	}
	if c.MayBlock {
		s.conn.SuspendBriefly()
		s.ex.carry(s, c.Row, m)
		return
	}
	m.held = true
	e := s.srv.transfer(m, m.timeout)
	m.settle(s.ex)
	if e = m.outcome(e); e != "" {
		c.Fail(e)
	} else {
		c.Reply.OK()
	}
}

// readMigration reads MIGRATE's arguments.
func readMigration(c *command.Ctx) *migration {
	a, m := &c.Args, &migration{}
	m.to.addr = net.JoinHostPort(string(a.Bytes()), string(a.Bytes()))
	names := [][]byte{a.Key()}
	a.Take(2) // read when the options are known to be right
	for a.More() {
		switch {
		case a.Is("COPY"):
			m.copies = true
		case a.Is("REPLACE"):
			m.replaces = true
		case a.IsWith("AUTH", 1):
			m.to.auth, m.to.user, m.to.password = true, "", string(a.Bytes())
		case a.IsWith("AUTH2", 2):
			m.to.auth, m.to.user, m.to.password = true, string(a.Bytes()), string(a.Bytes())
		case a.Is("KEYS"):
			if len(names[0]) > 0 {
				a.Wrong(errMigrateKeys)
			}
			names = a.Rest()
		default:
			a.Syntax()
		}
	}
	ms := a.IntAt(5)
	m.to.db = a.IntAt(4)
	m.timeout = migrateTimeout
	if ms > 0 {
		m.timeout = time.Duration(min(ms, int64(time.Hour/time.Millisecond))) * time.Millisecond
	}
	seen := map[string]bool{}
	for _, name := range names {
		if !seen[string(name)] {
			seen[string(name)] = true
			m.keys = append(m.keys, &moving{name: bytes.Clone(name)})
		}
	}
	return m
}

// locks is the shards of the keys, as they are now.
func (m *migration) locks(ks *keyspace.Keyspace) (set keyspace.Set) {
	for _, k := range m.keys {
		set |= 1 << ks.ShardOf(ks.Hash(k.name))
	}
	return set
}

// writeDown makes ready those of the keys that are there.
func (m *migration) writeDown(c *command.Ctx) {
	m.keys = slices.DeleteFunc(m.keys, func(k *moving) bool {
		return !c.Dumped(k.name, func(payload []byte, at_ms int64) {
			k.payload, k.at_ms, k.ready = bytes.Clone(payload), at_ms, true
		})
	})
}

// carry sends what is ready and settles the rest on the loop, until nothing is left. The client waits.
func (ex *executor) carry(s *session, row *command.Row, m *migration) {
	srv, timeout := ex.srv, m.timeout
	if m.pausing {
		timeout = min(timeout, pauseTimeout)
	}
	go func() {
		e := srv.transfer(m, timeout)
		ex.post(func() { ex.carried(s, row, m, e) })
	}()
}

// carried follows a round of a migration.
func (ex *executor) carried(s *session, row *command.Row, m *migration, e resp.Error) {
	v := ex.view
	v.DB = m.db
	ex.ctx.Client = s
	v.Take(m.locks(ex.srv.ks))
	gate := ex.replicaGates(s, row)
	if gate == "" && ex.srv.guard.on.Load() {
		gate = ex.guardGates(s, row)
	}
	if gate == "" {
		ex.listen()
		ex.current = s
		m.settle(ex)
		ex.settle()
		ex.current = nil
	} else if e == "" { // this server is no primary any more: the keys are not its own to remove
		e = gate
	}
	s.wrote(ex.release())
	m.round++
	more := e == "" && slices.ContainsFunc(m.keys, func(k *moving) bool { return k.ready })
	if more && m.round == lastRound {
		e, more = errMigrateHot, false
	}
	if pause := more && m.round >= pauseRounds; pause != m.pausing {
		m.pausing = pause
		ex.srv.moves.pause(ex.srv, pause)
	}
	if more {
		if len(ex.own) > 0 { // the reply that it would follow is still to come, and others get theirs before
			s.deliver(ex, ex.own)
			ex.own = ex.own[:0]
		}
		ex.carry(s, row, m)
		return
	}
	ex.answerMigration(s, row, m.outcome(e))
	if len(ex.ready) > 0 {
		ex.serveBlocked()
	}
}

func (ex *executor) answerMigration(s *session, row *command.Row, e resp.Error) {
	s.reply(func(w *resp.Writer) {
		if e == "" {
			w.OK()
		} else {
			ex.note(row).failed++
			ex.noteError(e)
			w.Error(e)
		}
	})
	ex.resume(s)
}

// outcome is what to answer after all: e, what the target has said, or nothing.
func (m *migration) outcome(e resp.Error) resp.Error {
	if m.refusal != "" {
		return resp.Error("ERR Target instance replied with error: " + m.refusal)
	}
	return e
}

// settle looks at the keys that have arrived. Their shards are held. What has to be sent again is ready after that, unless
// they stayed so.
func (m *migration) settle(ex *executor) {
	c := &ex.ctx
	gone := [][]byte{[]byte("DEL")}
	for _, k := range m.keys {
		if !k.arrived {
			continue
		}
		k.arrived, k.owned = false, true
		if m.copies {
			k.payload = nil
			continue
		}
		same := false
		found := c.Dumped(k.name, func(payload []byte, at_ms int64) {
			if same = k.payload != nil && at_ms == k.at_ms && bytes.Equal(payload, k.payload); !same && !m.held {
				k.payload, k.at_ms, k.ready = append(k.payload[:0], payload...), at_ms, true
			}
		})
		switch {
		case same:
			k.payload = nil
			if c.Delete(k.name) {
				c.Gone(k.name, "del")
				gone = append(gone, k.name)
			}
		case !found && k.payload != nil:
			k.payload, k.ready = nil, true
		}
	}
	switch {
	case m.held && len(gone) > 1:
		c.Rewrite(gone...)
	case len(gone) > 1 && c.WantEffects:
		ex.collectGone()
		ex.collectWords(m.db, "DEL", gone[1:]...)
		ex.after()
	}
}

func init() { register(command.New("migrate", command.OfKeys, migrate)) }
