package cache

import (
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"proxycache/backend/flow"
)

// A page for alice is not given to bob, whoever allows what: other clients, the settings, the defaults.
func TestAPageForSomebodyIsForNobodyElse(t *testing.T) {
	const (
		alice = "GET /\nCookie: session=alice"
		bob   = "GET /\nCookie: session=bob"
		page  = "200\nETag: \"a\"\n\nalice"
	)
	first := func(gives string) step { return step{ask: alice, gives: gives, sent: "yes", body: "alice"} }
	fetches := func(ask string) step {
		return step{ask: ask, after: time.Second, gives: "200\n\nnew", sent: "-If-None-Match", body: "new"}
	}
	all := []conversation{
		{name: "max-stale of another client", steps: []step{first(page), fetches(bob + "\nCache-Control: max-stale")}},
		{name: "max-stale and no-cache", steps: []step{first("200\nCache-Control: no-cache\nETag: \"a\"\n\nalice"), fetches(bob + "\nCache-Control: max-stale")}},
		{name: "only-if-cached", steps: []step{first(page), {ask: bob + "\nCache-Control: only-if-cached, max-stale", status: 504, body: "-"}}},
		{name: "the reason is told", steps: []step{{ask: alice, gives: page, sent: "yes", body: "alice",
			has: `Cache-Status: proxycache; fwd=uri-miss; detail="the request has a cookie that is no part of the key, and the response says neither public nor how long it is fresh"`}}},
		{name: "what is fresh by its last change", steps: []step{first("200\nLast-Modified: {-100000}\nDate: {0}\n\nalice"), fetches(bob)}},
		{name: "what is never fresh, and max-stale", steps: []step{
			first("200\nCache-Control: max-age=0\nETag: \"a\"\n\nalice"), {ask: bob + "\nCache-Control: max-stale", gives: "200\n\nnew", sent: "yes", body: "new"}}},
		{name: "a validation by alice does not make hers what is for all", steps: []step{
			{gives: "200\nETag: \"a\"\nX-Who: all\n\nold", sent: "yes", body: "old"},
			{ask: alice, gives: "304\nX-Who: alice", sent: "If-None-Match: \"a\"", body: "old", has: "X-Who: alice"},
			{ask: bob, gives: "304", sent: "yes", body: "old", has: "X-Who: all"}}},
		keepsFor("a lifetime of its own", alice, "200\n"+fresh+"\n\nalice", time.Second, bob),
		keepsFor("Expires", alice, "200\nExpires: {+60}\nDate: {0}\n\nalice", time.Second, bob),
		keepsFor("public, by its last change", alice, "200\nCache-Control: public\nLast-Modified: {-100000}\nDate: {0}\n\nalice", time.Second, bob),
		keepsFor("a targeted field", alice, "200\nCDN-Cache-Control: max-age=60\n\nalice", time.Second, bob),
	}
	under := func(name, setting, value string, steps ...step) {
		all = append(all, conversation{name: name, settings: map[string]any{setting: value}, steps: steps})
	}
	under("default_ttl", "default_ttl", "1h", first("200\n\nalice"), fetches(bob))
	under("default_ttl, and a cookie without a name", "default_ttl", "1h", step{ask: "GET /\nCookie: =alice", gives: "200\n\nalice", sent: "yes", body: "alice"}, fetches(bob))
	under("default_ttl and a validator", "default_ttl", "1h", first(page), fetches(bob))
	under("override_ttl", "override_ttl", "1h", first(page), fetches(bob))
	under("override_ttl, and said to be never fresh", "override_ttl", "1h", first("200\nCache-Control: max-age=0\nETag: \"a\"\n\nalice"),
		step{ask: bob, gives: "200\n\nnew", sent: "yes", body: "new"})
	under("override_ttl does not come with a validation", "override_ttl", "1h",
		step{ask: alice, gives: "200\nCache-Control: max-age=2\nETag: \"a\"\n\nalice", sent: "yes", body: "alice"},
		step{ask: alice, after: 3 * time.Second, gives: "304", sent: "yes", body: "alice"},
		step{ask: bob, after: 3 * time.Second, gives: "200\n\nnew", sent: "yes", body: "new"})
	under("override_ttl and public", "override_ttl", "1h", first("200\nCache-Control: public, max-age=0\n\nalice"), step{ask: bob, after: time.Minute, body: "alice"})
	under("stale_if_error", "stale_if_error", "1h", first(page), step{ask: bob, after: time.Second, fails: true, sent: "yes"})
	under("stale_if_error, and said to be never fresh", "stale_if_error", "1h", first("200\nCache-Control: max-age=0\nETag: \"a\"\n\nalice"), step{ask: bob, after: time.Second, fails: true, sent: "yes"})
	under("stale_if_error of what has no lifetime", "stale_if_error", "1h", step{gives: page, sent: "yes", body: "alice"}, step{ask: bob, after: time.Second, fails: true, sent: "yes"})
	under("stale_while_revalidate", "stale_while_revalidate", "1h", first(page), fetches(bob))
	under("stale_if_error after a lifetime", "stale_if_error", "1h", first("200\nCache-Control: max-age=2\n\nalice"), step{ask: bob, after: 3 * time.Second, gives: "502", sent: "yes", body: "alice"})
	keyed := func(name, cookie string, kept bool) {
		again := step{ask: "GET /\nCookie: " + cookie, after: time.Second, body: "alice"}
		if !kept {
			again = fetches(again.ask)
		}
		all = append(all, conversation{name: name, settings: map[string]any{"default_ttl": "1h", "key_cookies": []any{"session", "lang#x"}}, steps: []step{
			{ask: "GET /\nCookie: " + cookie, gives: "200\n\nalice", sent: "yes", body: "alice"}, again, fetches(bob)}})
	}
	keyed("all cookies are in the key", "session=alice", true)
	keyed("the one of two is not", "session=alice; theme=dark", false)
	keyed("a name that begins one in the key", "session=alice; lang=de; lang#x=1", false)
	keyed("one without a name", "session=alice; =sess1", false)
	keyed("a pair that is blank", "session=alice; ; =", true)
	keyed("two that are", "session=alice; lang#x=1", true)
	converse(t, all)
}

