package backend

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// floors are the packages from the ground up: an import goes down, never up, never sideways. The
// folders of modules/ are parts; modules itself is the list of them.
var floors = [][]string{
	{"problem", "bus", "socket", "resolve", "atomicfile"},
	{"flow", "http1", "http2", "socks", "proxyprotocol", "schema", "coding", "page", "redis", "redis/redistest", "metrics"},
	{"policy", "filter", "template", "cachestore"},
	{"modules/*", "config", "upstream", "certs", "store", "policytest"},
	{"modules", "engine", "ingress", "record", "demo", "ports", "programs"},
	{"replay", "export"},
	{"core"},
	{"desktop", "admin", "cli"},
	{"journey"},
}

// beside are the imports within one floor that are meant: words and promises stand on each other, a
// command opens the browser door, a part that keeps the laws is tested by them.
var beside = map[[2]string]bool{
	{"flow", "problem"}:          true,
	{"http1", "flow"}:            true,
	{"page", "flow"}:             true,
	{"http2", "flow"}:            true,
	{"http2", "http1"}:           true,
	{"redis", "redis/redistest"}: true, // in tests
	{"cli", "admin"}:             true,
	{"modules/*", "policytest"}:  true, // in tests
}

// wire are the packages that may know net/http's types: the adapters at the edges, what speaks HTTP
// with people, and the demo, which is a server of its own.
var wire = []string{"ingress", "upstream", "demo", "ports", "core", "admin", "cli", "journey"}

func TestImportsGoDown(t *testing.T) {
	for _, fault := range faults(t, os.DirFS(".")) {
		t.Error(fault)
	}
}

func TestAPlantedViolationIsFoundWithItsFile(t *testing.T) {
	dir := t.TempDir()
	plant := func(path, text string) {
		t.Helper()
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	plant("flow/up.go", "package flow\nimport _ \"proxycache/backend/engine\"\n")
	plant("store/sideways.go", "package store\nimport _ \"proxycache/backend/config\"\n")
	plant("engine/wire.go", "package engine\nimport _ \"net/http\"\n")
	plant("helpers/new.go", "package helpers\n")
	plant("engine/down.go", "package engine\nimport _ \"proxycache/backend/flow\"\n")
	got := strings.Join(faults(t, os.DirFS(dir)), "\n")
	for _, file := range []string{"flow/up.go", "store/sideways.go", "engine/wire.go", "helpers/new.go"} {
		if !strings.Contains(got, file) {
			t.Errorf("%s is not among the faults:\n%s", file, got)
		}
	}
	if strings.Contains(got, "down.go") {
		t.Errorf("an import that goes down is a fault:\n%s", got)
	}
}

func faults(t *testing.T, tree fs.FS) []string {
	t.Helper()
	var out []string
	err := fs.WalkDir(tree, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || !strings.Contains(path, "/") {
			return err
		}
		text, err := fs.ReadFile(tree, path)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, text, parser.ImportsOnly)
		if err != nil {
			return err
		}
		own := path[:strings.LastIndexByte(path, '/')]
		for _, spec := range file.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if why := fault(own, name, strings.HasSuffix(path, "_test.go")); why != "" {
				out = append(out, path+": "+why)
			}
		}
		if floorOf(own) < 0 {
			out = append(out, fmt.Sprintf("%s: %s has no floor: name it in floors_test.go", path, own))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func fault(own, imported string, test bool) string {
	if (imported == "net/http" || strings.HasPrefix(imported, "net/http/")) && !test && !slices.Contains(wire, own) {
		return "imports " + imported + ": only the edges know net/http"
	}
	name, ours := strings.CutPrefix(imported, "proxycache/backend/")
	if !ours || name == own {
		return ""
	}
	from, to := floorOf(own), floorOf(name)
	switch {
	case to < 0:
		return fmt.Sprintf("imports %s, which has no floor", name)
	case to < from, beside[[2]string{pattern(own), pattern(name)}]:
		return ""
	case to == from:
		return fmt.Sprintf("imports %s beside it, on floor %d", name, to)
	}
	return fmt.Sprintf("imports %s on floor %d from floor %d", name, to, from)
}

func floorOf(name string) int {
	return slices.IndexFunc(floors, func(names []string) bool { return slices.Contains(names, pattern(name)) })
}

func pattern(name string) string {
	if strings.HasPrefix(name, "modules/") {
		return "modules/*"
	}
	return name
}
