package ingress

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
	"proxycache/backend/socks"
)

// admitting is a listener that takes everything, from who knows "me" and "word".
func admitting() Listener {
	return Listener{Address: "127.0.0.1:0", Accept: []string{"reverse", "forward", "connect", "socks5"}, Username: "me", Password: "word"}
}

// openSOCKS is a server that takes SOCKS5, and tunnels bank.test.
func openSOCKS(t *testing.T, handler flow.HandlerFunc) *house {
	t.Helper()
	h := openQuiet(t, handler)
	l := admitting()
	l.Username, l.Password = "", ""
	h.configure(Settings{Listen: []Listener{l}, PassThrough: []string{"bank.test", "10.0.0.1"}})
	return h
}

const (
	hello   = "\x05\x01\x00"
	welcome = "\x05\x00"
	done    = "\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"
)

// wish is a request of SOCKS5 for a name.
func wish(host string, port byte) string {
	return "\x05\x01\x00\x03" + string([]byte{byte(len(host))}) + host + string([]byte{0, port})
}

// reply is an answer that names no address.
func reply(r socks.Reply) string { return "\x05" + string([]byte{byte(r)}) + done[2:] }

func TestHTTPThroughSOCKS(t *testing.T) {
	seen := make(chan *flow.Exchange, 2)
	h := openSOCKS(t, func(x *flow.Exchange) *flow.Response { seen <- x; return ok(x) })
	talk := h.dial()
	talk.say(hello)
	talk.hear(welcome)
	talk.say(wish("shop.test", 80))
	talk.hear(done)
	for range 2 {
		talk.say(get)
		talk.hear(okAnswer)
		if x := receive(t, seen, "the exchange"); x.Door != flow.Forward || x.Request.URL() != "http://shop.test/" {
			t.Errorf("%s %s", x.Door, x.Request.URL())
		}
	}
	talk.say("CONNECT other.test:80 HTTP/1.1\r\nHost: other.test:80\r\n\r\n")
	if r, _ := talk.answer("CONNECT"); r.StatusCode != 403 {
		t.Errorf("a CONNECT inside gets %d", r.StatusCode)
	}
}

func TestTLSThroughSOCKSIsOpened(t *testing.T) {
	seen := make(chan *flow.Exchange, 1)
	h := openSOCKS(t, func(x *flow.Exchange) *flow.Response { seen <- x; return ok(x) })
	talk := h.dial()
	talk.say(hello + "\x05\x01\x00\x01\x0a\x09\x08\x07\x01\xbb") // all at once, and an address
	talk.hear(welcome + done)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(h.options.Authority.PEM())
	secure := tls.Client(talk.Conn, &tls.Config{RootCAs: roots, ServerName: "10.9.8.7"})
	if _, err := io.WriteString(secure, "GET /a HTTP/1.1\r\nHost: 10.9.8.7\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if answer, err := io.ReadAll(secure); err != nil || !strings.HasSuffix(string(answer), "ok") {
		t.Errorf("heard %q, %v", answer, err)
	}
	if x := receive(t, seen, "the exchange"); x.Door != flow.Intercept || x.Request.URL() != "https://10.9.8.7/a" {
		t.Errorf("%s %s", x.Door, x.Request.URL())
	}
}

func TestWhatIsNeitherTLSNorHTTPIsTunnelledThroughSOCKS(t *testing.T) {
	handler, targets, seen := tunnels(t)
	h := openSOCKS(t, handler)
	talk := h.dial()
	talk.say(hello + wish("git.test", 22) + "SSH-2.0-x\r\n")
	talk.hear(welcome + done)
	target := newTalk(t, receive(t, targets, "the target"))
	target.hear("SSH-2.0-x\r\n")
	target.say("SSH-2.0-y\r\n")
	talk.hear("SSH-2.0-y\r\n")
	_ = talk.Close()
	target.hearEnd()
	if x := receive(t, seen, "the exchange"); x.Door != flow.Tunnel || x.Request.Authority != "git.test:22" || x.Request.Proto != "SOCKS5" || x.Request.Method != "CONNECT" {
		t.Errorf("%s %s %s %s", x.Door, x.Request.Method, x.Request.Authority, x.Request.Proto)
	}
}

func TestATunnelThroughSOCKSIsAnsweredWhenItsTargetIsThere(t *testing.T) {
	handler, targets, _ := tunnels(t)
	h := openSOCKS(t, func(x *flow.Exchange) *flow.Response {
		x.TargetConn.Local = "192.0.2.7:258"
		return handler(x)
	})
	talk := h.dial()
	talk.say(hello + wish("bank.test", 99) + "early")
	talk.hear(welcome + "\x05\x00\x00\x01\xc0\x00\x02\x07\x01\x02")
	target := newTalk(t, receive(t, targets, "the target"))
	target.hear("early")
	_ = target.Close()
	talk.hearEnd()
}

