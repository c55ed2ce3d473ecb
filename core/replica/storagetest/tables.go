package storagetest

import (
	"math"
	"strings"

	"parley/core/raft"
	"parley/core/row"
)

// The tables of the suite have every shape a catalogue may have: hot and cold, with keys of one and
// two columns of every kind, sequential with an index, and with names that mean something in SQL.
var (
	lines = &row.Table{
		Name: "line",
		Columns: []row.Column{
			{Name: "id", Kind: row.Int}, {Name: "room", Kind: row.Int}, {Name: "seq", Kind: row.Int},
			{Name: "body", Kind: row.Text}, {Name: "mark", Kind: row.Blob},
		},
		Key: 1, Index: []int{1, 2}, Sequential: true,
	}
	devices = &row.Table{
		Name: "device",
		Columns: []row.Column{
			{Name: "id", Kind: row.Blob}, {Name: "state", Kind: row.Int}, {Name: "records", Kind: row.Blob},
		},
		Key: 1, Hot: true,
	}
	places = &row.Table{
		Name: "place",
		Columns: []row.Column{
			{Name: "account", Kind: row.Int}, {Name: "n", Kind: row.Int}, {Name: "what", Kind: row.Int},
		},
		Key: 2,
	}
	names = &row.Table{
		Name: "order",
		Columns: []row.Column{
			{Name: "group", Kind: row.Int}, {Name: "select", Kind: row.Text}, {Name: "index", Kind: row.Int},
		},
		Key: 2, Index: []int{2}, Hot: true,
	}
	counters = &row.Table{
		Name:    "counter",
		Columns: []row.Column{{Name: "id", Kind: row.Int}, {Name: "value", Kind: row.Int}},
		Key:     1,
	}
	suite = []*row.Table{lines, devices, places, names, counters}
)

func line(id, room, seq int64, body string) row.Row {
	return row.Row{Table: lines, Values: []row.Value{row.I(id), row.I(room), row.I(seq), row.S(body), row.S("\x00\xff")}}
}

func device(id string, state int64, records string) row.Row {
	return row.Row{Table: devices, Values: []row.Value{row.S(id), row.I(state), row.S(records)}}
}

func place(account, n, what int64) row.Row {
	return row.Row{Table: places, Values: []row.Value{row.I(account), row.I(n), row.I(what)}}
}

func name(group int64, word string, index int64) row.Row {
	return row.Row{Table: names, Values: []row.Value{row.I(group), row.S(word), row.I(index)}}
}

func counter(id, value int64) row.Row {
	return row.Row{Table: counters, Values: []row.Value{row.I(id), row.I(value)}}
}

func put(rows ...row.Row) []row.Effect    { return effects(row.Put, rows) }
func insert(rows ...row.Row) []row.Effect { return effects(row.Insert, rows) }
func remove(rows ...row.Row) []row.Effect { return effects(row.Delete, rows) }

func effects(op row.Op, rows []row.Row) []row.Effect {
	var list []row.Effect
	for _, r := range rows {
		if op == row.Delete {
			r.Values = r.Key()
		}
		list = append(list, row.Effect{Op: op, Row: r})
	}
	return list
}

// odd are rows that a store may trip over: empty, with zero bytes, with extremes, large.
func odd() []row.Row {
	return []row.Row{
		line(math.MinInt64, math.MaxInt64, math.MinInt64, ""),
		line(-1, 0, 0, "a\x00b"),
		line(math.MaxInt64, 0, 1, strings.Repeat("ü", 50_000)),
		device("", 0, ""),
		device("\x00", math.MinInt64, "\x00\x00"),
		device("\xff\xfe", math.MaxInt64, strings.Repeat("\x80", 100_000)),
		place(math.MinInt64, math.MaxInt64, 0),
		name(0, "", 0),
		name(0, "'\"; drop table \"order\"; --", math.MinInt64),
		name(0, "\x00", math.MaxInt64),
	}
}

// born is a birth with the suite's tables.
func born(genesis ...row.Row) Birth {
	return Birth{
		Cluster: [16]byte{'c', 1}, Node: 2, Chain: raft.Chain{'s', 'e', 'e', 'd'},
		Genesis: genesis, Tables: suite,
	}
}
