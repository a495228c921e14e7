package config

import (
	"bytes"
	"reflect"
	"slices"

	"proxycache/backend/problem"
)

// Edit changes text, whose document is was, so that it says now. It touches only the keys and tables
// that differ: comments, order and spacing of everything else stay byte for byte. A file that writes
// its tables in another way than [[routes]] on a line of their own is not edited: that is a problem,
// and nothing is lost.
func Edit(text []byte, was, now *Document) ([]byte, error) {
	was, now = was.Clone(), now.Clone()
	implyIDs(now.Cells)
	for i := range now.Routes {
		implyIDs(now.Routes[i].Cells)
	}
	text, marked := bytes.CutPrefix(text, mark)
	l, err := locate(text)
	if err != nil {
		return nil, problem.Wrap(problem.Internal, err, "Editing the configuration: %v.", err)
	}
	f, err := split(l, was)
	if err != nil {
		return nil, err
	}
	f.head.set(headKeys(was), headKeys(now))
	f.class("listen", len(was.Listen), pairListen(was, now), func(i int) *item { return newItem("", "[[listen]]", listenKeys(now.Listen[i])) })
	f.sections(was, now)
	f.class("upstreams", len(was.Upstreams), pairUpstreams(was, now), func(i int) *item {
		u := now.Upstreams[i]
		return newItem("", "[upstreams."+printKey(u.Name)+"]", settingKeys(u.Settings))
	})
	f.class("cells", len(was.Cells), pairCells(was.Cells, now.Cells, now.Cells), cellMaker("", "[[cells]]", now.Cells))
	f.class("routes", len(was.Routes), pairRoutes(was, now), func(i int) *item { return newRoute(now.Routes[i]) })
	if marked {
		return slices.Concat(mark, f.text()), nil
	}
	return f.text(), nil
}

// keyValue is a key with its value; a table's keys come in the order in which they are written.
type keyValue struct {
	key   string
	value any
}

func headKeys(d *Document) []keyValue {
	out := []keyValue{{"version", int64(d.Version)}}
	if len(d.Trusted) > 0 {
		out = append(out, keyValue{"trusted", d.Trusted})
	}
	if len(d.PassThrough) > 0 {
		out = append(out, keyValue{"pass_through", d.PassThrough})
	}
	return out
}

func listenKeys(l Listen) []keyValue {
	out := []keyValue{{"address", l.Address}, {"accept", l.Accept}}
	if l.ProxyProtocol {
		out = append(out, keyValue{"proxy_protocol", true})
	}
	if l.Username != "" {
		out = append(out, keyValue{"username", l.Username})
	}
	if l.Password != "" {
		out = append(out, keyValue{"password", l.Password})
	}
	return out
}

func settingKeys(s Settings) []keyValue {
	var out []keyValue
	for _, k := range keys(s) {
		out = append(out, keyValue{k, s[k]})
	}
	return out
}

func routeKeys(r Route) []keyValue {
	out := []keyValue{{"name", r.Name}}
	if r.When != "" {
		out = append(out, keyValue{"when", r.When})
	}
	if r.To != "" {
		out = append(out, keyValue{"to", r.To})
	}
	if r.Off {
		out = append(out, keyValue{"off", true})
	}
	if len(r.Lenient) > 0 {
		out = append(out, keyValue{"lenient", r.Lenient})
	}
	return out
}

// cellKeyValues are the keys of a cell; its id only where it would not be implied.
func cellKeyValues(c Cell, explicit bool) []keyValue {
	out := []keyValue{{"use", c.Use}}
	if explicit {
		out = append(out, keyValue{"id", c.ID})
	}
	if c.When != "" {
		out = append(out, keyValue{"when", c.When})
	}
	if c.Off {
		out = append(out, keyValue{"off", true})
	}
	return append(out, settingKeys(c.Settings)...)
}

// explicitIDs tells for each cell whether its id must be written so that it is read back.
func explicitIDs(cells []Cell) []bool {
	explicit := make([]bool, len(cells))
	for range cells {
		implied := slices.Clone(cells)
		for i := range implied {
			if !explicit[i] {
				implied[i].ID = ""
			}
		}
		implyIDs(implied)
		same := true
		for i := range cells {
			if implied[i].ID != cells[i].ID {
				explicit[i], same = true, false
			}
		}
		if same {
			break
		}
	}
	return explicit
}

// match is a thing of the new document: where it stood in the old one (-1: nowhere), and how to bring
// its text up to date.
type match struct {
	old    int
	update func(*item)
}

func pairListen(was, now *Document) []match {
	var out []match
	for i, l := range now.Listen {
		m := match{old: -1}
		if i < len(was.Listen) {
			old := was.Listen[i]
			m = match{i, func(t *item) { t.set(listenKeys(old), listenKeys(l)) }}
		}
		out = append(out, m)
	}
	return out
}

func pairUpstreams(was, now *Document) []match {
	var out []match
	for _, u := range now.Upstreams {
		i := slices.IndexFunc(was.Upstreams, func(o Upstream) bool { return o.Name == u.Name })
		m := match{old: i}
		if i >= 0 {
			old := was.Upstreams[i]
			m.update = func(t *item) { t.set(settingKeys(old.Settings), settingKeys(u.Settings)) }
		}
		out = append(out, m)
	}
	return out
}

func pairCells(was, now, all []Cell) []match {
	before, after := explicitIDs(was), explicitIDs(all)
	var out []match
	for n, c := range now {
		i := slices.IndexFunc(was, func(o Cell) bool { return o.ID == c.ID && o.Use == c.Use })
		m := match{old: i}
		if i >= 0 {
			old := was[i]
			m.update = func(t *item) {
				written := t.has("id") || before[i]
				t.set(cellKeyValues(old, written), cellKeyValues(c, written || after[n]))
			}
		}
		out = append(out, m)
	}
	return out
}

// pairRoutes finds a renamed route at its place: one that is in neither document under its name.
func pairRoutes(was, now *Document) []match {
	index := func(list []Route, name string) int {
		return slices.IndexFunc(list, func(r Route) bool { return r.Name == name })
	}
	var out []match
	for n, r := range now.Routes {
		i := index(was.Routes, r.Name)
		if i < 0 && len(was.Routes) == len(now.Routes) && index(now.Routes, was.Routes[n].Name) < 0 {
			i = n
		}
		m := match{old: i}
		if i >= 0 {
			old := was.Routes[i]
			m.update = func(t *item) {
				t.set(routeKeys(old), routeKeys(r))
				t.cells.class("", len(old.Cells), pairCells(old.Cells, r.Cells, r.Cells), cellMaker("  ", "[[routes.cells]]", r.Cells))
			}
		}
		out = append(out, m)
	}
	return out
}

func cellMaker(indent, header string, cells []Cell) func(i int) *item {
	explicit := explicitIDs(cells)
	return func(i int) *item { return newItem(indent, header, cellKeyValues(cells[i], explicit[i])) }
}

func newRoute(r Route) *item {
	t := newItem("", "[[routes]]", routeKeys(r))
	make := cellMaker("  ", "[[routes.cells]]", r.Cells)
	for i := range r.Cells {
		t.cells.items = append(t.cells.items, make(i))
	}
	return t
}

func newItem(indent, header string, kvs []keyValue) *item {
	t := &item{lines: indent + header + "\n", cells: &file{}, fresh: true}
	for _, kv := range kvs {
		t.lines += indent + printKey(kv.key) + " = " + printValue(kv.value) + "\n"
	}
	return t
}

func equal(a, b any) bool { return reflect.DeepEqual(a, b) }
