package ingress

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/elazarl/goproxy"

	"proxycache/backend/flow"
	"proxycache/backend/http1"
)

// connectProxy is the goproxy that decides what becomes of a CONNECT. It decides only: each way is a
// hijack, so that both doors meet in our own loop.
func (s *Server) connectProxy() *goproxy.ProxyHttpServer {
	p := goproxy.NewProxyHttpServer()
	p.Logger = debugLog{s.options.Log}
	p.Tr, p.ConnectDial = &http.Transport{}, nil // its own would read proxies from the environment
	p.OnRequest(goproxy.ReqConditionFunc(refusesConnect)).HijackConnect(hijack((*client).refuseConnect))
	p.OnRequest(goproxy.ReqConditionFunc(s.passesThrough)).HijackConnect(hijack((*client).tunnel))
	p.OnRequest().HijackConnect(hijack((*client).look))
	return p
}

// debugLog passes goproxy's lines on as what they are to a person: details.
type debugLog struct{ log *slog.Logger }

func (d debugLog) Printf(format string, args ...any) {
	d.log.Debug(strings.TrimSpace(fmt.Sprintf(format, args...)), "from", "goproxy")
}

// connecting is a CONNECT on its way through goproxy: the request's context holds it for the
// conditions, and the connection handed over is it, for the hijacks.
type connecting struct {
	net.Conn
	client *client
	head   *http1.Head
}

type connectingKey struct{}

func refusesConnect(r *http.Request, _ *goproxy.ProxyCtx) bool {
	c, ok := r.Context().Value(connectingKey{}).(*connecting)
	return !ok || c.client.via != "" || !c.client.bound.ways.Load().connect
}

func (s *Server) passesThrough(r *http.Request, _ *goproxy.ProxyCtx) bool {
	host, _ := flow.SplitAuthority(r.URL.Host)
	return s.rules.Load().pass.match(host)
}

func hijack(way func(*client, *http1.Head)) func(*http.Request, net.Conn, *goproxy.ProxyCtx) {
	return func(_ *http.Request, conn net.Conn, _ *goproxy.ProxyCtx) {
		if c, ok := conn.(*connecting); ok {
			way(c.client, c.head)
		}
	}
}

// Header, Write and WriteHeader make a connecting an http.ResponseWriter. goproxy hijacks in every
// way that connectProxy knows, and then writes nothing.
func (c *connecting) Header() http.Header { return http.Header{} }
func (c *connecting) WriteHeader(int)     {}

// Hijack hands the connection over.
func (c *connecting) Hijack() (net.Conn, *bufio.ReadWriter, error) { return c, nil, nil }

// answerConnect has goproxy decide on a CONNECT; the connection is of no use to others after it.
func (c *client) answerConnect(head *http1.Head) {
	via := &connecting{Conn: c.conn, client: c, head: head}
	r := (&http.Request{
		Method: http.MethodConnect, URL: &url.URL{Host: head.Target}, Host: head.Target, RequestURI: head.Target,
		Proto: head.Proto, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, Body: http.NoBody, RemoteAddr: c.facts.Remote,
	}).WithContext(context.WithValue(context.Background(), connectingKey{}, via))
	c.server.connect.ServeHTTP(via, r)
}

func (c *client) refuseConnect(*http1.Head) {
	if c.via != "" {
		c.refuse(&refusal{403, "A CONNECT inside a CONNECT is not taken. Send it to the proxy itself."})
		return
	}
	c.refuse(&refusal{403, "This address does not take CONNECT: its listener does not accept \"connect\"."})
}

const connected = "HTTP/1.1 200 Connection established\r\n\r\n"

// tunnel carries a CONNECT's bytes untouched, as an exchange of its own. The 200 is sent when the
// target is there.
func (c *client) tunnel(head *http1.Head) { c.newTunnel(head).run() }

func (c *client) newTunnel(head *http1.Head) *turn {
	t := c.newTurn(head)
	t.door = flow.Tunnel
	t.request.Authority, t.request.Target = head.Target, ""
	return t
}

// look answers a CONNECT and looks what the client speaks: TLS is opened, HTTP read, and all else
// carried untouched.
func (c *client) look(head *http1.Head) {
	if _, err := c.out.Write([]byte(connected)); err != nil {
		return
	}
	c.via = head.Target
	switch c.spoken() {
	case spokenTLS:
		host, _ := flow.SplitAuthority(c.via)
		c.serveTLS(host)
	case spokenHTTP:
		c.serveHTTP()
	case spokenElse:
		t := c.newTunnel(head)
		t.answered = true
		t.run()
	}
}

type language int

const (
	spokenNothing language = iota // the client left
	spokenTLS
	spokenHTTP
	spokenElse
)

const (
	tlsHandshake = 0x16 // the first byte of a ClientHello's record (RFC 8446 §5.1)
	// silence is how long a client may say nothing before its server is taken for the one that speaks
	// first, as in SSH, SMTP and MySQL.
	silence = time.Second
)

// spoken finds out what the client speaks without consuming it.
func (c *client) spoken() language {
	c.in.phase, c.in.headBy = inHead, time.Now().Add(silence)
	for n := 1; ; n++ {
		start, err := c.reader.Peek(n)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return spokenElse
		case err != nil:
			return spokenNothing
		case start[0] == tlsHandshake:
			return spokenTLS
		}
		whole, possible := startsRequest(string(start))
		if whole {
			return spokenHTTP
		}
		if !possible {
			return spokenElse
		}
	}
}

// methods are those of RFC 9110, PATCH and WebDAV's. Methods alone tell HTTP from other protocols in
// which the client speaks first with a word, as SSH does.
var methods = []string{
	"GET ", "HEAD ", "POST ", "PUT ", "DELETE ", "OPTIONS ", "PATCH ", "TRACE ",
	"PROPFIND ", "PROPPATCH ", "MKCOL ", "COPY ", "MOVE ", "LOCK ", "UNLOCK ", "REPORT ", "SEARCH ", "QUERY ",
}

// startsRequest tells whether s is a method with its space, or may become one.
func startsRequest(s string) (whole, possible bool) {
	for _, m := range methods {
		if m == s {
			return true, true
		}
		possible = possible || strings.HasPrefix(m, s)
	}
	return false, possible
}
