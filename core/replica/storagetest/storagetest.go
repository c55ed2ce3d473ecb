// Package storagetest is the contract of replica.Store as tests, with a reference store that is slow
// and obvious. Every store passes Run: Memory here, the simulated disk, and SQLite.
//
// # What a Save must fulfil
//
// core/replica/storage.go says what a store does. It refuses, with an error that poisons it, what
// would break rule D8; a machine that asks for such has a bug. Refused are
//
//   - a Seq other than the last one plus one;
//   - a term or a commit index that goes back, and another vote in the same term;
//   - a snapshot older than what is applied, damaged, or of other tables; log entries kept behind it
//     that do not continue its chain;
//   - a cut at or below the commit index stored before;
//   - entries that leave a gap, overlap, or whose terms go back;
//   - an applied index that goes back or lies beyond commit or log; effects without a newer applied
//     index; an Insert of a key that is there; rows that break a unique Index once all effects are
//     carried out;
//   - compaction beyond what is applied; a term older than the last entry's.
//
// It is no error to cut behind the end of the log, to compact what is compacted already, or to
// delete what is not there. Whether appended entries chain is checked by Recover, not by Save.
package storagetest

import (
	"testing"

	"parley/core/raft"
	"parley/core/replica"
	"parley/core/row"
)

// Birth is how a store begins, and what it is asked to be when it is opened.
type Birth struct {
	Cluster [16]byte
	Node    raft.ID
	Chain   raft.Chain // the seed of the log's chain
	Genesis []row.Row  // the rows at index 0, in any order
	Tables  []*row.Table
}

// Site is where one store lives: its directory, so to speak. One store at a time is open there.
type Site interface {
	// Open opens the store, or refuses if it is not that node's of that cluster, or in use.
	Open(cluster [16]byte, node raft.ID) (replica.Store, error)
	// Crash ends the store that is open, if any, as a kill or a power cut would: nothing more is
	// written, nothing is tidied up.
	Crash()
}

// Factory makes a site with a new store, not yet opened. What it needs is released by t.Cleanup.
type Factory func(t testing.TB, b Birth) Site

// A test is one sentence about stores.
type test struct {
	name string
	run  func(t testing.TB, f Factory)
}

// Run holds the stores that f makes to the contract.
func Run(t *testing.T, f Factory) {
	for _, c := range tests() {
		t.Run(c.name, func(t *testing.T) { c.run(t, f) })
	}
}
