package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// testEvent is a line of `go test -json` (see go doc test2json).
type testEvent struct {
	Action, Package, Test, Output string
	Elapsed                       float64
}

// goTests runs every Go test with the race detector, shows a line a package and the output of what
// failed or was skipped, and counts.
func goTests(ctx context.Context, r *results) error {
	say("%s go test -race ./...", dim("·"))
	start := time.Now()
	c := exec.CommandContext(ctx, "go", "test", "-race", "-json", "-tags", tags, "-timeout", "8m", "./...")
	var stderr bytes.Buffer
	c.Stderr = &stderr
	pipe, err := c.StdoutPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	count := goCount{output: map[string][]string{}}
	lines := bufio.NewScanner(pipe)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e testEvent
		if json.Unmarshal(lines.Bytes(), &e) == nil {
			count.hear(e)
		}
	}
	err = c.Wait()
	r.add(count.passed, count.failed, count.skipped)
	if err != nil {
		say("%s", lastLines(stderr.String(), 60))
		return fmt.Errorf("go test: %d failed", count.failed)
	}
	say("%s go test: %d passed, %d skipped %s", green("✓"), count.passed, count.skipped, dim(time.Since(start).Round(time.Second).String()))
	return nil
}

type goCount struct {
	passed, failed, skipped int
	output                  map[string][]string // by package and test, dropped when it passed
}

func (g *goCount) hear(e testEvent) {
	key := e.Package + " " + e.Test
	switch e.Action {
	case "output", "build-output":
		g.output[key] = append(g.output[key], e.Output)
		return
	case "pass", "fail", "skip":
	default:
		return
	}
	out := strings.Join(g.output[key], "")
	delete(g.output, key)
	if e.Test == "" {
		g.endPackage(e, out)
		return
	}
	switch e.Action {
	case "pass":
		g.passed++
	case "skip":
		g.skipped++
		say("  skipped %s: %s", key, strings.TrimSpace(out))
	case "fail":
		g.failed++
		say("%s %s\n%s", red("✗"), key, lastLines(out, 80))
	}
}

func (g *goCount) endPackage(e testEvent, out string) {
	switch e.Action {
	case "pass":
		say("  ok %s %s", e.Package, dim(fmt.Sprintf("%.1fs", e.Elapsed)))
	case "fail":
		if g.failed == 0 { // it did not compile, or died outside a test
			g.failed++
		}
		say("%s %s\n%s", red("✗"), e.Package, lastLines(out, 80))
		for _, key := range g.unfinished(e.Package) {
			say("%s %s did not end\n%s", red("✗"), key, lastLines(strings.Join(g.output[key], ""), 80))
		}
	}
}

// unfinished are the tests of a package that ran when it died.
func (g *goCount) unfinished(of string) (keys []string) {
	for key := range g.output {
		if strings.HasPrefix(key, of+" ") {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// vitestReport is what vitest's json reporter writes.
type vitestReport struct {
	NumPassedTests, NumFailedTests, NumPendingTests, NumTotalTests int
}

func vitest(ctx context.Context, r *results, title, config string) error {
	report, err := filepath.Abs(filepath.Join("build", "cache", title+".json"))
	if err != nil {
		return err
	}
	_ = os.Remove(report) // of the run before; it may not be there
	failed := step(title, func(out io.Writer) error {
		return cmd(ctx, out, "frontend", "npx", "vitest", "run", "--config", config, "--reporter=default", "--reporter=json", "--outputFile.json="+report)
	})
	text, err := os.ReadFile(report)
	if err != nil {
		r.add(0, 1, 0)
		return failed
	}
	var counts vitestReport
	if err := json.Unmarshal(text, &counts); err != nil {
		return err
	}
	r.add(counts.NumPassedTests, counts.NumFailedTests, counts.NumPendingTests)
	return failed
}