func TestWhyATargetIsNotReachedIsToldByANumber(t *testing.T) {
	for _, c := range []struct {
		name    string
		problem *problem.Problem
		status  int
		want    socks.Reply
	}{
		{"refused", problem.New(problem.Refused, "x"), 502, socks.Refused},
		{"no such name", problem.New(problem.DNS, "x"), 502, socks.HostUnreachable},
		{"no way to the host", problem.Wrap(problem.Unreachable, syscall.EHOSTUNREACH, "x"), 502, socks.HostUnreachable},
		{"no way to its network", problem.Wrap(problem.Unreachable, syscall.ENETUNREACH, "x"), 502, socks.NetworkUnreachable},
		{"no answer in time", problem.New(problem.Timeout, "x"), 504, socks.Expired},
		{"the proxy's own address", problem.New(problem.Forbidden, "x"), 403, socks.NotAllowed},
		{"a loop", problem.New(problem.Loop, "x"), 508, socks.NotAllowed},
		{"something else", problem.New(problem.Internal, "x"), 500, socks.Failed},
		{"a limit", nil, 503, socks.Failed},
		{"an answer of a module", nil, 403, socks.NotAllowed},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := openSOCKS(t, func(x *flow.Exchange) *flow.Response {
				x.Problem = c.problem
				return text(c.status, "words that SOCKS has not")
			})
			talk := h.dial()
			talk.say(hello + wish("bank.test", 99))
			talk.hear(welcome + reply(c.want))
			talk.hearEnd()
		})
	}
}

func TestWhatSOCKSRefuses(t *testing.T) {
	h := openSOCKS(t, func(x *flow.Exchange) *flow.Response {
		t.Errorf("%s became an exchange", x.Request.URL())
		return ok(x)
	})
	forOthers := openQuiet(t, ok)
	forOthers.configure(Settings{Listen: []Listener{{Address: "127.0.0.1:0", Accept: everything}}})
	for _, c := range []struct {
		name     string
		h        *house
		say, end string
	}{
		{"BIND", h, hello + "\x05\x02\x00\x01\x7f\x00\x00\x01\x00\x50", welcome + reply(socks.NoSuchCommand)},
		{"UDP ASSOCIATE", h, hello + "\x05\x03\x00\x01\x00\x00\x00\x00\x00\x00", welcome + reply(socks.NoSuchCommand)},
		{"an unknown type of address", h, hello + "\x05\x01\x00\x05", welcome + reply(socks.NoSuchAddress)},
		{"a name that is none", h, hello + wish("a/b", 80), welcome + reply(socks.Failed)},
		{"port 0", h, hello + wish("a.test", 0), welcome + reply(socks.Failed)},
		{"another version inside", h, hello + "\x04\x01", welcome + reply(socks.Failed)},
		{"methods that are not known", h, "\x05\x02\x01\x02", "\x05\xff"},
		{"no methods", h, "\x05\x00", "\x05\xff"},
		{"SOCKS4", h, "\x04\x01\x00\x50\x7f\x00\x00\x01me\x00", "\x00\x5b\x00\x00\x00\x00\x00\x00"},
		{"a listener for other ways", forOthers, hello + wish("a.test", 80), welcome + reply(socks.NotAllowed)},
	} {
		t.Run(c.name, func(t *testing.T) {
			talk := c.h.dial()
			talk.say(c.say)
			talk.hear(c.end)
			talk.hearEnd()
		})
	}
}

func TestWhoMayUseSOCKS(t *testing.T) {
	h := openQuiet(t, ok)
	h.configure(Settings{Listen: []Listener{admitting()}})
	const chosen = "\x05\x02"
	for _, c := range []struct{ name, say, end string }{
		{"no login offered", hello, "\x05\xff"},
		{"the right one", "\x05\x02\x00\x02\x01\x02me\x04word", chosen + "\x01\x00"},
		{"a wrong password", "\x05\x01\x02\x01\x02me\x04Word", chosen + "\x01\x01"},
		{"a wrong name", "\x05\x01\x02\x01\x02my\x04word", chosen + "\x01\x01"},
		{"an empty one", "\x05\x01\x02\x01\x00\x00", chosen + "\x01\x01"},
		{"a colon in another place", "\x05\x01\x02\x01\x07me:word\x00", chosen + "\x01\x01"},
		{"another version of login", "\x05\x01\x02\x05\x02me", chosen + "\x01\x01"},
	} {
		t.Run(c.name, func(t *testing.T) {
			talk := h.dial()
			talk.say(c.say)
			talk.hear(c.end)
			if c.name != "the right one" {
				talk.hearEnd()
				return
			}
			talk.say(wish("shop.test", 80) + get)
			talk.hear(done + okAnswer)
		})
	}
}

