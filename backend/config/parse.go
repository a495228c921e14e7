package config

import (
	"bytes"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"proxycache/backend/problem"
	"proxycache/backend/schema"
)

// Version is the one that is written and read.
const Version = 1

// maxText bounds a configuration file.
const maxText = 8 << 20

// Parse reads and checks the TOML of a configuration; name is the file's, for messages. It returns
// every problem with line, column and path, and a document as far as it could be read.
func Parse(name string, text []byte, c Catalogue) (*Document, problem.List) {
	if len(text) > maxText {
		return &Document{}, problem.List{problem.New(problem.Invalid, "Reading %s: it has %d bytes; at most %d are read. Is it the right file?", name, len(text), maxText)}
	}
	if isUTF16(text) {
		return &Document{}, problem.List{problem.New(problem.Invalid, "Reading %s: its text is UTF-16. Save it as UTF-8.", name)}
	}
	text = bytes.TrimPrefix(text, mark)
	var raw map[string]any
	if err := toml.Unmarshal(text, &raw); err != nil {
		return &Document{}, problem.List{syntax(err)}
	}
	l, err := locate(text)
	if err != nil {
		return &Document{}, problem.List{syntax(err)}
	}
	r := reader{located: l, catalogue: c}
	doc := r.document(raw)
	list := r.problems
	if len(list) == 0 {
		list = Check(doc, c)
	}
	l.placeAll(doc, list)
	return doc, list
}

// Place gives problems that were found in doc after it was read from text their lines and columns, and sorts them.
func Place(text []byte, doc *Document, list problem.List) {
	l, err := locate(bytes.TrimPrefix(text, mark))
	if err != nil { // Parse has told
		return
	}
	l.placeAll(doc, list)
}

func (l *located) placeAll(doc *Document, list problem.List) {
	for _, p := range list {
		l.place(doc, p)
	}
	slices.SortStableFunc(list, func(a, b *problem.Problem) int { return a.Line - b.Line })
}

// mark is how some editors begin a file in UTF-8; TOML has no such thing.
var mark = []byte("\uFEFF")

// isUTF16 tells it by its mark, or where that is missing by the zero byte of the first character.
func isUTF16(text []byte) bool {
	return bytes.HasPrefix(text, []byte{0xFF, 0xFE}) || bytes.HasPrefix(text, []byte{0xFE, 0xFF}) ||
		len(text) > 1 && (text[0] == 0) != (text[1] == 0)
}

func syntax(err error) *problem.Problem {
	p := problem.Wrap(problem.Invalid, err, "%s", strings.TrimPrefix(err.Error(), "toml: "))
	if d, ok := errors.AsType[*toml.DecodeError](err); ok {
		p.Line, p.Column = d.Position()
	}
	return p
}

// reader turns the generic tree into a Document and gathers what has the wrong form.
type reader struct {
	located   *located
	catalogue Catalogue
	problems  problem.List
}

func (r *reader) fail(where, format string, args ...any) {
	r.problems = append(r.problems, problem.New(problem.Invalid, format, args...).At(where))
}

func (r *reader) document(raw map[string]any) *Document {
	doc := &Document{Version: Version, Sections: map[string]Settings{}}
	known := []string{"version", "trusted", "pass_through", "listen", "upstreams", "cells", "routes"}
	for name := range r.catalogue.Sections {
		known = append(known, name)
	}
	r.known("", raw, known)
	if v, ok := raw["version"]; ok {
		n, isInt := v.(int64)
		if !isInt {
			r.fail("version", "version is a number: write version = %d", Version)
		}
		doc.Version = int(n)
	}
	doc.Trusted = r.texts("trusted", raw["trusted"])
	doc.PassThrough = r.texts("pass_through", raw["pass_through"])
	for i, t := range r.tables("listen", raw["listen"]) {
		where := "listen." + strconv.Itoa(i+1)
		r.known(where, t, []string{"address", "accept", "proxy_protocol", "username", "password"})
		doc.Listen = append(doc.Listen, Listen{
			Address: r.text(where, t, "address"), Accept: r.texts(where+".accept", t["accept"]), ProxyProtocol: r.flag(where, t, "proxy_protocol"),
			Username: r.text(where, t, "username"), Password: r.text(where, t, "password"),
		})
	}
	for name := range r.catalogue.Sections {
		if v, ok := raw[name]; ok {
			doc.Sections[name] = r.table(name, v)
		}
	}
	doc.Upstreams = r.upstreams(raw["upstreams"])
	doc.Cells = r.cells("", raw["cells"])
	doc.Routes = r.routes(raw["routes"])
	return doc
}

// upstreams come in the order of the file, which the map has lost.
func (r *reader) upstreams(raw any) []Upstream {
	if raw == nil {
		return nil
	}
	var out []Upstream
	for name, v := range r.table("upstreams", raw) {
		out = append(out, Upstream{Name: name, Settings: r.table("upstreams."+name, v)})
	}
	first := func(name string) int {
		at := len(r.located.text)
		for path, s := range r.located.places {
			if path == "upstreams."+name || strings.HasPrefix(path, "upstreams."+name+".") {
				at = min(at, s.from)
			}
		}
		return at
	}
	slices.SortFunc(out, func(a, b Upstream) int { return first(a.Name) - first(b.Name) })
	return out
}

