package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/policy"
	"proxycache/backend/schema"
)

// A conversation is a list of steps; each is a request, what the server answers where it is asked, and
// what is wanted of both. Times are virtual. In fields, {+10} and {-10} are dates so many seconds from
// now, {0} is now.
type step struct {
	after time.Duration // before the request
	ask   string        // "GET /path" and fields, a line each; "" is "GET /"
	gives string        // what the server answers: "200", fields, a blank line, the body; "" is what failed
	fails bool          // the server does not answer

	sent   string // what reaches the server: "" nothing, "yes" anything, else lines of fields that it has to have; "-Name" one that it must not have
	status int    // 0 is 200
	body   string // "-" is not compared
	has    string // lines of fields that the answer has to have; "-Name" one that it must not have
}

// conversation is held under settings.
type conversation struct {
	name     string
	settings map[string]any
	steps    []step
}

func converse(t *testing.T, all []conversation) {
	t.Helper()
	for _, c := range all {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, c.settings)
				for i, s := range c.steps {
					h.step(i+1, s)
				}
				if f := h.p.count.failure.Load(); f != nil { // what panics in the background is one, too
					t.Errorf("the store is said to have failed: %s", f.text)
				}
			})
		})
	}
}

// house is a cache with a server behind it that does as the step says.
type house struct {
	t *testing.T
	p *cache

	mu   sync.Mutex
	give func(*flow.Exchange) (*flow.Response, error)
	sent []*flow.Request
	last *flow.Exchange // what the cache was asked with
	seq  int64
}

