package datatypes

import (
	"larder/datatypes/arena"
	"larder/datatypes/listpack"
)

// A List is a sequence of strings with cheap ends and cheap positions.
//
// While it is small it is one listpack, the holder's own bytes (EncBlob, "listpack"). Beyond list-max-listpack-size it
// is a counted tree of blocks in the arena (EncRoot, "quicklist"):
//
//	list_tree.go   the tree: which block holds the 5000th item, inserting and removing blocks
//	list_block.go  one block: a listpack with slack at its front or back
//	list_iter.go   walking over items, LPOS, and block by block for files and copies
//	list.go        the list as its commands see it
//
// A list of 1500 items of 10 bytes (12 as listpack elements) with the default of 8 KiB per block, pushed at the tail:
//
//	holder 40 00 00 00 ──> header at 0x40: items 1500, blocks 3, height 0, root 0x48
//	                       leaf at 0x48:   3 blocks: items 682 | 682 | 136
//	                       block 0:        8186 of 8192 bytes: AA 02 | 8A 30 30 … 0B | 8A …   (0x2AA = 682 items)
//
// LINDEX 1000 skips the first block by its count and walks 318 items in the second. With more than 21 blocks the root
// is an inner node that counts the items below each child.
//
// The limits are those of Redis 7.2, where a listpack is 5 bytes longer than ours: a listpack becomes a tree when a
// write would make it longer than the limit (list-max-listpack-size -2: 8192 bytes as Redis counts; 128: 128 items), and
// a tree of one block becomes a listpack again when a removal leaves it at half the limit or less.
// An item too large for the limit is alone in its block.
//
// Items come back as slices that are valid until the next change of any value of the same shard; items that are stored
// as integers are written to a buffer of the handle and last until its next method. Items handed in must not lie in
// the shard's own memory: copy them first (LMOVE).
//
// Memory: a push takes at most the item, one block of the limit's size and one node per level; the largest need of any
// method is three blocks, six nodes of 512 bytes, and the items handed in.
type List struct {
	env  *Env
	h    Holder
	text [20]byte // the last integer item that was read
}

// Bind makes l stand for the list whose bytes are in h.
func (l *List) Bind(env *Env, h Holder) { l.env, l.h = env, h }

// listLimit is list-max-listpack-size: how much fits in one listpack.
type listLimit struct {
	bytes int // as Redis counts them: 5 more than ours
	count int
}

const (
	redisFrame = 5    // what Redis's form of a listpack has around ours
	safeBytes  = 8192 // the bound in bytes where the limit is a count
	noLimit    = int(^uint(0) >> 1)
)

func limitOf(size int) listLimit {
	if size < 0 {
		return listLimit{4096 << min(-size-1, 4), noLimit}
	}
	return listLimit{safeBytes, max(size, 1)}
}

// allows tells whether a listpack of that many bytes (ours) and items is within the limit.
func (m listLimit) allows(bytes, count int) bool {
	return bytes+redisFrame <= m.bytes && count <= m.count
}

// half tells whether a listpack is small enough for a list that shrinks to become one again, and whole for one that a file
// brings. Where the limit is a count neither asks for the bytes.
func (m listLimit) half(bytes, count int) bool {
	if m.count == noLimit {
		return bytes+redisFrame <= m.bytes/2
	}
	return count <= m.count/2
}

func (m listLimit) whole(bytes, count int) bool {
	if m.count == noLimit {
		return bytes+redisFrame <= m.bytes
	}
	return count <= m.count
}

func (l *List) limit() listLimit { return limitOf(l.env.Limits.ListMaxListpackSize) }

func (l *List) isTree() bool { return l.h.Enc() == EncRoot }

func (l *List) tree() listTree { return openListTree(l.env.Arena, rootRef(l.h), l.limit()) }

// Len is the number of items. O(1).
func (l *List) Len() int {
	if l.isTree() {
		t := l.tree()
		return int(t.head().items)
	}
	return listpack.Len(l.h.Bytes())
}

// Encoding is the name that OBJECT ENCODING replies.
func (l *List) Encoding() string {
	if l.isTree() {
		return "quicklist"
	}
	return encodingListpack
}

// Bytes is the memory that the list takes in the arena, beyond the holder's own bytes. It is exact, whatever samples is.
func (l *List) Bytes(samples int) int {
	if !l.isTree() {
		return 0
	}
	t := l.tree()
	return int(t.head().bytes)
}

// Expect tells that items of bytes in all (without any overhead) are about to be added or put in place of others, so
// that a listpack that would outgrow the limit becomes a tree now. The methods that take items do this themselves; a
// command that adds its items one by one says it once, as Redis decides by all items of a command together.
func (l *List) Expect(items, bytes int) {
	if l.isTree() {
		return
	}
	b := l.h.Bytes()
	if !l.limit().allows(max(len(b), listpack.HeaderSize)+bytes, listpack.Len(b)+items) {
		l.grow()
	}
}