func (r *reader) routes(raw any) []Route {
	var out []Route
	for i, t := range r.tables("routes", raw) {
		where := "routes." + strconv.Itoa(i+1)
		if name, ok := t["name"].(string); ok && name != "" {
			where = "routes." + name
		}
		r.known(where, t, []string{"name", "when", "to", "off", "lenient", "cells"})
		route := Route{Name: r.text(where, t, "name"), When: r.text(where, t, "when"), To: r.text(where, t, "to"), Off: r.flag(where, t, "off")}
		if route.Name == "" && t["name"] == nil {
			r.fail(where, "a route has no name: add name = \"…\"")
		}
		route.Lenient = r.texts(where+".lenient", t["lenient"])
		route.Cells = r.cells(route.Name, t["cells"])
		out = append(out, route)
	}
	return out
}

func (r *reader) cells(route string, raw any) []Cell {
	where := "cells"
	if route != "" {
		where = "routes." + route + ".cells"
	}
	var out []Cell
	for i, t := range r.tables(where, raw) {
		at := CellPath(route, i)
		c := Cell{ID: r.text(at, t, "id"), Use: r.text(at, t, "use"), When: r.text(at, t, "when"), Off: r.flag(at, t, "off"), Settings: Settings{}}
		if c.Use == "" && t["use"] == nil {
			r.fail(at, "a cell does not say which module it uses: add use = \"…\"")
		}
		for key, v := range t {
			if !slices.Contains(cellKeys, key) {
				c.Settings[key] = v
			}
		}
		out = append(out, c)
	}
	implyIDs(out)
	return out
}

// cellKeys are the keys of a cell that are not settings of its module.
var cellKeys = []string{"use", "when", "off", "id"}

// implyIDs gives cells without an id one: the module's name, and "headers-2" for the second.
func implyIDs(cells []Cell) {
	taken := map[string]bool{}
	for _, c := range cells {
		taken[c.ID] = true
	}
	for i := range cells {
		if cells[i].ID == "" {
			cells[i].ID = freeID(cells[i].Use, taken)
			taken[cells[i].ID] = true
		}
	}
}

func freeID(base string, taken map[string]bool) string {
	id := base
	for n := 2; taken[id]; n++ {
		id = base + "-" + strconv.Itoa(n)
	}
	return id
}

func (r *reader) known(where string, t map[string]any, keys []string) {
	for key := range t {
		if !slices.Contains(keys, key) {
			r.problems = append(r.problems, schema.Unknown("key", key, keys).At(joinPath(where, key)))
		}
	}
}

func (r *reader) table(where string, raw any) map[string]any {
	t, ok := raw.(map[string]any)
	if !ok {
		r.fail(where, "this is a table: write [%s] on a line of its own, and its keys below", where)
	}
	return t
}

func (r *reader) tables(where string, raw any) []map[string]any {
	if raw == nil {
		return nil
	}
	list, ok := raw.([]any)
	if !ok {
		r.fail(where, "this is a list of tables: write [[%s]] with two brackets", where)
		return nil
	}
	var out []map[string]any
	for _, item := range list {
		t, ok := item.(map[string]any)
		if !ok {
			r.fail(where, "each entry is a table: write [[%s]] and its keys below", where)
			continue
		}
		out = append(out, t)
	}
	return out
}

func (r *reader) text(where string, t map[string]any, key string) string {
	s, ok := t[key].(string)
	if !ok && t[key] != nil {
		r.fail(joinPath(where, key), "%s is a text: write it in quotes", key)
	}
	return s
}

func (r *reader) flag(where string, t map[string]any, key string) bool {
	b, ok := t[key].(bool)
	if !ok && t[key] != nil {
		r.fail(joinPath(where, key), "%s is true or false", key)
	}
	return b
}

func (r *reader) texts(where string, raw any) []string {
	if raw == nil {
		return nil
	}
	list, ok := raw.([]any)
	var out []string
	for _, item := range list {
		s, isText := item.(string)
		ok = ok && isText
		out = append(out, s)
	}
	if !ok {
		r.fail(where, `this is a list of texts: write ["one", "two"]`)
		return nil
	}
	return out
}

// place gives a problem its line and column, from the nearest part of its path that is in the text.
func (l *located) place(doc *Document, p *problem.Problem) {
	if p.Line > 0 && p.Where == "" {
		return
	}
	inner := p.Column // of a filter, within its own text
	for path := indexed(doc, p.Where); path != ""; {
		if s, ok := l.places[path]; ok {
			p.Line, p.Column = position(l.text, s.from)
			return
		}
		cut := strings.LastIndexByte(path, '.')
		if cut < 0 {
			break
		}
		path = path[:cut]
	}
	p.Line, p.Column = 1, max(1, min(inner, 1))
}

// indexed is a path of people ("routes.shop.cells.2.status") as the text has it ("routes.0.cells.1.status").
func indexed(doc *Document, where string) string {
	parts := strings.Split(where, ".")
	for i := range parts {
		if n, err := strconv.Atoi(parts[i]); err == nil && i > 0 {
			parts[i] = strconv.Itoa(n - 1)
		}
	}
	if len(parts) > 1 && parts[0] == "routes" {
		for i, r := range doc.Routes {
			if r.Name == parts[1] {
				parts[1] = strconv.Itoa(i)
			}
		}
	}
	return strings.Join(parts, ".")
}

// CellPath is how problems name a cell: "routes.shop-api.cells.2", "cells.1"; counted from 1, as people
// count. i counts from 0.
func CellPath(route string, i int) string {
	n := strconv.Itoa(i + 1)
	if route == "" {
		return "cells." + n
	}
	return "routes." + route + ".cells." + n
}
