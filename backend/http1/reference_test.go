package http1

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"

	"proxycache/backend/flow"
)

// A second parser, slow and plain, out of the ABNF of RFC 9110, 9112 and 3986. It judges complete
// texts only. Bytes are read as Latin-1 so that regular expressions see one character per byte.

const (
	abToken  = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+"
	abVisual = `[\x21-\x7e\x{80}-\x{ff}]`
	abText   = `[\t\x20-\x7e\x{80}-\x{ff}]`
	abTarget = `[\x21\x22\x24-\x7e\x{80}-\x{ff}]` // visible, but no "#"

	abH16     = `[0-9A-Fa-f]{1,4}`
	abOctet   = `(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])`
	abIPv4    = abOctet + `\.` + abOctet + `\.` + abOctet + `\.` + abOctet
	abLs32    = `(?:` + abH16 + `:` + abH16 + `|` + abIPv4 + `)`
	abRegName = `(?:[-._~!$&'()*+,;=0-9A-Za-z]|%[0-9A-Fa-f]{2})`
)

// RFC 3986 §3.2.2, the nine lines of IPv6address.
var abIPv6 = `(?:` + strings.Join([]string{
	`(?:` + abH16 + `:){6}` + abLs32,
	`::(?:` + abH16 + `:){5}` + abLs32,
	`(?:` + abH16 + `)?::(?:` + abH16 + `:){4}` + abLs32,
	`(?:(?:` + abH16 + `:){0,1}` + abH16 + `)?::(?:` + abH16 + `:){3}` + abLs32,
	`(?:(?:` + abH16 + `:){0,2}` + abH16 + `)?::(?:` + abH16 + `:){2}` + abLs32,
	`(?:(?:` + abH16 + `:){0,3}` + abH16 + `)?::` + abH16 + `:` + abLs32,
	`(?:(?:` + abH16 + `:){0,4}` + abH16 + `)?::` + abLs32,
	`(?:(?:` + abH16 + `:){0,5}` + abH16 + `)?::` + abH16,
	`(?:(?:` + abH16 + `:){0,6}` + abH16 + `)?::`,
}, `|`) + `)`

var (
	abFuture  = `[vV][0-9A-Fa-f]+\.[-._~!$&'()*+,;=:0-9A-Za-z]+`
	abLiteral = `\[(?:` + abIPv6 + `|` + abFuture + `)\]`

	reHost        = whole(`(?:` + abLiteral + `|` + abRegName + `*)(?::[0-9]*)?`)
	reAbsolute    = whole(`[A-Za-z][A-Za-z0-9+.\-]*://(?:` + abLiteral + `|` + abRegName + `+)(?::[0-9]*)?(?:[/?]` + abTarget + `*)?`)
	reAuthority   = whole(`(?:` + abLiteral + `|` + abRegName + `+):([0-9]+)`)
	reBeforePath  = regexp.MustCompile(`\A(?:[^/:]+://[^/?]*|[^/].*)?`)
	reOrigin      = whole(`/` + abTarget + `*`)
	reRequestLine = whole(`(` + abToken + `) (` + abTarget + `+) HTTP/1\.([0-9])`)
	reStatusLine  = whole(`HTTP/1\.([0-9]) ([1-9][0-9]{2}) (` + abText + `*)`)
	reField       = whole(`(` + abToken + `):[ \t]*(` + abVisual + `(?:` + abText + `*` + abVisual + `)?)?[ \t]*`)

	abQuoted = `"(?:[\t \x21\x23-\x5b\x5d-\x7e\x{80}-\x{ff}]|\\` + abText + `)*"`
	abExt    = `;[ \t]*` + abToken + `(?:[ \t]*=[ \t]*(?:` + abToken + `|` + abQuoted + `))?`
	reSize   = whole(`([0-9A-Fa-f]+)((?:` + abExt + `(?:[ \t]*` + abExt + `)*)?)`)
)

func whole(expression string) *regexp.Regexp { return regexp.MustCompile(`\A(?:` + expression + `)\z`) }

