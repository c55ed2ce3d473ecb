package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"modernc.org/sqlite"

	"parley/core/row"
)

// conn is one connection of the driver, used by one goroutine at a time. All calls get
// context.Background(): an unknown outcome may come from the disk, never from ourselves.
type conn struct {
	raw   driver.Conn
	stmts map[string]*stmt
	verbs map[*row.Table]*verbs
	known *known
	buf   []byte // for the bytes of one row
}

// uri is the data source name of a file. A plain path would lose its query string in the driver.
func uri(path, query string) string {
	return (&url.URL{Scheme: "file", Path: path, RawQuery: query}).String()
}

const (
	safe  = "&_dqs=0&_defensive=1&_pragma=mmap_size(0)&_pragma=trusted_schema(0)&_pragma=cell_size_check(1)"
	write = "&_txlock=immediate&_journal_mode=WAL&_synchronous=FULL&_busy_timeout=0" +
		"&_pragma=wal_autocheckpoint(0)&_pragma=cache_size(-16384)" + safe

	makerQuery  = "mode=rwc" + write
	writerQuery = "mode=rw" + write
	readerQuery = "mode=ro&_busy_timeout=1000" + safe
)

// What is asked for is read back. Readers may wait a moment, the writer never: a second writer is an
// error.
type setting struct{ name, want string }

var (
	writerSettings = append([]setting{
		{"journal_mode", "wal"}, {"synchronous", "2"}, {"wal_autocheckpoint", "0"}, {"locking_mode", "normal"},
		{"busy_timeout", "0"},
	}, readerSettings...)
	readerSettings = []setting{{"mmap_size", "0"}, {"trusted_schema", "0"}, {"cell_size_check", "1"}}
)

// prepareDriver sets what holds for the whole process, before the first connection.
func prepareDriver() error {
	sqlite.StrictPragmas(true)
	_, err := sqlite.OFDLocking(true)
	if err != nil && !errors.Is(err, sqlite.ErrOFDLockingUnavailable) {
		return fmt.Errorf("switch to OFD locks: %w", err)
	}
	return nil
}

