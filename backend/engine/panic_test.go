package engine

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"proxycache/backend/config"
	"proxycache/backend/flow"
)

func TestAPanicOfACellDoesNotHoldItsPlan(t *testing.T) {
	e := newEngine(t)
	inForce(t, e, &config.Document{Routes: []config.Route{{Name: "shop", Cells: []config.Cell{cellOf("breaks", "panic")}}}})
	plan := e.plan.Load()
	func() {
		defer func() {
			if recover() == nil {
				t.Error("it did not panic")
			}
		}()
		e.Handle(exchange(t, flow.Reverse, "http://shop.test/"))
	}()
	e.Close()
	if n := plan.users.Load(); n != 0 {
		t.Errorf("%d hold the plan that is out of force", n)
	}
}

// What a cell was given back when it panics is closed by nobody else: its connection would count as open for ever.
func TestAPanicBehindAnAnswerGivesItsConnectionUp(t *testing.T) {
	e := newEngine(t)
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }))
	t.Cleanup(origin.Close)
	inForce(t, e, &config.Document{
		Upstreams: []config.Upstream{upstreamOf("shop", origin.URL)},
		Routes:    []config.Route{{Name: "shop", To: "shop", Cells: []config.Cell{cellOf("breaks", "panic behind")}}},
	})
	func() {
		defer func() {
			if recover() == nil {
				t.Error("it did not panic")
			}
		}()
		e.Handle(exchange(t, flow.Reverse, "http://shop.test/"))
	}()
	if n := e.plan.Load().pools["shop"].Stats().Targets[0].InFlight; n != 0 {
		t.Errorf("%d exchanges are in flight", n)
	}
}
