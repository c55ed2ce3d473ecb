package explore

import (
	"fmt"

	"parley/core/raft"
)

// choice is one thing that can happen in a state: what, to which node, and to what of it.
type choice uint32

type choiceKind uint32

const (
	hear      choiceKind = iota // arg: the message
	hearAgain                   // and it stays on its way
	lose
	timeout
	beat
	saved
	crash
	crashSaved // the save in flight was done, and the machine did not hear of it
	propose    // arg: which
	read       // arg: which
	hint       // arg: who is said to be down
	transfer
)

const (
	argBits  = 24
	argMask  = 1<<argBits - 1
	nodeMask = 0xf << argBits
)

func makeChoice(k choiceKind, node int, arg uint32) choice {
	return choice(uint32(k)<<28 | uint32(node)<<argBits | arg)
}

func (c choice) kind() choiceKind { return choiceKind(c >> 28) }
func (c choice) node() int        { return int(c & nodeMask >> argBits) }
func (c choice) arg() uint32      { return uint32(c & argMask) }

// text is a choice as people read it, and as a path repeats it.
func (x *explorer) text(c choice) string {
	id := x.voters[c.node()]
	switch c.kind() {
	case hear:
		return fmt.Sprintf("%v hears %s", id, x.messages[c.arg()].text)
	case hearAgain:
		return fmt.Sprintf("%v hears, not for the last time, %s", id, x.messages[c.arg()].text)
	case lose:
		return fmt.Sprintf(lostLine+"%s", x.messages[c.arg()].text)
	case hint:
		return fmt.Sprintf("%v told %v is down", id, raft.ID(c.arg()))
	}
	return fmt.Sprintf("%v %s", id, choiceNames[c.kind()])
}

var choiceNames = [...]string{timeout: "timeout", beat: "beat", saved: "saved", crash: "crash",
	crashSaved: "crash, with its save done", propose: "propose", read: "read", transfer: "transfer"}

// choices lists what can happen in a state.
func (x *explorer) choices(s state, list []choice) []choice {
	list = x.deliveries(s, list)
	for i := range x.voters {
		n := x.nodes[s.node(i)]
		leads := n.status.Role.Kind == raft.Leader
		if n.saving != nil {
			list = append(list, makeChoice(saved, i, 0))
		}
		if s.left(timeoutsLeft) > 0 && x.scope.impatient(x.voters[i]) {
			list = append(list, makeChoice(timeout, i, 0))
		}
		if s.left(beatsLeft) > 0 {
			list = append(list, makeChoice(beat, i, 0))
		}
		if s.left(crashesLeft) > 0 {
			list = append(list, makeChoice(crash, i, 0))
			if n.saving != nil {
				list = append(list, makeChoice(crashSaved, i, 0))
			}
		}
		if left := s.left(commandsLeft); left > 0 && leads {
			list = append(list, makeChoice(propose, i, uint32(x.scope.Commands-left)))
		}
		if left := s.left(readsLeft); left > 0 {
			list = append(list, makeChoice(read, i, uint32(x.scope.Reads-left)))
		}
		if l := n.status.Role.Leader; s.left(hintsLeft) > 0 && l != 0 && !leads {
			list = append(list, makeChoice(hint, i, uint32(l)))
		}
		if s.left(transfersLeft) > 0 && leads {
			list = append(list, makeChoice(transfer, i, 0))
		}
	}
	return list
}

// deliveries lists what the network can do. Equal messages are told apart by nobody.
func (x *explorer) deliveries(s state, list []choice) []choice {
	net := s.net(len(x.voters))
	for i, id := range net {
		m := &x.messages[id]
		if i > 0 && (net[i-1] == id || x.scope.Streams && x.messages[net[i-1]].link == m.link) {
			continue
		}
		to := int(m.body.To) - 1
		list = append(list, makeChoice(hear, to, id))
		if s.left(againLeft) > 0 {
			list = append(list, makeChoice(hearAgain, to, id))
		}
		if s.left(lostLeft) > 0 {
			list = append(list, makeChoice(lose, to, id))
		}
	}
	return list
}

// costs says what of the bounds a choice uses up; budgets: nothing.
func (c choice) costs() int {
	switch c.kind() {
	case hearAgain:
		return againLeft
	case lose:
		return lostLeft
	case timeout:
		return timeoutsLeft
	case beat:
		return beatsLeft
	case crash, crashSaved:
		return crashesLeft
	case propose:
		return commandsLeft
	case read:
		return readsLeft
	case hint:
		return hintsLeft
	case transfer:
		return transfersLeft
	}
	return budgets
}
