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

// printValue is v as TOML on one line, but for texts of several lines.
func printValue(v any) string {
	switch v := v.(type) {
	case string:
		return printText(v)
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
			items[i] = printValue(v[i])
		}
		return "[" + strings.Join(items, ", ") + "]"
	case []string:
		items := make([]string, len(v))
		for i := range v {
			items[i] = printText(v[i])
		}
		return "[" + strings.Join(items, ", ") + "]"
	case map[string]any:
		if len(v) == 0 {
			return "{}"
		}
		var items []string
		for _, k := range keys(v) {
			items = append(items, printKey(k)+" = "+printValue(v[k]))
		}
		return "{ " + strings.Join(items, ", ") + " }"
	}
	return printText(fmt.Sprint(v)) // dates: no setting takes them, but a file may hold them
}

// printText chooses the form that needs the fewest escapes.
func printText(s string) string {
	switch {
	case strings.ContainsAny(s, "\n") && plain(s, "\n\t") && !strings.Contains(s, "'''") && !strings.HasSuffix(s, "'"):
		return "'''\n" + s + "'''"
	case strings.ContainsAny(s, `"\`) && !strings.Contains(s, "'") && plain(s, "\t"):
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
