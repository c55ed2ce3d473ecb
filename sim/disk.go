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
	boot   uint64
	image

	inFlight *replica.Save
	poison   error // after a refusal nothing more is taken

	// lies makes the disk report saves that it does not keep. No plan does that; it is there to show
	// that the checkers would notice.
	lies bool
}

// image is what is durable.
type image struct {
	seq     uint64
	hard    raft.Hard
	compact raft.Mark
	log     []raft.Entry // from compact.Index+1
	applied raft.Index
	rows    map[*row.Table]*table // looked up only
	digest  row.Digest
}

func newDisk(chain raft.Chain, genesis []row.Row) *disk {
	d := &disk{tables: replica.Catalogue()}
	d.rows, d.compact.Chain = map[*row.Table]*table{}, chain
	for _, r := range genesis {
		d.put(r, nil)
	}
	return d
}

func (d *disk) table(t *row.Table) *table { return tableIn(d.rows, t) }

func tableIn(rows map[*row.Table]*table, t *row.Table) *table {
	if rows[t] == nil {
		rows[t] = newTable(t)
	}
	return rows[t]
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
			for r := range d.table(t).rows.all() {
				r.Values = slices.Clone(r.Values)
				hot = append(hot, r)
			}
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
	case d.poison != nil:
		return d.poison
	case d.inFlight != nil:
		return fmt.Errorf("save %d begun while %d is in flight", s.Seq, d.inFlight.Seq)
	}
	d.inFlight = s
	return nil
}

// finish makes the save in flight durable, whole or not at all.
func (d *disk) finish() (replica.Saved, error) {
	s := d.inFlight
	d.inFlight = nil
	if d.lies {
		d.seq = s.Seq
		return replica.Saved{Seq: s.Seq, Digest: d.digest}, nil
	}
	was := d.image
	var undo undo
	if err := d.apply(s, &undo); err != nil {
		undo.run()
		d.image = was
		d.poison = fmt.Errorf("save %d: %w", s.Seq, err)
		return replica.Saved{}, d.poison
	}
	saved := replica.Saved{Seq: s.Seq, Digest: d.digest}
	if s.Install != nil {
		saved.Hot = d.hot()
	}
	return saved, nil
}

// undo takes back changes to rows, the last one first.
type undo []func()

