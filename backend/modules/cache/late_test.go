package cache

import (
	"fmt"
	"testing"

	"proxycache/backend/cachestore"
	"proxycache/backend/flow"
)

const validable = "Cache-Control: max-age=60\nETag: "

// A validation that is answered when the URL has been changed since says nothing of what is stored by then.
func TestALateValidationDoesNotMixTwoResponses(t *testing.T) {
	collapsing(t, nil, func(t *testing.T, h *house, o *origin) {
		h.step(1, step{gives: "200\n" + validable + "\"v1\"\n\nold", sent: "yes", body: "old"})
		slow := h.client(o, "GET /\nCache-Control: no-cache")
		h.step(2, step{ask: "POST /", gives: "200", sent: "yes"})
		h.step(3, step{gives: "200\n" + validable + "\"v2\"\n\nnew", sent: "yes", body: "new"})
		o.heads <- response("304\nETag: \"v1\"")
		if slow.rest(t) != "old" {
			t.Error("who validated did not get what was validated")
		}
		h.step(4, step{body: "new", has: "ETag: \"v2\""})
	})
}

func TestALateValidationLeavesASoftPurge(t *testing.T) {
	collapsing(t, nil, func(t *testing.T, h *house, o *origin) {
		h.step(1, step{gives: "200\n" + validable + "\"v1\"\n\nold", sent: "yes", body: "old"})
		slow := h.client(o, "GET /\nCache-Control: no-cache")
		h.step(2, step{ask: "PURGE /\nSoft-Purge: 1", body: "-"})
		o.heads <- response("304\nETag: \"v1\"")
		slow.rest(t)
		h.step(3, step{gives: "304", sent: "If-None-Match: \"v1\"", body: "old"})
		h.step(4, step{body: "old"})
	})
}

// meanwhile is a store in which something happens right before a response comes into it.
type meanwhile struct {
	cachestore.Store
	happens func()
}

type meanwhileWriter struct {
	cachestore.Writer
	store *meanwhile
	mark  bool
}

func (m *meanwhile) Put(r *cachestore.Response, size int64) (cachestore.Writer, error) {
	w, err := m.Store.Put(r, size)
	return &meanwhileWriter{w, m, r.Status == 0}, err
}

func (w *meanwhileWriter) Commit(r *cachestore.Response) error {
	if happens := w.store.happens; happens != nil && !w.mark {
		w.store.happens = nil
		happens()
	}
	return w.Writer.Commit(r)
}

// What was changed after the last look at the invalidations and before the response could be found in the
// store is not kept.
func TestWhatIsInvalidatedWhileItIsStoredIsNotKept(t *testing.T) {
	for name, ask := range map[string]step{
		"a response": {gives: "200\n" + fresh + "\n\nold", sent: "yes", body: "old"},
		"a variant":  {ask: "GET /\nFoo: 1", gives: "200\n" + fresh + "Vary: Foo\n\nold", sent: "yes", body: "old"},
		"a part":     {ask: "GET /\nRange: bytes=0-2", gives: "206\n" + fresh + "ETag: \"a\"\nContent-Range: bytes 0-2/6\n\nold", sent: "yes", status: 206, body: "old"},
		"the parts":  {ask: "GET /\nRange: bytes=0-2", gives: "206\n" + fresh + "ETag: \"a\"\nContent-Range: bytes 0-2/3\n\nold", sent: "yes", status: 206, body: "old"},
		"a POST":     {ask: "POST /\n\n1", gives: "200\nDate: {0}\nExpires: {+3600}\nContent-Location: /\n\nold", sent: "yes", body: "old"},
	} {
		for _, change := range []string{"DELETE /", "PURGE /"} {
			t.Run(name+" "+change, func(t *testing.T) {
				collapsing(t, nil, func(t *testing.T, h *house, o *origin) {
					open := h.p.store()
					m := &meanwhile{Store: open}
					var wrapped cachestore.Store = m
					h.p.shelf.store.Store(&wrapped)
					m.happens = func() {
						x := h.exchange(t.Context(), change)
						if _, err := h.p.Apply(x, func(*flow.Exchange) (*flow.Response, error) { return response("204"), nil }); err != nil {
							t.Error(err)
						}
					}
					h.step(1, ask)
					if m.happens != nil {
						t.Fatal("nothing was stored")
					}
					again := step{ask: ask.ask, gives: "200\n\nnew", sent: "yes", body: "new"}
					if name == "a POST" {
						again.ask = "GET /"
					}
					h.step(2, again)
					h.p.shelf.store.Store(&open)
				})
			})
		}
	}
}

