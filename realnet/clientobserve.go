package realnet

import (
	"sync/atomic"

	"parley/core/chat"
	"parley/core/replica"
	"parley/core/session"
)

// Observation is one thing a client did or saw, as a recorder of histories needs it. Which fields
// count depends on Kind.
type Observation struct {
	Kind ObservationKind

	Op      uint64 // Called … Unsettled: the operation, unique in the process
	Device  session.DeviceID
	DSeq    uint64        // Called … LateAnswer, of commands
	Command chat.Command  // Called, of commands
	Query   replica.Query // Called, of reads
	Server  string        // Tried, FeedOpened
	Reply   replica.Reply // Answered, LateAnswer
	Why     string        // Failed, Unsettled, FeedClosed

	Feed  uint64 // FeedOpened … FeedClosed: one stretch of a feed on one server, unique in the process
	After uint64 // FeedOpened
	Push  *replica.Push
	N     uint64 // Pushed, Acked
}

// ObservationKind says what was observed.
type ObservationKind uint8

const (
	Called     ObservationKind = iota + 1 // a request is about to leave for the first time
	Tried                                 // one attempt leaves for Server
	Answered                              // decided: Reply, a refusal included
	Failed                                // certainly without a trace
	Unsettled                             // given up without knowing: Unknown until a LateAnswer
	LateAnswer                            // DSeq of Device got its answer after all
	FeedOpened                            // a feed runs, after After
	Pushed                                // a new event
	Acked                                 // events up to N are stored
	FeedClosed
)

// Numbers that are unique in the process.
var operationIDs, feedIDs atomic.Uint64

func (c *Client) record(o Observation) {
	if c.cfg.Record != nil {
		o.Device = c.cfg.Device
		c.cfg.Record(o)
	}
}
