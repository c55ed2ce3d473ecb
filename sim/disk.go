package sim

import (
	"fmt"
	"slices"

	"parley/core/raft"
	"parley/core/replica"
	"parley/core/row"
)

// The fault model of the disk. A Save is begun, takes its time, and is finished: from then on it is
// durable. A crash in between leaves it whole or not at all, by the dice; nothing else is possible,
// because the store it stands for commits each Save in one transaction (rule D1). Saves that were
// finished survive every crash (D2). Errors, damage and lost disks are not simulated yet; a real
// store that meets them ends its process.

// disk is one replica's store. It is a replica.Store whose Save may also be taken in two steps.
type disk struct {
	tables []*row.Table

	boot    uint64
	seq     uint64
	hard    raft.Hard
	compact raft.Mark
	log     []raft.Entry // from compact.Index+1
	applied raft.Index
	rows    map[*row.Table][]row.Row // by key; looked up only
	digest  row.Digest

	inFlight *replica.Save
}

func newDisk(chain raft.Chain, genesis []row.Row) *disk {
	d := &disk{tables: replica.Catalogue(), rows: map[*row.Table][]row.Row{}}
	d.compact.Chain = chain
	for _, r := range genesis {
		d.put(r)
	}
	return d
}

// Recover gives what is on the disk.
func (d *disk) Recover() (replica.Recovered, error) {
	d.boot++
	return replica.Recovered{
		Raft: raft.Recovered{Hard: d.hard, Compact: d.compact, Entries: slices.Clone(d.log), Applied: d.applied},
		Seq:  d.seq, Boot: d.boot, Hot: d.hot(), Digest: d.digest,
	}, nil
}

func (d *disk) hot() []row.Row {
	var hot []row.Row
	for _, t := range d.tables {
		if t.Hot {
			hot = append(hot, d.rows[t]...)
		}
	}
	return hot
}

// Save is begin and finish at once, for the contract suite.
func (d *disk) Save(s replica.Save) (replica.Saved, error) {
	if err := d.begin(&s); err != nil {
		return replica.Saved{}, err
	}
	return d.finish()
}

func (d *disk) begin(s *replica.Save) error {
	switch {
	case d.inFlight != nil:
		return fmt.Errorf("save %d begun while %d is in flight", s.Seq, d.inFlight.Seq)
	case s.Seq != d.seq+1:
		return fmt.Errorf("save %d after %d", s.Seq, d.seq)
	}
	d.inFlight = s
	return nil
}

// finish makes the save in flight durable.
func (d *disk) finish() (replica.Saved, error) {
	s := d.inFlight
	d.inFlight = nil
	if err := d.apply(s); err != nil {
		return replica.Saved{}, fmt.Errorf("save %d: %w", s.Seq, err)
	}
	saved := replica.Saved{Seq: s.Seq, Digest: d.digest}
	if s.Install != nil {
		saved.Hot = d.hot()
	}
	return saved, nil
}

// crash ends a life: the save in flight is there, whole, or it is not.
func (d *disk) crash(there bool) error {
	if d.inFlight == nil {
		return nil
	}
	if there {
		_, err := d.finish()
		return err
	}
	d.inFlight = nil
	return nil
}

func (d *disk) last() raft.Index { return d.compact.Index + raft.Index(len(d.log)) }

func (d *disk) apply(s *replica.Save) error {
	if s.Install != nil {
		if err := d.install(s.Install); err != nil {
			return err
		}
	}
	if s.Hard != nil {
		if s.Hard.Term < d.hard.Term || s.Hard.Commit < d.hard.Commit {
			return fmt.Errorf("hard state goes back: %+v after %+v", *s.Hard, d.hard)
		}
		d.hard = *s.Hard
	}
	if err := d.applyLog(s); err != nil {
		return err
	}
	if s.Applied != 0 {
		d.applied = s.Applied
	}
	for _, e := range s.Effects {
		d.effect(e)
	}
	d.seq = s.Seq
	return d.compactTo(s)
}

func (d *disk) applyLog(s *replica.Save) error {
	if s.CutFrom != 0 && s.CutFrom <= d.compact.Index && s.Install == nil {
		return fmt.Errorf("cut from %d, compacted to %d", s.CutFrom, d.compact.Index)
	}
	if from := max(s.CutFrom, d.compact.Index+1); s.CutFrom != 0 && from <= d.last() {
		d.log = slices.Clone(d.log[:from-d.compact.Index-1])
	}
	for _, e := range s.Append {
		if e.Index != d.last()+1 {
			return fmt.Errorf("append %d after %d", e.Index, d.last())
		}
		d.log = append(d.log, e)
	}
	return nil
}

