package parley_test

import (
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// In core and sim there is nothing by which two runs of the same inputs could differ.
func TestDeterminism(t *testing.T) {
	load := exports(t, "./core/...", "./sim/...")
	_, packages := ours(t)
	for name, p := range packages {
		if !deterministic(name) {
			continue
		}
		for _, f := range inspect(t, load, p.ImportPath, p.Dir, p.GoFiles) {
			t.Errorf("%s: %s: %s", f.pos, f.rule, f.text)
		}
	}
}

// Each rule has a planted violation, marked in its line, and the planted files hold no other.
func TestDeterminismBansBite(t *testing.T) {
	load := exports(t, "fmt", "maps", "math", "slices", "strings", "time", "sort", "strconv")
	dir := filepath.Join("tools", "testdata", "arch", "determinism")
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	bitten := map[string]bool{}
	for _, e := range entries {
		found := map[string]bool{}
		for _, f := range inspect(t, load, "planted", dir, []string{e.Name()}) {
			bitten[f.rule] = true
			found[fmt.Sprintf("%s:%d: %s", e.Name(), f.pos.Line, f.rule)] = true
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(text), "\n") {
			if _, rule, ok := strings.Cut(line, "// want "); ok {
				key := fmt.Sprintf("%s:%d: %s", e.Name(), i+1, rule)
				if !found[key] {
					t.Errorf("not found: %s", key)
				}
				delete(found, key)
			}
		}
		for key := range found {
			t.Errorf("found where nothing was planted: %s", key)
		}
	}
	for _, rule := range []string{ruleClock, ruleGo, ruleChannel, ruleMapOrder, ruleFloat, ruleAddress, ruleGlobal, ruleUnicode, ruleIO} {
		if !bitten[rule] {
			t.Errorf("nothing is planted for %q", rule)
		}
	}
}

// The rules beyond imports. (sync, math/rand, os, net and unsafe are refused as imports.)
const (
	ruleClock    = "clock"
	ruleGo       = "goroutine"
	ruleChannel  = "channel"
	ruleMapOrder = "map order"
	ruleFloat    = "float"
	ruleAddress  = "address"
	ruleGlobal   = "global"
	ruleUnicode  = "unicode table"
	ruleIO       = "i/o"
)

// forbidden functions of packages that may be imported.
var forbidden = map[string]string{
	"time.Now": ruleClock, "time.Since": ruleClock, "time.Until": ruleClock, "time.Sleep": ruleClock,
	"time.After": ruleClock, "time.AfterFunc": ruleClock, "time.Tick": ruleClock, "time.NewTimer": ruleClock,
	"time.NewTicker": ruleClock, "time.Local": ruleClock, "time.LoadLocation": ruleClock,
	// Two binaries with different Unicode tables would disagree.
	"strings.ToLower": ruleUnicode, "strings.ToUpper": ruleUnicode, "strings.ToTitle": ruleUnicode,
	"strings.Title": ruleUnicode, "strings.EqualFold": ruleUnicode, "bytes.ToLower": ruleUnicode,
	"bytes.ToUpper": ruleUnicode, "bytes.ToTitle": ruleUnicode, "bytes.Title": ruleUnicode, "bytes.EqualFold": ruleUnicode,
	"fmt.Print": ruleIO, "fmt.Printf": ruleIO, "fmt.Println": ruleIO, "fmt.Scan": ruleIO, "fmt.Scanf": ruleIO, "fmt.Scanln": ruleIO,
	// Allowed where a sort follows at once: see ordered.
	"maps.Keys": ruleMapOrder, "maps.Values": ruleMapOrder, "maps.All": ruleMapOrder,
}

// allowance marks a line that breaks a rule in form and not in substance, with the reason:
// "//arch:allow map order: a sum does not depend on it". It counts for its line and the next.
var allowance = regexp.MustCompile(`^//arch:allow ([a-z/ ]+): \S`)

// finding is a rule broken somewhere.
type finding struct {
	pos        token.Position
	rule, text string
}

// exports gives an importer over the compiled packages that the named ones need.
func exports(t *testing.T, names ...string) func(*token.FileSet) types.Importer {
	t.Helper()
	files := map[string]string{}
	for _, p := range goList(t, append([]string{"-export", "-deps"}, names...)...) {
		files[p.ImportPath] = p.Export
	}
	return func(fset *token.FileSet) types.Importer {
		return importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(files[path]) })
	}
}

// inspect reads the files of one package, with types, and tells what breaks a rule.
func inspect(t *testing.T, load func(*token.FileSet) types.Importer, path, dir string, names []string) []finding {
	t.Helper()
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range names {
		f, err := parser.ParseFile(fset, filepath.Join(dir, name), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	info := types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}, Defs: map[*ast.Ident]types.Object{}}
	conf := types.Config{Importer: load(fset)}
	if _, err := conf.Check(path, fset, files, &info); err != nil {
		t.Fatal(err)
	}
	in := inspector{fset: fset, info: info}
	for _, f := range files {
		in.file(f)
	}
	return in.found
}

type inspector struct {
	fset    *token.FileSet
	info    types.Info
	allowed map[string]bool // rule and line of the file at hand
	sorted  map[ast.Node]bool
	found   []finding
}

func (in *inspector) file(f *ast.File) {
	in.allowed, in.sorted = map[string]bool{}, map[ast.Node]bool{}
	for _, group := range f.Comments {
		for _, c := range group.List {
			if m := allowance.FindStringSubmatch(c.Text); m != nil {
				line := in.fset.Position(c.Pos()).Line
				in.allowed[fmt.Sprint(m[1], line)], in.allowed[fmt.Sprint(m[1], line+1)] = true, true
			}
		}
	}
	ast.Inspect(f, in.node)
}

