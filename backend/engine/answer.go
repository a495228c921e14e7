package engine

import (
	"encoding/json"
	"fmt"
	"html"
	"strings"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

// statuses gives each kind of problem in the proxy path its status; the others are ours: 500.
var statuses = map[problem.Kind]int{
	problem.NoRoute:     404,
	problem.ClientLeft:  499, // never reaches anybody; the number nginx logs for it
	problem.Unavailable: 503,
	problem.Forbidden:   403,
	problem.DNS:         502,
	problem.Refused:     502,
	problem.Terminated:  502,
	problem.Unreachable: 502,
	problem.TLSFailed:   502,
	problem.TLSCert:     502,
	problem.BadResponse: 502,
	problem.Timeout:     504,
	problem.ReadTimeout: 504,
	problem.Loop:        508,
}

var titles = map[int]string{
	403: "Forbidden", 404: "No route", 500: "Internal error", 502: "Bad gateway", 503: "Unavailable",
	504: "Gateway timeout", 508: "Loop detected", 499: "Client left",
}

// answer is the proxy's own answer to an exchange that failed: a small page in the form the client
// asked for, with the reason, the id, and Proxy-Status (RFC 9209).
func answer(x *flow.Exchange) *flow.Response {
	p := x.Problem
	status, ok := statuses[p.Kind]
	if !ok {
		status = 500
	}
	contentType, body := page(x, status, p)
	r := flow.NewResponse(status, contentType, body)
	r.Header.Add("Cache-Control", "no-store")
	r.Header.Add("Proxy-Status", proxyStatus(p))
	if x.Request.Method == "HEAD" {
		r.Body = flow.NoBody
	}
	return r
}

func page(x *flow.Exchange, status int, p *problem.Problem) (contentType string, body []byte) {
	accept := strings.ToLower(x.Request.Header.Joined("Accept"))
	switch {
	case strings.Contains(accept, "text/html"):
		return "text/html; charset=utf-8", fmt.Appendf(nil, htmlPage, titles[status], status, titles[status], html.EscapeString(p.Message), x.ID)
	case strings.Contains(accept, "json"):
		return "application/problem+json", jsonPage(x, status, p)
	}
	return "text/plain; charset=utf-8", fmt.Appendf(nil, "%d %s\n\n%s\n\nProxycache exchange %s\n", status, titles[status], p.Message, x.ID)
}

// jsonPage is a problem document of RFC 9457.
func jsonPage(x *flow.Exchange, status int, p *problem.Problem) []byte {
	body, err := json.Marshal(struct {
		Type     string `json:"type"`
		Title    string `json:"title"`
		Status   int    `json:"status"`
		Detail   string `json:"detail"`
		Instance string `json:"instance"`
		Kind     string `json:"kind"`
	}{"about:blank", titles[status], status, p.Message, "urn:uuid:" + x.ID.String(), string(p.Kind)})
	if err != nil { // strings and numbers always marshal
		panic(err)
	}
	return append(body, '\n')
}

// proxyStatus names us and the error (RFC 9209 §2); details is a string of structured fields: ASCII
// without quotes.
func proxyStatus(p *problem.Problem) string {
	details := strings.Map(func(r rune) rune {
		switch {
		case r == '"' || r == '\\':
			return '\''
		case r < ' ' || r > '~':
			return -1
		}
		return r
	}, p.Message)
	kind := string(p.Kind)
	if _, known := statuses[p.Kind]; !known || p.Kind == problem.Unavailable || p.Kind == problem.Forbidden || p.Kind == problem.ClientLeft {
		kind = "proxy_internal_error"
	}
	return fmt.Sprintf("proxycache; error=%s; details=%q", kind, details)
}

const htmlPage = `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>%s · Proxycache</title>
<style>
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif }
body { max-width: 40rem; margin: 15vh auto 0; padding: 0 1.5rem }
h1 { font-size: 1.25rem; margin: 0 0 .5rem } small { opacity: .65 }
</style>
<h1>%d %s</h1>
<p>%s</p>
<p><small>Proxycache exchange %s</small></p>
</html>
`
