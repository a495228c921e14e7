package engine

import (
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