func TestAPurgeEndsTheWaitingForWhatIsFetched(t *testing.T) {
	for arguments, joins := range map[[2]string]bool{
		{"url", "http://shop.localhost/a"}:     false,
		{"prefix", "http://shop.localhost/"}:   false,
		{"tag", "t"}:                           false,
		{"regex", "/a$"}:                       false,
		{"url", "http://shop.localhost/b"}:     true,
		{"prefix", "http://shop.localhost/ab"}: true,
		{"tag", "other"}:                       true,
		{"regex", "/b$"}:                       true,
	} {
		for _, headed := range []bool{false, true} {
			t.Run(fmt.Sprint(arguments, headed), func(t *testing.T) {
				collapsing(t, nil, func(t *testing.T, h *house, o *origin) {
					before := h.client(o, "GET /a\nFoo: 1")
					r, w, _ := streaming(fresh + "Vary: Foo\nCache-Tag: t")
					if headed {
						o.heads <- r
						<-before.done
					}
					if _, err := h.p.Act(t.Context(), "purge", map[string]string{arguments[0]: arguments[1]}); err != nil {
						t.Fatal(err)
					}
					after := h.client(o, "GET /a\nFoo: 1")
					want := 2
					if joins && (headed || arguments[0] != "tag") { // without a head any tag is possible
						want = 1
					}
					if len(o.arrived) != want {
						t.Errorf("%d requests reached the server, want %d", len(o.arrived), want)
					}
					if !headed {
						o.heads <- r
						<-before.done
					}
					if want == 2 {
						o.heads <- response("200\n\nnew")
					}
					go func() { _, _ = w.Write([]byte("old")); _ = w.Close() }()
					if got := before.rest(t); got != "old" {
						t.Errorf("who asked before got %q", got)
					}
					if got := after.rest(t); (got == "new") != (want == 2) {
						t.Errorf("who asked after got %q", got)
					}
				})
			})
		}
	}
}

// A part that has no place gives back what was held for it.
func TestAPartThatCannotBePlacedHoldsNothing(t *testing.T) {
	collapsing(t, map[string]any{"memory": "1MiB", "max_object": "1MiB"}, func(t *testing.T, h *house, o *origin) {
		vary := "Vary: a"
		for i := range maxVary - 1 {
			vary += fmt.Sprint(", a", i)
		}
		h.step(1, step{gives: "200\n" + fresh + vary + "\n\nx", sent: "yes", body: "x"})
		for range 50 {
			h.step(2, step{ask: "GET /\nb: 1\na: 1\nRange: bytes=0-99999", gives: "206\n" + fresh + "Vary: b\nETag: \"a\"\nContent-Range: bytes 0-99999/200000\n\n" + fmt.Sprintf("%0100000d", 1), sent: "yes", status: 206, body: "-"})
		}
		if held := h.p.shelf.flights.held; held != 0 {
			t.Errorf("%d bytes are held", held)
		}
		for i := range 3 {
			h.step(3, step{ask: fmt.Sprint("GET /other", i, "\nRange: bytes=0-2"), gives: "206\n" + fresh + "ETag: \"a\"\nContent-Range: bytes 0-2/6\n\nabc", sent: "yes", status: 206, body: "abc"})
			h.step(4, step{ask: fmt.Sprint("GET /other", i, "\nRange: bytes=0-2"), status: 206, body: "abc"})
		}
	})
}

// The rest is fetched for a beginning of the same variant alone.
func TestAPartIsJoinedForItsOwnVariant(t *testing.T) {
	part := step{ask: "GET /\nAccept-Encoding: identity\nRange: bytes=0-4", gives: "206\n" + fresh + "Vary: Accept-Encoding\nETag: \"a\"\nContent-Range: bytes 0-4/10\n\n01234", sent: "yes", status: 206, body: "01234"}
	converse(t, []conversation{
		{name: "another one gets its own", steps: []step{
			part,
			{ask: "GET /\nAccept-Encoding: gzip", gives: "200\n" + fresh + "Vary: Accept-Encoding\nContent-Encoding: gzip\n\nzipped", sent: "-Range\n-If-Range", body: "zipped"},
			{ask: "GET /\nAccept-Encoding: gzip\nRange: bytes=0-1", status: 206, body: "zi"},
		}},
		{name: "the same one gets the rest", steps: []step{
			part,
			{ask: "GET /\nAccept-Encoding: identity", gives: "206\n" + fresh + "Vary: Accept-Encoding\nETag: \"a\"\nContent-Range: bytes 5-9/10\n\n56789", sent: "Range: bytes=5-", body: "0123456789"},
			{ask: "GET /\nAccept-Encoding: gzip", gives: "200\n" + fresh + "Vary: Accept-Encoding\n\nzipped", sent: "yes", body: "zipped"},
		}},
	})
}
