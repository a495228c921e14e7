package config

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2/unstable"
)

// span is where a value stands in the text: the bytes from the start of its key to the end of the value.
type span struct{ from, to int }

// header is a [table] or [[array of tables]] line.
type header struct {
	path  []string // "routes", "cells"
	array bool
	at    int // first byte of its line
}

// pair is a `key = value` at the level of a table.
type pair struct {
	header int // index of the header it stands under; -1 before the first
	key    string
	span
}

// located is a text with the places of all its parts.
type located struct {
	text    []byte
	headers []header
	pairs   []pair
	places  map[string]span // by path with list entries counted from 0: "routes.0.cells.1.status"
}

// locate finds the places in a text that go-toml has accepted.
func locate(text []byte) (*located, error) {
	l := &located{text: text, places: map[string]span{}}
	var p unstable.Parser
	p.Reset(text)
	counts := map[string]int{}
	at := "" // path of the open table, with indices
	for p.NextExpression() {
		e := p.Expression()
		switch e.Kind {
		case unstable.Table, unstable.ArrayTable:
			names, first := keyOf(e)
			at = l.open(names, e.Kind == unstable.ArrayTable, counts)
			l.headers = append(l.headers, header{path: names, array: e.Kind == unstable.ArrayTable, at: lineStart(text, int(first.Offset))})
			l.places[at] = span{int(first.Offset), int(first.Offset + first.Length)}
		case unstable.KeyValue:
			names, _ := keyOf(e)
			where := span{int(e.Raw.Offset), int(e.Raw.Offset + e.Raw.Length)}
			key := strings.Join(names, ".")
			l.pairs = append(l.pairs, pair{len(l.headers) - 1, key, where})
			l.value(joinPath(at, key), e, where)
		}
	}
	return l, p.Error()
}

// open is the indexed path of a table header: every name that is an array of tables gets the index of
// its last entry.
func (l *located) open(names []string, array bool, counts map[string]int) string {
	path := ""
	for i, name := range names {
		path = joinPath(path, name)
		if i == len(names)-1 && array {
			counts[path]++
		}
		if n := counts[path]; n > 0 {
			path = joinPath(path, strconv.Itoa(n-1))
		}
	}
	return path
}

// value notes the place of a value and of what is inside it.
func (l *located) value(path string, e *unstable.Node, where span) {
	l.places[path] = where
	v := e.Value()
	l.inside(path, v, where)
}

func (l *located) inside(path string, v *unstable.Node, where span) {
	children := v.Children()
	switch v.Kind {
	case unstable.Array:
		for i := 0; children.Next(); i++ {
			item := children.Node()
			at := where
			if item.Raw.Length > 0 {
				at = span{int(item.Raw.Offset), int(item.Raw.Offset + item.Raw.Length)}
			}
			p := joinPath(path, strconv.Itoa(i))
			l.places[p] = at
			l.inside(p, item, at)
		}
	case unstable.InlineTable:
		for children.Next() {
			if kv := children.Node(); kv.Kind == unstable.KeyValue {
				names, _ := keyOf(kv)
				l.value(joinPath(path, strings.Join(names, ".")), kv, span{int(kv.Raw.Offset), int(kv.Raw.Offset + kv.Raw.Length)})
			}
		}
	}
}

// keyOf is a dotted key and the range of its first part.
func keyOf(n *unstable.Node) (names []string, first unstable.Range) {
	it := n.Key()
	for it.Next() {
		if names == nil {
			first = it.Node().Raw
		}
		names = append(names, string(it.Node().Data))
	}
	return names, first
}

func joinPath(a, b string) string {
	if a == "" {
		return b
	}
	return a + "." + b
}

func lineStart(text []byte, at int) int {
	for at > 0 && text[at-1] != '\n' {
		at--
	}
	return at
}

// lineEnd is behind the newline of the line that at is in.
func lineEnd(text []byte, at int) int {
	for at < len(text) && text[at] != '\n' {
		at++
	}
	return min(at+1, len(text))
}

// position is the line and the column, in characters, of a byte; both from 1.
func position(text []byte, at int) (line, column int) {
	at = min(at, len(text))
	line = 1 + strings.Count(string(text[:at]), "\n")
	return line, 1 + utf8.RuneCount(text[lineStart(text, at):at])
}
