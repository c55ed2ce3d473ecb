package chat

import (
	"fmt"

	"parley/core/row"
)

// cut takes n values from the state's current block, so that a message costs no allocation for each
// of its rows. Values once cut are never written again: whoever holds the row may keep it.
func (s *State) cut(n int) []row.Value {
	if len(s.values) < n {
		s.values = make([]row.Value, 512)
	}
	v := s.values[:n:n]
	s.values = s.values[n:]
	return v
}

func (s *State) insertMessage(m *Message) row.Effect {
	r := row.Row{Table: messageTable, Values: s.cut(len(messageTable.Columns))}
	fillMessage(r.Values, m)
	return row.Effect{Op: row.Insert, Row: r}
}

func (s *State) insertEvent(e *Event) row.Effect {
	r := row.Row{Table: feedTable, Values: s.cut(len(feedTable.Columns))}
	fillEvent(r.Values, e)
	return row.Effect{Op: row.Insert, Row: r}
}

func (s *State) eventKey(uid UID, n uint64) row.Row {
	v := s.cut(feedTable.Key)
	v[0].Int, v[1].Int = int64(uid), int64(n)
	return row.Row{Table: feedTable, Values: v}
}

// MessageRow is a message as it is stored.
func MessageRow(m Message) row.Row {
	r := row.Row{Table: messageTable, Values: make([]row.Value, len(messageTable.Columns))}
	fillMessage(r.Values, &m)
	return r
}

func fillMessage(v []row.Value, m *Message) {
	v[0].Int = int64(m.Index << placeBits)
	v[1].Int, v[2].Int, v[3].Int = int64(m.Conversation), int64(m.Seq), int64(m.Author)
	v[4].Int, v[5].Int = m.Time, m.Date
	v[6].Str = m.Body
	v[7].Int = int64(m.ReplyTo)
	v[8].Str = string(m.Chain[:])
}

// placeBits leave room in a message's id for several messages of one entry.
const placeBits = 16

// MessageOf is the message that a row of the message table holds.
func MessageOf(r row.Row) (Message, error) {
	if err := fits(r, messageTable); err != nil {
		return Message{}, err
	}
	v := r.Values
	m := Message{
		Index: uint64(v[0].Int) >> placeBits, Conversation: ConversationID(v[1].Int), Seq: uint64(v[2].Int),
		Author: UID(v[3].Int), Time: v[4].Int, Date: v[5].Int, Body: v[6].Str, ReplyTo: uint64(v[7].Int),
	}
	if n := copy(m.Chain[:], v[8].Str); n != len(v[8].Str) || n != len(m.Chain) {
		return Message{}, fmt.Errorf("message %d: chain of %d bytes, want %d", v[0].Int, len(v[8].Str), len(m.Chain))
	}
	return m, nil
}

// EventRow is a feed event as it is stored.
func EventRow(e Event) row.Row {
	r := row.Row{Table: feedTable, Values: make([]row.Value, len(feedTable.Columns))}
	fillEvent(r.Values, &e)
	return r
}

func fillEvent(v []row.Value, e *Event) {
	v[0].Int, v[1].Int, v[2].Int = int64(e.Account), int64(e.N), int64(e.Kind)
	v[3].Int, v[4].Int = int64(e.Index), int64(e.Conversation)
	v[5].Int, v[6].Int = int64(e.From), int64(e.To)
}

// EventOf is the event that a row of the feed table holds.
func EventOf(r row.Row) (Event, error) {
	if err := fits(r, feedTable); err != nil {
		return Event{}, err
	}
	v := r.Values
	if v[2].Int < int64(MessageEvent) || v[2].Int > int64(CatchUpEvent) {
		return Event{}, fmt.Errorf("event %d of account %d: unknown kind %d", v[1].Int, v[0].Int, v[2].Int)
	}
	return Event{
		Account: UID(v[0].Int), N: uint64(v[1].Int), Kind: EventKind(v[2].Int),
		Index: uint64(v[3].Int), Conversation: ConversationID(v[4].Int),
		From: uint64(v[5].Int), To: uint64(v[6].Int),
	}, nil
}

func fits(r row.Row, t *row.Table) error {
	switch {
	case r.Table != t && r.Table == nil:
		return fmt.Errorf("row of no table, want %s", t.Name)
	case r.Table != t:
		return fmt.Errorf("row of %s, want %s", r.Table.Name, t.Name)
	case len(r.Values) != len(t.Columns):
		return fmt.Errorf("row of %s has %d columns, want %d", t.Name, len(r.Values), len(t.Columns))
	}
	return nil
}

// MessageRange asks for the messages from…to of a conversation, in or against their order.
func MessageRange(conv ConversationID, from, to uint64, desc bool, limit int) row.Range {
	return row.Range{
		Table: messageTable, ByIndex: true, Eq: int64(conv), From: clamp(from), To: clamp(to),
		Desc: desc, Limit: limit,
	}
}

// MessageAt asks for the messages that the entry at index made.
func MessageAt(index uint64) row.Range {
	id := int64(index << placeBits)
	return row.Range{Table: messageTable, From: id, To: id + 1<<placeBits - 1}
}

// FeedRange asks for the events from…to of an account.
func FeedRange(uid UID, from, to uint64, limit int) row.Range {
	return row.Range{Table: feedTable, Eq: int64(uid), From: clamp(from), To: clamp(to), Limit: limit}
}

func clamp(n uint64) int64 { return int64(min(n, 1<<63-1)) }
