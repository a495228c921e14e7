package export

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"proxycache/backend/flow"
)

// postmanSchema names the format; newer Postman reads it, Newman runs nothing newer.
const postmanSchema = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"

// Postman writes the exchanges as a Postman collection 2.1: a folder for each host with folders for
// its paths, the same request once, its recorded answers as examples. The heads are in memory until
// the tree is complete, the bodies only one at a time.
//
// A run of it sends what was recorded: the same method, target, fields and body. Tunnels, WebSockets and
// requests that were turned away are left out: the format has nothing for them, or too little is known.
func Postman(w io.Writer, name string, source Source, o Options) error {
	p := &postman{exporter: exporter{source, o}, j: newJSONWriter(w), literals: map[string]bool{}}
	tree, err := p.plant()
	if err != nil {
		return err
	}
	p.j.raw(`{"info":`)
	p.j.value(pmInfo{Name: name, Description: p.about(tree), Schema: postmanSchema})
	p.j.member("item")
	p.list(len(tree.hosts), func(i int) { p.host(tree.hosts[i]) })
	p.j.member("variable")
	p.j.value(p.variables(tree))
	p.j.raw("}\n")
	return p.j.flush()
}

type postman struct {
	exporter
	j        *jsonWriter
	literals map[string]bool // names in double braces that were captured and mean nothing
}

func (p *postman) about(t *tree) string {
	text := "Captured by Proxycache"
	if p.options.Version != "" {
		text += " " + p.options.Version
	}
	text += "."
	if t.left > 0 {
		text += fmt.Sprintf(" %d tunnels, WebSockets and requests that were turned away are left out: a collection has none of that kind.", t.left)
	}
	return text
}

func (p *postman) list(n int, write func(i int)) {
	p.j.raw("[")
	for i := range n {
		if i > 0 {
			p.j.raw(",")
		}
		p.j.raw("\n")
		write(i)
	}
	p.j.raw("]")
}

func (p *postman) host(h *host) {
	p.j.object(pmFolder{Name: h.name})
	p.j.member("item")
	p.folder(h, h.root)
	p.j.end()
}

// folder writes what is in it: requests first, then folders. One whose only content is another folder
// is one with that.
func (p *postman) folder(h *host, f *folder) {
	p.list(len(f.items)+len(f.folders), func(i int) {
		if i < len(f.items) {
			p.item(h, f.items[i])
			return
		}
		inner := f.folders[i-len(f.items)]
		name := inner.name
		for len(inner.items) == 0 && len(inner.folders) == 1 {
			inner = inner.folders[0]
			name += "/" + inner.name
		}
		p.j.object(pmFolder{Name: name})
		p.j.member("item")
		p.folder(h, inner)
		p.j.end()
	})
}

func (p *postman) item(h *host, it *item) {
	v := p.view(it.first)
	body, err := p.body(v)
	if err != nil {
		p.fail(err)
		return
	}
	p.j.object(pmItem{Name: itemName(v), Behaviour: behaviour(v, body)})
	p.j.member("request")
	p.request(h, v, body, it.more)
	p.j.member("response")
	p.list(len(it.answers), func(i int) { p.answer(h, p.view(it.answers[i])) })
	p.j.end()
}

func (p *postman) fail(err error) {
	if p.j.err == nil {
		p.j.err = err
	}
}

func itemName(v view) string {
	path, query, ok := strings.Cut(v.target, "?")
	if ok && len(query) <= 60 {
		path = v.target
	}
	return shown(v.Method + " " + path)
}

// pmBody is a request's body: text, or the bytes of a file, which Postman reads as base64.
type pmBody struct {
	content
	text string
}