func TestAuthorizedAnswersGetNoLifetimeFromHere(t *testing.T) {
	const authorized = "GET /\nAuthorization: Basic abc"
	for _, setting := range []string{"default_ttl", "override_ttl"} {
		for _, says := range []string{"X: y", "Cache-Control: max-age=60", "Cache-Control: must-revalidate", "Cache-Control: s-maxage=0"} {
			c := dropsFor(setting+", "+says, authorized, "200\n"+says+"\n\nold", time.Second, "")
			c.settings = map[string]any{setting: "1h"}
			converse(t, []conversation{c})
		}
		c := keepsFor(setting+" and public", authorized, "200\nCache-Control: public\n\nold", time.Second, "")
		c.settings = map[string]any{setting: "1h"}
		converse(t, []conversation{c})
	}
}

func TestStreamsOfEventsGetNoLifetimeFromHere(t *testing.T) {
	const stream = "200\nContent-Type: Text/Event-Stream ; charset=utf-8\n"
	all := []conversation{
		keeps("one that says how long", stream+"Cache-Control: max-age=60\n\nold"),
		drops("by its last change", stream+"Last-Modified: {-100000}\nDate: {0}\n\nold"),
	}
	for _, setting := range []string{"default_ttl", "override_ttl"} {
		c := drops(setting, stream+"ETag: \"a\"\n\nold")
		c.settings = map[string]any{setting: "1h"}
		all = append(all, c)
	}
	c := drops("override_ttl, and one that is never fresh", stream+"Cache-Control: max-age=0\n\nold")
	c.settings = map[string]any{"override_ttl": "1h"}
	converse(t, append(all, c))
}

