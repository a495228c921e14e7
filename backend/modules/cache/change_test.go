package cache

import (
	"io"
	"mime"
	"mime/multipart"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"proxycache/backend/flow"
)

func TestWhatChangesSomethingInvalidates(t *testing.T) {
	stored := step{ask: "GET /a", gives: "200\n" + fresh + "\n\nold", sent: "yes", body: "old"}
	gone := step{ask: "GET /a", gives: "200\n\nnew", sent: "yes", body: "new"}
	there := step{ask: "GET /a", body: "old"}
	var all []conversation
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "M-SEARCH", "FOO"} {
		all = append(all,
			conversation{name: method, steps: []step{stored, {ask: method + " /a\n\nabc", gives: "200", sent: "yes", has: "Cache-Status: proxycache; fwd=method"}, gone}},
			conversation{name: method + " redirected", steps: []step{stored, {ask: method + " /a\n\nabc", gives: "303", sent: "yes", status: 303}, gone}},
			conversation{name: method + " failed", steps: []step{stored, {ask: method + " /a\n\nabc", gives: "500", sent: "yes", status: 500}, there}},
			conversation{name: method + " refused", steps: []step{stored, {ask: method + " /a\n\nabc", gives: "403", sent: "yes", status: 403}, there}},
			conversation{name: method + " elsewhere", steps: []step{stored, {ask: method + " /b\n\nabc", gives: "200", sent: "yes"}, there}},
			conversation{name: method + " Location", steps: []step{stored, {ask: method + " /dir/b\n\nabc", gives: "201\nLocation: ../a", sent: "yes", status: 201}, gone}},
			conversation{name: method + " Content-Location", steps: []step{stored, {ask: method + " /b\n\nabc", gives: "200\nContent-Location: http://SHOP.localhost:80/a", sent: "yes"}, gone}},
			conversation{name: method + " Location of another origin", steps: []step{stored, {ask: method + " /b\n\nabc", gives: "200\nLocation: https://shop.localhost/a", sent: "yes"}, there}},
		)
	}
	for _, method := range []string{"OPTIONS", "TRACE", "PROPFIND", "QUERY"} {
		all = append(all, conversation{name: method, steps: []step{stored, {ask: method + " /a", gives: "200", sent: "yes"}, there}})
	}
	converse(t, all)
}

func TestAPostThatIsWhatAGetWouldGet(t *testing.T) {
	post := func(fields string) step {
		return step{ask: "POST /a\n\n12345", gives: "200\nDate: {0}\n" + fields + "\n\nold", sent: "yes", body: "old"}
	}
	there, gone := step{ask: "GET /a", after: time.Second, body: "old"}, step{ask: "GET /a", gives: "200\n\nnew", sent: "yes", body: "new"}
	converse(t, []conversation{
		{name: "is kept", steps: []step{post("Expires: {+3600}\nContent-Location: /a"), there}},
		{name: "with max-age, too", steps: []step{post("Cache-Control: max-age=3600\nContent-Location: /a"), there}},
		{name: "not without a lifetime", steps: []step{post("Last-Modified: {-100000}\nContent-Location: /a"), gone}},
		{name: "not of another URL", steps: []step{post("Expires: {+3600}\nContent-Location: /b"), gone}},
		{name: "not without saying so", steps: []step{post("Expires: {+3600}"), gone}},
		{name: "and it is no answer to a POST", steps: []step{post("Expires: {+3600}\nContent-Location: /a"), post("Expires: {+3600}\nContent-Location: /a")}},
	})
}

