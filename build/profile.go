package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// part is a share of the CPU time of Proxycache under load.
type part struct {
	name  string
	share float64
}

// profiles loads Proxycache once more with its profiler on, without and with capture.
func (b *bench) profiles(ctx context.Context) error {
	for _, p := range b.peers {
		if !strings.HasPrefix(p.name, "proxycache-") || p.name == "proxycache-ten" {
			continue
		}
		profiled := *b
		profiled.figures = newFigures() // the profiler costs, too
		profiled.site.profile = filepath.Join("build", "out", p.name+".prof")
		if err := profiled.measure(ctx, p, kilobyte); err != nil {
			return err
		}
		var traces strings.Builder
		if err := cmd(ctx, &traces, ".", "go", "tool", "pprof", "-traces", b.site.program, profiled.site.profile); err != nil {
			return fmt.Errorf("%w: %s", err, traces.String())
		}
		b.figures.parts[p.name] = parts(traces.String())
		if err := b.show(ctx, p.name, profiled.site.profile); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) show(ctx context.Context, name, file string) error {
	if !b.top {
		return nil
	}
	say("\nWhere the time of %s goes (go tool pprof %s %s):", name, b.site.program, file)
	for _, p := range b.figures.parts[name] {
		say("%5.1f %%  %s", 100*p.share, p.name)
	}
	for _, order := range []string{"-flat", "-cum"} {
		if err := cmd(ctx, os.Stdout, ".", "go", "tool", "pprof", "-top", order, "-nodecount=45", b.site.program, file); err != nil {
			return err
		}
	}
	return nil
}

// kinds sort a sample by the innermost function that one of them knows.
var kinds = []struct {
	name     string
	function *regexp.Regexp
}{
	{"system calls", regexp.MustCompile(`^(internal/runtime/syscall|syscall)\.|^internal/runtime/syscall/linux\.|^golang\.org/x/sys/unix\.|^runtime\.(epoll|write1|read\b|madvise|mmap|munmap)`)},
	{"collector", regexp.MustCompile(`^runtime\.(gcBgMarkWorker|gcAssistAlloc|bgsweep|bgscavenge|gcStart|gcMarkDone|gcMarkTermination|\(\*gcWork\)|wbBufFlush|sweepone|GC\b)`)},
	{"allocation", regexp.MustCompile(`^runtime\.(mallocgc|newobject|makeslice|growslice|newarray|makemap|rawstring|rawbyteslice|slicebytetostring|stringtoslicebyte|concatstring|newstack|morestack|copystack)`)},
	{"scheduler", regexp.MustCompile(`^runtime\.(schedule|findRunnable|mcall|park_m|goexit0|gopark|goready|ready|mstart|sysmon|netpoll|futex|usleep|notesleep|notewakeup|stopm|startm|wakep|exitsyscall|entersyscall|goschedImpl|selectgo|chansend|chanrecv|semacquire|semrelease|checkTimers|\(\*timers?\)|resettimer|osyield|lock2|unlock2)`)},
	{"SQLite", regexp.MustCompile(`mattn/go-sqlite3|^runtime\.(cgocall|asmcgocall|cgocallback)`)},
	{"JSON, logs, compression", regexp.MustCompile(`^(encoding/json|log/slog|compress/|github\.com/klauspost/)`)},
}

var ours = regexp.MustCompile(`^proxycache/backend/(\w+)`)

// kindOf walks a stack from its innermost function outwards.
func kindOf(stack []string) string {
	for _, function := range stack {
		for _, k := range kinds {
			if k.function.MatchString(function) {
				return k.name
			}
		}
		if match := ours.FindStringSubmatch(function); match != nil {
			return "backend/" + match[1]
		}
	}
	return "the rest of the runtime"
}

// parts reads what `go tool pprof -traces` prints: stacks between lines of dashes, the time before the
// innermost function.
func parts(traces string) []part {
	sums := map[string]time.Duration{}
	var total time.Duration
	for block := range strings.SplitSeq(traces, "-----------+") {
		var value time.Duration
		var stack []string
		lines := bufio.NewScanner(strings.NewReader(block))
		for lines.Scan() {
			fields := strings.Fields(lines.Text())
			if len(stack) == 0 && len(fields) >= 2 {
				d, err := time.ParseDuration(fields[0])
				if err != nil {
					continue
				}
				value, fields = d, fields[1:]
			} else if len(stack) == 0 {
				continue
			}
			if len(fields) > 0 {
				stack = append(stack, fields[0])
			}
		}
		if len(stack) > 0 {
			sums[kindOf(stack)] += value
			total += value
		}
	}
	var out []part
	for name, d := range sums {
		out = append(out, part{name, d.Seconds() / total.Seconds()})
	}
	slices.SortFunc(out, func(a, b part) int {
		return strings.Compare(fmt.Sprintf("%09.6f", b.share), fmt.Sprintf("%09.6f", a.share))
	})
	return out
}
