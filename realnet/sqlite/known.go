package sqlite

import "parley/core/row"

// known is the hashes of hot rows that were read or written lately. Hot rows are replaced again and
// again; with the hash of the old one at hand, it need not be read to be counted out of the digest.
//
// It belongs to the writer, which alone changes rows. An entry is what the transaction that is open
// will leave; if that fails, the store is poisoned, and nobody asks any more.
type known struct {
	young, old map[string]*knownRow // by table and key; young becomes old when it is full
	most       int                  // entries of each
	key        []byte
}

type knownRow struct {
	key  string
	hash [32]byte
}

// knownMost bounds the memory that known takes to some 20 MB.
const knownMost = 1 << 16

func newKnown(most int) *known { return &known{most: most, young: map[string]*knownRow{}} }

// keeps says whether rows of t may be in k. A row with a place in an index must be read before it is
// replaced, to see whether it leaves that place.
func (k *known) keeps(t *row.Table) bool { return t.Hot && len(t.Index) == 0 }

// find gives what is known of the row with the key of r.
func (k *known) find(r row.Row) *knownRow {
	k.key = append(append(k.key[:0], r.Table.Name...), 0)
	k.key = row.Row{Table: r.Table, Values: r.Key()}.Append(k.key)
	if found := k.young[string(k.key)]; found != nil {
		return found
	}
	found := k.old[string(k.key)]
	if found != nil {
		k.keep(found)
	}
	return found
}

// set notes the hash of the row that find was asked for last, and found as given.
func (k *known) set(found *knownRow, hash [32]byte) {
	if found != nil {
		found.hash = hash
		return
	}
	k.keep(&knownRow{key: string(k.key), hash: hash})
}

func (k *known) keep(r *knownRow) {
	if len(k.young) >= k.most {
		k.old, k.young = k.young, make(map[string]*knownRow, k.most)
	}
	k.young[r.key] = r
}

// forget drops the row that find was asked for last.
func (k *known) forget() {
	delete(k.young, string(k.key))
	delete(k.old, string(k.key))
}

// clear forgets everything.
func (k *known) clear() { clear(k.young); clear(k.old) }
