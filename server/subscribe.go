package server

import (
	"time"

	"larder/server/command"
	"larder/server/pubsub"
	"larder/server/resp"
)

// hubs are the two spaces of channels: the plain ones, which have patterns, and the sharded ones.
type hubs struct {
	plain, sharded *pubsub.Hub[*session]
}

func newHubs() hubs {
	return hubs{plain: pubsub.NewHub[*session](), sharded: pubsub.NewHub[*session]()}
}

// subscriptions are the names that a client listens to, in no order.
type subscriptions struct {
	channels, patterns, sharded map[string]struct{}
	bytes                       int // about what they cost
}

// plain is the number that replies to SUBSCRIBE and PSUBSCRIBE count.
func (s *subscriptions) plain() int { return len(s.channels) + len(s.patterns) }

// any tells whether the client is a subscriber at all.
func (s *subscriptions) any() bool { return len(s.channels)+len(s.patterns)+len(s.sharded) > 0 }

// kind is one of the three ways to subscribe.
type kind struct {
	on, off string // what the replies are called
	names   func(*subscriptions) *map[string]struct{}
	join    func(hubs, string, *session) bool
	part    func(hubs, string, *session) bool
	count   func(*subscriptions) int
}

var (
	byChannel = &kind{
		on: "subscribe", off: "unsubscribe",
		names: func(s *subscriptions) *map[string]struct{} { return &s.channels },
		join:  func(h hubs, name string, s *session) bool { return h.plain.Subscribe(name, s) },
		part:  func(h hubs, name string, s *session) bool { return h.plain.Unsubscribe(name, s) },
		count: (*subscriptions).plain,
	}
	byPattern = &kind{
		on: "psubscribe", off: "punsubscribe",
		names: func(s *subscriptions) *map[string]struct{} { return &s.patterns },
		join:  func(h hubs, name string, s *session) bool { return h.plain.SubscribePattern(name, s) },
		part:  func(h hubs, name string, s *session) bool { return h.plain.UnsubscribePattern(name, s) },
		count: (*subscriptions).plain,
	}
	byShard = &kind{
		on: "ssubscribe", off: "sunsubscribe",
		names: func(s *subscriptions) *map[string]struct{} { return &s.sharded },
		join:  func(h hubs, name string, s *session) bool { return h.sharded.Subscribe(name, s) },
		part:  func(h hubs, name string, s *session) bool { return h.sharded.Unsubscribe(name, s) },
		count: func(s *subscriptions) int { return len(s.sharded) },
	}
)

// subscribeBy makes the handler of SUBSCRIBE and its kin. Each name gets a reply of its own.
func subscribeBy(k *kind) func(*command.Ctx) {
	return func(c *command.Ctx) {
		s := c.Client.(*session)
		if k == byShard && !c.MayBlock { // in a transaction; the others have always been allowed there
			c.Fail(resp.ErrSSubscribeBlock)
			return
		}
		for _, name := range c.Args.Rest() {
			s.subscribe(k, string(name))
			k.reply(c.Reply, k.on, name, k.count(&s.sub))
		}
	}
}

func (s *session) subscribe(k *kind, name string) {
	names := k.names(&s.sub)
	if _, ok := (*names)[name]; ok {
		return
	}
	if *names == nil {
		*names = map[string]struct{}{}
	}
	if !s.sub.any() {
		s.srv.stats.subscribed.Add(1)
		s.listens.Store(true)
	}
	(*names)[name] = struct{}{}
	s.sub.bytes += nameCost + len(name)
	k.join(s.srv.hubs, name, s)
}

// unsubscribe ends a subscription: from now on nobody sends the client what is published there.
func (s *session) unsubscribe(k *kind, name string) {
	names := *k.names(&s.sub)
	if _, ok := names[name]; ok {
		delete(names, name)
		s.sub.bytes -= nameCost + len(name)
		k.part(s.srv.hubs, name, s)
		if !s.sub.any() {
			s.srv.stats.subscribed.Add(-1)
			s.listens.Store(false)
		}
	}
}

