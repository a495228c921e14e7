package ingress

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"strings"
	"testing"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

// through makes a client that uses the proxy and trusts its authority.
func (h *house) through(protocol string) *http.Client {
	h.t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(h.options.Authority.PEM())
	tr := &http.Transport{
		Proxy:           http.ProxyURL(&url.URL{Scheme: "http", Host: h.address()}),
		TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: protocol == "h2",
	}
	h.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

func do(t *testing.T, c *http.Client, r *http.Request) (*http.Response, string) {
	t.Helper()
	answer, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(body)
}

func TestInterceptedTLSMeetsTheSamePipeline(t *testing.T) {
	for _, protocol := range []string{"http/1.1", "h2"} {
		t.Run(protocol, func(t *testing.T) {
			seen := make(chan *flow.Exchange, 1)
			h := open(t, func(x *flow.Exchange) *flow.Response {
				body, err := io.ReadAll(x.Request.Body)
				if err != nil {
					t.Error(err)
				}
				x.Interim(103, flow.Header{{Name: "Link", Value: "</a.css>"}})
				r := unknown(strings.NewReader(string(body) + " " + x.Request.Trailer.Get("X-Sum")))
				r.Header.Add("X-Twice", "1")
				r.Header.Add("X-Twice", "2")
				r.Header.Add("Trailer", "X-End")
				r.Trailer = func() flow.Header { return flow.Header{{Name: "X-End", Value: "reached"}} }
				seen <- x
				return r
			})
			client := h.through(protocol)
			for i := range 2 {
				var early string
				ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
					Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
						early = fmt.Sprint(code, header.Get("Link"))
						return nil
					},
				})
				r, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://shop.test/v1?x=1", io.NopCloser(strings.NewReader("hello")))
				if err != nil {
					t.Fatal(err)
				}
				r.Trailer = http.Header{"X-Sum": {"9"}}
				answer, body := do(t, client, r)
				if body != "hello 9" || answer.Trailer.Get("X-End") != "reached" || len(answer.Header["X-Twice"]) != 2 || early != "103</a.css>" {
					t.Errorf("heard %q, trailer %v, header %v, early %q", body, answer.Trailer, answer.Header, early)
				}
				x := receive(t, seen, "the exchange")
				if x.Door != flow.Intercept || x.Request.URL() != "https://shop.test/v1?x=1" || x.Request.ContentLength != -1 {
					t.Errorf("%s %s with %d bytes", x.Door, x.Request.URL(), x.Request.ContentLength)
				}
				if x.ClientConn.Reused != (i > 0) {
					t.Errorf("request %d says reused: %v", i, x.ClientConn.Reused)
				}
				s := x.ClientConn.TLS
				if s == nil || s.SNI != "shop.test" || s.Version != "TLS 1.3" || !strings.HasPrefix(s.Cipher, "TLS_") || protocol == "h2" && s.ALPN != "h2" {
					t.Errorf("TLS facts %+v", s)
				}
				if protocol == "h2" && (x.Request.Proto != "HTTP/2.0" || x.Request.RawHead != nil) {
					t.Errorf("%s with the raw head %q", x.Request.Proto, x.Request.RawHead)
				}
			}
		})
	}
}