func latin1(b []byte) string {
	runes := make([]rune, len(b))
	for i, c := range b {
		runes[i] = rune(c)
	}
	return string(runes)
}

func octets(s string) string {
	var b []byte
	for _, c := range s {
		b = append(b, byte(c))
	}
	return string(b)
}

// refHead is what the two parsers must agree on.
type refHead struct {
	method, target, proto string
	status                int
	reason                string
	header                flow.Header
	length                int64
	close, expect         bool
	n                     int
}

func refOf(h *Head, n int) refHead {
	return refHead{h.Method, h.Target, h.Proto, h.Status, h.Reason, h.Header, h.Length, h.Close, h.Expect, n}
}

// refSection cuts a section of lines off text.
func refSection(text string) (lines []string, n int) {
	section, _, found := strings.Cut(text, "\r\n\r\n")
	if !found {
		return nil, 0
	}
	return strings.Split(section, "\r\n"), len([]rune(section)) + 4
}

func refFields(lines []string) (flow.Header, bool) {
	h := flow.Header{}
	for _, line := range lines {
		m := reField.FindStringSubmatch(line)
		if m == nil {
			return nil, false
		}
		h.Add(octets(m[1]), octets(m[2]))
	}
	return h, len(h) <= DefaultLimits.Fields
}

// refLength reads the framing fields; ok is false where they are refused.
func refLength(h flow.Header, proto string, none int64) (length int64, ok bool) {
	lengths, codings := h.Values("Content-Length"), h.Values("Transfer-Encoding")
	switch {
	case len(lengths)+len(codings) == 0:
		return none, true
	case len(lengths)+len(codings) > 1:
		return 0, false
	case len(codings) == 1:
		return Chunked, proto == "HTTP/1.1" && strings.EqualFold(codings[0], "chunked")
	}
	n, err := strconv.ParseInt(lengths[0], 10, 64)
	return n, err == nil && regexp.MustCompile(`\A[0-9]+\z`).MatchString(lengths[0])
}

func refProto(minor string) string {
	if minor == "0" {
		return "HTTP/1.0"
	}
	return "HTTP/1.1"
}

func refClose(h flow.Header, proto string) bool {
	options := regexp.MustCompile(`[ \t]*,[ \t]*`).Split(strings.ToLower(strings.Trim(strings.Join(h.Values("Connection"), ","), " \t")), -1)
	has := func(name string) bool {
		for _, o := range options {
			if o == name {
				return true
			}
		}
		return false
	}
	return has("close") || proto == "HTTP/1.0" && !has("keep-alive")
}

func refRequest(buf []byte) (r refHead, ok bool) {
	skip := 0
	for range 2 {
		if bytes.HasPrefix(buf[skip:], []byte("\r\n")) {
			skip += 2
		}
	}
	lines, n := refSection(latin1(buf[skip:]))
	if lines == nil || n > DefaultLimits.Head {
		return r, false
	}
	m := reRequestLine.FindStringSubmatch(lines[0])
	if m == nil || !refTarget(m[1], m[2]) {
		return r, false
	}
	r = refHead{method: octets(m[1]), target: octets(m[2]), proto: refProto(m[3]), n: skip + n}
	if r.header, ok = refFields(lines[1:]); !ok || !refSized(r.target) {
		return r, false
	}
	hosts := r.header.Values("Host")
	if len(hosts) > 1 || len(hosts) == 0 && r.proto == "HTTP/1.1" || len(hosts) == 1 && !reHost.MatchString(latin1([]byte(hosts[0]))) {
		return r, false
	}
	r.length, ok = refLength(r.header, r.proto, 0)
	r.close = refClose(r.header, r.proto)
	for _, value := range r.header.Values("Expect") {
		for _, one := range strings.Split(value, ",") {
			if strings.EqualFold(strings.Trim(one, " \t"), "100-continue") && r.length != 0 && r.proto == "HTTP/1.1" {
				r.expect = true
			}
		}
	}
	return r, ok && (r.method != "CONNECT" || r.length == 0)
}

