package sqlite_test

import (
	"encoding/binary"
	"strings"
	"testing"

	"parley/core/raft"
	"parley/core/replica"
	"parley/core/replica/storagetest"
	"parley/core/row"
	"parley/realnet/sqlite"
)

// The tables have the shapes of a chat's.
var (
	messages = &row.Table{
		Name: "message",
		Columns: []row.Column{
			{Name: "id", Kind: row.Int}, {Name: "conversation", Kind: row.Int}, {Name: "seq", Kind: row.Int},
			{Name: "author", Kind: row.Int}, {Name: "time", Kind: row.Int}, {Name: "date", Kind: row.Int},
			{Name: "body", Kind: row.Text}, {Name: "reply_to", Kind: row.Int}, {Name: "chain", Kind: row.Blob},
		},
		Key: 1, Index: []int{1, 2}, Sequential: true,
	}
	feeds = &row.Table{
		Name: "feed",
		Columns: []row.Column{
			{Name: "account", Kind: row.Int}, {Name: "n", Kind: row.Int}, {Name: "kind", Kind: row.Int},
			{Name: "pos", Kind: row.Int}, {Name: "conversation", Kind: row.Int},
			{Name: "first", Kind: row.Int}, {Name: "last", Kind: row.Int},
		},
		Key: 2,
	}
	mailboxes = &row.Table{
		Name: "mailbox",
		Columns: []row.Column{
			{Name: "account", Kind: row.Int}, {Name: "length", Kind: row.Int}, {Name: "cursor", Kind: row.Int},
			{Name: "leases", Kind: row.Blob},
		},
		Key: 1, Hot: true,
	}
	sessions = &row.Table{
		Name: "session",
		Columns: []row.Column{
			{Name: "device", Kind: row.Blob}, {Name: "token", Kind: row.Blob}, {Name: "last", Kind: row.Int},
			{Name: "records", Kind: row.Blob},
		},
		Key: 1, Hot: true,
	}
	tables = []*row.Table{mailboxes, messages, feeds, sessions}
)

var birth = storagetest.Birth{
	Cluster: [16]byte{1, 2, 3}, Node: 1, Chain: raft.Chain{4, 5, 6}, Tables: tables,
	Genesis: []row.Row{mailbox(0, 0)},
}

var identity = sqlite.Identity{
	Cluster: birth.Cluster, Node: birth.Node, Chain: birth.Chain,
	Store: sqlite.FounderStore(birth.Cluster, birth.Node), Config: []byte("voters and settings"),
}

func message(index raft.Index, body string) row.Row {
	i := int64(index)
	return row.Row{Table: messages, Values: []row.Value{
		row.I(i << 16), row.I(i * 31 % 500), row.I(i), row.I(i % 1000), row.I(i), row.I(i), row.S(body),
		row.I(0), row.S("0123456789abcdef"),
	}}
}

func feed(account, n int64) row.Row {
	return row.Row{Table: feeds, Values: []row.Value{
		row.I(account), row.I(n), row.I(1), row.I(n << 16), row.I(n % 500), row.I(n), row.I(n),
	}}
}

func mailbox(account, length int64) row.Row {
	return row.Row{Table: mailboxes, Values: []row.Value{
		row.I(account), row.I(length), row.I(length), row.S(strings.Repeat("l", 24)),
	}}
}

func session(device, last int64) row.Row {
	id := binary.BigEndian.AppendUint64([]byte("device--"), uint64(device)*0x9e3779b97f4a7c15)
	return row.Row{Table: sessions, Values: []row.Value{
		row.S(string(id)), row.S(strings.Repeat("t", 32)), row.I(last), row.S(strings.Repeat("r", 60)),
	}}
}

// traffic is what the messages of the entries lo … hi change, with the hot rows as they are at last.
func traffic(lo, hi raft.Index, bodyBytes int) []row.Effect {
	var list []row.Effect
	for i := lo; i <= hi; i++ {
		n := int64(i)
		from, to := n*7919%1000, n*104729%1000
		for _, r := range []row.Row{message(i, strings.Repeat("b", bodyBytes)), feed(from, 2*n), feed(to, 2*n+1)} {
			list = append(list, row.Effect{Op: row.Insert, Row: r})
		}
		for _, r := range []row.Row{mailbox(from, n), mailbox(to, n), session(n%1000, n)} {
			list = append(list, row.Effect{Op: row.Put, Row: r})
		}
	}
	return list
}

// life makes the saves of a replica: which depends on what was saved before, and on nothing else.
type life struct {
	seq     uint64
	hard    raft.Hard
	applied raft.Index
	marks   []raft.Mark // of the committed end, and of what is behind it
}

func lifeOf(rec replica.Recovered) *life {
	l := &life{seq: rec.Seq, hard: rec.Raft.Hard, applied: rec.Raft.Applied}
	if rec.Raft.Compact.Index == l.hard.Commit {
		l.marks = append(l.marks, rec.Raft.Compact)
	}
	for _, e := range rec.Raft.Entries {
		if e.Index >= l.hard.Commit {
			l.marks = append(l.marks, raft.Mark{Index: e.Index, Term: e.Term, Chain: e.Chain, Time: e.Time})
		}
	}
	return l
}

// next is the save that follows: it appends, sometimes cuts first, commits all but the last entry,
// applies what is committed, and sometimes compacts.
func (l *life) next(entries, bodyBytes int) replica.Save {
	l.seq++
	v := replica.Save{Seq: l.seq}
	if l.seq%5 == 0 {
		v.CutFrom = l.hard.Commit + 1
		l.marks = l.marks[:1]
		l.hard.Term, l.hard.Vote = l.hard.Term+1, raft.ID(l.seq%3)
	}
	l.hard.Term = max(l.hard.Term, 1)
	for range entries {
		prev := l.marks[len(l.marks)-1]
		e := raft.Entry{
			Index: prev.Index + 1, Term: l.hard.Term, Kind: raft.Command, Time: prev.Time + 1000,
			Data: []byte(strings.Repeat("d", 40+bodyBytes)),
		}
		e.Chain = raft.ChainNext(prev.Chain, &e)
		v.Append = append(v.Append, e)
		l.marks = append(l.marks, raft.Mark{Index: e.Index, Term: e.Term, Chain: e.Chain, Time: e.Time})
	}
	l.marks = l.marks[max(len(l.marks)-2, 0):]
	l.hard.Commit = l.marks[0].Index
	hard := l.hard
	v.Hard = &hard
	if l.hard.Commit > l.applied {
		v.Applied, v.Effects = l.hard.Commit, traffic(l.applied+1, l.hard.Commit, bodyBytes)
		l.applied = l.hard.Commit
	}
	if l.seq%7 == 0 {
		v.Compact = l.applied - min(l.applied, raft.Index(l.seq%11))
	}
	return v
}

// opened makes a store and opens it.
func opened(t testing.TB, dir string) (*sqlite.Store, *life) {
	t.Helper()
	if err := sqlite.Init(dir, identity, birth.Genesis, tables); err != nil {
		t.Fatal(err)
	}
	return reopened(t, dir)
}

func reopened(t testing.TB, dir string) (*sqlite.Store, *life) {
	t.Helper()
	s, err := sqlite.Open(dir, identity, tables)
	if err != nil {
		t.Fatal(err)
	}
	rec, err := s.Recover()
	if err != nil {
		t.Fatal(err)
	}
	return s, lifeOf(rec)
}

func save(t testing.TB, s replica.Store, v replica.Save) replica.Saved {
	t.Helper()
	saved, err := s.Save(v)
	if err != nil {
		t.Fatal(err)
	}
	return saved
}
