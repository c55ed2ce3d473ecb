package storagetest

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"parley/core/raft"
	"parley/core/replica"
	"parley/core/row"
)

// Differ drives a store made by f and the reference through the same random life, of so many steps:
// saves of all kinds, questions, snapshots, restarts and crashes. It returns the first difference.
// pick draws a number below n; with a generator that shrinks, so does the life.
func Differ(t testing.TB, f Factory, steps int, pick func(n int) int) (err error) {
	d := &pair{world: &world{t: t, birth: born(counter(1, 1), name(1, "a", 1))}, pick: pick}
	defer func() {
		if d.store != nil {
			d.store.Close()
		}
	}()
	d.site, d.twin = f(t, d.birth), NewMemory(d.birth)
	if err := d.restart(); err != nil {
		return err
	}
	for step := range steps {
		if err := d.step(); err != nil {
			return fmt.Errorf("step %d: %w", step, err)
		}
	}
	return d.restart()
}

// pair is a store and the reference beside it.
type pair struct {
	*world
	twin *Memory
	ref  replica.Store
	pick func(n int) int

	saved []replica.Snapshot // made on the way
}

func (d *pair) step() error {
	switch n := d.pick(20); {
	case n < 13:
		return d.saveBoth(d.someSave())
	case n < 16:
		return d.askBoth()
	case n < 17:
		return d.exportBoth()
	case n < 18 && len(d.saved) > 0:
		return d.saveBoth(d.someInstall())
	case n < 19:
		d.site.Crash()
		d.store = nil
	}
	return d.restart()
}

// restart opens both again and compares what they recover.
func (d *pair) restart() (err error) {
	if d.store != nil {
		if err := d.store.Close(); err != nil {
			return err
		}
	}
	d.twin.Crash()
	d.store = nil
	if d.store, err = d.site.Open(d.birth.Cluster, d.birth.Node); err != nil {
		return err
	}
	if d.ref, err = d.twin.Open(d.birth.Cluster, d.birth.Node); err != nil {
		return err
	}
	got, err := d.store.Recover()
	if err != nil {
		return err
	}
	want, err := d.ref.Recover()
	if err != nil {
		return err
	}
	if diff := differentRaft(got.Raft, want.Raft) + differentRows(got.Hot, want.Hot); diff != "" {
		return fmt.Errorf("recovered, and wanted: %s", diff)
	}
	if got.Seq != want.Seq || got.Boot != want.Boot || got.Digest != want.Digest {
		return fmt.Errorf("recovered seq %d, boot %d, digest %v, want %d, %d, %v",
			got.Seq, got.Boot, got.Digest, want.Seq, want.Boot, want.Digest)
	}
	return d.exportBoth()
}

// saveBoth saves, or demands that both refuse, and goes on with what was there before.
func (d *pair) saveBoth(v replica.Save) error {
	got, err := d.store.Save(v)
	want, refused := d.ref.Save(v)
	switch {
	case (err == nil) != (refused == nil):
		return fmt.Errorf("save %+v: store says %v, reference %v", v, err, refused)
	case err != nil:
		d.site.Crash()
		d.store = nil
		return d.restart()
	case got.Seq != want.Seq || got.Digest != want.Digest:
		return fmt.Errorf("saved %d with digest %v, want %d and %v", got.Seq, got.Digest, want.Seq, want.Digest)
	}
	if diff := differentRows(got.Hot, want.Hot); diff != "" {
		return fmt.Errorf("saved hot rows, and wanted: %s", diff)
	}
	return nil
}

func (d *pair) askBoth() error {
	var ranges []row.Range
	for range 1 + d.pick(4) {
		r := row.Range{
			Table: []*row.Table{lines, places, counters}[d.pick(3)], Eq: int64(d.pick(4)),
			From: int64(d.pick(12)), Desc: d.pick(2) == 0, Limit: d.pick(4),
		}
		r.To = r.From + int64(d.pick(12))
		r.ByIndex = r.Table == lines && d.pick(2) == 0
		ranges = append(ranges, r)
	}
	got, err := d.store.Rows(ranges)
	if err != nil {
		return err
	}
	want, err := d.ref.Rows(ranges)
	if err != nil {
		return err
	}
	if got.Index != want.Index || len(got.Sets) != len(want.Sets) {
		return fmt.Errorf("answer of %d sets at %d, want %d at %d", len(got.Sets), got.Index, len(want.Sets), want.Index)
	}
	for i := range got.Sets {
		if diff := differentRows(got.Sets[i], want.Sets[i]); diff != "" {
			return fmt.Errorf("range %+v over %s: answer, and wanted: %s", ranges[i], ranges[i].Table.Name, diff)
		}
	}
	return nil
}

