package journey

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"proxycache/backend/config"
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

const keeping = `
[upstreams.mirror]
targets = [{ url = "http://ORIGIN" }]

[[routes]]
name = "all"
to = "mirror"

  [[routes.cells]]
  use = "ratelimit"
  limit = 4
  window = "1d"
  key = "all"

  [[routes.cells]]
  use = "cache"

  [[routes.cells]]
  use = "breaker"
  status_ratio = 0.5
  minimum = 2
  open_for = "1h"
`

// What a cell has learned outlives an edit of the configuration.
func TestAnEditKeepsWhatCellsHaveLearned(t *testing.T) {
	origin := httptest.NewServer(http.HandlerFunc(mirror))
	t.Cleanup(origin.Close)
	h := openHouse(t, strings.ReplaceAll(keeping, "ORIGIN", strings.TrimPrefix(origin.URL, "http://")))
	ask := func(target string) *http.Response {
		t.Helper()
		answer, _ := send(t, h, "GET "+target+"\nHost: shop.localhost\n")
		return answer
	}
	ask("/kept?set=Cache-Control:max-age=600")
	ask("/bad?status=503")
	ask("/bad?status=503")
	h.change(func(doc *config.Document) {
		doc.Routes = append([]config.Route{{Name: "other", When: `path = "/other"`, To: "mirror"}}, doc.Routes...)
		doc.Routes[1].Cells = append(doc.Routes[1].Cells, config.Cell{ID: "fault", Use: "fault", Settings: config.Settings{"percent": 0.0}})
	})
	if got := ask("/kept?set=Cache-Control:max-age=600").Header.Get("Cache-Status"); !strings.Contains(got, "; hit") {
		t.Errorf("what was kept is answered with Cache-Status %q", got)
	}
	if got := ask("/fifth").StatusCode; got != http.StatusTooManyRequests {
		t.Errorf("the fifth request of four is answered with %d", got)
	}
	states, err := h.Cells(t.Context(), core.Nothing{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range states {
		if s.Module == "breaker" && (s.Level != "alarm" || !strings.Contains(s.Summary, "open")) {
			t.Errorf("the breaker is %s: %s", s.Level, s.Summary)
		}
	}
}
