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

// Whatever is altered behind the store's back is named when it is read, never served. Rows that are
// missing or stale are found by counting: the log by its indexes, the others by the digest.
func TestDamage(t *testing.T) {
	all := []row.Range{
		{Table: messages, From: math.MinInt64, To: math.MaxInt64},
		{Table: feeds, Eq: 919, From: 0, To: math.MaxInt64},
	}
	recover := func(s *sqlite.Store) error { _, err := s.Recover(); return err }
	after := func(find func(*sqlite.Store) error) func(*sqlite.Store) error {
		return func(s *sqlite.Store) error {
			if err := recover(s); err != nil {
				return err
			}
			return find(s)
		}
	}
	rows := after(func(s *sqlite.Store) error { _, err := s.Rows(all); return err })
	export := after(func(s *sqlite.Store) error { _, err := s.Export(); return err })
	stale := fmt.Sprintf("update mailbox set length = 9, cursor = 9, sum = %d where account = 0", mailbox(0, 9).Sum())
	put := func(s *sqlite.Store) error {
		rec, err := s.Recover()
		if err != nil {
			return err
		}
		v := lifeOf(rec).next(2, 1)
		v.Effects = []row.Effect{{Op: row.Delete, Row: message(5, "")}}
		_, err = s.Save(v)
		return err
	}
	cases := []struct {
		name, sql string
		find      func(*sqlite.Store) error
		says      string
	}{
		{"a letter of a body", "update message set body = replace(body, 'b', 'B') where id = 5 << 16", rows, "table message: row 327680"},
		{"the same, when it goes", "update message set body = replace(body, 'b', 'B') where id = 5 << 16", put, "table message: row 327680"},
		{"a number", "update feed set pos = pos + 1 where account = 919", rows, "table feed: row 919, 2"},
		{"a sum", "update message set sum = sum + 1 where id = 5 << 16", rows, "table message: row 327680"},
		{"a key", "update message set id = id + 1 where id = 5 << 16", rows, "table message: row 327681"},
		{"a hot row", "update mailbox set length = 1 where account = 0", recover, "table mailbox: row 0"},
		{"a hot row's key", "update session set device = x'00' where last = 60", recover, `table session: row "\x00"`},
		{"a row is gone", "delete from message where id = 5 << 16", export, "digest"},
		{"a hot row is gone", "delete from mailbox where account = 0", export, "digest"},
		{"a row as it once was", stale, export, "digest"},
		{"a row filed elsewhere", "update message set conversation = conversation + 1000", export, "table message"},
		{"an entry's data", "update log set data = x'00' where idx = (select max(idx) - 3 from log)", recover, "table log: row"},
		{"an entry is gone", "delete from log where idx = (select max(idx) - 3 from log)", recover, "is missing"},
		{"the first entry is gone", "delete from log where idx = (select min(idx) from log)", recover, "is missing"},
		{"the last entry is gone", "delete from log where idx = (select max(idx) from log)", recover, "missing"},
		{"the log is gone", "delete from log", recover, "missing"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dir := closed(t)
			raw(t, dir, c.sql)
			s, err := sqlite.Open(dir, identity, tables)
			if err != nil {
				t.Fatal(err)
			}
			err = c.find(s)
			s.Close()
			var refused *sqlite.Refused
			if !errors.As(err, &refused) || refused.Reason != sqlite.Damaged || refused.Hint == "" {
				t.Fatalf("got %v, want damage", err)
			}
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %q, want %q in it", err, c.says)
			}
		})
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
