package cache

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"proxycache/backend/flow"
)

func TestALargeBodyIsNotHeldForOthers(t *testing.T) {
	collapsing(t, map[string]any{"memory": "1MiB", "max_object": "64KiB"}, func(t *testing.T, h *house, o *origin) {
		leader, slow := h.client(o, "GET /"), h.client(o, "GET /")
		r, w, _ := streaming(fresh)
		o.heads <- r
		synctest.Wait() // both read
		text := strings.Repeat("0123456789abcdef", 64<<10)
		go func() { _, _ = io.WriteString(w, text); _ = w.Close() }()
		leader.read(t, 100<<10) // more than is held, so that it waits for the slow one now
		more := make(chan string)
		go func() { more <- leader.rest(t) }()
		synctest.Wait()
		if held := h.p.shelf.flights.held; held > 256<<10 {
			t.Errorf("%d bytes are held", held)
		}
		late := h.client(o, "GET /") // cannot begin any more
		if len(o.arrived) != 2 {
			t.Errorf("%d requests reached the server", len(o.arrived))
		}
		o.heads <- response("200\n\nlate")
		if late.rest(t) != "late" || slow.rest(t) != text || <-more != text[100<<10:] {
			t.Error("the body is not what was sent")
		}
		if held := h.p.shelf.flights.held; held != 0 {
			t.Errorf("%d bytes are held afterwards", held)
		}
	})
}

func TestWhoDoesNotReadIsCutOffWhereOthersWait(t *testing.T) {
	collapsing(t, map[string]any{"memory": "1MiB", "max_object": "64KiB"}, func(t *testing.T, h *house, o *origin) {
		leader, asleep := h.client(o, "GET /"), h.client(o, "GET /")
		r, w, _ := streaming(fresh)
		o.heads <- r
		synctest.Wait() // both read
		text := strings.Repeat("0123456789abcdef", 64<<10)
		go func() { _, _ = io.WriteString(w, text); _ = w.Close() }()
		begin := time.Now()
		if leader.rest(t) != text {
			t.Error("the body is not what was sent")
		}
		if waited := time.Since(begin); waited < stalled || waited > 2*stalled {
			t.Errorf("it waited for %v", waited)
		}
		<-asleep.done
		if _, err := io.ReadAll(asleep.r.Body); !errors.Is(err, errSlow) {
			t.Errorf("%v", err)
		}
		_ = asleep.r.Body.Close()
	})
}

func TestWhatChangesWhileItIsFetchedIsNotKept(t *testing.T) {
	collapsing(t, nil, func(t *testing.T, h *house, o *origin) {
		c := h.client(o, "GET /")
		r, w, _ := streaming(fresh)
		o.heads <- r
		<-c.done
		post := h.client(o, "POST /")
		o.heads <- response("204")
		post.rest(t)
		after := h.client(o, "GET /") // does not wait for the one from before
		if len(o.arrived) != 3 {
			t.Fatalf("%d requests reached the server", len(o.arrived))
		}
		o.heads <- response("200\n\nnew")
		go func() { _, _ = io.WriteString(w, "old"); _ = w.Close() }()
		if c.rest(t) != "old" || after.rest(t) != "new" {
			t.Error("they are mixed up")
		}
		again := h.client(o, "GET /")
		o.heads <- response("200\n\nnew")
		if again.rest(t) != "new" {
			t.Error("what was fetched before the change was kept")
		}
	})
}

func TestABodyThatBreaksOffIsNotKept(t *testing.T) {
	collapsing(t, nil, func(t *testing.T, h *house, o *origin) {
		a, b := h.client(o, "GET /"), h.client(o, "GET /")
		r, w, _ := streaming(fresh)
		o.heads <- r
		synctest.Wait() // both read
		go func() { _, _ = io.WriteString(w, "half"); _ = w.CloseWithError(errRefused) }()
		for _, c := range []*client{a, b} {
			<-c.done
			if got, err := io.ReadAll(c.r.Body); string(got) != "half" || !errors.Is(err, errRefused) {
				t.Errorf("%q, %v", got, err)
			}
			_ = c.r.Body.Close()
		}
		again := h.client(o, "GET /")
		o.heads <- response("200\n" + fresh + "\n\nwhole")
		if again.rest(t) != "whole" {
			t.Error("half of it was kept")
		}
	})
}

func TestInterimResponsesPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		x := h.exchange(t.Context(), "GET /")
		var got []string
		x.Interim = func(status int, fields flow.Header) { got = append(got, fmt.Sprint(status, fields)) }
		r, err := h.p.Apply(x, func(f *flow.Exchange) (*flow.Response, error) {
			f.Interim(102, nil)
			f.Interim(103, flow.Header{{Name: "Link", Value: "</a>"}})
			return response("200\n" + fresh + "\n\nbody"), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.ReadAll(r.Body)
		_ = r.Body.Close()
		if want := "[102 [] 103 [{Link </a>}]]"; fmt.Sprint(got) != want || r.Header.Has("Link") {
			t.Errorf("%v, %v; want %s", got, r.Header, want)
		}
		again := h.exchange(t.Context(), "GET /")
		again.Interim = func(status int, _ flow.Header) { t.Errorf("a stored response came behind a %d", status) }
		if r, err = h.p.Apply(again, nil); err != nil || r.Header.Has("Link") || !r.Header.Has("Age") {
			t.Fatalf("%+v, %v", r, err)
		}
		_ = r.Body.Close()
	})
}

func TestTrailersAreKept(t *testing.T) {
	collapsing(t, nil, func(t *testing.T, h *house, o *origin) {
		a, b := h.client(o, "GET /"), h.client(o, "GET /")
		r, w, _ := streaming(fresh)
		r.Trailer = func() flow.Header { return flow.Header{{Name: "Digest", Value: "x"}} }
		o.heads <- r
		go func() { _, _ = io.WriteString(w, "body"); _ = w.Close() }()
		a.rest(t)
		b.rest(t)
		later := h.client(o, "GET /")
		later.rest(t)
		for i, c := range []*client{a, b, later} {
			if got := c.r.Trailer().Get("Digest"); got != "x" {
				t.Errorf("client %d: %q", i, got)
			}
		}
	})
}
