package core

import (
	"strings"
	"testing"

	"proxycache/backend/problem"
)

func TestProbeAsksAsTheRequestWouldCome(t *testing.T) {
	c := opened(t, `version = 1
[[listen]]
address = "127.0.0.1:0"
accept = ["reverse", "forward"]
[upstreams.shop]
targets = [{ url = "demo:" }]
[[routes]]
name = "here"
when = "door = reverse"
to = "shop"
[[routes]]
name = "example"
when = 'host = "example.com"'
to = "shop"
`)
	own := c.proxyURL()
	for asked, want := range map[string]string{
		"/v1/items": "here", own + "/v1/items": "here", strings.TrimPrefix(own, "http://"): "here",
		"http://shop.localhost/": "here", "shop.localhost:1/x": "here",
		"http://example.com/": "example", "https://example.com/a?b": "example", "//example.com/": "example",
		"http://example.org/": "", "http://127.0.0.1:1/": "", "http://inner/": "",
	} {
		answer, err := c.Probe(t.Context(), RouteProbe{Method: "GET", URL: asked})
		if err != nil || answer.Route != want {
			t.Errorf("%s is taken by %q (%v), not %q", asked, answer.Route, err, want)
		}
	}
	for _, asked := range []RouteProbe{{"GET", "word"}, {"GET", "two words"}, {"GET", "ftp://a.b/"}, {"GET", ""}, {"G(T", "/"}, {"GET", "http:///x"}, {"GET", "a!b.c/"}} {
		_, err := c.Probe(t.Context(), asked)
		if p := problem.Of(err); err == nil || p.Where != "url" || !strings.Contains(p.Message, "is no request") {
			t.Errorf("%v: %v", asked, err)
		}
	}
}
