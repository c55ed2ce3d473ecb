package realnet

import (
	"testing"

	"parley/core/replica"
)

// What is offered to a peer is what leaves, whatever the next Step writes into the same Output.
func TestAnOfferedMessageDoesNotChange(t *testing.T) {
	p := &peer{}
	p.main = newSender(p, false)
	p.main.linked.Store(true)
	out := replica.Output{Sends: []replica.PeerMessage{{From: 1, To: 2}}}
	p.offer(out.Sends[0])
	out.Reset()
	out.Sends = append(out.Sends, replica.PeerMessage{From: 1, To: 3})
	if m := <-p.main.queue; m.To != 2 {
		t.Errorf("a message to n2 became one to %v", m.To)
	}
}
