package cache

import (
	"io"
	"strings"
	"testing"
	"time"

	"proxycache/backend/flow"
)

func TestVary(t *testing.T) {
	with := func(vary string) string { return "200\n" + fresh + "Vary: " + vary + "\n\nold" }
	pair := func(name, vary, first, second string, kept bool) conversation {
		again := step{ask: "GET /\n" + second, body: "old"}
		if !kept {
			again = step{ask: "GET /\n" + second, gives: "200\n\nnew", sent: "yes", body: "new"}
		}
		return conversation{name: name, steps: []step{{ask: "GET /\n" + first, gives: with(vary), sent: "yes", body: "old"}, again}}
	}
	converse(t, []conversation{
		pair("the same value", "Foo", "Foo: 1", "Foo: 1", true),
		pair("another value", "Foo", "Foo: 1", "Foo: 2", false),
		pair("no value", "Foo", "Foo: 1", "", false),
		pair("no value before", "Foo", "", "Foo: 1", false),
		pair("an empty value is not none", "Foo", "", "Foo:", false),
		pair("other fields say nothing", "Foo", "Foo: 1\nOther: 2", "Foo: 1\nOther: 3", true),
		pair("three that match", "Foo, Bar, Baz", "Foo: 1\nBar: abc\nBaz: 789", "Foo: 1\nBar: abc\nBaz: 789", true),
		pair("three in another order", "Foo, Bar, Baz", "Foo: 1\nBar: abc\nBaz: 789", "Baz: 789\nBar: abc\nFoo: 1", true),
		pair("three of which one differs", "Foo, Bar, Baz", "Foo: 1\nBar: abc\nBaz: 789", "Foo: 1\nBar: abcd\nBaz: 789", false),
		pair("three of which one is nowhere", "Foo, Bar, Baz", "Foo: 1\nBaz: 789", "Foo: 1\nBaz: 789", true),
		pair("three of which one is missing", "Foo, Bar, Baz", "Foo: 1\nBar: abc\nBaz: 789", "Foo: 1\nBaz: 789", false),
		pair("values do not run into each other", "Foo, Bar", "Foo: 1\nBar: 2", "Foo: 1\nFoo: 2", false),
		pair("blanks mean nothing", "Foo", "Foo: 1,2", "Foo:  1,  2 ", true),
		pair("lines are one list", "Foo", "Foo: 1, 2", "Foo: 1\nFoo: 2", true),
		pair("order means something", "Foo", "Foo: 1, 2", "Foo: 2, 1", false),
		pair("blanks within quotes mean something", "Foo", `Foo: "1,2"`, `Foo: "1, 2"`, false),
		pair("languages in another order", "Accept-Language", "Accept-Language: en, de", "Accept-Language: de, en", false),
		pair("languages in another case", "Accept-Language", "Accept-Language: en, de", "Accept-Language: eN, De", true),
		pair("languages with other blanks", "Accept-Language", "Accept-Language: en, de;q=0.5", "Accept-Language: en,de; q=0.5", true),
		pair("languages with other weights", "Accept-Language", "Accept-Language: en, de;q=0.5", "Accept-Language: en, de;q=0.6", false),
		pair("character sets in another order", "Accept-Charset", "Accept-Charset: utf-8, ascii", "Accept-Charset: ascii, utf-8", false),
		pair("codings in another order", "accept-encoding", "Accept-Encoding: gzip, br", "Accept-Encoding: br,GZIP", true),
		pair("names in any case", "fOO", "Foo: 1", "foO: 1", true),
		pair("star", "*", "Foo: 1", "Foo: 1", false),
		pair("star twice", "*, *", "Foo: 1", "Foo: 1", false),
		pair("star behind nothing", ", *", "Foo: 1", "Foo: 1", false),
		pair("star on another line", "\nVary: *", "Foo: 1", "Foo: 1", false),
		pair("star before a name", "*, Foo", "Foo: 1", "Foo: 1", false),
		pair("star behind a name", "Foo, *", "Foo: 1", "Foo: 1", false),
		pair("what is no name", "Foo, b@r", "Foo: 1", "Foo: 1", false),
		pair("nothing", "", "Foo: 1", "Foo: 2", true),
	})
	one := step{ask: "GET /\nFoo: 1", gives: with("Foo"), sent: "yes", body: "old"}
	converse(t, []conversation{
		{name: "variants live beside each other", steps: []step{
			one, {ask: "GET /\nFoo: 2", gives: "200\n" + fresh + "Vary: Foo\n\ntwo", sent: "yes", body: "two", has: "Cache-Status: proxycache; fwd=vary-miss; ttl=3600; stored"},
			{ask: "GET /\nFoo: 1", body: "old"}, {ask: "GET /\nFoo: 2", body: "two"},
		}},
		{name: "a variant without Vary is for its own only", steps: []step{
			one, {ask: "GET /\nFoo: 2", gives: "200\n" + fresh + "\n\ntwo", sent: "yes", body: "two"},
			{ask: "GET /\nFoo: 2", body: "two"}, {ask: "GET /\nFoo: 3", gives: "200\n\nthree", sent: "yes", body: "three"}, {ask: "GET /\nFoo: 1", body: "old"},
		}},
		{name: "what varies by more makes the old ones go", steps: []step{
			one, {ask: "GET /\nFoo: 2\nBar: 1", gives: "200\n" + fresh + "Vary: Bar\n\ntwo", sent: "yes", body: "two"},
			{ask: "GET /\nFoo: 2\nBar: 1", body: "two"}, {ask: "GET /\nFoo: 2\nBar: 2", gives: "200\n\nx", sent: "yes", body: "x"},
		}},
		{name: "the language of the answer does not make it match", steps: []step{
			{ask: "GET /\nAccept-Language: en, de", gives: "200\n" + fresh + "Vary: Accept-Language\nContent-Language: de\n\nold", sent: "yes", body: "old"},
			{ask: "GET /\nAccept-Language: fr;q=0.5, de;q=1.0", gives: "200\n\nnew", sent: "yes", body: "new"},
		}},
		{name: "a stale one that varies now is not for all any more", steps: []step{
			{ask: "GET /\nFoo: 1", gives: "200\nCache-Control: max-age=2\nETag: \"a\"\n\nold", sent: "yes", body: "old"},
			{ask: "GET /\nFoo: 1", after: 3 * time.Second, gives: "304\nVary: Foo", sent: "yes", body: "old"},
			{ask: "GET /\nFoo: 2", gives: "200\n\nnew", sent: "-If-None-Match", body: "new"},
		}},
		{name: "an invalidation reaches all variants, and they do not come back", steps: []step{
			one, {ask: "GET /\nFoo: 2", gives: with("Foo"), sent: "yes", body: "old"},
			{ask: "POST /", gives: "204", sent: "yes", status: 204}, {after: time.Second, ask: "GET /\nFoo: 1", gives: with("Foo"), sent: "yes", body: "old"},
			{ask: "GET /\nFoo: 2", gives: "200\n\nnew", sent: "yes", body: "new"},
		}},
		{name: "a mark lives as long as what it is for", steps: []step{
			{ask: "GET /\nFoo: 1", gives: "200\nCache-Control: max-age=10\nVary: Foo\n\nold", sent: "yes", body: "old"},
			{ask: "GET /\nFoo: 2", gives: "200\nCache-Control: max-age=1000000\nVary: Foo\n\nlong", sent: "yes", body: "long"},
			{after: 900000 * time.Second, ask: "GET /\nFoo: 2", body: "long"},
		}},
	})
}

