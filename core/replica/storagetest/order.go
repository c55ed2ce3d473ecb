package storagetest

import (
	"testing"

	"parley/core/raft"
	"parley/core/replica"
)

var orderTests = []test{
	{"the parts of one save take effect in order", func(t testing.TB, f Factory) {
		w, log := filled(t, f)
		tail := grow(markOf(log[4]), 4, 4, 5) // replaces entry 6
		w.save(replica.Save{
			Hard: hard(5, 1, 8), CutFrom: 6, Append: tail,
			Applied: 7, Effects: append(remove(line(1, 0, 0, "")), put(counter(1, 1))...),
			Compact: 7,
		})
		w.want("all in one", raft.Recovered{
			Hard: *hard(5, 1, 8), Compact: markOf(tail[1]), Entries: tail[2:], Applied: 7,
		}, append(append(filledRows()[:1:1], filledRows()[2:]...), counter(1, 1))...)
	}},
	{"a cut goes before what is appended", func(t testing.TB, f Factory) {
		w, log := filled(t, f)
		tail := grow(markOf(log[3]), 7)
		w.save(replica.Save{Hard: hard(7, 0, 4), CutFrom: 5, Append: tail})
		w.want("cut and append", raft.Recovered{
			Hard: *hard(7, 0, 4), Compact: markOf(log[0]), Applied: 3,
			Entries: append(log[1:4:4], tail...),
		}, filledRows()...)
	}},
	{"a cut may go down to the commit index stored before, whatever this save commits", func(t testing.TB, f Factory) {
		w, log := filled(t, f)
		tail := grow(markOf(log[3]), 4, 4)
		w.save(replica.Save{Hard: hard(4, 0, 6), CutFrom: 5, Append: tail})
		if got := w.look().rec.Raft; got.Hard.Commit != 6 || len(got.Entries) != 5 {
			t.Errorf("commit %d and %d entries, want 6 and 5", got.Hard.Commit, len(got.Entries))
		}
	}},
	{"a cut behind the end of the log is none", func(t testing.TB, f Factory) {
		w, log := filled(t, f)
		w.save(replica.Save{CutFrom: 7})
		w.save(replica.Save{CutFrom: 99})
		if got := w.look().rec.Raft.Entries; len(got) != len(log)-1 {
			t.Errorf("%d entries, want %d", len(got), len(log)-1)
		}
	}},
	{"hard state alone changes nothing else", func(t testing.TB, f Factory) {
		w, log := filled(t, f)
		w.save(replica.Save{Hard: hard(9, 3, 4)})
		w.want("vote", raft.Recovered{
			Hard: *hard(9, 3, 4), Compact: markOf(log[0]), Entries: log[1:], Applied: 3,
		}, filledRows()...)
	}},
	{"a save without hard state keeps it", func(t testing.TB, f Factory) {
		w, log := filled(t, f)
		w.save(replica.Save{Append: grow(markOf(log[5]), 3)})
		if got := w.look().rec.Raft.Hard; got != *hard(3, 2, 4) {
			t.Errorf("hard state %+v", got)
		}
	}},
	{"applied moves without effects", func(t testing.TB, f Factory) {
		w, _ := filled(t, f)
		w.save(replica.Save{Applied: 4})
		if got := w.look().rec.Raft.Applied; got != 4 {
			t.Errorf("applied %d, want 4", got)
		}
		w.wantRows("no effects", filledRows()...)
	}},
	{"compaction leaves the mark of the last entry dropped, and everything behind it", func(t testing.TB, f Factory) {
		w, log := filled(t, f)
		w.save(replica.Save{Hard: hard(3, 2, 6), Applied: 6})
		for _, to := range []raft.Index{1, 3, 2, 3} { // backwards is no compaction
			w.save(replica.Save{Compact: to})
			at := max(to, 1)
			if to == 2 {
				at = 3
			}
			got := w.look().rec.Raft
			if got.Compact != markOf(log[at-1]) || len(got.Entries) != len(log)-int(at) {
				t.Fatalf("compact to %d: mark %v and %d entries", to, got.Compact, len(got.Entries))
			}
		}
		w.save(replica.Save{Compact: 6})
		w.want("all of it", raft.Recovered{Hard: *hard(3, 2, 6), Compact: markOf(log[5]), Applied: 6}, filledRows()...)
		if snap := w.export(); snap.Mark != markOf(log[5]) {
			t.Errorf("snapshot of a store without a log at %v, want %v", snap.Mark, markOf(log[5]))
		}
		more := grow(markOf(log[5]), 3)
		w.save(replica.Save{Append: more})
		if got := w.look().rec.Raft.Entries; len(got) != 1 {
			t.Errorf("%d entries, want 1", len(got))
		}
	}},
}