func TestHowAnHTTP2ResponseIsFramed(t *testing.T) {
	var told hearer
	h := open(t, func(x *flow.Exchange) *flow.Response {
		switch x.Request.Target {
		case "/empty":
			r := text(204, "")
			r.ContentLength = 5 // as a target may announce it to HEAD
			return r
		case "/cut":
			return &flow.Response{Status: 200, Body: flow.NoBody, Cut: true}
		case "/broken":
			return unknown(broken{strings.NewReader("half")})
		case "/short":
			r := unknown(strings.NewReader("half"))
			r.ContentLength = 10
			return r
		}
		r := text(200, "<html>")
		r.Header.Add("Connection", "close")
		r.Header.Add("Keep-Alive", "1")
		if x.Request.Method == "HEAD" {
			r.Header.Add("Content-Length", "6")
		} else {
			r.Watcher = &told
		}
		return r
	})
	client := h.through("h2")
	for _, c := range []struct{ method, target, body, length string }{
		{"GET", "/", "<html>", "6"}, {"HEAD", "/", "", "6"}, {"GET", "/empty", "", ""}, {"HEAD", "/empty", "", ""},
	} {
		r, err := http.NewRequest(c.method, "https://shop.test"+c.target, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, body := do(t, client, r)
		if body != c.body || answer.Header.Get("Content-Length") != c.length || answer.ProtoMajor != 2 {
			t.Errorf("%s %s: %q, %v", c.method, c.target, body, answer.Header)
		}
		for _, name := range []string{"Content-Type", "Connection", "Keep-Alive"} {
			if v, there := answer.Header[name]; there {
				t.Errorf("%s %s has %s %q", c.method, c.target, name, v)
			}
		}
	}
	if want := "HTTP/2.0 HTTP/1.1 200 OK\r\nDate: today\r\ncontent-length: 6\r\n\r\n"; told.head() != want {
		t.Errorf("who watches is told %q", told.head())
	}
	for _, target := range []string{"/cut", "/broken", "/short"} {
		answer, err := client.Get("https://shop.test" + target)
		if err == nil {
			_, err = io.ReadAll(answer.Body)
			_ = answer.Body.Close()
		}
		if err == nil {
			t.Errorf("%s looks complete", target)
		}
	}
}

func TestAnHTTP2StreamRunsAndItsClientLeaves(t *testing.T) {
	r, w := io.Pipe()
	over := make(chan *problem.Problem, 1)
	h := open(t, func(x *flow.Exchange) *flow.Response {
		context.AfterFunc(x.Context(), func() { _ = w.CloseWithError(x.Context().Err()) })
		answer := unknown(r)
		answer.Body = &watched{answer.Body, x, over}
		return answer
	})
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://shop.test/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := h.through("h2").Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	for range 2 {
		if _, err := io.WriteString(w, "data: x\n\n"); err != nil {
			t.Fatal(err)
		}
		event := make([]byte, 9)
		if _, err := io.ReadFull(answer.Body, event); err != nil || string(event) != "data: x\n\n" {
			t.Fatalf("heard %q, %v", event, err)
		}
	}
	leave()
	if p := receive(t, over, "the end of the exchange"); p == nil || p.Kind != problem.ClientLeft {
		t.Errorf("the problem is %v", p)
	}
}

func TestWhereARequestInsideCONNECTGoes(t *testing.T) {
	for _, c := range []struct{ scheme, via, named, want, dial string }{
		{"https", "shop.test:443", "shop.test", "shop.test", ""},
		{"https", "shop.test:443", "SHOP.test:443", "SHOP.test:443", ""},
		{"https", "shop.test:8443", "shop.test:8443", "shop.test:8443", ""},
		{"https", "shop.test:8443", "shop.test", "shop.test:8443", ""},
		{"https", "shop.test:443", "shop.test:8443", "shop.test", ""},
		{"https", "shop.test:443", "other.test", "shop.test", ""},
		{"https", "2130706433:443", "shop.test", "2130706433", ""},          // which a resolver takes for a name
		{"https", "10.0.0.1:443", "shop.test", "shop.test", "10.0.0.1:443"}, // who looks names up, curl --connect-to
		{"https", "10.0.0.1:8443", "shop.test", "shop.test", "10.0.0.1:8443"},
		{"http", "[2001:db8::1]:80", "10.0.0.2:81", "10.0.0.2:81", "[2001:db8::1]:80"},
		{"http", "10.0.0.1:80", "", "10.0.0.1", "10.0.0.1:80"},
		{"http", "shop.test:80", "", "shop.test", ""},
		{"http", "[::1]:80", "[::1]", "[::1]", "[::1]:80"},
	} {
		client := &client{scheme: c.scheme, via: c.via}
		if got, dial := client.inside(c.named); got != c.want || dial != c.dial {
			t.Errorf("%s for %q through %s goes to %s at %q, want %s at %q", c.scheme, c.named, c.via, got, dial, c.want, c.dial)
		}
	}
}

