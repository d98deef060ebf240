package datatypes

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestIDTree(t *testing.T) {
	for _, vsize := range []int{0, 20} {
		for _, order := range []string{"up", "down", "random", "queue"} {
			env := listShard(t)
			var root idRoot
			var size uint64
			tree := idTree{env.Arena, &root, tally{all: &size}, vsize}
			r := rand.New(rand.NewPCG(1, uint64(len(order))))
			model := map[StreamID]byte{}
			check := func() {
				t.Helper()
				total := uint64(0)
				if err := tree.check(&total); err != nil {
					t.Fatal(err)
				}
				if total != size || int(root.count) != len(model) {
					t.Fatalf("%d bytes, counted as %d; %d IDs, want %d", total, size, root.count, len(model))
				}
				var p idPath
				ids := slices.SortedFunc(maps.Keys(model), StreamID.Compare)
				i := 0
				for ok := tree.first(&p); ok; ok = tree.next(&p) {
					if tree.id(&p) != ids[i] || vsize > 0 && *(*byte)(tree.value(&p)) != model[ids[i]] {
						t.Fatalf("ID %d is %v, want %v", i, tree.id(&p), ids[i])
					}
					i++
				}
				for ok := tree.last(&p); ok; ok = tree.prev(&p) {
					if i--; tree.id(&p) != ids[i] {
						t.Fatalf("backwards, ID %d is %v, want %v", i, tree.id(&p), ids[i])
					}
				}
			}
			for i := range 12000 {
				var id StreamID
				switch order {
				case "up", "queue":
					id = StreamID{uint64(i) / 3, uint64(i) % 3}
				case "down":
					id = StreamID{1 << 40, uint64(20000 - i)}
				default:
					id = StreamID{uint64(r.IntN(300)), uint64(r.IntN(300))}
				}
				var p idPath
				if !tree.find(&p, id) {
					tree.insert(&p, id)
					if tree.id(&p) != id {
						t.Fatal("insert does not keep the path")
					}
				}
				if vsize > 0 {
					*(*byte)(tree.value(&p)) = byte(i)
				}
				model[id] = byte(i)
				if order == "queue" && i > 500 {
					tree.first(&p)
					delete(model, tree.id(&p))
					tree.remove(&p)
				}
				if i%1999 == 0 {
					check()
				}
			}
			check()
			if order == "up" && size > uint64(len(model)*(idBytes+vsize))*105/100 {
				t.Errorf("%d bytes for %d IDs in order", size, len(model))
			}
			ids := slices.Collect(maps.Keys(model))
			slices.SortFunc(ids, StreamID.Compare)
			r.Shuffle(len(ids), func(i, k int) { ids[i], ids[k] = ids[k], ids[i] })
			for i, id := range ids {
				var p idPath
				if next, _ := id.Next(); tree.seekGE(&p, next) != (tree.last(&p) && !tree.id(&p).Less(next)) {
					t.Fatal("seekGE")
				}
				if !tree.find(&p, id) {
					t.Fatalf("%v is missing", id)
				}
				tree.remove(&p)
				delete(model, id)
				if tree.find(&p, id) || i%1999 == 0 {
					check()
				}
				if i == len(ids)*9/10 {
					break
				}
			}
			check()
			for done := false; !done; {
				_, done = tree.freeStep(3, nil)
			}
			if size != 0 {
				t.Fatalf("%d bytes are left", size)
			}
		}
	}
}
