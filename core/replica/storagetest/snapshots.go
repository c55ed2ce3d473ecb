package storagetest

import (
	"bytes"
	"testing"

	"parley/core/raft"
	"parley/core/replica"
	"parley/core/row"
)

// source makes a snapshot at 3 of another node of the same cluster.
func source(t testing.TB, f Factory) (replica.Snapshot, []raft.Entry) {
	w, log := filled(t, f)
	return w.export(), log
}

// follower is a store whose log is prefix, with all of it uncommitted and unapplied.
func follower(t testing.TB, f Factory, prefix []raft.Entry) *world {
	b := born(device("g", 1, "genesis"), device("own", 2, ""), name(8, "a", 1))
	b.Node = 3
	w := start(t, f, b)
	w.save(replica.Save{Hard: hard(8, 1, 0), Append: prefix})
	return w
}

// install must leave the rows of the snapshot, these entries, and this node's own state.
func (w *world) install(v replica.Save, want raft.Recovered) {
	w.t.Helper()
	boot := w.rec.Boot
	saved := w.save(v)
	if saved.Digest != v.Install.Digest {
		w.t.Errorf("digest %v, the snapshot's is %v", saved.Digest, v.Install.Digest)
	}
	if diff := differentRows(saved.Hot, []row.Row{device("g", 1, "genesis"), name(1, "a", 1)}); diff != "" {
		w.t.Errorf("hot rows after the installation: %s", diff)
	}
	again := w.export()
	if !bytes.Equal(again.Data, v.Install.Data) || again.Mark != v.Install.Mark || again.Digest != v.Install.Digest {
		w.t.Errorf("exported again it is another snapshot")
	}
	w.want("after the installation", want, filledRows()...)
	if w.rec.Boot != boot+1 {
		w.t.Errorf("boot %d, want %d", w.rec.Boot, boot+1)
	}
}

var snapshotTests = []test{
	{"the same rows give the same snapshot, whatever happened before", func(t testing.TB, f Factory) {
		a, log := source(t, f)
		b := born(filledRows()...)
		b.Node = 1
		w := start(t, f, b)
		w.save(replica.Save{Hard: hard(99, 7, 5), Append: log[:3]})
		w.save(replica.Save{Applied: 2, Effects: append(put(counter(1, 1)), remove(filledRows()[2])...)})
		w.save(replica.Save{Applied: 3, Effects: append(insert(filledRows()[2]), remove(counter(1, 1))...)})
		if got := w.export(); !bytes.Equal(got.Data, a.Data) || got.Mark != a.Mark || got.Digest != a.Digest {
			t.Error("snapshots differ")
		}
	}},
	{"D9 an installation replaces the rows and keeps term, vote and identity", func(t testing.TB, f Factory) {
		snap, _ := source(t, f)
		w := follower(t, f, nil)
		w.install(replica.Save{Hard: hard(8, 1, 3), Install: &snap}, raft.Recovered{
			Hard: *hard(8, 1, 3), Compact: snap.Mark, Applied: 3,
		})
	}},
	{"D9 an installation keeps the entries that continue the snapshot", func(t testing.TB, f Factory) {
		snap, log := source(t, f)
		w := follower(t, f, log)
		w.install(replica.Save{Hard: hard(9, 2, 4), Install: &snap}, raft.Recovered{
			Hard: *hard(9, 2, 4), Compact: snap.Mark, Applied: 3, Entries: log[3:],
		})
	}},
	{"D9 an installation drops the entries it is told to, and appends others", func(t testing.TB, f Factory) {
		snap, log := source(t, f)
		w := follower(t, f, grow(raft.Mark{Chain: raft.Chain{'s', 'e', 'e', 'd'}}, 5, 5, 5, 5, 5))
		w.install(replica.Save{Hard: hard(8, 1, 3), Install: &snap, CutFrom: 4, Append: log[3:]}, raft.Recovered{
			Hard: *hard(8, 1, 3), Compact: snap.Mark, Applied: 3, Entries: log[3:],
		})
		w = follower(t, f, grow(raft.Mark{Chain: raft.Chain{'s', 'e', 'e', 'd'}}, 5, 5, 5, 5, 5))
		w.install(replica.Save{Hard: hard(8, 1, 3), Install: &snap, CutFrom: 2}, raft.Recovered{
			Hard: *hard(8, 1, 3), Compact: snap.Mark, Applied: 3,
		})
	}},
	{"a snapshot of a new store installs in another", func(t testing.TB, f Factory) {
		snap := start(t, f, born(filledRows()...)).export()
		w := start(t, f, born(counter(5, 5)))
		w.save(replica.Save{Install: &snap})
		w.want("at index 0", raft.Recovered{Compact: w.seed()}, filledRows()...)
	}},
	{"D9 a snapshot that is old, damaged or does not fit is refused whole", func(t testing.TB, f Factory) {
		snap, log := source(t, f)
		w := follower(t, f, append(log[:2:2], grow(markOf(log[1]), 8, 8)...))
		damaged := func(alter func(*replica.Snapshot)) *replica.Snapshot {
			s := snap
			s.Data = bytes.Clone(s.Data)
			alter(&s)
			return &s
		}
		w.refuseAll(map[string]replica.Save{
			"entries kept that do not continue it": {Hard: hard(8, 1, 3), Install: &snap},
			"cut too late":                         {Hard: hard(8, 1, 3), Install: &snap, CutFrom: 5},
			"not committed":                        {Install: &snap, CutFrom: 4},
			"altered":                              {Hard: hard(8, 1, 3), CutFrom: 4, Install: damaged(func(s *replica.Snapshot) { s.Data[len(s.Data)/2]++ })},
			"short":                                {Hard: hard(8, 1, 3), CutFrom: 4, Install: damaged(func(s *replica.Snapshot) { s.Data = s.Data[:len(s.Data)-1] })},
			"empty":                                {Hard: hard(8, 1, 3), CutFrom: 4, Install: damaged(func(s *replica.Snapshot) { s.Data = nil })},
			"other digest":                         {Hard: hard(8, 1, 3), CutFrom: 4, Install: damaged(func(s *replica.Snapshot) { s.Digest[0]++ })},
			"other mark":                           {Hard: hard(8, 1, 3), CutFrom: 4, Install: damaged(func(s *replica.Snapshot) { s.Mark.Term++ })},
		})
		w.save(replica.Save{Hard: hard(8, 1, 4), Applied: 4})
		w.refused("older than what is applied", replica.Save{Seq: w.seq + 1, Install: &snap})
	}},
}
