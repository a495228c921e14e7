package flow

import (
	"context"
	"fmt"
	"slices"
	"testing"
)

func TestAHeaderKeepsOrderSpellingAndRepeats(t *testing.T) {
	original := Header{{"Host", "a"}, {"set-cookie", "1"}, {"X-Odd-CASE", "x"}, {"Set-Cookie", "2"}}
	for _, c := range []struct {
		name   string
		change func(*Header)
		want   string
	}{
		{"nothing", func(*Header) {}, "[{Host a} {set-cookie 1} {X-Odd-CASE x} {Set-Cookie 2}]"},
		{"set one that repeats", func(h *Header) { h.Set("SET-COOKIE", "3") }, "[{Host a} {SET-COOKIE 3} {X-Odd-CASE x}]"},
		{"set one that is new", func(h *Header) { h.Set("New", "n") }, "[{Host a} {set-cookie 1} {X-Odd-CASE x} {Set-Cookie 2} {New n}]"},
		{"delete folds case", func(h *Header) { h.Del("SET-cookie") }, "[{Host a} {X-Odd-CASE x}]"},
		{"delete what is not there", func(h *Header) { h.Del("Nothing") }, "[{Host a} {set-cookie 1} {X-Odd-CASE x} {Set-Cookie 2}]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := original
			c.change(&h)
			if got := fmt.Sprint(h); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if got := fmt.Sprint(original); got != "[{Host a} {set-cookie 1} {X-Odd-CASE x} {Set-Cookie 2}]" {
				t.Errorf("the copy before the change became %s", got)
			}
		})
	}
	if got := original.Values("SET-COOKIE"); !slices.Equal(got, []string{"1", "2"}) {
		t.Errorf("values %v", got)
	}
	if original.Joined("set-cookie") != "1, 2" || original.Get("x-odd-case") != "x" || original.Has("cookie") {
		t.Errorf("look-ups in %v", original)
	}
}

func TestATokenIsFoundInItsList(t *testing.T) {
	h := Header{{"Connection", "keep-alive, Upgrade"}, {"connection", "close"}}
	for token, want := range map[string]bool{"upgrade": true, "CLOSE": true, "keep": false, "": false, "keep-alive": true} {
		if got := h.HasToken("Connection", token); got != want {
			t.Errorf("%q: %v", token, got)
		}
	}
}

func TestAnAuthorityIsParted(t *testing.T) {
	for _, c := range []struct{ authority, host, port string }{
		{"example.com", "example.com", ""}, {"example.com:8080", "example.com", "8080"}, {"[::1]:80", "::1", "80"}, {"[::1]", "::1", ""},
		{"::1", "::1", ""}, {"", "", ""}, {"a:", "a", ""}, {"[broken", "[broken", ""},
	} {
		if host, port := SplitAuthority(c.authority); host != c.host || port != c.port {
			t.Errorf("%q is %q and %q, want %q and %q", c.authority, host, port, c.host, c.port)
		}
	}
}

func TestARequestKnowsItsParts(t *testing.T) {
	r := Request{Scheme: "https", Authority: "Shop.Example", Target: "/a/b?c=d?e"}
	if r.Path() != "/a/b" || r.Query() != "c=d?e" || r.Host() != "shop.example" || r.Port() != "443" || r.URL() != "https://Shop.Example/a/b?c=d?e" {
		t.Errorf("%s %s %s %s %s", r.Path(), r.Query(), r.Host(), r.Port(), r.URL())
	}
	r.Header = Header{{"Upgrade", "WebSocket"}}
	if r.UpgradeTo() != "" {
		t.Error("an Upgrade that Connection does not name counts")
	}
	r.Header.Add("Connection", "Upgrade")
	if r.UpgradeTo() != "websocket" {
		t.Errorf("it asks for %q", r.UpgradeTo())
	}
}

func TestMediaTypesInAWord(t *testing.T) {
	for mediaType, want := range map[string]string{
		"application/json; charset=utf-8": "json", "application/problem+json": "json", "text/html": "html", "text/event-stream": "sse",
		"image/svg+xml": "svg", "image/png": "png", "application/octet-stream": "binary", "application/vnd.ms-excel": "application",
		"font/woff2": "font", "": "", "nonsense": "", "application/x-www-form-urlencoded": "form", "text/css": "css",
	} {
		if got := ShortMediaType(mediaType); got != want {
			t.Errorf("%q is %q, want %q", mediaType, got, want)
		}
	}
}

func TestTheTrailIsWrittenToTheCellThatRuns(t *testing.T) {
	x := NewExchange(context.Background(), Reverse, &Request{})
	first := x.Enter("a", "")
	x.Enter("b", "")
	x.Verdict(Skipped)
	x.Enter("c", "")
	x.Note("n", "of c")
	x.Verdict(Picked)
	x.Resume(first)
	x.Note("n", "of a")
	if got := x.Trail.Letters(); got != "psa" {
		t.Errorf("in letters %q", got)
	}
	if x.Trail[0].Facts[0].Value != "of a" || x.Trail[2].Facts[0].Value != "of c" || len(x.Trail[1].Facts) > 0 {
		t.Errorf("the facts are %+v", x.Trail)
	}
}