// A password on a listener asks for it in front of the proxy's ways alone, and nothing of it reaches
// who answers.
func TestWhoMayUseTheProxy(t *testing.T) {
	h := openQuiet(t, ok)
	h.configure(Settings{Listen: []Listener{admitting()}})
	const (
		right   = "Proxy-Authorization: Basic bWU6d29yZA==\r\n"
		wrong   = "Proxy-Authorization: Basic bWU6V29yZA==\r\n"
		forward = "GET http://shop.test/ HTTP/1.1\r\nHost: shop.test\r\n"
		connect = "CONNECT shop.test:80 HTTP/1.1\r\nHost: shop.test:80\r\n"
	)
	for _, c := range []struct {
		name, say string
		status    int
		stays     bool
	}{
		{"a request to the proxy itself", "GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n", 200, true},
		{"forward", forward + "\r\n", 407, true},
		{"forward, with a wrong password", forward + wrong + "\r\n", 407, true},
		{"forward, with another scheme", forward + "Proxy-Authorization: Bearer bWU6d29yZA==\r\n\r\n", 407, true},
		{"forward, with what is no base64", forward + "Proxy-Authorization: Basic bWU6d29yZA\r\n\r\n", 407, true},
		{"forward, with no colon", forward + "Proxy-Authorization: Basic bWV3b3Jk\r\n\r\n", 407, true},
		{"forward, with the login of a server", forward + strings.TrimPrefix(right, "Proxy-") + "\r\n", 407, true},
		{"forward, with a body", "POST http://shop.test/ HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 2\r\n\r\nhi", 407, false},
		{"forward, in HTTP/1.0", "GET http://shop.test/ HTTP/1.0\r\nHost: shop.test\r\n\r\n", 407, false},
		{"forward, with the right one", forward + right + "\r\n", 200, true},
		{"forward, spelt otherwise", forward + strings.Replace(right, "Basic ", "bASIC  ", 1) + "\r\n", 200, true},
		{"CONNECT", connect + "\r\n", 407, true},
		{"CONNECT, with a wrong password", connect + wrong + "\r\n", 407, true},
		{"CONNECT, with bytes for its target", connect + "\r\n\x16\x03\x01", 407, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			talk := h.dial()
			talk.say(c.say)
			r, body := talk.answer("GET")
			if r.StatusCode != c.status || r.Close == c.stays {
				t.Errorf("%d %q, closes: %v", r.StatusCode, body, r.Close)
			}
			if c.status == 407 && (r.Header.Get("Proxy-Authenticate") != `Basic realm="Proxycache"` || !strings.Contains(body, "password")) {
				t.Errorf("%v %q", r.Header, body)
			}
			if !c.stays {
				talk.hearEnd()
				return
			}
			talk.say(connect + right + "\r\n" + get)
			talk.hear(connected + okAnswer)
			talk.say(forward + "\r\n") // whoever is inside has shown it
			if r, _ := talk.answer("GET"); r.StatusCode != 200 {
				t.Errorf("inside the CONNECT it is asked for again: %d", r.StatusCode)
			}
		})
	}
}

func TestARefusalComesBeforeTheQuestionWhoAsks(t *testing.T) {
	h := openQuiet(t, ok)
	l := admitting()
	l.Accept = []string{"socks5"}
	h.configure(Settings{Listen: []Listener{l}})
	for _, say := range []string{"GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", get} {
		talk := h.dial()
		talk.say(say)
		if r, _ := talk.answer("GET"); r.StatusCode != 403 {
			t.Errorf("%q gets %d", say, r.StatusCode)
		}
	}
}

func TestHalfALoginIsAMistake(t *testing.T) {
	h := openQuiet(t, ok)
	for _, l := range []Listener{{Username: "me"}, {Password: "word"}} {
		l.Address, l.Accept = "127.0.0.1:0", everything
		if err := h.Configure(Settings{Listen: []Listener{l}}); problem.KindOf(err) != problem.Invalid {
			t.Errorf("%+v: %v", l, err)
		}
	}
}

// onPipe serves one connection of a listener in a bubble, from a peer's address. Each byte that is
// written to it is read alone.
func onPipe(t *testing.T, l Listener, peer string, s Settings, log io.Writer, handler flow.HandlerFunc) *talk {
	t.Helper()
	w, err := readWays("listen.1", l)
	if err != nil {
		t.Fatal(err)
	}
	server := New(Options{Handler: handler, Log: slog.New(slog.NewTextHandler(log, nil))})
	server.rules.Store(&rules{pass: newPatterns(), trusted: s.Trusted})
	near, far := net.Pipe()
	talk := newTalk(t, near)
	if err := near.SetDeadline(time.Time{}); err != nil { // while the server cannot have closed it
		t.Fatal(err)
	}
	b := &bound{address: l.Address}
	b.ways.Store(w)
	server.places.take(nil)
	server.take(b, from{far, peer})
	t.Cleanup(func() {
		_ = near.Close()
		if err := server.Shutdown(t.Context()); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
	})
	return talk
}

