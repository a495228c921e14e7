package cache

import (
	"strings"
	"testing"
	"time"
)

func TestWhatIsNeverStored(t *testing.T) {
	const authorized = "GET /\nAuthorization: Basic abc"
	const ok = "\nDate: {0}\n\nold"
	converse(t, []conversation{
		drops("no-store", "200\nCache-Control: no-store, max-age=3600\n\nold"),
		drops("private", "200\nCache-Control: private, max-age=3600\n\nold"),
		drops("private with a name", "200\nCache-Control: private=\"x\", max-age=3600\n\nold"),
		drops("no-cache without a validator", "200\nCache-Control: no-cache, max-age=3600\n\nold"),
		dropsFor("Authorization", authorized, "200\nExpires: {+3600}"+ok, 3*time.Second, ""),
		keepsFor("Authorization and public", authorized, "200\nCache-Control: max-age=3600, public"+ok, 3*time.Second, ""),
		keepsFor("Authorization and must-revalidate", authorized, "200\nCache-Control: max-age=3600, must-revalidate"+ok, 3*time.Second, ""),
		keepsFor("Authorization and s-maxage", authorized, "200\nCache-Control: s-maxage=3600"+ok, 3*time.Second, ""),
		keepsFor("Cookie", "GET /\nCookie: a=b", "200\n"+fresh+"\n\nold", 3*time.Second, ""),
		keeps("Set-Cookie", "200\n"+fresh+"Set-Cookie: a=b\n\nold"),
		keeps("Pragma of a response says nothing", "200\n"+fresh+"Pragma: no-cache\n\nold"),
		dropsFor("the request says no-store", "GET /\nCache-Control: no-store", "200\n"+fresh+"\n\nold", 0, ""),
		dropsFor("another query", "GET /?a=1", "200\n"+fresh+"\n\nold", 0, "GET /?a=2"),
		keepsFor("the same query", "GET /?a=1", "200\n"+fresh+"\n\nold", 0, "GET /?a=1"),
		dropsFor("a field that is not in the key", "GET /\nX-Forwarded-Host: evil.test", "200\n"+fresh+"\n\nold", 0, ""),
		keepsFor("the same host is", "GET /\nX-Forwarded-Host: shop.localhost", "200\n"+fresh+"\n\nold", 0, ""),
		dropsFor("another method in a field", "GET /\nX-HTTP-Method-Override: POST", "200\n"+fresh+"\n\nold", 0, ""),
		dropsFor("another path in a field", "GET /\nX-Original-URL: /admin", "200\n"+fresh+"\n\nold", 0, ""),
		dropsFor("another scheme in a field", "GET /\nX-Forwarded-Proto: https", "200\n"+fresh+"\n\nold", 0, ""),
		dropsFor("a host of its own name", "GET /\nX-HTTP-Host-Override: evil.test", "200\n"+fresh+"\n\nold", 0, ""),
		dropsFor("a real host", "GET /\nX-Real-Host: evil.test", "200\n"+fresh+"\n\nold", 0, ""),
		keepsFor("the same real host", "GET /\nX-Real-Host: shop.localhost", "200\n"+fresh+"\n\nold", 0, ""),
		dropsFor("an original path", "GET /\nX-Original-Uri: /admin", "200\n"+fresh+"\n\nold", 0, ""),
		dropsFor("Envoy's", "GET /\nX-Envoy-Original-Path: /admin", "200\n"+fresh+"\n\nold", 0, ""),
		dropsFor("a forwarded path", "GET /\nX-Forwarded-Uri: /admin", "200\n"+fresh+"\n\nold", 0, ""),
		dropsFor("an original method", "GET /\nX-Original-Method: POST", "200\n"+fresh+"\n\nold", 0, ""),
		keepsFor("the same method", "GET /\nX-Original-Method: GET", "200\n"+fresh+"\n\nold", 0, ""),
		dropsFor("a URL's scheme", "GET /\nX-URL-Scheme: https", "200\n"+fresh+"\n\nold", 0, ""),
		dropsFor("CloudFront's scheme", "GET /\nCloudFront-Forwarded-Proto: https", "200\n"+fresh+"\n\nold", 0, ""),
		keepsFor("CloudFront's, which is the same", "GET /\nCloudFront-Forwarded-Proto: http", "200\n"+fresh+"\n\nold", 0, ""),
		{name: "a GET with a body passes both ways", steps: []step{
			{ask: "GET /\n\nbody", gives: "200\n" + fresh + "\n\nfat", sent: "yes", body: "fat", has: "Cache-Status: proxycache; fwd=bypass"},
			{gives: "200\n" + fresh + "\n\nold", sent: "yes", body: "old"},
			{ask: "GET /\n\nbody", gives: "200\n" + fresh + "\n\nfat", sent: "yes", body: "fat"},
		}},
		{name: "fields of the connection", steps: []step{
			{gives: "200\n" + fresh + "Connection: a, B\na: 1\nb: 2\nc: 3\nKeep-Alive: x\nProxy-Authenticate: x\nProxy-Authentication-Info: x\nProxy-Connection: x\nTE: x\nUpgrade: x\n\nold", sent: "yes", body: "old"},
			{body: "old", has: "c: 3\n-a\n-b\n-Connection\n-Keep-Alive\n-Proxy-Authenticate\n-Proxy-Authentication-Info\n-Proxy-Connection\n-TE\n-Upgrade"},
		}},
		{name: "a newer one that may not be kept leaves the older one", steps: []step{
			{gives: "200\n" + fresh + "X-A: 1\n\nold", sent: "yes", body: "old"},
			{ask: "GET /\nCache-Control: no-cache", gives: "200\nCache-Control: no-store, max-age=0\nX-A: 2\n\nnew", sent: "yes", body: "new", has: "X-A: 2"},
			{after: time.Second, body: "old", has: "X-A: 1\nAge: 1"},
		}},
		{name: "other fields are", steps: []step{
			{gives: "200\n" + fresh + "Test-Header: 1\nX-Test: 2\nWWW-Authenticate: x\nStrict-Transport-Security: max-age=1\n\nold", sent: "yes", body: "old"},
			{body: "old", has: "Test-Header: 1\nX-Test: 2\nWWW-Authenticate: x\nStrict-Transport-Security: max-age=1"},
		}},
	})
}