// connect opens the database at path and reads back that it is as asked for.
func connect(d disk, path, query string) (*conn, error) {
	if err := prepareDriver(); err != nil {
		return nil, err
	}
	source := query
	if vfs := d.vfs(); vfs != "" {
		source += "&vfs=" + vfs
	}
	connector, err := sqlite.NewConnector(uri(path, source))
	if err != nil {
		return nil, err
	}
	raw, err := connector.Connect(context.Background())
	if err != nil {
		return nil, err
	}
	c := &conn{raw: raw, stmts: map[string]*stmt{}, verbs: map[*row.Table]*verbs{},
		known: newKnown(knownMost)}
	if err := c.checkPragmas(query == readerQuery); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

func (c *conn) checkPragmas(reader bool) error {
	check := writerSettings
	if reader {
		check = readerSettings
	}
	for _, p := range check {
		got, err := c.pragma(p.name)
		if err != nil {
			return err
		}
		if got != p.want {
			return fmt.Errorf("pragma %s is %q, want %q", p.name, got, p.want)
		}
	}
	state, ok := c.raw.(interface{ IsReadOnly(string) (bool, error) })
	if !ok {
		return errors.New("the driver cannot say whether a connection is read-only")
	}
	ro, err := state.IsReadOnly("main")
	if err == nil && ro != reader {
		err = fmt.Errorf("connection is read-only: %t, want %t", ro, reader)
	}
	return err
}

// pragma asks for a setting, as text.
func (c *conn) pragma(name string) (string, error) {
	values, err := c.one("PRAGMA " + name)
	if err != nil {
		return "", fmt.Errorf("pragma %s: %w", name, err)
	}
	if len(values) == 0 {
		return "", fmt.Errorf("pragma %s: no answer", name)
	}
	return fmt.Sprint(values[0]), nil
}

// exec runs a statement that is not worth keeping.
func (c *conn) exec(sql string) error {
	_, err := c.raw.(driver.ExecerContext).ExecContext(context.Background(), sql, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", firstWords(sql), err)
	}
	return nil
}

// one runs a query that is not worth keeping and gives its first row, or nil.
func (c *conn) one(sql string) (first []driver.Value, err error) {
	rows, err := c.raw.(driver.QueryerContext).QueryContext(context.Background(), sql, nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	values := make([]driver.Value, len(rows.Columns()))
	if err := rows.Next(values); err == io.EOF {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	return values, nil
}

// prepare gives the statement for sql, which it keeps.
func (c *conn) prepare(sql string) (*stmt, error) {
	if s, ok := c.stmts[sql]; ok {
		return s, nil
	}
	raw, err := c.raw.Prepare(sql)
	if err != nil {
		return nil, fmt.Errorf("prepare %s: %w", firstWords(sql), err)
	}
	s := &stmt{sql: sql, raw: raw, args: make([]driver.NamedValue, strings.Count(sql, "?"))}
	for i := range s.args {
		s.args[i].Ordinal = i + 1
	}
	c.stmts[sql] = s
	return s, nil
}

// run prepares sql, if that was not done before, and executes it.
func (c *conn) run(sql string, args ...int64) error {
	s, err := c.prepare(sql)
	if err != nil {
		return err
	}
	return s.ints(args...).exec()
}

func (c *conn) close() error {
	var errs []error
	for _, s := range c.stmts {
		errs = append(errs, s.raw.Close())
	}
	return errors.Join(append(errs, c.raw.Close())...)
}

// stmt is a prepared statement and its arguments.
type stmt struct {
	sql  string
	raw  driver.Stmt
	args []driver.NamedValue
	dest []driver.Value // of one row
	n    int            // arguments bound
}

// ints sets the first arguments and forgets the others.
func (s *stmt) ints(args ...int64) *stmt {
	for i, v := range args {
		s.args[i].Value = v
	}
	s.n = len(args)
	return s
}

// add appends column values to the arguments.
func (s *stmt) add(columns []row.Column, values []row.Value) *stmt {
	for i, v := range values {
		switch columns[i].Kind {
		case row.Int:
			s.args[s.n].Value = v.Int
		case row.Text:
			s.args[s.n].Value = v.Str
		case row.Blob:
			s.args[s.n].Value = bytesOf(v.Str)
		}
		s.n++
	}
	return s
}

// int appends a number to the arguments.
func (s *stmt) int(v int64) *stmt {
	s.args[s.n].Value = v
	s.n++
	return s
}

func (s *stmt) bound() ([]driver.NamedValue, error) {
	if s.n != len(s.args) {
		return nil, fmt.Errorf("%s: %d arguments, want %d", firstWords(s.sql), s.n, len(s.args))
	}
	s.n = 0
	return s.args, nil
}

func (s *stmt) exec() error {
	args, err := s.bound()
	if err != nil {
		return err
	}
	if _, err := s.raw.(driver.StmtExecContext).ExecContext(context.Background(), args); err != nil {
		return fmt.Errorf("%s: %w", firstWords(s.sql), err)
	}
	return nil
}

// each runs the query and gives fn every row. The values are valid until fn returns, except that
// byte slices and strings are its own.
func (s *stmt) each(fn func([]driver.Value) error) (err error) {
	args, err := s.bound()
	if err != nil {
		return err
	}
	rows, err := s.raw.(driver.StmtQueryContext).QueryContext(context.Background(), args)
	if err != nil {
		return fmt.Errorf("%s: %w", firstWords(s.sql), err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	if s.dest == nil {
		s.dest = make([]driver.Value, len(rows.Columns()))
	}
	for {
		if err := rows.Next(s.dest); err == io.EOF {
			return nil
		} else if err != nil {
			return fmt.Errorf("%s: %w", firstWords(s.sql), err)
		}
		if err := fn(s.dest); err != nil {
			return err
		}
	}
}

// firstWords of a statement are enough to know it by; the rest is columns.
func firstWords(sql string) string {
	words := strings.Fields(sql)
	return strings.Join(words[:min(len(words), 4)], " ")
}
