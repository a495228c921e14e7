package retry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/policy"
	"proxycache/backend/policytest"
	"proxycache/backend/problem"
	"proxycache/backend/schema"
)

func TestLaws(t *testing.T) {
	policytest.Laws(t, Module,
		map[string]any{"attempts": int64(1)},
		map[string]any{"per_try_timeout": "1m", "methods": []any{"POST"}},
		map[string]any{"hedge_after": "1ms", "methods": []any{"POST"}},
		map[string]any{"hedge_after": "p95", "on": []any{"5xx", "retriable-status-codes"}, "statuses": []any{"425"}},
	)
}

func policyOf(t *testing.T, values map[string]any) *retrier {
	t.Helper()
	s := new(Settings)
	if problems := schema.Decode("", values, s); len(problems) > 0 {
		t.Fatal(problems)
	}
	p, err := s.Policy(policy.NewEnv("a/retry", nil, nil))
	if err != nil {
		t.Fatal(err)
	}
	return p.(*retrier)
}

func exchange(ctx context.Context, method, body string) *flow.Exchange {
	r := &flow.Request{Method: method, Scheme: "http", Authority: "shop.localhost", Target: "/", Body: flow.NoBody}
	if body != "" {
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	}
	x := flow.NewExchange(ctx, flow.Reverse, r)
	x.Enter("a/retry", "retry")
	return x
}

