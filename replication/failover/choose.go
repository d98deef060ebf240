package failover

import "time"

// lineage is the last epoch whose history a position's data belongs to, 0 if to none that is known.
func (s *State) lineage(p Position) uint64 {
	for _, l := range p.Lines {
		if l.Upto >= 0 && p.Offset > l.Upto {
			continue
		}
		for i := len(s.Reigns) - 1; i >= 0; i-- {
			if s.Reigns[i].ReplID != l.ReplID {
				continue
			}
			// On its way into an epoch the data still belongs to an earlier one.
			for i > 0 && p.Offset < s.Reigns[i].Start {
				i--
			}
			return s.Reigns[i].Epoch
		}
	}
	return 0
}

// Lineage is the epoch that a position's data belongs to, 0 if to none that is known.
func (s *State) Lineage(p Position) uint64 { return s.lineage(p) }

// further tells whether a has something that b has not.
func (s *State) further(a, b Position) bool {
	la, lb := s.lineage(a), s.lineage(b)
	return la > lb || la == lb && la > 0 && a.Offset > b.Offset
}

// ahead tells whether a is to be preferred to b. heir is who was asked for.
func (s *State) ahead(a, b *Report, heir string) bool {
	la, lb := s.lineage(a.Position), s.lineage(b.Position)
	switch {
	case la != lb:
		return la > lb
	case la > 0 && a.Position.Offset != b.Position.Offset:
		return a.Position.Offset > b.Position.Offset
	case la == 0 && (a.Position.Keys > 0) != (b.Position.Keys > 0):
		return a.Position.Keys > 0
	}
	if (a.Member.ID == heir) != (b.Member.ID == heir) {
		return a.Member.ID == heir
	}
	if (a.Member.ID == s.Primary) != (b.Member.ID == s.Primary) {
		return a.Member.ID == s.Primary
	}
	if s.Epoch == 0 { // a pair that existed before the group
		if a.Position.Leading != b.Position.Leading {
			return a.Position.Leading
		}
		if a.Position.Offset != b.Position.Offset {
			return a.Position.Offset > b.Position.Offset
		}
	}
	if a.Member.Priority != b.Member.Priority {
		return a.Member.Priority < b.Member.Priority
	}
	return a.Member.ID < b.Member.ID
}

// Choose names the next primary among those whose positions are known, nil if it has to wait for more. The positions
// were read after the last lease was over. waited is for how long they have been asked for.
//
// All nodes are enough. After the grace time less is: where writes are relied on to have copies, as many nodes as make sure
// that one of them has everything; otherwise one that has the present epoch's data and was not restarted. A node of
// replica-priority 0 is chosen only if nobody else has what was relied on; see Coordinator.reluctant.
func Choose(s *State, reports []Report, heir string, waited time.Duration, p Profile) *Report {
	nodes := len(s.DataNodes())
	var best, never *Report // never is the best of those that should not be primary
	known, intact := 0, 0
	for i := range reports {
		r := &reports[i]
		if m, ok := s.Members[r.Member.ID]; !ok || !m.Data || r.Position.Loading {
			continue
		}
		known++
		if r.Position.Intact {
			intact++
		}
		at := &best
		if r.Member.Priority == 0 && r.Member.ID != s.Primary {
			at = &never
		}
		if *at == nil || s.ahead(r, *at, heir) {
			*at = r
		}
	}
	if best != nil && never != nil && s.Copies > 0 && s.further(never.Position, best.Position) {
		best = never // it may be the only one that has what was acknowledged
	}
	switch {
	case best == nil:
		return nil
	case known == nodes:
		return best
	case s.Epoch == 0:
		return nil // the first choice is everybody's
	case waited < p.Grace:
		return nil
	case s.Copies > 0:
		if intact >= max(1, nodes+len(s.Gone)-s.Copies) {
			return best
		}
		return nil
	case s.lineage(best.Position) != s.Epoch:
		return nil // what the last primary wrote is elsewhere
	case best.Position.Intact:
		return best
	case waited >= p.Restart:
		return best
	}
	return nil
}
