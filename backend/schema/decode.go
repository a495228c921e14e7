package schema

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"proxycache/backend/problem"
)

// Defaults sets every setting of the pointed-to struct to its default, or to its zero value where it
// has none. A default that does not fit its own field is a mistake in the program: Defaults panics.
func Defaults(settings any) {
	v := structOf(settings)
	setDefaults(v, specsOf(v.Type()))
}

func setDefaults(v reflect.Value, specs []spec) {
	for _, s := range specs {
		f := v.FieldByIndex(s.index)
		f.SetZero()
		if s.Default == "" {
			continue
		}
		var d decoder
		d.set(s.Name, s, f, writtenDefault(s))
		if len(d.problems) > 0 {
			panic(fmt.Sprintf("schema: the default of %s.%s: %s", v.Type(), s.Name, d.problems[0].Message))
		}
	}
}

// writtenDefault is the value of the `default` tag as a document would hold it.
func writtenDefault(s spec) any {
	switch s.Kind {
	case Int:
		if n, err := strconv.ParseInt(s.Default, 10, 64); err == nil {
			return n
		}
	case Float:
		if f, err := strconv.ParseFloat(s.Default, 64); err == nil {
			return f
		}
	case Bool:
		if b, err := strconv.ParseBool(s.Default); err == nil {
			return b
		}
	case List:
		var items []any
		for item := range strings.SplitSeq(s.Default, ",") {
			items = append(items, item)
		}
		return items
	}
	return s.Default
}

// Decode sets the defaults of the pointed-to struct and then what values hold. It reports every value
// that does not fit, at where + "." + key, entries of lists counted from 1 ("cells.2.targets.1.url");
// the field keeps its default then. Where all fit, the struct's own Check() []*problem.Problem is
// asked, whose places are relative to where.
func Decode(where string, values map[string]any, into any) problem.List {
	var d decoder
	d.decode(where, values, structOf(into))
	return d.problems
}

type decoder struct{ problems problem.List }

func (d *decoder) fail(where, format string, args ...any) {
	d.problems = append(d.problems, problem.New(problem.Invalid, format, args...).At(where))
}

func (d *decoder) decode(where string, values map[string]any, v reflect.Value) {
	specs := specsOf(v.Type())
	setDefaults(v, specs)
	before := len(d.problems)
	d.unknown(where, values, specs)
	for _, s := range specs {
		at := join(where, s.Name)
		f := v.FieldByIndex(s.index)
		if raw, ok := values[s.Name]; ok {
			d.set(at, s, f, raw)
		} else if s.Required && f.IsZero() {
			d.fail(at, "%s is missing: %s", s.Name, whatIsNeeded(s))
		}
	}
	if len(d.problems) == before {
		d.check(where, v)
	}
}

func (d *decoder) unknown(where string, values map[string]any, specs []spec) {
	names := make([]string, len(specs))
	for i, s := range specs {
		names[i] = s.Name
	}
	var surplus []string
	for key := range values {
		if !slices.Contains(names, key) {
			surplus = append(surplus, key)
		}
	}
	slices.Sort(surplus)
	for _, key := range surplus {
		d.problems = append(d.problems, Unknown("setting", key, names).At(join(where, key)))
	}
}

// Unknown says that there is no such key, module or other noun, and what may have been meant.
func Unknown(noun, word string, known []string) *problem.Problem {
	hint := "remove it"
	if near := Suggest(word, known); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	} else if len(known) > 0 {
		hint = "known here: " + strings.Join(known, ", ")
	}
	return problem.New(problem.Invalid, "there is no %s %s: %s", noun, shown(word), hint)
}

// checker is policy.Checker, which lies above.
type checker interface{ Check() []*problem.Problem }

func (d *decoder) check(where string, v reflect.Value) {
	c, ok := v.Addr().Interface().(checker)
	if !ok {
		return
	}
	for _, p := range c.Check() {
		d.problems = append(d.problems, p.At(join(where, p.Where)))
	}
}

func join(where, key string) string {
	if where == "" || key == "" {
		return where + key
	}
	return where + "." + key
}