func newHouse(t *testing.T, settings map[string]any) *house {
	t.Helper()
	s := new(Settings)
	if problems := schema.Decode("", settings, s); len(problems) > 0 {
		t.Fatal(problems)
	}
	p, err := s.Policy(policy.NewEnv("test/cache", nil, nil).In(t.TempDir(), nil))
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, p: p.(*cache)}
	t.Cleanup(func() {
		if err := h.p.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

func (h *house) next(x *flow.Exchange) (*flow.Response, error) {
	h.mu.Lock()
	q := *x.Request
	q.Header = q.Header.Clone()
	h.sent = append(h.sent, &q)
	give := h.give
	h.mu.Unlock()
	return give(x)
}

var errRefused = errors.New("refused on purpose")

func (h *house) step(n int, s step) {
	h.t.Helper()
	time.Sleep(s.after)
	h.give = func(*flow.Exchange) (*flow.Response, error) {
		if s.fails {
			return nil, errRefused
		}
		return response(s.gives), nil
	}
	h.sent = nil
	r, body, err := h.ask(s.ask)
	synctest.Wait() // what goes on in the background
	if s.sent == "" && len(h.sent) > 0 {
		h.t.Errorf("step %d: the server was asked", n)
	}
	if s.sent != "" {
		h.wasSent(n, s.sent)
	}
	if s.fails && s.status == 0 && s.has == "" && s.body == "" {
		if !errors.Is(err, errRefused) {
			h.t.Errorf("step %d: the failure came as %v", n, err)
		}
		return
	}
	if err != nil {
		h.t.Fatalf("step %d: %v", n, err)
	}
	if want := max(s.status, 200); r.Status != want && (s.status != 0 || r.Status != 200) {
		h.t.Errorf("step %d: status %d, want %d", n, r.Status, want)
	}
	if s.body != "-" && body != s.body {
		h.t.Errorf("step %d: body %.60q, want %.60q", n, body, s.body)
	}
	h.has(n, "the answer", r.Header, s.has)
	if h.t.Failed() {
		h.t.Logf("step %d: %v\n%v\n%s", n, r.Status, r.Header, facts(h.last))
	}
}

func facts(x *flow.Exchange) string { return fmt.Sprint(x.Trail[0].Facts) }

func (h *house) wasSent(n int, want string) {
	h.t.Helper()
	if len(h.sent) == 0 {
		h.t.Errorf("step %d: the server was not asked", n)
		return
	}
	if want != "yes" {
		h.has(n, "the request", h.sent[0].Header, want)
	}
}

func (h *house) has(n int, what string, got flow.Header, want string) {
	h.t.Helper()
	for line := range strings.Lines(dated(want)) {
		line = strings.TrimSpace(line)
		name, value, _ := strings.Cut(line, ": ")
		if missing, ok := strings.CutPrefix(line, "-"); ok {
			if got.Has(missing) {
				h.t.Errorf("step %d: %s has %s: %s", n, what, missing, got.Joined(missing))
			}
		} else if line != "" && got.Joined(name) != value {
			h.t.Errorf("step %d: %s has %s: %q, want %q", n, what, name, got.Joined(name), value)
		}
	}
}

// ask sends a request through the cache and reads the answer to its end.
func (h *house) ask(text string) (*flow.Response, string, error) {
	x := h.exchange(context.Background(), text)
	h.last = x
	r, err := h.p.Apply(x, h.next)
	if err != nil {
		return nil, "", err
	}
	b, err := io.ReadAll(r.Body)
	return r, string(b), errors.Join(err, r.Body.Close())
}

func (h *house) exchange(ctx context.Context, text string) *flow.Exchange {
	head, body, _ := strings.Cut(text, "\n\n")
	line, fields, _ := strings.Cut(head, "\n")
	if line == "" {
		line = "GET /"
	}
	method, target, _ := strings.Cut(line, " ")
	q := &flow.Request{
		Method: method, Scheme: "http", Authority: "shop.localhost", Target: target, Proto: "HTTP/1.1",
		Header: append(flow.Header{{Name: "Host", Value: "shop.localhost"}}, header(fields)...), Body: flow.NoBody,
	}
	if body != "" {
		q.Body, q.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	}
	x := flow.NewExchange(ctx, flow.Reverse, q)
	x.Client = netip.MustParseAddrPort("127.0.0.1:1234")
	h.mu.Lock()
	h.seq++
	x.Seq = h.seq
	h.mu.Unlock()
	x.Enter("test/cache", "cache")
	return x
}

// response is the answer of a text: status, fields, and behind a blank line the body, of which the
// length is known unless the field Transfer-Encoding is there.
func response(text string) *flow.Response {
	head, body, _ := strings.Cut(text, "\n\n")
	line, fields, _ := strings.Cut(head, "\n")
	status, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		panic("a response begins with its status, not with " + line)
	}
	body = strings.TrimLeft(body, "\n")
	r := flow.NewResponse(status, "", []byte(body))
	r.Header = header(fields)
	if r.Header.Has("Transfer-Encoding") {
		r.ContentLength = -1
	}
	return r
}

func header(lines string) flow.Header {
	var h flow.Header
	for line := range strings.Lines(dated(lines)) {
		if line = strings.TrimSpace(line); line != "" {
			name, value, _ := strings.Cut(line, ":")
			h.Add(name, strings.TrimSpace(value))
		}
	}
	return h
}

var moment = regexp.MustCompile(`\{([+-]?\d+)\}`)

func dated(text string) string {
	return moment.ReplaceAllStringFunc(text, func(m string) string {
		n, err := strconv.Atoi(strings.Trim(m, "{}+"))
		if err != nil {
			panic(err)
		}
		return formatDate(time.Now().Add(time.Duration(n) * time.Second))
	})
}

// keeps is a conversation of a response that is given again from the store.
func keeps(name, gives string) conversation { return keepsFor(name, "", gives, 3*time.Second, "") }

// drops is one of a response that is not.
func drops(name, gives string) conversation { return dropsFor(name, "", gives, 3*time.Second, "") }

func keepsFor(name, ask, gives string, after time.Duration, again string) conversation {
	_, body, _ := strings.Cut(gives, "\n\n")
	body = strings.TrimLeft(body, "\n")
	status, _ := strconv.Atoi(strings.TrimSpace(strings.SplitN(gives, "\n", 2)[0]))
	return conversation{name: name, steps: []step{
		{ask: ask, gives: gives, sent: "yes", body: body, status: status},
		{ask: again, after: after, gives: "500", body: body, status: status},
	}}
}

func dropsFor(name, ask, gives string, after time.Duration, again string) conversation {
	_, body, _ := strings.Cut(gives, "\n\n")
	body = strings.TrimLeft(body, "\n")
	status, _ := strconv.Atoi(strings.TrimSpace(strings.SplitN(gives, "\n", 2)[0]))
	return conversation{name: name, steps: []step{
		{ask: ask, gives: gives, sent: "yes", body: body, status: status},
		{ask: again, after: after, gives: "200\n\nnew", sent: "yes", body: "new"},
	}}
}
