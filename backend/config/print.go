package config

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

var bareKey = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

func printKey(k string) string {
	if bareKey.MatchString(k) {
		return k
	}
	return basicString(k)
}

// printValue is v as TOML: on one line, but for a text of several lines.
func printValue(v any) string {
	if s, ok := v.(string); ok {
		return printText(s)
	}
	return printInline(v)
}

// printInline is v on one line, as lists and inline tables want their values.
func printInline(v any) string {
	switch v := v.(type) {
	case string:
		return printLine(v)
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case int:
		return strconv.Itoa(v)
	case float64:
		s := strconv.FormatFloat(v, 'f', -1, 64)
		if !strings.Contains(s, ".") {
			s += ".0"
		}
		return s
	case []any:
		items := make([]string, len(v))
		for i := range v {
			items[i] = printInline(v[i])
		}
		return "[" + strings.Join(items, ", ") + "]"
	case []string:
		items := make([]string, len(v))
		for i := range v {
			items[i] = printLine(v[i])
		}
		return "[" + strings.Join(items, ", ") + "]"
	case map[string]any:
		if len(v) == 0 {
			return "{}"
		}
		var items []string
		for _, k := range keys(v) {
			items = append(items, printKey(k)+" = "+printInline(v[k]))
		}
		return "{ " + strings.Join(items, ", ") + " }"
	}
	return printLine(fmt.Sprint(v)) // dates: no setting takes them, but a file may hold them
}

// printText keeps a text of several lines readable.
func printText(s string) string {
	if strings.Contains(s, "\n") && plain(s, "\n\t") && !strings.Contains(s, "'''") && !strings.HasSuffix(s, "'") {
		return "'''\n" + s + "'''"
	}
	return printLine(s)
}

// printLine chooses the form that needs no escapes where there is one.
func printLine(s string) string {
	if strings.ContainsAny(s, `"\`) && !strings.Contains(s, "'") && plain(s, "\t") {
		return "'" + s + "'"
	}
	return basicString(s)
}

// plain tells that s has no control character but those of except, and is UTF-8.
func plain(s, except string) bool {
	for _, r := range s {
		if (r < ' ' || r == 0x7f) && !strings.ContainsRune(except, r) {
			return false
		}
	}
	return utf8.ValidString(s)
}

func basicString(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
