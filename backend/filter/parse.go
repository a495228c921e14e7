package filter

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
	"proxycache/backend/schema"
)

// fields and what their values are.
var fields = map[Field]valueKind{
	Method: folded, Scheme: folded, Host: folded, Path: exact, Query: exact, URL: exact, Status: statusCode, Type: folded,
	Door: folded, Route: exact, Client: exact, State: folded, Duration: milliseconds, RequestSize: bytes, Size: bytes, Mocked: yesNo,
}

type valueKind int

const (
	exact valueKind = iota
	folded
	statusCode
	milliseconds
	bytes
	yesNo
)

func (k valueKind) number() bool { return k == statusCode || k == milliseconds || k == bytes }

// Parse reads a filter; "" is nil, which matches everything. What is wrong is a problem.Invalid with
// the column, in characters from 1.
func Parse(text string) (Expr, error) {
	if len(text) > maxLength {
		return nil, problem.New(problem.Invalid, "this filter has %d bytes: at most %d are read", len(text), maxLength)
	}
	p := &parser{lexer: lexer{text: text}}
	if err := p.advance(); err != nil {
		return nil, err
	}
	if p.tok.kind == end {
		return nil, nil
	}
	e, err := p.or(0)
	if err != nil {
		return nil, err
	}
	if p.tok.kind != end {
		return nil, p.wrong("%q is not expected here: join conditions with `and` or `or`", p.tok.text)
	}
	return e, nil
}

type parser struct {
	lexer lexer
	tok   token
}

func (p *parser) advance() (err error) {
	p.tok, err = p.lexer.next()
	return err
}

func (p *parser) wrong(format string, args ...any) error {
	return wrong(p.lexer.text, p.tok.at, format, args...)
}

func (p *parser) isWord(w string) bool { return p.tok.kind == word && flow.EqualFold(p.tok.text, w) }
func (p *parser) isSign(s string) bool { return p.tok.kind == sign && p.tok.text == s }

func (p *parser) or(depth int) (Expr, error) {
	l, err := p.and(depth)
	for err == nil && p.isWord("or") {
		if err = p.advance(); err != nil {
			break
		}
		var r Expr
		if r, err = p.and(depth); err == nil {
			l = Or{l, r}
		}
	}
	return l, err
}

// and also joins conditions that stand side by side: "checkout status>=500".
func (p *parser) and(depth int) (Expr, error) {
	l, err := p.not(depth)
	for err == nil && p.tok.kind != end && !p.isWord("or") && !p.isSign(")") {
		if p.isWord("and") {
			if err = p.advance(); err != nil {
				break
			}
		}
		var r Expr
		if r, err = p.not(depth); err == nil {
			l = And{l, r}
		}
	}
	return l, err
}

