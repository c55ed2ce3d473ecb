package raft

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"sort"
)

// The log suffix lives in memory since the last compaction, in chunks. Sends and Saves are
// sub-slices of chunks, so the entries in a chunk are never written twice: the log only appends
// behind them, and a cut copies what it keeps of the chunk it falls into.
//
// Sizes are kept as running sums, not as counters to be added to and taken from: a counter that
// leaks refuses proposals for ever (https://github.com/etcd-io/raft/commit/a370b6f).

// chunkLen is the number of entries in every chunk but the last.
const chunkLen = 512

// entryOverhead is what an entry costs besides its data, on the wire and in memory, roughly.
const entryOverhead = 64

type chunk struct {
	entries []Entry
	ends    []uint64 // bytes of the log up to and including each entry
}

// suffix is the log from compact on. Invariant: chunks hold compact.Index+1 … last without a gap.
type suffix struct {
	compact Mark
	before  uint64 // bytes up to and including compact
	skip    int    // entries of the first chunk that are compacted away
	chunks  []chunk
	last    Mark
}

func sizeOf(e *Entry) uint64 { return uint64(len(e.Data)) + entryOverhead }

func (e *Entry) mark() Mark { return Mark{Index: e.Index, Term: e.Term, Chain: e.Chain, Time: e.Time} }

// place finds the chunk of entry i and the position in it.
func (l *suffix) place(i Index) (k, off int) {
	pos := int(i-l.compact.Index-1) + l.skip
	return pos / chunkLen, pos % chunkLen
}

// at returns entry i, which must be in memory.
func (l *suffix) at(i Index) *Entry {
	if i <= l.compact.Index || i > l.last.Index {
		broken("entry %d is not in (%d, %d]", i, l.compact.Index, l.last.Index)
	}
	k, off := l.place(i)
	return &l.chunks[k].entries[off]
}

// mark tells what is known of index i, and whether anything is.
func (l *suffix) mark(i Index) (Mark, bool) {
	switch {
	case i == l.last.Index:
		return l.last, true
	case i == l.compact.Index:
		return l.compact, true
	case i < l.compact.Index || i > l.last.Index:
		return Mark{}, false
	}
	return l.at(i).mark(), true
}

// term is the term at i, which must be compact or later.
func (l *suffix) term(i Index) Term {
	mark, ok := l.mark(i)
	if !ok {
		broken("term of %d is not known in [%d, %d]", i, l.compact.Index, l.last.Index)
	}
	return mark.Term
}

// bytesTo is the running size up to i; what is compacted away counts as one.
func (l *suffix) bytesTo(i Index) uint64 {
	if i <= l.compact.Index {
		return l.before
	}
	k, off := l.place(i)
	return l.chunks[k].ends[off]
}

// bytes is the size of the entries in (after, to] that are in memory.
func (l *suffix) bytes(after, to Index) uint64 {
	if to <= after {
		return 0
	}
	return l.bytesTo(to) - l.bytesTo(after)
}

// append puts e behind the last entry. Its chain must be set.
func (l *suffix) append(e Entry) {
	n := len(l.chunks)
	if n == 0 || len(l.chunks[n-1].entries) == chunkLen {
		var c chunk
		if n > 0 { // a log that fills chunks will fill this one too
			c = chunk{entries: make([]Entry, 0, chunkLen), ends: make([]uint64, 0, chunkLen)}
		}
		l.chunks = append(l.chunks, c)
		n++
	}
	c := &l.chunks[n-1]
	c.ends = append(c.ends, l.bytesTo(l.last.Index)+sizeOf(&e))
	c.entries = append(c.entries, e)
	l.last = e.mark()
}

// cut drops entries ≥ from.
func (l *suffix) cut(from Index) {
	if from <= l.compact.Index || from > l.last.Index {
		broken("cut at %d is not in (%d, %d]", from, l.compact.Index, l.last.Index)
	}
	before, _ := l.mark(from - 1)
	k, off := l.place(from)
	c := l.chunks[k]
	clear(l.chunks[k:])
	l.chunks = l.chunks[:k]
	if off > 0 {
		l.chunks = append(l.chunks, chunk{slices.Clone(c.entries[:off]), slices.Clone(c.ends[:off])})
	}
	l.last = before
}

