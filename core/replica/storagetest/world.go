package storagetest

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"parley/core/raft"
	"parley/core/replica"
	"parley/core/row"
)

// world is one store under test.
type world struct {
	t     testing.TB
	birth Birth
	site  Site
	store replica.Store
	rec   replica.Recovered // as it was opened last
	seq   uint64            // of the last Save
}

func start(t testing.TB, f Factory, b Birth) *world {
	t.Helper()
	w := &world{t: t, birth: b, site: f(t, b)}
	w.open()
	return w
}

func (w *world) open() {
	w.t.Helper()
	var err error
	if w.store, err = w.site.Open(w.birth.Cluster, w.birth.Node); err != nil {
		w.t.Fatalf("open: %v", err)
	}
	if w.rec, err = w.store.Recover(); err != nil {
		w.t.Fatalf("recover: %v", err)
	}
	w.seq = w.rec.Seq
}

func (w *world) close() {
	w.t.Helper()
	if err := w.store.Close(); err != nil {
		w.t.Fatalf("close: %v", err)
	}
}

// reopen closes the store and opens it again, crash opens it again without closing it.
func (w *world) reopen() { w.t.Helper(); w.close(); w.open() }
func (w *world) crash()  { w.t.Helper(); w.site.Crash(); w.open() }

// save must succeed, and answer for the rows as they really are.
func (w *world) save(v replica.Save) replica.Saved {
	w.t.Helper()
	w.seq++
	v.Seq = w.seq
	saved, err := w.store.Save(v)
	if err != nil {
		w.t.Fatalf("save %d: %v", v.Seq, err)
	}
	if saved.Seq != v.Seq {
		w.t.Fatalf("saved %d, want %d", saved.Seq, v.Seq)
	}
	return saved
}

// refused must fail, poison the store and leave nothing behind.
func (w *world) refused(what string, v replica.Save) {
	w.t.Helper()
	before := w.look()
	if _, err := w.store.Save(v); err == nil {
		w.t.Fatalf("%s: saved, want an error", what)
	}
	w.poisoned(what)
	w.site.Crash()
	w.open()
	if diff := difference(before, w.look()); diff != "" {
		w.t.Fatalf("%s: after a failed save and a restart: %s", what, diff)
	}
}

// poisoned demands that the store does nothing any more.
func (w *world) poisoned(what string) {
	w.t.Helper()
	if _, err := w.store.Save(replica.Save{Seq: w.seq + 1}); err == nil {
		w.t.Errorf("%s: the next save succeeded", what)
	}
	if _, err := w.store.Rows(nil); err == nil {
		w.t.Errorf("%s: rows were read afterwards", what)
	}
	if _, err := w.store.Export(); err == nil {
		w.t.Errorf("%s: a snapshot was made afterwards", what)
	}
	if err := w.store.Close(); err == nil {
		w.t.Errorf("%s: closed as if nothing had been", what)
	}
}

// state is all that can be seen of a store, but for its boot number.
type state struct {
	rec  replica.Recovered
	rows []row.Row
	snap replica.Snapshot
}

// look restarts the store, so that what it holds in memory does not count.
func (w *world) look() state {
	w.t.Helper()
	w.reopen()
	s := state{rec: w.rec, snap: w.export()}
	s.rec.Boot = 0
	s.rows = w.read(s.snap)
	var digest row.Digest
	for _, r := range s.rows {
		digest.Add(r)
	}
	if digest != s.rec.Digest || digest != s.snap.Digest {
		w.t.Errorf("digest of the rows is %v, recovered %v, snapshot %v", digest, s.rec.Digest, s.snap.Digest)
	}
	return s
}

func (w *world) export() replica.Snapshot {
	w.t.Helper()
	snap, err := w.store.Export()
	if err != nil {
		w.t.Fatalf("export: %v", err)
	}
	return snap
}

func (w *world) read(snap replica.Snapshot) []row.Row {
	w.t.Helper()
	var rows []row.Row
	err := replica.ReadSnapshot(snap, w.birth.Tables, func(r row.Row) error { rows = append(rows, r); return nil })
	if err != nil {
		w.t.Fatal(err)
	}
	return rows
}