func TestAgeAndDate(t *testing.T) {
	converse(t, []conversation{
		{name: "Age on a hit, Date as it was", steps: []step{
			{gives: "200\nCache-Control: max-age=600\nDate: Fri, 31 Dec 1999 23:59:50 GMT\nAge: 30\n\nold", sent: "yes", body: "old", has: "Age: 30"},
			{after: 5 * time.Second, body: "old", has: "Age: 35\nDate: Fri, 31 Dec 1999 23:59:50 GMT\nCache-Status: proxycache; hit; ttl=565"},
		}},
		{name: "the same where Expires says how long", steps: []step{
			{gives: "200\nExpires: {+600}\nDate: {0}\nAge: 30\n\nold", sent: "yes", body: "old"},
			{after: 5 * time.Second, body: "old", has: "Age: 35\nDate: {-5}\nExpires: {+595}\nCache-Status: proxycache; hit; ttl=565"},
		}},
		{name: "a response without Date keeps the time it came", steps: []step{
			{gives: "200\nCache-Control: max-age=600\n\nold", sent: "yes", body: "old"},
			{after: 5 * time.Second, body: "old", has: "Age: 5\nDate: {-5}"},
		}},
		{name: "Cache-Status of others stays before ours", steps: []step{
			{gives: "200\nCache-Control: max-age=600\nCache-Status: origin; hit\n\nold", sent: "yes", body: "old", has: "Cache-Status: origin; hit, proxycache; fwd=uri-miss; ttl=600; stored"},
			{body: "old", has: "Cache-Status: origin; hit, proxycache; hit; ttl=600"},
		}},
		{name: "another name", settings: map[string]any{"status_name": "Edge 1"}, steps: []step{
			{gives: "200\n\nold", sent: "yes", body: "old", has: `Cache-Status: "Edge 1"; fwd=uri-miss; detail="it says nothing about its lifetime, and there is nothing to validate it by"`},
		}},
		{name: "no name, no field", settings: map[string]any{"status_name": ""}, steps: []step{
			{gives: "200\n" + fresh + "\n\nold", sent: "yes", body: "old", has: `-Cache-Status`},
			{body: "old", has: `-Cache-Status`},
		}},
	})
}

