package core

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"

	"proxycache/backend/engine"
	"proxycache/backend/flow"
	"proxycache/backend/metrics"
	"proxycache/backend/policy"
)

// house opens a core with a route to a server that answers /missing with 404, and /text with a body.
func house(t *testing.T) *Core {
	t.Helper()
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/missing":
			w.WriteHeader(http.StatusNotFound)
		case "/text":
			_, _ = io.WriteString(w, "text")
		}
	}))
	t.Cleanup(origin.Close)
	config := `version = 1
[[listen]]
address = "127.0.0.1:0"
accept = ["reverse"]
[upstreams.shop]
targets = [{ url = "` + origin.URL + `" }]
[[routes]]
name = "api"
to = "shop"
  [[routes.cells]]
  use = "headers"
  id = "marks"
  response_set = { X-Marked = "yes" }
`
	return opened(t, config)
}

// opened is a running core with that configuration.
func opened(t *testing.T, config string) *Core {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "config.toml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Open(Options{Dir: dir, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := c.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	if list := c.broken.Load(); list != nil {
		t.Fatal(*list)
	}
	return c
}

func get(t *testing.T, url string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		t.Fatal(err)
	}
}

func exposition(t *testing.T, families func() []metrics.Family) string {
	t.Helper()
	all, err := metrics.Gatherer(families).Gather()
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, f := range all {
		if _, err := expfmt.MetricFamilyToText(&text, f); err != nil {
			t.Fatal(err)
		}
	}
	return text.String()
}

func TestWhatPrometheusIsTold(t *testing.T) {
	c := house(t)
	proxy := c.proxyURL()
	for _, path := range []string{"/", "/", "/missing"} {
		get(t, proxy+path)
	}
	said := strings.ReplaceAll(exposition(t, c.Metrics), c.engine.Pools()[1].Targets[0].Address, "ORIGIN")
	for _, line := range []string{
		`proxycache_route_requests_total{code="2xx",route="api"} 2`,
		`proxycache_route_requests_total{code="4xx",route="api"} 1`,
		`proxycache_route_duration_seconds_count{route="api"} 3`,
		`proxycache_route_duration_seconds_bucket{route="api",le="+Inf"} 3`,
		`proxycache_route_last_byte_seconds_count{route="api"} 3`,
		`proxycache_cell_requests_total{cell="api/marks",outcome="acted"} 3`,
		`proxycache_cell_duration_seconds_count{cell="api/marks"} 3`,
		`proxycache_pool_requests_total{outcome="answered",pool="shop"} 3`,
		`proxycache_pool_response_seconds_count{pool="shop"} 3`,
		`proxycache_pool_connections_opened_total{pool="shop"} 1`,
		`proxycache_pool_connections_reused_total{pool="shop"} 2`,
		`proxycache_target_up{pool="shop",target="ORIGIN"} 1`,
		`proxycache_target_state{pool="shop",state="healthy",target="ORIGIN"} 1`,
		`proxycache_target_state{pool="shop",state="ejected",target="ORIGIN"} 0`,
		`proxycache_target_weight{pool="shop",target="ORIGIN"} 1`,
		`proxycache_target_requests_total{outcome="failed",pool="shop",target="ORIGIN"} 0`,
		`proxycache_client_connections_accepted_total 3`,
		`proxycache_capture_recording 1`,
		`proxycache_capture_lost_exchanges_total 0`,
		`proxycache_build_info{version="test"} 1`,
		`proxycache_metrics_omitted_samples 0`,
	} {
		if !strings.Contains(said, "\n"+line+"\n") {
			t.Errorf("%q is missing", line)
		}
	}
	if t.Failed() {
		t.Log(said)
	}
	lint(t, said)
}

