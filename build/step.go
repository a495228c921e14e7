package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

var colour = os.Getenv("NO_COLOR") == "" && isTerminal(os.Stdout)

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func paint(code, s string) string {
	if !colour {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func red(s string) string   { return paint("31", s) }
func green(s string) string { return paint("32", s) }
func dim(s string) string   { return paint("2", s) }

// printing keeps lines of parallel steps whole.
var printing sync.Mutex

func say(format string, args ...any) {
	printing.Lock()
	defer printing.Unlock()
	fmt.Printf(format+"\n", args...)
}

// step runs do under a title and tells how long it took; of a failure it shows the end of the output.
func step(title string, do func(out io.Writer) error) error {
	start := time.Now()
	say("%s %s", dim("·"), title)
	var out bytes.Buffer
	err := do(&out)
	took := time.Since(start).Round(100 * time.Millisecond)
	if err != nil {
		say("%s %s %s\n%s", red("✗"), title, dim(took.String()), lastLines(out.String(), 200))
		return fmt.Errorf("%s: %w", title, err)
	}
	say("%s %s %s", green("✓"), title, dim(took.String()))
	return nil
}

// cmd runs a program quietly; its output goes to out.
func cmd(ctx context.Context, out io.Writer, dir string, name string, args ...string) error {
	c := exec.CommandContext(ctx, name, args...)
	c.Dir, c.Stdout, c.Stderr = dir, out, out
	if err := c.Run(); err != nil {
		return fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return nil
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	if len(lines) > n {
		lines = append([]string{fmt.Sprintf("… %d lines before", len(lines)-n)}, lines[len(lines)-n:]...)
	}
	return strings.Join(lines, "\n")
}