func (p *parser) not(depth int) (Expr, error) {
	if depth > maxDepth {
		return nil, p.wrong("this is nested more than %d deep: write it flatter", maxDepth)
	}
	if p.isWord("not") {
		if err := p.advance(); err != nil {
			return nil, err
		}
		x, err := p.not(depth + 1)
		return Not{x}, err
	}
	if !p.isSign("(") {
		return p.test()
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	x, err := p.or(depth + 1)
	if err != nil {
		return nil, err
	}
	if !p.isSign(")") {
		return nil, p.wrong("a parenthesis is not closed: add a )")
	}
	return x, p.advance()
}

// test is `field op value`, `field in (a, b)`, or a bare word that the URL contains.
func (p *parser) test() (Expr, error) {
	first := p.tok
	switch {
	case first.kind == end:
		return nil, p.wrong("a condition is missing here: write one, as in host = \"shop.localhost\"")
	case first.kind == sign:
		return nil, p.wrong("a field is missing before %q: write one, as in status >= 500", first.text)
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	op, isOp := p.operator()
	if !isOp {
		return Test{Field: URL, Op: Contains, Values: []string{first.text}}, nil
	}
	if first.kind == quoted {
		return nil, wrong(p.lexer.text, first.at, "a field comes before %s, not a value in quotes", op)
	}
	t := Test{Op: op}
	kind, err := p.field(&t, first)
	if err != nil {
		return nil, err
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	if t.Values, err = p.values(t, kind); err != nil {
		return nil, err
	}
	return t, nil
}

func (p *parser) operator() (Op, bool) {
	if p.isWord("in") {
		return In, true
	}
	if p.tok.kind != sign || strings.ContainsAny(p.tok.text, "(),") {
		return "", false
	}
	return Op(p.tok.text), true
}

func (p *parser) field(t *Test, tok token) (valueKind, error) {
	name := strings.ToLower(tok.text)
	for _, h := range []Field{RequestHeader, ResponseHeader} {
		if rest, ok := strings.CutPrefix(name, string(h)+"."); ok && rest != "" {
			t.Field, t.Name = h, rest
			return exact, nil
		}
	}
	kind, ok := fields[Field(name)]
	if !ok {
		return 0, wrong(p.lexer.text, tok.at, "there is no field %q%s", tok.text, suggestion(name))
	}
	t.Field = Field(name)
	return kind, nil
}

// suggestion names the field that was probably meant, or all.
func suggestion(name string) string {
	names := make([]string, 0, len(fields))
	for f := range fields {
		names = append(names, string(f))
	}
	slices.Sort(names)
	if best := schema.Suggest(name, names); best != "" {
		return ": did you mean " + best + "?"
	}
	return ": write one of " + strings.Join(names, ", ") + ", request.header.NAME, response.header.NAME"
}

func (p *parser) values(t Test, kind valueKind) ([]string, error) {
	if t.Op != In {
		v, err := p.value(t, kind)
		return []string{v}, err
	}
	if !p.isSign("(") {
		return nil, p.wrong("`in` takes a list: write method in (GET, HEAD)")
	}
	var out []string
	for {
		if err := p.advance(); err != nil {
			return nil, err
		}
		v, err := p.value(t, kind)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
		switch {
		case p.isSign(")"):
			return out, p.advance()
		case !p.isSign(","):
			return nil, p.wrong("the list is not closed: add a ) or a comma")
		}
	}
}

// value reads one value and writes it in its normal form.
func (p *parser) value(t Test, kind valueKind) (string, error) {
	tok := p.tok
	if tok.kind == end || tok.kind == sign {
		return "", p.wrong("a value is missing: write one behind %s", t.Op)
	}
	v, err := normal(t, kind, tok.text)
	if err != "" {
		return "", wrong(p.lexer.text, tok.at, "%s", err)
	}
	return v, p.advance()
}

// normal is the value as the rest of the program wants it; why says what is wrong with it.
func normal(t Test, kind valueKind, v string) (value, why string) {
	text := t.Op == StartsWith || t.Op == EndsWith || t.Op == Contains
	switch {
	case t.Op == Matches:
		if _, err := regexp.Compile(v); err != nil {
			return "", "this is not a regular expression (RE2): " + strings.TrimPrefix(err.Error(), "error parsing regexp: ")
		}
		return v, ""
	case kind == yesNo && v != "true" && v != "false":
		return "", string(t.Field) + " is true or false"
	case kind == statusCode && !text:
		return status(t.Op, v)
	case kind == milliseconds && !text:
		return duration(v)
	case kind == bytes && !text:
		return size(v)
	}
	return v, ""
}

var class = regexp.MustCompile(`^[1-5]xx$`)

// status takes a number, or a class where it is compared for being the same.
func status(op Op, v string) (string, string) {
	if lower := strings.ToLower(v); class.MatchString(lower) {
		if op == Equal || op == NotEqual || op == In {
			return lower, ""
		}
		return "", "a class of statuses can be = or !=: write status >= " + lower[:1] + "00"
	}
	if n, err := strconv.Atoi(v); err != nil || n < 0 || n > 999 {
		return "", "a status is a number like 404, or a class like 5xx"
	}
	return v, ""
}

// duration takes 250, 250ms, 1.5s; the value is in milliseconds.
func duration(v string) (string, string) {
	if n, err := strconv.ParseFloat(v, 64); err == nil && n >= 0 && n < 1e12 {
		return strconv.FormatFloat(n, 'f', -1, 64), ""
	}
	d, err := time.ParseDuration(v)
	if err != nil || d < 0 {
		return "", "a duration is written as 250ms or 1.5s"
	}
	return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', -1, 64), ""
}

var units = []struct {
	suffix string
	factor float64
}{{"kib", 1 << 10}, {"mib", 1 << 20}, {"gib", 1 << 30}, {"kb", 1e3}, {"mb", 1e6}, {"gb", 1e9}, {"b", 1}, {"", 1}}

// size takes 512, 10kB, 1MiB; the value is in bytes.
func size(v string) (string, string) {
	for _, u := range units {
		digits, ok := strings.CutSuffix(strings.ToLower(v), u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
		if err != nil || n < 0 || n*u.factor > 1<<60 {
			break
		}
		return strconv.FormatInt(int64(n*u.factor), 10), ""
	}
	return "", "a size is written as 512, 10kB or 1MiB"
}
