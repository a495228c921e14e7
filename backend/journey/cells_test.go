package journey

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"proxycache/backend/core"
)

const cached = `
[upstreams.origin]
targets = [{ url = "http://ORIGIN" }]

[[routes]]
name = "all"
to = "origin"

  [[routes.cells]]
  use = "cache"
`

// A cache is emptied, and warmed with what the capture has of it.
func TestACacheIsWarmedWithRecordedTraffic(t *testing.T) {
	var asked atomic.Int64
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.UserAgent() != "" && !strings.Contains(r.UserAgent(), finder) {
			asked.Add(1)
		}
		w.Header().Set("Cache-Control", "max-age=600")
		_, _ = w.Write([]byte("the page " + r.URL.Path))
	}))
	t.Cleanup(origin.Close)
	h := openHouse(t, strings.ReplaceAll(cached, "ORIGIN", strings.TrimPrefix(origin.URL, "http://")))
	ask := func(path string) string {
		t.Helper()
		answer, _ := send(t, h, "GET "+path+"\nHost: shop.localhost\nUser-Agent: test\n")
		return answer.Header.Get("Cache-Status")
	}
	act := func(action string, arguments map[string]string) string {
		t.Helper()
		done, err := h.ActOnCell(t.Context(), core.CellAction{Cell: "all/cache", Action: action, Arguments: arguments})
		if err != nil {
			t.Fatalf("%s: %v", action, err)
		}
		return done
	}
	for _, path := range []string{"/a", "/b", "/b", "/c"} {
		ask(path)
	}
	h.finished("", 4)
	if n := asked.Load(); n != 3 {
		t.Fatalf("the origin was asked %d times", n)
	}
	act("purge", map[string]string{"prefix": "http://shop.localhost/"})
	if said := act("warm", map[string]string{"recorded": `path in ("/a", "/b")`}); !strings.Contains(said, "2") {
		t.Errorf("warming says %q", said)
	}
	for path, hit := range map[string]bool{"/a": true, "/b": true, "/c": false} {
		if got := ask(path); strings.Contains(got, "; hit") != hit {
			t.Errorf("%s: Cache-Status is %q", path, got)
		}
	}
	states, err := h.Cells(t.Context(), core.Nothing{})
	if err != nil || len(states) != 1 || states[0].Cell != "all/cache" || states[0].Summary == "" || len(states[0].Actions) != 2 {
		t.Errorf("the cells are %+v, %v", states, err)
	}
}
