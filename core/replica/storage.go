package replica

import (
	"parley/core/raft"
	"parley/core/row"
)

// Save is one atomic step of the store; its parts take effect in the order of the fields.
type Save struct {
	Seq     uint64       // previous + 1: a lost or doubled step is an error, not a surprise
	Hard    *raft.Hard   // term, vote, commit: one row, never split
	Install *Snapshot    // replace the replicated rows, the applied index and Compact by this snapshot
	CutFrom raft.Index   // drop entries ≥ CutFrom (0: none; always above the stored commit), then …
	Append  []raft.Entry // … append these, contiguous
	Applied raft.Index   // 0: unchanged. The new applied index, with exactly the row changes …
	Effects []row.Effect // … of (old Applied, Applied], to be carried out in this order
	Compact raft.Index   // 0: none. Drop entries ≤ Compact; never above Applied
}

// Saved is the only proof of durability there is.
type Saved struct {
	Seq    uint64
	Digest row.Digest // of all replicated rows, at the applied index stored
	Hot    []row.Row  // after an Install: the hot rows, as Recover would give them
}

// Recovered is what a store holds when it is opened.
type Recovered struct {
	Raft   raft.Recovered
	Seq    uint64    // of the last Save
	Boot   uint64    // how often this store was opened, this time included; durable
	Hot    []row.Row // all rows of hot tables at Raft.Applied, table by table in Catalogue order, by key
	Digest row.Digest
}

// Snapshot is the replicated rows at one index. The same index gives the same Data on every replica.
type Snapshot struct {
	Mark   raft.Mark
	Digest row.Digest
	Data   []byte // EncodeSnapshot
}

// Rows is the answer to a Fetch: for each Range asked, its rows.
type Rows struct {
	Index raft.Index // the applied index of the view that all of them come from
	Sets  [][]row.Row
}

// Store keeps one replica's directory. core/replica/storagetest says what is expected, rule by rule.
//
// Recover is called once, first. Save and Close are called by one goroutine, one at a time; Rows and
// Export may run beside Save and never block it.
type Store interface {
	// Recover gives what is on the disk (really there: synced). It creates nothing and forgets nothing.
	Recover() (Recovered, error)
	// Save returns nil when s survives a power cut. After an error the outcome is unknown and the
	// store is poisoned: every later call fails.
	Save(s Save) (Saved, error)
	// Rows answers from one view at the newest applied index stored.
	Rows(ranges []row.Range) (Rows, error)
	// Export makes a snapshot at the newest applied index stored.
	Export() (Snapshot, error)
	Close() error
}
