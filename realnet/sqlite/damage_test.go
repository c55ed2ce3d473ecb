package sqlite_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"parley/core/replica"
	"parley/core/row"
	"parley/realnet/sqlite"
)

// damages are what may have become of a store's rows.
var damages = []struct {
	name, sql string
	verdict   sqlite.Verdict
	says      string
}{
	{"a letter of a body", "update message set body = replace(body, 'b', 'B') where id = 5 << 16", sqlite.StateDamaged, "table message: row 327680"},
	{"a number", "update feed set pos = pos + 1 where account = 919", sqlite.StateDamaged, "table feed: row 919, 2"},
	{"a sum", "update message set sum = sum + 1 where id = 5 << 16", sqlite.StateDamaged, "table message: row 327680"},
	{"a key", "update message set id = id + 1 where id = 5 << 16", sqlite.StateDamaged, "table message: row 327681"},
	{"a hot row", "update mailbox set length = 1 where account = 0", sqlite.StateDamaged, "table mailbox: row 0"},
	{"a hot row's key", "update session set device = x'00' where last = 60", sqlite.StateDamaged, `table session: row "\x00"`},
	{"a row is gone", "delete from message where id = 5 << 16", sqlite.StateDamaged, "digest"},
	{"a hot row is gone", "delete from mailbox where account = 0", sqlite.StateDamaged, "digest"},
	{"a row as it once was", fmt.Sprintf("update mailbox set length = 9, cursor = 9, sum = %d where account = 0", mailbox(0, 9).Sum()),
		sqlite.StateDamaged, "digest"},
	{"a row filed elsewhere", "update message set conversation = conversation + 1000", sqlite.StateDamaged, "table message"},
	{"an entry's data", "update log set data = x'00' where idx = (select max(idx) - 3 from log)", sqlite.EntryDamaged, "table log: row"},
	{"an entry is gone", "delete from log where idx = (select max(idx) - 3 from log)", sqlite.EntryDamaged, "is missing"},
	{"the first entry is gone", "delete from log where idx = (select min(idx) from log)", sqlite.EntryDamaged, "is missing"},
	{"the last entry is gone", "delete from log where idx = (select max(idx) from log)", sqlite.EntryDamaged, "missing"},
	{"the log is gone", "delete from log", sqlite.EntryDamaged, "missing"},
	{"one entry too many", "insert into log select idx + 1, term, kind, time, data, chain, sum from log order by idx desc limit 1",
		sqlite.EntryDamaged, "table log: row"},
	{"an entry of an index is gone", `drop index message_index;
		create unique index message_index on message (conversation, seq) where id <> 5 << 16; pragma writable_schema = on;
		update sqlite_schema set sql = 'CREATE UNIQUE INDEX "message_index" ON "message" ("conversation", "seq")' where name = 'message_index'`,
		sqlite.StateDamaged, "its index is not that of its rows"},
	{"another vote", "update hard set vote = 3 - vote", sqlite.LostTail, "table hard: row 1"},
}

// Whatever was altered behind the store's back is named when it is opened, with what it means; nothing
// of it is ever served. Rows that are missing or stale are found by counting: the log by its indexes,
// the others by the digest.
func TestDamage(t *testing.T) {
	for _, c := range damages {
		t.Run(c.name, func(t *testing.T) {
			dir := closed(t)
			raw(t, dir, c.sql)
			for range 2 { // a refusal does not heal
				s, err := sqlite.Open(dir, identity, tables)
				if err == nil {
					s.Close()
				}
				wantDamage(t, err, c.says)
				var refused *sqlite.Refused
				if errors.As(err, &refused) && refused.Verdict != c.verdict {
					t.Errorf("verdict %v, want %v", refused.Verdict, c.verdict)
				}
			}
		})
	}
}

func wantDamage(t *testing.T, err error, says string) {
	t.Helper()
	var refused *sqlite.Refused
	if !errors.As(err, &refused) || refused.Reason != sqlite.Damaged || refused.Hint == "" {
		t.Fatalf("got %v, want damage", err)
	}
	if !strings.Contains(err.Error(), says) {
		t.Errorf("got %q, want %q in it", err, says)
	}
}

// What is altered while the store is open is found when it is read.
func TestDamageInService(t *testing.T) {
	all := []row.Range{
		{Table: messages, From: math.MinInt64, To: math.MaxInt64},
		{Table: feeds, Eq: 919, From: 0, To: math.MaxInt64},
	}
	rows := func(s *sqlite.Store, _ *life) error { _, err := s.Rows(all); return err }
	export := func(s *sqlite.Store, _ *life) error { _, err := s.Export(); return err }
	put := func(s *sqlite.Store, l *life) error {
		v := l.next(2, 1)
		v.Effects = []row.Effect{{Op: row.Delete, Row: message(5, "")}}
		_, err := s.Save(v)
		return err
	}
	finds := map[string]func(*sqlite.Store, *life) error{
		"a letter of a body": rows, "a number": rows, "a sum": put, "a key": rows, "a row filed elsewhere": put,
		"a row is gone": export, "a hot row is gone": export, "a row as it once was": export,
	}
	for _, c := range damages {
		if find := finds[c.name]; find != nil {
			t.Run(c.name, func(t *testing.T) {
				dir := closed(t)
				s, l := reopened(t, dir)
				defer s.Close()
				raw(t, dir, c.sql)
				wantDamage(t, find(s, l), c.says)
			})
		}
	}
}

// A second writer is an error, never a wait: there must not be one.
func TestSecondWriter(t *testing.T) {
	dir := closed(t)
	s, l := reopened(t, dir)
	defer s.Close()
	db := lockOut(t, dir)
	if _, err := s.Save(l.next(1, 1)); err == nil {
		t.Fatal("saved beside another writer")
	}
	if err := db(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Save(replica.Save{Seq: l.seq}); err == nil {
		t.Error("saved after an error")
	}
}
