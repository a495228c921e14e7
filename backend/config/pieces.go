package config

import (
	"slices"
	"strings"

	"proxycache/backend/problem"
)

// file is a text in pieces: what stands before the first table, and the tables, each with the comment
// above it. Together they are the text, byte for byte.
type file struct {
	head  item
	items []*item
	end   *item // what the text ended with
}

// item is one table with its keys; deeper tables that are no cells belong to it.
type item struct {
	kind  string // "listen", "upstreams", "cells", "routes", or the name of a section
	index int    // among its kind
	lines string
	pairs []keyPlace // of its own keys, by place in lines
	cells *file      // of a route
	fresh bool       // it was in no text yet
}

// keyPlace is where `key = value` stands in an item's lines.
type keyPlace struct {
	key string
	span
}

// split cuts a text at its table headers and sorts the pieces by what they are.
func split(l *located, was *Document) (*file, error) {
	f := &file{}
	starts := make([]int, len(l.headers)+1)
	starts[len(l.headers)] = len(l.text)
	for i, h := range l.headers {
		starts[i] = aboveComment(l.text, h.at)
		if i > 0 {
			starts[i] = max(starts[i], starts[i-1])
		}
	}
	f.head = l.piece(-1, 0, starts[0])
	counts := map[string]int{}
	for i, h := range l.headers {
		t := l.piece(i, starts[i], starts[i+1])
		if err := f.put(h, &t, counts); err != nil {
			return nil, err
		}
	}
	if err := f.complete(counts, was); err != nil {
		return nil, err
	}
	pieces := f.pieces()
	f.end = pieces[len(pieces)-1]
	return f, nil
}

func (l *located) piece(header, from, to int) item {
	t := item{lines: string(l.text[from:to]), cells: &file{}}
	for _, p := range l.pairs {
		if p.header == header {
			t.pairs = append(t.pairs, keyPlace{p.key, span{p.from - from, p.to - from}})
		}
	}
	return t
}

// put adds a piece where it belongs: as a table of its own, a cell of the last route, or a part of
// the table before it.
func (f *file) put(h header, t *item, counts map[string]int) error {
	top := h.path[0]
	switch {
	case h.array && len(h.path) == 1 && (top == "listen" || top == "cells" || top == "routes"),
		!h.array && len(h.path) == 2 && top == "upstreams",
		!h.array && len(h.path) == 1 && top != "upstreams":
		t.kind, t.index = top, counts[top]
		counts[top]++
		f.items = append(f.items, t)
		return nil
	case h.array && len(h.path) == 2 && top == "routes" && h.path[1] == "cells":
		if last := f.last("routes"); last != nil {
			t.index = len(last.cells.items)
			last.cells.items = append(last.cells.items, t)
			return nil
		}
	case len(f.items) > 0 && f.items[len(f.items)-1].kind == top:
		owner := f.items[len(f.items)-1]
		if n := len(owner.cells.items); n > 0 {
			owner = owner.cells.items[n-1]
		}
		owner.lines += t.lines // its keys cannot be set one by one, only with the whole table
		return nil
	}
	return cannot("the table [" + strings.Join(h.path, ".") + "] stands apart from what it belongs to")
}

func (f *file) last(kind string) *item {
	if n := len(f.items); n > 0 && f.items[n-1].kind == kind {
		return f.items[n-1]
	}
	return nil
}

func cannot(why string) error {
	return problem.New(problem.Conflict, "Editing the configuration: %s, which only a person can edit. Change the file by hand; it comes into force when you save it.", why)
}

// complete makes sure that every thing of the document has a table of its own in the text.
func (f *file) complete(counts map[string]int, was *Document) error {
	for kind, want := range map[string]int{"listen": len(was.Listen), "upstreams": len(was.Upstreams), "cells": len(was.Cells), "routes": len(was.Routes)} {
		if counts[kind] != want {
			return cannot(kind + " are not written as tables with a header each")
		}
	}
	routes := slices.DeleteFunc(slices.Clone(f.items), func(t *item) bool { return t.kind != "routes" })
	for i, t := range routes {
		if len(t.cells.items) != len(was.Routes[i].Cells) {
			return cannot("the cells of a route are not written as [[routes.cells]]")
		}
	}
	return nil
}

// aboveComment is the start of the comment that stands right above a header, or of the header's line.
func aboveComment(text []byte, at int) int {
	for at > 0 {
		above := lineStart(text, at-1)
		if !strings.HasPrefix(strings.TrimSpace(string(text[above:at])), "#") {
			break
		}
		at = above
	}
	return at
}

// pieces are all that is written, in order.
func (f *file) pieces() []*item {
	out := []*item{&f.head}
	for _, t := range f.items {
		out = append(append(out, t), t.cells.items...)
	}
	return out
}

