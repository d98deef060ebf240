package scene

import (
	"bytes"
	"slices"

	"larder/tests/internal/wire"
)

// Order says which parts of a reply come in no particular order.
type Order int

// The orders, by the marks that name them.
const (
	AsGiven           Order = iota
	AnyOrder                // {sort}: elements of the reply
	PairsAnyOrder           // {pairs}: pairs of elements of the reply
	ScanAnyOrder            // {scan}: elements of the reply's second element
	ScanPairsAnyOrder       // {scanpairs}: pairs of elements of the reply's second element
	Contains                // {contains}: any order, and the reply may have further elements
)

// Match says whether the observed behaviour is the expected one.
func (r *Reply) Match(o *Observed, order Order) bool {
	if r == nil || o.Failure != nil || o.Closed != r.Closed || len(o.Values) != len(r.Values) {
		return false
	}
	for i, v := range o.Values {
		p := r.Values[i]
		if o.Proto == 3 {
			p = p.resp3()
		}
		if !matchOrdered(p, v, order) {
			return false
		}
	}
	return true
}

// resp3 is the pattern with nil and nil* as RESP3 spells them.
func (p Pattern) resp3() Pattern {
	if p.Null && !p.exact {
		return Pattern{Value: wire.Value{Kind: '_'}}
	}
	if len(p.Elems) > 0 {
		elems := make([]Pattern, len(p.Elems))
		for i, e := range p.Elems {
			elems[i] = e.resp3()
		}
		p.Elems = elems
	}
	return p
}

func matchOrdered(p Pattern, v wire.Value, order Order) bool {
	if p.any || !v.Aggregate() || p.re != nil {
		return p.match(v)
	}
	switch order {
	case AnyOrder:
		return p.sameKind(v) && len(p.Elems) == len(v.Elems) && matchSet(p.Elems, v.Elems, stride(v.Kind))
	case PairsAnyOrder:
		return p.sameKind(v) && len(p.Elems) == len(v.Elems) && matchSet(p.Elems, v.Elems, pairStride(v))
	case Contains:
		return p.sameKind(v) && len(p.Elems) <= len(v.Elems) && matchSet(p.Elems, v.Elems, stride(v.Kind))
	case ScanAnyOrder, ScanPairsAnyOrder:
		return p.sameKind(v) && len(p.Elems) == 2 && len(v.Elems) == 2 && p.Elems[0].match(v.Elems[0]) &&
			matchOrdered(p.Elems[1], v.Elems[1], order-ScanAnyOrder+AnyOrder)
	}
	return p.match(v)
}

func stride(kind byte) int {
	if kind == '%' || kind == '|' {
		return 2
	}
	return 1
}

// pairStride is 2, but 1 where each pair is an array of its own, as in RESP3.
func pairStride(v wire.Value) int {
	if len(v.Elems) > 0 && v.Elems[0].Aggregate() {
		return 1
	}
	return 2
}

func (p Pattern) sameKind(v wire.Value) bool { return p.Kind == v.Kind && p.Null == v.Null }

func (p Pattern) match(v wire.Value) bool {
	switch {
	case p.any:
		return true
	case !p.sameKind(v):
		return false
	case p.re != nil:
		return p.re.Match(v.Text)
	case v.Aggregate():
		n := len(p.Elems)
		if n > 0 && p.Elems[n-1].rest {
			n--
			if len(v.Elems) < n {
				return false
			}
		} else if len(v.Elems) != n {
			return false
		}
		for i := range n {
			if !p.Elems[i].match(v.Elems[i]) {
				return false
			}
		}
		return true
	}
	return bytes.Equal(p.Text, v.Text)
}

// matchSet finds for every group of n patterns a different group of n values.
func matchSet(patterns []Pattern, values []wire.Value, n int) bool {
	if len(patterns)%n != 0 || len(values)%n != 0 {
		return false
	}
	used := make([]bool, len(values)/n)
next:
	for i := 0; i < len(patterns); i += n {
		for j := range used {
			if !used[j] && matchGroup(patterns[i:i+n], values[j*n:j*n+n]) {
				used[j] = true
				continue next
			}
		}
		return false
	}
	return true
}

func matchGroup(patterns []Pattern, values []wire.Value) bool {
	for i := range patterns {
		if !patterns[i].match(values[i]) {
			return false
		}
	}
	return true
}

// Arrange puts the parts that come in no particular order into byte order, so that recording is repeatable.
func Arrange(v wire.Value, order Order) wire.Value {
	if !v.Aggregate() {
		return v
	}
	switch order {
	case AnyOrder, Contains:
		v.Elems = arrange(v.Elems, stride(v.Kind))
	case PairsAnyOrder:
		v.Elems = arrange(v.Elems, pairStride(v))
	case ScanAnyOrder, ScanPairsAnyOrder:
		if len(v.Elems) == 2 {
			v.Elems = []wire.Value{v.Elems[0], Arrange(v.Elems[1], order-ScanAnyOrder+AnyOrder)}
		}
	}
	return v
}

func arrange(elems []wire.Value, n int) []wire.Value {
	if len(elems)%n != 0 {
		return elems
	}
	groups := make([][]wire.Value, 0, len(elems)/n)
	for g := range slices.Chunk(elems, n) {
		groups = append(groups, g)
	}
	encoded := func(g []wire.Value) (b []byte) {
		for _, v := range g {
			b = v.Append(b)
		}
		return b
	}
	slices.SortStableFunc(groups, func(a, b []wire.Value) int { return bytes.Compare(encoded(a), encoded(b)) })
	return slices.Concat(groups...)
}