// unsubscribeBy makes the handler of UNSUBSCRIBE and its kin: of the names given, or of all.
func unsubscribeBy(k *kind) func(*command.Ctx) {
	return func(c *command.Ctx) {
		s := c.Client.(*session)
		if c.Args.More() {
			for _, name := range c.Args.Rest() {
				s.unsubscribe(k, string(name))
				s.lastMessages()
				k.reply(c.Reply, k.off, name, k.count(&s.sub))
			}
			return
		}
		names := *k.names(&s.sub)
		if len(names) == 0 {
			k.reply(c.Reply, k.off, nil, k.count(&s.sub))
			return
		}
		for name := range names {
			s.unsubscribe(k, name)
			s.lastMessages()
			k.reply(c.Reply, k.off, []byte(name), k.count(&s.sub))
		}
	}
}

// lastMessages are those that other loops' clients have published while the client still listened. They come before it is told
// that it does so no more: behind that it may take a message for a reply to what it asks next. A transaction's replies are one.
func (s *session) lastMessages() {
	if !s.ex.inTransaction {
		s.takeInbox()
	}
}

func (k *kind) reply(w *resp.Writer, what string, name []byte, count int) {
	w.Push(3)
	w.BulkString(what)
	if name == nil {
		w.Null()
	} else {
		w.Bulk(name)
	}
	w.Int(int64(count))
}

// unsubscribeAll ends all subscriptions without a word.
func (ex *executor) unsubscribeAll(s *session) {
	for _, k := range [...]*kind{byChannel, byPattern, byShard} {
		for name := range *k.names(&s.sub) {
			s.unsubscribe(k, name)
		}
	}
}

// message is a published message in the forms that its receivers want, each made when the first one wants it.
type message struct {
	kind             string
	pattern          *string // nil: it is for those who listen to the channel by its name
	channel, payload []byte
	forms            [2][]byte // RESP2, RESP3
}

func (m *message) in(protocol int, w *resp.Writer) []byte {
	f := &m.forms[protocol-2]
	if *f == nil {
		w.Empty()
		w.Proto = protocol
		if m.pattern != nil {
			w.Push(4)
			w.BulkString("pmessage")
			w.BulkString(*m.pattern)
		} else {
			w.Push(3)
			w.BulkString(m.kind)
		}
		w.Bulk(m.channel)
		w.Bulk(m.payload)
		*f = append([]byte(nil), w.Bytes()...)
	}
	return *f
}

// publish sends a message to everybody who listens and returns how many do.
func (ex *executor) publish(hub *pubsub.Hub[*session], word string, channel, payload []byte) int {
	m := message{kind: word, channel: channel, payload: payload}
	return hub.Publish(channel, func(s *session, pattern *string) {
		if pattern != m.pattern {
			m = message{kind: word, pattern: pattern, channel: channel, payload: payload}
		}
		s.deliver(ex, m.in(int(s.pushProto.Load()), &ex.pushes))
	})
}

// settleListeners comes before a command about channels. A message that nobody would hear, and whoever asks who listens, may
// have overtaken somebody's SUBSCRIBE that was sent earlier to another loop and whose answer its sender did not wait for, as
// some libraries do not. Those who publish to nobody all the time wait for a small part of it only; who asks always does.
func (ex *executor) settleListeners(row *command.Row, argv [][]byte) {
	switch {
	case row.Container != nil: // PUBSUB
		ex.settleOthers(true)
		return
	case row.Name == "publish" && !ex.srv.hubs.plain.Heard(argv[1]):
	case row.Name == "spublish" && !ex.srv.hubs.sharded.Heard(argv[1]):
	default:
		return
	}
	began := time.Now()
	if began.Before(ex.unheardNext) {
		return
	}
	if ex.settleOthers(true) {
		now := time.Now()
		ex.unheardNext = now.Add(unheardRest * now.Sub(began))
	}
}

// unheardRest is how many times as long as it has waited for others a loop does not do so again for a message that nobody hears.
var unheardRest time.Duration = 16