func (d *pair) exportBoth() error {
	got, err := d.store.Export()
	if err != nil {
		return err
	}
	want, err := d.ref.Export()
	if err != nil {
		return err
	}
	if got.Mark != want.Mark || got.Digest != want.Digest || !bytes.Equal(got.Data, want.Data) {
		return fmt.Errorf("exported at %v, want %v, or other bytes", got.Mark, want.Mark)
	}
	d.saved = append(d.saved, got)
	return nil
}

// someSave is mostly possible.
func (d *pair) someSave() replica.Save {
	m := d.twin.image.Load()
	v := replica.Save{Seq: m.seq + 1}
	h := m.hard
	if d.pick(3) == 0 {
		h.Term, h.Vote = h.Term+raft.Term(d.pick(2)), raft.ID(d.pick(3))
	}
	last := m.last()
	if d.pick(4) == 0 {
		v.CutFrom = max(h.Commit, m.compact.Index) + raft.Index(d.pick(4))
		if v.CutFrom > 0 && v.CutFrom <= last {
			last = max(v.CutFrom-1, m.compact.Index)
		}
	}
	terms := make([]raft.Term, d.pick(4))
	for i := range terms {
		terms[i] = max(h.Term, 1)
	}
	v.Append = grow(m.mark(last), terms...)
	last += raft.Index(len(terms))
	h.Term = max(h.Term, 1)
	if last > h.Commit {
		h.Commit += raft.Index(d.pick(int(last-h.Commit) + 1))
	}
	if h != m.hard || d.pick(2) == 0 {
		v.Hard = &h
	}
	if min(h.Commit, last) > m.applied && d.pick(3) > 0 {
		v.Applied = m.applied + 1 + raft.Index(d.pick(int(min(h.Commit, last)-m.applied)))
		v.Effects = d.someEffects(m)
	}
	if d.pick(5) == 0 {
		v.Compact = max(m.applied, v.Applied) - raft.Index(d.pick(2))*(m.applied/2)
	}
	return v
}

// someInstall puts back a snapshot made earlier, as a raft would that has lost its place.
func (d *pair) someInstall() replica.Save {
	m := d.twin.image.Load()
	snap := d.saved[d.pick(len(d.saved))]
	h := m.hard
	h.Commit = max(h.Commit, snap.Mark.Index)
	return replica.Save{Seq: m.seq + 1, Hard: &h, Install: &snap}
}

// someEffects use few keys, so that they meet. An Insert mostly knows that it may.
func (d *pair) someEffects(m *image) []row.Effect {
	var list []row.Effect
	sure := d.pick(8) > 0
	for range d.pick(9) {
		e := row.Effect{Op: row.Op(d.pick(3)), Row: d.someRow()}
		if e.Op == row.Insert && sure {
			if _, there := search(m.rows[e.Row.Table], e.Row); there || slices.ContainsFunc(list, sameKey(e.Row)) {
				e.Op = row.Put
			}
		}
		list = append(list, e)
	}
	return list
}

func sameKey(r row.Row) func(row.Effect) bool {
	return func(e row.Effect) bool {
		return e.Row.Table == r.Table && row.CompareKeys(r.Table, e.Row.Key(), r.Key()) == 0
	}
}

func (d *pair) someRow() row.Row {
	texts := []string{"", "a", "b", "\x00", "ab", "ä"}
	text, n, k := texts[d.pick(len(texts))], int64(d.pick(9)), int64(d.pick(4))
	switch d.pick(5) {
	case 0:
		return line(n, k, n+int64(d.pick(20)/19), text)
	case 1:
		return device(text, n, texts[k])
	case 2:
		return place(k, n, int64(d.pick(3)))
	case 3:
		return name(k, text, 10*k+int64(len(text))+int64(d.pick(2)))
	}
	return counter(n, k)
}
