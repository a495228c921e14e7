package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"proxycache/backend/flow"
	"proxycache/backend/http1"
	"proxycache/backend/problem"
)

// askTarget asks once: nil where the target is healthy.
func (p *Pool) askTarget(ctx context.Context, t *target, c *check) error {
	switch c.Type {
	case "tcp":
		return p.checkConnection(ctx, t)
	case "grpc":
		return p.checkGRPC(ctx, t, c)
	case "command":
		return c.run(ctx, t)
	}
	return p.checkHTTP(ctx, t, c)
}

// probing is the exchange that a connection for a check is opened for. Nobody records it.
func probing(ctx context.Context) *flow.Exchange {
	return flow.NewExchange(ctx, flow.Reverse, &flow.Request{Body: flow.NoBody})
}

func (p *Pool) checkConnection(ctx context.Context, t *target) error {
	d, err := p.dial(probing(ctx), t, []string{protocol2, protocol1}, p.settings.connectTimeout())
	if err != nil {
		return short(err)
	}
	_ = d.conn.Close() // the peer may be gone: nothing to report
	return nil
}

// short is what went wrong without what to do about it, which depends on who asks.
func short(err error) error {
	q, ok := errors.AsType[*problem.Problem](err)
	if !ok {
		return err
	}
	text, _, _ := strings.Cut(q.Message, ". ")
	return errors.New(strings.TrimSuffix(text, "."))
}

// roundTrip sends r to t over a connection of its own, which is closed with the body of the answer.
func (p *Pool) roundTrip(ctx context.Context, t *target, offer []string, r *http.Request) (*http.Response, error) {
	d, err := p.dial(probing(ctx), t, offer, p.settings.connectTimeout())
	if err != nil {
		return nil, short(err)
	}
	stop := context.AfterFunc(ctx, func() { _ = d.socket.Close() })
	end := func() {
		stop()
		_ = d.socket.Close() // the answer is read: nothing to report
	}
	var answer *http.Response
	if d.spoken == protocol2 {
		answer, err = roundTrip2(d, r)
	} else {
		answer, err = p.roundTrip1(d, t, r)
	}
	if err != nil {
		end()
		if bad, ok := errors.AsType[*http1.Error](err); ok {
			return nil, errors.New(bad.Reason)
		}
		return nil, rootOf(err)
	}
	answer.Body = &closing{answer.Body, end}
	return answer, nil
}

// roundTrip2 speaks HTTP/2.
func roundTrip2(d *dialled, r *http.Request) (*http.Response, error) {
	given := func(context.Context, string, string) (net.Conn, error) { return d.conn, nil }
	var protocols http.Protocols
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{
		DialContext: given, DialTLSContext: given, Protocols: &protocols,
		DisableCompression: true, MaxResponseHeaderBytes: int64(http1.DefaultLimits.Head),
	}
	return transport.RoundTrip(r)
}

// roundTrip1 speaks HTTP/1.1.
func (p *Pool) roundTrip1(d *dialled, t *target, r *http.Request) (*http.Response, error) {
	h := flow.Header{{Name: "Host", Value: r.Host}}
	for name, values := range r.Header {
		for _, value := range values {
			h.Add(name, value)
		}
	}
	h.Add("Connection", "close")
	asked := r.URL.RequestURI()
	if p.absolute(t) { // the connection leads to a proxy
		asked = "http://" + t.field + asked
		if p.proxy.basic != "" {
			h.Add("Proxy-Authorization", p.proxy.basic)
		}
	}
	if _, err := d.conn.Write(http1.AppendRequest(nil, r.Method, asked, "HTTP/1.1", h)); err != nil {
		return nil, err
	}
	reader := http1.NewReader(d.conn, http1.Limits{})
	for range maxInterim {
		head, err := reader.ReadResponse(r.Method)
		if err != nil {
			reader.Release()
			return nil, err
		}
		if head.Status < 200 {
			continue
		}
		body := &answer1{reader: reader}
		body.Open(reader, head)
		return &http.Response{StatusCode: head.Status, Body: body}, nil
	}
	reader.Release()
	return nil, &http1.Error{Status: 502, Reason: "it sent interim responses (1xx) and no final one"}
}

// answer1 is the body of an answer to a check by HTTP/1.1.
type answer1 struct {
	http1.Body
	reader *http1.Reader
}

func (a *answer1) Close() error {
	a.reader.Release()
	return nil
}

// closing is a body whose connection ends with it.
type closing struct {
	io.ReadCloser
	end func()
}

func (c *closing) Close() error {
	c.end()
	return c.ReadCloser.Close()
}

// urlOf is where a check asks. The scheme is what net/http makes of what the target speaks.
func urlOf(t *target, path string) *url.URL {
	u := &url.URL{Scheme: "http", Host: t.address}
	if t.scheme == "https" {
		u.Scheme = "https"
	}
	if t.scheme == "unix" {
		u.Host = t.field
	}
	if asked, err := url.ParseRequestURI(path); err == nil {
		u.Path, u.RawPath, u.RawQuery = asked.Path, asked.RawPath, asked.RawQuery
	}
	return u
}

// maxProbed is how much of a body is looked at.
const maxProbed = 64 << 10

func (p *Pool) checkHTTP(ctx context.Context, t *target, c *check) error {
	r := (&http.Request{Method: c.Method, URL: urlOf(t, t.base+c.Path), Host: c.Host, Header: http.Header{}, Body: http.NoBody}).WithContext(ctx)
	if r.Host == "" {
		r.Host = t.field
	}
	for _, f := range c.Headers {
		r.Header.Add(f.Name, f.Value)
	}
	if len(r.Header["User-Agent"]) == 0 {
		r.Header.Set("User-Agent", "Proxycache health check")
	}
	offer := []string{protocol1}
	if p.settings.HTTP2 {
		offer = []string{protocol2, protocol1}
	}
	answer, err := p.roundTrip(ctx, t, offer, r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if !c.wants(answer.StatusCode) {
		return fmt.Errorf("the status is %d, and %s is healthy", answer.StatusCode, strings.Join(c.Statuses, ", "))
	}
	if c.body == nil {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxProbed))
	if !c.body.Match(body) {
		if err != nil {
			return fmt.Errorf("reading the body: %w", err)
		}
		return fmt.Errorf("the body does not hold %s", c.Body)
	}
	return nil
}

func (c *check) wants(status int) bool {
	for _, s := range c.statuses {
		if s.first <= status && status <= s.last {
			return true
		}
	}
	return false
}
