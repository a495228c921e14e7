package cache

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
)

func TestOneFetchServesAllWhileItArrives(t *testing.T) {
	collapsing(t, nil, func(t *testing.T, h *house, o *origin) {
		clients := []*client{h.client(o, "GET /"), h.client(o, "GET /"), h.client(o, "GET /")}
		if len(o.arrived) != 1 {
			t.Fatalf("%d requests reached the server", len(o.arrived))
		}
		r, w, body := streaming(fresh)
		o.heads <- r
		go func() { _, _ = io.WriteString(w, "first ") }()
		for _, c := range clients {
			if got := c.read(t, 6); got != "first " {
				t.Errorf("%q came before the end", got)
			}
		}
		clients = append(clients, h.client(o, "GET /")) // while it arrives
		go func() { _, _ = io.WriteString(w, "second"); _ = w.Close() }()
		for i, c := range clients {
			want := "second"
			if i == 3 {
				want = "first second"
			}
			if got := c.rest(t); got != want {
				t.Errorf("client %d read %q", i, got)
			}
		}
		<-body.closed
		if got := clients[1].r.Header.Get("Cache-Status"); got != "proxycache; fwd=uri-miss; ttl=3600; collapsed" {
			t.Error(got)
		}
		if got := clients[0].r.Header.Get("Cache-Status"); got != "proxycache; fwd=uri-miss; ttl=3600; stored" {
			t.Error(got)
		}
		later := h.client(o, "GET /")
		if got := later.rest(t); got != "first second" || len(o.arrived) != 1 {
			t.Errorf("afterwards %q, %d requests", got, len(o.arrived))
		}
		if held := h.p.shelf.flights.held; held != 0 {
			t.Errorf("%d bytes are held", held)
		}
	})
}

func TestALeaderThatLeavesDoesNotStopTheFetch(t *testing.T) {
	collapsing(t, nil, func(t *testing.T, h *house, o *origin) {
		leader, other := h.client(o, "GET /"), h.client(o, "GET /")
		leader.leave() // before the head
		synctest.Wait()
		r, w, _ := streaming(fresh)
		o.heads <- r
		<-leader.done
		_ = leader.r.Body.Close()
		go func() { _, _ = io.WriteString(w, "all of it"); _ = w.Close() }()
		if got := other.rest(t); got != "all of it" || len(o.arrived) != 1 {
			t.Errorf("%q, %d requests", got, len(o.arrived))
		}
	})
}

func TestALeaderThatLeavesWhileItReadsGivesTheReadingOver(t *testing.T) {
	collapsing(t, nil, func(t *testing.T, h *house, o *origin) {
		leader, other := h.client(o, "GET /"), h.client(o, "GET /")
		r, w, _ := streaming(fresh)
		o.heads <- r
		<-leader.done
		go func() { _, _ = io.ReadAll(leader.r.Body); _ = leader.r.Body.Close() }()
		synctest.Wait() // it waits for bytes, for all
		leader.leave()
		synctest.Wait()
		go func() { _, _ = io.WriteString(w, "all of it"); _ = w.Close() }()
		if got := other.rest(t); got != "all of it" {
			t.Errorf("%q", got)
		}
	})
}

func TestAFetchThatNobodyWantsAnyMoreStops(t *testing.T) {
	collapsing(t, nil, func(t *testing.T, h *house, o *origin) {
		c := h.client(o, "GET /")
		c.leave()
		<-c.done
		if !errors.Is(c.err, context.Canceled) {
			t.Errorf("before the head: %v", c.err)
		}
		c = h.client(o, "GET /")
		r, _, body := streaming(fresh)
		o.heads <- r
		<-c.done
		_ = c.r.Body.Close()
		<-body.closed
		if n := len(h.p.shelf.flights.going); n != 0 {
			t.Errorf("%d fetches go on", n)
		}
		again := h.client(o, "GET /")
		o.heads <- response("200\n" + fresh + "\n\nwhole")
		if got := again.rest(t); got != "whole" {
			t.Errorf("%q", got)
		}
	})
}
