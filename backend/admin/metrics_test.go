package admin

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"proxycache/backend/core"
)

// scrape asks behind the guard, as the door does.
func scrape(t *testing.T, s *Server, key, accept string) *http.Response {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.address.String()+"/metrics", nil)
	if key != "" {
		request.Header.Set("Authorization", "Bearer "+key)
	}
	if accept != "" {
		request.Header.Set("Accept", accept)
	}
	answer := httptest.NewRecorder()
	s.guard(s.metrics()).ServeHTTP(answer, request)
	return answer.Result()
}

// used is a door whose proxy has passed one request on.
func used(t *testing.T) *Server {
	t.Helper()
	s, c := open(t)
	status, err := c.Status(t.Context(), core.Nothing{})
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := url.Parse(status.ProxyURL)
	if err != nil {
		t.Fatal(err)
	}
	origin := httptest.NewServer(http.NotFoundHandler())
	defer origin.Close()
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy)}}
	defer client.CloseIdleConnections()
	r, err := client.Get(origin.URL)
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Body.Close()
	return s
}

func TestAScrapeWantsTheKey(t *testing.T) {
	s := used(t)
	for key, want := range map[string]int{"": 401, s.key + "x": 401, s.key: 200} {
		if r := scrape(t, s, key, ""); r.StatusCode != want {
			t.Errorf("with the key %q: %d, want %d", key, r.StatusCode, want)
		}
	}
}

func TestAScraperGetsTheFormItAsksFor(t *testing.T) {
	s := used(t)
	for _, c := range []struct{ name, accept, contentType, end string }{
		{"a person", "text/html", "text/plain; version=0.0.4", "\n"},
		{"OpenMetrics", "application/openmetrics-text; version=1.0.0", "application/openmetrics-text; version=1.0.0", "\n# EOF\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := scrape(t, s, s.key, c.accept)
			said, err := io.ReadAll(r.Body)
			if err != nil || r.Header.Get("Cache-Control") != "no-store" || !strings.HasPrefix(r.Header.Get("Content-Type"), c.contentType) || !strings.HasSuffix(string(said), c.end) {
				t.Errorf("%v, the head is %v", err, r.Header)
			}
			for _, line := range []string{`proxycache_build_info{version="test"} 1`, `proxycache_pool_response_seconds_count{pool=""} 1`, "go_goroutines ", "process_start_time_seconds "} {
				if !strings.Contains(string(said), "\n"+line) {
					t.Errorf("%q is missing", line)
				}
			}
		})
	}
}

func TestPrometheusGetsNativeHistograms(t *testing.T) {
	s := used(t)
	r := scrape(t, s, s.key, "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited")
	decode := expfmt.NewDecoder(r.Body, expfmt.ResponseFormat(r.Header))
	var native []string
	for {
		var family dto.MetricFamily
		err := decode.Decode(&family)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range family.GetMetric() {
			if h := m.GetHistogram(); strings.HasPrefix(family.GetName(), "proxycache_") && h != nil && len(h.GetPositiveSpan()) > 0 && len(h.GetBucket()) > 0 {
				native = append(native, family.GetName())
			}
		}
	}
	if want := "[proxycache_pool_response_seconds proxycache_route_duration_seconds proxycache_route_last_byte_seconds proxycache_target_response_seconds]"; fmt.Sprint(native) != want {
		t.Errorf("native ones are %q, want %q", native, want)
	}
}

func TestTheLinterIsContentWithAScrape(t *testing.T) {
	s := used(t)
	said, err := io.ReadAll(scrape(t, s, s.key, "").Body)
	if err != nil {
		t.Fatal(err)
	}
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed (Debian: apt-get install prometheus)")
	}
	check := exec.CommandContext(t.Context(), promtool, "check", "metrics")
	check.Stdin = bytes.NewReader(said)
	if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool: %v\n%s", err, out)
	}
}
