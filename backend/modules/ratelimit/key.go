package ratelimit

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
	"proxycache/backend/schema"
	"proxycache/backend/template"
)

// addressing is how the client's address is found: depth counts the addresses of X-Forwarded-For from
// the right, prefix is how many bits of an IPv6 address are one client.
type addressing struct{ depth, prefix int }

// key is whose requests are counted together.
type key struct {
	parts  []func(*flow.Exchange) string
	secret bool // a value of it may be a credential: the trail shows its fingerprint
}

// words are the places of a key that a template does not know.
var words = regexp.MustCompile(`\$\{(client_ip|header:[^}]*|cookie:[^}]*)\}`)

var shortWords = []string{"client_ip", "header:NAME", "cookie:NAME", "path", "host", "all"}

// parseKey reads a short word, or a text with ${…} places.
func parseKey(text string, a addressing) (key, error) {
	kind, _, _ := strings.Cut(text, ":")
	switch {
	case strings.Contains(text, "${"):
	case text == "all":
		return key{}, nil
	case text == "path" || text == "host" || text == "client_ip" || kind == "header" || kind == "cookie":
		text = "${" + text + "}"
	default:
		return key{}, schema.Unknown("key", text, shortWords)
	}
	var k key
	for text != "" {
		at := words.FindStringSubmatchIndex(text)
		if at == nil {
			return k, k.template(text)
		}
		if err := k.template(text[:at[0]]); err != nil {
			return key{}, err
		}
		if err := k.word(text[at[2]:at[3]], a); err != nil {
			return key{}, err
		}
		text = text[at[1]:]
	}
	return k, nil
}

func (k *key) template(text string) error {
	if text == "" {
		return nil
	}
	t, err := template.Parse(text, template.Request)
	if err != nil {
		return err
	}
	k.parts = append(k.parts, func(x *flow.Exchange) string { return t.Fill(x, nil) })
	k.secret = k.secret || tellsSecret(text)
	return nil
}

func (k *key) word(word string, a addressing) error {
	kind, name, _ := strings.Cut(word, ":")
	switch {
	case kind == "client_ip":
		k.parts = append(k.parts, a.client)
	case kind == "cookie" && (name == "" || strings.ContainsAny(name, "=; \t")):
		return problem.New(problem.Invalid, "the key %q names no cookie: write cookie:NAME", word)
	case kind == "cookie":
		k.secret = true
		k.parts = append(k.parts, func(x *flow.Exchange) string { return cookie(x.Request.Header, name) })
	default:
		if err := k.template("${request.header." + name + "}"); err != nil {
			return problem.New(problem.Invalid, "the key %q names no field of a request: write header:NAME", word)
		}
	}
	return nil
}

// secretNames are parts of names of fields that hold credentials.
var secretNames = []string{"auth", "cookie", "token", "key", "secret", "session", "password", "signature"}

// tellsSecret judges a text with places: a field or a parameter of such a name may be in it.
func tellsSecret(text string) bool {
	for place := range strings.SplitSeq(strings.ToLower(text), "${") {
		name, _, _ := strings.Cut(place, "}")
		if field, ok := strings.CutPrefix(name, "request.header."); ok {
			name = field
		} else if field, ok := strings.CutPrefix(name, "query."); ok {
			name = field
		} else {
			continue
		}
		for _, part := range secretNames {
			if strings.Contains(name, part) {
				return true
			}
		}
	}
	return false
}

// of is the key of x. What the request does not have is empty: those without a field share a count.
func (k *key) of(x *flow.Exchange) string {
	switch len(k.parts) {
	case 0:
		return "all"
	case 1:
		return k.parts[0](x)
	}
	var b strings.Builder
	for _, part := range k.parts {
		b.WriteString(part(x))
	}
	return b.String()
}

const mostShown = 80 // characters of a key in the trail

// shown is value as the trail may say it.
func (k *key) shown(value string) string {
	switch {
	case value == "":
		return "(none)"
	case k.secret:
		sum := sha256.Sum256([]byte(value))
		return "sha256:" + hex.EncodeToString(sum[:6])
	case len(value) > mostShown:
		return strings.ToValidUTF8(value[:mostShown], "") + "…"
	}
	return value
}

func cookie(h flow.Header, name string) string {
	for _, f := range h {
		if !flow.EqualFold(f.Name, "Cookie") {
			continue
		}
		for pair := range strings.SplitSeq(f.Value, ";") {
			if n, value, _ := strings.Cut(strings.TrimSpace(pair), "="); n == name {
				return value
			}
		}
	}
	return ""
}

// client is the address of x's client; of IPv6 the network it is in.
func (a addressing) client(x *flow.Exchange) string {
	ip := x.Client.Addr().Unmap()
	if a.depth > 0 && x.Trusted {
		if told, ok := x.Request.Header.Forwarded(a.depth); ok {
			ip = told
		}
	}
	if !ip.Is6() {
		return ip.String()
	}
	if network, err := ip.WithZone("").Prefix(a.prefix); err == nil && a.prefix < 128 {
		return network.String()
	}
	return ip.WithZone("").String()
}
