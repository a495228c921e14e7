package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// bench is one run: figures of different runs do not compare.
type bench struct {
	site    site
	origin  *server
	peers   []peer
	rounds  int
	seconds int
	top     bool // show the functions of the profile, not its parts alone
	docs    bool // put the result into the documentation
	figures *figures
}

const benchUsage = `say what to measure:
  go run ./build bench proxy         everything beside all peers, about a quarter of an hour
  go run ./build bench proxy quick   CPU a request of 1 KB answers, under five minutes
  go run ./build bench cache         what a hit costs, beside nginx's cache and Varnish: about a minute
  go run ./build bench soak          half an hour of targets that die and return, limits and a full cache
  go run ./build bench capture       the capturing proxy beside nginx and mitmdump, with a profile
options behind it:
  -only nginx,proxycache-off         these peers; "go run ./build bench proxy -only ?" lists them
  -rounds 9  -seconds 4              how often and how long each peer is loaded
  -program build/bin/proxycache      this Proxycache instead of the one that is built first
  -profile                           show where Proxycache's time goes, function by function
  -docs                              of a full run: put the result into docs/performance.md`

// runBench measures Proxycache beside its peers.
func runBench(ctx context.Context, args []string) error {
	if runtime.GOOS != "linux" {
		return errors.New("the benchmark reads CPU time from /proc: run it on Linux")
	}
	if len(args) > 0 && args[0] == "capture" {
		args = append([]string{"proxy", "quick", "-only", "nginx,mitmdump-w,proxycache-on", "-rounds", "1", "-seconds", "6", "-profile"}, args[1:]...)
	}
	if len(args) > 0 && args[0] == "soak" {
		return runSoak(ctx, args[1:])
	}
	if len(args) == 0 || args[0] != "proxy" && args[0] != "cache" {
		return errors.New(benchUsage)
	}
	what, args := args[0], args[1:]
	quick := len(args) > 0 && args[0] == "quick" && what == "proxy"
	if quick {
		args = args[1:]
	}
	among := peers()
	if what == "cache" {
		among = cachePeers()
	}
	b, err := parseBench(args, among, quick)
	if err != nil {
		return err
	}
	if err := b.prepare(ctx); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "proxycache-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	origin, err := b.open(ctx, dir)
	if err != nil {
		return err
	}
	defer origin.discard()
	switch {
	case what == "cache":
		return b.caching(ctx)
	case quick:
		return b.quick(ctx)
	}
	return b.full(ctx)
}

