package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
)

// checkElsewhere type-checks the module in dir, with its tests and without the window, for the systems we
// cannot link here. The compiler would say the same after compiling the whole standard library for each of
// them, which takes minutes where nothing is cached.
func checkElsewhere(ctx context.Context, out io.Writer, dir string) error {
	for _, goos := range []string{"darwin", "windows"} {
		list, err := listed(ctx, out, dir, goos)
		if err != nil {
			return err
		}
		if err := typeCheck(list); err != nil {
			return fmt.Errorf("for %s: %w", goos, err)
		}
	}
	return nil
}

// listing is a package as `go list` tells of it.
type listing struct {
	Dir, ImportPath string
	GoFiles         []string
	ImportMap       map[string]string // from what is written to the package that is meant
	Standard        bool
	Module          *struct{ GoVersion string }
	Error           *struct{ Err string }

	parsed []*ast.File
	fault  error
}

// listed are the module's packages for a system, each behind those it imports.
func listed(ctx context.Context, out io.Writer, dir, goos string) (list []*listing, err error) {
	c := exec.CommandContext(ctx, "go", "list", "-deps", "-test", "-tags", headlessTags, "-json=Dir,ImportPath,GoFiles,ImportMap,Standard,Module,Error", "./...")
	c.Dir = dir
	c.Env = append(os.Environ(), "GOOS="+goos, "CGO_ENABLED=0")
	c.Stderr = out
	text, err := c.Output()
	if err != nil {
		return nil, fmt.Errorf("go list for %s: %w", goos, err)
	}
	for d := json.NewDecoder(strings.NewReader(string(text))); ; {
		p := new(listing)
		switch err := d.Decode(p); {
		case err == io.EOF:
			return list, nil
		case err != nil:
			return nil, err
		case p.Error != nil:
			return nil, fmt.Errorf("go list for %s: %s", goos, p.Error.Err)
		case strings.HasSuffix(p.ImportPath, ".test"): // a main of tests, which is written when it is built
		default:
			list = append(list, p)
		}
	}
}

// typeCheck checks packages of which each follows those it imports. Of the standard library's the
// declarations are enough.
func typeCheck(list []*listing) error {
	files := token.NewFileSet()
	parseAll(list, files)
	known := map[string]*types.Package{"unsafe": types.Unsafe}
	var faults []error
	for _, p := range list {
		if p.ImportPath == "unsafe" {
			continue
		}
		if p.fault != nil {
			return p.fault
		}
		conf := types.Config{
			Importer:         imports{known, p.ImportMap},
			IgnoreFuncBodies: p.Standard,
			Sizes:            types.SizesFor("gc", runtime.GOARCH),
			Error:            func(err error) { faults = append(faults, err) },
		}
		if p.Module != nil && p.Module.GoVersion != "" {
			conf.GoVersion = "go" + p.Module.GoVersion
		}
		known[p.ImportPath], _ = conf.Check(p.ImportPath, files, p.parsed, nil) // the errors are those told
	}
	return errors.Join(faults...)
}

func parseAll(list []*listing, files *token.FileSet) {
	var all sync.WaitGroup
	turns := make(chan struct{}, runtime.GOMAXPROCS(0))
	for _, p := range list {
		turns <- struct{}{}
		all.Go(func() {
			defer func() { <-turns }()
			for _, name := range p.GoFiles {
				f, err := parser.ParseFile(files, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
				p.parsed, p.fault = append(p.parsed, f), errors.Join(p.fault, err)
			}
		})
	}
	all.Wait()
}

// imports finds what one package imports.
type imports struct {
	known map[string]*types.Package
	names map[string]string
}

func (i imports) Import(path string) (*types.Package, error) {
	if meant, ok := i.names[path]; ok {
		path = meant
	}
	if p := i.known[path]; p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("nothing is known of %q", path)
}
