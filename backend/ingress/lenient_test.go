package ingress

import (
	"strings"
	"testing"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

// What may be let pass is the route's matter: the handler learns of it, and the connection goes on
// where it was let pass alone.
func TestFaultsOfFormAreTheHandlersMatter(t *testing.T) {
	tolerated := make(chan flow.Tolerance, 1)
	refuse := false
	h := open(t, func(x *flow.Exchange) *flow.Response {
		tolerated <- x.Request.Tolerated
		if got := x.Request.Header.Get("X"); got != "1 2" {
			t.Errorf("the field is %q in %q", got, x.Request.RawHead)
		}
		if refuse {
			x.Problem = problem.New(problem.BadRequest, "not here")
			return text(400, "no")
		}
		return ok(x)
	})
	talk := h.dial()
	for _, c := range []struct {
		request string
		want    flow.Tolerance
	}{
		{"GET / HTTP/1.1\r\nHost: a\r\nX: 1 2\r\n\r\n", 0},
		{"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n", flow.ObsFold},
		{"GET / HTTP/1.1\nHost: a\nX: 1\n\t2\n\n", flow.LineFeed | flow.ObsFold},
	} {
		talk.say(c.request)
		talk.hear(okAnswer)
		if got := receive(t, tolerated, "the exchange"); got != c.want {
			t.Errorf("%q needed %v, want %v", c.request, got, c.want)
		}
	}
	refuse = true
	talk.say("GET / HTTP/1.1\nHost: a\nX: 1 2\n\n" + strings.Replace(get, "\r\n\r\n", "\r\nX: 1 2\r\n\r\n", 1))
	r, body := talk.answer("GET")
	if r.StatusCode != 400 || body != "no" || !r.Close {
		t.Errorf("%d %q, closes: %v", r.StatusCode, body, r.Close)
	}
	talk.hearEnd()
	if got := receive(t, tolerated, "the exchange"); got != flow.LineFeed || len(tolerated) > 0 {
		t.Errorf("it needed %v, and %d exchanges followed", got, len(tolerated))
	}
}