func (u undo) run() {
	for i := len(u) - 1; i >= 0; i-- {
		u[i]()
	}
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

// apply carries out the parts of a Save in their order. What a correct machine never asks for is
// refused: storagetest lists it.
func (d *disk) apply(s *replica.Save, u *undo) error {
	if s.Seq != d.seq+1 {
		return fmt.Errorf("the one before was %d", d.seq)
	}
	d.seq = s.Seq
	committed := d.hard.Commit
	if err := d.setHard(s.Hard); err != nil {
		return err
	}
	if s.Install != nil {
		if err := d.install(s.Install, s.CutFrom); err != nil {
			return err
		}
	}
	if err := d.cut(s.CutFrom, committed); err != nil {
		return err
	}
	if err := d.append(s.Append); err != nil {
		return err
	}
	if err := d.effects(s, u); err != nil {
		return err
	}
	return d.compactTo(s.Compact)
}

func (d *disk) setHard(h *raft.Hard) error {
	switch {
	case h == nil:
		return nil
	case h.Term < d.hard.Term || h.Commit < d.hard.Commit:
		return fmt.Errorf("hard state goes back: %+v after %+v", *h, d.hard)
	case h.Term == d.hard.Term && d.hard.Vote != 0 && h.Vote != d.hard.Vote:
		return fmt.Errorf("second vote in a term: %+v after %+v", *h, d.hard)
	}
	d.hard = *h
	return nil
}

func (d *disk) cut(from, committed raft.Index) error {
	if from == 0 || from > d.last() {
		return nil
	}
	if from <= committed {
		return fmt.Errorf("cut from %d, but %d is committed", from, committed)
	}
	d.log = slices.Clone(d.log[:max(from, d.compact.Index+1)-d.compact.Index-1])
	return nil
}

func (d *disk) append(entries []raft.Entry) error {
	for _, e := range entries {
		if e.Index != d.last()+1 || e.Term < d.lastTerm() {
			return fmt.Errorf("append %d of term %d after %d of term %d", e.Index, e.Term, d.last(), d.lastTerm())
		}
		d.log = append(d.log, e)
	}
	if d.hard.Term < d.lastTerm() {
		return fmt.Errorf("term %d with a log up to term %d", d.hard.Term, d.lastTerm())
	}
	return nil
}

func (d *disk) lastTerm() raft.Term {
	if n := len(d.log); n > 0 {
		return d.log[n-1].Term
	}
	return d.compact.Term
}

func (d *disk) effects(s *replica.Save, u *undo) error {
	if s.Applied == 0 || s.Applied == d.applied {
		if len(s.Effects) > 0 {
			return fmt.Errorf("%d effects, but applied stays at %d", len(s.Effects), d.applied)
		}
		return nil
	}
	if s.Applied < d.applied || s.Applied > d.hard.Commit || s.Applied > d.last() {
		return fmt.Errorf("applied %d after %d, commit %d, last %d", s.Applied, d.applied, d.hard.Commit, d.last())
	}
	d.applied = s.Applied
	for _, e := range s.Effects {
		t := e.Row.Table
		want := len(t.Columns)
		if e.Op == row.Delete {
			want = t.Key
		}
		if !slices.Contains(d.tables, t) || len(e.Row.Values) < want {
			return fmt.Errorf("effect on %s with %d of %d columns", t.Name, len(e.Row.Values), want)
		}
		if _, there := d.find(e.Row); there && e.Op == row.Insert {
			return fmt.Errorf("insert into %s of a key that is there", e.Row.Table.Name)
		}
		d.effect(e, u)
	}
	return d.unique(s.Effects)
}

// unique checks the Index of the tables that were written.
func (d *disk) unique(effects []row.Effect) error {
	for _, e := range effects {
		t := e.Row.Table
		if len(t.Index) == 0 || e.Op == row.Delete {
			continue
		}
		n, index := 0, d.table(t).index
		place := index.valuesOf(e.Row)
		for r := range index.from(place) {
			if index.compare(r, place) != 0 {
				break
			}
			if n++; n > 1 {
				return fmt.Errorf("two rows of %s share a place in its index", t.Name)
			}
		}
	}
	return nil
}

func (d *disk) compactTo(to raft.Index) error {
	if to <= d.compact.Index {
		return nil
	}
	if to > d.applied {
		return fmt.Errorf("compact to %d, applied %d", to, d.applied)
	}
	n := to - d.compact.Index
	d.compact = markOf(d.log[n-1])
	d.log = d.log[n:]
	return nil
}

func markOf(e raft.Entry) raft.Mark {
	return raft.Mark{Index: e.Index, Term: e.Term, Chain: e.Chain, Time: e.Time}
}

// install replaces the rows. Entries behind the snapshot are kept, so they must continue it or be
// cut in the same step.
func (d *disk) install(s *replica.Snapshot, cutFrom raft.Index) error {
	at := s.Mark.Index
	if at < d.applied || at > d.hard.Commit {
		return fmt.Errorf("install a snapshot at %d, applied %d, commit %d", at, d.applied, d.hard.Commit)
	}
	var kept []raft.Entry
	if at < d.last() {
		kept = slices.Clone(d.log[at-d.compact.Index:])
		here := d.compact
		if e, ok := d.entry(at); ok {
			here = markOf(e)
		}
		if here.Chain != s.Mark.Chain && (cutFrom == 0 || cutFrom > at+1) {
			return fmt.Errorf("entries behind the snapshot at %d do not continue it", at)
		}
	}
	rows := map[*row.Table]*table{}
	err := replica.ReadSnapshot(*s, d.tables, func(r row.Row) error {
		tableIn(rows, r.Table).insert(r)
		return nil
	})
	if err != nil {
		return fmt.Errorf("install: %w", err)
	}
	d.rows, d.digest, d.compact, d.log, d.applied = rows, s.Digest, s.Mark, kept, at
	return nil
}

// entry gives what the disk holds at an index.
func (d *disk) entry(i raft.Index) (raft.Entry, bool) {
	if i <= d.compact.Index || i > d.last() {
		return raft.Entry{}, false
	}
	return d.log[i-d.compact.Index-1], true
}

func (d *disk) effect(e row.Effect, u *undo) {
	if e.Op == row.Delete {
		d.remove(e.Row, u)
		return
	}
	d.put(e.Row, u)
}

func (d *disk) find(r row.Row) (row.Row, bool) {
	return d.table(r.Table).rows.find(r.Values[:r.Table.Key])
}

func (d *disk) put(r row.Row, u *undo) {
	r.Values = slices.Clone(r.Values)
	if old, ok := d.find(r); ok {
		d.digest.Remove(old)
		d.table(r.Table).remove(old)
		u.add(func() { d.put(old, nil) })
	} else {
		u.add(func() { d.remove(r, nil) })
	}
	d.digest.Add(r)
	d.table(r.Table).insert(r)
}

func (d *disk) remove(r row.Row, u *undo) {
	if old, ok := d.find(r); ok {
		d.digest.Remove(old)
		d.table(r.Table).remove(old)
		u.add(func() { d.put(old, nil) })
	}
}

func (u *undo) add(f func()) {
	if u != nil {
		*u = append(*u, f)
	}
}

// Rows answers ranges from the rows as they are durable now.
func (d *disk) Rows(ranges []row.Range) (replica.Rows, error) {
	if d.poison != nil {
		return replica.Rows{}, d.poison
	}
	out := replica.Rows{Index: d.applied, Sets: make([][]row.Row, len(ranges))}
	for i, r := range ranges {
		cols, err := path(r)
		if err == nil && !slices.Contains(d.tables, r.Table) {
			err = fmt.Errorf("range over %s, which is no table of this store", r.Table.Name)
		}
		if err != nil {
			return replica.Rows{}, err
		}
		out.Sets[i] = d.scan(r, cols)
	}
	return out, nil
}

// path gives the columns that a range runs along: one or two, of integers.
func path(r row.Range) ([]int, error) {
	cols := []int{0, 1, 2}[:min(3, r.Table.Key)]
	if r.ByIndex {
		cols = r.Table.Index
	}
	bad := len(cols) == 0 || len(cols) > 2
	for _, c := range cols {
		bad = bad || r.Table.Columns[c].Kind != row.Int
	}
	if bad {
		return nil, fmt.Errorf("range over %s, which has no such path", r.Table.Name)
	}
	return cols, nil
}

func (d *disk) scan(r row.Range, cols []int) []row.Row {
	list := &d.table(r.Table).rows
	if r.ByIndex {
		list = d.table(r.Table).index
	}
	ends := [2][]row.Value{{{Int: r.From}}, {{Int: r.To}}}
	if len(cols) == 2 {
		for i := range ends {
			ends[i] = append([]row.Value{{Int: r.Eq}}, ends[i]...)
		}
	}
	walk := list.from(ends[0])
	if r.Desc {
		walk = list.back(ends[1])
	}
	var found []row.Row
	for v := range walk {
		if list.compare(v, ends[0]) < 0 || list.compare(v, ends[1]) > 0 || r.Limit > 0 && len(found) == r.Limit {
			break
		}
		v.Values = slices.Clone(v.Values)
		found = append(found, v)
	}
	return found
}

// Export makes a snapshot of the rows as they are durable now.
func (d *disk) Export() (replica.Snapshot, error) {
	if d.poison != nil {
		return replica.Snapshot{}, d.poison
	}
	mark := d.compact
	if e, ok := d.entry(d.applied); ok {
		mark = markOf(e)
	}
	w := replica.NewSnapshotWriter(mark)
	for _, t := range d.tables {
		w.Table(t)
		for r := range d.table(t).rows.all() {
			if err := w.Row(r); err != nil {
				return replica.Snapshot{}, fmt.Errorf("export at %d: %w", mark.Index, err)
			}
		}
	}
	return w.Finish(), nil
}

// reopen is a new life of the store: what stopped the old one is over.
func (d *disk) reopen() { d.inFlight, d.poison = nil, nil }

// Close has nothing to do: what was saved is saved.
func (d *disk) Close() error { return d.poison }