func fact(x *flow.Exchange, name string) string {
	for _, f := range x.Trail[0].Facts {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// answer is what the server does with an attempt: a status, or a failure.
type answer struct {
	status int
	fails  error
	sent   bool
	header flow.Header
	reads  int64 // bytes of the body that it reads first; -1 for all
}

func ok() answer { return answer{status: 200, sent: true, reads: -1} }

func fails(kind problem.Kind, sent bool) answer {
	return answer{fails: problem.New(kind, "Sending: it failed on purpose. Do nothing."), sent: sent}
}

// server gives one answer after the other, and the last one again and again.
type server struct {
	answers []answer
	calls   int
	bodies  []string
	closed  int
}

func (s *server) next(x *flow.Exchange) (*flow.Response, error) {
	a := s.answers[min(s.calls, len(s.answers)-1)]
	s.calls++
	x.Target, x.Sent = fmt.Sprintf("t:%d", s.calls), a.sent
	limit := a.reads
	if limit < 0 {
		limit = 1 << 30
	}
	body, err := io.ReadAll(io.LimitReader(x.Request.Body, limit))
	s.bodies = append(s.bodies, string(body))
	if err != nil {
		return nil, err
	}
	if a.fails != nil {
		return nil, a.fails
	}
	r := flow.NewResponse(a.status, "", nil)
	r.Header = a.header
	r.Body = &counted{s: s}
	return r, nil
}

type counted struct{ s *server }

func (*counted) Read([]byte) (int, error) { return 0, io.EOF }
func (c *counted) Close() error           { c.s.closed++; return nil }

func TestWhatIsRepeated(t *testing.T) {
	refusedStream := problem.Wrap(problem.Terminated, fmt.Errorf("deep: %w", streamError{StreamID: 3, Code: 7}), "Waiting: reset.")
	cancelledStream := problem.Wrap(problem.Terminated, streamError{StreamID: 3, Code: 8}, "Waiting: reset.")
	goAway := problem.Wrap(problem.Terminated, errors.New("http2: Transport received Server's graceful shutdown GOAWAY"), "Waiting: away.")
	for _, c := range []struct {
		name     string
		on       []any
		method   string
		first    answer
		repeated bool
		says     string // of the attempt, or why it is not repeated
	}{
		{"not connected", nil, "POST", fails(problem.Refused, false), true, "connect-failure: connection_refused"},
		{"no name", nil, "POST", fails(problem.DNS, false), true, "connect-failure: dns_error"},
		{"not connected for a request that was sent before", nil, "POST", fails(problem.Refused, true), false, "POST is not among the methods"},
		{"not connected, and not asked for", []any{"429"}, "GET", fails(problem.Refused, false), false, ""},
		{"a certificate", nil, "GET", fails(problem.TLSCert, false), false, ""},
		{"reset", nil, "GET", fails(problem.Terminated, true), true, "gateway-error: connection_terminated"},
		{"reset, by its own word", []any{"reset"}, "GET", fails(problem.ReadTimeout, true), true, "reset: connection_read_timeout"},
		{"reset, only connecting asked for", []any{"connect-failure"}, "GET", fails(problem.Terminated, true), false, ""},
		{"reset of a POST", nil, "POST", fails(problem.Terminated, true), false, "POST is not among the methods"},
		{"reset before anything of a POST had left", nil, "POST", fails(problem.Terminated, false), true, "gateway-error: connection_terminated"},
		{"a stream that was refused", []any{"refused-stream"}, "POST", answer{fails: refusedStream, sent: true}, true, "refused-stream: connection_terminated"},
		{"a stream that was cancelled", []any{"refused-stream"}, "POST", answer{fails: cancelledStream, sent: true}, false, ""},
		{"a server that leaves", []any{"reset-before-request"}, "POST", answer{fails: goAway, sent: true}, true, "reset-before-request: connection_terminated"},
		{"502", nil, "GET", answer{status: 502, sent: true}, true, "gateway-error: status 502"},
		{"503 to a POST", nil, "POST", answer{status: 503, sent: true}, false, "POST is not among the methods"},
		{"500", nil, "GET", answer{status: 500, sent: true}, false, ""},
		{"500 by 5xx", []any{"5xx"}, "PUT", answer{status: 500, sent: true}, true, "5xx: status 500"},
		{"409", []any{"retriable-4xx"}, "DELETE", answer{status: 409, sent: true}, true, "retriable-4xx: status 409"},
		{"429", []any{"429"}, "GET", answer{status: 429, sent: true}, true, "429: status 429"},
		{"the client left", nil, "GET", fails(problem.ClientLeft, true), false, ""},
		{"the client's message", nil, "GET", fails(problem.BadRequest, true), false, ""},
		{"full", nil, "GET", fails(problem.Overloaded, false), false, ""},
		{"known down", nil, "GET", fails(problem.DestinationUnavailable, false), false, "known to be down"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				values := map[string]any{}
				if c.on != nil {
					values["on"] = c.on
				}
				s := &server{answers: []answer{c.first, ok()}}
				x := exchange(t.Context(), c.method, "")
				r, err := policyOf(t, values).Apply(x, s.next)
				if got := s.calls == 2; got != c.repeated {
					t.Fatalf("it was sent %d times: %+v", s.calls, x.Trail[0].Facts)
				}
				where, verdict := "not repeated", flow.Passed
				if c.repeated {
					where, verdict = "attempt 1", flow.Changed
					if err != nil || r.Status != 200 || s.closed > 1 || fact(x, "attempts") != "2" {
						t.Errorf("%v %v, %d closed", r, err, s.closed)
					}
				} else if err != c.first.fails {
					t.Errorf("the error became %v", err)
				}
				if got := fact(x, where); !strings.Contains(got, c.says) || (c.says == "") != (got == "") {
					t.Errorf("%s: %q, want %q", where, got, c.says)
				}
				if x.Trail[0].Verdict != verdict {
					t.Errorf("the verdict is %s", x.Trail[0].Verdict)
				}
			})
		})
	}
}

func TestAStatusThatIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := policyOf(t, map[string]any{"on": []any{"retriable-status-codes"}, "statuses": []any{"425", "3xx"}})
		for status, calls := range map[int]int{425: 2, 307: 2, 424: 1, 400: 1} {
			s := &server{answers: []answer{{status: status}, ok()}}
			if _, err := p.Apply(exchange(t.Context(), "GET", ""), s.next); err != nil || s.calls != calls {
				t.Errorf("%d: sent %d times, %v", status, s.calls, err)
			}
			time.Sleep(time.Minute) // the budget is that of another time
		}
	})
}

