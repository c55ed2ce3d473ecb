package session

import "parley/core/row"

// Tables lists the row kinds of the session table.
func Tables() []*row.Table { return []*row.Table{sessionTable} }

var sessionTable = &row.Table{
	Name: "session",
	Columns: []row.Column{
		{Name: "device", Kind: row.Blob}, {Name: "token", Kind: row.Blob}, {Name: "state", Kind: row.Int},
		{Name: "ended", Kind: row.Int}, {Name: "last", Kind: row.Int}, {Name: "through", Kind: row.Int},
		{Name: "records", Kind: row.Blob},
	},
	Key: 1, Hot: true,
}
