package linearizability_test

import (
	"fmt"

	. "parley/linearizability"
)

// One read shows the message, a later one no longer. No order explains that.
func ExampleCheck() {
	h := &History{Meta: Meta{
		Clock: ClockEvent, Positions: PositionsNone, Rules: Rules{Login: LoginExclusive, Expiry: ExpiryNever},
	}}
	for t, e := range []Event{
		{E: Inv, ID: 1, P: 1, Op: OpSignup, Dev: "phone", Dseq: 1, Name: "ann"},
		{E: OK, ID: 1, UID: 7},
		{E: Inv, ID: 2, P: 1, Op: OpSend, Dev: "phone", Dseq: 2, To: "ann", Body: "m1"},
		{E: Inv, ID: 3, P: 2, Op: OpHistory, Dev: "phone", Conv: []uint64{7}, Limit: 50},
		{E: OK, ID: 3, Rows: []Row{{Seq: 1, From: 7, Body: "m1"}}, Last: 1},
		{E: Inv, ID: 4, P: 2, Op: OpHistory, Dev: "phone", Conv: []uint64{7}, Limit: 50},
		{E: OK, ID: 4, Last: 0},
		{E: OK, ID: 2, Conv: []uint64{7}, Seq: 1},
	} {
		e.T = uint64(t + 1)
		h.Events = append(h.Events, e)
	}
	h.End(9)
	r := Check(h, Options{})
	fmt.Print(r)
	fmt.Println("exit", r.Verdict.ExitCode())
	// Output:
	// ILLEGAL  4 operations, 0 unknown
	//   monotonic reads   phone's read of [7] after 0, called at 6, ends at 0, though 1 had been there [4 3]
	//   line 8     ann (phone) reads [7] after 0 → [] last 0, called at 6, answered at 7
	//   but        line 9: ann (phone) sends m1 to ann → [7] seq 1, called at 3
	//   and        line 6: ann (phone) reads [7] after 0 → [1:7:m1] last 1, answered at 5, before that was called
	//   so         the answer was true until then; from then on it is [1:7:m1] last 1
	//   core       2 of 4 operations, from the state that 3 before leave
	// exit 10
}