func (d *disk) compactTo(s *replica.Save) error {
	if d.applied > d.hard.Commit || d.applied > d.last() {
		return fmt.Errorf("applied %d, commit %d, last %d", d.applied, d.hard.Commit, d.last())
	}
	if s.Compact <= d.compact.Index {
		return nil
	}
	if s.Compact > d.applied {
		return fmt.Errorf("compact to %d, applied %d", s.Compact, d.applied)
	}
	n := s.Compact - d.compact.Index
	d.compact = markOf(d.log[n-1])
	d.log = slices.Clone(d.log[n:])
	return nil
}

func markOf(e raft.Entry) raft.Mark {
	return raft.Mark{Index: e.Index, Term: e.Term, Chain: e.Chain, Time: e.Time}
}

// install replaces the rows. The log is kept only where it continues the snapshot's chain.
func (d *disk) install(s *replica.Snapshot) error {
	rows := map[*row.Table][]row.Row{}
	err := replica.ReadSnapshot(*s, d.tables, func(r row.Row) error {
		rows[r.Table] = append(rows[r.Table], r)
		return nil
	})
	if err != nil {
		return fmt.Errorf("install snapshot at %d: %w", s.Mark.Index, err)
	}
	if e, ok := d.entry(s.Mark.Index); ok && e.Chain == s.Mark.Chain {
		d.log = slices.Clone(d.log[s.Mark.Index-d.compact.Index:])
	} else {
		d.log = nil
	}
	d.rows, d.digest, d.compact, d.applied = rows, s.Digest, s.Mark, s.Mark.Index
	d.hard.Commit = max(d.hard.Commit, s.Mark.Index)
	return nil
}

// entry gives what the disk holds at an index.
func (d *disk) entry(i raft.Index) (raft.Entry, bool) {
	if i <= d.compact.Index || i > d.last() {
		return raft.Entry{}, false
	}
	return d.log[i-d.compact.Index-1], true
}

func (d *disk) effect(e row.Effect) {
	if e.Op == row.Delete {
		d.remove(e.Row)
		return
	}
	d.put(e.Row)
}

func (d *disk) find(r row.Row) (int, bool) {
	rows := d.rows[r.Table]
	return slices.BinarySearchFunc(rows, r, func(a, b row.Row) int {
		return row.CompareKeys(r.Table, a.Values, b.Values)
	})
}

func (d *disk) put(r row.Row) {
	i, ok := d.find(r)
	rows := d.rows[r.Table]
	if ok {
		d.digest.Remove(rows[i])
		rows[i] = r
	} else {
		rows = slices.Insert(rows, i, r)
	}
	d.digest.Add(r)
	d.rows[r.Table] = rows
}

func (d *disk) remove(r row.Row) {
	if i, ok := d.find(r); ok {
		rows := d.rows[r.Table]
		d.digest.Remove(rows[i])
		d.rows[r.Table] = slices.Delete(rows, i, i+1)
	}
}

// Rows answers ranges from the rows as they are durable now.
func (d *disk) Rows(ranges []row.Range) (replica.Rows, error) {
	out := replica.Rows{Index: d.applied, Sets: make([][]row.Row, len(ranges))}
	for i, r := range ranges {
		out.Sets[i] = d.scan(r)
	}
	return out, nil
}

func (d *disk) scan(r row.Range) []row.Row {
	cols := []int{0, 1}[:min(2, r.Table.Key)]
	if r.ByIndex {
		cols = r.Table.Index
	}
	var found []row.Row
	for _, v := range d.rows[r.Table] {
		n := v.Values[cols[len(cols)-1]].Int
		if (len(cols) == 1 || v.Values[cols[0]].Int == r.Eq) && r.From <= n && n <= r.To {
			found = append(found, v)
		}
	}
	slices.SortStableFunc(found, func(a, b row.Row) int {
		c := a.Values[cols[len(cols)-1]].Int - b.Values[cols[len(cols)-1]].Int
		if r.Desc {
			c = -c
		}
		return int(max(-1, min(1, c)))
	})
	if r.Limit > 0 && len(found) > r.Limit {
		found = found[:r.Limit]
	}
	return found
}

// Export makes a snapshot of the rows as they are durable now.
func (d *disk) Export() (replica.Snapshot, error) {
	mark := d.compact
	if e, ok := d.entry(d.applied); ok {
		mark = markOf(e)
	}
	w := replica.NewSnapshotWriter(mark)
	for _, t := range d.tables {
		w.Table(t)
		for _, r := range d.rows[t] {
			if err := w.Row(r); err != nil {
				return replica.Snapshot{}, fmt.Errorf("export at %d: %w", mark.Index, err)
			}
		}
	}
	return w.Finish(), nil
}

// Close has nothing to do: what was saved is saved.
func (d *disk) Close() error { return nil }
