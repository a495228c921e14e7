package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
	"unicode/utf8"
)

// table is in Markdown, its columns aligned, so that it reads well on a terminal, too.
type table [][]string

func (t *table) row(cells ...string) { *t = append(*t, cells) }

func (t table) String() string {
	var widths []int
	for _, row := range t {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 3)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for r, row := range t {
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i == 0 {
				b.WriteString("| " + cell + pad)
			} else {
				b.WriteString(" | " + pad + cell)
			}
		}
		b.WriteString(" |\n")
		if r > 0 {
			continue
		}
		for i, w := range widths {
			if i == 0 {
				b.WriteString("|" + strings.Repeat("-", w+2) + "|")
			} else {
				b.WriteString(strings.Repeat("-", w+1) + ":|")
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

const unmeasured = "–"

func figure(format string, value float64) string {
	if value == 0 {
		return unmeasured
	}
	return fmt.Sprintf(format, value)
}

// cpuTable is of 1 KB answers over HTTP/1.1.
// cpuTable is what a request of one trial costs each peer, and how many times that of a reference.
func (f *figures) cpuTable(peers []peer, of trial, reference string) table {
	t := table{{of.name + ", 64 connections", "CPU µs/request", "× " + reference, "req/s", "from–to µs", "allocs/request", "bytes/request", "GC %"}}
	for _, p := range peers {
		rounds := f.loads[p.name][of.name]
		if len(rounds) == 0 {
			continue
		}
		low, high := rounds[0].micros(), rounds[0].micros()
		for _, r := range rounds {
			low, high = min(low, r.micros()), max(high, r.micros())
		}
		cells := []string{p.name, figure("%.1f", medianOf(rounds, loaded.micros)), figure("%.2f", f.ratio(of, p.name, reference)),
			figure("%.0f", medianOf(rounds, loaded.rate)), fmt.Sprintf("%.1f–%.1f", low, high)}
		if used := f.spent[p.name]; len(used) > 0 {
			cells = append(cells,
				fmt.Sprintf("%.1f", medianOf(used, func(s spent) float64 { return s.objects })),
				fmt.Sprintf("%.0f", medianOf(used, func(s spent) float64 { return s.bytes })),
				fmt.Sprintf("%.1f", 100*medianOf(used, func(s spent) float64 { return s.gc })))
		} else {
			cells = append(cells, "", "", "")
		}
		t.row(cells...)
	}
	return t
}

// payloadTable is of the other sizes and protocols: CPU time and, behind it, requests a second.
func (f *figures) payloadTable(peers []peer) table {
	head := []string{"CPU µs/request (req/s)"}
	for _, trial := range others {
		head = append(head, trial.name)
	}
	t := table{head}
	for _, p := range peers {
		cells := []string{p.name}
		for _, trial := range others {
			cell := unmeasured
			if rounds := f.loads[p.name][trial.name]; len(rounds) > 0 {
				cell = fmt.Sprintf("%.1f (%.0f)", rounds[0].micros(), rounds[0].rate())
			} else if f.failed[p.name][trial.name] != "" {
				cell = "fails"
			}
			cells = append(cells, cell)
		}
		t.row(cells...)
	}
	return t
}

func (f *figures) latencyTable(peers []peer) table {
	t := table{{"ms", "p50", "p99", "p99.9", "added p50", "added p99", "added p99.9"}}
	ms := func(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()*1000) }
	for _, p := range peers {
		rounds := f.latency[p.name]
		if len(rounds) == 0 {
			continue
		}
		l := middle(rounds)
		cells := []string{p.name, ms(l.p50), ms(l.p99), ms(l.p999), "", "", ""}
		if added, ok := f.added(p.name); ok && p.name != "direct" {
			cells = append(cells[:4], ms(added.p50), ms(added.p99), ms(added.p999))
		}
		t.row(cells...)
	}
	return t
}

func (f *figures) heldTable(peers []peer) table {
	t := table{{"resident MB", "idle", "1 000 connections", "10 000 connections", "own, idle", "own, 10 000"}}
	for _, p := range peers {
		if got, ok := f.held[p.name]; ok {
			t.row(p.name, figure("%.1f", got.resident[0]), figure("%.1f", got.resident[1]), figure("%.1f", got.resident[2]),
				figure("%.1f", got.own[0]), figure("%.1f", got.own[2]))
		}
	}
	return t
}

func (f *figures) partTable() table {
	t := table{{"share of CPU time"}}
	order := []string{}
	shares := map[string]map[string]float64{}
	for _, peer := range []string{"proxycache-off", "proxycache-on"} {
		if len(f.parts[peer]) == 0 {
			continue
		}
		t[0] = append(t[0], peer)
		for _, p := range f.parts[peer] {
			if shares[p.name] == nil {
				shares[p.name] = map[string]float64{}
				order = append(order, p.name)
			}
			shares[p.name][peer] = p.share
		}
	}
	for _, name := range order {
		cells := []string{name}
		for _, peer := range t[0][1:] {
			cells = append(cells, fmt.Sprintf("%.1f %%", 100*shares[name][peer]))
		}
		t.row(cells...)
	}
	return t
}

// bar is a limit that the project has set itself.
type bar struct {
	what            string
	measured, limit float64
	known           bool
	unit            string
}

func (f *figures) bars() []bar {
	ratio := func(what string, t trial, peer, other string, limit float64) bar {
		r := f.ratio(t, peer, other)
		return bar{what: what, measured: r, limit: limit, known: r > 0, unit: "×"}
	}
	_, captured := f.loads["proxycache-on"]
	added, paced := f.added("proxycache-off")
	memory := f.held["proxycache-off"].resident
	return []bar{
		ratio("capture off: CPU a request, of nginx's", kilobyte, "proxycache-off", "nginx", 1.25),
		ratio("capture off: CPU a request, of Caddy's", kilobyte, "proxycache-off", "caddy", 0.35),
		ratio("ten modules that do not act, of none", kilobyte, "proxycache-ten", "proxycache-off", 1.10),
		ratio("capture on: CPU a request, of nginx's", kilobyte, "proxycache-on", "nginx", 3),
		ratio("capture on, all bodies differ, of nginx's", unique, "proxycache-on", "nginx", 3),
		ratio("capture on, of mitmdump's writing a flow file", kilobyte, "proxycache-on", "mitmdump-w", 1.0/20),
		ratio("capture on, of mockttp's", kilobyte, "proxycache-on", "mockttp", 1.0/8),
		{"capture on: exchanges lost", float64(f.lost()), 0, captured, ""},
		{"capture off: added latency at half load, p50", added.p50.Seconds() * 1000, 0.2, paced, "ms"},
		{"capture off: added latency at half load, p99", added.p99.Seconds() * 1000, 1, paced, "ms"},
		{"resident, idle", memory[0], 40, memory[0] > 0, "MB"},
		{"resident, 10 000 idle connections", memory[2], 150, memory[2] > 0, "MB"},
	}
}

func (f *figures) barTable() table {
	t := table{{"bar", "measured", "at most", ""}}
	for _, b := range f.bars() {
		if !b.known {
			continue
		}
		verdict := "PASS"
		if b.measured > b.limit {
			verdict = "over"
		}
		t.row(b.what, fmt.Sprintf("%.3g %s", b.measured, b.unit), fmt.Sprintf("%.3g %s", b.limit, b.unit), verdict)
	}
	return t
}

// markdown is the whole run, for docs/performance.md.
func (f *figures) markdown(ctx context.Context, peers []peer) string {
	var b strings.Builder
	fmt.Fprintf(&b, "One run, %s, %s, %d cores, load average before it %s, Linux %s, %s. %s.\n", time.Now().Format("2 January 2006"), processor(), runtime.NumCPU(), f.busy, kernel(), runtime.Version(), versions(ctx))
	section := func(title string, t table) {
		if len(t) > 1 {
			fmt.Fprintf(&b, "\n### %s\n\n%s", title, t)
		}
	}
	section("Bars", f.barTable())
	section("CPU", f.cpuTable(peers, kilobyte, "nginx"))
	section("Payloads and protocols", f.payloadTable(peers))
	section(fmt.Sprintf("Latency at %.0f requests a second", f.rate), f.latencyTable(peers))
	section("Memory", f.heldTable(peers))
	section("Where the rest goes", f.partTable())
	return b.String()
}

// runMark is the line of the documentation below which the figures of a run stand.
const runMark = "<!-- Below stands what `go run ./build bench proxy -docs` writes. -->\n"

// document replaces what stands below the mark.
func document(file, run string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, _, found := strings.Cut(string(text), runMark)
	if !found {
		return fmt.Errorf("%s has no line %q to write below: put it back and run again", file, strings.TrimSpace(runMark))
	}
	return os.WriteFile(file, []byte(before+runMark+"\n"+run), 0o644)
}

func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	_, rest, _ := strings.Cut(string(text), "model name")
	line, _, _ := strings.Cut(rest, "\n")
	return strings.Trim(line, "\t :")
}

func kernel() string { return firstWord("/proc/sys/kernel/osrelease") }

func loadAverage() string { return firstWord("/proc/loadavg") }

// firstWord is of a file of the kernel's.
func firstWord(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return "unknown"
	}
	word, _, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	return word
}
