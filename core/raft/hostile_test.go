package raft

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"
)

// draws reads numbers from fuzzed bytes, mostly small ones, some absurd.
type draws struct{ data []byte }

func (d *draws) byte() byte {
	if len(d.data) == 0 {
		return 0
	}
	b := d.data[0]
	d.data = d.data[1:]
	return b
}

func (d *draws) number() uint64 {
	b := d.byte()
	switch {
	case b < 240:
		return uint64(b % 12)
	case b < 248:
		return 1<<62 - uint64(b%4)
	case b == 248:
		return 1<<64 - 1
	}
	var wide [8]byte
	n := copy(wide[:], d.data)
	d.data = d.data[n:]
	return binary.LittleEndian.Uint64(wide[:])
}

// message is anything a peer could send; often with an index, term and chain that we have.
func (d *draws) message(m *Machine) *Message {
	msg := &Message{Kind: MessageKind(d.byte() % 12), From: ID(d.byte() % 5), To: 1, Term: Term(d.number()),
		Index: Index(d.number()), LogTerm: Term(d.number()), Commit: Index(d.number()), Round: d.number(),
		ReadID: d.number()}
	flags := d.byte()
	msg.Reject, msg.Transfer = flags&1 != 0, flags&2 != 0
	if flags&4 != 0 {
		msg.ReadID = m.asking.number
	}
	prev, ok := m.log.mark(msg.Index)
	if ok && flags&8 != 0 {
		msg.LogTerm, msg.Chain, msg.Term = prev.Term, prev.Chain, max(prev.Term, m.hard.Term+Term(flags>>7))
	}
	for range d.byte() % 6 {
		e := Entry{Index: prev.Index + 1, Term: prev.Term, Time: prev.Time, Kind: Kind(d.byte() % 4), Data: []byte{d.byte()}}
		switch d.byte() % 8 {
		case 0:
			e.Index = Index(d.number())
		case 1:
			e.Term = Term(d.number())
		case 2:
			e.Time = ClusterTime(d.number())
		case 3, 4:
			e.Term = msg.Term
		}
		if e.Chain = ChainNext(prev.Chain, &e); d.byte()%16 == 0 {
			e.Chain[0]++
		}
		prev = e.mark()
		msg.Entries = append(msg.Entries, e)
	}
	for range d.byte() % 9 {
		msg.Order = append(msg.Order, ID(d.number()))
	}
	return msg
}

// input is a message, mostly; the rest is what an honest caller does.
func (d *draws) input(m *Machine) Input {
	switch d.byte() % 16 {
	case 0:
		return Tick{}
	case 1:
		return Propose{[][]byte{{1}, {2, 3}}}
	case 2:
		return Read{m.asking.number ^ uint64(len(m.leading.reads))}
	case 3:
		return Transfer{ID(d.number())}
	case 4:
		return Compact{Index(d.number())}
	case 5:
		return PeerDown{ID(d.number())}
	case 6:
		return SnapshotReceived{From: ID(d.number()), Term: Term(d.number()),
			Mark: Mark{Index: Index(d.number()), Term: Term(d.number()), Time: ClusterTime(d.number() >> 2)}}
	case 7:
		return SnapshotFailed{ID(d.number())}
	case 8:
		return Received{nil}
	}
	return Received{d.message(m)}
}

