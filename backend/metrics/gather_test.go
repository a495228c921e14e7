package metrics

import (
	"math"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"pgregory.net/rapid"
)

// The form that the machine of a person's Prometheus reads, by its library.
var _ prometheus.Gatherer = Gatherer(nil)

func text(t *testing.T, g Gatherer, format expfmt.FormatType) string {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	e := expfmt.NewEncoder(&out, expfmt.NewFormat(format))
	for _, f := range families {
		if err := e.Encode(f); err != nil {
			t.Fatal(err)
		}
	}
	if closer, ok := e.(expfmt.Closer); ok {
		if err := closer.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return out.String()
}

// sampleFamilies have one of each kind.
func sampleFamilies() []Family {
	b, h := NewBoard(), &Histogram{}
	observe(b, h, 0, 3*time.Millisecond, 3*time.Millisecond, 40*time.Millisecond, 2*time.Hour)
	took := Family{Name: "proxycache_took_seconds", Help: "How long it took.", Kind: Durations, Bounds: []float64{.001, .01, .1}}
	d := b.Distribution(h)
	d.Since = time.Time{}
	took.AddDurations(d, "route", "shop")
	seen := Family{Name: "proxycache_seen_total", Help: "What was seen.", Kind: Counter}
	seen.Add(7, "route", "shop", "code", "2xx")
	seen.Add(1, "route", "a\\b\"c\nd", "code", "5xx")
	now := Family{Name: "proxycache_open", Help: "What is open.", Kind: Gauge}
	now.Add(2.5)
	return []Family{took, seen, now}
}

func TestTheTextThatPrometheusReads(t *testing.T) {
	const want = `# HELP proxycache_open What is open.
# TYPE proxycache_open gauge
proxycache_open 2.5
# HELP proxycache_seen_total What was seen.
# TYPE proxycache_seen_total counter
proxycache_seen_total{code="2xx",route="shop"} 7
proxycache_seen_total{code="5xx",route="a\\b\"c\nd"} 1
# HELP proxycache_took_seconds How long it took.
# TYPE proxycache_took_seconds histogram
proxycache_took_seconds_bucket{route="shop",le="0.001"} 1
proxycache_took_seconds_bucket{route="shop",le="0.01"} 3
proxycache_took_seconds_bucket{route="shop",le="0.1"} 4
proxycache_took_seconds_bucket{route="shop",le="+Inf"} 5
proxycache_took_seconds_sum{route="shop"} 7200.046
proxycache_took_seconds_count{route="shop"} 5
# HELP proxycache_metrics_omitted_samples Figures that this answer lacks: over the bound of 2000 of a name, or not of the form that metrics have.
# TYPE proxycache_metrics_omitted_samples gauge
proxycache_metrics_omitted_samples 0
`
	if got := text(t, sampleFamilies, expfmt.TypeTextPlain); got != want {
		t.Errorf("the text is\n%s\nwant\n%s", got, want)
	}
	open := text(t, sampleFamilies, expfmt.TypeOpenMetrics)
	for _, line := range []string{"# TYPE proxycache_seen counter", `proxycache_took_seconds_bucket{route="shop",le="+Inf"} 5`, "# EOF"} {
		if !strings.Contains(open, line+"\n") {
			t.Errorf("the OpenMetrics text lacks %q:\n%s", line, open)
		}
	}
}

// What a reader of the native form makes of it has every duration in the bucket that it belongs to.
func TestNativeBucketsHoldWhatWasObserved(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, h := NewBoard(), &Histogram{}
		all := rapid.SliceOf(spread()).Draw(t, "durations")
		observe(b, h, all...)
		want, wantZero := map[int]int64{}, uint64(0)
		for _, d := range all {
			if d = middleOf(bucketOf(d)); d == 0 {
				wantZero++
				continue
			}
			i := -400
			for math.Exp2(float64(i)/8) < d.Seconds() {
				i++
			}
			want[i]++
		}
		d := b.Distribution(h)
		got := readNative(t, d.encode(nil))
		if len(got.counts) != len(want) || got.zero != wantZero {
			t.Fatalf("it reads %+v, want %v and %d of nothing", got, want, wantZero)
		}
		for i, n := range want {
			if got.counts[i] != n {
				t.Fatalf("bucket %d has %d, want %d", i, got.counts[i], n)
			}
		}
	})
}