// Clients that look names up by themselves ask for an address, and name the host inside.
func TestTheNameInsideATunnelToAnAddress(t *testing.T) {
	seen := make(chan *flow.Exchange, 1)
	h := openSOCKS(t, func(x *flow.Exchange) *flow.Response { seen <- x; return ok(x) })
	const ask, granted = hello + "\x05\x01\x00\x01\x0a\x09\x08\x07\x01\xbb", welcome + done // 10.9.8.7:443
	sent := func(what string, door flow.Door, url string) {
		t.Helper()
		x := receive(t, seen, "the exchange")
		if x.Door != door || x.Request.URL() != url || x.Request.Dial != "10.9.8.7:443" {
			t.Errorf("%s: %s %s at %q", what, x.Door, x.Request.URL(), x.Request.Dial)
		}
	}
	talk := h.dial()
	talk.say(ask)
	talk.hear(granted)
	talk.say(get)
	talk.hear(okAnswer)
	sent("HTTP/1.1", flow.Forward, "http://shop.test/")
	talk = h.dial()
	talk.say(ask)
	talk.hear(granted)
	f := newFrames(t, talk.Conn, talk.in)
	f.must(f.WriteSettings())
	f.ask(1, true, shop("GET", "/")...)
	f.hear(`HEADERS 1 :status=200 date=today content-length=2`, `DATA 1 "ok" end`)
	sent("HTTP/2", flow.Forward, "http://shop.test/")
	talk = h.dial()
	talk.say(ask)
	talk.hear(granted)
	secure := newTalk(t, tls.Client(talk.Conn, &tls.Config{RootCAs: h.roots(), ServerName: "shop.test"}))
	secure.say(get)
	secure.hear(okAnswer)
	sent("TLS", flow.Intercept, "https://shop.test/")
}

func TestPlainHTTPInsideCONNECT(t *testing.T) {
	seen := make(chan *flow.Exchange, 1)
	h := open(t, func(x *flow.Exchange) *flow.Response { seen <- x; return ok(x) })
	talk := h.dial()
	talk.say("CONNECT shop.test:8080 HTTP/1.1\r\nHost: shop.test:8080\r\n\r\n")
	talk.hear(connected)
	for _, piece := range []string{"PRO", "PFIND /dav HTTP/1.1\r\n", "Host: shop.test:8080\r\n\r\n"} {
		talk.say(piece)
	}
	talk.hear(okAnswer)
	if x := receive(t, seen, "the exchange"); x.Door != flow.Forward || x.Request.URL() != "http://shop.test:8080/dav" || x.Request.Method != "PROPFIND" {
		t.Errorf("%s %s %s", x.Door, x.Request.Method, x.Request.URL())
	}
	talk.say("CONNECT other.test:80 HTTP/1.1\r\nHost: other.test:80\r\n\r\n")
	if r, _ := talk.answer("CONNECT"); r.StatusCode != 403 {
		t.Errorf("a CONNECT inside a CONNECT gets %d", r.StatusCode)
	}
}

// tunnels answers every tunnel with one end of a connection and gives the other away.
func tunnels(t *testing.T) (flow.HandlerFunc, chan net.Conn, chan *flow.Exchange) {
	targets, seen := make(chan net.Conn, 1), make(chan *flow.Exchange, 1)
	return func(x *flow.Exchange) *flow.Response {
		near, far := tcpPair(t)
		r := flow.NewResponse(200, "", nil)
		r.Upgraded = near
		targets <- far
		seen <- x
		return r
	}, targets, seen
}

