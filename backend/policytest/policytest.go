// Package policytest holds every module to what DESIGN §3 promises of it.
package policytest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"proxycache/backend/flow"
	"proxycache/backend/policy"
	"proxycache/backend/problem"
	"proxycache/backend/schema"
)

// Laws checks m with its defaults and with each of the examples, which are settings as a document
// holds them. A module with required settings without a default needs an example.
//
//   - The module and every setting have a title and a help; the settings decode, stand, explain
//     themselves in one sentence without a full stop, and come back from Encode as they were.
//   - There is a response or an error, never both; an error of what stands behind goes back unchanged.
//   - What came from behind is closed when the response is, or was closed by the module.
//   - A 101 passes untouched.
//   - An exchange whose client has left ends soon.
//   - Many exchanges run at once (under -race), and no goroutine is left after Close.
func Laws(t *testing.T, m policy.Module, examples ...map[string]any) {
	t.Helper()
	for _, fault := range faults(m, examples) {
		t.Errorf("%s: %s", m.Name, fault)
	}
}

func faults(m policy.Module, examples []map[string]any) []string {
	var f finder
	f.description(m)
	required := slices.ContainsFunc(schema.Of(m.Settings()), func(s schema.Field) bool { return s.Required && s.Default == "" })
	if !required {
		f.settings(m, map[string]any{})
	} else if len(examples) == 0 {
		f.add("has required settings: give an example of them")
	}
	for _, example := range examples {
		f.settings(m, example)
	}
	return f.found
}

type finder struct{ found []string }

func (f *finder) add(format string, args ...any) {
	f.found = append(f.found, fmt.Sprintf(format, args...))
}

func (f *finder) description(m policy.Module) {
	for what, text := range map[string]string{
		"name": m.Name, "title": m.Title, "summary": m.Summary, "icon": m.Icon, "stage": string(m.Stage), "figure": m.Figure,
	} {
		if text == "" {
			f.add("has no %s", what)
		}
	}
	if m.Summary != "" && !strings.HasSuffix(m.Summary, ".") {
		f.add("its summary is no sentence: %q", m.Summary)
	}
	f.fields("", schema.Of(m.Settings()))
}

func (f *finder) fields(inside string, fields []schema.Field) {
	for _, s := range fields {
		if s.Help == "" || s.Title == "" {
			f.add("the setting %s%s has no help or no title", inside, s.Name)
		}
		f.fields(inside+s.Name+".", s.Fields)
	}
}

func (f *finder) settings(m policy.Module, values map[string]any) {
	s := m.Settings()
	if problems := schema.Decode("", values, s); len(problems) > 0 {
		f.add("the settings %v do not stand: %v", values, problems)
		return
	}
	again := m.Settings()
	if problems := schema.Decode("", schema.Encode(s), again); len(problems) > 0 || !reflect.DeepEqual(s, again) {
		f.add("the settings %v come back from Encode as %+v: %v", values, again, problems)
	}
	sentence := s.Explain()
	if sentence == "" || strings.HasSuffix(sentence, ".") || strings.Contains(sentence, ". ") || strings.Contains(sentence, "\n") {
		f.add("explains itself as %q, one sentence without a full stop is needed", sentence)
	}
	f.running(s, values)
}

func (f *finder) running(s policy.Settings, values map[string]any) {
	before := goleak.IgnoreCurrent()
	p, err := s.Policy(policy.NewEnv("laws/cell", nil, nil))
	if err != nil {
		f.add("the settings %v make no policy: %v", values, err)
		return
	}
	f.answers(p)
	f.failurePasses(p)
	f.upgradePasses(p)
	f.clientLeft(p)
	f.manyAtOnce(p)
	if c, ok := p.(io.Closer); ok {
		if err := c.Close(); err != nil {
			f.add("its Close fails: %v", err)
		}
	}
	if err := goleak.Find(before); err != nil {
		f.add("leaves goroutines behind after Close: %v", err)
	}
}

// body remembers that it was closed.
type body struct {
	io.Reader
	closed atomic.Bool
}

func newBody(text string) *body { return &body{Reader: strings.NewReader(text)} }

func (b *body) Close() error { b.closed.Store(true); return nil }

func exchange(ctx context.Context, sent io.ReadCloser) *flow.Exchange {
	x := flow.NewExchange(ctx, flow.Reverse, &flow.Request{
		Method: "POST", Scheme: "http", Authority: "shop.localhost", Target: "/v1/items?page=2", Proto: "HTTP/1.1",
		Header: flow.Header{{Name: "Host", Value: "shop.localhost"}, {Name: "Cookie", Value: "a=1"}},
		Body:   sent, ContentLength: -1,
	})
	x.Enter("laws/cell", "")
	return x
}