type native struct {
	counts map[int]int64
	zero   uint64
}

// readNative reads spans and deltas as the data model defines them.
func readNative(t *rapid.T, h *dto.Histogram) native {
	out := native{map[int]int64{}, h.GetZeroCount()}
	index, count, next := 0, int64(0), 0
	if h.GetSchema() != 3 || len(h.GetPositiveSpan()) == 0 && h.GetZeroCount() == 0 {
		t.Fatalf("it is no native histogram: %v", h)
	}
	for _, span := range h.GetPositiveSpan() {
		index += int(span.GetOffset())
		for range span.GetLength() {
			count += h.GetPositiveDelta()[next]
			out.counts[index] = count
			index, next = index+1, next+1
		}
	}
	if next != len(h.GetPositiveDelta()) {
		t.Fatalf("%d of %d deltas are in spans", next, len(h.GetPositiveDelta()))
	}
	return out
}

func TestWhatNoReaderWouldAcceptIsLeftOut(t *testing.T) {
	family := func(name string, kind Kind, labels ...string) Family {
		f := Family{Name: name, Help: "Help.", Kind: kind}
		f.Add(1, labels...)
		return f
	}
	for _, c := range []struct {
		name     string
		families []Family
		kept     string // the labels of the first name, by semicolons
		omitted  int
	}{
		{"families of one name are one", []Family{family("a", Gauge, "x", "1"), family("a", Gauge, "x", "2")}, "x=1;x=2", 0},
		{"the order is that of the labels", []Family{family("a", Gauge, "y", "2", "x", "1"), family("a", Gauge)}, ";x=1,y=2", 0},
		{"the same labels twice", []Family{family("a", Gauge, "x", "1"), family("a", Gauge, "x", "1")}, "x=1", 1},
		{"one name of two kinds", []Family{family("a", Gauge, "x", "1"), family("a", Counter, "x", "2")}, "x=1", 1},
		{"a name with a dash", []Family{family("a-b", Gauge), family("a", Gauge)}, "", 1},
		{"no name", []Family{family("", Gauge), family("a", Gauge)}, "", 1},
		{"a reserved label", []Family{family("a", Gauge, "le", "1"), family("a", Gauge)}, "", 1},
		{"a label twice", []Family{family("a", Gauge, "x", "1", "x", "2"), family("a", Gauge)}, "", 1},
		{"a label that is no UTF-8", []Family{family("a", Gauge, "x", "a\xffb")}, "x=a�b", 0},
		{"a long label", []Family{family("a", Gauge, "x", strings.Repeat("z", 300))}, "x=" + strings.Repeat("z", 256), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			kept, omitted := tidy(c.families)
			if len(kept) != 1 || kept[0].Name != "a" || omitted != c.omitted {
				t.Fatalf("kept %v, omitted %d", kept, omitted)
			}
			var samples []string
			for _, s := range kept[0].Samples {
				var labels []string
				for _, l := range s.Labels {
					labels = append(labels, l.Name+"="+l.Value)
				}
				samples = append(samples, strings.Join(labels, ","))
			}
			if got := strings.Join(samples, ";"); got != c.kept {
				t.Errorf("kept %q, want %q", got, c.kept)
			}
		})
	}
}

func TestAFamilyIsBounded(t *testing.T) {
	f := Family{Name: "a", Help: "Help.", Kind: Gauge}
	for i := range 3000 {
		f.Add(1, "x", string(rune('a'+i%26))+strings.Repeat("b", i/26))
	}
	got := text(t, func() []Family { return []Family{f} }, expfmt.TypeTextPlain)
	if n := strings.Count(got, "\na{"); n != mostSamples || !strings.Contains(got, "\nproxycache_metrics_omitted_samples 1000\n") {
		t.Errorf("told %d", n)
	}
}

func TestTheLinterIsContent(t *testing.T) {
	said := text(t, sampleFamilies, expfmt.TypeTextPlain)
	problems, err := promlint.New(strings.NewReader(said)).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed (Debian: apt-get install prometheus); its library was asked above")
	}
	check := exec.CommandContext(t.Context(), promtool, "check", "metrics")
	check.Stdin = strings.NewReader(said)
	if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool: %v\n%s", err, out)
	}
}