func TestRanges(t *testing.T) {
	stored := step{gives: "200\n" + fresh + "ETag: \"a\"\nContent-Length: 10\n\n0123456789", sent: "yes", body: "0123456789"}
	part := func(name, ranges, body, contentRange string) conversation {
		s := step{ask: "GET /\n" + ranges, after: time.Second, status: 206, body: body, has: "Content-Range: " + contentRange + "\nETag: \"a\"\nAge: 1\n-Content-Length"}
		if contentRange == "" {
			s.status, s.has = 200, "-Content-Range"
		}
		return conversation{name: name, steps: []step{stored, s}}
	}
	converse(t, []conversation{
		part("the first two", "Range: bytes=0-1", "01", "bytes 0-1/10"),
		part("from one on", "Range: bytes=1-", "123456789", "bytes 1-9/10"),
		part("the last one", "Range: bytes=-1", "9", "bytes 9-9/10"),
		part("more than the last ones there are", "Range: bytes=-50", "0123456789", "bytes 0-9/10"),
		part("beyond the end", "Range: bytes=8-50", "89", "bytes 8-9/10"),
		part("in capitals", "Range: Bytes=2-3", "23", "bytes 2-3/10"),
		part("the wrong way round is ignored", "Range: bytes=3-2", "0123456789", ""),
		part("no range is ignored", "Range: bytes=a-b", "0123456789", ""),
		part("another unit is ignored", "Range: lines=0-1", "0123456789", ""),
		part("several of which there is one", "Range: bytes=0-1, 20-30", "01", "bytes 0-1/10"),
		part("several out of order get the whole", "Range: bytes=4-5,0-1", "0123456789", ""),
		part("several that overlap get the whole", "Range: bytes=0-4,4-5", "0123456789", ""),
		part("several that are all of it get the whole", "Range: bytes=0-4,5-9", "0123456789", ""),
		part("several of which one is no range get the whole", "Range: bytes=0-1,x", "0123456789", ""),
		part("If-Range that holds", "Range: bytes=0-1\nIf-Range: \"a\"", "01", "bytes 0-1/10"),
		part("If-Range that does not", "Range: bytes=0-1\nIf-Range: \"b\"", "0123456789", ""),
		part("If-Range that is weak", "Range: bytes=0-1\nIf-Range: W/\"a\"", "0123456789", ""),
		{name: "none that there is", steps: []step{stored, {ask: "GET /\nRange: bytes=10-", status: 416, has: "Content-Range: bytes */10"}, {ask: "GET /\nRange: bytes=-0", status: 416}}},
		{name: "If-None-Match goes first", steps: []step{stored, {ask: "GET /\nRange: bytes=0-1\nIf-None-Match: \"a\"", status: 304}}},
		{name: "of a stale one that is good still", steps: []step{
			{gives: "200\nCache-Control: max-age=1\nETag: \"a\"\n\n0123456789", sent: "yes", body: "0123456789"},
			{ask: "GET /\nRange: bytes=2-3", after: 2 * time.Second, gives: "304", sent: "If-None-Match: \"a\"\n-Range", status: 206, body: "23"},
		}},
		{name: "handed on where nothing is stored", steps: []step{{ask: "GET /\nRange: bytes=2-3", gives: "200\n" + fresh + "\n\n0123", sent: "Range: bytes=2-3", body: "0123"}, {body: "0123"}}},
	})
}

func TestSeveralRangesAreParts(t *testing.T) {
	h := newHouse(t, nil)
	for _, give := range []string{"200\nCache-Control: max-age=60\nContent-Type: text/x\n\n0123456789", "500"} {
		h.give = func(*flow.Exchange) (*flow.Response, error) { return response(give), nil }
		r, body, err := h.ask("GET /\nRange: bytes=0-1, 4-5,-1")
		if err != nil {
			t.Fatal(err)
		}
		if give != "500" {
			continue
		}
		kind, parameters, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if err != nil || r.Status != 206 || kind != "multipart/byteranges" || r.Header.Has("Content-Range") || r.ContentLength != int64(len(body)) {
			t.Fatalf("%+v, %v", r, err)
		}
		parts := multipart.NewReader(strings.NewReader(body), parameters["boundary"])
		for _, want := range []string{"text/x bytes 0-1/10 01", "text/x bytes 4-5/10 45", "text/x bytes 9-9/10 9"} {
			p, err := parts.NextPart()
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(p)
			if got := p.Header.Get("Content-Type") + " " + p.Header.Get("Content-Range") + " " + string(b); err != nil || got != want {
				t.Errorf("%q, %v, want %q", got, err, want)
			}
		}
		if _, err := parts.NextPart(); err != io.EOF {
			t.Errorf("there are more parts: %v", err)
		}
	}
}