// origin is what stands behind the module: it reads the request and answers.
func origin(answer *body) policy.Next {
	return func(x *flow.Exchange) (*flow.Response, error) {
		if _, err := io.Copy(io.Discard, x.Request.Body); err != nil {
			return nil, err
		}
		return &flow.Response{
			Status: 200, Proto: "HTTP/1.1", Body: answer, ContentLength: -1,
			Header: flow.Header{{Name: "Content-Type", Value: "application/json"}, {Name: "Server", Value: "origin"}},
		}, nil
	}
}

func (f *finder) answers(p policy.Policy) {
	if fault := once(p); fault != "" {
		f.add("%s", fault)
	}
}

// once runs one exchange as the ingress does and says what was wrong with it.
func once(p policy.Policy) string {
	sent, answer := newBody(`{"a":1}`), newBody(`{"b":2}`)
	x := exchange(context.Background(), sent)
	called := false
	r, err := p.Apply(x, func(x *flow.Exchange) (*flow.Response, error) {
		called = true
		return origin(answer)(x)
	})
	switch {
	case (r == nil) == (err == nil):
		return fmt.Sprintf("returned the response %v and the error %v: one of both is needed", r, err)
	case err != nil:
		return fmt.Sprintf("fails though what stands behind it answers: %v", err)
	case r.Body == nil:
		return "returned a response whose body is nil"
	}
	_, readErr := io.Copy(io.Discard, r.Body)
	if err := errors.Join(readErr, r.Body.Close(), x.Request.Body.Close()); err != nil {
		return fmt.Sprintf("reading and closing the bodies: %v", err)
	}
	if called && !answer.closed.Load() {
		return "leaves the body from behind it open"
	}
	if !sent.closed.Load() {
		return "replaced the request's body and left the old one open"
	}
	return ""
}

func (f *finder) failurePasses(p policy.Policy) {
	failure := problem.New(problem.Refused, "Sending: refused on purpose. Do nothing.")
	called := false
	r, err := p.Apply(exchange(context.Background(), flow.NoBody), func(*flow.Exchange) (*flow.Response, error) {
		called = true
		return nil, failure
	})
	if called && (r != nil || err != error(failure)) {
		f.add("turns a failure behind it into %v, %v: it goes back unchanged", r, err)
	}
}

type upgraded struct{ *body }

func (upgraded) Write(b []byte) (int, error) { return len(b), nil }

func (f *finder) upgradePasses(p policy.Policy) {
	header := flow.Header{{Name: "Upgrade", Value: "websocket"}, {Name: "Connection", Value: "Upgrade"}}
	conn := upgraded{newBody("frames")}
	given := &flow.Response{Status: 101, Proto: "HTTP/1.1", Header: header.Clone(), Body: flow.NoBody, Upgraded: conn}
	called := false
	r, err := p.Apply(exchange(context.Background(), flow.NoBody), func(*flow.Exchange) (*flow.Response, error) {
		called = true
		return given, nil
	})
	if !called {
		return // it answers by itself
	}
	if err != nil || r != given || r.Status != 101 || r.Upgraded != io.ReadWriteCloser(conn) || !slices.Equal(r.Header, header) || conn.closed.Load() {
		f.add("does not leave a 101 alone: %+v, %v", r, err)
	}
}

// patience is how long an exchange may go on after its client has left.
const patience = 5 * time.Second

func (f *finder) clientLeft(p policy.Policy) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	over := make(chan struct{})
	go func() {
		defer close(over)
		r, err := p.Apply(exchange(ctx, flow.NoBody), func(x *flow.Exchange) (*flow.Response, error) {
			return nil, x.Context().Err()
		})
		if err == nil {
			_ = r.Body.Close() // what it answered is of no interest here
		}
	}()
	select {
	case <-over:
	case <-time.After(patience):
		f.add("goes on when the client has left")
	}
}

func (f *finder) manyAtOnce(p policy.Policy) {
	const clients, each = 16, 8
	var running sync.WaitGroup
	var first atomic.Pointer[string]
	for range clients {
		running.Go(func() {
			for range each {
				if fault := once(p); fault != "" {
					first.CompareAndSwap(nil, &fault)
				}
			}
		})
	}
	running.Wait()
	if fault := first.Load(); fault != nil {
		f.add("with many exchanges at once: %s", *fault)
	}
}
