// Package explore does not draw from what can happen in a world, as sim does: it does all of it. In a
// small scope — two to five servers, a few timeouts, crashes, commands — it delivers messages in every
// order, lets every disk finish at every moment, crashes every server everywhere, and looks at each state
// once.
//
//	r := explore.Run(explore.Scope{Name: "one campaign", Nodes: 3, Timeouts: 1}, nil)
//	fmt.Println(&r) // … 12811 states … EXHAUSTED
//
// It explores no model. What steps is core/raft's Machine, through Clone, Step and Hash. A step depends
// on one server alone, so what comes of it is found out once, with the real machine, and remembered: a
// million states of the world are combinations of a few hundred states of a server. That is why it is
// fast.
//
// # What can happen
//
// A message on its way is heard by its receiver, in any order, or never; a few are heard twice (Again).
// With Streams they come in the order of their link, and a few are Lost. A save that was begun ends. A
// server's patience ends (Timeouts), a heartbeat's time passes (Beats). It crashes, the save in flight
// done or not, and starts again from its disk (Crashes). Whoever leads is given a command or told to hand
// over, anybody is asked to read, a follower hears, truly or not, that its leader's process is gone
// (Hints). Everything in capitals is bounded by the Scope. A message that is never delivered is a lost one,
// so without Streams loss needs no choice, and a server that is down for long is one that hears nothing.
//
// # Time
//
// Time is left out: [raft.Machine.Level] makes a machine forget when things happened after each step,
// so that waiting is a choice and clocks do not tell states apart. No two timeouts need be in order, no save
// hangs for an election timeout, cluster time stands still. This allows more than can happen. If a rule
// broke only by that, a way to it could be impossible in real time; by the design of Raft none may, and
// none has. What it does not look at is what needs time to show: liveness, hanging disks, and cluster
// time. Neither are compaction and snapshots in it, nor anything above raft.
//
// # What must hold
//
// In every state: one leader a term, elected by the durable votes of a quorum, with every entry committed
// before its term; entries of one index and term are the same in every memory and on every disk; what is
// committed is on the disks of a quorum when it first becomes so, and is never another; what is handed
// out was committed; no vote and no acknowledgement leaves before it is on disk; a read sees all that was
// committed when it began; no machine breaks its own rules (raft.Machine.Check), or stops itself. What a
// rule needs to know of the past is part of the state (ghost), so that merging states merges no two
// pasts that differ for a rule.
//
// # What is claimed
//
// Result.Exhausted means that every state that the scope allows was looked at; two states are taken for
// one if 128 bits of hash agree (64 where a machine's own Hash tells servers apart). Everything else says
// in Result.Stopped what it did not do. Servers are not taken for interchangeable, and nothing is left
// out by argument but what comes to nothing: a message that is heard to no effect, time that passes to
// none.
//
// States are met breadth first, so a Failure has a shortest Path there. The path is text, a choice a line;
// [Replay] takes it again, and Scope.Begin can start from it.
package explore
