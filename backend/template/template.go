// Package template fills the ${…} places of a text with values of an exchange.
//
//	${method} ${url} ${client.ip} ${request.header.accept} ${query.page}
//
// A value that the exchange does not have is empty. ${$} is a dollar sign, so that "${$}{x}" reads
// "${x}" in the end. Upper-case names are variables of the environment, which the configuration has
// replaced before a template sees its text; one that is still there stays as it is.
package template

import (
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
	"proxycache/backend/schema"
)

// Side is the way on which a text is filled: it decides what is known by then.
type Side string

const (
	Request  Side = "request"  // there is no response yet
	Response Side = "response" // the response has come back
)

// Template is a text made ready. The zero value is the empty text.
type Template struct {
	parts []part
}

// part is a piece of text, or a place when value is set.
type part struct {
	text  string
	value func(x *flow.Exchange, r *flow.Response) string
}

// Parse reads text. A place that names no value, or one that is not known on side, is Invalid.
func Parse(text string, side Side) (Template, error) {
	var t Template
	for rest := text; rest != ""; {
		before, inside, found := strings.Cut(rest, "${")
		t.literal(before)
		if !found {
			break
		}
		name, after, closed := strings.Cut(inside, "}")
		if !closed {
			return Template{}, problem.New(problem.Invalid, "%q opens a place that is not closed: write ${name}, or ${$}{ for the two characters themselves", "${"+shortened(inside))
		}
		if variable.MatchString(name) {
			t.literal("${" + name + "}")
		} else if err := t.place(name, side); err != nil {
			return Template{}, err
		}
		rest = after
	}
	return t, nil
}

// variable is what config.Document.Expanded replaces.
var variable = regexp.MustCompile(`^[A-Z_][A-Z0-9_]*(:-.*)?$`)

func (t *Template) literal(text string) {
	if text != "" {
		t.parts = append(t.parts, part{text: text})
	}
}

func (t *Template) place(name string, side Side) error {
	if name == "$" {
		t.literal("$")
		return nil
	}
	if side == Request && (name == "status" || strings.HasPrefix(name, "response.header.")) {
		return problem.New(problem.Invalid, "${%s} is known only when the response has come back: use values of the request here", name)
	}
	value := valueOf(name)
	if value == nil {
		return unknown(name, side)
	}
	t.parts = append(t.parts, part{value: value})
	return nil
}

func valueOf(name string) func(*flow.Exchange, *flow.Response) string {
	if of, ok := values[name]; ok {
		return func(x *flow.Exchange, _ *flow.Response) string { return of(x) }
	}
	if name == "status" {
		return func(_ *flow.Exchange, r *flow.Response) string { return strconv.Itoa(r.Status) }
	}
	if field, ok := strings.CutPrefix(name, "request.header."); ok && isToken(field) {
		return func(x *flow.Exchange, _ *flow.Response) string { return x.Request.Header.Joined(field) }
	}
	if field, ok := strings.CutPrefix(name, "response.header."); ok && isToken(field) {
		return func(_ *flow.Exchange, r *flow.Response) string { return r.Header.Joined(field) }
	}
	if key, ok := strings.CutPrefix(name, "query."); ok && key != "" {
		return func(x *flow.Exchange, _ *flow.Response) string { return parameter(x.Request.Query(), key) }
	}
	return nil
}

var values = map[string]func(*flow.Exchange) string{
	"method":      func(x *flow.Exchange) string { return x.Request.Method },
	"scheme":      func(x *flow.Exchange) string { return x.Request.Scheme },
	"authority":   func(x *flow.Exchange) string { return x.Request.Authority },
	"host":        func(x *flow.Exchange) string { return x.Request.Host() },
	"port":        func(x *flow.Exchange) string { return x.Request.Port() },
	"path":        func(x *flow.Exchange) string { return x.Request.Path() },
	"query":       func(x *flow.Exchange) string { return x.Request.Query() },
	"url":         func(x *flow.Exchange) string { return x.Request.URL() },
	"proto":       func(x *flow.Exchange) string { return x.Request.Proto },
	"client.ip":   func(x *flow.Exchange) string { return x.Client.Addr().Unmap().String() },
	"client.port": func(x *flow.Exchange) string { return strconv.Itoa(int(x.Client.Port())) },
	"id":          func(x *flow.Exchange) string { return x.ID.String() },
	"door":        func(x *flow.Exchange) string { return string(x.Door) },
	"route":       func(x *flow.Exchange) string { return x.Route },
	"time":        func(x *flow.Exchange) string { return x.Started.UTC().Format(time.RFC3339) },
}

// parameter is the first value of key in a query, decoded; "" when it has none.
func parameter(query, key string) string {
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if name, err := url.QueryUnescape(name); err != nil || name != key {
			continue
		}
		if value, err := url.QueryUnescape(value); err == nil {
			return value
		}
	}
	return ""
}

func unknown(name string, side Side) error {
	known := []string{"request.header.NAME", "query.NAME"}
	if side == Response {
		known = append(known, "response.header.NAME", "status")
	}
	for v := range values {
		known = append(known, v)
	}
	slices.Sort(known)
	hint := "known here are " + strings.Join(known, ", ")
	if near := schema.Suggest(name, known); near != "" {
		hint = "did you mean ${" + near + "}?"
	}
	return problem.New(problem.Invalid, "there is no value ${%s}: %s", shortened(name), hint)
}

func shortened(s string) string {
	const most = 40
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

// Fill is the text with the values of x, and of r on the response's side; r is nil on the request's.
func (t Template) Fill(x *flow.Exchange, r *flow.Response) string {
	if text, ok := t.Constant(); ok {
		return text
	}
	var b strings.Builder
	for _, p := range t.parts {
		if p.value != nil {
			b.WriteString(p.value(x, r))
		} else {
			b.WriteString(p.text)
		}
	}
	return b.String()
}

// Constant is the text when no exchange changes it.
func (t Template) Constant() (text string, ok bool) {
	if len(t.parts) == 1 && t.parts[0].value == nil {
		return t.parts[0].text, true
	}
	var b strings.Builder
	for _, p := range t.parts {
		if p.value != nil {
			return "", false
		}
		b.WriteString(p.text)
	}
	return b.String(), true
}
