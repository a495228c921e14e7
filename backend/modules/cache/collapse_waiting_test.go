package cache

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

func TestWhatIsNotForOthersEndsWithItsClient(t *testing.T) {
	for _, fields := range []string{"Cache-Control: no-store", "Cache-Control: max-age=0\nETag: \"a\""} {
		collapsing(t, nil, func(t *testing.T, h *house, o *origin) {
			c := h.client(o, "GET /events")
			fork := <-o.arrived
			r, w, body := streaming(fields)
			o.heads <- r
			context.AfterFunc(fork.Context(), func() { _ = w.CloseWithError(context.Canceled) }) // as a connection does
			over := make(chan error)
			go func() {
				<-c.done
				_, err := io.ReadAll(c.r.Body)
				_ = c.r.Body.Close()
				over <- err
			}()
			synctest.Wait() // it waits for bytes that do not come
			c.leave()
			if err := <-over; !errors.Is(err, context.Canceled) {
				t.Errorf("%v", err)
			}
			<-body.closed
		})
	}
}

func TestWhoWaitsIsReleasedWhenItIsNotForOthers(t *testing.T) {
	collapsing(t, nil, func(t *testing.T, h *house, o *origin) {
		clients := []*client{h.client(o, "GET /"), h.client(o, "GET /"), h.client(o, "GET /")}
		o.heads <- response("200\nCache-Control: private\n\nyours")
		synctest.Wait()
		if len(o.arrived) != 3 {
			t.Fatalf("%d requests reached the server", len(o.arrived))
		}
		for range 2 {
			o.heads <- response("200\nCache-Control: private\n\nyours")
		}
		for _, c := range clients {
			if got := c.rest(t); got != "yours" {
				t.Errorf("%q", got)
			}
		}
		two := []*client{h.client(o, "GET /"), h.client(o, "GET /")} // do not wait for each other now
		if len(o.arrived) != 5 {
			t.Errorf("%d requests reached the server", len(o.arrived))
		}
		o.heads <- response("200\nCache-Control: private\n\nyours")
		o.heads <- response("200\nCache-Control: private\n\nyours")
		two[0].rest(t)
		two[1].rest(t)
		time.Sleep(passFor + time.Second)
		two = []*client{h.client(o, "GET /"), h.client(o, "GET /")}
		if len(o.arrived) != 6 {
			t.Errorf("after the mark %d requests reached the server", len(o.arrived))
		}
		o.heads <- response("200\n" + fresh + "\n\nours")
		if two[0].rest(t) != "ours" || two[1].rest(t) != "ours" {
			t.Error("it is not for all")
		}
	})
}

func TestAPanicLetsTheOthersGo(t *testing.T) {
	collapsing(t, nil, func(t *testing.T, h *house, o *origin) {
		x, panics := h.exchange(t.Context(), "GET /"), make(chan bool)
		hold := make(chan bool)
		go func() {
			defer func() { panics <- recover() != nil }()
			_, _ = h.p.Apply(x, func(*flow.Exchange) (*flow.Response, error) { <-hold; panic("on purpose") })
		}()
		synctest.Wait()
		other := h.client(o, "GET /")
		close(hold)
		if !<-panics {
			t.Error("the panic is gone")
		}
		o.heads <- response("200\n" + fresh + "\n\nbody")
		if other.rest(t) != "body" || len(h.p.shelf.flights.going) != 0 {
			t.Error("the other one was not let go")
		}
	})
}