func TestParts(t *testing.T) {
	part := func(ask, contentRange, body string) step {
		return step{ask: "GET /\nRange: bytes=" + ask, gives: "206\n" + fresh + "ETag: \"a\"\nContent-Range: bytes " + contentRange + "\n\n" + body, sent: "Range: bytes=" + ask, status: 206, body: body}
	}
	converse(t, []conversation{
		{name: "a part is given again, and parts of it", steps: []step{
			part("-5", "5-9/10", "56789"),
			{ask: "GET /\nRange: bytes=-5", status: 206, body: "56789", has: "Content-Range: bytes 5-9/10"},
			{ask: "GET /\nRange: bytes=6-8", status: 206, body: "678", has: "Content-Range: bytes 6-8/10"},
			{ask: "GET /\nRange: bytes=6-8\nIf-None-Match: \"a\"", status: 304, has: "ETag: \"a\"\n-Content-Range"},
			{ask: "GET /\nRange: bytes=6-8\nIf-None-Match: \"b\"", status: 206, body: "678"},
			{ask: "GET /\nRange: bytes=7-", status: 206, body: "789"}, {ask: "GET /\nRange: bytes=-1", status: 206, body: "9"},
			part("4-5", "4-5/10", "45"),
		}},
		{name: "parts make a larger one, and the whole", steps: []step{
			part("0-3", "0-3/10", "0123"), part("4-6", "4-6/10", "456"),
			{ask: "GET /\nRange: bytes=1-5", status: 206, body: "12345", has: "Content-Range: bytes 1-5/10"},
			part("5-9", "5-9/10", "56789"), {body: "0123456789", has: "-Content-Range\nContent-Length: 10"},
		}},
		{name: "not those of another representation", steps: []step{
			part("0-3", "0-3/10", "0123"),
			{ask: "GET /\nRange: bytes=4-9", gives: "206\n" + fresh + "ETag: \"b\"\nContent-Range: bytes 4-9/10\n\n456789", sent: "yes", status: 206, body: "456789"},
			part("0-3", "0-3/10", "0123"),
		}},
		{name: "the rest of a beginning is fetched", steps: []step{
			part("0-4", "0-4/10", "01234"),
			{gives: "206\n" + fresh + "ETag: \"a\"\nContent-Range: bytes 5-9/10\n\n56789", sent: "Range: bytes=5-\nIf-Range: \"a\"", body: "0123456789", has: "-Content-Range\nContent-Length: 10"},
			{body: "0123456789"},
		}},
		{name: "the whole when it changed", steps: []step{
			part("0-4", "0-4/10", "01234"), {gives: "200\n" + fresh + "ETag: \"b\"\n\nabc", sent: "Range: bytes=5-", body: "abc"}, {body: "abc"},
		}},
		{name: "a part of a stored whole has its other fields", steps: []step{
			{gives: "200\n" + fresh + "X-A: 1\nX-B: 2\n\n0123456789", sent: "yes", body: "0123456789"},
			{ask: "GET /\nRange: bytes=0-1", after: time.Second, status: 206, body: "01", has: "X-A: 1\nX-B: 2\nContent-Range: bytes 0-1/10"},
		}},
		{name: "what has no validator is not completed", steps: []step{
			{ask: "GET /\nRange: bytes=0-4", gives: "206\n" + fresh + "Content-Range: bytes 0-4/10\n\n01234", sent: "yes", status: 206, body: "01234"},
			{gives: "200\n" + fresh + "\n\n0123456789", sent: "-Range\n-If-Range", body: "0123456789"},
		}},
		{name: "not what is shorter than it says", steps: []step{part("0-4", "0-5/10", "01234"), part("0-4", "0-5/10", "01234")}},
		{name: "an invalidation reaches parts", steps: []step{part("0-4", "0-4/10", "01234"), {ask: "DELETE /", gives: "204", sent: "yes", status: 204}, part("0-4", "0-4/10", "01234")}},
	})
}