func publish(c *command.Ctx) {
	ex := c.Client.(*session).ex
	channel, payload := c.Args.Bytes(), c.Args.Bytes()
	n := ex.publish(ex.srv.hubs.plain, "message", channel, payload)
	c.Propagate(command.ToReplicas)
	c.Reply.Int(int64(n))
}

func spublish(c *command.Ctx) {
	ex := c.Client.(*session).ex
	channel, payload := c.Args.Bytes(), c.Args.Bytes()
	n := ex.publish(ex.srv.hubs.sharded, "smessage", channel, payload)
	c.Propagate(command.ToReplicas)
	c.Reply.Int(int64(n))
}

func pubsubChannels(hub func(hubs) *pubsub.Hub[*session]) func(*command.Ctx) {
	return func(c *command.Ctx) {
		var pattern []byte
		if c.Args.More() {
			pattern = c.Args.Bytes()
		}
		if c.Args.More() {
			c.Fail(resp.UnknownSubcommandOrArgs(c.Args.At(1), "PUBSUB"))
			return
		}
		names := hub(c.Client.(*session).srv.hubs).Channels(pattern)
		c.Reply.Array(len(names))
		for _, name := range names {
			c.Reply.BulkString(name)
		}
	}
}

func pubsubNumsub(hub func(hubs) *pubsub.Hub[*session]) func(*command.Ctx) {
	return func(c *command.Ctx) {
		names := c.Args.Rest()
		c.Reply.Array(2 * len(names))
		for _, name := range names {
			c.Reply.Bulk(name)
			c.Reply.Int(int64(hub(c.Client.(*session).srv.hubs).Count(name)))
		}
	}
}

func pubsubNumpat(c *command.Ctx) {
	_, patterns := c.Client.(*session).srv.hubs.plain.Totals()
	c.Reply.Int(int64(patterns))
}

func pubsubHelp(c *command.Ctx) {
	c.Help(
		"CHANNELS [<pattern>]", "Return the channels that somebody listens to, all or those that fit a pattern.",
		"NUMPAT", "Return the number of patterns that somebody listens to.",
		"NUMSUB [<channel> ...]", "Return the number of subscribers of channels, those by pattern not counted.",
		"SHARDCHANNELS [<pattern>]", "Return the sharded channels that somebody listens to, all or those that fit a pattern.",
		"SHARDNUMSUB [<shardchannel> ...]", "Return the number of subscribers of sharded channels.",
	)
}

func plainHub(h hubs) *pubsub.Hub[*session]   { return h.plain }
func shardedHub(h hubs) *pubsub.Hub[*session] { return h.sharded }

// subscribes tells which commands answer by messages, which CLIENT REPLY OFF does not hold back.
func subscribes(row *command.Row) bool {
	switch row.Name {
	case "subscribe", "unsubscribe", "psubscribe", "punsubscribe", "ssubscribe", "sunsubscribe":
		return true
	}
	return false
}

func init() {
	register(
		command.New("subscribe", command.NoneOfThem, subscribeBy(byChannel)),
		command.New("unsubscribe", command.NoneOfThem, unsubscribeBy(byChannel)),
		command.New("psubscribe", command.NoneOfThem, subscribeBy(byPattern)),
		command.New("punsubscribe", command.NoneOfThem, unsubscribeBy(byPattern)),
		command.New("ssubscribe", command.NoneOfThem, subscribeBy(byShard)),
		command.New("sunsubscribe", command.NoneOfThem, unsubscribeBy(byShard)),
		command.New("publish", command.NoneOfThem, publish),
		command.New("spublish", command.NoneOfThem, spublish),
		command.New("pubsub", command.NoneOfThem, nil),
		command.New("pubsub|channels", command.NoneOfThem, pubsubChannels(plainHub)),
		command.New("pubsub|numsub", command.NoneOfThem, pubsubNumsub(plainHub)),
		command.New("pubsub|numpat", command.NoneOfThem, pubsubNumpat),
		command.New("pubsub|shardchannels", command.NoneOfThem, pubsubChannels(shardedHub)),
		command.New("pubsub|help", command.NoneOfThem, pubsubHelp),
		command.New("pubsub|shardnumsub", command.NoneOfThem, pubsubNumsub(shardedHub)),
	)
}
