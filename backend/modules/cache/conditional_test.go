package cache

import (
	"testing"
	"time"
)

const fresh = "Cache-Control: max-age=3600\nDate: {0}\n"

func TestConditionsOfClients(t *testing.T) {
	asks := func(name, stored, condition string, status int) conversation {
		body := "old"
		if status == 304 {
			body = ""
		}
		return conversation{name: name, steps: []step{
			{gives: "200\n" + fresh + stored + "\n\nold", sent: "yes", body: "old"},
			{ask: "GET /\n" + condition, after: 3 * time.Second, status: status, body: body, gives: "500"},
		}}
	}
	converse(t, []conversation{
		asks("a strong tag", `ETag: "abc"`, `If-None-Match: "abc"`, 304),
		asks("another tag", `ETag: "abc"`, `If-None-Match: "abd"`, 200),
		asks("a weak tag", `ETag: W/"abc"`, `If-None-Match: W/"abc"`, 304),
		asks("a weak tag for a strong one", `ETag: "abc"`, `If-None-Match: W/"abc"`, 304),
		asks("the first of several", `ETag: "abc"`, `If-None-Match: "abc", "1", "2"`, 304),
		asks("the middle of several", `ETag: "abc"`, `If-None-Match: "1", "abc", "2"`, 304),
		asks("the last of several", `ETag: "abc"`, `If-None-Match: "1", "2", "abc"`, 304),
		asks("on another line", `ETag: "abc"`, "If-None-Match: \"1\"\nIf-None-Match: \"abc\"", 304),
		asks("a tag with a comma", `ETag: "a,b"`, `If-None-Match: "a,b"`, 304),
		asks("a tag with bytes beyond ASCII", "ETag: \"abc\xfc\"", "If-None-Match: \"abc\xfc\"", 304),
		asks("the same letter in another encoding is another tag", "ETag: \"abc\xc3\xbc\"", "If-None-Match: \"abc\xfc\"", 200),
		asks("quotes are part of a tag", `ETag: "abc"`, `If-None-Match: abc`, 200),
		asks("and are not put in", `ETag: abc`, `If-None-Match: "abc"`, 200),
		asks("anything", `ETag: "abc"`, `If-None-Match: *`, 304),
		asks("without quotes on both sides", `ETag: abc`, `If-None-Match: abc`, 304),
		asks("tags go before dates", "ETag: \"abc\"\nLast-Modified: {-5000}", "If-None-Match: \"abd\"\nIf-Modified-Since: {-1}", 200),
		asks("tags go before dates, the other way", "ETag: \"abc\"\nLast-Modified: {-1}", "If-None-Match: \"abc\"\nIf-Modified-Since: {-5000}", 304),
		asks("the same date", "Last-Modified: Fri, 31 Dec 1999 00:00:00 GMT", "If-Modified-Since: Fri, 31 Dec 1999 00:00:00 GMT", 304),
		asks("a later date", "Last-Modified: {-5000}", "If-Modified-Since: {-1000}", 304),
		asks("an earlier date", "Last-Modified: {-1000}", "If-Modified-Since: {-5000}", 200),
		asks("of RFC 850", "Last-Modified: {-100000}", "If-Modified-Since: Friday, 31-Dec-99 23:59:59 GMT", 304),
		asks("no date", "Last-Modified: {-5000}", "If-Modified-Since: yesterday", 200),
		asks("Date where there is no Last-Modified", "X: y", "If-Modified-Since: {0}", 304),
		asks("Date is later", "X: y", "If-Modified-Since: {-3000}", 200),
		{name: "fields of a 304", steps: []step{
			{gives: "200\n" + fresh + "ETag: \"abc\"\nContent-Type: text/plain\nVary: Foo\nContent-Location: /x\n\nold", sent: "yes", body: "old"},
			{ask: "GET /\nIf-None-Match: \"abc\"", after: time.Second, status: 304, has: "ETag: \"abc\"\nVary: Foo\nContent-Location: /x\nCache-Control: max-age=3600\nAge: 1\n-Content-Type\n-Content-Length"},
		}},
		{name: "a condition is handed on where nothing is stored, and a 304 passes", steps: []step{
			{ask: "GET /\nIf-None-Match: \"abc\"", gives: "304\nETag: \"abc\"", sent: `If-None-Match: "abc"`, status: 304, has: "Cache-Status: proxycache; fwd=uri-miss; detail=\"a response with this status is never kept\""},
			{gives: "200\n" + fresh + "\n\nnew", sent: "-If-None-Match", body: "new"},
		}},
		{name: "If-Match is for the server", steps: []step{
			{gives: "200\n" + fresh + "ETag: \"abc\"\n\nold", sent: "yes", body: "old"},
			{ask: "GET /\nIf-Match: \"abd\"", gives: "412", sent: `If-Match: "abd"`, status: 412, has: "Cache-Status: proxycache; fwd=bypass"},
		}},
	})
}