// grow makes a listpack a tree.
func (l *List) grow() {
	b := l.h.Bytes()
	t := newListTree(l.env.Arena, l.limit())
	if len(b) > 0 {
		t.appendBlock(b, listpack.Len(b))
	}
	setRoot(l.h, t.root)
}

func (l *List) expectAll(items [][]byte) {
	if l.isTree() {
		return
	}
	n := 0
	for _, item := range items {
		n += len(item)
	}
	l.Expect(len(items), n)
}

// shrunk turns a tree that has become small into a listpack, after something was removed.
func (l *List) shrunk() { l.pack(listLimit.half) }

// Loaded does the same for a list that a file has brought, when it is complete.
func (l *List) Loaded() { l.pack(listLimit.whole) }

// pack turns a tree of one block, or none, into a listpack if that is small enough.
func (l *List) pack(small func(m listLimit, bytes, count int) bool) {
	if !l.isTree() {
		return
	}
	t := l.tree()
	head := t.head()
	if head.blocks > 1 {
		return
	}
	if head.blocks == 0 {
		t.free()
		l.h.SetEnc(EncBlob)
		l.h.Resize(0)
		return
	}
	var p listPath
	t.first(&p)
	d := t.block(&p)
	if !small(l.limit(), int(d.len), int(d.count)) {
		return
	}
	b := d.bytes(t.a) // the arena keeps it in place while the holder changes
	l.h.SetEnc(EncBlob)
	copy(l.h.Resize(len(b)), b)
	t.free()
}

// PushTail appends the items, the last one last. O(1) per item.
func (l *List) PushTail(items ...[]byte) {
	l.expectAll(items)
	if l.isTree() {
		t := l.tree()
		for _, item := range items {
			t.pushTail(item)
		}
		return
	}
	for _, item := range items {
		listpack.Append(l.h, listpack.String(item))
	}
}

// PushHead puts the items before the first one, one after the other, so that the last one ends up first. O(1) per item;
// O(size) while the list is a listpack.
func (l *List) PushHead(items ...[]byte) {
	l.expectAll(items)
	if l.isTree() {
		t := l.tree()
		for _, item := range items {
			t.pushHead(item)
		}
		return
	}
	for _, item := range items {
		listpack.Prepend(l.h, listpack.String(item))
	}
}

// DropHead removes the first n items, or all if there are fewer. O(1) per item and O(log blocks) per block. What is to
// be replied is read first: LPOP is Index(0) and DropHead(1).
func (l *List) DropHead(n int) {
	if n <= 0 {
		return
	}
	if !l.isTree() {
		if b := l.h.Bytes(); len(b) > 0 {
			listpack.Delete(l.h, listpack.First(b), n)
		}
		return
	}
	t := l.tree()
	t.dropHead(n)
	l.shrunk()
}

// DropTail removes the last n items, or all if there are fewer. O(1) per item and O(log blocks) per block.
func (l *List) DropTail(n int) {
	if n <= 0 {
		return
	}
	if !l.isTree() {
		b := l.h.Bytes()
		if count := listpack.Len(b); n >= count {
			l.h.Resize(0)
		} else {
			p, _ := listpack.Seek(b, -n)
			listpack.Delete(l.h, p, n)
		}
		return
	}
	t := l.tree()
	t.dropTail(n)
	l.shrunk()
}

// Rotate takes the item away at one end and puts it, of which item is a copy, to an end. As in Redis the list becomes a
// tree or a listpack by what it is then, and not by what it was in between. O(1).
func (l *List) Rotate(fromHead, toHead bool, item []byte) {
	if l.isTree() {
		t := l.tree()
		if fromHead {
			t.dropHead(1)
		} else {
			t.dropTail(1)
		}
	} else if fromHead {
		l.DropHead(1)
	} else {
		l.DropTail(1)
	}
	if toHead {
		l.PushHead(item)
	} else {
		l.PushTail(item)
	}
	l.shrunk()
}

// position makes an index that may count from the end (-1 is the last) one that counts from the start.
func (l *List) position(index int) (int, bool) {
	n := l.Len()
	if index < 0 {
		index += n
	}
	return index, index >= 0 && index < n
}

// Index is the item at index, counted from the end if negative. O(log blocks + items of one block).
func (l *List) Index(index int) ([]byte, bool) {
	if !l.isTree() {
		b := l.h.Bytes()
		p, ok := listpack.Seek(b, index)
		if !ok {
			return nil, false
		}
		return listpack.Get(b, p).Bytes(l.text[:]), true
	}
	index, ok := l.position(index)
	if !ok {
		return nil, false
	}
	t := l.tree()
	var p listPath
	b, at := t.seek(&p, index)
	return listpack.Get(b, at).Bytes(l.text[:]), true
}

// Set replaces the item at index, counted from the end if negative. It returns false if there is none.
// O(log blocks + size of one block).
func (l *List) Set(index int, item []byte) bool {
	index, ok := l.position(index)
	if !ok {
		return false
	}
	l.Expect(1, len(item))
	if !l.isTree() {
		p, _ := listpack.Seek(l.h.Bytes(), index)
		listpack.Replace(l.h, p, listpack.String(item))
		return true
	}
	t := l.tree()
	var p listPath
	_, at := t.seek(&p, index)
	t.replace(&p, at, item)
	l.shrunk()
	return true
}

