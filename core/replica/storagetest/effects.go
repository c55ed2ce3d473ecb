package storagetest

import (
	"fmt"
	"slices"
	"testing"

	"parley/core/raft"
	"parley/core/replica"
	"parley/core/row"
)

// change applies effects as the next entry and demands these counters afterwards.
type change struct {
	name    string
	effects []row.Effect
	want    []row.Row
}

func runChanges(t testing.TB, f Factory, genesis []row.Row, changes []change) {
	w := start(t, f, born(genesis...))
	prev := w.seed()
	for _, c := range changes {
		e := grow(prev, 1)
		prev = markOf(e[0])
		saved := w.save(replica.Save{
			Hard: hard(1, 0, prev.Index), Append: e, Applied: prev.Index, Effects: c.effects,
		})
		w.wantRows(c.name, c.want...)
		var digest row.Digest
		for _, r := range c.want {
			digest.Add(r)
		}
		if saved.Digest != digest {
			t.Errorf("%s: digest %v, of the rows wanted %v", c.name, saved.Digest, digest)
		}
	}
	w.look()
}

var effectTests = []test{
	{"effects put, insert and delete, in their order", func(t testing.TB, f Factory) {
		a, b := counter(1, 10), counter(2, 20)
		a2 := counter(1, 11)
		runChanges(t, f, nil, []change{
			{"put of a new row", put(a), []row.Row{a}},
			{"put of the same row", put(a), []row.Row{a}},
			{"put of another value", put(a2), []row.Row{a2}},
			{"insert", insert(b), []row.Row{a2, b}},
			{"delete", remove(a2), []row.Row{b}},
			{"delete of what is not there", remove(a), []row.Row{b}},
			{"put, put", put(a, a2), []row.Row{a2, b}},
			{"delete, insert", append(remove(a), insert(a)...), []row.Row{a, b}},
			{"delete, put, delete", slices.Concat(remove(a), put(a2), remove(a)), []row.Row{b}},
			{"insert, delete", append(insert(a), remove(a)...), []row.Row{b}},
			{"insert, put", append(insert(a), put(a2)...), []row.Row{a2, b}},
			{"put, delete", append(put(a), remove(a)...), []row.Row{b}},
			{"delete of nothing, insert", append(remove(a), insert(a)...), []row.Row{a, b}},
			{"delete with all columns", []row.Effect{{Op: row.Delete, Row: counter(1, 999)}}, []row.Row{b}},
			{"other tables between", slices.Concat(put(a), insert(place(1, 1, 1)), put(a2), remove(b)), []row.Row{a2, place(1, 1, 1)}},
		})
	}},
	{"odd rows come back as they were", func(t testing.TB, f Factory) {
		rows := odd()
		runChanges(t, f, nil, []change{
			{"insert", insert(rows...), rows},
			{"put again", put(rows...), rows},
			{"delete", remove(rows...), nil},
			{"put", put(rows...), rows},
		})
		runChanges(t, f, rows, nil)
	}},
	{"a place in the unique index is free once its row has gone elsewhere", func(t testing.TB, f Factory) {
		a, b, c := name(1, "a", 1), name(1, "b", 2), name(0, "c", 1)
		runChanges(t, f, []row.Row{a, b}, []change{
			{"swap", put(name(1, "b", 3), name(1, "a", 2), name(1, "b", 1)), []row.Row{name(1, "a", 2), name(1, "b", 1)}},
			{"shift", put(name(1, "b", 3), name(1, "a", 1)), []row.Row{name(1, "a", 1), name(1, "b", 3)}},
			{"take over", slices.Concat(remove(a), insert(c)), []row.Row{c, name(1, "b", 3)}},
			{"rotate", put(name(0, "c", 9), name(1, "b", 1), name(0, "c", 3)), []row.Row{name(0, "c", 3), name(1, "b", 1)}},
		})
	}},
	{"effects in any order of keys, many at once", func(t testing.TB, f Factory) {
		w := start(t, f, born())
		var log []raft.Entry
		prev := w.seed()
		for i := range 40 {
			log = append(log, grow(prev, 1)...)
			prev = markOf(log[i])
		}
		want := map[int64]int64{}
		var effects []row.Effect
		for i := range int64(600) {
			key := i * 7919 % 211
			want[key] = i
			effects = append(effects, put(counter(key, i))...)
			effects = append(effects, insert(place(key%5, i, i), line(1000-i, key, i, fmt.Sprint(i)))...)
		}
		w.save(replica.Save{Hard: hard(1, 0, 40), Append: log, Applied: 40, Effects: effects})
		var rows []row.Row
		for key, value := range want {
			rows = append(rows, counter(key, value))
		}
		for i := range int64(600) {
			key := i * 7919 % 211
			rows = append(rows, place(key%5, i, i), line(1000-i, key, i, fmt.Sprint(i)))
		}
		w.wantRows("many", rows...)
		w.look()
	}},
	{"the store keeps rows and entries, not the caller's memory", func(t testing.TB, f Factory) {
		w := start(t, f, born())
		r := counter(1, 1)
		log := grow(w.seed(), 1)
		w.save(replica.Save{Hard: hard(1, 0, 1), Append: log, Applied: 1, Effects: put(r)})
		r.Values[1] = row.I(2)
		log[0].Term = 9
		w.wantRows("changed by its maker", counter(1, 1))
		answer, err := w.store.Rows([]row.Range{{Table: counters, From: 1, To: 1}})
		if err != nil {
			t.Fatal(err)
		}
		answer.Sets[0][0].Values[1] = row.I(3)
		w.wantRows("changed by a reader", counter(1, 1))
		if got := w.look().rec.Raft.Entries[0].Term; got != 1 {
			t.Errorf("term of entry 1 is %d, want 1", got)
		}
	}},
}
