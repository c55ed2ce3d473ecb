package session_test

import (
	"fmt"
	"time"

	"parley/core/session"
)

// A command runs once. Asked again under its number, the table gives the answer it gave before.
func ExampleTable() {
	table := session.NewTable()
	device := session.DeviceID{1}

	signup := session.Request{Device: device, DSeq: 1, Fingerprint: session.Fingerprint([]byte("signup ada"))}
	if table.Begin(signup, true).Decision == session.FirstContact {
		table.Open(signup, session.Token{}, []byte("uid 1"), 1)
	}
	send := session.Request{Device: device, DSeq: 2, Through: 1, Fingerprint: session.Fingerprint([]byte("send bob hi"))}
	for range 3 { // the client hears nothing, and asks again
		switch v := table.Begin(send, false); v.Decision {
		case session.Execute:
			fmt.Println("runs")
			table.Record(send, []byte("seq 1"), 2)
		case session.Replay:
			fmt.Printf("answered: %s at %d\n", v.Result, v.Pos)
		}
	}
	// Output:
	// runs
	// answered: seq 1 at 2
	// answered: seq 1 at 2
}

// A command is saved, sent, sent again to the next server when the first is silent, and reported.
func ExampleClient() {
	cfg := session.ClientConfig{Servers: 3, Silence: time.Second}
	client := session.NewClient(cfg, session.ClientRecovered{}, 0)
	var out session.ClientOutput
	step := func(now time.Duration, in session.ClientInput) {
		client.Step(now, in, &out)
		if out.Save != nil {
			fmt.Printf("save %s\n", out.Save.Add[0].Command)
		}
		for _, s := range out.Sends {
			fmt.Printf("send %s as number %d to server %d\n", s.Command, s.DSeq, s.Server)
		}
		for _, o := range out.Done {
			fmt.Printf("done %d: %s\n", o.ID, o.Reply.Body)
		}
	}
	step(0, session.Submit{ID: 1, Command: []byte("hi"), Persist: true})
	step(0, session.StoredOutbox{Seq: 1})
	step(client.Deadline(), session.Tick{})
	reply := session.Reply{ID: out.Sends[0].ID, DSeq: 1, Class: session.Applied, Body: []byte("seq 7")}
	step(client.Now(), session.Answered{Server: 1, Reply: reply})
	// Output:
	// save hi
	// send hi as number 1 to server 0
	// send hi as number 1 to server 1
	// done 1: seq 7
}