// compactTo drops entries ≤ to from memory. Entry to is there, or the log starts anew behind it.
func (l *suffix) compactTo(to Index) {
	mark := l.at(to).mark()
	l.before = l.bytesTo(to)
	l.skip += int(to - l.compact.Index)
	l.compact = mark
	if l.last.Index == to {
		l.chunks, l.skip = nil, 0
	} else if whole := l.skip / chunkLen; whole > 0 {
		l.chunks = slices.Delete(l.chunks, 0, whole)
		l.skip -= whole * chunkLen
	}
}

// reset starts the log anew behind mark.
func (l *suffix) reset(mark Mark) {
	*l = suffix{compact: mark, last: mark}
}

// slice returns entries from lo on, at least one, of at most maxBytes unless the first alone is
// larger, and not across the end of a chunk: a view for one message.
func (l *suffix) slice(lo Index, maxBytes int) []Entry {
	k, off := l.place(lo)
	c := &l.chunks[k]
	most := l.bytesTo(lo-1) + uint64(maxBytes)
	n := sort.Search(len(c.ends)-off, func(i int) bool { return c.ends[off+i] > most })
	n = max(n, 1)
	return c.entries[off : off+n : off+n]
}

// span returns entries lo … last, copied only if they lie in several chunks.
func (l *suffix) span(lo Index) []Entry {
	if lo > l.last.Index {
		return nil
	}
	k, off := l.place(lo)
	if k == len(l.chunks)-1 {
		return slices.Clip(l.chunks[k].entries[off:])
	}
	all := make([]Entry, 0, l.last.Index-lo+1)
	all = append(all, l.chunks[k].entries[off:]...)
	for _, c := range l.chunks[k+1:] {
		all = append(all, c.entries...)
	}
	return all
}

// lastAtMost is the highest index ≤ hi whose term is ≤ t, but at least lo. Terms do not decrease
// along the log.
func (l *suffix) lastAtMost(t Term, lo, hi Index) Index {
	lo = max(lo, l.compact.Index)
	if hi <= lo {
		return lo
	}
	n := sort.Search(int(hi-lo), func(i int) bool { return l.term(lo+1+Index(i)) > t })
	return lo + Index(n)
}

// clone shares the full chunks, which nobody writes any more, and copies the last.
func (l *suffix) clone() suffix {
	c := *l
	c.chunks = slices.Clone(l.chunks)
	if n := len(c.chunks); n > 0 {
		c.chunks[n-1] = chunk{slices.Clone(c.chunks[n-1].entries), slices.Clone(c.chunks[n-1].ends)}
	}
	return c
}

// chainHeader is the length of what a chain covers besides the data.
const chainHeader = len(Chain{}) + 8 + 8 + 1 + 8

// ChainNext is the chain of e when the entry before it has the chain prev: the first 16 bytes of
// SHA-256 over prev, then index, term (8 bytes each, big endian), kind (1 byte), time (8 bytes)
// and the data. e.Chain does not enter.
func ChainNext(prev Chain, e *Entry) (next Chain) {
	var room [chainHeader + 512]byte
	b := append(room[:0], prev[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(e.Index))
	b = binary.BigEndian.AppendUint64(b, uint64(e.Term))
	b = append(b, byte(e.Kind))
	b = binary.BigEndian.AppendUint64(b, uint64(e.Time))
	if len(e.Data) <= len(room)-chainHeader {
		sum := sha256.Sum256(append(b, e.Data...))
		copy(next[:], sum[:])
		return next
	}
	h := sha256.New()
	h.Write(b)
	h.Write(e.Data)
	sum := h.Sum(b[:0])
	copy(next[:], sum)
	return next
}
