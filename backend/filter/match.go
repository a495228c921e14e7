package filter

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"proxycache/backend/flow"
)

// Matcher is a filter made ready: it costs no allocation for the usual fields.
type Matcher struct {
	holds func(view) bool
}

// Compile makes e ready. A nil e matches everything.
func Compile(e Expr) (*Matcher, error) {
	if e == nil {
		return &Matcher{holds: func(view) bool { return true }}, nil
	}
	holds, err := compile(e)
	if err != nil {
		return nil, err
	}
	return &Matcher{holds: holds}, nil
}

// MatchRequest tells whether x matches, before its response is there: fields of the response are
// empty then, and status is 0.
func (m *Matcher) MatchRequest(x *flow.Exchange) bool { return m.holds(view{exchange: x}) }

// MatchRecord tells whether r matches.
func (m *Matcher) MatchRecord(r *flow.Record) bool { return m.holds(view{record: r}) }

// Match tells whether r matches e, which Parse has made.
func Match(e Expr, r *flow.Record) bool {
	m, err := Compile(e)
	return err == nil && m.MatchRecord(r)
}

// NeedsResponse tells that e looks at something that is known only when the response is.
func NeedsResponse(e Expr) bool {
	switch e := e.(type) {
	case And:
		return NeedsResponse(e.L) || NeedsResponse(e.R)
	case Or:
		return NeedsResponse(e.L) || NeedsResponse(e.R)
	case Not:
		return NeedsResponse(e.X)
	case Test:
		return slices.Contains([]Field{Status, Type, State, Duration, Size, RequestSize, Mocked, Route, ResponseHeader}, e.Field)
	}
	return false
}

func compile(e Expr) (func(view) bool, error) {
	switch e := e.(type) {
	case And:
		l, r, err := both(e.L, e.R)
		return func(v view) bool { return l(v) && r(v) }, err
	case Or:
		l, r, err := both(e.L, e.R)
		return func(v view) bool { return l(v) || r(v) }, err
	case Not:
		x, err := compile(e.X)
		return func(v view) bool { return !x(v) }, err
	}
	return compileTest(e.(Test))
}

func both(l, r Expr) (a, b func(view) bool, err error) {
	if a, err = compile(l); err != nil {
		return nil, nil, err
	}
	b, err = compile(r)
	return a, b, err
}

func compileTest(t Test) (func(view) bool, error) {
	kind := fields[t.Field]
	var is func(string) bool
	switch {
	case t.Op == Matches:
		re, err := regexp.Compile("(?i)" + t.Values[0])
		if err != nil {
			return nil, err
		}
		is = re.MatchString
	case kind.number() && t.Op != StartsWith && t.Op != EndsWith && t.Op != Contains:
		return compileNumber(t), nil
	case t.Op == Less, t.Op == LessEqual, t.Op == Greater, t.Op == GreaterEqual:
		want := t.Values[0]
		is = func(got string) bool { return ordered(t.Op, strings.Compare(got, want)) }
	default:
		is = compileText(t, kind)
	}
	if t.Field == RequestHeader || t.Field == ResponseHeader {
		return compileHeader(t, is), nil
	}
	field := t.Field
	return func(v view) bool { return is(v.text(field)) }, nil
}

func compileText(t Test, kind valueKind) func(string) bool {
	equal := func(a, b string) bool { return a == b }
	fold := kind == folded
	if fold {
		equal = strings.EqualFold
	}
	want := t.Values[0]
	switch t.Op {
	case NotEqual:
		return func(got string) bool { return !equal(got, want) }
	case StartsWith:
		return func(got string) bool { return len(got) >= len(want) && equal(got[:len(want)], want) }
	case EndsWith:
		return func(got string) bool { return len(got) >= len(want) && equal(got[len(got)-len(want):], want) }
	case Contains:
		lower := strings.ToLower(want)
		return func(got string) bool { return strings.Contains(strings.ToLower(got), lower) }
	case In:
		values := t.Values
		return func(got string) bool {
			return slices.ContainsFunc(values, func(v string) bool { return equal(got, v) })
		}
	}
	return func(got string) bool { return equal(got, want) }
}

// compileHeader holds when one of the fields of the name does; != when none is equal.
func compileHeader(t Test, is func(string) bool) func(view) bool {
	return func(v view) bool {
		values := v.header(t.Field).Values(t.Name)
		if t.Op == NotEqual {
			return !slices.Contains(values, t.Values[0])
		}
		return slices.ContainsFunc(values, is)
	}
}

func compileNumber(t Test) func(view) bool {
	field := t.Field
	var any []func(float64) bool
	for _, v := range t.Values {
		if class.MatchString(v) {
			from := float64(v[0]-'0') * 100
			any = append(any, func(n float64) bool { return n >= from && n < from+100 })
			continue
		}
		want, _ := strconv.ParseFloat(v, 64) // the parser has checked it
		op := t.Op
		if op == In || op == NotEqual {
			op = Equal
		}
		any = append(any, func(n float64) bool {
			switch {
			case n < want:
				return ordered(op, -1)
			case n > want:
				return ordered(op, 1)
			}
			return ordered(op, 0)
		})
	}
	not := t.Op == NotEqual
	return func(v view) bool {
		n := v.number(field)
		return slices.ContainsFunc(any, func(is func(float64) bool) bool { return is(n) }) != not
	}
}

func ordered(op Op, c int) bool {
	switch op {
	case Less:
		return c < 0
	case LessEqual:
		return c <= 0
	case Greater:
		return c > 0
	case GreaterEqual:
		return c >= 0
	}
	return c == 0
}
