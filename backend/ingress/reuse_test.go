package ingress

import (
	"io"
	"testing"

	"proxycache/backend/flow"
)

// released counts.
type released struct{ n int }

func (r *released) Release() { r.n++ }

func TestTheMemoryOfAnExchangeServesTheNextOfItsConnection(t *testing.T) {
	const post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"
	for _, c := range []struct {
		name, first, second string
		hold                func(x *flow.Exchange)
		again               bool
	}{
		{name: "nobody holds it", first: get, second: get, again: true},
		{name: "a body behind one without", first: get, second: post, again: true},
		{name: "its request had a body, which may still be read", first: post, second: get},
		{name: "somebody waits for its end", first: get, second: get, hold: func(x *flow.Exchange) { x.Context().Done() }},
		{name: "something runs at its end", first: get, second: get, hold: func(x *flow.Exchange) {
			x.Context().(*span).AfterFunc(func() {})
		}},
		{name: "what would have run was stopped", first: get, second: get, again: true, hold: func(x *flow.Exchange) {
			x.Context().(*span).AfterFunc(func() {})()
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var seen []*flow.Exchange
			var owned released
			h := open(t, func(x *flow.Exchange) *flow.Response {
				if len(x.Trail) != 0 || x.Problem != nil || x.Route != "" || x.Context().Err() != nil {
					t.Errorf("it begins as %+v", x)
				}
				if len(seen) == 0 {
					x.Own(&owned)
					if c.hold != nil {
						c.hold(x)
					}
				}
				seen = append(seen, x)
				x.Enter("a", "b")
				x.Note("n", "v")
				x.Route = "r"
				if sent, err := io.ReadAll(x.Request.Body); err != nil || int64(len(sent)) != x.Request.ContentLength {
					t.Errorf("read %q of %d, %v", sent, x.Request.ContentLength, err)
				}
				return ok(x)
			})
			talk := h.dial()
			talk.say(c.first)
			talk.hear(okAnswer)
			talk.say(c.second)
			talk.hear(okAnswer)
			if (seen[0] == seen[1]) != c.again || (owned.n > 0) != c.again {
				t.Errorf("the same again: %v, released %d", seen[0] == seen[1], owned.n)
			}
		})
	}
}
