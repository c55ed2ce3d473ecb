package realnet_test

import (
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"parley/core/chat"
	"parley/core/session"
	"parley/realnet"
	"parley/realnet/realnettest"
)

var missed = flag.Int("missed", 3000, "messages that a replica misses in TestCatchUp")

// A replica that was down while many messages passed has all of them soon after it is back: from the
// log, and from a snapshot in pieces when the others have cut theirs.
func TestCatchUp(t *testing.T) {
	for _, way := range []struct {
		name string
		keep int // entries
	}{{"log", 0}, {"snapshot", 100}} {
		t.Run(way.name, func(t *testing.T) {
			settings := realnettest.Settings()
			settings.OpenAuth, settings.MaxQueue = true, 1_000_000
			tuning := realnettest.Patient
			tuning.KeepEntries = way.keep
			c := realnettest.Start(t, realnettest.Options{Settings: &settings, Tuning: tuning})
			leader := c.Leader()
			late := (leader + 1) % 3
			c.Abort(late)

			ada := signedUp(t, c, "ada", 1)
			bob := signedUp(t, c, "bob", 2)
			begun := time.Now()
			flood(t, ada, bob, *missed)
			t.Logf("%d messages in %v", *missed, time.Since(begun))

			cut := c.Status(leader).GetCompact()
			if cutAway := cut > 10; cutAway != (way.keep != 0) {
				t.Fatalf("the leader's log begins after %d", cut)
			}
			begun = time.Now()
			c.Restart(late)
			index, _ := c.Level()
			t.Logf("level at %d after %v", index, time.Since(begun))
			if index < uint64(*missed) {
				t.Errorf("level at %d, before the last of %d messages", index, *missed)
			}
		})
	}
}

func signedUp(t *testing.T, c *realnettest.Cluster, name string, n byte) *realnet.Client {
	t.Helper()
	client, err := realnet.NewClient(realnet.ClientConfig{
		Servers: c.Addresses(), Device: session.DeviceID{n}, Secret: [32]byte{n}, Agent: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	if _, err := client.Do(patient(t), chat.Signup{Name: name}); err != nil {
		t.Fatal(err)
	}
	return client
}

// flood has each of two send to the other, some hundred at a time.
func flood(t *testing.T, ada, bob *realnet.Client, n int) {
	t.Helper()
	body := strings.Repeat("m", 250)
	var under []<-chan realnet.Outcome
	settle := func(left int) {
		for ; len(under) > left; under = under[1:] {
			if o := <-under[0]; o.Err != nil || o.Reply.Code != "" {
				t.Fatalf("a message of %d: %q, %v", n, o.Reply.Code, o.Err)
			}
		}
	}
	for i := range n {
		from, to := ada, "bob"
		if i%2 == 1 {
			from, to = bob, "ada"
		}
		under = append(under, from.Submit(chat.Send{To: to, Body: fmt.Sprint(body, i)}))
		settle(300)
	}
	settle(0)
}