func parseBench(args []string, among []peer, quick bool) (*bench, error) {
	b := &bench{figures: newFigures()}
	set := flag.NewFlagSet("bench proxy", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	only := set.String("only", "", "")
	set.IntVar(&b.rounds, "rounds", 5, "")
	set.IntVar(&b.seconds, "seconds", 2, "")
	set.StringVar(&b.site.program, "program", "", "")
	set.BoolVar(&b.top, "profile", false, "")
	set.BoolVar(&b.docs, "docs", false, "")
	if err := set.Parse(args); err != nil || set.NArg() > 0 || b.rounds < 1 || b.seconds < 1 {
		return nil, errors.New(benchUsage)
	}
	for _, p := range among {
		if (*only == "" && (p.bar || !quick)) || slices.Contains(strings.Split(*only, ","), p.name) {
			b.peers = append(b.peers, p)
		}
	}
	for _, name := range strings.Split(*only, ",") {
		if name != "" && !slices.ContainsFunc(b.peers, func(p peer) bool { return p.name == name }) {
			return nil, fmt.Errorf("there is no peer %q: choose of %s", name, strings.Join(namesOf(among), ", "))
		}
	}
	return b, nil
}

// prepare builds the program and the peers that are built here.
func (b *bench) prepare(ctx context.Context) error {
	if b.site.program == "" {
		b.site.program = headless()
		if err := buildHeadless(ctx); err != nil {
			return err
		}
	}
	for _, p := range b.peers {
		if p.build == nil {
			continue
		}
		if err := p.build(ctx); err != nil {
			return err
		}
	}
	return os.MkdirAll(filepath.Join("build", "out"), 0o755)
}

// open starts the origin, which is measured like a peer, too: the way without a proxy.
func (b *bench) open(ctx context.Context, dir string) (*server, error) {
	if err := os.Chmod(dir, 0o755); err != nil { // nginx's workers run as another user
		return nil, err
	}
	b.site.dir = dir
	if err := b.site.certificate(); err != nil {
		return nil, err
	}
	origin, err := startOrigin(ctx, b.site)
	if err != nil {
		return nil, fmt.Errorf("the origin: %w", err)
	}
	b.site.origin, b.origin = origin.address, origin
	direct := *origin
	direct.home, direct.shared = "", true
	b.peers = append([]peer{{name: "direct", paced: true, start: func(context.Context, site) (*server, error) { return &direct, nil }}}, b.peers...)
	return origin, nil
}

func (b *bench) quick(ctx context.Context) error {
	if err := b.cpu(ctx); err != nil {
		return err
	}
	say("\n%s\n%s", b.figures.cpuTable(b.peers, kilobyte, "nginx"), b.figures.barTable())
	if !b.top {
		return nil
	}
	return b.profiles(ctx)
}

func (b *bench) full(ctx context.Context) error {
	start := time.Now()
	for _, phase := range []struct {
		name string
		run  func(context.Context) error
	}{{"CPU", b.cpu}, {"payloads and protocols", b.payloads}, {"latency", b.latency}, {"memory", b.memory}, {"profile", b.profiles}} {
		if err := phase.run(ctx); err != nil {
			return err
		}
		say("%s %s: done after %s", dim("·"), phase.name, time.Since(start).Round(time.Second))
	}
	text := b.figures.markdown(ctx, b.peers)
	say("\n%s", text)
	file := filepath.Join("build", "out", "performance.md")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return err
	}
	say("%s %s: the same text; -docs puts it into docs/performance.md", dim(time.Since(start).Round(time.Second).String()), file)
	if !b.docs {
		return nil
	}
	return document(filepath.Join("docs", "performance.md"), text)
}

// cpu loads each peer in turn with 1 KB answers, round after round, so that what disturbs the machine
// for a while disturbs all of them.
func (b *bench) cpu(ctx context.Context) error {
	for round := range b.rounds {
		for _, p := range b.peers {
			if err := b.measure(ctx, p, kilobyte); err != nil {
				return err
			}
		}
		say("%s round %d of %d", dim("·"), round+1, b.rounds)
	}
	return nil
}

// measure starts a peer, loads it in each way, and keeps the figures. A peer that fails is shown as
// failed; the others go on.
func (b *bench) measure(ctx context.Context, p peer, trials ...trial) error {
	s, err := p.start(ctx, b.site)
	if err != nil {
		return fmt.Errorf("starting %s: %w", p.name, err)
	}
	defer s.discard()
	for _, t := range trials {
		result, err := load(ctx, s, t, b.seconds)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			b.figures.fail(p.name, t.name, err)
			continue
		}
		say("  %-16s %-19s %9.0f req/s %9.1f µs CPU a request%s", p.name, t.name, result.rate(), result.micros(), result.trouble())
		b.figures.add(p.name, t.name, result)
	}
	if s.memory == "" {
		return nil
	}
	s.stop()
	if s.served == 0 {
		return nil
	}
	used, err := readSpent(s)
	if err != nil {
		return err
	}
	b.figures.spent[p.name] = append(b.figures.spent[p.name], used)
	return nil
}

// payloads loads each peer with other sizes and protocols, once.
func (b *bench) payloads(ctx context.Context) error {
	for _, p := range b.peers {
		var trials []trial
		for _, t := range others {
			if (t.over == plain || p.secure) && (t.size < 1<<20 || !p.keeps) {
				trials = append(trials, t)
			}
		}
		once := *b
		once.seconds = 2
		once.figures = b.figures.withoutSpent() // it is told of 1 KB answers only
		if err := once.measure(ctx, p, trials...); err != nil {
			return err
		}
	}
	return nil
}
