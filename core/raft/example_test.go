package raft_test

import (
	"fmt"
	"time"

	"parley/core/raft"
)

// Three servers, one goroutine, no network: whatever a Machine asks for is done at once.
func ExampleMachine() {
	servers := map[raft.ID]*raft.Machine{}
	voters := []raft.ID{1, 2, 3}
	for _, id := range voters {
		m, err := raft.New(raft.Config{ID: id, Voters: voters, Seed: uint64(id)}, raft.Recovered{}, 0)
		if err != nil {
			panic(err)
		}
		servers[id] = m
	}

	var wire []raft.Message
	step := func(id raft.ID, now time.Duration, in raft.Input) {
		for in != nil {
			var out raft.Output
			servers[id].Step(now, in, &out)
			wire = append(wire, out.Sends...)
			for _, e := range out.Committed {
				fmt.Printf("%v applies %v\n", id, e)
			}
			if in = nil; out.Save.Seq != 0 {
				in = raft.Saved{Seq: out.Save.Seq} // a real caller writes it to a disk first
			}
		}
	}
	deliver := func(now time.Duration) {
		for len(wire) > 0 {
			msg := wire[0]
			wire = wire[1:]
			step(msg.To, now, raft.Received{Message: &msg})
		}
	}

	now := servers[1].Deadline() // n1 is the first whose patience ends
	step(1, now, raft.Tick{})
	deliver(now)
	fmt.Println(servers[1].Status().Role)
	step(1, now, raft.Propose{Data: [][]byte{[]byte("hello")}})
	deliver(now)

	// Output:
	// n1 applies 1/1 noop ""
	// n2 applies 1/1 noop ""
	// n3 applies 1/1 noop ""
	// leader in term 1
	// n1 applies 2/1 command "hello"
	// n2 applies 2/1 command "hello"
	// n3 applies 2/1 command "hello"
}
