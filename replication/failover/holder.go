package failover

// Holder is a data node's side of the lease: whether it may write, and whether its data is complete.
//
// One round of Reports goes out each Interval. Begin starts a round, Answered takes what comes back; answers to older
// rounds count for the moment at which those began.
type Holder struct {
	self string
	boot uint64

	epoch    uint64 // of which this process is primary; 0 if of none
	released bool
	copies   int    // that the coordinator goes by
	until    Moment // the end of the lease

	rounds map[uint64]*round
	next   uint64

	intact   bool
	target   int64 // the primary's offset, asked for in this life; -1 if not known
	targetOf uint64
	askedAt  uint64 // the last round that was begun before the data was given up
	proven   uint64 // the latest epoch whose lease somebody has shown to this process
	given    uint64 // how often the data was given up
}

type round struct {
	began   Moment
	epoch   uint64
	answers map[string]Answer
}

// roundsKept is how many rounds are waited for at once.
const roundsKept = 16

// NewHolder is the holder of a process that has just started.
func NewHolder(self string, boot uint64) *Holder {
	return &Holder{self: self, boot: boot, rounds: map[uint64]*round{}, target: -1}
}

// Follow takes note of what was agreed: a primary that is replaced stops here, one that is named begins. It returns the
// epoch of which this process is now primary, or 0.
func (h *Holder) Follow(s *State) uint64 {
	epoch := uint64(0)
	if s.Primary == h.self && s.Boot == h.boot {
		epoch = s.Epoch
	}
	if epoch != h.epoch {
		h.epoch, h.until, h.released, h.copies = epoch, 0, false, 0
	}
	return epoch
}

// Epoch is the epoch of which this process is primary, or 0.
func (h *Holder) Epoch() uint64 { return h.epoch }

// Until is the moment before which this process may write; 0 if it may not at all.
func (h *Holder) Until() Moment {
	if h.released || h.epoch == 0 {
		return 0
	}
	return h.until
}

// Copies is what the coordinator goes by: it counts on every acknowledged write having that many copies; 0 for none.
func (h *Holder) Copies() int { return h.copies }

// Release gives the lease up for the rest of the epoch.
func (h *Holder) Release() { h.released = true }

// Released tells whether Release was called in this epoch.
func (h *Holder) Released() bool { return h.released }

// Reigned takes note that this process has become primary: what it has is all that counts from here on.
func (h *Holder) Reigned() { h.intact = true }

// Intact tells whether the data can miss nothing that this node ever confirmed: it is primary, or has, since it was
// started, once been as far as its primary.
func (h *Holder) Intact() bool { return h.intact }

// Asks tells whether it is not known yet, in this life, how far the primary is. Only what the primary says when it is asked
// counts: what it says by itself may be older than what this node confirmed before it was restarted.
func (h *Holder) Asks() bool { return !h.intact && h.target < 0 }

// Proven tells whether the primary of an epoch has shown this process that it holds the lease. Only such a one may take
// the place of what is here: who was restarted hears first of what was agreed long ago, and whoever was primary then may
// not have heard that it is no more.
func (h *Holder) Proven(epoch uint64) bool { return epoch != 0 && h.proven >= epoch }

// Shown takes note that the primary of an epoch holds the lease.
func (h *Holder) Shown(epoch uint64) { h.proven = max(h.proven, epoch) }

// Replacing says that the data is about to give way to another's, and may be lost on the way. It returns what Replaced has
// to be told when nothing was.
func (h *Holder) Replacing() (intact bool) {
	intact = h.intact
	h.intact, h.target, h.askedAt = false, -1, h.next
	h.given++
	return intact
}

// Given tells how often Replacing was called: what was found out before the last time is not about the data that is here.
func (h *Holder) Given() uint64 { return h.given }

// Replaced says that a proven primary's data is here as a whole, which has all that this node ever confirmed.
func (h *Holder) Replaced(intact bool) { h.intact = h.intact || intact }

// Begin starts a round of Reports and returns its number.
func (h *Holder) Begin(now Moment) uint64 {
	h.next++
	h.rounds[h.next] = &round{began: now, epoch: h.epoch, answers: map[string]Answer{}}
	delete(h.rounds, h.next-roundsKept)
	return h.next
}

// Answered takes one answer to a round, the node's own among them.
func (h *Holder) Answered(n uint64, a Answer) {
	if a.Epoch != 0 && a.From != h.self {
		// The first answer counts: all of them have what was confirmed before, and under writes the later ones are ahead of what can
		// be here by then, for as long as there are any.
		if n > h.askedAt && (h.target < 0 || a.Epoch > h.targetOf) {
			h.target, h.targetOf = a.Offset, a.Epoch
		}
		h.Shown(a.Epoch)
	}
	r := h.rounds[n]
	if r == nil || r.epoch == 0 || r.epoch != h.epoch {
		return
	}
	r.answers[a.From] = a
	for _, leader := range r.answers {
		if !leader.Leading || leader.Granted != h.epoch {
			continue
		}
		same := 0
		for _, id := range leader.Voters {
			if v, ok := r.answers[id]; ok && v.Term == leader.Term {
				same++
			}
		}
		if same > len(leader.Voters)/2 && r.began+leader.Lease > h.until {
			h.until = r.began + leader.Lease
			h.copies = leader.Copies
		}
	}
}

// CaughtUp takes note of how far the data goes: the epoch that it belongs to, and the offset, while the link to the
// primary is up.
func (h *Holder) CaughtUp(epoch uint64, offset int64) {
	if h.target >= 0 && h.targetOf == epoch && offset >= h.target {
		h.intact = true
	}
}