func TestAHostThatIsPassedThroughIsTunnelled(t *testing.T) {
	handler, targets, seen := tunnels(t)
	h := openQuiet(t, handler)
	h.configure(Settings{Listen: []Listener{{Address: "127.0.0.1:0", Accept: everything}}, PassThrough: []string{"*.bank.test"}})
	talk := h.dial()
	talk.say("CONNECT www.bank.test:443 HTTP/1.1\r\nHost: www.bank.test:443\r\n\r\n\x16\x03\x01")
	talk.hear(connected)
	target := newTalk(t, receive(t, targets, "the target"))
	target.hear("\x16\x03\x01") // sent early, and untouched
	target.say("server hello")
	talk.hear("server hello")
	_ = target.Close()
	talk.hearEnd()
	x := receive(t, seen, "the exchange")
	if x.Door != flow.Tunnel || x.Request.Method != "CONNECT" || x.Request.Authority != "www.bank.test:443" || x.Request.Target != "" {
		t.Errorf("%s %s %q %q", x.Door, x.Request.Method, x.Request.Authority, x.Request.Target)
	}
}

// hello1 is what a client of TLS says first to name.
func hello1(t *testing.T, name string) string {
	t.Helper()
	near, far := net.Pipe()
	defer far.Close()
	go func() {
		_ = tls.Client(near, &tls.Config{ServerName: name, InsecureSkipVerify: true}).Handshake()
		_ = near.Close()
	}()
	head := make([]byte, 5)
	if _, err := io.ReadFull(far, head); err != nil {
		t.Fatal(err)
	}
	rest := make([]byte, int(head[3])<<8|int(head[4]))
	if _, err := io.ReadFull(far, rest); err != nil {
		t.Fatal(err)
	}
	return string(head) + string(rest)
}

// Clients that look names up by themselves ask for an address, and say the name in TLS alone.
func TestAHostThatIsPassedThroughIsKnownByItsServerName(t *testing.T) {
	handler, targets, seen := tunnels(t)
	h := openQuiet(t, handler)
	h.configure(Settings{Listen: []Listener{{Address: "127.0.0.1:0", Accept: []string{"connect", "socks5"}}}, PassThrough: []string{"*.bank.test"}})
	hello1 := hello1(t, "www.bank.test")
	body := hello1[5:]
	for name, c := range map[string]struct{ ask, granted, hello string }{
		"CONNECT":        {"CONNECT 10.9.8.7:443 HTTP/1.1\r\nHost: 10.9.8.7:443\r\n\r\n", connected, hello1},
		"an address v6":  {"CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: x\r\n\r\n", connected, hello1},
		"SOCKS5":         {hello + "\x05\x01\x00\x01\x0a\x09\x08\x07\x01\xbb", welcome + done, hello1},
		"in two records": {"CONNECT 10.9.8.7:443 HTTP/1.1\r\nHost: x\r\n\r\n", connected, "\x16\x03\x01\x00\x09" + body[:9] + "\x16\x03\x01" + string([]byte{byte((len(body) - 9) >> 8), byte(len(body) - 9)}) + body[9:]},
	} {
		t.Run(name, func(t *testing.T) {
			talk := h.dial()
			talk.say(c.ask)
			talk.hear(c.granted)
			talk.say(c.hello[:7])
			talk.say(c.hello[7:] + "more")
			target := newTalk(t, receive(t, targets, "the target"))
			target.hear(c.hello + "more")
			target.say("server hello")
			talk.hear("server hello")
			_ = target.Close()
			talk.hearEnd()
			if x := receive(t, seen, "the exchange"); x.Door != flow.Tunnel {
				t.Errorf("the door is %s", x.Door)
			}
		})
	}
}

func TestAnotherServerNameIsOpened(t *testing.T) {
	seen := make(chan *flow.Exchange, 1)
	h := openQuiet(t, func(x *flow.Exchange) *flow.Response { seen <- x; return ok(x) })
	h.configure(Settings{Listen: []Listener{{Address: "127.0.0.1:0", Accept: everything}}, PassThrough: []string{"*.bank.test"}})
	for _, name := range []string{"shop.test", ""} {
		talk := h.dial()
		talk.say("CONNECT 10.9.8.7:443 HTTP/1.1\r\nHost: 10.9.8.7:443\r\n\r\n")
		talk.hear(connected)
		secure := newTalk(t, tls.Client(talk.Conn, &tls.Config{InsecureSkipVerify: true, ServerName: name}))
		secure.say(get)
		secure.hear(okAnswer)
		if x := receive(t, seen, "the exchange"); x.Door != flow.Intercept {
			t.Errorf("%q: the door is %s", name, x.Door)
		}
	}
}

