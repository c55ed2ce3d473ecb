package storagetest

import (
	"math"
	"slices"
	"testing"

	"parley/core/replica"
	"parley/core/row"
)

const (
	least = math.MinInt64
	most  = math.MaxInt64
)

var rangeTests = []test{
	{"ranges go by key and by index, up and down, up to a limit", func(t testing.TB, f Factory) {
		var l [8]row.Row // by id; room 5 has seqs 30, 20, 10, room 6 the rest
		for i := range l {
			l[i] = line(int64(10*i), 6, int64(i), "x")
		}
		l[1], l[3], l[6] = line(10, 5, 30, "c"), line(30, 5, 20, "b"), line(60, 5, 10, "a")
		p := []row.Row{place(1, least, 1), place(1, 5, 2), place(1, 6, 3), place(2, 5, 4), place(2, most, 5)}
		c := []row.Row{counter(least, 1), counter(-1, 2), counter(0, 3), counter(most, 4)}
		w := start(t, f, born(slices.Concat(l[:], p, c)...))
		cases := []struct {
			name string
			r    row.Range
			want []row.Row
		}{
			{"all by key", row.Range{Table: counters, From: least, To: most}, c},
			{"all by key, down", row.Range{Table: counters, From: least, To: most, Desc: true}, []row.Row{c[3], c[2], c[1], c[0]}},
			{"both ends count", row.Range{Table: counters, From: -1, To: 0}, c[1:3]},
			{"one", row.Range{Table: counters, From: 0, To: 0}, c[2:3]},
			{"between two", row.Range{Table: counters, From: 1, To: 9}, nil},
			{"backwards is empty", row.Range{Table: counters, From: 9, To: -9}, nil},
			{"limit", row.Range{Table: counters, From: least, To: most, Limit: 2}, c[:2]},
			{"limit, down", row.Range{Table: counters, From: least, To: 0, Desc: true, Limit: 2}, []row.Row{c[2], c[1]}},
			{"limit larger than what there is", row.Range{Table: counters, From: 0, To: most, Limit: 9}, c[2:]},
			{"two columns", row.Range{Table: places, Eq: 1, From: least, To: most}, p[:3]},
			{"two columns, part", row.Range{Table: places, Eq: 1, From: 5, To: 5}, p[1:2]},
			{"two columns, down, limit", row.Range{Table: places, Eq: 2, From: 0, To: most, Desc: true, Limit: 1}, p[4:5]},
			{"nobody's", row.Range{Table: places, Eq: 3, From: least, To: most}, nil},
			{"sequential by key", row.Range{Table: lines, From: 15, To: 45}, []row.Row{l[2], l[3], l[4]}},
			{"by index", row.Range{Table: lines, ByIndex: true, Eq: 5, From: 0, To: 99}, []row.Row{l[6], l[3], l[1]}},
			{"by index, down", row.Range{Table: lines, ByIndex: true, Eq: 5, From: 0, To: 25, Desc: true}, []row.Row{l[3], l[6]}},
			{"by index, limit", row.Range{Table: lines, ByIndex: true, Eq: 6, From: 2, To: 7, Limit: 2}, []row.Row{l[2], l[4]}},
			{"by an index of one column", row.Range{Table: names, ByIndex: true, From: least, To: most}, nil},
			{"not by key", row.Range{Table: lines, ByIndex: true, Eq: 60, From: 0, To: 99}, nil},
		}
		var all []row.Range
		for _, c := range cases {
			all = append(all, c.r)
		}
		answer, err := w.store.Rows(all)
		if err != nil {
			t.Fatal(err)
		}
		if len(answer.Sets) != len(cases) || answer.Index != 0 {
			t.Fatalf("%d sets at %d, want %d at 0", len(answer.Sets), answer.Index, len(cases))
		}
		for i, c := range cases {
			if diff := differentRows(answer.Sets[i], c.want); diff != "" {
				t.Errorf("%s: %s", c.name, diff)
			}
		}
	}},
	{"an answer names the applied index it comes from", func(t testing.TB, f Factory) {
		w, _ := filled(t, f)
		ask := func() replica.Rows {
			answer, err := w.store.Rows([]row.Range{{Table: counters, From: 0, To: 9}})
			if err != nil {
				t.Fatal(err)
			}
			return answer
		}
		if got := ask(); got.Index != 3 || len(got.Sets) != 1 || len(got.Sets[0]) != 0 {
			t.Errorf("got %v, want one empty set at 3", got)
		}
		w.save(replica.Save{Applied: 4, Effects: put(counter(4, 4))})
		if got := ask(); got.Index != 4 || differentRows(got.Sets[0], []row.Row{counter(4, 4)}) != "" {
			t.Errorf("got %v, want counter 4 at 4", got)
		}
	}},
}