func TestWhatRequestsAskFor(t *testing.T) {
	stored := step{gives: "200\nCache-Control: max-age=1500\nAge: 1000\nETag: \"abc\"\n\nold", sent: "yes", body: "old"}
	asks := func(name, directive string, again step) conversation {
		again.ask = "GET /\n" + directive
		again.body = "old"
		if again.sent != "" {
			again.gives, again.body = "200\n\nnew", "new"
		}
		return conversation{name: name, steps: []step{stored, again}}
	}
	asked := step{sent: `If-None-Match: "abc"`}
	converse(t, []conversation{
		asks("max-age=0", "Cache-Control: max-age=0", asked),
		asks("max-age less than its age", "Cache-Control: max-age=600", asked),
		asks("max-age more than its age", "Cache-Control: max-age=1200", step{}),
		asks("min-fresh more than is left", "Cache-Control: min-fresh=1000", asked),
		asks("min-fresh less than is left", "Cache-Control: min-fresh=400", step{}),
		asks("no-cache", "Cache-Control: no-cache", asked),
		asks("Pragma", "Pragma: no-cache", asked),
		asks("Pragma counts for nothing beside Cache-Control", "Pragma: no-cache\nCache-Control: max-age=1200", step{}),
		asks("another Pragma", "Pragma: foo", step{}),
		asks("stale without max-stale", "X: y", step{after: 700 * time.Second, sent: `If-None-Match: "abc"`}),
		asks("max-stale", "Cache-Control: max-stale=300", step{after: 700 * time.Second, has: "Cache-Status: proxycache; hit; ttl=-200"}),
		asks("max-stale of any age", "Cache-Control: max-stale", step{after: 7000 * time.Second}),
		asks("max-stale that is not enough", "Cache-Control: max-stale=100", step{after: 700 * time.Second, sent: `If-None-Match: "abc"`}),
		asks("only-if-cached and it is", "Cache-Control: only-if-cached", step{}),
		{name: "only-if-cached and it is not", steps: []step{
			{ask: "GET /\nCache-Control: only-if-cached", status: 504, body: "-", has: "Cache-Control: no-store\nCache-Status: proxycache; detail=only-if-cached"},
			{ask: "HEAD /\nCache-Control: only-if-cached", status: 504},
		}},
		{name: "only-if-cached and what passes by", steps: []step{
			{gives: "200\n" + fresh + "ETag: \"a\"\n\nold", sent: "yes", body: "old"},
			{ask: "GET /\nCache-Control: only-if-cached\nIf-Match: \"a\"", status: 504, body: "-"},
			{ask: "GET /\nCache-Control: only-if-cached\nIf-Unmodified-Since: {0}", status: 504, body: "-"},
			{ask: "GET /\nCache-Control: only-if-cached\n\nfat", status: 504, body: "-", has: "Cache-Status: proxycache; detail=only-if-cached"},
		}},
		{name: "only-if-cached and it is stale", steps: []step{
			{gives: "200\nCache-Control: max-age=1\n\nold", sent: "yes", body: "old"},
			{after: 3 * time.Second, ask: "GET /\nCache-Control: only-if-cached", status: 504, body: "-"},
		}},
		{name: "what they say can be ignored", settings: map[string]any{"ignore_request_directives": true}, steps: []step{
			stored, {ask: "GET /\nCache-Control: no-cache\nPragma: no-cache", body: "old"},
			{ask: "GET /other\nCache-Control: no-store, only-if-cached", gives: "200\n" + fresh + "\n\nx", sent: "yes", body: "x"},
			{ask: "GET /other", body: "x"},
		}},
	})
}

