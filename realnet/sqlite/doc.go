// Package sqlite keeps one replica in one directory, with one SQLite database.
//
//	data/              built and synced beside as data.init.<random>/, then renamed
//	  LOCK             flock: one process at a time
//	  node.db, -wal    the database; application_id "PARL", user_version 1
//	  marker           how far it has come (marker.go)
//	  SUSPECT          left by a store that failed (suspect.go)
//
// It implements replica.Store (core/replica/storage.go); core/replica/storagetest says what that
// means. How it does:
//
//   - A Save is one transaction and one sync: WAL, synchronous=FULL. Its one writer connection is
//     used through the driver directly, with prepared statements: database/sql costs as much as the
//     work itself (a transaction 20–70 µs, a row 1.5 µs).
//   - Tables come from the catalogue, so any sqlite3 shell reads them. Every row, local ones too,
//     has its row.Sum beside it, which is compared whenever the row is read.
//   - The digest of all replicated rows is kept in the same transaction: plus the new row, minus the
//     old one, whose hash is remembered if it was hot, so that it need not be read.
//   - New rows are written by statements for 64, 8 or one, where that saves anything: the driver and
//     SQLite do as much for a statement as for some rows.
//   - A log entry is a row of its own. One blob for a whole batch would save 1–2 µs an entry of the
//     5 a row costs at 512 in a save, nothing below a hundred; and cuts, compaction and damage would
//     no longer be a matter of single entries.
//   - SQLite never checkpoints by itself (it would hide errors). The store does: at start and end,
//     and between Saves when the WAL is above 8 MiB. A WAL that was copied whole is emptied before
//     it is written again, and synced empty.
//   - Open reads everything before anything is believed: the WAL before SQLite sees it, the marker,
//     every row, index and page. What is not as it was written is a Refused with a Verdict.
//     docs/storage.md says what that finds, and how it was measured.
//   - Readers have connections of their own, mode=ro, and one transaction per answer: one view. They
//     stop neither the writer nor each other, but a WAL that is being read cannot be emptied; gate
//     sees to it that a quiet moment comes.
//
// All files are reached through disk, SQLite's too: tests put a store on a Platter, a disk in memory
// that forgets what was not synced.
//
// Nothing here opens node.db other than through SQLite while it is open: closing any descriptor of a
// file drops all POSIX locks the process has on it.
package sqlite
