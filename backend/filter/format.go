package filter

import (
	"fmt"
	"strings"

	"proxycache/backend/flow"
)

// Format writes e as a person would; Parse reads it back to the same.
func Format(e Expr) string {
	switch e := e.(type) {
	case nil:
		return ""
	case And:
		return inside(e.L, true) + " and " + inside(e.R, false)
	case Or:
		return side(e.L, true) + " or " + side(e.R, false)
	case Not:
		if _, ok := e.X.(Test); ok {
			return "not " + Format(e.X)
		}
		return "not (" + Format(e.X) + ")"
	case Test:
		return formatTest(e)
	}
	panic(fmt.Sprintf("filter: %T is no expression", e))
}

// inside puts what binds weaker than `and`, or would join on the other side, in parentheses.
func inside(e Expr, left bool) string {
	switch e.(type) {
	case Or:
		return "(" + Format(e) + ")"
	case And:
		if !left {
			return "(" + Format(e) + ")"
		}
	}
	return Format(e)
}

func side(e Expr, left bool) string {
	if _, ok := e.(Or); ok && !left {
		return "(" + Format(e) + ")"
	}
	return Format(e)
}

func formatTest(t Test) string {
	field := string(t.Field)
	if t.Name != "" {
		field += "." + t.Name
	}
	if t.Op != In {
		return field + " " + string(t.Op) + " " + value(t.Values[0])
	}
	values := make([]string, len(t.Values))
	for i, v := range t.Values {
		values[i] = value(v)
	}
	return field + " in (" + strings.Join(values, ", ") + ")"
}

// value is v bare where that reads the same, and in quotes else.
func value(v string) string {
	for i := range len(v) {
		c := v[i]
		if c != '.' && c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return quote(v)
		}
	}
	if v == "" {
		return `""`
	}
	return v
}

func quote(v string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v) + `"`
}

var verbs = map[Op]string{
	Equal: "is", NotEqual: "is not", StartsWith: "starts with", EndsWith: "ends with", Contains: "contains",
	Matches: "matches", Less: "is below", LessEqual: "is at most", Greater: "is above", GreaterEqual: "is at least", In: "is one of",
}

// Explain says e in words: "the host is shop.localhost and the status is at least 500".
func Explain(e Expr) string {
	switch e := e.(type) {
	case nil:
		return "everything"
	case And:
		return Explain(e.L) + " and " + Explain(e.R)
	case Or:
		return "either " + Explain(e.L) + " or " + Explain(e.R)
	case Not:
		return "not (" + Explain(e.X) + ")"
	}
	t := e.(Test)
	return "the " + fieldName(t) + " " + verbs[t.Op] + " " + strings.Join(t.Values, ", ")
}

func fieldName(t Test) string {
	switch t.Field {
	case RequestHeader:
		return "request header " + t.Name
	case ResponseHeader:
		return "response header " + t.Name
	}
	return strings.ReplaceAll(string(t.Field), ".", " ")
}

// WhyNot says which condition of e does not hold for x: `host is "b", not "shop.localhost"`. It is ""
// where e matches.
func WhyNot(e Expr, x *flow.Exchange) string {
	m, err := Compile(e)
	if e == nil || err != nil || m.MatchRequest(x) {
		return ""
	}
	switch e := e.(type) {
	case And:
		if why := WhyNot(e.L, x); why != "" {
			return why
		}
		return WhyNot(e.R, x)
	case Or:
		return WhyNot(e.L, x) + ", and " + WhyNot(e.R, x)
	case Not:
		return Explain(e.X) + ", which the route excludes"
	}
	t := e.(Test)
	v := view{exchange: x}
	got := v.text(t.Field)
	if t.Field == RequestHeader {
		if values := x.Request.Header.Values(t.Name); len(values) == 0 {
			return "the " + fieldName(t) + " is not there"
		}
		got = x.Request.Header.Joined(t.Name)
	}
	return fmt.Sprintf("%s is %q: it %s %s", fieldName(t), got, must[t.Op], strings.Join(t.Values, ", "))
}

var must = map[Op]string{
	Equal: "would have to be", NotEqual: "must not be", StartsWith: "would have to start with", EndsWith: "would have to end with",
	Contains: "would have to contain", Matches: "would have to match", Less: "would have to be below", LessEqual: "would have to be at most",
	Greater: "would have to be above", GreaterEqual: "would have to be at least", In: "would have to be one of",
}