// from is a connection with the address of another peer.
type from struct {
	net.Conn
	peer string
}

func (f from) RemoteAddr() net.Addr {
	a, err := net.ResolveTCPAddr("tcp", f.peer)
	if err != nil {
		panic(err)
	}
	return a
}

// trickle says text byte by byte, with time in between.
func (c *talk) trickle(text string, pause time.Duration) {
	c.t.Helper()
	for i := range len(text) {
		c.say(text[i : i+1])
		time.Sleep(pause)
	}
}

func TestEveryLanguageMayComeByteByByte(t *testing.T) {
	const h2Answer = "\x00\x00" // a SETTINGS frame of ours begins so
	for _, c := range []struct{ name, say, hear string }{
		{"HTTP", get, okAnswer},
		{"HTTP with P", "PUT / HTTP/1.1\r\nHost: a\r\n\r\n", okAnswer},
		{"HTTP with PR", "PROPFIND / HTTP/1.1\r\nHost: a\r\n\r\n", okAnswer},
		{"HTTP with the name of the preface", "PRI / HTTP/1.1\r\nHost: a\r\n\r\n", okAnswer},
		{"HTTP/2 in the clear", preface + "\x00\x00\x00\x04\x00\x00\x00\x00\x00", h2Answer},
		{"HTTP inside a CONNECT", "CONNECT a.test:80 HTTP/1.1\r\nHost: a.test:80\r\n\r\n" + get, connected + okAnswer},
		{"HTTP inside SOCKS5", hello + wish("a.test", 80) + get, welcome + done + okAnswer},
		{"HTTP/2 inside SOCKS5", hello + wish("a.test", 80) + preface + "\x00\x00\x00\x04\x00\x00\x00\x00\x00", welcome + done + h2Answer},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := admitting()
				l.Username, l.Password = "", ""
				talk := onPipe(t, l, "192.0.2.1:5", Settings{}, io.Discard, ok)
				var trickle sync.WaitGroup
				trickle.Go(func() { talk.trickle(c.say, 90*time.Millisecond) })
				talk.hear(c.hear)
				go io.Copy(io.Discard, talk.in)
				trickle.Wait()
			})
		})
	}
}

func TestWhoBeginsAndFallsSilentIsLeft(t *testing.T) {
	for _, c := range []struct{ name, say, hear string }{
		{"SOCKS5", "\x05", ""},
		{"a greeting cut off", "\x05\x02\x00", ""},
		{"a request cut off", hello + wish("shop.test", 80)[:9], welcome},
		{"the preface cut off", preface[:7], "HTTP/1.1 408"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := admitting()
				l.Username, l.Password = "", ""
				talk := onPipe(t, l, "192.0.2.1:5", Settings{}, io.Discard, ok)
				since := time.Now()
				talk.say(c.say)
				talk.hear(c.hear)
				if _, err := io.Copy(io.Discard, talk.in); err != nil {
					t.Error(err)
				}
				if took := time.Since(since); took != defaults.headerTimeout {
					t.Errorf("it is left after %v", took)
				}
			})
		})
	}
}

func TestWhoLeavesInTheMiddleIsForgotten(t *testing.T) {
	h := openSOCKS(t, ok)
	for _, say := range []string{"", "\x05", "\x05\x02\x00", hello, hello + "\x05\x01", hello + wish("shop.test", 80), hello + wish("bank.test", 80)[:6], "PRI"} {
		talk := h.dial()
		talk.say(say)
		_ = talk.Close()
	}
	eventually(t, "nobody is served any more", func() bool { return h.Clients() == 0 })
}

// HTTP/2 in the clear is spoken by who knows that it is.
func TestHTTP2InTheClear(t *testing.T) {
	seen := make(chan *flow.Exchange, 1)
	h := openSOCKS(t, func(x *flow.Exchange) *flow.Response { seen <- x; return ok(x) })
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	tr := &http.Transport{Protocols: &protocols}
	defer tr.CloseIdleConnections()
	answer, err := (&http.Client{Transport: tr}).Post("http://"+h.address()+"/a", "text/plain", bytes.NewReader([]byte("hi")))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if body, err := io.ReadAll(answer.Body); err != nil || string(body) != "ok" || answer.ProtoMajor != 2 {
		t.Errorf("heard %q, %v in %s", body, err, answer.Proto)
	}
	if x := receive(t, seen, "the exchange"); x.Door != flow.Reverse || x.Request.URL() != "http://"+h.address()+"/a" || x.Request.Proto != "HTTP/2.0" {
		t.Errorf("%s %s %s", x.Door, x.Request.URL(), x.Request.Proto)
	}
}
