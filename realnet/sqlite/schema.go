package sqlite

import (
	"fmt"
	"slices"
	"strings"

	"parley/core/row"
)

const (
	applicationID = 0x5041524c // "PARL"
	userVersion   = 1
)

// The local tables. They are rows like all others, with a sum each, but no snapshot has them.
var (
	identTable = &row.Table{
		Name: "ident",
		Columns: []row.Column{
			{Name: "one", Kind: row.Int}, {Name: "cluster", Kind: row.Blob}, {Name: "node", Kind: row.Int},
			{Name: "store", Kind: row.Blob}, {Name: "chain", Kind: row.Blob}, {Name: "config", Kind: row.Blob},
			{Name: "boot", Kind: row.Int},
		},
		Key: 1,
	}
	hardTable = &row.Table{
		Name: "hard",
		Columns: []row.Column{
			{Name: "one", Kind: row.Int}, {Name: "seq", Kind: row.Int},
			{Name: "term", Kind: row.Int}, {Name: "vote", Kind: row.Int}, {Name: "commit", Kind: row.Int},
			{Name: "applied", Kind: row.Int}, {Name: "digest", Kind: row.Blob},
			{Name: "compact_idx", Kind: row.Int}, {Name: "compact_term", Kind: row.Int},
			{Name: "compact_chain", Kind: row.Blob}, {Name: "compact_time", Kind: row.Int},
			{Name: "last_idx", Kind: row.Int}, {Name: "last_term", Kind: row.Int},
			{Name: "last_chain", Kind: row.Blob}, {Name: "last_time", Kind: row.Int},
		},
		Key: 1,
	}
	logTable = &row.Table{
		Name: "log",
		Columns: []row.Column{
			{Name: "idx", Kind: row.Int}, {Name: "term", Kind: row.Int}, {Name: "kind", Kind: row.Int},
			{Name: "time", Kind: row.Int}, {Name: "data", Kind: row.Blob}, {Name: "chain", Kind: row.Blob},
		},
		Key: 1, Sequential: true,
	}
	localTables = []*row.Table{identTable, hardTable, logTable}
)

// indexSuffix is what the name of a table's index ends in.
const indexSuffix = "_index"

// sumColumn is the row.Sum that every table has behind its own columns.
const sumColumn = "sum"

// checkCatalogue says whether tables of these names and columns can stand beside ours.
func checkCatalogue(tables []*row.Table) error {
	seen := map[string]bool{}
	for _, t := range append(slices.Clone(localTables), tables...) {
		if seen[t.Name] {
			return fmt.Errorf("two tables are called %q", t.Name)
		}
		seen[t.Name] = true
		for _, c := range t.Columns {
			if c.Name == sumColumn {
				return fmt.Errorf("table %q has a column %q of its own", t.Name, sumColumn)
			}
		}
	}
	return nil
}

// schema is the statements that make t.
func schema(t *row.Table) []string {
	var b strings.Builder
	fmt.Fprintf(&b, "CREATE TABLE %s (", quote(t.Name))
	for _, c := range t.Columns {
		fmt.Fprintf(&b, "%s %s NOT NULL", quote(c.Name), [...]string{"INTEGER", "TEXT", "BLOB"}[c.Kind])
		if t.Sequential && c == t.Columns[0] {
			b.WriteString(" PRIMARY KEY")
		}
		b.WriteString(", ")
	}
	fmt.Fprintf(&b, "%s INTEGER NOT NULL", sumColumn)
	if t.Sequential {
		b.WriteString(") STRICT") // a rowid table: rows with bodies, appended in order
	} else {
		fmt.Fprintf(&b, ", PRIMARY KEY (%s)) STRICT, WITHOUT ROWID", list(t, keyColumns(t)))
	}
	made := []string{b.String()}
	if len(t.Index) > 0 {
		made = append(made, fmt.Sprintf("CREATE UNIQUE INDEX %s ON %s (%s)",
			quote(t.Name+indexSuffix), quote(t.Name), list(t, t.Index)))
	}
	return made
}

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func keyColumns(t *row.Table) []int { return columns(0, t.Key) }

func columns(from, to int) []int {
	var list []int
	for i := from; i < to; i++ {
		list = append(list, i)
	}
	return list
}

// join writes each column, followed by what, with sep between.
func join(t *row.Table, columns []int, what, sep string) string {
	var parts []string
	for _, i := range columns {
		parts = append(parts, quote(t.Columns[i].Name)+what)
	}
	return strings.Join(parts, sep)
}

func list(t *row.Table, columns []int) string  { return join(t, columns, "", ", ") }
func where(t *row.Table, columns []int) string { return join(t, columns, " = ?", " AND ") }

// The statements on one table. Columns come in the table's order, the sum last.

// writeSQL takes n rows.
func writeSQL(t *row.Table, verb string, n int) string {
	one := "(" + strings.Repeat("?, ", len(t.Columns)) + "?)"
	return fmt.Sprintf("%s INTO %s VALUES %s%s", verb, quote(t.Name), strings.Repeat(one+", ", n-1), one)
}

// updateSQL takes the columns behind the key, the sum, then the key.
func updateSQL(t *row.Table) string {
	set := ""
	if t.Key < len(t.Columns) {
		set = join(t, columns(t.Key, len(t.Columns)), " = ?", ", ") + ", "
	}
	return fmt.Sprintf("UPDATE %s SET %s%s = ? WHERE %s", quote(t.Name), set, sumColumn, where(t, keyColumns(t)))
}

func deleteSQL(t *row.Table) string {
	return fmt.Sprintf("DELETE FROM %s WHERE %s", quote(t.Name), where(t, keyColumns(t)))
}

func clearSQL(t *row.Table) string { return "DELETE FROM " + quote(t.Name) }

func selectSQL(t *row.Table) string {
	return fmt.Sprintf("SELECT %s, %s FROM %s", list(t, columns(0, len(t.Columns))), sumColumn, quote(t.Name))
}

func byKeySQL(t *row.Table) string { return selectSQL(t) + " WHERE " + where(t, keyColumns(t)) }

func allSQL(t *row.Table) string {
	return selectSQL(t) + " ORDER BY " + list(t, keyColumns(t))
}

// indexSQL reads the index of t and nothing else.
func indexSQL(t *row.Table) string {
	return fmt.Sprintf("SELECT %s FROM %s INDEXED BY %s ORDER BY %s",
		list(t, indexColumns(t)), quote(t.Name), quote(t.Name+indexSuffix), list(t, t.Index))
}

// rangeSQL takes Eq if the path has two columns, From, To and the limit (-1: none).
func rangeSQL(t *row.Table, path []int, desc bool) string {
	last := quote(t.Columns[path[len(path)-1]].Name)
	eq, order := "", "ASC"
	if len(path) == 2 {
		eq = where(t, path[:1]) + " AND "
	}
	if desc {
		order = "DESC"
	}
	return fmt.Sprintf("%s WHERE %s%s BETWEEN ? AND ? ORDER BY %s %s LIMIT ?", selectSQL(t), eq, last, last, order)
}
