package template

import (
	"strconv"
	"strings"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
	"proxycache/backend/schema"
)

// Field is a header field whose value is filled for each exchange.
type Field struct {
	Name  string
	Value Template
}

// Fields reads the entries of a setting as header fields. A problem's place is relative to the
// setting: the name of the entry where it has one, as a table is written, else its number from 1.
func Fields(pairs []schema.Pair, side Side) ([]Field, problem.List) {
	var fields []Field
	var problems problem.List
	for i, pair := range pairs {
		f, err := fieldOf(pair, side)
		if err == nil {
			fields = append(fields, f)
			continue
		}
		where := pair.Name
		if !isToken(where) || strings.Contains(where, ".") {
			where = strconv.Itoa(i + 1)
		}
		problems = append(problems, problem.Of(err).At(where))
	}
	return fields, problems
}

func fieldOf(pair schema.Pair, side Side) (Field, error) {
	if err := CheckName(pair.Name); err != nil {
		return Field{}, err
	}
	if i := strings.IndexFunc(pair.Value, isControl); i >= 0 {
		return Field{}, problem.New(problem.Invalid, "the value of %s has a line break or another control character in it: write it in one line", pair.Name)
	}
	value, err := Parse(pair.Value, side)
	return Field{pair.Name, value}, err
}

// CheckName tells whether a setting may name a header field: one that is a token (RFC 9110 §5.1) and
// does not belong to the connection or to the framing of the message (RFC 9110 §7.6.1, RFC 9112 §6),
// which the proxy writes for each connection anew.
func CheckName(name string) error {
	switch {
	case name == "":
		return problem.New(problem.Invalid, "a field has no name: write one, as X-Env")
	case !isToken(name):
		return problem.New(problem.Invalid, "%q is no name of a field: use letters, digits and any of !#$%%&'*+-.^_`|~", shortened(name))
	case framing[strings.ToLower(name)]:
		return problem.New(problem.Invalid, "%s belongs to the connection, and the proxy writes it for each one anew: remove it here", name)
	}
	return nil
}

var framing = map[string]bool{
	"connection": true, "content-length": true, "expect": true, "keep-alive": true, "proxy-connection": true,
	"te": true, "trailer": true, "transfer-encoding": true, "upgrade": true,
}

// Fill is the field's value for x, fit for one line: what would end the line becomes a space, because
// a value of the exchange must not make a second field.
func (f Field) Fill(x *flow.Exchange, r *flow.Response) string {
	value := f.Value.Fill(x, r)
	if strings.IndexFunc(value, isControl) < 0 {
		return value
	}
	return strings.Map(func(c rune) rune {
		if isControl(c) {
			return ' '
		}
		return c
	}, value)
}

func isControl(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }

func isToken(s string) bool {
	return s != "" && strings.IndexFunc(s, func(c rune) bool { return !isTokenChar(c) }) < 0
}

func isTokenChar(c rune) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune("!#$%&'*+-.^_`|~", c)
}
