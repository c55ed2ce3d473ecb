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