func TestStaleResponses(t *testing.T) {
	became := func(directives string) step {
		return step{gives: "200\nCache-Control: max-age=2" + directives + "\nETag: \"abc\"\n\nold", sent: "yes", body: "old"}
	}
	const later = 3 * time.Second
	converse(t, []conversation{
		{name: "none by itself when the server fails", steps: []step{became(""), {after: later, fails: true, sent: "yes"}}},
		{name: "stale-if-error and no connection", steps: []step{became(", stale-if-error=60"), {after: later, fails: true, sent: "yes", body: "old", status: 200, has: "Cache-Status: proxycache; fwd=stale; ttl=-1; detail=internal\nAge: 3"}}},
		{name: "stale-if-error and 503", steps: []step{became(", stale-if-error=60"), {after: later, gives: "503", sent: "yes", body: "old", has: "Cache-Status: proxycache; fwd=stale; fwd-status=503; ttl=-1"}}},
		{name: "stale-if-error and 404", steps: []step{became(", stale-if-error=60"), {after: later, gives: "404", sent: "yes", status: 404}}},
		{name: "stale-if-error is over", steps: []step{became(", stale-if-error=60"), {after: time.Minute + later, fails: true, sent: "yes"}}},
		{name: "stale-if-error by default", settings: map[string]any{"stale_if_error": "1m"}, steps: []step{became(""), {after: later, gives: "502", sent: "yes", body: "old"}}},
		{name: "the response knows better", settings: map[string]any{"stale_if_error": "1m"}, steps: []step{became(", stale-if-error=0"), {after: later, gives: "502", sent: "yes", status: 502}}},
		{name: "by default, not with must-revalidate", settings: map[string]any{"stale_if_error": "1m"}, steps: []step{became(", must-revalidate"), {after: later, fails: true, sent: "yes"}}},
		{name: "by default, not with proxy-revalidate", settings: map[string]any{"stale_if_error": "1m"}, steps: []step{became(", proxy-revalidate"), {after: later, fails: true, sent: "yes"}}},
		{name: "by default, not with s-maxage", settings: map[string]any{"stale_if_error": "1m"}, steps: []step{became(", s-maxage=2"), {after: later, fails: true, sent: "yes"}}},
		{name: "by default, not with no-cache", settings: map[string]any{"stale_if_error": "1m"}, steps: []step{became(", no-cache"), {after: later, fails: true, sent: "yes"}}},
		{name: "not with must-revalidate", steps: []step{became(", stale-if-error=60, must-revalidate"), {after: later, fails: true, sent: "yes"}}},
		{name: "not with proxy-revalidate", steps: []step{became(", stale-if-error=60, proxy-revalidate"), {after: later, fails: true, sent: "yes"}}},
		{name: "not with s-maxage", steps: []step{became(", stale-if-error=60, s-maxage=2"), {after: later, fails: true, sent: "yes"}}},
		{name: "not with no-cache", steps: []step{became(", stale-if-error=60, no-cache"), {after: later, fails: true, sent: "yes"}}},
		{name: "no max-stale with must-revalidate", steps: []step{became(", must-revalidate"), {ask: "GET /\nCache-Control: max-stale", after: later, gives: "304", sent: "yes", body: "old", has: "Age: 0"}}},
		{name: "stale-while-revalidate", steps: []step{
			became(", stale-while-revalidate=60"),
			{after: later, gives: "200\nCache-Control: max-age=100\nETag: \"abd\"\n\nnew", sent: `If-None-Match: "abc"`, body: "old", has: "Cache-Status: proxycache; hit; ttl=-1\nAge: 3"},
			{after: time.Second, body: "new", has: "Cache-Status: proxycache; hit; ttl=99"},
		}},
		{name: "stale-while-revalidate, and it is good still", steps: []step{
			became(", stale-while-revalidate=60"),
			{after: later, gives: "304\nCache-Control: max-age=100", sent: `If-None-Match: "abc"`, body: "old"},
			{after: time.Second, body: "old", has: "Cache-Status: proxycache; hit; ttl=99"},
		}},
		{name: "stale-while-revalidate, and the server fails", steps: []step{
			became(", stale-while-revalidate=60"),
			{after: later, fails: true, sent: "yes", body: "old", status: 200},
			{after: time.Second, fails: true, sent: "yes", body: "old", status: 200},
		}},
		{name: "stale-while-revalidate is over", steps: []step{became(", stale-while-revalidate=4"), {after: 7 * time.Second, gives: "200\n\nnew", sent: "yes", body: "new"}}},
		{name: "stale-while-revalidate to a validation that makes it no-cache", steps: []step{
			became(", stale-while-revalidate=60"),
			{after: later, gives: "200\nCache-Control: no-cache\nETag: \"def\"\n\nnew", sent: "yes", body: "old"},
			{gives: "304", sent: `If-None-Match: "def"`, body: "new"},
		}},
		{name: "stale-while-revalidate not with s-maxage", steps: []step{became(", s-maxage=2, stale-while-revalidate=60"), {after: later, gives: "200\n\nnew", sent: "yes", body: "new"}}},
		{name: "one who asks for a part has the whole fetched", steps: []step{
			{gives: "200\nCache-Control: max-age=2, stale-while-revalidate=60\n\n0123456789", sent: "yes", body: "0123456789"},
			{ask: "GET /\nRange: bytes=2-3\nIf-Range: \"a\"", after: later, gives: "200\nCache-Control: max-age=100\n\nabcdefghij", sent: "-Range\n-If-Range", body: "0123456789"},
			{ask: "GET /\nRange: bytes=2-3", status: 206, body: "cd", has: "Cache-Status: proxycache; hit; ttl=100"},
		}},
		{name: "one who has a copy of its own has it fetched all the same", steps: []step{
			{gives: "200\nCache-Control: max-age=2, stale-while-revalidate=60\n\nold", sent: "yes", body: "old"},
			{ask: "GET /\nIf-None-Match: \"a\"\nIf-Modified-Since: {-5000}", after: later, gives: "200\nCache-Control: max-age=100\n\nnew", sent: "-If-None-Match\n-If-Modified-Since", body: "old"},
			{body: "new"},
		}},
		{name: "a HEAD has it fetched as a GET", steps: []step{
			became(", stale-while-revalidate=60"),
			{ask: "HEAD /", after: later, gives: "200\nCache-Control: max-age=100\n\nnew", sent: "yes"},
			{body: "new"},
		}},
	})
}

