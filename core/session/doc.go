// Package session makes a command take effect exactly once, whatever is lost, doubled, reordered or
// crashed between the one who gives it and the log that decides it. Both halves live here, because
// they are only right together:
//
//   - Table is replicated state. A replica asks it, inside Apply, what to do with each numbered
//     command, and tells it what came of those that ran. (The preamble of docs/chat.md, steps 1 to
//     4 and 7.)
//   - Client is the machine at the other end: it numbers commands, keeps them in an outbox, finds
//     the leader, and repeats the same number until that number has an answer. (The client's
//     duties.)
//
// A command is bytes to both; nothing here knows what one means.
//
// # Why it is exactly once
//
// At least once: a number leaves the outbox only with an answer, and a client that comes back from
// a crash begins with what is in there. At most once: a number runs only as last + 1, and a
// number ≤ last is answered from its record. A record is forgotten only when a request says that
// every answer up to it has arrived, and the client says so only when the outbox no longer holds
// the line (see Client.through: otherwise a crash would bring back a line whose record is gone).
// In order: last + 1 again.
//
// # What it asks of others
//
// One Client at a time works from an outbox. "Not applied" is a statement about every attempt there
// was, and a client knows its own: a shell that lets two processes share an outbox must begin anew
// from the file when the other has so much as read it. A connection may lose what is in it, or end;
// it must not deliver a request twice, or the first copy may be refused and the second taken. (Such a
// network breaks the word "not applied", nothing else.) And a first contact that was refused, or
// given up with others waiting behind it, is the end of its device: the shell draws a new one.
//
// # Bytes
//
// A session is one row of sessionTable: device, token, state (1 open, 2 closed, 3 refused), ended
// (cluster time, tombstones only), last, through, and its records. Those are the numbers
// through+1 … last, so the numbers themselves are not written:
//
//	version      1 byte, 1
//	each record  fingerprint, 8 bytes big-endian
//	             pos, uvarint
//	             length of the result, uvarint, and the result
//
// An outbox save is described at Save.Append.
package session
