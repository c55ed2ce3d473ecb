package sim

import (
	"fmt"
	"slices"

	"parley/core/raft"
	"parley/core/replica"
	"parley/core/row"
)

// The fault model of the disk. A Save is begun, takes its time, and is finished: from then on it is
// durable. A crash in between leaves it whole or not at all, by the dice, or half written, which
// recovery drops; nothing else is possible, because the store it stands for commits each Save in one
// transaction (rule D1). Saves that were finished survive every crash and power cut (D2).
//
// A save may fail. If its sync did, it may be visible afterwards, because the operating system still
// shows it, and yet not be durable: the next power cut takes it, and whatever was saved on top of it.
// Opening a store therefore ends with a sync (D5). Any failure poisons the store until it is opened
// again (D4).
//
// What is at rest may rot, or be gone (damage.go). Reading finds what a real store's sums would find.

// disk is one replica's store. It is a replica.Store whose Save may also be taken in two steps.
type disk struct {
	tables []*row.Table
	boot   uint64 // how often it was opened
	image         // what is visible

	inFlight *replica.Save
	poison   error     // after a failure nothing more is taken
	unsynced *unsynced // not nil: not all that is visible is durable
	torn     bool      // the last save is half there
	wiped    bool      // the directory is empty
	trouble  troubles

	// lies makes the disk report saves that it does not keep, hasty makes it open without a sync. No
	// plan does that; it is there to show that the checkers would notice.
	lies, hasty bool
}

// unsynced is what was durable before a sync failed, and how to get back there.
type unsynced struct {
	durable image
	undo    undo
}

// image is what a store holds.
type image struct {
	seq     uint64
	hard    raft.Hard
	compact raft.Mark
	log     []raft.Entry // from compact.Index+1
	applied raft.Index
	rows    map[*row.Table]*table // looked up only
	digest  row.Digest
	scars   []scar // what of it is not as it was written; never changed in place
}

