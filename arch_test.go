// Package parley_test holds what is true of the whole tree and of no single room: who may import
// whom, what the deterministic rooms may not even mention, which modules there are, and that CI is
// what it says. It is a policy: code changes to fit it, not the other way round. Every ban has a
// planted violation in tools/testdata/arch, because a rule that matches nothing looks just like a rule
// that is kept.
package parley_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// room is one package and what may enter it. Names of our own are relative to the module.
type room struct {
	name    string
	ours    string // packages of ours it may import
	modules string // other modules' packages, by prefix
	tests   string // what its tests may import beyond that, ours and others'
	std     string // if not empty, the only standard packages it may import
}

const (
	coreStd = `bytes cmp crypto/sha256 encoding/binary errors fmt hash/crc32 hash/fnv maps math/bits
		slices sort strconv strings time unicode/utf8`
	simStd = coreStd + ` bufio embed encoding/json io`

	machines = `core/chat core/feed core/raft core/replica core/row core/session`
	rapid    = `pgregory.net/rapid`
	goCmp    = `github.com/google/go-cmp`
)

// The rooms. A package that is not here may not exist; a line without a package may not stay.
var rooms = []room{
	{name: "core/row", std: coreStd, tests: rapid},
	{name: "core/raft", std: coreStd},
	{name: "core/feed", std: coreStd, tests: rapid},
	{name: "core/session", ours: "core/row", std: coreStd, tests: rapid},
	{name: "core/chat", ours: "core/row", std: coreStd, tests: rapid},
	{name: "core/replica", ours: "core/chat core/feed core/raft core/row core/session", std: coreStd,
		tests: "core/replica/storagetest " + rapid},
	// A contract for stores, run by their tests: it needs testing, and goroutines to test with.
	{name: "core/replica/storagetest", ours: "core/raft core/replica core/row",
		std: coreStd + " math sync sync/atomic testing", tests: rapid},

	{name: "sim", ours: machines + " linearizability", std: simStd,
		// The wire is a codec of packets that tests plug in.
		tests: "core/replica/storagetest realnet/wire google.golang.org/protobuf " + rapid},
	{name: "sim/explore", ours: "core/raft", std: coreStd},
	// The judge shares no code with what it judges.
	{name: "linearizability", modules: "github.com/anishathalye/porcupine", tests: goCmp + " " + rapid},

	{name: "realnet/wire", ours: machines, modules: "google.golang.org/grpc google.golang.org/protobuf",
		tests: goCmp},
	{name: "realnet/sqlite", ours: "core/raft core/replica core/row", modules: "modernc.org/sqlite",
		// Its tests put SQLite on a disk of theirs, which takes SQLite's own interface, and thus its C types.
		tests: "core/replica/storagetest modernc.org/libc " + rapid},
	{name: "realnet", ours: machines + " realnet/sqlite realnet/wire",
		modules: "google.golang.org/grpc golang.org/x/crypto/argon2",
		tests:   "core/replica/storagetest realnet/realnettest " + goCmp},
	{name: "realnet/recording", ours: "core/chat core/replica core/session linearizability realnet",
		tests: "core/raft"},
	{name: "realnet/backup", ours: "core/chat core/raft core/replica core/row realnet", tests: "realnet/realnettest core/session"},
	{name: "realnet/realnettest", ours: machines + " realnet realnet/wire", modules: "google.golang.org/grpc"},

	{name: "cmd/parley", ours: machines + " linearizability realnet realnet/recording realnet/wire",
		modules: "github.com/spf13 golang.org/x/term", tests: "realnet/realnettest " + goCmp},
	{name: "cmd/parleyd", ours: machines + " linearizability realnet realnet/backup realnet/wire realnet/sqlite",
		modules: "github.com/spf13", tests: "realnet/realnettest realnet/recording"},
	{name: "cmd/parleysim", ours: "core/replica realnet/wire sim sim/explore",
		modules: "github.com/spf13 golang.org/x/term google.golang.org/protobuf"},
	{name: "cmd/parleybench", ours: machines + " linearizability realnet realnet/recording realnet/wire",
		modules: "github.com/spf13", tests: "realnet/realnettest"},
}

// The rooms in which the same inputs must give the same outputs for ever.
func deterministic(name string) bool {
	return name == "sim" || name == "sim/explore" || strings.HasPrefix(name, "core/") && name != "core/replica/storagetest"
}

// Nothing that a binary contains may reach these.
var testOnly = strings.Fields("testing core/replica/storagetest realnet/realnettest " + rapid + " " + goCmp)

