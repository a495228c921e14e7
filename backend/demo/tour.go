package demo

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"proxycache/backend/problem"
)

// State is how far a step of the tour is.
type State string

const (
	Waiting State = "waiting"
	Running State = "running"
	Done    State = "done"
	Failed  State = "failed"
)

// Step is one thing that the tour shows.
type Step struct {
	Title  string
	State  State
	Result string // "201, 200, 204"; "" until it is over
}

// Progress is how far a tour is.
type Progress struct {
	Requests int // sent so far
	Steps    []Step
}

// stop is a step with what it does. Its result is a word or two; its error says why it failed.
type stop struct {
	title string
	visit func(ctx context.Context, v *visitor) (result string, err error)
}

var stops = []stop{
	{"A request passes the cells", look},
	{"Items are made, changed and deleted", shop},
	{"A dozen at once", crowd},
	{"One is slow, one fails", trouble},
	{"Events and a WebSocket stream", stream},
	{"A client leaves early", leave},
}

// Tour sends the demo's requests through the proxy at proxyURL, an origin such as
// "http://127.0.0.1:8080", and takes most of length for it; it never takes longer. Progress is told
// after each change, one at a time. A step that does not go as it should fails and the tour goes on;
// where the proxy cannot be reached at all the tour ends with a problem, and with ctx's error as soon
// as ctx ends.
func Tour(ctx context.Context, proxyURL string, length time.Duration, progress func(Progress)) error {
	t := &tour{started: time.Now(), length: length, tell: progress}
	for _, s := range stops {
		t.now.Steps = append(t.now.Steps, Step{Title: s.title, State: Waiting})
	}
	v := newVisitor(strings.TrimSuffix(proxyURL, "/"), length, t.sent)
	defer v.close()
	inTime, cancel := context.WithTimeout(ctx, length)
	defer cancel()

	var strolling sync.WaitGroup
	walking, home := context.WithCancel(inTime)
	strolling.Go(func() { stroll(walking, v) })
	err := t.walk(inTime, v)
	home()
	strolling.Wait()
	if err == nil || ctx.Err() != nil {
		err = ctx.Err()
	}
	return err
}

// tour is a tour that is under way.
type tour struct {
	started time.Time
	length  time.Duration

	mu   sync.Mutex
	now  Progress
	tell func(Progress)
}

func (t *tour) sent() { t.change(func(p *Progress) { p.Requests++ }) }

func (t *tour) step(i int, state State, result string) {
	t.change(func(p *Progress) { p.Steps[i].State, p.Steps[i].Result = state, result })
}

func (t *tour) change(edit func(*Progress)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	edit(&t.now)
	t.tell(Progress{Requests: t.now.Requests, Steps: append([]Step{}, t.now.Steps...)})
}

// share is the part of the length in which the steps stand; what is left is for a slow last one.
const share = 0.95

// walk takes one step after the other, each in its part of the time.
func (t *tour) walk(ctx context.Context, v *visitor) error {
	for i, s := range stops {
		t.step(i, Running, "")
		result, err := s.visit(ctx, v)
		switch {
		case errors.Is(ctx.Err(), context.Canceled):
			t.step(i, Waiting, "")
			return ctx.Err()
		case ctx.Err() != nil:
			t.step(i, Failed, "too slow")
			return nil
		case err != nil && i == 0 && unreachable(err):
			t.step(i, Failed, "no answer")
			return problem.Wrap(problem.Unavailable, err, "Sending the tour through %s: nothing answers there. Look at the listen address in the status bar.", v.origin)
		case err != nil:
			t.step(i, Failed, short(err))
		default:
			t.step(i, Done, result)
		}
		end := time.Duration(float64(t.length) * share * float64(i+1) / float64(len(stops)))
		rest(ctx, time.Until(t.started.Add(end)))
	}
	return nil
}

// stroll sends something now and then, so that there is always some traffic.
func stroll(ctx context.Context, v *visitor) {
	const steps, atOnce = 70, 4
	places := make(chan struct{}, atOnce)
	var walking sync.WaitGroup
	defer walking.Wait()
	for i := 0; rest(ctx, v.length/steps); i++ {
		select {
		case places <- struct{}{}:
		default:
			continue // the proxy is slow: it is not pressed
		}
		walking.Go(func() {
			defer func() { <-places }()
			sight := sights[i%len(sights)]
			// What comes of it is in the traffic; only the steps are judged.
			_, _ = v.send(ctx, sight.method, sight.path, sight.kind, sight.body)
		})
	}
}

// sights are what a stroll passes, in this order, again and again.
var sights = []struct{ method, path, kind, body string }{
	{http.MethodGet, "/v1/items", "", ""},
	{http.MethodGet, "/v1/items/2", "", ""},
	{http.MethodGet, "/image.svg", "", ""},
	{http.MethodGet, "/v1/items?q=chocolate", "", ""},
	{http.MethodGet, "/cookies", "", ""},
	{http.MethodPost, "/upload", "text/plain; charset=utf-8", "A note for the roaster: a little darker, please.\n"},
	{http.MethodGet, "/image.png", "", ""},
	{http.MethodGet, "/v1/items?page=2&size=3", "", ""},
	{http.MethodGet, "/gzip", "", ""},
	{http.MethodHead, "/v1/items/4", "", ""},
	{http.MethodGet, "/status/404", "", ""},
	{http.MethodGet, "/chunked?n=5", "", ""},
	{http.MethodGet, "/v1/items/9", "", ""},
	{http.MethodPatch, "/v1/items/6", "application/json", `{"stock": 54}`},
	{http.MethodGet, "/redirect?n=2", "", ""},
	{http.MethodGet, "/bytes/20000", "", ""},
	{http.MethodGet, "/headers", "", ""},
	{http.MethodPost, "/v1/items", "application/json", `{"name": "", "origin": "nowhere"}`},
	{http.MethodGet, "/v1/items/77", "", ""},
}