// What is inside a tunnel has a scheme of its own: that the proxy is reached by TLS says nothing of it.
func TestPlainHTTPInsideCONNECTByTLS(t *testing.T) {
	seen := make(chan *flow.Exchange, 1)
	h := open(t, func(x *flow.Exchange) *flow.Response { seen <- x; return ok(x) })
	enter := func() *talk {
		conn, err := h.shake(&tls.Config{RootCAs: h.roots(), ServerName: "localhost"})
		if err != nil {
			t.Fatal(err)
		}
		talk := newTalk(t, conn)
		talk.say("CONNECT shop.test:80 HTTP/1.1\r\nHost: shop.test:80\r\n\r\n")
		talk.hear(connected)
		return talk
	}
	sent := func(what string) {
		if x := receive(t, seen, "the exchange"); x.Door != flow.Forward || x.Request.URL() != "http://shop.test/" {
			t.Errorf("%s: %s %s", what, x.Door, x.Request.URL())
		}
	}
	talk := enter()
	talk.say(get)
	talk.hear(okAnswer)
	sent("HTTP/1.1")
	talk.say("GET https://shop.test/ HTTP/1.1\r\nHost: shop.test\r\n\r\n")
	talk.hear(okAnswer)
	sent("the absolute form")
	talk = enter()
	f := newFrames(t, talk.Conn, talk.in)
	f.must(f.WriteSettings())
	f.ask(1, true, shop("GET", "/")...)
	f.hear(`HEADERS 1 :status=200 date=today content-length=2`, `DATA 1 "ok" end`)
	sent("HTTP/2")

	talk = enter()
	secure := newTalk(t, tls.Client(talk.Conn, &tls.Config{RootCAs: h.roots(), ServerName: "shop.test"}))
	secure.say(get)
	secure.hear(okAnswer)
	if x := receive(t, seen, "the exchange"); x.Door != flow.Intercept || x.Request.Scheme != "https" {
		t.Errorf("TLS in TLS: %s %s", x.Door, x.Request.URL())
	}
}

func TestATunnelToNowhereIsAnswered(t *testing.T) {
	h := openQuiet(t, func(*flow.Exchange) *flow.Response { return text(502, "no such host") })
	h.configure(Settings{Listen: []Listener{{Address: "127.0.0.1:0", Accept: everything}}, PassThrough: []string{"bank.test"}})
	talk := h.dial()
	talk.say("CONNECT bank.test:443 HTTP/1.1\r\nHost: bank.test:443\r\n\r\n")
	if r, body := talk.answer("GET"); r.StatusCode != 502 || body != "no such host" {
		t.Errorf("%d %q", r.StatusCode, body)
	}
}

func TestWhatIsNeitherTLSNorHTTPIsTunnelled(t *testing.T) {
	for _, c := range []struct{ name, first string }{
		{"a server that speaks first", ""},
		{"a protocol that begins with a word", "SSH-2.0-OpenSSH_9.2\r\n"},
		{"binary", "\x00\x01\x02"},
	} {
		t.Run(c.name, func(t *testing.T) {
			handler, targets, seen := tunnels(t)
			h := open(t, handler)
			talk := h.dial()
			talk.say("CONNECT git.test:22 HTTP/1.1\r\nHost: git.test:22\r\n\r\n")
			talk.hear(connected)
			talk.say(c.first)
			target := newTalk(t, receive(t, targets, "the target"))
			target.hear(c.first)
			target.say("welcome")
			talk.hear("welcome")
			_ = talk.Close()
			target.hearEnd()
			if x := receive(t, seen, "the exchange"); x.Door != flow.Tunnel || x.Request.Authority != "git.test:22" {
				t.Errorf("%s %s", x.Door, x.Request.Authority)
			}
		})
	}
}

