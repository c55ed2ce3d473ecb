// Package replica is one server: raft, the session table, the chat and the feeds joined to a machine
// with one door. It is the only room in which they meet.
//
// Read input.go first: it lists everything that can happen to a replica and everything it can ask
// for. Then apply.go, where the log becomes state.
//
// # The rules of the room
//
// Step decides, and never waits: what needs the disk, the clock, a password hash or the network is
// asked for in Output and comes back as an input. All of an Output may be done at once and in any
// order, because whatever depends on a save comes into being only when its Stored comes in.
//
// One Save is out at a time (save.go). Raft's part goes first and at once; the row changes of applied
// entries can be computed again from the log, so they wait for company: 1,024 entries or a quarter of
// a second. Until they are stored the overlay holds the cold ones, and answers to a Fetch are merged
// with it, so that a read never waits for a sync.
//
// A call passes the door in stages (door.go): does this server lead, is the device known, is the
// password right? Only then it is proposed. Nothing is refused for what the state says before a read
// index has shown that the state is the present one.
//
// Feeds are numbers to the hub (core/feed); here they become events with their messages, from rows
// when a subscription is behind and live when it is not (feeds.go). What devices have acknowledged
// travels to the leader and into the log as Heard (presence.go).
//
// A peer that needs entries that are compacted away gets a snapshot, moved by the courier in chunks.
//
// storagetest holds what a store must do, as tests that every store passes.
package replica
