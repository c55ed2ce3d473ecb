package wire

import (
	"bufio"
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
)

var rewrite = flag.Bool("rewrite", false, "rewrite golden files")

// The committed code was made from the committed .proto, and nobody edited it by hand.
func TestGeneratedCodeIsFresh(t *testing.T) {
	sums, err := os.Open("generated.sums")
	if err != nil {
		t.Fatal(err)
	}
	defer sums.Close()
	files := 0
	for lines := bufio.NewScanner(sums); lines.Scan(); files++ {
		want, name, _ := strings.Cut(lines.Text(), "  ")
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%x", sha256.Sum256(content)); got != want {
			t.Errorf("%s is not what generated.sums records: run go generate ./realnet/wire", name)
		}
	}
	if files != 3 {
		t.Errorf("generated.sums names %d files, want the .proto and two made from it", files)
	}
}

// The code was made by the generators that tools/go.mod names.
func TestGeneratorVersions(t *testing.T) {
	for file, want := range map[string][]string{
		"parley.pb.go":                 {"protoc-gen-go v1.36.12"},
		"parley_grpc.pb.go":            {"protoc-gen-go-grpc v1.6.2"},
		"../../tools/go.mod":           {"protobuf v1.36.12", "protoc-gen-go-grpc v1.6.2", "protocompile v0.14.1"},
		"../../tools/protogen/main.go": {"protocompile"},
	} {
		content, err := os.ReadFile(filepath.FromSlash(file))
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range want {
			if !strings.Contains(string(content), w) {
				t.Errorf("%s does not mention %s", file, w)
			}
		}
	}
}

// A field's number and type, once given, stay. Lines may only be added to the golden file.
func TestFieldNumbersStay(t *testing.T) {
	const golden = "testdata/fields.golden"
	got := strings.Join(fields(File_parley_proto), "\n") + "\n"
	if *rewrite {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("fields differ from %s; if nothing was changed or reused, only added: go test -rewrite\n%s",
			golden, lostLines(string(want), got))
	}
}

// The descriptor holds no module path, so renaming the module does not touch it.
func TestDescriptorHasNoModulePath(t *testing.T) {
	if options := File_parley_proto.Options(); strings.Contains(fmt.Sprint(options), "go_package") {
		t.Errorf("the descriptor has options %v", options)
	}
}

func fields(file protoreflect.FileDescriptor) []string {
	var list []string
	for i := range file.Messages().Len() {
		m := file.Messages().Get(i)
		for j := range m.Fields().Len() {
			f := m.Fields().Get(j)
			list = append(list, fmt.Sprintf("%s.%03d %s %s %s", m.Name(), f.Number(), f.Name(), f.Cardinality(), typeOf(f)))
		}
	}
	for i := range file.Enums().Len() {
		e := file.Enums().Get(i)
		for j := range e.Values().Len() {
			v := e.Values().Get(j)
			list = append(list, fmt.Sprintf("enum %s.%03d %s", e.Name(), v.Number(), v.Name()))
		}
	}
	sort.Strings(list)
	return list
}

func typeOf(f protoreflect.FieldDescriptor) string {
	switch {
	case f.Message() != nil:
		return string(f.Message().Name())
	case f.Enum() != nil:
		return string(f.Enum().Name())
	}
	return f.Kind().String()
}

func lostLines(want, got string) string {
	var lost []string
	for line := range strings.Lines(want) {
		if !strings.Contains(got, line) {
			lost = append(lost, "gone or changed: "+line)
		}
	}
	return strings.Join(lost, "")
}
