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
	p.OnRequest(goproxy.ReqConditionFunc(refusesConnect)).HijackConnect(hijack((*connecting).refuse))
	p.OnRequest(goproxy.ReqConditionFunc(s.passesThrough)).HijackConnect(hijack((*connecting).tunnel))
	p.OnRequest().HijackConnect(hijack((*connecting).look))
	return p
}

// debugLog passes goproxy's lines on as what they are to a person: details.
type debugLog struct{ log *slog.Logger }

func (d debugLog) Printf(format string, args ...any) {
	d.log.Debug(strings.TrimSpace(fmt.Sprintf(format, args...)), "from", "goproxy")
}

// asking is how a client asked for a connection to a target, and how it hears what becomes of it: in
// the words of CONNECT or of SOCKS5.
type asking interface {
	// taken tells whether a listener takes it.
	taken(*ways) bool
	// refuse says that it is not taken.
	refuse(*client, *http1.Head)
	// granted is what the client hears where it must speak before its target can be known.
	granted() []byte
	// opened is what it hears when the target is there.
	opened(*turn, *flow.Response) []byte
	// failed tells that it is not there.
	failed(*turn, *flow.Response)
}

// connecting is such a wish on its way through goproxy: the request's context holds it for the
// conditions, and the connection handed over is it, for the hijacks.
type connecting struct {
	net.Conn
	client *client
	head   *http1.Head
	asking asking
}

type connectingKey struct{}

func refusesConnect(r *http.Request, _ *goproxy.ProxyCtx) bool {
	c, ok := r.Context().Value(connectingKey{}).(*connecting)
	return !ok || c.client.via != "" || !c.asking.taken(c.client.bound.ways.Load())
}

func (s *Server) passesThrough(r *http.Request, _ *goproxy.ProxyCtx) bool {
	host, _ := flow.SplitAuthority(r.URL.Host)
	return s.rules.Load().pass.match(host)
}

func hijack(way func(*connecting)) func(*http.Request, net.Conn, *goproxy.ProxyCtx) {
	return func(_ *http.Request, conn net.Conn, _ *goproxy.ProxyCtx) {
		if c, ok := conn.(*connecting); ok {
			way(c)
		}
	}
}

// Header, Write and WriteHeader make a connecting an http.ResponseWriter. goproxy hijacks in every
// way that connectProxy knows, and then writes nothing.
func (c *connecting) Header() http.Header { return http.Header{} }
func (c *connecting) WriteHeader(int)     {}

// Hijack hands the connection over.
func (c *connecting) Hijack() (net.Conn, *bufio.ReadWriter, error) { return c, nil, nil }

// answerConnect has goproxy decide on the wish for a connection to head's target; the client's
// connection is of no use to others after it.
func (c *client) answerConnect(head *http1.Head, by asking) {
	via := &connecting{Conn: c.conn, client: c, head: head, asking: by}
	r := (&http.Request{
		Method: http.MethodConnect, URL: &url.URL{Host: head.Target}, Host: head.Target, RequestURI: head.Target,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, Body: http.NoBody, RemoteAddr: c.facts.Remote,
	}).WithContext(context.WithValue(context.Background(), connectingKey{}, via))
	c.server.connect.ServeHTTP(via, r)
}

func (c *connecting) refuse() { c.asking.refuse(c.client, c.head) }

// tunnel carries the bytes untouched, as an exchange of its own. The client hears that they pass when
// the target is there.
func (c *connecting) tunnel() { c.newTunnel().run() }

func (c *connecting) newTunnel() *turn {
	t := c.client.newTurn(c.head)
	t.door, t.asking = flow.Tunnel, c.asking
	t.request.Authority, t.request.Target = c.head.Target, ""
	return t
}

// look grants the wish and looks what the client speaks: TLS is opened, HTTP read, and all else
// carried untouched.
func (c *connecting) look() {
	client := c.client
	if _, err := client.out.Write(c.asking.granted()); err != nil {
		return
	}
	client.via, client.scheme = c.head.Target, "http" // TLS around the tunnel is not that of its target
	switch client.spoken() {
	case spokenTLS:
		c.lookInto()
	case spokenHTTP:
		client.serveHTTP()
	case spokenH2:
		client.serveClearH2()
	case spokenElse:
		c.untouched()
	}
}

// lookInto opens the TLS that the client begins, unless it asks for a host to pass through.
func (c *connecting) lookInto() {
	client := c.client
	host, _ := flow.SplitAuthority(client.via)
	switch passes, err := client.passesInside(host); {
	case err != nil:
		client.server.options.Log.Debug("opening TLS failed", "client", client.facts.Remote, "host", host, "error", err)
	case passes:
		c.untouched()
	default:
		client.serveTLS(host)
	}
}

// untouched carries what the client has begun to say. It was told already that its bytes pass.
func (c *connecting) untouched() {
	t := c.newTunnel()
	t.answered = true
	t.run()
}

// byConnect is a CONNECT of HTTP.
type byConnect struct{}

func (byConnect) taken(w *ways) bool { return w.connect }

func (byConnect) refuse(c *client, head *http1.Head) {
	if c.via != "" {
		c.refuseRequest(head, &refusal{403, "A CONNECT inside a CONNECT is not taken. Send it to the proxy itself."})
		return
	}
	c.refuseRequest(head, &refusal{403, "This address does not take CONNECT: its listener does not accept \"connect\"."})
}

const connected = "HTTP/1.1 200 Connection established\r\n\r\n"

func (byConnect) granted() []byte { return []byte(connected) }

func (byConnect) opened(t *turn, r *flow.Response) []byte {
	reason := r.Reason
	if reason == "" {
		reason = "Connection established"
	}
	head := http1.AppendResponse(nil, "HTTP/1.1", r.Status, reason, t.upgradeHeader(r))
	r.Begins("HTTP/1.1", head)
	return head
}

func (byConnect) failed(t *turn, r *flow.Response) {
	t.head.Close = true // what the client sends next may be meant for the target
	t.write(r)
}

type language int

const (
	spokenNothing language = iota // the client left
	spokenTLS
	spokenHTTP
	spokenH2 // in the clear
	spokenElse
)

// silence is how long a client may say nothing before its server is taken for the one that speaks
// first, as in SSH, SMTP and MySQL.
const silence = time.Second

// spoken finds out what the client speaks without consuming it. Who has begun a word may take as long
// for it as for a request's header.
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
		case n == 1:
			c.in.headBy = time.Now().Add(c.bounds.headerTimeout)
		}
		whole, possible := startsRequest(string(start))
		switch {
		case whole:
			return spokenHTTP
		case string(start) == preface:
			return spokenH2
		case !possible && !strings.HasPrefix(preface, string(start)):
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
