// Package replay sends a kept exchange again, as it was or edited.
package replay

import (
	"bytes"
	"context"
	"io"
	"net/netip"
	"strings"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

// Message is the request to send.
type Message struct {
	Method string
	URL    string // absolute
	Fields flow.Header
	Body   io.ReadCloser // flow.NoBody for none
	Length int64         // of Body
}

// Whole is why the body of r cannot be sent again: it was kept only in part.
func Whole(r *flow.Record) error {
	if r.RequestBody.Kept < r.RequestBody.Size {
		return problem.New(problem.Invalid, "Replaying #%d: only %d of its %d body bytes were kept. Raise capture.body_cap, or edit the body and send that.", r.Seq, r.RequestBody.Kept, r.RequestBody.Size)
	}
	return nil
}

// Of is the request of r as it was recorded; body is its kept body, which is whole.
func Of(r *flow.Record, fields flow.Header, body io.ReadCloser) Message {
	return Message{
		Method: r.Method, URL: r.Scheme + "://" + r.Authority + r.Target,
		Fields: fields, Body: body, Length: r.RequestBody.Kept,
	}
}

// Exchange makes the exchange that sends m. It keeps the door of the original, so that the same
// routes apply; an exchange without an original goes where its URL says.
func Exchange(ctx context.Context, m Message, original *flow.Record) (*flow.Exchange, error) {
	scheme, authority, target, err := split(m.URL)
	if err != nil {
		return nil, err
	}
	if !token(m.Method) {
		return nil, problem.New(problem.Invalid, "Sending: %q is not a method. Use letters and digits, as in GET.", m.Method).At("method")
	}
	r := &flow.Request{
		Method: m.Method, Scheme: scheme, Authority: authority, Target: target, Proto: "HTTP/1.1",
		Body: m.Body, ContentLength: m.Length,
	}
	for _, f := range m.Fields {
		if err := checkField(f); err != nil {
			return nil, err
		}
		if !framing[strings.ToLower(f.Name)] {
			r.Header.Add(f.Name, f.Value)
		}
	}
	if r.Body == nil {
		r.Body = flow.NoBody
	}
	if !r.Header.Has("Host") {
		r.Header = append(flow.Header{{Name: "Host", Value: authority}}, r.Header...)
	} else {
		r.Header.Set("Host", authority)
	}
	door := flow.Forward
	if original != nil {
		door = original.Door
	}
	x := flow.NewExchange(ctx, door, r)
	x.Client, x.Trusted = netip.AddrPortFrom(netip.IPv6Loopback(), 0), true
	if original != nil {
		x.ReplayOf = original.Seq
	}
	return x, nil
}

// Send runs x and drops its answer, which the recorder has kept on the way.
func Send(h flow.Handler, x *flow.Exchange) {
	response := h.Handle(x)
	_, _ = io.Copy(io.Discard, response.Body) // how it ended is in the record
	x.Timing.Done = x.Since()
	_ = response.Body.Close()
	_ = x.Request.Body.Close()
	if response.Upgraded != nil { // nobody is there to speak the other protocol
		_ = response.Upgraded.Close()
	}
}

// framing fields are the upstream's to write; Expect would wait for a client that is not there.
var framing = map[string]bool{"content-length": true, "transfer-encoding": true, "connection": true, "expect": true, "keep-alive": true, "proxy-connection": true}

func split(url string) (scheme, authority, target string, err error) {
	scheme, rest, ok := strings.Cut(url, "://")
	scheme = strings.ToLower(scheme)
	if !ok || scheme != "http" && scheme != "https" {
		return "", "", "", problem.New(problem.Invalid, "Sending: %q is not a URL. Write it in full, as in http://127.0.0.1:8080/v1/items.", url).At("url")
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	authority, target = rest[:end], rest[end:]
	target, _, _ = strings.Cut(target, "#")
	if !strings.HasPrefix(target, "/") {
		target = "/" + target
	}
	if host, _ := flow.SplitAuthority(authority); host == "" || strings.ContainsAny(authority+target, " \t\r\n") {
		return "", "", "", problem.New(problem.Invalid, "Sending: %q has no host, or white space in it. Write it in full, percent-encoded, as in http://127.0.0.1:8080/v1/items.", url).At("url")
	}
	return scheme, authority, target, nil
}

func checkField(f flow.Field) error {
	if !token(f.Name) {
		return problem.New(problem.Invalid, "Sending: %q is not a field name. Use letters, digits and dashes.", f.Name).At("fields")
	}
	if strings.ContainsAny(f.Value, "\r\n\x00") {
		return problem.New(problem.Invalid, "Sending: the value of %s has a line break in it. Remove it.", f.Name).At("fields")
	}
	return nil
}

// token is RFC 9110 §5.6.2.
func token(s string) bool {
	if s == "" {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return true
}

// Bytes makes a body of b.
func Bytes(b []byte) io.ReadCloser {
	if len(b) == 0 {
		return flow.NoBody
	}
	return io.NopCloser(bytes.NewReader(b))
}
