package eviction

import "encoding/binary"

// queue is the small queue: the order in which entries came, as the place of each. It knows nothing of entries that
// have left in another way; whoever takes one out looks whether it is still there.
//
// Positions count what was ever put in. An entry's word has the lap in which it came, from 0 to 14, a lap being an eighth of
// what is to be in the queue: while it is in the queue at most ten laps have begun since: there may be an eighth more. Lap 15 is that of entries that
// belong there, but came while there was no need to queue: see State.Admit.
type queue struct {
	ring       []byte // 5 bytes each: the hash, little endian, and the shard
	head, tail uint64 // positions: of the first that is in it, and after the last
	lap        uint32 // of what comes now
	inLap      int    // what came in this one
	lapSize    int
}

func (q *queue) room() uint64 { return uint64(len(q.ring) / placeBytes) }
func (q *queue) len() int     { return int(q.tail - q.head) }

const placeBytes = 5

// push puts a place in and returns the lap. When there is no room the first one is let go.
func (q *queue) push(p Place) (lap uint32) {
	if q.tail-q.head == q.room() {
		q.head++
	}
	b := q.ring[q.tail%q.room()*placeBytes:]
	binary.LittleEndian.PutUint32(b, uint32(p))
	b[4] = byte(p >> 32)
	q.tail++
	if q.inLap++; q.inLap > q.lapSize {
		q.lap = (q.lap + 1) % lapNever
		q.inLap = 1
	}
	return q.lap
}

// pop takes the first one out.
func (q *queue) pop() Place {
	p, _ := q.ahead(0)
	q.head++
	return p
}

// ahead is the place that comes out after n others, ok is false if there are not so many.
func (q *queue) ahead(n int) (p Place, ok bool) {
	if n >= q.len() {
		return 0, false
	}
	b := q.ring[(q.head+uint64(n))%q.room()*placeBytes:]
	return Place(binary.LittleEndian.Uint32(b)) | Place(b[4])<<32, true
}

// holds tells whether an entry of the small queue is in the ring, as far as its lap tells. One that is not, because
// the queue was made much smaller, is taken for one that is eleven times of fifteen.
func (q *queue) holds(word uint32) bool {
	return q.tail != q.head && lapsSince(word, q.lap) <= lapsHeld
}

// lapsSince is how many laps have begun in lap now since an entry came into the small queue, modulo 15; many if it never was
// in the ring.
func lapsSince(word, now uint32) uint32 {
	lap := fifoLap(word)
	if lap == lapNever {
		return lapNever
	}
	return (now + lapNever - lap) % lapNever
}

const lapNever = 15

const (
	lapsInQueue = 8
	lapsHeld    = 10
)

// resize makes room for about count. What is in the queue stays as far as there is room.
func (q *queue) resize(count int) {
	q.lapSize = (count + lapsInQueue - 1) / lapsInQueue
	count = max(queueMost(count), min(q.len(), count*lapsHeld))
	if have := int(q.room()); have >= count && have <= count+count/2 {
		return
	}
	count += count / 8
	b := make([]byte, count*placeBytes)
	if n := uint64(count); q.tail-q.head > n {
		q.head = q.tail - n
	}
	for p := q.head; p < q.tail; p++ {
		copy(b[p%uint64(count)*placeBytes:][:placeBytes], q.ring[p%q.room()*placeBytes:])
	}
	q.ring = b
}

// queueMost is how many may be in the queue when count are to be in it.
func queueMost(count int) int { return count + count/8 }
