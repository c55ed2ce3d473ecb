// Command protogen makes Go code from a .proto without protoc: it compiles the file with protocompile
// and hands the result to protoc-gen-go and protoc-gen-go-grpc, of the versions in tools/go.mod.
//
//	go run -C ../../tools ./protogen -import parley/realnet/wire -dir ../realnet/wire parley.proto
//
// Beside the code it leaves generated.sums: the hash of the .proto and of each file made from it, by
// which a plain test tells whether the code is fresh.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/protoutil"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

var plugins = []string{
	"google.golang.org/protobuf/cmd/protoc-gen-go",
	"google.golang.org/grpc/cmd/protoc-gen-go-grpc",
}

func main() {
	dir := flag.String("dir", ".", "directory of the .proto and of the code")
	importPath := flag.String("import", "", "Go import path of the code")
	flag.Parse()
	if flag.NArg() != 1 || *importPath == "" {
		fmt.Fprintln(os.Stderr, "usage: protogen -import PATH [-dir DIR] FILE.proto")
		os.Exit(64)
	}
	if err := generate(*dir, *importPath, flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, "protogen:", err)
		os.Exit(1)
	}
}

func generate(dir, importPath, file string) error {
	compiled, err := compile(dir, file)
	if err != nil {
		return err
	}
	// The M flag names the import path. A go_package option would put it, length-prefixed, into the
	// descriptor, where renaming the module could not reach it.
	parameter := "paths=source_relative,M" + file + "=" + importPath
	made := []string{file}
	for _, plugin := range plugins {
		names, err := run(plugin, dir, &pluginpb.CodeGeneratorRequest{
			FileToGenerate: []string{file},
			Parameter:      &parameter,
			ProtoFile:      []*descriptorpb.FileDescriptorProto{compiled},
		})
		if err != nil {
			return fmt.Errorf("run %s: %w", plugin, err)
		}
		made = append(made, names...)
	}
	return writeSums(dir, made)
}

func compile(dir, file string) (*descriptorpb.FileDescriptorProto, error) {
	compiler := protocompile.Compiler{
		Resolver:       &protocompile.SourceResolver{ImportPaths: []string{dir}},
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	files, err := compiler.Compile(context.Background(), file)
	if err != nil {
		return nil, fmt.Errorf("compile %s: %w", file, err)
	}
	return protoutil.ProtoFromFileDescriptor(files[0]), nil
}

// run starts a plugin, gives it the request and writes the files it answers with.
func run(plugin, dir string, request *pluginpb.CodeGeneratorRequest) ([]string, error) {
	in, err := proto.Marshal(request)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("go", "run", plugin)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	var response pluginpb.CodeGeneratorResponse
	if err := proto.Unmarshal(out, &response); err != nil {
		return nil, err
	}
	if response.Error != nil {
		return nil, errors.New(*response.Error)
	}
	var names []string
	for _, f := range response.File {
		if err := os.WriteFile(filepath.Join(dir, f.GetName()), []byte(f.GetContent()), 0o644); err != nil {
			return nil, err
		}
		names = append(names, f.GetName())
	}
	return names, nil
}

func writeSums(dir string, names []string) error {
	var b strings.Builder
	for _, name := range names {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%x  %s\n", sha256.Sum256(content), name)
	}
	return os.WriteFile(filepath.Join(dir, "generated.sums"), []byte(b.String()), 0o644)
}
