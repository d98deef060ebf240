package eviction

import "encoding/binary"

// queue is the small queue: the order in which entries came, as the place of each. It knows nothing of entries that
// have left in another way; whoever takes one out looks whether it is still there.
//
// Positions count what was ever put in. An entry's word has three bits of the lap in which it came, a lap being half of
// the queue's room: while it is in the queue at most two laps have begun since.
type queue struct {
	ring       []byte // 5 bytes each: the hash, little endian, and the shard
	head, tail uint64 // positions: of the first that is in it, and after the last
	lap        uint8  // a lap is 1<<lap positions
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
	lap = uint32(q.tail >> q.lap)
	q.tail++
	return lap
}

// pop takes the first one out.
func (q *queue) pop() Place {
	b := q.ring[q.head%q.room()*placeBytes:]
	q.head++
	return Place(binary.LittleEndian.Uint32(b)) | Place(b[4])<<32
}

// holds tells whether an entry with this word is in the queue, as far as its lap tells. An entry that fell out of it
// without having been told, which happens while the queue is made larger, is taken for one that is in it three laps of eight.
func (q *queue) holds(word uint32) bool {
	return word&fifoSmall != 0 && q.tail != q.head && inLap(word, q.now())
}

// now is the lap of what was put in last.
func (q *queue) now() uint32 { return uint32((q.tail - 1) >> q.lap) }

// inLap tells whether an entry of the small queue can still be in it in lap now.
func inLap(word, now uint32) bool { return (now-word>>fifoLapShift)&fifoLapMask <= 2 }

// resize makes room for about count. What is in the queue stays as far as there is room.
func (q *queue) resize(count int) {
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
	for q.lap = 0; 2<<q.lap < count; q.lap++ {
	}
}