func TestTheKey(t *testing.T) {
	settings := map[string]any{"key_headers": []any{"X-Tenant"}, "key_cookies": []any{"session"}, "ignore_query": []any{"utm_*", "fbclid"}}
	first := step{ask: "GET /a?x=1&utm_source=b\nX-Tenant: 1\nCookie: a=b; session=s1", gives: "200\n" + fresh + "\n\nold", sent: "yes", body: "old"}
	same := func(name, ask string) conversation {
		return conversation{name: name, settings: settings, steps: []step{first, {ask: ask, body: "old"}}}
	}
	other := func(name, ask string) conversation {
		return conversation{name: name, settings: settings, steps: []step{first, {ask: ask, gives: "200\n\nnew", sent: "yes", body: "new"}}}
	}
	converse(t, []conversation{
		same("itself", "GET /a?x=1&utm_source=b\nX-Tenant: 1\nCookie: a=b; session=s1"),
		same("other ignored parameters", "GET /a?utm_medium=z&x=1&fbclid=1\nX-Tenant: 1\nCookie: session=s1"),
		same("other cookies", "GET /a?x=1\nX-Tenant: 1\nCookie: a=c\nCookie: z=1;session=s1"),
		other("another parameter", "GET /a?x=2\nX-Tenant: 1\nCookie: session=s1"),
		other("another order", "GET /a?y=1&x=1\nX-Tenant: 1\nCookie: session=s1"),
		other("another tenant", "GET /a?x=1\nX-Tenant: 2\nCookie: session=s1"),
		other("no tenant", "GET /a?x=1\nCookie: session=s1"),
		other("another session", "GET /a?x=1\nX-Tenant: 1\nCookie: session=s2"),
		{name: "an invalidation reaches all keys of a URL", settings: settings, steps: []step{
			first, {ask: "POST /a?x=1", gives: "200", sent: "yes"}, {ask: first.ask, gives: "200\n\nnew", sent: "yes", body: "new"},
		}},
		{name: "only ignored parameters are none", settings: settings, steps: []step{
			{ask: "GET /b?utm_source=a", gives: "200\n" + fresh + "\n\nold", sent: "yes", body: "old"}, {ask: "GET /b", body: "old"},
		}},
	})
	k := newKeyer(&Settings{KeyHeaders: []string{"X-Tenant", "X-Api-Key"}, KeyCookies: []string{"sid"}})
	h := newHouse(t, nil)
	key, url := k.of(h.exchange(t.Context(), "GET /a\nX-Tenant: one,  two\nX-Api-Key: secret\nCookie: sid=secret"), "")
	if !strings.HasPrefix(shown(key), "http://shop.localhost/a x-tenant=one,two x-api-key#") || strings.Contains(key, "secret") || url != "http://shop.localhost/a" {
		t.Errorf("%q, %q", key, url)
	}
	// In a tunnel to an address the name is the client's word alone.
	k = newKeyer(new(Settings))
	x := h.exchange(t.Context(), "GET /a")
	x.Request.Dial, x.ClientConn.TLS = "192.0.2.1:443", &flow.TLS{SNI: "shop.localhost"}
	if key, url := k.of(x, ""); shown(key) != "http://shop.localhost/a at 192.0.2.1:443" || url != "http://shop.localhost/a" {
		t.Errorf("%q, %q", key, url)
	}
	x.Request.Scheme = "https"
	if key, _ := k.of(x, ""); shown(key) != "https://shop.localhost/a at 192.0.2.1:443 shop.localhost" {
		t.Errorf("by TLS %q", key)
	}
	for _, c := range []struct{ scheme, authority, target, want string }{
		{"http", "Shop.Localhost:80", "/A?b=C", "http://shop.localhost/A?b=C"},
		{"https", "shop.localhost:443", "/", "https://shop.localhost/"},
		{"https", "shop.localhost:80", "/?", "https://shop.localhost:80/?"},
		{"http", "[::1]:8080", "/%7Ea/../b", "http://[::1]:8080/%7Ea/../b"},
	} {
		k := newKeyer(new(Settings))
		if got := k.url(c.scheme, c.authority, c.target); got != c.want {
			t.Errorf("%s %s %s is %s, want %s", c.scheme, c.authority, c.target, got, c.want)
		}
	}
}