func TestCookiesAreForWhoGotThem(t *testing.T) {
	const none = "-Set-Cookie\n-Set-Cookie2"
	two := "200\nCache-Control: max-age=2\nETag: \"a\"\n"
	all := []conversation{
		drops("no lifetime of its own", "200\nSet-Cookie: a=b\nETag: \"a\"\n\nold"),
		drops("public is none", "200\nCache-Control: public\nSet-Cookie: a=b\nETag: \"a\"\nLast-Modified: {-100000}\n\nold"),
		{name: "the reason is told", steps: []step{{gives: "200\nSet-Cookie: a=b\nETag: \"a\"\n\nold", sent: "yes", body: "old",
			has: `Cache-Status: proxycache; fwd=uri-miss; detail="it sets a cookie, and does not say how long it is fresh"` + "\nSet-Cookie: a=b"}}},
		{name: "stored without", steps: []step{
			{gives: "200\n" + fresh + "Set-Cookie: a=b\nSet-Cookie2: c=d\n\nold", sent: "yes", body: "old", has: "Set-Cookie: a=b\nSet-Cookie2: c=d"}, {body: "old", has: none}}},
		{name: "stored with where it is public", steps: []step{
			{gives: "200\nCache-Control: public, max-age=60\nSet-Cookie: a=b\nSet-Cookie: c=d\n\nold", sent: "yes", body: "old"}, {body: "old", has: "Set-Cookie: a=b, c=d"}}},
		{name: "of a 304, to who asked", steps: []step{
			{gives: two + "\nold", sent: "yes", body: "old"},
			{after: 3 * time.Second, gives: "304\nCache-Control: max-age=2\nSet-Cookie: a=b\nSet-Cookie: c=d", sent: "yes", body: "old", has: "Set-Cookie: a=b, c=d"},
			{after: time.Second, body: "old", has: none}}},
		{name: "of a 304, to who asked for a 304", steps: []step{
			{gives: two + "\nold", sent: "yes", body: "old"},
			{ask: "GET /\nIf-None-Match: \"a\"", after: 3 * time.Second, gives: "304\nSet-Cookie: a=b", sent: "yes", status: 304, has: "Set-Cookie: a=b"}}},
		{name: "of a 304, in the place of one for all", steps: []step{
			{gives: "200\nCache-Control: public, max-age=2\nETag: \"a\"\nSet-Cookie: a=all\n\nold", sent: "yes", body: "old"},
			{after: 3 * time.Second, gives: "304\nSet-Cookie: a=me", sent: "yes", body: "old", has: "Set-Cookie: a=me"},
			{after: time.Second, body: "old", has: "Set-Cookie: a=all"}}},
		{name: "of a HEAD", steps: []step{
			{gives: two + "\nold", sent: "yes", body: "old"},
			{ask: "HEAD /", after: 3 * time.Second, gives: "200\nCache-Control: max-age=60\nETag: \"a\"\nSet-Cookie: a=b", sent: "yes", has: "Set-Cookie: a=b"},
			{body: "old", has: none}}},
	}
	converse(t, all)
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		h.step(1, step{gives: "200\n" + fresh + "Set-Cookie: a=b\n\nold", sent: "yes", body: "old"})
		if !strings.Contains(facts(h.last), "{left out Set-Cookie, which is for this client alone}") {
			t.Error(facts(h.last))
		}
	})
}

// What a breaker behind the cache took from another upstream is not what the URL has.
func TestTheAnswerOfAnotherUpstreamIsNotKept(t *testing.T) {
	gives := func(text string) func(*flow.Exchange) (*flow.Response, error) {
		return func(x *flow.Exchange) (*flow.Response, error) {
			x.SendTo = "spare"
			return response(text), nil
		}
	}
	for _, c := range []struct{ name, ask, gives string }{
		{"collapsed", "GET /", "200\n" + fresh + "\n\nspare"},
		{"alone", "GET /\nCache-Control: no-cache", "200\n" + fresh + "\n\nspare"},
		{"a part", "GET /\nRange: bytes=0-4", "206\n" + fresh + "Content-Range: bytes 0-4/5\n\nspare"},
		{"a POST", "POST /", "200\n" + fresh + "Content-Location: /\n\nspare"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, nil)
				h.give = gives(c.gives)
				if _, body, err := h.ask(c.ask); err != nil || body != "spare" {
					t.Fatal(body, err)
				}
				if !strings.Contains(facts(h.last), "not stored it came from another upstream, spare") {
					t.Error(facts(h.last))
				}
				h.step(2, step{gives: "200\n\nown", sent: "yes", body: "own"})
			})
		})
	}
	synctest.Test(t, func(t *testing.T) { // fetched in the background
		h := newHouse(t, nil)
		h.step(1, step{gives: "200\nCache-Control: max-age=2, stale-while-revalidate=60\n\nold", sent: "yes", body: "old"})
		time.Sleep(3 * time.Second)
		h.give = gives("200\n" + fresh + "\n\nspare")
		r, err := h.p.Apply(h.exchange(t.Context(), "GET /"), h.next)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(r.Body); err != nil || string(body) != "old" {
			t.Error(string(body), err)
		}
		_ = r.Body.Close()
		synctest.Wait()
		h.step(2, step{gives: "200\n\nown", sent: "yes", body: "old"})
	})
}