// wantRows demands that the store holds these rows, table by table, by key.
func (w *world) wantRows(what string, want ...row.Row) {
	w.t.Helper()
	want = slices.Clone(want)
	slices.SortStableFunc(want, func(a, b row.Row) int {
		if i, j := slices.Index(suite, a.Table), slices.Index(suite, b.Table); i != j {
			return i - j
		}
		return row.CompareKeys(a.Table, a.Key(), b.Key())
	})
	if diff := differentRows(w.read(w.export()), want); diff != "" {
		w.t.Errorf("%s: %s", what, diff)
	}
}

// want demands that the store, restarted, holds exactly this.
func (w *world) want(what string, want raft.Recovered, rows ...row.Row) {
	w.t.Helper()
	got := w.look()
	if diff := differentRaft(got.rec.Raft, want); diff != "" {
		w.t.Errorf("%s: %s", what, diff)
	}
	if got.rec.Seq != w.seq {
		w.t.Errorf("%s: recovered seq %d, want %d", what, got.rec.Seq, w.seq)
	}
	w.wantRows(what, rows...)
}

func difference(a, b state) string {
	switch {
	case a.rec.Seq != b.rec.Seq:
		return fmt.Sprintf("seq %d and %d", a.rec.Seq, b.rec.Seq)
	case a.rec.Digest != b.rec.Digest:
		return fmt.Sprintf("digest %v and %v", a.rec.Digest, b.rec.Digest)
	case string(a.snap.Data) != string(b.snap.Data) || a.snap.Mark != b.snap.Mark:
		return fmt.Sprintf("snapshots at %v and %v of other bytes", a.snap.Mark, b.snap.Mark)
	}
	for _, diff := range []string{
		differentRaft(a.rec.Raft, b.rec.Raft), differentRows(a.rows, b.rows), differentRows(a.rec.Hot, b.rec.Hot),
	} {
		if diff != "" {
			return diff
		}
	}
	return ""
}

func differentRaft(a, b raft.Recovered) string {
	switch {
	case a.Hard != b.Hard:
		return fmt.Sprintf("hard state %+v and %+v", a.Hard, b.Hard)
	case a.Compact != b.Compact:
		return fmt.Sprintf("compacted to %+v and %+v", a.Compact, b.Compact)
	case a.Applied != b.Applied:
		return fmt.Sprintf("applied %d and %d", a.Applied, b.Applied)
	case len(a.Entries) != len(b.Entries):
		return fmt.Sprintf("%d and %d entries", len(a.Entries), len(b.Entries))
	}
	for i := range a.Entries {
		if x, y := fmt.Sprintf("%+v", a.Entries[i]), fmt.Sprintf("%+v", b.Entries[i]); x != y {
			return fmt.Sprintf("entries %s and %s", x, y)
		}
	}
	return ""
}

func differentRows(a, b []row.Row) string {
	for i := range max(len(a), len(b)) {
		switch {
		case i >= len(a):
			return fmt.Sprintf("row %s is missing", showRow(b[i]))
		case i >= len(b):
			return fmt.Sprintf("row %s is one too many", showRow(a[i]))
		case a[i].Table != b[i].Table || !slices.Equal(a[i].Values, b[i].Values):
			return fmt.Sprintf("row %s and %s", showRow(a[i]), showRow(b[i]))
		}
	}
	return ""
}

func showRow(r row.Row) string { return fmt.Sprintf("%s%.40v", r.Table.Name, r.Values) }

// seed is the mark at birth.
func (w *world) seed() raft.Mark { return raft.Mark{Chain: w.birth.Chain} }

// grow makes entries behind prev, one for each term.
func grow(prev raft.Mark, terms ...raft.Term) []raft.Entry {
	var list []raft.Entry
	for _, term := range terms {
		e := raft.Entry{Index: prev.Index + 1, Term: term, Kind: raft.Command, Time: prev.Time + 7}
		if e.Index%4 == 0 {
			e.Kind = raft.Noop
		} else {
			e.Data = binary.AppendUvarint([]byte("entry "), uint64(e.Index))
		}
		e.Chain = raft.ChainNext(prev.Chain, &e)
		list = append(list, e)
		prev = markOf(e)
	}
	return list
}

func markOf(e raft.Entry) raft.Mark {
	return raft.Mark{Index: e.Index, Term: e.Term, Chain: e.Chain, Time: e.Time}
}

func hard(term raft.Term, vote raft.ID, commit raft.Index) *raft.Hard {
	return &raft.Hard{Term: term, Vote: vote, Commit: commit}
}
