package demo

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"proxycache/backend/problem"
)

func TestTheTourShowsEveryStepAndKeepsToItsTime(t *testing.T) {
	g := visit(t)
	var told []Progress
	const length = 2 * time.Second
	start := time.Now()
	if err := Tour(t.Context(), g.origin+"/", length, func(p Progress) { told = append(told, p) }); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > length+time.Second {
		t.Errorf("it took %s", took)
	}
	last := told[len(told)-1]
	for _, s := range last.Steps {
		if s.State != Done || s.Result == "" {
			t.Errorf("%s: %s %q", s.Title, s.State, s.Result)
		}
	}
	if last.Requests < 40 || len(last.Steps) != len(stops) {
		t.Errorf("%d requests, %d steps", last.Requests, len(last.Steps))
	}
	for i := 1; i < len(told); i++ {
		if told[i].Requests < told[i-1].Requests {
			t.Fatalf("the requests go back from %d to %d", told[i-1].Requests, told[i].Requests)
		}
	}
	if first := told[0]; first.Steps[0].State != Running || first.Steps[1].State != Waiting {
		t.Errorf("at first: %+v", first)
	}
	if page := g.server.items.page(1, 100, ""); page.Total != 12 {
		t.Errorf("the tour leaves %d items behind", page.Total)
	}
}

func TestATourThatIsStoppedEndsAtOnce(t *testing.T) {
	g := visit(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last Progress
	var stopped time.Time
	err := Tour(ctx, g.origin, 10*time.Minute, func(p Progress) {
		last = p
		if p.Requests == 1 && stopped.IsZero() {
			stopped = time.Now()
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
	if late := time.Since(stopped); late > 2*time.Second {
		t.Errorf("it went on for %s", late)
	}
	for _, s := range last.Steps {
		if s.State == Running {
			t.Errorf("%q runs still", s.Title)
		}
	}
}

func TestATourToNobodySaysSo(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	origin := "http://" + l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	var last Progress
	err = Tour(t.Context(), origin, time.Second, func(p Progress) { last = p })
	if problem.KindOf(err) != problem.Unavailable {
		t.Errorf("it ended with %v", err)
	}
	if last.Steps[0].State != Failed {
		t.Errorf("the first step is %+v", last.Steps[0])
	}
}

func TestATourElsewhereFailsStepByStep(t *testing.T) {
	var asked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.URL.Path == "/v1/items" {
			_, _ = io.Copy(io.Discard, r.Body) // net/http sees a client leave only behind its body
			<-r.Context().Done()               // and never answers
			return
		}
		http.Error(w, "no route", http.StatusNotFound)
	}))
	defer s.Close()
	var last Progress
	if err := Tour(t.Context(), s.URL, time.Second, func(p Progress) { last = p }); err != nil {
		t.Fatal(err)
	}
	if got := last.Steps[0]; got.State != Failed || got.Result != "404, not 200" {
		t.Errorf("the first step: %+v", got)
	}
	if got := last.Steps[1]; got.State != Failed || got.Result != "too slow" {
		t.Errorf("a step that hangs: %+v", got)
	}
	if got := last.Steps[2]; got.State != Waiting {
		t.Errorf("a step behind the end: %+v", got)
	}
	if n := int(asked.Load()); last.Requests < n {
		t.Errorf("told of %d requests, %d came", last.Requests, n)
	}
}