// durable is what a power cut would leave.
func (d *disk) durable() *image {
	if d.unsynced != nil {
		return &d.unsynced.durable
	}
	return &d.image
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

// reopen begins a new life of the store, in the order of a real one: look, make sure that what was
// read is on the disk, and only then write, which is the boot number.
func (d *disk) reopen() error {
	d.inFlight, d.poison = nil, nil
	if err := d.check(); err != nil {
		return err
	}
	d.torn = false
	if !d.hasty {
		d.unsynced = nil
	}
	d.boot++
	return nil
}

// Recover gives what is on the disk. Whether the log chains is for whoever takes it over to see.
func (d *disk) Recover() (replica.Recovered, error) {
	hot, err := d.hot()
	var entries []raft.Entry
	if err == nil {
		entries, err = d.readable()
	}
	if err != nil {
		return replica.Recovered{}, fmt.Errorf("recover: %w", err)
	}
	return replica.Recovered{
		Raft: raft.Recovered{Hard: d.hard, Compact: d.compact, Entries: entries, Applied: d.applied},
		Seq:  d.seq, Boot: d.boot, Hot: hot, Digest: d.digest,
	}, nil
}

func (d *disk) hot() ([]row.Row, error) {
	var hot []row.Row
	for _, t := range d.tables {
		if !t.Hot {
			continue
		}
		for r := range d.table(t).rows.all() {
			if err := d.verify(r); err != nil {
				return nil, err
			}
			r.Values = slices.Clone(r.Values)
			hot = append(hot, r)
		}
	}
	return hot, nil
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
	err := d.trouble.save(s)
	if err == nil {
		err = d.take(s, false)
	}
	saved := replica.Saved{Seq: s.Seq, Digest: d.digest}
	if err == nil && s.Install != nil {
		saved.Hot, err = d.hot()
	}
	if err != nil {
		d.poison = fmt.Errorf("save %d: %w", s.Seq, err)
		return replica.Saved{}, d.poison
	}
	return saved, nil
}

// take carries out a save, whole or not at all. Without a sync it is visible and no more, and so is
// all that follows.
func (d *disk) take(s *replica.Save, visible bool) error {
	was := d.image
	var undo undo
	if err := d.apply(s, &undo); err != nil {
		undo.run()
		d.image = was
		return err
	}
	if visible && d.unsynced == nil {
		d.unsynced = &unsynced{durable: was}
	}
	if d.unsynced != nil {
		d.unsynced.undo = append(d.unsynced.undo, undo...)
	}
	return nil
}

// failSync ends the save in flight with an error: its outcome is unknown, though it may be visible.
func (d *disk) failSync(visible bool) error {
	s := d.inFlight
	d.inFlight = nil
	err := error(trouble{FsyncError, "fsync: input/output error"})
	if visible {
		if refused := d.take(s, true); refused != nil {
			err = refused
		}
	}
	d.poison = fmt.Errorf("save %d: %w", s.Seq, err)
	return d.poison
}

// losePower takes away what is not durable, and says whether there was such.
func (d *disk) losePower() bool {
	u := d.unsynced
	if u == nil {
		return false
	}
	u.undo.run()
	d.image, d.unsynced = u.durable, nil
	return true
}

// undo takes back changes to rows, the last one first.
type undo []func()

func (u undo) run() {
	for i := len(u) - 1; i >= 0; i-- {
		u[i]()
	}
}

// tear ends a life in the middle of a save: half of it is there, and recovery sees that.
func (d *disk) tear() { d.inFlight, d.torn = nil, true }

// crash ends a life: the save in flight is there, whole, or it is not.
func (d *disk) crash(there bool) error {
	if d.inFlight == nil {
		return nil
	}
	if there {
		_, err := d.finish()
		if isTrouble(err) || isDamage(err) {
			return nil // then it is not there
		}
		return err
	}
	d.inFlight = nil
	return nil
}

func (i *image) last() raft.Index { return i.compact.Index + raft.Index(len(i.log)) }

// apply carries out the parts of a Save in their order. What a correct machine never asks for is
// refused: storagetest lists it.
func (d *disk) apply(s *replica.Save, u *undo) error {
	if s.Seq != d.seq+1 {
		return fmt.Errorf("the one before was %d", d.seq)
	}
	d.seq = s.Seq
	committed := d.hard.Commit
	d.rewriteHead()
	if err := d.setHard(s.Hard); err != nil {
		return err
	}
	if s.Install != nil {
		if err := d.install(s.Install, s.CutFrom, u); err != nil {
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
	from = max(from, d.compact.Index+1)
	if err := d.intact(from - 1); err != nil {
		return err
	}
	d.log = slices.Clone(d.log[:from-d.compact.Index-1])
	d.forget(func(s *scar) bool { return s.index >= from })
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
		old, there := d.find(e.Row)
		if there {
			if err := d.verify(old); err != nil {
				return err
			}
		}
		if there && e.Op == row.Insert {
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
			if err := d.verify(r); err != nil {
				return err
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
	if err := d.intact(to); err != nil {
		return err
	}
	n := to - d.compact.Index
	d.compact = markOf(d.log[n-1])
	d.log = d.log[n:]
	d.forget(func(s *scar) bool { return s.index != 0 && s.index <= to })
	return nil
}

func markOf(e raft.Entry) raft.Mark {
	return raft.Mark{Index: e.Index, Term: e.Term, Chain: e.Chain, Time: e.Time}
}

// install replaces the rows. Entries behind the snapshot are kept, so they must continue it or be
// cut in the same step.
func (d *disk) install(s *replica.Snapshot, cutFrom raft.Index, u *undo) error {
	at := s.Mark.Index
	if at < d.applied || at > d.hard.Commit {
		return fmt.Errorf("install a snapshot at %d, applied %d, commit %d", at, d.applied, d.hard.Commit)
	}
	var kept []raft.Entry
	if at < d.last() {
		if err := d.intact(at); err != nil {
			return err
		}
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
	old := d.rows
	u.add(func() { d.rows = old })
	d.rows, d.digest, d.compact, d.log, d.applied = rows, s.Digest, s.Mark, kept, at
	d.forget(func(s *scar) bool { return s.index <= at })
	return nil
}

// entry gives what is held at an index.
func (i *image) entry(at raft.Index) (raft.Entry, bool) {
	if at <= i.compact.Index || at > i.last() {
		return raft.Entry{}, false
	}
	return i.log[at-i.compact.Index-1], true
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
	if err := d.usable(); err != nil {
		return replica.Rows{}, err
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
		if out.Sets[i], err = d.scan(r, cols); err != nil {
			return replica.Rows{}, err
		}
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

func (d *disk) scan(r row.Range, cols []int) ([]row.Row, error) {
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
		if err := d.verify(v); err != nil {
			return nil, err
		}
		v.Values = slices.Clone(v.Values)
		found = append(found, v)
	}
	return found, nil
}

// picture is a copy of what is on the disk that later changes do not touch.
func (d *disk) picture() image {
	was := d.image
	was.log = slices.Clone(d.log)
	was.rows = map[*row.Table]*table{}
	for _, t := range d.tables {
		for r := range d.table(t).rows.all() {
			tableIn(was.rows, t).insert(r)
		}
	}
	return was
}

// usable says why nothing can be read.
func (d *disk) usable() error {
	if d.poison != nil {
		return d.poison
	}
	return d.trouble.read()
}

// Export makes a snapshot of the rows as they are durable now. It checks them against the digest: a
// row that is missing or stale is an error, not a snapshot.
func (d *disk) Export() (replica.Snapshot, error) {
	if err := d.usable(); err != nil {
		return replica.Snapshot{}, err
	}
	if err := d.intact(d.applied); err != nil {
		return replica.Snapshot{}, err
	}
	mark := d.compact
	if e, ok := d.entry(d.applied); ok {
		mark = markOf(e)
	}
	w := replica.NewSnapshotWriter(mark)
	for _, t := range d.tables {
		w.Table(t)
		for r := range d.table(t).rows.all() {
			err := d.verify(r)
			if err == nil {
				err = w.Row(r)
			}
			if err != nil {
				return replica.Snapshot{}, fmt.Errorf("export at %d: %w", mark.Index, err)
			}
		}
	}
	snap := w.Finish()
	if snap.Digest != d.digest {
		return replica.Snapshot{}, damage{fmt.Sprintf("the rows have digest %v, %v was saved", snap.Digest, d.digest)}
	}
	d.trouble.spoil(&snap)
	return snap, nil
}

// Close has nothing to do: what was saved is saved.
func (d *disk) Close() error { return d.poison }
