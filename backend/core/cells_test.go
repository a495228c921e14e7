package core

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
)

// A breaker before a cache: what the cache answers says nothing about the server.
func TestABreakerBeforeACacheJudgesTheServerAlone(t *testing.T) {
	for _, broken := range []struct {
		how    string
		status int // that clients get
		fail   func(http.ResponseWriter)
	}{
		{"hangs up", 502, func(http.ResponseWriter) { panic(http.ErrAbortHandler) }},
		{"answers 500", 500, func(w http.ResponseWriter) { w.WriteHeader(http.StatusInternalServerError) }},
	} {
		t.Run(broken.how, func(t *testing.T) {
			var failing atomic.Bool
			origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case failing.Load():
					broken.fail(w)
				case r.URL.Path == "/kept":
					w.Header().Set("Cache-Control", "max-age=600")
				case r.URL.Path == "/stale":
					w.Header().Set("Cache-Control", "max-age=0, stale-if-error=600")
					w.Header().Set("ETag", `"1"`)
				}
				_, _ = io.WriteString(w, "text")
			}))
			t.Cleanup(origin.Close)
			c := opened(t, breakerBeforeCache(origin.URL))
			asks(t, c, "/kept", 50, 200) // the server answers one of them
			asks(t, c, "/stale", 1, 200)
			failing.Store(true)
			asks(t, c, "/stale", 50, 200) // it answers none, and the cache has them all the same
			asks(t, c, "/kept", 50, 200)
			asks(t, c, "/missing", 3, broken.status) // three of five
			asks(t, c, "/missing", 1, 503)
		})
	}
}

func breakerBeforeCache(origin string) string {
	return `version = 1
[[listen]]
address = "127.0.0.1:0"
accept = ["reverse"]
[upstreams.shop]
targets = [{ url = "` + origin + `" }]
[[routes]]
name = "api"
to = "shop"
  [[routes.cells]]
  use = "breaker"
  minimum = 5
  window = "1h"
  [[routes.cells]]
  use = "cache"
`
}

// asks sends requests, each of which is to be answered with that status.
func asks(t *testing.T, c *Core, path string, times, status int) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for range times {
		r, err := client.Get(c.proxyURL() + path)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(io.Discard, r.Body)
		if err := errors.Join(err, r.Body.Close()); err != nil || r.StatusCode != status {
			t.Fatalf("%s is answered %d, want %d (%v)", path, r.StatusCode, status, err)
		}
	}
}