func refTarget(method, target string) bool {
	if method == "CONNECT" {
		m := reAuthority.FindStringSubmatch(target)
		if m == nil {
			return false
		}
		port, err := strconv.Atoi(m[1])
		return err == nil && port > 0 && port < 65536
	}
	return reOrigin.MatchString(target) || reAbsolute.MatchString(target) || target == "*" && method == "OPTIONS"
}

// refSized holds a target of the right form to the limits.
func refSized(target string) bool {
	before := reBeforePath.FindString(target)
	return len(before) <= originSize && len(target)-len(before) <= DefaultLimits.Target
}

func refResponse(buf []byte, method string) (r refHead, ok bool) {
	lines, n := refSection(latin1(buf))
	if lines == nil || n > DefaultLimits.Head {
		return r, false
	}
	m := reStatusLine.FindStringSubmatch(lines[0])
	if m == nil {
		return r, false
	}
	status, _ := strconv.Atoi(m[2])
	r = refHead{proto: refProto(m[1]), status: status, reason: octets(m[3]), n: n}
	if r.header, ok = refFields(lines[1:]); !ok {
		return r, false
	}
	r.close = refClose(r.header, r.proto)
	if status == 101 || method == "CONNECT" && status >= 200 && status <= 299 {
		r.close = true
		return r, true
	}
	if r.length, ok = refLength(r.header, r.proto, UntilClose); !ok {
		return r, false
	}
	announced := r.length != 0 && r.length != UntilClose
	if status < 200 || status == 204 || status == 304 || method == "HEAD" {
		r.length = 0
	}
	r.close = r.close || r.length == UntilClose || status == 204 && announced
	return r, true
}

type verdict int

const (
	accepted verdict = iota
	incomplete
	refused
)

// refChunked decodes a chunked body at the start of data.
func refChunked(data []byte) (body []byte, trailer flow.Header, rest []byte, v verdict) {
	excess := int64(0)
	for {
		line, after, found := bytes.Cut(data, []byte("\r\n"))
		if !found {
			return body, nil, nil, incomplete
		}
		m := reSize.FindStringSubmatch(latin1(line))
		if m == nil || len(line)+2 > chunkLine {
			return body, nil, nil, refused
		}
		size, err := strconv.ParseInt(m[1], 16, 64)
		if excess += int64(len(line) + 2 - 20); excess > size {
			excess -= size
		} else {
			excess = 0
		}
		if err != nil || excess > chunkExcess {
			return body, nil, nil, refused
		}
		data = after
		if size == 0 {
			break
		}
		if int64(len(data)) < size {
			return append(body, data...), nil, nil, incomplete
		}
		body, data = append(body, data[:size]...), data[size:]
		switch {
		case bytes.HasPrefix(data, []byte("\r\n")):
			data = data[2:]
		case len(data) == 0 || string(data) == "\r":
			return body, nil, nil, incomplete
		default:
			return body, nil, nil, refused
		}
	}
	if rest, ok := bytes.CutPrefix(data, []byte("\r\n")); ok {
		return body, nil, rest, accepted
	}
	lines, n := refSection(latin1(data))
	if lines == nil {
		return body, nil, nil, incomplete
	}
	all, ok := refFields(lines)
	if !ok || n > DefaultLimits.Head {
		return body, nil, nil, refused
	}
	for _, f := range all {
		if !headerOnly(f.Name) {
			trailer = append(trailer, f)
		}
	}
	return body, trailer, data[n:], accepted
}

