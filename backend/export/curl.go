package export

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"proxycache/backend/flow"
)

// longestArgument is how many bytes stand in one argument: Linux takes 128 KiB (MAX_ARG_STRLEN).
const longestArgument = 100 << 10

// Curl is the request of r with its body as a command for a POSIX shell: the same method, target,
// fields in their order, and body bytes. What curl decides by itself (framing, Host, per-hop fields)
// is left to it, and its own Accept, User-Agent and Content-Type are taken away where the request had
// none. Of a tunnel, whose bytes nobody read, it is a request to the same host.
func Curl(r *flow.Record, body []byte) string {
	c := command{r: r, fields: fieldsOf(r.RequestHead), body: body}
	if r.Door == flow.Tunnel {
		return "curl " + quote(urlOf(r))
	}
	c.url()
	c.method()
	c.headers()
	c.data()
	return c.feed + "curl " + strings.Join(c.args, " \\\n  ")
}

type command struct {
	r      *flow.Record
	fields flow.Header
	body   []byte
	args   []string
	feed   string // what pipes the body into curl, where it is no argument
}

func (c *command) add(args ...string) { c.args = append(c.args, strings.Join(args, " ")) }

// sendsBody tells whether there is a body, be it one of no bytes: "Content-Length: 0" tells a server
// something that its absence does not.
func (c *command) sendsBody() bool {
	if c.r.Method == "GET" || c.r.Method == "HEAD" {
		return len(c.body) > 0
	}
	return len(c.body) > 0 || c.fields.Has("Content-Length") || c.fields.Has("Transfer-Encoding")
}

// method adds what makes curl use it. -X is only for what nothing else implies: it would stick to
// the requests of a redirect as well.
func (c *command) method() {
	switch m, sends := c.r.Method, c.sendsBody(); {
	case m == "GET" && !sends, m == "POST" && sends:
	case m == "HEAD" && !sends:
		c.add("-I")
	case m == "HEAD": // -I takes no body, and without it curl waits for the one that HEAD never gets
		c.add("-X", "HEAD", "--ignore-content-length", "-H", "'Connection: close'")
	default:
		c.add("-X", quote(m))
	}
}

func (c *command) url() {
	target := c.r.Target
	switch {
	case target == "" || target[0] != '/' || strings.ContainsFunc(target, foreign):
		c.add(quote(c.r.Scheme + "://" + c.r.Authority + "/"))
		c.add("--request-target", quote(target))
	default:
		c.add(quote(c.r.Scheme + "://" + c.r.Authority + target))
	}
	if strings.ContainsAny(c.r.Authority+target, "[]{}") {
		c.add("-g") // else they are a range or a list
	}
	if hasDots(target) {
		c.add("--path-as-is") // else "/a/../b" is sent as "/b"
	}
}

// foreign are the characters of a URL that curl refuses, cuts at, or encodes.
func foreign(r rune) bool { return r <= ' ' || r >= 0x7f || r == '#' || r == '\\' }

// hasDots tells whether a segment of the path is one that a client resolves (RFC 3986 §5.2.4).
func hasDots(target string) bool {
	path, _, _ := strings.Cut(target, "?")
	for segment := range strings.SplitSeq(path, "/") {
		switch strings.ReplaceAll(strings.ToLower(segment), "%2e", ".") {
		case ".", "..":
			return true
		}
	}
	return false
}

func (c *command) headers() {
	for _, name := range []string{"User-Agent", "Accept"} {
		if !c.fields.Has(name) {
			c.add("-H", quote(name+":"))
		}
	}
	if c.sendsBody() && !c.fields.Has("Content-Type") {
		c.add("-H", "'Content-Type:'")
	}
	if upgradesToWebSocket(c.fields) {
		c.add("--http1.1")
		c.add("-H", "'Connection: Upgrade'")
		c.add("-H", "'Upgrade: websocket'")
	}
	compressed := false
	for _, f := range endToEnd(c.r, c.fields) {
		switch {
		case flow.EqualFold(f.Name, "Accept-Encoding") && f.Value != "" && !flow.EqualFold(f.Value, "identity"):
			if !compressed { // curl then asks for what it can undo, and shows text
				c.add("--compressed")
			}
			compressed = true
		case f.Value == "":
			c.add("-H", quote(f.Name+";")) // "Name:" would take the field away
		default:
			c.add("-H", quote(f.Name+": "+f.Value))
		}
	}
}

// data gives the body: as an argument where it is text, through a pipe where an argument cannot hold
// it. --data-raw, because --data reads the file that a body names after "@".
func (c *command) data() {
	switch {
	case !c.sendsBody():
	case len(c.body) <= longestArgument && showable(string(c.body)):
		c.add("--data-raw", quote(string(c.body)))
	default:
		c.feed = "printf " + octal(c.body) + " |\n"
		c.add("--data-binary", "@-")
	}
}

// showable tells whether s survives a terminal and a clipboard: text without control characters. A
// carriage return would be pasted as a line feed.
func showable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) && r != '\n' && r != '\t'
	})
}

// quote makes s one word of a POSIX shell.
func quote(s string) string {
	if !showable(s) {
		return `"$(printf ` + octal([]byte(s)) + `)"` // takes line feeds off the end: no method, URL or field ends in one
	}
	if s != "" && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// octal writes b as a quoted format of printf(1), which every shell has built in: it is bound by no
// length, and its octal escapes give every byte, NUL too.
func octal(b []byte) string {
	var s strings.Builder
	s.Grow(len(b) + len(b)/2)
	s.WriteByte('\'')
	for i, c := range b {
		switch {
		case c == '\\':
			s.WriteString(`\\`)
		case c == '%':
			s.WriteString("%%")
		case c == '\'':
			s.WriteString(`\047`)
		case c == '\n':
			s.WriteString(`\n`)
		case c < ' ' || c >= 0x7f, c == '-' && i == 0: // a dash in front would be an option
			fmt.Fprintf(&s, `\%03o`, c)
		default:
			s.WriteByte(c)
		}
	}
	s.WriteByte('\'')
	return s.String()
}