// text puts the pieces together. A new one has a blank line before and behind it, and what the text
// ends with stays as it was: adding something and removing it again gives the same text.
func (f *file) text() []byte {
	pieces := f.pieces()
	if last := pieces[len(pieces)-1]; last != f.end {
		tail := f.end.space()
		f.end.spaced("\n")
		last.spaced(tail)
	}
	text := ""
	fresh := false // what was written last
	for _, t := range pieces {
		switch {
		case t.lines == "":
			continue
		case text == "":
		case !strings.HasSuffix(text, "\n"):
			text += "\n"
			fallthrough
		default:
			if (t.fresh || fresh) && blankFrom(text) == len(text) {
				text += "\n"
			}
		}
		text += t.lines
		fresh = t.fresh
	}
	return []byte(text)
}

// blankFrom is where the blank lines at the end of a text begin.
func blankFrom(text string) int {
	at := len(text)
	for at > 0 {
		above := lineStart([]byte(text), at-1)
		if strings.TrimSpace(text[above:at]) != "" {
			break
		}
		at = above
	}
	return at
}

// space is the blank lines behind t.
func (t *item) space() string { return t.lines[blankFrom(t.lines):] }

func (t *item) spaced(by string) { t.lines = t.lines[:blankFrom(t.lines)] + by }

// order of kinds, for where a first one of its kind goes.
var order = []string{"listen", "", "upstreams", "cells", "routes"}

func rank(kind string) int {
	if i := slices.Index(order, kind); i >= 0 {
		return i
	}
	return 1 // a section
}

// class brings the tables of a kind to what matches says, in its order. A table that stays keeps its
// place; a new one goes behind the one before it.
func (f *file) class(kind string, count int, matches []match, make func(i int) *item) {
	old := slices.DeleteFunc(slices.Clone(f.items), func(t *item) bool { return t.kind != kind })
	var wanted []*item
	for i, m := range matches {
		if m.old < 0 || m.old >= count {
			t := make(i)
			t.kind = kind
			wanted = append(wanted, t)
			continue
		}
		t := old[m.old]
		m.update(t)
		wanted = append(wanted, t)
	}
	f.items = arranged(f.items, old, wanted, kind)
}

// arranged puts wanted where old stood: in place while the order of those that stay is the same, and
// together at the first place else.
func arranged(items, old, wanted []*item, kind string) []*item {
	stay := slices.DeleteFunc(slices.Clone(wanted), func(t *item) bool { return !slices.Contains(old, t) })
	kept := slices.DeleteFunc(slices.Clone(old), func(t *item) bool { return !slices.Contains(wanted, t) })
	if len(stay) == 0 || !slices.Equal(stay, kept) {
		at := slices.IndexFunc(items, func(t *item) bool { return t.kind == kind })
		if at < 0 {
			at = slices.IndexFunc(items, func(t *item) bool { return rank(t.kind) > rank(kind) })
		}
		if at < 0 {
			at = len(items)
		}
		before := slices.DeleteFunc(slices.Clone(items[:at]), func(t *item) bool { return t.kind == kind })
		after := slices.DeleteFunc(slices.Clone(items[at:]), func(t *item) bool { return t.kind == kind })
		return slices.Concat(before, wanted, after)
	}
	var out []*item
	next := 0
	for _, t := range items {
		if t.kind != kind {
			out = append(out, t)
			continue
		}
		if !slices.Contains(stay, t) {
			continue
		}
		for ; wanted[next] != t; next++ { // new ones in front of the first that stays
			out = append(out, wanted[next])
		}
		out = append(out, t)
		for next++; next < len(wanted) && !slices.Contains(stay, wanted[next]); next++ {
			out = append(out, wanted[next])
		}
	}
	return out
}

// sections sets the keys of the tables that are named by the document's sections.
func (f *file) sections(was, now *Document) {
	for _, name := range keys(now.Sections) {
		i := slices.IndexFunc(f.items, func(t *item) bool { return t.kind == name })
		switch {
		case i >= 0:
			f.items[i].set(settingKeys(was.Sections[name]), settingKeys(now.Sections[name]))
		case len(now.Sections[name]) > 0:
			t := newItem("", "["+printKey(name)+"]", settingKeys(now.Sections[name]))
			t.kind = name
			f.items = arranged(f.items, nil, []*item{t}, name)
		}
	}
	f.items = slices.DeleteFunc(f.items, func(t *item) bool {
		_, before := was.Sections[t.kind]
		_, after := now.Sections[t.kind]
		return before && !after
	})
}

func (t *item) has(key string) bool {
	return slices.ContainsFunc(t.pairs, func(p keyPlace) bool { return p.key == key })
}