func TestPurging(t *testing.T) {
	fill := func(h *house) {
		for _, s := range []step{
			{ask: "GET /items/1", gives: "200\n" + fresh + "ETag: \"a\"\nSurrogate-Key: items item-1\n\none", sent: "yes", body: "one"},
			{ask: "GET /items/2", gives: "200\n" + fresh + "ETag: \"b\"\nCache-Tag: items,item-2\n\ntwo", sent: "yes", body: "two"},
			{ask: "GET /other", gives: "200\n" + fresh + "ETag: \"c\"\n\nother", sent: "yes", body: "other"},
		} {
			h.step(0, s)
		}
	}
	for _, c := range []struct {
		arguments map[string]string
		says      string
		gone      string // of /items/1, /items/2, /other
	}{
		{map[string]string{"url": "http://SHOP.localhost:80/items/1"}, "Purged 1 response of http://shop.localhost/items/1.", "1"},
		{map[string]string{"url": "http://shop.localhost/nothing"}, "Nothing is stored of http://shop.localhost/nothing.", ""},
		{map[string]string{"prefix": "http://shop.localhost/items/"}, "Purged 2 responses of URLs that begin with http://shop.localhost/items/.", "12"},
		{map[string]string{"prefix": "HTTP://SHOP.localhost:80/items"}, "Purged 2 responses of URLs that begin with http://shop.localhost/items.", "12"},
		{map[string]string{"prefix": "http://shop.localhost"}, "Purged 3 responses of URLs that begin with http://shop.localhost/.", "123"},
		{map[string]string{"tag": "item-2"}, "Purged 1 response of the tag item-2.", "2"},
		{map[string]string{"tag": "items", "soft": "true"}, "Made stale 2 responses of the tag items.", "12"},
		{map[string]string{"regex": `/items/\d+$`}, `Purged 2 responses of URLs that match /items/\d+$.`, "12"},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := newHouse(t, nil)
			fill(h)
			said, err := h.p.Act(t.Context(), "purge", c.arguments)
			if err != nil || said != c.says {
				t.Errorf("%v: %q, %v, want %q", c.arguments, said, err, c.says)
			}
			soft := c.arguments["soft"] == "true"
			for i, path := range []string{"/items/1", "/items/2", "/other"} {
				s := step{ask: "GET " + path, body: "-"}
				if strings.Contains(c.gone, string(rune('1'+i))) {
					s.sent, s.gives = "-If-None-Match", "200\n\nnew"
					if soft {
						s.sent, s.gives = "yes", "304"
					}
				}
				h.step(i+1, s)
			}
		})
	}
	h := newHouse(t, nil)
	for where, arguments := range map[string]map[string]string{
		"url":    {"url": "/items"},
		"prefix": {"prefix": "/items"},
		"regex":  {"regex": "("},
		"soft":   {"tag": "a", "soft": "yes"},
	} {
		if _, err := h.p.Act(t.Context(), "purge", arguments); err == nil || !strings.HasPrefix(err.Error(), where+": ") {
			t.Errorf("%v: %v", arguments, err)
		}
	}
	for _, arguments := range []map[string]string{nil, {"url": "http://a/", "tag": "b"}} {
		if _, err := h.p.Act(t.Context(), "purge", arguments); err == nil {
			t.Errorf("%v purges", arguments)
		}
	}
	if _, err := h.p.Act(t.Context(), "melt", nil); err == nil {
		t.Error("there is an action that nobody named")
	}
}

func TestThePurgeMethod(t *testing.T) {
	stored := step{ask: "GET /a", gives: "200\n" + fresh + "ETag: \"a\"\n\nold", sent: "yes", body: "old"}
	converse(t, []conversation{
		{name: "from here", steps: []step{stored, {ask: "PURGE /a", body: "Purged 1 response of http://shop.localhost/a.\n"}, {ask: "GET /a", gives: "200\n\nnew", sent: "-If-None-Match", body: "new"}}},
		{name: "softly", steps: []step{stored, {ask: "PURGE /a\nSoft-Purge: 1", body: "Made stale 1 response of http://shop.localhost/a.\n"}, {ask: "GET /a", gives: "304", sent: "If-None-Match: \"a\"", body: "old"}}},
		{name: "handed on where it is off", settings: map[string]any{"purge_method": false}, steps: []step{stored, {ask: "PURGE /a", gives: "405", sent: "yes", status: 405}, {ask: "GET /a", body: "old"}}},
	})
	h := newHouse(t, nil)
	for trusted, want := range map[bool]int{false: 403, true: 200} {
		x := h.exchange(t.Context(), "PURGE /a")
		x.Client, x.Trusted = netip.MustParseAddrPort("192.0.2.1:1"), trusted
		r, err := h.p.Apply(x, h.next)
		if err != nil || r.Status != want {
			t.Errorf("trusted %v: %v, %v, want %d", trusted, r, err, want)
		}
	}
}
