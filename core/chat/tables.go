package chat

import "parley/core/row"

// Tables lists the row kinds of the chat, hot ones first.
func Tables() []*row.Table {
	return []*row.Table{
		settingTable, accountTable, mailboxTable, deviceTable, conversationTable,
		messageTable, feedTable,
	}
}

// settingTable is written at the birth of a cluster: see Genesis.
var settingTable = &row.Table{
	Name:    "setting",
	Columns: []row.Column{{Name: "name", Kind: row.Text}, {Name: "value", Kind: row.Int}},
	Key:     1, Hot: true,
}

// accountTable is what seldom changes about an account. Rows of deleted ones stay: ended is the index
// of the entry that deleted it, and says until when the name was its own.
var accountTable = &row.Table{
	Name: "account",
	Columns: []row.Column{
		{Name: "uid", Kind: row.Int}, {Name: "name", Kind: row.Text}, {Name: "recreated", Kind: row.Int},
		{Name: "epoch", Kind: row.Int}, {Name: "version", Kind: row.Int}, {Name: "hash", Kind: row.Blob},
		{Name: "ended", Kind: row.Int}, {Name: "ended_date", Kind: row.Int},
	},
	Key: 1, Hot: true,
}

// mailboxTable is what changes with every message, and so is kept short. leases is 24 bytes for each
// device that holds one, by device: its id, and until when (big-endian). Deleted accounts have no row.
var mailboxTable = &row.Table{
	Name: "mailbox",
	Columns: []row.Column{
		{Name: "account", Kind: row.Int}, {Name: "length", Kind: row.Int}, {Name: "cursor", Kind: row.Int},
		{Name: "floor", Kind: row.Int}, {Name: "leases", Kind: row.Blob},
	},
	Key: 1, Hot: true,
}

// deviceTable has the open devices. cursor counts under the policy multi only.
var deviceTable = &row.Table{
	Name: "device",
	Columns: []row.Column{
		{Name: "device", Kind: row.Blob}, {Name: "account", Kind: row.Int}, {Name: "label", Kind: row.Text},
		{Name: "epoch", Kind: row.Int}, {Name: "since", Kind: row.Int}, {Name: "cursor", Kind: row.Int},
		{Name: "seen", Kind: row.Int},
	},
	Key: 1, Hot: true,
}

// conversationTable: low and high are the members' uids, sorted.
var conversationTable = &row.Table{
	Name: "conversation",
	Columns: []row.Column{
		{Name: "id", Kind: row.Int}, {Name: "low", Kind: row.Int}, {Name: "high", Kind: row.Int},
		{Name: "last", Kind: row.Int}, {Name: "chain", Kind: row.Blob},
		{Name: "low_delivered", Kind: row.Int}, {Name: "high_delivered", Kind: row.Int},
		{Name: "low_deferred", Kind: row.Int}, {Name: "high_deferred", Kind: row.Int},
	},
	Key: 1, Hot: true,
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
