package datatypes

// TrimMaxLen deletes the oldest entries until most are left, and returns how many it deleted. If approx, only whole
// nodes are deleted, so that more may be left. limit bounds the number of entries deleted with their nodes, 0 is no
// bound. Trimmed entries do not count for MaxDeletedID. O(entries deleted), very little for each in a whole node.
func (s *Stream) TrimMaxLen(most int, approx bool, limit int) int {
	return s.trim(trimRule{most: uint64(most)}, approx, limit)
}

// TrimMinID deletes the entries with an ID below min, and returns how many it deleted. approx and limit are as for
// TrimMaxLen.
func (s *Stream) TrimMinID(min StreamID, approx bool, limit int) int {
	return s.trim(trimRule{byID: true, min: min}, approx, limit)
}

// trimRule says which entries go.
type trimRule struct {
	byID bool
	most uint64
	min  StreamID
}

// entry tells whether an entry goes, when all before it are gone.
func (r *trimRule) entry(h *streamHead, id StreamID) bool {
	if r.byID {
		return id.Less(r.min)
	}
	return h.length > r.most
}

// node tells whether a node goes, the first one of the stream.
func (r *trimRule) node(h *streamHead, n *streamNode, c *nodeCursor) bool {
	if r.byID {
		c.last()
		return c.id.Less(r.min)
	}
	return h.length-uint64(n.live) >= r.most
}

func (s *Stream) trim(rule trimRule, approx bool, limit int) (deleted int) {
	if s.Len() == 0 {
		return 0
	}
	h := s.edit()
	t := s.nodes(h)
	var p idPath
	for t.first(&p) && rule.entry(h, t.id(&p)) {
		n := (*streamNode)(t.value(&p))
		if limit > 0 && deleted+int(n.live) > limit {
			break
		}
		c := openNode(n.bytes(s.env.Arena), t.id(&p))
		if rule.node(h, n, &c) {
			h.length -= uint64(n.live)
			deleted += int(n.live)
			s.freeNode(h, n)
			t.remove(&p)
			continue
		}
		if !approx {
			deleted += s.trimNode(h, n, t.id(&p), &rule)
			if n.live == 0 {
				s.freeNode(h, n)
				t.remove(&p)
			}
		}
		break
	}
	if deleted > 0 {
		s.findFirst(h)
	}
	return deleted
}

// trimNode deletes entries of a node from its front on.
func (s *Stream) trimNode(h *streamHead, n *streamNode, master StreamID, rule *trimRule) (deleted int) {
	c := openNode(n.bytes(s.env.Arena), master)
	for ok := c.begin(); ok && rule.entry(h, c.id); ok = c.next() {
		if c.deleted() {
			continue
		}
		size := n.len
		s.markDeleted(h, n, c.at)
		if n.len != size { // the flags took more bytes than they need
			at := c.at
			c = openNode(n.bytes(s.env.Arena), master)
			c.read(at)
		}
		h.length--
		deleted++
	}
	s.countEntries(h, n, -deleted, deleted)
	return deleted
}
