package ingress

import (
	"net/netip"
	"strings"
	"testing"

	"proxycache/backend/flow"
)

func TestWhatIsNoRequestIsRefused(t *testing.T) {
	h := open(t, func(x *flow.Exchange) *flow.Response {
		t.Errorf("%s became an exchange", x.Request.URL())
		return ok(x)
	})
	for _, c := range []struct {
		name, request string
		status        int
		says          string
	}{
		{"no Host", "GET / HTTP/1.1\r\n\r\n", 400, "Host"},
		{"both framings", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "both"},
		{"an unknown coding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501, "gzip"},
		{"a target without end", "GET /" + strings.Repeat("x", 9000) + " HTTP/1.1\r\nHost: a\r\n\r\n", 414, "8192"},
		{"a header too large", "GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 1<<20) + "\r\n\r\n", 431, ""},
		{"HTTP/2 without being asked", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, "HTTP/2.0"},
		{"a folded Host", "GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", 400, "folded"},
		{"a folded length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n 1\r\n\r\nx", 400, "folded"},
		{"a folded field of CONNECT", "CONNECT a:1 HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n", 400, "folded"},
		{"a target of another scheme", "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, "ftp"},
		{"no HTTP at all", "\x00\x01\x02", 400, "byte"},
		{"CONNECT without a port", "CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n", 400, "port"},
	} {
		t.Run(c.name, func(t *testing.T) {
			talk := h.dial()
			talk.say(c.request)
			r, body := talk.answer("GET")
			if r.StatusCode != c.status || !strings.Contains(body, c.says) || !r.Close {
				t.Errorf("%d %q, closes: %v", r.StatusCode, body, r.Close)
			}
			talk.hearEnd()
		})
	}
}

func TestAListenerTakesWhatItAccepts(t *testing.T) {
	requests := map[string]string{
		"reverse": get,
		"forward": "GET http://shop.test/ HTTP/1.1\r\nHost: shop.test\r\n\r\n",
		"connect": "CONNECT shop.test:80 HTTP/1.1\r\nHost: shop.test:80\r\n\r\n",
	}
	h := openQuiet(t, ok)
	for _, way := range everything {
		h.configure(Settings{Listen: []Listener{{Address: "127.0.0.1:0", Accept: []string{way}}}})
		for sent, request := range requests {
			talk := h.dial()
			talk.say(request)
			r, body := talk.answer("CONNECT") // no body is read where the status is 2xx
			if sent == way {
				if r.StatusCode != 200 {
					t.Errorf("a listener for %s answers %s with %d %q", way, sent, r.StatusCode, body)
				}
			} else if r.StatusCode != 403 || !r.Close {
				t.Errorf("a listener for %s answers %s with %d", way, sent, r.StatusCode)
			}
			_ = talk.Close()
		}
	}
}

func TestWhoIsTrusted(t *testing.T) {
	seen := make(chan bool, 1)
	h := open(t, func(x *flow.Exchange) *flow.Response { seen <- x.Trusted; return ok(x) })
	talk := h.dial()
	for _, c := range []struct {
		networks []string
		want     bool
	}{{nil, false}, {[]string{"10.0.0.0/8"}, false}, {[]string{"10.0.0.0/8", "127.0.0.0/8"}, true}} {
		s := Settings{Listen: []Listener{{Address: "127.0.0.1:0", Accept: everything}}}
		for _, n := range c.networks {
			s.Trusted = append(s.Trusted, netip.MustParsePrefix(n))
		}
		h.configure(s)
		talk.say(get)
		talk.hear(okAnswer)
		if got := receive(t, seen, "the exchange"); got != c.want {
			t.Errorf("trusting %v: %v", c.networks, got)
		}
	}
}

func TestARefusalSpeaksAsTheClientAsked(t *testing.T) {
	h := openQuiet(t, ok)
	h.configure(Settings{Listen: []Listener{{Address: "127.0.0.1:0", Accept: []string{"forward"}}}})
	for _, c := range []struct{ request, contentType, error string }{
		{"GET / HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\n\r\n", "text/html; charset=utf-8", "http_request_denied"},
		{"GET / HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\n\r\n", "application/problem+json", "http_request_denied"},
		{"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", "text/plain; charset=utf-8", "http_request_denied"},
		{"GET ftp://a/ HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\n\r\n", "application/problem+json", "http_request_error"},
		{"GET / HTTP/1.1\r\nAccept: application/json\r\n\r\n", "text/plain; charset=utf-8", "http_request_error"}, // not read so far
		{"GET /" + strings.Repeat("x", 9000) + " HTTP/1.1\r\nHost: a\r\n\r\n", "text/plain; charset=utf-8", "http_request_error"},
		{"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "text/plain; charset=utf-8", "proxy_internal_response"},
	} {
		talk := h.dial()
		talk.say(c.request)
		method, _, _ := strings.Cut(c.request, " ")
		r, body := talk.answer(method)
		if got := r.Header.Get("Content-Type"); got != c.contentType || (len(body) == 0) != (method == "HEAD") {
			t.Errorf("%.40q is answered in %s: %q", c.request, got, body)
		}
		if got := r.Header.Get("Proxy-Status"); !strings.HasPrefix(got, "proxycache; error="+c.error+"; details=") {
			t.Errorf("%.40q: Proxy-Status is %q", c.request, got)
		}
		talk.hearEnd()
	}
}