func TestStaleResponsesAreValidated(t *testing.T) {
	const two = "Cache-Control: max-age=2\nDate: {0}\n"
	converse(t, []conversation{
		{name: "by tag", steps: []step{
			{gives: "200\n" + two + "ETag: \"abc\"\n\nold", sent: "yes", body: "old"},
			{after: 3 * time.Second, gives: "304\nETag: \"abc\"\nX-New: 1\nDate: {0}", sent: `If-None-Match: "abc"`, body: "old", has: "X-New: 1\nCache-Status: proxycache; fwd=stale; fwd-status=304; ttl=2; stored"},
			{after: time.Second, body: "old", has: "X-New: 1\nCache-Status: proxycache; hit; ttl=1\nAge: 1"},
		}},
		{name: "by a weak tag and a date", steps: []step{
			{gives: "200\n" + two + "ETag: W/\"abc\"\nLast-Modified: Fri, 31 Dec 1999 00:00:00 GMT\n\nold", sent: "yes", body: "old"},
			{after: 3 * time.Second, gives: "304", sent: "If-None-Match: W/\"abc\"\nIf-Modified-Since: Fri, 31 Dec 1999 00:00:00 GMT", body: "old"},
		}},
		{name: "with the fields it varies by", steps: []step{
			{ask: "GET /\nFoo: 1", gives: "200\n" + two + "ETag: \"abc\"\nVary: Foo\n\nold", sent: "yes", body: "old"},
			{ask: "GET /\nFoo: 1", after: 3 * time.Second, gives: "304", sent: "If-None-Match: \"abc\"\nFoo: 1", body: "old"},
		}},
		{name: "and not with those of another variant", steps: []step{
			{ask: "GET /\nFoo: 1", gives: "200\n" + fresh + "ETag: \"abc\"\nVary: Foo\n\nold", sent: "yes", body: "old"},
			{ask: "GET /\nFoo: 2", gives: "200\n" + fresh + "\n\nnew", sent: "-If-None-Match", body: "new"},
		}},
		{name: "the client's own condition is judged afterwards", steps: []step{
			{gives: "200\n" + two + "Last-Modified: Fri, 31 Dec 1999 00:00:00 GMT\n\nold", sent: "yes", body: "old"},
			{ask: "GET /\nIf-Modified-Since: Fri, 31 Dec 1999 00:00:01 GMT", after: 3 * time.Second, gives: "304", sent: "If-Modified-Since: Fri, 31 Dec 1999 00:00:00 GMT", status: 304},
		}},
		{name: "a new one takes the place", steps: []step{
			{gives: "200\n" + two + "ETag: \"abc\"\n\nold", sent: "yes", body: "old"},
			{after: 3 * time.Second, gives: "200\n" + two + "ETag: \"abd\"\n\nnew", sent: `If-None-Match: "abc"`, body: "new", has: "Cache-Status: proxycache; fwd=stale; ttl=2; stored"},
			{after: time.Second, body: "new"},
		}},
		{name: "no-cache is validated every time", steps: []step{
			{gives: "200\nCache-Control: max-age=1000, No-Cache\nETag: \"abc\"\n\nold", sent: "yes", body: "old"},
			{gives: "304", sent: `If-None-Match: "abc"`, body: "old"},
			{gives: "304", sent: `If-None-Match: "abc"`, body: "old"},
		}},
		{name: "no-cache with a name, too", steps: []step{
			{gives: "200\nCache-Control: max-age=1000, no-cache=\"a, b\"\nETag: \"abc\"\n\nold", sent: "yes", body: "old"},
			{gives: "304", sent: `If-None-Match: "abc"`, body: "old"},
		}},
		{name: "a validator alone is enough to be kept", steps: []step{
			{gives: "200\nETag: \"abc\"\n\nold", sent: "yes", body: "old"},
			{gives: "304", sent: `If-None-Match: "abc"`, body: "old"},
		}},
		{name: "one that may not be kept any more goes", steps: []step{
			{gives: "200\n" + two + "ETag: \"abc\"\n\nold", sent: "yes", body: "old"},
			{after: 3 * time.Second, gives: "304\nCache-Control: no-store", sent: `If-None-Match: "abc"`, body: "old"},
			{gives: "200\n\nnew", sent: "-If-None-Match", body: "new"},
		}},
		{name: "what a request for somebody gets does not reach the others", steps: []step{
			{gives: "200\n" + two + "ETag: \"abc\"\nX-Who: all\n\nold", sent: "yes", body: "old"},
			{ask: "GET /\nAuthorization: Basic x", after: 3 * time.Second, gives: "304\nX-Who: me", sent: `If-None-Match: "abc"`, body: "old", has: "X-Who: me"},
			{gives: "304", sent: `If-None-Match: "abc"`, body: "old", has: "X-Who: all"},
			{ask: "HEAD /\nX-Original-URL: /admin\nCache-Control: no-cache", gives: "200\nX-Who: me\nETag: \"abc\"", sent: "yes"},
			{body: "old", has: "X-Who: all"},
		}},
		{name: "must-revalidate and fresh", steps: []step{
			{gives: "200\nCache-Control: max-age=2, must-revalidate\nETag: \"abc\"\n\nold", sent: "yes", body: "old"},
			{after: time.Second, body: "old"},
			{after: 2 * time.Second, gives: "304", sent: `If-None-Match: "abc"`, body: "old"},
		}},
	})
}

