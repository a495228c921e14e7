package export

import (
	"cmp"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"proxycache/backend/flow"
)

// HAR writes the exchanges as an HTTP Archive 1.2. Bodies pass through; nothing is held back. What
// the format has no word for is in members that begin with an underscore, as it asks for.
func HAR(w io.Writer, source Source, o Options) error {
	e := exporter{source, o}
	j := newJSONWriter(w)
	j.raw(`{"log":`)
	j.object(harLog{Version: "1.2", Creator: harCreator{"Proxycache", cmp.Or(o.Version, "unknown")}})
	j.member("entries")
	j.raw("[")
	between := "\n"
	for r, err := range source.Records {
		if err != nil {
			return err
		}
		j.raw(between)
		between = ",\n"
		if err := e.entry(j, e.view(r)); err != nil {
			return err
		}
	}
	j.raw("\n]}}\n")
	return j.flush()
}

func (e exporter) entry(j *jsonWriter, v view) error {
	request, err := e.readable(v.RequestBody)
	if err != nil {
		return err
	}
	response, err := e.readable(v.ResponseBody)
	if err != nil {
		return err
	}
	timings := harTimingsOf(v.Record)
	j.object(harEntry{
		StartedDateTime: v.Started.UTC().Format("2006-01-02T15:04:05.000Z"), Time: timings.total(),
		ServerIPAddress: addressOf(v.TargetConn.Remote), Connection: portOf(v.TargetConn.Local),
		Comment: notes(v, request.note, response.note), ResourceType: resourceType(v), Error: v.problem,
	})
	j.member("request")
	j.object(requestOf(v))
	if request.open != nil {
		j.member("postData")
		j.object(harPostData{MimeType: shown(v.RequestBody.Type), Encoding: encodingOf(request)})
		j.member("text")
		j.content(request)
		j.end()
	}
	j.end()
	j.member("response")
	j.object(responseOf(v))
	j.member("content")
	j.object(contentOf(v, response))
	if response.open != nil {
		j.member("text")
		j.content(response)
	}
	j.end()
	j.end()
	j.raw(`,"cache":{}`)
	j.member("timings")
	j.value(timings)
	j.member("_proxycache")
	j.value(ownOf(v))
	j.end()
	return j.err
}

// notes are what a reader of the entry should know.
func notes(v view, request, response string) string {
	var out []string
	switch {
	case v.Door == flow.Tunnel:
		out = append(out, "A tunnel: its bytes were passed on and not read.")
	case v.Status == 101:
		out = append(out, "What was said after the upgrade was passed on and not kept.")
	case v.State == flow.Pending:
		out = append(out, "It was not over when it was exported.")
	}
	for _, n := range [][2]string{{"Request: ", request}, {"Response: ", response}} {
		if n[1] != "" {
			out = append(out, n[0]+n[1])
		}
	}
	return strings.Join(out, " ")
}

func resourceType(v view) string {
	if v.Status == 101 && upgradesToWebSocket(v.request) {
		return "websocket"
	}
	return ""
}

func encodingOf(c content) string {
	if c.utf8 {
		return ""
	}
	return "base64"
}

func requestOf(v view) harRequest {
	return harRequest{
		Method: shown(v.Method), URL: legalURL(v.url), HTTPVersion: v.RequestProto,
		Cookies: requestCookies(v.request), Headers: pairs(v.request), QueryString: queryOf(v.target),
		HeadersSize: sizeOf(v.RequestHead), BodySize: v.RequestBody.Size,
	}
}

func responseOf(v view) harResponse {
	return harResponse{
		Status: v.Status, StatusText: shown(reasonOf(v.ResponseHead)), HTTPVersion: v.ResponseProto,
		Cookies: responseCookies(v.response), Headers: pairs(v.response), RedirectURL: shown(v.response.Get("Location")),
		HeadersSize: sizeOf(v.ResponseHead), BodySize: v.ResponseBody.Size,
	}
}

func contentOf(v view, c content) harContent {
	out := harContent{Size: c.size, MimeType: shown(v.ResponseBody.Type)}
	if c.open == nil {
		out.Size = v.ResponseBody.Size
		return out
	}
	out.Encoding = encodingOf(c)
	if c.decoded {
		saved := c.size - v.ResponseBody.Size
		out.Compression = &saved
	}
	return out
}

