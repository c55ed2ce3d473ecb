// Package raft keeps one log the same on all servers. It knows entries as bytes: no chat, no
// sessions, no disk, no socket.
//
// It is Raft as in Ongaro's dissertation (https://github.com/ongardie/dissertation), with pre-vote,
// check-quorum, leader stickiness, transfer, read indexes and snapshots. A [Machine] is one server's
// part. It has one door:
//
//	m.Step(now, input, &output)
//
// Input is a closed set, see types.go. Output is plain data. There is no clock, no goroutine and no
// callback: time comes in as an argument, [Machine.Deadline] says when a [Tick] is next worth
// sending, and randomness comes from Config.Seed.
//
// # The caller's side
//
// After each Step, or after several with the same Output:
//
//  1. If Save.Seq is not 0, make the Save durable; then Step(Saved{Seq}). Until then no other Save
//     comes. If it cannot be made durable, end the process.
//  2. Send Sends. They may leave at once, in any order, beside the Save, or be lost.
//  3. Apply Committed in order. They are saved here.
//  4. Serve the reads granted in Reads once their index is applied. Every Read gets one Grant.
//  5. Bring a snapshot to the peers in Snapshots, some other way, and keep its entries: compact no
//     further than its index before it is there. Its arrival is SnapshotReceived at the peer. The
//     same peer is named again after a while; that is a question, not an order to start anew.
//  6. If Fatal is set, this server's data contradict its peers': stop, and tell a person.
//
// Messages may be lost, doubled, delayed and reordered. Entries, once given out, do not change, and
// whoever gets them must not change them.
//
// # Saving is a message
//
// Votes, acknowledgements and the leader's own count come into being while Step handles Saved, never
// before: see save.go. So the caller has no rule about holding messages back, and none to break.
//
// # The files
//
// election.go, replication.go (leader) and follow.go (follower), read.go, transfer.go, snapshot.go
// show one protocol each, from all sides. save.go is about durability, log.go about the log in
// memory. check.go has what is always true of one server. machine.go ties them together.
//
// Every Step ends in settle, which looks at the state alone and does what follows from it: commit,
// replicate, grant, hand out, save. An input changes the state and need not remember what might
// follow.
package raft