func TestAKeyIsNotPoisoned(t *testing.T) {
	settings := map[string]any{"key_cookies": []any{"currency"}, "ignore_query": []any{"utm_*", "fbclid"}}
	var all []conversation
	pair := func(name, first, second string, same bool) {
		again := step{ask: second, body: "old"}
		if !same {
			again = step{ask: second, gives: "200\n\nnew", sent: "yes", body: "new"}
		}
		all = append(all, conversation{name: name, settings: settings, steps: []step{{ask: first, gives: "200\n" + fresh + "\n\nold", sent: "yes", body: "old"}, again}})
	}
	const eur = "GET /\nCookie: currency=EUR"
	pair("a second value of a cookie", eur+"; currency=EVIL", eur, false)
	pair("a first value of a cookie", "GET /\nCookie: currency=EVIL; currency=EUR", eur, false)
	pair("a second value in another field", eur+"\nCookie: currency=EVIL", eur, false)
	pair("values in another order", eur+"; currency=USD", "GET /\nCookie: currency=USD; currency=EUR", false)
	pair("a quote that does not end", "GET /\nCookie: currency=\"EUR; x=1\"", "GET /\nCookie: currency=\"EUR; x=2\"", false)
	pair("a quote that does", "GET /\nCookie: currency=\"EUR\"; x=1", "GET /\nCookie: currency=\"EUR\"; x=2", true)
	pair("one value and other cookies", eur+"; a=b", "GET /\nCookie: c=d; currency=EUR", true)
	pair("another parameter behind a semicolon", "GET /?utm_source=x;id=5", "GET /?utm_source=x", false)
	pair("behind an encoded one", "GET /?fbclid=x%3bid=5", "GET /?fbclid=x", false)
	pair("behind an encoded one in capitals", "GET /?a=1&fbclid=x%3Bid=5", "GET /?a=1", false)
	pair("in the name", "GET /?utm_a;id=5", "GET /", false)
	pair("an ignored parameter with other signs", "GET /?utm_source=a%20b:c", "GET /", true)
	converse(t, all)
}

func TestDataUnderStaticNames(t *testing.T) {
	var all []conversation
	asks := func(path, kind, more string, kept bool) {
		ask, gives := "GET /account/x."+path+more, "200\nCache-Control: max-age=60\nContent-Type: "+kind+"\n\nold"
		if kept {
			all = append(all, keepsFor(path+" as "+kind, ask, gives, time.Second, ask))
		} else {
			all = append(all, dropsFor(path+" as "+kind, ask, gives, time.Second, ask))
		}
	}
	const cookie = "\nCookie: a=b"
	for _, extension := range []string{"wav", "flac", "aac", "m4a", "opus", "mov", "avi", "mkv", "m4v", "tif", "tiff", "heic", "heif", "jpe", "svgz"} {
		asks(extension, "text/html", cookie, false)
	}
	for _, path := range []string{"/a%2ecss", "/a%2Ecss", "/x.css;a", "/x.css%3Ba=b", "/me;x.css", "/me%3bx%2ecss"} {
		all = append(all, dropsFor(path, "GET /acc"+path+cookie, "200\nCache-Control: max-age=60\nContent-Type: text/html\n\nold", time.Second, "GET /acc"+path+cookie))
	}
	for _, path := range []string{"/css", "/a.html;css", "/x.css/a", "/a%2"} {
		all = append(all, keepsFor(path, "GET /acc"+path+cookie, "200\nCache-Control: max-age=60\nContent-Type: text/html\n\nold", time.Second, "GET /acc"+path+cookie))
	}
	for _, extension := range []string{"woff", "woff2", "ttf", "otf", "eot", "zip", "gz", "tar", "map", "png", "svg", "ico", "js", "css", "mjs", "pdf"} {
		for _, kind := range []string{"application/json", "application/xml", "application/xhtml+xml", "text/html; charset=utf-8", "application/problem+json"} {
			asks(extension, kind, cookie, false)
		}
	}
	for extension, kind := range map[string]string{
		"woff": "application/font-woff", "woff2": "font/woff2", "ttf": "application/x-font-ttf", "otf": "application/vnd.ms-opentype", "eot": "application/vnd.ms-fontobject",
		"zip": "application/zip", "gz": "application/gzip", "tgz": "application/x-gzip", "tar": "application/x-tar", "map": "application/octet-stream",
		"wav": "audio/x-wav", "mov": "video/quicktime", "avi": "video/x-msvideo", "m4a": "audio/mp4", "tif": "image/tiff", "svgz": "image/svg+xml",
		"png": "image/png", "svg": "image/svg+xml", "ico": "image/vnd.microsoft.icon", "js": "application/javascript; charset=utf-8", "css": "text/css",
	} {
		asks(extension, kind, cookie, true)
	}
	all = append(all,
		keeps("a source map by its last change, for nobody", "200\nLast-Modified: {-100000}\nDate: {0}\nContent-Type: application/json\n\nold"),
		dropsFor("a page as a video, by a part", "GET /account/x.mp4\nCookie: a=b\nRange: bytes=0-2", "206\nCache-Control: max-age=60\nContent-Type: text/html\nContent-Range: bytes 0-2/3\n\nold", time.Second, "GET /account/x.mp4"))
	all[len(all)-2].steps[0].ask, all[len(all)-2].steps[1].ask = "GET /app.js.map", "GET /app.js.map"
	all[len(all)-1].steps[0].status = 206
	converse(t, all)
}