// set converts raw into f, or reports why it cannot and leaves f as it is.
func (d *decoder) set(where string, s spec, f reflect.Value, raw any) {
	switch s.Kind {
	case Text, Code, Choice, Filter:
		d.text(where, s, f, raw)
	case Bool:
		if b, ok := raw.(bool); ok {
			f.SetBool(b)
		} else {
			d.wrong(where, s, raw)
		}
	case Int:
		d.integer(where, s, f, raw)
	case Float:
		d.float(where, s, f, raw)
	case DurationKind:
		d.duration(where, s, f, raw)
	case SizeKind:
		d.size(where, s, f, raw)
	case List:
		d.list(where, s, f, raw)
	case Pairs:
		d.pairs(where, s, f, raw)
	case Tables:
		d.tables(where, s, f, raw)
	}
}

func (d *decoder) wrong(where string, s spec, raw any) {
	d.fail(where, "%s is %s, %s", s.Name, shown(raw), whatIsNeeded(s))
}

func (d *decoder) text(where string, s spec, f reflect.Value, raw any) {
	t, ok := raw.(string)
	switch {
	case !ok:
		d.wrong(where, s, raw)
	case s.Required && t == "":
		d.fail(where, "%s is empty: %s", s.Name, whatIsNeeded(s))
	case len(s.OneOf) > 0 && !slices.Contains(s.OneOf, t) && t != s.Default:
		d.choice(where, s, t)
	case d.within(where, s, "characters", int64(utf8.RuneCountInString(t))):
		f.SetString(t)
	}
}

func (d *decoder) choice(where string, s spec, t string) {
	hint := "choose one of " + strings.Join(s.OneOf, ", ")
	if near := Suggest(t, s.OneOf); near != "" {
		hint = fmt.Sprintf("did you mean %q? The choices are %s", near, strings.Join(s.OneOf, ", "))
	}
	d.fail(where, "%s is %s: %s", s.Name, shown(t), hint)
}

func (d *decoder) integer(where string, s spec, f reflect.Value, raw any) {
	n, ok := wholeNumber(raw)
	fits := ok && (f.CanInt() && !f.OverflowInt(n) || f.CanUint() && n >= 0 && !f.OverflowUint(uint64(n)))
	switch {
	case !ok:
		d.wrong(where, s, raw)
	case !d.inRange(where, s, shown(raw), func(bound string) int { return compareInt(n, bound) }):
	case !fits:
		d.fail(where, "%s is %d, which is out of range: use a number nearer to 0", s.Name, n)
	case f.CanUint():
		f.SetUint(uint64(n))
	default:
		f.SetInt(n)
	}
}

// wholeNumber accepts float64 too, because JSON knows no other number.
func wholeNumber(raw any) (int64, bool) {
	switch n := raw.(type) {
	case int64:
		return n, true
	case int:
		return int64(n), true
	case float64:
		if n == math.Trunc(n) && math.Abs(n) < 1<<63 {
			return int64(n), true
		}
	}
	return 0, false
}

func (d *decoder) float(where string, s spec, f reflect.Value, raw any) {
	n, ok := raw.(float64)
	if whole, isInt := wholeNumber(raw); isInt {
		n, ok = float64(whole), true
	}
	if !ok || math.IsNaN(n) || math.IsInf(n, 0) || f.OverflowFloat(n) {
		d.wrong(where, s, raw)
		return
	}
	if d.inRange(where, s, shown(raw), func(bound string) int { return compareFloat(n, bound) }) {
		f.SetFloat(n)
	}
}

func (d *decoder) duration(where string, s spec, f reflect.Value, raw any) {
	t, ok := raw.(string)
	var v Duration
	if !ok || v.UnmarshalText([]byte(t)) != nil {
		d.wrong(where, s, raw)
		return
	}
	compare := func(bound string) int {
		var b Duration
		mustParse(s, b.UnmarshalText([]byte(bound)))
		return compareInt64(int64(v), int64(b))
	}
	if d.inRange(where, s, v.String(), compare) {
		f.SetInt(int64(v))
	}
}

func (d *decoder) size(where string, s spec, f reflect.Value, raw any) {
	var v Size
	t, ok := raw.(string)
	if n, isNumber := wholeNumber(raw); isNumber && n >= 0 {
		v, ok = Size(n), true
	} else if ok {
		ok = v.UnmarshalText([]byte(t)) == nil
	}
	if !ok {
		d.wrong(where, s, raw)
		return
	}
	compare := func(bound string) int {
		var b Size
		mustParse(s, b.UnmarshalText([]byte(bound)))
		return compareInt64(int64(v), int64(b))
	}
	if d.inRange(where, s, v.String(), compare) {
		f.SetInt(int64(v))
	}
}