var (
	reEmptyBefore = regexp.MustCompile(`\A(?:\r?\n){0,2}`)
	reHeadSection = regexp.MustCompile(`\A(?s:.*?\n)\r?\n`)
	reLineEnd     = regexp.MustCompile(`\r?\n`)
	reLoneFeed    = regexp.MustCompile(`(?:\A|[^\r])\n`)
	reBareStatus  = whole(`HTTP/1\.[0-9] [0-9]{3}`)
	reGap         = regexp.MustCompile(`\A(` + abToken + `)[ \t]+:`)
	reFramingName = regexp.MustCompile(`(?i)\A(?:content-length|transfer-encoding|host|connection|upgrade|expect)(?:[^!#$%&'*+\-.^_` + "`" + `|~0-9A-Za-z]|\z)`)
	reLength      = regexp.MustCompile(`(?i)\A(content-length):(.*)\z`)
	reControl     = regexp.MustCompile(`[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]`)
)

// refLenient reads a head that may have each fault of form, by regular expressions that bring it
// into the form it should have.
func refLenient(buf []byte, e exchange) (r refHead, needs flow.Tolerance, ok bool) {
	judge := func(text []byte) (refHead, bool) {
		if e.answered {
			return refResponse(text, e.method)
		}
		return refRequest(text)
	}
	if r, ok := judge(buf); ok {
		return r, 0, true
	}
	text, skip := latin1(buf), ""
	if !e.answered {
		skip = reEmptyBefore.FindString(text)
	}
	head := reHeadSection.FindString(text[len(skip):])
	if head == "" || strings.HasPrefix(strings.TrimPrefix(head, "\r"), "\n") || strings.Count(head, "\n") > 2+DefaultLimits.Fields || len([]rune(head)) > DefaultLimits.Head {
		return r, 0, false
	}
	if reLoneFeed.MatchString(skip) || reLoneFeed.MatchString(head) {
		needs |= flow.LineFeed
	}
	lines := strings.Split(reLineEnd.ReplaceAllString(head, "\r\n"), "\r\n")
	lines, more := refMended(lines[:len(lines)-2], e.answered)
	r, ok = judge([]byte(octets(strings.Join(lines, "\r\n") + "\r\n\r\n")))
	r.n = len(skip) + len([]rune(head))
	return r, needs | more, ok
}

func refMended(lines []string, response bool) (out []string, needs flow.Tolerance) {
	spaced := func(value string) string {
		if response && reControl.MatchString(value) {
			needs |= flow.FieldBytes
			return reControl.ReplaceAllString(value, " ")
		}
		return value
	}
	if response && reBareStatus.MatchString(lines[0]) {
		lines[0] += " "
		needs |= flow.StatusLine
	}
	out = lines[:1:1]
	for _, line := range lines[1:] {
		before := len(out) - 1
		if more := strings.Trim(line, " \t"); strings.TrimLeft(line, " \t") != line && more != "" && before > 0 && !reFramingName.MatchString(out[before]) {
			out[before] = strings.TrimRight(out[before], " \t") + " " + spaced(more)
			needs |= flow.ObsFold
			continue
		}
		if response && reGap.MatchString(line) {
			line = reGap.ReplaceAllString(line, "$1:")
			needs |= flow.SpaceBeforeColon
		}
		if name, value, found := strings.Cut(line, ":"); found && !reFramingName.MatchString(line) {
			line = name + ":" + spaced(value)
		}
		out = append(out, line)
	}
	if !response {
		return out, needs
	}
	return refOneLength(out, needs)
}

func refOneLength(lines []string, needs flow.Tolerance) ([]string, flow.Tolerance) {
	var members []string
	for _, line := range lines {
		if m := reLength.FindStringSubmatch(line); m != nil {
			members = append(members, strings.Split(m[2], ",")...)
		}
	}
	for i := range members {
		if members[i] = strings.Trim(members[i], " \t"); members[i] != members[0] || !regexp.MustCompile(`\A[0-9]+\z`).MatchString(members[i]) {
			return lines, needs
		}
	}
	if len(members) < 2 {
		return lines, needs
	}
	var out []string
	seen := false
	for _, line := range lines {
		m := reLength.FindStringSubmatch(line)
		switch {
		case m == nil:
			out = append(out, line)
		case !seen:
			out = append(out, m[1]+": "+members[0])
			seen = true
		}
	}
	return out, needs | flow.EqualLengths
}