func (in *inspector) report(n ast.Node, rule, format string, args ...any) {
	pos := in.fset.Position(n.Pos())
	same := func(f finding) bool {
		return f.rule == rule && f.pos.Filename == pos.Filename && f.pos.Line == pos.Line
	}
	if !in.allowed[fmt.Sprint(rule, pos.Line)] && !slices.ContainsFunc(in.found, same) {
		in.found = append(in.found, finding{pos, rule, fmt.Sprintf(format, args...)})
	}
}

func (in *inspector) node(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.GoStmt:
		in.report(n, ruleGo, "a machine runs where it is called")
	case *ast.ChanType:
		in.report(n, ruleChannel, "inputs come in through Step, outputs go out in Output")
	case *ast.SelectStmt:
		in.report(n, ruleChannel, "select chooses by chance")
	case *ast.BlockStmt:
		in.ordered(n.List)
	case *ast.CaseClause:
		in.ordered(n.Body)
	case *ast.RangeStmt:
		if isMap(in.info.TypeOf(n.X)) && !in.sorted[n] && !commutes(n) {
			in.report(n, ruleMapOrder, "range over a map, and no sort right after")
		}
	case *ast.CallExpr:
		in.call(n)
	case *ast.Ident:
		in.ident(n)
	case *ast.BasicLit:
		if n.Kind == token.STRING && pointerVerb.MatchString(strings.ReplaceAll(n.Value, "%%", "")) {
			in.report(n, ruleAddress, "%%p prints an address")
		}
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			for _, left := range n.Lhs {
				in.assigned(left)
			}
		}
	case *ast.IncDecStmt:
		in.assigned(n.X)
	}
	if e, ok := n.(ast.Expr); ok && isFloat(in.info.TypeOf(e)) {
		in.report(n, ruleFloat, "floating point differs between machines")
	}
	return true
}

var pointerVerb = regexp.MustCompile(`%[-+# 0-9]*p`)

// ordered marks the map ranges of a block that a sort follows at once.
func (in *inspector) ordered(list []ast.Stmt) {
	for i, s := range list[:max(len(list)-1, 0)] {
		if r, ok := s.(*ast.RangeStmt); ok {
			if e, ok := list[i+1].(*ast.ExprStmt); ok && isSort(e.X) {
				in.sorted[r] = true
			}
		}
	}
}

// call marks iterators over maps that go straight into a sort: slices.Sorted(maps.Keys(m)).
func (in *inspector) call(c *ast.CallExpr) {
	if isSort(c) {
		for _, arg := range c.Args {
			if inner, ok := arg.(*ast.CallExpr); ok {
				if sel, ok := inner.Fun.(*ast.SelectorExpr); ok {
					in.sorted[sel.Sel] = true
				}
			}
		}
	}
}

func (in *inspector) ident(id *ast.Ident) {
	obj := in.info.Uses[id]
	if obj == nil || obj.Pkg() == nil || obj.Parent() != obj.Pkg().Scope() {
		return
	}
	name := obj.Pkg().Path() + "." + obj.Name()
	if rule := forbidden[name]; rule != "" && !in.sorted[id] {
		in.report(id, rule, "%s", name)
	}
}

// assigned refuses to change a variable of a package: state belongs to a machine.
func (in *inspector) assigned(e ast.Expr) {
	for {
		switch x := e.(type) {
		case *ast.IndexExpr:
			e = x.X
		case *ast.SelectorExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.Ident:
			if v, ok := in.info.Uses[x].(*types.Var); ok && v.Pkg() != nil && v.Parent() == v.Pkg().Scope() {
				in.report(x, ruleGlobal, "%s belongs to the package, state belongs to a machine", x.Name)
			}
			return
		default:
			return
		}
	}
}

func isSort(e ast.Expr) bool {
	c, ok := e.(*ast.CallExpr)
	if !ok {
		return false
	}
	sel, ok := c.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	from, ok := sel.X.(*ast.Ident)
	return ok && (from.Name == "slices" || from.Name == "sort") &&
		(strings.HasPrefix(sel.Sel.Name, "Sort") || sel.Sel.Name == "Slice" || sel.Sel.Name == "Strings")
}

// commutes says that a loop does the same in any order: all it does is to fill, by its key, another
// map, to delete by its key, or to count.
func commutes(r *ast.RangeStmt) bool {
	key, ok := r.Key.(*ast.Ident)
	if !ok {
		return r.Key == nil
	}
	for _, s := range r.Body.List {
		switch s := s.(type) {
		case *ast.AssignStmt:
			for _, left := range s.Lhs {
				x, ok := left.(*ast.IndexExpr)
				if !ok {
					return false
				}
				if by, ok := x.Index.(*ast.Ident); !ok || by.Name != key.Name {
					return false
				}
			}
		case *ast.ExprStmt:
			c, ok := s.X.(*ast.CallExpr)
			if !ok || len(c.Args) != 2 {
				return false
			}
			fun, ok := c.Fun.(*ast.Ident)
			by, ok2 := c.Args[1].(*ast.Ident)
			if !ok || !ok2 || fun.Name != "delete" || by.Name != key.Name {
				return false
			}
		case *ast.IncDecStmt:
			if _, ok := s.X.(*ast.Ident); !ok {
				return false
			}
		default:
			return false
		}
	}
	return true
}

func isMap(t types.Type) bool {
	if t == nil {
		return false
	}
	_, ok := t.Underlying().(*types.Map)
	return ok
}

func isFloat(t types.Type) bool {
	if t == nil {
		return false
	}
	// Constants without a type are exact: only with one do they meet a machine.
	b, ok := t.Underlying().(*types.Basic)
	return ok && b.Info()&(types.IsFloat|types.IsComplex) != 0 && b.Info()&types.IsUntyped == 0
}