func TestA304UpdatesWhatItMay(t *testing.T) {
	var all []conversation
	for _, f := range []struct{ name, was, now, want string }{
		{"Test-Header", "a", "b", "b"}, {"Content-Foo", "a", "b", "b"}, {"Content-Type", "text/plain", "text/plain;charset=utf-8", "text/plain;charset=utf-8"},
		{"Content-Location", "/foo", "/bar", "/bar"}, {"Content-Security-Policy", "default-src 'self'", "default-src 'none'", "default-src 'none'"},
		{"X-Frame-Options", "deny", "sameorigin", "sameorigin"},
		{"Expires", "Fri, 01 Jan 2038 01:01:01 GMT", "Mon, 11 Jan 2038 11:11:11 GMT", "Mon, 11 Jan 2038 11:11:11 GMT"},
		{"Content-Encoding", "a", "b", "a"}, {"Content-Length", "3", "10", "3"}, {"Content-Range", "a", "b", "a"}, {"Content-MD5", "a", "b", "a"}, {"ETag", `"a"`, `"b"`, `"a"`},
	} {
		has := f.name + ": " + f.want
		validator := "Last-Modified: {-100000}\n"
		all = append(all, conversation{name: f.name, steps: []step{
			{gives: "200\nCache-Control: max-age=2\nDate: {0}\n" + validator + f.name + ": " + f.was + "\n\nold", sent: "yes", body: "old"},
			{after: 3 * time.Second, gives: "304\nCache-Control: max-age=2\nDate: {0}\n" + f.name + ": " + f.now, sent: "yes", body: "old", has: has},
			{after: time.Second, body: "old", has: has},
		}})
	}
	all = append(all, conversation{name: "what it leaves out stays, and a Date it has not is now", steps: []step{
		{gives: "200\nCache-Control: max-age=2\nETag: \"a\"\nX-Old: 1\nDate: {0}\n\nold", sent: "yes", body: "old"},
		{after: 3 * time.Second, gives: "304", sent: "yes", body: "old", has: "X-Old: 1\nDate: {0}"},
	}})
	converse(t, all)
}

func TestAHeadBringsUpToDate(t *testing.T) {
	const two = "Cache-Control: max-age=2\nETag: \"abc\"\nX-A: 1\nDate: {0}\n"
	converse(t, []conversation{
		{name: "from a GET that is fresh", steps: []step{
			{gives: "200\n" + fresh + "Content-Length: 3\n\nold", sent: "yes", body: "old"},
			{ask: "HEAD /", after: time.Second, has: "Content-Length: 3\nAge: 1\nCache-Status: proxycache; hit; ttl=3599"},
		}},
		{name: "it is not kept itself", steps: []step{
			{ask: "HEAD /", gives: "200\n" + fresh, sent: "yes"},
			{gives: "200\n" + fresh + "\n\nold", sent: "yes", body: "old"},
		}},
		{name: "written through when stale, and updates", steps: []step{
			{gives: "200\n" + two + "\n\nold", sent: "yes", body: "old"},
			{ask: "HEAD /", after: 3 * time.Second, gives: "200\nCache-Control: max-age=1000\nX-A: 2\nETag: \"abc\"", sent: "-If-None-Match"},
			{after: time.Second, body: "old", has: "X-A: 2\nCache-Status: proxycache; hit; ttl=999"},
		}},
		{name: "another validator makes stale", steps: []step{
			{gives: "200\nCache-Control: max-age=1000\nETag: \"abc\"\n\nold", sent: "yes", body: "old"},
			{ask: "HEAD /\nCache-Control: no-cache", gives: "200\nCache-Control: max-age=1000\nETag: \"abd\"", sent: "yes"},
			{gives: "200\n\nnew", sent: "If-None-Match: \"abc\"", body: "new"},
		}},
		{name: "another length makes stale", steps: []step{
			{gives: "200\nCache-Control: max-age=1000\n\nold", sent: "yes", body: "old"},
			{ask: "HEAD /\nCache-Control: no-cache", gives: "200\nCache-Control: max-age=1000\nContent-Length: 5", sent: "yes"},
			{gives: "200\n\nnew", sent: "yes", body: "new"},
		}},
	})
}
