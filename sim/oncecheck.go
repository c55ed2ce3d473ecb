package sim

import (
	"parley/core/chat"
	"parley/core/raft"
	"parley/core/replica"
	"parley/core/row"
	"parley/core/session"
)

// The checker "exactly-once": every answer to a number equals the first one and stands where the number
// stands in the log; and what a message says, which no two operations share, becomes one message.

type onceCheck struct {
	answers  map[numbered]answer       // the first to each command
	repeats  map[[2]uint64]settledCall // being asked once more, by client and id
	messages map[string]int64          // ids of messages, by what they say
	table    *row.Table                // of messages
}

func newOnceCheck() onceCheck {
	return onceCheck{answers: map[numbered]answer{}, repeats: map[[2]uint64]settledCall{}, messages: map[string]int64{}, table: tableCalled("message")}
}

func tableCalled(name string) *row.Table {
	for _, t := range chat.Tables() {
		if t.Name == name {
			return t
		}
	}
	panic("sim: there is no table " + name)
}

type numbered struct {
	dev  session.DeviceID
	dseq uint64
}

type answer struct {
	code string
	pos  replica.Pos
}

// written looks at a row that a replica is about to store.
func (k *checks) written(s *server, e *row.Effect) {
	if e.Op == row.Delete {
		return
	}
	switch e.Row.Table {
	case k.feed.table:
		k.fed(s, e.Row)
	case k.once.table:
		k.looked(ofExactlyOnce)
		id, body := e.Row.Values[0].Int, e.Row.Values[6].Str
		if first, ok := k.once.messages[body]; ok && first != id {
			k.fail(ofExactlyOnce, "n%d has %q as message %x; it is message %x already", s.id, body, id, first)
		}
		k.once.messages[body] = id
	}
}

// answered: every answer to a number equals the first one.
func (k *checks) answered(dev session.DeviceID, dseq uint64, r *replica.Reply) {
	if r.Class == session.NotApplied {
		return
	}
	got := answer{r.Code, r.Pos}
	if r.Code == string(session.SeqReused) {
		return // the number belongs to another command, whose answer this carries
	}
	k.looked(ofExactlyOnce)
	first, ok := k.once.answers[numbered{dev, dseq}]
	if ok && first != got {
		k.fail(ofExactlyOnce, "number %d of device %s was answered %q at %d, and then %q at %d",
			dseq, device(dev), first.code, first.pos.Index, got.code, got.pos.Index)
	}
	if !ok {
		k.once.answers[numbered{dev, dseq}] = got
		k.placed(dev, dseq, r)
	}
}

// placed: an answer stands where its command stands in the committed log.
func (k *checks) placed(dev session.DeviceID, dseq uint64, r *replica.Reply) {
	if r.Code == string(session.Window) || r.Code == string(session.NoSession) {
		return // of a number that is not in the log, or not any more
	}
	req, ok := k.request(r.Pos.Index)
	if !ok || !req.Numbered || req.Device != dev || req.DSeq != dseq {
		k.fail(ofExactlyOnce, "number %d of device %s is answered %q at %d, where the log has number %d of device %s",
			dseq, device(dev), r.Code, r.Pos.Index, req.DSeq, device(req.Device))
	}
}

// request gives what the committed log has at an index.
func (k *checks) request(i raft.Index) (replica.Request, bool) {
	if i == 0 || int(i) > len(k.ghost) || k.ghost[i-1].Kind != raft.Command {
		return replica.Request{}, false
	}
	req, err := replica.DecodeRequest(k.ghost[i-1].Data)
	return req, err == nil
}

// repeated notes that a settled command is being asked once more, beside the client's machine.
func (k *checks) repeated(id, client uint64, want settledCall) {
	k.once.repeats[[2]uint64{client, id}] = want
}