// Nothing a peer sends makes a machine panic or break an invariant. What it takes for damage stops
// it; then we go on with the machine as it was before, or the fuzzer would stop learning.
func FuzzStep(f *testing.F) {
	f.Add([]byte{}, false)
	f.Add([]byte{0, 9, 5, 2, 1, 0, 0, 0, 0, 0, 0, 8, 2, 0, 1, 0, 1, 1, 0}, true)
	r := random(1)
	for i := range 40 {
		seed := make([]byte, 600)
		for i := range seed {
			seed[i] = byte(r.next())
		}
		f.Add(seed, i%2 == 0)
	}
	f.Fuzz(func(t *testing.T, data []byte, leads bool) {
		c := newTrio(t).lead(4)
		m := c.machines[0]
		if !leads {
			m.Step(0, Received{&Message{Kind: AppendReply, From: 2, To: 1, Term: 2}}, &Output{})
		}
		d, now := &draws{data}, time.Duration(0)
		var out Output
		var seq uint64
		for len(d.data) > 0 {
			now += time.Duration(d.byte()%64) * time.Millisecond
			before := m.Clone()
			m.Step(now, d.input(m), &out)
			if out.Save.Seq != 0 {
				seq = out.Save.Seq
			}
			if err := m.Check(); err != nil && out.Fatal == "" {
				t.Fatal(err)
			}
			fatal := out.Fatal != ""
			out.Reset()
			if fatal {
				m = before
				continue
			}
			if seq != 0 && d.byte()%4 == 0 {
				m.Step(now, Saved{seq}, &out)
				if seq = out.Save.Seq; m.Check() != nil {
					t.Fatal(m.Check())
				}
				out.Reset()
			}
		}
	})
}

// The log in chunks is a slice of entries, seen from outside.
func TestLogIsASlice(t *testing.T) {
	for seed := range random(8) {
		r, l := random(seed), suffix{}
		l.reset(Mark{Chain: testChain})
		var twin []Entry // from 1
		compact, shared := Index(0), []Entry(nil)
		for range 150 {
			switch r.next() % 8 {
			case 0, 1, 2, 3:
				for range r.next() % 400 {
					e := Entry{Index: l.last.Index + 1, Term: Term(1 + l.last.Index/100), Data: make([]byte, r.next()%50)}
					e.Chain = ChainNext(l.last.Chain, &e)
					l.append(e)
					twin = append(twin, e)
				}
			case 4:
				if n := Index(len(twin)) - compact; n > 0 {
					from := compact + 1 + Index(r.next()%uint64(n))
					l.cut(from)
					twin = slices.Clone(twin[:from-1])
				}
			case 5:
				if n := Index(len(twin)) - compact; n > 0 {
					compact += 1 + Index(r.next()%uint64(n))
					l.compactTo(compact)
				}
			case 6:
				l = l.clone()
			case 7:
				shared = l.span(compact + 1)
				if want := twin[compact:]; len(shared) != len(want) || len(want) > 0 && shared[len(want)-1].Chain != want[len(want)-1].Chain {
					t.Fatalf("seed %d: span of %d entries, want %d", seed, len(shared), len(want))
				}
				defer func(got, want []Entry) { // whatever comes later, what is given out stays
					for i := range want {
						if got[i].Chain != want[i].Chain {
							t.Errorf("seed %d: entry %d was written over", seed, want[i].Index)
						}
					}
				}(shared, slices.Clone(twin[compact:]))
			}
			checkTwin(t, &l, twin, compact, &r)
		}
	}
}

func checkTwin(t *testing.T, l *suffix, twin []Entry, compact Index, r *random) {
	if l.last.Index != Index(len(twin)) || l.compact.Index != compact {
		t.Fatalf("(%d, %d], want (%d, %d]", l.compact.Index, l.last.Index, compact, len(twin))
	}
	n := Index(len(twin)) - compact
	if n == 0 {
		return
	}
	i := compact + 1 + Index(r.next()%uint64(n))
	limit, size, want := int(r.next()%5000), 0, 0
	for j := i; j <= l.last.Index && (want == 0 || size+int(sizeOf(&twin[j-1])) <= limit); j++ {
		size += int(sizeOf(&twin[j-1]))
		want++
	}
	got := l.slice(i, limit)
	k, off := l.place(i)
	if whole := len(l.chunks[k].entries) - off; len(got) != min(want, whole) || got[0].Chain != twin[i-1].Chain {
		t.Fatalf("slice of %d bytes at %d has %d entries, want %d", limit, i, len(got), min(want, whole))
	}
	if got, want := l.bytes(i-1, i), sizeOf(&twin[i-1]); got != want {
		t.Fatalf("entry %d has %d bytes, want %d", i, got, want)
	}
	if mark, ok := l.mark(i); !ok || mark != twin[i-1].mark() {
		t.Fatalf("mark of %d is %v, want %v", i, mark, twin[i-1].mark())
	}
}