func TestAnUpgradeIsPassedOn(t *testing.T) {
	p := policyOf(t, map[string]any{"per_try_timeout": "1s", "on": []any{"retriable-status-codes"}, "statuses": []any{"200"}})
	up := &flow.Response{Status: 200, Body: flow.NoBody, Upgraded: struct{ io.ReadWriteCloser }{}}
	x := exchange(t.Context(), "GET", "")
	var during context.Context
	r, err := p.Apply(x, func(x *flow.Exchange) (*flow.Response, error) { during = x.Context(); return up, nil })
	if r != up || err != nil || during.Err() != nil {
		t.Errorf("%v %v %v", r, err, during.Err())
	}
}

func TestAnAttemptHasItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := policyOf(t, map[string]any{"per_try_timeout": "1s", "attempts": int64(2), "back_off_base": "0s"})
		calls := 0
		x := exchange(t.Context(), "GET", "")
		var inside context.Context
		r, err := p.Apply(x, func(x *flow.Exchange) (*flow.Response, error) {
			if calls++; calls == 1 {
				<-x.Context().Done()
				return nil, x.Context().Err()
			}
			inside = x.Context()
			time.Sleep(999 * time.Millisecond)
			r := flow.NewResponse(200, "", []byte("late"))
			return r, nil
		})
		if err != nil || calls != 2 || !strings.Contains(fact(x, "attempt 1"), "connection_read_timeout") {
			t.Fatalf("%v, %d calls, %v", err, calls, x.Trail[0].Facts)
		}
		time.Sleep(time.Minute) // the body has all the time
		if inside.Err() != nil {
			t.Error("the time of the head ended the body")
		}
		body, _ := io.ReadAll(r.Body)
		_ = r.Body.Close()
		if string(body) != "late" || inside.Err() == nil || x.Context().Err() != nil {
			t.Errorf("%q, %v, %v", body, inside.Err(), x.Context().Err())
		}
		if _, err := p.Apply(exchange(t.Context(), "POST", ""), func(x *flow.Exchange) (*flow.Response, error) {
			x.Sent = true
			<-x.Context().Done()
			return nil, context.Cause(x.Context())
		}); problem.KindOf(err) != problem.ReadTimeout || !strings.Contains(err.Error(), "per_try_timeout") {
			t.Errorf("%v", err)
		}
	})
}

func TestEachAttemptBeginsWithTheRequestAsItCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := policyOf(t, nil)
		x := exchange(t.Context(), "GET", "")
		x.Request.Header = append(make(flow.Header, 0, 8), flow.Field{Name: "Host", Value: "shop.localhost"})
		x.Avoid, x.Bars = []string{"old"}, []flow.Bar{{Target: "barred"}}
		calls := 0
		_, err := p.Apply(x, func(x *flow.Exchange) (*flow.Response, error) {
			calls++
			want := []string{"old"}
			if calls > 1 {
				want = append(want, fmt.Sprintf("t:%d", calls-1))
			}
			if got := fmt.Sprint(x.Avoid, len(x.Bars), x.SendTo, x.Sent, x.Target, x.Request.Header, x.Request.Target); got != fmt.Sprint(want, 1, "", false, "", "[{Host shop.localhost}]", "/") {
				t.Errorf("attempt %d begins with %s", calls, got)
			}
			x.Bars = append(x.Bars, flow.Bar{Target: "another"})
			x.SendTo, x.Sent, x.Target, x.Request.Target = "other", true, fmt.Sprintf("t:%d", calls), "/rewritten"
			x.Request.Header.Add("X-Added", "1")
			return nil, problem.New(problem.Terminated, "no")
		})
		if err == nil || calls != 3 {
			t.Errorf("%d calls, %v", calls, err)
		}
	})
}

func BenchmarkNothingRepeated(b *testing.B) {
	s := new(Settings)
	schema.Defaults(s)
	p, err := s.Policy(policy.NewEnv("a/retry", nil, nil))
	if err != nil {
		b.Fatal(err)
	}
	response := flow.NewResponse(200, "", nil)
	next := func(x *flow.Exchange) (*flow.Response, error) { return response, nil }
	x := exchange(context.Background(), "GET", "")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Apply(x, next); err != nil {
			b.Fatal(err)
		}
	}
}
