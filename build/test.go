package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// results is what all runners counted together.
type results struct {
	mu                      sync.Mutex
	passed, failed, skipped int
	failures                []string
}

func (r *results) add(passed, failed, skipped int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.passed, r.failed, r.skipped = r.passed+passed, r.failed+failed, r.skipped+skipped
}

func (r *results) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, err.Error())
}

// check is one part of the test run, counted as one test where it has none of its own.
func (r *results) check(title string, do func(out io.Writer) error) {
	if err := step(title, do); err != nil {
		r.add(0, 1, 0)
		r.fail(err)
		return
	}
	r.add(1, 0, 0)
}

// runTests checks everything. With arguments only the parts named: "go", "front", "journey".
func runTests(ctx context.Context, args []string) error {
	if err := os.RemoveAll(filepath.Join("build", "out")); err != nil {
		return err
	}
	if err := frontend(ctx); err != nil {
		return err
	}
	if err := npmCI(ctx, "build/oracles"); err != nil {
		return err
	}
	// With the flag of the builds that follow, what one step has compiled serves the next.
	if err := os.Setenv("GOFLAGS", strings.TrimSpace(os.Getenv("GOFLAGS")+" -trimpath")); err != nil {
		return err
	}
	only := func(part string) bool { return len(args) == 0 || slices.Contains(args, part) }
	var r results
	var lanes sync.WaitGroup
	if only("front") {
		lanes.Go(func() { testFrontend(ctx, &r) })
	}
	if only("go") {
		testGo(ctx, &r)
	}
	lanes.Wait()
	if only("journey") && ctx.Err() == nil {
		testJourneys(ctx, &r)
	}
	return r.report()
}

func (r *results) report() error {
	say("")
	for _, f := range r.failures {
		say("%s %s", red("✗"), strings.SplitN(f, "\n", 2)[0])
	}
	say("%d passed, %d failed, %d skipped", r.passed, r.failed, r.skipped)
	if r.failed > 0 || len(r.failures) > 0 {
		return errors.New("not green: the first ✗ above is the place to begin; pictures and traces of failed journeys are in build/out")
	}
	if r.passed == 0 {
		return errors.New("no test ran: name one of the parts go, front, journey, or none")
	}
	return nil
}

func testGo(ctx context.Context, r *results) {
	r.check("no recorded download addresses in lock files", lockFiles)
	r.check("gofmt", func(out io.Writer) error { return gofmt(ctx, out) })
	r.check("go vet", func(out io.Writer) error { return cmd(ctx, out, ".", "go", "vet", "-tags", tags, "./...") })
	r.check("staticcheck", func(out io.Writer) error {
		return cmd(ctx, out, ".", "go", "tool", "-modfile=build/tools.mod", "staticcheck", "-tags", tags, "./...")
	})
	r.check("go vet, without a window", func(out io.Writer) error { return cmd(ctx, out, ".", "go", "vet", "-tags", headlessTags, ".") })
	r.check("other systems (types only)", func(out io.Writer) error { return checkElsewhere(ctx, out, ".") })
	if err := goTests(ctx, r); err != nil {
		r.fail(err)
	}
}

func gofmt(ctx context.Context, out io.Writer) error {
	var list bytes.Buffer
	if err := cmd(ctx, &list, ".", "gofmt", "-l", "main.go", "app.go", "backend", "build"); err != nil {
		return err
	}
	if list.Len() > 0 {
		_, _ = out.Write(list.Bytes())
		return errors.New("these files are not formatted: run gofmt -w on them")
	}
	return nil
}

func lockFiles(out io.Writer) error {
	for _, file := range []string{"frontend/package-lock.json", "build/oracles/package-lock.json", "build/peers/package-lock.json"} {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if bytes.Contains(text, []byte(`"resolved"`)) {
			return fmt.Errorf(`%s holds "resolved": run npm i again with the folder's .npmrc in force`, file)
		}
	}
	return nil
}

func testFrontend(ctx context.Context, r *results) {
	npm := func(script string) func(io.Writer) error {
		return func(out io.Writer) error { return cmd(ctx, out, "frontend", "npm", "run", "--silent", script) }
	}
	r.check("svelte-check", npm("check"))
	r.check("eslint", npm("lint"))
	if err := vitest(ctx, r, "vitest", "vitest.config.ts"); err != nil {
		r.fail(err)
	}
}

func testJourneys(ctx context.Context, r *results) {
	if err := buildApp(ctx); err != nil {
		r.fail(err)
		return
	}
	if err := vitest(ctx, r, "journeys", "vitest.journey.config.ts"); err != nil {
		r.fail(err)
	}
}
