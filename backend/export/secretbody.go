package export

import (
	"bufio"
	"bytes"
	"io"
	"strings"

	"proxycache/backend/flow"
)

// blankBody takes the secrets out of a body as it is read: of JSON and forms by the names of their
// members. Other bodies pass as they are.
func blankBody(body io.Reader, contentType string) io.Reader {
	switch {
	case isForm(contentType):
		return &blanked{in: bufio.NewReader(body), step: (*blanked).parameter}
	case isJSON(contentType):
		return &blanked{in: bufio.NewReader(body), step: (*blanked).token}
	}
	return body
}

func blankable(contentType string) bool { return isForm(contentType) || isJSON(contentType) }

func isForm(contentType string) bool {
	media, _, _ := strings.Cut(contentType, ";")
	return strings.EqualFold(strings.TrimSpace(media), "application/x-www-form-urlencoded")
}

func isJSON(contentType string) bool {
	short := flow.ShortMediaType(contentType)
	return short == "json" || short == "ndjson"
}

// blanked reads step by step; each step moves a little from in to out.
type blanked struct {
	in   *bufio.Reader
	step func(*blanked) error
	out  bytes.Buffer
	key  bool // the JSON string to come is a secret, by the name of its member
	list bool // so are those behind it, up to the end of their list
	err  error
}

func (b *blanked) Read(p []byte) (int, error) {
	for b.out.Len() == 0 && b.err == nil {
		b.err = b.step(b)
	}
	if b.out.Len() > 0 {
		return b.out.Read(p)
	}
	return 0, b.err
}

// longestName bounds what is kept of a string to judge it as a name.
const longestName = 256

// parameter moves "name=value&". What has no "=" soon is no parameter and passes.
func (b *blanked) parameter() error {
	name, err := b.until("=&", longestName)
	b.out.WriteString(name)
	if err != nil || !strings.HasSuffix(name, "=") {
		return err
	}
	secret := secretParameter(strings.TrimSuffix(name, "="))
	if secret {
		b.out.WriteString(Blank)
	}
	for {
		value, err := b.until("&", 4<<10)
		if !secret {
			b.out.WriteString(value)
		} else if strings.HasSuffix(value, "&") {
			b.out.WriteByte('&')
		}
		if err != nil || strings.HasSuffix(value, "&") {
			return err
		}
	}
}

// until reads up to and with one of the ends, at most n bytes.
func (b *blanked) until(ends string, n int) (string, error) {
	var s strings.Builder
	for s.Len() < n {
		c, err := b.in.ReadByte()
		if err != nil {
			return s.String(), err
		}
		s.WriteByte(c)
		if strings.IndexByte(ends, c) >= 0 {
			break
		}
	}
	return s.String(), nil
}

// token moves one JSON token, or what is none, byte by byte. Strings behind the name of a secret are
// replaced, in a list too; numbers are left, for "max_tokens" is no secret.
func (b *blanked) token() error {
	c, err := b.in.ReadByte()
	if err != nil {
		return err
	}
	switch {
	case c == '"' && b.key:
		b.key = b.list
		b.out.WriteString(`"` + Blank + `"`)
		_, err := b.text(io.Discard)
		return err
	case c == '"':
		b.out.WriteByte(c)
		name, err := b.text(&b.out)
		if err != nil {
			return err
		}
		b.out.WriteByte('"')
		b.key, err = b.named(name)
		return err
	case c == '[' && b.key:
		b.list = true
	case c == ' ', c == '\n', c == '\r', c == '\t', c == ',' && b.list:
	default:
		b.key, b.list = false, false
	}
	return b.out.WriteByte(c)
}

// text moves a string up to its closing quote, which it drops, and returns the beginning.
func (b *blanked) text(to io.Writer) (begin string, err error) {
	w := bufio.NewWriter(to)
	defer func() { _ = w.Flush() }() // into memory
	var name []byte
	escaped := false
	for {
		c, err := b.in.ReadByte()
		if err != nil || c == '"' && !escaped {
			return string(name), err
		}
		escaped = c == '\\' && !escaped
		if len(name) < longestName {
			name = append(name, c)
		}
		_ = w.WriteByte(c) // into memory
	}
}

// named tells whether the string that was just moved is the name of a member that holds a secret.
func (b *blanked) named(name string) (bool, error) {
	for {
		c, err := b.in.ReadByte()
		switch {
		case err != nil:
			return false, err
		case c == ':':
			b.list = false
			return secretMember(name), b.out.WriteByte(c)
		case c != ' ' && c != '\n' && c != '\r' && c != '\t':
			return false, b.in.UnreadByte()
		}
		b.out.WriteByte(c)
	}
}
