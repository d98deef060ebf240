package main

import "container/heap"

// result is what one policy reached in one cache.
type result struct {
	hits, requests       int
	hitBytes, totalBytes int64
	evictions            int
}

func (r *result) note(a access, hit bool) {
	r.requests++
	r.totalBytes += int64(a.size)
	if hit {
		r.hits++
		r.hitBytes += int64(a.size)
	}
}

func (r result) ratio() float64     { return 100 * float64(r.hits) / float64(max(r.requests, 1)) }
func (r result) byteRatio() float64 { return 100 * float64(r.hitBytes) / float64(max(r.totalBytes, 1)) }

// optimum is Belady's: what leaves is what is used again last. Among objects of different sizes that is no
// optimum, but what is called so. Every object that is asked for comes in.
func optimum(t *trace, capacity int64, unit bool) (r result) {
	const never = 1 << 62
	next := make([]int, len(t.accesses))
	last := make([]int, t.keys)
	for i := range last {
		last[i] = never
	}
	for i := len(t.accesses) - 1; i >= 0; i-- {
		k := t.accesses[i].key
		next[i] = last[k]
		last[k] = i
	}
	in := make([]int, t.keys) // the next use of what is in the cache, as a position; 0: not there
	sizes := make([]int64, t.keys)
	var h uses
	used := int64(0)
	for i, a := range t.accesses {
		size := int64(a.size)
		if unit {
			size = 1
		}
		hit := in[a.key] != 0
		r.note(a, hit)
		if !hit && size <= capacity {
			for used+size > capacity {
				u := heap.Pop(&h).(use)
				if in[u.key] == u.next {
					in[u.key] = 0
					used -= sizes[u.key]
				}
			}
			used += size
			sizes[a.key] = size
			hit = true
		}
		if hit {
			in[a.key] = next[i]
			heap.Push(&h, use{next[i], a.key})
		}
	}
	return r
}

type use struct {
	next int
	key  uint32
}

type uses []use

func (u uses) Len() int           { return len(u) }
func (u uses) Less(i, j int) bool { return u[i].next > u[j].next }
func (u uses) Swap(i, j int)      { u[i], u[j] = u[j], u[i] }
func (u *uses) Push(x any)        { *u = append(*u, x.(use)) }
func (u *uses) Pop() any {
	x := (*u)[len(*u)-1]
	*u = (*u)[:len(*u)-1]
	return x
}