func (p *postman) body(v view) (pmBody, error) {
	b := pmBody{}
	var err error
	switch secret := p.options.Redact && blankable(v.RequestBody.Type); {
	case secret && v.RequestBody.Encoding != "":
		b.note = "Its body is compressed, with whatever secrets are in it, and is left out."
		return b, nil
	case secret:
		b.content, err = p.readable(v.RequestBody)
	default:
		b.content, err = p.asSent(v.RequestBody)
	}
	switch {
	case err != nil, b.open == nil:
		return b, err
	case v.RequestBody.Kept < v.RequestBody.Size:
		return pmBody{content: content{note: fmt.Sprintf("Only %d of the %d bytes of its body were kept, so it is left out.", v.RequestBody.Kept, v.RequestBody.Size)}}, nil
	case !b.utf8:
		return b, nil
	}
	r, err := b.open()
	if err != nil {
		return b, err
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	b.text = string(text)
	return b, err
}

// request writes the request of v; more is how many answers are not among the examples.
func (p *postman) request(h *host, v view, b pmBody, more int) {
	note := b.note
	if more > 0 {
		note = strings.TrimSpace(fmt.Sprintf("%s %d more answers were recorded.", note, more))
	}
	p.j.object(pmRequest{Method: shown(v.Method), Header: p.headers(endToEnd(v.Record, v.request), b), URL: p.url(h, v), Description: note})
	if b.open != nil {
		p.j.member("body")
		if b.utf8 {
			p.literally(b.text)
			p.j.value(pmRaw{Mode: "raw", Raw: b.text, Options: pmOptions{pmLanguage{languageOf(b.text)}}})
		} else {
			p.j.raw(`{"mode":"file","file":{"content":`)
			p.j.content(b.content)
			p.j.raw("}}")
		}
	}
	p.j.end()
}

// languageOf is "json" only for what is JSON: of a body that is called so, Postman would strip comments.
func languageOf(text string) string {
	if json.Valid([]byte(text)) {
		return "json"
	}
	return "text"
}

// headers are h for the client of Postman. A field that was blanked is switched off: it would be
// refused.
func (p *postman) headers(h flow.Header, b pmBody) []pmHeader {
	out := []pmHeader{}
	for _, f := range h {
		p.literally(f.Value)
		out = append(out, pmHeader{Key: f.Name, Value: b.field(f.Value), Disabled: p.options.Redact && f.Value == Blank})
	}
	return out
}

// field spells a value so that its bytes are sent: Node writes a head as ISO 8859-1, but as UTF-8 when
// a text follows it. It throws at a character beyond 255.
func (b pmBody) field(value string) string {
	beyond := func(r rune) bool { return r > 0xff }
	if b.open != nil && b.utf8 && utf8.ValidString(value) && !strings.ContainsFunc(value, beyond) {
		return value
	}
	return latin1(value)
}

// url has the host's variable for scheme and authority, and the parts beside the whole.
func (p *postman) url(h *host, v view) pmURL {
	target := latin1(v.target)
	p.literally(target)
	base := "{{" + h.variable + "}}"
	path, query, hasQuery := strings.Cut(target, "?")
	out := pmURL{Raw: base + target, Host: []string{base}, Path: strings.Split(strings.TrimPrefix(path, "/"), "/")}
	if !hasQuery {
		return out
	}
	for part := range strings.SplitSeq(query, "&") {
		name, value, ok := strings.Cut(part, "=")
		q := pmQuery{Key: name}
		if ok {
			q.Value = &value
		}
		out.Query = append(out.Query, q)
	}
	return out
}

// behaviour keeps Postman from changing what was recorded.
func behaviour(v view, b pmBody) *pmBehaviour {
	out := pmBehaviour{
		KeepBody:    b.open != nil && slices.Contains([]string{"GET", "HEAD", "COPY", "PURGE", "UNLOCK"}, v.Method),
		RawURL:      strings.ContainsFunc(v.target, func(r rune) bool { return !plainInURL(r) }),
		OwnCookies:  v.request.Has("Cookie") && v.request.Get("Cookie") != Blank,
		WithoutAuto: map[string]bool{},
	}
	if v.Status >= 300 && v.Status < 400 {
		out.FollowRedirects = new(bool)
	}
	for _, name := range []string{"user-agent", "accept", "accept-encoding", "content-type"} {
		if !v.request.Has(name) && (name != "content-type" || b.open != nil) {
			out.WithoutAuto[name] = true
		}
	}
	if !out.KeepBody && !out.RawURL && !out.OwnCookies && out.FollowRedirects == nil && len(out.WithoutAuto) == 0 {
		return nil
	}
	return &out
}

// plainInURL are the characters of a target that Postman does not encode by itself.
func plainInURL(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r < 0x80 && strings.ContainsRune("-._~:/?@!$&()*+,;=%", r)
}

// answer writes a recorded answer as an example.
func (p *postman) answer(h *host, v view) {
	c, err := p.readable(v.ResponseBody)
	if err != nil {
		p.fail(err)
		return
	}
	name := strings.TrimSpace(fmt.Sprintf("%d %s", v.Status, shown(reasonOf(v.ResponseHead))))
	if c.open != nil && !c.utf8 {
		name += fmt.Sprintf(" (%d bytes that are no text)", c.size)
	}
	p.j.object(pmResponse{
		Name: name, Status: shown(reasonOf(v.ResponseHead)), Code: v.Status, ResponseTime: milliseconds(v.Timing.Done),
		Header: answerHeaders(v, c), Cookie: []pmCookie{},
	})
	if c.open != nil && c.utf8 {
		p.j.member("body")
		p.j.content(c)
	}
	p.j.member("originalRequest")
	p.originalRequest(h, v)
	p.j.end()
}

func (p *postman) originalRequest(h *host, v view) {
	body, err := p.body(v)
	if err != nil {
		p.fail(err)
		return
	}
	p.request(h, v, body, 0)
}

// answerHeaders leaves out what is not true of the body as it stands in the example.
func answerHeaders(v view, c content) []pmHeader {
	out := []pmHeader{}
	for _, f := range endToEnd(v.Record, v.response) {
		if c.decoded && flow.EqualFold(f.Name, "Content-Encoding") {
			continue
		}
		out = append(out, pmHeader{Key: f.Name, Value: shown(f.Value)})
	}
	return out
}

// braces are what Postman replaces with a variable's value.
var braces = regexp.MustCompile(`\{\{([^{}]*?)}}`)

// literally notes the names in double braces of a text that was captured: it is to be sent as it is.
func (p *postman) literally(text string) {
	for _, m := range braces.FindAllStringSubmatch(text, -1) {
		p.literals[m[1]] = true
	}
}

// variables are the hosts, and for each literal {{name}} a variable whose value is the same text:
// Postman replaces it with itself until it gives up, and then it is what was captured. Without one, a
// global's value or a dynamic one ({{$guid}}) would take its place.
func (p *postman) variables(t *tree) []pmVariable {
	out := []pmVariable{}
	for _, h := range t.hosts {
		out = append(out, pmVariable{Key: h.variable, Value: h.base, Type: "string"})
	}
	var names []string
	for name := range p.literals {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		out = append(out, pmVariable{Key: name, Value: "{{" + name + "}}", Type: "string"})
	}
	return out
}
