package storagetest

import (
	"slices"
	"testing"

	"parley/core/raft"
	"parley/core/replica"
	"parley/core/row"
)

func tests() []test {
	return slices.Concat(durableTests, orderTests, refusalTests, effectTests, rangeTests, viewTests, snapshotTests)
}

// filled is a store with some of everything: entries 2 … 6, of which 4 are committed and 3 applied.
func filled(t testing.TB, f Factory) (*world, []raft.Entry) {
	t.Helper()
	w := start(t, f, born(device("g", 1, "genesis")))
	log := grow(w.seed(), 1, 1, 2, 2, 3, 3)
	w.save(replica.Save{
		Hard: hard(3, 2, 4), Append: log,
		Applied: 3, Effects: insert(line(1, 1, 1, "one"), line(2, 1, 2, "two"), place(1, 1, 1), name(1, "a", 1)),
		Compact: 1,
	})
	return w, log
}

func filledRows() []row.Row {
	return []row.Row{
		device("g", 1, "genesis"), line(1, 1, 1, "one"), line(2, 1, 2, "two"), place(1, 1, 1), name(1, "a", 1),
	}
}

var durableTests = []test{
	{"a new store holds its genesis rows and nothing else", func(t testing.TB, f Factory) {
		genesis := []row.Row{name(2, "b", 2), device("x", 1, "r"), name(1, "a", 1), counter(1, 1)}
		w := start(t, f, born(genesis...))
		if w.rec.Boot != 1 {
			t.Errorf("boot %d, want 1", w.rec.Boot)
		}
		w.want("new", raft.Recovered{Compact: w.seed()}, genesis...)
		if snap := w.export(); snap.Mark != w.seed() {
			t.Errorf("snapshot at %v, want %v", snap.Mark, w.seed())
		}
	}},
	{"D2 what was saved is there after closing and after a crash", func(t testing.TB, f Factory) {
		w, log := filled(t, f)
		for i := range 12 {
			commit := raft.Index(4 + i)
			more := grow(markOf(log[len(log)-1]), 3)
			log = append(log, more...)
			w.save(replica.Save{
				Hard: hard(raft.Term(4+i), raft.ID(i%3), commit), Append: more,
				Applied: commit, Effects: put(counter(1, int64(i)), counter(int64(i), 5)),
			})
			if i%2 == 0 {
				w.crash()
			} else {
				w.reopen()
			}
			if got := w.rec.Raft; got.Hard != *hard(raft.Term(4+i), raft.ID(i%3), commit) || got.Applied != commit {
				t.Fatalf("round %d: recovered %+v, applied %d", i, got.Hard, got.Applied)
			}
			if diff := differentRaft(raft.Recovered{Entries: w.rec.Raft.Entries}, raft.Recovered{Entries: log[1:]}); diff != "" {
				t.Fatalf("round %d: %s", i, diff)
			}
			if w.rec.Seq != w.seq {
				t.Fatalf("round %d: recovered seq %d, want %d", i, w.rec.Seq, w.seq)
			}
		}
	}},
	{"D2 a save of nothing counts", func(t testing.TB, f Factory) {
		w := start(t, f, born())
		w.save(replica.Save{})
		w.save(replica.Save{})
		w.crash()
		if w.rec.Seq != 2 {
			t.Errorf("seq %d, want 2", w.rec.Seq)
		}
	}},
	{"recovering changes nothing, however often", func(t testing.TB, f Factory) {
		w, _ := filled(t, f)
		want := w.look()
		for i := range 4 {
			if i%2 == 0 {
				w.crash()
			}
			if diff := difference(want, w.look()); diff != "" {
				t.Fatalf("after %d restarts: %s", i+1, diff)
			}
		}
	}},
	{"D7 the boot number grows at every opening", func(t testing.TB, f Factory) {
		w := start(t, f, born())
		for boot := uint64(2); boot < 9; boot++ {
			switch boot % 3 {
			case 0:
				w.crash()
			case 1:
				w.reopen()
			case 2:
				w.save(replica.Save{})
				w.crash()
			}
			if w.rec.Boot != boot {
				t.Fatalf("boot %d, want %d", w.rec.Boot, boot)
			}
		}
	}},
	{"D7 a store opens for its own node and cluster only, once at a time", func(t testing.TB, f Factory) {
		w, _ := filled(t, f)
		want := w.look()
		if _, err := w.site.Open(w.birth.Cluster, w.birth.Node); err == nil {
			t.Error("opened twice at the same time")
		}
		w.close()
		if _, err := w.site.Open([16]byte{'x'}, w.birth.Node); err == nil {
			t.Error("opened as another cluster's")
		}
		if _, err := w.site.Open(w.birth.Cluster, w.birth.Node+1); err == nil {
			t.Error("opened as another node's")
		}
		w.open()
		if diff := difference(want, w.look()); diff != "" {
			t.Errorf("after the refusals: %s", diff)
		}
	}},
	{"hot rows come table by table, by key", func(t testing.TB, f Factory) {
		w := start(t, f, born(name(2, "a", 1), device("b", 1, "")))
		w.save(replica.Save{Append: grow(w.seed(), 1), Hard: hard(1, 0, 1), Applied: 1, Effects: put(
			name(1, "b", 2), device("", 2, ""), name(1, "B", 3), device("\xff", 3, ""), device("ba", 4, ""),
			name(-1, "z", 4), line(1, 1, 1, "cold"), place(1, 1, 1),
		)})
		w.crash()
		want := []row.Row{
			device("", 2, ""), device("b", 1, ""), device("ba", 4, ""), device("\xff", 3, ""),
			name(-1, "z", 4), name(1, "B", 3), name(1, "b", 2), name(2, "a", 1),
		}
		if diff := differentRows(w.rec.Hot, want); diff != "" {
			t.Error(diff)
		}
	}},
	{"after closing nothing works", func(t testing.TB, f Factory) {
		w, _ := filled(t, f)
		w.close()
		if _, err := w.store.Save(replica.Save{Seq: w.seq + 1}); err == nil {
			t.Error("saved")
		}
		if _, err := w.store.Rows(nil); err == nil {
			t.Error("read")
		}
		w.open()
		if w.rec.Seq != w.seq {
			t.Errorf("seq %d, want %d", w.rec.Seq, w.seq)
		}
	}},
}
