package chat

import "parley/core/row"

// Tables lists the row kinds of the chat, hot ones first.
func Tables() []*row.Table {
	return []*row.Table{messageTable, feedTable}
}

// messageTable is in log order: id is index<<16 | place among that entry's messages.
var messageTable = &row.Table{
	Name: "message",
	Columns: []row.Column{
		{Name: "id", Kind: row.Int}, {Name: "conversation", Kind: row.Int}, {Name: "seq", Kind: row.Int},
		{Name: "author", Kind: row.Int}, {Name: "time", Kind: row.Int}, {Name: "date", Kind: row.Int},
		{Name: "body", Kind: row.Text}, {Name: "reply_to", Kind: row.Int}, {Name: "chain", Kind: row.Blob},
	},
	Key: 1, Index: []int{1, 2}, Sequential: true,
}

var feedTable = &row.Table{
	Name: "feed",
	Columns: []row.Column{
		{Name: "account", Kind: row.Int}, {Name: "n", Kind: row.Int}, {Name: "kind", Kind: row.Int},
		{Name: "pos", Kind: row.Int}, {Name: "conversation", Kind: row.Int},
		{Name: "first", Kind: row.Int}, {Name: "last", Kind: row.Int},
	},
	Key: 2,
}