// pkg is what go list says about a package.
type pkg struct {
	ImportPath, Dir, Name, Export string
	GoFiles                       []string
	Imports                       []string
	TestImports, XTestImports     []string
	Standard                      bool
	Module                        *struct{ Path string }
}

func goList(t *testing.T, args ...string) []pkg {
	t.Helper()
	fields := "-json=ImportPath,Dir,Name,Export,GoFiles,Imports,TestImports,XTestImports,Standard,Module"
	cmd := exec.Command("go", append([]string{"list", fields}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list %s: %v", strings.Join(args, " "), err)
	}
	var list []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
}

// ours are the packages of the module by their name in it, without the one of this file.
func ours(t *testing.T) (module string, byName map[string]pkg) {
	t.Helper()
	byName = map[string]pkg{}
	for _, p := range goList(t, "./...") {
		module = p.Module.Path
		if name := strings.TrimPrefix(p.ImportPath, module+"/"); name != p.ImportPath {
			byName[name] = p
		}
	}
	return module, byName
}

// Who may import whom.
func TestImports(t *testing.T) {
	module, packages := ours(t)
	known := map[string]bool{}
	for _, r := range rooms {
		known[r.name] = true
		p, ok := packages[r.name]
		if !ok {
			t.Errorf("the table has %s, the tree has not", r.name)
		}
		for _, imp := range p.Imports {
			if why := r.refuses(module, imp); why != "" {
				t.Errorf("%s imports %s: %s", r.name, imp, why)
			}
		}
		tests := room{name: r.name, ours: r.ours + " " + r.tests + " " + r.name, modules: r.modules + " " + r.tests}
		for _, imp := range append(p.TestImports, p.XTestImports...) {
			if why := tests.refuses(module, imp); why != "" {
				t.Errorf("a test of %s imports %s: %s", r.name, imp, why)
			}
		}
	}
	for name := range packages {
		if !known[name] {
			t.Errorf("%s is not in the table: a new room, or a new arrow, needs a line there and an ADR", name)
		}
	}
}

// refuses says why r may not import imp, or nothing.
func (r room) refuses(module, imp string) string {
	if imp == "C" || imp == "plugin" {
		return "not in this house"
	}
	if own, ok := strings.CutPrefix(imp, module+"/"); ok {
		if !slices.Contains(strings.Fields(r.ours), own) {
			return "it may import of ours: " + orNothing(r.ours)
		}
		return ""
	}
	if first, _, _ := strings.Cut(imp, "/"); strings.Contains(first, ".") {
		for _, m := range strings.Fields(r.modules) {
			if imp == m || strings.HasPrefix(imp, m+"/") {
				return ""
			}
		}
		return "it may import of other modules: " + orNothing(r.modules)
	}
	if r.std != "" && !slices.Contains(strings.Fields(r.std), imp) {
		return "it may import of the standard library: " + strings.Join(strings.Fields(r.std), " ")
	}
	return ""
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

// Each file under tools/testdata/arch/imports says in its first line for which room it was written, and
// marks the imports that this room must refuse.
func TestImportBansBite(t *testing.T) {
	module, _ := ours(t)
	files, _ := filepath.Glob("tools/testdata/arch/imports/*.go")
	if len(files) == 0 {
		t.Fatal("no planted imports")
	}
	for _, name := range files {
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, name, nil, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		of := strings.TrimPrefix(file.Comments[0].Text(), "room: ")
		i := slices.IndexFunc(rooms, func(r room) bool { return r.name == strings.TrimSpace(of) })
		if i < 0 {
			t.Fatalf("%s: there is no room %q", name, of)
		}
		for _, spec := range file.Imports {
			imp, _ := strconv.Unquote(spec.Path.Value)
			want := spec.Comment != nil && strings.HasPrefix(spec.Comment.Text(), "want refused")
			if got := rooms[i].refuses(module, imp); want != (got != "") {
				t.Errorf("%s: %s in %s: want refused %v, got %q", fset.Position(spec.Pos()), imp, rooms[i].name, want, got)
			}
		}
	}
}

// No binary contains what is for tests.
func TestBinariesAreFreeOfTests(t *testing.T) {
	module, packages := ours(t)
	for name := range packages {
		if !strings.HasPrefix(name, "cmd/") {
			continue
		}
		for _, p := range goList(t, "-deps", "./"+name) {
			if bad := forTests(module, p.ImportPath); bad {
				t.Errorf("%s contains %s", name, p.ImportPath)
			}
		}
	}
	for _, planted := range []string{"testing", module + "/realnet/realnettest", rapid, goCmp + "/cmp"} {
		if !forTests(module, planted) {
			t.Errorf("%s passes as fit for a binary", planted)
		}
	}
}

func forTests(module, imp string) bool {
	imp = strings.TrimPrefix(imp, module+"/")
	return slices.ContainsFunc(testOnly, func(x string) bool { return imp == x || strings.HasPrefix(imp, x+"/") })
}

// Every package says in one place what it is.
func TestOnePackageDoc(t *testing.T) {
	_, packages := ours(t)
	for name, p := range packages {
		var docs []string
		for _, f := range p.GoFiles {
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, f), nil, parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			if file.Doc != nil && !ast.IsGenerated(file) {
				docs = append(docs, f)
			}
		}
		if len(docs) != 1 {
			t.Errorf("%s: %d files with a package doc %v, want one", name, len(docs), docs)
		}
	}
}

// Both go.mods ask directly only for what docs/dependencies.md lists, and agree where they must.
// (That modernc.org/libc is the driver's: TestLibcIsTheDrivers in realnet/sqlite.)
func TestDependencies(t *testing.T) {
	page, err := os.ReadFile("docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	product, tools := goMod(t, "go.mod"), goMod(t, "tools/go.mod")
	for _, f := range product.faults() {
		t.Errorf("go.mod: %s", f)
	}
	for _, m := range []struct {
		file string
		mod  modFile
	}{{"go.mod", product}, {"tools/go.mod", tools}} {
		for path, version := range m.mod.direct() {
			if !strings.Contains(string(page), "| "+path+" | "+version+" |") {
				t.Errorf("%s asks for %s %s: docs/dependencies.md has no line for it", m.file, path, version)
			}
		}
	}
	if got, want := tools.direct()[protobuf], product.direct()[protobuf]; got != want {
		t.Errorf("tools/go.mod has %s %s, go.mod %s", protobuf, got, want)
	}
	for _, line := range strings.Split(string(page), "\n") {
		cells := strings.Split(line, " | ")
		path := strings.TrimPrefix(cells[0], "| ")
		if len(cells) < 4 || !strings.Contains(path, ".") || product.direct()[path] == cells[1] || tools.direct()[path] == cells[1] {
			continue
		}
		t.Errorf("docs/dependencies.md lists %s %s: no go.mod asks for it", path, cells[1])
	}
	if planted := goMod(t, "tools/testdata/arch/go.mod.planted").faults(); len(planted) != 2 {
		t.Errorf("of a replace and a tool planted, found %q", planted)
	}
}

const protobuf = "google.golang.org/protobuf"

type modFile struct {
	Require []struct {
		Path, Version string
		Indirect      bool
	}
	Replace, Tool []any
}

func goMod(t *testing.T, file string) (m modFile) {
	t.Helper()
	out, err := exec.Command("go", "mod", "edit", "-json", file).Output()
	if err == nil {
		err = json.Unmarshal(out, &m)
	}
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return m
}

func (m modFile) direct() map[string]string {
	versions := map[string]string{}
	for _, r := range m.Require {
		if !r.Indirect {
			versions[r.Path] = r.Version
		}
	}
	return versions
}

func (m modFile) faults() (list []string) {
	if len(m.Replace) > 0 {
		list = append(list, "a replace: whoever installs Parley would not get it")
	}
	if len(m.Tool) > 0 {
		list = append(list, "a tool: tools have a module of their own")
	}
	return list
}

// GitHub reads the workflow from a folder of its own and follows no links; the copy is identical.
func TestWorkflowIsCIyml(t *testing.T) {
	top, err := os.ReadFile("CI.yml")
	if err != nil {
		t.Fatal(err)
	}
	copied, err := os.ReadFile(filepath.Join(".github", "workflows", "ci.yml"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(top, copied) {
		t.Error("cp CI.yml .github/workflows/ci.yml")
	}
}

// A test that a page names exists.
func TestDocsNameRealTests(t *testing.T) {
	_, packages := ours(t)
	tests := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	dirs := []string{"."}
	for _, p := range packages {
		dirs = append(dirs, p.Dir)
	}
	for _, dir := range dirs {
		files, _ := filepath.Glob(filepath.Join(dir, "*_test.go"))
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range declared.FindAllSubmatch(text, -1) {
				tests[string(m[1])] = true
			}
		}
	}
	pages, _ := filepath.Glob("docs/*.md")
	top, _ := filepath.Glob("*.md")
	for _, page := range append(pages, top...) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range regexp.MustCompile(`\b(?:Test|Fuzz)[A-Z]\w+`).FindAllString(string(text), -1) {
			if !tests[name] && name != "TestT03" { // a prefix, for -run
				t.Errorf("%s names %s: there is no such test", page, name)
			}
		}
	}
}