// InsertBefore puts item before the first one that equals pivot. It returns false if there is no pivot.
// O(items up to the pivot + size of one block).
func (l *List) InsertBefore(pivot, item []byte) bool { return l.insert(pivot, item, 0) }

// InsertAfter puts item after the first one that equals pivot. It returns false if there is no pivot.
// O(items up to the pivot + size of one block).
func (l *List) InsertAfter(pivot, item []byte) bool { return l.insert(pivot, item, 1) }

func (l *List) insert(pivot, item []byte, after int) bool {
	if !l.isTree() {
		b := l.h.Bytes()
		p, ok := listpack.Find(b, listpack.First(b), pivot, 0)
		if !ok {
			return false
		}
		if l.Expect(1, len(item)); !l.isTree() {
			if after != 0 {
				p = listpack.Next(b, p)
			}
			listpack.Insert(l.h, p, listpack.String(item))
			return true
		}
	}
	t := l.tree()
	var p listPath
	for ok := t.first(&p); ok; ok = t.next(&p) {
		b := t.block(&p).bytes(t.a)
		at, found := listpack.Find(b, listpack.First(b), pivot, 0)
		if !found {
			continue
		}
		if after != 0 {
			at = listpack.Next(b, at)
		}
		t.insertAt(&p, at, item)
		return true
	}
	return false
}

// InsertAt puts item before the one at index, 0 <= index <= Len. O(log blocks + size of one block).
func (l *List) InsertAt(index int, item []byte) {
	l.Expect(1, len(item))
	if !l.isTree() {
		b := l.h.Bytes()
		p, ok := listpack.Seek(b, index)
		if !ok {
			p = len(b)
		}
		listpack.Insert(l.h, p, listpack.String(item))
		return
	}
	t := l.tree()
	if index == int(t.head().items) {
		t.pushTail(item)
		return
	}
	var p listPath
	_, at := t.seek(&p, index)
	t.insertAt(&p, at, item)
}

// Remove removes up to count items that equal item: the first ones if count > 0, the last ones if count < 0, all if it
// is 0. It returns how many that were. O(size of the list).
func (l *List) Remove(count int, item []byte) int {
	backward, left := count < 0, count
	if backward {
		left = -count
	}
	if left <= 0 { // 0, and the smallest integer, which has no positive twin
		left = noLimit
	}
	if l.isTree() {
		t := l.tree()
		n := t.remove(item, left, backward)
		if n > 0 {
			l.shrunk()
		}
		return n
	}
	n := 0
	if !backward {
		for p := listpack.First(l.h.Bytes()); n < left; n++ {
			var ok bool
			if p, ok = listpack.Find(l.h.Bytes(), p, item, 0); !ok {
				break
			}
			listpack.Delete(l.h, p, 1)
		}
		return n
	}
	for p := listpack.Last(l.h.Bytes()); p > 0 && n < left; {
		b := l.h.Bytes()
		before := listpack.Prev(b, p)
		if listpack.Get(b, p).Equal(item) {
			listpack.Delete(l.h, p, 1)
			n++
		}
		p = before
	}
	return n
}

// Trim keeps the items from start to stop, both included and counted from the end if negative, and removes the others.
// It returns how many those were. O(blocks removed + size of two blocks).
func (l *List) Trim(start, stop int) (removed int) {
	n := l.Len()
	first, count := span(start, stop, n)
	if count == 0 {
		first = n
	}
	l.DropTail(n - first - count)
	l.DropHead(first)
	return n - count
}

// span turns a range whose ends are included and may count from the end into where it begins and how many items of n
// it has.
func span(start, stop, n int) (first, count int) {
	if start < 0 {
		start = max(start+n, 0)
	}
	if stop < 0 {
		stop += n
	}
	stop = min(stop, n-1)
	if start > stop {
		return 0, 0
	}
	return start, stop - start + 1
}

// AppendListpack appends the items of the listpack b, which is not a part of this list. It is how files are loaded and
// lists copied: a block is taken as it is where possible. O(size of b).
func (l *List) AppendListpack(b []byte) {
	n := listpack.Len(b)
	if n == 0 {
		return
	}
	if !l.isTree() {
		old := l.h.Bytes()
		if l.limit().allows(max(len(old), listpack.HeaderSize)+len(b)-listpack.HeaderSize, listpack.Len(old)+n) {
			listpack.Splice(l.h, len(old), b, listpack.First(b), len(b))
			return
		}
		l.grow()
	}
	t := l.tree()
	t.appendBlock(b, n)
}

// freeList frees up to about budget allocations of the tree at root. It returns whether all of it is gone.
func freeList(env *Env, root arena.Ref, budget int) (done bool) {
	t := openListTree(env.Arena, root, listLimit{})
	return t.freeStep(budget)
}
