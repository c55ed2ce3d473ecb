// Package feed delivers numbered events, both halves of it: Hub decides at a server which event goes
// to which subscription next, Reader decides at a client which of those that arrive are new.
//
// Neither holds an event. They reason about numbers: a feed is 1, 2, 3, … up to its length, and a
// subscription is a place in it. That makes the promise easy to see: a subscription's next event is
// always the one after the last, so there is no gap and no repeat, whether an event comes live, the
// moment it is applied, or is loaded from rows because the subscription was behind.
//
// A reader that is slow costs nothing: beyond Window events not acknowledged its subscription just
// stops, and goes on from rows when acknowledgements come in.
package feed
