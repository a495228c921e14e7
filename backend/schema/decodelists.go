package schema

import (
	"reflect"
	"slices"
	"strconv"
)

func (d *decoder) list(where string, s spec, f reflect.Value, raw any) {
	items, ok := listOf(raw)
	if !ok {
		d.wrong(where, s, raw)
		return
	}
	if !d.counted(where, s, len(items)) {
		return
	}
	out := reflect.MakeSlice(s.typ, 0, len(items))
	for i, item := range items {
		at := join(where, strconv.Itoa(i+1))
		t, isText := item.(string)
		switch {
		case !isText:
			d.fail(at, "entry %d of %s is %s, a text in quotes is needed", i+1, s.Name, shown(item))
		case len(s.OneOf) > 0 && !slices.Contains(s.OneOf, t):
			d.choice(at, s, t)
		default:
			out = reflect.Append(out, reflect.ValueOf(t).Convert(s.typ.Elem()))
		}
	}
	assign(f, out)
}

// assign keeps the zero value for empty, so that equal settings are equal to reflect.DeepEqual.
func assign(f, list reflect.Value) {
	if list.Len() == 0 {
		f.SetZero()
		return
	}
	f.Set(list)
}

func listOf(raw any) ([]any, bool) {
	switch l := raw.(type) {
	case []any:
		return l, true
	case []string:
		out := make([]any, len(l))
		for i := range l {
			out[i] = l[i]
		}
		return out, true
	case []map[string]any:
		out := make([]any, len(l))
		for i := range l {
			out[i] = l[i]
		}
		return out, true
	}
	return nil, false
}

// pairs reads a list of {name, value}, or a plain table, whose order is lost: by name then.
func (d *decoder) pairs(where string, s spec, f reflect.Value, raw any) {
	if table, ok := raw.(map[string]any); ok {
		d.pairTable(where, s, f, table)
		return
	}
	d.tables(where, s, f, raw)
}

func (d *decoder) pairTable(where string, s spec, f reflect.Value, table map[string]any) {
	if !d.counted(where, s, len(table)) {
		return
	}
	names := make([]string, 0, len(table))
	for name := range table {
		names = append(names, name)
	}
	slices.Sort(names)
	var out []Pair
	for _, name := range names {
		value, ok := table[name].(string)
		if !ok {
			d.fail(join(where, name), "%s is %s, a text in quotes is needed", name, shown(table[name]))
			continue
		}
		out = append(out, Pair{name, value})
	}
	f.Set(reflect.ValueOf(out))
}

// tables reads a list of tables. A table alone is a list of one.
func (d *decoder) tables(where string, s spec, f reflect.Value, raw any) {
	if table, alone := raw.(map[string]any); alone {
		raw = []any{table}
	}
	items, ok := listOf(raw)
	if !ok {
		d.wrong(where, s, raw)
		return
	}
	if !d.counted(where, s, len(items)) {
		return
	}
	out := reflect.MakeSlice(s.typ, len(items), len(items))
	for i, item := range items {
		at := join(where, strconv.Itoa(i+1))
		table, isTable := item.(map[string]any)
		if !isTable {
			d.fail(at, "entry %d of %s is %s, a table is needed: write it as { %s = … }",
				i+1, s.Name, shown(item), firstKey(s))
			continue
		}
		d.decode(at, table, out.Index(i))
	}
	assign(f, out)
}

func firstKey(s spec) string {
	if specs := specsOf(s.typ.Elem()); len(specs) > 0 {
		return specs[0].Name
	}
	return "name"
}

// counted checks the number of entries against the bounds, and that a required list has any.
func (d *decoder) counted(where string, s spec, n int) bool {
	if s.Required && n == 0 {
		d.fail(where, "%s is empty: %s", s.Name, whatIsNeeded(s))
		return false
	}
	return d.within(where, s, "entries", int64(n))
}
