package filter

import (
	"strings"
	"unicode/utf8"

	"proxycache/backend/problem"
)

// maxLength bounds a filter's text, maxDepth its nesting: what is longer was not written by a person.
const (
	maxLength = 16 << 10
	maxDepth  = 100
)

type kind int

const (
	end    kind = iota
	word        // host, and, GET
	quoted      // "…" or '…', unescaped
	sign        // = != ^= $= *= ~ < <= > >= ( ) ,
)

type token struct {
	kind kind
	text string
	at   int // bytes before it
}

type lexer struct {
	text string
	at   int
}

var signs = []string{"!=", "^=", "$=", "*=", "<=", ">=", "=", "~", "<", ">", "(", ")", ","}

func (l *lexer) next() (token, error) {
	for l.at < len(l.text) && isSpace(l.text[l.at]) {
		l.at++
	}
	start := l.at
	if start == len(l.text) {
		return token{kind: end, at: start}, nil
	}
	if c := l.text[start]; c == '"' || c == '\'' {
		return l.quoted(c)
	}
	for _, s := range signs {
		if strings.HasPrefix(l.text[start:], s) {
			l.at += len(s)
			return token{sign, s, start}, nil
		}
	}
	for l.at < len(l.text) && !isSpace(l.text[l.at]) && !l.atSign() {
		l.at++
	}
	if l.at == start {
		return token{}, wrong(l.text, start, "%q has no meaning here: put it in quotes if it belongs to a value", firstRune(l.text[start:]))
	}
	return token{word, l.text[start:l.at], start}, nil
}

// atSign tells that a word ends here: '=' ends one, but a '*' or '$' inside a value does not.
func (l *lexer) atSign() bool {
	rest := l.text[l.at:]
	switch rest[0] {
	case '=', '<', '>', '(', ')', ',', '"', '~':
		return true
	}
	return len(rest) > 1 && rest[1] == '=' && strings.IndexByte("!^$*", rest[0]) >= 0
}

// quoted reads up to the closing quote. A backslash takes a quote or a backslash as it is; before anything else
// it is one itself, as in a regular expression.
func (l *lexer) quoted(quote byte) (token, error) {
	start := l.at
	var b strings.Builder
	for i := start + 1; i < len(l.text); i++ {
		switch c := l.text[i]; {
		case c == '\\' && i+1 < len(l.text) && strings.IndexByte(`"'\`, l.text[i+1]) >= 0:
			i++
			b.WriteByte(l.text[i])
		case c == quote:
			l.at = i + 1
			return token{quoted, b.String(), start}, nil
		default:
			b.WriteByte(c)
		}
	}
	return token{}, wrong(l.text, start, "this quote is not closed: add a %c at the end of the value", quote)
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

func firstRune(s string) string {
	r, _ := utf8.DecodeRuneInString(s)
	return string(r)
}

// wrong is a problem at a byte of the text, told as a column in characters.
func wrong(text string, at int, format string, args ...any) *problem.Problem {
	p := problem.New(problem.Invalid, format, args...)
	p.Line = 1 + strings.Count(text[:at], "\n")
	p.Column = 1 + utf8.RuneCountInString(text[strings.LastIndexByte(text[:at], '\n')+1:at])
	return p
}