func TestWhatTrustedPeersSayIsInTheKey(t *testing.T) {
	h := newHouse(t, nil)
	h.p.key.routes = true // as of a cell of all routes
	ask := func(fields, route, gives, body string, sent int) {
		t.Helper()
		h.give = func(*flow.Exchange) (*flow.Response, error) { return response("200\n" + fresh + "\n\n" + gives), nil }
		h.sent = nil
		x := h.exchange(t.Context(), "GET /a\n"+fields)
		x.Trusted, x.Route = true, route
		r, err := h.p.Apply(x, h.next)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(r.Body)
		_ = r.Body.Close()
		if string(got) != body || len(h.sent) != sent {
			t.Errorf("%s of %s: %q, %d requests reached the server, want %q and %d", fields, route, got, len(h.sent), body, sent)
		}
	}
	ask("X-Forwarded-Proto: https\nX-Forwarded-For: 192.0.2.1", "one", "secure", "secure", 1)
	ask("X-Forwarded-Proto: https\nX-Forwarded-For: 192.0.2.2", "one", "x", "secure", 0)
	ask("X-Forwarded-For: 192.0.2.2", "one", "plain", "plain", 1)
	ask("Forwarded: for=192.0.2.1;proto=https", "one", "forwarded", "forwarded", 1)
	ask("Forwarded: for=192.0.2.2;proto=https", "one", "x", "forwarded", 0)
	ask("X-Forwarded-Proto: https", "two", "of another route", "of another route", 1)
	ask("X-Forwarded-Uri: /one\nX-Forwarded-Method: GET", "four", "one", "one", 1)
	ask("X-Forwarded-Uri: /one\nX-Forwarded-Method: GET", "four", "x", "one", 0)
	ask("X-Forwarded-Uri: /two", "four", "two", "two", 1)
	ask("X-Forwarded-Path: /two", "four", "path", "path", 1)
	ask("X-Forwarded-Method: POST", "four", "a", "a", 1)
	ask("X-Forwarded-Method: POST", "four", "b", "b", 1)
	ask("X-HTTP-Method-Override: DELETE", "three", "a", "a", 1)
	ask("X-HTTP-Method-Override: DELETE", "three", "b", "b", 1)
	if said, err := h.p.Act(t.Context(), "purge", map[string]string{"url": "http://shop.localhost/a"}); err != nil || said != "Purged 7 responses of http://shop.localhost/a." {
		t.Errorf("%q, %v", said, err)
	}
}
