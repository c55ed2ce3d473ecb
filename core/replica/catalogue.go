package replica

import (
	"parley/core/chat"
	"parley/core/row"
	"parley/core/session"
)

// Catalogue lists the tables of all replicated rows, in the order in which stores, snapshots and
// digests walk them. Adding one is a change to what replicas agree on.
func Catalogue() []*row.Table {
	return append(chat.Tables(), session.Tables()...)
}

// Genesis is the rows of a cluster at birth, index 0: equal on all founders.
func Genesis(s chat.Settings) []row.Row { return chat.Genesis(s) }
