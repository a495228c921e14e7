package schema

import (
	"cmp"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// inRange reports a value outside the bounds. compare tells how the value stands to a bound as written.
func (d *decoder) inRange(where string, s spec, value string, compare func(bound string) int) bool {
	if (s.Min == "" || compare(s.Min) >= 0) && (s.Max == "" || compare(s.Max) <= 0) {
		return true
	}
	d.fail(where, "%s is %s, %s is needed", s.Name, value, limits(s, "a value"))
	return false
}

// within is inRange for how long something is.
func (d *decoder) within(where string, s spec, what string, n int64) bool {
	if (s.Min == "" || compareInt(n, s.Min) >= 0) && (s.Max == "" || compareInt(n, s.Max) <= 0) {
		return true
	}
	d.fail(where, "%s has %d %s, %s is needed", s.Name, n, what, limits(s, "a number of them"))
	return false
}

func limits(s spec, what string) string {
	switch {
	case s.Min == "":
		return fmt.Sprintf("%s of at most %s", what, s.Max)
	case s.Max == "":
		return fmt.Sprintf("%s of at least %s", what, s.Min)
	}
	return fmt.Sprintf("%s between %s and %s", what, s.Min, s.Max)
}

func compareInt64(a, b int64) int { return cmp.Compare(a, b) }

func compareInt(n int64, bound string) int {
	b, err := strconv.ParseInt(bound, 10, 64)
	if err != nil {
		panic("schema: a bound is not a number: " + err.Error())
	}
	return cmp.Compare(n, b)
}

func compareFloat(n float64, bound string) int {
	b, err := strconv.ParseFloat(bound, 64)
	if err != nil {
		panic("schema: a bound is not a number: " + err.Error())
	}
	return cmp.Compare(n, b)
}

func mustParse(s spec, err error) {
	if err != nil {
		panic(fmt.Sprintf("schema: a bound of %s: %s", s.Name, err))
	}
}

// whatIsNeeded ends the message about a value that does not fit.
func whatIsNeeded(s spec) string {
	switch s.Kind {
	case Bool:
		return "true or false is needed"
	case Int:
		return "a whole number is needed"
	case Float:
		return "a number is needed"
	case DurationKind:
		return `a duration such as "250ms" or "1m" is needed`
	case SizeKind:
		return `a size such as "64KiB" or "10MB" is needed`
	case List:
		return `a list such as ["a", "b"] is needed`
	case Pairs:
		return `a table such as { a = "b" } is needed`
	case Tables:
		return fmt.Sprintf("a list of tables such as [{ %s = … }] is needed", firstKey(s))
	}
	return "a text in quotes is needed"
}

const maxShown = 40

// shown is a value as a person would recognise it in the document, shortened.
func shown(raw any) string {
	switch v := raw.(type) {
	case string:
		if utf8.RuneCountInString(v) > maxShown {
			v = string([]rune(v)[:maxShown]) + "…"
		}
		return strconv.Quote(v)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case []any, []string, []map[string]any:
		return "a list"
	case map[string]any:
		return "a table"
	case nil:
		return "nothing"
	}
	return fmt.Sprint(raw)
}
