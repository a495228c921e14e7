package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"time"

	"github.com/coder/websocket"
)

// visitor is a client that sends everything to one origin, and keeps cookies.
type visitor struct {
	origin    string
	length    time.Duration // of the whole tour: every pause is a part of it
	client    http.Client
	transport *http.Transport
}

// counter tells of each request before it is sent, redirects and upgrades too.
type counter struct {
	http.RoundTripper
	sent func()
}

func (c counter) RoundTrip(r *http.Request) (*http.Response, error) {
	c.sent()
	return c.RoundTripper.RoundTrip(r)
}

func newVisitor(origin string, length time.Duration, sent func()) *visitor {
	v := &visitor{origin: origin, length: length}
	// No Proxy: the tour goes to the proxy itself, whatever the environment says.
	v.transport = &http.Transport{MaxIdleConnsPerHost: 8, DisableCompression: true, DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext}
	v.client.Transport = counter{v.transport, sent}
	v.client.Jar, _ = cookiejar.New(nil) // its error is nil, always
	v.client.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		if r.URL.Host != via[0].URL.Host || len(via) > 10 {
			return http.ErrUseLastResponse // the tour stays here
		}
		return nil
	}
	return v
}

func (v *visitor) close() { v.transport.CloseIdleConnections() }

// reply is an answer that has been read.
type reply struct {
	status   int
	location string
	body     []byte
}

// wanted is an error unless the reply has this status.
func (a reply) wanted(status int) error {
	if a.status == status {
		return nil
	}
	return fmt.Errorf("%d, not %d", a.status, status)
}

const userAgent = "Proxycache tour"

func (v *visitor) request(ctx context.Context, method, path, kind, body string) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, method, v.origin+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("User-Agent", userAgent)
	r.Header.Set("Accept", "application/json, */*;q=0.5")
	r.Header.Set("Accept-Encoding", "gzip")
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	return r, nil
}

// maxReply is how much of an answer is read: the origin need not be the demo.
const maxReply = 1 << 20

func (v *visitor) send(ctx context.Context, method, path, kind, body string) (reply, error) {
	r, err := v.request(ctx, method, path, kind, body)
	if err != nil {
		return reply{}, err
	}
	response, err := v.client.Do(r)
	if err != nil {
		return reply{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxReply))
	return reply{response.StatusCode, response.Header.Get("Location"), text}, err
}

func (v *visitor) get(ctx context.Context, path string) (reply, error) {
	return v.send(ctx, http.MethodGet, path, "", "")
}

// pause waits a hundredth of the tour.
func (v *visitor) pause(ctx context.Context) { rest(ctx, v.length/100) }

func (v *visitor) dial(ctx context.Context, path string) (*websocket.Conn, error) {
	c, _, err := websocket.Dial(ctx, v.origin+path, &websocket.DialOptions{
		HTTPClient: &v.client, HTTPHeader: http.Header{"User-Agent": {userAgent}},
	})
	return c, err
}

// unreachable tells that there was no connection at all.
func unreachable(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

// short is an error in the few words that a result has room for.
func short(err error) string {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Op + " failed"
	}
	text, _, _ := strings.Cut(err.Error(), "\n")
	if i := strings.LastIndex(text, ": "); i >= 0 {
		text = text[i+2:]
	}
	if r := []rune(text); len(r) > 24 {
		return string(r[:23]) + "…"
	}
	return text
}