func TestWhoWaitsForAnotherVariantFetchesIt(t *testing.T) {
	collapsing(t, nil, func(t *testing.T, h *house, o *origin) {
		one, two, alike := h.client(o, "GET /\nFoo: 1"), h.client(o, "GET /\nFoo: 2"), h.client(o, "GET /\nFoo: 1")
		r, w, _ := streaming(fresh + "Vary: Foo")
		o.heads <- r
		synctest.Wait()
		if len(o.arrived) != 2 {
			t.Fatalf("%d requests reached the server", len(o.arrived))
		}
		late := h.client(o, "GET /\nFoo: 1") // finds the mark, and the fetch by its variant
		if len(o.arrived) != 2 {
			t.Fatalf("%d requests reached the server", len(o.arrived))
		}
		defer func() {
			if late.rest(t) != "one" || len(h.p.shelf.flights.going) != 0 {
				t.Errorf("%d fetches go on", len(h.p.shelf.flights.going))
			}
		}()
		o.heads <- response("200\n" + fresh + "Vary: Foo\n\ntwo")
		go func() { _, _ = io.WriteString(w, "one"); _ = w.Close() }()
		if one.rest(t) != "one" || alike.rest(t) != "one" || two.rest(t) != "two" {
			t.Error("they are mixed up")
		}
	})
}

func TestAFailureIsOfAllWhoWait(t *testing.T) {
	collapsing(t, nil, func(t *testing.T, h *house, o *origin) {
		clients := []*client{h.client(o, "GET /"), h.client(o, "GET /")}
		o.heads <- nil
		for _, c := range clients {
			<-c.done
			if c.err != error(o.failure) {
				t.Errorf("%v", c.err)
			}
		}
		if len(o.arrived) != 1 {
			t.Errorf("%d requests reached the server", len(o.arrived))
		}
	})
}

func TestAValidationIsOfAllWhoWait(t *testing.T) {
	collapsing(t, nil, func(t *testing.T, h *house, o *origin) {
		h.step(1, step{gives: "200\nCache-Control: max-age=2, stale-if-error=10\nETag: \"a\"\n\nold", sent: "yes", body: "old"})
		time.Sleep(3 * time.Second)
		clients := []*client{h.client(o, "GET /"), h.client(o, "GET /"), h.client(o, "HEAD /")}
		o.heads <- response("304\nCache-Control: max-age=2, stale-if-error=10")
		o.heads <- response("200") // of the HEAD
		if clients[0].rest(t) != "old" || clients[1].rest(t) != "old" || len(o.arrived) != 2 {
			t.Errorf("%d requests reached the server", len(o.arrived))
		}
		clients[2].rest(t)
		time.Sleep(3 * time.Second)
		clients = []*client{h.client(o, "GET /"), h.client(o, "GET /")}
		o.heads <- response("503")
		if clients[0].rest(t) != "old" || clients[1].rest(t) != "old" || len(o.arrived) != 3 {
			t.Errorf("%d requests reached the server", len(o.arrived))
		}
	})
}

func TestWaitingEnds(t *testing.T) {
	collapsing(t, map[string]any{"lock_timeout": "2s"}, func(t *testing.T, h *house, o *origin) {
		leader, patient, gone := h.client(o, "GET /"), h.client(o, "GET /"), h.client(o, "GET /")
		gone.leave()
		<-gone.done
		if problem.KindOf(gone.err) != problem.ClientLeft {
			t.Errorf("%v", gone.err)
		}
		time.Sleep(3 * time.Second)
		if len(o.arrived) != 2 {
			t.Fatalf("%d requests reached the server", len(o.arrived))
		}
		o.heads <- response("200\n" + fresh + "\n\na")
		o.heads <- response("200\n" + fresh + "\n\na")
		if leader.rest(t) != "a" || patient.rest(t) != "a" {
			t.Error("not both were answered")
		}
	})
}

func TestNobodyWaitsWhereItIsOff(t *testing.T) {
	collapsing(t, map[string]any{"collapse": false}, func(t *testing.T, h *house, o *origin) {
		a, b := h.client(o, "GET /"), h.client(o, "GET /")
		if len(o.arrived) != 2 {
			t.Errorf("%d requests reached the server", len(o.arrived))
		}
		o.heads <- response("200\n" + fresh + "\n\na")
		o.heads <- response("200\n" + fresh + "\n\na")
		a.rest(t)
		b.rest(t)
	})
}
