package sqlite_test

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"parley/core/row"
	"parley/realnet/sqlite"
)

// raw changes a database behind the store's back.
func raw(t *testing.T, dir string, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "node.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// closed makes a store with some saves in it.
func closed(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(scratch(t), "data")
	s, l := opened(t, dir)
	for range 20 {
		save(t, s, l.next(5, 100))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
}

// Every directory that is not this node's store is refused with a reason and a hint, and untouched.
func TestOpenRefuses(t *testing.T) {
	anybody := sqlite.Identity{}
	cases := []struct {
		name   string
		make   func(t *testing.T) string
		want   sqlite.Identity
		reason sqlite.Reason
		says   string
	}{
		{"missing", func(t *testing.T) string { return filepath.Join(scratch(t), "data") }, anybody, sqlite.Missing, "does not exist"},
		{"empty", func(t *testing.T) string { return scratch(t) }, anybody, sqlite.Missing, "is empty"},
		{"half made", func(t *testing.T) string {
			dir := filepath.Join(scratch(t), "[data]")
			write(t, dir+".init.123/node.db", "half")
			return dir
		}, anybody, sqlite.Missing, "did not finish"},
		{"other files", func(t *testing.T) string {
			dir := scratch(t)
			write(t, filepath.Join(dir, "holiday.jpg"), "x")
			return dir
		}, anybody, sqlite.Foreign, "holds other files"},
		{"not a database", func(t *testing.T) string {
			dir := scratch(t)
			write(t, filepath.Join(dir, "node.db"), strings.Repeat("x", 5000))
			return dir
		}, anybody, sqlite.Foreign, "not a database of Parley"},
		{"another program's database", func(t *testing.T) string {
			dir := scratch(t)
			raw(t, dir, "create table t(x)")
			return dir
		}, anybody, sqlite.Foreign, "not a database of Parley"},
		{"cut short", func(t *testing.T) string {
			dir := closed(t)
			if err := os.Truncate(filepath.Join(dir, "node.db"), 50); err != nil {
				t.Fatal(err)
			}
			return dir
		}, anybody, sqlite.Damaged, "cut short"},
		{"another cluster", closed, sqlite.Identity{Cluster: [16]byte{9}}, sqlite.Foreign, "belongs to cluster"},
		{"another node", closed, sqlite.Identity{Node: 7}, sqlite.Foreign, "belongs to node 1, not 7"},
		{"another store", closed, sqlite.Identity{Store: [16]byte{9}}, sqlite.Foreign, "it is store"},
		{"newer", func(t *testing.T) string {
			dir := closed(t)
			raw(t, dir, "pragma user_version = 2")
			return dir
		}, anybody, sqlite.Newer, "format 2"},
		{"one table more", func(t *testing.T) string {
			dir := closed(t)
			raw(t, dir, "create table more(x)")
			return dir
		}, anybody, sqlite.Newer, "tables"},
		{"in use", func(t *testing.T) string {
			dir := closed(t)
			s, _ := reopened(t, dir)
			t.Cleanup(func() { s.Close() })
			return dir
		}, anybody, sqlite.InUse, "in use"},
		{"no identity", func(t *testing.T) string {
			dir := closed(t)
			raw(t, dir, "delete from ident")
			return dir
		}, anybody, sqlite.Damaged, "ident"},
		{"altered identity", func(t *testing.T) string {
			dir := closed(t)
			raw(t, dir, "update ident set node = 7")
			return dir
		}, anybody, sqlite.Damaged, "table ident: row 1"},
		{"no head", func(t *testing.T) string {
			dir := closed(t)
			raw(t, dir, "delete from hard")
			return dir
		}, anybody, sqlite.Damaged, "hard is empty"},
		{"altered vote", func(t *testing.T) string {
			dir := closed(t)
			raw(t, dir, "update hard set vote = 3 - vote")
			return dir
		}, anybody, sqlite.Damaged, "table hard: row 1"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dir := c.make(t)
			before := listing(dir)
			s, err := sqlite.Open(dir, c.want, tables)
			if err == nil {
				s.Close()
				t.Fatal("opened")
			}
			var refused *sqlite.Refused
			if !errors.As(err, &refused) || refused.Reason != c.reason || refused.Hint == "" {
				t.Fatalf("got %v, %+v, want reason %d with a hint", err, refused, c.reason)
			}
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %q, want %q in it", err, c.says)
			}
			if c.reason == sqlite.Missing && !slices.Equal(before, listing(dir)) {
				t.Errorf("the directory was %q, is %q", before, listing(dir))
			}
		})
	}
}

func listing(dir string) []string {
	var names []string
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// A refusal does not keep the right one from opening.
func TestOpenAfterRefusal(t *testing.T) {
	dir := closed(t)
	for range 3 {
		if _, err := sqlite.Open(dir, sqlite.Identity{Node: 9}, tables); err == nil {
			t.Fatal("opened as another node's")
		}
	}
	s, l := reopened(t, dir)
	if l.seq != 20 {
		t.Errorf("seq %d, want 20", l.seq)
	}
	got := s.Identity()
	if got.Cluster != identity.Cluster || got.Node != 1 || got.Store != identity.Store || string(got.Config) != string(identity.Config) || got.Chain != identity.Chain {
		t.Errorf("identity %+v, want %+v", got, identity)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// Init makes a store only where nothing is, only a whole one, and leaves nothing beside it.
func TestInitRefuses(t *testing.T) {
	parent := scratch(t)
	full := filepath.Join(parent, "full")
	write(t, filepath.Join(full, "x"), "x")
	err := sqlite.Init(full, identity, nil, tables)
	var refused *sqlite.Refused
	if !errors.As(err, &refused) || refused.Reason != sqlite.NotEmpty || refused.Hint == "" {
		t.Errorf("a directory with something in it: %v", err)
	}
	data := filepath.Join(parent, "data")
	twice := []row.Row{mailbox(1, 1), mailbox(1, 2)}
	named := &row.Table{Name: "log", Columns: mailboxes.Columns, Key: 1}
	summed := &row.Table{Name: "x", Columns: []row.Column{{Name: "sum"}}, Key: 1}
	nobody := identity
	nobody.Store = [16]byte{}
	for name, err := range map[string]error{
		"impossible rows":      sqlite.Init(data, identity, twice, tables),
		"incomplete identity":  sqlite.Init(data, nobody, nil, tables),
		"a table like ours":    sqlite.Init(data, identity, nil, []*row.Table{named}),
		"a table twice":        sqlite.Init(data, identity, nil, []*row.Table{mailboxes, mailboxes}),
		"a column of our name": sqlite.Init(data, identity, nil, []*row.Table{summed}),
	} {
		if err == nil {
			t.Errorf("%s: made", name)
		}
	}
	if got := listing(parent); !slices.Equal(got, []string{"full"}) {
		t.Errorf("left behind: %q", got)
	}
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	s, _ := opened(t, data) // into an empty directory
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := sqlite.Init(data, identity, nil, tables); err == nil {
		t.Error("made twice")
	}
	if got := listing(data); !slices.Equal(got, []string{"LOCK", "marker", "node.db"}) {
		t.Errorf("a closed store consists of %q", got)
	}
}