// harTimingsOf parts the time. What did not happen, or was not seen, is -1, but for send, wait and receive,
// which must not be negative: 0. connect has ssl in it, as the format wants.
func harTimingsOf(r *flow.Record) harTimings {
	t := r.Timing
	span := func(from, to time.Duration) float64 {
		if to == 0 || to < from {
			return -1
		}
		return milliseconds(to - from)
	}
	out := harTimings{
		Blocked: -1, DNS: span(t.DNSStart, t.DNSDone), Connect: span(t.ConnectStart, max(t.ConnectDone, t.TLSDone)), SSL: span(t.TLSStart, t.TLSDone),
		Send: max(0, span(t.SendStart, t.Sent)),
	}
	begin := t.SendStart
	for _, at := range []time.Duration{t.DNSStart, t.ConnectStart, t.TLSStart} {
		if at != 0 && (begin == 0 || at < begin) {
			begin = at
		}
	}
	if begin != 0 {
		out.Blocked = milliseconds(begin)
	}
	switch { // an answer that was made here has no moments but its end
	case t.FirstByte == 0 && t.Done > t.Sent:
		out.Wait = milliseconds(t.Done - t.Sent)
	case t.FirstByte != 0:
		out.Wait, out.Receive = max(0, span(t.Sent, t.FirstByte)), max(0, span(t.FirstByte, t.Done))
	}
	return out
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// total is the sum of what is known; ssl is a part of connect.
func (t harTimings) total() float64 {
	sum := 0.0
	for _, part := range []float64{t.Blocked, t.DNS, t.Connect, t.Send, t.Wait, t.Receive} {
		sum += max(part, 0)
	}
	return float64(int64(sum*1000+0.5)) / 1000 // microseconds, without the dust of the sum
}

func sizeOf(head []byte) int {
	if len(head) == 0 {
		return -1
	}
	return len(head)
}

// addressOf is the IP address of "ip:port", or "".
func addressOf(remote string) string {
	a, err := netip.ParseAddrPort(remote)
	if err != nil {
		return ""
	}
	return a.Addr().Unmap().WithZone("").String()
}

func portOf(local string) string {
	a, err := netip.ParseAddrPort(local)
	if err != nil {
		return ""
	}
	return fmt.Sprint(a.Port())
}

func pairs(h flow.Header) []harPair {
	out := make([]harPair, 0, len(h))
	for _, f := range h {
		out = append(out, harPair{f.Name, shown(f.Value)})
	}
	return out
}

// queryOf are the parameters, decoded where they can be.
func queryOf(target string) []harPair {
	out := []harPair{}
	_, query, ok := strings.Cut(target, "?")
	if !ok || query == "" {
		return out
	}
	for part := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(part, "=")
		out = append(out, harPair{unescaped(name), unescaped(value)})
	}
	return out
}

func unescaped(s string) string {
	if decoded, err := url.QueryUnescape(s); err == nil {
		return shown(decoded)
	}
	return shown(s)
}

func requestCookies(h flow.Header) []harCookie {
	out := []harCookie{}
	for _, line := range h.Values("Cookie") {
		for part := range strings.SplitSeq(line, ";") {
			if name, value, ok := strings.Cut(strings.TrimSpace(part), "="); ok {
				out = append(out, harCookie{Name: shown(name), Value: shown(value)})
			}
		}
	}
	return out
}

// responseCookies reads Set-Cookie as RFC 6265 §5.2 tells.
func responseCookies(h flow.Header) []harCookie {
	out := []harCookie{}
	for _, line := range h.Values("Set-Cookie") {
		parts := strings.Split(line, ";")
		name, value, ok := strings.Cut(parts[0], "=")
		if !ok {
			continue
		}
		c := harCookie{Name: shown(strings.TrimSpace(name)), Value: shown(strings.TrimSpace(value))}
		for _, part := range parts[1:] {
			c.attribute(part)
		}
		out = append(out, c)
	}
	return out
}

func (c *harCookie) attribute(part string) {
	name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
	value = shown(strings.TrimSpace(value))
	switch strings.ToLower(strings.TrimSpace(name)) {
	case "path":
		c.Path = value
	case "domain":
		c.Domain = value
	case "httponly":
		c.HTTPOnly = true
	case "secure":
		c.Secure = true
	case "samesite":
		c.SameSite = value
	case "expires":
		for _, layout := range []string{time.RFC1123, "Mon, 02-Jan-2006 15:04:05 MST", time.RFC850, time.ANSIC} {
			if at, err := time.Parse(layout, value); err == nil {
				c.Expires = at.UTC().Format(time.RFC3339)
				return
			}
		}
	}
}

// legalURL encodes what may not stand in a URL (RFC 3986 §2): the wire carries what it is given, and
// readers of archives refuse it. The exact target is in _proxycache where it differs.
func legalURL(u string) string {
	var b strings.Builder
	brackets := strings.Index(u, "://") // an IPv6 address, before the path
	path := len(u)
	if brackets >= 0 {
		if i := strings.IndexAny(u[brackets+3:], "/?#"); i >= 0 {
			path = brackets + 3 + i
		}
	}
	for i := range len(u) {
		c := u[i]
		switch {
		case c == '%' && i+2 < len(u) && isHex(u[i+1]) && isHex(u[i+2]),
			c != '%' && c > ' ' && c < 0x7f && strings.IndexByte("\"<>\\^`{|}[]#", c) < 0,
			i < path && (c == '[' || c == ']'):
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}
