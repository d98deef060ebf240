package failover

import "testing"

// replacedMeanwhile is a data node whose data begin to give way to its primary's just when it has said what its position is.
type replacedMeanwhile struct {
	fakeData
	n *Node
}

func (f *replacedMeanwhile) Report(r *Report) {
	r.Position = Position{Lines: []Line{{"history", -1}}, Offset: 100}
	f.n.Replacing()
	round := f.n.hold.Begin(Now())
	f.n.hold.Answered(round, Answer{From: "primary", Epoch: 1, Offset: 90})
}

// The position of data that are being replaced is nobody's: they are not as far as the primary because those before them were.
func TestReportOfDataThatAreReplacedMeanwhile(t *testing.T) {
	f := &replacedMeanwhile{}
	n := &Node{
		o: Options{ID: "a", Local: f}, store: &store{}, hold: NewHolder("a", 1),
		state: &State{Epoch: 1, Reigns: []Reign{{Epoch: 1, ReplID: "history"}}},
	}
	f.n = n
	if p := n.ownReport().Position; p.Intact || !p.Loading {
		t.Errorf("intact: %v, loading: %v", p.Intact, p.Loading)
	}
	if n.hold.Intact() {
		t.Error("it counts as intact from now on")
	}
}
