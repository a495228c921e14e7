// Package page makes the proxy's own answers: why there is no other one, in the form that the client
// asked for.
package page

import (
	"encoding/json"
	"fmt"
	"html"
	"strings"
)

// Page says why.
type Page struct {
	Status int
	Title  string // a few words for the status
	Detail string // sentences for people
	ID     string // of the exchange; "" where the request did not become one
	Kind   string // of the problem, for programs; "" where there is none
}

// In makes the page in the form that the field Accept asks for: HTML, a problem document (RFC 9457),
// or text.
func (p Page) In(accept string) (contentType string, body []byte) {
	accept = strings.ToLower(accept)
	switch {
	case strings.Contains(accept, "text/html"):
		return "text/html; charset=utf-8", p.html()
	case strings.Contains(accept, "json"):
		return "application/problem+json", p.json()
	}
	return "text/plain; charset=utf-8", p.text()
}

func (p Page) text() []byte {
	text := fmt.Appendf(nil, "%d %s\n\n%s\n", p.Status, p.Title, p.Detail)
	if p.ID != "" {
		text = fmt.Appendf(text, "\nProxycache exchange %s\n", p.ID)
	}
	return text
}

func (p Page) json() []byte {
	document := struct {
		Type     string `json:"type"`
		Title    string `json:"title"`
		Status   int    `json:"status"`
		Detail   string `json:"detail"`
		Instance string `json:"instance,omitempty"`
		Kind     string `json:"kind,omitempty"`
	}{Type: "about:blank", Title: p.Title, Status: p.Status, Detail: p.Detail, Kind: p.Kind}
	if p.ID != "" {
		document.Instance = "urn:uuid:" + p.ID
	}
	body, err := json.Marshal(document)
	if err != nil { // strings and numbers always marshal
		panic(err)
	}
	return append(body, '\n')
}

func (p Page) html() []byte {
	text := fmt.Appendf(nil, htmlPage, html.EscapeString(p.Title), p.Status, html.EscapeString(p.Title), html.EscapeString(p.Detail))
	if p.ID != "" {
		text = fmt.Appendf(text, "<p><small>Proxycache exchange %s</small></p>\n", html.EscapeString(p.ID))
	}
	return append(text, "</html>\n"...)
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
`

// ProxyStatus is the field of that name (RFC 9209 §2): us, the kind of error as §2.3 registers it, and
// the reason.
func ProxyStatus(kind, details string) string {
	plain := strings.Map(func(r rune) rune { // a string of RFC 9651 is ASCII; quotes would need escapes
		switch {
		case r == '"' || r == '\\':
			return '\''
		case r < ' ' || r > '~':
			return -1
		}
		return r
	}, details)
	return "proxycache; error=" + kind + `; details="` + plain + `"`
}
