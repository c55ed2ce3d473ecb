package session

import (
	"cmp"
	"slices"
	"time"
)

// number is one number of this device, from the moment it is given to a command until the outbox
// knows that it is settled.
type number struct {
	Line

	id       uint64        // of the Submit or Retry that waits for the answer; 0: nobody
	deadline time.Duration // when whoever waits is told that there is none; Never
	void     uint64        // of the Void that waits
	voidFrom uint64        // ≠ 0: attempts after this one carry the Void, those up to it the command
	again    bool          // ask again after E_RETRY

	persist bool // the outbox holds it
	dirty   bool // … but not, or not under this number, until a Save that is still to go
	saving  bool // … or that is out
	settled bool // answered; waits for the outbox to know

	due    bool // to be sent, or sent again, as soon as order allows
	sent   bool // in this life, in its present form
	asleep bool // waits for a Retry or a Resume, and everything behind it too
	parked bool // the cluster will not have it (E_NO_SESSION): waits for a Resume, alone
	gaps   int  // how often the cluster missed what stands before

	// What became of the attempts. An attempt is open until it is answered; one whose answer may be
	// lost stays open. Only when none is, the number is known to have left no trace.
	open  []attempt
	maybe bool   // there were others, of an earlier life or too many to list
	from  uint64 // attempts up to this one were not this number's
	code  string // of the last refusal

	newest uint64 // the newest attempt …
	at     time.Duration
}

// attempt is one time that a number was sent.
type attempt struct {
	id    uint64
	floor uint64 // Client.floor at that time
}

// maxOpen is how many open attempts are told apart.
const maxOpen = 8

// stored tells whether the number may leave: duty 1.
func (n *number) stored() bool { return !n.persist || !n.dirty && !n.saving }

// flying tells whether an answer may be on its way here.
func (n *number) flying() bool { return n.sent && !n.due && !n.settled && !n.parked }

// clean tells whether every attempt there was is known to have left no trace.
func (n *number) clean() bool { return !n.maybe && len(n.open) == 0 }

// untouched tells whether no byte of it ever left, so that it may have another number.
func (n *number) untouched() bool {
	return !n.sent && !n.settled && n.voidFrom == 0 && n.clean()
}

// isVoid tells whether an attempt carried the Void rather than the command.
func (n *number) isVoid(attempt uint64) bool {
	return n.Void || n.voidFrom != 0 && attempt > n.voidFrom
}

// try notes an attempt. The oldest are lumped together.
func (n *number) try(a attempt, now time.Duration) {
	if len(n.open) == maxOpen {
		n.open, n.maybe = slices.Delete(n.open, 0, 1), true
	}
	n.open = append(n.open, a)
	n.newest, n.at, n.due, n.sent = a.id, now, false, true
}

// answered takes an attempt off the list, if it is there.
func (n *number) answered(id uint64) (attempt, bool) {
	i := slices.IndexFunc(n.open, func(a attempt) bool { return a.id == id })
	if i < 0 {
		return attempt{}, false
	}
	a := n.open[i]
	n.open = slices.Delete(n.open, i, i+1)
	return a, true
}

// outcome is o for whoever waits.
func (n *number) outcome(r Reply) Outcome {
	return Outcome{ID: n.id, DSeq: n.DSeq, Command: n.Command, Reply: r}
}

// tell gives whoever waits an outcome, after which nobody does.
func (n *number) tell(r Reply, out *ClientOutput) {
	done(out, n.outcome(r))
	n.id, n.deadline = 0, Never
}

// tellVoid gives the Void that waits, if one does, its outcome.
func (n *number) tellVoid(r Reply, out *ClientOutput) {
	if n.void != 0 {
		done(out, Outcome{ID: n.void, DSeq: n.DSeq, Command: n.Command, Reply: r})
		n.void = 0
	}
}

func byDSeq(a, b Line) int { return cmp.Compare(a.DSeq, b.DSeq) }

// find gives the place of a number, or -1.
func (c *Client) find(dseq uint64) int {
	i, ok := slices.BinarySearchFunc(c.numbers, dseq, func(n number, dseq uint64) int {
		return cmp.Compare(n.DSeq, dseq)
	})
	if !ok {
		return -1
	}
	return i
}
