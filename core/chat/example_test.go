package chat_test

import (
	"fmt"

	"parley/core/chat"
)

// Two people, one message: every entry of the log goes through Apply, and what it did comes out.
func ExampleState() {
	s := chat.New(chat.DefaultSettings())
	at := chat.Stamp{Index: 1}
	var out chat.Outcome
	apply := func(dev byte, cmd chat.Command) {
		at.Index++
		at.Time += 1e9
		out.Reset()
		s.Apply(at, chat.DeviceID{dev}, cmd, chat.Evidence{}, &out)
	}

	apply(1, chat.Signup{Name: "Ada", Label: "laptop"})
	fmt.Println("ada is account", out.Result.UID)
	apply(2, chat.Signup{Name: "bob", Label: "phone"})

	apply(2, chat.Send{To: "ADA", Body: "hello"})
	fmt.Println("message", out.Result.Seq, "of conversation", out.Result.Conversation, "sent:", out.Result.Sent)
	for _, e := range out.Events {
		name, _ := s.Name(e.Account)
		fmt.Println("event", e.N, "of the feed of", name)
	}
	for _, e := range append(out.Effects, s.Flush(nil)...) {
		fmt.Println("row of", e.Row.Table.Name)
	}

	apply(2, chat.Send{To: "eve", Body: "hello"})
	fmt.Println("to eve:", out.Result.Code)
	// Output:
	// ada is account 2
	// message 1 of conversation 4 sent: true
	// event 1 of the feed of bob
	// event 1 of the feed of Ada
	// row of message
	// row of feed
	// row of feed
	// row of account
	// row of account
	// row of mailbox
	// row of mailbox
	// row of device
	// row of device
	// row of conversation
	// to eve: E_NO_SUCH_USER
}