// lint asks Prometheus' linter, and its program where that is installed.
func lint(t *testing.T, said string) {
	t.Helper()
	problems, err := promlint.New(strings.NewReader(said)).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("the linter says %v, %v", problems, err)
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

func TestTheStatesOfCellsAreFigures(t *testing.T) {
	cell := func(id, module string, level policy.Level, figures ...policy.Figure) engine.CellState {
		return engine.CellState{Cell: id, Module: module, State: policy.State{Summary: "well", Level: level, Figures: figures}}
	}
	said := exposition(t, func() []metrics.Family {
		return states([]engine.CellState{
			cell("a/cache", "cache", policy.Calm,
				policy.Figure{Name: "entries", Help: "Entries that are held.", Value: 12},
				policy.Figure{Name: "hits_total", Help: "Answers from it.", Counter: true, Value: 3, Labels: []policy.Label{{Name: "tier", Value: "memory"}}}),
			cell("b/cache", "cache", policy.Alarm, policy.Figure{Name: "entries", Help: "Entries that are held.", Value: 1}),
			cell("b/odd", "odd-one", "", policy.Figure{Name: "open", Help: "Those that are open.", Value: 1, Labels: []policy.Label{{Name: "cell", Value: "its own"}}}),
			{Cell: "b/silent", Module: "silent"},
		})
	})
	for _, line := range []string{
		`proxycache_cache_entries{cell="a/cache"} 12`,
		`proxycache_cache_entries{cell="b/cache"} 1`,
		`proxycache_cache_hits_total{cell="a/cache",tier="memory"} 3`,
		`proxycache_odd_one_open{cell="b/odd",exported_cell="its own"} 1`,
		`proxycache_cell_level{cell="a/cache"} 0`,
		`proxycache_cell_level{cell="b/cache"} 2`,
		`proxycache_metrics_omitted_samples 0`,
	} {
		if !strings.Contains(said, "\n"+line+"\n") {
			t.Errorf("%q is missing from\n%s", line, said)
		}
	}
	if strings.Contains(said, "b/silent") {
		t.Errorf("a cell without a state has a level:\n%s", said)
	}
	lint(t, said)
}

// The last byte is where the record of the exchange has it, too.
func TestTheLastByteOfABodyIsTold(t *testing.T) {
	c := house(t)
	get(t, c.proxyURL()+"/text")
	var told metrics.Distribution
	var kept flow.Row
	for deadline := time.Now().Add(10 * time.Second); told.Count == 0 || kept.State != flow.Done; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the histogram has %+v, the record is %+v", told, kept)
		}
		for _, m := range c.engine.Measures() {
			if m.Name == "route/api" {
				told = m.LastByte
			}
		}
		page, err := c.Exchanges(t.Context(), ExchangeQuery{Limit: 1})
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Rows) > 0 {
			kept = page.Rows[0]
		}
	}
	if got, want := micros(told.Sum), float64(kept.Micros); told.Count != 1 || got < .99*want-1 || got > 1.01*want+1 {
		t.Errorf("the histogram has %d of %.0f µs, the record %.0f µs", told.Count, got, want)
	}
}

func TestLatenciesAreInMicroseconds(t *testing.T) {
	c := house(t)
	get(t, c.proxyURL()+"/")
	var names []string
	for _, l := range toLatencies(c.engine.Latencies()) {
		if slices.ContainsFunc([]Quantiles{l.TenSeconds, l.Minute, l.TenMinutes}, func(q Quantiles) bool {
			return q.Count != 1 || q.P50 != q.P999 || q.P50 < .01 || q.P50 > 10e6
		}) {
			t.Errorf("%+v", l)
		}
		names = append(names, l.Name)
	}
	if len(names) != 6 || strings.Join(names[:5], " ") != " api/marks route/api route/api/last-byte upstream/shop" || !strings.HasPrefix(names[5], "upstream/shop/127.0.0.1:") {
		t.Errorf("the names are %q", names)
	}
	got := toQuantiles(metrics.Quantiles{Count: 7, P50: 500 * time.Nanosecond, P90: time.Microsecond, P99: time.Millisecond, P999: time.Second})
	if want := (Quantiles{7, .5, 1, 1000, 1e6}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if all := toLatencies([]engine.Latency{{Name: "upstream//example.org:443"}}); all == nil || len(all) != 0 {
		t.Errorf("of a target that a client named: %v", all)
	}
}