// set changes the keys that differ. Where one of them is not a plain `key = value` of this table (it
// is dotted, or a table of its own), the table is written anew under its comment.
func (t *item) set(was, now []keyValue) {
	changed := t.changed(was, now)
	if len(changed) == 0 {
		return
	}
	for _, key := range changed {
		if find(was, key) != nil && !t.has(key) {
			t.rewrite(now)
			return
		}
	}
	for _, key := range changed {
		old, new := find(was, key), find(now, key)
		switch {
		case new == nil:
			t.removeKey(key)
		case old == nil && !t.has(key): // what is as it is by default may be written all the same
			t.addKey(*new)
		default:
			t.replaceKey(*new)
		}
	}
}

func (t *item) changed(was, now []keyValue) []string {
	var out []string
	for _, kv := range was {
		if n := find(now, kv.key); n == nil || !equal(n.value, kv.value) {
			out = append(out, kv.key)
		}
	}
	for _, kv := range now {
		if find(was, kv.key) == nil {
			out = append(out, kv.key)
		}
	}
	return out
}

func find(list []keyValue, key string) *keyValue {
	for i := range list {
		if list[i].key == key {
			return &list[i]
		}
	}
	return nil
}

func (t *item) place(key string) int {
	return slices.IndexFunc(t.pairs, func(p keyPlace) bool { return p.key == key })
}

func (t *item) replaceKey(kv keyValue) {
	p := t.pairs[t.place(kv.key)]
	old := t.lines[p.from:p.to]
	equals := strings.IndexByte(old, '=') // the key is bare or quoted without one: it is a setting's name
	value := strings.TrimLeft(old[equals+1:], " \t")
	t.splice(p.to-len(value), p.to, printValue(kv.value))
}

func (t *item) removeKey(key string) {
	i := t.place(key)
	p := t.pairs[i]
	t.pairs = slices.Delete(t.pairs, i, i+1)
	t.splice(lineStart([]byte(t.lines), p.from), lineEnd([]byte(t.lines), p.to), "")
}

// addKey puts a key behind the last one, or behind the header, indented like it.
func (t *item) addKey(kv keyValue) {
	at, like := 0, ""
	if n := len(t.pairs); n > 0 {
		last := t.pairs[n-1]
		at, like = lineEnd([]byte(t.lines), last.to), indentAt(t.lines, last.from)
	} else if h := headerAt(t.lines); h >= 0 {
		at, like = lineEnd([]byte(t.lines), h), indentAt(t.lines, h)
	}
	line := like + printKey(kv.key) + " = " + printValue(kv.value) + "\n"
	if at > 0 && t.lines[at-1] != '\n' {
		line = "\n" + line
	}
	start := at + strings.Index(line, printKey(kv.key))
	t.splice(at, at, line)
	t.pairs = append(t.pairs, keyPlace{kv.key, span{start, at + len(line) - 1}})
}

// splice replaces bytes and moves the places behind them.
func (t *item) splice(from, to int, by string) {
	t.lines = t.lines[:from] + by + t.lines[to:]
	grown := len(by) - (to - from)
	for i := range t.pairs {
		p := &t.pairs[i]
		if p.from >= to {
			p.from += grown
		}
		if p.to >= to {
			p.to += grown
		}
	}
}

// rewrite writes the keys anew under the comment and the header.
func (t *item) rewrite(now []keyValue) {
	h := headerAt(t.lines)
	indent := ""
	keep := ""
	if h >= 0 {
		indent = indentAt(t.lines, h)
		keep = t.lines[:lineEnd([]byte(t.lines), h)]
	}
	if keep != "" && !strings.HasSuffix(keep, "\n") {
		keep += "\n"
	}
	space := t.space()
	t.lines, t.pairs = keep, nil
	for _, kv := range now {
		t.addKeyIndented(kv, indent)
	}
	t.spaced(space)
}

func (t *item) addKeyIndented(kv keyValue, indent string) {
	start := len(t.lines) + len(indent)
	t.lines += indent + printKey(kv.key) + " = " + printValue(kv.value) + "\n"
	t.pairs = append(t.pairs, keyPlace{kv.key, span{start, len(t.lines) - 1}})
}

// headerAt is the first byte of the item's own [header], -1 when it has none.
func headerAt(lines string) int {
	at := 0
	for line := range strings.Lines(lines) {
		if trimmed := strings.TrimLeft(line, " \t"); strings.HasPrefix(trimmed, "[") {
			return at + len(line) - len(trimmed)
		}
		at += len(line)
	}
	return -1
}

func indentAt(lines string, at int) string {
	return lines[lineStart([]byte(lines), at):at]
}
