package ingress

import (
	"context"
	"io"
	"testing"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

// found is what those who watch an exchange find at its end.
type found struct {
	problem *problem.Problem
	cut     bool
}

// noticing is a response's body that takes a look at the end of the exchange.
type noticing struct {
	io.ReadCloser
	x    *flow.Exchange
	r    *flow.Response
	over chan found
}

func (n *noticing) Close() error {
	n.over <- found{n.x.Problem, n.r.Cut}
	return n.ReadCloser.Close()
}

// What a shutdown cuts off is neither the server's fault nor the client's.
func TestWhatADrainEndsIsToldAsThat(t *testing.T) {
	asPoolsSay := problem.New(problem.ClientLeft, "Reading the answer of a:1: the client closed its connection first.")
	for _, target := range []string{"/events", "/stream", "/pending"} {
		for name, asking := range map[string]func(h *house){
			"HTTP/1": func(h *house) { h.dial().say("GET " + target + " HTTP/1.1\r\nHost: shop.test\r\n\r\n") },
			"HTTP/2": func(h *house) { h.frames().ask(1, true, shop("GET", target)...) },
		} {
			t.Run(name+target, func(t *testing.T) {
				entered, over := make(chan bool, 1), make(chan found, 1)
				h := open(t, func(x *flow.Exchange) *flow.Response {
					entered <- true
					if target == "/pending" {
						<-x.Context().Done()
						x.Problem = asPoolsSay
						r := text(499, "")
						r.Body = &noticing{r.Body, x, r, over}
						return r
					}
					body, send := io.Pipe()
					context.AfterFunc(x.Context(), func() { _ = send.CloseWithError(asPoolsSay) })
					r := unknown(body)
					if target == "/events" {
						r.Header.Set("Content-Type", "text/event-stream")
					}
					r.Body = &noticing{r.Body, x, r, over}
					return r
				})
				asking(h)
				receive(t, entered, "the request")
				ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
				defer cancel()
				if err := h.Shutdown(ctx); err != nil {
					t.Error(err)
				}
				got := receive(t, over, "the end of the exchange")
				want := "Answering GET http://shop.test" + target + ": the proxy was closed before the answer was complete. Send it again."
				if got.problem == nil || got.problem.Kind != problem.Terminated || got.problem.Message != want || !got.cut {
					t.Errorf("it is told as %+v, want %q", got, want)
				}
			})
		}
	}
}