func TestAClientThatRefusesOurCertificateIsToldOf(t *testing.T) {
	h := open(t, ok)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		talk := h.dial()
		talk.say("CONNECT shop.test:443 HTTP/1.1\r\nHost: shop.test:443\r\n\r\n")
		talk.hear(connected)
		err := tls.Client(talk.Conn, &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "shop.test", MaxVersion: version}).Handshake()
		if _, refused := errors.AsType[*tls.CertificateVerificationError](err); !refused {
			t.Fatalf("the handshake says %v", err)
		}
		if got := receive(t, h.distrusted, "the news"); got != "shop.test: tls: bad certificate" {
			t.Errorf("told %q", got)
		}
	}
}

// OpenSSL says so in the clear, where TLS 1.3 has all encrypted.
func TestARefusalInTheClearIsToldOf(t *testing.T) {
	h := open(t, ok)
	for say, want := range map[string]string{
		"\x15\x03\x03\x00\x02\x02\x30": "shop.test: tls: unknown certificate authority",
		"\x15\x03\x03\x00\x02\x02\x2a": "shop.test: tls: bad certificate",
		"\x15\x03\x03\x00\x02\x02\x2f": "", // an illegal parameter
		"\x17\x03\x03\x00\x02\x02\x30": "", // what really is a record with a wrong MAC
	} {
		talk := h.dial()
		talk.say("CONNECT shop.test:443 HTTP/1.1\r\nHost: shop.test:443\r\n\r\n")
		talk.hear(connected)
		talk.say(hello1(t, "shop.test"))
		talk.hear("\x16\x03\x03") // a ServerHello
		talk.say(say)
		if _, err := io.Copy(io.Discard, talk.in); err != nil {
			t.Error(err)
		}
		if want == "" {
			select {
			case got := <-h.distrusted:
				t.Errorf("% x is told as %q", say, got)
			default:
			}
			continue
		}
		if got := receive(t, h.distrusted, "the news"); got != want {
			t.Errorf("told %q, want %q", got, want)
		}
	}
}

func TestAClientThatNamesNoHostGetsTheCONNECTsCertificate(t *testing.T) {
	h := open(t, ok)
	talk := h.dial()
	talk.say("CONNECT 10.9.8.7:443 HTTP/1.1\r\nHost: 10.9.8.7:443\r\n\r\n")
	talk.hear(connected)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(h.options.Authority.PEM())
	c := tls.Client(talk.Conn, &tls.Config{RootCAs: roots, ServerName: "10.9.8.7"}) // an address is not sent as a name
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
}

func TestTLSOnThePortItself(t *testing.T) {
	seen := make(chan *flow.Exchange, 1)
	h := open(t, func(x *flow.Exchange) *flow.Response { seen <- x; return ok(x) })
	for _, protocol := range []string{"http/1.1", "h2"} {
		client := h.through(protocol)
		client.Transport.(*http.Transport).Proxy = nil
		r, err := http.NewRequest(http.MethodGet, "https://"+h.address()+"/secure", nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, body := do(t, client, r); body != "ok" {
			t.Errorf("heard %q", body)
		}
		if x := receive(t, seen, "the exchange"); x.Door != flow.Reverse || x.Request.URL() != "https://"+h.address()+"/secure" {
			t.Errorf("%s %s", x.Door, x.Request.URL())
		}
	}
}

func TestALongBodyOverTLS(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789abcdef"), 64<<10)
	h := open(t, func(x *flow.Exchange) *flow.Response {
		got, err := io.ReadAll(x.Request.Body)
		if err != nil || !bytes.Equal(got, body) {
			t.Errorf("the request's body has %d bytes, %v", len(got), err)
		}
		return text(200, string(body))
	})
	for _, protocol := range []string{"http/1.1", "h2"} {
		r, err := http.NewRequest(http.MethodPut, "https://shop.test/", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if _, got := do(t, h.through(protocol), r); got != string(body) {
			t.Errorf("%s: the answer has %d bytes", protocol, len(got))
		}
	}
}