func TestSettingsOfLifetime(t *testing.T) {
	converse(t, []conversation{
		{name: "by default", settings: map[string]any{"default_ttl": "1m"}, steps: []step{
			{gives: "200\n\nold", sent: "yes", body: "old"}, {after: 59 * time.Second, body: "old"}, {after: 2 * time.Second, gives: "403\n\nno", sent: "yes", status: 403, body: "no"},
			{gives: "200\nSet-Cookie: a=b\n\nold", sent: "yes", body: "old"}, {gives: "200\nCache-Control: no-store\n\nold", sent: "yes", body: "old"},
			{gives: "200\nCache-Control: max-age=0\n\nold", sent: "yes", body: "old"}, {gives: "404\n\ngone", sent: "yes", status: 404, body: "gone"}, {status: 404, body: "gone"},
		}},
		{name: "always", settings: map[string]any{"override_ttl": "1m"}, steps: []step{
			{gives: "200\nCache-Control: no-cache, max-age=0\n\nold", sent: "yes", body: "old"}, {after: 59 * time.Second, body: "old"},
			{after: 2 * time.Second, gives: "200\nCache-Control: no-store\n\nnew", sent: "yes", body: "new"}, {gives: "200\nCache-Control: max-age=3600\n\nold", sent: "yes", body: "old"},
			{after: 61 * time.Second, gives: "500\n\nbad", sent: "yes", status: 500, body: "bad"}, {gives: "200\nSet-Cookie: a=b\n\nmine", sent: "yes", body: "mine"},
			{gives: "200\n\nnew", sent: "yes", body: "new"},
		}},
		{name: "not longer than stale ones are kept", settings: map[string]any{"keep_stale": "10s"}, steps: []step{
			{gives: "200\nCache-Control: max-age=2\nETag: \"a\"\n\nold", sent: "yes", body: "old"},
			{after: 13 * time.Second, gives: "200\n\nnew", sent: "-If-None-Match", body: "new"},
		}},
		{name: "too large to be kept", settings: map[string]any{"max_object": "1KiB"}, steps: []step{
			{gives: "200\n" + fresh + "\n\n" + large, sent: "yes", body: large}, {gives: "200\n" + fresh + "\n\n" + large, sent: "yes", body: large},
			{gives: "200\nTransfer-Encoding: x\n" + fresh + "\n\n" + large, sent: "yes", body: large}, {gives: "200\nTransfer-Encoding: x\n" + fresh + "\n\nsmall", sent: "yes", body: "small"}, {body: "small"},
		}},
	})
}

var large = strings.Repeat("large ", 500)

func TestDeception(t *testing.T) {
	const html = "Content-Type: text/html\nLast-Modified: {-100000}\nDate: {0}\n"
	asks := func(name, ask, gives string, kept bool) conversation {
		if kept {
			return keepsFor(name, ask, gives, time.Second, ask)
		}
		return dropsFor(name, ask, gives, time.Second, ask)
	}
	all := []conversation{
		asks("a page as a style, by a lifetime made up", "GET /account/x.css", "200\n"+html+"\n\nold", false),
		asks("a page as a page", "GET /account/x", "200\n"+html+"\n\nold", true),
		asks("a style as a style", "GET /account/x.css", "200\nContent-Type: text/css\nLast-Modified: {-100000}\n\nold", true),
		asks("a page as a style, said to be fresh", "GET /account/x.css", "200\nCache-Control: max-age=60\n"+html+"\n\nold", true),
		asks("the same with a cookie", "GET /account/x.css\nCookie: a=b", "200\nCache-Control: max-age=60\n"+html+"\n\nold", false),
		asks("the same for everybody", "GET /account/x.css\nCookie: a=b", "200\nCache-Control: max-age=60, public\n"+html+"\n\nold", true),
		asks("data as a picture", "GET /me;x.png?y=.z\nCookie: a=b", "200\nCache-Control: max-age=60\nContent-Type: application/json\n\nold", false),
	}
	override := asks("a lifetime from here is nobody's word", "GET /account/x.js", "200\n"+html+"\n\nold", false)
	override.settings = map[string]any{"override_ttl": "1h"}
	off := asks("the guard can be off", "GET /account/x.css", "200\n"+html+"\n\nold", true)
	off.settings = map[string]any{"deception_check": false}
	converse(t, append(all, override, off))
}
